"""The public figures draw the numbers of what they are given, by independent computation."""

from __future__ import annotations

import json
import subprocess
import sys

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from avatar_trials import plots
from avatar_trials.endpoints import kaplan_meier, response_table
from avatar_trials.report import ReportInputs, canvas
from avatar_trials.report.intervals import NAMES_IN
from avatar_trials.report.panels import CELL_IN
from avatar_trials.strategies import compare_strategies, score_strategies
from avatar_trials.strategies.scoring import event_times
from tests.fake_trial import ARMS, DOUBLING, LEVEL, RULE, report_inputs
from tests.strategy_panel import RULES, design

Floats = NDArray[np.float64]
SOME = ("A", "upfront", "sequential")
SHORT_DAYS = 14


@pytest.fixture(scope="module")
def inputs() -> ReportInputs:
    made = report_inputs()
    own = {"mrecist_rule": RULE, "doubling": DOUBLING, "level": LEVEL}
    made.trial.attrs["endpoints"] = json.dumps(own)
    return made


@pytest.fixture(scope="module")
def followed() -> xr.Dataset:
    rules = [{"name": name, "rule": RULES[name]} for name in SOME]
    return compare_strategies(design(strategies=rules))


def points(axes: Axes, marker: str) -> Floats:
    """x and y (2, point) of every marker of a kind, in the order drawn."""
    lines = [line for line in axes.lines if line.get_marker() == marker]
    return np.concatenate([np.asarray(line.get_data(), dtype=float) for line in lines], axis=1)


def test_swimmer_shows_how_long_each_mouse_was_followed_and_when_it_doubled(inputs: ReportInputs) -> None:
    assert inputs.observed is not None
    mice = response_table(inputs.observed, rule=RULE, doubling=DOUBLING)
    rows = inputs.observed.rows
    for arm, axes in plots.swimmer(inputs.trial, inputs.observed).items():
        own = mice[mice["arm"] == arm].sort_values("last_day", ascending=False, kind="stable")
        bars = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
        lanes = sorted(bars, key=lambda bar: bar.get_y())
        assert [bar.get_width() for bar in lanes] == own["last_day"].tolist()
        inks = [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in lanes]
        assert inks == [canvas.CATEGORY_COLOURS[category] for category in own["category"]]
        days = dict(enumerate(own["time_to_doubling_days"].where(own["doubled"])))
        assert {int(lane): day for day, lane in points(axes, "D").T} == {
            lane: day for lane, day in days.items() if np.isfinite(day)
        }
        (thin,) = [line for line in axes.lines if line.get_linewidth() == 1.2]
        shown = int(np.isfinite(np.asarray(thin.get_xdata(), dtype=float)).sum())
        start = rows[rows["arm"] == arm].groupby("mouse")["volume_mm3"].transform("first")
        assert shown == int((rows.loc[rows["arm"] == arm, "volume_mm3"] <= 0.5 * start).sum())


def test_an_emulated_swimmer_is_of_the_replicate_asked_for(inputs: ReportInputs) -> None:
    volume = inputs.trial["volume_mm3"].isel(trial=3).transpose("arm", "avatar", "visit").values
    last = inputs.trial["day"].values[np.isfinite(volume).sum(axis=-1) - 1]
    for days, axes in zip(last, plots.swimmer(inputs.trial, replicate=3).values(), strict=True):
        widths = sorted(bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle))
        assert widths == sorted(days)


def test_agreement_of_populations_stands_on_the_line_where_arms_are_alike(inputs: ReportInputs) -> None:
    assert inputs.population is not None
    panels = plots.agreement_of_populations(inputs.population)
    for measure, scale in (("ORR", 100.0), ("median_depth_of_response_pct", 1.0)):
        own = inputs.population[inputs.population["measure"] == measure].set_index("arm").loc[ARMS]
        shown = points(panels[measure], "o")
        assert shown == pytest.approx(scale * own[["observed", "emulated"]].to_numpy(dtype=float).T)
    same = inputs.population.assign(emulated=inputs.population["observed"])
    x, y = points(plots.agreement_of_populations(same)["ORR"], "o")
    assert np.array_equal(x, y)


