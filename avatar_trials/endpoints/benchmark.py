"""An emulated trial held against a clinical one, on a declared time scale or on one estimated from one arm."""

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
from avatar_trials.endpoints.intervals import check_level
from avatar_trials.endpoints.two_arm_hazard import hazard_ratio

Floats = NDArray[np.float64]
Arms = Mapping[str, ArmOutcomes]

BENCHMARK_COLUMNS = (
    "arm",
    "measure",
    "emulated",
    "lower",
    "upper",
    "level",
    "published",
    "published_lower",
    "published_upper",
    "basis",
    "difference",
    "covered",
    "n",
    "method",
)
RECIST_PARTIAL_PCT = -30.0
PATIENTS, MICE = "emulated patients", "emulated mice"


def apart(arms: Arms) -> dict[str, ArmOutcomes]:
    """Subjects dealt out to the arms in turn, so that every arm has subjects of its own, as a parallel trial has."""
    parts = {arm: slice(i, None, len(arms)) for i, arm in enumerate(arms)}
    return {
        arm: ArmOutcomes(
            one.category[:, parts[arm]],
            one.depth_pct[:, parts[arm]],
            one.time_days[:, parts[arm]],
            one.doubled[:, parts[arm]],
        )
        for arm, one in arms.items()
    }


def estimated_scale(arms: Arms, arm: str, published: Published, days_per_month: float) -> Floats:
    """Factor (trial,) that takes an arm's median time to the published one; NaN where the median is not reached."""
    own = survival.median(arms[arm].doubling_curve())
    return np.where(np.isfinite(own) & (own > 0), published.value * days_per_month / own, np.nan)


def against_benchmark(
    arms: Arms,
    benchmark: Benchmark,
    *,
    subjects: str,
    scale: str,
    scale_from: str | None = None,
    level: float = 0.9,
) -> pd.DataFrame:
    """One row an arm and measure that both trials have, then hazard ratios, signs and orders; BENCHMARK_COLUMNS.

    `arms`: (trial, subject), times in days of patients on the scale declared in words by `scale`, depth in percent of
    diameter; each arm's subjects are its own (`apart`). `scale_from`: arm whose published median sets the scale, its
    median over trials; that arm's own median is then no test and says so. A mouse's response is called at -30 % of
    diameter. Limits hold `level` of replicate trials. ValueError without an arm in common, or the median needed.
    """
    check_level(level)
    named = {canonical_arm(name).casefold(): name for name in arms}
    shared = {named[arm.name.casefold()]: arm for arm in benchmark.arms if arm.name.casefold() in named}
    if not shared:
        theirs = ", ".join(arm.name for arm in benchmark.arms)
        raise ValueError(f"no arm in common: emulated {', '.join(arms)}; {benchmark.name} has {theirs}")
    arms = apart({name: arms[name] for name in shared})
    factor, note = 1.0, f"time scale declared: {scale}"
    if scale_from is not None:
        scale_from = named.get(canonical_arm(scale_from).casefold(), scale_from)
        published = shared[scale_from].median_pfs_months if scale_from in shared else None
        if published is None:
            raise ValueError(f"no time scale can be had of {scale_from}: both trials need a median PFS of it")
        factor, low, high = intervals.replicate_summary(
            estimated_scale(arms, scale_from, published, benchmark.days_per_month), level
        )
        if not np.isfinite(factor):
            raise ValueError(f"no time scale can be had of {scale_from}: its emulated median is not reached")
        note = f"{scale}, times {factor:.3g} [{low:.3g}, {high:.3g}], from {scale_from}, tested on the others"
    told = f"{subjects}; {note}; {benchmark.citation}"
    rows: list[dict[str, Any]] = []
    for name, arm in shared.items():
        fitted = "FITTED to this number, no test; " if name == scale_from else ""
        for measure, (values, number, more) in _measures(
            arms[name], arm, factor, subjects, benchmark
        ).items():
            if number is not None:
                timed = fitted if measure == "median_PFS_months" else ""
                n = arms[name].category.shape[1]
                rows.append(_row(name, measure, values, number, n, f"{timed}{more}{told}", level))
    ratios = [
        ratio
        for ratio in benchmark.hazard_ratios
        if {_at(named, ratio.arm), _at(named, ratio.reference)} <= set(arms)
    ]
    for ratio in ratios:
        rows += _ratio_rows(arms, ratio, named, told, level)
    if len(shared) > 1:
        rows += _order_rows(rows, arms, shared, factor, subjects, benchmark, told, level)
    frame = pd.DataFrame(rows, columns=list(BENCHMARK_COLUMNS))
    frame["covered"] = frame["covered"].astype("boolean")
    return frame


