"""Log-rank tests, hazard ratios and regressions against R (tests/fixtures/survival, survival 3.5.3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from avatar_trials.endpoints.cox import cox_regression, proportional_hazards_test
from avatar_trials.endpoints.parametric import interval_parametric_survival, parametric_survival
from avatar_trials.endpoints.rank_tests import logrank
from avatar_trials.endpoints.risk_sets import stack_arms
from avatar_trials.endpoints.two_arm_hazard import NOT_ESTIMABLE, hazard_ratio

FIXTURES = Path(__file__).parents[1] / "fixtures" / "survival"
LOGRANK = json.loads((FIXTURES / "logrank.json").read_text())
COX = json.loads((FIXTURES / "cox.json").read_text())
SURVREG = json.loads((FIXTURES / "survreg.json").read_text())
FITS = [
    (dataset, fit)
    for dataset, fits in COX.items()
    if not dataset.startswith("schoenfeld")
    for fit in fits
    if "cluster" not in fit
]
TESTS = [(dataset, rho) for dataset, tests in LOGRANK.items() if "rho0" in tests for rho in (0, 1)]
PAIRED = "gehan"


def subjects(dataset: str) -> pd.DataFrame:
    return pd.read_csv(FIXTURES / f"data_{dataset}.csv")


def outcome(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return data["time"].to_numpy(), data["event"].to_numpy(), data["group"].to_numpy()


def fit_arguments(fit: str, data: pd.DataFrame) -> dict[str, Any]:
    """Variant and strata of a fit by its name in the fixtures."""
    if fit == "stratified_pair_efron":
        return {"ties": "efron", "strata": data["pair"].to_numpy()}
    return {"ties": fit}


@pytest.mark.parametrize(("dataset", "rho"), TESTS)
def test_logrank(dataset: str, rho: int) -> None:
    theirs = LOGRANK[dataset][f"rho{rho}"]
    ours = logrank(*outcome(subjects(dataset)), rho=rho)
    assert list(ours.groups) == theirs["group"]
    assert ours.n.tolist() == theirs["n"]
    np.testing.assert_allclose(ours.observed, theirs["obs"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours.expected, theirs["exp"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(ours.variance[0, 0], theirs["var"], rtol=1e-10)
    np.testing.assert_allclose(ours.chisq, theirs["chisq"], rtol=1e-10)
    np.testing.assert_allclose(ours.p_value, theirs["p"], rtol=1e-10)
    assert ours.why_undefined == ""


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
    data = subjects(PAIRED)
    theirs = LOGRANK["gehan_stratified_by_pair"]
    ours = logrank(*outcome(data), strata=data["pair"].to_numpy())
    np.testing.assert_allclose(ours.chisq, theirs["chisq"], rtol=1e-10)
    np.testing.assert_allclose(ours.p_value, theirs["p"], rtol=1e-10)
    np.testing.assert_allclose(ours.expected, theirs["exp"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.variance[0, 0], theirs["var"], rtol=1e-12)
    assert "stratified" in ours.method


@pytest.mark.parametrize(("dataset", "fit"), FITS)
def test_hazard_ratio_and_regression(dataset: str, fit: str) -> None:
    data, theirs = subjects(dataset), COX[dataset][fit]
    time, event, group = outcome(data)
    ((name, coef),) = theirs["coef"].items()
    arm = name.removeprefix("group")
    (reference,) = set(group) - {arm}
    arguments = fit_arguments(fit, data)
    two_arms = hazard_ratio(time, event, group, reference=reference, **arguments)
    general = cox_regression(time, event, {name: group == arm}, **arguments)
    assert two_arms.arm == arm
    # R stops at a relative change of 1e-9 of the likelihood: coefficients as TRUST A3 asks.
    for ours, ours_coef, ours_hr, se, limits in (
        (two_arms, two_arms.log_hr, two_arms.hr, two_arms.se, (two_arms.lower, two_arms.upper)),
        (general, general.coef[0], general.hr[0], general.se[0], (general.lower[0], general.upper[0])),
    ):
        np.testing.assert_allclose(ours_coef, coef, rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours_hr, theirs["hr"][name], rtol=1e-9)
        np.testing.assert_allclose(se, theirs["se"][name], rtol=0, atol=1e-8)
        np.testing.assert_allclose(limits, [theirs[f"{e}95"][name] for e in ("lower", "upper")], rtol=1e-8)
        np.testing.assert_allclose(ours.loglik0, theirs["loglik0"], rtol=0, atol=1e-10)
        np.testing.assert_allclose(ours.loglik, theirs["loglik"], rtol=0, atol=1e-10)
        np.testing.assert_allclose(ours.lr_chisq, theirs["lrt"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(ours.score_chisq, theirs["score"], rtol=0, atol=1e-9)
        assert round(float(ours.wald_chisq), 2) == theirs["wald"]  # R rounds it
    np.testing.assert_allclose(general.concordance, theirs["concordance"], rtol=0, atol=1e-12)
    assert general.n == theirs["n"] == two_arms.n.sum()
    assert general.n_event == theirs["nevent"] == two_arms.n_event.sum()


def test_hazard_ratio_of_pairs_is_six() -> None:
    data = subjects(PAIRED)
    ours = hazard_ratio(*outcome(data), reference="6-MP", strata=data["pair"].to_numpy())
    # 18 of the 21 pairs favour one arm, 3 the other: the ratio of the pairs is 18 / 3.
    np.testing.assert_allclose(ours.hr, 6.0, rtol=1e-12)


def test_errors_robust_to_pairs() -> None:
    data, theirs = subjects(PAIRED), COX[PAIRED]["cluster_pair_robust"]
    time, event, group = outcome(data)
    pair = data["pair"].to_numpy()
    ours = hazard_ratio(time, event, group, reference="6-MP", cluster=pair)
    general = cox_regression(time, event, {"control": group == "control"}, cluster=pair)
    for coef, naive, se in (
        (ours.log_hr, ours.naive_se, ours.se),
        (general.coef[0], general.naive_se[0], general.se[0]),
    ):
        np.testing.assert_allclose(coef, theirs["coef"]["groupcontrol"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(naive, theirs["naive_se"], rtol=0, atol=1e-8)
        np.testing.assert_allclose(se, theirs["robust_se"], rtol=0, atol=1e-8)


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
    time, event, group = outcome(subjects("aml"))
    theirs = COX["schoenfeld_zph_km"]["aml"]
    ours = proportional_hazards_test(time, event, {"group": group == "Nonmaintained"})
    np.testing.assert_allclose(ours.chisq, [theirs["chisq"]], rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.p_value, [theirs["p"]], rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.global_chisq, theirs["chisq"], rtol=0, atol=1e-8)


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


@pytest.mark.parametrize("distribution", ["exponential", "weibull", "lognormal"])
@pytest.mark.parametrize("dataset", ["aml", "gehan"])
def test_parametric_regression(dataset: str, distribution: str) -> None:
    time, event, group = outcome(subjects(dataset))
    theirs = SURVREG[dataset][distribution]
    arm = list(theirs["coef"])[1].removeprefix("group")
    ours = parametric_survival(time, event, {"arm": group == arm}, distribution=distribution)
    np.testing.assert_allclose(ours.coef, list(theirs["coef"].values()), rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.scale, theirs["scale"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.loglik, theirs["loglik"], rtol=0, atol=1e-10)


def test_parametric_regression_of_intervals() -> None:
    data = subjects("ic_weekly_pdx")
    theirs = SURVREG["weekly_pdx_interval_weibull"]
    ours = interval_parametric_survival(data["left"].to_numpy(), data["right"].to_numpy())
    np.testing.assert_allclose(ours.coef, [theirs["coef"]["(Intercept)"]], rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.scale, theirs["scale"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(ours.loglik, theirs["loglik"], rtol=0, atol=1e-10)


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
