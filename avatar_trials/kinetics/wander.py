"""A slow wander of log volume about the growth curve, zero at day 0: what clones and caliper do not explain.

An Ornstein-Uhlenbeck process of long-run SD `tau` whose memory is `rho` a week, started at zero at treatment start.
`0 < rho <= 1`; rho = 1 does not move.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.kinetics.namespace import Array, Namespace

DAYS_PER_WEEK = 7.0


def transition(gap_days: Array, rho: Array, xp: Namespace = np) -> Array:
    """How much of the wander is left after `gap_days`: phi = rho^(gap/7)."""
    return xp.exp(xp.log(rho) * (gap_days / DAYS_PER_WEEK))


def variance(days: Array, tau: Array, rho: Array, xp: Namespace = np) -> Array:
    """Variance of the wander `days` after it was zero: tau^2 (1 - rho^(2 days/7))."""
    return -(tau**2) * xp.expm1(2.0 * xp.log(rho) * (days / DAYS_PER_WEEK))


def simulate(
    rng_normals: NDArray[Any], days: ArrayLike, tau: ArrayLike, rho: ArrayLike
) -> NDArray[np.float64]:
    """Wander (..., visit) at `days` from standard normals (..., visit).

    `days` (..., visit) since treatment start must not decrease; `tau` and `rho` have the leading dims or broadcast
    with them. x_j = phi x_(j-1) + sqrt(tau^2 (1 - phi^2)) normal_j, from x = 0 at day 0, so a visit at day 0 has no
    wander and two visits on one day have the same. Raises ValueError for days before treatment start or in disorder.
    """
    normals, when = np.asarray(rng_normals, dtype=float), np.asarray(days, dtype=float)
    gaps = np.diff(when, axis=-1, prepend=0.0)
    if (gaps < 0.0).any():
        raise ValueError("the days of a wander start at treatment start (day 0) and do not decrease")
    scale, memory = np.asarray(tau, dtype=float)[..., None], np.asarray(rho, dtype=float)[..., None]
    phi = transition(gaps, memory)
    kicks = np.sqrt(variance(gaps, scale, memory)) * normals
    phi = np.broadcast_to(phi, kicks.shape)
    wander = np.empty(kicks.shape)
    current = np.zeros(kicks.shape[:-1])
    for visit in range(kicks.shape[-1]):
        current = phi[..., visit] * current + kicks[..., visit]
        wander[..., visit] = current
    return wander