def _measures(
    one: ArmOutcomes, arm: BenchmarkArm, factor: float, subjects: str, benchmark: Benchmark
) -> dict[str, tuple[Floats, Published | None, str]]:
    of_mice = subjects == MICE
    response = intervals.quantile(one.depth_pct, 0.5)
    if benchmark.scale == "volume":
        response = 100.0 * ((1.0 + response / 100.0) ** 3 - 1.0)
    deep = np.where(np.isnan(one.depth_pct), np.nan, one.depth_pct <= RECIST_PARTIAL_PCT)
    known = np.count_nonzero(~np.isnan(deep), axis=-1)
    rate = np.nansum(deep, axis=-1) / np.maximum(known, 1) if of_mice else one.rate("ORR")
    called = "a mouse at -30 % of diameter, unconfirmed; " if of_mice else "RECIST; "
    median = survival.median(one.doubling_curve()) * factor / benchmark.days_per_month
    times = "doubling of volume; " if of_mice else "progression by RECIST; "
    return {
        "ORR": (rate, arm.orr, f"{called}published: {benchmark.response}; "),
        "median_depth_pct": (response, arm.depth_pct, f"{benchmark.scale}; "),
        "median_PFS_months": (median, arm.median_pfs_months, times),
    }


def _ratio_rows(
    arms: Arms, ratio: BenchmarkRatio, named: dict[str, str], told: str, level: float
) -> list[dict[str, Any]]:
    name, reference = _at(named, ratio.arm), _at(named, ratio.reference)
    first, other = arms[reference], arms[name]
    n = [side.time_days.shape[1] for side in (first, other)]
    found = hazard_ratio(
        np.concatenate([first.time_days, other.time_days], axis=-1),
        np.concatenate([first.doubled, other.doubled], axis=-1),
        np.repeat(["reference", "arm"], n),
        reference="reference",
    )
    values = np.where(found.why_undefined == "", found.hr, np.nan)
    published = ratio.hazard_ratio
    note = f"Cox, Efron ties, over {reference}; n of arm and reference {n[1]}, {n[0]}; {told}"
    row = _row(name, "hazard_ratio", values, published, n[1], note, level)
    sign = (values < 1.0) == (published.value < 1.0)
    agreed = float(np.mean(sign[~np.isnan(values)])) if np.isfinite(values).any() else np.nan
    same = _blank(name, "hazard_ratio_same_side_of_1", f"share of replicate trials; {told}", level)
    return [row, same | {"emulated": agreed, "basis": published.basis, "n": len(values)}]


def _order_rows(
    rows: list[dict[str, Any]],
    arms: Arms,
    shared: dict[str, BenchmarkArm],
    factor: float,
    subjects: str,
    benchmark: Benchmark,
    told: str,
    level: float,
) -> list[dict[str, Any]]:
    """Share of replicate trials whose arms stand in the published order, ties counted as not."""
    result = []
    for measure in ("ORR", "median_depth_pct", "median_PFS_months"):
        parts = [
            _measures(arms[name], arm, factor, subjects, benchmark)[measure] for name, arm in shared.items()
        ]
        known = [(values, number) for values, number, _ in parts if number is not None]
        if len(known) < 2:
            continue
        order = np.argsort([number.value for _, number in known], kind="stable")
        values = np.stack([known[i][0] for i in order], axis=-1)
        with np.errstate(invalid="ignore"):
            held = np.all(
                (np.diff(values, axis=-1) > 0) | np.isposinf(values[..., 1:]) & np.isfinite(values[..., :-1]),
                axis=-1,
            )
        bases = sorted({number.basis for _, number in known})
        basis = bases[0] if len(bases) == 1 else f"{' and '.join(bases)}, in part"
        note = f"share of replicate trials whose arms are in the published order; chance: 1 in {len(known)}!; {told}"
        row = _blank("all", f"order_of_{measure}", note, level)
        result.append(row | {"emulated": float(held.mean()), "basis": basis, "n": len(known)})
    return result


def _row(
    arm: str, measure: str, values: Floats, published: Published, n: int, note: str, level: float
) -> dict[str, Any]:
    middle, lower, upper = intervals.replicate_summary(values, level)
    missed = [
        name for name, value in (("emulated", middle), ("upper", upper), ("lower", lower)) if np.isinf(value)
    ]
    told = f"{note}; not reached: {', '.join(missed)}" if missed else note
    inside = pd.NA if np.isnan([lower, upper]).any() else bool(lower <= published.value <= upper)
    finite = {
        name: np.nan if np.isinf(v) else v
        for name, v in (("emulated", middle), ("lower", lower), ("upper", upper))
    }
    return _blank(arm, measure, f"{told}; {published.basis}: {published.source}", level) | finite | {
        "published": published.value,
        "published_lower": np.nan if published.lower is None else published.lower,
        "published_upper": np.nan if published.upper is None else published.upper,
        "basis": published.basis,
        "difference": finite["emulated"] - published.value,
        "covered": inside,
        "n": n,
    }  # fmt: skip


def _blank(arm: str, measure: str, method: str, level: float) -> dict[str, Any]:
    empty = dict.fromkeys(BENCHMARK_COLUMNS, np.nan)
    return empty | {
        "arm": arm,
        "measure": measure,
        "level": level,
        "covered": pd.NA,
        "basis": "",
        "method": method,
    }


def _at(named: dict[str, str], arm: str) -> str:
    return named.get(arm.casefold(), "")
