"""Rows of population agreement over all arms: the arm is the unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from avatar_trials.endpoints import intervals
from avatar_trials.endpoints.arm_agreement import (
    FEWEST_ARMS,
    calibration_slope,
    concordance_over_arms,
    kendall_over_arms,
    spearman_over_arms,
)
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.matching import Comparison
from avatar_trials.endpoints.population_rows import ALL_ARMS, Floats, Row, mean_apart, row_of

RANK_NOTE = "rank correlation over arms, by trial; null: arms in random order; ceiling: second mice; n: arms"
OVER_ARMS: dict[str, tuple[Callable[[Floats, Floats], Floats], tuple[str, ...], float, str]] = {
    "Spearman": (spearman_over_arms, (), 0.0, RANK_NOTE),
    "Kendall": (kendall_over_arms, (), 0.0, f"tau-b, {RANK_NOTE}"),
    "Lin_CCC": (
        concordance_over_arms,
        ("ORR", "DCR", "median_depth_of_response_pct"),
        0.0,
        "Lin's concordance over arms, by trial; null: emulated arms all alike; ceiling: second mice; n: arms",
    ),
    "calibration_slope": (
        calibration_slope,
        ("ORR",),
        0.0,
        "slope of observed on emulated over arms, by trial; null: emulated arms that say nothing; ceiling: second "
        "mice; n: arms",
    ),
}
"""name -> measure, the summaries it is of (none: all), its null, its note"""


def over_arms(
    comparison: Comparison,
    rows: list[Row],
    summaries: Mapping[str, Callable[[ArmOutcomes], Floats]],
    pooled: ArmOutcomes,
    level: float,
    told: Mapping[str, str],
) -> list[Row]:
    """Coverage of the intervals of `rows`, then mean differences, correlations and slopes over arms.

    `told`: what is to be said of a summary beside its name.
    """
    decided = [bool(row["covered"]) for row in rows if row["covered"] is not pd.NA]
    coverage = row_of(comparison, ALL_ARMS, "coverage_of_intervals", np.array([]), level, "")
    coverage |= {
        "emulated": float(np.mean(decided)) if decided else np.nan,
        "ceiling": level,
        "n": len(decided),
        "method": f"share of the {level:.0%} intervals above that hold the observed value; n: intervals; "
        "ceiling: their nominal level; arms share avatars, so intervals are not independent",
    }
    result = [coverage]
    arms = comparison.arms
    for measure, summary in summaries.items():
        emulated, observed, twin = (
            np.stack([summary(side[arm]) for arm in arms], axis=-1) if side else None
            for side in (comparison.emulated, comparison.observed, comparison.twin)
        )
        assert emulated is not None
        assert observed is not None
        if measure in ("ORR", "DCR"):
            result.append(
                _mean_apart_row(comparison, measure, emulated, observed, twin, summary(pooled), level)
            )
        for name, (of_arms, chosen, null, note) in OVER_ARMS.items():
            if chosen and measure not in chosen:
                continue
            enough = len(arms) >= FEWEST_ARMS
            values = of_arms(emulated, observed) if enough else np.array([np.nan])
            words = "; ".join(filter(None, (note, told.get(measure, ""))))
            row = row_of(comparison, ALL_ARMS, f"{name}_{measure}", values, level, words)
            row |= {"null_reference": null if enough else np.nan, "n": len(arms)}
            if twin is not None and enough:
                row["ceiling"] = intervals.replicate_summary(of_arms(emulated, twin), level)[0]
            result.append(row)
    return result


def _mean_apart_row(
    comparison: Comparison,
    measure: str,
    emulated: Floats,
    observed: Floats,
    twin: Floats | None,
    pooled: Floats,
    level: float,
) -> Row:
    note = (
        "mean over arms of |emulated - observed|; "
        "null: |difference| of the observed arms pooled, blind to the arm; "
        "ceiling: median |difference| between a trial and second mice of its avatars"
    )
    values = mean_apart(emulated, observed)
    row = row_of(comparison, ALL_ARMS, f"mean_abs_difference_{measure}", values, level, note)
    n = observed.shape[-1]
    blind = float(np.median(mean_apart(pooled[..., None], observed)))
    row |= {"null_reference": blind if n > 1 else np.nan, "n": n}
    if twin is not None:
        row["ceiling"] = intervals.replicate_summary(mean_apart(emulated, twin), level)[0]
    return row
