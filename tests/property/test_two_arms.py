"""What must not change, and what must mirror, when mice are permuted, arms swapped or days rescaled."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from avatar_trials.endpoints.cox import cox_regression
from avatar_trials.endpoints.interval_censoring import turnbull
from avatar_trials.endpoints.rank_tests import logrank
from avatar_trials.endpoints.survival import kaplan_meier, median, restricted_mean
from avatar_trials.endpoints.two_arm_hazard import hazard_ratio

MICE = st.lists(
    st.tuples(st.integers(0, 9), st.booleans(), st.booleans(), st.integers(0, 3)), min_size=2, max_size=25
)
TIES = st.sampled_from(["efron", "breslow", "exact"])


def arrays(mice: list[tuple[int, bool, bool, int]]) -> tuple[np.ndarray, ...]:
    time, event, arm, avatar = map(np.array, zip(*mice, strict=True))
    assume(0 < arm.sum() < len(arm))
    return time.astype(float), event, arm, avatar


def same(first: Any, second: Any, names: tuple[str, ...]) -> None:
    assert first.why_undefined.item() == second.why_undefined.item()
    for name in names:
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-8, atol=1e-10)


@given(MICE, TIES, st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_order_of_mice_unit_of_days_and_absent_mice(
    mice: list[tuple[int, bool, bool, int]], ties: str, stratified: bool, random: Any
) -> None:
    time, event, arm, avatar = arrays(mice)
    order = list(range(len(time)))
    random.shuffle(order)
    strata = avatar if stratified else np.zeros_like(avatar)
    before = hazard_ratio(time, event, arm, strata=strata, ties=ties)
    moved = hazard_ratio(7 * time[order], event[order], arm[order], strata=strata[order], ties=ties)
    padded = hazard_ratio(
        np.append(time, np.nan),
        np.append(event, True),
        np.append(arm, True),
        strata=np.append(strata, 9),
        ties=ties,
    )
    names = ("hr", "se", "lower", "lr_chisq", "score_chisq", "loglik")
    same(before, moved, names)
    same(before, padded, names)
    test = logrank(time, event, arm, strata=strata, rho=1)
    same(
        test,
        logrank(7 * time[order], event[order], arm[order], strata=strata[order], rho=1),
        ("chisq", "expected"),
    )


@given(MICE, TIES, st.booleans())
@settings(max_examples=100, deadline=None)
def test_swapped_arms_mirror_the_hazard_ratio(
    mice: list[tuple[int, bool, bool, int]], ties: str, stratified: bool
) -> None:
    time, event, arm, avatar = arrays(mice)
    strata = avatar if stratified else None
    one = hazard_ratio(time, event, arm, strata=strata, ties=ties)
    other = hazard_ratio(time, event, arm, reference=True, strata=strata, ties=ties)
    np.testing.assert_allclose(one.log_hr, -other.log_hr, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(one.lower * other.upper, np.where(np.isnan(one.hr), np.nan, 1.0), rtol=1e-7)
    assert (one.why_undefined == "") == (other.why_undefined == "") == np.isfinite(one.hr)


@given(MICE, TIES, st.booleans())
@settings(max_examples=100, deadline=None)
def test_two_arms_are_a_regression_on_the_arm(
    mice: list[tuple[int, bool, bool, int]], ties: str, stratified: bool
) -> None:
    time, event, arm, avatar = arrays(mice)
    arguments: dict[str, Any] = {"ties": ties, "strata": avatar if stratified else None}
    if ties != "exact":
        arguments["cluster"] = avatar
    one = hazard_ratio(time, event, arm, **arguments)
    other = cox_regression(time, event, {"arm": arm}, **arguments)
    assert (one.why_undefined == "") == (other.why_undefined == "")
    np.testing.assert_allclose(
        [one.log_hr, one.se, one.lr_chisq, one.score_chisq, one.wald_chisq],
        [other.coef[0], other.se[0], other.lr_chisq, other.score_chisq, other.wald_chisq],
        rtol=1e-6,
        atol=1e-8,
    )


@given(MICE, st.booleans())
@settings(max_examples=100, deadline=None)
def test_score_of_the_exact_likelihood_is_the_logrank_test(
    mice: list[tuple[int, bool, bool, int]], stratified: bool
) -> None:
    time, event, arm, avatar = arrays(mice)
    strata = avatar if stratified else None
    ratio = hazard_ratio(time, event, arm, strata=strata, ties="exact")
    assume(ratio.why_undefined == "")
    np.testing.assert_allclose(ratio.score_chisq, logrank(time, event, arm, strata=strata).chisq, rtol=1e-8)


@given(MICE)
@settings(max_examples=60, deadline=None)
def test_no_silent_nan(mice: list[tuple[int, bool, bool, int]]) -> None:
    time, event, arm, avatar = arrays(mice)
    for result, names in (
        (hazard_ratio(time, event, arm, cluster=avatar), ("hr", "lower", "se", "wald_p", "lr_p", "score_p")),
        (logrank(time, event, arm), ("chisq", "p_value")),
    ):
        for name in names:
            assert np.isfinite(getattr(result, name)) == (result.why_undefined == "")


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_turnbull_is_at_its_maximum(intervals: list[tuple[int, int]]) -> None:
    left, width = np.array(intervals, dtype=float).T
    right = np.where(width == 5, np.inf, left + width)
    ours = turnbull(left, right)
    np.testing.assert_allclose(ours.mass.sum(), 1.0, rtol=1e-12)
    assert ours.gap <= 1e-10 * ours.n
    assert (ours.mass > 0).all()
    assert (ours.right[:-1] <= ours.left[1:]).all()


@given(MICE)
@settings(max_examples=60, deadline=None)
def test_a_mouse_censored_before_every_event_changes_no_curve(
    mice: list[tuple[int, bool, bool, int]],
) -> None:
    time, event, _, _ = arrays(mice)
    assume(event.any())
    one, other = (
        kaplan_meier(time + 1, event),
        kaplan_meier(np.append(time + 1, 0.5), np.append(event, False)),
    )
    assert median(one) == median(other)
    np.testing.assert_allclose(restricted_mean(one, 5.0), restricted_mean(other, 5.0), rtol=1e-12)
