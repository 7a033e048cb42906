"""Mixed models of log volume against R's nlme (tests/fixtures/survival, R 4.2.2) and a balanced design by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from avatar_trials.endpoints.mixed_model import RANDOM_EFFECTS, growth_contrast, growth_model
from avatar_trials.intake import GrowthTable
from avatar_trials.verify import small_samples
from tests.held import hold


@pytest.mark.parametrize("method", small_samples.METHODS)
def test_random_slopes_agree_with_nlme(method: str) -> None:
    hold(small_samples.random_slopes(method))


def two_arms(n: int = 12, difference: float = -0.04, spread: float = 0.005) -> GrowthTable:
    rng = np.random.Generator(np.random.Philox(5))
    days = np.arange(0, 22, 3.5)
    rows = []
    for i in range(n):
        start, rate = rng.normal(5.3, 0.2), rng.normal(0.07, 0.015)
        for arm, slower in (("untreated", 0.0), ("drug", difference + rng.normal(0, spread))):
            log = start + (rate + slower) * days + rng.normal(0, 0.1, len(days))
            rows += [
                (f"A{i}", arm, f"{i} {arm}", d, float(np.exp(v))) for d, v in zip(days, log, strict=True)
            ]
    table = pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    avatars = pd.DataFrame({"tumor_type": ""}, index=pd.Index(table["avatar"].unique(), name="avatar"))
    return GrowthTable(table, avatars, (), "made up", "", False)


@pytest.mark.parametrize("random_effects", RANDOM_EFFECTS)
def test_in_a_balanced_design_the_contrast_is_the_difference_of_mean_slopes(random_effects: str) -> None:
    table = two_arms()
    found = growth_contrast(table, "drug", random_effects=random_effects)
    slopes = (
        table.rows.groupby(["arm", "mouse"])[["day", "volume_mm3"]]
        .apply(lambda mouse: np.polyfit(mouse["day"], np.log(mouse["volume_mm3"]), 1)[0])
        .groupby("arm")
        .agg(["mean", "var"])
    )
    # Same days for every mouse: generalised least squares of the fixed effects is ordinary least squares.
    assert found.estimate == pytest.approx(slopes["mean"]["drug"] - slopes["mean"]["untreated"], abs=1e-8)
    assert found.control_rate == pytest.approx(slopes["mean"]["untreated"], abs=1e-8)
    assert (found.n_mice, found.n_control, found.why, found.model.random_effects) == (
        12,
        12,
        "",
        random_effects,
    )
    if random_effects == "mouse_slope":
        # Two arms of independent mice: the variance is pooled, by REML, over 22 degrees of freedom.
        assert found.std_error == pytest.approx(np.sqrt(slopes["var"].mean() * 2 / 12), rel=1e-3)
    half = 1.959963984540054 * found.std_error
    assert (found.lower, found.upper) == pytest.approx(
        (found.estimate - half, found.estimate + half), abs=1e-12
    )
    assert found.p_value < 1e-4


def test_pairing_by_avatar_takes_the_avatars_own_growth_out() -> None:
    table = two_arms()
    paired, unpaired = (
        growth_contrast(table, "drug", random_effects=name) for name in ("avatar_slope", "mouse_slope")
    )
    assert paired.std_error < 0.7 * unpaired.std_error


def test_avatars_that_differ_in_what_the_drug_does_widen_the_paired_contrast() -> None:
    table = two_arms(spread=0.05)
    paired = growth_contrast(table, "drug", random_effects="avatar_slope")
    # Each avatar by ordinary least squares, its two mice from one intercept but for the arms' common difference.
    common = paired.model.effects[2]
    differences = []
    for _, mice in table.rows.groupby("avatar"):
        day, treated = mice["day"].to_numpy(), (mice["arm"] == "drug").to_numpy(dtype=float)
        design = np.stack([np.ones_like(day), day, day * treated], axis=-1)
        log = np.log(mice["volume_mm3"].to_numpy()) - common * treated
        differences.append(np.linalg.lstsq(design, log, rcond=None)[0][2])
    spread = float(np.std(differences, ddof=1))
    # Nearly equal: readings scatter a tenth as much as avatars do, so shrinkage hardly tells.
    assert paired.std_error == pytest.approx(spread / np.sqrt(len(differences)), rel=0.05)
    assert np.sqrt(paired.model.covariance[2, 2]) == pytest.approx(spread, rel=0.05)


def test_zeros_are_raised_to_the_detection_limit() -> None:
    table = two_arms()
    rows = table.rows.copy()
    gone = (rows["arm"] == "drug") & (rows["day"] > 17)
    zero = GrowthTable(
        rows.assign(volume_mm3=rows["volume_mm3"].mask(gone, 0.0)), table.avatars, (), "", "", False
    )
    at_limit = GrowthTable(
        rows.assign(volume_mm3=rows["volume_mm3"].mask(gone, 15.0)), table.avatars, (), "", "", False
    )
    first, second = growth_contrast(zero, "drug"), growth_contrast(at_limit, "drug")
    assert (first.estimate, first.std_error) == (second.estimate, second.std_error)
    assert first.estimate < growth_contrast(table, "drug").estimate


def test_what_cannot_be_fitted_is_told() -> None:
    table = two_arms(3)
    with pytest.raises(ValueError, match="mouse_intercept, mouse_slope, avatar_slope"):
        growth_contrast(table, "drug", random_effects="slope")
    with pytest.raises(ValueError, match="no mouse in arm 'druq'"):
        growth_contrast(table, "druq")
    with pytest.raises(ValueError, match="its own control"):
        growth_contrast(table, "untreated")
    with pytest.raises(ValueError, match="two groups or more: received 1"):
        growth_model([0, 1, 2], [5.0, 5.1, 5.2], ["a", "a", "a"])
    with pytest.raises(ValueError, match="raise volumes of 0"):
        growth_model([0, 1], [5.0, -np.inf], ["a", "b"])
    with pytest.raises(ValueError, match="cannot be told apart"):
        growth_model([0, 0], [5.0, 5.1], ["a", "b"])
