"""Tumours that strategies are tried on: how they start, how fast their states turn over under a dose, how they grow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from avatar_trials.kinetics import tumour as kinetics
from avatar_trials.kinetics.propagator import Matrix, apply, propagator

Floats = NDArray[np.float64]

LEAST_CELLS = 1.0
DISTINCT_DOSES = 16
KEPT = 64


class Marching(Protocol):
    """What takes tumours from visit to visit."""

    def advance(self, cells: Floats, doses: Floats, days: float) -> Floats:
        """Cells (state, mouse) after `days` under doses (drug, mouse)."""
        ...


class Tumours(Protocol):
    """Tumours of mice (mouse,): states of cells, and how they march.

    `clone_of` (state,): place of each state's clone among `clones`. `deceleration` (mouse,): of growth above the
    size at day 0, as in `kinetics.clones.size_from_growth`.
    """

    @property
    def drugs(self) -> tuple[str, ...]: ...
    @property
    def clones(self) -> tuple[str, ...]: ...
    @property
    def clone_of(self) -> NDArray[np.intp]: ...
    @property
    def cells_per_mm3(self) -> float: ...
    @property
    def deceleration(self) -> Floats: ...
    def start(self) -> Floats:
        """Cells (state, mouse) at day 0."""
        ...

    def marching(self, longest_step: float | None) -> Marching: ...


class OneStateAClone:
    """What tumours have in common whose states are their clones and whose growth does not decelerate."""

    cells: NDArray[np.int64] | Floats
    clones: tuple[str, ...]

    @property
    def clone_of(self) -> NDArray[np.intp]:
        """Place (state,) of each state's clone."""
        return np.arange(len(self.clones))

    @property
    def deceleration(self) -> Floats:
        """None, for each mouse (mouse,)."""
        return np.zeros(self.cells.shape[1])

    def start(self) -> Floats:
        """Cells (state, mouse) at day 0."""
        return self.cells.astype(float)


class RatedTumours(Tumours, Protocol):
    """Tumours whose states turn over at rates."""

    def rates(self, doses: Floats) -> Matrix: ...


@dataclass(frozen=True)
class ClonalTumours:
    """Tumours of `kinetics.tumour`: arrays of `tumour` are over mice, start_mm3 and deceleration (mouse,)."""

    tumour: kinetics.Tumour
    drugs: tuple[str, ...]
    start_mm3: Floats
    deceleration: Floats
    cells_per_mm3: float

    @property
    def clones(self) -> tuple[str, ...]:
        return tuple(clone.name for clone in self.tumour.clones)

    @property
    def clone_of(self) -> NDArray[np.intp]:
        n = len(self.tumour.clones)
        return np.repeat(np.arange(n), len(kinetics.state_names(self.tumour)) // n)

    def start(self) -> Floats:
        cells = self.start_mm3 * self.cells_per_mm3
        return np.stack(
            [np.broadcast_to(share * cells, cells.shape) for share in kinetics.start(self.tumour)]
        )

    def rates(self, doses: Floats) -> Matrix:
        return kinetics.rates(self.tumour, doses)

    def marching(self, longest_step: float | None) -> Marching:
        return March(self, longest_step)


@dataclass
class March:
    """Tumours on their way; a clone's state of less than one cell neither grows, dies nor mutates, and can be fed.

    Mice under the same doses share one propagator, kept while it is of use. `longest_step`: days after which the one
    cell is looked for again within a step; none looks at visits alone.
    """

    tumours: RatedTumours
    longest_step: float | None = None
    known: dict[tuple[bytes, float], dict[tuple[int, int], Floats]] = field(default_factory=dict)

    def advance(self, cells: Floats, doses: Floats, days: float) -> Floats:
        """Cells (state, mouse) after `days` under doses (drug, mouse)."""
        pieces = 1 if self.longest_step is None else max(1, int(np.ceil(days / self.longest_step - 1e-9)))
        step = days / pieces
        groups = list(self._groups(doses, len(cells), step))
        for _ in range(pieces):
            # Read before written: a fresh array each step.
            after = np.empty_like(cells)
            for mice, matrix in groups:
                here = cells[:, mice]
                alive = np.where(here >= LEAST_CELLS, here, 0.0)
                after[:, mice] = np.stack(apply(matrix, list(alive))) + (here - alive)
            cells = after
        return cells

    def _groups(
        self, doses: Floats, n_states: int, step: float
    ) -> Sequence[tuple[NDArray[np.intp] | slice, dict[tuple[int, int], Floats]]]:
        """Mice that get the same doses, and their propagator over a step."""
        kinds, of_mouse = np.unique(doses.T, axis=0, return_inverse=True)
        if len(kinds) > DISTINCT_DOSES:
            own = propagator(self.tumours.rates(np.ascontiguousarray(doses.T)), n_states, step)
            return [(slice(None), own)]
        groups = []
        for kind, dose in enumerate(kinds):
            key = (dose.tobytes(), round(step, 9))
            if key not in self.known:
                if len(self.known) >= KEPT:
                    self.known.pop(next(iter(self.known)))
                whole = propagator(self.tumours.rates(dose), n_states, step)
                shape = (doses.shape[1],)
                self.known[key] = {place: np.broadcast_to(entry, shape) for place, entry in whole.items()}
            if len(kinds) == 1:
                return [(slice(None), self.known[key])]
            mice = np.flatnonzero(of_mouse.ravel() == kind)
            groups.append((mice, {place: entry[mice] for place, entry in self.known[key].items()}))
        return groups


def by_clone(cells: Floats, clone_of: NDArray[np.intp], n_clones: int) -> Floats:
    """Cells (clone, mouse) of states (state, mouse)."""
    return np.stack([cells[clone_of == clone].sum(axis=0) for clone in range(n_clones)])
