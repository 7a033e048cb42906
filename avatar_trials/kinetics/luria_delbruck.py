"""Resistant cells that a tumour has before any treatment: Luria–Delbrück, with cell death, at a given size.

A tumour grows from one cell and is found at `size` cells. Seen from there its past is size * exp(-r age), r = birth -
death, back to the age at which 1/s cells carried it (s = 1 - death/birth): Bozic's limit of many cells, in which the
chance of its first days is conditioned away by having been found. Along that path mutants are drawn as in `lineages`
and `mutants`.

Source: Bozic et al. 2013, eLife 2:e00747, Supplementary file 1; Kessler & Levine 2015, J. Stat. Phys. 158:783.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from avatar_trials.kinetics.branching import Cells, Floats, not_negative
from avatar_trials.kinetics.lineages import descendants
from avatar_trials.kinetics.mutants import LARGE, checked_rates, one_step, pieces_of, sent_mutants


def tumour_age(size: ArrayLike, birth: ArrayLike, death: ArrayLike) -> Floats:
    """Days from a tumour's first cell to `size` cells, log(size * s)/(birth - death) with s = 1 - death/birth.

    Raises ValueError for a tumour that does not grow, or of no more than the 1/s cells that carry one.
    """
    m, b, d = not_negative(size=size, birth=birth, death=death)
    if not (b > d).all():
        raise ValueError(f"a tumour grows from one cell only if birth is above death, got {b} and {d}")
    carried = m * (b - d) / b
    if not (carried > 1.0).all():
        raise ValueError(f"a tumour is found at more than birth/(birth - death) cells, got {m}")
    return np.log(carried) / (b - d)


def resistant_cells(
    size: ArrayLike,
    birth: ArrayLike,
    death: ArrayLike,
    mutation: ArrayLike,
    *,
    mutant_birth: ArrayLike | None = None,
    mutant_death: ArrayLike | None = None,
    rng: np.random.Generator,
    individually: float | None = None,
) -> Cells:
    """Number of resistant cells in tumours found at `size` cells, one draw an element; arguments broadcast.

    `birth` and `death` in 1/day, `mutation` the probability that a division makes one (u times positions). Mutants
    have the tumour's rates unless `mutant_birth` or `mutant_death` say otherwise (a fitness cost). `individually` as
    in `descendants`: np.inf draws every lineage by itself. Raises ValueError as `tumour_age` and `descendants` do.
    """
    m, b, d, u = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (size, birth, death, mutation)))
    age = tumour_age(m, b, d)
    own_birth = b if mutant_birth is None else mutant_birth
    own_death = d if mutant_death is None else mutant_death
    return descendants(b * u * m, b - d, age, own_birth, own_death, rng=rng, individually=individually)


def clones_at_detection(
    size: ArrayLike, birth: ArrayLike, death: ArrayLike, mutation: ArrayLike, *, rng: np.random.Generator
) -> Cells:
    """Cells of each type (..., type) in tumours of `size` (...) cells that grew from one cell of type 0.

    `birth` and `death` (..., type) in 1/day, `mutation` (..., type, type) as in `step`; for two drugs see
    `two_drug_mutation`. Mutants of type 0 and theirs, to any depth; type 0 has what is left of `size`, at least 0.
    Raises ValueError as `tumour_age` and `step` do, and for mutation back to type 0.
    """
    b, d, u = (np.asarray(x, dtype=float) for x in (birth, death, mutation))
    types = u.shape[-1]
    lead = np.broadcast_shapes(np.shape(size), b.shape[:-1], d.shape[:-1], u.shape[:-2])
    rates = checked_rates(b, d, u, lead, types)
    if rates.mutation[:, :, 0].any():
        raise ValueError(
            "mutation back to the type that founds the tumour is not followed: column 0 must be 0"
        )
    cells = np.broadcast_to(np.asarray(size, dtype=float), lead).ravel()
    growth = np.broadcast_to((rates.birth - rates.death)[:, 0], cells.shape)
    age = np.broadcast_to(tumour_age(cells, rates.birth[:, 0], rates.death[:, 0]), cells.shape)
    pieces = pieces_of(rates, age)
    days = age / pieces
    clones = np.zeros((cells.size, types), dtype=np.int64)
    for left in range(pieces - 1, -1, -1):
        present = np.flatnonzero(clones.any(axis=-1))
        if present.size:
            clones[present] = one_step(clones[present], rates.take(present), days[present], LARGE, rng)
        clones += sent_mutants(cells * np.exp(-growth * days * left), growth, 0, rates, days, rng)
    clones[:, 0] = np.maximum(np.rint(cells).astype(np.int64) - clones.sum(axis=-1), 0)
    return clones.reshape(*lead, types)
