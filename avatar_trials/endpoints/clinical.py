"""A benchmark made of a reader's own patients: medians and hazard ratios recomputed, curves compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.arms import canonical_arm
from avatar_trials.benchmark_cards import Benchmark, BenchmarkArm, BenchmarkRatio, Published
from avatar_trials.endpoints import intervals, survival
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.two_arm_hazard import hazard_ratio

Floats = NDArray[np.float64]


def recomputed(
    months: Mapping[str, Floats], event: Mapping[str, NDArray[np.bool_]], source: str
) -> Benchmark:
    """A benchmark of patients' months to progression: medians and Cox hazard ratios of all pairs, 95 % limits."""
    arms, ratios = [], []
    for name, times in months.items():
        km = survival.kaplan_meier(times[None, :], event[name][None, :])
        lower, upper = (float(limit[0]) for limit in survival.quantile_interval(km, 0.5, level=0.95))
        middle = float(survival.median(km)[0])
        median = _published(middle, lower, upper, source) if np.isfinite(middle) else None
        arms.append(BenchmarkArm(name=name, n=len(times), median_pfs_months=median))
    names = list(months)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            found = hazard_ratio(
                np.concatenate([months[other], months[one]])[None, :],
                np.concatenate([event[other], event[one]])[None, :],
                np.repeat(["reference", "arm"], [len(months[other]), len(months[one])]),
                reference="reference",
            )
            if not found.why_undefined[0]:
                number = _published(float(found.hr[0]), float(found.lower[0]), float(found.upper[0]), source)
                ratios.append(BenchmarkRatio(arm=one, reference=other, hazard_ratio=number))
    return Benchmark(
        schema_version=1,
        name=source,
        title=source,
        citation=f"patients of {source}",
        patients=source,
        assessment="as in the table",
        response="none in the table",
        scale="diameter",
        arms=tuple(arms),
        hazard_ratios=tuple(ratios),
    )


def curve_rows(
    arms: Mapping[str, ArmOutcomes],
    months: Mapping[str, Floats],
    event: Mapping[str, NDArray[np.bool_]],
    *,
    days_per_month: float,
    factor: float,
    level: float,
) -> pd.DataFrame:
    """Greatest Kaplan-Meier difference and restricted mean difference (months), emulated less patients, by arm.

    `arms` (trial, subject) in days of patients, times `factor`. The horizon is the shorter follow-up.
    """
    rows: list[dict[str, Any]] = []
    named = {canonical_arm(name).casefold(): name for name in arms}
    for name, times in months.items():
        if canonical_arm(name).casefold() not in named:
            continue
        one = arms[named[canonical_arm(name).casefold()]]
        ours = survival.kaplan_meier(one.time_days * factor / days_per_month, one.doubled)
        theirs = survival.kaplan_meier(times[None, :], event[name][None, :])
        tau = float(min(np.nanmedian(np.nanmax(ours.time, axis=-1)), times.max()))
        greatest, _ = survival.curve_distance(ours, theirs, tau)
        means = [survival.restricted_mean(km, tau)[0] for km in (ours, theirs)]
        for measure, values in (
            ("max_KM_difference", greatest),
            ("RMST_difference_months", means[0] - means[1]),
        ):
            middle, lower, upper = intervals.replicate_summary(values, level)
            method = f"months 0 to {tau:.3g}; emulated less patients, over {len(values)} trials"
            rows.append(
                {"arm": named[canonical_arm(name).casefold()], "measure": measure, "emulated": middle}
                | {"lower": lower, "upper": upper, "level": level, "basis": "recomputed", "n": len(times)}
                | {"covered": pd.NA, "method": method}
            )
    return pd.DataFrame(rows)


def _published(value: float, lower: float, upper: float, source: str) -> Published:
    finite = np.isfinite([lower, upper]).all()
    limits = {"lower": lower, "upper": upper} if finite else {}
    return Published(value=value, basis="recomputed", source=source, **limits)
