"""Rows of estimates with their intervals on one axis: the plain forest plot that several figures are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from avatar_trials.report.canvas import RULE, label

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """Estimates (row,) with limits (row,), NaN where there is none; `offset` of a row's height, below its middle."""

    estimate: Floats
    lower: Floats
    upper: Floats
    colours: Sequence[str]
    marker: str = "o"
    filled: bool = True
    offset: float = 0.0


NAMES_IN = 2.1


def rows(
    axes: Axes, title: str, names: Sequence[str], colours: Sequence[str], shown: Sequence[Series]
) -> None:
    """Draw the series, a row a name from the top, names in their colours in NAMES_IN left of the axis. An arrow
    stands for a limit that is not finite."""
    for i in range(len(names)):
        axes.axhspan(i - 0.5, i + 0.5, color="#f6f7f8" if i % 2 == 0 else "white", lw=0, zorder=0)
    finite = [x[np.isfinite(x)] for one in shown for x in (one.estimate, one.lower, one.upper)]
    every = np.concatenate([*finite, np.zeros(0)])
    low, high = (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)
    if high == low:
        high = low + 1.0
    pad = 0.06 * (high - low)
    edge = high + pad
    for one in shown:
        for i, colour in enumerate(one.colours):
            limits = one.lower[i], min(one.upper[i], edge)
            y = i + one.offset
            if np.isfinite(limits).all():
                axes.plot(limits, [y, y], color=colour, lw=1.6, solid_capstyle="butt", zorder=2)
                if np.isinf(one.upper[i]):
                    axes.plot(edge, y, marker=">", color=colour, ms=5, mew=0, clip_on=False, zorder=3)
        for i, colour in enumerate(one.colours):
            mark: dict[str, Any] = {"mec": colour, "mfc": colour if one.filled else "white"}
            axes.plot(
                one.estimate[i], i + one.offset, marker=one.marker, ms=5, mew=1.1, ls="", zorder=4, **mark
            )
    axes.set(xlim=(low - pad, edge), ylim=(len(names) - 0.5, -0.5))
    axes.set_yticks(range(len(names)), labels=[label(name, 30) for name in names])
    for text, colour in zip(axes.get_yticklabels(), colours, strict=True):
        text.set(color=colour, fontweight="bold")
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=RULE, lw=0.6)
    axes.set_axisbelow(True)
    place = axes.get_position()
    wide = place.width * axes.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]
    axes.set_title(label(title, 60), x=0.1 / wide - NAMES_IN / wide)
