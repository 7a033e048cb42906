"""FLAURA: the control arm of preset egfr_1l is calibrated, osimertinib is predicted from it; T50 to T52.

Numbers of the trial: response 76 and 80 %, depth -48.5 and -54.7 % of diameter, PFS 10.2 and 18.9 months, hazard
ratio 0.46 [0.37, 0.57]. Points of its two curves are quoted at a few months; scans lie six weeks apart.
"""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from avatar_trials.card_files import load_strategies
from avatar_trials.endpoints.two_arm_hazard import hazard_ratio
from avatar_trials.strategies import compare_strategies, score_strategies
from avatar_trials.strategies.scoring import event_times
from avatar_trials.strategy_designs import StrategyDesign

CONTROL, T790M_REMOVED, OSIMERTINIB = "gefitinib or erlotinib", "reaches T790M too", "osimertinib"
Scores = dict[tuple[str, str], float]
MONTH = 365.25 / 12
# Months, and shares of patients without progression on the published curves.
CONTROL_CURVE = {3: 0.90, 5: 0.83, 7: 0.67, 9: 0.54, 11: 0.44, 13: 0.36, 15: 0.32, 17: 0.24}
OSIMERTINIB_CURVE = {3: 0.96, 5: 0.92, 7: 0.84, 9: 0.77, 11: 0.69, 13: 0.60, 15: 0.56, 17: 0.51, 19: 0.48}


@pytest.fixture(scope="module")
def preset() -> StrategyDesign:
    return load_strategies("egfr_1l")


@pytest.fixture(scope="module")
def followed(preset: StrategyDesign) -> xr.Dataset:
    return compare_strategies(preset)


@pytest.fixture(scope="module")
def scores(preset: StrategyDesign, followed: xr.Dataset) -> Scores:
    return scored(preset, followed)


def scored(preset: StrategyDesign, followed: xr.Dataset) -> Scores:
    """Estimates by strategy and endpoint."""
    table, _ = score_strategies(followed, preset.reference, resamples=50)
    return {key: float(value) for key, value in table.set_index(["strategy", "endpoint"])["estimate"].items()}  # type: ignore[misc]


def ratio(followed: xr.Dataset, arm: str) -> float:
    """Hazard ratio of progression against the control arm."""
    (control, went, _), (time, event, _) = (
        event_times(followed.sel(strategy=name))["PFS"] for name in (CONTROL, arm)
    )
    which = np.repeat([0, 1], [len(control), len(time)])
    return float(hazard_ratio(np.concatenate([control, time]), np.concatenate([went, event]), which).hr)


def off_the_curve(followed: xr.Dataset, arm: str, curve: dict[int, float]) -> np.ndarray:
    """Share without progression less the published one (month,). A trial's scans are spread about the planned days:
    the mean over half an interval to either side."""
    time, _, _ = event_times(followed.sel(strategy=arm))["PFS"]
    spread = np.linspace(-21.0, 21.0, 22)
    there = [np.mean([(time > month * MONTH + shift).mean() for shift in spread]) for month in curve]
    return np.array(there) - np.array(list(curve.values()))


def test_t50_the_control_arm_is_calibrated(followed: xr.Dataset, scores: Scores) -> None:
    assert scores[CONTROL, "response_share"] == pytest.approx(0.76, abs=0.03)
    assert scores[CONTROL, "depth_median_diameter_pct"] == pytest.approx(-48.5, abs=2.0)
    assert scores[CONTROL, "PFS_median_days"] / MONTH == pytest.approx(10.2, abs=0.8)
    off = np.abs(off_the_curve(followed, CONTROL, CONTROL_CURVE))
    assert off.mean() < 0.025
    assert off.max() < 0.05


def test_t50_mechanisms_are_as_frequent_as_the_literature_has_them(scores: Scores) -> None:
    share = {
        name: scores[CONTROL, f"driver of first progression: {name}"]
        for name in ("sensitive", "T790M", "MET", "HER2", "PIK3CA", "small-cell", "EMT", "unknown")
    }
    assert 0.50 <= share["T790M"] <= 0.60
    assert 0.05 <= share["MET"] <= 0.10
    assert 0.03 <= share["small-cell"] <= 0.15
    assert share["EMT"] == pytest.approx(0.05, abs=0.02)
    assert share["sensitive"] == pytest.approx(0.07, abs=0.02)  # patients who do not respond at all


