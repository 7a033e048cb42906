"""How likely an observed mouse is among emulated ones: its depth of response and time to doubling, together."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from avatar_trials.endpoints.arm_outcomes import ArmOutcomes

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DENSITY_WORDS = (
    "log relative volume at best response and log time to doubling together: of each avatar a product of Gaussian "
    "kernels about each of its own draws, bandwidths by Silverman's rule for two dimensions; depth reflected at the "
    "floor (the detection limit relative to the typical start), where draws and readings are one lump; doubled mice "
    "are compared with doubled ones, mice that left before with such, at their days, and those that stayed to the end "
    "are one lump; beside them, with the weight of one draw, Student's t with 4 degrees of freedom about all avatars' "
    "draws"
)
NARROWEST = 0.02
NARROWEST_TIME = 0.1  # visits lie 3 to 4 days apart: 10 % of a month
DOUBLED, LEFT, STAYED = 0, 1, 2


def log_relative_depth(depth_pct: ArrayLike, floor: float) -> Floats:
    """Log relative volume (...) at best response, of depth in percent of baseline, no lower than `floor`; NaN stays."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log1p(np.asarray(depth_pct, dtype=float) / 100.0), floor)


def log_density(drawn: ArmOutcomes, observed: ArmOutcomes, *, floor: float, end: float) -> Floats:
    """Log predictive density (avatar,) of observed mice (1, avatar) among draws (T, avatar) of the same avatars.

    A density in log relative volume and log days; at the `floor` of depth, and among mice followed to day `end`, a
    share. How: DENSITY_WORDS. The pairs are kept, for a mouse that shrinks more also doubles later. An observed depth
    or time that is NaN is left out, and with both the density is 1. Silverman 1986, Density Estimation, eq. 4.14.
    """
    n = np.isfinite(drawn.time_days).sum(axis=0)
    if not n.any():
        return np.zeros(drawn.time_days.shape[1])
    own_depth, wide_depth = _depth_kernels(
        log_relative_depth(drawn.depth_pct, floor), log_relative_depth(observed.depth_pct[0], floor), floor
    )
    own_time, wide_time = _time_kernels(drawn, observed, end)
    value: Floats = np.log(((own_depth * own_time).sum(axis=0) + wide_depth * wide_time) / (n + 1.0))
    return np.where(n > 0, value, 0.0)


def _depth_kernels(drawn: Floats, observed: Floats, floor: float) -> tuple[Floats, Floats]:
    """Kernels (T, avatar) of the draws at the observed depths, and the density (avatar,) among all avatars' draws."""
    known, unknown = np.isfinite(drawn), np.isnan(observed)
    above = drawn > floor
    middle = np.where(above, drawn, np.nan)
    h = _bandwidth(middle, NARROWEST)
    kernels = _gaussian((observed - middle) / h, h) + _gaussian((observed + middle - 2.0 * floor) / h, h)
    own = np.where(observed > floor, np.where(above, kernels, 0.0), known & ~above)
    everyone = drawn[known]
    if len(everyone) < 2:
        return np.where(unknown, 1.0, own), np.ones(len(observed))
    at_floor = (np.count_nonzero(everyone <= floor) + 1.0) / (len(everyone) + 1.0)
    wide = np.where(observed > floor, _student(everyone, observed, NARROWEST), at_floor)
    return np.where(unknown, 1.0, own), np.where(unknown, 1.0, wide)


def _time_kernels(drawn: ArmOutcomes, observed: ArmOutcomes, end: float) -> tuple[Floats, Floats]:
    """The same of times, by what became of the mice."""
    day, became = _log_days(drawn), _became(drawn, end)
    day_seen, became_seen = _log_days(observed)[0], _became(observed, end)[0]
    unknown = np.isnan(day_seen)
    h = _bandwidth(np.where(became == STAYED, np.nan, day), NARROWEST_TIME)
    kernels = np.where(became_seen == STAYED, 1.0, _gaussian((day_seen - day) / h, h))
    own = np.where((became == became_seen) & np.isfinite(day), kernels, 0.0)
    wide = np.ones(len(day_seen))
    for state in (DOUBLED, LEFT, STAYED):
        alike = day[(became == state) & np.isfinite(day)]
        share = (len(alike) + 1.0) / (np.isfinite(day).sum() + 3.0)
        about = alike if len(alike) > 1 else day[np.isfinite(day)]
        density = _student(about, day_seen, NARROWEST_TIME) if state != STAYED else 1.0
        wide = np.where(became_seen == state, share * density, wide)
    return np.where(unknown, 1.0, own), np.where(unknown, 1.0, wide)


def _log_days(outcomes: ArmOutcomes) -> Floats:
    return np.log(np.maximum(outcomes.time_days, 1.0))


def _became(outcomes: ArmOutcomes, end: float) -> Ints:
    """DOUBLED, LEFT before day `end` without, or STAYED."""
    return np.where(outcomes.doubled, DOUBLED, np.where(outcomes.time_days >= end, STAYED, LEFT))


def _gaussian(deviate: Floats, h: Floats) -> Floats:
    density: Floats = np.exp(-0.5 * deviate**2) / (h * np.sqrt(2.0 * np.pi))
    return np.where(np.isfinite(density), density, 0.0)


def _student(drawn: Floats, observed: Floats, narrowest: float) -> Floats:
    spread = max(float(drawn.std(ddof=1)), narrowest)
    density: Floats = stats.t(4, drawn.mean(), spread).pdf(observed)
    return density


def _bandwidth(drawn: Floats, narrowest: float) -> Floats:
    """Silverman's rule (avatar,) over draws (T, avatar), NaN apart; `narrowest` where there is no spread."""
    n = np.isfinite(drawn).sum(axis=0)
    h = np.full(drawn.shape[1], narrowest)
    several = n > 1
    if several.any():
        some = drawn[:, several]
        low, high = np.nanquantile(some, [0.25, 0.75], axis=0)
        sd = np.nanstd(some, axis=0, ddof=1)
        iqr = (high - low) / 1.349
        h[several] = 0.96 * np.where(iqr > 0, np.minimum(sd, iqr), sd) * n[several] ** (-1.0 / 6.0)
    return np.maximum(h, narrowest)
