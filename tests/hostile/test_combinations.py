"""Combinations that cannot be compared with their single agents: each is told in the user's terms, with a remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from avatar_trials.card_files import check_card, load_interactions
from avatar_trials.endpoints import against_independent_action, better_of, either_works, matched_mice
from avatar_trials.evidence.combination_scores import score_differences, score_table
from avatar_trials.evidence.combinations import ArmPrediction, study_of, unseen_combinations
from avatar_trials.evidence.interaction_weights import weights_of
from avatar_trials.evidence.reference_predictors import (
    OTHER_COMBINATIONS,
    Bootstrap,
    best_of_singles,
    other_combinations,
    reference_predictions,
)
from avatar_trials.evidence.sample_scores import crps
from avatar_trials.library import find_card
from avatar_trials.problems import InputError
from tests.combination_panel import DAYS, panel, together


def mice(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Rows of a response table: avatar, arm, day of doubling (NaN: without a baseline)."""
    frame = pd.DataFrame(rows, columns=["avatar", "arm", "time_to_doubling_days"])
    return frame.assign(category="SD", best_avg_response_pct=0.0, depth_of_response_pct=0.0, doubled=True)


GOOD = (("x", "A", 10.0), ("x", "B", 12.0), ("x", "A + B", 20.0), ("y", "untreated", 5.0))
BAD = {
    "an arm of one drug": ((*GOOD,), "A", "S03", "no combination"),
    "an untreated arm": ((*GOOD,), "untreated", "S03", "no combination"),
    "no such arm": ((*GOOD,), "A + C", "S01", "'C'"),
    "no name": ((*GOOD,), "A +", "D53", "beside a +"),
    "two mice of one avatar": ((*GOOD, ("x", "B", 9.0)), "A + B", "S05", "several mice in arm B"),
    "no avatar with all": (
        (("x", "A", 9.0), ("y", "B", 9.0), ("x", "A + B", 9.0)),
        "A + B",
        "S04",
        "no avatar",
    ),
    "no baseline": ((*GOOD[:2], ("x", "A + B", np.nan)), "A + B", "S04", "no avatar"),
    "no mouse at all": ((), "A + B", "S01", "no treated arm"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_combination_without_its_single_agents_is_refused_in_words(case: str) -> None:
    rows, arm, code, words = BAD[case]
    with pytest.raises(InputError) as refused:
        matched_mice(mice(*rows), arm)
    assert refused.value.problems[0].code == code
    assert words in str(refused.value)
    assert all(problem.fix for problem in refused.value.problems)


def test_every_missing_arm_is_told_at_once() -> None:
    with pytest.raises(InputError) as refused:
        matched_mice(mice(*GOOD), "C + D")
    assert len(refused.value.problems) == 3


def test_arms_are_found_in_any_order_of_drugs_and_one_avatar_is_enough() -> None:
    assert matched_mice(mice(*GOOD), " B+A ").avatars == ("x",)


def test_a_test_that_cannot_be_made_says_why() -> None:
    calm = mice(*GOOD).assign(doubled=False)
    found = against_independent_action(calm, "A + B")
    assert np.isnan(found.log_rank.p_value)
    assert str(found.log_rank.why_undefined) == "no event in any group"
    assert "not estimable" in str(found.hazard.why_undefined)


def test_unknown_variants_and_impossible_shares_name_what_is_expected() -> None:
    arm = matched_mice(mice(*GOOD), "A + B").alone
    with pytest.raises(ValueError, match="later_time, all_doubled, published"):
        better_of(arm, censoring="best")
    with pytest.raises(ValueError, match=r"between 0 and 1: received 1\.5"):
        either_works([0.5, 1.5])
    with pytest.raises(ValueError, match="between -1 and 1: received nan"):
        either_works([0.5, 0.5], correlation=float("nan"))
    with pytest.raises(ValueError, match="between two drugs: received 3"):
        either_works([0.5, 0.5, 0.5], correlation=0.3)
    with pytest.raises(ValueError, match="dimension of drugs"):
        either_works(0.5)
    assert np.isnan(either_works([np.nan, 0.5], correlation=0.5))


def test_tables_without_a_combination_to_foresee_say_what_they_lack() -> None:
    lacking = {
        "no arm of several drugs": panel(arms={"A": 0.0, "untreated": 0.08}),
        "never given alone": panel(arms={"A": 0.0, "A + B": 0.08}),
        "3 avatars had it": panel(3),
    }
    for words, table in lacking.items():
        with pytest.raises(InputError) as refused:
            study_of(table, rule="pct_sheet")
        assert [problem.code for problem in refused.value.problems] == ["S06"]
        assert words in str(refused.value)
    with pytest.raises(ValueError, match="one avatar or more: received 0"):
        study_of(panel(), rule="pct_sheet", fewest=0)
    left_out = study_of(together(panel(), panel(3, tumor_type="CRC")), rule="pct_sheet").left_out
    assert list(left_out["tumor_type"]) == ["CRC", "CRC"]
    assert list(left_out["n_avatars"]) == [3, 3]


def test_arms_that_no_rule_can_call_are_left_out_with_the_reason() -> None:
    table = panel()
    short = (table.rows["arm"] == "A + B") & (table.rows["day"] > DAYS[2])
    study = study_of(replace(table, rows=table.rows[~short].reset_index(drop=True)), rule="gao2015_text")
    assert [one.arm for one in study.combinations] == ["A + C"]
    assert list(study.left_out["why"]) == ["no mouse under A + B can be called"]


def test_mice_without_a_baseline_and_avatars_without_a_tumour_type_are_no_trouble() -> None:
    table = panel(tumor_type="")
    late = (table.rows["avatar"] == "0") & (table.rows["arm"] == "A") & (table.rows["day"] == 0)
    cut = replace(table, rows=table.rows[~late].reset_index(drop=True), avatars=table.avatars.iloc[:-1])
    study = study_of(cut, rule="pct_sheet")
    assert [(one.tumor_type, len(one.mice.avatars)) for one in study.combinations] == [("", 11), ("", 11)]
    assert score_table(study, reference_predictions(study, Bootstrap(1, draws=20)))["crps"].notna().all()


def test_several_mice_of_an_avatar_are_refused_by_name() -> None:
    table = panel()
    twin = table.rows[(table.rows["avatar"] == "CM3") & (table.rows["arm"] == "B")].assign(mouse="2")
    with pytest.raises(InputError, match="avatar CM3 has several mice in arm B"):
        study_of(replace(table, rows=pd.concat([table.rows, twin], ignore_index=True)), rule="pct_sheet")


def test_a_lone_combination_has_no_others_to_go_by() -> None:
    study = study_of(panel(arms={"A": 0.0, "B": 0.0, "A + B": 0.0}), rule="pct_sheet")
    with pytest.raises(InputError, match="no combination but A"):
        other_combinations(study, study.combinations[0], Bootstrap(1))
    assert OTHER_COMBINATIONS not in {
        one.predictor for one in reference_predictions(study, Bootstrap(1, draws=9))
    }


GOOD_DRAWS: dict[str, Any] = {
    "orr": [0.2, 0.4],
    "dcr": [0.5, 1.0],
    "doubling": [20.0, np.inf],
    "depth": [[-100.0, 5.0], [0.0, 900.0]],
}
BAD_DRAWS: dict[str, tuple[dict[str, Any], str]] = {
    "percent for a share": ({"orr": [20.0, 40.0]}, "orr lies between 0 and 1: received 20"),
    "a negative share": ({"dcr": [-0.1, 0.5]}, "dcr lies between 0 and 1: received -0.1"),
    "an infinite share": ({"dcr": [np.inf, 0.5]}, "received inf"),
    "no time": ({"doubling": [0.0, 4.0]}, "doubling lies between 0 and inf: received 0"),
    "more than all shrunk": ({"depth": [[-101.0, 0.0], [0.0, 0.0]]}, "received -101"),
    "infinite growth": ({"depth": [[np.inf, 0.0], [0.0, 0.0]]}, "received inf"),
    "draws of other numbers": ({"dcr": [0.1, 0.2, 0.3]}, r"shape \(3,\), where \(2,\)"),
    "a mouse too many": ({"depth": [[0.0] * 3] * 2}, r"shape \(2, 3\), where \(2, 2\)"),
    "depth by draw only": ({"depth": [0.0, 0.0]}, r"shape \(2,\), where \(2, 2\)"),
    "one number": ({"orr": [np.nan, 0.5]}, "a number in 1 of its draws"),
    "one draw": ({"orr": [0.5], "dcr": [0.5], "doubling": [9.0], "depth": [[0.0, 0.0]]}, "two draws"),
    "a number for draws": ({"orr": 0.5}, "shape"),
}


@pytest.mark.parametrize("case", BAD_DRAWS)
def test_predictions_that_cannot_be_are_refused_with_what_was_expected(case: str) -> None:
    changed, words = BAD_DRAWS[case]
    ArmPrediction("mine", "CM", "A + B", ("x", "y"), **GOOD_DRAWS)
    with pytest.raises(ValueError, match=words) as refused:
        ArmPrediction("mine", "CM", "A + B", ("x", "y"), **(GOOD_DRAWS | changed))
    assert "mine, A + B" in str(refused.value)


def test_predictions_of_other_arms_or_avatars_are_not_scored() -> None:
    study = study_of(panel(), rule="pct_sheet")
    made = best_of_singles(study.combinations[0], Bootstrap(1, draws=10))
    for wrong, words in (
        (replace(made, tumor_type="CRC"), "is not in the study"),
        (replace(made, arm="A"), "is not in the study"),
        (replace(made, avatars=tuple(f"Z{k}" for k in range(12))), "other avatars"),
    ):
        with pytest.raises(ValueError, match=words):
            score_table(study, [wrong])
    scores = score_table(study, [made])
    assert score_differences(scores, made.predictor).empty
    with pytest.raises(ValueError, match="no scores of predictor 'mine': there are best single agent"):
        score_differences(scores, "mine")
    with pytest.raises(ValueError, match="unique"):
        score_differences(score_table(study, [made, made, replace(made, predictor="b")]), "b")


def test_variants_and_samples_that_are_unknown_or_not_numbers_are_named() -> None:
    with pytest.raises(ValueError, match="expected one of twice, once"):
        Bootstrap(1, resampling="thrice")
    with pytest.raises(ValueError, match="expected one of later_time"):
        Bootstrap(1, censoring="never")
    with pytest.raises(ValueError, match="expected one of fair, plug_in"):
        crps([1.0, 2.0], 1.0, estimator="best")
    with pytest.raises(ValueError, match="needs more samples: received 1"):
        crps([1.0], 1.0)
    for drawn, seen in (([1.0, np.inf], 1.0), ([1.0, np.nan], 1.0), ([1.0, 2.0], np.nan)):
        with pytest.raises(ValueError, match="must be finite"):
            crps(drawn, seen)


BAD_CARDS = {
    "a pathway that is not there": (
        'parallel = [["receptor"',
        'parallel = [["hormone"',
        "which is no pathway",
    ),
    "a drug on two pathways": ('JAK = ["INC424"]', 'JAK = ["INC424", "LEE011"]', "on several: lee011"),
    "a prior that is missing": ("[priors.shift]", "[priors.shifted]", "prior shift is missing"),
    "an SD below 0 possible": ('distribution = "lognormal"', 'distribution = "normal"', "must be lognormal"),
    "a grid that falls": ("eta = [-1.5, 4.0]", "eta = [4.0, -1.5]", "eta goes up"),
    "drugs that help by hindering": ("hindrance = 0.5", "hindrance = -0.5", "greater than or equal to 0"),
    "a verdict from less than even": ("probability = 0.9", "probability = 0.4", "greater than 0.5"),
    "an unknown key": ("[verdict]", 'colour = "red"\n[verdict]', "unknown key colour"),
}


@pytest.mark.parametrize("case", BAD_CARDS)
def test_an_interaction_card_that_cannot_be_is_refused_with_its_line(case: str, tmp_path: Path) -> None:
    old, new, words = BAD_CARDS[case]
    text = find_card("interactions", "pathways").read_text("utf-8")
    assert old in text
    file = tmp_path / "card.toml"
    file.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(InputError) as refused:
        load_interactions(file)
    assert words in str(refused.value)
    assert check_card(file) == list(refused.value.problems)


def test_a_combination_that_was_never_given_needs_its_drugs_alone() -> None:
    table = panel()
    study = study_of(table, rule="pct_sheet")
    (found,) = unseen_combinations(table, "B + C", study)
    assert found.mice.avatars == tuple(f"CM{i}" for i in range(12))
    assert not found.mice.combination.evaluable.any()
    with pytest.raises(InputError, match="no arm 'D'"):
        unseen_combinations(table, "B + D", study)


def test_likelihoods_that_are_no_numbers_are_a_programming_error() -> None:
    card = load_interactions("pathways")
    with pytest.raises(ValueError, match=r"numbers of shape \(1, 23\)"):
        weights_of(np.full((1, 23), np.nan), [("CM", "A + B")], card)
    assert weights_of(np.zeros((0, 23)), [], card).prior.sum() == pytest.approx(1.0)
