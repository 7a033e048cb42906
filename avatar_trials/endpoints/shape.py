"""Area, slope and angle of growth curves, alone and against a control cut at their common end.

`Curves` come from `response.relative_curves`; arrays broadcast, so that many mice may share one control.
Formulae are those of the R package Xeva (bhklab/Xeva: AUC, slope, angle, ABC). A slope has a unit, so its
angle changes with the unit of volume: angles compare only within one unit, here mm3 and days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from avatar_trials.endpoints.regrowth import NO_BASELINE, NO_LATER_VISIT, Texts, reasons
from avatar_trials.endpoints.response import Curves, Floats, at_visit, relative_curves

END_VARIANTS = ("interpolated", "visits")


@dataclass(frozen=True)
class Shape:
    """Shape of one curve from its baseline to its last visit; arrays (...), NaN where `why` is not ""."""

    auc_mm3_day: Floats
    mean_volume_mm3: Floats
    slope_mm3_per_day: Floats
    angle_deg: Floats
    why: Texts


@dataclass(frozen=True)
class Contrast:
    """A treated curve against a control, both to `end_day`; arrays (...), NaN where `why` is not "".

    Positive numbers: the treated tumour grew less. `area_between_mm3_day`: area under the control less that
    under the treated curve. `mean_difference_mm3`: the same over the days of each, Xeva's ABC.
    """

    end_day: Floats
    angle_between_deg: Floats
    area_between_mm3_day: Floats
    mean_difference_mm3: Floats
    why: Texts
    end: str


@dataclass(frozen=True)
class Pair:
    """A treated and a control curve cut at their common `end_day`; `why` tells why they cannot be compared."""

    treated: Curves
    control: Curves
    treated_shape: Shape
    control_shape: Shape
    end_day: Floats
    why: Texts
    end: str


def check_end(end: str) -> None:
    """Raise ValueError, naming the known variants, unless `end` is one of END_VARIANTS."""
    if end not in END_VARIANTS:
        raise ValueError(
            f"unknown variant of the common end {end!r}: expected one of {', '.join(END_VARIANTS)}"
        )


def curve_shape(day: ArrayLike, volume_mm3: ArrayLike) -> Shape:
    """Area under the curve, mean volume, slope and angle of curves (..., visit).

    Area by the trapezoidal rule, mm3 day; mean volume is the area over the last day (Xeva's normalised
    AUC). Slope in mm3 a day of the least-squares line through the baseline, sum t (V - V0) / sum t^2, and
    the angle atan(slope) in degrees.
    """
    return curve_shape_of(relative_curves(day, volume_mm3))


def curve_shape_of(curves: Curves) -> Shape:
    """`curve_shape` of curves already relative to baseline."""
    seen = curves.seen
    day, volume = np.where(seen, curves.day, 0.0), np.where(seen, curves.volume_mm3, 0.0)
    panels = (day[..., 1:] - day[..., :-1]) * (volume[..., 1:] + volume[..., :-1])
    area = 0.5 * np.where(seen[..., 1:], panels, 0.0).sum(axis=-1)
    length = at_visit(day, curves.last)
    risen = np.where(seen, volume - volume[..., :1], 0.0)
    squares = (day * day).sum(axis=-1)
    slope = (day * risen).sum(axis=-1) / np.where(squares > 0.0, squares, 1.0)
    why = reasons((~seen[..., 0], NO_BASELINE), (curves.last == 0, NO_LATER_VISIT))
    told = why == ""
    slope = np.where(told, slope, np.nan)
    return Shape(
        auc_mm3_day=np.where(told, area, np.nan),
        mean_volume_mm3=np.where(told, area / np.where(length > 0.0, length, 1.0), np.nan),
        slope_mm3_per_day=slope,
        angle_deg=np.degrees(np.arctan(slope)),
        why=why,
    )


def last_day_of(curves: Curves) -> Floats:
    """Last day of each curve, (...); NaN without a baseline."""
    return np.where(curves.seen[..., 0], at_visit(curves.day, curves.last), np.nan)


def cut_at(curves: Curves, end_day: ArrayLike, end: str) -> Curves:
    """Curves to `end_day` (...).

    `visits`: visits after it are dropped. `interpolated`: the first of them is moved to that day, its volume
    interpolated linearly, so that two curves cut at one day end there both.
    """
    check_end(end)
    shape = np.broadcast_shapes(curves.last.shape, np.shape(end_day))
    end_days = np.broadcast_to(np.asarray(end_day, dtype=float), shape)[..., None]
    day, volume, change = (
        np.broadcast_to(x, (*shape, x.shape[-1])) for x in (curves.day, curves.volume_mm3, curves.change_pct)
    )
    with np.errstate(invalid="ignore"):
        kept = curves.seen & (day <= end_days)
    if end == "visits":
        return _of_visits(day, volume, change, kept)
    n_kept = kept.sum(axis=-1)
    crossing = curves.seen & (np.arange(day.shape[-1]) == n_kept[..., None]) & (n_kept > 0)[..., None]
    crossing &= at_visit(day, np.maximum(n_kept - 1, 0))[..., None] < end_days
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (end_days - day[..., :-1]) / (day[..., 1:] - day[..., :-1])

    def moved(values: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            between = values[..., :-1] + share * (values[..., 1:] - values[..., :-1])
        return np.where(crossing, np.concatenate([values[..., :1], between], axis=-1), values)

    return _of_visits(np.where(crossing, end_days, day), moved(volume), moved(change), kept | crossing)


def pair(treated: Curves, control: Curves, end: str = "interpolated") -> Pair:
    """A treated and a control curve, both cut at the last day that both reach, in the way `end` names."""
    check_end(end)
    day = np.minimum(last_day_of(treated), last_day_of(control))
    ours, theirs = cut_at(treated, day, end), cut_at(control, day, end)
    based, control_based, last, control_last, cut_short = np.broadcast_arrays(
        treated.seen[..., 0],
        control.seen[..., 0],
        treated.last,
        control.last,
        (ours.last == 0) | (theirs.last == 0),
    )
    why = reasons(
        (~based, NO_BASELINE),
        (~control_based, "control: " + NO_BASELINE),
        (last == 0, NO_LATER_VISIT),
        (control_last == 0, "control: " + NO_LATER_VISIT),
        (cut_short, "no visit after the baseline before the common end"),
    )
    end_day = np.where(why == "", day, np.nan)
    return Pair(ours, theirs, curve_shape_of(ours), curve_shape_of(theirs), end_day, why, end)


def contrast(treated: Curves, control: Curves, end: str = "interpolated") -> Contrast:
    """Angle and area between a treated and a control curve, cut at their common end in the way `end` names."""
    return contrast_of(pair(treated, control, end))


def contrast_of(both: Pair) -> Contrast:
    """`contrast` of curves that are cut already."""
    ours, theirs = both.treated_shape, both.control_shape
    told = both.why == ""
    return Contrast(
        end_day=both.end_day,
        angle_between_deg=np.where(told, theirs.angle_deg - ours.angle_deg, np.nan),
        area_between_mm3_day=np.where(told, theirs.auc_mm3_day - ours.auc_mm3_day, np.nan),
        mean_difference_mm3=np.where(told, theirs.mean_volume_mm3 - ours.mean_volume_mm3, np.nan),
        why=both.why,
        end=both.end,
    )


def _of_visits(day: Floats, volume: Floats, change: Floats, seen: np.ndarray) -> Curves:
    last = np.maximum(seen.sum(axis=-1) - 1, 0)
    return Curves(
        np.broadcast_to(day, seen.shape),
        np.where(seen, change, np.nan),
        seen,
        last,
        np.where(seen, volume, np.nan),
    )
