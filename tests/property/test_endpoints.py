"""What must hold of endpoints whatever the curves are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from avatar_trials import endpoints
from avatar_trials.endpoints import association, intervals
from avatar_trials.intake import GrowthTable

Floats = NDArray[np.float64]
RULES = st.sampled_from(endpoints.RULES)
VARIANTS = st.sampled_from(endpoints.DOUBLING_VARIANTS)


@st.composite
def curves(draw: st.DrawFn, min_visits: int = 2, max_visits: int = 14) -> tuple[Floats, Floats]:
    """Days from 0 and volumes of one mouse, with zeros and repeats."""
    n = draw(st.integers(min_visits, max_visits))
    gaps = draw(st.lists(st.integers(1, 9), min_size=n - 1, max_size=n - 1))
    first = draw(st.integers(50, 400))
    rest = draw(st.lists(st.integers(0, 2000), min_size=n - 1, max_size=n - 1))
    return np.concatenate([[0.0], np.cumsum(gaps)]), np.array([first, *rest], dtype=float)


@st.composite
def follow_up(draw: st.DrawFn, max_subjects: int = 12) -> tuple[Floats, NDArray[np.bool_]]:
    """Times, often tied, and events."""
    n = draw(st.integers(1, max_subjects))
    time = draw(st.lists(st.integers(1, 15), min_size=n, max_size=n))
    event = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return np.array(time, dtype=float), np.array(event)


def everything(day: Floats, volume: Floats, rule: str, variant: str) -> list[object]:
    best = endpoints.best_response(day, volume, rule)
    average = endpoints.best_average_response(day, volume, rule)
    return [
        *best,
        *average,
        endpoints.mrecist(best[0], average[0]),
        endpoints.depth_of_response(day, volume),
        *endpoints.time_to_doubling(day, volume, variant),
    ]


def assert_same(first: list[object], second: list[object]) -> None:
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@given(curves(), RULES, VARIANTS, st.integers(-8, 8))
def test_response_does_not_depend_on_the_unit_of_volume(
    curve: tuple[Floats, Floats], rule: str, variant: str, power: int
) -> None:
    day, volume = curve
    # A power of two, so that not a bit of the ratio of volumes changes.
    assert_same(everything(day, volume, rule, variant), everything(day, volume * 2.0**power, rule, variant))


@given(curves(), RULES, VARIANTS, st.integers(0, 5))
def test_padding_after_the_last_visit_changes_nothing(
    curve: tuple[Floats, Floats], rule: str, variant: str, extra: int
) -> None:
    day, volume = curve
    padding = np.full(extra, np.nan)
    alone = everything(day, volume, rule, variant)
    assert_same(alone, everything(np.append(day, padding), np.append(volume, padding), rule, variant))
    planned = np.append(day, day[-1] + 1.0 + np.arange(extra))
    assert_same(alone, everything(planned, np.append(volume, padding), rule, variant))


@given(st.lists(curves(max_visits=8), min_size=2, max_size=6), RULES, VARIANTS)
def test_many_mice_at_once_are_the_mice_one_by_one(
    mice: list[tuple[Floats, Floats]], rule: str, variant: str
) -> None:
    day, volume = np.full((len(mice), 8), np.nan), np.full((len(mice), 8), np.nan)
    for i, (days, volumes) in enumerate(mice):
        day[i, : len(days)], volume[i, : len(days)] = days, volumes
    together = everything(day[:, None, :], volume[:, None, :], rule, variant)
    for i, (days, volumes) in enumerate(mice):
        assert_same([np.asarray(x)[i, 0] for x in together], everything(days, volumes, rule, variant))


@given(curves(min_visits=4), VARIANTS)
def test_a_longer_follow_up_deepens_the_text_response_and_keeps_the_doubling(
    curve: tuple[Floats, Floats], variant: str
) -> None:
    day, volume = curve
    for kernel in (endpoints.best_response, endpoints.best_average_response):
        shorter, longer = (
            kernel(day[:-1], volume[:-1], "gao2015_text")[0],
            kernel(day, volume, "gao2015_text")[0],
        )
        assert np.isnan(shorter) or longer <= shorter
    assert endpoints.depth_of_response(day, volume) <= endpoints.depth_of_response(day[:-1], volume[:-1])
    time, doubled = endpoints.time_to_doubling(day[:-1], volume[:-1], variant)
    later, still = endpoints.time_to_doubling(day, volume, variant)
    assert (later, still) == (time, doubled) if doubled else later >= time


@given(curves(), RULES)
def test_response_is_within_the_curve(curve: tuple[Floats, Floats], rule: str) -> None:
    day, volume = curve
    change = 100 * (volume - volume[0]) / volume[0]
    best, on = endpoints.best_response(day, volume, rule)
    average, _ = endpoints.best_average_response(day, volume, rule)
    depth = endpoints.depth_of_response(day, volume)
    assert depth == change[1:].min()
    if not np.isnan(best):
        assert change[day == on] == best >= depth
        assert min(0.0, float(depth)) <= average <= max(0.0, float(change.max()))
    time, doubled = endpoints.time_to_doubling(day, volume, "pct_sheet")
    assert bool(doubled) == bool((change[1:] > 100).any())
    assert 0 < time <= day[-1]
    assert doubled or time == day[-1]


@given(st.lists(st.floats(-100, 300), min_size=2, max_size=2, unique=True), st.floats(-100, 300))
def test_a_deeper_response_is_never_a_worse_category(best: list[float], average: float) -> None:
    ranks = [endpoints.CATEGORIES.index(str(endpoints.mrecist(b, average))) for b in sorted(best)]
    assert ranks == sorted(ranks)
    ranks = [endpoints.CATEGORIES.index(str(endpoints.mrecist(average, b))) for b in sorted(best)]
    assert ranks == sorted(ranks)


@given(follow_up())
def test_kaplan_meier_against_a_plain_loop(subjects: tuple[Floats, NDArray[np.bool_]]) -> None:
    time, event = subjects
    km = endpoints.kaplan_meier(time, event)
    surv, greenwood = 1.0, 0.0
    for k, t in enumerate(np.unique(time)):
        at_risk, died = int((time >= t).sum()), int((event & (time == t)).sum())
        surv *= 1 - died / at_risk
        greenwood += died / (at_risk * (at_risk - died)) if at_risk > died else np.inf if died else 0.0
        assert (km.time[k], km.n_risk[k], km.n_event[k]) == (t, at_risk, died)
        assert km.surv[k] == pytest.approx(surv, abs=1e-14)
        assert km.greenwood[k] == pytest.approx(greenwood, abs=1e-12)
    assert km.n_event.sum() + km.n_censor.sum() == len(time)


@given(follow_up(), st.randoms(use_true_random=False), st.integers(0, 4))
def test_subjects_in_another_order_or_absent_give_the_same_curve(
    subjects: tuple[Floats, NDArray[np.bool_]], random: object, absent: int
) -> None:
    time, event = subjects
    order = list(range(len(time)))
    random.shuffle(order)  # type: ignore[attr-defined]
    first = endpoints.kaplan_meier(time, event)
    second = endpoints.kaplan_meier(
        np.append(time[order], np.full(absent, np.nan)), np.append(event[order], np.ones(absent, dtype=bool))
    )
    np.testing.assert_array_equal(first.surv, second.surv)
    np.testing.assert_array_equal(first.n_risk, second.n_risk)
    assert endpoints.median(first) == endpoints.median(second)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=15), st.integers(1, 80))
def test_without_censoring_quantities_are_those_of_the_sample(times: list[int], tau: int) -> None:
    time = np.array(times, dtype=float)
    km = endpoints.kaplan_meier(time, np.ones(len(time), dtype=bool))
    assert endpoints.median(km) == pytest.approx(np.median(time), abs=1e-9)
    mean, error = endpoints.restricted_mean(km, tau)
    cut = np.minimum(time, tau)
    assert mean == pytest.approx(cut.mean(), abs=1e-9)
    assert error == pytest.approx(cut.std() / np.sqrt(len(cut)), abs=1e-9)
    np.testing.assert_allclose(endpoints.survival_at(km, np.array([tau])), (time > tau).mean(), atol=1e-12)


@given(follow_up(), follow_up(), st.integers(1, 20))
def test_distance_of_curves(
    first: tuple[Floats, NDArray[np.bool_]], second: tuple[Floats, NDArray[np.bool_]], tau: int
) -> None:
    a, b = endpoints.kaplan_meier(*first), endpoints.kaplan_meier(*second)
    greatest, area = endpoints.curve_distance(a, b, tau)
    grid = np.arange(0.0, tau + 1)
    apart = np.abs(endpoints.survival_at(a, grid) - endpoints.survival_at(b, grid))
    assert greatest == pytest.approx(apart.max(), abs=1e-12)
    assert area == pytest.approx(apart[:-1].sum(), abs=1e-9)
    np.testing.assert_allclose(endpoints.curve_distance(b, a, tau), (greatest, area), atol=1e-12)
    np.testing.assert_array_equal(endpoints.curve_distance(a, a, tau), (0.0, 0.0))
    difference = endpoints.restricted_mean(a, tau)[0] - endpoints.restricted_mean(b, tau)[0]
    assert abs(difference) <= area + 1e-9


@given(follow_up(), st.sampled_from(endpoints.INTERVAL_KINDS), st.floats(0.5, 0.99))
def test_intervals_hold_their_curve_and_widen(
    subjects: tuple[Floats, NDArray[np.bool_]], kind: str, level: float
) -> None:
    km = endpoints.kaplan_meier(*subjects)
    lower, upper = endpoints.confidence_interval(km, kind=kind, level=level)
    wide = endpoints.confidence_interval(km, kind=kind, level=0.995)
    known = ~np.isnan(lower)
    assert np.all((lower <= km.surv + 1e-12)[known] & (km.surv <= upper + 1e-12)[known])
    assert np.all((wide[0] <= lower + 1e-12)[known] & (upper <= wide[1] + 1e-12)[known])
    assert np.all((lower[known] >= 0) & (upper[known] <= 1))


@given(st.lists(st.integers(-3, 9), min_size=1, max_size=40), st.floats(0.05, 0.95))
def test_replicate_limits_hold_the_level(values: list[int], level: float) -> None:
    middle, lower, upper = intervals.replicate_summary(np.array(values, dtype=float), level)
    inside = np.mean([lower <= v <= upper for v in values])
    assert inside >= level - 1e-9
    assert lower <= middle <= upper
    assert middle == np.median(values)


@given(
    st.lists(st.integers(-100, 500), min_size=1, max_size=10),
    st.lists(st.integers(-100, 500), min_size=1, max_size=10),
    st.integers(-50, 50),
)
def test_wasserstein_distance(first: list[int], second: list[int], shift: int) -> None:
    a, b = np.array(first, dtype=float), np.array(second, dtype=float)
    distance, spread = association.wasserstein_1(a, b)
    assert distance == pytest.approx(scipy.stats.wasserstein_distance(a, b), abs=1e-9)
    assert distance == pytest.approx(association.wasserstein_1(b, a)[0], abs=1e-9)
    assert distance <= spread + 1e-9
    assert association.wasserstein_1(a, a + shift)[0] == pytest.approx(abs(shift), abs=1e-9)


@given(st.floats(0.1, 0.9), st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20), st.integers(0, 3))
def test_quantile_leaves_missing_values_out(probability: float, values: list[float], missing: int) -> None:
    ours = intervals.quantile([*values, *[np.nan] * missing], probability)
    assert ours == pytest.approx(np.quantile(values, probability), rel=1e-9, abs=1e-9)


@given(st.lists(curves(max_visits=6), min_size=1, max_size=5), RULES, VARIANTS)
def test_a_table_and_a_trial_of_the_same_mice_are_called_alike(
    mice: list[tuple[Floats, Floats]], rule: str, variant: str
) -> None:
    longest = max(mice, key=lambda curve: len(curve[0]))[0]
    volume = np.full((len(mice), len(longest)), np.nan)
    for i, (_, volumes) in enumerate(mice):
        volume[i, : len(volumes)] = volumes
    names = [f"avatar{i}" for i in range(len(mice))]
    trial = xr.Dataset(
        {"volume_mm3": (("trial", "avatar", "arm", "visit"), volume[None, :, None, :])},
        coords={"avatar": names, "arm": ["untreated"], "day": ("visit", longest)},
    )
    rows = [
        (name, "untreated", f"{name}|untreated|1", longest[j], volume[i, j])
        for i, name in enumerate(names)
        for j in range(len(longest))
        if np.isfinite(volume[i, j])
    ]
    frame = pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    avatars = pd.DataFrame({"tumor_type": ""}, index=pd.Index(names, name="avatar"))
    table = GrowthTable(frame, avatars, (), "made up", "", False)
    ours = endpoints.response_table(table, rule=rule, doubling=variant)
    theirs = endpoints.trial_response(trial, rule=rule, doubling=variant)
    assert list(ours.columns) == list(endpoints.RESPONSE_COLUMNS)
    for name in endpoints.RESPONSE_COLUMNS[3:]:
        np.testing.assert_array_equal(ours[name].to_numpy(), theirs[name].values[0, :, 0])
    assert theirs.attrs["rule"] == rule


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(1, 9)), min_size=2, max_size=12))
def test_constant_predictions_have_no_skill(pairs: list[tuple[int, bool, int]]) -> None:
    score, outcome, time = (np.array(column) for column in zip(*pairs, strict=True))
    weight, flat = np.ones(len(pairs)), np.zeros(len(pairs))
    area = association.ratio(association.discrimination(flat, outcome, weight))
    index = association.ratio(association.concordance(flat, time.astype(float), outcome, weight))
    assert area == 0.5 if 0 < outcome.sum() < len(outcome) else np.isnan(area)
    assert index == 0.5 or np.isnan(index)
    assert np.isnan(association.spearman(flat, score.astype(float)))
    best = association.ratio(association.base_rate_error(outcome, weight))
    for guess in (0.0, 0.3, 1.0):
        error = association.ratio(association.squared_error(flat + guess, outcome, weight))
        assert error >= best - 1e-12
