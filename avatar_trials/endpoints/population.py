"""Agreement of populations: does an emulated arm look like the observed arm, whoever its mice are?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.endpoints import intervals, survival
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes, common_horizon
from avatar_trials.endpoints.association import spearman, wasserstein_1
from avatar_trials.endpoints.matching import Comparison

Floats = NDArray[np.float64]
Row = dict[str, Any]

POPULATION_COLUMNS = (
    "arm",
    "measure",
    "emulated",
    "lower",
    "upper",
    "level",
    "observed",
    "difference",
    "covered",
    "null_reference",
    "ceiling",
    "n",
    "method",
)
ALL_ARMS = "all"
SUMMARIES: dict[str, Callable[[ArmOutcomes], Floats]] = {
    "ORR": lambda arm: arm.rate("ORR"),
    "DCR": lambda arm: arm.rate("DCR"),
    "median_depth_of_response_pct": lambda arm: intervals.quantile(arm.depth_pct, 0.5),
    "median_time_to_doubling_days": lambda arm: survival.median(arm.doubling_curve()),
}
SUMMARY_REFERENCES = (
    "null: |difference| of the observed arms pooled, blind to the arm; "
    "ceiling: median |difference| between a trial and second mice of its avatars"
)
DISTANCE_REFERENCES = (
    "null: distance of the observed arms pooled, blind to the arm; "
    "ceiling: median distance between a trial and second mice of its avatars"
)


def population_agreement(comparison: Comparison, level: float) -> pd.DataFrame:
    """One row an arm and measure, then rows with arm "all" over the arms; columns POPULATION_COLUMNS.

    Nothing here depends on which avatar is which: an arm-mean-only emulator with the same margins agrees
    as well, so these rows say nothing about single avatars. Emulated values are medians over trials with
    equal-tailed limits that hold at least `level` of them; `covered` says whether they hold the observed
    value. Distances are between each trial and the observed mice.
    """
    pooled = _pooled([comparison.observed[arm] for arm in comparison.arms])
    several = len(comparison.arms) > 1
    rows: list[Row] = []
    for arm in comparison.arms:
        emulated, observed = comparison.emulated[arm], comparison.observed[arm]
        twin = comparison.twin.get(arm)
        for measure, summary in SUMMARIES.items():
            seen = float(summary(observed)[0])
            row = _row(comparison, arm, measure, summary(emulated), level, SUMMARY_REFERENCES)
            row["observed"] = seen
            row["difference"] = _minus(row["emulated"], seen)
            row["covered"] = _covers(row["lower"], row["upper"], seen)
            row["null_reference"] = abs(_minus(float(summary(pooled)[0]), seen)) if several else np.nan
            row["ceiling"] = _median_apart(summary(emulated), summary(twin)) if twin is not None else np.nan
            counted = observed.evaluable if measure in ("ORR", "DCR") else np.isfinite(observed.depth_pct)
            row["n"] = int(np.count_nonzero(counted))
            rows.append(row)
        tau = common_horizon([observed.doubling_curve(), emulated.doubling_curve()])
        reference = _distances(pooled, observed, tau) if several else {}
        between = _distances(emulated, twin, tau) if twin is not None else {}
        for measure, values in _distances(emulated, observed, tau).items():
            note = f"{DISTANCE_REFERENCES}; days 0 to {tau:g}" if "KM" in measure else DISTANCE_REFERENCES
            row = _row(comparison, arm, measure, values, level, note)
            row["null_reference"] = float(reference[measure][0]) if several else np.nan
            row["ceiling"] = (
                intervals.replicate_summary(between[measure], level)[0] if twin is not None else np.nan
            )
            row["n"] = int(np.count_nonzero(np.isfinite(observed.depth_pct)))
            rows.append(row)
    rows += _over_arms(comparison, rows, pooled, level)
    return _frame(rows)


def _over_arms(comparison: Comparison, rows: list[Row], pooled: ArmOutcomes, level: float) -> list[Row]:
    decided = [bool(row["covered"]) for row in rows if row["covered"] is not pd.NA]
    coverage = _row(comparison, ALL_ARMS, "coverage_of_intervals", np.array([]), level, "")
    coverage |= {
        "emulated": float(np.mean(decided)) if decided else np.nan,
        "ceiling": level,
        "n": len(decided),
        "method": f"share of the {level:.0%} intervals above that hold the observed value; n: intervals; "
        "ceiling: their nominal level; arms share avatars, so intervals are not independent",
    }
    result = [coverage]
    for measure, summary in SUMMARIES.items():
        emulated = np.stack([summary(comparison.emulated[arm]) for arm in comparison.arms], axis=-1)
        observed = np.stack([summary(comparison.observed[arm]) for arm in comparison.arms], axis=-1)
        twin = (
            np.stack([summary(arm) for arm in comparison.twin.values()], axis=-1) if comparison.twin else None
        )
        if measure in ("ORR", "DCR"):
            blind = float(np.mean(np.abs(summary(pooled) - observed)))
            note = "mean over arms of |emulated - observed|; " + SUMMARY_REFERENCES
            apart = _row(
                comparison,
                ALL_ARMS,
                f"mean_abs_difference_{measure}",
                _mean_apart(emulated, observed),
                level,
                note,
            )
            apart |= {
                "null_reference": blind if len(comparison.arms) > 1 else np.nan,
                "n": len(comparison.arms),
            }
            if twin is not None:
                apart["ceiling"] = intervals.replicate_summary(_mean_apart(emulated, twin), level)[0]
            result.append(apart)
        note = (
            "rank correlation over arms, by trial; null: arms in random order; ceiling: second mice; n: arms"
        )
        enough = len(comparison.arms) >= 3
        values = spearman(emulated, observed) if enough else np.array([np.nan])
        ranks = _row(comparison, ALL_ARMS, f"Spearman_{measure}", values, level, note)
        ranks |= {"null_reference": 0.0 if enough else np.nan, "n": len(comparison.arms)}
        if twin is not None and enough:
            ranks["ceiling"] = intervals.replicate_summary(spearman(emulated, twin), level)[0]
        result.append(ranks)
    return result


def _distances(first: ArmOutcomes, second: ArmOutcomes, tau: float) -> dict[str, Floats]:
    depth, spread = wasserstein_1(first.depth_pct, second.depth_pct)
    share = np.where(
        spread > 0, depth / np.where(spread > 0, spread, 1.0), np.where(np.isnan(depth), np.nan, 0.0)
    )
    if tau > 0:
        greatest, area = survival.curve_distance(first.doubling_curve(), second.doubling_curve(), tau)
    else:
        greatest = area = np.full(depth.shape, np.nan)
    return {
        "W1_depth_of_response_pct": depth,
        "W1_depth_of_response_share_of_range": share,
        "max_KM_difference": greatest,
        "integrated_KM_difference_days": area,
    }


def _pooled(arms: list[ArmOutcomes]) -> ArmOutcomes:
    return ArmOutcomes(
        category=np.concatenate([arm.category for arm in arms], axis=-1),
        depth_pct=np.concatenate([arm.depth_pct for arm in arms], axis=-1),
        time_days=np.concatenate([arm.time_days for arm in arms], axis=-1),
        doubled=np.concatenate([arm.doubled for arm in arms], axis=-1),
    )


def _row(comparison: Comparison, arm: str, measure: str, values: Floats, level: float, note: str) -> Row:
    estimate, lower, upper = intervals.replicate_summary(values, level)
    parts = [
        f"median and equal-tailed {level:.0%} interval over {comparison.n_trials} replicate trials",
        f"mRECIST rule {comparison.rule}" if measure.endswith(("ORR", "DCR")) else "",
        f"doubling variant {comparison.doubling}" if "doubling" in measure or "KM" in measure else "",
        comparison.cells,
        note,
        "blind to which avatar is which",
    ]
    return {
        "arm": arm,
        "measure": measure,
        "emulated": estimate,
        "lower": lower,
        "upper": upper,
        "level": level,
        "observed": np.nan,
        "difference": np.nan,
        "covered": pd.NA,
        "null_reference": np.nan,
        "ceiling": np.nan,
        "n": 0,
        "method": "; ".join(part for part in parts if part),
    }


def _minus(first: float, second: float) -> float:
    return first - second if np.isfinite(first) and np.isfinite(second) else float("nan")


def _covers(lower: float, upper: float, observed: float) -> object:
    return pd.NA if np.isnan([lower, upper, observed]).any() else bool(lower <= observed <= upper)


def _median_apart(first: Floats, second: Floats) -> float:
    both_known = np.isfinite(first) & np.isfinite(second)
    return float(intervals.quantile(np.abs(first[both_known] - second[both_known]), 0.5))


def _mean_apart(first: Floats, second: Floats) -> Floats:
    return np.mean(np.abs(first - second), axis=-1)


def _finite(row: Row) -> Row:
    not_reached = [name for name in ("emulated", "lower", "upper", "observed") if np.isinf(row[name])]
    if not not_reached:
        return row
    blank: Row = dict.fromkeys(not_reached, np.nan)
    return row | blank | {"method": f"{row['method']}; not reached: {', '.join(not_reached)}"}


def _frame(rows: list[Row]) -> pd.DataFrame:
    frame = pd.DataFrame([_finite(row) for row in rows], columns=list(POPULATION_COLUMNS))
    frame["covered"] = frame["covered"].astype("boolean")
    frame["n"] = frame["n"].astype("Int64")
    return frame
