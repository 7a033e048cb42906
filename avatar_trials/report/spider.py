"""Spiders: every mouse's volume relative to its baseline over time, on ribbons of the emulated mice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from avatar_trials.endpoints import mouse_curves
from avatar_trials.endpoints.intervals import quantile
from avatar_trials.endpoints.response import relative_curves
from avatar_trials.report import panels
from avatar_trials.report.canvas import FAINT, INK, label, lighter
from avatar_trials.report.panels import Drawn
from avatar_trials.report.text import percent

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable

Floats = NDArray[np.float64]

CHANGES_PCT = (-94.0, -75.0, -50.0, 0.0, 100.0, 300.0, 700.0)
LOW_PCT, HIGH_PCT = -95.0, 900.0
# Fewer mice than this leave the quantiles of a ribbon to chance.
RIBBON_MIN_MICE = 20


def spider(
    trial: xr.Dataset,
    table: GrowthTable | None,
    arms: Sequence[str],
    colours: Mapping[str, str],
    level: float,
) -> Drawn:
    """Volume relative to baseline over time on a doubling scale, one panel an arm; emulated mice as ribbons."""
    drawn = panels.cells(arms, 2.5)
    days = np.asarray(trial["day"].values, dtype=float)
    last_day = float(days[-1])
    seen = None if table is None else _observed_changes(table)
    for arm, axes in drawn.axes.items():
        emulated = panels.arm_of(trial, arm)
        if emulated is not None:
            _ribbons(axes, days, emulated["volume_mm3"].transpose(..., "visit").values, colours[arm], level)
        for day, change in [] if seen is None else seen.get(arm, []):
            axes.plot(day, _doublings(change), color=INK, lw=0.6, alpha=0.6)
            gone = change <= -100.0
            axes.plot(
                day[gone], _doublings(change[gone]), ls="", marker="v", ms=2.6, color=INK, alpha=0.6, mew=0
            )
        ticks = _doublings(np.array(CHANGES_PCT))
        lowest, highest = _doublings(np.array([LOW_PCT, HIGH_PCT]))
        axes.set(xlim=(0, last_day), ylim=(lowest - 0.25, highest + 0.1))
        axes.set_yticks(ticks, labels=[panels.signed(change) for change in CHANGES_PCT])
        axes.axhline(0, color=FAINT, lw=0.6, ls=(0, (2, 3)), zorder=0.5)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_ylabel("change of volume, % (doubling scale)")
        axes.set_xlabel("days of treatment", labelpad=2)
        axes.set_title(label(arm, 60), color=colours[arm])
    drawn.handles.extend(
        [
            *panels.observed_handle(table is not None, "", "observed mice"),
            Line2D([], [], color=FAINT, lw=1.8, label="emulated, median of mice on study"),
            Patch(color=lighter(FAINT, 0.45), label="emulated, 50 % of mice"),
            Patch(color=lighter(FAINT, 0.72), label=f"emulated, {percent(level)} of mice"),
        ]
    )
    return drawn


def _observed_changes(table: GrowthTable) -> dict[str, list[tuple[Floats, Floats]]]:
    """By arm, (day, change of volume in %) of every mouse with a baseline."""
    mice, day, volume = mouse_curves(table)
    curves = relative_curves(day, volume)
    found: dict[str, list[tuple[Floats, Floats]]] = {}
    for arm, days, change, seen in zip(mice["arm"], curves.day, curves.change_pct, curves.seen, strict=True):
        if seen.any():
            found.setdefault(str(arm), []).append((days[seen], change[seen]))
    return found


def _ribbons(axes: Axes, days: Floats, volume_mm3: Floats, colour: str, level: float) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):
        change = 100.0 * (volume_mm3 / volume_mm3[..., :1] - 1.0)
    every = np.where(np.isfinite(change), change, np.nan).reshape(-1, change.shape[-1])
    kept = np.count_nonzero(~np.isnan(every), axis=0) >= RIBBON_MIN_MICE
    probabilities = (*panels.limits(level), 0.25, 0.75)
    middle, low, high, quarter, three_quarters = (
        np.where(kept, _doublings(quantile(every, p, axis=0)), np.nan) for p in probabilities
    )
    axes.fill_between(days, low, high, color=lighter(colour, 0.72), lw=0, zorder=1)
    axes.fill_between(days, quarter, three_quarters, color=lighter(colour, 0.45), lw=0, zorder=1)
    axes.plot(days, middle, color=colour, lw=1.8, zorder=3)


def _doublings(change_pct: Floats) -> Floats:
    """log2 of V / V0, changes beyond the spider's edges drawn on them."""
    return np.log2(1.0 + np.clip(change_pct, LOW_PCT, HIGH_PCT) / 100.0)
