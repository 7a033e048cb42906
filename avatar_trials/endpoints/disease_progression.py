"""Progression of one mouse: three named definitions, four named timings, and why a mouse has no event.

`day` and `volume_mm3` (mm3) have shape (..., visit) and broadcast against each other. Visit 0 is the baseline at
day 0; visits are in order of day; a visit without a volume is passed over, and a mouse that has left is NaN. A zero
is a tumour below detection: it is a nadir of 0, and what regrows from it has progressed when it reaches the floor.
Nothing is chosen silently: definition, timing and endpoint are arguments without a default, and the result names them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.endpoints.response import DOUBLING_PCT, check_doubling, relative_curves
from avatar_trials.kinetics.caliper import diameter_mm

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Words = NDArray[np.str_]

PROGRESSION_VARIANTS = ("doubling", "recist_volume", "baseline_volume")
TIMINGS = ("interpolated_linear", "interpolated_log", "at_visit", "interval")
PROGRESSION_ENDPOINTS = ("TTP", "PFS", "TTF")
LEFT_REASONS = ("study_end", "size", "body_weight", "toxicity", "death", "removed", "unknown")
# Beside progression, what ends the time to an endpoint; every other reason censors.
ENDED_BY = {
    "TTP": (),
    "PFS": ("body_weight", "toxicity", "death"),
    "TTF": ("body_weight", "toxicity", "death", "size", "removed"),
}
# RECIST 1.1 (Eisenhauer et al., Eur J Cancer 2009;45:228): +20 % of diameter, which is +72.8 % of volume.
PROGRESSION_RATIO = 1.2**3


@dataclass(frozen=True)
class AbsoluteFloor:
    """Least size at which a growth over the nadir counts as progression.

    `kind` volume_mm3: the volume reaches `value` mm3, whatever the nadir. `kind` diameter_increase_mm: the
    diameter of the sphere is `value` mm above that of the nadir.
    """

    kind: str
    value: float

    def __post_init__(self) -> None:
        if self.kind not in ("volume_mm3", "diameter_increase_mm"):
            raise ValueError(
                f"unknown kind of floor {self.kind!r}: expected volume_mm3 or diameter_increase_mm"
            )
        if not (np.isfinite(self.value) and self.value > 0):
            raise ValueError(f"a floor must be positive and finite: received {self.value}")

    def volume_mm3(self, nadir_mm3: Floats) -> Floats:
        """Volume (mm3) to be reached above a nadir (mm3); of the shape of the nadir."""
        if self.kind == "volume_mm3":
            return np.full_like(nadir_mm3, self.value)
        return np.asarray(np.pi / 6.0 * (diameter_mm(nadir_mm3) + self.value) ** 3, dtype=float)

    def __str__(self) -> str:
        return f"{self.kind} {self.value:g}"


# Twice the 15 mm3 (3 mm across) below which a caliper reads 0 or noise; RECIST's 5 mm for a clinical lesion.
MOUSE_FLOOR = AbsoluteFloor("volume_mm3", 30.0)
CLINICAL_FLOOR = AbsoluteFloor("diameter_increase_mm", 5.0)


@dataclass(frozen=True)
class Progression:
    """Times to progression; arrays (...), days since the start of treatment.

    `time`: day of the event or of censoring by `timing`; None for timing "interval". `left`, `right`: the event lies
    in (left, right], whatever the timing; left = right is a day known exactly; right is infinite for a
    censored mouse, whose event lies after `left`. `event`: False is censored. `cause`: "progression", else the reason
    the mouse left, of an event as of a censoring; "left_truncated" (first visit after day 0) and "no_baseline" (no
    positive volume at day 0) have NaN for all times and no event.
    """

    time: Floats | None
    left: Floats
    right: Floats
    event: Bools
    cause: Words
    variant: str
    timing: str
    endpoint: str

    @property
    def method(self) -> str:
        """Endpoint, definition and timing in words, to be shown with every number."""
        return f"{self.endpoint}, {self.variant}, {self.timing}"


def progression(
    day: ArrayLike,
    volume_mm3: ArrayLike,
    *,
    variant: str,
    timing: str,
    endpoint: str,
    doubling: str | None = None,
    floor: AbsoluteFloor | None = None,
    left_reason: ArrayLike = "unknown",
    left_day: ArrayLike | None = None,
    size_limit_mm3: float | None = None,
) -> Progression:
    """Time to progression of every curve.

    `variant`, at the first visit after the baseline at which
    - `doubling`: the volume has doubled (Gao et al., Nat Med 2015;21:1318), under the convention `doubling`, one of
      DOUBLING_VARIANTS: `pct_sheet` strictly more than twice, and never interpolated between the baseline and the
      first visit after it; `log_linear` at least twice;
    - `recist_volume`: V >= 1.2^3 of the least volume so far, the baseline included, and at least `floor`;
    - `baseline_volume`: V >= 1.2^3 of the baseline.

    `timing` is one of
    - `at_visit`: the day of that visit;
    - `interpolated_linear`: the day between it and the visit before at which the volume crosses the limit;
    - `interpolated_log`: the same of log volume (after a volume of 0 it is not defined: that visit's day);
    - `interval`: no day, only (left, right].

    `endpoint` is one of
    - `TTP`: progression alone is an event, and censored at the last visit;
    - `PFS`: removal for body weight or toxicity and death are events too; censored at the last visit;
    - `TTF`: so is removal for size or another reason; censored at `left_day`.

    Study end and an unknown reason always censor.

    `left_reason` (...): one of LEFT_REASONS; `left_day` (...): day the mouse left, by default its last visit.
    `size_limit_mm3`: a mouse that left for size after its last visit was at least this large on the day it left, so
    for a limit above twice the baseline its doubling is an event and not a censoring.

    ValueError for an unknown name, a missing or superfluous `doubling` or `floor`, negative or infinite volumes,
    days out of order, or a mouse that left before its last visit.
    """
    _check_names(variant, timing, endpoint, doubling, floor)
    days, volume, why_not = _visits(day, volume_mm3)
    shape = days.shape[:-1]
    reason = np.broadcast_to(np.asarray(left_reason, dtype=str), shape)
    unknown = sorted(set(np.unique(reason)) - set(LEFT_REASONS))
    if unknown:
        raise ValueError(f"unknown left_reason {unknown[0]!r}: expected one of {', '.join(LEFT_REASONS)}")
    last_visit = _last_day(days, volume)
    left = _left_day(left_day, last_visit)
    if size_limit_mm3 is not None:
        days, volume = _seen_leaving(
            days, volume, (reason == "size") & (left > last_visit), left, size_limit_mm3
        )

    crossed, level = _crossings(days, volume, variant, doubling, floor)
    progressed = crossed.any(axis=-1)
    at = np.where(progressed, crossed.argmax(axis=-1), 0)
    before = np.maximum(at - 1, 0)
    ended = ~progressed & np.isin(reason, ENDED_BY[endpoint])
    event = (progressed | ended) & (why_not == "")
    censored_at = left if endpoint == "TTF" else last_visit
    time = np.where(progressed, _crossing_day(days, volume, level, at, timing, doubling), censored_at)
    time = np.where(ended, left, time)
    lower = np.where(progressed, _take(days, before), np.where(ended, last_visit, censored_at))
    upper = np.where(progressed, _take(days, at), np.where(ended, left, np.inf))
    # TTF ends on the day of removal itself; death between visits may have come after an unseen progression.
    lower = np.where(ended & (endpoint == "TTF"), left, lower)
    cause = np.where(progressed, "progression", reason)
    known = why_not == ""
    return Progression(
        time=None if timing == "interval" else np.where(known, time, np.nan),
        left=np.where(known, lower, np.nan),
        right=np.where(known, upper, np.nan),
        event=event,
        cause=np.where(known, cause, why_not),
        variant=_full_name(variant, doubling, floor),
        timing=timing,
        endpoint=endpoint,
    )


def reasons_of_codes(codes: ArrayLike, meanings: str = "study_end size removed") -> Words:
    """Reasons (...) for the numbers (...) of a trial's `left_reason`; `meanings` is its attribute flag_meanings."""
    numbers, names = np.asarray(codes, dtype=np.intp), np.array(meanings.split())
    if np.any((numbers < 0) | (numbers >= len(names))):
        raise ValueError(f"a code of left_reason lies in 0 .. {len(names) - 1}: received {numbers.max()}")
    return np.asarray(names[numbers])


def _check_names(
    variant: str, timing: str, endpoint: str, doubling: str | None, floor: AbsoluteFloor | None
) -> None:
    for what, value, known in (
        ("progression variant", variant, PROGRESSION_VARIANTS),
        ("timing", timing, TIMINGS),
        ("endpoint", endpoint, PROGRESSION_ENDPOINTS),
    ):
        if value not in known:
            raise ValueError(f"unknown {what} {value!r}: expected one of {', '.join(known)}")
    if (variant == "doubling") != (doubling is not None):
        raise ValueError("`doubling` names the convention of the variant doubling, and of no other")
    if (variant == "recist_volume") != (floor is not None):
        raise ValueError("`floor` is needed by the variant recist_volume, e.g. MOUSE_FLOOR, and by no other")
    if doubling is not None:
        check_doubling(doubling)


def _full_name(variant: str, doubling: str | None, floor: AbsoluteFloor | None) -> str:
    detail = doubling if floor is None else f"floor {floor}"
    return variant if detail is None else f"{variant} ({detail})"


def _visits(day: ArrayLike, volume_mm3: ArrayLike) -> tuple[Floats, Floats, Words]:
    """Days and volumes (..., visit) with visits that did not take place moved to the end as NaN; why undefined."""
    days, volume = np.broadcast_arrays(np.asarray(day, dtype=float), np.asarray(volume_mm3, dtype=float))
    if volume.ndim == 0 or volume.shape[-1] == 0:
        raise ValueError("day and volume_mm3 need a last dimension of at least one visit")
    if np.any(volume < 0) or np.any(np.isinf(volume)):
        raise ValueError("volumes must be finite and not negative; a mouse that has left is NaN")
    seen = np.isfinite(volume) & np.isfinite(days)
    has_baseline = seen[..., 0] & (days[..., 0] == 0) & (volume[..., 0] > 0)
    order = np.argsort(~seen, axis=-1, kind="stable")
    days, volume, seen = (np.take_along_axis(x, order, axis=-1) for x in (days, volume, seen))
    if np.any(np.diff(days, axis=-1)[seen[..., 1:]] <= 0):
        raise ValueError("visits must be in order of day, one a day")
    late = seen[..., 0] & (days[..., 0] > 0)
    why_not = np.where(has_baseline, "", np.where(late, "left_truncated", "no_baseline"))
    kept = seen & has_baseline[..., None]
    return np.where(kept, days, np.nan), np.where(kept, volume, np.nan), why_not


def _last_day(days: Floats, volume: Floats) -> Floats:
    last = np.where(np.isfinite(volume), days, -np.inf).max(axis=-1)
    return np.where(np.isneginf(last), np.nan, last)


def _left_day(left_day: ArrayLike | None, last_visit: Floats) -> Floats:
    if left_day is None:
        return last_visit
    left = np.broadcast_to(np.asarray(left_day, dtype=float), last_visit.shape)
    if np.any(np.isinf(left)) or np.any(left < last_visit):
        raise ValueError("left_day must be finite and not before the last visit; NaN where it is not known")
    return np.where(np.isnan(left), last_visit, left)


def _seen_leaving(
    days: Floats, volume: Floats, which: Bools, left: Floats, limit_mm3: float
) -> tuple[Floats, Floats]:
    """The curves with one more visit, on the day `which` mice left, at the size limit or their last volume."""
    if not (np.isfinite(limit_mm3) and limit_mm3 > 0):
        raise ValueError(f"size_limit_mm3 must be positive and finite: received {limit_mm3}")
    n_seen = np.isfinite(volume).sum(axis=-1)
    largest = np.fmax(_take(volume, np.maximum(n_seen - 1, 0)), limit_mm3)
    extra = np.arange(days.shape[-1] + 1) == n_seen[..., None]
    extra &= which[..., None]
    blank = np.full((*days.shape[:-1], 1), np.nan)
    days = np.where(extra, left[..., None], np.concatenate([days, blank], axis=-1))
    return days, np.where(extra, largest[..., None], np.concatenate([volume, blank], axis=-1))


def _crossings(
    days: Floats, volume: Floats, variant: str, doubling: str | None, floor: AbsoluteFloor | None
) -> tuple[Bools, Floats]:
    """Visits (..., visit) that reach the limit, and the limit (mm3) they are held against; none at the baseline."""
    baseline = np.broadcast_to(volume[..., :1], volume.shape)
    with np.errstate(invalid="ignore"):
        if variant == "doubling":
            level = 2.0 * baseline
            change = relative_curves(days, volume).change_pct
            crossed = change > DOUBLING_PCT if doubling == "pct_sheet" else change >= DOUBLING_PCT
        elif floor is None:
            level = PROGRESSION_RATIO * baseline
            crossed = volume >= level
        else:
            # A visit that is itself the nadir stays below the limit it sets.
            nadir = np.minimum.accumulate(volume, axis=-1)
            level = np.maximum(PROGRESSION_RATIO * nadir, floor.volume_mm3(nadir))
            crossed = volume >= level
    return crossed, level


def _crossing_day(
    days: Floats, volume: Floats, level: Floats, at: NDArray[np.intp], timing: str, doubling: str | None
) -> Floats:
    day_at = _take(days, at)
    if timing in ("at_visit", "interval"):
        return day_at
    before = np.maximum(at - 1, 0)
    low, high, limit = _take(volume, before), _take(volume, at), _take(level, at)
    from_zero = np.zeros(low.shape, dtype=bool)
    with np.errstate(divide="ignore", invalid="ignore"):
        if timing == "interpolated_log":
            from_zero = low == 0
            low, high, limit = np.log(low), np.log(high), np.log(limit)
        share = (limit - low) / (high - low)
    whole = from_zero | (at == 0) | ((at == 1) & (doubling == "pct_sheet"))
    day_before = _take(days, before)
    return np.where(whole, day_at, day_before + np.where(whole, 1.0, share) * (day_at - day_before))


def _take(values: Floats, index: NDArray[np.intp]) -> Floats:
    return np.take_along_axis(values, index[..., None], axis=-1)[..., 0]
