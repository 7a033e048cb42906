"""Kaplan–Meier curves of the time to doubling, arm by arm, with numbers at risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from avatar_trials.endpoints import at_risk, kaplan_meier, survival_at
from avatar_trials.endpoints.intervals import quantile
from avatar_trials.endpoints.survival import estimable_until
from avatar_trials.report import panels
from avatar_trials.report.canvas import FAINT, INK, label, lighter
from avatar_trials.report.panels import Drawn
from avatar_trials.report.text import percent

Floats = NDArray[np.float64]

CURVE_POINTS = 241


def doubling_curves(
    responses: xr.Dataset,
    mice: pd.DataFrame | None,
    arms: Sequence[str],
    colours: Mapping[str, str],
    last_day: float,
    level: float,
) -> Drawn:
    """Kaplan–Meier curves of the time to doubling, one panel an arm, with numbers at risk below."""
    drawn = panels.cells(arms, 2.1, left=0.95, bottom=0.98)
    grid_days = np.linspace(0.0, last_day, CURVE_POINTS)
    ticks = panels.whole_ticks(last_day)
    for arm, axes in drawn.axes.items():
        emulated = panels.arm_of(responses, arm)
        at_ticks: list[tuple[str, str, Floats]] = []
        if emulated is not None:
            time = emulated["time_to_doubling_days"].values
            middle, low, high = _survival_band(time, emulated["doubled"].values, grid_days, level)
            axes.fill_between(grid_days, low, high, color=lighter(colours[arm], 0.72), lw=0)
            axes.plot(grid_days, middle, color=colours[arm], lw=1.8)
            at_ticks.append(("emulated", colours[arm], np.median(at_risk(time, ticks), axis=0)))
        ours = None if mice is None else mice[(mice["arm"] == arm) & mice["time_to_doubling_days"].notna()]
        if ours is not None and len(ours):
            time = ours["time_to_doubling_days"].to_numpy(dtype=float)
            _observed_steps(axes, time, ours["doubled"].to_numpy(dtype=bool), last_day)
            at_ticks.insert(0, ("observed", INK, at_risk(time, ticks).astype(float)))
        axes.axhline(0.5, color=FAINT, lw=0.6, ls=(0, (2, 3)), zorder=0)
        axes.set(xlim=(0, last_day), ylim=(-0.02, 1.03), xticks=ticks, yticks=[0, 0.25, 0.5, 0.75, 1])
        axes.set_yticklabels(["0", "25", "50", "75", "100"])
        axes.set_ylabel("not doubled, %")
        axes.set_title(label(arm, 60), color=colours[arm])
        axes.set_xlabel("days of treatment", labelpad=2)
        panels.risk_table(axes, ticks, at_ticks)
    drawn.handles.extend(
        [
            *panels.observed_handle(mice is not None, "|", "observed (| censored)"),
            Line2D([], [], color=FAINT, lw=1.8, label="emulated, median of trials"),
            Patch(color=lighter(FAINT, 0.6), label=f"emulated, {percent(level)} of trials (pointwise)"),
        ]
    )
    return drawn


def _survival_band(
    time: Floats, doubled: NDArray[np.bool_], at: Floats, level: float
) -> tuple[Floats, Floats, Floats]:
    """Median and limits over trials of the curve at the days `at`, as far as half of the curves are known.

    A curve that ended above 0 is carried on flat: leaving it out would keep the trials that fell to 0.
    """
    curves = kaplan_meier(time, doubled)
    known = at <= estimable_until(curves)[:, None]
    values = np.where(known.mean(axis=0) >= 0.5, survival_at(curves, at), np.nan)
    middle, low, high = (quantile(values, p, axis=0) for p in panels.limits(level))
    return middle, low, high


def _observed_steps(axes: Axes, time: Floats, doubled: NDArray[np.bool_], last_day: float) -> None:
    curve = kaplan_meier(time, doubled)
    days = np.concatenate([[0.0], curve.time])
    share = np.concatenate([[1.0], curve.surv])
    axes.plot(days, share, drawstyle="steps-post", color=INK, lw=1.3)
    left = (curve.n_censor > 0) & (curve.time <= last_day)
    axes.plot(curve.time[left], curve.surv[left], ls="", marker="|", ms=6, mew=1.0, color=INK, clip_on=False)
