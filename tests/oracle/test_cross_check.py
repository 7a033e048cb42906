"""The comparison of engines in tools/cross_check.py: same law passes, and what is wrong is found."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tools.cross_check import agreement, beyond, differences
from tools.sampling_engines import Sampled

POPULATION = ["mu_r", "omega_r"]


def posterior(seed: int) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    size = (4, 1000)
    return xr.Dataset(
        {
            "mu_r": (("chain", "draw"), rng.normal(-2.5, 0.1, size)),
            "omega_r": (("chain", "draw"), rng.lognormal(-0.8, 0.4, size)),
            "log_r": (("chain", "draw", "avatar"), rng.normal(-2.5, 0.4, (*size, 40))),
        },
        {"avatar": [f"X-{k}" for k in range(40)]},
    )


def run(found: xr.Dataset) -> Sampled:
    return Sampled("nutpie", found, 1.0, 1.0, 0)


def test_two_samples_of_one_law_agree() -> None:
    z = differences(posterior(1), posterior(2))
    assert len(z) == 42
    assert beyond(z, POPULATION).empty
    columns = ["mean", "sd", "q5", "q50", "q95"]
    assert 0.8 < np.sqrt(np.mean(z[columns].to_numpy() ** 2)) < 1.2  # z are in units of their own error
    assert agreement([run(posterior(1)), run(posterior(2))], POPULATION)


def test_a_shift_or_a_wider_spread_of_one_parameter_is_found_by_name() -> None:
    other = posterior(2)
    other["log_r"][..., 7] += 0.08  # a fifth of an SD
    other["omega_r"] = 1.15 * other["omega_r"]
    wrong = beyond(differences(posterior(1), other), POPULATION)
    assert list(wrong.index) == [("omega_r", ""), ("log_r", "X-7")]
    wide = posterior(2)
    wide["mu_r"] = -2.5 + 1.15 * (wide["mu_r"] + 2.5)
    found = beyond(differences(posterior(1), wide), POPULATION)
    assert list(found.index) == [("mu_r", "")]
    assert abs(found["mean"].iloc[0]) < 4 < abs(found["sd"].iloc[0])


def test_chains_that_disagree_cannot_agree_with_another_engine() -> None:
    stuck = posterior(1)
    stuck["log_r"][3, :, 0] += 1.0
    assert not agreement([run(stuck), run(stuck.copy(deep=True))], POPULATION)
