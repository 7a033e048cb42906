"""What must hold of the metrics of one mouse whatever the curves are."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avatar_trials import endpoints
from avatar_trials.endpoints import growth_rates as stein_fojo
from avatar_trials.endpoints import inhibition as growth_inhibition
from avatar_trials.endpoints import regrowth, response
from avatar_trials.endpoints import shape as curve_shape
from avatar_trials.endpoints.metrics_table import CURVE_METRICS, curve_metrics
from avatar_trials.intake import GrowthTable

Floats = NDArray[np.float64]
LIMIT_MM3 = 16.0  # a power of two, so that rescaling moves not a bit


@st.composite
def curves(draw: st.DrawFn, max_visits: int = 12) -> tuple[Floats, Floats]:
    """Days from 0 and volumes of one mouse, with zeros and repeats, sometimes of the baseline alone."""
    n = draw(st.integers(1, max_visits))
    gaps = draw(st.lists(st.integers(1, 9), min_size=n - 1, max_size=n - 1))
    first = draw(st.integers(0, 400))
    rest = draw(st.lists(st.integers(0, 2000), min_size=n - 1, max_size=n - 1))
    return np.concatenate([[0.0], np.cumsum(gaps)]), np.array([first, *rest], dtype=float)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Rows of a few avatars with mice in two arms and the control."""
    mice = draw(st.lists(curves(), min_size=1, max_size=8))
    rows = []
    for i, (day, volume) in enumerate(mice):
        avatar, arm = draw(st.sampled_from("AB")), draw(st.sampled_from(["untreated", "x", "y"]))
        rows += [(avatar, arm, f"m{i}", d, v) for d, v in zip(day, volume, strict=True)]
    return pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])


def metrics_of(rows: pd.DataFrame, **options: Any) -> pd.DataFrame:
    avatars = pd.DataFrame({"tumor_type": ""}, index=pd.Index(rows["avatar"].unique(), name="avatar"))
    table = GrowthTable(rows.reset_index(drop=True), avatars, (), "made up", "", False)
    options = {"rule": "pct_sheet", "doubling": "pct_sheet", "detection_limit_mm3": LIMIT_MM3, **options}
    return curve_metrics(table, **options)


def padded(mice: list[tuple[Floats, Floats]], width: int) -> tuple[Floats, Floats]:
    day, volume = np.full((len(mice), width), np.nan), np.full((len(mice), width), np.nan)
    for i, (days, volumes) in enumerate(mice):
        day[i, : len(days)], volume[i, : len(days)] = days, volumes
    return day, volume


def everything(day: Floats, volume: Floats, control_day: Floats, control: Floats) -> list[Any]:
    results: list[Any] = [
        regrowth.nadir(day, volume),
        regrowth.cell_depth(day, volume, detection_limit_mm3=LIMIT_MM3),
        *(regrowth.duration_of_response(day, volume, v) for v in regrowth.DURATION_VARIANTS),
        regrowth.regrowth_rate(day, volume),
        regrowth.sheet_category(day, volume),
        curve_shape.curve_shape(day, volume),
        *(
            growth_inhibition.growth_inhibition(day, volume, control_day, control, v)
            for v in growth_inhibition.TGI_VARIANTS
        ),
    ]
    both = response.relative_curves(day, volume), response.relative_curves(control_day, control)
    results += [curve_shape.contrast(*both, end) for end in curve_shape.END_VARIANTS]
    flat: list[Any] = []
    for result in results:
        if isinstance(result, tuple):
            flat += result
        elif hasattr(result, "__dataclass_fields__"):
            flat += [getattr(result, f.name) for f in fields(result)]
        else:
            flat.append(result)
    return [np.asarray(x) for x in flat if type(x) not in (str, float)]


def assert_alike(ours: Any, theirs: Any) -> None:
    """Equal, numbers up to the order in which sums are taken."""
    if np.asarray(ours).dtype.kind == "f":
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)
    else:
        np.testing.assert_array_equal(ours, theirs)


@given(tables(), st.sampled_from(endpoints.RULES), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_the_rows_of_mice_does_not_matter(rows: pd.DataFrame, rule: str, random: Any) -> None:
    groups = [group for _, group in rows.groupby(["avatar", "arm", "mouse"], sort=False)]
    random.shuffle(groups)
    first, second = metrics_of(rows, rule=rule), metrics_of(pd.concat(groups), rule=rule)
    key = ["avatar", "arm", "mouse"]
    pd.testing.assert_frame_equal(
        first.sort_values(key, ignore_index=True), second.sort_values(key, ignore_index=True), rtol=1e-9
    )


@given(tables(), st.integers(-4, 6))
@settings(max_examples=60)
def test_only_columns_in_mm3_change_with_the_unit_of_volume(rows: pd.DataFrame, power: int) -> None:
    factor = 2.0**power
    ours = metrics_of(rows)
    theirs = metrics_of(
        rows.assign(volume_mm3=rows["volume_mm3"] * factor), detection_limit_mm3=LIMIT_MM3 * factor
    )
    for name in CURVE_METRICS:
        if name.startswith("angle"):
            continue
        if name == "depth_log10_cells_lower":
            # One cell stays one cell: the lower bound knows the unit where the tumour was below detection.
            seen = ~ours["below_detection"]
            np.testing.assert_allclose(ours[name][seen], theirs[name][seen], rtol=1e-12)
        elif "mm3" in name:
            np.testing.assert_array_equal(ours[name] * factor, theirs[name], err_msg=name)
        elif pd.api.types.is_float_dtype(ours[name]):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-9, atol=1e-12, err_msg=name)
        else:
            assert (ours[name] == theirs[name]).all(), name


