"""Simulation-based calibration: its statistics on toys whose posterior is known, its replicates, and a run of it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytensor
import pytest
import xarray as xr

from avatar_trials.calibrate.model import build_model
from avatar_trials.card_files import load_model
from avatar_trials.card_parts import Constant
from avatar_trials.emulate import cohort_from_posterior
from avatar_trials.evidence.faults import FAULTS
from avatar_trials.evidence.ranks import band, grid, rank_of, uniformity
from avatar_trials.evidence.replicates import (
    AS_THEY_ARE,
    Bench,
    Replicate,
    drawn_replicate,
    endpoints,
    parameters,
)
from avatar_trials.evidence.sbc import DIAGNOSTICS, Calibration, Effort, RankCheck, rank_check
from avatar_trials.model_cards import ModelCard

PLAIN = pytensor.compile.mode.Mode("py", None)
AMONG = 50
CARDS = ("graded_kill", "two_clone")


def conjugate_rows(n_fits: int, *, sd_thought: float, seed: int) -> pd.DataFrame:
    """Ranks of a normal mean and its log likelihood, by 4 readings of SD 1 that the posterior thinks `sd_thought`."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_fits):
        truth = rng.normal()
        seen = rng.normal(truth, 1.0, 4)
        precision = 1.0 + 4 / sd_thought**2
        draws = rng.normal(seen.sum() / sd_thought**2 / precision, precision**-0.5, AMONG)
        likely = -0.5 * ((seen[:, None] - np.append(draws, truth)) ** 2).sum(axis=0)
        ranks = {
            "mean": rank_of(truth, draws, rng),
            "doubled": rank_of(2 * truth, 2 * draws, rng),
            "log likelihood": rank_of(likely[-1], likely[:-1], rng),
            "sign": rank_of(np.sign(truth), np.sign(draws), rng),
        }
        rows.append(
            {"replicate": number, "seconds": 0.0, "divergent": 0, "r_hat": 1.0, "ess": 500.0, **ranks}
        )
    return pd.DataFrame(rows)


def checked(rows: pd.DataFrame) -> RankCheck:
    return rank_check(rows, AMONG, 1000)


def test_a_correct_posterior_passes_and_a_wrong_one_does_not() -> None:
    right = checked(conjugate_rows(300, sd_thought=1.0, seed=4))
    wrong = checked(conjugate_rows(300, sd_thought=1.5, seed=4))
    assert right.passed, right.table.to_string()
    assert not wrong.passed
    assert wrong.table["p_band"].iloc[0] < 1e-6
    assert "300 fits, 4 quantities" in right.text


def test_the_band_is_left_as_often_as_it_says() -> None:
    """600 sets of uniform ranks: 5 % leave the band and p is uniform, within four standard errors."""
    rng, n, sets = np.random.default_rng(1), 60, 600
    results = [uniformity(rng.integers(0, AMONG + 1, n), AMONG) for _ in range(sets)]
    p_band, p_chi2 = np.array([(found.p_band, found.p_chi2) for found in results]).T
    assert [found.inside for found in results] == (p_band > 0.05).tolist()
    for level in (0.05, 0.2, 0.5, 0.8):
        assert np.mean(p_band <= level) == pytest.approx(level, abs=4 * (level * (1 - level) / sets) ** 0.5)
    assert np.mean(p_chi2 <= 0.05) == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / sets) ** 0.5)


def test_the_band_drawn_is_the_one_judged_by() -> None:
    rng, n = np.random.default_rng(2), 40
    lower, upper = band(n, AMONG)
    judged = set()
    for _ in range(300):
        ranks = rng.binomial(AMONG, rng.beta(1.0, rng.choice([1.0, 1.6])), n)
        deviation = np.bincount(ranks, minlength=AMONG + 1).cumsum()[:-1] / n - grid(AMONG)
        within = bool((deviation >= lower - 1e-12).all() and (deviation <= upper + 1e-12).all())
        assert within == uniformity(ranks, AMONG).inside
        judged.add(within)
    ranks = rng.integers(0, AMONG + 1, n)
    assert uniformity(ranks, AMONG).n == n
    assert judged


def test_truths_too_low_show_as_an_ecdf_above_its_band() -> None:
    rng = np.random.default_rng(3)
    low = uniformity(rng.binomial(AMONG, 0.3, 100), AMONG)
    assert not low.inside
    assert low.largest > 0
    high = uniformity(rng.binomial(AMONG, 0.7, 100), AMONG)
    assert high.largest < 0


