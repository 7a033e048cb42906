"""What a calibration does without: nothing of it is left in, and what is needed to predict it stays."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_trials.arms import drugs_of
from avatar_trials.calibrate.curves import Curves, curves_of
from avatar_trials.card_files import load_model
from avatar_trials.evidence.holdout_split import HoldOut, Split, splits
from avatar_trials.intake import GrowthTable
from avatar_trials.problems import InputError

CARD = load_model("graded_kill")
ARMS = ["untreated", "A", "B", "C", "A + B", "B + C"]


def panel(seed: int, *, n_avatars: int = 8, missing: float = 0.3) -> GrowthTable:
    """Avatars with most of the arms, some of them twice, one with a single treated mouse; a mouse without a baseline,
    which no calibration takes."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_avatars):
        for arm in ARMS:
            for mouse in range(1 + (rng.random() < 0.2)):
                if number > 1 and rng.random() < missing:
                    continue
                days = np.cumsum(np.r_[0, rng.integers(2, 6, rng.integers(1, 12))]).astype(float)
                volume = 200.0 * np.exp(0.02 * days + rng.normal(0, 0.1, len(days)))
                rows += [
                    (f"X-{number}", arm, f"{number}{arm}{mouse}", *visit)
                    for visit in zip(days, volume, strict=True)
                ]
    rows.append(("X-0", "A", "late", 5.0, 300.0))
    rows += [("X-99", "B", "only", day, 200.0) for day in (0.0, 3.0, 7.0, 10.0, 40.0)]
    frame = pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    frame = frame.sort_values(["avatar", "arm", "mouse", "day"], ignore_index=True)
    names = pd.Index(sorted(frame["avatar"].unique()), name="avatar")
    facts = pd.DataFrame({"tumor_type": "CM", "braf_mutant": np.arange(len(names)) % 2}, index=names)
    return GrowthTable(frame, facts, (), "made up", "0" * 64, True)


def training(split: Split, curves: Curves) -> Curves:
    return curves_of(split.table, CARD, avatars=curves.avatars)[0]


def held_names(split: Split, curves: Curves) -> set[str]:
    return {curves.curve_names[mouse] for mouse in split.held}


WHOLE = st.one_of(
    st.builds(
        HoldOut,
        kind=st.sampled_from(["mouse", "avatar"]),
        share=st.floats(0.05, 0.3),
        folds=st.integers(1, 3),
    ),
    st.just(HoldOut("arm")),
    st.builds(HoldOut, kind=st.just("arm"), arm=st.sampled_from(["A", "B", "b + a", "C+B"])),
)


@settings(max_examples=12)
@given(seed=st.integers(0, 60), what=WHOLE)
def test_held_out_mice_are_gone_and_everything_else_stays(seed: int, what: HoldOut) -> None:
    table = panel(seed)
    curves, _ = curves_of(table, CARD)
    for split in splits(table, curves, what, seed=seed):
        left = training(split, curves)
        assert not held_names(split, curves) & set(left.curve_names)
        assert held_names(split, curves) | set(left.curve_names) == set(curves.curve_names)
        assert left.avatars == curves.avatars
        assert left.drugs == curves.drugs
        np.testing.assert_array_equal(left.biomarker, curves.biomarker)
        alone = {arm for arm in left.curve_arm if len(drugs_of(arm)) == 1}
        assert alone == set(left.drugs)
        gone = set(curves.curve_arm) - set(left.curve_arm)
        assert gone == ({split.label} if what.kind == "arm" and len(drugs_of(split.label)) > 1 else set())
        assert "held out" in split.table.notices[-1].what


@settings(max_examples=12)
@given(seed=st.integers(0, 60), share=st.floats(0.05, 0.95))
def test_a_mouse_is_predicted_from_its_avatars_other_mice(seed: int, share: float) -> None:
    table = panel(seed)
    curves, _ = curves_of(table, CARD)
    (split,) = splits(table, curves, HoldOut("mouse", share), seed=seed)
    left = training(split, curves)
    assert set(left.curve_avatar) == set(range(len(curves.avatars)))
    assert (split.held >= curves.n_untreated).all()
    assert len(split.held) <= round(share * (len(curves.curve_names) - curves.n_untreated))


