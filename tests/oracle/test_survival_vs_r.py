"""Kaplan-Meier curves against R's survival package (tests/fixtures/survival, R 4.2.2, survival 3.5.3)."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_trials.endpoints import survival
from avatar_trials.endpoints.one_arm import landmark_survival, response_rate, restricted_mean_difference
from avatar_trials.verify import survival_curves
from avatar_trials.verify.survival_curves import curve, subjects
from tests.held import hold

CURVES = survival_curves.curves()
KINDS = survival.INTERVAL_KINDS


def test_the_fixtures_hold_the_hard_cases() -> None:
    assert len(CURVES) == 19
    assert {"flat_at_half", "float_tie", "all_censored", "time_zero_event"} <= {d for d, _ in CURVES}


@pytest.mark.parametrize(("dataset", "group"), CURVES)
def test_curve_and_counts(dataset: str, group: str) -> None:
    hold(survival_curves.curve_and_counts(dataset, group))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dataset", "group"), CURVES)
def test_confidence_interval(dataset: str, group: str, kind: str) -> None:
    hold(survival_curves.confidence_interval(dataset, group, kind))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dataset", "group"), CURVES)
def test_median_and_quartiles(dataset: str, group: str, kind: str) -> None:
    hold(survival_curves.median_and_quartiles(dataset, group, kind))


@pytest.mark.parametrize("dataset", survival_curves.reference("rmst"))
def test_restricted_mean_and_its_difference(dataset: str) -> None:
    hold(survival_curves.restricted_means(dataset))


@pytest.mark.parametrize("dataset", survival_curves.left_truncated())
def test_left_truncation(dataset: str) -> None:
    hold(survival_curves.left_truncation(dataset))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dataset", "group"), [key for key in CURVES if key[0] in survival_curves.LANDMARK_SETS]
)
def test_landmark_survival(dataset: str, group: str, kind: str) -> None:
    hold(survival_curves.landmarks(dataset, group, kind))


def test_landmark_survival_says_what_is_not_known() -> None:
    time = np.array([[1.0, 2, 3], [5, 6, 8], [np.nan, np.nan, np.nan]])
    km = survival.kaplan_meier(time, [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    ours = landmark_survival(km, [0.5, 4.0, 9.0])
    assert ours.why_undefined.tolist() == [
        ["no interval: the curve is 1", "no interval: the curve is 0", "no interval: the curve is 0"],
        ["no interval: the curve is 1", "no interval: the curve is 1", "after the last observation"],
        ["no subject", "no subject", "no subject"],
    ]
    np.testing.assert_array_equal(ours.survival[:2], [[1, 0, 0], [1, 1, np.nan]])
    assert np.isnan(ours.survival[2]).all()
    plain = landmark_survival(km, [0.5], kind="plain")
    np.testing.assert_array_equal([plain.lower[1], plain.upper[1], plain.std_error[1]], [[1], [1], [0]])
    with pytest.raises(ValueError, match="days are finite"):
        landmark_survival(km, [np.nan])


def test_restricted_mean_difference_says_what_is_not_known() -> None:
    first = survival.kaplan_meier(np.array([[1.0, 2], [5, 6], [np.nan, np.nan]]), [[1, 1], [0, 0], [0, 0]])
    second = survival.kaplan_meier(np.array([[3.0, 4], [5, 6], [1, 2]]), [[1, 1], [0, 0], [1, 1]])
    ours = restricted_mean_difference(first, second, 5.5)
    np.testing.assert_allclose(ours.estimate, [2.0, 0.0, np.nan])
    assert ours.why_undefined.tolist() == ["", "no test: no event before tau", "an arm without a subject"]
    assert ours.carried_on.tolist()[:2] == [False, False]
    assert restricted_mean_difference(first, second, 7.0).carried_on.tolist()[:2] == [False, True]


def test_response_rate_counts_who_is_not_evaluable() -> None:
    category = np.array([["CR", "PD", "", "SD", "PR"], ["", "", "", "", ""]])
    ours = response_rate(category, "DCR", method="clopper-pearson")
    np.testing.assert_array_equal([ours.n_responders, ours.n_evaluable], [[3, 0], [4, 0]])
    np.testing.assert_array_equal(ours.n_not_evaluable, [1, 5])
    np.testing.assert_array_equal(ours.estimate, [0.75, np.nan])
    # Clopper-Pearson of 3 of 4: upper limit 0.975 ** (1 / 4).
    np.testing.assert_allclose(ours.upper, [0.975**0.25, np.nan])
    assert response_rate(category, ["PD"]).n_responders.tolist() == [1, 0]
    with pytest.raises(ValueError, match="unknown rate 'RR': expected one of ORR"):
        response_rate(category, "RR")


def test_entries_and_events_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="needs an entry: received NaN"):
        survival.kaplan_meier([1.0, 2.0], [1, 1], entry=[np.nan, 0.0])
    with pytest.raises(ValueError, match="time after its entry"):
        survival.kaplan_meier([1.0, 2.0], [1, 1], entry=[0.0, 2.0])
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        survival.kaplan_meier([1.0, 2.0], [1, 2])
    with pytest.raises(ValueError, match="does not broadcast"):
        survival.kaplan_meier([1.0, 2.0], [1, 0, 1])
    with pytest.raises(ValueError, match="received a single number"):
        survival.kaplan_meier(1.0, 1)
    # Entries long before day 0, and none at all, change nothing.
    km = survival.kaplan_meier([1.0, 2.0, 3.0], [1, 0, 1], entry=[-np.inf, -5.0, -1.0])
    np.testing.assert_array_equal(km.surv, survival.kaplan_meier([1.0, 2.0, 3.0], [1, 0, 1]).surv)
    assert np.isnan(
        survival.median(survival.kaplan_meier(np.empty((2, 0)), np.empty((2, 0)), entry=np.empty((2, 0))))
    ).all()


def test_near_ties_are_merged_beside_replicates_without_any() -> None:
    time = np.array([[0.1 + 0.2, 0.3, 0.5], [1.0, 2.0, 3.0]])
    km = survival.kaplan_meier(time, [1, 1, 1])
    np.testing.assert_allclose(km.surv[0, :2], [1 / 3, 0.0])
    np.testing.assert_allclose(km.surv[1], [2 / 3, 1 / 3, 0.0])
    # Relative to their mean: ties among large times are wider apart.
    large = survival.kaplan_meier([1e9, 1e9 + 1.0, 2e9], [1, 1, 1])
    assert len(large.time) == 2


def test_all_curves_at_once_are_the_curves_one_by_one() -> None:
    data = [subjects(*key) for key in CURVES]
    widest = max(len(d) for d in data)
    time, event = np.full((len(data), widest), np.nan), np.zeros((len(data), widest), dtype=bool)
    for i, d in enumerate(data):
        time[i, : len(d)], event[i, : len(d)] = d["time"], d["event"] == 1
    together = survival.kaplan_meier(time, event)
    taus = np.linspace(3.0, 40.0, len(data))
    rmst, error = survival.restricted_mean(together, taus)
    lower, upper = survival.quantile_interval(together, 0.5)
    for i, key in enumerate(CURVES):
        alone = curve(*key)
        k = len(alone.time)
        for name in ("time", "n_risk", "n_event", "n_censor", "surv", "cumhaz"):
            np.testing.assert_array_equal(getattr(together, name)[i, :k], getattr(alone, name))
        assert np.isnan(together.time[i, k:]).all()
        for p in (0.25, 0.5, 0.75):
            assert survival.quantile(together, p)[i] == survival.quantile(alone, p)
        np.testing.assert_allclose((rmst[i], error[i]), survival.restricted_mean(alone, taus[i]), rtol=1e-14)
        assert (lower[i], upper[i]) == survival.quantile_interval(alone, 0.5)


def test_no_subject_is_not_a_curve() -> None:
    empty = survival.kaplan_meier(np.full((2, 3), np.nan), np.zeros((2, 3), dtype=bool))
    assert np.isnan(survival.median(empty)).all()
    assert np.isnan(survival.restricted_mean(empty, 5.0)).all()
    assert np.isnan(survival.median(survival.kaplan_meier(np.empty(0), np.empty(0, dtype=bool))))


def test_numbers_at_risk_are_those_of_the_curve() -> None:
    data = subjects("aml", "Maintained")
    km = curve("aml", "Maintained")
    np.testing.assert_array_equal(survival.at_risk(data["time"].to_numpy(), km.time), km.n_risk)


@pytest.mark.parametrize(
    ("call", "expected_text"),
    [
        (lambda km: survival.confidence_interval(km, kind="logit"), "plain, log, log-log"),
        (lambda km: survival.confidence_interval(km, level=95), "between 0 and 1: received 95"),
        (lambda km: survival.quantile(km, 1.0), "between 0 and 1: received 1.0"),
        (lambda km: survival.restricted_mean(km, 0.0), "positive and finite: received 0"),
    ],
)
def test_arguments_out_of_range_are_named(call, expected_text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=expected_text):
        call(curve("aml", "Maintained"))


def test_infinite_times_are_refused() -> None:
    with pytest.raises(ValueError, match="censored at its last observation"):
        survival.kaplan_meier([1.0, np.inf], [True, False])
