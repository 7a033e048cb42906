"""Simeoni's tumour growth model: exponential then linear growth, cells that a drug damages die in three stages.

An ODE without closed form, for comparison and for simulation. With w = x1 + x2 + x3 + x4 the tumour and c the
concentration,

    x1' = growth x1 / [1 + (growth w/linear_growth)^psi]^(1/psi) - potency c x1      cycling cells
    x2' = potency c x1 - transit x2,  x3' = transit (x2 - x3),  x4' = transit (x3 - x4)   damaged cells

Source: Simeoni et al. 2004 (Cancer Res 64:1094).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.kinetics.namespace import softplus

Floats = NDArray[np.float64]
PSI = 20.0
STAGES = 3
STEP_DAYS = 0.05


def simeoni(
    days: ArrayLike,
    w0_mm3: ArrayLike,
    growth: ArrayLike,
    linear_growth: ArrayLike,
    potency: ArrayLike,
    transit: ArrayLike,
    concentration: Callable[[float], Any],
    *,
    jumps: Sequence[float] = (),
    psi: float = PSI,
    step_days: float = STEP_DAYS,
) -> Floats:
    """log(w/w0) (..., visit) at `days` (visit,), ascending from 0 on; all cells cycle at day 0.

    `w0_mm3`, `growth` (1/day), `linear_growth` (mm3/day), `potency` (1/day and unit of concentration) and `transit`
    (1/day) broadcast to (...). `concentration` gives (...) at a day; it may jump at the days `jumps`, and has its new
    value there. Steps are at most `step_days`, and end at visits and jumps.

    Fourth-order Runge-Kutta on log x1, and on the damaged cells behind the exact flow of their chain (Lawson 1967):
    each stage adds what is not negative, so nothing ever is. The relative error at the default step is below 1e-6
    for growth up to 0.5/day. ValueError for days out of order or a parameter that is not positive.
    """
    visits = np.asarray(days, dtype=float)
    if visits.ndim != 1 or not (np.diff(visits, prepend=0.0) >= 0.0).all() or not np.isfinite(visits).all():
        raise ValueError("the visits of Simeoni's model are one list of days, ascending, none before day 0")
    w0, rise, slope, kill, leave = _positive(
        w0_mm3=w0_mm3, growth=growth, linear_growth=linear_growth, potency=potency, transit=transit
    )
    if not (psi > 0.0 and step_days > 0.0):
        raise ValueError("psi and the step are positive")
    bend = np.log(rise * w0 / slope)

    def net(log_cycling: Floats, damaged: Floats, drug: Floats) -> Floats:
        """Slope of log x1; growth/[1 + z^psi]^(1/psi) by softplus, where z^psi is no number."""
        return rise * np.exp(-softplus(psi * (bend + _log_total(log_cycling, damaged)), np) / psi) - drug

    u = np.zeros(np.broadcast_shapes(w0.shape, rise.shape, slope.shape, kill.shape, leave.shape))
    u = u + 0.0 * np.asarray(concentration(0.0), dtype=float)
    damaged = np.zeros((STAGES, *u.shape))
    read = np.empty((*u.shape, len(visits)))
    day = 0.0
    for visit, until in enumerate(visits.tolist()):
        edges = sorted({day, until, *(float(jump) for jump in jumps if day < jump < until)})
        for left, right in pairwise(edges):
            grid = np.linspace(left, right, 1 + int(np.ceil((right - left) / step_days)))
            for a, b in pairwise(grid.tolist()):
                # Just before the end, where a dose may be due that this step does not have yet.
                at = (a, 0.5 * (a + b), np.nextafter(b, a))
                drugs = [kill * np.asarray(concentration(float(t)), dtype=float) for t in at]
                u, damaged = _step(net, u, damaged, drugs, leave, b - a)
        day = until
        read[..., visit] = _log_total(u, damaged)
    return read


def _step(
    net: Callable[[Floats, Floats, Floats], Floats],
    u: Floats,
    damaged: Floats,
    drugs: list[Any],
    leave: Floats,
    h: float,
) -> tuple[Floats, Floats]:
    """One step of `h` days from log cycling cells `u` (...) and `damaged` (stage, ...), both relative to w0."""
    start, middle, end = drugs
    half = 0.5 * h
    k1, s1 = net(u, damaged, start), start * np.exp(u)
    u2, d2 = u + half * k1, _pass_on(_hit(damaged, half * s1), leave, half)
    k2, s2 = net(u2, d2, middle), middle * np.exp(u2)
    u3, d3 = u + half * k2, _hit(_pass_on(damaged, leave, half), half * s2)
    k3, s3 = net(u3, d3, middle), middle * np.exp(u3)
    u4, d4 = u + h * k3, _pass_on(_hit(_pass_on(damaged, leave, half), h * s3), leave, half)
    k4, s4 = net(u4, d4, end), end * np.exp(u4)
    first = _pass_on(_hit(damaged, h / 6.0 * s1), leave, half)
    later = _pass_on(_hit(first, h / 3.0 * (s2 + s3)), leave, half)
    return u + h / 6.0 * (k1 + 2.0 * (k2 + k3) + k4), _hit(later, h / 6.0 * s4)


def _hit(damaged: Floats, cells: Floats) -> Floats:
    """Damaged cells with `cells` more in the first stage."""
    return np.concatenate([damaged[:1] + cells, damaged[1:]])


def _pass_on(damaged: Floats, leave: Floats, days: float) -> Floats:
    """Exact flow of the chain of stages: Poisson many passages at rate `leave`."""
    x = leave * days
    left = np.exp(-x)
    first, second, third = damaged
    return np.stack([first, second + x * first, third + x * second + 0.5 * x**2 * first]) * left


def _log_total(u: Floats, damaged: Floats) -> Floats:
    dying = damaged.sum(axis=0)
    hit = dying > 0.0
    log_dying = np.where(hit, np.log(np.where(hit, dying, 1.0)), -np.inf)
    return u + softplus(log_dying - u, np)


def _positive(**parameters: ArrayLike) -> list[Floats]:
    arrays = {name: np.asarray(value, dtype=float) for name, value in parameters.items()}
    for name, value in arrays.items():
        least = 0.0 if name == "potency" else np.nextafter(0.0, 1.0)
        if not (np.isfinite(value) & (value >= least)).all():
            raise ValueError(f"{name} must be a positive number, not {value.min():g}")
    return list(arrays.values())
