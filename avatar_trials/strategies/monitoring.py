"""What laboratories see of a tumour beside its size: molecules in plasma, mutations in plasma and in biopsies.

Chance comes in as uniform deviates, so that strategies on one avatar share the laboratory's luck.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from avatar_trials.strategies.history import FOUND, NOT_FOUND, Found
from avatar_trials.strategy_designs import BiopsySpec, PlasmaSpec

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_LARGEST_MEAN = 1e12


def poisson_quantile(uniform: ArrayLike, mean: ArrayLike) -> Floats:
    """Smallest whole k with P(Poisson(mean) <= k) >= uniform, exact; `uniform` in [0, 1), broadcast.

    Starts at the Cornish-Fisher approximation (Fisher & Cornish 1960, Technometrics 2:209) and steps to the answer.
    Means above 1e12, of which no count is needed to the molecule, are held there. ValueError for a negative mean.
    """
    u, given = np.broadcast_arrays(np.asarray(uniform, dtype=float), np.asarray(mean, dtype=float))
    if not (given >= 0.0).all():
        raise ValueError("the mean of a count is a number, 0 or more")
    shape = u.shape
    # One ulp below 1 stands for the counts that no uniform deviate tells apart.
    chance, expected = np.minimum(u.ravel(), 1.0 - 1e-16), np.minimum(given.ravel(), _LARGEST_MEAN)
    z = special.ndtri(np.maximum(chance, 1e-300))
    k = np.maximum(np.ceil(expected + z * np.sqrt(expected) + (z**2 - 1.0) / 6.0 - 0.5), 0.0)
    moving = np.flatnonzero(expected < _LARGEST_MEAN)
    while moving.size:
        low = special.pdtr(k[moving], expected[moving]) < chance[moving]
        high = ~low & (k[moving] > 0.0)
        high[high] = special.pdtr(k[moving][high] - 1.0, expected[moving][high]) >= chance[moving][high]
        k[moving] += np.where(low, 1.0, np.where(high, -1.0, 0.0))
        moving = moving[low | high]
    return k.reshape(shape)


def molecules_expected(cells: ArrayLike, spec: PlasmaSpec) -> Floats:
    """Tumour molecules expected in a plasma sample of tumours of `cells`: those shed and not yet cleared, sampled.

    cells x deaths/day x share of its genomes that a dying cell sheds / clearance x sampled share of the plasma.
    Source: Avanzini et al. 2020, Sci. Adv. 6:eabc4308 (0.014 % of a cell's DNA a death, half-life 30 minutes).
    """
    shed = spec.deaths_per_cell_day * spec.shed_per_death / spec.cleared_per_day
    return np.asarray(cells, dtype=float) * shed * spec.sampled_share


def plasma_sample(
    cells: Floats, traceable: Flags, spec: PlasmaSpec, of_molecules: Floats, of_assay: Floats
) -> tuple[Floats, Found]:
    """Tumour molecules counted (mouse,) and clones found (clone, mouse) in a sample, for clones of `cells`.

    `traceable` (clone,): whether a clone has a mutation of its own to find; the sensitive one's molecules only add
    to the count. Uniform deviates `of_molecules` and `of_assay` (clone, mouse).
    """
    counted = poisson_quantile(of_molecules, molecules_expected(cells, spec))
    total = counted.sum(axis=0)
    share = counted / np.maximum(total + spec.background_molecules, 1.0)
    there = (counted >= spec.least_molecules) & (share >= spec.least_share) & traceable[:, None]
    return total, assayed(there, spec.sensitivity, spec.specificity, of_assay, traceable)


def miss_probability(presence: ArrayLike, regions: ArrayLike) -> Floats:
    """Chance that `regions` biopsies all miss a clone that is present in a share `presence` of regions, (1 - phi)^m."""
    return np.asarray((1.0 - np.asarray(presence, dtype=float)) ** np.asarray(regions, dtype=float))


def biopsy_sample(
    cells: Floats, traceable: Flags, presence: Floats, spec: BiopsySpec, of_place: Floats, of_assay: Floats
) -> Found:
    """Clones found (clone, mouse) in biopsies of clones of `cells`; `presence` (clone,) by region, uniform deviates
    `of_place` and `of_assay` (clone, mouse). A clone below the assay's share of the tumour is not seen anywhere."""
    total = cells.sum(axis=0)
    share = np.divide(cells, total, out=np.zeros_like(cells), where=total > 0)
    sampled = of_place >= miss_probability(presence, spec.regions)[:, None]
    there = sampled & (cells >= 1.0) & (share >= spec.least_share) & traceable[:, None]
    return assayed(there, spec.sensitivity, spec.specificity, of_assay, traceable)


def assayed(
    there: NDArray[np.bool_],
    sensitivity: float,
    specificity: float,
    uniform: Floats,
    traceable: Flags | bool = True,
) -> Found:
    """What an assay of a sensitivity and specificity says of what is `there` in the sample, by uniform deviates."""
    chance = np.where(there, sensitivity, 1.0 - specificity)
    looked_for = np.asarray(traceable)[..., None]
    return np.where((uniform < chance) & looked_for, FOUND, NOT_FOUND).astype(np.int8)
