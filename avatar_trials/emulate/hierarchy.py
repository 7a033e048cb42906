"""New avatars of a population: the hierarchies of both kinetics, over any number of joint draws of its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.emulate.cohort import Cohort, scalars_of
from avatar_trials.emulate.mice import Luck
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.model_cards import FIXABLE

Floats = NDArray[np.float64]
Deviates = Callable[[str, int], Floats]
"""(purpose, width) -> standard normal deviates (T, avatar, width)."""

_TWO_CLONE = ("omega_r", "slowing", "mu_k", "omega_k", "h2", "mu_q", "omega_q")
_GRADED = (
    *(
        "omega_r",
        "mu_slowing",
        "omega_slowing",
        "mu_k",
        "omega_k",
        "omega_k_of_drug",
        "h2",
    ),
    *("mu_spread", "omega_spread", "wander", "omega_wander"),
)


def needed_of(kinetics: str, constants: Mapping[str, float]) -> set[str]:
    """Population parameters that avatars and their mice are drawn from, but for those that the constants fix.

    omega_deceleration and omega_slowing_of_drug are not needed: populations of earlier cards have neither, and their
    avatars share one deceleration and their drugs one SD of slowing.
    """
    law = KILL_LAWS.get(kinetics)
    of_avatar = set(_GRADED if law else _TWO_CLONE)
    if law and not law.spreads:
        of_avatar -= {"mu_spread", "omega_spread"}
    fixed = {parameter for name in FIXABLE if name in constants for parameter in FIXABLE[name]}
    return {*of_avatar, *scalars_of(kinetics)} - fixed


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
    deceleration_law: str = "power"


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
    of_avatar = _graded if population.kinetics in KILL_LAWS else _two_clone
    levels = of_avatar(population.values, carriers, deviates)
    nothing = np.zeros(0)
    return Cohort(
        avatars=tuple(names),
        drugs=population.drugs,
        population={name: population.values[name] for name in scalars_of(population.kinetics)},
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
        deceleration_avatar=levels.get("deceleration_avatar", nothing),
        deceleration_law=population.deceleration_law,
    )


def _two_clone(values: Mapping[str, Floats], carriers: Floats, deviates: Deviates) -> dict[str, Floats]:
    n_drugs = values["mu_k"].shape[1]
    slowing = values["slowing"]
    scores = deviates("resistance", n_drugs)
    return {
        "slowing": slowing if slowing.ndim > 1 else np.repeat(slowing[:, None], n_drugs, axis=1),
        "log_r": _log_r(values, deviates),
        "log_kill": _log_kill(values, _each(values["omega_k"]), carriers, deviates),
        "resistance": _each(values["mu_q"]) + _each(values["omega_q"]) * scores,
    }


def _graded(values: Mapping[str, Floats], carriers: Floats, deviates: Deviates) -> dict[str, Floats]:
    """Levels under a law of kill; what a card fixes is the same in every avatar, what its law lacks is 0."""
    between = _each(values["omega_k"]) * _each(values["omega_k_of_drug"])
    log_kill = _log_kill(values, between, carriers, deviates)
    n_drugs = log_kill.shape[-1]
    slowing, log_spread = np.zeros(log_kill.shape), np.zeros(log_kill.shape)
    if "slowing" in values:
        slowing = slowing + _each(values["slowing"])
    else:
        between = _each(values["omega_slowing"])
        if "omega_slowing_of_drug" in values:
            between = between * _each(values["omega_slowing_of_drug"])
        slower = between * deviates("slowing", n_drugs)
        slowing = np.exp(_each(values["mu_slowing"]) + slower)
    if "mu_spread" in values:
        wider = _each(values["omega_spread"]) * deviates("spread of kill", n_drugs)
        log_spread = _each(values["mu_spread"]) + wider
    return {
        "slowing": slowing,
        "log_r": _log_r(values, deviates),
        "log_kill": log_kill,
        "log_spread": log_spread,
        "wander_avatar": _positive("wander", values, deviates, log_kill.shape[:2]),
        "deceleration_avatar": _positive("deceleration", values, deviates, log_kill.shape[:2]),
    }


def _positive(name: str, values: Mapping[str, Floats], deviates: Deviates, shape: tuple[int, ...]) -> Floats:
    """A positive parameter of each avatar (T, avatar), log-normal about the common one; that one where it is fixed."""
    common = values[name][:, None]
    if f"omega_{name}" in values:
        common = common * np.exp(values[f"omega_{name}"][:, None] * deviates(name, 1)[..., 0])
    return np.broadcast_to(common, shape)


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
