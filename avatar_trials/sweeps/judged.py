"""Replicate trials of one point of a sweep decided: looks, tests, costs, wrong decisions and the choice among many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_trials.arms import drugs_of
from avatar_trials.decision_rules import ENDPOINTS
from avatar_trials.designs import ArmSpec, TrialDesign
from avatar_trials.endpoints import survival
from avatar_trials.sweeps.mice import Outcomes, better_mice, measure
from avatar_trials.sweeps.sums import Key, Sums
from avatar_trials.sweeps.tests_of_arms import adjusted, one_sided_p
from avatar_trials.sweeps.worlds import INDEPENDENT, MEAN, NO_DIFFERENCE, POSTERIOR

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
ALL_ALONE, EXPECTED = "all single agents", "independent action"
CHOICE = "all combinations"


@dataclass(frozen=True)
class Trials:
    """Replicate trials of a point: arm -> outcomes (trial, mouse, avatar), those of the point alone.

    `truth` endpoint -> arm -> (trial,): what each trial's population truly is, `measure` of very many avatars; None
    where wrong decisions are not asked for. `screened`: avatars looked at for each that is let in.
    """

    point: int
    design: TrialDesign
    world: str
    basket: str
    equal_to: str
    arms: dict[str, Outcomes]
    screened: float
    truth: dict[str, dict[str, Floats]] | None

    @property
    def n_avatars(self) -> int:
        return next(iter(self.arms.values())).grade.shape[2]

    @property
    def n_mice(self) -> int:
        return next(iter(self.arms.values())).grade.shape[1]


def judge(trials: Trials, sums: Sums) -> None:
    """Decide every trial, and add what came of it to `sums`."""
    design, world = trials.design, trials.world
    compared = design.compared()
    if world == NO_DIFFERENCE:
        compared = {name: alone for name, alone in compared.items() if trials.equal_to in alone}
    if world == INDEPENDENT:
        compared = {name: alone for name, alone in compared.items() if len(alone) == len(drugs_of(name))}

    def add(arm: str, against: str, endpoint: str, quantity: str, values: Any) -> None:
        sums.add(Key(trials.point, world, trials.basket, arm, against, endpoint, quantity), values)

    @cache
    def observed(arm: str, endpoint: str, n: int) -> Floats:
        return measure(endpoint, trials.arms[arm].of(n, trials.n_mice), design.visits.horizon_days)

    enrolled = {name: _enrolled(trials, name, alone, observed) for name, alone in compared.items()}
    complete = {name: n == trials.n_avatars for name, n in enrolled.items()}
    going: dict[str, dict[str, Flags]] = {}
    for endpoint in ENDPOINTS:
        going[endpoint] = _tested(trials, endpoint, compared, complete, add)
    if world == NO_DIFFERENCE:
        return
    if len(compared) > 1:
        _chosen(trials, compared, complete, going, observed, add)
    if world == INDEPENDENT:
        return
    for name in compared:
        add(name, "", "", "stopped_early", ~complete[name])
        add(name, "", "", "avatars", enrolled[name])
    if world in (POSTERIOR, MEAN):
        _costs(trials, compared, enrolled, add)
        for arm, mice in trials.arms.items():
            add(arm, "", "ORR", "readout", measure("ORR", mice, design.visits.horizon_days))
            add(arm, "", "depth", "readout", -measure("depth", mice, design.visits.horizon_days))
            key = Key(trials.point, world, trials.basket, arm, "", "doubling", "median")
            sums.add_days(key, survival.median(mice.doubling_curve()))


def _enrolled(
    trials: Trials, name: str, alone: tuple[str, ...], observed: Callable[[str, str, int], Floats]
) -> NDArray[np.intp]:
    """Avatars (trial,) that a combination and its single agents are given before it is stopped."""
    n_trials = len(trials.arms[name].grade)
    enrolled = np.full(n_trials, trials.n_avatars)
    for look in reversed(trials.design.decision.looks):
        n = max(1, int(look.at_share * trials.n_avatars))
        best = np.fmax.reduce([observed(one, look.endpoint, n) for one in alone])
        advantage = observed(name, look.endpoint, n) - best
        with np.errstate(invalid="ignore"):
            enrolled = np.where(advantage < look.stop_below, n, enrolled)
    return enrolled


def _tested(
    trials: Trials,
    endpoint: str,
    compared: dict[str, tuple[str, ...]],
    complete: dict[str, Flags],
    add: Callable[..., None],
) -> dict[str, Flags]:
    """Combinations -> trials (trial,) in which they go forward by an endpoint: they beat all their single agents."""
    rules, arms = trials.design.decision, trials.arms
    test = rules.test_of(endpoint)
    worst: dict[str, Floats] = {}
    for name, alone in compared.items():
        against = [trials.equal_to] if trials.world == NO_DIFFERENCE else list(alone)
        p = {single: one_sided_p(test, arms[name], arms[single]) for single in against}
        for single, value in p.items():
            go = (value < rules.alpha) & complete[name]
            add(name, single, endpoint, "go", go)
            if trials.truth is not None:
                _wrongs(trials, name, (single,), endpoint, single, go, add)
        if trials.world == NO_DIFFERENCE:
            continue
        worst[name] = np.stack(list(p.values())).max(axis=0)
        if len(alone) == len(drugs_of(name)) and test != "fisher":
            expected = better_mice([arms[single] for single in alone])
            beats = one_sided_p(test, arms[name], expected) < rules.alpha
            add(name, EXPECTED, endpoint, "go", beats & complete[name])
    if not worst:
        return {}
    each = adjusted(np.stack(list(worst.values())), rules.multiplicity)
    going = {name: (p < rules.alpha) & complete[name] for name, p in zip(worst, each, strict=True)}
    for name, go in going.items():
        add(name, ALL_ALONE, endpoint, "go", go)
        if trials.truth is not None:
            _wrongs(trials, name, compared[name], endpoint, ALL_ALONE, go, add)
    return going


def advantage(trials: Trials, name: str, alone: tuple[str, ...]) -> Floats:
    """True advantage (trial,) of a combination over the best of some single agents, by what makes it worth having."""
    assert trials.truth is not None
    true = trials.truth[trials.design.decision.worth.endpoint]
    return true[name] - np.max([true[single] for single in alone], axis=0)


def _wrongs(
    trials: Trials,
    name: str,
    alone: tuple[str, ...],
    endpoint: str,
    against: str,
    go: Flags,
    add: Callable[..., None],
) -> None:
    worth = advantage(trials, name, alone) >= trials.design.decision.worth.at_least
    add(name, against, endpoint, "worth", worth)
    add(name, against, endpoint, "wrong_go", go & ~worth)
    add(name, against, endpoint, "wrong_stop", ~go & worth)


def _chosen(
    trials: Trials,
    compared: dict[str, tuple[str, ...]],
    complete: dict[str, Flags],
    going: dict[str, dict[str, Flags]],
    observed: Callable[[str, str, int], Floats],
    add: Callable[..., None],
) -> None:
    """The best observed of several combinations taken forward: how often each, how often rightly, and what it costs."""
    names = list(compared)
    rules = trials.design.decision
    for endpoint in ENDPOINTS:
        seen = np.stack([observed(name, endpoint, trials.n_avatars) for name in names])
        finished = np.stack([complete[name] for name in names])
        seen = np.where(finished & np.isfinite(seen), seen, -np.inf)
        pick = seen.argmax(axis=0)
        any_left = finished.any(axis=0)
        for place, name in enumerate(names):
            add(name, CHOICE, endpoint, "picked", any_left & (pick == place))
        add(CHOICE, "", endpoint, "go", np.any(list(going[endpoint].values()), axis=0))
        if trials.truth is None:
            continue
        true = trials.truth[rules.worth.endpoint]
        values = np.stack([true[name] for name in names])
        best = values.max(axis=0)
        taken = np.take_along_axis(values, pick[None], axis=0)[0]
        add(CHOICE, "", endpoint, "right_pick", any_left & (taken >= best))
        add(CHOICE, "", endpoint, "regret", np.where(any_left, best - taken, np.nan))
        wrong = [
            go & (advantage(trials, name, compared[name]) < rules.worth.at_least)
            for name, go in going[endpoint].items()
        ]
        add(CHOICE, "", endpoint, "any_wrong_go", np.any(wrong, axis=0))


def _costs(
    trials: Trials,
    compared: dict[str, tuple[str, ...]],
    enrolled: dict[str, NDArray[np.intp]],
    add: Callable[..., None],
) -> None:
    """Mice and drug-days of all arms; an arm goes on as long as a combination that needs it."""
    n_trials = len(next(iter(trials.arms.values())).grade)
    mice, drug_days = np.zeros(n_trials), np.zeros(n_trials)
    for spec in trials.design.arms:
        if spec.shown not in trials.arms:
            continue
        needing = [n for name, n in enrolled.items() if spec.shown in (name, *compared[name])]
        n = np.max(needing or list(enrolled.values()), axis=0)
        there = np.arange(trials.n_avatars) < n[:, None, None]
        mice = mice + n * trials.n_mice
        dosed = days_at_full_dose(spec, trials.arms[spec.shown].left_day)
        drug_days = drug_days + np.where(there, dosed, 0.0).sum(axis=(1, 2)) * len(drugs_of(spec.name))
    add("all arms", "", "", "screened", np.max(list(enrolled.values()), axis=0) * trials.screened)
    add("all arms", "", "", "mice", mice)
    add("all arms", "", "", "drug_days", drug_days)


def days_at_full_dose(arm: ArmSpec, left_day: NDArray[Any]) -> NDArray[Any]:
    """Days of treatment until `left_day`, each by its dose fraction."""
    starts = [day for day, _ in arm.course]
    total = np.zeros(left_day.shape)
    for (day, dose), end in zip(arm.course, [*starts[1:], np.inf], strict=True):
        total += dose * np.clip(np.minimum(left_day, end) - day, 0.0, None)
    return total
