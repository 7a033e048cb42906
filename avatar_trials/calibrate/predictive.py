"""What the calibrated curves predict at the visits they were calibrated to, and how likely those visits are."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.calibrate import likelihood
from avatar_trials.calibrate.curves import Curves
from avatar_trials.calibrate.model import NO_RESISTANCE, visit_kinds
from avatar_trials.cards import ModelCard
from avatar_trials.kinetics import caliper, clones, two_clone, wander
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]


def predictive_groups(
    posterior: xr.Dataset, curves: Curves, card: ModelCard, *, seed: int, draws_per_chain: int
) -> dict[str, xr.Dataset]:
    """Groups posterior_predictive and log_likelihood on every k-th draw; dims (chain, draw, obs).

    Predicted volumes (mm3) are of the same mouse with new wander and new caliper error; 0 where a caliper reads
    below the detection limit.
    """
    step = max(1, posterior.sizes["draw"] // draws_per_chain)
    thin = posterior.isel(draw=slice(None, None, step))
    n_chains, n_draws = thin.sizes["chain"], thin.sizes["draw"]
    rng = stream(seed, "posterior predictive")
    volume, density = [], []
    for chain in range(n_chains):
        for draw in range(n_draws):
            values = {str(name): thin[name].values[chain, draw] for name in thin.data_vars}
            expected = expected_log_volume(values, curves, card)
            squared = caliper.log_variance(
                np.exp(expected), values["delta"], values["sigma_p"], card.observation.diameter_floor_mm3
            )
            volume.append(_measured(expected, squared, values["wander"], curves, card, rng))
            density.append(_log_likelihood(expected, squared, values["wander"], curves))
    shape = (n_chains, n_draws, len(curves.day))
    coords = {"chain": thin["chain"].values, "draw": thin["draw"].values}
    dims = ("chain", "draw", "obs")
    return {
        "posterior_predictive": xr.Dataset(
            {"volume_mm3": (dims, np.reshape(volume, shape), {"units": "mm3"})}, coords
        ),
        "log_likelihood": xr.Dataset({"volume_mm3": (dims, np.reshape(density, shape))}, coords),
    }


def expected_log_volume(values: dict[str, Any], curves: Curves, card: ModelCard) -> Floats:
    """Log volume (obs) of one draw's curves at their visits, without wander and caliper error."""
    n = curves.n_untreated
    r = np.exp(np.concatenate([values["log_r_untreated"], values["log_r_treated"]]))
    slowing = two_clone.arm_slowing(values["slowing"], curves.given[n:], values.get("slowing_overlap", 0.0))
    resistant_rate = r * np.exp(np.concatenate([np.zeros(n), slowing]))
    kill = np.zeros(len(r))
    kill[n:] = np.exp(two_clone.log_kill_rate(values["log_kill_mouse"], card.constant("clearance_per_day")))
    logit = np.concatenate([np.full(n, NO_RESISTANCE), values["resistant_logit_mouse"]])
    who = curves.obs_curve
    unlimited = clones.log_growth(curves.day, r[who], kill[who], logit[who], resistant_rate[who])
    size: Floats = values["log_start"][who] + clones.size_from_growth(unlimited, values["deceleration"])
    return size


def _measured(
    expected: Floats,
    squared: Floats,
    weekly: float,
    curves: Curves,
    card: ModelCard,
    rng: np.random.Generator,
) -> Floats:
    first = np.r_[True, curves.obs_curve[1:] != curves.obs_curve[:-1]]
    gap = np.where(first, 0.0, np.diff(curves.day, prepend=0.0))
    walk = np.cumsum(np.sqrt(wander.variance(gap, weekly)) * rng.standard_t(4, len(gap)))
    starts = np.maximum.accumulate(np.where(first, np.arange(len(gap)), 0))
    walk = walk - walk[starts]
    volume = np.exp(expected + walk + np.sqrt(squared) * rng.standard_t(4, len(gap)))
    return np.where(volume < card.observation.detection_limit_mm3, 0.0, volume)


def _log_likelihood(expected: Floats, squared: Floats, weekly: float, curves: Curves) -> Floats:
    residual, day = curves.log_volume - expected, curves.day
    follows, starts, below = visit_kinds(curves)
    density = np.empty(len(day))
    before = follows - 1
    density[follows] = likelihood.following(
        residual[follows],
        residual[before],
        squared[follows],
        squared[before],
        day[follows],
        day[before],
        weekly,
    )
    density[starts] = likelihood.alone(residual[starts], squared[starts], day[starts], weekly)
    density[below] = likelihood.below_limit(residual[below], squared[below], day[below], weekly)
    return density
