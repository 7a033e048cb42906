"""What one arm is summed up by, with its uncertainty: response rates, landmark survival, restricted means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from avatar_trials.endpoints.arm_outcomes import RATES
from avatar_trials.endpoints.intervals import check_level, proportion_interval
from avatar_trials.endpoints.response import CATEGORIES
from avatar_trials.endpoints.survival import (
    KaplanMeier,
    check_interval,
    confidence_interval,
    estimable_until,
    later_by_rounding,
    restricted_mean,
    survival_at,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rate:
    """Result of `response_rate`, arrays over the replicates (...); NaN without an evaluable mouse."""

    estimate: Floats
    lower: Floats
    upper: Floats
    level: float
    n_responders: NDArray[np.intp]
    n_evaluable: NDArray[np.intp]
    n_not_evaluable: NDArray[np.intp]
    method: str


@dataclass(frozen=True)
class Landmark:
    """Result of `landmark_survival`, arrays (..., day); `why_undefined` says why a value is NaN."""

    days: Floats
    survival: Floats
    std_error: Floats
    lower: Floats
    upper: Floats
    level: float
    why_undefined: NDArray[np.str_]
    method: str


@dataclass(frozen=True)
class Difference:
    """Result of `restricted_mean_difference` (second less first), arrays over the replicates (...).

    carried_on: True where a curve ends before `tau` above 0 and was carried on flat. `why_undefined` says
    why values are NaN: all without a subject, z and p_value only where neither arm has an event.
    """

    tau: Floats
    estimate: Floats
    se: Floats
    lower: Floats
    upper: Floats
    level: float
    z: Floats
    p_value: Floats
    carried_on: NDArray[np.bool_]
    why_undefined: NDArray[np.str_]
    method: str


def response_rate(
    category: ArrayLike, rate: str | Iterable[str] = "ORR", *, method: str = "wilson", level: float = 0.95
) -> Rate:
    """Share of evaluable mice of an arm in some categories, with an interval; category (..., mouse).

    rate: a name of `RATES`, as ORR or DCR, or the categories themselves. A mouse with category "", or without
    one (None, NaN), is not evaluable: it is counted, and in neither part of the share. method: see
    `proportion_interval`. ValueError for a category that is none of CATEGORIES.
    """
    given = np.asarray(category, dtype=object)
    calls = np.where(pd.isna(given), "", given).astype(str)
    if calls.ndim == 0:
        raise ValueError("categories need a dimension of mice: received a single one")
    if isinstance(rate, str):
        if rate not in RATES:
            raise ValueError(f"unknown rate {rate!r}: expected one of {', '.join(RATES)}")
        wanted = RATES[rate]
    else:
        wanted = tuple(rate)
    strange = sorted((set(np.unique(calls)) | set(wanted)) - {*CATEGORIES, ""})
    if strange:
        raise ValueError(f"unknown categories {', '.join(strange)}: expected {', '.join(CATEGORIES)} or ''")
    evaluable = calls != ""
    n, hits = evaluable.sum(axis=-1), np.isin(calls, wanted).sum(axis=-1)
    lower, upper = proportion_interval(hits, n, method=method, level=level)
    estimate = np.where(n > 0, hits / np.maximum(n, 1), np.nan)
    name = f"share of evaluable mice in {', '.join(wanted)}; {method} interval"
    return Rate(estimate, lower, upper, level, hits, n, (~evaluable).sum(axis=-1), name)


def landmark_survival(
    km: KaplanMeier, days: ArrayLike, *, kind: str = "log-log", level: float = 0.95
) -> Landmark:
    """Survival just after each of the `days` (day,), with Greenwood's error and a pointwise interval.

    Undefined after the last observation unless the curve has come to 0, and in an empty arm. Where the
    curve is 0 there is no error or interval; where it is still 1, the error is 0 and there is no log-log
    interval, as in R. ValueError for an unknown kind or level, or days that are not finite.
    """
    check_interval(kind, level)
    at = np.atleast_1d(np.asarray(days, dtype=float))
    if at.ndim != 1 or not np.all(np.isfinite(at)):
        raise ValueError(f"days are finite numbers (day,): received {at}")
    survival = survival_at(km, at)
    lower, upper = confidence_interval(km, kind=kind, level=level)
    edge = np.full((*km.surv.shape[:-1], 1), np.nan if kind == "log-log" else 1.0)
    passed = (km.time[..., :, None] <= later_by_rounding(at)).sum(axis=-2)

    def held(values: Floats, before: Floats) -> Floats:
        return np.take_along_axis(np.concatenate([before, values], axis=-1), passed, axis=-1)

    error = held(km.std_error, np.zeros_like(edge))
    lower, upper = held(lower, edge), held(upper, edge)
    until = later_by_rounding(np.asarray(estimable_until(km))[..., None])
    empty = np.isnan(until) & np.ones(survival.shape, dtype=bool)
    why = np.select(
        [empty, at > until, survival <= 0, (survival >= 1) & (kind == "log-log")],
        [
            "no subject",
            "after the last observation",
            "no interval: the curve is 0",
            "no interval: the curve is 1",
        ],
        default="",
    )
    unknown = empty | (at > until)
    blank = [np.where(unknown, np.nan, value) for value in (survival, error, lower, upper)]
    return Landmark(
        at, blank[0], blank[1], blank[2], blank[3], level, why,
        f"Kaplan-Meier survival, {kind} interval, Greenwood's error",
    )  # fmt: skip


def restricted_mean_difference(
    first: KaplanMeier, second: KaplanMeier, tau: ArrayLike, *, level: float = 0.95
) -> Difference:
    """Restricted mean time to the event within `tau`, second arm less first, arms independent; replicates.

    The error is the root of the summed squares of both arms' (Greenwood-type) errors; z and p are normal.
    Arms that share avatars are as a rule positively correlated: the error is then too large rather than
    too small. ValueError for a `tau` that is not positive and finite.
    """
    check_level(level)
    (first_mean, first_se), (second_mean, second_se) = (
        restricted_mean(first, tau),
        restricted_mean(second, tau),
    )
    estimate, se = second_mean - first_mean, np.hypot(first_se, second_se)
    half = float(ndtri(0.5 + level / 2)) * se
    z = np.where(se > 0, estimate / np.where(se > 0, se, 1.0), np.nan)
    why = np.select(
        [np.isnan(estimate), se == 0],
        ["an arm without a subject", "no test: no event before tau"],
        default="",
    )
    ends = np.fmin(estimable_until(first), estimable_until(second))
    name = "restricted mean, Greenwood-type error, arms independent, normal limits"
    return Difference(
        np.broadcast_to(np.asarray(tau, dtype=float), estimate.shape), estimate, se,
        estimate - half, estimate + half, level, z, 2.0 * ndtr(-np.abs(z)), ends < tau, why, name,
    )  # fmt: skip
