"""A tumour put together of its mechanisms, clone by phenotype by niche, and grown under piecewise-constant treatment.

Each state is a clone, cycling or persisting, in the bulk or in a protected niche. A mechanism that a tumour does not
have costs nothing: its states do not exist. Everything broadcasts over mice.

What is called what: a *mutant* arises from a division, its source's net growth rate counts what is left for the source;
a *switch* or a move moves cells, and what arrives in one state has left the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.kinetics import genotypes
from avatar_trials.kinetics.namespace import Array
from avatar_trials.kinetics.propagator import apply, propagator
from avatar_trials.kinetics.tumour_checks import check_days, check_effects, check_tumour

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Clone:
    """A genotype: its drivers' sensitivities (driver, drug), its share of cells at day 0, and what resistance costs."""

    name: str
    drivers: genotypes.Drivers
    share: Array
    fitness_cost: Array = 0.0


@dataclass(frozen=True)
class Mutation:
    """Mutants of clone `to` per cell of clone `source` and day: `rate` from cycling cells, `rate_persister` from
    persisters."""

    source: str
    to: str
    rate: Array
    rate_persister: Array = 0.0


@dataclass(frozen=True)
class Persistence:
    """Cycling cells turn into persisters under drugs that reach them, and wake when these are withdrawn.

    `induced`: rate to persister at full reach; `woken`: rate back of a clone that no inducing drug reaches,
    `woken_on_drug` of one that is reached; `growth`: net rate of a persister; all in 1/day. `share`: of cells at day 0.
    `inducing` (drug): which drugs induce; all where empty. `drivers` (driver, drug): what kills persisters; nothing
    where empty. `induced_fold`, `woken_fold` (drug): factors of drugs that change the rates of switching at full
    effect, such as epigenetic drugs, which kill nothing.
    """

    induced: Array
    woken: Array
    woken_on_drug: Array = 0.0
    growth: Array = 0.0
    share: Array = 0.0
    inducing: Sequence[bool] = ()
    drivers: genotypes.Drivers = ()
    induced_fold: Sequence[float] = ()
    woken_fold: Sequence[float] = ()


@dataclass(frozen=True)
class Niche:
    """A compartment that drugs reach at 1 - `protection` (..., drug, or one for all) of their effect.

    `share`: of cells in it at day 0; `entering`, `leaving`: rates into and out of it, 1/day; `growth_factor`: of
    cycling cells inside.
    """

    share: Array
    protection: Array
    entering: Array = 0.0
    leaving: Array = 0.0
    growth_factor: Array = 1.0


@dataclass(frozen=True)
class Tumour:
    """Growth (...) in 1/day, log kill rates (..., drug) in log 1/day, the exponent of combinations and the antagonism
    of their drugs; its clones, whose shares sum to 1; and what else it has."""

    growth: Array
    log_kill: Array
    clones: Sequence[Clone]
    exponent: Array = 1.0
    antagonism: Array = 0.0
    mutations: Sequence[Mutation] = ()
    persistence: Persistence | None = None
    niche: Niche | None = None


@dataclass(frozen=True)
class Course:
    """Piecewise-constant treatment: from each of `from_days` (ascending, the first 0) on, drugs at `effects`, one
    array (..., drug) a segment."""

    from_days: Sequence[float]
    effects: Sequence[Array] = field(default_factory=list)

    def __post_init__(self) -> None:
        days = np.asarray(self.from_days, dtype=float)
        ordered = len(days) and days[0] == 0.0 and np.isfinite(days).all() and (np.diff(days) > 0).all()
        if len(days) != len(self.effects) or not ordered:
            raise ValueError(
                "a course starts on day 0, its days ascend, and each has its effects: "
                f"got days {days.tolist()} and {len(self.effects)} effects"
            )
        for effect in self.effects:
            check_effects(effect, np.shape(effect)[-1] if np.ndim(effect) else 0)


def state_names(tumour: Tumour) -> list[str]:
    """Names of the states in order: clone, phenotype where there are persisters, place where there is a niche."""
    return [", ".join(part for part in state if part) for state in _states(tumour)]


def start(tumour: Tumour) -> list[Array]:
    """Shares of the states at day 0, each an array over mice. Raises ValueError with all that a tumour cannot be."""
    check_tumour(tumour)
    clones = {clone.name: clone for clone in tumour.clones}
    states = []
    for name, phenotype, place in _states(tumour):
        share = np.asarray(clones[name].share, dtype=float)
        if tumour.persistence is not None:
            persisting = np.asarray(tumour.persistence.share, dtype=float)
            share = share * (persisting if phenotype == "persister" else 1.0 - persisting)
        if tumour.niche is not None:
            inside = np.asarray(tumour.niche.share, dtype=float)
            share = share * (inside if place == "niche" else 1.0 - inside)
        states.append(share)
    return states


