"""Each check passes on data of the model itself and fails on data with the one defect it is there to find. No sampling:
data are made anew from one draw of a frozen posterior, or by a made-up study, so what is right is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from avatar_trials.calibrate.predictive import predictive_groups
from avatar_trials.calibrate.surprises import curves_of_posterior, surprises
from avatar_trials.card_files import load_design, load_model
from avatar_trials.evidence.check import Check, summary
from avatar_trials.evidence.checks import (
    all_checks,
    arm_checks,
    convergence,
    identifiability,
    residual_checks,
)
from avatar_trials.evidence.curvature import untreated_curvature
from avatar_trials.evidence.prior_predictive import prior_predictive
from avatar_trials.evidence.sensitivity import log_prior, prior_sensitivity
from avatar_trials.intake import GrowthTable
from avatar_trials.stamp import read_netcdf
from tests.fake_trial import DOUBLING, LEVEL, LIMIT_MM3, RULE, Study, gates, table_of, trial_of, visits

FROZEN = Path(__file__).resolve().parent.parent / "fixtures" / "frozen_posterior.nc"
CARD = load_model("two_clone")
CLASSED = load_model("graded_kill")
DESIGN = load_design("melanoma_braf_mek")
RULES = {"rule": RULE, "doubling": DOUBLING, "level": LEVEL}
DIAMETER, DAY, AUTOCORRELATION = range(3)
DEPTH, TIME, COUNTS = range(3)
Change = Callable[[xr.DataTree], None]


@pytest.fixture(scope="module")
def frozen() -> xr.DataTree:
    return read_netcdf(FROZEN, kind="posterior")


def replica(frozen: xr.DataTree, seed: int) -> xr.DataTree:
    """One draw of the posterior, and readings that this draw makes of the same mice on the same days."""
    posterior = frozen["posterior"].to_dataset().isel(chain=[0], draw=[seed % 25])
    curves = curves_of_posterior(frozen)
    made = predictive_groups(posterior, curves, CARD, seed=seed, draws_per_chain=1)
    volume = made["posterior_predictive"]["volume_mm3"].values[0, 0]
    constant = frozen["constant_data"].to_dataset()
    tree = xr.DataTree.from_dict(
        {
            "/posterior": posterior,
            "/observed_data": xr.Dataset({"volume_mm3": ("obs", volume)}),
            "/constant_data": constant.assign(censored=("obs", volume < LIMIT_MM3)),
        }
    )
    tree.attrs = frozen.attrs
    return tree


def read_again(tree: xr.DataTree, volume: np.ndarray) -> None:
    """Other readings in place of a replica's."""
    tree["observed_data"] = xr.Dataset({"volume_mm3": ("obs", volume)})
    constant = tree["constant_data"].to_dataset().assign(censored=("obs", volume < LIMIT_MM3))
    tree["constant_data"] = constant


def scaled(factor: float, *names: str) -> Change:
    """The posterior takes parameters for `factor` times what made the data."""

    def change(tree: xr.DataTree) -> None:
        posterior = tree["posterior"].to_dataset()
        tree["posterior"] = posterior.assign({name: posterior[name] * factor for name in names})

    return change


def late_onset(tree: xr.DataTree) -> None:
    """Volumes of days 5 to 9 are a quarter lower than the curves say."""
    day = np.asarray(tree["constant_data"]["day"].values, dtype=float)
    volume = np.asarray(tree["observed_data"]["volume_mm3"].values, dtype=float)
    read_again(tree, volume * np.where((day > 5) & (day <= 9), 0.75, 1.0))


def large_read_larger(tree: xr.DataTree) -> None:
    """A caliper that reads tumours above 600 mm3 half as large again."""
    volume = np.asarray(tree["observed_data"]["volume_mm3"].values, dtype=float)
    read_again(tree, volume * np.where(volume > 600, 1.5, 1.0))


def judged(tree: xr.DataTree) -> list[Check]:
    return residual_checks(tree, CARD, seed=1)