def test_equal_draws_share_their_ranks() -> None:
    rng = np.random.default_rng(5)
    draws = np.repeat([0.0, 1.0], [2, 3])
    ranks = [rank_of(1.0, draws, rng) for _ in range(4000)]
    assert np.bincount(ranks, minlength=6).tolist()[:2] == [0, 0]
    assert np.bincount(ranks)[2:] / 4000 == pytest.approx(0.25, abs=0.03)
    assert rank_of(np.inf, np.array([np.inf, 1.0]), rng) in (1, 2)


def test_fits_that_fail_their_gates_are_counted_and_ranked() -> None:
    rows = conjugate_rows(60, sd_thought=1.0, seed=6)
    rows.loc[:4, "r_hat"] = 1.2
    rows.loc[3:6, "divergent"] = 30
    rows.loc[59, "ess"] = 12.0
    result = checked(rows)
    assert "8 fits fail their own gates and are ranked all the same" in result.text
    assert "5 R-hat above 1.05, 1 bulk ESS below the 50 ranked draws, 4 more than 1% divergent" in result.text
    assert (result.table["n"] == 60).all()
    assert len(result.ranks) == 60
    assert set(result.ranks) == {"mean", "doubled", "log likelihood", "sign"}
    assert len(result.figure().axes) == 6


def readings_density(model: Any, point: dict[str, Any]) -> float:
    (density,) = model.replace_rvs_by_values([model["readings"]])
    compiled = pytensor.function(model.value_vars, density, mode=PLAIN, on_unused_input="ignore")
    return float(compiled(**point))


@pytest.mark.parametrize("card", CARDS)
def test_exchanged_readings_are_the_readings_of_the_model(card: str) -> None:
    """A model whose readings are exchanged has the density of one built on them."""
    bench = Bench(load_model(card), n_avatars=2, arms=("untreated", "A", "B", "A + B"), days=(0.0, 7.0, 20.0))
    curves, place = bench.curves()
    truth = drawn_replicate(bench, AS_THEY_ARE, seed=5)
    volume = truth.volume_mm3[place]
    volume[4] = 0.0
    read = curves.reading(volume, 15.0)
    assert read.censored.sum() >= 1
    exchanged, built = build_model(curves, bench.card, exchangeable=True), build_model(read, bench.card)
    exchanged.set_data("log_volume", read.log_volume)
    exchanged.set_data("below_limit", read.censored)
    point = built.initial_point()
    assert readings_density(exchanged, point) == pytest.approx(readings_density(built, point), rel=1e-12)
    as_compiled = build_model(curves, bench.card, exchangeable=True)
    assert abs(readings_density(as_compiled, point) - readings_density(built, point)) > 1.0


def posterior_of(truth: Replicate, card: ModelCard) -> xr.DataTree:
    """A truth as the only draw of a posterior."""
    cohort = truth.cohort
    dims: dict[str, tuple[str, ...]] = {
        "log_r": ("avatar",),
        "wander_avatar": ("avatar",),
        "eta_combination": ("combination",),
    }
    dims |= dict.fromkeys(("log_kill", "log_spread", "slowing"), ("avatar", "drug"))
    dims |= {} if card.fixed("deceleration") is not None else {"deceleration_avatar": ("avatar",)}
    values: dict[str, Any] = {
        name: (("chain", "draw", *of), getattr(cohort, name)[None]) for name, of in dims.items()
    }
    for name, drawn in truth.population.items():
        values[name] = (("chain", "draw", "drug")[: 1 + drawn.ndim], drawn[None])
    coords = {"avatar": list(cohort.avatars), "drug": list(cohort.drugs)}
    tree = xr.DataTree.from_dict(
        {"/posterior": xr.Dataset(values, coords | {"combination": list(cohort.combinations)})}
    )
    tree.attrs = {
        "kinetics": card.kinetics,
        "constants": json.dumps({name: constant.value for name, constant in card.constants.items()}),
        "observation": json.dumps(card.observation.model_dump()),
    }
    return tree


