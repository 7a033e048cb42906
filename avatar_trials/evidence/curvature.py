"""Whether untreated tumours bend as the emulated ones do: growth that slows down, or does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from avatar_trials.arms import UNTREATED
from avatar_trials.endpoints import mouse_curves
from avatar_trials.evidence.check import Check, not_computed
from avatar_trials.evidence.drawing import BAND, INK, MODEL, panels

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable

Floats = NDArray[np.float64]

CURVATURE = "untreated curvature"
FEWEST_VISITS = 4
TAIL = 0.05


def untreated_curvature(trial: xr.Dataset, table: GrowthTable | None, limit_mm3: float) -> Check:
    """Mean bend of the observed untreated mice's log volumes among those of the replicate trials.

    Emulated mice leave when they grow large, as observed ones do: the last reading before that is more often too high
    than too low, which bends curves upwards. New readings at the visits of the observed mice would lack that.
    """
    if table is None:
        return not_computed(CURVATURE, "there are no observed mice to compare with")
    if UNTREATED not in trial["arm"].values:
        return not_computed(CURVATURE, "the trial has no untreated arm")
    mice, day, volume = mouse_curves(table)
    untreated = (mice["arm"] == UNTREATED).to_numpy()
    observed = bend(day[untreated], volume[untreated], limit_mm3)
    observed = observed[np.isfinite(observed)]
    if not len(observed):
        return not_computed(
            CURVATURE, f"no untreated mouse has {FEWEST_VISITS} readings above the detection limit"
        )
    emulated = trial["volume_mm3"].sel(arm=UNTREATED).transpose("trial", "avatar", "visit").values
    emulated = bend(np.broadcast_to(trial["day"].values, emulated.shape), emulated, limit_mm3)
    if not np.isfinite(emulated).any(axis=1).all():
        return not_computed(CURVATURE, "a replicate trial has no untreated mouse with enough readings")
    rows = [
        _compared("mean bend, log units", observed.mean(), np.nanmean(emulated, axis=1)),
        _compared(
            "share that slows down",
            (observed < 0).mean(),
            np.nanmean(np.where(np.isnan(emulated), np.nan, emulated < 0), axis=1),
        ),
    ]
    columns = ["quantity", "observed", "emulated", "lower", "upper", "share_below"]
    found = pd.DataFrame(rows, columns=columns).assign(mice=len(observed))
    one = found.iloc[0]
    text = (
        f"Mean bend of {len(observed)} untreated mice {one['observed']:+.3f} log units, emulated "
        f"{one['emulated']:+.3f} [{one['lower']:+.3f}, {one['upper']:+.3f}]; {one['share_below']:.1%} of the "
        f"replicate trials lie below it. Passes if that is {TAIL:.0%} to {1 - TAIL:.0%}."
    )
    passed = bool(TAIL <= one["share_below"] <= 1 - TAIL)
    return Check(CURVATURE, passed, found, text, lambda: _draw(observed, emulated))


def bend(day: Floats, volume_mm3: Floats, limit_mm3: float) -> Floats:
    """How curves (..., visit) bend: least-squares coefficient of x^2 in log volume, days running from x = -1 to 1.

    That is half the second difference between start, middle and end; below 0, growth slows down. Readings below the
    limit or missing are left out; NaN with fewer than four others.
    """
    seen = np.nan_to_num(volume_mm3, nan=-1.0) >= limit_mm3
    enough = np.count_nonzero(seen, axis=-1) >= FEWEST_VISITS
    first = np.where(seen, day, np.inf).min(axis=-1, keepdims=True)
    last = np.where(seen, day, -np.inf).max(axis=-1, keepdims=True)
    kept = seen & enough[..., None]
    x = np.divide(2.0 * (day - first), last - first, out=np.zeros(kept.shape), where=kept) - 1.0
    powers = np.stack([np.ones_like(x), x, x**2], axis=-1) * kept[..., None]
    height = np.log(np.where(kept, volume_mm3, 1.0))
    square = np.einsum("...vi,...vj->...ij", powers, powers) + np.where(
        enough[..., None, None], 0.0, np.eye(3)
    )
    cross = np.einsum("...vi,...v->...i", powers, height)
    coefficient = np.linalg.solve(square, cross[..., None])[..., 2, 0]
    return np.where(enough, coefficient, np.nan)


def _compared(name: str, ours: float, theirs: Floats) -> tuple[str, float, float, float, float, float]:
    below = (np.count_nonzero(theirs < ours) + 0.5 * np.count_nonzero(theirs == ours)) / len(theirs)
    low, middle, high = np.quantile(theirs, [TAIL, 0.5, 1 - TAIL])
    return name, float(ours), float(middle), float(low), float(high), float(below)


def _draw(observed: Floats, emulated: Floats) -> Figure:
    figure, axes = panels(2)
    axes[0].hist(np.nanmean(emulated, axis=1), bins=30, color=BAND)
    axes[0].axvline(observed.mean(), color=INK, lw=1.5)
    axes[0].set(xlabel="mean bend, log units", ylabel="replicate trials", yticks=[])
    shares = np.linspace(0.005, 0.995, 100)
    axes[1].plot(np.nanquantile(emulated, shares), shares, color=MODEL, lw=1.2)
    ranks = np.arange(1, len(observed) + 1) / len(observed)
    axes[1].plot(np.sort(observed), ranks, color=INK, lw=1.2, drawstyle="steps-post")
    axes[1].set(xlabel="bend of a mouse, log units", ylabel="share of mice")
    return figure
