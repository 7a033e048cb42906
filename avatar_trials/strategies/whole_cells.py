"""Tumours of whole cells that divide, die and mutate by chance: strategies scored by cure.

Drugs add to the death of the clones they reach. The chance of all patients comes from one stream, so patients of one
panel are drawn together: another panel size is another draw.

Source: the process of `kinetics.mutants` (Bozic et al. 2013, eLife 2:e00747).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.kinetics import mutants
from avatar_trials.seeds import stream
from avatar_trials.strategies.tumours import Marching, OneStateAClone

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WholeCells(OneStateAClone):
    """Patients: cells (clone, patient) at the start; birth and death (clone,) in 1/day without drug; killed (clone,
    drug): death that a full dose adds; mutation (clone from, clone to) a division; the seed of their chance."""

    cells: NDArray[np.int64]
    birth: Floats
    death: Floats
    killed: Floats
    mutation: Floats
    seed: int
    drugs: tuple[str, ...]
    clones: tuple[str, ...]
    cells_per_mm3: float = 1e6

    def marching(self, longest_step: float | None) -> Marching:
        return CellMarch(self, stream(self.seed, "fate of the clones"))


@dataclass
class CellMarch:
    """Whole cells on their way, mice of the same doses together. Only drugs that a clone's strongest one outdoes do
    nothing: the death that drugs add is the largest of theirs, as in the published model of two drugs."""

    tumours: WholeCells
    rng: np.random.Generator

    def advance(self, cells: Floats, doses: Floats, days: float) -> Floats:
        """Cells (clone, patient) after `days` under doses (drug, patient)."""
        own = self.tumours
        added = (own.killed[:, :, None] * doses[None]).max(axis=1)
        death = own.death[:, None] + added
        after = mutants.step(
            np.rint(cells.T).astype(np.int64), own.birth, death.T, own.mutation, days, rng=self.rng
        )
        return after.T.astype(float)
