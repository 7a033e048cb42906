"""Combinations that cannot be compared with their single agents: each is told in the user's terms, with a remedy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from avatar_trials.endpoints import against_independent_action, better_of, either_works, matched_mice
from avatar_trials.problems import InputError


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
