"""The readout at a glance: every arm's main endpoints, emulated and observed, on one line each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from avatar_trials.report import canvas, panels
from avatar_trials.report.canvas import FAINT, INK, RULE, label, lighter
from avatar_trials.report.panels import Drawn
from avatar_trials.report.readings import COUNTED, MAIN, Reading, inside, read

TITLES = {
    "ORR": "ORR, %",
    "DCR": "DCR, %",
    "depth_of_response_pct": "depth, % volume",
    "time_to_doubling_days": "time to doubling, days",
}


def overview(
    emulated: pd.DataFrame, observed: pd.DataFrame | None, arms: Sequence[str], colours: Mapping[str, str]
) -> Drawn:
    """The readout's main endpoints: emulated estimate and interval, observed estimate and interval, by arm."""
    drawn = panels.cells(COUNTED, 0.42 * len(arms) + 0.15, left=1.95, bottom=0.35)
    for endpoint, axes in drawn.axes.items():
        quantity = MAIN[endpoint]
        readings = [(read(emulated, arm, endpoint), read(observed, arm, endpoint)) for arm in arms]
        low, high = _span([reading for pair in readings for reading in pair], quantity.scale, endpoint)
        for i, (arm, (ours, theirs)) in enumerate(zip(arms, readings, strict=True)):
            axes.axhspan(i - 0.5, i + 0.5, color="#f6f7f8" if i % 2 == 0 else "white", lw=0, zorder=0)
            _interval(axes, ours, i - 0.14, quantity.scale, (low, high), colours[arm], 4.0, "o")
            missed = inside(ours, theirs) is False
            _interval(axes, theirs, i + 0.2, quantity.scale, (low, high), INK, 1.0, "D", missed=missed)
        axes.set(xlim=(low, high), ylim=(len(arms) - 0.5, -0.5), yticks=[])
        axes.set_title(TITLES[endpoint])
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=RULE, lw=0.6)
        axes.set_axisbelow(True)
        for i, arm in enumerate(arms):
            axes.text(
                -0.03, i, label(arm, 30), ha="right", va="center", color=colours[arm], fontweight="bold",
                transform=axes.get_yaxis_transform(),
            )  # fmt: skip
    drawn.handles.append(
        Line2D(
            [],
            [],
            color=lighter(FAINT, 0.3),
            lw=4,
            marker="o",
            ms=5.5,
            mfc=FAINT,
            mec=FAINT,
            label="emulated",
        )
    )
    drawn.handles.extend(panels.observed_handle(observed is not None, "D", "observed"))
    if observed is not None:
        missed_mark: dict[str, Any] = {"marker": "D", "ms": 4.5, "color": canvas.OUTSIDE_COLOUR}
        drawn.handles.append(
            Line2D([], [], lw=0, label="observed, outside the emulated interval", **missed_mark)
        )
    return drawn


def _span(readings: list[Reading | None], scale: float, endpoint: str) -> tuple[float, float]:
    if endpoint in ("ORR", "DCR"):
        return -3.0, 103.0
    values = [
        x * scale
        for r in readings
        if r is not None
        for x in (r.estimate, r.lower, r.upper)
        if math.isfinite(x)
    ]
    if endpoint == "depth_of_response_pct":
        return -104.0, min(max([20.0, *values]) * 1.08, 200.0)
    return 0.0, max([10.0, *values]) * 1.12


def _interval(
    axes: Axes,
    reading: Reading | None,
    y: float,
    scale: float,
    span: tuple[float, float],
    colour: str,
    width: float,
    marker: str,
    *,
    missed: bool = False,
) -> None:
    """Estimate and interval at height `y`; an arrow and an open mark at the edge for what is not reached."""
    if reading is None or math.isnan(reading.estimate):
        return
    low, high = span
    limits = [np.clip(x * scale, low, high) for x in (reading.lower, reading.upper) if not math.isnan(x)]
    body = lighter(colour, 0.45) if width > 2 else colour
    if len(limits) == 2:
        axes.plot(limits, [y, y], color=body, lw=width, solid_capstyle="butt", zorder=2)
        if reading.upper * scale > high:
            axes.plot(high, y, marker=">", color=body, ms=5, mew=0, clip_on=False, zorder=3)
    ink = canvas.OUTSIDE_COLOUR if missed else colour
    at = float(np.clip(reading.estimate * scale, low, high))
    mark: dict[str, Any] = {
        "marker": marker,
        "ms": 5.5 if marker == "o" else 4.5,
        "mec": ink,
        "mew": 1.2,
        "zorder": 4,
    }
    axes.plot(at, y, mfc=ink if math.isfinite(reading.estimate) else "white", clip_on=False, **mark)
