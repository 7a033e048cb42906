"""How likely an avatar's readings are given the population alone, whatever the avatar and its mice were.

Everything of an avatar is integrated out, its mice's own parameters within its levels: left in, leave-one-out would ask
what a curve's readings are given parameters that hardly anything but these readings tell, and its importance weights
have no variance. Each mouse is integrated by points about what the posterior says of it, the levels by points about
theirs, the avatar's wander and deceleration by quadrature. All draws share the points, so that errors mostly cancel in
weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import logsumexp

from avatar_trials.emulate.cohort import Cohort, cohort_from_posterior
from avatar_trials.evidence.avatar_laws import AvatarLaw, avatar_law, cohort_at, levels_of
from avatar_trials.evidence.mouse_laws import (
    log_density_of,
    mouse_law,
    mouse_means,
    posterior_coordinates,
    proposed,
    readings_of,
)
from avatar_trials.problems import InputError, Problem
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

REPEATS = 2
NODES = {"wander": 6, "deceleration": 4}
WIDER = 1.4


def integrated(
    tree: xr.DataTree,
    *,
    draws: int,
    samples: int,
    seed: int,
    population: xr.DataTree | None = None,
    avatars: Sequence[str] | None = None,
) -> xr.Dataset:
    """Log densities given the population, draw by draw, with everything of the avatar integrated out.

    `of_avatar` (chain, draw, avatar): of all readings of an avatar. `of_mouse` (chain, draw, mouse): of a mouse's
    readings given those of its avatar's other mice. `avatar_error`, `mouse_error`, same dims: Monte Carlo errors, from
    two independent sets of points. About `draws` of the posterior's draws; `samples` points (a power of 2) a mouse
    and a set of levels. The population is that of `tree`, or of another posterior `population` of the same card and
    drugs; `avatars` are some of the tree's.
    """
    thin = _thinned(population or tree, draws)
    posterior, constant = thin["posterior"].to_dataset(), tree["constant_data"].to_dataset()
    if "mu_k_type" in posterior:
        what = "cards are compared on one tumour type at a time, and this posterior has several"
        raise InputError(Problem("E90", "error", what, "Calibrate one type"))
    sizes = posterior.sizes["chain"], posterior.sizes["draw"]
    cohort = _in_order(cohort_from_posterior(thin, sizes[0] * sizes[1], seed=seed))
    drawn = {
        str(name): values.values.reshape(-1, *values.shape[2:])
        for name, values in posterior.items()
        if set(values.dims) <= {"chain", "draw", "drug"}
    }
    known = [str(name) for name in tree["posterior"].to_dataset()["avatar"].values]
    of_avatar, of_mouse, mice = [], [], list[int]()
    for name in avatars or known:
        own = np.flatnonzero(constant["avatar"].values == name)
        carrier = 0.0
        if "biomarker_of" in constant:
            carrier = float(constant["biomarker_of"].sel(each_avatar=name))
        names, levels = levels_of(tree["posterior"].to_dataset(), known.index(name))
        law = avatar_law(tree, names, drawn, carrier)
        # Whose cohort it is does not matter: its levels are put in their place.
        alone = cohort.of([name if name in cohort.avatars else cohort.avatars[0]])
        found = [
            _avatar(tree, alone, law, levels, own, samples, _rng(seed, name, repeat), known.index(name))
            for repeat in range(REPEATS)
        ]
        of_avatar.append(np.stack([whole for whole, _ in found], axis=1))
        of_mouse += list(np.stack([whole - without for whole, without in found], axis=2))
        mice += own.tolist()
    order = np.argsort(mice)
    result: dict[str, Any] = {}
    for unit, values in (("avatar", np.stack(of_avatar)), ("mouse", np.stack(of_mouse)[order])):
        shape = (len(values), *sizes)
        mean = logsumexp(values, axis=2) - np.log(REPEATS)
        result[f"of_{unit}"] = ((unit, "chain", "draw"), mean.reshape(shape))
        result[f"{unit}_error"] = (
            (unit, "chain", "draw"),
            0.5 * np.abs(values[..., 0] - values[..., 1]).reshape(shape),
        )
    coords = {"avatar": list(avatars or known), "mouse": constant["mouse"].values[np.sort(mice)]}
    return xr.Dataset(result, coords).transpose("chain", "draw", ...)


def _rng(seed: int, avatar: str, repeat: int) -> np.random.Generator:
    return stream(seed, "avatar integral", avatar, str(repeat))


def _avatar(
    tree: xr.DataTree,
    alone: Cohort,
    law: AvatarLaw,
    levels: Floats,
    mice: NDArray[np.int64],
    samples: int,
    rng: np.random.Generator,
    place: int,
) -> tuple[Floats, Floats]:
    """Log density (T,) of all readings of an avatar's `mice`, and (mouse, T) of all but each one's."""
    points, log_proposal = proposed(levels, samples, rng, wider=WIDER)
    weekly, log_weekly = _nodes(tree, "wander", law.weekly, place)
    slowed, log_slowed = _nodes(tree, "deceleration", law.slowed, place)
    log_scales = (log_slowed[:, :, None] + log_weekly[:, None, :]).reshape(len(log_weekly), -1)
    log_prior = _log_normal(points, law.mean, law.covariance) - log_proposal
    base = log_prior[:, :, None] + log_scales[:, None, :]
    many = cohort_at(alone, law.names, points)
    terms = np.stack([_mouse(tree, alone, many, int(j), samples, weekly, slowed, rng) for j in mice])
    whole = _log_mean(base + terms.sum(axis=0), samples)
    without = [_log_mean(base + np.delete(terms, j, axis=0).sum(axis=0), samples) for j in range(len(mice))]
    return whole, np.stack(without)


def _mouse(
    tree: xr.DataTree,
    alone: Cohort,
    many: Cohort,
    mouse: int,
    samples: int,
    weekly: Floats,
    slowed: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Log density (T, M, HG) of a mouse's readings given levels (M), deceleration (H) and wander (G), its own
    coordinates integrated."""
    arm = str(tree["constant_data"].to_dataset()["arm"].values[mouse])
    points, log_proposal = proposed(posterior_coordinates(tree, mouse, arm), samples, rng)
    middle = mouse_law(alone, arm)
    log_value = log_density_of(alone, middle, readings_of(tree, mouse), points, weekly, slowed)
    log_value = log_value - log_proposal[None, :, None]
    top = log_value.max(axis=1, keepdims=True)
    value = np.exp(log_value - top)
    n_draws, size = alone.n_trials, points.shape[1]
    mean = mouse_means(many, arm).reshape(n_draws, -1, size)
    result = np.empty((n_draws, mean.shape[1], value.shape[2]))
    root = np.linalg.cholesky(middle.covariance)
    log_root = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1) + 0.5 * size * np.log(2.0 * np.pi)
    inverse = np.linalg.inv(root)
    for t in range(n_draws):
        here, there = points @ inverse[t].T, mean[t] @ inverse[t].T
        cross = there @ here.T
        cross -= 0.5 * (there**2).sum(axis=1)[:, None]
        cross -= 0.5 * (here**2).sum(axis=1)[None, :]
        nearest = cross.max(axis=1, keepdims=True)
        with np.errstate(divide="ignore"):
            result[t] = np.log(np.exp(cross - nearest) @ value[t]) + nearest - log_root[t] + top[t]
    return result - np.log(len(points))


