"""New avatars of a population: the hierarchies of both kinetics, over any number of joint draws of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.emulate.cohort import GRADED_SCALARS, SCALARS, Cohort
from avatar_trials.emulate.mice import Luck

Floats = NDArray[np.float64]
Deviates = Callable[[str, int], Floats]
"""(purpose, width) -> standard normal deviates (T, avatar, width)."""

BY_AVATAR = {
    "two_clone": ("omega_r", "slowing", "mu_k", "omega_k", "h2", "mu_q", "omega_q"),
    "graded_kill": (
        *("omega_r", "mu_slowing", "omega_slowing", "mu_k", "omega_k", "omega_k_of_drug", "h2"),
        *("mu_spread", "omega_spread", "wander", "omega_wander"),
    ),
}
"""Kinetics -> population parameters that avatars are drawn from, beside those that mice need."""

BY_MOUSE = {"two_clone": SCALARS, "graded_kill": GRADED_SCALARS}


@dataclass(frozen=True)
class Population:
    """T joint draws of a hierarchy's parameters: name -> (T,), or (T, drug) where each drug has its own.

    `draw` (T,): which draws they are; `combinations` have exponents `eta_combination` (T, combination) of their own.
    Constants are the model card's, detection limit and diameter floor in mm3.
    """

    kinetics: str
    drugs: tuple[str, ...]
    values: dict[str, Floats]
    draw: NDArray[np.int64]
    constants: dict[str, float]
    detection_limit_mm3: float
    diameter_floor_mm3: float
    combinations: tuple[str, ...]
    eta_combination: Floats


def avatar_deviates(names: Sequence[str], n_trials: int, luck: Luck) -> Deviates:
    """Deviates from a stream for each avatar and purpose: who else is there is nothing, more trials keep the first."""
    return lambda purpose, width: np.stack(
        [luck(name, purpose).standard_normal((n_trials, width)) for name in names], axis=1
    )


def drawn_cohort(
    population: Population, names: Sequence[str], carriers: Floats, deviates: Deviates
) -> Cohort:
    """Avatars drawn from a population, each replicate trial from its own joint draw.

    `carriers` (T or 1, avatar): 1 where an avatar has the biomarker. The distributions are those of the tables
    "Hierarchy" in models/two_clone.md and models/graded_kill.md.
    """
    graded = population.kinetics == "graded_kill"
    levels = (_graded if graded else _two_clone)(population.values, carriers, deviates)
    nothing = np.zeros(0)
    return Cohort(
        avatars=tuple(names),
        drugs=population.drugs,
        population={name: population.values[name] for name in BY_MOUSE[population.kinetics]},
        slowing=levels["slowing"],
        log_r=levels["log_r"],
        log_kill=levels["log_kill"],
        resistance=levels.get("resistance", nothing),
        draw=population.draw,
        constants=population.constants,
        detection_limit_mm3=population.detection_limit_mm3,
        diameter_floor_mm3=population.diameter_floor_mm3,
        kinetics=population.kinetics,
        log_spread=levels.get("log_spread", nothing),
        wander_avatar=levels.get("wander_avatar", nothing),
        combinations=population.combinations,
        eta_combination=population.eta_combination,
    )


def _two_clone(values: Mapping[str, Floats], carriers: Floats, deviates: Deviates) -> dict[str, Floats]:
    n_drugs = values["mu_k"].shape[1]
    scores = deviates("resistance", n_drugs)
    return {
        "slowing": values["slowing"],
        "log_r": _log_r(values, deviates),
        "log_kill": _log_kill(values, _each(values["omega_k"]), carriers, deviates),
        "resistance": _each(values["mu_q"]) + _each(values["omega_q"]) * scores,
    }


def _graded(values: Mapping[str, Floats], carriers: Floats, deviates: Deviates) -> dict[str, Floats]:
    n_drugs = values["mu_k"].shape[1]
    slower = _each(values["omega_slowing"]) * deviates("slowing", n_drugs)
    wider = _each(values["omega_spread"]) * deviates("spread of kill", n_drugs)
    between = _each(values["omega_k"]) * _each(values["omega_k_of_drug"])
    wander = np.exp(values["omega_wander"][:, None] * deviates("wander", 1)[..., 0])
    return {
        "slowing": np.exp(_each(values["mu_slowing"]) + slower),
        "log_r": _log_r(values, deviates),
        "log_kill": _log_kill(values, between, carriers, deviates),
        "log_spread": _each(values["mu_spread"]) + wider,
        "wander_avatar": values["wander"][:, None] * wander,
    }


def _log_r(values: Mapping[str, Floats], deviates: Deviates) -> Floats:
    """Log growth rates (T, avatar) without drug."""
    return values["mu_r"][:, None] + values["omega_r"][:, None] * deviates("growth", 1)[..., 0]


def _log_kill(values: Mapping[str, Floats], between: Floats, carriers: Floats, deviates: Deviates) -> Floats:
    """Log kills (T, avatar, drug): a sensitivity that all drugs share (h2 of the variance), and each drug's own."""
    shared = np.sqrt(_each(values["h2"])) * deviates("shared sensitivity", 1)
    own = np.sqrt(1.0 - _each(values["h2"])) * deviates("sensitivity", values["mu_k"].shape[1])
    mean = _each(values["mu_k"])
    if "biomarker_kill" in values:
        mean = mean + carriers[..., None] * _each(values["biomarker_kill"])
    return mean + between * (shared + own)


def _each(values: Floats) -> Floats:
    """(T,) or (T, drug) as (T, 1, 1) or (T, 1, drug), to go with (T, avatar, drug)."""
    return values[:, None, None] if values.ndim == 1 else values[:, None, :]
