"""The bottom of a growth curve and what follows: nadir, depth in cells, regrowth, duration of response, arrows.

Functions take `day` and `volume_mm3` of shape (..., visit) as those of `response` do, or `Curves` already
relative to baseline (names ending in `_of`). Curves without a baseline give NaN, False or "", and a reason
where the function returns reasons; the reason of a defined number is "".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.endpoints.response import (
    Bools,
    Curves,
    Floats,
    after_baseline,
    at_visit,
    best_average_response_of,
    best_response_of,
    mrecist,
    relative_curves,
)

Texts = NDArray[np.str_]

# Below about 15 mm3 (3 mm across) a caliper reads 0 or noise; the PDX Encyclopedia volumes have no clean floor.
DETECTION_LIMIT_MM3 = 15.0
# The usual 10^9 cells in a cubic centimetre; tumour by tumour it may be ten times less (Del Monte, Cell Cycle 2009).
CELLS_PER_MM3 = 1e6
# RECIST 1.1 in the volume of a sphere: -30 % and +20 % of diameter.
RECIST_RESPONSE_PCT = 100.0 * (0.7**3 - 1.0)
RECIST_PROGRESSION_FACTOR = 1.2**3
# A regrown tumour must be measurable, not merely larger than next to nothing.
PROGRESSION_FLOOR_LIMITS = 2.0
HALF_PCT = -50.0
DURATION_VARIANTS = ("recist_volume", "below_half")
# Inferred by matching the published sheet of curve metrics; its authors do not document the arrows.
ARROW_FROM_DAY = 10.0
ARROW_RISE_PCT = 35.0
ARROW_LATE_AFTER_DAY = 66.0

NO_BASELINE = "no positive baseline volume at day 0"
NO_LATER_VISIT = "no visit after the baseline"


@dataclass(frozen=True)
class Nadir:
    """Least volume of a curve, the baseline included, the first and the last day it was read; arrays (...)."""

    volume_mm3: Floats
    change_pct: Floats
    day: Floats
    last_day: Floats


@dataclass(frozen=True)
class CellDepth:
    """Depth of response in log10 cells; arrays (...).

    `lower` and `upper` bound the log10 ratio of cells at the least volume after day 0 to cells at baseline
    (negative: shrinkage); they are equal unless the tumour was below detection. `why` tells why they are NaN.
    """

    lower: Floats
    upper: Floats
    below_detection: Bools
    why: Texts
    cells_per_mm3: float
    detection_limit_mm3: float


@dataclass(frozen=True)
class Duration:
    """Duration of response under a named definition; arrays (...).

    `days` from `onset_day` to the visit that ended the response, or to the last visit where `ended` is False
    (censored). NaN where there was no response, as `why` says.
    """

    onset_day: Floats
    days: Floats
    ended: Bools
    why: Texts
    variant: str


def check_limit(detection_limit_mm3: float) -> None:
    """Raise ValueError unless the detection limit is a positive volume."""
    if not 0.0 < detection_limit_mm3 < np.inf:
        raise ValueError(f"detection_limit_mm3 must be a positive volume: received {detection_limit_mm3}")


def check_duration(variant: str) -> None:
    """Raise ValueError, naming the known variants, unless `variant` is one of DURATION_VARIANTS."""
    if variant not in DURATION_VARIANTS:
        known = ", ".join(DURATION_VARIANTS)
        raise ValueError(f"unknown duration-of-response variant {variant!r}: expected one of {known}")


def reasons(*conditions: tuple[Bools, str]) -> Texts:
    """Text of the first condition that holds, "" where none does, (...)."""
    holds, texts = zip(*conditions, strict=True)
    return np.select(holds, [np.array(text) for text in texts], default=np.array(""))


def nadir(day: ArrayLike, volume_mm3: ArrayLike) -> Nadir:
    """Least volume of each curve, the baseline included (as RECIST 1.1), and when it was read."""
    return nadir_of(relative_curves(day, volume_mm3))


def nadir_of(curves: Curves) -> Nadir:
    """`nadir` of curves already relative to baseline."""
    first, last = _lowest(curves)
    day = _days(curves)
    return Nadir(
        volume_mm3=at_visit(curves.volume_mm3, first),
        change_pct=at_visit(curves.change_pct, first),
        day=at_visit(day, first),
        last_day=at_visit(day, last),
    )


def cell_depth(
    day: ArrayLike,
    volume_mm3: ArrayLike,
    *,
    detection_limit_mm3: float = DETECTION_LIMIT_MM3,
    cells_per_mm3: float = CELLS_PER_MM3,
) -> CellDepth:
    """Depth of response in log10 cells, interval-censored below the detection limit.

    Cells are volume times `cells_per_mm3`. Where the least volume after day 0 is below
    `detection_limit_mm3`, the tumour holds between one cell (log10 = 0; it may also be gone) and the limit's
    worth of them. ValueError unless both numbers are positive and the limit holds more than one cell.
    """
    return cell_depth_of(
        relative_curves(day, volume_mm3), detection_limit_mm3=detection_limit_mm3, cells_per_mm3=cells_per_mm3
    )


def cell_depth_of(
    curves: Curves,
    *,
    detection_limit_mm3: float = DETECTION_LIMIT_MM3,
    cells_per_mm3: float = CELLS_PER_MM3,
) -> CellDepth:
    """`cell_depth` of curves already relative to baseline."""
    check_limit(detection_limit_mm3)
    if not 1.0 < cells_per_mm3 * detection_limit_mm3 < np.inf:
        raise ValueError(
            f"cells_per_mm3 must put more than one cell below the detection limit: received {cells_per_mm3:g}"
        )
    after = after_baseline(curves)
    least = np.where(after, curves.volume_mm3, np.inf).min(axis=-1)
    baseline = curves.volume_mm3[..., 0]
    why = reasons(
        (~curves.seen[..., 0], NO_BASELINE),
        (~after.any(axis=-1), NO_LATER_VISIT),
        (baseline < detection_limit_mm3, "baseline below the detection limit"),
    )
    told = why == ""
    below = told & (least < detection_limit_mm3)
    read = np.where(told, np.maximum(least, detection_limit_mm3), np.nan)
    before = np.log10(baseline * cells_per_mm3)
    upper = np.where(told, np.log10(read * cells_per_mm3) - before, np.nan)
    return CellDepth(np.where(below, -before, upper), upper, below, why, cells_per_mm3, detection_limit_mm3)


def regrowth_rate(
    day: ArrayLike, volume_mm3: ArrayLike, *, detection_limit_mm3: float = DETECTION_LIMIT_MM3
) -> tuple[Floats, Texts]:
    """Rate of regrowth after the nadir per day, (...), and why it is not defined ("" where it is).

    Least-squares slope of log volume on day over the visits from the last one at the least volume on, those
    below the detection limit left out; at least two are needed. A tumour that never shrank regrows from its
    baseline.
    """
    return regrowth_rate_of(relative_curves(day, volume_mm3), detection_limit_mm3=detection_limit_mm3)


def regrowth_rate_of(
    curves: Curves, *, detection_limit_mm3: float = DETECTION_LIMIT_MM3
) -> tuple[Floats, Texts]:
    """`regrowth_rate` of curves already relative to baseline."""
    check_limit(detection_limit_mm3)
    _, low = _lowest(curves)
    from_nadir = curves.seen & (np.arange(curves.seen.shape[-1]) >= low[..., None])
    with np.errstate(invalid="ignore"):
        used = from_nadir & (curves.volume_mm3 >= detection_limit_mm3)
    n = used.sum(axis=-1)
    day = np.where(used, curves.day, 0.0)
    log_volume = np.log(np.where(used, curves.volume_mm3, 1.0))
    centred = np.where(used, day - (day.sum(axis=-1) / np.maximum(n, 1))[..., None], 0.0)
    spread = (centred * centred).sum(axis=-1)
    why = reasons(
        (~curves.seen[..., 0], NO_BASELINE),
        (curves.last == 0, NO_LATER_VISIT),
        (low == curves.last, "no visit after the nadir"),
        ((n < 2) | (spread == 0.0), "fewer than two measurable visits from the nadir on"),
    )
    slope = (centred * log_volume).sum(axis=-1) / np.where(spread > 0.0, spread, 1.0)
    return np.where(why == "", slope, np.nan), why


def duration_of_response(
    day: ArrayLike,
    volume_mm3: ArrayLike,
    variant: str,
    *,
    detection_limit_mm3: float = DETECTION_LIMIT_MM3,
) -> Duration:
    """Days in response, at visits, under a named definition.

    `recist_volume`: from the first visit with -65.7 % of volume (-30 % of diameter) or less to the first
    later one with 1.728 times the least volume so far (+20 % of diameter) and at least twice the detection
    limit. `below_half`: from the first visit with less than -50 % (mRECIST's limit of PR) to the first later
    one without. ValueError for another variant.
    """
    curves = relative_curves(day, volume_mm3)
    return duration_of_response_of(curves, variant, detection_limit_mm3=detection_limit_mm3)


def duration_of_response_of(
    curves: Curves, variant: str, *, detection_limit_mm3: float = DETECTION_LIMIT_MM3
) -> Duration:
    """`duration_of_response` of curves already relative to baseline."""
    check_duration(variant)
    check_limit(detection_limit_mm3)
    with np.errstate(invalid="ignore"):
        if variant == "recist_volume":
            # A hair wide: 30 % off a diameter must not depend on how the volume was rounded.
            responding = curves.change_pct <= RECIST_RESPONSE_PCT + 1e-9
            least = np.fmin.accumulate(np.where(curves.seen, curves.volume_mm3, np.inf), axis=-1)
            needed = np.maximum(
                RECIST_PROGRESSION_FACTOR * least, PROGRESSION_FLOOR_LIMITS * detection_limit_mm3
            )
            over = curves.volume_mm3 >= needed * (1.0 - 1e-12)
        else:
            responding = curves.change_pct < HALF_PCT
            over = curves.change_pct >= HALF_PCT
    responding &= after_baseline(curves)
    responded = responding.any(axis=-1)
    onset = responding.argmax(axis=-1)
    ending = over & (np.arange(over.shape[-1]) > onset[..., None]) & responded[..., None]
    ended = ending.any(axis=-1)
    days = _days(curves)
    onset_day = np.where(responded, at_visit(days, onset), np.nan)
    end_day = at_visit(days, np.where(ended, ending.argmax(axis=-1), curves.last))
    why = reasons(
        (~curves.seen[..., 0], NO_BASELINE), (curves.last == 0, NO_LATER_VISIT), (~responded, "no response")
    )
    return Duration(onset_day, end_day - onset_day, ended, why, variant)


def sheet_category(day: ArrayLike, volume_mm3: ArrayLike) -> Texts:
    """Response category with the arrows of the published PDX Encyclopedia sheet, a best effort; (...).

    First label by rule `pct_sheet`. A CR, PR or SD is followed by `-->PD` if at any visit the change from
    baseline stands more than 35 points above its least since day 10, and by `-->-->PD` if the first such
    visit is after day 66. The arrows' rule was inferred by matching: it agrees on nine in ten of the labels
    CR, PR and SD, and what the sheet's authors did is not known. "" without a baseline and a later visit.
    """
    return sheet_category_of(relative_curves(day, volume_mm3))


def sheet_category_of(curves: Curves) -> Texts:
    """`sheet_category` of curves already relative to baseline."""
    label = mrecist(
        best_response_of(curves, "pct_sheet")[0], best_average_response_of(curves, "pct_sheet")[0]
    )
    counted = curves.seen & (curves.day >= ARROW_FROM_DAY)
    least = np.minimum.accumulate(np.where(counted, curves.change_pct, np.inf), axis=-1)
    risen = counted & (np.where(counted, curves.change_pct, -np.inf) - least > ARROW_RISE_PCT)
    relapsed = risen.any(axis=-1) & np.isin(label, ("CR", "PR", "SD"))
    late = at_visit(curves.day, risen.argmax(axis=-1)) > ARROW_LATE_AFTER_DAY
    arrow = np.where(relapsed, np.where(late, "-->-->PD", "-->PD"), "")
    return np.strings.add(label, arrow)


def _lowest(curves: Curves) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    volume = np.where(curves.seen, curves.volume_mm3, np.inf)
    last = volume.shape[-1] - 1 - np.flip(volume, axis=-1).argmin(axis=-1)
    return volume.argmin(axis=-1), np.minimum(last, curves.last)


def _days(curves: Curves) -> Floats:
    return np.where(curves.seen, curves.day, np.nan)
