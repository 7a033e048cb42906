"""What the two array namespaces, NumPy and pytensor.tensor, do not share. Neither is imported for the other's sake."""

from __future__ import annotations

from typing import Any

Namespace = Any
"""A module of array functions: `numpy` or `pytensor.tensor`."""

Array = Any
"""A number, a NumPy array or a PyTensor tensor, as the namespace has it."""


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
    return xp.where(total > 0.0, shift + xp.log(xp.where(total > 0.0, total, 1.0)), -float("inf"))
