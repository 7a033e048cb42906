"""R-hat and effective sample sizes in blocks are ArviZ's, for chains that mix well, badly, not at all or oddly."""

from __future__ import annotations

from typing import Any

import arviz as az
import numpy as np
import pytest
import xarray as xr

from avatar_trials.calibrate import mixing
from avatar_trials.calibrate.checks import energy_fraction
from avatar_trials.calibrate.mixing import TAIL, converged

N = 14


def chains(n_chains: int, n_draws: int) -> Any:
    """Autoregressions of every strength; a chain elsewhere or stuck; ties, two values, alternation."""
    rng = np.random.default_rng(n_draws)
    noise = rng.normal(size=(n_chains, n_draws, N))
    draws = noise.copy()
    memory = np.linspace(-0.95, 0.999, N)
    for t in range(1, n_draws):
        draws[:, t] = memory * draws[:, t - 1] + noise[:, t]
    draws[0, :, 2] += 2
    draws[0, :, 3] = 1.0
    draws[:, :, 4] = np.round(draws[:, :, 4])
    draws[:, :, 5] = draws[:, :, 5] > 0
    draws[:, :, 6] = np.where(np.arange(n_draws) % 2, 1, -1) + 1e-3 * noise[:, :, 6]
    return draws


@pytest.mark.parametrize("shape", [(4, 1500), (2, 50), (3, 101), (4, 9), (4, 8), (2, 12)])
def test_figures_are_arvizs(shape: tuple[int, int]) -> None:
    draws = chains(*shape)
    table = xr.Dataset({"x": (("chain", "draw", "place"), draws)})
    found = converged(draws)
    # The same sums in another order: rounding alone.
    np.testing.assert_allclose(found.r_hat, az.rhat(table)["x"], rtol=1e-10)
    np.testing.assert_allclose(found.ess_bulk, az.ess(table, method="bulk")["x"], rtol=1e-10)
    np.testing.assert_allclose(found.ess_tail, az.ess(table, method="tail", prob=TAIL)["x"], rtol=1e-10)


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = chains(4, 200)
    whole = converged(draws)
    monkeypatch.setattr(mixing, "BLOCK_VALUES", 3 * 800)
    parts = converged(draws)
    for name in ("r_hat", "ess_bulk", "ess_tail"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_a_draw_that_is_no_number_spoils_its_own_parameter_alone() -> None:
    draws = chains(4, 100)
    before = converged(draws)
    draws[1, 7, 0], draws[2, 3, 1] = np.nan, np.inf
    after = converged(draws)
    for name in ("r_hat", "ess_bulk", "ess_tail"):
        values = getattr(after, name)
        assert np.isnan(values[:2]).all()
        np.testing.assert_array_equal(values[2:], getattr(before, name)[2:])


def test_too_little_is_no_number() -> None:
    assert np.isnan(converged(chains(1, 50)).r_hat).all()
    assert np.isnan(converged(chains(4, 7)).ess_bulk).all()


def test_energy_fraction_is_arvizs() -> None:
    energy = chains(4, 300)[:, :, 9]
    stats = xr.DataTree.from_dict({"/sample_stats": xr.Dataset({"energy": (("chain", "draw"), energy)})})
    np.testing.assert_allclose(energy_fraction(energy), az.bfmi(stats)["energy"], rtol=1e-12)
