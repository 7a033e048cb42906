"""The report's figures show the mice and trials they are drawn from, by independent computation."""

from __future__ import annotations

from itertools import combinations

import matplotlib
import matplotlib.colors
import numpy as np
import pytest
import xarray as xr
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from avatar_trials.endpoints import kaplan_meier, response_table, trial_response
from avatar_trials.report import ReportInputs, canvas, doubling, predictive, spider, waterfall
from tests.fake_trial import ARMS, DOUBLING, LEVEL, LIMIT_MM3, RULE, report_inputs

Floats = NDArray[np.float64]


@pytest.fixture(scope="module")
def inputs() -> ReportInputs:
    return report_inputs()


def test_observed_steps_and_numbers_at_risk_are_those_of_the_mice(inputs: ReportInputs) -> None:
    assert inputs.observed is not None
    mice = response_table(inputs.observed, rule=RULE, doubling=DOUBLING)
    responses = trial_response(inputs.trial, rule=RULE, doubling=DOUBLING)
    last = float(inputs.trial["day"].max())
    drawn = doubling.doubling_curves(responses, mice, ARMS, canvas.arm_colours(ARMS), last, LEVEL)
    for arm, axes in drawn.axes.items():
        own = mice[mice["arm"] == arm]
        curve = kaplan_meier(own["time_to_doubling_days"], own["doubled"])
        (steps,) = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
        assert np.array_equal(np.asarray(steps.get_ydata(), dtype=float)[1:], curve.surv)
        (ticks,) = [line for line in axes.lines if line.get_marker() == "|"]
        censored = own.loc[~own["doubled"], "time_to_doubling_days"]
        assert set(np.asarray(ticks.get_xdata(), dtype=float)) == set(censored)
        texts = [text.get_text() for text in axes.texts]
        days = [float(day) for day in axes.get_xticks()]
        first = texts.index("observed") + 1
        naive = [sum(time >= day for time in own["time_to_doubling_days"]) for day in days]
        assert [int(n) for n in texts[first : first + len(days)]] == naive


def test_emulated_curves_are_the_median_over_trials(inputs: ReportInputs) -> None:
    responses = trial_response(inputs.trial, rule=RULE, doubling=DOUBLING)
    last = float(inputs.trial["day"].max())
    drawn = doubling.doubling_curves(responses, None, ARMS, canvas.arm_colours(ARMS), last, LEVEL)
    for j, axes in enumerate(drawn.axes.values()):
        times, events = (responses[name].values[:, :, j] for name in ("time_to_doubling_days", "doubled"))
        (middle,) = [line for line in axes.lines if line.get_linewidth() == 1.8]
        days, shown = (np.asarray(x, dtype=float) for x in middle.get_data())
        assert np.isfinite(shown[:120]).all()
        for day, value in list(zip(days, shown, strict=True))[:120:13]:
            shares = [not_doubled(time, event, day) for time, event in zip(times, events, strict=True)]
            assert value == pytest.approx(np.median(shares))


def not_doubled(time: Floats, event: NDArray[np.bool_], day: float) -> float:
    """Product-limit estimate at a day, by its definition."""
    share = 1.0
    for at in sorted(set(time[event & (time <= day)])):
        share *= 1 - np.sum((time == at) & event) / np.sum(time >= at)
    return share


def test_spider_shows_each_mouse_and_the_emulated_median(inputs: ReportInputs) -> None:
    assert inputs.observed is not None
    drawn = spider.spider(inputs.trial, inputs.observed, ARMS, canvas.arm_colours(ARMS), LEVEL)
    rows = inputs.observed.rows
    for j, (axes, arm) in enumerate(zip(drawn.axes.values(), ARMS, strict=True)):
        thin = [line for line in axes.lines if line.get_linewidth() == 0.6 and line.get_linestyle() == "-"]
        for line, (_, mouse) in zip(thin, rows[rows["arm"] == arm].groupby("mouse", sort=False), strict=True):
            volume = mouse["volume_mm3"].to_numpy(dtype=float)
            doublings = np.log2(np.clip(volume / volume[0], 0.05, 10.0))
            assert np.asarray(line.get_ydata(), dtype=float) == pytest.approx(doublings)
        (middle,) = [line for line in axes.lines if line.get_linewidth() == 1.8]
        shown = np.asarray(middle.get_ydata(), dtype=float)
        emulated = inputs.trial["volume_mm3"].values[:, :, j]
        for value, ratios in zip(
            shown, (emulated / emulated[..., :1]).reshape(-1, len(shown)).T, strict=True
        ):
            left = ratios[np.isfinite(ratios)]
            assert np.isnan(value) == (len(left) < spider.RIBBON_MIN_MICE)
            assert np.isnan(value) or value == pytest.approx(np.log2(np.clip(np.median(left), 0.05, 10.0)))


