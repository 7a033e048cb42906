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

from avatar_trials.calibrate import array_math, likelihood
from avatar_trials.calibrate.likelihood import Visits, filtered

Floats = NDArray[np.float64]

_BY_MOUSE, _SHARED = 6, 3
_GRADED, _FADING, _STEADY, _REGROWING = range(4)
CODES = {"graded_kill": _GRADED, "claret": _FADING, "exponential": _STEADY, "stein_fojo": _REGROWING}
DECELERATIONS = {"power": 0, "gompertz": 1}
# Visits worked on together: their columns stay in the cache of a core.
_TOGETHER = 4000


@numba.njit(error_model="numpy")
def curve_and_slopes(
    code: int, growth: float, shape: float, spread: float, day: float
) -> tuple[float, float, float, float]:
    """log(V/V0) of a law of kill other than `graded_kill`, without deceleration, and its slopes in turn.

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
    if code == _FADING:
        part, slope = math.expm1(-x), -math.exp(-x)
    else:
        part, slope = -x, -1.0
    return growth * day + shape * part, day, part, shape * slope * day


@numba.njit(error_model="numpy")
def _unlimited(
    code: int, growth: Floats, shape: Floats, spread: Floats, day: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """`curve_and_slopes` of visits (obs,), each with its mouse's growth, shape and spread."""
    if code == _GRADED:
        x = spread * day
        part = -array_math.log1p(x)
        return growth * day + shape * part, day, part, -shape * day / (1.0 + x)
    n = len(day)
    m, by_growth, by_shape, by_spread = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        m[i], by_growth[i], by_shape[i], by_spread[i] = curve_and_slopes(
            code, growth[i], shape[i], spread[i], day[i]
        )
    return m, by_growth, by_shape, by_spread


@numba.njit(error_model="numpy")
def _limited(slows: int, m: Floats, c: Floats) -> tuple[Floats, Floats, Floats]:
    """log(V/V0) with deceleration `c`, and its slopes by `m`, that without, and by `c`; all (obs,)."""
    n = len(m)
    held, less, slope, by_c = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for i in range(n):
        held[i] = c[i] * max(m[i], 0.0)
    log_held = array_math.log(1.0 + held) if slows == 0 else held
    for i in range(n):
        grown = max(m[i], 0.0)
        if slows == 0:
            slope[i] = 1.0 / (1.0 + held[i])
            less[i] = log_held[i] / c[i] if c[i] > 0.0 else grown
        else:
            slope[i] = math.exp(-held[i])
            less[i] = -math.expm1(-held[i]) / c[i] if c[i] > 0.0 else grown
        by_c[i] = (grown * slope[i] - less[i]) / c[i] if c[i] > 0.0 else 0.0
        less[i] += min(m[i], 0.0)
    return less, slope, by_c


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
    n_mice = len(start)
    d_start, d_growth, d_shape = np.zeros(n_mice), np.zeros(n_mice), np.zeros(n_mice)
    d_spread, d_weekly = np.zeros(n_mice), np.zeros(n_mice)
    d_deceleration = np.zeros(n_mice)
    d_delta, d_sigma_p, total = 0.0, 0.0, 0.0
    five = 5.0 * delta * delta
    begin = 0
    while begin < len(day):
        end = min(begin + _TOGETHER, len(day))
        while end < len(day) and not first[end]:
            end += 1
        here = slice(begin, end)
        whose = mouse[here]
        m, by_growth, by_shape, by_spread = _unlimited(
            code, growth[whose], shape[whose], spread[whose], day[here]
        )
        u, slowed, by_held = _limited(slows, m, deceleration[whose])
        size = start[whose] + u
        volume = array_math.exp(size)
        inverse = array_math.exp(-2.0 / 3.0 * array_math.log((volume + floor_mm3) * (6.0 / math.pi)))
        diameter_part = five * inverse
        density, by_residual, by_squared, by_weekly = filtered(
            log_volume[here] - size, diameter_part + sigma_p * sigma_p, weekly_squared[whose],
            gap[here], first[here], below[here],
        )  # fmt: skip
        by_size = -by_residual - 2.0 / 3.0 * by_squared * diameter_part * volume / (volume + floor_mm3)
        total += density.sum()
        d_delta += 2.0 / delta * (by_squared * diameter_part).sum()
        d_sigma_p += 2.0 * sigma_p * by_squared.sum()
        s_start, s_growth, s_shape, s_spread, s_weekly, s_deceleration = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for i in range(end - begin):
            if first[begin + i]:
                s_start, s_growth, s_shape, s_spread, s_weekly, s_deceleration = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            s_start += by_size[i]
            s_weekly += by_weekly[i]
            s_deceleration += by_size[i] * by_held[i]
            by_unlimited = by_size[i] * slowed[i]
            s_growth += by_unlimited * by_growth[i]
            s_shape += by_unlimited * by_shape[i]
            s_spread += by_unlimited * by_spread[i]
            k = whose[i]
            d_start[k], d_growth[k], d_shape[k], d_spread[k] = s_start, s_growth, s_shape, s_spread
            d_weekly[k], d_deceleration[k] = s_weekly, s_deceleration
        begin = end
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
    parts = sys.modules[__name__], likelihood, array_math
    source = "".join(inspect.getsource(part) for part in parts) + str(op.codes)
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
