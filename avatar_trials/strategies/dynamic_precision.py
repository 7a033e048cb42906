"""Rules of current and of dynamic precision medicine, as comparators: both look at every clone by a perfect assay.

The current rule is reactive: the drug for the clone that predominates, the other one once the tumour is seen to grow.
The dynamic rules look one period ahead in a model of the patient that they were given, and choose among doses.

Source: Beckman, Schemmann & Yeang 2012, Proc. Natl. Acad. Sci. USA 109:14586, strategies 0 to 3; Yeang & Beckman 2016,
Biol. Direct 11:56. The published rules know the true parameters of each patient, which no clinic does.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avatar_trials.kinetics.four_clones import CLONES, LinearClones
from avatar_trials.strategies.history import Floats, History
from avatar_trials.strategies.tumours import March, Marching, OneStateAClone

DETECTED, FATAL = 1e9, 1e13
OPTIONS = ((1.0, 0.0), (0.5, 0.5), (0.0, 1.0))
Variant = Literal["least_total", "least_doubly_resistant", "no_first_doubly_resistant"]


@dataclass(frozen=True)
class LinearTumours(OneStateAClone):
    """Patients of the linear model: cells (clone, patient) at the start, and their rates."""

    model: LinearClones
    cells: Floats
    drugs: tuple[str, ...] = ("drug 1", "drug 2")
    clones: tuple[str, ...] = CLONES
    cells_per_mm3: float = 1e6

    def rates(self, doses: Floats) -> dict[tuple[int, int], Floats]:
        return dict(self.model.rates(doses))

    def marching(self, longest_step: float | None) -> Marching:
        return March(self, longest_step)


@dataclass(frozen=True)
class CurrentPrecision:
    """The drug that kills the predominant clone best, and then the other drugs together, once, at relapse.

    Relapse: at least twice the nadir and `detected` cells, or `detected` again after having been below, looked for
    every `period_days` whatever other visits there are. `sensitivity` (clone, drug, patient) or (clone, drug, 1).
    """

    sensitivity: Floats
    period_days: float = 45.0
    detected: float = DETECTED

    def __call__(self, history: History) -> Floats:
        first, switched = self.switches(history)
        chosen = np.arange(self.sensitivity.shape[1])[:, None] == first
        return np.where(switched, ~chosen, chosen).astype(float)

    def switches(self, history: History) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """First drug (patient,) and whether the other ones have taken its place by now."""
        known = self.sensitivity
        best = np.broadcast_to(known.argmax(axis=1), (known.shape[0], known.shape[2]))
        best = (
            best[:, history.mouse]
            if known.shape[2] > 1
            else np.broadcast_to(best, (len(best), history.n_mice))
        )
        predominant = history.census[0].argmax(axis=0)
        first = np.take_along_axis(best, predominant[None], axis=0)[0]
        totals = history.census[_on_period(history.days, self.period_days)].sum(axis=1)
        nadir, switched = totals[0].copy(), np.zeros(history.n_mice, dtype=bool)
        for before, now in itertools.pairwise(totals):
            relapse = ((now >= 2.0 * nadir) & (now >= self.detected)) | (
                (before < self.detected) & (now >= self.detected)
            )
            turned = relapse & ~switched
            switched = switched | turned
            nadir = np.where(turned | ((now >= self.detected) & (now < nadir)), now, nadir)
        return first, switched


@dataclass(frozen=True)
class DynamicPrecision:
    """Doses that are best after one more period, by a model of each patient (or of one typical patient for all).

    least_total: fewest cells. least_doubly_resistant: fewest cells that resist everything, among equals fewest cells,
    unless there are more than `threshold` cells now: then fewest cells. no_first_doubly_resistant: fewest cells, unless
    that lets a first cell that resists everything and cannot be cured arise: then fewest of those. Doses that kill the
    patient within the period are out where others do not; where all do, the ones survived longest. `longest_step`: days
    after which the model looks again for clones of less than one cell.
    """

    model: LinearClones
    period_days: float = 45.0
    variant: Variant = "least_doubly_resistant"
    threshold: float = 1e11
    options: tuple[tuple[float, ...], ...] = OPTIONS
    fatal: float = FATAL
    longest_step: float = 0.25

    def __call__(self, history: History) -> Floats:
        if not _on_period(history.days, self.period_days)[-1]:
            return history.prescribed[-1]
        now = history.census[-1]
        told = ~np.isnan(now[0])
        now = np.where(told, now, 0.0)
        ends, lived = zip(*(self._foreseen(now, option, history) for option in self.options), strict=True)
        totals = np.stack([end.sum(axis=0) for end in ends])
        doubly, survived = np.stack([end[-1] for end in ends]), np.stack(lived)
        fatal = totals >= self.fatal
        dies = fatal.all(axis=0)
        totals, doubly = (np.where(fatal & ~dies, np.inf, values) for values in (totals, doubly))
        fewest, safest = totals.argmin(axis=0), _lexicographic(doubly, totals)
        if self.variant == "least_total":
            chosen = fewest
        elif self.variant == "least_doubly_resistant":
            chosen = np.where(now.sum(axis=0) <= self.threshold, safest, fewest)
        else:
            arises = (now[-1] < 1.0) & (np.take_along_axis(doubly, fewest[None], axis=0)[0] >= 1.0)
            chosen = np.where(arises & ~self._curable(history), safest, fewest)
        chosen = np.where(dies, survived.argmax(axis=0), chosen)
        return np.asarray(self.options).T[:, chosen]

    def _model_of(self, history: History) -> LinearClones:
        parts = (self.model.growth, self.model.transitions, self.model.sensitivity)
        mice = history.mouse if self.model.growth.shape[-1] > 1 else np.zeros(history.n_mice, dtype=int)
        growth, transitions, sensitivity = (part[..., mice] for part in parts)
        return LinearClones(growth, transitions, sensitivity)

    def _curable(self, history: History) -> NDArray[np.bool_]:
        model = self._model_of(history)
        curable: NDArray[np.bool_] = (model.sensitivity[-1] >= model.growth[-1]).any(axis=0)
        return curable

    def _foreseen(self, cells: Floats, option: tuple[float, ...], history: History) -> tuple[Floats, Floats]:
        """Cells (clone, patient) after the period under an option, and days survived in it."""
        march = March(LinearTumours(self._model_of(history), cells), self.longest_step)
        doses = np.repeat(np.asarray(option)[:, None], cells.shape[1], axis=1)
        days = max(1, round(self.period_days))
        lived = np.zeros(cells.shape[1])
        alive = np.ones(cells.shape[1], dtype=bool)
        for _ in range(days):
            cells = np.where(alive, march.advance(cells, doses, self.period_days / days), cells)
            alive &= cells.sum(axis=0) < self.fatal
            lived += alive
        return cells, lived


def _on_period(days: Floats, period: float) -> NDArray[np.bool_]:
    """Which of `days` (visit,) are the first at or after a whole number of periods."""
    return np.diff(np.floor(days / period + 1e-9), prepend=-1.0) > 0


def _lexicographic(first: Floats, then: Floats) -> NDArray[np.intp]:
    """Place (patient,) of the least `first` (option, patient), among equals of the least `then`."""
    least = first == first.min(axis=0)
    return np.where(least, then, np.inf).argmin(axis=0)
