"""Sums over replicate trials: all that a sweep keeps of them, so that memory does not grow with their number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Key(NamedTuple):
    """What was summed: of which point of the sweep, in which world and basket, of which arm compared with which, by
    which endpoint, and which quantity."""

    point: int
    world: str
    basket: str
    arm: str
    against: str
    endpoint: str
    quantity: str


@dataclass
class Sums:
    """Numbers of trials, sums and sums of squares by key, and counts of days by key and day (-1: not reached)."""

    moments: dict[Key, tuple[int, float, float]] = field(default_factory=dict)
    days: dict[Key, dict[int, int]] = field(default_factory=dict)

    def add(self, key: Key, values: ArrayLike) -> None:
        """Add values (trial,); NaN: a trial that has none."""
        given = np.asarray(values, dtype=float)
        there = given[np.isfinite(given)]
        self._add(key, (len(there), float(there.sum()), float((there**2).sum())))

    def add_days(self, key: Key, values: ArrayLike) -> None:
        """Add days (trial,), to the nearest whole one; infinite: not reached, NaN: a trial that has none."""
        given = np.asarray(values, dtype=float)
        whole = np.where(np.isinf(given), -1.0, np.rint(given))[~np.isnan(given)].astype(int)
        counts = self.days.setdefault(key, {})
        for day, count in zip(*np.unique(whole, return_counts=True), strict=True):
            counts[int(day)] = counts.get(int(day), 0) + int(count)

    def merge(self, other: Sums) -> None:
        """Add the sums of other trials."""
        for key, moments in other.moments.items():
            self._add(key, moments)
        for key, counts in other.days.items():
            mine = self.days.setdefault(key, {})
            for day, count in counts.items():
                mine[day] = mine.get(day, 0) + count

    def text(self) -> str:
        """As JSON; the same sums give the same text."""
        return json.dumps(
            {
                "moments": [[list(key), list(values)] for key, values in self.moments.items()],
                "days": [[list(key), sorted(counts.items())] for key, counts in self.days.items()],
            }
        )

    @classmethod
    def of_text(cls, text: str) -> Sums:
        """Read what `text` wrote; ValueError, KeyError or TypeError for anything else."""
        content = json.loads(text)
        return cls(
            {Key(*key): (int(n), float(s), float(ss)) for key, (n, s, ss) in content["moments"]},
            {Key(*key): {int(d): int(n) for d, n in counts} for key, counts in content["days"]},
        )

    def shares(self) -> Iterator[tuple[Key, int, float]]:
        """Key, number of trials and number of hits of the quantities that say whether something came to pass."""
        for key, (n, total, squares) in self.moments.items():
            if key.quantity in SHARES and total == squares:
                yield key, n, total

    def _add(self, key: Key, moments: tuple[int, float, float]) -> None:
        n, total, squares = self.moments.get(key, (0, 0.0, 0.0))
        self.moments[key] = (n + moments[0], total + moments[1], squares + moments[2])


SHARES = frozenset(
    ("go", "worth", "wrong_go", "wrong_stop", "stopped_early", "picked", "right_pick", "any_wrong_go")
)
"""Quantities that a trial has or has not."""
