"""How likely a visit's volume is, given the curve and the visit before; over `xp`, so that fit and check share it."""

from __future__ import annotations

import math

import numpy as np

from avatar_trials.kinetics import caliper, wander
from avatar_trials.kinetics.namespace import Array, Namespace

LOG_T4_CONSTANT = math.log(3.0 / 8.0)


def student4_log_density(residual: Array, scale_squared: Array, xp: Namespace = np) -> Array:
    """Log density of Student's t with 4 degrees of freedom at `residual`, for a squared scale."""
    return LOG_T4_CONSTANT - 0.5 * xp.log(scale_squared) - 2.5 * xp.log1p(residual**2 / (4.0 * scale_squared))


def following(
    residual: Array,
    residual_before: Array,
    caliper_squared: Array,
    caliper_squared_before: Array,
    day: Array,
    day_before: Array,
    weekly: Array,
    xp: Namespace = np,
) -> Array:
    """Log density of a measured visit after a measured visit of the same mouse.

    The wander is a random walk from zero at day 0, so a share P/(P + s^2) of the residual before is wander and still
    there; the rest of both scales is left. Conditions on one visit back: a Kalman filter would use them all.
    """
    walked_before = wander.variance(day_before, weekly)
    reliability = walked_before / (walked_before + caliper_squared_before)
    scale_squared = caliper_squared + wander.variance(day, weekly) - reliability * walked_before
    return student4_log_density(residual - reliability * residual_before, scale_squared, xp)


def alone(residual: Array, caliper_squared: Array, day: Array, weekly: Array, xp: Namespace = np) -> Array:
    """Log density of a measured visit with no measured visit just before it."""
    return student4_log_density(residual, caliper_squared + wander.variance(day, weekly), xp)


def below_limit(
    residual: Array, caliper_squared: Array, day: Array, weekly: Array, xp: Namespace = np
) -> Array:
    """Log probability of reading below the detection limit, `residual` being that of the limit."""
    scale = xp.sqrt(caliper_squared + wander.variance(day, weekly))
    return caliper.student4_log_cdf(residual / scale, xp)
