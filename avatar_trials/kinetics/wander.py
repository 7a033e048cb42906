"""A slow wander of log volume about the growth curve, zero at day 0: what clones and caliper do not explain.

A random walk: on the melanoma curves of the PDX Encyclopedia the memory of a mean-reverting wander fitted at about
1,000 days, which no curve is long enough to tell from no reversion at all.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.kinetics.namespace import Array

DAYS_PER_WEEK = 7.0


def variance(days: Array, weekly: Array) -> Array:
    """Squared scale of the wander `days` after it was zero, `weekly` being the scale of one week's step."""
    return weekly**2 * (days / DAYS_PER_WEEK)


def simulate(steps: NDArray[Any], days: ArrayLike, weekly: ArrayLike) -> NDArray[np.float64]:
    """Wander (..., visit) at `days` from standard steps (..., visit) of any distribution.

    `days` (..., visit) since treatment start must not decrease; `weekly` has the leading dims or broadcasts with
    them. A visit at day 0 has no wander and two visits on one day have the same. Raises ValueError for days before
    treatment start or in disorder.
    """
    when = np.asarray(days, dtype=float)
    gaps = np.diff(when, axis=-1, prepend=0.0)
    if (gaps < 0.0).any():
        raise ValueError("the days of a wander start at treatment start (day 0) and do not decrease")
    scale = np.sqrt(variance(gaps, np.asarray(weekly, dtype=float)[..., None]))
    return np.cumsum(scale * np.asarray(steps, dtype=float), axis=-1)