def test_waterfall_shows_each_mouse_and_the_order_statistics(inputs: ReportInputs) -> None:
    assert inputs.observed is not None
    mice = response_table(inputs.observed, rule=RULE, doubling=DOUBLING)
    responses = trial_response(inputs.trial, rule=RULE, doubling=DOUBLING)
    drawn = waterfall.waterfall(responses, mice, ARMS, canvas.arm_colours(ARMS), LEVEL)
    for j, (axes, arm) in enumerate(zip(drawn.axes.values(), ARMS, strict=True)):
        own = mice[mice["arm"] == arm].sort_values("depth_of_response_pct", ascending=False)
        bars = [bar for bar in axes.patches if isinstance(bar, Rectangle)]
        heights = [bar.get_height() for bar in bars]
        assert heights == pytest.approx(np.clip(own["depth_of_response_pct"], -100, axes.get_ylim()[1]))
        colours = [matplotlib.colors.to_hex(bar.get_facecolor()) for bar in bars]
        assert colours == [canvas.CATEGORY_COLOURS[category] for category in own["category"]]
        depth = responses["depth_of_response_pct"].values[:, :, j]
        ranks = -np.sort(-depth, axis=1)
        (medians,) = [line for line in axes.lines if line.get_marker() == "o"]
        shown = np.asarray(medians.get_ydata(), dtype=float)
        assert shown == pytest.approx(np.clip(np.median(ranks, axis=0), -100, axes.get_ylim()[1]))


def test_predictive_coverage_and_limit(inputs: ReportInputs) -> None:
    assert inputs.posterior is not None
    shown = predictive.predicted(inputs.posterior)
    assert shown is not None
    predictive_volumes = inputs.posterior["posterior_predictive"].to_dataset()["volume_mm3"].values
    draws = predictive_volumes.reshape(-1, shown.volume_mm3.size)
    hits = 0
    for volume, predictions in zip(shown.volume_mm3, draws.T, strict=True):
        low, high = np.quantile(predictions, [0.05, 0.95])
        hits += low <= LIMIT_MM3 if volume < LIMIT_MM3 else low <= volume <= high
    assert shown.coverage(0) == pytest.approx(hits / len(shown.volume_mm3))
    assert shown.limit_mm3 == LIMIT_MM3
    assert sum(len(curves) for curves in shown.of_curve.values()) == 32
    assert predictive.predicted(xr.DataTree.from_dict({"/posterior": xr.Dataset({"a": 1.0})})) is None


def test_below_the_limit_only_the_limit_counts() -> None:
    """Bands wholly below the limit hold a volume below it; bands wholly above do not."""
    volume = np.array([0.0, 3.0, 0.0, 20.0, 15.0])
    low, high = np.array([[1.0, 1.0, 16.0, 16.0, 1.0]]), np.array([[9.0, 30.0, 30.0, 19.0, 9.0]])
    shown = predictive.Predicted(
        np.arange(5.0), volume, volume < LIMIT_MM3, LIMIT_MM3, "detection limit", low, high, {}
    )
    assert shown.coverage(0) == pytest.approx(3 / 5)


def test_colours_stay_with_their_arm_and_apart_for_every_eye() -> None:
    assert (
        canvas.arm_colours(ARMS)["binimetinib"]
        == canvas.arm_colours(["encorafenib", "binimetinib"])["binimetinib"]
    )
    # Machado et al. 2009, full protanopia, deuteranopia, tritanopia, on linear RGB.
    eyes = [
        np.eye(3),
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    ]
    arms = [canvas.UNTREATED_COLOUR, *canvas.ARM_COLOURS[:5]]
    for colours in (arms, list(canvas.CATEGORY_COLOURS.values())):
        for eye in eyes:
            seen = [cie_lab(np.clip(np.asarray(eye) @ linear(colour), 0, 1)) for colour in colours]
            assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) > 15


def linear(colour: str) -> Floats:
    rgb = np.array(matplotlib.colors.to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def cie_lab(rgb: Floats) -> Floats:
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ rgb / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
