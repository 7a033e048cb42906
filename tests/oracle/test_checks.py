"""Oracles of the checks: each quantity against another way of computing it, or against what theory says of it."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats

from avatar_trials.calibrate import likelihood
from avatar_trials.calibrate.parameters import law_of
from avatar_trials.calibrate.surprises import quantile_residuals, standardised
from avatar_trials.card_files import load_design, load_model
from avatar_trials.emulate.panel import drawn_avatars
from avatar_trials.emulate.prior_trials import side_by_side, untreated_prior_trials
from avatar_trials.evidence.bands import ranks
from avatar_trials.evidence.curvature import bend
from avatar_trials.evidence.sensitivity import CONFLICT, FREE, LED, UNSURE, diagnosis, log_prior
from avatar_trials.kinetics import wander

LIMIT = float(np.log(15.0))
DAYS = np.array([0.0, 3.0, 7.0, 10.0, 14.0, 21.0])


def mice_of_known_surprises(draws: int) -> tuple[np.ndarray, ...]:
    """Two mice read with surprises that are known: (surprises, residual, squared, weekly squared, mouse, below)."""
    rng = np.random.Generator(np.random.Philox(5))
    surprises = rng.standard_t(4, (draws, 2 * len(DAYS)))
    expected = np.concatenate([np.full(len(DAYS), 5.3), 5.3 - 0.13 * DAYS])[None].repeat(draws, axis=0)
    squared = rng.uniform(0.01, 0.05, surprises.shape)
    weekly = np.repeat(rng.uniform(0.1, 0.3, (draws, 2)), len(DAYS), axis=1)
    log_volume = np.concatenate(
        [
            wander.readings(surprises[:, part], expected[:, part], squared[:, part], DAYS, weekly[:, part][:, 0], LIMIT)
            for part in (slice(0, len(DAYS)), slice(len(DAYS), None))
        ],
        axis=1,
    )  # fmt: skip
    below = log_volume < LIMIT
    residual = np.maximum(log_volume, LIMIT) - expected
    return surprises, residual, squared, weekly**2, np.repeat([0, 1], len(DAYS)), below


def test_surprises_that_made_the_readings_are_found_again() -> None:
    surprises, residual, squared, weekly, mouse, below = mice_of_known_surprises(40)
    assert below.any()
    for k in range(40):
        visits = likelihood.Visits.of(mouse, np.tile(DAYS, 2), below[k])
        found, _ = standardised(residual[[k]], squared[[k]], weekly[[k]], visits)
        # A censored reading hides its own surprise only: those after it are not conditioned on its value.
        np.testing.assert_allclose(found[0, ~below[k]], surprises[k, ~below[k]], atol=1e-12)


def test_surprises_have_the_density_of_the_likelihood() -> None:
    _, residual, squared, weekly, mouse, below = mice_of_known_surprises(10)
    for k in range(10):
        visits = likelihood.Visits.of(mouse, np.tile(DAYS, 2), below[k])
        found, foreseen = standardised(residual[[k]], squared[[k]], weekly[[k]], visits)
        density = likelihood.filtered(
            residual[k], squared[k], weekly[k], visits.gap, visits.first, visits.below
        )[0]
        seen = ~below[k]
        scale = (residual[k] - foreseen[0])[seen] / found[0, seen]
        np.testing.assert_allclose(
            density[seen], stats.t(4).logpdf(found[0, seen]) - np.log(scale), rtol=1e-9
        )
        np.testing.assert_allclose(density[below[k]], stats.t(4).logcdf(found[0, below[k]]), rtol=1e-9)


def test_quantile_residuals_are_normal_also_where_readings_are_censored() -> None:
    rng = np.random.Generator(np.random.Philox(3))
    deviates = rng.standard_t(4, (1, 40_000))
    limit = rng.normal(-0.5, 1.0, deviates.shape)
    below = (deviates < limit)[0]
    found = quantile_residuals(np.where(below, limit, deviates), below, rng.random(deviates.shape))
    assert stats.kstest(found.ravel(), "norm").pvalue > 0.01
    far = quantile_residuals(np.array([[-60.0, 60.0, 0.0]]), np.zeros(3, bool), np.ones((1, 3)))
    np.testing.assert_allclose(far, [[-far[0, 1], far[0, 1], 0.0]], atol=1e-12)
    assert 4.5 < far[0, 1] < 6.0


def test_the_log_prior_is_that_of_the_sampler() -> None:
    card = load_model("graded_kill")
    names = ("mu_r", "omega_r", "h2", "mu_k")
    rng = np.random.Generator(np.random.Philox(1))
    values = {
        name: card.priors[name].draws(2 * 3 * (2 if card.priors[name].by else 1), rng).reshape(2, 3, -1)
        for name in names
    }
    posterior = xr.Dataset(
        {
            name: (("chain", "draw", "drug"), array)
            if card.priors[name].by
            else (("chain", "draw"), array[..., 0])
            for name, array in values.items()
        },
        coords={"drug": ["A", "B"]},
    )
    by_sampler = sum(
        pm.logp(law_of(card.priors[name]), array).eval(mode="FAST_COMPILE").sum(axis=-1)
        for name, array in values.items()
    )
    np.testing.assert_allclose(log_prior(posterior, card), by_sampler, rtol=1e-6)


def test_what_two_sensitivities_say() -> None:
    sure, unsure = {"prior": 0.01, "likelihood": 0.02}, {"prior": 0.01, "likelihood": 0.6}
    assert diagnosis(0.04, 0.9, sure) == FREE
    assert diagnosis(0.2, 0.9, sure) == CONFLICT
    assert diagnosis(0.2, 0.03, sure) == LED
    assert diagnosis(0.2, 0.5, unsure) == UNSURE
    assert diagnosis(0.2, 0.7, unsure) == CONFLICT
    assert diagnosis(0.2, 0.7, {"prior": 0.3, "likelihood": 0.02}) == FREE


def test_the_bend_is_the_parabola_of_polyfit() -> None:
    rng = np.random.Generator(np.random.Philox(2))
    day = np.broadcast_to(np.array([0.0, 3, 7, 10, 14, 17]), (2, 3, 6))
    volume = 200 * np.exp(0.3 * rng.normal(size=day.shape) + 0.05 * day)
    volume[0, 0, 4:] = np.nan
    volume[1, 2, 2] = 3.0
    volume[1, 1, 1:4] = np.nan
    found = bend(day, volume, 15.0)
    for place in np.ndindex(2, 3):
        seen = np.nan_to_num(volume[place]) >= 15.0
        if seen.sum() < 4:
            assert np.isnan(found[place])
            continue
        when = day[place][seen]
        x = 2 * (when - when.min()) / np.ptp(when) - 1
        assert found[place] == pytest.approx(np.polyfit(x, np.log(volume[place][seen]), 2)[0], rel=1e-9)
    assert np.isnan(found).sum() == 1
    half_second_difference = bend(np.array([0.0, 1, 2, 3, 4]), np.exp([5.0, 5, 5.4, 5, 5.0]), 15.0)
    assert half_second_difference < 0


def test_ranks_are_those_counted_one_by_one() -> None:
    rng = np.random.Generator(np.random.Philox(4))
    replicates = rng.integers(0, 30, (40, 3)).astype(float)
    observed = np.array([28.0, 3.0, 29.0])
    p, together = ranks(observed, replicates)
    by_hand = [(1 + sum(r >= o for r in replicates[:, k])) / 41 for k, o in enumerate(observed)]
    assert p == pytest.approx(by_hand)
    pooled = np.vstack([observed, replicates])
    worst = [min(sum(other >= row[k] for other in pooled[:, k]) / 41 for k in range(3)) for row in pooled]
    assert together == pytest.approx(sum(value <= worst[0] + 1e-9 for value in worst) / 41)


def test_a_trial_of_the_model_is_out_as_often_as_said() -> None:
    rng = np.random.Generator(np.random.Philox(6))
    together = []
    for _ in range(400):
        shared = rng.normal(size=(201, 1))
        distances = np.abs(0.6 * shared + rng.normal(size=(201, 5)))
        together.append(ranks(distances[0], distances[1:])[1])
    # 400 trials at 10 %: 40, standard deviation 6; four of them on either side.
    assert 16 <= np.count_nonzero(np.array(together) < 0.1) <= 64


def test_populations_side_by_side_are_those_alone() -> None:
    card = load_model("graded_kill")
    arms = ["untreated", "A", "B", "A + B"]
    alone = [drawn_avatars(card, arms, ["a", "b", "c"], np.array([1.0, 0, 0]), seed=s)[0] for s in (1, 2)]
    both = side_by_side(alone)
    assert both.n_trials == 2
    for k, one in enumerate(alone):
        np.testing.assert_array_equal(both.log_r[k], one.log_r[0])
        np.testing.assert_array_equal(both.eta_combination[k], one.eta_combination[0])
        np.testing.assert_array_equal(both.slowing[k], one.slowing[0])
        assert both.population["delta"][k] == one.population["delta"][0]


def test_prior_trials_start_as_the_priors_say() -> None:
    card = load_model("two_clone")
    trial = untreated_prior_trials(card, load_design("melanoma_braf_mek"), populations=60, avatars=2)
    assert dict(trial.sizes) | {"visit": 0} == {"trial": 60, "avatar": 2, "arm": 1, "visit": 0}
    start = np.log(trial["volume_mm3"].isel(visit=0).values)
    # Population medians scatter by the prior's own SD of 0.1: over 60 of them a standard error of 0.02.
    assert np.median(start) == pytest.approx(card.priors["mu_v"].location, abs=0.06)
