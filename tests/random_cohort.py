"""Cohorts of made-up avatars for tests of emulation: plausible, and different in every parameter."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from avatar_trials.designs import TrialDesign
from avatar_trials.emulate import Cohort
from avatar_trials.emulate.cohort import SCALARS

CONSTANTS = {
    "growth_mouse_sd": 0.25,
    "resistance_mouse_sd": 0.7,
    "clearance_per_day": 0.4,
    "resistance_bend": -1.2,
}
ARMS = ["untreated", "A", "C", "A + B", "A + B + C"]
HAZARD = {"from_relative_volume": [0.0, 1.0, 1.5, 3.0], "hazard_per_day": [0.003, 0.01, 0.05, 0.12]}


def random_cohort(rng: np.random.Generator, *, n_trials: int = 4, n_avatars: int = 3) -> Cohort:
    """Three drugs A, B, C; every replicate its own parameters."""
    T, shape = n_trials, (n_trials, n_avatars, 3)
    population = {
        "mu_r": rng.normal(-2.5, 0.2, T),
        "sigma_g": rng.uniform(0.1, 0.6, T),
        "slowing_overlap": rng.uniform(0, 1, T),
        "sigma_k": rng.uniform(0.1, 0.7, T),
        "beta_growth": rng.normal(0.7, 0.5, T),
        "eta": rng.normal(0, 0.5, T),
        "cross_resistance": rng.uniform(0, 1, T),
        "sigma_q_combination": rng.uniform(0.4, 1.5, T),
        "mu_v": rng.normal(5.3, 0.1, T),
        "sigma_v": rng.uniform(0.05, 0.3, T),
        "deceleration": rng.uniform(0.05, 0.8, T),
        "delta": rng.uniform(0.1, 0.4, T),
        "sigma_p": rng.uniform(0.02, 0.1, T),
        "wander": rng.uniform(0.02, 0.25, T),
    }
    assert set(population) == set(SCALARS)
    return Cohort(
        avatars=tuple(f"X-{number}" for number in range(1, n_avatars + 1)),
        drugs=("A", "B", "C"),
        population=population,
        slowing=rng.normal(-0.7, 0.4, (T, 3)),
        log_r=rng.normal(-2.5, 0.4, (T, n_avatars)),
        log_kill=rng.normal(-2.5, 1.0, shape),
        resistance=rng.normal(-3.5, 2.0, shape),
        draw=np.arange(T),
        constants=CONSTANTS,
        detection_limit_mm3=15.0,
        diameter_floor_mm3=5.0,
    )


def a_design(**changes: Any) -> TrialDesign:
    """A small design with the arms of `random_cohort`'s drugs."""
    content: dict[str, Any] = {
        "schema_version": 1,
        "name": "small",
        "title": "t",
        "question": "q",
        "model": "two_clone",
        "seed": 11,
        "replicates": 4,
        "cohort": {"panel": "p", "tumor_type": "CM"},
        "arms": [{"name": arm} for arm in ARMS],
        "visits": {"gaps_days": [3, 4], "horizon_days": 60},
        "stopping": {"size_mm3": 1200, "removal": {**HAZARD, "source": "s"}},
        "endpoints": {"mrecist_rule": "pct_sheet"},
    }
    return TrialDesign.model_validate(content | changes)


def a_posterior(
    rng: np.random.Generator, *, chains: int = 2, draws: int = 5, n_avatars: int = 3
) -> xr.DataTree:
    """A posterior file's tree, as far as a cohort is drawn from it, with a different number in every place."""
    cohort = random_cohort(rng, n_trials=chains * draws, n_avatars=n_avatars)

    def by_draw(values: Any, *dims: str) -> tuple[tuple[str, ...], Any]:
        return ("chain", "draw", *dims), values.reshape((chains, draws, *values.shape[1:]))

    posterior = xr.Dataset(
        {name: by_draw(values) for name, values in cohort.population.items()}
        | {
            "slowing": by_draw(cohort.slowing, "drug"),
            "log_r": by_draw(cohort.log_r, "avatar"),
            "log_kill": by_draw(cohort.log_kill, "avatar", "drug"),
            "resistance": by_draw(cohort.resistance, "avatar", "drug"),
        },
        coords={
            "chain": np.arange(chains),
            "draw": np.arange(draws),
            "avatar": list(cohort.avatars),
            "drug": list(cohort.drugs),
        },
    )
    tree = xr.DataTree.from_dict({"/posterior": posterior})
    tree.attrs = {
        "constants": json.dumps(CONSTANTS),
        "observation": json.dumps({"detection_limit_mm3": 15.0, "diameter_floor_mm3": 5.0}),
    }
    return tree