def rates(tumour: Tumour, effects: ArrayLike) -> dict[tuple[int, int], Array]:
    """Entries {(to, from): 1/day} of A under drugs at `effects` (..., drug): net rates, switches, moves, mutants.

    Raises ValueError with all that a tumour cannot be, and for effects of another number of drugs.
    """
    check_effects(effects, check_tumour(tumour))
    states = _states(tumour)
    place_of = {state: i for i, state in enumerate(states)}
    entries: dict[tuple[int, int], Array] = {}

    def add(to: int, source: int, rate: Array) -> None:
        entries[to, source] = entries.get((to, source), 0.0) + rate

    def move(to: int, source: int, rate: Array) -> None:
        add(to, source, rate)
        add(source, source, -rate)

    clones = {clone.name: clone for clone in tumour.clones}
    for state, here in place_of.items():
        name, phenotype, place = state
        clone = clones[name]
        felt = _effects_in(tumour, np.asarray(effects, dtype=float), place)
        add(here, here, _net_rate(tumour, clone, phenotype, place, felt))
        if tumour.persistence is not None and phenotype == "cycling":
            other = place_of[name, "persister", place]
            induced, woken = _switching(tumour.persistence, clone, felt)
            move(other, here, induced)
            move(here, other, woken)
        if tumour.niche is not None and place == "bulk":
            other = place_of[name, phenotype, "niche"]
            move(other, here, tumour.niche.entering)
            move(here, other, tumour.niche.leaving)
    for mutation in tumour.mutations:
        for name, phenotype, place in states:
            if name == mutation.source:
                mutant = place_of[mutation.to, "cycling" if phenotype else "", place]
                rate = mutation.rate_persister if phenotype == "persister" else mutation.rate
                add(mutant, place_of[name, phenotype, place], rate)
    return entries


def grow(tumour: Tumour, days: ArrayLike, course: Course) -> Floats:
    """States (state, ..., visit) relative to the tumour at day 0, at `days` (visit,) ascending from 0 on.

    Exact at every visit and change of treatment; visits an equal time apart share one propagator. The sum over states
    is V/V0.
    """
    seen = [np.stack(np.broadcast_arrays(*states)) for states in march(tumour, days, course)]
    shape = np.broadcast_shapes(*(states.shape for states in seen))
    return np.stack([np.broadcast_to(states, shape) for states in seen], axis=-1)


def march(tumour: Tumour, days: ArrayLike, course: Course) -> Iterator[list[Array]]:
    """The states at each visit in turn, as in `grow`, each an array over mice."""
    states = start(tumour)
    same = [
        next(k for k, earlier in enumerate(course.effects) if np.array_equal(earlier, effect))
        for effect in course.effects
    ]
    matrices = {k: rates(tumour, course.effects[k]) for k in set(same)}
    visits = [
        [((same[segment], round(dt, 12)), dt) for segment, dt in steps]
        for steps in steps_to_visits(days, course)
    ]
    # A propagator is kept while its step is still to come: irregular visits would fill the memory with them.
    ahead = Counter(step for steps in visits for step, _ in steps)
    known: dict[tuple[int, float], dict[tuple[int, int], Floats]] = {}
    for steps in visits:
        for step, dt in steps:
            if step not in known:
                known[step] = propagator(matrices[step[0]], len(states), dt)
            states = apply(known[step], states)
            ahead[step] -= 1
            if not ahead[step]:
                del known[step]
        yield states


def steps_to_visits(days: ArrayLike, course: Course) -> Iterator[list[tuple[int, float]]]:
    """For each of `days` (visit,), ascending from 0 on, the steps that lead to it: segment of the course, its days."""
    check_days(days, "the days of visits")
    when = np.asarray(days, dtype=float)
    turns = [*course.from_days[1:], np.inf]
    now, segment = 0.0, 0
    for day in when:
        steps = []
        while now < day:
            until = min(day, turns[segment])
            steps.append((segment, until - now))
            now = until
            segment += now >= turns[segment]
        yield steps


def _states(tumour: Tumour) -> list[tuple[str, str, str]]:
    phenotypes = ("cycling", "persister") if tumour.persistence is not None else ("",)
    places = ("bulk", "niche") if tumour.niche is not None else ("",)
    return [(c.name, phenotype, place) for c in tumour.clones for phenotype in phenotypes for place in places]


def _effects_in(tumour: Tumour, effects: Floats, place: str) -> Floats:
    if tumour.niche is None or place == "bulk":
        return effects
    protection = np.asarray(tumour.niche.protection, dtype=float)
    return effects * (1.0 - protection)


def _net_rate(tumour: Tumour, clone: Clone, phenotype: str, place: str, effects: Floats) -> Array:
    persistence = tumour.persistence
    persisting = phenotype == "persister" and persistence is not None
    drivers = persistence.drivers if persisting and persistence else clone.drivers
    killed: Array = 0.0
    if drivers:
        killed = genotypes.kill(tumour.log_kill, effects, drivers, tumour.exponent, tumour.antagonism)
    if persisting and persistence:
        return persistence.growth - killed
    growth = genotypes.growth_with_cost(tumour.growth, clone.fitness_cost)
    if tumour.niche is not None and place == "niche":
        growth = growth * tumour.niche.growth_factor
    return growth - killed


def _switching(persistence: Persistence, clone: Clone, effects: Floats) -> tuple[Array, Array]:
    inducing = np.asarray(persistence.inducing, dtype=float) if len(persistence.inducing) else 1.0
    stress = genotypes.reach(effects * inducing, clone.drivers)
    induced = persistence.induced * stress * _fold(persistence.induced_fold, effects)
    resting = persistence.woken * (1.0 - stress) + persistence.woken_on_drug * stress
    return induced, resting * _fold(persistence.woken_fold, effects)


def _fold(folds: Sequence[float], effects: Floats) -> Array:
    """Product over drugs of fold^effect."""
    if not len(folds):
        return 1.0
    with np.errstate(divide="ignore"):
        logs = np.log(np.asarray(folds, dtype=float))
    return np.exp(np.sum(np.where(effects > 0, logs, 0.0) * effects, axis=-1))
