"""What the two array namespaces, NumPy and pytensor.tensor, do not share, and functions that are exact at their limits
in both. PyTensor is not imported for the sake of NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

Namespace = Any
"""A module of array functions: `numpy` or `pytensor.tensor`."""

Array = Any
"""A number, a NumPy array or a PyTensor tensor, as the namespace has it."""

_MEAN_SERIES_BELOW = 0.05
_RATIO_SERIES_BELOW = 0.02


def softplus(x: Array, xp: Namespace) -> Array:
    """log(1 + e^x), without overflow, exact in both tails."""
    if hasattr(xp, "softplus"):
        return xp.softplus(x)
    return xp.maximum(x, 0.0) + xp.log1p(xp.exp(-abs(x)))


def logsumexp(x: Array, axis: int, xp: Namespace) -> Array:
    """log(sum(e^x)) over an axis; entries of -inf count nothing, and only such entries give -inf."""
    largest = xp.max(x, axis=axis)
    shift = xp.where(largest > -float("inf"), largest, 0.0)
    total = xp.sum(xp.exp(x - xp.expand_dims(shift, axis)), axis=axis)
    nothing = total <= 0.0  # not true of NaN, which goes through
    return xp.where(nothing, -float("inf"), shift + xp.log(xp.where(nothing, 1.0, total)))


def safe_log(x: Array, xp: Namespace) -> Array:
    """log x for x >= 0; -inf at 0, without a warning and with a slope of 0."""
    nothing = x <= 0.0  # not true of NaN, which goes through
    return xp.where(nothing, -float("inf"), xp.log(xp.where(nothing, 1.0, x)))


def mean_decay(x: Array, xp: Namespace) -> Array:
    """Mean of e^(-x s) over s in [0, 1]: (1 - e^-x)/x, 1 at x = 0, any sign; its slope is exact near 0 too."""
    near = abs(x) < _MEAN_SERIES_BELOW
    small = xp.where(near, x, 0.0)
    series = 1.0
    for n in range(9, 1, -1):
        series = 1.0 - small / n * series
    safe = xp.where(near, 1.0, x)
    return xp.where(near, series, -xp.expm1(-safe) / safe)


def log1p_ratio(z: Array, xp: Namespace) -> Array:
    """log(1 + z)/z for z > -1, 1 at z = 0; its slope is exact near 0 too."""
    if xp is np:
        # Exact without the series, which is for the slope that the sampler takes.
        there = z != 0.0
        safe = np.where(there, z, 1.0)
        return np.where(there, np.log1p(safe) / safe, 1.0)
    near = abs(z) < _RATIO_SERIES_BELOW
    small = xp.where(near, z, 0.0)
    series = 0.0
    for n in range(9, 0, -1):
        series = 1.0 / n - small * series
    safe = xp.where(near, 1.0, z)
    return xp.where(near, series, xp.log1p(safe) / safe)
