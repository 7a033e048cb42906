"""What the figures share: a figure as panels by name with one legend, and the parts that several of them draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from avatar_trials.report.canvas import FAINT, INK, Sheet
from avatar_trials.report.text import MINUS

Floats = NDArray[np.float64]

CELL_IN = 4.9
LEGEND_LINE_IN = 0.17


@dataclass(frozen=True)
class Drawn:
    """A figure as its panels, by name and in their order, and the handles of the one legend that explains them all.

    `boxes`: left, bottom, width and height of each panel with its margins, in inches.
    """

    figure: Figure
    axes: dict[str, Axes]
    handles: list[Artist]
    boxes: dict[str, tuple[float, float, float, float]]

    def with_legend(self) -> dict[str, Axes]:
        """The panels, the legend drawn above them."""
        if self.handles:
            self.figure.legend(
                handles=self.handles, loc="upper left", ncols=_abreast(self.figure), borderaxespad=0.2,
                columnspacing=1.2, handlelength=1.5,
            )  # fmt: skip
        return self.axes


def cells(
    names: Sequence[str],
    height: float,
    *,
    left: float = 0.62,
    right: float = 0.14,
    top: float = 0.3,
    bottom: float = 0.5,
    entries: int = 8,
) -> Drawn:
    """Empty panels, two abreast, `height` high in cells of CELL_IN and their margins, below a strip for a legend of
    `entries`; all lengths in inches."""
    columns = max(1, min(2, len(names)))
    rows = -(-len(names) // columns)
    cell = (CELL_IN, top + height + bottom)
    strip = LEGEND_LINE_IN * (-(-entries // (2 * columns)) + 1)
    wide, high = columns * cell[0], strip + rows * cell[1]
    figure = Sheet(figsize=(wide, high), facecolor="white")
    axes, boxes = {}, {}
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        below = high - strip - (row + 1) * cell[1]
        boxes[name] = (column * cell[0], below, *cell)
        place_of = ((column * cell[0] + left) / wide, (below + bottom) / high)
        axes[name] = figure.add_axes((*place_of, (cell[0] - left - right) / wide, height / high), label=name)
    return Drawn(figure, axes, [], boxes)


def _abreast(figure: Figure) -> int:
    return 4 if figure.get_figwidth() > CELL_IN else 2


def arm_of(dataset: xr.Dataset, arm: str) -> xr.Dataset | None:
    """(trial, avatar, ...) of one arm; None if it was not emulated."""
    places = np.flatnonzero(dataset["arm"].values == arm)
    return dataset.isel(arm=int(places[0])).transpose("trial", "avatar", ...) if len(places) else None


def limits(level: float) -> tuple[float, float, float]:
    return 0.5, (1 - level) / 2, (1 + level) / 2


def signed(value: float) -> str:
    return "0" if value == 0 else f"{value:+.0f}".replace("-", MINUS)


def observed_handle(shown: bool, marker: str, text: str) -> list[Line2D]:
    return [Line2D([], [], color=INK, lw=1.2, marker=marker, ms=5, label=text)] if shown else []


def whole_ticks(last: float) -> Floats:
    """At most seven round numbers from 0 to `last`."""
    every = np.asarray(MaxNLocator(6, integer=True).tick_values(0.0, last), dtype=float)
    ticks: Floats = every[(every >= 0) & (every <= last)]
    return ticks


def risk_table(
    axes: Axes, ticks: Floats, rows: Sequence[tuple[str, str, Floats]], title: str = "at risk"
) -> None:
    """Numbers (tick,) below an axis over days, a row a group: its name, its colour, its numbers."""
    if rows:
        axes.annotate(
            title, (0, 0), (-14, -34), xycoords="axes fraction", textcoords="offset points",
            ha="right", va="center", fontsize=7.5, color=FAINT,
        )  # fmt: skip
    for i, (name, colour, counts) in enumerate(rows):
        below = -34 - 11 * (i + 1)
        axes.annotate(
            name, (0, 0), (-14, below), xycoords="axes fraction", textcoords="offset points",
            ha="right", va="center", fontsize=7.5, color=colour,
        )  # fmt: skip
        for tick, left in zip(ticks, counts, strict=True):
            axes.annotate(
                f"{left:.0f}", (tick, 0), (0, below), xycoords=axes.get_xaxis_transform(), textcoords="offset points",
                ha="center", va="center", fontsize=7.5, color=colour,
            )  # fmt: skip
