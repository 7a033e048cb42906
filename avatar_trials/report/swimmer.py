"""Swimmer plots: each mouse as a bar from the first day of treatment to its last visit, with what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from avatar_trials.endpoints import CATEGORIES, mouse_curves
from avatar_trials.endpoints.response import relative_curves
from avatar_trials.endpoints.tables import responses
from avatar_trials.report import canvas, panels
from avatar_trials.report.canvas import INK, label
from avatar_trials.report.panels import Drawn

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable

Floats = NDArray[np.float64]

HALF_PCT = -50.0
NAMED_MICE = 16


@dataclass(frozen=True)
class Mice:
    """Mice to draw: avatar and arm (mouse,), day and volume_mm3 (mouse, visit), NaN-padded; `stayed` (mouse,) to the
    study's end, None where the data do not say why a mouse left."""

    avatar: NDArray[np.object_]
    arm: NDArray[np.object_]
    day: Floats
    volume_mm3: Floats
    stayed: NDArray[np.bool_] | None


def observed(table: GrowthTable) -> Mice:
    """The mice of a table."""
    mice, day, volume = mouse_curves(table)
    return Mice(mice["avatar"].to_numpy(object), mice["arm"].to_numpy(object), day, volume, None)


def emulated(trial: xr.Dataset, replicate: int = 0) -> Mice:
    """The mice of one replicate trial, by its place."""
    one = trial.isel(trial=replicate).transpose("avatar", "arm", ...)
    avatars, arms = (one[name].values.astype(object) for name in ("avatar", "arm"))
    volume = one["volume_mm3"].values.astype(float).reshape(len(avatars) * len(arms), -1)
    day = np.broadcast_to(np.asarray(one["day"].values, dtype=float), volume.shape)
    stayed = (one["left_reason"].values == 0).ravel() if "left_reason" in one else None
    return Mice(np.repeat(avatars, len(arms)), np.tile(arms, len(avatars)), day, volume, stayed)


def swimmer(mice: Mice, arms: Sequence[str], colours: dict[str, str], rule: str, doubling: str) -> Drawn:
    """A bar a mouse, longest first, one panel an arm: colour its category, a line while at most half its baseline
    volume, a mark where it doubled and, where that is known, where it was on study to the end."""
    most = max([1, *(int((mice.arm == arm).sum()) for arm in arms)])
    drawn = panels.cells(arms, float(np.clip(0.075 * most, 1.2, 6.0)), left=0.95)
    for arm, axes in drawn.axes.items():
        own = np.flatnonzero(mice.arm == arm)
        _lanes(axes, mice, own, rule, doubling)
        axes.set_title(label(arm, 56), color=colours[arm])
        axes.set_xlabel("days of treatment", labelpad=2)
        axes.set_xlim(0, float(np.nanmax(mice.day)) * 1.03)
    drawn.handles.extend(Patch(color=canvas.CATEGORY_COLOURS[name], label=name) for name in CATEGORIES)
    drawn.handles.extend(
        [
            Line2D([], [], color=INK, lw=1.4, label="at most half the baseline volume"),
            Line2D([], [], color=INK, lw=0, marker="D", ms=4, mfc="white", label="doubled"),
        ]
    )
    if mice.stayed is not None:
        drawn.handles.append(
            Line2D([], [], color=INK, lw=0, marker=">", ms=4, label="on study at its last visit")
        )
    return drawn


def _lanes(axes: Axes, mice: Mice, own: NDArray[np.intp], rule: str, doubling: str) -> None:
    day, volume = mice.day[own], mice.volume_mm3[own]
    read = responses(day, volume, rule, doubling)
    last = np.nan_to_num(read["last_day"])
    order = np.argsort(-last, kind="stable")
    lane = np.empty(len(own))
    lane[order] = np.arange(len(own))
    colour = [canvas.CATEGORY_COLOURS[str(category)] for category in read["category"]]
    axes.barh(lane, last, height=0.72, color=colour, lw=0, zorder=1)
    curves = relative_curves(day, volume)
    small = curves.seen & (curves.change_pct <= HALF_PCT)
    x = np.where(small, curves.day, np.nan)
    gap = np.full((len(own), 1), np.nan)
    across = np.repeat(lane[:, None], x.shape[1] + 1, axis=1)
    for colour_of, width in (("white", 2.6), (INK, 1.2)):
        axes.plot(np.hstack([x, gap]).ravel(), across.ravel(), color=colour_of, lw=width, zorder=2)
    doubled = read["doubled"]
    mark: dict[str, Any] = {"ls": "", "color": INK, "clip_on": False, "zorder": 3}
    axes.plot(
        read["time_to_doubling_days"][doubled],
        lane[doubled],
        marker="D",
        ms=2.8,
        mew=0.7,
        mfc="white",
        **mark,
    )
    if mice.stayed is not None:
        stayed = mice.stayed[own]
        axes.plot(last[stayed], lane[stayed], marker=">", ms=3.2, mew=0, **mark)
    named = len(own) <= NAMED_MICE
    axes.set_ylim(len(own) - 0.4, -0.6)
    axes.set_yticks(
        lane[order] if named else [],
        labels=[label(str(mice.avatar[i]), 14) for i in own[order]] if named else [],
    )
    axes.tick_params(axis="y", length=0)
    if not named:
        axes.set_ylabel(f"{len(own)} mice", labelpad=4)
