"""Kaplan-Meier curves of many replicates at once: quantiles, restricted mean, intervals, numbers at risk.

Times have shape (..., subject); everything before the last dimension is a replicate (a trial, an arm) and
is handled without a loop. NaN in `time` means that there is no such subject. Conventions are those of R's
`survival` package (survfit with timefix, quantile.survfit, print.survfit with rmean): curves, intervals and
quantiles agree with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from avatar_trials.endpoints.intervals import check_level
from avatar_trials.endpoints.subjects import TIE_TOLERANCE, as_events, as_times, merge_near_ties

Floats = NDArray[np.float64]

INTERVAL_KINDS = ("plain", "log", "log-log")


@dataclass(frozen=True)
class KaplanMeier:
    """Kaplan-Meier estimate at the distinct times of each replicate; arrays (..., k), NaN-padded times.

    time: distinct times of event or censoring. n_risk, n_event, n_censor: counts there. surv: survival just
    after. cumhaz: Nelson-Aalen cumulative hazard. greenwood: sum of d / (n (n - d)), infinite once the
    curve is 0. Beyond the last time the curves carry their last value on.
    """

    time: Floats
    n_risk: Floats
    n_event: Floats
    n_censor: Floats
    surv: Floats
    cumhaz: Floats
    greenwood: Floats

    @property
    def std_error(self) -> Floats:
        """Greenwood's standard error of `surv`; NaN where the curve is 0."""
        with np.errstate(invalid="ignore"):
            return self.surv * np.sqrt(self.greenwood)


