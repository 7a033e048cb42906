"""New mice of an avatar whose tumour follows a law of kill: kill that may spread, growth that is slowed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.arms import canonical_arm
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.mice import Chance, Luck
from avatar_trials.kinetics import graded
from avatar_trials.kinetics.kill_laws import KILL_LAWS, KillLaw

Floats = NDArray[np.float64]
Segments = Sequence[tuple[float, float]]
"""Pairs of a day and the dose from then on, the first on day 0."""


@dataclass(frozen=True)
class GradedMice:
    """One mouse per replicate and avatar, arrays (T, avatar): growth without drug (1/day), log units by which the arm
    slows it, mean kill (1/day; 0 without drug), log spread of kill, log volume (mm3) at day 0."""

    growth: Floats
    slowing: Floats
    kill: Floats
    log_spread: Floats
    log_start: Floats
    law: KillLaw = KILL_LAWS["graded_kill"]

    def log_growth(
        self, days: Floats, block: slice, course: Segments = ((0.0, 1.0),), reach: Floats | float = 1.0
    ) -> Iterator[Floats]:
        """log(V/V0) (mice of the block,) at each of `days` under a course of doses, of which `reach` gets to the
        tumour, without deceleration.

        Cells that a drug has killed stay dead: the kill goes on where it stopped, by days at full dose. The drug slows
        growth in proportion to its dose, on the logarithm.
        """
        growth, slowing, kill, log_spread = (
            values.reshape(-1)[block] for values in (self.growth, self.slowing, self.kill, self.log_spread)
        )
        starts = np.array([day for day, _ in course])
        doses = [dose for _, dose in course]
        ends = np.append(starts[1:], np.inf)
        slowed = [growth * np.exp(-slowing * dose * reach) for dose in doses]
        for day in days:
            grown, exposure = 0.0, 0.0
            # Plain numbers: a NumPy one would make single precision double.
            lengths = np.clip(np.minimum(ends, day) - starts, 0.0, None).tolist()
            for length, dose, growing in zip(lengths, doses, slowed, strict=True):
                grown = grown + growing * length
                exposure = exposure + dose * reach * length
            yield self.law.log_growth(grown, exposure, kill, log_spread)


def graded_mice_under(cohort: Cohort, arm: str, chance: Chance, luck: Luck | None = None) -> GradedMice:
    """Mice (T, avatar) of a cohort under an arm, for the deviates given.

    A new mouse's growth, kill and spread vary about its avatar's. A combination that was calibrated has its own
    exponent; another one draws it about that of all combinations.
    """
    population = {name: values[:, None] for name, values in cohort.population.items()}
    given = cohort.given(arm)
    log_r = cohort.log_r + cohort.constants["growth_mouse_sd"] * chance.growth
    log_start = population["mu_v"] + population["sigma_v"] * chance.start
    n_drugs, nothing = int(given.sum()), np.zeros(log_r.shape)
    if not n_drugs:
        return GradedMice(np.exp(log_r), nothing, nothing, nothing, log_start, KILL_LAWS[cohort.kinetics])
    law = KILL_LAWS[cohort.kinetics]
    overlap = cohort.population["slowing_overlap"][:, None]
    slowing = graded.arm_slowing(cohort.slowing, given, overlap)
    if n_drugs == 1:
        drug = int(given.argmax())
        log_kill, log_spread = cohort.log_kill[:, :, drug], cohort.log_spread[:, :, drug]
        spread_sd = np.array(cohort.constants["spread_mouse_sd"] if law.spreads else 0.0)
    else:
        exponent = np.exp(_eta(cohort, arm, luck))[:, None]
        log_kill = graded.arm_log_kill(cohort.log_kill, given, exponent)
        log_spread, spread_sd = nothing, np.array(0.0)
        if law.spreads:
            log_spread = graded.arm_log_spread(
                cohort.log_kill, cohort.log_spread, given, population["cross_resistance"], log_kill
            )
            spread_sd = population["sigma_spread_combination"]
    log_kill = log_kill + population["beta_growth"] * (log_r - cohort.growth_centre)
    log_kill = log_kill + population["sigma_k"] * chance.kill
    log_spread = log_spread + spread_sd * chance.resistance
    return GradedMice(np.exp(log_r), slowing, np.exp(log_kill), log_spread, log_start, law)


def _eta(cohort: Cohort, arm: str, luck: Luck | None) -> Floats:
    """Log exponent (T,) of a combination."""
    names = [canonical_arm(name).casefold() for name in cohort.combinations]
    if canonical_arm(arm).casefold() in names:
        own: Floats = cohort.eta_combination[:, names.index(canonical_arm(arm).casefold())]
        return own
    spread = cohort.constants["eta_combination_sd"]
    drawn = luck(arm, "exponent of the combination").standard_normal(cohort.n_trials) if luck else 0.0
    return cohort.population["eta"] + spread * drawn
