"""A block of replicate trials, the unit of work of a sweep: what it needs is in it, and what it returns is small."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.decision_rules import ENDPOINTS
from avatar_trials.designs import TrialDesign
from avatar_trials.sweeps.judged import Trials, judge
from avatar_trials.sweeps.mice import Outcomes, measure, put_together
from avatar_trials.sweeps.sums import Sums
from avatar_trials.sweeps.worlds import (
    MEAN,
    POSTERIOR,
    Avatars,
    arms_in_worlds,
    at_the_mean,
    avatars_of_block,
    screened_for_one,
)

Floats = NDArray[np.float64]

ALL_BASKETS = "all"
REFERENCE_AVATARS = 1000
REFERENCE_DRAWS = 50


@dataclass(frozen=True)
class Truths:
    """What the populations of a group truly are, on the measures of `ENDPOINTS` of `REFERENCE_AVATARS` avatars.

    values (basket, draw, endpoint, arm): the last draw is the posterior mean. `baskets` are tumour types and, of
    several, all of them together.
    """

    baskets: tuple[str, ...]
    arms: tuple[str, ...]
    values: Floats

    def of(self, basket: str, draw: NDArray[np.int64]) -> dict[str, dict[str, Floats]]:
        """endpoint -> arm -> (trial,) of the draws (trial,)."""
        here = self.values[self.baskets.index(basket)][draw]
        return {
            endpoint: {arm: here[:, e, a] for a, arm in enumerate(self.arms)}
            for e, endpoint in enumerate(ENDPOINTS)
        }


@dataclass(frozen=True)
class Reference:
    """Work: what some draws of a population truly are. `draws` (draw,); none: the posterior mean."""

    population: xr.Dataset
    design: TrialDesign
    draws: NDArray[np.int64]
    seed: int

    def done(self) -> Floats:
        """The measures (basket, draw, endpoint, arm); the lane is the same for every draw, which so differ by their
        parameters and not by luck."""
        mean = not len(self.draws)
        population = at_the_mean(self.population) if mean else self.population
        draws = np.zeros(1, dtype=np.int64) if mean else self.draws
        arms = compared_arms(self.design)
        found: dict[str, dict[str, Outcomes]] = {}
        for tumor_type in self.design.cohort.tumor_types:
            avatars = avatars_of_block(
                population,
                self.design,
                tumor_type,
                lane="reference",
                n_trials=len(draws),
                n_avatars=REFERENCE_AVATARS,
                seed=self.seed,
                draws=draws,
            )
            specs = {arm.shown: arm for arm in self.design.arms}
            found[tumor_type] = {name: avatars.under(specs[name], 1) for name in arms}
        by_basket = baskets(found)
        return np.array(
            [
                [
                    [measure(endpoint, of_arm[name], self.design.visits.horizon_days) for name in arms]
                    for endpoint in ENDPOINTS
                ]
                for of_arm in by_basket.values()
            ]
        ).transpose(0, 3, 1, 2)


@dataclass(frozen=True)
class Block:
    """Work: one block of replicate trials of every point of a group, whose designs differ in numbers of avatars, of
    mice, and in how they are decided; all see the same avatars and mice, as far as they have them."""

    population: xr.Dataset
    points: tuple[tuple[int, TrialDesign], ...]
    worlds: tuple[str, ...]
    truths: Truths | None
    number: int
    n_trials: int
    seed: int

    def done(self) -> Sums:
        """What came of the trials."""
        designs = [design for _, design in self.points]
        first = designs[0]
        n_mice = max(design.decision.mice_per_avatar for design in designs)
        n_avatars = max(n_of(design) for design in designs)
        merged = merged_design(designs)
        lane = f"block {self.number}"
        worlds: dict[tuple[str, str], dict[str, dict[str, Outcomes]]] = {}
        draw: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        for tumor_type in first.cohort.tumor_types:

            @cache
            def avatars(world: str, tumor_type: str = tumor_type) -> Avatars:
                mean = world == MEAN
                return avatars_of_block(
                    at_the_mean(self.population) if mean else self.population,
                    merged,
                    tumor_type,
                    lane=lane,
                    n_trials=self.n_trials,
                    n_avatars=n_avatars,
                    seed=self.seed,
                )

            for place, arms in arms_in_worlds(avatars, merged, self.worlds, n_mice).items():
                worlds.setdefault(place, {})[tumor_type] = arms
            draw = avatars(POSTERIOR if set(self.worlds) - {MEAN} else MEAN).cohort.draw
        sums = Sums()
        for number, design in self.points:
            for (world, equal_to), of_type in worlds.items():
                some = {
                    basket: {
                        name: mice.of(n_of(design), design.decision.mice_per_avatar)
                        for name, mice in arms.items()
                    }
                    for basket, arms in of_type.items()
                }
                for basket, arms in baskets(some).items():
                    truth = None
                    if self.truths is not None and world in (POSTERIOR, MEAN):
                        at = np.full(self.n_trials, -1) if world == MEAN else draw
                        truth = self.truths.of(basket, at)
                    looked_at = self._screened(design, basket)
                    judge(Trials(number, design, world, basket, equal_to, arms, looked_at, truth), sums)
        return sums

    def _screened(self, design: TrialDesign, basket: str) -> float:
        """Avatars screened for each that a basket lets in; all baskets let in as many each."""
        types = design.cohort.tumor_types if basket == ALL_BASKETS else (basket,)
        return float(np.mean([screened_for_one(self.population, design, kind) for kind in types]))


def baskets(of_type: dict[str, dict[str, Outcomes]]) -> dict[str, dict[str, Outcomes]]:
    """Arms by tumour type, and of several types all their avatars together."""
    if len(of_type) < 2:
        return of_type
    arms = next(iter(of_type.values()))
    together = {name: put_together([one[name] for one in of_type.values()], axis=2) for name in arms}
    return {**of_type, ALL_BASKETS: together}


def compared_arms(design: TrialDesign) -> tuple[str, ...]:
    """Combinations that are compared, and the single agents they are compared with, each once."""
    compared = design.compared()
    return tuple(dict.fromkeys(name for one, alone in compared.items() for name in (one, *alone)))


def merged_design(designs: list[TrialDesign]) -> TrialDesign:
    """The design of a group's mice, with every combination that one of its points compares."""
    first = designs[0]
    named = tuple(dict.fromkeys(name for design in designs for name in design.compared()))
    decision = first.decision.model_copy(update={"combinations": named})
    return first.model_copy(update={"decision": decision})


def n_of(design: TrialDesign) -> int:
    """Avatars of a design, in each of its baskets."""
    n = design.cohort.n_avatars
    if n is None:
        raise ValueError("a sweep's design has a number of avatars")
    return n
