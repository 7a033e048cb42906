"""Turnbull's estimate against npsurv and survfit of R (tests/fixtures/survival), and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_trials.endpoints.interval_censoring import interval_quantile, interval_survival, turnbull
from avatar_trials.endpoints.survival import kaplan_meier, median
from avatar_trials.verify import small_samples
from avatar_trials.verify.small_samples import intervals
from tests.held import hold

TURNBULL = small_samples.reference("turnbull")


@pytest.mark.parametrize("dataset", TURNBULL)
def test_masses_and_likelihood(dataset: str) -> None:
    hold(small_samples.masses_and_likelihood(dataset))


@pytest.mark.parametrize("dataset", TURNBULL)
def test_survival_between_the_innermost_intervals(dataset: str) -> None:
    hold(small_samples.between_the_innermost_intervals(dataset))


def test_quantiles_by_place() -> None:
    ours = turnbull(*intervals("weekly_pdx"))
    # Shares by day 7, 14, 21, 28: 1/12, 4/12, 7/12, 9/12.
    assert interval_quantile(ours, 0.5) == 17.5
    assert interval_quantile(ours, 0.5, place="left") == 14.0
    assert interval_quantile(ours, 0.5, place="right") == 21.0
    assert interval_quantile(ours, 1 / 3) == (10.5 + 17.5) / 2  # the curve is flat there
    assert interval_quantile(ours, 0.9) == np.inf


def test_an_interval_open_on_the_left_does_not_hold_its_left_end() -> None:
    # (0, 7] and (7, 14] share no day: closed intervals would put both on day 7.
    ours = turnbull([0, 7], [7, 14])
    np.testing.assert_array_equal([ours.left, ours.right], [[0, 7], [7, 14]])
    np.testing.assert_allclose(ours.mass, [0.5, 0.5], rtol=0, atol=1e-12)
    # An exact day 7 lies in (0, 7], not in (7, 14].
    np.testing.assert_allclose(turnbull([0, 7], [7, 7]).mass, [1.0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(turnbull([7, 7], [14, 7]).mass, [0.5, 0.5], rtol=0, atol=1e-12)


def test_exact_and_right_censored_times_give_the_kaplan_meier_curve() -> None:
    rng = np.random.default_rng(2)
    time, event = rng.integers(1, 20, 40).astype(float), rng.random(40) < 0.6
    ours = turnbull(time, np.where(event, time, np.inf))
    km = kaplan_meier(time, event)
    at = np.arange(1.0, time[event].max() + 1)
    expected = [km.surv[km.time <= day][-1] if (km.time <= day).any() else 1.0 for day in at]
    np.testing.assert_allclose(interval_survival(ours, at)[1], expected, rtol=0, atol=1e-8)
    assert interval_quantile(ours, 0.5) == median(km)


def test_no_perturbation_of_the_masses_is_likelier() -> None:
    rng = np.random.default_rng(8)
    visits = np.sort(rng.uniform(0, 60, (60, 6)), axis=1)
    days = rng.weibull(2, 60) * 30
    seen = (visits < days[:, None]).sum(axis=1)
    padded = np.column_stack([np.zeros(60), visits, np.full(60, np.inf)])
    left, right = padded[np.arange(60), seen], padded[np.arange(60), seen + 1]
    ours = turnbull(left, right)
    holds = (left[:, None] <= ours.left) & (ours.right <= right[:, None])
    np.testing.assert_allclose(np.log(holds @ ours.mass).sum(), ours.loglik, rtol=1e-12)
    # Kuhn-Tucker: on the support every slope is n.
    np.testing.assert_allclose((1 / (holds @ ours.mass)) @ holds, 60.0, rtol=1e-6)
    for _ in range(200):
        moved = np.abs(ours.mass + 1e-3 * rng.normal(size=len(ours.mass)))
        assert np.log(holds @ (moved / moved.sum())).sum() <= ours.loglik + 1e-9


def test_edges() -> None:
    censored = turnbull([3.0, 5.0], [np.inf, np.nan])
    np.testing.assert_array_equal([censored.left, censored.right, censored.mass], [[5.0], [np.inf], [1.0]])
    assert interval_quantile(censored, 0.5) == np.inf
    np.testing.assert_array_equal(turnbull([4.0], [4.0]).mass, [1.0])
    with pytest.raises(ValueError, match="no interval was given"):
        turnbull([], [])
    with pytest.raises(ValueError, match=r"interval 1: left 9 must be finite and not after right 7"):
        turnbull([1, 9], [2, 7])
    with pytest.raises(ValueError, match="no left end: give 0"):
        interval_quantile(turnbull([np.nan], [7]), 0.5)
    with pytest.raises(ValueError, match="unknown place 'mid'"):
        interval_quantile(censored, 0.5, place="mid")
