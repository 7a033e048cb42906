"""The strategies themselves: values that turn a history into dose fractions, and keep nothing else in mind.

Doses are by drug name. `otherwise` and the like are what is given in the state a rule is not in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from avatar_trials.strategies.history import FOUND, Flags, Floats, History, doses_of

Doses = Mapping[str, float]


@dataclass(frozen=True)
class Constant:
    """The same doses at every visit: one drug, or several from the start, at any dose intensity."""

    doses: Doses

    def __call__(self, history: History) -> Floats:
        return _everyone(self.doses, history)


@dataclass(frozen=True)
class Sequential:
    """Line after line: the next doses at each observed progression. Combination after progression is one of these."""

    lines: tuple[Doses, ...]

    def __call__(self, history: History) -> Floats:
        rows = np.stack([doses_of(line, history.drugs) for line in self.lines])
        return rows[np.minimum(history.line, len(self.lines)) - 1].T


@dataclass(frozen=True)
class Intermittent:
    """On and off by the calendar, `on_days` and `off_days` in turn from day 0; changes at visits."""

    doses: Doses
    on_days: float
    off_days: float

    def __call__(self, history: History) -> Floats:
        on = history.now % (self.on_days + self.off_days) < self.on_days
        return _everyone(self.doses if on else {}, history)


@dataclass(frozen=True)
class Adaptive:
    """Off once the tumour is at `stop_at` of its baseline or below, on again at `restart_at` (Zhang 2022: 0.5, 1)."""

    doses: Doses
    stop_at: float = 0.5
    restart_at: float = 1.0

    def __call__(self, history: History) -> Floats:
        relative = history.relative_volume
        on = np.ones(history.n_mice, dtype=bool)
        if len(history.prescribed):
            was_on = (history.prescribed[-1] > 0).any(axis=0)
            on = np.where(was_on, relative > self.stop_at, relative >= self.restart_at)
        return _choose(on, self.doses, {}, history)


@dataclass(frozen=True)
class AddAtResidualDisease:
    """A second drug is added, for good, once volume or plasma falls below a limit.

    `below_mm3`: of the caliper's reading; `below_molecules`: of tumour molecules in a plasma sample.
    `at_progression`: it is added at observed progression too, where neither came first.
    """

    first: Doses
    then: Doses
    below_mm3: float | None = None
    below_molecules: float | None = None
    at_progression: bool = False

    def __call__(self, history: History) -> Floats:
        low = np.zeros(history.volume_mm3.shape, dtype=bool)
        if self.below_mm3 is not None:
            low |= history.volume_mm3 < self.below_mm3
        if self.below_molecules is not None:
            low |= history.molecules < self.below_molecules  # NaN, no sample, is not below
        added = low[1:].any(axis=0)
        if self.at_progression:
            added |= history.line > 1
        return _choose(added, self.then, self.first, history)


@dataclass(frozen=True)
class AnswerMutation:
    """Another treatment, for good, once an assay finds a clone: the first of `answers` whose clone was ever found.

    `otherwise`: given on the second line where progression came and nothing was found.
    """

    first: Doses
    answers: Mapping[str, Doses]
    assay: str = "plasma"
    otherwise: Doses | None = None

    def __call__(self, history: History) -> Floats:
        found = history.plasma if self.assay == "plasma" else history.biopsy
        doses = _everyone(self.first, history)
        if self.otherwise is not None:
            doses = _overwrite(doses, history.line > 1, self.otherwise, history)
        for clone in reversed(list(self.answers)):
            seen = (found[:, history.clones.index(clone)] == FOUND).any(axis=0)
            doses = _overwrite(doses, seen, self.answers[clone], history)
        return doses


@dataclass(frozen=True)
class Rechallenge:
    """The same doses again after a holiday of `holiday_days` from the first observed progression on.

    `between`: what is given in the holiday, nothing unless told.
    """

    doses: Doses
    holiday_days: float
    between: Doses

    def __call__(self, history: History) -> Floats:
        resting = (history.line == 2) & (history.now - history.line_day < self.holiday_days)
        return _choose(resting, self.between, self.doses, history)


@dataclass(frozen=True)
class DeEscalate:
    """Upfront doses, then fewer for good: from `after_days` on, or once the tumour is at `at_relative` of its
    baseline."""

    first: Doses
    then: Doses
    after_days: float | None = None
    at_relative: float | None = None

    def __call__(self, history: History) -> Floats:
        less = np.zeros(history.n_mice, dtype=bool)
        if self.after_days is not None:
            less |= history.now >= self.after_days
        if self.at_relative is not None:
            baseline = np.where(history.volume_mm3[0] > 0, history.volume_mm3[0], np.nan)
            less |= (history.volume_mm3[1:] <= self.at_relative * baseline).any(axis=0)
        return _choose(less, self.then, self.first, history)


def _everyone(doses: Doses, history: History) -> Floats:
    return np.repeat(doses_of(doses, history.drugs)[:, None], history.n_mice, axis=1)


def _choose(where: Flags, doses: Doses, others: Doses, history: History) -> Floats:
    return _overwrite(_everyone(others, history), where, doses, history)


def _overwrite(doses: Floats, where: Flags, by: Doses, history: History) -> Floats:
    return np.where(where, doses_of(by, history.drugs)[:, None], doses)
