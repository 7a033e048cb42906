"""Progression as it is observed visit by visit, line of treatment by line: what moves a mouse to its next line.

The rule is held against the line's own reference: its nadir, or the volume at which its treatment began. Visits
without drug since the last one do not count. What has grown in a holiday or while toxicity held the dose is held
against the nadir before it once drug is resumed, as in RECIST 1.1 (reference: the smallest sum on study); a design may
have nadirs start anew instead. Re-challenge is another line, with a reference of its own. Mice that were never given a
drug are judged all the same. A line that would change nothing is none: a strategy that goes on as before after
progression has failed at it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.endpoints.disease_progression import PROGRESSION_RATIO, AbsoluteFloor
from avatar_trials.strategy_designs import Scoring

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

RATIO = {
    "recist_volume": PROGRESSION_RATIO,
    "doubling_of_nadir": 2.0,
    "baseline_volume": PROGRESSION_RATIO,
    "doubling": 2.0,
}
OF_NADIR = ("recist_volume", "doubling_of_nadir")


@dataclass
class Watch:
    """Mice (mouse,) watched: their line, the volume (mm3) they are held against, progression days (line, mouse).

    `ended` (line, mouse): day on which progression on that line was observed, NaN where it was not. `planned` (mouse,):
    lines that the strategy turns out to have for a mouse.
    """

    scoring: Scoring
    planned: Counts
    reference: Floats
    line: Counts
    line_day: Floats
    ended: Floats
    in_a_row: Counts
    on_drug: Flags
    ever_on_drug: Flags
    line_dosed: Flags

    @classmethod
    def at_baseline(cls, volume: Floats, scoring: Scoring, lines: int) -> Watch:
        """Mice at day 0, with their first reading (mouse,)."""
        n = len(volume)
        return cls(
            *(scoring, np.full(n, lines), volume.copy(), np.ones(n, dtype=np.int64), np.zeros(n)),
            *(np.full((lines, n), np.nan), np.zeros(n, dtype=np.int64)),
            *(np.zeros(n, dtype=bool), np.zeros(n, dtype=bool), np.ones(n, dtype=bool)),
        )

    @property
    def failed(self) -> Flags:
        """Whether the last planned line has ended (mouse,)."""
        last: Flags = ~np.isnan(np.take_along_axis(self.ended, self.planned[None] - 1, axis=0)[0])
        return last

    def see(self, day: float, volume: Floats, still_in: Flags) -> Flags:
        """Take in the readings (mouse,) of a visit; which mice progressed at it on the line they were on."""
        counted = still_in & ~self.failed & (self.on_drug | ~self.ever_on_drug)
        level = np.maximum(RATIO[self.scoring.progression] * self.reference, self.scoring.floor_mm3)
        if self.scoring.least_increase_mm > 0:
            rise = AbsoluteFloor("diameter_increase_mm", self.scoring.least_increase_mm)
            level = np.maximum(level, rise.volume_mm3(self.reference))
        over = counted & (volume >= level)
        self.in_a_row = np.where(over, self.in_a_row + 1, np.where(counted, 0, self.in_a_row))
        progressed: Flags = over & (self.in_a_row >= self.scoring.confirmed_by)
        if self.scoring.progression in OF_NADIR:
            self.reference = np.where(counted, np.minimum(self.reference, volume), self.reference)
        self.end_line(day, volume, progressed)
        return progressed

    def end_line(self, day: float, volume: Floats, which: Flags) -> None:
        """End the present line of some mice; the next one, if any is left, begins at this visit."""
        mice = np.flatnonzero(which)
        self.ended[self.line[mice] - 1, mice] = day
        going_on = mice[self.line[mice] < self.planned[mice]]
        self.line[going_on] += 1
        self.line_day[going_on] = day
        self.reference[going_on] = volume[going_on]
        self.in_a_row[going_on] = 0
        self.line_dosed[going_on] = False

    def exhausted(self, which: Flags) -> None:
        """Take back the line that some mice have just begun: it brought nothing new, and there will be no other."""
        self.line = np.where(which, self.line - 1, self.line)
        self.planned = np.where(which, self.line, self.planned)

    def dosed(self, given: Floats, volume: Floats) -> None:
        """Take in doses (drug, mouse) given from this visit on: where they begin or are resumed, the reference may
        too."""
        on = (given > 0).any(axis=0)
        begun = on & ~self.line_dosed
        if self.scoring.progression in OF_NADIR and self.scoring.nadir == "since_resumed":
            begun |= on & ~self.on_drug & self.ever_on_drug
        self.reference = np.where(begun, volume, self.reference)
        self.on_drug, self.ever_on_drug = on, self.ever_on_drug | on
        self.line_dosed = self.line_dosed | on
