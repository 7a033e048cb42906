"""Agreement over arms, vectorised over replicates: the arm is the unit, its last dimension.

Values (..., arm) of two sides broadcast; an arm with a NaN or an infinite value on either side is left out. NaN where a
measure is not defined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.endpoints.association import spearman

Floats = NDArray[np.float64]

FEWEST_ARMS = 3


def spearman_over_arms(first: ArrayLike, second: ArrayLike) -> Floats:
    """Spearman's rank correlation; a value not reached (infinite) ranks last."""
    return _if_enough(first, second, spearman(first, second))


def kendall_over_arms(first: ArrayLike, second: ArrayLike) -> Floats:
    """Kendall's tau-b: concordant minus discordant pairs over the root of untied pairs of each side."""
    a, b, known = _sides(first, second)
    pairs = known[..., :, None] & known[..., None, :]
    with np.errstate(invalid="ignore"):
        up, across = (np.where(pairs, np.sign(x[..., :, None] - x[..., None, :]), 0.0) for x in (a, b))
    untied = np.abs(up).sum((-2, -1)) * np.abs(across).sum((-2, -1))
    tau = np.where(untied > 0, (up * across).sum((-2, -1)) / np.sqrt(np.maximum(untied, 1.0)), np.nan)
    return _if_enough(first, second, tau)


def concordance_over_arms(first: ArrayLike, second: ArrayLike) -> Floats:
    """Lin's concordance correlation coefficient (Lin 1989), variances divided by the number of arms."""
    da, db, shift, n = _centred(first, second)
    spread = (da**2).sum(-1) + (db**2).sum(-1) + n * shift**2
    return np.where(spread > 0, 2.0 * (da * db).sum(-1) / np.where(spread > 0, spread, 1.0), np.nan)


def calibration_slope(predicted: ArrayLike, seen: ArrayLike) -> Floats:
    """Slope of the least-squares line of what was seen on what was predicted; 1 is calibrated, NaN for one value."""
    da, db, _, _ = _centred(predicted, seen)
    spread = (da**2).sum(-1)
    return np.where(spread > 1e-18, (da * db).sum(-1) / np.where(spread > 1e-18, spread, 1.0), np.nan)


def _sides(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    a, b = np.broadcast_arrays(np.asarray(first, dtype=float), np.asarray(second, dtype=float))
    return a, b, ~np.isnan(a) & ~np.isnan(b)


def _centred(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats, Floats, Floats]:
    """Deviations (..., arm) from the means of arms that are finite on both sides, shift of means, number of arms."""
    a, b, _ = _sides(first, second)
    known = np.isfinite(a) & np.isfinite(b)
    n = known.sum(-1).astype(float)
    means = [np.where(known, x, 0.0).sum(-1) / np.maximum(n, 1.0) for x in (a, b)]
    with np.errstate(invalid="ignore"):
        da, db = (np.where(known, x - mean[..., None], 0.0) for x, mean in zip((a, b), means, strict=True))
    enough = n >= FEWEST_ARMS
    return da * np.where(enough, 1.0, 0.0)[..., None], db, means[0] - means[1], n


def _if_enough(first: ArrayLike, second: ArrayLike, values: Floats) -> Floats:
    known = _sides(first, second)[2]
    return np.where(known.sum(-1) >= FEWEST_ARMS, values, np.nan)
