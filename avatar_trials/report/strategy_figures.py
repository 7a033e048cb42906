"""Figures of strategies: how they do, how they differ from one of them, when they fail, and which clones take over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from avatar_trials.endpoints import at_risk, kaplan_meier
from avatar_trials.report import canvas, panels
from avatar_trials.report.canvas import FAINT, INK, label
from avatar_trials.report.intervals import NAMES_IN, Series, rows
from avatar_trials.report.panels import Drawn
from avatar_trials.strategies.scoring import event_times

Floats = NDArray[np.float64]

TIMES = {
    "PFS_mean_days": "PFS: first progression",
    "strategy_failure_mean_days": "failure of the whole strategy",
}
SHARES = {
    "durable_share": "not failed at the end of the study, %",
    "response_share": "response by diameter, %",
    "eradicated_share": "eradicated, %",
}
DAYS = "time, mean days within the study"
DRUG_DAYS = "full-dose days of drugs, mean"
# Also told apart without colour; the sensitive clone, the first, is the quiet one.
CLONE_COLOURS = ("#c9ced3", "#7fb8e6", "#f2d574", "#d1550e", "#0b5394", "#117733", "#aa4499", "#1d2226")
STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)))
CURVES = {"PFS": "not progressed, % (first line)", "strategy_failure": "strategy not failed, %"}


def comparison(scores: pd.DataFrame, strategies: Sequence[str]) -> Drawn:
    """Estimates and intervals of each strategy: PFS beside failure of the strategy, shares, drug-days; a panel each."""
    there = set(scores["endpoint"])
    shares = [name for name in SHARES if name in there]
    drawn = panels.cells([DAYS, *shares, DRUG_DAYS], 0.34 * len(strategies) + 0.2, left=NAMES_IN, bottom=0.35)
    inks = [INK] * len(strategies)
    for name, axes in drawn.axes.items():
        title = SHARES.get(name, name)
        if name == DAYS:
            failure, first = (
                _series(scores, strategies, endpoint, "estimate", 1.0, colour, offset=offset, filled=filled)
                for endpoint, colour, offset, filled in (
                    ("strategy_failure_mean_days", canvas.ARM_COLOURS[1], 0.15, True),
                    ("PFS_mean_days", FAINT, -0.15, False),
                )
            )
            rows(axes, title, strategies, inks, [first, failure])
        else:
            endpoint, scale = (name, 100.0) if name in SHARES else ("drug_days", 1.0)
            one = _series(scores, strategies, endpoint, "estimate", scale, canvas.ARM_COLOURS[1])
            rows(axes, title, strategies, inks, [one])
    marks = ((FAINT, "white"), (canvas.ARM_COLOURS[1], canvas.ARM_COLOURS[1]))
    drawn.handles.extend(
        Line2D([], [], color=colour, lw=1.6, marker="o", ms=5, mfc=face, label=words)
        for words, (colour, face) in zip(TIMES.values(), marks, strict=True)
    )
    return drawn


def differences(frame: pd.DataFrame, strategies: Sequence[str]) -> Drawn:
    """Paired differences from the reference strategy with intervals: PFS, failure, drug-days; a panel each."""
    names = [name for name in strategies if (frame["strategy"] == name).any()]
    titles = {**{name: f"{words}, days" for name, words in TIMES.items()}, "drug_days": DRUG_DAYS}
    there = [name for name in titles if (frame["endpoint"] == name).any()]
    drawn = panels.cells(there, 0.34 * len(names) + 0.2, left=NAMES_IN)
    reference = str(frame["reference"].iloc[0]) if len(frame) else ""
    for endpoint, axes in drawn.axes.items():
        one = _series(frame, names, endpoint, "difference", 1.0, canvas.ARM_COLOURS[1])
        rows(axes, titles[endpoint], names, [INK] * len(names), [one])
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, -0.02 * (high - low)), max(high, 0.02 * (high - low)))
        axes.axvline(0, color=INK, lw=0.8, zorder=1)
        axes.set_xlabel(f"more than {label(reference, 44)}")
    return drawn


def curves(followed: xr.Dataset, strategies: Sequence[str]) -> Drawn:
    """Kaplan-Meier curves of PFS, and of the failure of the whole strategy, with numbers at risk."""
    drawn = panels.cells(
        list(CURVES), 2.6, left=1.75, bottom=0.72 + 11 / 72 * len(strategies), entries=len(strategies)
    )
    last = float(followed["day"].values[-1])
    ticks = panels.whole_ticks(last)
    looks = _looks(strategies)
    times = {name: event_times(followed.sel(strategy=name)) for name in strategies}
    for endpoint, axes in drawn.axes.items():
        counts = []
        for name, (colour, style) in looks.items():
            time, event, _ = times[name][endpoint]
            curve = kaplan_meier(time, event)
            days, share = np.concatenate([[0.0], curve.time]), np.concatenate([[1.0], curve.surv])
            axes.plot(days, share, drawstyle="steps-post", color=colour, ls=style, lw=1.5, label=name)
            counts.append((label(name, 26), colour, at_risk(time, ticks).astype(float)))
        axes.axhline(0.5, color=FAINT, lw=0.6, ls=(0, (2, 3)), zorder=0)
        axes.set(xlim=(0, last), ylim=(-0.02, 1.03), xticks=ticks, yticks=[0, 0.25, 0.5, 0.75, 1])
        axes.set_yticklabels(["0", "25", "50", "75", "100"])
        axes.set_title(CURVES[endpoint])
        axes.set_xlabel("days of treatment", labelpad=2)
        panels.risk_table(axes, ticks, counts)
    drawn.handles.extend(
        Line2D([], [], color=colour, ls=style, lw=1.5, label=label(name, 44))
        for name, (colour, style) in looks.items()
    )
    return drawn


def clones(followed: xr.Dataset, strategies: Sequence[str]) -> Drawn:
    """Mean composition of the tumours still followed, stacked over time, one panel a strategy; how many they are stands
    below."""
    drawn = panels.cells(strategies, 1.6, bottom=0.75, left=0.75, entries=followed.sizes["clone"])
    days = np.asarray(followed["day"].values, dtype=float)
    names = [str(name) for name in followed["clone"].values]
    ticks = panels.whole_ticks(float(days[-1]))
    for strategy, axes in drawn.axes.items():
        one = followed.sel(strategy=strategy)
        course = 100.0 * one["clone_course"].transpose("clone", "visit").values
        axes.stackplot(days, np.nan_to_num(course), colors=_clone_colours(names), lw=0)
        axes.set(xlim=(0, float(days[-1])), ylim=(0, 100), xticks=ticks)
        axes.set_ylabel("share of cells, %")
        axes.set_xlabel("days of treatment", labelpad=2)
        axes.set_title(label(strategy, 60))
        at = np.clip(np.searchsorted(days, ticks, side="right") - 1, 0, None)
        followed_on = one["n_followed"].values[at].astype(float)
        panels.risk_table(axes, ticks, [("tumours", INK, followed_on)], "followed")
    drawn.handles.extend(
        Patch(color=colour, label=label(name, 30))
        for name, colour in zip(names, _clone_colours(names), strict=True)
    )
    return drawn


def _series(
    frame: pd.DataFrame,
    strategies: Sequence[str],
    endpoint: str,
    value: str,
    scale: float,
    colour: str,
    *,
    offset: float = 0.0,
    filled: bool = True,
) -> Series:
    own = frame[frame["endpoint"] == endpoint].set_index("strategy").reindex(list(strategies))
    middle, low, high = (scale * own[name].to_numpy(dtype=float) for name in (value, "lower", "upper"))
    return Series(middle, low, high, [colour] * len(strategies), offset=offset, filled=filled)


def _looks(strategies: Sequence[str]) -> dict[str, tuple[str, object]]:
    """Colour and line of each strategy; after eight the colours come again with another line."""
    many = len(canvas.ARM_COLOURS)
    return {
        name: (canvas.ARM_COLOURS[i % many], STYLES[i // many % len(STYLES)])
        for i, name in enumerate(strategies)
    }


def _clone_colours(names: Sequence[str]) -> list[str]:
    return [CLONE_COLOURS[i % len(CLONE_COLOURS)] for i in range(len(names))]