def test_agreement_of_individuals_stands_between_its_references(inputs: ReportInputs) -> None:
    assert inputs.individual is not None
    own = inputs.individual[inputs.individual["measure"] == "Spearman_depth"].set_index("arm")
    axes = plots.agreement_of_individuals(inputs.individual)["Spearman_depth"]
    names = [*ARMS, "all"]
    for marker, column in (("s", "null_reference"), ("^", "ceiling"), ("o", "value")):
        x, y = points(axes, marker)
        assert y.tolist() == list(range(len(names)))
        assert x == pytest.approx(own.loc[names, column].to_numpy(dtype=float), nan_ok=True)
    wide = CELL_IN - NAMES_IN - 0.14
    assert axes.get_position().width * axes.figure.get_figwidth() == pytest.approx(wide)  # type: ignore[union-attr]


def test_forest_waterfall_spider_and_survival_are_those_of_the_report(inputs: ReportInputs) -> None:
    """Their numbers are held by test_report_figures; here the public names reach the very same panels."""
    assert inputs.observed is not None
    forest = plots.forest(inputs.readout_emulated, inputs.readout_observed, arms=ARMS[1:3])
    readout = inputs.readout_emulated
    rates = readout[(readout["endpoint"] == "ORR") & readout["arm"].isin(ARMS[1:3])]["estimate"]
    assert points(forest["ORR"], "o")[0] == pytest.approx(100 * rates.to_numpy(dtype=float))
    for drawn in (plots.waterfall, plots.spider, plots.kaplan_meier):
        panels = drawn(inputs.trial, inputs.observed, arms=ARMS[:2])
        assert list(panels) == ARMS[:2]
        assert all(axes.get_xlabel() and axes.get_ylabel() for axes in panels.values())
    half = plots.kaplan_meier(inputs.trial, level=0.5, arms=ARMS[:1])[ARMS[0]]
    (texts,) = [legend.get_texts() for legend in half.figure.legends]
    assert any("50 %" in text.get_text() for text in texts)
    with pytest.raises(ValueError, match="no arm nothing"):
        plots.spider(inputs.trial, arms=["nothing"])
    with pytest.raises(ValueError, match="does not say its rule"):
        plots.waterfall(inputs.trial.drop_attrs())


def test_posterior_predictive_shows_the_volumes_of_one_curve(inputs: ReportInputs) -> None:
    assert inputs.posterior is not None
    assert inputs.observed is not None
    avatar = str(inputs.trial["avatar"].values[2])
    axes = plots.posterior_predictive(inputs.posterior, avatars=[avatar], arms=ARMS[:1])[avatar, ARMS[0]]
    rows = inputs.observed.rows
    own = rows[(rows["avatar"] == avatar) & (rows["arm"] == ARMS[0]) & (rows["volume_mm3"] >= 15)]
    assert 10 ** points(axes, "o")[1] == pytest.approx(own["volume_mm3"].to_numpy(dtype=float))
    with pytest.raises(ValueError, match="no predictive volumes"):
        plots.posterior_predictive(xr.DataTree.from_dict({"/posterior": xr.Dataset({"a": 1.0})}))


