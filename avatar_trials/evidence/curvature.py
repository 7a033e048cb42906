"""Whether untreated tumours bend as the calibrated ones do: growth that slows down, or does not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from avatar_trials.arms import UNTREATED
from avatar_trials.evidence.check import Check, not_computed
from avatar_trials.evidence.drawing import BAND, INK, panels

Floats = NDArray[np.float64]

CURVATURE = "untreated curvature"
FEWEST_VISITS = 4
TAIL = 0.05
NEEDED = {"posterior_predictive", "observed_data", "constant_data"}


def untreated_curvature(tree: xr.DataTree) -> Check:
    """Mean bend of the untreated mice's log volumes among those of posterior predictive replicates of the same mice.

    The bend of a mouse is half the second difference between start, middle and end of the parabola fitted to its log
    volumes: the coefficient of x^2, days running from x = -1 to 1; below 0, growth slows down. Readings below the
    detection limit are left out; mice with four visits or more count.
    """
    if not set(tree.children) >= NEEDED:
        return not_computed(CURVATURE, "the posterior holds no predictive volumes")
    constant = tree["constant_data"].to_dataset()
    arm = np.array([str(name) for name in constant["arm"].values])
    curve = constant["curve"].values.astype(np.int64)
    seen = ~constant["censored"].values.astype(bool)
    day = constant["day"].values.astype(float)
    limit = float(constant.attrs["detection_limit_mm3"])
    chosen = [np.flatnonzero((curve == k) & seen) for k in np.flatnonzero(arm == UNTREATED)]
    chosen = [own for own in chosen if len(own) >= FEWEST_VISITS]
    if not chosen:
        return not_computed(CURVATURE, f"no untreated mouse has {FEWEST_VISITS} readings above the detection limit")
    observed = tree["observed_data"]["volume_mm3"].values.astype(float)
    predicted = tree["posterior_predictive"]["volume_mm3"].transpose("chain", "draw", "obs").values
    predicted = predicted.reshape(-1, len(curve)).astype(float)
    weights = [bend_weights(day[own]) for own in chosen]
    of_mouse = np.array([w @ np.log(observed[own]) for own, w in zip(chosen, weights, strict=True)])
    replicates = np.stack(
        [np.log(np.maximum(predicted[:, own], limit)) @ w for own, w in zip(chosen, weights, strict=True)],
        axis=1,
    )
    rows = []
    for name, ours, theirs in (
        ("mean bend, log units", of_mouse.mean(), replicates.mean(axis=1)),
        ("share that slows down", (of_mouse < 0).mean(), (replicates < 0).mean(axis=1)),
    ):
        below = (np.count_nonzero(theirs < ours) + 0.5 * np.count_nonzero(theirs == ours)) / len(theirs)
        low, high = np.quantile(theirs, [TAIL, 1 - TAIL])
        rows.append((name, float(ours), float(np.median(theirs)), low, high, float(below), len(chosen)))
    columns = ["quantity", "observed", "predicted", "lower", "upper", "share_below", "mice"]
    table = pd.DataFrame(rows, columns=columns)
    bend = table.iloc[0]
    passed = bool(TAIL <= bend["share_below"] <= 1 - TAIL)
    text = (
        f"Mean bend of {len(chosen)} untreated mice {bend['observed']:+.3f} log units, predicted "
        f"{bend['predicted']:+.3f} [{bend['lower']:+.3f}, {bend['upper']:+.3f}]; {bend['share_below']:.1%} of the "
        f"predictive replicates lie below it. Passes if that is {TAIL:.0%} to {1 - TAIL:.0%}."
    )
    return Check(CURVATURE, passed, table, text, lambda: _draw(of_mouse, replicates))


def bend_weights(day: Floats) -> Floats:
    """Weights (visit,) whose sum with log volumes is the bend: least-squares coefficient of x^2, x from -1 to 1."""
    x = 2.0 * (day - day.min()) / np.ptp(day) - 1.0
    weights: Floats = np.linalg.pinv(np.stack([np.ones_like(x), x, x**2], axis=1))[2]
    return weights


def _draw(observed: Floats, replicates: Floats) -> Figure:
    figure, axes = panels(2)
    axes[0].hist(replicates.mean(axis=1), bins=30, color=BAND)
    axes[0].axvline(observed.mean(), color=INK, lw=1.5)
    axes[0].set(xlabel="mean bend, log units", ylabel="predictive replicates", yticks=[])
    edges = np.quantile(replicates, np.linspace(0.005, 0.995, 41))
    axes[1].plot(edges, [(replicates <= edge).mean() for edge in edges], color="#4f6d8f", lw=1.2)
    axes[1].plot(np.sort(observed), np.arange(1, len(observed) + 1) / len(observed), color=INK, lw=1.2, ds="steps-post")
    axes[1].set(xlabel="bend of a mouse, log units", ylabel="share of mice")
    return figure