def test_residuals_of_the_model_are_standard_normal_whatever_the_draw(frozen: xr.DataTree) -> None:
    found = [surprises(replica(frozen, seed), CARD, seed=seed) for seed in range(6)]
    pooled = np.concatenate([one.normal.ravel() for one in found])
    assert stats.kstest(pooled, "norm").pvalue > 0.01
    together = found[0].curve[1:] == found[0].curve[:-1]
    pairs = np.concatenate([(one.normal[0, 1:] * one.normal[0, :-1])[together] for one in found])
    assert abs(pairs.mean()) < 4 / np.sqrt(len(pairs))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_residual_checks_pass_on_data_of_the_model(frozen: xr.DataTree, seed: int) -> None:
    assert [check.passed for check in judged(replica(frozen, seed))] == [True, True, True]


@pytest.mark.parametrize(
    ("change", "which"),
    [
        (scaled(0.6, "delta", "sigma_p", "wander"), DIAMETER),
        (scaled(2.0, "delta"), DIAMETER),
        (large_read_larger, DIAMETER),
        # The wander makes up for a caliper error halved, but not on day 0, where there is none.
        (scaled(0.5, "delta"), DAY),
        (late_onset, DAY),
        (scaled(0.3, "wander"), AUTOCORRELATION),
    ],
    ids=[
        "noise too small",
        "caliper error doubled",
        "large read larger",
        "caliper error halved",
        "late",
        "wander",
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_residual_checks_find_the_defect(frozen: xr.DataTree, change: Change, which: int, seed: int) -> None:
    tree = replica(frozen, seed)
    change(tree)
    assert judged(tree)[which].passed is False


# --- arms ---------------------------------------------------------------------------------------------------------

ARMS = ["untreated", "encorafenib", "binimetinib"]
NAMES = [f"X-{n}" for n in range(24)]


def study(seed: int = 3) -> Study:
    return Study(NAMES, ARMS, visits(20), seed)


@pytest.fixture(scope="module")
def trial() -> xr.Dataset:
    return trial_of(study(), 120)


def with_volumes(table: GrowthTable, factor: Callable[[pd.DataFrame], pd.Series]) -> GrowthTable:
    rows = table.rows.assign(volume_mm3=table.rows["volume_mm3"] * factor(table.rows))
    return replace(table, rows=rows)


def of_arms(trial: xr.Dataset, table: GrowthTable) -> list[Check]:
    return arm_checks(trial, table, rule=RULE, doubling=DOUBLING, level=LEVEL)


def test_arms_of_the_model_are_inside_their_bands(trial: xr.Dataset) -> None:
    checks = of_arms(trial, table_of(study()))
    assert [check.passed for check in checks] == [True, True, True]
    assert [len(check.table) for check in checks] == [3, 3, 12]


def test_a_shifted_depth_is_outside(trial: xr.Dataset) -> None:
    """Nobody shrinks: the volumes after day 0 of one arm are 2.5 times those of the model."""
    shifted = with_volumes(
        table_of(study()), lambda rows: 1.0 + 1.5 * ((rows["arm"] == "encorafenib") & (rows["day"] > 0))
    )
    checks = of_arms(trial, shifted)
    assert checks[DEPTH].passed is False
    assert "encorafenib" in checks[DEPTH].text
    assert checks[DEPTH].table.set_index("arm")["inside"]["binimetinib"]


def test_slower_doubling_is_outside(trial: xr.Dataset) -> None:
    slow = study()
    slow.growth = slow.growth * 0.5
    assert of_arms(trial, table_of(slow))[TIME].passed is False


def test_other_categories_are_outside(trial: xr.Dataset) -> None:
    strong = study()
    strong.kill, strong.logit_resistant = strong.kill * 3.0, strong.logit_resistant - 4.0
    found = of_arms(trial, table_of(strong))[COUNTS]
    assert found.passed is False
    counts = found.table.set_index(["arm", "category"])
    assert not counts["inside"]["encorafenib", "CR"]
    assert counts["observed"]["encorafenib"].sum() == len(NAMES)


def test_untreated_growth_of_the_model_bends_as_emulated(trial: xr.Dataset) -> None:
    assert untreated_curvature(trial, table_of(study()), LIMIT_MM3).passed is True


@pytest.mark.parametrize("bent", [0.6, -0.6])
def test_other_curvature_is_found(trial: xr.Dataset, bent: float) -> None:
    def factor(rows: pd.DataFrame) -> pd.Series:
        last = rows.groupby("mouse")["day"].transform("max").clip(lower=1.0)
        return pd.Series(np.exp(bent * (2.0 * rows["day"] / last - 1.0) ** 2), index=rows.index)

    found = untreated_curvature(trial, with_volumes(table_of(study()), factor), LIMIT_MM3)
    assert found.passed is False
    mean = found.table.set_index("quantity").loc["mean bend, log units"]
    assert np.sign(mean["observed"] - mean["emulated"]) == np.sign(bent)


# --- priors -------------------------------------------------------------------------------------------------------


def moved(name: str, by: float) -> object:
    prior = CARD.priors[name].model_copy(update={"location": CARD.priors[name].location + by})
    return CARD.model_copy(update={"priors": {**CARD.priors, name: prior}})


def test_priors_of_the_card_grow_as_untreated_mice_do() -> None:
    assert prior_predictive(CARD, DESIGN).passed is True


@pytest.mark.parametrize("by", [0.6, -0.9], ids=["fast", "slow"])
def test_priors_of_another_growth_are_found(by: float) -> None:
    assert prior_predictive(moved("mu_r", by), DESIGN).passed is False  # type: ignore[arg-type]


def one_parameter(mean: float, sd: float, seed: int = 1) -> xr.DataTree:
    """Exact posterior of mu_r under the card's normal prior and a normal likelihood N(mean, sd) about it."""
    prior = CARD.priors["mu_r"]
    precision = 1 / prior.scale**2 + 1 / sd**2
    centre = (prior.location / prior.scale**2 + mean / sd**2) / precision
    rng = np.random.Generator(np.random.Philox(seed))
    draws = rng.normal(centre, precision**-0.5, (4, 1000))
    density = -0.5 * ((draws - mean) / sd) ** 2
    return xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset({"mu_r": (("chain", "draw"), draws)}).assign_coords(
                chain=range(4), draw=range(1000)
            ),
            "/log_likelihood": xr.Dataset({"volume_mm3": (("chain", "draw", "obs"), density[..., None])}).assign_coords(
                chain=range(4), draw=range(1000)
            ),
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("away", "sd", "passed", "said"),
    [
        (0.1, 0.03, True, "not moved by its prior"),
        (0.0, 20.0, True, "led by its prior"),
        (1.8, 0.25, False, "prior and data pull apart"),
    ],
    ids=["much data", "hardly any data", "shifted prior"],
)
def test_prior_sensitivity_tells_conflict_from_weak_data(
    away: float, sd: float, passed: bool, said: str
) -> None:
    tree = one_parameter(CARD.priors["mu_r"].location + away, sd)
    found = prior_sensitivity(tree, CARD, seed=1)
    assert (found.passed, found.table["diagnosis"][0]) == (passed, said)


def test_the_prior_of_drugs_of_a_class_is_correlated() -> None:
    """At (1, 1) SD of two drugs of a class the normal of correlation 1/2 has -log(2 pi sqrt(3)/2) - 2/3."""
    prior, drugs = CLASSED.priors["mu_k"], ["binimetinib", "trametinib"]
    at = xr.DataArray(
        np.full((1, 1, 2), prior.location + prior.scale),
        dims=("chain", "draw", "drug"),
        coords={"drug": drugs},
    )
    expected = -np.log(2 * np.pi * np.sqrt(0.75)) - 2 / 3 - 2 * np.log(prior.scale)
    assert CLASSED.class_share == 0.5
    assert log_prior(at.to_dataset(name="mu_k"), CLASSED)[0, 0] == pytest.approx(expected, rel=1e-12)


def test_a_parameter_that_the_data_do_not_tell_is_named() -> None:
    location = CARD.priors["mu_r"].location
    assert identifiability(one_parameter(location, 0.05), CARD, LEVEL).passed is True
    led = identifiability(one_parameter(location, 3.0), CARD, LEVEL)
    assert led.passed is False
    assert "mu_r" in led.text
    assert np.isnan(led.table["median"]).all()


def test_convergence_is_that_of_the_gates() -> None:
    for good in (True, False):
        tree = xr.DataTree()
        tree.attrs["gates"] = gates(passed=good).to_json(orient="columns")
        found = convergence(tree)
        assert found.passed is good
        assert ("R-hat" in found.text) is not good


# --- what cannot be computed ----------------------------------------------------------------------------------------


def test_what_cannot_be_computed_says_why(frozen: xr.DataTree, trial: xr.Dataset) -> None:
    alone = all_checks(frozen, CARD, DESIGN, trial, None, **RULES)  # type: ignore[arg-type]
    by_name = {check.name: check for check in alone}
    assert len(by_name) == len(alone) == 11
    for name in ("depth of response", "time to doubling", "response categories", "untreated curvature"):
        assert by_name[name].passed is None
        assert "no observed mice" in by_name[name].text
    assert "log likelihood" in by_name["prior sensitivity"].text
    told = summary(alone)
    assert list(told.columns) == ["check", "passed", "text"]
    assert told["passed"].map(lambda value: value is None or isinstance(value, bool)).all()
    assert all(check.text.strip() for check in alone)


def test_a_posterior_without_its_mice_or_an_arm_without_mice(frozen: xr.DataTree, trial: xr.Dataset) -> None:
    thin = frozen.copy()
    thin["posterior"] = thin["posterior"].to_dataset().drop_vars("log_start")
    for check in judged(thin):
        assert check.passed is None
        assert "log_start" in check.text
    table = table_of(study())
    other = replace(table, rows=table.rows.assign(arm="vemurafenib"))
    assert {check.passed for check in of_arms(trial, other)} == {None}
    treated = trial.sel(arm=["encorafenib"])
    assert "no untreated arm" in untreated_curvature(treated, table, LIMIT_MM3).text


def test_every_figure_can_be_drawn(frozen: xr.DataTree, trial: xr.Dataset) -> None:
    checks = [
        *judged(replica(frozen, 1)),
        *of_arms(trial, table_of(study())),
        untreated_curvature(trial, table_of(study()), LIMIT_MM3),
        prior_sensitivity(one_parameter(-2.5, 0.1), CARD, seed=1),
        identifiability(frozen, CARD, LEVEL),
    ]
    for check in checks:
        assert check.figure is not None
        figure = check.figure()
        figure.draw_without_rendering()
        assert all(axes.has_data() for axes in figure.axes if axes.axison), check.name


def test_mice_kept_at_some_draws_only_are_read_there(frozen: xr.DataTree) -> None:
    whole = frozen["posterior"].to_dataset()
    of_mice = [name for name, values in whole.items() if {"untreated", "treated", "curve"} & set(values.dims)]
    some = whole.isel(draw=slice(None, None, 5))
    groups = {f"/{name}": frozen[name].to_dataset() for name in ("observed_data", "constant_data")}
    apart = xr.DataTree.from_dict(
        {**groups, "/posterior": whole.drop_vars(of_mice), "/thinned_posterior": some[of_mice]}
    )
    together = xr.DataTree.from_dict({**groups, "/posterior": some})
    first, second = (surprises(tree, CARD, seed=1) for tree in (apart, together))
    assert first.normal.shape == (20, frozen["observed_data"].sizes["obs"])
    np.testing.assert_array_equal(first.normal, second.normal)
