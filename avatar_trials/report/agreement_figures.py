"""Figures of agreement: populations on the line of identity; individuals between what knows nothing and the ceiling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from avatar_trials.report import canvas, panels
from avatar_trials.report.agreement import INDIVIDUAL, OVER_ARMS, POPULATION
from avatar_trials.report.canvas import FAINT, INK, label
from avatar_trials.report.intervals import NAMES_IN, Series, rows
from avatar_trials.report.panels import Drawn
from avatar_trials.report.readings import unbounded
from avatar_trials.report.text import percent

SUMMARIES = ("ORR", "DCR", "median_depth_of_response_pct", "median_time_to_doubling_days", "median_PFS_days")
SCORES = ("Brier_skill", "AUC", "Spearman_depth", "Harrell_C_doubling", "Harrell_C", "Cohen_kappa")


def populations(frame: pd.DataFrame, arms: Sequence[str], colours: Mapping[str, str]) -> Drawn:
    """Emulated value and interval of each arm against the observed one, a panel a measure; dotted: identity. Values
    that were not reached are left out, and an interval without an end runs to the edge."""
    measures = [name for name in SUMMARIES if (frame["measure"] == name).any()]
    drawn = panels.cells(measures, 2.4, left=0.75, entries=len(arms) + 1)
    for measure, axes in drawn.axes.items():
        quantity = POPULATION[measure]
        values = {arm: _read(frame, arm, measure, quantity.scale) for arm in arms}
        known = [x for row in values.values() if row for x in row[:4] if math.isfinite(x)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        pad = 0.08 * (high - low) or 1.0
        axes.plot(
            [low - pad, high + pad], [low - pad, high + pad], color=FAINT, lw=0.8, ls=(0, (2, 3)), zorder=0
        )
        for arm, row in values.items():
            if row is None or not (math.isfinite(row[0]) and math.isfinite(row[3])):
                continue
            emulated, lower, upper, observed, covered = row
            if not math.isnan(lower):
                ends = np.clip([lower, upper], low - pad, high + pad)
                axes.plot([observed, observed], ends, color=colours[arm], lw=1.6, zorder=2)
            ring = canvas.OUTSIDE_COLOUR if covered is False else colours[arm]
            axes.plot(
                observed, emulated, ls="", marker="o", ms=6, color=colours[arm], mec=ring, mew=1.6, zorder=3
            )
        unit = f", {quantity.unit}" if quantity.unit else ""
        axes.set(
            xlim=(low - pad, high + pad),
            ylim=(low - pad, high + pad),
            xlabel=f"observed{unit}",
            ylabel=f"emulated{unit}",
        )
        axes.set_title(label(quantity.label, 60))
    level = percent(float(frame["level"].iloc[0])) if len(frame) else ""
    drawn.handles.extend(
        Line2D([], [], color=colours[arm], lw=1.6, marker="o", ms=5, label=label(arm, 26)) for arm in arms
    )
    outside: dict[str, Any] = {"mec": canvas.OUTSIDE_COLOUR, "mew": 1.6, "mfc": "white"}
    drawn.handles.append(
        Line2D([], [], lw=0, marker="o", ms=6, label=f"outside its {level} interval", **outside)
    )
    return drawn


def individuals(frame: pd.DataFrame, arms: Sequence[str], colours: Mapping[str, str]) -> Drawn:
    """Each score of single avatars with its interval, arm by arm and stratified over them, a panel a score, between the
    null reference (open square) and the ceiling (triangle)."""
    measures = [name for name in SCORES if (frame["measure"] == name).any()]
    names = [arm for arm in (*arms, "all") if (frame["arm"] == arm).any()]
    drawn = panels.cells(measures, 0.34 * len(names) + 0.2, left=NAMES_IN)
    inks = [colours.get(name, INK) for name in names]
    for measure, axes in drawn.axes.items():
        own = frame[frame["measure"] == measure].drop_duplicates("arm").set_index("arm").reindex(names)
        value, lower, upper, null, ceiling = (
            own[column].to_numpy(dtype=float)
            for column in ("value", "lower", "upper", "null_reference", "ceiling")
        )
        none, grey = np.full(len(names), np.nan), [FAINT] * len(names)
        shown = [
            Series(null, none, none, grey, marker="s", filled=False),
            Series(ceiling, none, none, grey, marker="^"),
            Series(value, lower, upper, inks),
        ]
        rows(axes, INDIVIDUAL[measure].label, [OVER_ARMS.get(name, name) for name in names], inks, shown)
    drawn.handles.extend(
        [
            Line2D([], [], color=INK, lw=1.6, marker="o", ms=5, label="score and interval"),
            Line2D(
                [], [], color=FAINT, lw=0, marker="s", mfc="white", ms=5, label="null: knows the arm alone"
            ),
            Line2D([], [], color=FAINT, lw=0, marker="^", ms=5, label="ceiling: a second mouse"),
        ]
    )
    return drawn


def _read(
    frame: pd.DataFrame, arm: str, measure: str, scale: float
) -> tuple[float, float, float, float, bool | None] | None:
    """Emulated, lower, upper, observed in the measure's unit, "not reached" as infinity; whether it is covered."""
    own = frame[(frame["arm"] == arm) & (frame["measure"] == measure)]
    if own.empty:
        return None
    row = own.iloc[0]
    infinite = unbounded(str(row["method"]))
    emulated, lower, upper, observed = (
        scale * (infinite.get(name, math.nan) if pd.isna(row[name]) else float(row[name]))
        for name in ("emulated", "lower", "upper", "observed")
    )
    return emulated, lower, upper, observed, None if pd.isna(row["covered"]) else bool(row["covered"])
