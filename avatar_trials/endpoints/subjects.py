"""Times and events of subjects, as given: checked, and near-tied times merged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# R's all.equal tolerance: times nearer than this, absolutely or relative to their mean, are one time.
TIE_TOLERANCE = float(np.sqrt(np.finfo(float).eps))


def as_times(time: ArrayLike) -> Floats:
    """Times (..., subject) as floats; ValueError for an infinite one, or without a dimension of subjects."""
    times = np.asarray(time, dtype=float)
    if times.ndim == 0:
        raise ValueError("times need a dimension of subjects: received a single number")
    if np.any(np.isinf(times)):
        raise ValueError("a time is infinite: a subject without an event is censored at its last observation")
    return times


def as_events(event: ArrayLike, times: Floats) -> NDArray[np.bool_]:
    """Events as booleans in the shape of `times`, False without a time; ValueError unless each is 0 or 1."""
    given = np.asarray(event)
    try:
        spread = np.broadcast_to(given, times.shape)
    except ValueError:
        raise ValueError(
            f"event has shape {given.shape}, which does not broadcast to the times' {times.shape}"
        ) from None
    happened = spread == 1
    if given.dtype != bool and np.any(~happened & (spread != 0) & ~np.isnan(times)):
        raise ValueError("an event is neither 0 nor 1: give True where it happened, False where censored")
    return happened


def as_rows(values: NDArray[Any]) -> NDArray[Any]:
    """Values (..., subject) as (replicate, subject), also without subjects."""
    return values.reshape(int(np.prod(values.shape[:-1])), values.shape[-1])


def merge_near_ties(time: Floats) -> Floats:
    """Times (replicate, subject) with those that differ by rounding only set to the earliest of each cluster.

    Two neighbouring distinct times are one if they differ by at most 1.5e-8, absolutely or relative to the
    mean absolute distinct time (R's timefix).
    """
    order = np.argsort(time, axis=1, kind="stable")
    sorted_time = np.take_along_axis(time, order, axis=1)
    with np.errstate(invalid="ignore"):
        apart = sorted_time[:, 1:] - sorted_time[:, :-1]
    largest = np.fmax.reduce(np.abs(time), axis=None, initial=1.0)
    # Most data have no near ties at all: then there is nothing to merge.
    if not np.any((apart > 0) & (apart <= TIE_TOLERANCE * largest)):
        return time
    gap = np.concatenate([np.full((len(time), 1), np.inf), apart], axis=1)
    distinct = np.isfinite(sorted_time) & ~(gap <= 0)
    count = np.maximum(distinct.sum(axis=1, keepdims=True), 1)
    mean = np.where(distinct, np.abs(sorted_time), 0.0).sum(axis=1, keepdims=True) / count
    with np.errstate(invalid="ignore", divide="ignore"):
        opens = distinct & (gap > TIE_TOLERANCE) & ~(gap / mean <= TIE_TOLERANCE)
    position = np.maximum.accumulate(np.where(opens, np.arange(time.shape[1]), 0), axis=1)
    merged = np.where(
        np.isfinite(sorted_time), np.take_along_axis(sorted_time, position, axis=1), sorted_time
    )
    result = np.empty_like(time)
    np.put_along_axis(result, order, merged, axis=1)
    return result
