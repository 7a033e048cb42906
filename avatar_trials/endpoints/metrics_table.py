"""All scalar metrics of every mouse of a growth table, one row a mouse, with reasons where one is not defined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.endpoints import regrowth, response
from avatar_trials.endpoints.controls import Controls, control_curves
from avatar_trials.endpoints.growth_rates import stein_fojo_of
from avatar_trials.endpoints.inhibition import growth_inhibition_of
from avatar_trials.endpoints.regrowth import DETECTION_LIMIT_MM3, NO_BASELINE, NO_LATER_VISIT, Texts, reasons
from avatar_trials.endpoints.response import Curves
from avatar_trials.endpoints.shape import check_end, contrast_of, curve_shape_of, pair
from avatar_trials.endpoints.tables import mouse_curves, responses

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable

Columns = dict[str, NDArray[Any]]

# What each column of `curve_metrics` holds; the unit is in the name.
CURVE_METRICS = {
    "avatar": "avatar",
    "arm": "arm, drugs in one spelling",
    "mouse": "mouse",
    "n_visits": "visits with a volume",
    "last_day": "day of the last of them",
    "rule": "name of the mRECIST rule",
    "best_response_pct": "best response under the rule, % of baseline",
    "day_best_response": "day it was first reached",
    "best_avg_response_pct": "least running mean of the change under the rule, % of baseline",
    "day_best_avg_response": "day it was first reached",
    "category": "CR, PR, SD, PD; empty where not evaluable",
    "why_no_category": "why not evaluable",
    "sheet_category": "first label by pct_sheet and the published sheet's arrows, a best effort",
    "depth_of_response_pct": "greatest shrinkage after day 0 (or least increase), % of baseline volume",
    "depth_of_response_diameter_pct": "the same in % of a sphere's diameter",
    "why_no_depth": "why there is no depth of response",
    "depth_log10_cells_lower": "log10 ratio of cells, lower bound; differs from upper below detection",
    "depth_log10_cells_upper": "log10 ratio of cells, upper bound",
    "below_detection": "least volume after day 0 below the detection limit",
    "why_no_log10_depth": "why there is no depth in cells",
    "doubling": "name of the time-to-doubling variant",
    "time_to_doubling_days": "day the volume doubled, or the last day where doubled is false",
    "doubled": "false: censored at the last visit",
    "nadir_volume_mm3": "least volume, the baseline included",
    "nadir_change_pct": "the same, % change from baseline",
    "nadir_day": "day it was first read",
    "duration": "name of the definition of duration of response",
    "response_onset_day": "day the response began",
    "response_duration_days": "days to its end, or to the last visit where response_ended is false",
    "response_ended": "false: censored at the last visit",
    "why_no_duration": "why there is no duration",
    "regrowth_rate_per_day": "slope of log volume from the nadir on",
    "why_no_regrowth_rate": "why there is no rate",
    "stein_fojo_model": "g, d, gd or gdphi, the one of least BIC on log volume",
    "growth_per_day": "its growth rate g; NaN for model d",
    "kill_per_day": "its kill rate d; NaN for model g",
    "phi": "its sensitive share; NaN but for model gdphi",
    "stein_fojo_rms": "root mean square of its residuals, log volume",
    "why_no_fit": "why no model was fitted",
    "auc_mm3_day": "trapezoidal area under the volume",
    "mean_volume_mm3": "the same over the last day",
    "slope_mm3_per_day": "least-squares line through the baseline",
    "angle_deg": "atan of that slope",
    "why_no_shape": "why there is no area and slope",
    "n_control": "control mice of the avatar with a baseline",
    "end": "name of the way curves are cut at the common end with the control",
    "common_end_day": "last day that mouse and control both reach",
    "angle_between_deg": "angle of the control less the mouse's, to the common end",
    "area_between_mm3_day": "area under the control less that under the mouse, to the common end",
    "mean_difference_mm3": "the same over the days (Xeva's ABC)",
    "why_no_contrast": "why the mouse cannot be compared with a control",
    "tgi_delta_volume_pct": "growth inhibition, 100 (1 - dT / dC)",
    "why_no_tgi_delta_volume": "why not defined",
    "tgi_rtv_pct": "growth inhibition, 100 (1 - RTV T / RTV C)",
    "why_no_tgi_rtv": "why not defined",
    "tgi_auc_rtv_pct": "growth inhibition, 100 (1 - area under RTV of T / of C)",
    "why_no_tgi_auc_rtv": "why not defined",
    "tgi_xeva_ratio": "function TGI of Xeva, (C - T) / (C0 - T0)",
    "why_no_tgi_xeva": "why not defined",
}
TGI_COLUMNS = {
    "delta_volume": "tgi_delta_volume_pct",
    "rtv": "tgi_rtv_pct",
    "auc_rtv": "tgi_auc_rtv_pct",
    "xeva": "tgi_xeva_ratio",
}


def curve_metrics(
    table: GrowthTable,
    *,
    rule: str,
    doubling: str,
    control: str = "untreated",
    duration: str = "recist_volume",
    end: str = "interpolated",
    detection_limit_mm3: float = DETECTION_LIMIT_MM3,
) -> pd.DataFrame:
    """One row a mouse, in the order of the table, with the columns of CURVE_METRICS, which tells what they hold.

    A number that is not defined is NaN, and the next column that starts with `why_no` says why; "" there
    means defined. A mouse is compared with the mean curve of its avatar's mice in arm `control`
    (`controls.control_curves`). ValueError for an unknown rule or variant, or a detection limit that is not positive.
    """
    regrowth.check_duration(duration)
    check_end(end)
    mice, day, volume = mouse_curves(table)
    curves = response.relative_curves(day, volume)
    controls = control_curves(mice, day, volume, control)
    unmatched = reasons(
        (controls.is_control, "a control mouse"),
        (controls.row < 0, "no control mouse of this avatar with a baseline"),
    )
    called = responses(day, volume, rule, doubling)
    columns = {
        **{name: mice[name].to_numpy() for name in ("avatar", "arm", "mouse")},
        **called,
        "why_no_category": _why_no_category(
            response.curves_under(rule, day, volume), called["category"], rule
        ),
        **_depth(curves, detection_limit_mm3),
        **_course(curves, duration, detection_limit_mm3),
        **_rates(curves, detection_limit_mm3),
        **_against(curves, controls, unmatched, end),
        **{name: np.full(len(mice), value) for name, value in (("rule", rule), ("doubling", doubling))},
    }
    return pd.DataFrame({name: columns[name] for name in CURVE_METRICS})


def _why_no_category(called: Curves, category: Texts, rule: str) -> Texts:
    needed = f"fewer than {response.XEVA_VISITS} visits" if rule == "xeva" else "no visit"
    return reasons(
        (category != "", ""),
        (~called.seen[..., 0], NO_BASELINE),
        (called.last == 0, NO_LATER_VISIT),
        (category == "", f"{needed} on day {response.TEXT_FIRST_DAY:g} or later"),
    )


def _depth(curves: Curves, detection_limit_mm3: float) -> Columns:
    depth = response.depth_of_response_of(curves)
    cells = regrowth.cell_depth_of(curves, detection_limit_mm3=detection_limit_mm3)
    return {
        "sheet_category": regrowth.sheet_category_of(curves),
        "depth_of_response_diameter_pct": response.volume_to_diameter_pct(depth),
        "why_no_depth": reasons((~curves.seen[..., 0], NO_BASELINE), (curves.last == 0, NO_LATER_VISIT)),
        "depth_log10_cells_lower": cells.lower,
        "depth_log10_cells_upper": cells.upper,
        "below_detection": cells.below_detection,
        "why_no_log10_depth": cells.why,
    }


def _course(curves: Curves, duration: str, detection_limit_mm3: float) -> Columns:
    lowest = regrowth.nadir_of(curves)
    lasted = regrowth.duration_of_response_of(curves, duration, detection_limit_mm3=detection_limit_mm3)
    rate, why_no_rate = regrowth.regrowth_rate_of(curves, detection_limit_mm3=detection_limit_mm3)
    shape = curve_shape_of(curves)
    return {
        "nadir_volume_mm3": lowest.volume_mm3,
        "nadir_change_pct": lowest.change_pct,
        "nadir_day": lowest.day,
        "duration": np.full(lasted.days.shape, lasted.variant),
        "response_onset_day": lasted.onset_day,
        "response_duration_days": lasted.days,
        "response_ended": lasted.ended,
        "why_no_duration": lasted.why,
        "regrowth_rate_per_day": rate,
        "why_no_regrowth_rate": why_no_rate,
        "auc_mm3_day": shape.auc_mm3_day,
        "mean_volume_mm3": shape.mean_volume_mm3,
        "slope_mm3_per_day": shape.slope_mm3_per_day,
        "angle_deg": shape.angle_deg,
        "why_no_shape": shape.why,
    }


def _rates(curves: Curves, detection_limit_mm3: float) -> Columns:
    fitted = stein_fojo_of(curves, scale="log", detection_limit_mm3=detection_limit_mm3)
    return {
        "stein_fojo_model": fitted.model,
        "growth_per_day": fitted.growth_per_day,
        "kill_per_day": fitted.kill_per_day,
        "phi": fitted.phi,
        "stein_fojo_rms": fitted.rms_residual,
        "why_no_fit": fitted.why,
    }


def _against(curves: Curves, controls: Controls, unmatched: Texts, end: str) -> Columns:
    theirs = response.relative_curves(controls.day[controls.row], controls.volume_mm3[controls.row])
    both = pair(curves, theirs, end)
    between = contrast_of(both)
    told: Columns = {
        "common_end_day": between.end_day,
        "angle_between_deg": between.angle_between_deg,
        "area_between_mm3_day": between.area_between_mm3_day,
        "mean_difference_mm3": between.mean_difference_mm3,
        "why_no_contrast": between.why,
    }
    for variant, name in TGI_COLUMNS.items():
        told[name], told[f"why_no_tgi_{variant}"] = growth_inhibition_of(both, variant)
    kept = unmatched == ""
    for name, value in told.items():
        told[name] = np.where(kept, value, unmatched if name.startswith("why_no") else np.nan)
    told["n_control"] = controls.n_mice
    told["end"] = np.full(len(kept), between.end)
    return told
