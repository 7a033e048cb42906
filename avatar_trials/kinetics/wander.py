"""A slow wander of log volume about the growth curve, zero at day 0: what clones and caliper do not explain.

A random walk seen through a caliper, in innovations form: each reading is foreseen from the readings before it by the
scalar Kalman filter, and misses by a heavy-tailed surprise. Readings then have the correlations of a random walk plus
caliper error exactly, however often a mouse is visited, and fit and emulator share one law that can be written down.

A random walk: on the melanoma curves of the PDX Encyclopedia the memory of a mean-reverting wander fitted at about
1,000 days, which no curve is long enough to tell from no reversion at all.

Source: local level model and its innovations form, Durbin & Koopman 2012, chapter 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.kinetics.namespace import Array

DAYS_PER_WEEK = 7.0


def variance(days: Array, weekly_squared: Array) -> Array:
    """Squared scale of what the wander adds in `days`; `weekly_squared` is that of one week's step."""
    return weekly_squared * (days / DAYS_PER_WEEK)


def gain(walked: Array, total: Array) -> Array:
    """Share of a surprise that is wander and stays, for squared scales of the wander foreseen and of the surprise.

    The rest of `total` is the caliper's. gain x caliper is what a reading leaves unknown of the wander, squared.
    """
    return walked / total


@dataclass(frozen=True)
class Foreseen:
    """Wander foreseen at a visit from the readings before it, and its squared scale (arrays over mice)."""

    mean: Array
    squared: Array


def reading(
    before: Foreseen, walked: Array, expected: Array, caliper_squared: Array, surprise: Array, limit: float
) -> tuple[NDArray[np.float64], Foreseen]:
    """The next reading (log mm3) about `expected`, and the wander foreseen from it; NumPy.

    `walked`: squared scale of what the wander has added since. A reading below `limit` tells only that: the wander
    foreseen stays as it was.
    """
    squared = before.squared + walked
    total = squared + caliper_squared
    missed = np.sqrt(total) * surprise
    value = expected + before.mean + missed
    seen = value >= limit
    kept = gain(squared, np.where(total > 0.0, total, 1.0))
    if seen.all():
        return value, Foreseen(before.mean + kept * missed, kept * caliper_squared)
    return value, Foreseen(
        np.where(seen, before.mean + kept * missed, before.mean),
        np.where(seen, kept * caliper_squared, squared),
    )


def readings(
    surprises: NDArray[Any],
    expected: NDArray[Any],
    caliper_squared: NDArray[Any],
    days: ArrayLike,
    weekly: ArrayLike,
    limit: float,
) -> NDArray[np.float64]:
    """Log volumes (..., visit) that a caliper reads about the curve `expected` (..., visit), log mm3.

    `surprises` (..., visit) are standard deviates (Student's t with 4 degrees of freedom), `caliper_squared`
    (..., visit) the squared scale of a reading's own error, `days` (visit,) since treatment start, `weekly` (...) the
    scale of the wander's step of one week. A reading below `limit` (log mm3) tells only that: what follows is not
    conditioned on its value. Raises ValueError for days before treatment start or in disorder.
    """
    when = np.asarray(days, dtype=float)
    gaps = np.diff(when, axis=-1, prepend=0.0)
    if (gaps < 0.0).any():
        raise ValueError("the days of a wander start at treatment start (day 0) and do not decrease")
    squared = np.asarray(weekly, dtype=float) ** 2
    read = np.empty(np.broadcast_shapes(np.shape(surprises), np.shape(expected)))
    foreseen = Foreseen(np.zeros(read.shape[:-1]), np.zeros(read.shape[:-1]))
    for visit, gap in enumerate(gaps):
        read[..., visit], foreseen = reading(
            foreseen,
            variance(gap, squared),
            expected[..., visit],
            caliper_squared[..., visit],
            surprises[..., visit],
            limit,
        )
    return read
