"""What holds of foreseen combinations: the combination is not looked at, draws do not hang on one another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avatar_trials.evidence.combination_scores import score_table
from avatar_trials.evidence.combinations import ArmPrediction, Study, study_of, unseen_combinations
from avatar_trials.evidence.reference_predictors import (
    BEST_OF_SINGLES,
    PREDICTOR_WORDS,
    RESAMPLING_WORDS,
    Bootstrap,
    reference_predictions,
)
from avatar_trials.evidence.sample_scores import crps
from avatar_trials.intake import GrowthTable
from tests.combination_panel import panel, together

FIELDS = ("orr", "dcr", "doubling", "depth")
NUMBERS = st.floats(-100.0, 100.0)


def study(table: GrowthTable) -> Study:
    return study_of(table, rule="pct_sheet")


def by_key(made: list[ArmPrediction]) -> dict[tuple[str, str, str], ArmPrediction]:
    return {(one.predictor, one.tumor_type, one.arm): one for one in made}


def same(first: ArmPrediction, second: ArmPrediction) -> bool:
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in FIELDS)


@pytest.mark.parametrize("resampling", RESAMPLING_WORDS)
def test_no_prediction_sees_the_arm_that_it_foresees(resampling: str) -> None:
    table, how = panel(), Bootstrap(4, draws=60, resampling=resampling)
    rows = table.rows.copy()
    later = (rows["arm"] == "A + B") & (rows["day"] > 0)
    rows.loc[later, "volume_mm3"] = 1.0
    before = by_key(reference_predictions(study(table), how))
    after = by_key(reference_predictions(study(replace(table, rows=rows)), how))
    assert len(before) == len(after) == 2 * len(PREDICTOR_WORDS)
    for key, one in before.items():
        foreseen = key[2] == "A + B" or key[0] != "other combinations"
        assert same(one, after[key]) == foreseen, key


def test_a_seed_is_its_draws_and_another_seed_others() -> None:
    first, again, other = (
        by_key(reference_predictions(study(panel()), Bootstrap(seed, draws=60))) for seed in (4, 4, 5)
    )
    assert all(same(one, again[key]) for key, one in first.items())
    assert not any(same(one, other[key]) for key, one in first.items())


def test_a_study_of_more_arms_leaves_the_predictions_of_single_agents_bit_for_bit() -> None:
    how = Bootstrap(4, draws=60)
    few, many = panel(), together(panel(), panel(14, tumor_type="CRC", seed=9))
    before, after = (by_key(reference_predictions(study(table), how)) for table in (few, many))
    assert len(after) == 2 * len(before)
    for key, one in before.items():
        assert same(one, after[key]) == (key[0] != "other combinations")


@settings(max_examples=60)
@given(arrays(float, st.integers(2, 12), elements=NUMBERS), NUMBERS, NUMBERS, st.floats(0.1, 10.0))
def test_the_score_moves_and_stretches_with_its_unit(
    drawn: np.ndarray, seen: float, shift: float, scale: float
) -> None:
    score = float(crps(drawn, seen))
    assert float(crps(scale * drawn + shift, scale * seen + shift)) == pytest.approx(scale * score, abs=1e-6)
    assert float(crps(-drawn, -seen)) == pytest.approx(score, abs=1e-9)
    assert float(crps(drawn, seen, estimator="plug_in")) >= -1e-9
    assert float(crps(np.full(5, seen), seen)) == 0.0


def test_the_miss_that_luck_lets_expect_is_that_of_draws_taken_for_the_truth() -> None:
    found = study(panel())
    one = next(
        p for p in reference_predictions(found, Bootstrap(1, draws=150)) if p.predictor == BEST_OF_SINGLES
    )
    row = score_table(found, [one]).set_index("quantity").loc["ORR_pct"]
    away = np.abs(100 * one.orr - np.median(100 * one.orr))
    assert row["expected_miss"] == pytest.approx(away.mean())


def test_no_mouse_of_a_study_is_followed_beyond_its_horizon() -> None:
    """Nor is anything after it looked at: later volumes are free to be anything."""
    table = panel()
    rows = table.rows.copy()
    rows.loc[rows["day"] > 20, "volume_mm3"] = 5.0
    cut, other = (
        study_of(one, rule="pct_sheet", horizon_days=20.0) for one in (table, replace(table, rows=rows))
    )
    for first, second in zip(cut.combinations, other.combinations, strict=True):
        pairs = zip(
            (first.mice.combination, *first.mice.alone),
            (second.mice.combination, *second.mice.alone),
            strict=True,
        )
        for one, same in pairs:
            assert np.nanmax(one.time_days) <= 20.0
            np.testing.assert_array_equal(one.time_days, same.time_days)
            np.testing.assert_array_equal(one.depth_pct, same.depth_pct)
    (unseen,) = unseen_combinations(table, "B + C", cut)
    assert np.nanmax(unseen.mice.alone[0].time_days) <= 20.0


def test_more_draws_than_mice_of_any_predictor_fit_one_table() -> None:
    found = study(panel())
    scores = score_table(found, reference_predictions(found, Bootstrap(1, draws=150)))
    assert len(scores) == 2 * len(PREDICTOR_WORDS) * 4
    assert scores.drop(columns=["horizon_days", "expected_miss"]).notna().all(axis=None)
    of_arm = scores["quantity"] != "depth_of_response_pct"
    assert scores["expected_miss"].notna().equals(of_arm)
    assert (scores["expected_miss"][of_arm] >= 0).all()
    limits = scores[["lower_90", "lower_50", "predicted", "upper_50", "upper_90"]].to_numpy()
    assert (np.diff(limits, axis=1) >= 0).all()
    assert (scores["inside_90"] >= scores["inside_50"]).all()
    assert (scores.loc[scores["quantity"] == "log_doubling", "horizon_days"] > 0).all()
    assert scores["method"].str.contains("mRECIST rule pct_sheet").all()


def test_what_a_predictor_did_is_told_with_its_variants() -> None:
    told = Bootstrap(1, resampling="once", censoring="all_doubled").words(BEST_OF_SINGLES)
    assert "unless the mice under all drugs had doubled" in told
    assert "luck alone" in told
    assert Bootstrap(1).words("some posterior") == ""
