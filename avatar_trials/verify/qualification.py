"""Every group of checks in order, how many this version has of each, and the verdict."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from avatar_trials.verify import (
    context_of_use,
    determinism,
    hostile,
    kinetics_references,
    known_posteriors,
    references,
    response_calls,
    simulated_truths,
    small_samples,
    survival_curves,
    two_arms,
)
from avatar_trials.verify.comparison import Comparison, Comparisons

Say = Callable[[str], None]
VERIFIED: Final = "VERIFIED"
QUICK: Final = "VERIFIED, WITHOUT THE SAMPLER"
NOT_VERIFIED: Final = "NOT VERIFIED"


@dataclass(frozen=True)
class Group:
    """Checks of one kind. `count`: how many this version has; `sampler`: whether they calibrate, for minutes."""

    name: str
    against: str
    count: int
    checks: Callable[[Say], Comparisons]
    sampler: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a group's checks found, its CPU seconds, and what stopped it, if anything did."""

    group: Group
    comparisons: tuple[Comparison, ...]
    seconds: float
    stopped: str = ""

    @property
    def failed(self) -> tuple[Comparison, ...]:
        return tuple(one for one in self.comparisons if not one.passed)

    @property
    def worst(self) -> Comparison | None:
        """The one that comes nearest to its tolerance, or is farthest beyond it."""
        return max(self.comparisons, key=lambda one: one.share, default=None)

    @property
    def reasons(self) -> list[str]:
        """Why this group does not verify; empty where it does."""
        found = [self.stopped] if self.stopped else []
        if self.failed:
            names = "; ".join(one.name for one in self.failed[:3])
            found.append(f"{len(self.failed)} of {len(self.comparisons)} checks failed: {names}")
        if len(self.comparisons) < self.group.count:
            found.append(f"{len(self.comparisons)} checks ran, this version has {self.group.count}")
        return [f"{self.group.name}: {reason}" for reason in found]


@dataclass(frozen=True)
class Qualification:
    """Outcomes of all groups that ran; `quick` without those that need the sampler."""

    outcomes: tuple[Outcome, ...]
    quick: bool

    @property
    def n_checks(self) -> int:
        return sum(len(one.comparisons) for one in self.outcomes)

    @property
    def reasons(self) -> list[str]:
        """Why it is not verified; empty where it is."""
        ran = {one.group.name for one in self.outcomes}
        wanted = [group for group in GROUPS if not (self.quick and group.sampler)]
        missing = [f"{group.name}: did not run" for group in wanted if group.name not in ran]
        return [reason for one in self.outcomes for reason in one.reasons] + missing

    @property
    def verdict(self) -> str:
        if self.reasons:
            return NOT_VERIFIED
        return QUICK if self.quick else VERIFIED


def cpu_seconds() -> float:
    """CPU time so far of this process and of those that it started and that have ended."""
    return sum(os.times()[:4])


def _quiet(checks: Callable[[], Comparisons]) -> Callable[[Say], Comparisons]:
    return lambda _: checks()


def _simulated(say: Say) -> Comparisons:
    return simulated_truths.judged(simulated_truths.ranks(say=say))


GROUPS: Final = (
    Group("references", "sha256 of this version", 45, _quiet(references.intact)),
    Group("survival curves", "R, survival 3.5.3", 574, _quiet(survival_curves.everything)),
    Group("tests and regressions", "R, survival 3.5.3; by hand", 403, _quiet(two_arms.everything)),
    Group("small samples", "R: npsurv, survival, stats, nlme", 84, _quiet(small_samples.everything)),
    Group("response calls", "curves worked out by hand", 71, _quiet(response_calls.everything)),
    Group("kinetics", "30 digits; Bozic et al. 2013", 361, _quiet(kinetics_references.everything)),
    Group("determinism", "recorded numbers; this machine", 14, _quiet(determinism.everything)),
    Group("hostile input", "what each must be told", 39, _quiet(hostile.everything)),
    Group("context of use", "the pages of record", 29, _quiet(context_of_use.everything)),
    Group("diagnostics", "R, posterior 1.4.0", 24, _quiet(known_posteriors.diagnostics)),
    Group("known posteriors", "exact; quadrature", 30, _quiet(known_posteriors.sampled), sampler=True),
    Group("simulated truths", "uniform ranks", 62, _simulated, sampler=True),
)


def qualify(*, quick: bool = False, say: Say = lambda _: None) -> Qualification:
    """Run GROUPS in order, `quick` without those that need the sampler; what goes wrong in one stops no other."""
    chosen = [group for group in GROUPS if not (quick and group.sampler)]
    outcomes = []
    for number, group in enumerate(chosen, start=1):
        say(f"{number} of {len(chosen)}: {group.name}, against {group.against}")
        outcome = run(group, say)
        outcomes.append(outcome)
        for reason in outcome.reasons:
            say(f"  NOT VERIFIED: {reason}")
    return Qualification(tuple(outcomes), quick)


def run(group: Group, say: Say = lambda _: None) -> Outcome:
    """One group's outcome. What stops it, of whatever kind, is told: a fault of the program must not hide itself."""
    began, found, stopped = cpu_seconds(), [], ""
    try:
        for one in group.checks(say):
            found.append(one)
    except Exception as reason:  # noqa: BLE001 - a broken formula or library raises anything
        stopped = f"stopped by {type(reason).__name__}: {reason}"
    return Outcome(group, tuple(found), cpu_seconds() - began, stopped)
