"""Whether the readings' surprises are what the caliper and the wander of the card say, whatever size, day or reading
before."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from avatar_trials.calibrate.surprises import Surprises
from avatar_trials.evidence.check import Check, not_computed
from avatar_trials.evidence.drawing import FAILED, FAINT, INK, panels

Floats = NDArray[np.float64]

DIAMETER_EDGES_MM = (0.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, np.inf)
DAY_EDGES = (0.0, 1.0, 5.0, 9.0, 14.0, 21.0, 42.0, 84.0, np.inf)
SD_LIMITS = (0.8, 1.25)
MEAN_LIMIT = 0.25
FEWEST = 50
LAGS = (1, 2, 3, 4)
CORRELATION_LIMIT = 0.15
DIAMETER, DAY, AUTOCORRELATION = (
    "residual against diameter",
    "residual against day",
    "residual autocorrelation",
)
RULE = (
    f"Passes if the SD lies in {SD_LIMITS[0]:g} to {SD_LIMITS[1]:g} and the mean within ±{MEAN_LIMIT:g} in each bin of "
    f"{FEWEST} readings or more; a right model has 1 and 0, with standard errors of 0.10 and 0.14 at {FEWEST} readings."
)


def residual_by_diameter(found: Surprises) -> Check:
    """Mean and SD of the one-step quantile residuals by the diameter (mm) foreseen before the reading."""
    return _binned(DIAMETER, found.normal, found.diameter_mm, DIAMETER_EDGES_MM, "diameter foreseen", "mm")


def residual_by_day(found: Surprises) -> Check:
    """Mean and SD of the one-step quantile residuals by day of treatment."""
    day = np.broadcast_to(found.day, found.normal.shape)
    return _binned(DAY, found.normal, day, DAY_EDGES, "day of treatment", "days")


def residual_autocorrelation(found: Surprises) -> Check:
    """Correlation of the one-step quantile residuals of a mouse, one to four visits apart, mean over draws."""
    rows = []
    for lag in LAGS:
        together = found.curve[lag:] == found.curve[:-lag]
        early, late = found.normal[:, :-lag][:, together], found.normal[:, lag:][:, together]
        scale = np.sqrt((early**2).sum(axis=1) * (late**2).sum(axis=1))
        value = float(np.mean((early * late).sum(axis=1) / scale)) if together.any() else np.nan
        rows.append((lag, int(together.sum()), value, 1.0 / np.sqrt(max(int(together.sum()), 1))))
    table = pd.DataFrame(rows, columns=["lag_visits", "pairs", "correlation", "standard_error"])
    first = table.iloc[0]
    if first["pairs"] < FEWEST:
        why = f"{int(first['pairs'])} pairs of successive readings, and it takes {FEWEST}"
        return not_computed(AUTOCORRELATION, why)
    text = (
        f"Lag 1 within a mouse: {first['correlation']:+.3f} over {int(first['pairs']):,} pairs. "
        f"Passes if it lies within ±{CORRELATION_LIMIT:g}; a right model has 0 ± {first['standard_error']:.3f}."
    )
    passed = bool(abs(first["correlation"]) < CORRELATION_LIMIT)
    return Check(AUTOCORRELATION, passed, table, text, lambda: _draw_lags(table))


def _binned(name: str, residual: Floats, by: Floats, edges: tuple[float, ...], what: str, unit: str) -> Check:
    place = np.digitize(by, edges[1:-1]).ravel()
    n_bins, draws = len(edges) - 1, len(residual)
    count = np.bincount(place, minlength=n_bins)
    sums = np.bincount(place, residual.ravel(), n_bins)
    squares = np.bincount(place, residual.ravel() ** 2, n_bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums / count
        sd = np.sqrt(squares / count - mean**2)
    readings = count / draws
    judged = readings >= FEWEST
    inside = (sd >= SD_LIMITS[0]) & (sd <= SD_LIMITS[1]) & (np.abs(mean) <= MEAN_LIMIT)
    table = pd.DataFrame(
        {
            f"from_{unit}": edges[:-1],
            f"to_{unit}": edges[1:],
            "readings": readings,
            "mean": mean,
            "sd": sd,
            "judged": judged,
            "inside": inside,
        }
    )[count > 0].reset_index(drop=True)
    if not judged.any():
        return not_computed(name, f"no bin of {what} holds {FEWEST} readings")
    missed = table[table["judged"] & ~table["inside"]]
    spans = [
        f"{row[f'from_{unit}']:g} to {row[f'to_{unit}']:g} {unit} (mean {row['mean']:+.2f}, SD {row['sd']:.2f}, "
        f"{row['readings']:.0f} readings)"
        for _, row in missed.iterrows()
    ]
    found = f"outside at {'; '.join(spans)}" if spans else "every bin inside"
    text = f"Standard normal residuals in {int(judged.sum())} bins by {what}: {found}. {RULE}"
    return Check(name, missed.empty, table, text, lambda: _draw_bins(table, what, unit))


def _draw_bins(table: pd.DataFrame, what: str, unit: str) -> Figure:
    figure, axes = panels(2)
    names = [
        f"{low:g}–{high:g}" if np.isfinite(high) else f"{low:g}+" for low, high in table.iloc[:, :2].values
    ]
    place = np.arange(len(table))
    colours = np.where(table["inside"], INK, np.where(table["judged"], FAILED, FAINT))
    for one, column, limits in (
        (axes[0], "mean", (-MEAN_LIMIT, MEAN_LIMIT)),
        (axes[1], "sd", SD_LIMITS),
    ):
        one.axhspan(*limits, color="#eef1f3", lw=0)
        one.scatter(place, table[column], c=list(colours), s=22, zorder=3)
        one.set_xticks(place, names, rotation=60, ha="right")
        one.set(
            xlabel=f"{what}, {unit}", ylabel=f"{column.upper() if column == 'sd' else column} of residuals"
        )
    return figure


def _draw_lags(table: pd.DataFrame) -> Figure:
    figure, (axes,) = panels(1)
    axes.axhspan(-CORRELATION_LIMIT, CORRELATION_LIMIT, color="#eef1f3", lw=0)
    axes.errorbar(
        table["lag_visits"], table["correlation"], yerr=2 * table["standard_error"], fmt="o", color=INK, ms=4
    )
    axes.set(xlabel="visits apart", ylabel="correlation of residuals", xticks=list(LAGS))
    return figure
