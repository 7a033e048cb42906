"""Paper and ink of the checks' figures: axes in a row, observed in dark ink, what the model says in grey or colour."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, FAINT, BAND, MODEL, FAILED = "#1d2226", "#8a9299", "#d9dee2", "#4f6d8f", "#b3141f"
PANEL_IN, WIDEST = 2.7, 4
TEXT_WIDTH = 40


def panels(count: int, height: float = 2.5) -> tuple[Figure, list[Axes]]:
    """A figure with `count` axes, at most four abreast, each `height` inches high."""
    columns = min(count, WIDEST)
    rows = -(-count // columns)
    figure = Figure(
        figsize=(max(2, columns) * PANEL_IN, rows * height), layout="constrained", facecolor="white"
    )
    grid = figure.subplots(rows, columns, squeeze=False)
    for spare in grid.flat[count:]:
        spare.set_axis_off()
    return figure, list(grid.flat[:count])


def short(text: str) -> str:
    """A name for a figure: one line, printable, its middle left out where it is long, never read as mathematics."""
    shown = "".join(c if c.isprintable() else " " for c in text).replace("$", "＄")
    half = TEXT_WIDTH // 2
    return shown if len(shown) <= TEXT_WIDTH else f"{shown[:half]}…{shown[-half + 1 :]}"
