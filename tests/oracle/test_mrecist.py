"""Response of one mouse against hand-worked curves, published conversions and a plain loop over visits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avatar_trials import endpoints
from avatar_trials.verify import response_calls
from avatar_trials.verify.comparison import Comparison
from tests.held import hold


def by_hand(name: str) -> list[Comparison]:
    """Comparisons of the curves of this name."""
    curves = [case for case in response_calls.cases("curves") if case["name"] == name]
    return [one for case in curves for one in response_calls.curve(case)]


def slow_response(days: list[float], change: list[float], rule: str) -> tuple[float, float]:
    """Best and best average response of one complete curve, from the wording of the rules."""
    visits = list(zip(days, change, strict=True))
    mean_to = [sum(change[: i + 1]) / (i + 1) for i in range(len(change))]
    if rule in ("gao2015_text", "xeva"):
        late = [i for i, (t, _) in enumerate(visits) if t >= 10]
        if len(late) < (2 if rule == "xeva" else 1):
            return float("nan"), float("nan")
        return min(change[i] for i in late), min(mean_to[i] for i in late)
    last = len(visits) - 1
    admissible = []
    for i, (t, _) in enumerate(visits):
        others = [j for j in range(i, last + 1) if visits[j][0] < 20 and (j != last or j == i)]
        if t >= 20 or (t >= 9 and all(visits[j][1] < 30 for j in others)):
            admissible.append(i)
    best = min((change[i] for i in admissible), default=change[last])
    average = min((mean_to[i] for i, (t, _) in enumerate(visits) if t > 10), default=mean_to[last])
    return best, average


@pytest.mark.parametrize("case", response_calls.cases("calls"))
def test_category_limits_are_strict_and_both_must_hold(case: dict[str, Any]) -> None:
    hold(response_calls.call(case))


@pytest.mark.parametrize("limit", [-95.0, -50.0, 35.0])
def test_a_best_response_just_below_its_limit_changes_the_category(limit: float) -> None:
    at, below = endpoints.mrecist([limit, np.nextafter(limit, -np.inf)], -60.0)
    assert endpoints.CATEGORIES.index(at) == endpoints.CATEGORIES.index(below) + 1


def test_running_mean_includes_the_zero_at_day_0() -> None:
    hold(by_hand("the zero of day 0 is in the mean"))


def test_text_rule_by_hand() -> None:
    hold(by_hand("a fall and a return"))


@pytest.mark.parametrize("which", range(1, 5))
def test_sheet_rule_forgets_what_came_before_an_excursion(which: int) -> None:
    hold(by_hand(f"excursion {which}"))


def test_sheet_rule_ignores_the_last_visit_unless_it_is_the_candidate() -> None:
    for name in ("last visit not a candidate", "no admissible visit", "the last visit as candidate"):
        hold(by_hand(name))


def test_a_curve_that_ends_early_is_not_evaluable_by_the_text_but_called_by_the_sheet() -> None:
    hold(by_hand("ends on day 7"))
    hold(by_hand("ends on day 7, best"))


def test_xeva_needs_two_visits_from_day_10_on() -> None:
    for name in ("two visits from day 10 on", "one visit from day 10 on", "day 10 counts"):
        hold(by_hand(name))
    days, volume = [0, 4, 8, 12], [200.0, 180.0, 120.0, 80.0]
    assert np.isnan(endpoints.best_response(days, volume, "xeva")).all()
    assert np.isnan(endpoints.best_average_response(days, volume, "xeva")).all()


def test_xeva_calls_the_example_of_its_own_manual() -> None:
    hold(by_hand("example of Xeva's manual"))


def test_xeva_raises_a_curve_from_zero_by_one_mm3() -> None:
    hold(by_hand("raised from zero by 1 mm3"))
    hold(by_hand("not raised"))
    days, volume = [0, 7, 14, 21], [0.0, 0.0, 0.2, 1.5]
    shifted = endpoints.best_response(days, [[*volume], [10.0, 5.0, 4.0, 6.0]], "xeva")[0]
    assert shifted == pytest.approx([20.0, -60.0])
    assert np.isnan(endpoints.depth_of_response(days, volume))


@pytest.mark.parametrize("rule", endpoints.RULES)
@pytest.mark.parametrize(
    ("days", "volume"),
    [
        ([0.0], [200.0]),
        ([7.0, 14.0, 21.0], [200.0, 100.0, 50.0]),
        ([0.0, 14.0, 21.0], [0.0, 100.0, 50.0]),
        ([0.0, 14.0, 21.0], [np.nan, 100.0, 50.0]),
    ],
    ids=["baseline only", "left truncated", "baseline of 0", "no baseline volume"],
)
def test_without_baseline_or_later_visit_nothing_is_called(
    rule: str, days: list[float], volume: list[float]
) -> None:
    best, day = endpoints.best_response(days, volume, rule)
    average, _ = endpoints.best_average_response(days, volume, rule)
    assert np.isnan(endpoints.depth_of_response(days, volume))
    if rule != "xeva" or volume[0] != 0.0:
        assert np.isnan([best, day, average]).all()
        assert endpoints.mrecist(best, average) == ""
    for variant in endpoints.DOUBLING_VARIANTS:
        time, doubled = endpoints.time_to_doubling(days, volume, variant)
        assert not doubled
        assert np.isnan(time) or (len(days) == 1 and time == 0.0)


@pytest.mark.parametrize("rule", endpoints.RULES)
def test_against_a_plain_loop_on_random_curves(rule: str) -> None:
    rng = np.random.Generator(np.random.Philox(20))
    day, volume = np.full((3000, 12), np.nan), np.full((3000, 12), np.nan)
    expected = np.empty((3000, 2))
    for i in range(3000):
        n = int(rng.integers(2, 13))
        days = np.concatenate([[0], np.cumsum(rng.integers(2, 5, n - 1))]).astype(float)
        volumes = 200 * np.exp(np.concatenate([[0.0], np.cumsum(rng.normal(0.03, 0.35, n - 1))]))
        volumes[1:][rng.random(n - 1) < 0.03] = 0.0
        day[i, :n], volume[i, :n] = days, volumes
        expected[i] = slow_response(list(days), list(100 * (volumes - volumes[0]) / volumes[0]), rule)
    best, _ = endpoints.best_response(day, volume, rule)
    average, _ = endpoints.best_average_response(day, volume, rule)
    np.testing.assert_allclose(np.stack([best, average], axis=-1), expected, rtol=0, atol=1e-9)
    assert len(set(endpoints.mrecist(best, average))) >= 4


def test_depth_is_the_least_increase_where_nothing_shrank() -> None:
    for case in response_calls.cases("depth"):
        hold(response_calls.depth(case))


@pytest.mark.parametrize("case", response_calls.cases("diameter"))
def test_volume_to_diameter(case: dict[str, Any]) -> None:
    hold(response_calls.diameter(case))


def test_a_volume_cannot_shrink_by_more_than_all_of_it() -> None:
    with pytest.raises(ValueError, match="received -101 %"):
        endpoints.volume_to_diameter_pct([-50.0, -101.0])


@pytest.mark.parametrize("case", response_calls.cases("doubling"))
def test_time_to_doubling_by_hand(case: dict[str, Any]) -> None:
    hold(response_calls.doubling(case))


def test_log_linear_doubling_of_exponential_growth_is_exact() -> None:
    rate = np.array([0.02, 0.05, 0.2])
    days = np.arange(0, 60, 3.0)
    time, doubled = endpoints.time_to_doubling(days, 180 * np.exp(rate[:, None] * days), "log_linear")
    np.testing.assert_allclose(time, np.log(2) / rate, rtol=1e-12)
    assert doubled.all()


def test_a_missed_visit_in_between_is_closed_up() -> None:
    days = [0, 7, 10, 14, 21, 28]
    gap = [100.0, 60.0, 80.0, np.nan, 300.0, np.nan]
    closed_days, closed = [0, 7, 10, 21], [100.0, 60.0, 80.0, 300.0]
    for rule in endpoints.RULES:
        assert endpoints.best_response(days, gap, rule) == endpoints.best_response(closed_days, closed, rule)
        assert endpoints.best_average_response(days, gap, rule) == endpoints.best_average_response(
            closed_days, closed, rule
        )
    assert endpoints.time_to_doubling(days, gap, "pct_sheet") == endpoints.time_to_doubling(
        closed_days, closed, "pct_sheet"
    )


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="gao2015_text, pct_sheet, xeva"):
        endpoints.best_response([0, 10], [1, 1], "recist")
    with pytest.raises(ValueError, match="pct_sheet, log_linear"):
        endpoints.time_to_doubling([0, 10], [1, 1], "linear")


def test_a_vanished_tumour_shrinks_by_exactly_100_percent() -> None:
    # (0 - V0)/V0 is not -1 in floating point for about one baseline in thirteen.
    baselines = np.linspace(150.0, 300.0, 1000) / 3.0
    volume = np.stack([baselines, np.zeros(1000)], axis=-1)
    assert (endpoints.depth_of_response(np.array([0.0, 3.0]), volume) == -100.0).all()
