"""One-step surprises of calibrated curves: how far each reading lies from what the readings before it foresee.

At a draw of the posterior they are independent standard normal if the model is right, whatever was estimated: data
and a draw of the posterior given them have the same joint law as data and the parameters that made them.

Sources: quantile residuals, Dunn & Smyth 1996 (J Comput Graph Stat 5:236), drawn at random for censored readings;
their law at posterior draws, Johnson 2007 (Bayesian Analysis 2:719).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import special, stats

from avatar_trials.arms import drugs_of
from avatar_trials.calibrate.curves import Curves
from avatar_trials.calibrate.likelihood import Visits
from avatar_trials.calibrate.predictive import expected_log_volume, fixed_draws, weekly_of
from avatar_trials.kinetics import caliper, wander
from avatar_trials.model_cards import ModelCard
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

STUDENT = stats.t(4)


@dataclass(frozen=True)
class Surprises:
    """Quantile residuals `normal` (draw, obs) and the diameter in mm foreseen before each reading (draw, obs); of the
    readings, sorted by mouse and day: `day` (obs) and `curve` (obs), the mouse's number."""

    normal: Floats
    diameter_mm: Floats
    day: Floats
    curve: NDArray[np.int64]


def surprises(tree: xr.DataTree, card: ModelCard, *, seed: int, draws: int = 100) -> Surprises:
    """Surprises of every reading of a posterior.nc at about `draws` evenly spaced posterior draws.

    Raises KeyError where the posterior does not hold its mice's own parameters or its data.
    """
    curves = curves_of_posterior(tree)
    posterior = with_mice(tree)
    step = max(1, posterior.sizes["chain"] * posterior.sizes["draw"] // draws)
    thin = posterior.isel(draw=slice(None, None, step))
    flat = {str(name): values.values.reshape(-1, *values.shape[2:]) for name, values in thin.items()}
    n_draws = thin.sizes["chain"] * thin.sizes["draw"]
    flat |= fixed_draws(card, n_draws, thin.sizes["drug"])
    of_draw: list[dict[str, Any]] = [
        {name: values[k] for name, values in flat.items()} for k in range(n_draws)
    ]
    expected = np.stack([expected_log_volume(values, curves, card) for values in of_draw])
    floor = card.observation.diameter_floor_mm3
    squared = caliper.log_variance(np.exp(expected), flat["delta"][:, None], flat["sigma_p"][:, None], floor)
    visits = Visits.of(curves.obs_curve, curves.day, curves.censored)
    missed, foreseen = standardised(
        curves.log_volume - expected, squared, weekly_of(flat, curves) ** 2, visits
    )
    uniform = stream(seed, "surprises of censored readings").random(missed.shape)
    return Surprises(
        normal=quantile_residuals(missed, visits.below, uniform),
        diameter_mm=caliper.diameter_mm(np.exp(expected + foreseen)),
        day=curves.day,
        curve=curves.obs_curve,
    )


def standardised(
    residual: Floats, squared: Floats, weekly_squared: Floats, visits: Visits
) -> tuple[Floats, Floats]:
    """Surprises over their scale, and the wander foreseen before them; both (draw, obs), of Student's t4.

    Arguments as in `likelihood.filtered`, with draws first. Where `visits.below`, the surprise is that of the limit.
    """
    missed, foreseen = np.empty(residual.shape), np.empty(residual.shape)
    nothing = np.zeros(len(residual))
    mean, left = nothing, nothing
    for i in range(residual.shape[1]):
        if visits.first[i]:
            mean, left = nothing, nothing
        walked = left + wander.variance(visits.gap[i], weekly_squared[:, i])
        total = walked + squared[:, i]
        surprise = residual[:, i] - mean
        foreseen[:, i], missed[:, i] = mean, surprise / np.sqrt(total)
        kept = wander.gain(walked, total)
        if visits.below[i]:
            left = walked
        else:
            mean, left = mean + kept * surprise, kept * squared[:, i]
    return missed, foreseen


def quantile_residuals(missed: Floats, below: NDArray[np.bool_], uniform: Floats) -> Floats:
    """Student's t4 deviates (draw, obs) as normal ones; where `below` (obs), a normal one from the tail up to them."""
    tail = np.where(below, uniform, 1.0) * STUDENT.cdf(np.where(below, missed, -np.abs(missed)))
    residual: Floats = special.ndtri(tail) * np.where(below | (missed < 0.0), 1.0, -1.0)
    return residual


def with_mice(tree: xr.DataTree) -> xr.Dataset:
    """The posterior at the draws that hold the mice's own parameters, where those are kept apart."""
    posterior = tree["posterior"].to_dataset()
    if "thinned_posterior" not in tree.children:
        return posterior
    mice = tree["thinned_posterior"].to_dataset()
    return posterior.sel(chain=mice["chain"], draw=mice["draw"]).merge(mice)


def curves_of_posterior(tree: xr.DataTree) -> Curves:
    """The curves that a posterior was calibrated to, from its own groups."""
    posterior, constant = tree["posterior"].to_dataset(), tree["constant_data"].to_dataset()
    volume = np.asarray(tree["observed_data"]["volume_mm3"].values, dtype=float)
    avatars = [str(name) for name in posterior["avatar"].values]
    drugs = [str(name) for name in posterior["drug"].values]
    arms = [str(arm) for arm in constant["arm"].values]
    names = [str(name) for name in constant["mouse"].values]
    told = "tumor_type_of" in constant
    of_avatar = [str(name) for name in constant["tumor_type_of"].values] if told else [""] * len(avatars)
    types = sorted(set(of_avatar))
    return Curves(
        avatars=avatars,
        drugs=drugs,
        curve_names=names,
        curve_arm=arms,
        curve_mouse=names,
        curve_avatar=np.array([avatars.index(str(name)) for name in constant["avatar"].values]),
        given=np.array([[drug in drugs_of(arm) for drug in drugs] for arm in arms]).reshape(-1, len(drugs)),
        follow_up=constant["follow_up"].values.astype(float),
        obs_curve=constant["curve"].values.astype(np.int64),
        day=constant["day"].values.astype(float),
        volume_mm3=volume,
        log_volume=np.log(np.maximum(volume, float(constant.attrs["detection_limit_mm3"]))),
        censored=constant["censored"].values.astype(bool),
        biomarker=None,
        tumor_types=types,
        avatar_type=np.array([types.index(name) for name in of_avatar]),
    )
