"""Response of one mouse: mRECIST under three named rules, depth of response, time to doubling.

Every function takes `day` and `volume_mm3` of shape (..., visit), broadcast against each other. Visit 0 is
the baseline at day 0; visits are in order of day; a mouse that has left is NaN from there on. A curve whose
first visit is not at day 0 (left truncated) or whose baseline is not a positive volume has no baseline, and
every result for it is NaN, False or "". Volume change is in percent of the baseline, 100 (V - V0) / V0;
days are days of treatment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RULES = ("gao2015_text", "pct_sheet", "xeva")
CATEGORIES = ("CR", "PR", "SD", "PD")
DOUBLING_VARIANTS = ("pct_sheet", "log_linear")

# Gao et al., Nat Med 2015;21:1318: best response below, best average response below; later rows override.
CATEGORY_LIMITS_PCT = (("SD", 35.0, 30.0), ("PR", -50.0, -20.0), ("CR", -95.0, -40.0))
TEXT_FIRST_DAY = 10.0
# Function mRECIST of the R package Xeva: visits from day 10 on that a call needs, and what is added to a curve from 0.
XEVA_VISITS = 2
XEVA_ADDED_MM3 = 1.0
# Inferred by matching the published sheet of curve metrics; its authors do not document them.
SHEET_AVERAGE_AFTER_DAY = 10.0
SHEET_EARLY_DAY = 9.0
SHEET_SETTLED_DAY = 20.0
SHEET_EXCURSION_PCT = 30.0
DOUBLING_PCT = 100.0


@dataclass(frozen=True)
class Curves:
    """Growth curves relative to baseline; all arrays (..., visit) but `last` (...). NaN where not `seen`."""

    day: Floats
    change_pct: Floats
    seen: Bools
    last: NDArray[np.intp]
    volume_mm3: Floats


def relative_curves(day: ArrayLike, volume_mm3: ArrayLike) -> Curves:
    """Volume change from baseline, and which visits took place.

    A visit without a volume between two others is closed up: the rules speak of visits that took place. ValueError for
    visits out of order, and volumes that are negative or infinite.
    """
    volume = np.asarray(volume_mm3, dtype=float)
    days = np.asarray(day, dtype=float)
    in_order = days.ndim == 1 and bool((np.diff(days) >= 0).all())
    days, volume = np.broadcast_arrays(days, volume)
    if volume.ndim == 0 or volume.shape[-1] == 0:
        raise ValueError("day and volume_mm3 need a last dimension of at least one visit")
    if np.any(volume < 0) or np.any(np.isinf(volume)):
        raise ValueError("volumes must be finite and not negative; a visit that did not take place is NaN")
    first_is_baseline = (days[..., 0] == 0) & (volume[..., 0] > 0)
    baseline = np.where(first_is_baseline, volume[..., 0], np.nan)[..., None]
    with np.errstate(invalid="ignore", over="ignore"):
        change = np.maximum(100.0 * (volume - baseline) / baseline, -100.0)
        # Rounded, a vanished tumour would change by a little more or less than -100 % at one baseline in thirteen.
        change[(volume == 0.0) & ~np.isnan(change)] = -100.0
    seen = np.isfinite(change)
    if not in_order:
        seen &= np.isfinite(days)
    if np.any(seen[..., 1:] & ~seen[..., :-1]):
        order = np.argsort(~seen, axis=-1, kind="stable")
        days, change, seen, volume = (
            np.take_along_axis(x, order, axis=-1) for x in (days, change, seen, volume)
        )
    if not in_order and np.any((days[..., 1:] < days[..., :-1]) & seen[..., 1:]):
        raise ValueError("visits must be in order of day")
    last = np.maximum(seen.sum(axis=-1) - 1, 0)
    return Curves(days, np.where(seen, change, np.nan), seen, last, np.where(seen, volume, np.nan))


def curves_under(rule: str, day: ArrayLike, volume_mm3: ArrayLike) -> Curves:
    """`relative_curves` as the mRECIST rule sees them; ValueError for an unknown rule.

    `xeva` adds 1 mm3 to every volume of a curve whose baseline is 0, so that the curve has a baseline.
    """
    check_rule(rule)
    volume = np.asarray(volume_mm3, dtype=float)
    if rule == "xeva" and volume.ndim and volume.shape[-1] and np.any(volume[..., 0] == 0.0):
        volume = np.where(volume[..., :1] == 0.0, volume + XEVA_ADDED_MM3, volume)
    return relative_curves(day, volume)


def check_rule(rule: str) -> None:
    """Raise ValueError, naming the known rules, unless `rule` is one of RULES."""
    if rule not in RULES:
        raise ValueError(f"unknown mRECIST rule {rule!r}: expected one of {', '.join(RULES)}")


def check_doubling(variant: str) -> None:
    """Raise ValueError, naming the known variants, unless `variant` is one of DOUBLING_VARIANTS."""
    if variant not in DOUBLING_VARIANTS:
        raise ValueError(
            f"unknown time-to-doubling variant {variant!r}: expected one of {', '.join(DOUBLING_VARIANTS)}"
        )


def best_response(day: ArrayLike, volume_mm3: ArrayLike, rule: str) -> tuple[Floats, Floats]:
    """Best response in percent of baseline, and the first day it was reached; both of shape (...).

    `gao2015_text`: the least change at day 10 or later; NaN without such a visit (Gao et al. 2015,
    Methods). `pct_sheet`: the least change over admissible visits. A visit from day 20 on is admissible. A
    visit from day 9 to day 20 is admissible if no visit from there to day 20, the curve's last one apart
    (unless it is the candidate itself), has grown by 30 % or more. Without an admissible visit, the last
    visit counts: so do curves that end early, as in the published sheet. NaN without any visit after the
    baseline. `xeva`: as `gao2015_text`, but NaN without two visits at day 10 or later, and a curve whose
    baseline is 0 is raised by 1 mm3 (function mRECIST of the R package Xeva, bhklab/Xeva). Xeva takes the
    first visit for the baseline whatever its day; here a left-truncated curve has none.
    """
    return best_response_of(curves_under(rule, day, volume_mm3), rule)


def best_response_of(curves: Curves, rule: str) -> tuple[Floats, Floats]:
    """`best_response` of curves already relative to baseline."""
    return _least(curves.change_pct, curves.day, _counted_for_best(curves, rule))


def _counted_for_best(curves: Curves, rule: str) -> Bools:
    if rule != "pct_sheet":
        return _late_visits(curves, rule)
    at_last = _at_last(curves)
    before_settled = curves.seen & (curves.day < SHEET_SETTLED_DAY)
    grown = before_settled & (curves.change_pct >= SHEET_EXCURSION_PCT) & ~at_last
    visit = np.arange(grown.shape[-1])
    spoilt_later = visit <= np.where(grown, visit, -1).max(axis=-1, keepdims=True)
    # A last visit that has grown itself could only be chosen for want of others, and then it is chosen anyway.
    early = before_settled & (curves.day >= SHEET_EARLY_DAY) & ~spoilt_later
    admissible = early | (curves.seen & (curves.day >= SHEET_SETTLED_DAY))
    return _or_last(admissible, curves)


def best_average_response(day: ArrayLike, volume_mm3: ArrayLike, rule: str) -> tuple[Floats, Floats]:
    """Least running mean of the change, and the first day it was reached; both of shape (...).

    The running mean to a visit is the plain mean of the changes at all visits up to it, the zero at day 0
    included. `gao2015_text`: over visits at day 10 or later. `pct_sheet`: over visits after day 10; without
    one, the last visit. `xeva`: over visits at day 10 or later, NaN without two; a baseline of 0 as in
    `best_response`.
    """
    return best_average_response_of(curves_under(rule, day, volume_mm3), rule)


def best_average_response_of(curves: Curves, rule: str) -> tuple[Floats, Floats]:
    """`best_average_response` of curves already relative to baseline."""
    running_mean, counted = _running_mean(curves, rule)
    return _least(running_mean, curves.day, counted)


def _running_mean(curves: Curves, rule: str) -> tuple[Floats, Bools]:
    """Running means, and the visits that count."""
    total = np.cumsum(np.where(curves.seen, curves.change_pct, 0.0), axis=-1)
    running_mean = total / np.arange(1, total.shape[-1] + 1)
    if rule == "pct_sheet":
        return running_mean, _or_last(curves.seen & (curves.day > SHEET_AVERAGE_AFTER_DAY), curves)
    return running_mean, _late_visits(curves, rule)


def grade_of(curves: Curves, rule: str) -> NDArray[np.int8]:
    """`mrecist_grade` of curves already relative to baseline."""
    best = _least_value(curves.change_pct, _counted_for_best(curves, rule))
    return mrecist_grade(best, _least_value(*_running_mean(curves, rule)))


def mrecist(best_response_pct: ArrayLike, best_avg_response_pct: ArrayLike) -> NDArray[np.str_]:
    """Response category from best and best average response (percent), "" where either is NaN.

    PD, unless best < 35 and average < 30: SD; unless best < -50 and average < -20: PR; unless best < -95
    and average < -40: CR. All limits are strict (Gao et al. 2015, Methods).
    """
    names = np.array([*reversed(CATEGORIES), ""], dtype="<U2")
    return np.asarray(names[mrecist_grade(best_response_pct, best_avg_response_pct)])


def mrecist_grade(best_response_pct: ArrayLike, best_avg_response_pct: ArrayLike) -> NDArray[np.int8]:
    """`mrecist` as grades that order the categories: 0 PD, 1 SD, 2 PR, 3 CR; -1 where it is ""."""
    best, average = np.broadcast_arrays(
        np.asarray(best_response_pct, dtype=float), np.asarray(best_avg_response_pct, dtype=float)
    )
    grade = np.zeros(best.shape, dtype=np.int8)
    for i, (_, best_below, average_below) in enumerate(CATEGORY_LIMITS_PCT):
        grade[(best < best_below) & (average < average_below)] = i + 1
    grade[np.isnan(best) | np.isnan(average)] = -1
    return grade


def depth_of_response(day: ArrayLike, volume_mm3: ArrayLike) -> Floats:
    """Greatest shrinkage after day 0 in percent of baseline, shape (...).

    Negative where the tumour shrank; where it never did, the least increase. NaN without a visit after the
    baseline.
    """
    return depth_of_response_of(relative_curves(day, volume_mm3))


def depth_of_response_of(curves: Curves) -> Floats:
    """`depth_of_response` of curves already relative to baseline."""
    return _least_value(curves.change_pct, after_baseline(curves))


def volume_to_diameter_pct(change_pct: ArrayLike) -> Floats:
    """Change of the diameter of a sphere (percent) whose volume changes by `change_pct` percent.

    The response limit of RECIST, -30 % of diameter, is -65.7 % of volume. ValueError below -100 %.
    """
    change = np.asarray(change_pct, dtype=float)
    if np.any(change < -100.0):
        raise ValueError(f"a volume cannot shrink by more than 100 %: received {np.nanmin(change):g} %")
    return 100.0 * (np.cbrt(1.0 + change / 100.0) - 1.0)


def time_to_doubling(day: ArrayLike, volume_mm3: ArrayLike, variant: str) -> tuple[Floats, Bools]:
    """Day the volume first doubled, and whether it did; both of shape (...).

    A mouse that never doubled is censored at its last visit. `pct_sheet`: first visit with more than twice
    the baseline, interpolated linearly from the visit before it; if it is the first visit after the
    baseline, that visit's day. `log_linear`: first visit with at least twice the baseline, interpolated on
    the logarithm of volume, from the baseline on; after a volume of 0 that visit's day.
    """
    check_doubling(variant)
    return time_to_doubling_of(relative_curves(day, volume_mm3), variant)


def time_to_doubling_of(curves: Curves, variant: str) -> tuple[Floats, Bools]:
    """`time_to_doubling` of curves already relative to baseline."""
    change, day = curves.change_pct, curves.day
    with np.errstate(invalid="ignore"):
        above = change > DOUBLING_PCT if variant == "pct_sheet" else change >= DOUBLING_PCT
    crossed = above & after_baseline(curves)
    doubled = crossed.any(axis=-1)
    at = np.where(doubled, crossed.argmax(axis=-1), curves.last)
    before = np.maximum(at - 1, 0)
    change_at, change_before = at_visit(change, at), at_visit(change, before)
    day_at, day_before = at_visit(day, at), at_visit(day, before)
    with np.errstate(divide="ignore", invalid="ignore"):
        if variant == "pct_sheet":
            share = (DOUBLING_PCT - change_before) / (change_at - change_before)
            share = np.where(at <= 1, 1.0, share)
        else:
            low, high = np.log1p(change_before / 100.0), np.log1p(change_at / 100.0)
            share = np.where(np.isneginf(low), 1.0, (np.log(2.0) - low) / (high - low))
        interpolated = day_before + share * (day_at - day_before)
    has_baseline = curves.seen[..., 0]
    return np.where(has_baseline, np.where(doubled, interpolated, day_at), np.nan), doubled


def after_baseline(curves: Curves) -> Bools:
    """Visits that took place after the baseline, (..., visit)."""
    after = curves.seen.copy()
    after[..., 0] = False
    return after


def _late_visits(curves: Curves, rule: str) -> Bools:
    late = curves.seen & (curves.day >= TEXT_FIRST_DAY)
    if rule == "xeva":
        late &= late.sum(axis=-1, keepdims=True) >= XEVA_VISITS
    return late


def _at_last(curves: Curves) -> Bools:
    return np.arange(curves.seen.shape[-1]) == curves.last[..., None]


def _or_last(counted: Bools, curves: Curves) -> Bools:
    counted = counted & after_baseline(curves)
    only_last = _at_last(curves) & after_baseline(curves)
    return np.where(counted.any(axis=-1, keepdims=True), counted, only_last)


def at_visit(values: Floats, index: NDArray[np.intp]) -> Floats:
    """`values` (..., visit) at the visit of `index` (...)."""
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]


def _least_value(values: Floats, counted: Bools) -> Floats:
    least = np.where(counted, values, np.inf).min(axis=-1)
    return np.where(np.isposinf(least), np.nan, least)


def _least(values: Floats, day: Floats, counted: Bools) -> tuple[Floats, Floats]:
    first_least = np.where(counted, values, np.inf).argmin(axis=-1)
    some = counted.any(axis=-1)
    return np.where(some, at_visit(values, first_least), np.nan), np.where(
        some, at_visit(day, first_least), np.nan
    )
