"""Nadir, depth in cells, duration, regrowth, shape and growth inhibition of one mouse, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from avatar_trials import endpoints
from avatar_trials.endpoints import inhibition as growth_inhibition
from avatar_trials.endpoints import regrowth
from avatar_trials.endpoints import shape as curve_shape
from avatar_trials.endpoints.metrics_table import CURVE_METRICS, curve_metrics
from avatar_trials.endpoints.response import relative_curves
from avatar_trials.intake import GrowthTable

EXACT = 1e-12  # Hand-worked numbers in double precision.
DAYS = [0.0, 7.0, 14.0, 21.0, 28.0]
VANISHED = [200.0, 50.0, 0.0, 0.0, 60.0]


def a_table(*mice: tuple[str, str, list[float], list[float]]) -> GrowthTable:
    rows = pd.DataFrame(
        [
            (avatar, arm, f"m{i}", day, volume)
            for i, (avatar, arm, days, volumes) in enumerate(mice)
            for day, volume in zip(days, volumes, strict=True)
        ],
        columns=["avatar", "arm", "mouse", "day", "volume_mm3"],
    )
    avatars = pd.DataFrame({"tumor_type": ""}, index=pd.Index(rows["avatar"].unique(), name="avatar"))
    return GrowthTable(rows, avatars, (), "by hand", "", False)


def test_30_percent_of_diameter_is_65_7_percent_of_volume() -> None:
    # A sphere of 10 mm and one of 7 mm.
    volume = [math.pi / 6 * d**3 for d in (10.0, 7.0, 12.0)]
    change = 100 * (volume[1] / volume[0] - 1)
    assert change == pytest.approx(-65.7, abs=1e-3)
    assert pytest.approx(-65.7, abs=1e-3) == regrowth.RECIST_RESPONSE_PCT
    assert endpoints.volume_to_diameter_pct(change) == pytest.approx(-30.0, abs=1e-10)
    assert pytest.approx(volume[2] / volume[0], abs=1e-12) == regrowth.RECIST_PROGRESSION_FACTOR
    assert endpoints.volume_to_diameter_pct(72.8) == pytest.approx(20.0, abs=1e-3)


def test_nadir_counts_the_baseline_and_tells_both_its_days() -> None:
    lowest = regrowth.nadir(
        DAYS, [VANISHED, [100.0, 110.0, 120.0, 130.0, np.nan], [100.0, 80.0, 80.0, 90.0, 95.0]]
    )
    assert list(lowest.volume_mm3) == [0.0, 100.0, 80.0]
    assert lowest.change_pct == pytest.approx([-100.0, 0.0, -20.0], abs=EXACT)
    assert list(lowest.day) == [14.0, 0.0, 7.0]
    assert list(lowest.last_day) == [21.0, 0.0, 14.0]


def test_depth_in_cells_is_an_interval_below_detection() -> None:
    depth = regrowth.cell_depth(
        DAYS, [VANISHED, [200.0, 100.0, 20.0, 40.0, 80.0], [200.0, 250.0, 400.0, 500.0, 600.0]]
    )
    # 200 mm3 are 2e8 cells; 15 mm3 are 1.5e7, and no more than one cell is 10^0.
    assert depth.lower == pytest.approx([-math.log10(2e8), -1.0, math.log10(1.25)], abs=EXACT)
    assert depth.upper == pytest.approx([math.log10(15 / 200), -1.0, math.log10(1.25)], abs=EXACT)
    assert list(depth.below_detection) == [True, False, False]
    sparse = regrowth.cell_depth(DAYS, VANISHED, cells_per_mm3=1e5, detection_limit_mm3=30.0)
    assert float(sparse.lower) == pytest.approx(-math.log10(2e7), abs=EXACT)
    assert float(sparse.upper) == pytest.approx(math.log10(30 / 200), abs=EXACT)
    assert (sparse.cells_per_mm3, sparse.detection_limit_mm3) == (1e5, 30.0)


@pytest.mark.parametrize(
    ("days", "volume", "why"),
    [
        ([0.0, 7.0], [10.0, 5.0], "baseline below the detection limit"),
        ([0.0], [200.0], "no visit after the baseline"),
        ([7.0, 14.0], [200.0, 100.0], "no positive baseline volume at day 0"),
        ([0.0, 7.0], [0.0, 100.0], "no positive baseline volume at day 0"),
    ],
)
def test_depth_in_cells_says_why_not(days: list[float], volume: list[float], why: str) -> None:
    depth = regrowth.cell_depth(days, volume)
    assert np.isnan([depth.lower, depth.upper]).all()
    assert not depth.below_detection
    assert depth.why == why


def test_regrowth_from_zero_starts_at_the_first_measurable_volume() -> None:
    days = [0.0, 7.0, 14.0, 21.0, 28.0, 35.0]
    back = [200.0, 50.0, 0.0, 0.0, 40.0, 40.0 * math.exp(0.7)]
    rate, why = regrowth.regrowth_rate(days, back)
    assert (float(rate), str(why)) == (pytest.approx(0.1, abs=EXACT), "")
    # A reading of 5 mm3 is below the detection limit and says nothing of a rate.
    faint, _ = regrowth.regrowth_rate(days, [200.0, 50.0, 0.0, 5.0, *back[4:]])
    assert float(faint) == float(rate)
    # One measurable volume, or none: no rate.
    rate, why = regrowth.regrowth_rate(days[:5], back[:5])
    assert (np.isnan(rate), str(why)) == (True, "fewer than two measurable visits from the nadir on")
    rate, why = regrowth.regrowth_rate(days[:4], back[:4])
    assert (np.isnan(rate), str(why)) == (True, "no visit after the nadir")


def test_regrowth_rate_is_the_slope_of_log_volume_from_the_nadir() -> None:
    days = np.array([0.0, 3.0, 9.0, 15.0, 20.0, 30.0])
    volume = np.array([200.0, 90.0, 60.0, 75.0, 140.0, 260.0])
    rate, _ = regrowth.regrowth_rate(days, volume)
    assert float(rate) == pytest.approx(np.polyfit(days[2:], np.log(volume[2:]), 1)[0], rel=1e-10)
    growing, _ = regrowth.regrowth_rate(days, 100 * np.exp(0.05 * days))
    assert float(growing) == pytest.approx(0.05, abs=EXACT)


def test_duration_of_response_by_hand() -> None:
    days = [0.0, 7.0, 14.0, 21.0, 28.0, 35.0]
    #                  -50 %  -70 %  -80 %  -66 %  -65 %
    volume = [200.0, 100.0, 60.0, 40.0, 68.0, 70.0]
    lasted = regrowth.duration_of_response(days, volume, "recist_volume")
    # 1.728 x 40 = 69.12: reached on day 35, not on day 28.
    assert (float(lasted.onset_day), float(lasted.days), bool(lasted.ended)) == (14.0, 21.0, True)
    censored = regrowth.duration_of_response(days[:5], volume[:5], "recist_volume")
    assert (float(censored.days), bool(censored.ended)) == (14.0, False)
    half = regrowth.duration_of_response(days, [200.0, 100.0, 60.0, 40.0, 100.0, 70.0], "below_half")
    assert (float(half.onset_day), float(half.days), bool(half.ended)) == (14.0, 14.0, True)
    none = regrowth.duration_of_response(days, [200.0, 100.0, 120.0, 140.0, 168.0, 170.0], "recist_volume")
    assert (np.isnan(none.days), str(none.why)) == (True, "no response")


def test_a_response_from_nothing_ends_only_at_a_measurable_volume() -> None:
    days = [0.0, 7.0, 14.0, 21.0, 28.0]
    lasted = regrowth.duration_of_response(days, [200.0, 0.0, 5.0, 29.0, 31.0], "recist_volume")
    assert (float(lasted.onset_day), float(lasted.days), bool(lasted.ended)) == (7.0, 21.0, True)
    lower = regrowth.duration_of_response(
        days, [200.0, 0.0, 5.0, 29.0, 31.0], "recist_volume", detection_limit_mm3=2.5
    )
    assert float(lower.days) == 7.0


def test_a_diameter_30_percent_smaller_is_a_response_whatever_the_rounding() -> None:
    diameters = np.linspace(5.0, 12.0, 500)
    volume = np.pi / 6 * np.stack([diameters**3, (0.7 * diameters) ** 3], axis=-1)
    lasted = regrowth.duration_of_response([0.0, 7.0], volume, "recist_volume")
    assert (lasted.onset_day == 7.0).all()


@pytest.mark.parametrize(
    ("days", "volume", "category"),
    [
        ([0, 7, 14, 21, 28, 35], [100, 60, 40, 30, 40, 60], "PR"),  # 30 points above the least: none yet
        ([0, 7, 14, 21, 28, 35], [100, 60, 40, 30, 40, 66], "PR-->PD"),  # 36 points
        ([0, 7, 14, 28, 56, 70], [100, 60, 40, 30, 40, 66], "PR-->-->PD"),  # the same after day 66
        ([0, 7, 14, 21, 28, 35], [100, 20, 110, 115, 112, 120], "SD"),  # the dip is before day 10
        ([0, 7, 14, 21, 28, 35], [100, 200, 300, 400, 500, 600], "PD"),
        ([0, 7, 14, 21, 28, 35], [100, 0, 0, 0, 0, 40], "CR-->PD"),
        ([7, 14], [100, 50], ""),
    ],
)
def test_arrows_by_hand(days: list[float], volume: list[float], category: str) -> None:
    assert regrowth.sheet_category(days, volume) == category


def test_area_slope_and_angle_by_hand() -> None:
    shape = curve_shape.curve_shape([0.0, 2.0, 6.0], [100.0, 120.0, 80.0])
    # (100 + 120) / 2 * 2 + (120 + 80) / 2 * 4, then over 6 days.
    assert float(shape.auc_mm3_day) == pytest.approx(620.0, abs=EXACT)
    assert float(shape.mean_volume_mm3) == pytest.approx(620.0 / 6, abs=EXACT)
    # (2 * 20 + 6 * -20) / (4 + 36)
    assert float(shape.slope_mm3_per_day) == pytest.approx(-2.0, abs=EXACT)
    assert float(shape.angle_deg) == pytest.approx(math.degrees(math.atan(-2.0)), abs=EXACT)


def test_slope_is_the_least_squares_line_through_the_baseline() -> None:
    rng = np.random.Generator(np.random.Philox(3))
    day = np.cumsum(rng.integers(1, 6, (20, 9)), axis=-1).astype(float)
    day -= day[:, :1]
    volume = rng.uniform(50, 800, (20, 9))
    found = curve_shape.curve_shape(day, volume)
    for i in range(20):
        slope = np.linalg.lstsq(day[i][:, None], volume[i] - volume[i, 0], rcond=None)[0][0]
        assert found.slope_mm3_per_day[i] == pytest.approx(slope, rel=1e-12)
        assert found.auc_mm3_day[i] == pytest.approx(np.trapezoid(volume[i], day[i]), rel=1e-12)


def test_angle_between_lines_of_60_and_15_degrees() -> None:
    days = np.array([0, 3, 7, 11, 18, 22, 26, 30, 32, 35], dtype=float)
    steep, flat = (100 + days * math.tan(math.radians(angle)) for angle in (60.0, 15.0))
    found = curve_shape.contrast(relative_curves(days, flat), relative_curves(days, steep))
    assert float(found.angle_between_deg) == pytest.approx(45.0, abs=1e-10)
    area = 35**2 / 2 * (math.tan(math.radians(60)) - math.tan(math.radians(15)))
    assert float(found.area_between_mm3_day) == pytest.approx(area, rel=1e-12)
    assert float(found.mean_difference_mm3) == pytest.approx(area / 35, rel=1e-12)


def test_curves_are_cut_at_their_common_end() -> None:
    treated = relative_curves([0.0, 5.0, 15.0], [100.0, 100.0, 200.0])
    control = relative_curves([0.0, 4.0, 10.0], [100.0, 180.0, 300.0])
    cut = curve_shape.cut_at(treated, 8.0, "interpolated")
    assert list(cut.day[cut.seen]) == [0.0, 5.0, 8.0]
    # Three of the ten days from 100 to 200.
    assert list(cut.volume_mm3[cut.seen]) == pytest.approx([100.0, 100.0, 130.0], abs=EXACT)
    assert list(cut.change_pct[cut.seen]) == pytest.approx([0.0, 0.0, 30.0], abs=EXACT)
    found = curve_shape.contrast(treated, control)
    # Control 560 + 1440; treated 500 + 625.
    assert (float(found.end_day), float(found.area_between_mm3_day)) == (
        10.0,
        pytest.approx(875.0, abs=EXACT),
    )
    at_visits = curve_shape.contrast(treated, control, "visits")
    # As Xeva: the treated curve then ends on day 5.
    assert float(at_visits.area_between_mm3_day) == pytest.approx(2000.0 - 500.0, abs=EXACT)
    assert float(at_visits.mean_difference_mm3) == pytest.approx(200.0 - 100.0, abs=EXACT)
    assert (found.end, at_visits.end) == ("interpolated", "visits")
    # A visit on the very day is kept as it is.
    same = curve_shape.cut_at(control, 10.0, "interpolated")
    assert list(same.volume_mm3[same.seen]) == [100.0, 180.0, 300.0]


def inhibition(treated: list[float], control: list[float], variant: str) -> tuple[float, str]:
    days = [0.0, 10.0]
    value, why = growth_inhibition.growth_inhibition(days, treated, days, control, variant)
    return float(value), str(why)


def test_growth_inhibition_by_hand() -> None:
    treated, control = [100.0, 150.0], [200.0, 800.0]
    assert inhibition(treated, control, "delta_volume") == (
        pytest.approx(100 * (1 - 50 / 600), abs=EXACT),
        "",
    )
    assert inhibition(treated, control, "rtv") == (pytest.approx(100 * (1 - 1.5 / 4), abs=EXACT), "")
    assert inhibition(treated, control, "auc_rtv") == (pytest.approx(100 * (1 - 12.5 / 25), abs=EXACT), "")
    assert inhibition(treated, control, "xeva") == (pytest.approx(650 / 100, abs=EXACT), "")
    # A shrunken tumour is inhibited by more than 100 % of the control's growth.
    assert inhibition([100.0, 0.0], control, "delta_volume")[0] == pytest.approx(
        100 * (1 + 100 / 600), abs=EXACT
    )
    assert inhibition([100.0, 0.0], control, "rtv")[0] == 100.0


@pytest.mark.parametrize(
    ("treated", "control", "variant", "why"),
    [
        ([100.0, 150.0], [200.0, 200.0], "delta_volume", "the control has not grown"),
        ([100.0, 150.0], [200.0, 100.0], "delta_volume", "the control has not grown"),
        ([100.0, 150.0], [200.0, 0.0], "rtv", "the control has vanished"),
        ([200.0, 150.0], [200.0, 800.0], "xeva", "both start at one volume"),
        ([0.0, 150.0], [200.0, 800.0], "rtv", "no positive baseline volume at day 0"),
        ([100.0, 150.0], [0.0, 800.0], "auc_rtv", "control: no positive baseline volume at day 0"),
        ([100.0, np.nan], [200.0, 800.0], "rtv", "no visit after the baseline"),
        ([100.0, 150.0], [200.0, np.nan], "xeva", "control: no visit after the baseline"),
    ],
)
def test_growth_inhibition_says_when_it_is_not_defined(
    treated: list[float], control: list[float], variant: str, why: str
) -> None:
    value, reason = inhibition(treated, control, variant)
    assert (np.isnan(value), reason) == (True, why)


def test_visits_only_before_the_common_end_leave_nothing_to_compare() -> None:
    treated, control = (
        relative_curves([0.0, 20.0], [100.0, 150.0]),
        relative_curves([0.0, 5.0], [100.0, 150.0]),
    )
    found = curve_shape.contrast(treated, control, "visits")
    assert np.isnan(found.angle_between_deg)
    assert found.why == "no visit after the baseline before the common end"
    assert curve_shape.contrast(treated, control).why == ""


def test_a_mouse_is_compared_with_the_mean_of_its_avatars_controls() -> None:
    table = a_table(
        ("A", "untreated", [0, 10, 20], [100, 300, 500]),
        ("A", "untreated", [0, 5, 10], [300, 400, 500]),
        ("A", "drug", [0, 10, 20], [100, 100, 100]),
        ("B", "drug", [0, 10], [100, 200]),
        ("C", "untreated", [7, 14], [100, 200]),
        ("C", "drug", [0, 10], [100, 200]),
    )
    metrics = curve_metrics(table, rule="gao2015_text", doubling="pct_sheet").set_index("mouse")
    assert list(metrics["n_control"]) == [2, 2, 2, 0, 0, 0]
    assert list(metrics["why_no_contrast"]) == ["a control mouse"] * 2 + [""] + [
        "no control mouse of this avatar with a baseline", "a control mouse",
        "no control mouse of this avatar with a baseline",
    ]  # fmt: skip
    drug = metrics.loc["m2"]
    # Mean control, to the day both mice reach: 200, 300, 400 on days 0, 5, 10.
    assert drug["common_end_day"] == 10.0
    assert drug["area_between_mm3_day"] == pytest.approx(3000.0 - 1000.0, abs=1e-9)
    assert drug["tgi_delta_volume_pct"] == 100.0
    assert drug["tgi_rtv_pct"] == 50.0
    assert drug["tgi_xeva_ratio"] == pytest.approx(3.0, abs=EXACT)
    assert metrics.loc[["m0", "m1", "m3", "m4", "m5"], "tgi_rtv_pct"].isna().all()
    assert (metrics.drop("m2")["why_no_tgi_rtv"] == metrics.drop("m2")["why_no_contrast"]).all()


def test_the_table_names_every_definition_and_says_why_not() -> None:
    table = a_table(
        ("A", "drug", [0, 4, 12], [100, 40, 30]),
        ("A", "dud", [0, 4], [100, 90]),
        ("A", "late", [3, 9], [100, 40]),
    )
    metrics = curve_metrics(table, rule="xeva", doubling="log_linear", duration="below_half", end="visits")
    assert list(metrics) == list(CURVE_METRICS)
    for name, value in (
        ("rule", "xeva"),
        ("doubling", "log_linear"),
        ("duration", "below_half"),
        ("end", "visits"),
    ):
        assert (metrics[name] == value).all()
    assert list(metrics["why_no_category"]) == [
        "fewer than 2 visits on day 10 or later", "fewer than 2 visits on day 10 or later",
        "no positive baseline volume at day 0",
    ]  # fmt: skip
    assert list(metrics["response_duration_days"][:1]) == [8.0]
    assert list(metrics["depth_of_response_diameter_pct"][:2]) == pytest.approx(
        [100 * (0.3 ** (1 / 3) - 1), 100 * (0.9 ** (1 / 3) - 1)]
    )


def test_the_cubic_millimetre_of_rule_xeva_stays_out_of_depth_and_doubling() -> None:
    table = a_table(("A", "drug", [0, 7, 14, 21], [0.0, 0.0, 0.2, 1.5]))
    mouse = curve_metrics(table, rule="xeva", doubling="log_linear").iloc[0]
    assert (mouse["category"], mouse["why_no_category"]) == ("SD", "")
    assert np.isnan(
        [mouse["depth_of_response_pct"], mouse["time_to_doubling_days"], mouse["auc_mm3_day"]]
    ).all()
    assert not mouse["doubled"]
    assert mouse["why_no_depth"] == mouse["why_no_shape"] == "no positive baseline volume at day 0"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rule": "recist"}, "gao2015_text, pct_sheet, xeva"),
        ({"doubling": "linear"}, "pct_sheet, log_linear"),
        ({"duration": "long"}, "recist_volume, below_half"),
        ({"end": "last"}, "interpolated, visits"),
        ({"detection_limit_mm3": 0.0}, "received 0.0"),
        ({"detection_limit_mm3": float("nan")}, "received nan"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(change: dict[str, object], match: str) -> None:
    table = a_table(("A", "drug", [0, 4, 12], [100, 40, 30]))
    with pytest.raises(ValueError, match=match):
        curve_metrics(table, **{"rule": "xeva", "doubling": "pct_sheet", **change})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="delta_volume, rtv, auc_rtv, xeva"):
        growth_inhibition.growth_inhibition([0, 1], [1, 2], [0, 1], [1, 2], "tgi")
    with pytest.raises(ValueError, match="more than one cell"):
        regrowth.cell_depth([0, 1], [100, 50], cells_per_mm3=0.0)


def test_an_empty_table_has_no_rows_and_all_columns() -> None:
    table = a_table(("A", "drug", [0, 4, 12], [100, 40, 30]))
    empty = GrowthTable(table.rows.iloc[:0], table.avatars.iloc[:0], (), "empty", "", False)
    metrics = curve_metrics(empty, rule="xeva", doubling="pct_sheet")
    assert (list(metrics), len(metrics)) == (list(CURVE_METRICS), 0)
