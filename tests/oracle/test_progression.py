"""Progression against hand-computed curves, a slow reading of the definitions, and the paradox of the nadir."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_trials import endpoints
from avatar_trials.endpoints.disease_progression import (
    CLINICAL_FLOOR,
    MOUSE_FLOOR,
    PROGRESSION_RATIO,
    PROGRESSION_VARIANTS,
    TIMINGS,
    AbsoluteFloor,
    Progression,
    progression,
    reasons_of_codes,
)

Floats = NDArray[np.float64]
NO_FLOOR = AbsoluteFloor("volume_mm3", 1e-9)
DAYS = np.array([0.0, 7.0, 14.0, 21.0, 28.0])


def found(volume: Any, day: Any = DAYS, **chosen: Any) -> Progression:
    """Progression with what the caller leaves out filled in as each variant needs it."""
    chosen = {"variant": "recist_volume", "timing": "at_visit", "endpoint": "TTP"} | chosen
    if chosen["variant"] == "doubling":
        chosen.setdefault("doubling", "log_linear")
    if chosen["variant"] == "recist_volume":
        chosen.setdefault("floor", MOUSE_FLOOR)
    return progression(day, volume, **chosen)


def only(result: Progression) -> tuple[float, float, float, bool, str]:
    assert result.time is not None
    return (
        float(result.time), float(result.left), float(result.right), bool(result.event), str(result.cause)
    )  # fmt: skip


def test_twenty_percent_of_diameter_is_seventy_two_point_eight_of_volume() -> None:
    assert PROGRESSION_RATIO == 1.2**3
    assert abs(100 * (PROGRESSION_RATIO - 1) - 72.8) < 1e-12


# Volumes 200, 100, 80, 150, 420: nadir 80, limits 400 (twice), 138.24 (1.728 x 80), 345.6 (1.728 x 200).
FALLING_THEN_GROWING = [200.0, 100.0, 80.0, 150.0, 420.0]


@pytest.mark.parametrize(
    ("variant", "timing", "day"),
    [
        ("doubling", "at_visit", 28.0),
        ("doubling", "interpolated_linear", 21 + 7 * 250 / 270),
        ("doubling", "interpolated_log", 21 + 7 * np.log(400 / 150) / np.log(420 / 150)),
        ("recist_volume", "at_visit", 21.0),
        ("recist_volume", "interpolated_linear", 14 + 7 * 58.24 / 70),
        ("recist_volume", "interpolated_log", 14 + 7 * np.log(138.24 / 80) / np.log(150 / 80)),
        ("baseline_volume", "at_visit", 28.0),
        ("baseline_volume", "interpolated_linear", 21 + 7 * 195.6 / 270),
        ("baseline_volume", "interpolated_log", 21 + 7 * np.log(345.6 / 150) / np.log(420 / 150)),
    ],
)
def test_every_variant_and_timing_by_hand(variant: str, timing: str, day: float) -> None:
    result = found(FALLING_THEN_GROWING, variant=variant, timing=timing)
    visit = {"recist_volume": (14.0, 21.0)}.get(variant, (21.0, 28.0))
    assert only(result) == (pytest.approx(day, abs=1e-12), *visit, True, "progression")
    assert result.method.startswith(f"TTP, {variant} (") or variant == "baseline_volume"
    assert result.method.endswith(timing)


def test_an_interval_has_no_day_of_its_own() -> None:
    result = found([FALLING_THEN_GROWING, [200.0, 190, 180, 170, 160]], timing="interval")
    assert result.time is None
    np.testing.assert_array_equal(result.left, [14, 28])
    np.testing.assert_array_equal(result.right, [21, np.inf])
    np.testing.assert_array_equal(result.event, [True, False])


@pytest.mark.parametrize("doubling", endpoints.DOUBLING_VARIANTS)
def test_doubling_is_time_to_doubling_when_timed_its_own_way(doubling: str) -> None:
    rng = np.random.default_rng(8)
    volume = np.round(200 * np.exp(np.cumsum(rng.normal(0.1, 0.4, (500, 12)), axis=1)), 1)
    volume[::7, 2] = 0.0
    volume[np.arange(500)[:, None] % 5 * 2 + 4 < np.arange(12)] = np.nan
    day = 3.5 * np.arange(12)
    timing = {"pct_sheet": "interpolated_linear", "log_linear": "interpolated_log"}[doubling]
    ours = found(volume, day, variant="doubling", doubling=doubling, timing=timing)
    time, doubled = endpoints.time_to_doubling(day, volume, doubling)
    assert 100 < doubled.sum() < 450
    np.testing.assert_array_equal(ours.event, doubled)
    # Volumes here, percentages there: rounding only.
    assert ours.time is not None
    np.testing.assert_allclose(ours.time, time, rtol=1e-12)


def test_exactly_twice_tells_the_two_conventions_apart() -> None:
    volume = [200.0, 300, 400, 400, 401]
    assert only(found(volume, variant="doubling", doubling="log_linear"))[0] == 14
    assert only(found(volume, variant="doubling", doubling="pct_sheet"))[0] == 28


def test_exactly_on_the_limit_is_progression() -> None:
    volume = [[100.0, 172.8], [250.0, 432.0], [100.0, 172.79]]
    for variant in ("recist_volume", "baseline_volume"):
        result = found(volume, [0.0, 7.0], variant=variant)
        np.testing.assert_array_equal(result.event, [True, True, False])


def test_the_floor_holds_back_growth_from_a_tiny_nadir() -> None:
    volume = [200.0, 4.0, 8.0, 29.0, 31.0]
    assert only(found(volume, floor=NO_FLOOR))[0] == 14
    assert only(found(volume, floor=MOUSE_FLOOR))[0] == 28
    # 5 mm over the 1.9695 mm of 4 mm3 is 6.9695 mm across, 177.26 mm3.
    clinical = [[200.0, 4.0, 177.2, 177.3], [200.0, 4.0, 100.0, 177.2]]
    np.testing.assert_array_equal(found(clinical, DAYS[:4], floor=CLINICAL_FLOOR).event, [True, False])
    assert "floor diameter_increase_mm 5" in found(clinical, DAYS[:4], floor=CLINICAL_FLOOR).method


def test_regrowth_from_zero_is_progression_at_the_floor() -> None:
    volume = [200.0, 0.0, 0.0, 20.0, 100.0]
    assert only(found(volume, timing="at_visit")) == (28.0, 21.0, 28.0, True, "progression")
    assert only(found(volume, timing="interpolated_linear"))[0] == pytest.approx(21 + 7 * 10 / 80)
    # From 0 the log is undefined: the visit's day. 5 mm from nothing is 65.45 mm3.
    leap = [200.0, 0.0, 0.0, 0.0, 100.0]
    for timing in TIMINGS[1:3]:
        assert only(found(leap, timing=timing))[0] == 28
    assert only(found(leap, timing="interpolated_linear"))[0] == pytest.approx(21 + 7 * 0.3)
    assert only(found([200.0, 0, 0, 65.4, 65.5], floor=CLINICAL_FLOOR))[0] == 28


def test_without_baseline_every_result_says_why() -> None:
    volume = [
        [200.0, 500, 500],
        [0.0, 500, 500],
        [np.nan, 500, 500],
        [np.nan, np.nan, np.nan],
    ]
    for variant in PROGRESSION_VARIANTS:
        result = found(volume, DAYS[:3], variant=variant)
        np.testing.assert_array_equal(result.event, [True, False, False, False])
        assert list(result.cause) == ["progression", "no_baseline", "left_truncated", "no_baseline"]
        assert result.time is not None
        assert np.isnan([result.time[1:], result.left[1:], result.right[1:]]).all()
    late = found([200.0, 500], [3.0, 7.0], left_reason="study_end")
    assert str(late.cause) == "left_truncated"
    assert not late.event


def test_one_visit_is_censored_at_day_0() -> None:
    for variant in PROGRESSION_VARIANTS:
        result = found([200.0, np.nan, np.nan], DAYS[:3], variant=variant, left_reason="removed")
        assert only(result) == (0.0, 0.0, np.inf, False, "removed")


def test_missed_visits_are_passed_over() -> None:
    result = found([200.0, np.nan, 80.0, np.nan, 150.0])
    assert only(result) == (28.0, 14.0, 28.0, True, "progression")


@pytest.mark.parametrize(
    ("reason", "ttp", "pfs", "ttf"),
    [
        ("study_end", False, False, False),
        ("unknown", False, False, False),
        ("size", False, False, True),
        ("removed", False, False, True),
        ("body_weight", False, True, True),
        ("toxicity", False, True, True),
        ("death", False, True, True),
    ],
)
def test_what_ends_each_endpoint(reason: str, ttp: bool, pfs: bool, ttf: bool) -> None:
    stable = [200.0, 190, 200, np.nan, np.nan]
    for endpoint, is_event in (("TTP", ttp), ("PFS", pfs), ("TTF", ttf)):
        result = found(stable, endpoint=endpoint, left_reason=reason, left_day=17.0)
        time, left, right, event, cause = only(result)
        assert (event, cause) == (is_event, reason)
        assert time == (17.0 if event or endpoint == "TTF" else 14.0)
        assert right == (17.0 if event else np.inf)
        # A death may follow a progression nobody saw; removal is on the day it happens.
        assert left == (17.0 if endpoint == "TTF" else 14.0)
        grown = found([200.0, 400, 900], DAYS[:3], endpoint=endpoint, left_reason=reason)
        assert only(grown) == (7.0, 0.0, 7.0, True, "progression")


def test_sacrifice_for_size_is_a_doubling_already() -> None:
    volume = [200.0, 300.0, np.nan]
    chosen = {"variant": "doubling", "left_reason": "size", "left_day": 12.0}
    assert only(found(volume, DAYS[:3], **chosen)) == (7.0, 7.0, np.inf, False, "size")
    by_size = found(volume, DAYS[:3], size_limit_mm3=1500.0, **chosen)
    assert only(by_size) == (12.0, 7.0, 12.0, True, "progression")
    # A limit below twice the baseline proves nothing, and other reasons nothing about size.
    assert only(found(volume, DAYS[:3], size_limit_mm3=390.0, **chosen))[3:] == (False, "size")
    other = chosen | {"left_reason": "body_weight"}
    assert only(found(volume, DAYS[:3], size_limit_mm3=1500.0, **other))[3:] == (False, "body_weight")


def test_codes_of_a_trial_are_read_by_its_own_words() -> None:
    assert list(reasons_of_codes([0, 1, 2])) == ["study_end", "size", "removed"]
    assert list(reasons_of_codes([1, 0], "death study_end")) == ["study_end", "death"]
    with pytest.raises(ValueError, match=r"0 \.\. 2"):
        reasons_of_codes([3])


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"variant": "irecist"}, "doubling, recist_volume, baseline_volume"),
        ({"timing": "midpoint"}, "interpolated_linear"),
        ({"endpoint": "OS"}, "TTP, PFS, TTF"),
        ({"left_reason": "bored"}, "study_end, size"),
        ({"variant": "doubling", "doubling": None}, "names the convention"),
        ({"floor": None}, "MOUSE_FLOOR"),
        ({"variant": "baseline_volume", "floor": MOUSE_FLOOR}, "by no other"),
        ({"left_day": 3.0}, "not before the last visit"),
        ({"size_limit_mm3": 0.0}, "size_limit_mm3"),
    ],
)
def test_what_cannot_be_is_refused(chosen: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        found(FALLING_THEN_GROWING, **chosen)


@pytest.mark.parametrize("volume", [[200.0, -1, 3, 4, 5], [200.0, np.inf, 3, 4, 5]])
def test_impossible_volumes_are_refused(volume: list[float]) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        found(volume)


def test_days_in_disorder_are_refused() -> None:
    with pytest.raises(ValueError, match="order of day"):
        found(FALLING_THEN_GROWING, [0.0, 14, 7, 21, 28])


def slow_recist(day: Floats, volume: NDArray[Any], floor_mm3: float) -> tuple[float, bool]:
    nadir, last = volume[0], 0.0
    for d, v in zip(day[1:], volume[1:], strict=True):
        if np.isnan(v):
            return last, False
        if v >= 1.728 * nadir and v >= floor_mm3:
            return d, True
        nadir, last = min(nadir, v), d
    return last, False


def test_nadir_progression_as_read_out_one_visit_at_a_time() -> None:
    rng = np.random.default_rng(3)
    volume: Floats = np.round(200 * np.exp(np.cumsum(rng.normal(-0.05, 0.5, (400, 15)), axis=1)), 2)
    volume[rng.random(volume.shape) < 0.05] = 0.0
    volume[:, 0] = 200.0
    volume[np.arange(400)[:, None] % 6 + 9 < np.arange(15)] = np.nan
    day: Floats = 3.5 * np.arange(15.0)
    result = found(volume, day)
    expected = [slow_recist(day, v, 30.0) for v in volume]
    assert 40 < sum(event for _, event in expected) < 380
    np.testing.assert_array_equal(result.event, [event for _, event in expected])
    np.testing.assert_array_equal(result.time, [time for time, _ in expected])


def biphasic(kill: Floats, persistent: Floats, day: Floats) -> Floats:
    """Relative volume under treatment: killed cells, a plateau that neither grows nor dies, 1e-4 resistant ones."""
    resistant, growth = 1e-4, 0.05
    killed = (1 - resistant - persistent)[:, None] * np.exp(-kill[:, None] * day)
    return killed + persistent[:, None] + resistant * np.exp(growth * day)


def test_a_deeper_response_can_progress_earlier_by_the_nadir() -> None:
    """Days 154, 132, 84 for plateaus of 30, 9, 0 %; doublings of the baseline at 195, 197, 198: to the day."""
    day = np.arange(0.0, 260.0, 0.25)
    volume = 200 * biphasic(np.full(3, 0.1), np.array([0.30, 0.09, 0.0]), day)
    by_nadir = found(volume, day, floor=NO_FLOOR, timing="interpolated_log").time
    by_doubling = found(volume, day, variant="doubling", timing="interpolated_log").time
    assert by_nadir is not None
    assert by_doubling is not None
    np.testing.assert_allclose(by_nadir, [154, 132, 84], atol=1)
    np.testing.assert_allclose(by_doubling, [195, 197, 198], atol=1)


def test_progression_by_the_nadir_is_not_monotone_in_kill_and_the_others_are() -> None:
    day = np.arange(0.0, 260.0, 0.25)
    kill = np.linspace(0.06, 0.4, 18)
    volume = 200 * biphasic(kill, np.zeros(18), day)
    assert (np.diff(volume, axis=0) <= 0).all()
    by_nadir = found(volume, day, floor=NO_FLOOR, timing="interpolated_log").time
    assert by_nadir is not None
    assert (np.diff(by_nadir) < 0).any()
    assert by_nadir[-1] < by_nadir.max() - 10
    for variant in ("doubling", "baseline_volume"):
        time = found(volume, day, variant=variant, timing="interpolated_log").time
        assert time is not None
        assert (np.diff(time) > -1e-9).all()
    # An absolute floor decides once the nadir lies far below it, and then more kill can only delay.
    with_floor = found(volume, day, floor=MOUSE_FLOOR, timing="interpolated_log").time
    assert with_floor is not None
    assert (np.diff(with_floor) > -1e-9).all()