@given(st.lists(curves(), min_size=1, max_size=5), curves(), st.integers(1, 4), st.booleans())
def test_visits_that_never_took_place_change_nothing(
    mice: list[tuple[Floats, Floats]], control: tuple[Floats, Floats], extra: int, planned: bool
) -> None:
    day, volume = padded(mice, 12)
    nothing = np.full((len(mice), extra), np.nan)
    later = np.nanmax(day, axis=1, keepdims=True) + 1.0 + np.arange(extra) if planned else nothing
    more_day, more_volume = np.concatenate([day, later], axis=1), np.concatenate([volume, nothing], axis=1)
    for ours, theirs in zip(
        everything(day, volume, *control), everything(more_day, more_volume, *control), strict=True
    ):
        if ours.ndim == 1:
            assert_alike(ours, theirs)


@given(st.lists(curves(), min_size=1, max_size=5), curves())
def test_many_mice_at_once_are_the_mice_one_by_one(
    mice: list[tuple[Floats, Floats]], control: tuple[Floats, Floats]
) -> None:
    day, volume = padded(mice, 12)
    together = everything(day[:, None, :], volume[:, None, :], *control)
    for i, (days, volumes) in enumerate(mice):
        for many, one in zip(together, everything(days, volumes, *control), strict=True):
            assert_alike(many[i, 0], one)


@given(st.lists(curves(), min_size=1, max_size=6), st.sampled_from([*stein_fojo.MODELS, "least_bic"]))
@settings(max_examples=40)
def test_a_fit_does_not_depend_on_its_neighbours(mice: list[tuple[Floats, Floats]], model: str) -> None:
    together = stein_fojo.stein_fojo(*padded(mice, 12), model=model)
    for i, (days, volumes) in enumerate(mice):
        alone = stein_fojo.stein_fojo(days, volumes, model=model)
        assert (together.model[i], together.why[i]) == (alone.model, alone.why)
        for name in ("growth_per_day", "kill_per_day", "phi", "rms_residual"):
            np.testing.assert_allclose(getattr(together, name)[i], getattr(alone, name), rtol=1e-6)


@given(tables(), st.sampled_from(endpoints.RULES), st.sampled_from(curve_shape.END_VARIANTS))
@settings(max_examples=80)
def test_a_number_is_told_or_its_absence_is(rows: pd.DataFrame, rule: str, end: str) -> None:
    metrics = metrics_of(rows, rule=rule, end=end)
    columns = [str(name) for name in metrics]
    for i, name in enumerate(columns):
        if not pd.api.types.is_float_dtype(metrics[name]) or name in (
            "growth_per_day",
            "kill_per_day",
            "phi",
        ):
            continue
        assert not np.isinf(metrics[name]).any(), name
        reason = metrics[next(later for later in columns[i:] if later.startswith("why_no"))]
        assert (reason[metrics[name].isna()] != "").all(), name
    for name in ("tgi_delta_volume_pct", "tgi_rtv_pct", "tgi_auc_rtv_pct", "tgi_xeva_ratio", "auc_mm3_day"):
        reason = (
            metrics[columns[columns.index(name) + 1]] if name.startswith("tgi") else metrics["why_no_shape"]
        )
        assert (metrics[name].isna() == (reason != "")).all(), name


@given(curves())
def test_bounds_and_order(curve: tuple[Floats, Floats]) -> None:
    day, volume = curve
    depth = regrowth.cell_depth(day, volume, detection_limit_mm3=LIMIT_MM3)
    assert np.isnan(depth.lower) or depth.lower <= depth.upper
    lowest = regrowth.nadir(day, volume)
    if volume[0] > 0:
        assert lowest.volume_mm3 == volume.min()
        assert lowest.day <= lowest.last_day <= day[-1]
    lasted = regrowth.duration_of_response(day, volume, "recist_volume", detection_limit_mm3=LIMIT_MM3)
    if lasted.why == "":
        assert 0 <= lasted.days <= day[-1] - lasted.onset_day
        assert lasted.ended or lasted.days == day[-1] - lasted.onset_day


@given(curves(), curves(), st.sampled_from(curve_shape.END_VARIANTS))
def test_control_against_treated_is_the_opposite(
    first: tuple[Floats, Floats], second: tuple[Floats, Floats], end: str
) -> None:
    ours, theirs = (response.relative_curves(*curve) for curve in (first, second))
    there, back = curve_shape.contrast(ours, theirs, end), curve_shape.contrast(theirs, ours, end)
    assert (there.why == "") == (back.why == "")
    for name in ("angle_between_deg", "area_between_mm3_day", "mean_difference_mm3"):
        np.testing.assert_array_equal(getattr(there, name), -getattr(back, name))
    same = curve_shape.contrast(ours, ours, end)
    assert same.why != "" or (same.angle_between_deg, same.area_between_mm3_day) == (0.0, 0.0)


@given(curves())
def test_xeva_calls_as_the_text_or_not_at_all(curve: tuple[Floats, Floats]) -> None:
    day, volume = curve[0], np.maximum(curve[1], 1.0)
    late = int((day >= 10).sum())
    for kernel in (endpoints.best_response, endpoints.best_average_response):
        text, xeva = kernel(day, volume, "gao2015_text"), kernel(day, volume, "xeva")
        np.testing.assert_array_equal(xeva, text if late >= 2 else (np.nan, np.nan))
