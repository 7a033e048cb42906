"""Levels of the patients behind avatars: correlated with their avatars', those that engraft and those that do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_trials.card_parts import Assumed
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.hierarchy import Deviates, Population, avatar_deviates, drawn_cohort
from avatar_trials.emulate.mice import luck
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

LINEAR = ("log_r", "log_kill", "log_spread", "resistance")
POSITIVE = ("slowing", "wander_avatar", "deceleration_avatar")
WITHOUT_AVATAR = "no avatar"


@dataclass(frozen=True)
class PatientLevels:
    """Patients of T replicate trials: first those behind the avatars, in their order, then those without one.

    `levels` and `mean`: their own levels, and those of the mean patient, as cohorts; `n_paired` have an avatar.
    `drawn`: parameter of the scenario -> (T, patient). `other`: purpose -> other tumours of the same law.
    """

    levels: Cohort
    mean: Cohort
    n_paired: int
    drawn: dict[str, Floats]
    other: Callable[[str], Cohort]

    def lesion(self, number: int) -> Cohort:
        """Levels of one lesion: correlated by `lesion_correlation` with every other lesion of the patient."""
        own = self.other(f"lesion {number}")
        return blended(self.levels, own, self.mean, np.sqrt(self.drawn["lesion_correlation"]))


def patient_levels(
    avatars: Cohort,
    hierarchy: Population,
    carriers: Floats,
    assumed: Mapping[str, float | Assumed],
    *,
    seed: int,
    chosen: bool = False,
) -> PatientLevels:
    """Patients of the avatars: theta_P = mu + rho (theta_A - mu) + sqrt(1 - rho^2) (theta' - mu).

    theta' is another tumour of the hierarchy that has the same biomarker, so the law of patients that engraft is the
    avatars' own. Calibrated avatars are those that took, P(take) = logistic(a0 + a1 log r): tumours that did not have
    density N(mu, omega^2) exp(-a1 log r) up to a factor, which is N(mu - a1 omega^2, omega^2). `take_slope` is
    a1 omega; `take_rate` gives the number of patients without an avatar. `carriers` (T or 1, avatar). `chosen`: the
    avatars were chosen by something the hierarchy does not know (a mutation), so that their patients share it: mu is
    then the mean of these avatars, and theta' one of them at random.
    """
    n_paired, take = len(avatars.avatars), float(assumed["take_rate"])  # type: ignore[arg-type]
    n_without = round(n_paired * (1.0 - take) / take)
    names = (*avatars.avatars, *(f"{WITHOUT_AVATAR} {number:03d}" for number in range(1, n_without + 1)))
    carriers = carriers[:, np.arange(len(names)) % n_paired]
    drawn = {name: _assumed(value, name, names, avatars.n_trials, seed) for name, value in assumed.items()}
    if chosen:
        other = partial(_one_of, avatars, names, seed)
        mean = _mean_of(avatars, names)
    else:
        other = partial(_drawn, hierarchy, names, carriers, seed)
        mean = drawn_cohort(hierarchy, names, carriers, _no_deviates(avatars.n_trials, len(names)))
    has_avatar = np.arange(len(names)) < n_paired
    weight = np.where(has_avatar, drawn["latent_correlation"], 0.0)
    levels = blended(_padded(avatars, mean, n_paired), other("patient"), mean, weight)
    slower = drawn["take_slope"] * hierarchy.values["omega_r"][:, None]
    levels = replace(levels, log_r=levels.log_r - np.where(has_avatar, 0.0, slower))
    return PatientLevels(levels, mean, n_paired, drawn, other)


def blended(first: Cohort, second: Cohort, mean: Cohort, weight: Floats) -> Cohort:
    """Levels mean + w (first - mean) + sqrt(1 - w^2) (second - mean), positive ones on the logarithm; `weight`
    (T, avatar). Margins stay where both cohorts have one law, and levels then correlate by w with the first's."""
    of_drugs = [*LINEAR, *(POSITIVE if mean.kinetics in KILL_LAWS else POSITIVE[1:])]
    parts: dict[str, Any] = {}
    for name in of_drugs:
        one, two, middle = (getattr(cohort, name) for cohort in (first, second, mean))
        if not middle.size:
            continue
        w = weight[..., None] if middle.ndim > 2 else weight
        if name in LINEAR:
            parts[name] = middle + w * (one - middle) + np.sqrt(1.0 - w**2) * (two - middle)
        elif np.all(middle > 0):
            parts[name] = middle * (one / middle) ** w * (two / middle) ** np.sqrt(1.0 - w**2)
    return replace(second, **parts)


def _padded(avatars: Cohort, mean: Cohort, n_paired: int) -> Cohort:
    """The avatars, and mean tumours in place of those that did not engraft."""
    parts: dict[str, Any] = {}
    for name in (*LINEAR, *POSITIVE):
        own, middle = getattr(avatars, name), getattr(mean, name)
        if middle.size and own.ndim == middle.ndim and own.shape[1] == n_paired:
            parts[name] = np.concatenate([own, middle[:, n_paired:]], axis=1)
    return replace(mean, **parts)


def _one_of(avatars: Cohort, names: tuple[str, ...], seed: int, purpose: str) -> Cohort:
    """One of the avatars, at random and independently, in the place of each name and replicate."""
    n, size = len(avatars.avatars), avatars.n_trials
    place = np.stack(
        [stream(seed, "patients", purpose, "one of", name).integers(0, n, size) for name in names], axis=1
    )
    parts: dict[str, Any] = {
        name: np.take_along_axis(values, place[(...,) + (None,) * (values.ndim - 2)], axis=1)
        for name, values in _own(avatars).items()
    }
    return replace(avatars, avatars=names, tumor_types=(), **parts)


def _mean_of(avatars: Cohort, names: tuple[str, ...]) -> Cohort:
    """Mean levels of the avatars of each replicate, positive ones on the logarithm, in the place of each name."""
    parts: dict[str, Any] = {}
    for name, values in _own(avatars).items():
        logarithmic = name in POSITIVE and bool(np.all(values > 0))
        middle = np.log(values) if logarithmic else values
        middle = np.repeat(middle.mean(axis=1, keepdims=True), len(names), axis=1)
        parts[name] = np.exp(middle) if logarithmic else middle
    return replace(avatars, avatars=names, tumor_types=(), **parts)


def _own(cohort: Cohort) -> dict[str, Floats]:
    """What each avatar has of its own: name -> (T, avatar, ...)."""
    graded = cohort.kinetics in KILL_LAWS
    names = (*LINEAR, *(POSITIVE if graded else POSITIVE[1:]), "mean_log_r")
    return {name: values for name in names if (values := getattr(cohort, name)).size}


def _drawn(
    hierarchy: Population, names: tuple[str, ...], carriers: Floats, seed: int, purpose: str
) -> Cohort:
    deviates = avatar_deviates(names, len(hierarchy.draw), luck(seed, "patients", purpose))
    return drawn_cohort(hierarchy, names, carriers, deviates)


def _no_deviates(n_trials: int, n_patients: int) -> Deviates:
    return lambda purpose, width: np.zeros((n_trials, n_patients, width))


def _assumed(value: float | Assumed, name: str, names: tuple[str, ...], n_trials: int, seed: int) -> Floats:
    """(T, patient): by avatar a draw for each patient, else one a replicate."""
    if not isinstance(value, Assumed):
        return np.full((n_trials, len(names)), float(value))
    if value.by == "avatar":
        return np.stack([value.draws(n_trials, stream(seed, "patients", name, one)) for one in names], axis=1)
    return np.repeat(value.draws(n_trials, stream(seed, "patients", name))[:, None], len(names), axis=1)
