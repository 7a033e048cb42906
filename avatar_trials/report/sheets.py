"""Figures for a page: each panel an image of its own, so that they stand abreast or, on a phone, below one another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from avatar_trials.report.canvas import Image, svg
from avatar_trials.report.panels import CELL_IN, Drawn

LEGEND_PT = 9.5


@dataclass(frozen=True)
class Sheet:
    """A figure as the images of its panels; `legend` explains them all."""

    panels: list[Image]
    legend: Image | None


def sheet(drawn: Drawn, alt: Callable[[str], str]) -> Sheet:
    """Panels and legend as SVG; `alt` says in words what a panel shows. To be called under `canvas.paper`."""
    images = []
    for name in drawn.axes:
        for other, axes in drawn.axes.items():
            axes.set_visible(other == name)
        images.append(svg(drawn.figure, alt(name), Bbox.from_bounds(*drawn.boxes[name])))
    return Sheet(images, _legend(drawn))


def _legend(drawn: Drawn) -> Image | None:
    if not drawn.handles:
        return None
    figure = Figure(figsize=(2 * CELL_IN, 3.0), facecolor="white")
    legend = figure.legend(
        handles=drawn.handles,
        loc="upper left",
        ncols=2,
        borderpad=0.0,
        columnspacing=1.2,
        handlelength=1.5,
        fontsize=LEGEND_PT,
    )
    texts = [text.get_text() for text in legend.get_texts()]
    return svg(figure, f"Legend: {'; '.join(texts)}.", "tight")
