"""Mice under a strategy, marched from visit to visit: looked at, dosed by what was seen, grown, until they leave.

The tumour grows by the exact propagator of the present doses. A strategy is given a `History` and nothing else. All
chance is in the `Fates` of the mice, so strategies tried on the same fates are paired.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.emulate.trial import removal_probability
from avatar_trials.kinetics import caliper, wander
from avatar_trials.kinetics.clones import size_from_growth
from avatar_trials.strategies.fates import Fates
from avatar_trials.strategies.history import Counts, Flags, Floats, History, Strategy, checked_doses
from avatar_trials.strategies.monitoring import biopsy_sample, plasma_sample
from avatar_trials.strategies.progression_watch import Watch
from avatar_trials.strategies.records import Records
from avatar_trials.strategies.toxicity import Tolerance
from avatar_trials.strategies.tumours import LEAST_CELLS, Tumours, by_clone
from avatar_trials.strategy_designs import Monitoring, Scoring, StrategyStopping, ToxicitySpec

STUDY_END, SIZE, BODY_WEIGHT, REMOVED = 0, 1, 2, 3
REASONS = ("study_end", "size", "body_weight", "removed")


@dataclass(frozen=True)
class Plan:
    """How mice are followed: days (visit,) from 0, monitoring, rules. `longest_step` as in `tumours.March`."""

    days: Floats
    monitoring: Monitoring
    scoring: Scoring
    stopping: StrategyStopping
    toxicity: ToxicitySpec | None = None
    longest_step: float | None = None


@dataclass(frozen=True)
class Followed:
    """What became of mice under one strategy.

    progression_day (line, mouse): observed, NaN where not; lines_planned (mouse,): lines the strategy turned out to
    have; left_day, left_reason (mouse,). drug_days (drug, mouse):
    sum of dose fractions times days. nadir_cells (mouse,): the true least number of cells at a visit; eradicated
    (mouse,): no clone of one cell or more is left at the end. first_clones, last_clones (clone, mouse): shares of
    cells at the first progression (NaN without one), and at the end. driver (mouse,): place of the clone that gained
    most cells between the visit before the first progression and that one, -1 without one. clone_shares (visit, clone,
    mouse): shares of cells at each visit, NaN below one cell and after the mouse left, single precision.
    least_weight_pct (mouse,), days_held (mouse,).
    volume_mm3 (visit, mouse): readings, NaN after the mouse left. doses (visit - 1, drug, mouse): given.
    """

    progression_day: Floats
    lines_planned: Counts
    left_day: Floats
    left_reason: Counts
    drug_days: Floats
    nadir_cells: Floats
    eradicated: Flags
    first_clones: Floats
    last_clones: Floats
    driver: Counts
    clone_shares: NDArray[np.float32]
    least_weight_pct: Floats
    days_held: Floats
    volume_mm3: Floats
    doses: Floats


def follow(
    strategy: Strategy, tumours: Tumours, plan: Plan, fates: Fates, mouse: Counts | None = None
) -> Followed:
    """Mice (mouse,) under a strategy. `mouse`: their places in the panel, 0, 1, … unless told.

    Raises ValueError where the strategy breaks its contract.
    """
    mice = _Mice(strategy, tumours, plan, fates, mouse)
    for visit in range(len(plan.days)):
        mice.look(visit)
        if visit == len(plan.days) - 1 or not mice.still_in.any():
            break
        mice.treat(visit)
    return mice.followed()


class _Mice:
    """The march's state; strategies see only what `Records.history` takes out of it."""

    def __init__(
        self, strategy: Strategy, tumours: Tumours, plan: Plan, fates: Fates, mouse: Counts | None
    ) -> None:
        self.strategy, self.tumours, self.plan, self.fates = strategy, tumours, plan, fates
        self.march = tumours.marching(plan.longest_step)
        self.cells = tumours.start()
        self.clone_of = tumours.clone_of
        n = self.cells.shape[1]
        spec = plan.monitoring.caliper
        self.records = Records.empty(
            *(plan.days, tumours.drugs, tumours.clones, np.arange(n) if mouse is None else mouse),
            detection_limit_mm3=spec.detection_limit_mm3,
            census=plan.monitoring.census,
        )
        self.shown = self.cells.sum(axis=0)
        self.log_start = np.log(self.shown / tumours.cells_per_mm3)
        self.foreseen = wander.Foreseen(np.zeros(n), np.zeros(n))
        self.watch: Watch | None = None
        self.tolerance = None if plan.toxicity is None else Tolerance.at_start(fates.frailty, plan.toxicity)
        self.still_in = np.ones(n, dtype=bool)
        self.left_day, self.left_reason = np.zeros(n), np.zeros(n, dtype=np.int64)
        self.drug_days = np.zeros((len(tumours.drugs), n))
        self.nadir, self.least_weight = np.full(n, np.inf), np.zeros(n)
        self.first_clones = np.full((len(tumours.clones), n), np.nan)
        self.clone_shares = np.full((len(plan.days), len(tumours.clones), n), np.nan, dtype=np.float32)
        self.driver, self.before = np.full(n, -1, dtype=np.int64), np.zeros((len(tumours.clones), n))
        # The sensitive clone has no mutation of its own to be found by.
        self.traceable = np.arange(len(tumours.clones)) > 0
        biopsy = plan.monitoring.biopsy
        presence = biopsy.presence if biopsy is not None else {}
        self.presence = np.array([presence.get(clone, 1.0) for clone in tumours.clones])
        self.next_plasma = 0.0

    def look(self, visit: int) -> None:
        """A visit: caliper, scales, samples; progression; who leaves."""
        day, records = float(self.plan.days[visit]), self.records
        clones = self._clones()
        self.nadir = np.where(self.still_in, np.minimum(self.nadir, clones.sum(axis=0)), self.nadir)
        shares = _shares(clones)
        self.clone_shares[visit] = np.where(self.still_in, shares, np.nan)
        volume = self._read(visit)
        records.volume[visit] = np.where(self.still_in, volume, np.nan)
        if self.tolerance is not None and self.plan.toxicity is not None:
            self.tolerance = self.tolerance.weighed(self.plan.toxicity)
            records.weight[visit] = np.where(self.still_in, -self.tolerance.loss_pct, np.nan)
            self.least_weight = np.fmin(self.least_weight, records.weight[visit])
        if self.plan.monitoring.census:
            records.census[visit] = np.where(self.still_in, clones, np.nan)
        progressed = np.zeros(len(volume), dtype=bool)
        if self.watch is None:
            self.watch = Watch.at_baseline(volume, self.plan.scoring, self.strategy.lines)
        else:
            progressed = self.watch.see(day, volume, self.still_in)
        self._sample(visit, clones, progressed)
        self._leave(visit, volume, progressed)
        first = np.isnan(self.first_clones[0]) & ~np.isnan(self.watch.ended[0])
        self.first_clones[:, first] = shares[:, first]
        self.driver[first] = (clones - self.before)[:, first].argmax(axis=0)
        self.before = clones

    def treat(self, visit: int) -> None:
        """Doses by the strategy, let through by toxicity, and growth until the next visit."""
        watch, gap = self.watch, float(self.plan.days[visit + 1] - self.plan.days[visit])
        assert watch is not None
        history: History = self.records.history(visit, watch)
        asked = checked_doses(self.strategy.decide(history), history, self.strategy.name) * self.still_in
        if visit:
            new = watch.line_day == self.plan.days[visit]
            watch.exhausted(
                new & (watch.line > 1) & (asked == self.records.prescribed[visit - 1]).all(axis=0)
            )
        given = asked
        if self.tolerance is not None and self.plan.toxicity is not None:
            given = self.tolerance.let_through(asked, self.plan.toxicity)
            self.tolerance = self.tolerance.after(given, gap, self.plan.toxicity, self.still_in)
        self.records.prescribed[visit], self.records.given[visit] = asked, given
        watch.dosed(given, self.records.volume[visit])
        self.drug_days += given * gap
        grown = self.march.advance(self.cells, given, gap)
        self.cells = np.where(self.still_in, grown, self.cells)

    def followed(self) -> Followed:
        """Everything, once the march is over."""
        assert self.watch is not None
        clones = self._clones()
        n = len(self.still_in)
        return Followed(
            progression_day=self.watch.ended,
            lines_planned=self.watch.planned,
            left_day=self.left_day,
            left_reason=self.left_reason,
            drug_days=self.drug_days,
            nadir_cells=self.nadir,
            eradicated=(self.cells < LEAST_CELLS).all(axis=0),
            first_clones=self.first_clones,
            last_clones=_shares(clones),
            driver=self.driver,
            clone_shares=self.clone_shares,
            least_weight_pct=self.least_weight,
            days_held=np.zeros(n) if self.tolerance is None else self.tolerance.days_held,
            volume_mm3=self.records.volume,
            doses=self.records.given,
        )

    def _clones(self) -> Floats:
        """Cells of each clone (clone, mouse), fewer than the clones' rates make of them where growth decelerates."""
        clones = by_clone(self.cells, self.clone_of, len(self.tumours.clones))
        if not self.tumours.deceleration.any():
            return clones
        total = clones.sum(axis=0)
        return (
            clones
            * np.divide(np.exp(self._size()), total, out=np.ones_like(total), where=total > 0)
            * (self.tumours.cells_per_mm3)
        )

    def _size(self) -> Floats:
        """Log volume (mouse,) in mm3."""
        with np.errstate(divide="ignore"):
            grown = np.log(self.cells.sum(axis=0) / self.shown)
        return self.log_start + size_from_growth(grown, self.tumours.deceleration)

    def _read(self, visit: int) -> Floats:
        spec, days = self.plan.monitoring.caliper, self.plan.days
        size = np.maximum(self._size(), -50.0)
        own = caliper.log_variance(np.exp(size), spec.delta_mm, spec.sigma_p, spec.diameter_floor_mm3)
        gap = float(days[visit] - days[visit - 1]) if visit else 0.0
        walked = np.full(len(size), wander.variance(gap, spec.wander**2))
        limit = float(np.log(spec.detection_limit_mm3))
        value, self.foreseen = wander.reading(
            self.foreseen, walked, size, own, self.fates.surprises[visit], limit
        )
        return np.where(value < limit, 0.0, np.exp(np.minimum(value, 700.0)))

    def _sample(self, visit: int, clones: Floats, progressed: Flags) -> None:
        plan, records, day = self.plan.monitoring, self.records, float(self.plan.days[visit])
        if plan.plasma is not None and day >= self.next_plasma - 1e-9:
            self.next_plasma = day + plan.plasma.every_days
            of_sample, of_assay = self.fates.plasma[visit]
            total, found = plasma_sample(clones, self.traceable, plan.plasma, of_sample, of_assay)
            records.molecules[visit] = np.where(self.still_in, total, np.nan)
            records.plasma[visit] = np.where(self.still_in, found, records.plasma[visit])
        if plan.biopsy is not None:
            due = any(abs(day - planned) < 1e-9 for planned in self._biopsy_visits())
            taken = self.still_in & (due | (progressed & plan.biopsy.at_progression))
            if taken.any():
                of_place, of_assay = self.fates.biopsy[visit]
                found = biopsy_sample(clones, self.traceable, self.presence, plan.biopsy, of_place, of_assay)
                records.biopsy[visit] = np.where(taken, found, records.biopsy[visit])

    def _biopsy_visits(self) -> list[float]:
        """Days of the visits at which biopsies are planned: the first one on or after each planned day."""
        days, biopsy = self.plan.days, self.plan.monitoring.biopsy
        planned = [] if biopsy is None else [day for day in biopsy.days if day <= days[-1]]
        return [float(days[np.searchsorted(days, day - 1e-9)]) for day in planned]

    def _leave(self, visit: int, volume: Floats, progressed: Flags) -> None:
        """Size, body weight, removal, study end: the first that is true. A mouse that leaves for size has
        progressed."""
        assert self.watch is not None
        plan, day = self.plan, float(self.plan.days[visit])
        size = self.still_in & (volume >= plan.stopping.size_mm3)
        self.watch.end_line(day, volume, size & ~progressed & ~self.watch.failed)
        reasons = [(size, SIZE)]
        if self.tolerance is not None and plan.toxicity is not None:
            reasons.append((self.tolerance.loss_pct >= plan.toxicity.remove_at_loss_pct, BODY_WEIGHT))
        if plan.stopping.removal is not None and visit:
            reasons.append((self._removed(visit, volume), REMOVED))
        reasons.append((np.full(len(volume), visit == len(plan.days) - 1), STUDY_END))
        for which, code in reasons:
            leaving = self.still_in & which
            self.left_day[leaving], self.left_reason[leaving] = day, code
            self.still_in = self.still_in & ~leaving

    def _removed(self, visit: int, volume: Floats) -> Flags:
        removal, days = self.plan.stopping.removal, self.plan.days
        assert removal is not None
        seen = np.stack([self.records.volume[0], volume, volume], axis=-1)
        following = days[min(visit + 1, len(days) - 1)]
        when = np.array([0.0, days[visit], following])
        removed: Flags = self.fates.removal[visit] < removal_probability(seen, when, removal)[..., 1]
        return removed


def _shares(clones: Floats) -> Floats:
    total = clones.sum(axis=0)
    return np.divide(clones, total, out=np.full_like(clones, np.nan), where=total >= LEAST_CELLS)
