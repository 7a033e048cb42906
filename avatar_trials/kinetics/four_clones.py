"""The linear model of dynamic precision medicine: clones by the drugs they resist, fed by transitions at division.

    dX/dt = [(I + T) diag(g) - diag(S d)] X, the column of a clone of less than one cell struck out:

such a clone neither grows, dies nor feeds others, and can be fed. T[to, from] is the number of cells of another clone
that a division makes, g (1/day) the growth of each clone, S (1/day) the kill of each clone by each drug at full dose, d
dose fractions. Two drugs make four clones: S, R1, R2, R12.

Source: Beckman, Schemmann & Yeang 2012, Proc. Natl. Acad. Sci. USA 109:14586; Yeang & Beckman 2016, Biol. Direct 11:56.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.kinetics.propagator import Matrix

Floats = NDArray[np.float64]

CLONES = ("S", "R1", "R2", "R12")


@dataclass(frozen=True)
class LinearClones:
    """growth (clone, ...) in 1/day; transitions (clone to, clone from, ...) a division; sensitivity (clone, drug, ...)
    in 1/day. Trailing dims are patients."""

    growth: Floats
    transitions: Floats
    sensitivity: Floats

    def rates(self, doses: ArrayLike) -> Matrix:
        """Entries {(to, from): 1/day} under doses (..., drug), one for all patients or one row a patient."""
        given = np.moveaxis(np.asarray(doses, dtype=float), -1, 0)
        if given.shape[0] != self.sensitivity.shape[1]:
            raise ValueError(
                f"doses have one number for each of {self.sensitivity.shape[1]} drugs, got {given.shape}"
            )
        entries: dict[tuple[int, int], Floats] = {}
        for i, growth in enumerate(self.growth):
            killed = sum(row * dose for row, dose in zip(self.sensitivity[i], given, strict=True))
            entries[i, i] = growth * (1.0 + self.transitions[i, i]) - killed
            for to in range(len(self.growth)):
                if to != i and np.any(self.transitions[to, i]):
                    entries[to, i] = self.transitions[to, i] * growth
        return entries


def two_drug_transitions(to_first: ArrayLike, to_second: ArrayLike) -> Floats:
    """Transitions (4, 4, ...) between S, R1, R2, R12: resistance to drug 1 and to drug 2, one at a time, for good."""
    first, second = np.broadcast_arrays(np.asarray(to_first, dtype=float), np.asarray(to_second, dtype=float))
    matrix = np.zeros((4, 4, *first.shape))
    matrix[1, 0] = matrix[3, 2] = first
    matrix[2, 0] = matrix[3, 1] = second
    return matrix
