"""How likely the readings of the mice are: the wander is filtered from visit to visit, surprises are Student's t4.

One compiled loop over the visits gives densities and slopes together. It is a PyTensor Op because the recursion is
sequential within a mouse and the mice are ragged.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import sys
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key

from avatar_trials.calibrate import array_math
from avatar_trials.kinetics import wander

Floats = NDArray[np.float64]

LOG_T4_CONSTANT = math.log(3.0 / 8.0)
_gain = numba.njit(wander.gain)
_walked = numba.njit(wander.variance)


@dataclass(frozen=True)
class Visits:
    """Visits (obs,) sorted by mouse and day: days since the mouse's visit before (since day 0 at its first), whether
    it is the mouse's first, and whether it read below the detection limit."""

    gap: Floats
    first: NDArray[np.bool_]
    below: NDArray[np.bool_]

    @classmethod
    def of(cls, mouse: NDArray[np.int64], day: Floats, below: NDArray[np.bool_]) -> Visits:
        """From the mouse and the day of each visit."""
        first = np.r_[True, mouse[1:] != mouse[:-1]]
        return cls(np.where(first, day, np.diff(day, prepend=0.0)), first, below)


@numba.njit(error_model="numpy")
def foreseen(
    residual: Floats,
    squared: Floats,
    weekly_squared: Floats,
    gap: Floats,
    first: NDArray[np.bool_],
    below: NDArray[np.bool_],
) -> tuple[Floats, Floats, Floats]:
    """Log density (obs,) of each reading given those before it, and the wander foreseen: its mean and squared scale.

    `residual` (obs,) is log volume less the curve's, the detection limit's where `below`, which gives the log
    probability of reading below it. `squared` (obs,) is the caliper's squared scale, `weekly_squared` (obs,) that of
    the wander's step of a week.
    """
    n = len(residual)
    mean, walked, total, ratio = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    next_mean, next_walked = 0.0, 0.0
    for i in range(n):
        if first[i]:
            next_mean, next_walked = 0.0, 0.0
        mean[i] = next_mean
        walked[i] = next_walked + _walked(gap[i], weekly_squared[i])
        total[i] = walked[i] + squared[i]
        surprise = residual[i] - mean[i]
        ratio[i] = surprise * surprise / (4.0 * total[i])
        if below[i]:
            next_walked = walked[i]
        else:
            kept = _gain(walked[i], total[i])
            next_mean += kept * surprise
            next_walked = kept * squared[i]
    density = LOG_T4_CONSTANT - 0.5 * array_math.log(total) - 2.5 * array_math.log(1.0 + ratio)
    for i in range(n):
        if below[i]:
            density[i], _ = log_below((residual[i] - mean[i]) / math.sqrt(total[i]))
    return density, mean, walked


@numba.njit(error_model="numpy")
def filtered(
    residual: Floats,
    squared: Floats,
    weekly_squared: Floats,
    gap: Floats,
    first: NDArray[np.bool_],
    below: NDArray[np.bool_],
) -> tuple[Floats, Floats, Floats, Floats]:
    """Log density (obs,) of each reading given those before it, and the slopes of their sum, each (obs,), by the first
    three arguments, which are those of `foreseen`."""
    n = len(residual)
    density, mean, walked = foreseen(residual, squared, weekly_squared, gap, first, below)
    missed = residual - mean
    one_over = 1.0 / (walked + squared)
    kept = _gain(walked, walked + squared)
    inverse = 1.0 / (4.0 * (walked + squared) + missed * missed)
    by_residual, by_squared, by_weekly = np.empty(n), np.empty(n), np.empty(n)
    by_mean, by_walked = 0.0, 0.0
    for i in range(n - 1, -1, -1):
        surprise = missed[i]
        if below[i]:
            root = math.sqrt(one_over[i])
            _, slope = log_below(surprise * root)
            by_surprise = slope * root
            by_total = -0.5 * slope * surprise * root * one_over[i]
            by_squared[i] = by_total
            by_walked += by_total
        else:
            by_kept = by_mean * surprise + by_walked * squared[i]
            by_surprise = by_mean * kept[i] - 5.0 * surprise * inverse[i]
            by_total = (2.5 * surprise * surprise * inverse[i] - 0.5 - by_kept * kept[i]) * one_over[i]
            by_squared[i] = by_walked * kept[i] + by_total
            by_walked = by_kept * one_over[i] + by_total
        by_residual[i] = by_surprise
        by_mean -= by_surprise
        by_weekly[i] = by_walked * _walked(gap[i], 1.0)
        if first[i]:
            by_mean, by_walked = 0.0, 0.0
    return density, by_residual, by_squared, by_weekly


@numba.njit
def log_below(z: float) -> tuple[float, float]:
    """log P(T <= z) of Student's t with 4 degrees of freedom, and its slope; exact in both tails for |z| < 1e150.

    P = (1 + s)^2 (2 - s)/4 with s = z/sqrt(4 + z^2); u = 1 + s at -|z| comes without cancellation.
    """
    h = math.sqrt(4.0 + z * z)
    u = 4.0 / (h * (h + abs(z)))
    tail = u * u * (3.0 - u) / 4.0
    if z < 0.0:
        return 2.0 * math.log(u) + math.log((3.0 - u) / 4.0), 3.0 * ((h - z) / h) ** 2 / (h * (3.0 - u))
    return math.log1p(-tail), 12.0 * (1.0 / h) ** 5 / (1.0 - tail)


class _Filtered(Op):
    """Sum of `filtered`'s densities, with its slopes as further outputs, which the gradient takes from there."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        values = [pt.as_tensor_variable(x) for x in inputs]
        return Apply(self, values, [pt.dscalar(), pt.dvector(), pt.dvector(), pt.dscalar()])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        residual, squared, weekly_squared, *visits = inputs
        weekly = np.full(len(residual), float(weekly_squared))
        density, by_residual, by_squared, by_weekly = filtered(residual, squared, weekly, *visits)
        sums = (density.sum(), by_residual, by_squared, by_weekly.sum())
        for storage, value in zip(outputs, sums, strict=True):
            storage[0] = np.asarray(value, dtype=float)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[place < 3, False, False, False] for place in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, gradients: Any) -> list[Any]:
        return [gradients[0] * slope for slope in outputs[1:]] + [DisconnectedType()() for _ in inputs[3:]]


@register_funcify_and_cache_key(_Filtered)
def _compiled(op: _Filtered, node: Apply, **_: Any) -> tuple[Any, str]:
    @numba.njit
    def total(
        residual: Any, squared: Any, weekly_squared: Any, gap: Any, first: Any, below: Any
    ) -> tuple[Any, Any, Any, Any]:
        density, by_residual, by_squared, by_weekly = filtered(
            residual, squared, np.full(len(residual), weekly_squared.item()), gap, first, below
        )
        return np.asarray(density.sum()), by_residual, by_squared, np.asarray(by_weekly.sum())

    # PyTensor keeps compiled code on disk under this key: another source is another key.
    source = "".join(inspect.getsource(part) for part in (sys.modules[__name__], wander, array_math))
    return total, hashlib.sha256(source.encode()).hexdigest()


def log_likelihood(residual: Any, squared: Any, weekly_squared: Any, visits: Visits) -> Any:
    """Log density of all readings (PyTensor); arguments as in `filtered`."""
    return _Filtered()(residual, squared, weekly_squared, visits.gap, visits.first, visits.below)[0]
