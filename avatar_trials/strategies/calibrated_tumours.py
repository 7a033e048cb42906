"""Calibrated avatars as tumours of four clones, on which two drugs can be given in any order and dose.

Calibrated, mouse by mouse: growth, the kill of each drug and of both, the share of cells that resist each and both, how
each drug and both change the growth of what resists them, deceleration. Constant full treatment with one drug is the
calibrated mouse exactly. Assumed: that a clone resisting one drug is killed by the other as a sensitive one is, that
resistant shares are there at day 0, and what lies between no dose and full dose: bilinear in the two doses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from avatar_trials.emulate import Cohort
from avatar_trials.emulate.mice import chance, luck, mice_under
from avatar_trials.problems import InputError, Problem
from avatar_trials.strategies.tumours import March, Marching

Floats = NDArray[np.float64]

WORDS = (
    "growth, kill, resistant shares and slowing calibrated on mice; assumed: a clone that resists one drug is killed "
    "by the other as a sensitive one is, and effects between no dose and full dose are bilinear"
)


@dataclass(frozen=True)
class CalibratedTumours:
    """Mice (mouse,): shares (clone, mouse) at day 0; growth without drug; `killed` and `changed` (3, mouse), what
    drug 1,
    drug 2 and both at full dose take from the growth of sensitive cells and add to that of resistant ones, 1/day."""

    drugs: tuple[str, ...]
    clones: tuple[str, ...]
    shares: Floats
    growth: Floats
    killed: Floats
    changed: Floats
    start_mm3: Floats
    deceleration: Floats
    cells_per_mm3: float

    @property
    def clone_of(self) -> NDArray[np.intp]:
        return np.arange(len(self.clones))

    def start(self) -> Floats:
        return self.shares * self.start_mm3 * self.cells_per_mm3

    def rates(self, doses: Floats) -> dict[tuple[int, int], Floats]:
        one, two = doses[..., 0], doses[..., 1]
        rates = (
            self.growth - _between(one, two, self.killed),
            self.growth - two * self.killed[1] + one * self.changed[0],
            self.growth - one * self.killed[0] + two * self.changed[1],
            self.growth + _between(one, two, self.changed),
        )
        return {(clone, clone): rate for clone, rate in enumerate(rates)}

    def marching(self, longest_step: float | None) -> Marching:
        return March(self, longest_step)


def calibrated_tumours(
    cohort: Cohort, drugs: Sequence[str], clones: Sequence[str], seed: int, *, cells_per_mm3: float = 1e6
) -> CalibratedTumours:
    """Mice of every avatar and draw, avatar by avatar, for two drugs; `clones` are the names of the four clones.

    Raises InputError for other numbers of drugs or clones, drugs that the avatars do not know, and avatars whose
    kinetics have no clones.
    """
    _check(cohort, drugs, clones)
    fates = luck(seed, "mouse")
    deviates = chance(cohort.avatars, cohort.n_trials, 1, fates)
    one, two, both = (mice_under(cohort, arm, deviates) for arm in (*drugs, " + ".join(drugs)))

    def each(values: Floats) -> Floats:
        """(T, avatar) as mice, avatar by avatar."""
        return np.ascontiguousarray(values.T).ravel()

    growth = each(one.growth)
    first, second, shared = (special.expit(each(mice.resistant_logit)) for mice in (one, two, both))
    shared = np.minimum(shared, np.minimum(first, second))
    shares = np.stack(
        [np.maximum(1.0 - first - second + shared, 0.0), first - shared, second - shared, shared]
    )
    return CalibratedTumours(
        drugs=tuple(drugs),
        clones=tuple(clones),
        shares=shares / shares.sum(axis=0),
        growth=growth,
        killed=np.stack([growth - each(mice.rates[0]) for mice in (one, two, both)]),
        changed=np.stack([each(mice.rates[1]) - growth for mice in (one, two, both)]),
        start_mm3=np.exp(each(one.log_start)),
        deceleration=each(cohort.decelerations),
        cells_per_mm3=cells_per_mm3,
    )


def _between(one: Floats, two: Floats, corners: Floats) -> Floats:
    """Bilinear in two doses, 0 without any, from its values under one, the other and both."""
    first, second, both = corners
    found: Floats = one * first + two * second + one * two * (both - first - second)
    return found


def _check(cohort: Cohort, drugs: Sequence[str], clones: Sequence[str]) -> None:
    problems = []
    if cohort.kinetics != "two_clone" or cohort.deceleration_law != "power":
        what = f"strategies need clones, and {cohort.kinetics} avatars have none that a drug could select"
        problems.append(
            Problem("D96", "error", what, "Calibrate with two_clone, or compare on assumed tumours")
        )
    if len(drugs) != 2 or len(clones) != 4:
        what = f"calibrated avatars take designs of 2 drugs and 4 clones, got {len(drugs)} and {len(clones)}"
        fix = "Clones in the order: sensitive, resists drug 1, resists drug 2, resists both"
        problems.append(Problem("D97", "error", what, fix))
    if problems:
        raise InputError(problems)
    cohort.given(" + ".join(drugs))