def kaplan_meier(time: ArrayLike, event: ArrayLike, *, entry: ArrayLike | None = None) -> KaplanMeier:
    """Kaplan-Meier curves of `time` (..., subject), True in `event` where the event happened, else censored.

    Times that differ by rounding only are merged, to the earliest of them. A subject censored at the time
    of an event is at risk for it. `entry`: time from which a subject is under observation, exclusive (left
    truncation). ValueError for an infinite time, and for an entry that is not before the subject's time.
    """
    times = as_times(time)
    events = as_events(event, times)
    if times.shape[-1] == 0:
        times, events = np.full((*times.shape[:-1], 1), np.nan), np.zeros((*times.shape[:-1], 1), dtype=bool)
        entry = None
    shape, n = times.shape[:-1], times.shape[-1]
    flat, happened = times.reshape(-1, n), events.reshape(-1, n)
    if entry is None:
        flat, entries = merge_near_ties(flat), None
    else:
        entries = np.broadcast_to(np.asarray(entry, dtype=float), times.shape).reshape(-1, n)
        if np.any(np.isnan(entries) & ~np.isnan(flat)):
            raise ValueError("a left-truncated subject needs an entry: received NaN")
        entries = np.where(np.isnan(flat), np.nan, entries)
        both = merge_near_ties(np.concatenate([flat, entries], axis=1))
        flat, entries = both[:, :n], both[:, n:]
        if np.any(entries >= flat):
            raise ValueError("a left-truncated subject needs a time after its entry")
    order = np.argsort(flat, axis=1, kind="stable")
    flat, happened = np.take_along_axis(flat, order, axis=1), np.take_along_axis(happened, order, axis=1)
    present = np.isfinite(flat)
    new_time = present.copy()
    new_time[:, 1:] &= flat[:, 1:] != flat[:, :-1]
    place = np.maximum(np.cumsum(new_time, axis=1) - 1, 0) + n * np.arange(len(flat))[:, None]
    width = max(1, int(new_time.sum(axis=1).max(initial=0)))

    def count(which: NDArray[np.bool_]) -> Floats:
        tally = np.bincount(place[which], minlength=flat.size).astype(float)
        return tally.reshape(flat.shape)[:, :width]

    leaving, n_event = count(present), count(present & happened)
    distinct = np.full(flat.size, np.nan)
    distinct[place[new_time]] = flat[new_time]
    distinct = distinct.reshape(flat.shape)[:, :width]
    if entries is None:
        n_risk = present.sum(axis=1, keepdims=True) - (np.cumsum(leaving, axis=1) - leaving)
    else:
        n_risk = _counts_below(entries, distinct) - _counts_below(flat, distinct)
    n_risk = np.where(np.isnan(distinct), 0.0, n_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.where(n_event > 0, n_event / n_risk, 0.0)
        steps = np.where(n_event > 0, n_event / (n_risk * (n_risk - n_event)), 0.0)
    fields = (
        distinct, n_risk, n_event, leaving - n_event,
        np.cumprod(1.0 - hazard, axis=1), np.cumsum(hazard, axis=1), np.cumsum(steps, axis=1),
    )  # fmt: skip
    return KaplanMeier(*(field.reshape(*shape, width) for field in fields))


def confidence_interval(
    km: KaplanMeier, *, kind: str = "log-log", level: float = 0.95
) -> tuple[Floats, Floats]:
    """Pointwise interval of `surv`, shape (..., k), on the plain, log or log-log scale; NaN where undefined.

    Undefined where the curve is 0, and for log-log where it is 1. ValueError for an unknown kind or a
    level outside (0, 1).
    """
    check_interval(kind, level)
    surv = km.surv
    z = ndtri(0.5 + level / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = z * np.sqrt(km.greenwood)
        if kind == "plain":
            lower, upper = surv - half * surv, surv + half * surv
        elif kind == "log":
            lower, upper = np.exp(np.log(surv) - half), np.exp(np.log(surv) + half)
        else:
            log_cumulative, half = np.log(-np.log(surv)), half / np.log(surv)
            lower, upper = np.exp(-np.exp(log_cumulative - half)), np.exp(-np.exp(log_cumulative + half))
    undefined = surv <= 0
    return (
        np.where(undefined, np.nan, np.clip(lower, 0.0, 1.0)),
        np.where(undefined, np.nan, np.clip(upper, 0.0, 1.0)),
    )


def quantile(km: KaplanMeier, probability: float) -> Floats:
    """Time by which the event has happened to a share `probability`, shape (...).

    Infinite if the curve does not fall that far, NaN without a subject. Where the curve is flat exactly at
    1 - `probability`, the middle of the flat stretch; a flat stretch at the end reaches to the last time.
    """
    check_probability(probability)
    return _crossing(km, 1.0 - km.surv, probability, monotone=True)


def median(km: KaplanMeier) -> Floats:
    """Kaplan-Meier median, shape (...): `quantile` at one half."""
    return quantile(km, 0.5)


def quantile_interval(
    km: KaplanMeier, probability: float, *, kind: str = "log-log", level: float = 0.95
) -> tuple[Floats, Floats]:
    """Interval of `quantile`, the pointwise one inverted (Brookmeyer-Crowley).

    Infinite where not reached, and both where the curve comes to 0 in one step and has no interval to invert (R: NA).
    """
    check_probability(probability)
    lower, upper = confidence_interval(km, kind=kind, level=level)
    return (
        _crossing(km, 1.0 - lower, probability, monotone=False),
        _crossing(km, 1.0 - upper, probability, monotone=False),
    )


def restricted_mean(km: KaplanMeier, tau: ArrayLike) -> tuple[Floats, Floats]:
    """Mean time to the event within `tau` (area under the curve to `tau`) and its standard error, both (...).

    `tau` broadcasts against the replicates. A curve that ends before `tau` above 0 is carried on flat. NaN
    without a subject. ValueError for a `tau` that is not positive and finite.
    """
    limit = np.asarray(tau, dtype=float)
    if not np.all(np.isfinite(limit) & (limit > 0)):
        raise ValueError(f"tau must be positive and finite: received {limit}")
    limit = np.broadcast_to(limit, km.time.shape[:-1])[..., None]
    inside = np.fmin(km.time, limit)
    edges = np.concatenate([np.zeros_like(limit), inside, limit], axis=-1)
    area = np.diff(edges, axis=-1) * np.concatenate([np.ones_like(limit), km.surv], axis=-1)
    ahead = np.flip(np.cumsum(np.flip(area[..., 1:], axis=-1), axis=-1), axis=-1)
    open_step = (km.n_event > 0) & (km.n_risk > km.n_event)
    safe = np.where(open_step, km.n_risk * (km.n_risk - km.n_event), 1.0)
    variance = np.sum(np.where(open_step, ahead**2 * km.n_event / safe, 0.0), axis=-1)
    empty = ~_has_subjects(km)
    return np.where(empty, np.nan, area.sum(axis=-1)), np.where(empty, np.nan, np.sqrt(variance))


def estimable_until(km: KaplanMeier) -> Floats:
    """Time to which the curve is known, (...): its last time, infinite if it fell to 0; NaN if empty."""
    last = np.where(_has_subjects(km), np.fmax.reduce(km.time, axis=-1), np.nan)
    return np.where(_has_subjects(km) & (km.surv[..., -1] <= 0), np.inf, last)


def survival_at(km: KaplanMeier, at: ArrayLike) -> Floats:
    """Survival just after the times `at` (..., m), which broadcast against the replicates; shape (..., m).

    A time that differs from one of the curve's by rounding only is that time. NaN in an empty arm, and at NaN.
    """
    times = np.atleast_1d(np.asarray(at, dtype=float))
    shape = (*np.broadcast_shapes(times.shape[:-1], km.time.shape[:-1]), times.shape[-1])
    passed = np.zeros(shape, dtype=np.intp)
    reached = later_by_rounding(times)
    for k in range(km.time.shape[-1]):
        passed += km.time[..., k, None] <= reached
    curve = np.concatenate([np.ones_like(km.surv[..., :1]), km.surv], axis=-1)
    held = np.take_along_axis(np.broadcast_to(curve, (*shape[:-1], curve.shape[-1])), passed, axis=-1)
    return np.where(_has_subjects(km)[..., None] & ~np.isnan(times), held, np.nan)


def at_risk(time: ArrayLike, at: ArrayLike) -> NDArray[np.intp]:
    """Subjects still under observation just before the times `at` (m,): counts of shape (..., m)."""
    times = np.asarray(time, dtype=float)
    return np.count_nonzero(
        later_by_rounding(times)[..., None, :] >= np.asarray(at, dtype=float)[..., :, None], axis=-1
    )


def later_by_rounding(time: Floats) -> Floats:
    """The latest time that differs from `time` by rounding only."""
    return time + TIE_TOLERANCE * np.maximum(1.0, np.abs(time))


def curve_distance(first: KaplanMeier, second: KaplanMeier, tau: float) -> tuple[Floats, Floats]:
    """Greatest and integrated (days) absolute difference of two curves on [0, tau]; replicates broadcast."""
    shape = np.broadcast_shapes(first.time.shape[:-1], second.time.shape[:-1])
    grids = [np.broadcast_to(km.time, (*shape, km.time.shape[-1])) for km in (first, second)]
    start, end = np.zeros((*shape, 1)), np.full((*shape, 1), tau)
    grid = np.fmin(np.concatenate([start, *grids], axis=-1), tau)
    grid = np.sort(merge_near_ties(grid.reshape(-1, grid.shape[-1])).reshape(grid.shape), axis=-1)
    apart = np.abs(survival_at(first, grid) - survival_at(second, grid))
    widths = np.diff(np.concatenate([grid, end], axis=-1), axis=-1)
    empty = ~(_has_subjects(first) & _has_subjects(second))
    return np.where(empty, np.nan, apart.max(axis=-1)), np.where(empty, np.nan, (apart * widths).sum(axis=-1))


def check_interval(kind: str, level: float) -> None:
    """Raise ValueError unless `kind` is one of INTERVAL_KINDS and `level` lies in (0, 1)."""
    if kind not in INTERVAL_KINDS:
        raise ValueError(f"unknown interval kind {kind!r}: expected one of {', '.join(INTERVAL_KINDS)}")
    check_level(level)


def check_probability(probability: float) -> None:
    """Raise ValueError unless `probability` lies in (0, 1)."""
    if not 0 < probability < 1:
        raise ValueError(f"probability must lie between 0 and 1: received {probability}")


def _has_subjects(km: KaplanMeier) -> NDArray[np.bool_]:
    return np.isfinite(km.time[..., 0])


def _counts_below(values: Floats, at: Floats) -> Floats:
    below = np.zeros(at.shape)
    for subject in values.T:
        below += subject[:, None] < at
    return below


def _crossing(km: KaplanMeier, failed: Floats, probability: float, *, monotone: bool) -> Floats:
    """First time at which `failed` (..., k) reaches `probability`, with R's midpoint rule and tolerance."""
    origin = np.zeros((*failed.shape[:-1], 1))
    time = np.concatenate([origin, km.time], axis=-1)
    level = np.where(np.isnan(time), np.nan, np.concatenate([origin, failed], axis=-1))
    # A confidence limit may fall again: R takes the nearest level above, which need not be the first in time.
    reaches = np.where(level + TIE_TOLERANCE >= probability, level, np.inf)
    passes = np.where(level - TIE_TOLERANCE >= probability, level, np.inf)
    first, second = _time_of_least(time, reaches), _time_of_least(time, passes)
    final_level = _final_new_level(level, np.isnan(time), monotone)
    last_time = np.fmax.reduce(time, axis=-1)
    ends_flat = np.abs(probability - final_level) < TIE_TOLERANCE
    result = np.where(ends_flat, (first + last_time) / 2, (first + second) / 2)
    return np.where(_has_subjects(km), result, np.nan)


def _time_of_least(time: Floats, level: Floats) -> Floats:
    at = level.argmin(axis=-1)[..., None]
    found = np.isfinite(np.take_along_axis(level, at, axis=-1)[..., 0])
    return np.where(found, np.take_along_axis(time, at, axis=-1)[..., 0], np.inf)


def _final_new_level(level: Floats, padding: NDArray[np.bool_], monotone: bool) -> Floats:
    if monotone:
        return np.fmax.reduce(level, axis=-1)
    same = (level[..., :, None] == level[..., None, :]) | (
        np.isnan(level[..., :, None]) & np.isnan(level[..., None, :])
    )
    seen_before = np.any(same & np.tri(level.shape[-1], k=-1, dtype=bool), axis=-1)
    new = ~seen_before & ~padding
    last_new = level.shape[-1] - 1 - np.flip(new, axis=-1).argmax(axis=-1)
    return np.take_along_axis(level, last_new[..., None], axis=-1)[..., 0]