def _log_normal(points: Floats, mean: Floats, covariance: Floats) -> Floats:
    """Log density (T, M) of points (M, a) under normal laws (T, a)."""
    root = np.linalg.cholesky(covariance)
    away = np.swapaxes(points[None] - mean[:, None], 1, 2)
    scaled = np.linalg.solve(root, away)
    log_root = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    density: Floats = -0.5 * (scaled**2).sum(axis=1) - log_root[:, None]
    return density - 0.5 * points.shape[1] * np.log(2.0 * np.pi)


def _nodes(tree: xr.DataTree, name: str, log_scale: Floats, place: int) -> tuple[Floats, Floats]:
    """Values (T, G) of an avatar's wander or deceleration and the log weights (T, G) of its law there, by quadrature
    about what the posterior says of it; one node where all avatars share it."""
    mean, spread = log_scale.T
    posterior = tree["posterior"].to_dataset()
    if f"{name}_avatar" not in posterior:
        return np.exp(mean)[:, None], np.zeros((len(mean), 1))
    own = np.log(posterior[f"{name}_avatar"].values[..., place])
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES[name])
    scale = np.sqrt(WIDER) * own.std()
    at = own.mean() + scale * nodes
    log_law = -0.5 * ((at - mean[:, None]) / spread[:, None]) ** 2 - np.log(spread)[:, None]
    log_weight = np.log(weights) + 0.5 * nodes**2 + np.log(scale) - 0.5 * np.log(2.0 * np.pi)
    return np.tile(np.exp(at), (len(mean), 1)), log_law + log_weight


def _log_mean(values: Floats, samples: int) -> Floats:
    mean: Floats = logsumexp(values, axis=(1, 2)) - np.log(samples)
    return mean


def _in_order(cohort: Cohort) -> Cohort:
    """The same replicates in the order of the posterior's draws."""
    order = np.argsort(cohort.draw)
    arrays = (
        "slowing",
        "log_r",
        "log_kill",
        "resistance",
        "log_spread",
        "wander_avatar",
        "deceleration_avatar",
        "eta_combination",
        "draw",
    )
    return replace(
        cohort,
        population={name: values[order] for name, values in cohort.population.items()},
        **{name: getattr(cohort, name)[order] for name in arrays if len(getattr(cohort, name))},
    )


def _thinned(tree: xr.DataTree, draws: int) -> xr.DataTree:
    """The tree with about so many draws of its posterior, evenly spaced."""
    posterior = tree["posterior"].to_dataset()
    step = max(1, posterior.sizes["chain"] * posterior.sizes["draw"] // draws)
    kept = {"/posterior": posterior.isel(draw=slice(None, None, step))} | {
        f"/{name}": tree[name].to_dataset() for name in ("observed_data", "constant_data")
    }
    thin = xr.DataTree.from_dict(kept)
    thin.attrs = tree.attrs
    return thin
