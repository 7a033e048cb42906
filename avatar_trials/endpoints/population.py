"""Agreement of populations: does an emulated arm look like the observed arm, whoever its mice are?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from avatar_trials.endpoints import intervals, survival
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes, common_horizon
from avatar_trials.endpoints.association import wasserstein_1
from avatar_trials.endpoints.matching import Comparison
from avatar_trials.endpoints.population_over_arms import over_arms
from avatar_trials.endpoints.population_rows import (
    Floats,
    Row,
    covers,
    frame_of,
    median_apart,
    minus,
    row_of,
)
from avatar_trials.endpoints.two_arm_hazard import hazard_ratio

SUMMARIES: dict[str, Callable[[ArmOutcomes], Floats]] = {
    "ORR": lambda arm: arm.rate("ORR"),
    "DCR": lambda arm: arm.rate("DCR"),
    "median_depth_of_response_pct": lambda arm: intervals.quantile(arm.depth_pct, 0.5),
    "median_time_to_doubling_days": lambda arm: survival.median(arm.doubling_curve()),
}
MEAN_TIME = "RMST_time_to_doubling_days"
SUMMARY_REFERENCES = (
    "null: |difference| of the observed arms pooled, blind to the arm; "
    "ceiling: median |difference| between a trial and second mice of its avatars"
)
DISTANCE_REFERENCES = (
    "null: distance of the observed arms pooled, blind to the arm; "
    "ceiling: median distance between a trial and second mice of its avatars"
)
PIT_NOTE = (
    "greatest distance of the probability integral transforms of observed depths, in all emulated depths of the arm, "
    "from uniform ones; interval: that of the mice of one trial, so that a value above it is outside the band"
)


def population_agreement(comparison: Comparison, level: float) -> pd.DataFrame:
    """One row an arm and measure, then rows with arm "all" over the arms; columns POPULATION_COLUMNS.

    Nothing here depends on which avatar is which: an arm-mean-only emulator with the same margins agrees
    as well, so these rows say nothing about single avatars. Emulated values are medians over trials with
    equal-tailed limits; where an observed side has replicates too, its medians, and distances and differences
    are between the two sides of a replicate. A time that is not reached is blank and said so in `method`.
    Hazard ratios compare an arm with the first one.
    """
    pooled = _pooled([comparison.observed[arm] for arm in comparison.arms])
    several = len(comparison.arms) > 1
    rows: list[Row] = []
    for arm in comparison.arms:
        emulated, observed = comparison.emulated[arm], comparison.observed[arm]
        twin = comparison.twin.get(arm)
        n = _each(np.isfinite(observed.depth_pct))
        for measure, summary in SUMMARIES.items():
            seen = _middle(summary(observed))
            row = row_of(comparison, arm, measure, summary(emulated), level, SUMMARY_REFERENCES)
            row |= _beside(row, seen)
            row["null_reference"] = abs(minus(_middle(summary(pooled)), seen)) if several else np.nan
            row["ceiling"] = median_apart(summary(emulated), summary(twin)) if twin is not None else np.nan
            row["n"] = _each(observed.evaluable) if measure in ("ORR", "DCR") else n
            rows.append(row)
        tau = common_horizon([observed.doubling_curve(), emulated.doubling_curve()])
        reference = _distances(pooled, observed, tau) if several else {}
        between = _distances(emulated, twin, tau) if twin is not None else {}
        for measure, values in _distances(emulated, observed, tau).items():
            timed = "KM" in measure or "RMST" in measure
            note = f"{DISTANCE_REFERENCES}; days 0 to {tau:g}" if timed else DISTANCE_REFERENCES
            row = row_of(comparison, arm, measure, values, level, note)
            row["null_reference"] = _middle(reference[measure]) if several else np.nan
            row["ceiling"] = _middle(between[measure]) if twin is not None else np.nan
            row["n"] = n
            rows.append(row)
        rows.append(_pit_row(comparison, arm, pooled if several else None, level) | {"n": n})
        if arm != comparison.arms[0]:
            rows.append(_hazard_row(comparison, arm, level) | {"n": n})
    sides = (comparison.emulated, comparison.observed)
    tau = common_horizon([side[arm].doubling_curve() for side in sides for arm in comparison.arms])
    ranked, told = dict(SUMMARIES), dict[str, str]()
    if tau > 0:
        ranked[MEAN_TIME] = lambda arm: survival.restricted_mean(arm.doubling_curve(), tau)[0]
        told[MEAN_TIME] = f"means within days 0 to {tau:g}, to which every arm of both sides is followed"
    rows += over_arms(comparison, rows, ranked, pooled, level, told)
    return frame_of(rows)


def pit_deviation(predictive: Floats, outcomes: Floats) -> Floats:
    """Greatest distance (...) of the distribution of the outcomes' (..., n) probability integral transforms in a
    `predictive` sample (m,) from the uniform one; ties count half, NaN left out."""
    sample = np.sort(predictive[~np.isnan(predictive)])
    transforms = (np.searchsorted(sample, outcomes, "left") + np.searchsorted(sample, outcomes, "right")) / (
        2.0 * max(len(sample), 1)
    )
    transforms = np.sort(np.where(np.isnan(outcomes), np.nan, transforms), axis=-1)
    n = np.count_nonzero(~np.isnan(transforms), axis=-1)[..., None]
    steps = np.arange(transforms.shape[-1])
    above = np.abs((steps + 1.0) / np.maximum(n, 1) - transforms)
    below = np.abs(transforms - steps / np.maximum(n, 1))
    greatest = np.fmax.reduce(np.fmax(above, below), axis=-1)
    return np.where((n[..., 0] > 0) & (len(sample) > 0), greatest, np.nan)


def hazard_ratios(arms: dict[str, ArmOutcomes], arm: str) -> tuple[Floats, Floats, Floats]:
    """Hazard ratio (replicate,) of an arm to the first one, with 95 % limits; NaN where not estimable."""
    first, other = next(iter(arms.values())), arms[arm]
    found = hazard_ratio(
        np.concatenate([first.time_days, other.time_days], axis=-1),
        np.concatenate([first.doubled, other.doubled], axis=-1),
        np.repeat(["first", "other"], [first.time_days.shape[-1], other.time_days.shape[-1]]),
        reference="first",
    )
    known = found.why_undefined == ""
    return tuple(np.where(known, values, np.nan) for values in (found.hr, found.lower, found.upper))  # type: ignore[return-value]


def _hazard_row(comparison: Comparison, arm: str, level: float) -> Row:
    first = comparison.arms[0]
    emulated, _, _ = _hazards(comparison.emulated, comparison, arm)
    seen, low, high = (_middle(values) for values in _hazards(comparison.observed, comparison, arm))
    note = (
        f"hazard ratio to {first}, Cox, Efron ties; observed 95 % interval {low:.3g} to {high:.3g}; null: no effect; "
        "ceiling: median |difference| of log ratios between a trial and second mice"
    )
    row = row_of(comparison, arm, "hazard_ratio", emulated, level, note)
    row |= _beside(row, seen) | {"null_reference": 1.0}
    if comparison.twin:
        again = _hazards(comparison.twin, comparison, arm)[0]
        row["ceiling"] = median_apart(np.log(emulated), np.log(again))
    return row


def _hazards(arms: dict[str, ArmOutcomes], comparison: Comparison, arm: str) -> tuple[Floats, Floats, Floats]:
    return hazard_ratios({name: arms[name] for name in comparison.arms}, arm)


def _pit_row(comparison: Comparison, arm: str, pooled: ArmOutcomes | None, level: float) -> Row:
    emulated, observed = comparison.emulated[arm], comparison.observed[arm]
    predictive = emulated.depth_pct.ravel()
    row = row_of(
        comparison, arm, "PIT_deviation_depth", pit_deviation(predictive, emulated.depth_pct), level, PIT_NOTE
    )
    found = _middle(pit_deviation(predictive, observed.depth_pct))
    row["emulated"] = found
    if comparison.twin:
        row["ceiling"] = _middle(pit_deviation(predictive, comparison.twin[arm].depth_pct))
    row["null_reference"] = (
        np.nan if pooled is None else _middle(pit_deviation(pooled.depth_pct.ravel(), observed.depth_pct))
    )
    return row


def _beside(row: Row, seen: float) -> Row:
    return {
        "observed": seen,
        "difference": minus(row["emulated"], seen),
        "covered": covers(row["lower"], row["upper"], seen),
    }


def _middle(values: Floats) -> float:
    """The one value of observed mice, or the median of replicates."""
    return intervals.replicate_summary(values, 0.5)[0]


def _each(counted: np.ndarray) -> int:
    return int(np.median(np.count_nonzero(counted, axis=-1)))


def _distances(first: ArmOutcomes, second: ArmOutcomes, tau: float) -> dict[str, Floats]:
    depth, spread = wasserstein_1(first.depth_pct, second.depth_pct)
    share = np.where(
        spread > 0, depth / np.where(spread > 0, spread, 1.0), np.where(np.isnan(depth), np.nan, 0.0)
    )
    if tau > 0:
        curves = first.doubling_curve(), second.doubling_curve()
        greatest, area = survival.curve_distance(*curves, tau)
        means = [survival.restricted_mean(curve, tau)[0] for curve in curves]
        apart = means[0] - means[1]
    else:
        greatest = area = apart = np.full(depth.shape, np.nan)
    return {
        "W1_depth_of_response_pct": depth,
        "W1_depth_of_response_share_of_range": share,
        "waterfall_overlap": 1.0 - share,
        "max_KM_difference": greatest,
        "integrated_KM_difference_days": area,
        "RMST_difference_days": apart,
    }


def _pooled(arms: list[ArmOutcomes]) -> ArmOutcomes:
    return ArmOutcomes(
        category=np.concatenate([arm.category for arm in arms], axis=-1),
        depth_pct=np.concatenate([arm.depth_pct for arm in arms], axis=-1),
        time_days=np.concatenate([arm.time_days for arm in arms], axis=-1),
        doubled=np.concatenate([arm.doubled for arm in arms], axis=-1),
    )
