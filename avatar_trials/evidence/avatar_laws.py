"""An avatar given its population: how its levels spread, and a cohort that has levels one chooses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.emulate.cohort import Cohort
from avatar_trials.evidence.mouse_laws import constants_of
from avatar_trials.model_cards import fixed_parameters

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class AvatarLaw:
    """What a population says of an avatar, draw by draw: levels (a,), normal with `mean` (T, a) and `covariance`
    (T, a, a); `names` of the levels, one a drug where drugs differ; `weekly` and `slowed` (T, 2) mean and SD of the
    logarithms of its wander's scale and its deceleration, an SD of 0 where all avatars share them."""

    names: tuple[str, ...]
    mean: Floats
    covariance: Floats
    weekly: Floats
    slowed: Floats


def levels_of(posterior: xr.Dataset, avatar: int) -> tuple[tuple[str, ...], Floats]:
    """Names (a,) and draws (S, a) of an avatar's levels but for wander and deceleration; slowing by its logarithm."""
    names, columns = ["log_r"], [posterior["log_r"].values[..., avatar].reshape(-1, 1)]
    for name in ("log_kill", "resistance", "log_spread", "slowing"):
        if name not in posterior or "avatar" not in posterior[name].dims:
            continue
        values = posterior[name].transpose("chain", "draw", "avatar", "drug").values[:, :, avatar]
        values = values.reshape(-1, values.shape[-1])
        columns.append(np.log(values) if name == "slowing" else values)
        names += [name] * values.shape[1]
    return tuple(names), np.concatenate(columns, axis=1)


def avatar_law(
    tree: xr.DataTree, names: tuple[str, ...], drawn: dict[str, Floats], carrier: float
) -> AvatarLaw:
    """The law of an avatar's levels `names`, for population draws `drawn` (T,) or (T, drug).

    `carrier` is 1 where the avatar has the card's biomarker. The hierarchies are those of `calibrate.graded_kill` and
    `calibrate.two_clones`.
    """
    n_draws, n_drugs = drawn["mu_k"].shape
    size = len(names)
    mean, covariance = np.zeros((n_draws, size)), np.zeros((n_draws, size, size))
    mean[:, 0], covariance[:, 0, 0] = drawn["mu_r"], drawn["omega_r"] ** 2
    kill = np.arange(1, 1 + n_drugs)
    between = drawn["omega_k"][:, None] * drawn.get("omega_k_of_drug", np.ones((1, n_drugs)))
    mean[:, kill] = drawn["mu_k"] + carrier * drawn.get("biomarker_kill", np.zeros((1, n_drugs)))
    shared = drawn["h2"][:, None, None] + (1.0 - drawn["h2"])[:, None, None] * np.eye(n_drugs)
    covariance[:, kill[:, None], kill] = between[:, :, None] * between[:, None, :] * shared
    for level, centre, spread in (
        ("resistance", "mu_q", "omega_q"),
        ("log_spread", "mu_spread", "omega_spread"),
        ("slowing", "mu_slowing", "omega_slowing"),
    ):
        place = [k for k, name in enumerate(names) if name == level]
        if place:
            middle = drawn[centre]
            mean[:, place] = middle if middle.ndim == 2 else middle[:, None]
            own = drawn.get(f"{spread}_of_drug", np.ones((1, n_drugs)))
            covariance[:, place, place] = (drawn[spread][:, None] * own) ** 2
    scales = (_log_scale(name, tree, drawn, n_draws) for name in ("wander", "deceleration"))
    return AvatarLaw(names, mean, covariance, *scales)


def _log_scale(name: str, tree: xr.DataTree, drawn: dict[str, Floats], n_draws: int) -> Floats:
    fixed = fixed_parameters(constants_of(tree))
    scale = np.full(n_draws, fixed[name]) if name in fixed else drawn[name]
    with np.errstate(divide="ignore"):
        return np.stack([np.log(scale), drawn.get(f"omega_{name}", np.zeros(n_draws))], axis=1)


def cohort_at(cohort: Cohort, names: tuple[str, ...], points: Floats) -> Cohort:
    """A cohort of one avatar with the levels `points` (M, a): replicates (T x M), population draw by draw."""
    n_points = len(points)
    every = np.tile(points, (cohort.n_trials, 1))

    def level(name: str) -> Floats:
        place = [k for k, known in enumerate(names) if known == name]
        return every[:, None, place]

    repeated: dict[str, Any] = {
        name: np.repeat(getattr(cohort, name), n_points, axis=0)
        for name in (
            "slowing",
            "log_spread",
            "wander_avatar",
            "deceleration_avatar",
            "eta_combination",
            "resistance",
        )
    }
    changed: dict[str, Any] = {
        name: np.exp(level(name)) if name == "slowing" else level(name) for name in set(names) - {"log_r"}
    }
    return replace(
        cohort,
        population={name: np.repeat(values, n_points) for name, values in cohort.population.items()},
        log_r=every[:, :1],
        draw=np.repeat(cohort.draw, n_points),
        **(repeated | changed),
    )