def test_strategies_are_drawn_as_they_were_scored(followed: xr.Dataset) -> None:
    scores, differences = score_strategies(followed, "A", resamples=20)
    table = scores.set_index(["endpoint", "strategy"])["estimate"]
    panels = plots.strategy_comparison(scores)
    (days,) = [axes for name, axes in panels.items() if name.startswith("time")]
    for face, endpoint in (("white", "PFS_mean_days"), (canvas.ARM_COLOURS[1], "strategy_failure_mean_days")):
        marks = [
            line for line in days.lines if line.get_marker() == "o" and line.get_markerfacecolor() == face
        ]
        x = [float(np.asarray(line.get_xdata())[0]) for line in marks]
        assert x == pytest.approx(table[endpoint].loc[list(SOME)].to_list())
    apart = differences[differences["endpoint"] == "drug_days"]["difference"]
    assert points(plots.strategy_differences(differences)["drug_days"], "o")[0] == pytest.approx(apart)
    for endpoint, axes in plots.strategy_curves(followed).items():
        for name in SOME:
            time, event, _ = event_times(followed.sel(strategy=name))[endpoint]
            (line,) = [line for line in axes.lines if line.get_label() == name]
            assert np.asarray(line.get_ydata())[1:] == pytest.approx(kaplan_meier(time, event).surv)


def test_clones_are_stacked_to_the_whole_tumour(followed: xr.Dataset) -> None:
    axes = plots.clones(followed, strategies=["upfront"])["upfront"]
    course = followed["clone_course"].sel(strategy="upfront").values
    for clone, layer in enumerate(axes.collections):
        outline = layer.get_paths()[0].vertices
        days = followed["day"].values
        for visit in (0, 5, 9):
            y = np.asarray(outline)[np.asarray(outline)[:, 0] == days[visit], 1]
            assert y.max() - y.min() == pytest.approx(100 * course[visit, clone])
    first = [text.get_text() for text in axes.texts]
    assert first[first.index("tumours") + 1] == str(int(followed["n_followed"].values[1, 0]))


def test_the_course_of_clones_ends_where_the_mice_do() -> None:
    """Nobody leaves a study this short, so the mean at its last visit is over all of them."""
    rules = [{"name": name, "rule": RULES[name]} for name in SOME]
    short = compare_strategies(
        design(
            strategies=rules,
            visits={"gaps_days": [7], "horizon_days": SHORT_DAYS},
            stopping={"size_mm3": 1e5},
            toxicity=None,
        )
    )
    assert (short["left_day"] == SHORT_DAYS).all()
    ends = short["last_clones"].mean("avatar").transpose("strategy", "clone")
    assert np.allclose(short["clone_course"].isel(visit=-1), ends, atol=1e-6)
    assert (short["n_followed"] == short.sizes["avatar"]).all()


def test_power_is_the_share_of_trials_that_go_forward() -> None:
    base = {
        "world": "posterior",
        "basket": "all",
        "arm": "A + B",
        "against": "all single agents",
        "test": "mcnemar",
        "quantity": "assurance",
        "se": 0.01,
        "n_trials": 400,
    }
    rows = [
        {**base, "n_avatars": n, "endpoint": endpoint, "estimate": n / 100 + extra}
        for n in (10, 20, 40)
        for endpoint, extra in (("ORR", 0.0), ("depth", 0.1))
    ]
    (axes,) = plots.power(pd.DataFrame(rows), ["n_avatars"]).values()
    drawn = [line for line in axes.lines if line.get_marker() == "o" and len(np.asarray(line.get_xdata()))]
    assert [np.asarray(line.get_ydata()).tolist() for line in drawn] == [
        pytest.approx([0.1, 0.2, 0.4]),
        pytest.approx([0.2, 0.3, 0.5]),
    ]
    assert axes.get_xlabel() == "n_avatars"


def test_the_package_is_still_light_to_import_and_no_display_is_asked_for() -> None:
    script = (
        "import sys, avatar_trials as at; assert 'matplotlib' not in sys.modules; at.plots.power; "
        "assert 'matplotlib.pyplot' not in sys.modules and 'pymc' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_notebook_shows_the_figures_without_pyplot(inputs: ReportInputs) -> None:
    """IPython knows how to show figures of pyplot only; these tell it themselves."""
    (figure,) = {axes.figure for axes in plots.forest(inputs.readout_emulated).values()}
    assert isinstance(figure, canvas.Sheet)
    assert figure._repr_png_().startswith(b"\x89PNG")
