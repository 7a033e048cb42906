"""Faults planted in how readings come from a truth, to see that simulation-based calibration finds them.

Each is what a slip in density or emulator would do; the posterior stays as shipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.graded_mice import GradedMice
from avatar_trials.emulate.mice import Chance
from avatar_trials.evidence.replicates import Making
from avatar_trials.model_cards import ModelCard

Floats = NDArray[np.float64]
SWAPPED = {"A": "B", "B": "A"}


def _scaled(name: str, factor: float) -> Callable[[Cohort], Cohort]:
    return lambda cohort: replace(
        cohort, population=cohort.population | {name: factor * cohort.population[name]}
    )


def _constant_scaled(name: str, factor: float) -> Callable[[Cohort], Cohort]:
    return lambda cohort: replace(
        cohort, constants=cohort.constants | {name: factor * cohort.constants[name]}
    )


def _wider_prior(name: str, factor: float) -> Callable[[ModelCard], ModelCard]:
    def wider(card: ModelCard) -> ModelCard:
        prior = card.priors[name]
        changed = prior.model_copy(update={"scale": factor * prior.scale})
        return card.model_copy(update={"priors": {**card.priors, name: changed}})

    return wider


def _without_wander(cohort: Cohort) -> Cohort:
    if "wander" in cohort.population:
        return _scaled("wander", 0.0)(cohort)
    return replace(cohort, wander_avatar=0.0 * cohort.wander_avatar)


def _kill_feeds(mice: Any) -> Any:
    if isinstance(mice, GradedMice):
        return replace(mice, kill=-mice.kill)
    sensitive, resistant = mice.rates
    return replace(mice, rates=np.stack([2 * mice.growth - sensitive, resistant]))


def _normal_tails(chance: Chance) -> Chance:
    return replace(chance, surprises=stats.norm.ppf(stats.t(4).cdf(chance.surprises)))


def _other_exponent(cohort: Cohort) -> Cohort:
    turned = _scaled("eta", -1.0)(cohort)
    return replace(turned, eta_combination=-cohort.eta_combination)


def _at_the_limit(volumes: Floats, card: ModelCard) -> Floats:
    return np.where(volumes > 0.0, volumes, card.observation.detection_limit_mm3)


FAULTS: dict[str, tuple[str, Making]] = {
    "sigma": ("caliper error x1.25", Making(cohort=_scaled("delta", 1.25))),
    "time_unit": ("time x1.10", Making(days=lambda days: 1.1 * days)),
    "prior_scale": ("prior of mu_r twice as wide", Making(card=_wider_prior("mu_r", 2.0))),
    "kill_sign": ("drugs feed what they should kill", Making(mice=_kill_feeds)),
    "swapped_arm": ("mice of A and B exchanged", Making(arm=lambda arm: SWAPPED.get(arm, arm))),
    "shared_noise": ("an avatar's mice share luck and caliper error", Making(luck=lambda _: "all arms")),
    "mouse_sd": ("SD of growth between mice x2", Making(cohort=_constant_scaled("growth_mouse_sd", 2.0))),
    "caliper_floor": (
        "diameter floor 200 mm3",
        Making(cohort=lambda cohort: replace(cohort, diameter_floor_mm3=200.0)),
    ),
    "no_wander": ("wander left out", Making(cohort=_without_wander)),
    "normal_tails": ("normal instead of Student's errors of the same scale", Making(chance=_normal_tails)),
    "zeros": (
        "tumours below the limit read as just at it",
        Making(volumes=_at_the_limit),
    ),
    "exponent_sign": ("synergy and antagonism exchanged", Making(cohort=_other_exponent)),
}
"""Name -> what is wrong, and how readings are made then."""
