"""Calibrated avatars under what their volumes did not tell: holidays, persisters, a niche, resistance that costs.

A scenario and no estimate: its parameters come from the design, and every trial that has one says so. Under constant
full treatment and without a mechanism a tumour is the calibrated one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.cards import ArmSpec, Assumed, Mechanism
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.mice import Mice
from avatar_trials.kinetics.tumour import Clone, Course, Mutation, Niche, Persistence, Tumour, march
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

SENSITIVE, RESISTANT = "sensitive", "resistant"


@dataclass(frozen=True)
class Scenario:
    """Drawn parameters of a design's mechanisms: mechanism -> parameter -> (T, avatar)."""

    parts: dict[str, dict[str, Floats]]

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
    tumour = _tumour(mice, parts, block)
    reaching = parts["exposure"]["penetration"][:, None] if "exposure" in parts else np.ones(1)
    course = Course([day for day, _ in arm.course], [dose * reaching * np.ones(2) for _, dose in arm.course])
    for states in march(tumour, days, course):
        total = sum(states)
        with np.errstate(divide="ignore"):
            yield np.log(total)


def _tumour(mice: Mice, parts: dict[str, dict[str, Floats]], block: slice) -> Tumour:
    """A calibrated mouse as clones that a course can be given to.

    The arm is two drugs in one: what it takes from the growth of sensitive cells, and of resistant ones. A resistant
    clone that pays for its resistance grows no more slowly without drug than with it.
    """
    resistance = parts.get("resistance", {})
    growth = mice.growth.reshape(-1)[block]
    sensitive, resistant = (rate.reshape(-1)[block] for rate in mice.rates)
    logit = mice.resistant_logit.reshape(-1)[block]
    free = np.maximum(growth * (1.0 - resistance.get("fitness_cost", 0.0)), resistant)
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
