"""Paper and ink of the report's figures: size, fonts, colours, text from outside, and the image as a data address.

Figures are made with matplotlib's objects, not with pyplot, so they need no display and leave no state behind.
In every figure an arm's colour is what was emulated and dark ink is what was observed.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal

import matplotlib
import matplotlib.font_manager
import matplotlib.style
import numpy as np
import PIL.Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from matplotlib.transforms import Bbox

from avatar_trials.arms import UNTREATED
from avatar_trials.report.text import clean, shorten

WIDTH_IN = 11.4
MARGIN_IN = 0.03  # around a figure cut to what is drawn
PNG_DPI = 200  # twice the 100 dots an inch at which the page shows a figure
INK = "#1d2226"
FAINT = "#8a9299"
RULE = "#d5d9dd"
UNTREATED_COLOUR = "#5a5f64"
# After Paul Tol's "muted" scheme: told apart with any colour vision, dark enough for text, without the blues and the
# orange kept for responses.
ARM_COLOURS = ("#117733", "#332288", "#8a8a2b", "#3a9c8c", "#aa4499", "#882255", "#cc6677", "#9c755f")
CATEGORY_COLOURS = {"CR": "#0b5394", "PR": "#7fb8e6", "SD": "#f2d574", "PD": "#d1550e", "": "#c9ced3"}
OUTSIDE_COLOUR = "#c01c28"
FONT = "DejaVu Sans"
STYLE = {
    "font.family": [FONT],
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.edgecolor": "#5b6369",
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "text.parse_math": False,
    "text.usetex": False,
    "xtick.color": "#5b6369",
    "ytick.color": "#5b6369",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "svg.fonttype": "path",
    "svg.hashsalt": "avatar-trials",
}


@dataclass(frozen=True)
class Image:
    """A finished figure: `source` is a data address, `alt` says in words what it shows."""

    source: str
    alt: str


@contextmanager
def paper() -> Iterator[None]:
    """The house's style, whatever the user's matplotlib settings; they are back as they were afterwards."""
    with matplotlib.style.context(["default", STYLE]), warnings.catch_warnings():
        # Text in a font's missing letters has been replaced; a warning about the rest would help nobody.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def arm_colours(arms: Sequence[str]) -> dict[str, str]:
    """A colour for each arm, by its place among the treated arms of the design; they repeat after the eighth."""
    treated = [arm for arm in arms if arm != UNTREATED]
    colours = {arm: ARM_COLOURS[i % len(ARM_COLOURS)] for i, arm in enumerate(treated)}
    return colours | {UNTREATED: UNTREATED_COLOUR}


def lighter(colour: str, share: float) -> tuple[float, float, float]:
    """`colour` mixed with white: 0 is the colour, 1 is white. Opaque, so that overlaps stay readable."""
    red, green, blue = np.array(matplotlib.colors.to_rgb(colour)) * (1 - share) + share
    return float(red), float(green), float(blue)


def label(text: str, width: int = 34) -> str:
    """Text from outside for a figure: safe, short, and with letters that its font lacks as [code point]."""
    return shorten("".join(c if ord(c) in _letters() else f"[{ord(c):04X}]" for c in clean(text)), width)


def grid(
    rows: int,
    columns: int,
    height: float,
    *,
    left: float = 0.62,
    right: float = 0.12,
    top: float = 0.62,
    bottom: float = 0.5,
    gap_x: float = 0.78,
    gap_y: float = 0.6,
) -> tuple[Figure, list[list[Axes]]]:
    """A figure of the page's width with a grid of axes, each `height` high; all lengths in inches."""
    total = top + bottom + rows * height + (rows - 1) * gap_y
    width = (WIDTH_IN - left - right - (columns - 1) * gap_x) / columns
    figure = Figure(figsize=(WIDTH_IN, total), facecolor="white")
    axes = [
        [
            figure.add_axes(
                (
                    (left + j * (width + gap_x)) / WIDTH_IN,
                    (total - top - height - i * (height + gap_y)) / total,
                    width / WIDTH_IN,
                    height / total,
                )
            )
            for j in range(columns)
        ]
        for i in range(rows)
    ]
    return figure, axes


def svg(figure: Figure, alt: str, part: Bbox | Literal["tight"] | None = None) -> Image:
    """The figure, a part of it in inches or ("tight") what is drawn, as SVG; for figures of few marks."""
    return _address(_drawn(figure, "svg", {"Date": None, "Creator": None}, part), "image/svg+xml", alt)


def png(figure: Figure, alt: str) -> Image:
    """The figure as PNG of 256 colours at twice the page's resolution; for figures of many marks."""
    drawn = io.BytesIO(_drawn(figure, "png", {"Software": None}))
    small = io.BytesIO()
    with PIL.Image.open(drawn) as image:
        image.convert("RGB").quantize(256, PIL.Image.Quantize.MEDIANCUT, dither=PIL.Image.Dither.NONE).save(
            small, "png", optimize=True
        )
    return _address(small.getvalue(), "image/png", alt)


def svg_bytes(figure: Figure) -> bytes:
    """The figure as the bytes of an SVG file, the same for the same figure."""
    return _drawn(figure, "svg", {"Date": None, "Creator": None})


def _address(content: bytes, mime: str, alt: str) -> Image:
    return Image(f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}", alt)


def _drawn(
    figure: Figure, kind: str, metadata: dict[str, None], part: Bbox | Literal["tight"] | None = None
) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format=kind, dpi=PNG_DPI, metadata=metadata, bbox_inches=part, pad_inches=MARGIN_IN
    )
    return buffer.getvalue()


@cache
def _letters() -> frozenset[int]:
    path = matplotlib.font_manager.findfont(FONT)
    return frozenset(FT2Font(path).get_charmap())
