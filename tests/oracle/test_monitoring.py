"""Assays against their laws: Poisson counts, spatial misses, sensitivity and specificity, limits of detection."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from avatar_trials.strategies.history import FOUND
from avatar_trials.strategies.monitoring import (
    assayed,
    biopsy_sample,
    miss_probability,
    molecules_expected,
    plasma_sample,
    poisson_quantile,
)
from avatar_trials.strategy_designs import BiopsySpec, PlasmaSpec

N = 20_000
TRACEABLE = np.array([False, True])


def plasma(**changes: float | str) -> PlasmaSpec:
    return PlasmaSpec.model_validate({"every_days": 7, "source": "a test"} | changes)


def biopsy(**changes: float | str) -> BiopsySpec:
    return BiopsySpec.model_validate({"regions": 4, "source": "a test"} | changes)


def within_three_errors(share: float, expected: float) -> bool:
    return bool(abs(share - expected) <= 3.0 * np.sqrt(expected * (1.0 - expected) / N) + 1e-12)


def test_poisson_quantiles_are_those_of_scipy() -> None:
    rng = np.random.default_rng(3)
    mean = np.concatenate([np.zeros(50), 10.0 ** rng.uniform(-6, 5, 3000)])
    uniform = np.concatenate([rng.random(2950), [0.0, 1e-12, 0.5, 1 - 1e-12] * 25])
    expected = np.maximum(stats.poisson.ppf(uniform, mean), 0.0)
    assert np.array_equal(poisson_quantile(uniform, mean), expected)
    assert float(poisson_quantile(0.5, 1e15)) == pytest.approx(1e12, rel=1e-3)
    with pytest.raises(ValueError, match="0 or more"):
        poisson_quantile(0.5, -1.0)


def test_counts_have_the_mean_and_variance_of_molecules_shed() -> None:
    """1e9 cells shed 0.136 x 1.4e-4 / 33.3 genomes each: 572 in circulation."""
    spec = plasma(sampled_share=0.5)
    assert float(molecules_expected(1e9, spec)) == pytest.approx(286, abs=0.5)
    rng = np.random.default_rng(4)
    cells = np.stack([np.zeros(N), np.full(N, 1e8)])
    total, found = plasma_sample(cells, TRACEABLE, spec, rng.random((2, N)), rng.random((2, N)))
    mean = float(molecules_expected(1e8, spec))
    assert total.mean() == pytest.approx(mean, abs=3 * np.sqrt(mean / N))
    assert total.var() == pytest.approx(mean, rel=0.05)
    assert (found[1] == FOUND).all()
    assert not (found[0] == FOUND).any()


def test_ten_cubic_centimetres_are_a_tenth_of_a_percent_in_plasma() -> None:
    """10 cm3, 1e10 cells, against 3 litres of plasma with 2,000 genomes a millilitre (Abbosh 2017: 0.1 %)."""
    share = float(molecules_expected(1e10, plasma(sampled_share=1.0))) / (3000 * 2000)
    assert 3e-4 < share < 3e-3


@pytest.mark.parametrize(("presence", "regions"), [(0.2, 4), (0.2, 1), (0.5, 3), (1.0, 1)])
def test_biopsies_miss_a_clone_as_often_as_the_regions_say(presence: float, regions: int) -> None:
    rng = np.random.default_rng(5)
    cells = np.stack([np.full(N, 5e7), np.full(N, 5e7)])
    found = biopsy_sample(
        *(cells, TRACEABLE, np.array([1.0, presence]), biopsy(regions=regions)),
        *(rng.random((2, N)), rng.random((2, N))),
    )
    missed = (1.0 - presence) ** regions
    assert float(miss_probability(presence, regions)) == pytest.approx(missed)
    assert within_three_errors(float((found[1] != FOUND).mean()), missed)


def test_a_clone_that_four_biopsies_miss_is_found_in_plasma() -> None:
    """MET amplification in a fifth of regions: 41 % missed by four biopsies; plasma pools all regions."""
    assert float(miss_probability(0.2, 4)) == pytest.approx(0.41, abs=0.001)
    rng = np.random.default_rng(6)
    cells = np.stack([np.full(N, 2e8), np.full(N, 2e7)])
    _, found = plasma_sample(
        cells, TRACEABLE, plasma(sampled_share=1.0), rng.random((2, N)), rng.random((2, N))
    )
    assert (found[1] == FOUND).mean() > 0.99


def test_a_clone_below_the_share_that_a_biopsy_sees_is_not_seen() -> None:
    cells = np.stack([np.full(10, 1e8), np.full(10, 1e5)])
    half = np.full((2, 10), 0.5)
    assert not (biopsy_sample(cells, TRACEABLE, np.ones(2), biopsy(), half, half) == FOUND).any()


@pytest.mark.parametrize(("sensitivity", "specificity"), [(0.767, 0.982), (0.61, 0.79)])
def test_two_by_two_tables_have_the_assays_sensitivity_and_specificity(
    sensitivity: float, specificity: float
) -> None:
    """cobas plasma 76.7 % of tissue-positive, 98.2 % of tissue-negative; T790M plasma against tissue 61, 79 %."""
    rng = np.random.default_rng(7)
    there = np.arange(2 * N) < N
    found = assayed(there, sensitivity, specificity, rng.random(2 * N)) == FOUND
    assert within_three_errors(float(found[:N].mean()), sensitivity)
    assert within_three_errors(float((~found[N:]).mean()), specificity)


def test_a_limit_of_detection_is_held_as_a_share_and_as_a_count() -> None:
    rng = np.random.default_rng(8)
    cells = np.stack([np.full(500, 1e10), np.full(500, 1e6)])
    luck = rng.random((2, 500)), rng.random((2, 500))
    _, by_share = plasma_sample(cells, TRACEABLE, plasma(sampled_share=1.0, least_share=0.001), *luck)
    _, by_count = plasma_sample(cells, TRACEABLE, plasma(sampled_share=1.0, least_share=0.0), *luck)
    assert not (by_share[1] == FOUND).any()
    assert 0.2 < (by_count[1] == FOUND).mean() < 0.8
    _, three = plasma_sample(
        cells, TRACEABLE, plasma(sampled_share=1.0, least_share=0.0, least_molecules=3), *luck
    )
    assert (three[1] == FOUND).sum() < (by_count[1] == FOUND).sum()
