"""States that feed one another: x' = A x with A constant over a segment, solved exactly and without a negative cell.

A clone, a persister, a niche are states; A has their net rates on its diagonal and the rates at which they turn into
one another beside it, none of which is negative. A matrix is written as its entries that are not 0 by structure,
{(to, from): array over mice}, so that what a mechanism does not have costs nothing.

Only sums and products of what is not negative occur, hence every state, however small, is right to a relative error:
an eigendecomposition fails on equal rates, and an ODE solver leaves a dying clone at its absolute tolerance, from where
it regrows.

Source: uniformisation (Jensen 1953) with scaling and squaring; componentwise accuracy for essentially non-negative
matrices: Xue & Ye 2013, Math. Comput. 82:1577.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from avatar_trials.kinetics.namespace import Array

Matrix = Mapping[tuple[int, int], Array]
"""Entries {(to, from): array} of a matrix over states; an entry not there is 0."""

Floats = NDArray[np.float64]

_MICE_AT_A_TIME = 4096
_SMALL = 0.5
_PASSED = 6
_DEGREE = 4
_GROUPS = 4
_COEFFICIENTS = np.cumprod([1.0, *(1.0 / k for k in range(1, _DEGREE * _GROUPS + 1))])


def propagator(rates: Matrix, n_states: int, dt: Array) -> dict[tuple[int, int], Floats]:
    """e^(A dt) as its entries: x(t + dt)[i] = sum_j entry[i, j] x(t)[j].

    `rates` (1/day) and `dt` (days, >= 0) broadcast over mice. A mouse's entries do not depend on the other mice.
    NumPy only: a posterior uses the closed forms of `persisters`. Raises ValueError for negative time, for a negative
    rate between two states, and for what is not finite.
    """
    dt = np.asarray(dt, dtype=float)
    given = {place: np.asarray(rate, dtype=float) for place, rate in rates.items()}
    _check(given, n_states, dt)
    shape = np.broadcast_shapes(dt.shape, *(rate.shape for rate in given.values()))
    steps = {
        place: np.ascontiguousarray(np.broadcast_to(rate * dt, shape)).reshape(-1)
        for place, rate in given.items()
        if place[0] == place[1] or rate.any()
    }
    if all(to == source for to, source in given):
        nothing = np.zeros(shape)
        return {
            (i, i): np.exp(steps[i, i]).reshape(shape) if (i, i) in steps else nothing + 1.0
            for i in range(n_states)
        }
    reach = _reachable(steps, n_states)
    out = {place: np.empty(int(np.prod(shape))) for place in reach}
    for start in range(0, int(np.prod(shape)), _MICE_AT_A_TIME):
        here = slice(start, start + _MICE_AT_A_TIME)
        block = _exponential({place: step[here] for place, step in steps.items()}, n_states)
        for place in reach:
            out[place][here] = block.get(place, 0.0)
    return {place: entry.reshape(shape) for place, entry in out.items()}


def apply(matrix: Matrix, states: Sequence[Array]) -> list[Array]:
    """The product of a matrix and the states, each an array over mice; a state that nothing reaches is 0."""
    out: dict[int, Array] = {}
    for (to, source), entry in sorted(matrix.items(), key=_place):
        term = entry * states[source]
        out[to] = out[to] + term if to in out else term
    return [out[to] if to in out else 0.0 * state for to, state in enumerate(states)]


def _check(rates: Mapping[tuple[int, int], Floats], n_states: int, dt: Floats) -> None:
    problems = []
    if not (np.isfinite(dt).all() and (dt >= 0.0).all()):
        problems.append("time must be finite and not negative")
    for (to, source), rate in rates.items():
        if not (0 <= to < n_states and 0 <= source < n_states):
            problems.append(f"a rate from state {source} to {to}, where there are {n_states} states")
        elif not np.isfinite(rate).all():
            problems.append(f"the rate from state {source} to {to} is not finite")
        elif to != source and (rate < 0.0).any():
            problems.append(f"the rate from state {source} to {to} is negative: {rate.min():g}/day")
    if problems:
        raise ValueError("; ".join(problems))


def _reachable(matrix: Matrix, n_states: int) -> list[tuple[int, int]]:
    reach = np.eye(n_states, dtype=bool)
    for to, source in matrix:
        reach[to, source] = True
    for _ in range(n_states):
        reach = (reach.astype(int) @ reach.astype(int)) > 0
    return [(int(to), int(source)) for to, source in np.argwhere(reach)]


def _exponential(step: Matrix, n_states: int) -> Matrix:
    """e^M of a block of mice: e^-s e^(M + s), with s so large that nothing in M + s is negative."""
    none = np.zeros(len(next(iter(step.values()))) if step else 1)
    diagonal = np.stack([step.get((i, i), none) for i in range(n_states)])
    shift = -diagonal.min(axis=0)
    lifted = {place: entry for place, entry in step.items() if place[0] != place[1]}
    lifted |= {(i, i): diagonal[i] + shift for i in range(n_states)}
    norm = np.max([sum(lifted[place] for place in lifted if place[1] == j) for j in range(n_states)], axis=0)
    # A state that is reached through many others wants as many terms: halve until few are passed in one step.
    halvings = max(0, math.ceil(math.log2(max(n_states - 1, 1) / _PASSED)))
    squarings = np.maximum(np.frexp(norm / _SMALL)[1], halvings)
    scale = np.ldexp(1.0, -squarings)
    small = {place: entry * scale for place, entry in lifted.items()}
    power = _times(_series(small, n_states), np.exp(-shift * scale))
    for n in range(int(squarings.max(initial=0))):
        squared = _product(power, power)
        going_on = n < squarings
        power = {
            place: np.where(going_on, entry, power[place]) if place in power else entry
            for place, entry in squared.items()
        }
    return power


def _series(small: Matrix, n_states: int) -> Matrix:
    """sum_k N^k / k! to the power 16, as four polynomials in N under powers of N^4 (Paterson & Stockmeyer 1973)."""
    powers: list[Matrix] = [{(i, i): np.ones_like(small[i, i]) for i in range(n_states)}, small]
    for _ in range(2, _DEGREE + 1):
        powers.append(_product(powers[-1], small))
    total = _times(powers[_DEGREE], _COEFFICIENTS[_DEGREE * _GROUPS])
    for group in reversed(range(_GROUPS)):
        if group < _GROUPS - 1:
            total = _product(total, powers[_DEGREE])
        for k in range(_DEGREE):
            for place, entry in powers[k].items():
                term = entry * _COEFFICIENTS[_DEGREE * group + k]
                total[place] = np.add(total[place], term, out=term) if place in total else term
    return total


def _product(a: Matrix, b: Matrix) -> dict[tuple[int, int], Array]:
    out: dict[tuple[int, int], Array] = {}
    scratch = np.empty_like(next(iter(a.values())))
    # In the order of the states: which entries are 0 in a batch must not change the last bit of the others.
    for (to, through), left in sorted(a.items(), key=_place):
        for (middle, source), right in sorted(b.items(), key=_place):
            if middle != through:
                continue
            if (to, source) in out:
                out[to, source] += np.multiply(left, right, out=scratch)
            else:
                out[to, source] = left * right
    return out


def _place(entry: tuple[tuple[int, int], Array]) -> tuple[int, int]:
    return entry[0]


def _times(matrix: Matrix, factor: Array) -> dict[tuple[int, int], Array]:
    return {place: entry * factor for place, entry in matrix.items()}
