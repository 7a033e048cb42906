"""Hierarchies whose posteriors are known exactly or by quadrature, sampled as a calibration is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.calibrate.model import build_model as build_model  # sets PyTensor up as a calibration does

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class KnownData:
    """Eight schools: effect, error (school). Growth: log_volume, day, who (obs; who counts mice from 0), and the SDs
    that its conjugate form takes as known (sd_a, sd_b, sigma)."""

    effect: Floats
    error: Floats
    log_volume: Floats
    day: Floats
    who: NDArray[np.int64]
    scales: dict[str, float]


def known_posterior_draws(
    data: KnownData, *, seed: int, draws: int, tune: int, chains: int = 4
) -> xr.Dataset:
    """Draws (chain, draw, …) of eight schools (mu, tau, theta), and of a growth hierarchy with known_ and unknown_ SDs.

    One model of three independent parts, since most of the time goes to compiling.
    """
    with pm.Model() as model:
        mu, tau = pm.Normal("mu", 0.0, 5.0), pm.HalfCauchy("tau", 5.0)
        deviation = pm.Normal("theta_deviation", 0.0, 1.0, shape=len(data.effect))
        theta = pm.Deterministic("theta", mu + tau * deviation)
        pm.Normal("effect", theta, data.error, observed=data.effect)
        _growth("known", data, data.scales)
        learnt = {
            "sd_a": pm.HalfNormal("unknown_sd_a", 0.5),
            "sd_b": pm.HalfNormal("unknown_sd_b", 0.5),
            "sigma": pm.HalfNormal("unknown_sigma", 0.3),
        }
        _growth("unknown", data, learnt)
    tree = nutpie.sample(
        nutpie.compile_pymc_model(model),
        draws=draws,
        tune=tune,
        chains=chains,
        cores=2,
        target_accept=0.9,
        seed=seed,
        progress_bar=False,
        save_warmup=False,
    )
    posterior: xr.Dataset = tree["posterior"].to_dataset()
    return posterior


def _growth(prefix: str, data: KnownData, scales: dict[str, Any]) -> None:
    """log V ~ N(a_i + b_i t/10, sigma), a_i and b_i normal about mu_a and mu_b."""
    n = int(data.who.max()) + 1
    mu_a = pm.Normal(f"{prefix}_mu_a", np.log(200.0), 1.0)
    mu_b = pm.Normal(f"{prefix}_mu_b", 0.5, 0.5)
    a = pm.Normal(f"{prefix}_a", mu_a, scales["sd_a"], shape=n)
    b = pm.Normal(f"{prefix}_b", mu_b, scales["sd_b"], shape=n)
    mean = a[data.who] + b[data.who] * data.day / 10.0
    pm.Normal(f"{prefix}_read", mean, scales["sigma"], observed=data.log_volume)
