"""How likely an observed depth of response is among emulated ones: a smooth density, and a lump below detection."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]

DENSITY_WORDS = (
    "log relative volume at best response; of each avatar a Gaussian kernel density over its own draws, bandwidth by "
    "Silverman's rule, reflected at the floor (the detection limit relative to the typical start), where draws and "
    "readings are one lump; beside them, with the weight of one draw, Student's t with 4 degrees of freedom about all "
    "avatars' draws together"
)
NARROWEST = 0.02


def log_relative_depth(depth_pct: ArrayLike, floor: float) -> Floats:
    """Log relative volume (...) at best response, of depth in percent of baseline, no lower than `floor`; NaN stays."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log1p(np.asarray(depth_pct, dtype=float) / 100.0), floor)


def log_density(drawn: Floats, observed: Floats, floor: float) -> Floats:
    """Log predictive density (avatar,) of observed values among draws (T, avatar) of the same avatars.

    Both as `log_relative_depth` gives them. At the floor: log share of draws there. How: DENSITY_WORDS. 0 where the
    observed value or all of an avatar's draws are NaN. Silverman 1986, Density Estimation, eq. 3.31.
    """
    drawn, observed = np.asarray(drawn, dtype=float), np.asarray(observed, dtype=float)
    known = np.isfinite(drawn)
    n = known.sum(axis=0)
    everyone = drawn[known]
    if len(everyone) < 2:
        return np.zeros(len(observed))
    with np.errstate(invalid="ignore"):
        own = _mass(drawn, observed, floor)
    spread = max(float(everyone.std(ddof=1)), NARROWEST)
    at_floor = (np.count_nonzero(everyone <= floor) + 1.0) / (len(everyone) + 1.0)
    of_all = stats.t(4, everyone.mean(), spread).pdf(observed)
    value = np.log((own + np.where(observed > floor, of_all, at_floor)) / (n + 1.0))
    return np.where(np.isfinite(observed) & (n > 0), value, 0.0)


def _mass(drawn: Floats, observed: Floats, floor: float) -> Floats:
    """Sum (avatar,) over draws of their kernels at the observed values, or of those at the floor."""
    above = drawn > floor
    middle = np.where(above, drawn, np.nan)
    h = _bandwidth(middle)
    far = (observed - middle) / h
    mirrored = (observed + middle - 2.0 * floor) / h
    kernels = (np.exp(-0.5 * far**2) + np.exp(-0.5 * mirrored**2)) / (h * np.sqrt(2.0 * np.pi))
    return np.where(observed > floor, np.nansum(kernels, axis=0), (drawn <= floor).sum(axis=0))


def _bandwidth(drawn: Floats) -> Floats:
    """Silverman's rule (avatar,) over draws (T, avatar), NaN apart; NARROWEST where there is no spread."""
    n = np.isfinite(drawn).sum(axis=0)
    spread = np.full(drawn.shape[1], NARROWEST)
    several = n > 1
    if several.any():
        some = drawn[:, several]
        low, high = np.nanquantile(some, [0.25, 0.75], axis=0)
        sd = np.nanstd(some, axis=0, ddof=1)
        iqr = (high - low) / 1.349
        spread[several] = 0.9 * np.where(iqr > 0, np.minimum(sd, iqr), sd) * n[several] ** -0.2
    return np.maximum(spread, NARROWEST)