@pytest.mark.parametrize("fixed", [None, 0.2])
def test_the_same_is_ranked_of_truth_and_posterior(fixed: float | None) -> None:
    """Of a card that fixes the deceleration as of one that learns it."""
    card = load_model("graded_kill")
    if fixed is not None:
        number = Constant(value=fixed, unit="1", meaning="m", source="s")
        priors = {name: prior for name, prior in card.priors.items() if "deceleration" not in name}
        constants = {**card.constants, "deceleration": number}
        card = card.model_copy(update={"priors": priors, "constants": constants})
    bench = Bench(card)
    truth = drawn_replicate(bench, AS_THEY_ARE, seed=4)
    cohort = cohort_from_posterior(posterior_of(truth, card), 1, seed=0)
    drawn = parameters(truth.population, cohort, bench) | endpoints(cohort, bench)
    true = parameters(truth.population, truth.cohort, bench) | endpoints(truth.cohort, bench)
    assert set(drawn) == set(true)
    assert {name: float(values[0]) for name, values in drawn.items()} == pytest.approx(
        {name: float(values[0]) for name, values in true.items()}
    )
    own = [drawn[f"deceleration_avatar[{avatar}]"][0] for avatar in bench.avatars[:2]]
    assert own == [fixed] * 2 if fixed is not None else own[0] != own[1]


def test_no_mouse_of_a_large_bench_is_lost() -> None:
    curves, place = Bench(load_model("graded_kill"), n_avatars=80, arms=("untreated", "A")).curves()
    assert len(curves.curve_names) == 160
    assert sorted(place) == list(range(1600))


@pytest.mark.parametrize("card", CARDS)
def test_a_planted_fault_changes_the_readings_and_not_the_truth(card: str) -> None:
    bench = Bench(load_model(card))
    plain = drawn_replicate(bench, AS_THEY_ARE, seed=21)
    again = drawn_replicate(bench, AS_THEY_ARE, seed=21)
    np.testing.assert_array_equal(plain.volume_mm3, again.volume_mm3)
    assert len(FAULTS) >= 8
    for name, (_, making) in FAULTS.items():
        seeds = range(21, 24)
        faulty = [drawn_replicate(bench, making, seed=seed) for seed in seeds]
        right = [drawn_replicate(bench, AS_THEY_ARE, seed=seed) for seed in seeds]
        assert any((a.volume_mm3 != b.volume_mm3).any() for a, b in zip(faulty, right, strict=True)), name
        if name == "prior_scale":
            continue
        for a, b in zip(faulty, right, strict=True):
            mine, theirs = (
                parameters(x.population, x.cohort, bench) | endpoints(x.cohort, bench) for x in (a, b)
            )
            assert mine == theirs, name


def test_the_faultless_caliper_reads_the_expected_curve() -> None:
    """Without wander and caliper error readings are the curve that the log likelihood is taken about."""
    card = load_model("graded_kill")
    quiet = {
        name: prior.model_copy(update={"location": 1e-9, "scale": 1e-3})
        for name, prior in card.priors.items()
        if name in ("delta", "sigma_p", "wander")
    }
    bench = Bench(card.model_copy(update={"priors": {**card.priors, **quiet}}))
    truth = drawn_replicate(bench, AS_THEY_ARE, seed=2)
    seen = truth.volume_mm3 > 0
    np.testing.assert_allclose(np.log(truth.volume_mm3[seen]), truth.expected[seen], atol=1e-6)
    assert seen.sum() > 100
    assert truth.expected[~seen].max(initial=-np.inf) <= np.log(15.0) + 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("card", CARDS)
def test_two_dozen_fits_of_a_small_panel(card: str) -> None:
    """One model compiled, readings exchanged, truths ranked; and a fault that two dozen fits show."""
    shipped = load_model(card)
    bench = Bench(shipped, n_avatars=4, days=(0.0, 5.0, 11.0, 18.0, 30.0))
    effort = Effort(chains=2, tune=300, draws=200, ranked_among=40)
    calibration = Calibration(bench, seed=3, effort=effort)
    rows = pd.DataFrame([calibration.row(number) for number in range(24)])
    again = pd.DataFrame([calibration.row(7)])
    assert set(DIAGNOSTICS) < set(rows.columns)
    pd.testing.assert_frame_equal(
        again.drop(columns="seconds"), rows.iloc[[7]].reset_index(drop=True).drop(columns="seconds")
    )
    result = rank_check(rows, effort.ranked_among, 400)
    assert result.passed, result.table.head(10).to_string()
    faulty = pd.DataFrame([calibration.row(number, FAULTS["kill_sign"][1]) for number in range(24)])
    assert not rank_check(faulty, effort.ranked_among, 400).passed
