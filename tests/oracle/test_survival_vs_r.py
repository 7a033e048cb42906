"""Kaplan-Meier curves against R's survival package (tests/fixtures/survival, R 4.2.2, survival 3.5.3)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avatar_trials.endpoints import survival

FIXTURES = Path(__file__).parents[1] / "fixtures" / "survival"
KM = pd.read_csv(FIXTURES / "km.csv")
LEFT_TRUNCATED = pd.read_csv(FIXTURES / "km_left_truncated.csv")
MEDIANS = json.loads((FIXTURES / "km_median.json").read_text())
RMST = json.loads((FIXTURES / "rmst.json").read_text())
CURVES = list(KM[["dataset", "group"]].drop_duplicates().itertuples(index=False, name=None))
KINDS = survival.INTERVAL_KINDS


def subjects(dataset: str, group: str) -> pd.DataFrame:
    data = pd.read_csv(FIXTURES / f"data_{dataset}.csv")
    return data if group == "all" else data[data["group"] == group]


def curve(dataset: str, group: str) -> survival.KaplanMeier:
    data = subjects(dataset, group)
    return survival.kaplan_meier(data["time"].to_numpy(), data["event"].to_numpy() == 1)


def expected(dataset: str, group: str, kind: str = "plain") -> pd.DataFrame:
    return KM[(KM["dataset"] == dataset) & (KM["group"] == group) & (KM["conf_type"] == kind)]


def number(value: float | None) -> float:
    return np.inf if value is None else value


def test_the_fixtures_hold_the_hard_cases() -> None:
    assert len(CURVES) == 19
    assert {"flat_at_half", "float_tie", "all_censored", "time_zero_event"} <= {d for d, _ in CURVES}


@pytest.mark.parametrize(("dataset", "group"), CURVES)
def test_curve_and_counts(dataset: str, group: str) -> None:
    ours, theirs = curve(dataset, group), expected(dataset, group)
    np.testing.assert_allclose(ours.time, theirs["time"], rtol=0, atol=1e-12)
    for name in ("n_risk", "n_event", "n_censor"):
        np.testing.assert_array_equal(getattr(ours, name), theirs[name])
    np.testing.assert_allclose(ours.surv, theirs["surv"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.cumhaz, theirs["cumhaz"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.std_error, theirs["greenwood_se"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dataset", "group"), CURVES)
def test_confidence_interval(dataset: str, group: str, kind: str) -> None:
    lower, upper = survival.confidence_interval(curve(dataset, group), kind=kind)
    theirs = expected(dataset, group, kind)
    np.testing.assert_allclose(lower, theirs["lower"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(upper, theirs["upper"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dataset", "group"), CURVES)
def test_median_and_quartiles(dataset: str, group: str, kind: str) -> None:
    (theirs,) = [row for row in MEDIANS[dataset][kind] if row["group"] == group]
    km = curve(dataset, group)
    lower, upper = survival.quantile_interval(km, 0.5, kind=kind)
    ours = [survival.quantile(km, p) for p in (0.25, 0.5, 0.75)] + [lower, upper]
    names = ("q25", "median", "q75", "median_lower", "median_upper")
    np.testing.assert_allclose(ours, [number(theirs[name]) for name in names], rtol=0, atol=1e-12)
    assert survival.median(km) == ours[1]


@pytest.mark.parametrize("dataset", RMST)
def test_restricted_mean_and_its_difference(dataset: str) -> None:
    for row in RMST[dataset]:
        ours = [survival.restricted_mean(curve(dataset, group), row["tau"]) for group in row["group"]]
        (first, first_se), (second, second_se) = ours
        np.testing.assert_allclose([first, second], row["rmst"], rtol=0, atol=1e-9)
        np.testing.assert_allclose([first_se, second_se], row["se"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(second - first, row["diff_2_minus_1"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(np.hypot(first_se, second_se), row["diff_se"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("dataset", LEFT_TRUNCATED["dataset"].unique())
def test_left_truncation(dataset: str) -> None:
    data = subjects(f"lt_{dataset}", "all")
    time, event, entry = (data[name].to_numpy() for name in ("time", "event", "entry"))
    ours = survival.kaplan_meier(time, event == 1, entry=entry)
    theirs = LEFT_TRUNCATED[LEFT_TRUNCATED["dataset"] == dataset]
    np.testing.assert_array_equal(ours.time, theirs["time"])
    np.testing.assert_array_equal(ours.n_risk, theirs["n_risk"])
    np.testing.assert_array_equal(ours.n_event, theirs["n_event"])
    np.testing.assert_allclose(ours.surv, theirs["surv"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.std_error, theirs["greenwood_se"], rtol=0, atol=1e-10)
    lower, upper = survival.confidence_interval(ours)
    np.testing.assert_allclose(lower, theirs["lower"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(upper, theirs["upper"], rtol=0, atol=1e-10)


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
