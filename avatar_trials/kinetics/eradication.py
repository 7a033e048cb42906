"""Probability that a treated tumour dies out to its last cell, for clones that mutate into one another.

No chance is drawn here. A cell of type i founds a lineage that is still there (or lives on for ever) with probability
q_i, which follows backwards in time from the generating functions of the process of `mutants`:

    dq_i/dt = b_i (1 - q_i) m_i - d_i q_i,    m_i = (1 - sum_j u_ij) q_i + sum_j u_ij q_j,

with t the time left and m_i the mean chance of a new daughter. In q, not in 1 - q, so that a chance of 1e-12 a cell in
a tumour of 1e9 cells keeps its digits. Cells are independent, so a tumour's probability is a product of powers.

Source: Athreya & Ney 1972, Branching Processes, V.7 (backward equations); Bozic et al. 2013, eLife 2:e00747, Model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, special

from avatar_trials.kinetics.branching import Floats, not_negative
from avatar_trials.kinetics.luria_delbruck import tumour_age
from avatar_trials.kinetics.mutants import checked_rates

RELATIVE_ERROR = 1e-8
"""What the probabilities of lineages are good for, relative to themselves, down to 1e-20."""

_RELATIVE, _ABSOLUTE = 1e-11, 1e-30
_ROUNDS = 100


def survival_ever(birth: ArrayLike, death: ArrayLike, mutation: ArrayLike) -> Floats:
    """Probability (..., type) that a lineage founded by one cell of a type never dies out, at constant rates.

    `birth`, `death` (..., type) in 1/day, `mutation` (..., type, type) as in `mutants.step`. Newton's iteration from
    certain survival, which falls to the root from above (Hautphenne, Latouche & Remiche 2008, Linear Algebra Appl.
    428:2791); 0 to within 1e-8 for clones that are exactly critical. Raises ValueError as `step` does.
    """
    b, d, u, lead = _rows(birth, death, mutation)
    own = np.eye(b.shape[-1])
    daughters = u + (1.0 - u.sum(axis=-1))[:, :, None] * own
    q, moving = np.ones(b.shape), np.arange(len(b))
    for _ in range(_ROUNDS):
        chance, births, deaths, to = q[moving], b[moving], d[moving], daughters[moving]
        daughter = (to * chance[:, None, :]).sum(axis=-1)
        gain = births * (1.0 - chance) * daughter - deaths * chance
        # A little less than the true slope: of a critical clone it vanishes at the root.
        slope = (births * (1.0 - chance))[:, :, None] * to
        slope -= own * (births * daughter + deaths * (1.0 + 1e-15) + 1e-300)[:, :, None]
        better = np.clip(chance - np.linalg.solve(slope, gain[:, :, None])[:, :, 0], 0.0, 1.0)
        q[moving] = better
        # Each element stops by itself, so that its digits do not depend on the others.
        moving = moving[(np.abs(better - chance) > 1e-15 * chance).any(axis=-1)]
        if not moving.size:
            break
    return q.reshape(lead)


def survival(
    birth: ArrayLike, death: ArrayLike, mutation: ArrayLike, days: ArrayLike, after: ArrayLike = 1.0
) -> Floats:
    """Probability (..., type) that a lineage founded by one cell of each type counts after `days` (...).

    `after` (..., type) is the chance that a cell counts then: 1 to be alive, `survival_ever` of the rates that follow,
    or the `survival` of the next segment of a schedule (work backwards); 0 for types that do not matter. Arguments as
    in `survival_ever`; solved to `RELATIVE_ERROR`, one element after the other. Raises ValueError as `step` does and
    for days or chances out of range.
    """
    b, d, u, lead = _rows(birth, death, mutation, np.shape(days), np.shape(after)[:-1])
    t = np.broadcast_to(not_negative(days=days)[0], lead[:-1]).ravel()
    start = _chances(after, lead)
    q = [_solve(*element)[:-1] for element in zip(b, d, u, t, start, np.zeros(len(t)), strict=True)]
    return np.reshape(q, lead)


def eradication(cells: ArrayLike, lasts: ArrayLike) -> Floats:
    """Probability (...) that tumours of `cells` (..., type) die out, from the chance `lasts` of a cell's lineage."""
    return np.exp(
        special.xlog1py(np.asarray(cells, dtype=float), -np.asarray(lasts, dtype=float)).sum(axis=-1)
    )


