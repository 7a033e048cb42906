"""Leave-one-out: integrals against quadrature, importance weights against a posterior known exactly, and the table."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats
from scipy.special import logsumexp

from avatar_trials.calibrate.curves import curves_of
from avatar_trials.calibrate.likelihood import Visits, filtered
from avatar_trials.card_files import load_model
from avatar_trials.cli.comparison import cards_alike
from avatar_trials.evidence.avatar_integrals import integrated
from avatar_trials.evidence.compare import (
    comparison,
    doubts,
    k_fold,
    leave_one_out,
    require_same_data,
)
from avatar_trials.intake import read_volumes
from avatar_trials.kinetics import caliper, clones
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.library import find_card
from avatar_trials.problems import InputError
from avatar_trials.stamp import read_netcdf

FROZEN = Path(__file__).resolve().parent.parent / "fixtures" / "frozen_posterior.nc"


def test_leave_one_out_of_normal_means_is_exact() -> None:
    """y_i ~ N(theta, 1), theta ~ N(0, 3^2): the posterior without y_i is known, and what it foretells of y_i."""
    rng = np.random.default_rng(2)
    y = rng.normal(1.0, 1.0, 12)

    def posterior(seen: Any) -> tuple[float, float]:
        precision = 1 / 9 + len(seen)
        return seen.sum() / precision, precision**-0.5

    exact = []
    for i in range(len(y)):
        mean, sd = posterior(np.delete(y, i))
        exact.append(stats.norm(mean, math.hypot(1.0, sd)).logpdf(y[i]))
    mean, sd = posterior(y)
    theta = rng.normal(mean, sd, (4, 2000))
    density = xr.DataArray(
        stats.norm.logpdf(y, theta[..., None], 1.0),
        dims=("chain", "draw", "mouse"),
        coords={"mouse": range(12)},
    )
    found = leave_one_out(density)
    # 8,000 independent draws: the worst of 12 is uncertain by about 0.01.
    np.testing.assert_allclose(found["elpd"], exact, atol=0.02)
    assert (found["pareto_k"] < 0.5).all()
    assert (found["p_loo"] > 0).all()
    wild = density.copy(data=density.values - 40.0 * (theta[..., None] - mean) ** 2 * (np.arange(12) == 3))
    assert leave_one_out(wild)["pareto_k"].iloc[3] > 0.7


N_DRAWS, POPULATION = (
    3,
    {
        "mu_r": -2.5,
        "omega_r": 0.5,
        "slowing_overlap": 0.0,
        "mu_k": -2.6,
        "omega_k": 0.6,
        "omega_k_of_drug": 1.2,
        "h2": 0.4,
        "sigma_k": 0.4,
        "beta_growth": 0.5,
        "eta": 0.0,
        "mu_v": 5.3,
        "sigma_v": 0.15,
        "deceleration": 0.3,
        "delta": 1.5,
        "sigma_p": 0.2,
    },
)
WANDER = 0.1
DAYS = np.array([0.0, 6.0, 15.0, 24.0])
VOLUMES = {"untreated": [210.0, 290.0, 520.0, 900.0], "A": [190.0, 160.0, 210.0, 10.0]}


SCALES = {"wander": 0.2, "omega_wander": 0.6, "omega_deceleration": 0.7}


def tiny_tree(rng: np.random.Generator, *, own: bool = False) -> xr.DataTree:
    """One avatar, an untreated and a treated mouse, one rate of kill, wander of a fixed scale; three populations, and
    levels and mice of a rough posterior, which only say where to look. `own`: avatars differ in wander and
    deceleration."""
    values_of = POPULATION | (SCALES if own else {})
    scatter = {name: value + rng.normal(0, 0.05, N_DRAWS) for name, value in values_of.items()}
    of_drug = ("mu_k", "omega_k_of_drug")
    where = {"log_r": -2.5, "log_kill": -2.7, "log_start": 5.3, "log_r_untreated": -2.6}
    where |= {"log_kill_mouse": -2.7, "log_growth_mouse": -2.6}
    dims = {
        "log_r": "avatar",
        "log_kill": "avatar drug",
        "log_start": "curve",
        "log_r_untreated": "untreated",
    }
    dims |= {"log_kill_mouse": "treated", "log_growth_mouse": "treated"}
    sizes = {"avatar": 1, "drug": 1, "curve": 2, "untreated": 1, "treated": 1}
    posterior = {
        name: (
            ("chain", "draw", *(("drug",) if name in of_drug else ())),
            values.reshape((1, N_DRAWS, *([1] * (name in of_drug)))),
        )
        for name, values in scatter.items()
    }
    # All draws of levels and mice are there, beside few populations, by repeating the populations.
    many = 300
    posterior = {name: (d, np.repeat(v, many // N_DRAWS, axis=1)) for name, (d, v) in posterior.items()}
    for name, centre in where.items():
        of = dims[name].split()
        sd = 0.15 if name == "log_start" else 0.4
        values = rng.normal(centre, sd, (1, many, *(sizes[dim] for dim in of)))
        posterior[name] = (("chain", "draw", *of), values)
    for name in ("wander", "deceleration") if own else ():
        values = values_of[name] * np.exp(rng.normal(0.0, 0.5, (1, many, 1)))
        posterior[f"{name}_avatar"] = (("chain", "draw", "avatar"), values)
    coords = {"avatar": ["X"], "drug": ["A"], "chain": [0], "draw": range(many)}
    mice = [f"X | {arm} | 1" for arm in VOLUMES]
    constant = xr.Dataset(
        {
            "day": ("obs", np.tile(DAYS, 2)),
            "curve": ("obs", np.repeat([0, 1], 4)),
            "avatar": ("mouse", ["X", "X"]),
            "arm": ("mouse", list(VOLUMES)),
        },
        {"mouse": mice},
        {"detection_limit_mm3": 15.0},
    )
    observed = xr.Dataset({"volume_mm3": ("obs", np.concatenate(list(VOLUMES.values())))})
    tree = xr.DataTree.from_dict(
        {"/posterior": xr.Dataset(posterior, coords), "/observed_data": observed, "/constant_data": constant}
    )
    constants = {"growth_mouse_sd": 0.25, "eta_combination_sd": 0.4, "slowing": 0.3}
    constants |= {} if own else {"wander": WANDER}
    tree.attrs = {
        "kinetics": "exponential",
        "constants": json.dumps(constants),
        "observation": json.dumps({"detection_limit_mm3": 15.0, "diameter_floor_mm3": 5.0}),
    }
    return tree


def standard_normal(n: int) -> tuple[Any, Any]:
    """Gauss-Hermite nodes and weights."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n)
    return nodes, weights / weights.sum()


