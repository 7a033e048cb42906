"""What holds of learnt interactions: no arm is foreseen by its own mice, orders and neighbours do not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_trials.card_files import load_interactions
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.evidence.combinations import study_of, unseen_combinations
from avatar_trials.evidence.foreseen_combinations import ForeseenCombinations, foresee_combinations
from avatar_trials.evidence.interaction_weights import weights_of
from avatar_trials.evidence.latent_predictors import CALIBRATED, LEARNT
from avatar_trials.evidence.outcome_density import log_density
from avatar_trials.intake import GrowthTable
from avatar_trials.interaction_cards import RELATIONS
from tests.graded_posterior import a_singles_posterior, graded_design, observed_mice

CARD = load_interactions("pathways")
POINTS = 10
CARD = CARD.model_copy(update={"grid": CARD.grid.model_copy(update={"eta_steps": POINTS})})
TREE = a_singles_posterior(draws=60)
TABLE = observed_mice(TREE, 0.8, combinations=("A + B", "A + C", "B + D"))
ARMS = [
    ("CM", "encorafenib + LEE011"),
    ("CRC", "BYL719 + BKM120"),
    ("CRC", "LDE225 + cetuximab"),
    ("", "A + B"),
]


@pytest.fixture(scope="module")
def whole() -> ForeseenCombinations:
    return foreseen(TABLE)


def foreseen(table: GrowthTable, seed: int = 4, only: str | None = None) -> ForeseenCombinations:
    study = study_of(table, rule="pct_sheet")
    return foresee_combinations(
        TREE, study, graded_design(), CARD, draws=50, seed=seed, only=only, reference_draws=40
    )


def same(first: ForeseenCombinations, second: ForeseenCombinations, arm: str, predictor: str) -> bool:
    found = [
        next(one for one in some.predictions if (one.arm, one.predictor) == (arm, predictor))
        for some in (first, second)
    ]
    return all(np.array_equal(getattr(found[0], name), getattr(found[1], name)) for name in ("orr", "depth"))


def test_an_arm_is_foreseen_bit_for_bit_the_same_whatever_became_of_its_mice(
    whole: ForeseenCombinations,
) -> None:
    rows = TABLE.rows.copy()
    later = (rows["arm"] == "A + B") & (rows["day"] > 0)
    rows.loc[later, "volume_mm3"] = 20.0
    before, after = whole, foreseen(replace(TABLE, rows=rows))
    names = dict.fromkeys(one.predictor for one in before.predictions if one.arm == "A + B")
    assert LEARNT in names
    assert all(same(before, after, "A + B", name) for name in names)
    column = before.weights["without_its_mice"].where(before.weights["arm"] == "A + B").dropna()
    assert column.tolist() == after.weights["without_its_mice"][column.index].tolist()
    others = before.weights["arm"] != "A + B"
    changed = before.weights["without_its_mice"][others] - after.weights["without_its_mice"][others]
    assert changed.abs().max() > 0.01
    pd.testing.assert_frame_equal(
        before.avatars[before.avatars["arm"] == "A + B"].drop(columns="observed_category"),
        after.avatars[after.avatars["arm"] == "A + B"].drop(columns="observed_category"),
    )


def test_a_seed_is_its_draws_and_one_arm_alone_is_foreseen_as_among_all(whole: ForeseenCombinations) -> None:
    first, alone, other = whole, foreseen(TABLE, only="A + C"), foreseen(TABLE, seed=5)
    assert {one.arm for one in alone.predictions} == {"A + C"}
    assert same(first, alone, "A + C", LEARNT)
    assert not same(first, other, "A + C", LEARNT)


def test_what_the_tables_hold_is_whole(whole: ForeseenCombinations) -> None:
    found = whole
    weights = found.weights.groupby("arm")[["prior", "without_its_mice", "with_its_mice"]].sum()
    np.testing.assert_allclose(weights, 1.0)
    assert (found.avatars["p_response"] >= 0.0).all()
    assert (found.avatars["p_response"] <= found.avatars["p_disease_control"]).all()
    assert len(found.avatars) == 3 * 16
    assert found.avatars["method"].str.contains("individual-level").all()
    limits = found.arms[["lower_90", "predicted", "upper_90"]].to_numpy()
    assert (limits[:, 0] <= limits[:, 1]).all()
    assert (limits[:, 1] <= limits[:, 2]).all()
    assert found.seen == ()
    assert found.main == LEARNT
    survival = found.survival.groupby(["arm", "predictor"])["not_doubled"]
    assert (survival.first() == 1.0).all()
    assert survival.apply(lambda curve: bool((curve.diff().dropna() <= 1e-12).all())).all()


def test_a_combination_nobody_was_given_is_foreseen_and_not_scored() -> None:
    study = study_of(TABLE, rule="pct_sheet")
    unseen = unseen_combinations(TABLE, "C + D", study)
    found = foresee_combinations(
        TREE, study, graded_design(), CARD, draws=50, seed=4, unseen=unseen, only="C + D", reference_draws=40
    )
    assert {one.arm for one in found.predictions} == {"C + D"}
    assert set(found.avatars["observed_category"]) == {""}
    assert len(found.verdicts) == 0


def test_a_posterior_of_other_combinations_lends_its_own_exponent() -> None:
    tree = TREE.copy(deep=True)
    posterior = TREE["posterior"].to_dataset()
    given = posterior.assign(
        eta_combination=(("chain", "draw", "combination"), np.full((1, 60, 2), 0.3))
    ).assign_coords(combination=["A + C", "B + D"])
    tree["posterior"] = given
    tree.attrs = TREE.attrs
    study = study_of(TABLE, rule="pct_sheet")
    found = foresee_combinations(
        tree, study, graded_design(), CARD, draws=50, seed=4, only="A + B", reference_draws=40
    )
    assert found.main == CALIBRATED
    assert len(found.weights) == 0
    assert found.seen == ()
    saw = foresee_combinations(
        tree, study, graded_design(), CARD, draws=50, seed=4, only="A + C", reference_draws=40
    )
    assert saw.seen == ("A + C",)
    assert saw.arms["calibration"].str.contains("NO|no evidence").all()


@settings(max_examples=10)
@given(st.integers(0, 1000), st.permutations(range(4)))
def test_the_order_of_combinations_and_a_constant_do_not_matter(seed: int, order: list[int]) -> None:
    told = np.random.default_rng(seed).normal(0, 3, (4, POINTS))
    first = weights_of(told, ARMS, CARD)
    second = weights_of(told[order] - 500.0, [ARMS[i] for i in order], CARD)
    np.testing.assert_allclose(second.without, first.without[order], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(second.with_own, first.with_own[order], rtol=1e-6, atol=1e-12)
    assert (first.contraction(CARD.grid.etas) <= 1.0).all()


def test_the_same_drugs_in_another_tumour_type_are_left_out_too() -> None:
    told = np.random.default_rng(3).normal(0, 3, (3, POINTS))
    arms = [("CM", "BYL719 + encorafenib"), ("CRC", "encorafenib + BYL719"), ("CM", "LEE011 + encorafenib")]
    before = weights_of(told, arms, CARD)
    told[1] += np.linspace(0, 9, POINTS)
    after = weights_of(told, arms, CARD)
    np.testing.assert_array_equal(after.without[0], before.without[0])
    assert np.abs(after.without[2] - before.without[2]).max() > 0.01


def test_combinations_of_the_same_tumour_type_tell_more_of_one_another() -> None:
    """One combination says that drugs hinder each other: the mean of another in its type moves more than one's
    elsewhere, and that of another relation in no type less than either."""
    arms = [("CM", "A + B"), ("CM", "A + C"), ("CRC", "A + D"), ("CRC", "encorafenib + trametinib")]
    told = np.zeros((4, POINTS))
    told[0] = np.linspace(0.0, 9.0, POINTS)
    means = weights_of(told, arms, CARD).without @ CARD.grid.etas
    assert means[1] > means[2] + 0.1
    assert means[2] > means[3] + 0.01


def test_a_relation_is_the_closest_of_any_two_drugs_in_any_order() -> None:
    assert CARD.relation("LEE011 + encorafenib") == CARD.relation("encorafenib + LEE011") == RELATIONS[1]
    assert CARD.relation("BYL719 + cetuximab + encorafenib") == RELATIONS[1]
    assert CARD.relation("binimetinib + LDE225 + trametinib") == RELATIONS[0]
    assert CARD.relation("binimetinib + LDE225") == RELATIONS[2]
    assert CARD.relation("binimetinib + drug X") == RELATIONS[3]
    assert CARD.relation("ribociclib + LGX818") == RELATIONS[1]


@settings(max_examples=30)
@given(st.floats(-92.0, 9e3), st.floats(0.5, 200.0), st.booleans(), st.integers(0, 99))
def test_no_observed_mouse_is_impossible_and_avatars_do_not_touch(
    depth: float, day: float, doubled: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    days = rng.uniform(3.0, 60.0, (50, 3))
    days[:, 2] = np.nan
    drawn = ArmOutcomes(
        category=np.full((50, 3), "SD"),
        depth_pct=np.where(np.isnan(days), np.nan, rng.uniform(-100, 200, (50, 3))),
        time_days=days,
        doubled=rng.random((50, 3)) < 0.5,
    )
    seen = ArmOutcomes(
        category=np.full((1, 3), "SD"),
        depth_pct=np.full((1, 3), depth),
        time_days=np.full((1, 3), day),
        doubled=np.full((1, 3), doubled),
    )
    found = log_density(drawn, seen, floor=-2.6, end=55.0)
    assert np.isfinite(found).all()
    assert found[2] == 0.0
