"""Posterior predictive overlay: each observed curve on the volumes that the calibrated model would have shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from avatar_trials.report import canvas
from avatar_trials.report.canvas import FAINT, INK, label, lighter
from avatar_trials.report.text import percent

Floats = NDArray[np.float64]

BANDS = (0.9, 0.5)
AVATARS_A_PAGE = 11
ARMS_A_PAGE = 5
AXIS_MM3 = (10, 30, 100, 300, 1000, 3000)


@dataclass(frozen=True)
class Predicted:
    """Observed volumes beside their predictive quantiles, by observation; `of_curve` picks a curve's, in order of day.

    limit_mm3: detection limit (`limit_name` says if it is only the least volume measured); volumes below it are known
    only to be below. low, high: limits of BANDS, (band, obs).
    """

    day: Floats
    volume_mm3: Floats
    below: NDArray[np.bool_]
    limit_mm3: float
    limit_name: str
    low: Floats
    high: Floats
    of_curve: dict[tuple[str, str], list[NDArray[np.intp]]]

    def coverage(self, band: int) -> float:
        """Share of the observed volumes inside a band; below the limit counts as inside if the band reaches there."""
        volume = np.maximum(self.volume_mm3, self.limit_mm3)
        low, high = (np.maximum(x[band], self.limit_mm3) for x in (self.low, self.high))
        return float(np.mean((low <= volume) & (volume <= high)))


def predicted(posterior: xr.DataTree) -> Predicted | None:
    """Read the predictive volumes of a posterior; None if it holds none.

    Expects observed_data/volume_mm3 (obs), constant_data/day, curve, censored (obs) with avatar and arm by curve, and
    posterior_predictive/volume_mm3 (chain, draw, obs). The detection limit is constant_data's attribute
    `detection_limit_mm3`; without it the least volume that is not censored.
    """
    if not {"posterior_predictive", "observed_data", "constant_data"} <= set(posterior.children):
        return None
    constant = posterior["constant_data"].to_dataset()
    volume = np.asarray(posterior["observed_data"]["volume_mm3"].values, dtype=float)
    below = np.asarray(constant["censored"].values, dtype=bool)
    draws = posterior["posterior_predictive"]["volume_mm3"].transpose("chain", "draw", "obs").values
    if not volume.size or not draws.size:
        return None
    tails = [(1 - band) / 2 for band in BANDS]
    levels = [*tails, *(1 - tail for tail in tails)]
    limits = np.quantile(draws.reshape(-1, volume.size).astype(float), levels, axis=0)
    day = np.asarray(constant["day"].values, dtype=float)
    curve = np.asarray(constant["curve"].values, dtype=np.intp)
    of_curve: dict[tuple[str, str], list[NDArray[np.intp]]] = {}
    for i, (avatar, arm) in enumerate(zip(constant["avatar"].values, constant["arm"].values, strict=True)):
        own = np.flatnonzero(curve == i)
        if own.size:
            of_curve.setdefault((str(avatar), str(arm)), []).append(own[np.argsort(day[own], kind="stable")])
    measured = volume[~below & (volume > 0)]
    least = float(measured.min()) if measured.size else 1.0
    limit = float(constant.attrs.get("detection_limit_mm3", least))
    name = "detection limit" if "detection_limit_mm3" in constant.attrs else "least measured volume"
    return Predicted(day, volume, below, limit, name, limits[: len(BANDS)], limits[len(BANDS) :], of_curve)


def predictive_pages(
    shown: Predicted, avatars: Sequence[str], arms: Sequence[str], colours: Mapping[str, str]
) -> Iterator[tuple[Figure, str]]:
    """(figure, what it shows), AVATARS_A_PAGE avatars by at most ARMS_A_PAGE arms each."""
    drawn = [arm for arm in arms if any(key[1] == arm for key in shown.of_curve)]
    named = [avatar for avatar in avatars if any(key[0] == avatar for key in shown.of_curve)]
    for first_arm in range(0, len(drawn), ARMS_A_PAGE):
        for first in range(0, len(named), AVATARS_A_PAGE):
            rows, columns = named[first : first + AVATARS_A_PAGE], drawn[first_arm : first_arm + ARMS_A_PAGE]
            figure = page(shown, rows, columns, colours)
            yield figure, f"{rows[0]} to {rows[-1]}; {', '.join(columns)}"


def page(
    shown: Predicted,
    avatars: Sequence[str],
    arms: Sequence[str],
    colours: Mapping[str, str],
) -> Figure:
    """One figure, a row an avatar and a column an arm."""
    top = float(max(shown.volume_mm3.max(), shown.limit_mm3 * 10, np.nanquantile(shown.high[0], 0.98)))
    figure, grid = canvas.grid(
        len(avatars), len(arms), 0.92, left=1.85, top=0.62, bottom=0.3, gap_x=0.2, gap_y=0.24
    )
    floor = shown.limit_mm3 * 0.75
    ticks = [mm3 for mm3 in AXIS_MM3 if shown.limit_mm3 <= mm3 <= top]
    for row, avatar in zip(grid, avatars, strict=True):
        for axes, arm in zip(row, arms, strict=True):
            for own in shown.of_curve.get((avatar, arm), []):
                _curve(axes, shown, own, colours[arm])
            axes.axhline(np.log10(shown.limit_mm3), color=FAINT, lw=0.5, ls=(0, (2, 3)), zorder=0)
            last = _last_day(shown, (avatar, arm))
            axes.set(xlim=(-0.02 * last, last * 1.02), ylim=(np.log10(floor), np.log10(top * 1.1)))
            axes.set_xticks([0.0, last], labels=["0", f"{last:g} d"])
            axes.set_yticks(np.log10(ticks), labels=[f"{mm3:,}" for mm3 in ticks] if axes is row[0] else [])
            if (avatar, arm) not in shown.of_curve:
                axes.text(
                    0.5, 0.5, "no mouse", transform=axes.transAxes, ha="center", va="center", color=FAINT
                )
                axes.set_xticks([])
        row[0].annotate(
            label(avatar, 14), (0, 0.5), (-44, 0), xycoords="axes fraction", textcoords="offset points",
            ha="right", va="center", fontweight="bold", fontsize=8,
        )  # fmt: skip
    for axes, arm in zip(grid[0], arms, strict=True):
        axes.set_title(label(arm, 150 // len(arms)), color=colours[arm])
    figure.text(1.85 / canvas.WIDTH_IN, 1, "volume, mm³", va="top", ha="right", fontsize=8)
    tints = zip(BANDS, (0.72, 0.45), strict=True)
    figure.legend(
        handles=[
            Line2D([], [], color=INK, lw=0, marker="o", ms=3.5, label="observed volume"),
            Line2D([], [], color=INK, lw=0, marker="v", ms=4.5, mfc="white", label="observed, below detection limit"),
            *(Patch(color=lighter(FAINT, tint), label=f"{percent(band)} predictive band") for band, tint in tints),
        ],
        loc="upper right", ncols=4, borderaxespad=0.3,
    )  # fmt: skip
    return figure


def _curve(axes: Axes, shown: Predicted, own: NDArray[np.intp], colour: str) -> None:
    day, volume = shown.day[own], shown.volume_mm3[own]
    for band, tint in enumerate((0.72, 0.45)):
        low, high = (np.log10(np.maximum(x[band, own], shown.limit_mm3)) for x in (shown.low, shown.high))
        axes.fill_between(day, low, high, color=lighter(colour, tint), lw=0)
    below = shown.below[own] | (volume < shown.limit_mm3)
    axes.plot(day[~below], np.log10(volume[~below]), ls="", marker="o", ms=2.4, mew=0, color=INK)
    axes.plot(
        day[below], np.full(below.sum(), np.log10(shown.limit_mm3)), ls="", marker="v", ms=3.4, mew=0.7,
        mec=INK, mfc="white",
    )  # fmt: skip


def _last_day(shown: Predicted, panel: tuple[str, str]) -> float:
    return float(max([1.0, *(shown.day[own].max() for own in shown.of_curve.get(panel, []))]))