def by_quadrature(
    one: dict[str, float], weekly_step: float, deceleration: float, n_nodes: int = 16
) -> tuple[float, float]:
    """Densities of all readings of the avatar, and of its untreated mouse's: sums over Gauss-Hermite nodes of every
    deviate, written with the law's plain formula."""
    nodes, weights = standard_normal(n_nodes)

    def mouse(arm: str, *curves: Any) -> Any:
        """Density of a mouse's readings, for arrays of log starting volumes, growth and kill."""
        log_start, growth, kill = np.broadcast_arrays(*curves)
        m = KILL_LAWS["exponential"].log_growth(growth[..., None] * DAYS, DAYS, kill[..., None], 0.0)
        expected = log_start[..., None] + clones.size_from_growth(m, deceleration)
        squared = caliper.log_variance(np.exp(expected), one["delta"], one["sigma_p"], 5.0)
        volume = np.array(VOLUMES[arm])
        n = expected.size // len(DAYS)
        visits = Visits.of(np.repeat(np.arange(n), len(DAYS)), np.tile(DAYS, n), np.tile(volume < 15.0, n))
        weekly = np.full(expected.size, weekly_step**2)
        residual = np.log(np.maximum(volume, 15.0)) - expected
        density = filtered(residual.ravel(), squared.ravel(), weekly, visits.gap, visits.first, visits.below)[
            0
        ]
        return np.exp(density.reshape(expected.shape).sum(axis=-1))

    log_r = one["mu_r"] + one["omega_r"] * nodes
    between = one["omega_k"] * one["omega_k_of_drug"]
    log_kill = one["mu_k"] + between * nodes
    start = one["mu_v"] + one["sigma_v"] * nodes
    rate = log_r[:, None, None] + 0.25 * nodes[None, :, None]
    untreated = mouse("untreated", start[None, None, :], np.exp(rate), np.zeros(1))
    untreated = untreated @ weights @ weights
    # A treated mouse by growth level, kill level, growth, kill, start; the two levels' product is the outer sum.
    treated = np.empty((len(nodes), len(nodes)))
    for i in range(len(nodes)):
        own = log_r[i] + 0.25 * nodes[:, None, None]
        for d in range(len(nodes)):
            kill = (
                log_kill[d] + one["beta_growth"] * (own - one["mu_r"]) + one["sigma_k"] * nodes[None, :, None]
            )
            values = mouse("A", start[None, None, :], np.exp(own - 0.3), np.exp(kill))
            treated[i, d] = weights @ (weights @ (values @ weights).T)
    return float(weights @ (untreated * (treated @ weights))), float(weights @ untreated)


def by_quadrature_of_scales(one: dict[str, float]) -> tuple[float, float]:
    """The same, where the avatar has its own wander and deceleration, over nodes of both."""
    nodes, weights = standard_normal(7)
    at = {name: one[name] * np.exp(one[f"omega_{name}"] * nodes) for name in ("wander", "deceleration")}
    total = np.zeros(2)
    for g, weekly_step in enumerate(at["wander"]):
        for h, deceleration in enumerate(at["deceleration"]):
            total += weights[g] * weights[h] * np.array(by_quadrature(one, weekly_step, deceleration, 10))
    return float(total[0]), float(total[1])


