"""Calibrated avatars under what their volumes did not tell: holidays, persisters, a niche, resistance that costs.

A scenario and no estimate: its parameters come from the design, and every trial that has one says so. Under constant
full treatment and without a mechanism a tumour is the calibrated one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.arms import UNTREATED
from avatar_trials.card_parts import Assumed
from avatar_trials.designs import ArmSpec, Mechanism
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.mice import Mice
from avatar_trials.kinetics import mutants
from avatar_trials.kinetics.tumour import (
    Clone,
    Course,
    Mutation,
    Niche,
    Persistence,
    Tumour,
    march,
    rates,
    start,
    steps_to_visits,
)
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

SENSITIVE, RESISTANT = "sensitive", "resistant"
UNCOUNTED = 10**14


@dataclass(frozen=True)
class Scenario:
    """Drawn parameters of a design's mechanisms: mechanism -> parameter -> (T, avatar)."""

    parts: dict[str, dict[str, Floats]]

    @property
    def in_cells(self) -> bool:
        """Whether clones are followed in whole cells."""
        return "chance" in self.parts

    def of(self, avatar: int) -> Scenario:
        """The same for one avatar, (T, 1)."""
        here = slice(avatar, avatar + 1)
        return Scenario(
            {
                part: {name: values[:, here] for name, values in drawn.items()}
                for part, drawn in self.parts.items()
            }
        )

    def block(self, mice: slice) -> dict[str, dict[str, Floats]]:
        """The same for a block of a flattened (T, avatar)."""
        return {
            part: {name: values.reshape(-1)[mice] for name, values in drawn.items()}
            for part, drawn in self.parts.items()
        }


def drawn_scenario(mechanism: Mechanism | None, cohort: Cohort, seed: int) -> Scenario | None:
    """The mechanism's parameters for each replicate and avatar: by avatar a draw for each, else
    one draw a replicate. Streams are keyed by parameter and avatar."""
    if mechanism is None:
        return None
    shape = (cohort.n_trials, len(cohort.avatars))

    def drawn(value: float | Assumed, *names: str) -> Floats:
        if not isinstance(value, Assumed):
            return np.full(shape, float(value))
        if value.by == "avatar":
            each = [
                value.draws(cohort.n_trials, stream(seed, "mechanism", *names, a)) for a in cohort.avatars
            ]
            return np.stack(each, axis=1)
        one = value.draws(cohort.n_trials, stream(seed, "mechanism", *names))
        return np.repeat(one[:, None], shape[1], axis=1)

    return Scenario(
        {
            part: {name: drawn(value, part, name) for name, value in parameters.items()}
            for part, parameters in mechanism.parts.items()
        }
    )


def log_growth(
    mice: Mice, arm: ArmSpec, scenario: Scenario | None, days: Floats, block: slice
) -> Iterator[Floats]:
    """log(V/V0) (mice of the block,) at each of `days` under an arm's course, without deceleration."""
    parts = scenario.block(block) if scenario else {}
    for states in march(_tumour(mice, parts, block, arm.name != UNTREATED), days, _course(arm, parts)):
        total = sum(states)
        with np.errstate(divide="ignore"):
            yield np.log(total)


