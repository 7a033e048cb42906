"""New mice of an avatar: its tumour under an arm, with the luck of one mouse, and the walk and errors of its curve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.emulate.cohort import Cohort
from avatar_trials.kinetics import clones, two_clone
from avatar_trials.kinetics.namespace import softplus
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]
Luck = Callable[[str, str], np.random.Generator]
"""(avatar, purpose) -> its random stream."""

NO_RESISTANCE = -30.0


@dataclass(frozen=True)
class Mice:
    """One mouse per replicate and avatar: net `rates` (clone, T, avatar) of the sensitive and the resistant clone
    (1/day), logit resistant fraction (T, avatar) at day 0, log volume (mm3) at day 0, growth without drug (1/day)."""

    rates: Floats
    resistant_logit: Floats
    log_start: Floats
    growth: Floats

    def log_growth(self, days: Floats, block: slice) -> Iterator[Floats]:
        """log(V/V0) (mice of the block,) at each of `days` under constant treatment, without deceleration."""
        sensitive, resistant = (rate.reshape(-1)[block] for rate in self.rates)
        logit = self.resistant_logit.reshape(-1)[block]
        at_start = softplus(logit, np)
        for day in days:
            yield clones.log_growth(day, sensitive, 0.0, logit, resistant, softplus_logit=at_start)

    def of(self, avatar: int) -> Mice:
        """The mice (T, 1) of one avatar."""
        here = slice(avatar, avatar + 1)
        return Mice(
            self.rates[..., here],
            self.resistant_logit[:, here],
            self.log_start[:, here],
            self.growth[:, here],
        )


@dataclass(frozen=True)
class Chance:
    """Standard deviates of a mouse: growth, kill, resistance, start (T, avatar) normal; surprises of its readings
    (T, avatar, visit) of Student's t with 4 degrees of freedom; removal (T, avatar, visit) uniform."""

    growth: Floats
    kill: Floats
    resistance: Floats
    start: Floats
    surprises: Floats
    removal: Floats


def luck(seed: int, *names: str) -> Luck:
    """Streams keyed by (avatar, purpose) and `names`: dropping an avatar leaves the others' numbers as they were."""
    return lambda avatar, purpose: stream(seed, purpose, avatar, *names)


def chance(avatars: tuple[str, ...], n_trials: int, n_visits: int, luck: Luck) -> Chance:
    """The deviates of one mouse per replicate and avatar."""

    def normal(purpose: str) -> Floats:
        return np.stack([luck(avatar, purpose).standard_normal(n_trials) for avatar in avatars], axis=1)

    def student(purpose: str) -> Floats:
        size = (n_trials, n_visits)
        return np.stack([luck(avatar, purpose).standard_t(4, size) for avatar in avatars], axis=1)

    return Chance(
        growth=normal("growth of the mouse"),
        kill=normal("kill in the mouse"),
        resistance=normal("resistance in the mouse"),
        start=normal("starting volume"),
        surprises=student("readings"),
        removal=np.stack(
            [luck(avatar, "removal").random((n_trials, n_visits)) for avatar in avatars], axis=1
        ),
    )


def mice_under(cohort: Cohort, arm: str, chance: Chance) -> Mice:
    """Mice (T, avatar) of a cohort under an arm, for the deviates given.

    A new mouse is not the mouse the avatar was calibrated on: its growth, kill and resistance vary about its
    avatar's. A combination's kill and resistance are what its single drugs predict, with the combination's spread.
    """
    population = {name: values[:, None] for name, values in cohort.population.items()}
    given = cohort.given(arm)
    n_drugs = int(given.sum())
    growth_sd = population["sigma_g"] if n_drugs else np.array(cohort.constants["growth_mouse_sd"])
    log_r = cohort.log_r + growth_sd * chance.growth
    r = np.exp(log_r)
    log_start = population["mu_v"] + population["sigma_v"] * chance.start
    if not n_drugs:
        return Mice(np.stack([r, r]), np.full(r.shape, NO_RESISTANCE), log_start, r)

    if n_drugs == 1:
        drug = int(given.argmax())
        log_drive, score = cohort.log_kill[:, :, drug], cohort.resistance[:, :, drug]
        score_sd = np.array(cohort.constants["resistance_mouse_sd"])
    else:
        log_drive = two_clone.arm_log_drive(cohort.log_kill, given, np.exp(population["eta"]))
        score = two_clone.arm_score(cohort.resistance, given, population["cross_resistance"])
        score_sd = population["sigma_q_combination"]
    growth = population["beta_growth"] * (log_r - cohort.growth_centre)
    log_drive = log_drive + growth + population["sigma_k"] * chance.kill
    score = score + score_sd * chance.resistance
    kill = np.exp(two_clone.log_kill_rate(log_drive, cohort.constants["clearance_per_day"]))
    logit = two_clone.resistant_logit_of(score, cohort.constants["resistance_bend"])
    overlap = cohort.population["slowing_overlap"]
    slowing = two_clone.arm_slowing(cohort.slowing, given, overlap)[:, None]
    return Mice(np.stack([r - kill, r * np.exp(slowing)]), logit, log_start, r)
