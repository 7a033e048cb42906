"""A slow wander of log volume about the growth curve, zero at day 0: what clones and caliper do not explain.

A random walk seen through a caliper, in innovations form: each reading is foreseen from the readings before it by the
scalar Kalman filter, and misses by a heavy-tailed surprise. Readings then have the correlations of a random walk plus
caliper error exactly, however often a mouse is visited, and fit and emulator share one law that can be written down.

A random walk: on the melanoma curves of the PDX Encyclopedia the memory of a mean-reverting wander fitted at about
1,000 days, which no curve is long enough to tell from no reversion at all.

Source: local level model and its innovations form, Durbin & Koopman 2012, chapter 2.
"""

from __future__ import annotations

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
    mean = np.zeros(read.shape[:-1])
    walked = np.zeros(read.shape[:-1])
    for visit, gap in enumerate(gaps):
        walked = walked + variance(gap, squared)
        own = caliper_squared[..., visit]
        total = walked + own
        surprise = np.sqrt(total) * surprises[..., visit]
        value = expected[..., visit] + mean + surprise
        read[..., visit] = value
        seen = value >= limit
        kept = gain(walked, np.where(total > 0.0, total, 1.0))
        mean = np.where(seen, mean + kept * surprise, mean)
        walked = np.where(seen, kept * own, walked)
    return read
