"""What the calibrated curves predict at the visits they were calibrated to, and how likely those visits are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.calibrate import likelihood
from avatar_trials.calibrate.curves import Curves
from avatar_trials.calibrate.two_clones import NO_RESISTANCE
from avatar_trials.kinetics import caliper, clones, two_clone, wander
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.model_cards import ModelCard
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
    flat = {str(name): values.values.reshape(-1, *values.shape[2:]) for name, values in thin.items()}
    flat |= fixed_draws(card, n_chains * n_draws, len(curves.drugs))
    draws = [{str(name): values[k] for name, values in flat.items()} for k in range(n_chains * n_draws)]
    expected = np.stack([expected_log_volume(values, curves, card) for values in draws])
    delta, sigma_p = flat["delta"][:, None], flat["sigma_p"][:, None]
    squared = caliper.log_variance(np.exp(expected), delta, sigma_p, card.observation.diameter_floor_mm3)
    rng = stream(seed, "posterior predictive")
    weekly = weekly_of({str(name): values for name, values in flat.items()}, curves)
    volume = _measured(expected, squared, weekly, curves, card, rng)
    visits = likelihood.Visits.of(curves.obs_curve, curves.day, curves.censored)
    residual = curves.log_volume - expected
    density = [
        likelihood.filtered(*of_draw, visits.gap, visits.first, visits.below)[0]
        for of_draw in zip(residual, squared, weekly**2, strict=True)
    ]
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
    growth = _two_clone_growth if card.kinetics == "two_clone" else _killed_growth
    unlimited = growth(values, curves, card)
    slowed = values.get("deceleration_avatar")
    slowed = values["deceleration"] if slowed is None else slowed[curves.curve_avatar[curves.obs_curve]]
    size: Floats = values["log_start"][curves.obs_curve] + clones.size_from_growth(
        unlimited, slowed, law=card.deceleration_law
    )
    return size


def fixed_draws(card: ModelCard, n_draws: int, n_drugs: int) -> dict[str, Floats]:
    """What the card fixes as if it had been drawn."""
    shapes = {"slowing": (n_draws, n_drugs)}
    return {
        name: np.full(shapes.get(name, (n_draws,)), value) for name, value in card.fixed_parameters.items()
    }


def _two_clone_growth(values: dict[str, Any], curves: Curves, card: ModelCard) -> Floats:
    n = curves.n_untreated
    r = np.exp(np.concatenate([values["log_r_untreated"], values["log_r_treated"]]))
    slowing = two_clone.arm_slowing(values["slowing"], curves.given[n:], values.get("slowing_overlap", 0.0))
    resistant_rate = r * np.exp(np.concatenate([np.zeros(n), slowing]))
    kill = np.zeros(len(r))
    kill[n:] = np.exp(two_clone.log_kill_rate(values["log_kill_mouse"], card.constant("clearance_per_day")))
    logit = np.concatenate([np.full(n, NO_RESISTANCE), values["resistant_logit_mouse"]])
    who = curves.obs_curve
    grown: Floats = clones.log_growth(curves.day, r[who], kill[who], logit[who], resistant_rate[who])
    return grown


def _killed_growth(values: dict[str, Any], curves: Curves, card: ModelCard) -> Floats:
    n, who = curves.n_untreated, curves.obs_curve
    growth = np.exp(np.concatenate([values["log_r_untreated"], values["log_growth_mouse"]]))
    kill = np.concatenate([np.zeros(n), np.exp(values["log_kill_mouse"])])
    law = KILL_LAWS[card.kinetics]
    spread = np.zeros(len(kill))
    if law.spreads:
        spread[n:] = values["log_spread_mouse"]
    grown: Floats = law.log_growth(growth[who] * curves.day, curves.day, kill[who], spread[who])
    return grown


def weekly_of(values: dict[str, Any], curves: Curves) -> Floats:
    """Scale (..., obs) of the wander's weekly step: one for all, or each avatar's own."""
    if "wander_avatar" in values:
        own: Floats = values["wander_avatar"][..., curves.curve_avatar[curves.obs_curve]]
        return own
    return np.repeat(np.asarray(values["wander"])[..., None], len(curves.day), axis=-1)


def _measured(
    expected: Floats,
    squared: Floats,
    weekly: Floats,
    curves: Curves,
    card: ModelCard,
    rng: np.random.Generator,
) -> Floats:
    """Volumes (draw, obs) of new readings of the same mice, mouse by mouse."""
    limit = np.log(card.observation.detection_limit_mm3)
    surprises = rng.standard_t(4, expected.shape)
    read = np.empty(expected.shape)
    for start, stop in _spans(curves.obs_curve):
        here = np.s_[:, start:stop]
        read[here] = wander.readings(
            surprises[here], expected[here], squared[here], curves.day[start:stop], weekly[:, start], limit
        )
    return np.where(read < limit, 0.0, np.exp(read))


def _spans(mouse: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.r_[True, mouse[1:] != mouse[:-1], True])
    yield from itertools.pairwise(edges)
