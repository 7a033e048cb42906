"""Readout of a trial, arm by arm: response rates, depth of response and time to doubling, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from avatar_trials.endpoints import intervals, survival
from avatar_trials.endpoints.arm_outcomes import (
    RATES,
    ArmOutcomes,
    common_horizon,
    emulated_arms,
    observed_arm,
)
from avatar_trials.endpoints.response import volume_to_diameter_pct
from avatar_trials.endpoints.tables import response_table, trial_response

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable

Floats = NDArray[np.float64]

READOUT_COLUMNS = ("arm", "endpoint", "estimate", "lower", "upper", "level", "n", "n_censored", "method")
DEPTH_QUANTILES = {
    "depth_of_response_pct": 0.5,
    "depth_of_response_pct_q25": 0.25,
    "depth_of_response_pct_q75": 0.75,
}
DIAMETER = "depth_of_response_diameter_pct"
DOUBLING = "time_to_doubling_days"
RMST = "RMST_days"
# endpoint, value a replicate, mice a replicate, censored mice a replicate, what the value is
_Summary = tuple[str, Floats, NDArray[np.intp], NDArray[np.intp] | None, str]
ENDPOINTS = (*RATES, *DEPTH_QUANTILES, DIAMETER, DOUBLING, RMST)


def readout_trial(
    trial: xr.Dataset,
    *,
    rule: str,
    doubling: str = "pct_sheet",
    level: float = 0.9,
    tau: float | None = None,
    volume: str = "volume_mm3",
) -> pd.DataFrame:
    """Readout of an emulated trial: one row an arm and endpoint, columns READOUT_COLUMNS.

    estimate: median over the replicate trials; lower, upper: equal-tailed limits that hold at least `level`
    of them. Each replicate is one posterior draw with fresh mice, so the interval carries parameter and
    sampling uncertainty. Rates are over evaluable mice. n and n_censored are medians over the trials. NaN
    where a time is not reached (the method says so). `tau` (days) bounds the restricted mean; by default
    the day to which every arm's curve is known. ValueError for an unknown rule or variant, a level outside
    (0, 1), a `tau` that is not positive.
    """
    intervals.check_level(level)
    arms = emulated_arms(trial_response(trial, rule=rule, doubling=doubling, volume=volume))
    curves = {arm: outcomes.doubling_curve() for arm, outcomes in arms.items()}
    tau, horizon = _horizon(tau, curves)
    interval = (
        f"median and equal-tailed {level:.0%} interval over {trial.sizes['trial']} replicate trials "
        "(a posterior draw and fresh mice each)"
    )
    rows = []
    for arm, outcomes in arms.items():
        n_evaluable, n_depth, n_time = _counts(outcomes)
        censored = outcomes.n_censored
        what = f"share of evaluable mice, mRECIST rule {rule}{_not_evaluable(n_depth - n_evaluable)}"
        summaries: list[_Summary] = [(name, outcomes.rate(name), n_evaluable, None, what) for name in RATES]
        summaries += [
            (
                name,
                intervals.quantile(outcomes.depth_pct, p),
                n_depth,
                None,
                f"{_quantile_name(p)} of mice, volume",
            )
            for name, p in DEPTH_QUANTILES.items()
        ]
        diameter = intervals.quantile(volume_to_diameter_pct(outcomes.depth_pct), 0.5)
        summaries.append((DIAMETER, diameter, n_depth, None, "median of mice, diameter of a sphere"))
        what = f"Kaplan-Meier median, doubling variant {doubling}"
        summaries.append((DOUBLING, survival.median(curves[arm]), n_time, censored, what))
        what = f"restricted mean to tau = {tau:g} d ({horizon}), doubling variant {doubling}"
        summaries.append((RMST, _restricted_mean(curves[arm], tau)[0], n_time, censored, what))
        rows += [_trial_row(arm, summary, level, interval) for summary in summaries]
    return _frame(rows)


def _trial_row(arm: str, summary: _Summary, level: float, interval: str) -> dict[str, Any]:
    endpoint, values, n, n_censored, what = summary
    estimate, lower, upper = intervals.replicate_summary(values, level)
    notes = [what, interval, *_blanks(values), *_share_not_reached(values)]
    censored = np.nan if n_censored is None else float(np.median(n_censored))
    return _row(arm, endpoint, estimate, lower, upper, level, float(np.median(n)), censored, notes)


def readout_observed(
    table: GrowthTable,
    *,
    rule: str,
    doubling: str = "pct_sheet",
    level: float = 0.9,
    tau: float | None = None,
) -> pd.DataFrame:
    """Readout of observed mice: one row an arm and endpoint, columns READOUT_COLUMNS.

    Intervals: Wilson for rates, order statistics (distribution-free) for depth, the log-log Kaplan-Meier
    interval for the median time to doubling, normal for the restricted mean. Mice without a baseline are
    left out. ValueError as `readout_trial`.
    """
    intervals.check_level(level)
    mice = response_table(table, rule=rule, doubling=doubling)
    arms = {str(arm): observed_arm(group) for arm, group in mice.groupby("arm", sort=False, observed=True)}
    curves = {arm: outcomes.doubling_curve() for arm, outcomes in arms.items()}
    tau, horizon = _horizon(tau, curves)
    rows = []
    for arm, outcomes in arms.items():
        counts = _counts(outcomes)
        n_evaluable, n_depth, n_time = (int(n[0]) for n in counts)
        missing = _not_evaluable(counts[1] - counts[0])
        for name in RATES:
            rate = float(outcomes.rate(name)[0])
            lower, upper = intervals.wilson_interval(
                round(np.nan_to_num(rate) * n_evaluable), n_evaluable, level
            )
            notes = [f"share of evaluable mice, mRECIST rule {rule}{missing}", f"Wilson {level:.0%} interval"]
            rows.append(_row(arm, name, rate, lower, upper, level, n_evaluable, np.nan, notes))
        scales: list[tuple[str, float, str, Callable[[Floats], Floats]]] = [
            *((name, p, "volume", np.asarray) for name, p in DEPTH_QUANTILES.items()),
            (DIAMETER, 0.5, "diameter of a sphere", volume_to_diameter_pct),
        ]
        for name, p, scale, convert in scales:
            depth = convert(outcomes.depth_pct[0])
            lower, upper = intervals.order_statistic_interval(depth, p, level)
            notes = [
                f"{_quantile_name(p)} of mice, {scale}",
                f"order-statistic interval, at least {level:.0%}",
            ]
            estimate = float(intervals.quantile(depth, p))
            rows.append(
                _row(arm, name, estimate, lower, upper, level, n_depth, np.nan, notes, "too few mice for")
            )
        censored = float(outcomes.n_censored[0])
        estimate = float(survival.median(curves[arm])[0])
        limits = survival.quantile_interval(curves[arm], 0.5, kind="log-log", level=level)
        notes = [f"Kaplan-Meier median, doubling variant {doubling}", f"log-log {level:.0%} interval"]
        rows.append(
            _row(
                arm,
                DOUBLING,
                estimate,
                float(limits[0][0]),
                float(limits[1][0]),
                level,
                n_time,
                censored,
                notes,
            )
        )
        mean, error = (float(x[0]) for x in _restricted_mean(curves[arm], tau))
        half = float(ndtri(0.5 + level / 2)) * error
        notes = [
            f"restricted mean to tau = {tau:g} d ({horizon}), doubling variant {doubling}",
            f"normal {level:.0%} interval, Greenwood, within 0 and tau",
        ]
        rows.append(
            _row(
                arm, RMST, mean, max(mean - half, 0.0), min(mean + half, tau), level, n_time, censored, notes
            )
        )
    return _frame(rows)


def _counts(outcomes: ArmOutcomes) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    return (
        np.count_nonzero(outcomes.evaluable, axis=-1),
        np.count_nonzero(np.isfinite(outcomes.depth_pct), axis=-1),
        np.count_nonzero(np.isfinite(outcomes.time_days), axis=-1),
    )


def _horizon(tau: float | None, curves: dict[str, survival.KaplanMeier]) -> tuple[float, str]:
    if tau is None:
        return common_horizon(curves.values()), "all curves known to there"
    if not (np.isfinite(tau) and tau > 0):
        raise ValueError(f"tau must be a positive number of days: received {tau}")
    return float(tau), "as asked for"


def _restricted_mean(km: survival.KaplanMeier, tau: float) -> tuple[Floats, Floats]:
    if not tau > 0:
        nothing = np.full(km.time.shape[:-1], np.nan)
        return nothing, nothing
    return survival.restricted_mean(km, tau)


def _not_evaluable(count: NDArray[np.intp]) -> str:
    return f" ({np.median(count):g} not evaluable)" if count.any() else ""


def _quantile_name(probability: float) -> str:
    return "median" if probability == 0.5 else f"{probability:.0%} quantile"


def _blanks(values: Floats) -> list[str]:
    blank = int(np.count_nonzero(np.isnan(values)))
    return [f"{blank} trials without a value left out"] if blank else []


def _share_not_reached(values: Floats) -> list[str]:
    share = int(np.isinf(values).sum()) / max(1, int((~np.isnan(values)).sum()))
    return [f"not reached in {share:.1%} of trials"] if share else []


def _row(
    arm: str,
    endpoint: str,
    estimate: float,
    lower: float,
    upper: float,
    level: float,
    n: float,
    n_censored: float,
    notes: list[str],
    unbounded: str = "not reached:",
) -> dict[str, Any]:
    named = {"estimate": estimate, "lower": lower, "upper": upper}
    infinite = [name for name, value in named.items() if np.isinf(value)]
    notes = [*notes, f"{unbounded} {', '.join(infinite)}"] if infinite else notes
    finite = {name: np.nan if np.isinf(value) else value for name, value in named.items()}
    tail = {"level": level, "n": n, "n_censored": n_censored, "method": "; ".join(notes)}
    return {"arm": arm, "endpoint": endpoint, **finite, **tail}


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(READOUT_COLUMNS))
    for column in ("n", "n_censored"):
        frame[column] = frame[column].astype(float).round().astype("Int64")
    return frame
