"""How likely readings are about curves of graded kill: curve, caliper and filter in one compiled pass with its slopes.

The general likelihood takes a value and a slope a visit; here they are gathered a mouse, which is what the sampler
wants, in a third of the time on some thousands of visits. The formulas are those of `kinetics.graded`,
`kinetics.clones`, `kinetics.caliper` and `likelihood.filtered`; a test holds the two together to twelve digits.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import sys
from typing import Any

import numba
import numpy as np
import pytensor.tensor as pt
from numpy.typing import NDArray
from pytensor.gradient import DisconnectedType
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import register_funcify_and_cache_key

from avatar_trials.calibrate import likelihood
from avatar_trials.calibrate.likelihood import Visits, filtered

Floats = NDArray[np.float64]

_BY_MOUSE, _SHARED = 5, 4


@numba.njit(error_model="numpy")
def density_and_slopes(
    start: Floats,
    growth: Floats,
    shape: Floats,
    spread: Floats,
    weekly_squared: Floats,
    deceleration: float,
    delta: float,
    sigma_p: float,
    floor_mm3: float,
    mouse: NDArray[np.int64],
    day: Floats,
    log_volume: Floats,
    gap: Floats,
    first: NDArray[np.bool_],
    below: NDArray[np.bool_],
) -> tuple[float, Floats, Floats, Floats, Floats, Floats, float, float, float]:
    """Log density of all readings, and its slopes by the first five (mouse,) and the next three arguments.

    Of a mouse: log volume at day 0, growth (1/day), `shape` kill/spread (0: no drug), `spread` (1/day), squared scale
    of the wander's step of a week. Shared: deceleration, delta (mm), sigma_p. Visits (obs,) as in `likelihood.Visits`.
    """
    n, n_mice = len(day), len(start)
    residual, squared, weekly = np.empty(n), np.empty(n), np.empty(n)
    faded, unlimited, slowed, squared_by_size = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    five = 5.0 * delta * delta
    for i in range(n):
        k = mouse[i]
        faded[i] = -math.log1p(spread[k] * day[i]) if shape[k] > 0.0 else 0.0
        m = growth[k] * day[i] + shape[k] * faded[i]
        unlimited[i] = m
        u, slowed[i] = m, 1.0
        if m > 0.0:
            held = 1.0 + deceleration * m
            u, slowed[i] = math.log(held) / deceleration, 1.0 / held
        size = start[k] + u
        volume = math.exp(size)
        inverse = math.exp(-2.0 / 3.0 * math.log((volume + floor_mm3) * (6.0 / math.pi)))
        squared[i] = five * inverse + sigma_p * sigma_p
        squared_by_size[i] = -2.0 / 3.0 * five * inverse * volume / (volume + floor_mm3)
        residual[i] = log_volume[i] - size
        weekly[i] = weekly_squared[k]
    density, by_residual, by_squared, by_weekly = filtered(residual, squared, weekly, gap, first, below)

    d_start, d_growth, d_shape = np.zeros(n_mice), np.zeros(n_mice), np.zeros(n_mice)
    d_spread, d_weekly = np.zeros(n_mice), np.zeros(n_mice)
    d_deceleration, d_delta, d_sigma_p, total = 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        k = mouse[i]
        total += density[i]
        by_size = -by_residual[i] + by_squared[i] * squared_by_size[i]
        d_start[k] += by_size
        d_weekly[k] += by_weekly[i]
        d_delta += by_squared[i] * 2.0 * (squared[i] - sigma_p * sigma_p) / delta
        d_sigma_p += by_squared[i] * 2.0 * sigma_p
        m = unlimited[i]
        if m > 0.0:
            d_deceleration += (
                by_size * (m * slowed[i] - math.log1p(deceleration * m) / deceleration) / deceleration
            )
        by_unlimited = by_size * slowed[i]
        d_growth[k] += by_unlimited * day[i]
        d_shape[k] += by_unlimited * faded[i]
        if shape[k] > 0.0:
            d_spread[k] -= by_unlimited * shape[k] * day[i] / (1.0 + spread[k] * day[i])
    return total, d_start, d_growth, d_shape, d_spread, d_weekly, d_deceleration, d_delta, d_sigma_p


class _Readings(Op):
    """`density_and_slopes`: the density, with its slopes as further outputs, which the gradient takes from there."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        values = [pt.as_tensor_variable(x) for x in inputs]
        slopes = [pt.dvector() for _ in range(_BY_MOUSE)] + [pt.dscalar() for _ in range(_SHARED - 1)]
        return Apply(self, values, [pt.dscalar(), *slopes])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        values = list(inputs)
        shared = slice(_BY_MOUSE, _BY_MOUSE + _SHARED)
        values[shared] = [float(value) for value in values[shared]]
        for storage, value in zip(outputs, density_and_slopes(*values), strict=True):
            storage[0] = np.asarray(value, dtype=float)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        sloped = _BY_MOUSE + _SHARED - 1
        return [[place < sloped] + [False] * sloped for place in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, gradients: Any) -> list[Any]:
        rest = inputs[_BY_MOUSE + _SHARED - 1 :]
        return [gradients[0] * slope for slope in outputs[1:]] + [DisconnectedType()() for _ in rest]


@register_funcify_and_cache_key(_Readings)
def _compiled(op: _Readings, node: Apply, **_: Any) -> tuple[Any, str]:
    @numba.njit
    def total(
        start: Any, growth: Any, shape: Any, spread: Any, weekly_squared: Any,
        deceleration: Any, delta: Any, sigma_p: Any, floor_mm3: Any,
        mouse: Any, day: Any, log_volume: Any, gap: Any, first: Any, below: Any,
    ) -> tuple[Any, ...]:  # fmt: skip
        value, s1, s2, s3, s4, s5, s6, s7, s8 = density_and_slopes(
            start, growth, shape, spread, weekly_squared,
            deceleration.item(), delta.item(), sigma_p.item(), floor_mm3.item(),
            mouse, day, log_volume, gap, first, below,
        )  # fmt: skip
        return np.asarray(value), s1, s2, s3, s4, s5, np.asarray(s6), np.asarray(s7), np.asarray(s8)

    # PyTensor keeps compiled code on disk under this key: another source is another key.
    source = inspect.getsource(sys.modules[__name__]) + inspect.getsource(likelihood)
    return total, hashlib.sha256(source.encode()).hexdigest()


def log_likelihood(
    start: Any,
    growth: Any,
    shape: Any,
    spread: Any,
    weekly_squared: Any,
    deceleration: Any,
    delta: Any,
    sigma_p: Any,
    floor_mm3: float,
    mouse: NDArray[np.int64],
    day: Floats,
    log_volume: Floats,
    visits: Visits,
) -> Any:
    """Log density of all readings (PyTensor); arguments as in `density_and_slopes`."""
    return _Readings()(
        start, growth, shape, spread, weekly_squared, deceleration, delta, sigma_p, np.asarray(floor_mm3),
        mouse, day, log_volume, visits.gap, visits.first, visits.below,
    )[0]  # fmt: skip