@pytest.mark.parametrize("own", [False, True])
def test_integrals_are_those_of_quadrature(own: bool) -> None:
    tree = tiny_tree(np.random.default_rng(4), own=own)
    found = integrated(tree, draws=30, samples=512, seed=3)
    posterior = tree["posterior"].to_dataset()
    for draw in (0, 29):
        names = [*POPULATION, *(SCALES if own else ())]
        one = {name: float(posterior[name].values[0, 10 * draw].squeeze()) for name in names}
        exact = by_quadrature_of_scales(one) if own else by_quadrature(one, WANDER, one["deceleration"])
        both, untreated = np.log(exact)
        # Points leave an error of about 0.02 in a log integral; their own estimate of it is checked beside.
        assert float(found["of_avatar"][0, draw, 0]) == pytest.approx(both, abs=0.06)
        assert float(found["of_mouse"][0, draw, 1]) == pytest.approx(both - untreated, abs=0.06)
    assert float(found["avatar_error"].max()) < 0.06


def units(**elpd: list[float]) -> pd.DataFrame:
    frames = [
        pd.DataFrame(
            {
                "model": model,
                "left_out": "curve",
                "avatar": ["X", "X", "Y", "Y", "Z", "Z"],
                "arm": "A",
                "mouse": list("abcdef"),
                "elpd": values,
                "p_loo": 0.1,
                "pareto_k": [0.1, 0.2, 0.3, 0.4, 0.8, 0.2],
                "integral_error": 0.1,
            }
        )
        for model, values in elpd.items()
    ]
    return pd.concat(frames, ignore_index=True)


def test_the_table_of_a_comparison_by_hand() -> None:
    table = comparison(
        units(worse=[1.0, 1.0, 2.0, 2.0, 3.0, 3.0], better=[2.0, 2.0, 2.0, 2.0, 4.0, 4.0]),
        {"worse": False, "better": True},
    )
    assert list(table["model"]) == ["better", "worse"]
    assert list(table["elpd"]) == [16.0, 12.0]
    assert list(table["difference"]) == [0.0, -4.0]
    # Differences by avatar -2, 0, -2: their SD is sqrt(4/3), times sqrt(3).
    assert table["se_difference"].iloc[1] == pytest.approx(2.0)
    assert table["share_k_above"].iloc[0] == pytest.approx(1 / 6)
    assert (table["worst"] == "e").all()
    told = "\n".join(doubts(table))
    assert "worse: the posterior did not pass" in told
    assert "better, curve left out: Pareto k above 0.7 for 16.7%" in told
    assert doubts(table.assign(gates_passed=True, share_k_above=0.0)) == []


@pytest.fixture(scope="module")
def frozen() -> xr.DataTree:
    tree: xr.DataTree = read_netcdf(FROZEN, kind="posterior")
    return tree


def test_cards_on_other_mice_are_not_compared(frozen: xr.DataTree) -> None:
    other = frozen.copy()
    volumes = frozen["observed_data"].to_dataset()
    other["observed_data"] = xr.DataTree(volumes.assign(volume_mm3=volumes["volume_mm3"] + 1.0))
    require_same_data({"a": frozen, "b": frozen.copy()})
    with pytest.raises(InputError, match="not of the same mice"):
        require_same_data({"a": frozen, "b": other})


def test_cards_to_be_compared_see_the_same_mice_and_visits() -> None:
    """Of a table with a mouse that starts far from the others and with late visits, which one card leaves out."""
    table = read_volumes(find_card("panels", "melanoma_synthetic"))
    rows = table.rows
    large = rows["mouse"] == rows["mouse"].iloc[0]
    rows = rows.assign(
        volume_mm3=rows["volume_mm3"] * np.where(large, 5.0, 1.0), day=rows["day"] * np.where(large, 1.0, 3.0)
    )
    table = replace(table, rows=rows)
    names = ["two_clone", "graded_kill"]
    alone, alike = [load_model(name) for name in names], cards_alike(names, None)
    seen = [[curves_of(table, card)[0] for card in cards] for cards in (alone, alike)]
    assert seen[0][0].curve_names != seen[0][1].curve_names
    assert seen[1][0].curve_names == seen[1][1].curve_names == seen[0][1].curve_names
    for curves in seen[1]:
        np.testing.assert_array_equal(curves.day, seen[0][1].day)


def test_folds_with_the_posterior_of_all_are_the_density_given_it(frozen: xr.DataTree) -> None:
    """Where calibrating anew gives the same posterior, an avatar's score is its mean density under it."""
    few = list(frozen["posterior"].to_dataset()["avatar"].values[:4])
    seen = []

    def refit(avatars: list[str]) -> xr.DataTree:
        seen.append(avatars)
        return frozen

    folded = k_fold(frozen, refit, folds=33, name="x", draws=50, samples=32, seed=1).set_index("avatar")
    whole = integrated(frozen, draws=50, samples=32, seed=1, avatars=few)["of_avatar"]
    expected = logsumexp(whole.values.reshape(-1, 4), axis=0) - math.log(
        whole.sizes["chain"] * whole.sizes["draw"]
    )
    np.testing.assert_allclose(folded.loc[few, "elpd"], expected, rtol=1e-12)
    assert len(seen) == 33
    assert all(len(avatars) == 32 for avatars in seen)
