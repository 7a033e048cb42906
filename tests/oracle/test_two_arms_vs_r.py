"""Log-rank tests, hazard ratios and regressions against R (tests/fixtures/survival, survival 3.5.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avatar_trials.endpoints.cox import cox_regression
from avatar_trials.endpoints.parametric import parametric_survival
from avatar_trials.endpoints.rank_tests import logrank
from avatar_trials.endpoints.risk_sets import stack_arms
from avatar_trials.endpoints.two_arm_hazard import NOT_ESTIMABLE, hazard_ratio
from avatar_trials.verify import two_arms
from avatar_trials.verify.two_arms import PAIRED, outcome, subjects
from tests.held import hold

LOGRANK = two_arms.reference("logrank")


@pytest.mark.parametrize(("dataset", "rho"), two_arms.tests())
def test_logrank(dataset: str, rho: int) -> None:
    hold(two_arms.logrank_test(dataset, rho))


def test_weights_start_anew_in_each_stratum() -> None:
    data = subjects("gehan")
    stratum = data["pair"].to_numpy() % 3
    together = logrank(*outcome(data), strata=stratum, rho=1)
    alone = [logrank(*outcome(data[stratum == k]), rho=1) for k in range(3)]
    np.testing.assert_allclose(together.observed, sum(test.observed for test in alone), rtol=1e-12)
    np.testing.assert_allclose(together.expected, sum(test.expected for test in alone), rtol=1e-12)
    np.testing.assert_allclose(together.variance, sum(test.variance for test in alone), rtol=1e-12)


def test_near_ties_are_one_time_across_the_arms() -> None:
    near = ([0.1 + 0.2, 0.3, 0.5, 0.7], [1, 1, 1, 1], list("abab"))
    tied = ([0.3, 0.3, 0.5, 0.7], [1, 1, 1, 1], list("abab"))
    np.testing.assert_array_equal(logrank(*near).variance, logrank(*tied).variance)
    np.testing.assert_array_equal(
        hazard_ratio(*near, ties="breslow").loglik0, hazard_ratio(*tied, ties="breslow").loglik0
    )
    x = {"x": [0.1, 0.7, 0.3, 0.2]}
    np.testing.assert_array_equal(
        cox_regression(*near[:2], x, ties="breslow").loglik0,
        cox_regression(*tied[:2], x, ties="breslow").loglik0,
    )
    assert logrank(*near).variance[0, 0] != logrank([0.31, 0.3, 0.5, 0.7], *near[1:]).variance[0, 0]


def test_logrank_with_the_pair_as_stratum() -> None:
    hold(two_arms.logrank_of_pairs())
    data = subjects(PAIRED)
    assert "stratified" in logrank(*outcome(data), strata=data["pair"].to_numpy()).method


@pytest.mark.parametrize(("dataset", "fit"), two_arms.fits())
def test_hazard_ratio_and_regression(dataset: str, fit: str) -> None:
    hold(two_arms.hazard_ratio_and_regression(dataset, fit))


def test_hazard_ratio_of_pairs_is_six() -> None:
    hold(two_arms.hazard_ratio_of_pairs())


def test_errors_robust_to_pairs() -> None:
    hold(two_arms.errors_robust_to_pairs())


@pytest.mark.parametrize("ties", ["efron", "breslow", "exact"])
def test_an_arm_without_events_has_no_hazard_ratio(ties: str) -> None:
    time, event, group = outcome(subjects("no_events_one_arm"))
    ours = hazard_ratio(time, event, group, ties=ties)
    assert np.isnan([ours.hr, ours.lower, ours.upper, ours.se, ours.wald_p, ours.lr_p, ours.score_p]).all()
    assert str(ours.why_undefined) == f"{NOT_ESTIMABLE}: no event in arm b"
    general = cox_regression(time, event, {"b": group == "b"}, ties=ties)
    assert np.isnan(general.coef).all()
    assert general.why_undefined.startswith(NOT_ESTIMABLE)
    # The log-rank test of the same mice is defined.
    np.testing.assert_allclose(
        logrank(time, event, group).chisq, LOGRANK["no_events_one_arm"]["rho0"]["chisq"]
    )


def test_separation_with_events_in_both_arms() -> None:
    time, event, group = [1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 1], list("aaabbb")
    ours = hazard_ratio(time, event, group)
    assert np.isnan(ours.hr)
    assert "both arms are at risk, the events are in arm a" in str(ours.why_undefined)


def test_proportional_hazards() -> None:
    hold(two_arms.proportional_hazards())


def test_replicates_at_once_are_the_replicates_one_by_one() -> None:
    rng = np.random.default_rng(5)
    time = rng.integers(0, 9, (40, 16)).astype(float)
    time[rng.random(time.shape) < 0.1] = np.nan
    event, arm, avatar = rng.random(time.shape) < 0.5, np.repeat(["a", "b"], 8), np.tile(np.arange(8), 2)
    variants: list[dict[str, Any]] = [{}, {"strata": avatar}, {"cluster": avatar}, {"ties": "exact"}]
    for arguments in variants:
        together = hazard_ratio(time, event, arm, **arguments)
        assert {"", f"{NOT_ESTIMABLE}: no event in arm a"} & set(together.why_undefined)
        for i in range(len(time)):
            alone = hazard_ratio(time[i], event[i], arm, **arguments)
            assert together.why_undefined[i] == alone.why_undefined
            for name in ("hr", "se", "lr_chisq", "score_chisq"):
                np.testing.assert_allclose(getattr(together, name)[i], getattr(alone, name), rtol=1e-9)
    for rho in (0.0, 1.0):
        tests = logrank(time, event, np.tile(["x", "y", "z", "w"], 4), rho=rho, strata=avatar % 2)
        for i in range(len(time)):
            one = logrank(time[i], event[i], np.tile(["x", "y", "z", "w"], 4), rho=rho, strata=avatar % 2)
            np.testing.assert_allclose(tests.chisq[i], one.chisq, rtol=1e-9)
            assert tests.df[i] == one.df


def test_arms_that_share_avatars_side_by_side() -> None:
    data = subjects(PAIRED).sort_values("pair")
    arms = {
        str(name): (rows["time"].to_numpy()[None], rows["event"].to_numpy()[None] == 1)
        for name, rows in data.groupby("group")
    }
    time, event, arm, avatar = stack_arms(arms)
    ours = logrank(time, event, arm, strata=avatar)
    np.testing.assert_allclose(ours.chisq, [LOGRANK["gehan_stratified_by_pair"]["chisq"]], rtol=1e-10)
    with pytest.raises(ValueError, match=r"share avatars have one shape: received a \(2,\), b \(3,\)"):
        stack_arms({"a": ([1, 2], [1, 1]), "b": ([1, 2, 3], [1, 1, 1])})


def test_regression_on_several_covariates_against_statsmodels() -> None:
    hazard_regression = pytest.importorskip("statsmodels.duration.hazard_regression")
    survfunc = pytest.importorskip("statsmodels.duration.survfunc")
    rng = np.random.default_rng(11)
    time, event = rng.exponential(1, 80).round(1) + 0.1, rng.random(80) < 0.7
    x, stratum = rng.normal(size=(80, 2)), rng.integers(0, 3, 80)
    named = {"age": x[:, 0], "growth": x[:, 1]}
    for ties in ("efron", "breslow"):
        theirs = hazard_regression.PHReg(time, x, status=event, ties=ties, strata=stratum).fit()
        ours = cox_regression(time, event, named, strata=stratum, ties=ties)
        np.testing.assert_allclose(ours.coef, theirs.params, rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours.se, theirs.bse, rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours.loglik, theirs.llf, rtol=1e-10)
    entry = time * rng.random(80) * 0.9
    theirs = hazard_regression.PHReg(time, x, status=event, ties="breslow", entry=entry).fit()
    ours = cox_regression(time, event, named, entry=entry, ties="breslow")
    np.testing.assert_allclose(ours.coef, theirs.params, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.se, theirs.bse, rtol=0, atol=1e-9)
    chisq, p = survfunc.survdiff(time, event, stratum)
    test = logrank(time, event, stratum)
    np.testing.assert_allclose([test.chisq, test.p_value], [chisq, p], rtol=1e-10)
    assert test.df == 2


@pytest.mark.parametrize(("dataset", "distribution"), two_arms.PARAMETRIC)
def test_parametric_regression(dataset: str, distribution: str) -> None:
    hold(two_arms.parametric_regression(dataset, distribution))


def test_parametric_regression_of_intervals() -> None:
    hold(two_arms.parametric_regression_of_intervals())


def test_parametric_error_of_an_exponential_is_by_hand() -> None:
    # One arm: rate = events / time, and the error of its log is 1 / sqrt(events).
    ours = parametric_survival([1.0, 2.0, 3.0, 6.0], [1, 1, 0, 1], distribution="exponential")
    np.testing.assert_allclose([ours.coef[0], ours.se[0]], [np.log(12 / 3), 1 / np.sqrt(3)], rtol=1e-7)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: hazard_ratio([1, 2], [1, 1], ["a", "b"], ties="efro"), "unknown handling of ties 'efro'"),
        (lambda: hazard_ratio([1, 2], [1, 1], ["a", "b"], reference="c"), "unknown reference 'c'"),
        (
            lambda: hazard_ratio([1, 2, 3], [1, 1, 1], ["a", "b", "c"]),
            "compares two groups: received a, b, c",
        ),
        (
            lambda: hazard_ratio([1, 2], [1, 1], ["a", "b"], ties="exact", cluster=[0, 1]),
            "not defined for exact",
        ),
        (lambda: logrank([1, 2], [1, 1], ["a", "a"]), "two groups or more: received a"),
        (lambda: logrank([1, 2], [1, 2], ["a", "b"]), "neither 0 nor 1"),
        (lambda: logrank([1, 2], [1, 1], ["a", "b"], rho=-1), "not negative: received -1"),
        (lambda: logrank([1, 2], [1, 1], ["a", "b", "c"]), "does not broadcast"),
        (lambda: cox_regression([1, 2], [1, 1], {}), "no covariate was given"),
        (lambda: cox_regression([1, 2], [1, 1], {"x": ["a", "b"]}), "'x' is not numeric"),
        (lambda: cox_regression([1, 2], [1, 1], {"x": [0, np.nan]}), "x: a subject with a time"),
        (lambda: cox_regression([1, 2], [1, 1], {"x": [0, 1]}, entry=[0, 2]), "time after its entry"),
        (lambda: parametric_survival([1, 2], [1, 1], distribution="gamma"), "unknown distribution 'gamma'"),
        (lambda: parametric_survival([0, 2], [1, 1]), "times must be positive"),
    ],
)
def test_wrong_arguments_are_named(call, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=text):
        call()


@pytest.mark.parametrize(
    ("time", "event", "group", "reason"),
    [
        ([1, 2, 3, 4], [0, 0, 0, 0], "aabb", "no event in either arm"),
        ([1, 2, np.nan, np.nan], [1, 1, 0, 0], "aabb", "no subject in arm b"),
        ([1, 2, 3, 4], [0, 0, 1, 1], "aabb", "no event in arm a"),
        ([1, 2], [1, 1], "ab", "the events are in arm a"),
        ([3, 3], [1, 1], "ab", ""),
    ],
)
def test_small_and_empty_arms(time: list[float], event: list[int], group: str, reason: str) -> None:
    ours = hazard_ratio(time, event, list(group))
    assert str(ours.why_undefined).removeprefix(f"{NOT_ESTIMABLE}: ").endswith(reason)
    assert np.isnan(ours.hr) == bool(reason)


def test_logrank_says_why_it_is_undefined() -> None:
    time = np.array([[1, 2, 3, 4], [1, 2, np.nan, np.nan], [1, 2, 3, 4], [1, 2, 3, 4]])
    event = np.array([[0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 0, 0]])
    ours = logrank(time, event, list("aabb"))
    assert list(ours.why_undefined) == [
        "no event in any group",
        "fewer than two of the groups a, b have a subject",
        "at no time of an event are all groups compared: the variance is 0",
        "",
    ]
    np.testing.assert_array_equal(np.isnan(ours.chisq), [True, True, True, False])
    np.testing.assert_array_equal(np.isnan(ours.p_value), [True, True, True, False])


def test_regression_says_why_it_is_not_estimable() -> None:
    x = np.array([0.1, 0.5, 0.9, 1.3, 2.0])
    separated = cox_regression([5, 4, 3, 2, 1], [1, 1, 1, 1, 1], {"growth": x, "other": [1, 0, 1, 0, 0]})
    assert "the events are separated along growth" in separated.why_undefined
    collinear = cox_regression([1, 2, 3, 5, 4], [1, 1, 1, 1, 1], {"x": x, "twice": 2 * x})
    assert "collinear" in collinear.why_undefined
    constant = cox_regression([1, 2, 3, 5, 4], [1, 1, 1, 1, 1], {"x": np.ones(5)})
    assert "x does not vary" in constant.why_undefined
    for fit in (separated, collinear, constant):
        assert np.isnan(fit.coef).all()
        assert np.isnan([fit.wald_chisq, fit.lr_chisq, fit.score_chisq, fit.concordance]).all()