@settings(max_examples=12)
@given(seed=st.integers(0, 60))
def test_an_avatar_goes_with_all_its_mice(seed: int) -> None:
    table = panel(seed)
    curves, _ = curves_of(table, CARD)
    (split,) = splits(table, curves, HoldOut("avatar", 0.3), seed=seed)
    gone = set(curves.curve_avatar[split.held])
    assert gone
    assert not gone & set(training(split, curves).curve_avatar)


def test_folds_are_disjoint_and_hold_out_every_treated_mouse_in_turn() -> None:
    table = panel(3, missing=0.0)
    curves, _ = curves_of(table, CARD)
    folds = splits(table, curves, HoldOut("mouse", 1 / 4, 4), seed=1)
    held = [set(map(int, fold.held)) for fold in folds]
    assert all(not a & b for a, b in pairwise(held))
    only = {k for k, name in enumerate(curves.curve_names) if name.startswith("X-99")}
    assert set().union(*held) == set(range(curves.n_untreated, len(curves.curve_names))) - only
    again = splits(table, curves, HoldOut("mouse", 1 / 4, 4), seed=1)
    assert [set(map(int, fold.held)) for fold in again] == held
    other = splits(table, curves, HoldOut("mouse", 1 / 4, 4), seed=2)
    assert [set(map(int, fold.held)) for fold in other] != held


@settings(max_examples=12)
@given(seed=st.integers(0, 60), after=st.one_of(st.none(), st.floats(8.0, 30.0)))
def test_no_visit_of_a_tail_is_left(seed: int, after: float | None) -> None:
    table = panel(seed)
    curves, _ = curves_of(table, CARD)
    (split,) = splits(table, curves, HoldOut("curve-tail", after_day=after), seed=seed)
    left = training(split, curves)
    assert left.curve_names == curves.curve_names
    for mouse in range(len(curves.curve_names)):
        before = curves.day[curves.obs_curve == mouse]
        now = left.day[left.obs_curve == mouse]
        if mouse not in split.held:
            np.testing.assert_array_equal(now, before)
            continue
        assert mouse >= curves.n_untreated
        kept = int(split.kept_visits[list(split.held).index(mouse)])
        np.testing.assert_array_equal(now, before[:kept])
        assert 2 <= kept < len(before)
        if after is None:
            assert kept == max(3, (len(before) + 1) // 2)
        else:
            assert now.max() <= after < before[kept]
        assert left.follow_up[mouse] == max(7.0, now.max())


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (HoldOut("drug"), "Known are curve-tail, arm, avatar, mouse"),
        (HoldOut("mouse", 0.5, 3), "together at most 1"),
        (HoldOut("mouse", 0.0), "--hold-out-share 0 is not between 0 and 1"),
        (HoldOut("mouse", float("nan")), "--hold-out-share nan is not between 0 and 1"),
        (HoldOut("mouse", 0.1, 0), "--hold-out-folds 0"),
        (HoldOut("avatar", 0.01, 60), "60 folds of 9 avatars"),
        (HoldOut("curve-tail", after_day=float("inf")), "--hold-out-after inf is no day of treatment"),
        (HoldOut("curve-tail", after_day=900.0), "treated mice are followed to day 4"),
        (HoldOut("arm", arm="untreated"), "no treated arm"),
        (HoldOut("arm", arm="A + D"), "Arms are A, A + B, B, B + C, C"),
        (HoldOut("arm", arm="A ++"), "no treated arm"),
        (HoldOut("arm", share=0.1), "--hold-out-share says nothing of hold-out arm"),
        (HoldOut("mouse", after_day=3.0), "It is for curve-tail"),
        (HoldOut("curve-tail", after_day=1.0), "no treated mouse has visits before and after"),
        (HoldOut("arm", arm="B + D"), "never given alone"),
        (HoldOut("avatar", 0.99), None),
    ],
)
def test_a_hold_out_that_cannot_be_is_refused_in_words(what: HoldOut, told: str | None) -> None:
    table = panel(3)
    if what.arm == "B + D":
        table = replace(table, rows=table.rows.replace({"arm": {"B + C": "B + D"}}))
    curves, _ = curves_of(table, CARD)
    if told is None:
        (split,) = splits(table, curves, what, seed=1)
        assert len(set(training(split, curves).curve_avatar)) >= 2
        return
    with pytest.raises(InputError) as refused:
        splits(table, curves, what, seed=1)
    assert told in str(refused.value)