def log_growth_in_cells(
    mice: Mice, arm: ArmSpec, scenario: Scenario, days: Floats, rng: np.random.Generator
) -> Floats:
    """log(V/V0) (visit, T) of one avatar's mice, of whole cells; -inf once every cell has died.

    Cells at day 0 are the starting volume's, resistant ones binomial. Each clone divides at the scenario's rate, or as
    fast as it grows, and dies at what is left; drugs add to death. Mutants arise at division. A clone past
    `UNCOUNTED` cells, of a mouse that left long ago, is held there. `mice` and `scenario` (T, 1).
    """
    parts = scenario.block(slice(None))
    tumour, course = _tumour(mice, parts, slice(None), arm.name != UNTREATED), _course(arm, parts)
    birth = parts["chance"]["birth"]
    first = np.rint(np.exp(mice.log_start.reshape(-1)) * parts["chance"]["cells_per_mm3"]).astype(np.int64)
    resistant = rng.binomial(first, start(tumour)[1])
    cells = np.stack([first - resistant, resistant], axis=-1)
    flows = [_flow(rates(tumour, effect), birth) for effect in course.effects]
    grown = np.empty((len(days), len(first)))
    for visit, steps in enumerate(steps_to_visits(days, course)):
        for segment, dt in steps:
            cells = np.minimum(mutants.step(cells, *flows[segment], dt, rng=rng), UNCOUNTED)
        with np.errstate(divide="ignore"):
            grown[visit] = np.log(cells.sum(axis=-1) / first)
    return grown


def _flow(entries: dict[tuple[int, int], Floats], birth: Floats) -> tuple[Floats, Floats, Floats]:
    """Divisions, deaths (T, clone) a cell and day and mutation probabilities (T, clone, clone) of net rates."""
    net = np.stack([np.broadcast_to(entries[i, i], birth.shape) for i in (0, 1)], axis=-1)
    divisions = np.maximum(birth[:, None], net)
    mutation = np.zeros((len(birth), 2, 2))
    mutation[:, 0, 1] = np.minimum(entries.get((1, 0), 0.0) / divisions[:, 0], 1.0)
    return divisions, divisions - net, mutation


def _course(arm: ArmSpec, parts: dict[str, dict[str, Floats]]) -> Course:
    reaching = parts["exposure"]["penetration"][:, None] if "exposure" in parts else np.ones(1)
    given = 0.0 if arm.name == UNTREATED else 1.0
    return Course(
        [day for day, _ in arm.course], [given * dose * reaching * np.ones(2) for _, dose in arm.course]
    )


def _tumour(mice: Mice, parts: dict[str, dict[str, Floats]], block: slice, treated: bool) -> Tumour:
    """A calibrated mouse as clones that a course can be given to.

    The arm is two drugs in one: what it takes from the growth of sensitive cells, and of resistant ones. A resistant
    clone that pays for its resistance grows no more slowly without drug than with it.
    """
    resistance = parts.get("resistance", {})
    growth = mice.growth.reshape(-1)[block]
    sensitive, resistant = (rate.reshape(-1)[block] for rate in mice.rates)
    logit = mice.resistant_logit.reshape(-1)[block]
    paying = growth * (1.0 - resistance.get("fitness_cost", 0.0))
    free = np.maximum(paying, resistant) if treated else paying
    kills = np.stack([np.maximum(growth - sensitive, 0.0), np.maximum(free - resistant, 0.0)], axis=-1)
    share = 1.0 / (1.0 + np.exp(-logit))
    with np.errstate(divide="ignore"):
        log_kill = np.log(kills)
    clones = [
        Clone(SENSITIVE, ((1.0, 0.0),), 1.0 - share),
        Clone(RESISTANT, ((0.0, 1.0),), share, fitness_cost=1.0 - free / growth),
    ]
    mutations = []
    if resistance:
        mutations = [Mutation(SENSITIVE, RESISTANT, resistance["acquired"], resistance["acquired_persister"])]
    persistence = parts.get("persistence")
    niche = parts.get("niche")
    return Tumour(
        growth,
        log_kill,
        clones,
        mutations=mutations,
        persistence=_persistence(persistence) if persistence else None,
        niche=Niche(**{**niche, "protection": niche["protection"][:, None]}) if niche else None,
    )


def _persistence(drawn: dict[str, Floats]) -> Persistence:
    """Persisters that arise from sensitive cells under drug: a drug does not stress what resists it."""
    return Persistence(
        induced=drawn["induced"],
        woken=drawn["woken"],
        woken_on_drug=drawn["woken_on_drug"],
        growth=drawn["growth"],
        share=drawn["share"],
        inducing=(True, False),
    )
