"""Waterfalls: the depth of response of every mouse of an arm, sorted, beside the emulated ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from avatar_trials.endpoints import CATEGORIES
from avatar_trials.endpoints.intervals import quantile
from avatar_trials.report import canvas, panels
from avatar_trials.report.canvas import FAINT, INK, label, lighter
from avatar_trials.report.panels import Drawn
from avatar_trials.report.text import percent

Floats = NDArray[np.float64]

WATERFALL_TOP_PCT = 150.0
# Of the width of a rank; the rest is for the emulated whisker.
BAR_SHARE = 0.7


def waterfall(
    responses: xr.Dataset,
    mice: pd.DataFrame | None,
    arms: Sequence[str],
    colours: Mapping[str, str],
    level: float,
) -> Drawn:
    """Depth of response of each mouse, sorted, one panel an arm; emulated ranks as whiskers."""
    drawn = panels.cells(arms, 2.3, top=0.45, bottom=0.35)
    for arm, axes in drawn.axes.items():
        emulated = panels.arm_of(responses, arm)
        tops = [0.0]
        if emulated is not None:
            middle, low, high = _rank_band(emulated["depth_of_response_pct"].values, level)
            tops.append(float(np.nanmax(high, initial=0.0)))
        title, counts = label(arm, 60), ""
        ours = None if mice is None else mice[(mice["arm"] == arm) & mice["depth_of_response_pct"].notna()]
        if ours is not None and len(ours):
            tops.append(float(ours["depth_of_response_pct"].max()))
        top = min(max(max(tops) * 1.06, 60.0), WATERFALL_TOP_PCT)
        if ours is not None and len(ours):
            counts = _observed_bars(axes, ours, top)
        if emulated is not None:
            middle, low, high = (np.clip(x, -100, top) for x in (middle, low, high))
            _whiskers(axes, middle, low, high, colours[arm], beside=ours is not None)
        axes.axhline(0, color=INK, lw=0.7, zorder=5)
        for boundary in (-50.0, 35.0):
            axes.axhline(boundary, color=FAINT, lw=0.6, ls=(0, (2, 3)), zorder=2)
        axes.set(xlim=(0, 1), ylim=(-104, top), xticks=[])
        axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(lambda value, _: panels.signed(value))
        axes.set_ylabel("depth of response, % volume")
        axes.set_xlabel("mice, from least to greatest shrinkage", labelpad=4)
        axes.set_title(title, color=colours[arm], pad=16 if counts else 6)
        axes.text(0, 1.02, counts, transform=axes.transAxes, va="bottom", fontsize=7.5)
    shown = [*CATEGORIES, *([""] if mice is not None and (mice["category"] == "").any() else [])]
    whisker = f"emulated: median, {percent(level)} of trials"
    drawn.handles.extend(
        Patch(color=canvas.CATEGORY_COLOURS[name], label=f"observed {name or 'not evaluable'}")
        for name in (shown if mice is not None else [])
    )
    drawn.handles.append(Line2D([], [], color=FAINT, lw=1.6, marker="o", ms=3.5, label=whisker))
    return drawn


def _rank_band(depth_pct: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Median and limits over trials (trial, avatar) of each rank's depth, from least shrinkage to greatest."""
    n = depth_pct.shape[1]
    ordered = np.sort(depth_pct, axis=1)
    # A trial with fewer evaluable mice lends each rank the mouse at the same share of its own order.
    counted = np.count_nonzero(~np.isnan(depth_pct), axis=1)[:, None]
    place = np.floor((np.arange(n) + 0.5) / n * counted).astype(np.intp)
    ranks = np.take_along_axis(ordered, np.flip(place, axis=1), axis=1)
    middle, low, high = (quantile(ranks, p, axis=0) for p in panels.limits(level))
    return middle, low, high


def _whiskers(axes: Axes, middle: Floats, low: Floats, high: Floats, colour: str, *, beside: bool) -> None:
    """The emulated mice of each rank, beside the observed bar of that rank."""
    n = len(middle)
    place = (np.arange(n) + (BAR_SHARE + 1) / 2 if beside else np.arange(n) + 0.5) / n
    width = float(np.clip(60 / n, 0.6, 2.2))
    axes.vlines(place, low, high, color=lighter(colour, 0.3), lw=width, zorder=3)
    axes.plot(place, middle, ls="", marker="o", ms=min(3.4, 1.6 * width), mew=0, color=colour, zorder=4)


def _observed_bars(axes: Axes, mice: pd.DataFrame, top: float) -> str:
    ordered = mice.sort_values("depth_of_response_pct", ascending=False, kind="stable")
    depth = ordered["depth_of_response_pct"].to_numpy(dtype=float)
    n = len(depth)
    place = (np.arange(n) + BAR_SHARE / 2) / n
    bar_colours = [canvas.CATEGORY_COLOURS[category] for category in ordered["category"]]
    axes.bar(
        place, np.clip(depth, -100, top), width=(BAR_SHARE - 0.06) / n, color=bar_colours, lw=0, zorder=1
    )
    beyond = depth > top
    axes.plot(
        place[beyond], np.full(beyond.sum(), top), ls="", marker="^", ms=4, color=INK, clip_on=False, zorder=6
    )
    called = ordered["category"].value_counts()
    counts = ", ".join(f"{called.get(name, 0)} {name}" for name in CATEGORIES)
    return f"observed: {counts}" + (f", {called['']} not evaluable" if "" in called else "")