def eradication_at_detection(
    size: ArrayLike, birth: ArrayLike, death: ArrayLike, mutation: ArrayLike, lasts: ArrayLike
) -> Floats:
    """Probability (...) that nothing of a tumour lasts that grew from one cell of type 0 to `size` (...) cells.

    Rates (..., type) are those before detection, `lasts` (..., type) the chance that a cell present at detection
    founds a lineage that counts: `survival_ever` or `survival` under treatment, or 1 for the types whose absence is
    asked and 0 for the others. The tumour's own growth is the smooth path of `luria_delbruck`; its mutants, to any
    depth, are the branching process. Raises ValueError as `tumour_age` and `survival` do.
    """
    b, d, u, lead = _rows(birth, death, mutation, np.shape(size), np.shape(lasts)[:-1])
    cells = np.broadcast_to(np.asarray(size, dtype=float), lead[:-1]).ravel()
    start = _chances(lasts, lead)
    age = tumour_age(cells, b[:, 0], d[:, 0])
    log_probability = np.empty(cells.size)
    for i, m in enumerate(cells):
        expected = _solve(b[i], d[i], u[i], age[i], start[i], m)[-1]
        log_probability[i] = m * np.log1p(-start[i, 0]) - expected if start[i, 0] < 1.0 else -np.inf
    return np.exp(log_probability).reshape(lead[:-1])


def _solve(b: Floats, d: Floats, u: Floats, days: float, after: Floats, size: float) -> NDArray[Any]:
    """Chances of lineages after `days` back, and the expected number that count of all that a tumour's path sent."""
    if days == 0.0:
        return np.append(after, 0.0)
    stay = 1.0 - u.sum(axis=-1)
    sent = size * b[0] * u[0]
    growth = b[0] - d[0]

    def slope(back: float, y: Floats) -> Floats:
        q = y[:-1]
        daughter = stay * q + u @ q
        return np.append(b * (1.0 - q) * daughter - d * q, np.exp(-growth * back) * (sent @ q))

    solution = integrate.solve_ivp(
        slope, (0.0, days), np.append(after, 0.0), method="LSODA", rtol=_RELATIVE, atol=_ABSOLUTE
    )
    if not solution.success:
        raise ValueError(
            f"the chances of lineages over {days:g} days could not be solved: {solution.message}"
        )
    return np.asarray(solution.y[:, -1])


def _chances(given: ArrayLike, shape: tuple[int, ...]) -> Floats:
    (chances,) = not_negative(chance=given)
    if (chances > 1.0).any():
        raise ValueError(f"the chance of a cell to found a lineage that counts lies in 0 .. 1, got {chances}")
    return np.broadcast_to(chances, shape).reshape(-1, shape[-1])


def _rows(
    birth: ArrayLike, death: ArrayLike, mutation: ArrayLike, *further: tuple[int, ...]
) -> tuple[Floats, Floats, Floats, tuple[int, ...]]:
    types = np.shape(mutation)[-1] if np.ndim(mutation) > 1 else 0
    leads = (np.shape(birth)[:-1], np.shape(death)[:-1], np.shape(mutation)[:-2], *further)
    lead = np.broadcast_shapes(*leads)
    rates = checked_rates(birth, death, mutation, lead, types)
    size = int(np.prod(lead))
    b, d, u = (np.broadcast_to(x, (size, *x.shape[1:])) for x in (rates.birth, rates.death, rates.mutation))
    return b, d, u, (*lead, types)
