"""Response of one mouse against hand-worked curves, published conversions and a plain loop over visits."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_trials import endpoints

DAYS = [0, 3, 7, 10, 14, 17, 21, 24]


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


@pytest.mark.parametrize(
    ("best", "average", "category"),
    [
        (-95.1, -40.1, "CR"),
        (-95.0, -90.0, "PR"),
        (-99.0, -40.0, "PR"),
        (-50.1, -20.1, "PR"),
        (-50.0, -30.0, "SD"),
        (-60.0, -20.0, "SD"),
        (34.9, 29.9, "SD"),
        (35.0, 0.0, "PD"),
        (0.0, 30.0, "PD"),
        (-99.0, 31.0, "PD"),
        (float("nan"), -50.0, ""),
        (-50.0, float("nan"), ""),
    ],
)
def test_category_limits_are_strict_and_both_must_hold(best: float, average: float, category: str) -> None:
    assert endpoints.mrecist(best, average) == category


@pytest.mark.parametrize("limit", [-95.0, -50.0, 35.0])
def test_a_best_response_just_below_its_limit_changes_the_category(limit: float) -> None:
    at, below = endpoints.mrecist([limit, np.nextafter(limit, -np.inf)], -60.0)
    assert endpoints.CATEGORIES.index(at) == endpoints.CATEGORIES.index(below) + 1


def test_running_mean_includes_the_zero_at_day_0() -> None:
    volume = [200, 200, 100, 100]
    average, day = endpoints.best_average_response([0, 5, 12, 15], volume, "gao2015_text")
    assert (average, day) == (-25.0, 15.0)


def test_text_rule_by_hand() -> None:
    volume = [200.0, 250.0, 150.0, 120.0, 80.0, 60.0, 100.0, 300.0]
    assert endpoints.best_response(DAYS, volume, "gao2015_text") == (-70.0, 17.0)
    changes = [0.0, 25.0, -25.0, -40.0, -60.0, -70.0, -50.0, 50.0]
    means = np.cumsum(changes) / np.arange(1, 9)
    best_average, day = endpoints.best_average_response(DAYS, volume, "gao2015_text")
    assert best_average == pytest.approx(means[6], abs=1e-12)
    assert day == 21.0


@pytest.mark.parametrize(
    ("changes", "best", "day"),
    [
        ([0, 0, 0, -10, -5, 0, 5, 10], -10, 10),
        ([0, 0, 0, -10, 30, 0, 5, 10], 0, 17),
        ([0, 0, 0, -10, 29.9, 0, 5, 10], -10, 10),
        ([0, 0, 0, -10, -5, 40, 5, 10], 5, 21),
    ],
)
def test_sheet_rule_forgets_what_came_before_an_excursion(
    changes: list[float], best: float, day: float
) -> None:
    volume = 200 * (1 + np.array(changes) / 100)
    found, on = endpoints.best_response(DAYS, volume, "pct_sheet")
    assert (found, on) == (pytest.approx(best, abs=1e-10), day)


def test_sheet_rule_ignores_the_last_visit_unless_it_is_the_candidate() -> None:
    days = [0, 9, 12, 15]
    assert endpoints.best_response(days, [100, 95, 90, 180], "pct_sheet") == (-10.0, 12.0)
    assert endpoints.best_response(days, [100, 140, 150, 180], "pct_sheet") == (80.0, 15.0)
    assert endpoints.best_response(days, [100, 140, 150, 120], "pct_sheet") == (20.0, 15.0)


def test_a_curve_that_ends_early_is_not_evaluable_by_the_text_but_called_by_the_sheet() -> None:
    days, volume = [0, 3, 7], [100, 90, 120]
    for rule, category in (("gao2015_text", ""), ("pct_sheet", "SD"), ("xeva", "")):
        best, _ = endpoints.best_response(days, volume, rule)
        average, _ = endpoints.best_average_response(days, volume, rule)
        assert endpoints.mrecist(best, average) == category
    assert endpoints.best_response(days, volume, "pct_sheet") == (20.0, 7.0)


def test_xeva_needs_two_visits_from_day_10_on() -> None:
    days, volume = [0, 4, 8, 12, 16], [200.0, 180.0, 120.0, 80.0, 90.0]
    assert endpoints.best_response(days, volume, "xeva") == (-60.0, 12.0)
    average, day = endpoints.best_average_response(days, volume, "xeva")
    # (0 - 10 - 40 - 60 - 55) / 5
    assert (average, day) == (pytest.approx(-33.0, abs=1e-12), 16.0)
    assert np.isnan(endpoints.best_response(days[:4], volume[:4], "xeva")).all()
    assert np.isnan(endpoints.best_average_response(days[:4], volume[:4], "xeva")).all()
    assert endpoints.best_response(days[:4], volume[:4], "gao2015_text") == (-60.0, 12.0)
    # Day 10 itself counts.
    assert endpoints.best_response([0, 10, 11], [200.0, 100.0, 150.0], "xeva") == (-50.0, 10.0)


def test_xeva_calls_the_example_of_its_own_manual() -> None:
    days = [0, 3, 7, 11, 18, 22, 26, 30, 32, 35]
    volume = [250.8, 320.4, 402.3, 382.6, 384, 445.9, 460.2, 546.8, 554.3, 617.9]
    best, day = endpoints.best_response(days, volume, "xeva")
    assert (best, day) == (pytest.approx(100 * (382.6 / 250.8 - 1), abs=1e-12), 11.0)
    average, at = endpoints.best_average_response(days, volume, "xeva")
    by_hand = 100 * ((250.8 + 320.4 + 402.3 + 382.6) / 4 / 250.8 - 1)
    assert (average, at) == (pytest.approx(by_hand, abs=1e-12), 11.0)
    assert endpoints.mrecist(best, average) == "PD"


def test_xeva_raises_a_curve_from_zero_by_one_mm3() -> None:
    days, volume = [0, 7, 14, 21], [0.0, 0.0, 0.2, 1.5]
    best, _ = endpoints.best_response(days, volume, "xeva")
    average, _ = endpoints.best_average_response(days, volume, "xeva")
    # Volumes 1, 1, 1.2, 2.5 after it: changes 0, 0, 20, 150.
    assert (best, average) == (pytest.approx(20.0), pytest.approx(20 / 3))
    assert endpoints.mrecist(best, average) == "SD"
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
    assert endpoints.depth_of_response([0, 3, 7], [100, 130, 115]) == 15.0
    assert endpoints.depth_of_response([0, 3, 7], [100, 0, 40]) == -100.0


@pytest.mark.parametrize(
    ("volume_pct", "diameter_pct"),
    [(-65.70, -30.0), (72.80, 20.0), (-90.70, -54.7), (-86.34, -48.5), (0.0, 0.0), (-100.0, -100.0)],
)
def test_volume_to_diameter(volume_pct: float, diameter_pct: float) -> None:
    assert endpoints.volume_to_diameter_pct(volume_pct) == pytest.approx(diameter_pct, abs=0.02)
    exact = 100 * ((1 + diameter_pct / 100) ** 3 - 1)
    assert endpoints.volume_to_diameter_pct(exact) == pytest.approx(diameter_pct, abs=1e-10)


def test_a_volume_cannot_shrink_by_more_than_all_of_it() -> None:
    with pytest.raises(ValueError, match="received -101 %"):
        endpoints.volume_to_diameter_pct([-50.0, -101.0])


@pytest.mark.parametrize(
    ("days", "volume", "variant", "time", "doubled"),
    [
        ([0, 4, 8], [100, 150, 250], "pct_sheet", 6.0, True),
        ([0, 4, 8], [100, 250, 300], "pct_sheet", 4.0, True),
        ([0, 4, 8, 12], [100, 150, 200, 250], "pct_sheet", 8.0, True),
        ([0, 4, 8, 12], [100, 150, 200, 150], "pct_sheet", 12.0, False),
        ([0, 4, 8], [100, 150, 190], "pct_sheet", 8.0, False),
        ([0, 4, 8], [100, 400, 500], "log_linear", 2.0, True),
        ([0, 4, 8, 12], [100, 150, 200, 150], "log_linear", 8.0, True),
        ([0, 4, 8], [100, 50, 400], "log_linear", 4 + 4 * 2 / 3, True),
        ([0, 4, 8], [100, 0, 400], "log_linear", 8.0, True),
        ([0, 4, 8], [100, 0, 400], "pct_sheet", 6.0, True),
    ],
)
def test_time_to_doubling_by_hand(
    days: list[float], volume: list[float], variant: str, time: float, doubled: bool
) -> None:
    found, event = endpoints.time_to_doubling(days, volume, variant)
    assert (found, bool(event)) == (pytest.approx(time, abs=1e-12), doubled)


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
