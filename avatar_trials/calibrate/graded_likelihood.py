"""How likely readings are about curves of a law of kill: curve, caliper and filter in one compiled pass with slopes.

The general likelihood takes a value and a slope a visit; here they are gathered a mouse, which is what the sampler
wants, in a third of the time on some thousands of visits. The formulas are those of `kinetics.kill_laws`,
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

_BY_MOUSE, _SHARED = 6, 3
_GRADED, _FADING, _STEADY, _REGROWING = range(4)
CODES = {"graded_kill": _GRADED, "claret": _FADING, "exponential": _STEADY, "stein_fojo": _REGROWING}
DECELERATIONS = {"power": 0, "gompertz": 1}


@numba.njit(error_model="numpy")
def curve_and_slopes(
    code: int, growth: float, shape: float, spread: float, day: float
) -> tuple[float, float, float, float]:
    """log(V/V0) of a law of kill without deceleration, and its slopes by growth, shape and spread.

    kill = shape x spread; a law without a spread is given spread 1.
    """
    if shape <= 0.0:
        return growth * day, day, 0.0, 0.0
    x = spread * day
    if code == _REGROWING:
        grown, killed = growth * day, shape * x
        m = math.log(-math.expm1(-grown) + math.exp(-killed - grown)) + grown if day > 0.0 else 0.0
        by_kill = -day * math.exp(-killed - m)
        return m, day * math.exp(grown - m), by_kill * spread, by_kill * shape
    if code == _GRADED:
        part, slope = -math.log1p(x), -1.0 / (1.0 + x)
    elif code == _FADING:
        part, slope = math.expm1(-x), -math.exp(-x)
    else:
        part, slope = -x, -1.0
    return growth * day + shape * part, day, part, shape * slope * day


@numba.njit(error_model="numpy")
def density_and_slopes(
    start: Floats,
    growth: Floats,
    shape: Floats,
    spread: Floats,
    weekly_squared: Floats,
    deceleration: Floats,
    delta: float,
    sigma_p: float,
    floor_mm3: float,
    mouse: NDArray[np.int64],
    day: Floats,
    log_volume: Floats,
    gap: Floats,
    first: NDArray[np.bool_],
    below: NDArray[np.bool_],
    code: int = 0,
    slows: int = 0,
) -> tuple[float, Floats, Floats, Floats, Floats, Floats, Floats, float, float]:
    """Log density of all readings, and its slopes by the first six (mouse,) and the next two arguments.

    Of a mouse: log volume at day 0, growth (1/day), `shape` kill/spread (0: no drug), `spread` (1/day), squared scale
    of the wander's step of a week, deceleration. Shared: delta (mm), sigma_p. Visits (obs,) as in `likelihood.Visits`.
    `code` of the law of kill in `CODES`, `slows` of that of deceleration in `DECELERATIONS`.
    """
    n, n_mice = len(day), len(start)
    residual, squared, weekly = np.empty(n), np.empty(n), np.empty(n)
    by_growth, by_shape, by_spread = np.empty(n), np.empty(n), np.empty(n)
    by_held, slowed, squared_by_size = np.zeros(n), np.ones(n), np.empty(n)
    five = 5.0 * delta * delta
    for i in range(n):
        k = mouse[i]
        m, by_growth[i], by_shape[i], by_spread[i] = curve_and_slopes(
            code, growth[k], shape[k], spread[k], day[i]
        )
        u = m
        c = deceleration[k]
        if m > 0.0 and c > 0.0:
            if slows == 0:
                held = 1.0 + c * m
                u, slowed[i] = math.log(held) / c, 1.0 / held
            else:
                u, slowed[i] = -math.expm1(-c * m) / c, math.exp(-c * m)
            by_held[i] = (m * slowed[i] - u) / c
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
    d_deceleration = np.zeros(n_mice)
    d_delta, d_sigma_p, total = 0.0, 0.0, 0.0
    for i in range(n):
        k = mouse[i]
        total += density[i]
        by_size = -by_residual[i] + by_squared[i] * squared_by_size[i]
        d_start[k] += by_size
        d_weekly[k] += by_weekly[i]
        d_delta += by_squared[i] * 2.0 * (squared[i] - sigma_p * sigma_p) / delta
        d_sigma_p += by_squared[i] * 2.0 * sigma_p
        d_deceleration[k] += by_size * by_held[i]
        by_unlimited = by_size * slowed[i]
        d_growth[k] += by_unlimited * by_growth[i]
        d_shape[k] += by_unlimited * by_shape[i]
        d_spread[k] += by_unlimited * by_spread[i]
    return total, d_start, d_growth, d_shape, d_spread, d_weekly, d_deceleration, d_delta, d_sigma_p


class _Readings(Op):
    """`density_and_slopes`: the density, with its slopes as further outputs, which the gradient takes from there."""

    __props__ = ("law", "deceleration")

    def __init__(self, law: str, deceleration: str) -> None:
        self.law, self.deceleration = law, deceleration
        self.codes = CODES[law], DECELERATIONS[deceleration]

    def make_node(self, *inputs: Any) -> Apply:
        values = [pt.as_tensor_variable(x) for x in inputs]
        slopes = [pt.dvector() for _ in range(_BY_MOUSE)] + [pt.dscalar() for _ in range(_SHARED - 1)]
        return Apply(self, values, [pt.dscalar(), *slopes])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        values = list(inputs)
        shared = slice(_BY_MOUSE, _BY_MOUSE + _SHARED)
        values[shared] = [float(value) for value in values[shared]]
        for storage, value in zip(outputs, density_and_slopes(*values, *self.codes), strict=True):
            storage[0] = np.asarray(value, dtype=float)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        sloped = _BY_MOUSE + _SHARED - 1
        return [[place < sloped] + [False] * sloped for place in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, gradients: Any) -> list[Any]:
        rest = inputs[_BY_MOUSE + _SHARED - 1 :]
        return [gradients[0] * slope for slope in outputs[1:]] + [DisconnectedType()() for _ in rest]


@register_funcify_and_cache_key(_Readings)
def _compiled(op: _Readings, node: Apply, **_: Any) -> tuple[Any, str]:
    code, slows = op.codes

    @numba.njit
    def total(
        start: Any, growth: Any, shape: Any, spread: Any, weekly_squared: Any,
        deceleration: Any, delta: Any, sigma_p: Any, floor_mm3: Any,
        mouse: Any, day: Any, log_volume: Any, gap: Any, first: Any, below: Any,
    ) -> tuple[Any, ...]:  # fmt: skip
        value, s1, s2, s3, s4, s5, s6, s7, s8 = density_and_slopes(
            start, growth, shape, spread, weekly_squared,
            deceleration, delta.item(), sigma_p.item(), floor_mm3.item(),
            mouse, day, log_volume, gap, first, below, code, slows,
        )  # fmt: skip
        return np.asarray(value), s1, s2, s3, s4, s5, s6, np.asarray(s7), np.asarray(s8)

    # PyTensor keeps compiled code on disk under this key: another source is another key.
    source = inspect.getsource(sys.modules[__name__]) + inspect.getsource(likelihood) + str(op.codes)
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
    law: str = "graded_kill",
    deceleration_law: str = "power",
) -> Any:
    """Log density of all readings (PyTensor); arguments as in `density_and_slopes`, laws by their names."""
    return _Readings(law, deceleration_law)(
        start, growth, shape, spread, weekly_squared, deceleration, delta, sigma_p, np.asarray(floor_mm3),
        mouse, day, log_volume, visits.gap, visits.first, visits.below,
    )[0]  # fmt: skip
