"""A posterior of graded kill in which no combination was calibrated, and mice of combinations with a known exponent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.designs import TrialDesign
from avatar_trials.emulate import cohort_from_posterior
from avatar_trials.emulate.one_arm import new_mice
from avatar_trials.intake import GrowthTable
from avatar_trials.kinetics.combination import shared_slowing
from tests.random_cohort import a_design

DRUGS = ("A", "B", "C", "D")
SINGLES = ("untreated", *DRUGS)
COMBINATIONS = ("A + B", "A + C", "A + D", "B + C", "B + D", "C + D")
COMMON = {
    "mu_r": -2.6,
    "slowing_overlap": 0.5,
    "sigma_k": 0.2,
    "beta_growth": 0.5,
    "eta": 0.0,
    "cross_resistance": 0.5,
    "sigma_spread_combination": 0.3,
    "mu_v": 5.35,
    "sigma_v": 0.1,
    "deceleration": 0.3,
    "delta": 0.2,
    "sigma_p": 0.03,
}


def a_singles_posterior(
    *, seed: int = 1, n_avatars: int = 16, draws: int = 120, known_within: float = 0.15
) -> xr.DataTree:
    """Avatars X-1 to X-n of type CM; every level lies within `known_within` (SD, log) of draw 0, the truth."""
    rng = np.random.default_rng(seed)

    def level(centre: float, sd: float, *shape: int) -> Any:
        truth = rng.normal(centre, sd, shape)
        around = known_within * rng.standard_normal((draws, *shape))
        around[0] = 0.0
        return (truth + around)[None]

    n, d = n_avatars, len(DRUGS)
    of_avatar, of_drug = ("chain", "draw", "avatar"), ("chain", "draw", "avatar", "drug")
    posterior = xr.Dataset(
        {name: (("chain", "draw"), np.full((1, draws), value)) for name, value in COMMON.items()}
        | {
            "log_r": (of_avatar, level(-2.6, 0.3, n)),
            "log_kill": (of_drug, level(-2.8, 0.5, n, d)),
            "log_spread": (of_drug, level(-4.0, 0.3, n, d)),
            "slowing": (of_drug, np.exp(level(-1.5, 0.3, n, d))),
            "wander_avatar": (of_avatar, np.exp(level(-3.0, 0.2, n))),
            "deceleration_avatar": (of_avatar, np.exp(level(-1.2, 0.2, n))),
        },
        coords={
            "chain": [0],
            "draw": np.arange(draws),
            "avatar": [f"X-{number}" for number in range(1, n + 1)],
            "drug": list(DRUGS),
        },
    )
    types = xr.Dataset(
        {"tumor_type_of": ("each_avatar", ["CM"] * n)}, {"each_avatar": posterior["avatar"].values}
    )
    tree = xr.DataTree.from_dict({"/posterior": posterior, "/constant_data": types})
    tree.attrs = {
        "kinetics": "graded_kill",
        "constants": json.dumps({"growth_mouse_sd": 0.15, "spread_mouse_sd": 0.3, "eta_combination_sd": 0.4}),
        "observation": json.dumps({"detection_limit_mm3": 15.0, "diameter_floor_mm3": 5.0}),
        "gates": json.dumps({column: [] for column in ("check", "value", "limit", "passed", "worst")}),
        "notices": "[]",
        "model_card": "graded_kill",
        "card_sha256": "",
        "data_sha256": "",
        "synthetic": 1,
    }
    return tree


def graded_design(**changes: Any) -> TrialDesign:
    """Untreated and the single agents, 60 days."""
    arms = [{"name": arm} for arm in SINGLES]
    return a_design(**{"model": "graded_kill", "arms": arms} | changes)


def observed_mice(
    tree: xr.DataTree,
    eta: float | Mapping[str, float],
    *,
    seed: int = 77,
    overlap: float | None = None,
    combinations: tuple[str, ...] = COMBINATIONS,
) -> GrowthTable:
    """One mouse an avatar and arm, of the truth (draw 0): combinations with log exponent `eta`, one or by arm.

    Without `overlap` slowings add as `shared_slowing` has it.
    """
    truth = tree.isel({"draw": slice(0, 1)})
    truth.attrs = tree.attrs
    mice = new_mice(cohort_from_posterior(truth, 1, seed=0), graded_design(), seed=seed)
    rows = []
    for arm in (*SINGLES, *combinations):
        if arm in combinations:
            own = eta if isinstance(eta, float) else eta[arm]
            share = shared_slowing(np.exp(own)) if overlap is None else overlap
            volumes = mice.volumes(arm, eta=own, overlap=share)[0]
        else:
            volumes = mice.volumes(arm)[0]
        for avatar, curve in zip(mice.cohort.avatars, volumes, strict=True):
            rows += [
                (avatar, arm, f"{avatar} {arm}", day, volume)
                for day, volume in zip(mice.days, curve, strict=True)
                if np.isfinite(volume)
            ]
    frame = pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    facts = pd.DataFrame({"tumor_type": "CM"}, index=pd.Index(list(mice.cohort.avatars), name="avatar"))
    return GrowthTable(frame, facts, (), "mice.csv", "", True)
