"""Scores of held-out predictions against closed forms and SciPy; forecasters that are wrong are caught."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from avatar_trials.calibrate.curves import Curves, curves_of
from avatar_trials.card_files import load_model
from avatar_trials.evidence.arm_mean import arm_forecast, moments, tail_forecast
from avatar_trials.evidence.forecasts import Forecast, inside, log_score, place, weighted_quantiles
from avatar_trials.evidence.holdout_endpoints import ENDPOINT_COLUMNS, doubled_by
from avatar_trials.evidence.holdout_scores import clustered_mean, score_table, verdict
from avatar_trials.intake import GrowthTable

LIMIT = float(np.log(15.0))
RNG = np.random.default_rng(4)
NO_ENDPOINTS = pd.DataFrame(columns=list(ENDPOINT_COLUMNS))


def normal(mean: float, sd: float, visits: int) -> Forecast:
    one = np.ones((1, visits))
    return Forecast(mean * one, sd * one, one, np.full(visits, np.inf), LIMIT)


def test_score_and_place_of_a_normal_forecast_are_the_normals() -> None:
    read = np.array([4.0, 5.0, 6.5, 7.0])
    forecast = normal(5.2, 0.7, 4)
    score, error = log_score(forecast, read)
    np.testing.assert_allclose(score, stats.norm.logpdf(read, 5.2, 0.7), rtol=1e-12)
    np.testing.assert_allclose(place(forecast, read, np.zeros(4)), stats.norm.cdf(read, 5.2, 0.7), rtol=1e-12)
    np.testing.assert_allclose(error, 0.0, atol=1e-12)


def test_a_mixture_of_students_is_the_weighted_sum() -> None:
    shape = (50, 3)
    location, scale = RNG.normal(5, 1, shape), RNG.uniform(0.1, 1, shape)
    weight = RNG.random(shape)
    weight /= weight.sum(axis=0)
    freedom, read = np.array([4.0, 1.5, np.inf]), np.array([5.0, 3.0, -np.inf])
    forecast = Forecast(location, scale, weight, freedom, LIMIT)
    laws = [stats.t(4.0, location[:, 0], scale[:, 0]), stats.t(1.5, location[:, 1], scale[:, 1])]
    density = [weight[:, k] @ laws[k].pdf(read[k]) for k in (0, 1)]
    below = weight[:, 2] @ stats.norm.cdf(LIMIT, location[:, 2], scale[:, 2])
    np.testing.assert_allclose(log_score(forecast, read)[0], np.log([*density, below]), rtol=1e-12)
    uniform = np.array([0.9, 0.9, 0.25])
    lower = [weight[:, k] @ laws[k].cdf(read[k]) for k in (0, 1)]
    np.testing.assert_allclose(place(forecast, read, uniform), [*lower, 0.25 * below], rtol=1e-12)
    np.testing.assert_allclose(forecast.effective_draws, 1 / (weight**2).sum(axis=0), rtol=1e-12)


def test_the_monte_carlo_error_is_that_seen_over_sets_of_draws() -> None:
    scores, errors = [], []
    for _ in range(400):
        location = RNG.normal(5.0, 1.0, (300, 1))
        forecast = Forecast(
            location, np.full((300, 1), 0.3), np.full((300, 1), 1 / 300), np.array([4.0]), LIMIT
        )
        score, error = log_score(forecast, np.array([5.5]))
        scores.append(score[0])
        errors.append(error[0])
    # An SD over 400 sets has a relative error of 1/sqrt(800) = 3.5 %.
    assert np.mean(errors) == pytest.approx(np.std(scores), rel=0.15)


def test_quantiles_of_equal_weights_are_order_statistics() -> None:
    values = RNG.normal(size=(200, 2))
    weight = np.full((200, 2), 1 / 200)
    found = weighted_quantiles(values, weight, (0.05, 0.5, 0.95))
    expected = np.quantile(values, (0.05, 0.5, 0.95), axis=0, method="inverted_cdf")
    np.testing.assert_array_equal(found, expected)
    weight = np.zeros((200, 2))
    weight[7] = 1.0
    np.testing.assert_array_equal(weighted_quantiles(values, weight, (0.1, 0.9)), values[[7, 7]])


def scored(sd: float, shift: float = 0.0, below: float = -np.inf, n: int = 1500) -> pd.DataFrame:
    """Visits of mice whose log volumes are N(5, 1), forecast as N(5 + shift, sd); the baseline is the truth."""
    read = RNG.normal(5.0, 1.0, 2 * n)
    read = np.where(read < below, -np.inf, read)
    uniform = RNG.random(2 * n)
    mouse = np.repeat(np.arange(n), 2)
    found: dict[str, object] = {}
    for prefix, forecast in (("", normal(5.0 + shift, sd, 2 * n)), ("baseline_", normal(5.0, 1.0, 2 * n))):
        limited = replace(forecast, limit=below)
        found[f"{prefix}place"] = place(limited, read, uniform)
        found[f"{prefix}log_score"] = log_score(limited, read)[0]
    names = {"avatar": [f"X-{k}" for k in mouse], "mouse": [f"m{k}" for k in mouse], "day": [14.0, 40.0] * n}
    facts: dict[str, object] = {"hold_out": "mouse", "baseline": "truth", "gates_passed": True, "arm": "A"}
    return pd.DataFrame(facts | names | found)


def headline(visits: pd.DataFrame) -> pd.Series:
    table = score_table(visits, NO_ENDPOINTS)
    assert list(table["scored"]) == ["all visits", "all visits", "day 14"]
    return table.iloc[0]


@pytest.mark.parametrize("below", [-np.inf, 4.5])
def test_a_true_forecaster_covers_and_scores_as_it_should(below: float) -> None:
    """Coverage within 4 standard errors; entropy of N(., 1) where nothing is below detection."""
    row = headline(scored(1.0, below=below))
    for level in (50, 90):
        assert abs(row[f"coverage_{level}"] - level / 100) < 4 * row[f"coverage_{level}_se"]
        assert 0 < row[f"coverage_{level}_se"] < 0.02
    if np.isinf(below):
        assert row["log_score"] == pytest.approx(-0.5 * np.log(2 * np.pi * np.e), abs=0.06)
    assert row["difference"] == 0.0
    assert row["verdict"] == "not shown better"


@pytest.mark.parametrize(("sd", "shift"), [(0.6, 0.0), (1.8, 0.0), (1.0, 0.6)])
def test_a_wrong_forecaster_is_caught(sd: float, shift: float) -> None:
    row = headline(scored(sd, shift))
    far = abs(stats.norm.cdf(shift + 0.6745 * sd) - stats.norm.cdf(shift - 0.6745 * sd) - 0.5)
    assert abs(row["coverage_50"] - 0.5) == pytest.approx(far, abs=4 * row["coverage_50_se"])
    assert far > 4 * row["coverage_50_se"]
    assert row["verdict"] == "worse by > 2 SE"
    # Kullback-Leibler divergence of two normals: what the wrong one loses on average.
    lost = np.log(sd) + (1 + shift**2) / (2 * sd**2) - 0.5
    assert row["difference"] == pytest.approx(-lost, abs=4 * row["difference_se"])


def test_mice_count_alike_however_long_they_live() -> None:
    visits = scored(1.0, n=2)
    long = pd.concat([visits[visits["mouse"] == "m0"]] * 30 + [visits[visits["mouse"] == "m1"]])
    long = long.assign(log_score=np.where(long["mouse"] == "m0", -1.0, -3.0))
    assert headline(long)["log_score"] == pytest.approx(-2.0)


def test_errors_are_clustered_by_avatar() -> None:
    values = RNG.normal(size=60)
    mean, error = clustered_mean(values, np.arange(60))
    assert mean == pytest.approx(values.mean())
    assert error == pytest.approx(stats.sem(values))
    twice = clustered_mean(np.repeat(values, 3), np.repeat(np.arange(60), 3))
    assert twice == pytest.approx((mean, error))
    assert np.isnan(clustered_mean(values, np.zeros(60))[1])


def test_verdicts_in_words() -> None:
    assert verdict(0.21, 0.1, True) == "better by > 2 SE"
    assert verdict(0.19, 0.1, True) == "not shown better"
    assert verdict(-0.21, 0.1, True) == "worse by > 2 SE"
    assert verdict(5.0, np.nan, True) == "too few avatars to tell"
    assert verdict(5.0, 0.1, False) == "gates failed: not to be used"


# --- the arm's mean -----------------------------------------------------------------------------------------------


def made_up(arms: dict[str, list[list[float]]], days: list[float]) -> Curves:
    """Curves of log(V/V0) by arm, each as long as it is given, from 200 mm3."""
    rows = []
    for arm, mice in {"untreated": [[0.0, 0.3]], **arms}.items():
        for number, changes in enumerate(mice):
            for day, change in zip(days, changes, strict=False):
                rows.append((f"X-{number}", arm, f"{arm}{number}", day, 200.0 * np.exp(change)))
    frame = pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    frame = frame.sort_values(["avatar", "arm", "mouse", "day"], ignore_index=True)
    names = pd.Index(sorted(frame["avatar"].unique()), name="avatar")
    facts = pd.DataFrame({"tumor_type": "CM"}, index=names)
    return curves_of(GrowthTable(frame, facts, (), "", "0" * 64, True), load_model("graded_kill"))[0]


def test_the_baseline_is_the_predictive_of_the_arms_other_mice() -> None:
    changes = RNG.normal(0.5, 0.4, (7, 2))
    curves = made_up({"A": [[0.0, *row] for row in changes], "B": [[0.0, 1.0, 1.0]]}, [0.0, 10.0, 20.0])
    forecast = arm_forecast(curves, "A", np.array([10.0, 15.0]), np.log(300.0), LIMIT)
    middle = changes.mean(axis=1)
    for visit, values in enumerate((changes[:, 0], middle)):
        law = stats.t(6, np.log(300.0) + values.mean(), values.std(ddof=1) * np.sqrt(1 + 1 / 7))
        read = np.full(2, 5.9)
        assert log_score(forecast, read)[0][visit] == pytest.approx(law.logpdf(5.9), rel=1e-9)
        assert place(forecast, read, read)[visit] == pytest.approx(law.cdf(5.9), rel=1e-9)


def test_late_days_are_those_of_the_last_day_with_five_mice() -> None:
    mice = [[0.0, 1.0, 2.0 + k] for k in range(5)] + [[0.0, 1.5]]
    curves = made_up(
        {"A": [[*mouse, 9.0] if k == 0 else mouse for k, mouse in enumerate(mice)]}, [0, 10, 20, 30]
    )
    found = moments(curves, np.flatnonzero(np.array(curves.curve_arm) == "A"), np.array([20.0, 30.0, 99.0]))
    np.testing.assert_allclose(found.mean, 4.0)
    np.testing.assert_allclose(found.sd, np.std([2, 3, 4, 5, 6], ddof=1))
    np.testing.assert_array_equal(found.n, 5.0)


def test_an_arm_without_a_mouse_is_its_better_single_drug() -> None:
    weak, strong = [[0.0, 1.0 + 0.1 * k] for k in range(4)], [[0.0, -1.0 + 0.1 * k] for k in range(4)]
    curves = made_up({"A": weak, "B": strong}, [0.0, 10.0])
    forecast = arm_forecast(curves, "A + B", np.array([10.0]), 0.0, LIMIT)
    assert forecast.location[0, 0] == pytest.approx(-0.85)
    assert forecast.freedom[0] == 3.0


def test_the_baseline_of_a_tail_goes_on_with_the_arms_mean_slope() -> None:
    mice = [[0.0, 0.1 * slope, 0.2 * slope, 0.3 * slope] for slope in (1.0, 2.0, 3.0)]
    curves = made_up({"A": mice}, [0.0, 1.0, 2.0, 3.0])
    first = int(np.flatnonzero(np.array(curves.curve_arm) == "A")[0])
    forecast = tail_forecast(curves, first, np.array([8.0]), LIMIT)
    assert forecast.location[0, 0] == pytest.approx(np.log(200.0) + 0.3 + 5 * 0.2)
    assert forecast.scale[0, 0] == pytest.approx(5 * 0.1 * np.sqrt(4 / 3))
    assert forecast.freedom[0] == 2.0


def test_doubled_by_a_day_is_unknown_of_a_mouse_that_left_before() -> None:
    response = {
        "time_to_doubling_days": np.array([20.0, 40.0, np.nan, 25.0]),
        "doubled": np.array([True, True, False, False]),
        "last_day": np.array([22.0, 41.0, 60.0, 25.0]),
    }
    np.testing.assert_array_equal(doubled_by(response, 28.0), [1.0, 0.0, 0.0, np.nan])
    assert inside([0.04, 0.06, 0.96], 0.9).tolist() == [False, True, False]