def test_t51_osimertinib_is_predicted_and_t790m_alone_is_too_little(
    followed: xr.Dataset, scores: Scores
) -> None:
    """Without T790M alone HR 0.70 and 12.6 months; with the assumption HR in FLAURA's 0.37 to 0.57, and its curve."""
    assert ratio(followed, T790M_REMOVED) == pytest.approx(0.70, abs=0.03)
    assert scores[T790M_REMOVED, "PFS_median_days"] / MONTH == pytest.approx(12.6, abs=0.7)
    assert ratio(followed, OSIMERTINIB) == pytest.approx(0.46, abs=0.06)
    assert scores[OSIMERTINIB, "response_share"] == pytest.approx(0.84, abs=0.03)
    assert scores[OSIMERTINIB, "depth_median_diameter_pct"] == pytest.approx(-54.7, abs=1.5)
    # The median lies where the curve is flat, 16.6 months against 18.9; the curves part at 19 months, by 0.06.
    assert 16.0 <= scores[OSIMERTINIB, "PFS_median_days"] / MONTH <= 18.9
    off = off_the_curve(followed, OSIMERTINIB, OSIMERTINIB_CURVE)
    assert np.abs(off[:-1]).max() < 0.04
    assert -0.08 < off[-1] < 0.0


def test_t51_nothing_of_osimertinib_was_calibrated(preset: StrategyDesign) -> None:
    """Its kill is the control arm's law; what differs is said in words; its checks are predictions."""
    drugs = preset.tumour.drugs
    kills = {name: drugs[name].kill.model_dump(exclude={"source"}) for name in drugs}  # type: ignore[union-attr]
    assert kills[OSIMERTINIB] == kills[T790M_REMOVED] == kills[CONTROL]
    assert "10^-1.25" in preset.words
    assert {check.basis for check in preset.checks if check.strategy == CONTROL} == {"calibrated"}
    assert {check.basis for check in preset.checks if check.strategy != CONTROL} == {"predicted"}


def test_t52_more_depth_alone_does_not_delay_progression(
    preset: StrategyDesign, followed: xr.Dataset, scores: Scores
) -> None:
    """Residual tissue that clears (its logit 0.45 lower) overshoots the depth and gains no time."""
    clones = list(preset.tumour.clones)
    share = clones[1].share
    assert clones[1].name == "residual"
    odds = share.location / (1.0 - share.location) * np.exp(-0.45)  # type: ignore[union-attr]
    less = share.model_copy(update={"location": odds / (1.0 + odds)})  # type: ignore[union-attr]
    clones[1] = clones[1].model_copy(update={"share": less})
    tumour = preset.tumour.model_copy(update={"clones": tuple(clones)})
    only = tuple(spec for spec in preset.strategies if spec.name in (CONTROL, OSIMERTINIB))
    deeper = compare_strategies(preset.model_copy(update={"tumour": tumour, "strategies": only}))
    found = scored(preset, deeper)
    assert found[OSIMERTINIB, "depth_median_diameter_pct"] < -58.0
    assert found[OSIMERTINIB, "PFS_mean_days"] < scores[OSIMERTINIB, "PFS_mean_days"]


def test_second_line_osimertinib_lasts_shorter_than_first_line(followed: xr.Dataset) -> None:
    """The drug is the same: the first line has selected what escapes it. 8.2 months against 18.9 in the clinic."""
    lines = followed["progression_day"].sel(strategy=f"{CONTROL}, then {OSIMERTINIB}")
    second = float(np.nanmedian((lines.sel(line=2) - lines.sel(line=1)).values)) / MONTH
    first = float(np.nanmedian(followed["progression_day"].sel(strategy=OSIMERTINIB, line=1).values)) / MONTH
    assert second < 0.75 * first
    assert second < float(np.nanmedian(lines.sel(line=1).values)) / MONTH
