"""What the figures of the arms share: panels, one an arm, limits, legends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from avatar_trials.report.canvas import INK
from avatar_trials.report.text import MINUS

Floats = NDArray[np.float64]


def each(grid: list[list[Axes]], arms: Sequence[str]) -> list[tuple[Axes, str]]:
    every = [axes for row in grid for axes in row]
    for spare in every[len(arms) :]:
        spare.set_visible(False)
    return list(zip(every, arms, strict=False))


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
