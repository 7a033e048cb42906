"""Calibrated avatars under strategies: a constant arm is the calibrated mouse, and all else is said to be assumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avatar_trials.card_files import load_strategies
from avatar_trials.emulate import Cohort, cohort_from_posterior
from avatar_trials.emulate.mice import chance, luck, mice_under
from avatar_trials.kinetics.clones import size_from_growth
from avatar_trials.problems import InputError
from avatar_trials.stamp import read_netcdf
from avatar_trials.strategies import compare_strategies, score_strategies
from avatar_trials.strategies.calibrated_tumours import calibrated_tumours

DRUGS = ("encorafenib", "binimetinib")
CLONES = ("sensitive", "resists encorafenib", "resists binimetinib", "resists both")
DAYS = np.array([0.0, 3.0, 21.0, 60.0, 120.0])
SEED = 5


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    frozen = Path(__file__).parents[1] / "fixtures" / "frozen_posterior.nc"
    return cohort_from_posterior(read_netcdf(frozen, kind="posterior"), 6, seed=SEED)


@pytest.mark.parametrize("drug", [0, 1])
def test_one_drug_all_the_time_is_the_calibrated_mouse(cohort: Cohort, drug: int) -> None:
    tumours = calibrated_tumours(cohort, DRUGS, CLONES, SEED)
    rates = tumours.rates(np.eye(2)[drug])
    states = np.stack(
        [share[:, None] * np.exp(rates[i, i][:, None] * DAYS) for i, share in enumerate(tumours.shares)]
    )
    found = size_from_growth(np.log(states.sum(axis=0)), tumours.deceleration[:, None])
    deviates = chance(cohort.avatars, cohort.n_trials, 1, luck(SEED, "mouse"))
    mice = mice_under(cohort, DRUGS[drug], deviates)
    latent = np.stack(list(mice.log_growth(DAYS, slice(None))), axis=-1)
    expected = size_from_growth(latent, cohort.decelerations.reshape(-1)[:, None])
    as_mice = expected.reshape(cohort.n_trials, -1, len(DAYS)).swapaxes(0, 1).reshape(found.shape)
    assert found == pytest.approx(as_mice, abs=1e-6)
    assert tumours.start_mm3 == pytest.approx(np.exp(mice.log_start.T.ravel()))


def test_both_drugs_together_act_on_clones_as_calibrated(cohort: Cohort) -> None:
    tumours = calibrated_tumours(cohort, DRUGS, CLONES, SEED)
    deviates = chance(cohort.avatars, cohort.n_trials, 1, luck(SEED, "mouse"))
    both = mice_under(cohort, " + ".join(DRUGS), deviates)
    rates = tumours.rates(np.ones(2))
    for clone, calibrated in ((0, both.rates[0]), (3, both.rates[1])):
        assert rates[clone, clone] == pytest.approx(calibrated.T.ravel())
    assert tumours.shares.sum(axis=0) == pytest.approx(1.0)
    assert (tumours.shares >= 0).all()
    without = tumours.rates(np.zeros(2))
    assert all(rate == pytest.approx(tumours.growth) for rate in without.values())
    half = tumours.rates(np.array([0.5, 0.0]))[0, 0]
    assert half == pytest.approx((without[0, 0] + tumours.rates(np.array([1.0, 0.0]))[0, 0]) / 2)


def test_calibrated_avatars_carry_draws_and_do_not_depend_on_blocks(cohort: Cohort) -> None:
    design = load_strategies("melanoma_preemptive_vs_sequential")
    few = cohort.of(cohort.avatars[:5])
    followed = compare_strategies(design, cohort=few)
    assert followed.sizes["avatar"] == 5 * 6
    assert "CALIBRATED" in followed.attrs["scenario"]
    cut = compare_strategies(design, cohort=few, mice_at_a_time=7)
    assert followed.identical(cut)
    table, differences = score_strategies(followed, design.reference, resamples=60)
    upfront = differences[differences["strategy"] == "both from the start"].set_index("endpoint")
    row = upfront.loc["strategy_failure_mean_days"]
    assert row["lower"] < row["upper"]
    assert set(table["n"]) >= {30}


def test_what_cannot_be_calibrated_is_said_at_once(cohort: Cohort) -> None:
    graded = replace(cohort, kinetics="graded_kill")
    with pytest.raises(InputError) as refused:
        calibrated_tumours(graded, ("A", "B", "C"), CLONES, SEED)
    assert {problem.code for problem in refused.value.problems} == {"D96", "D97"}
    assert all(problem.fix for problem in refused.value.problems)
    with pytest.raises(InputError, match="knows nothing of A, B"):
        calibrated_tumours(cohort, ("A", "B"), CLONES, SEED)
