"""When a curve turns and when it progresses: nadir, depth, time to a multiple of the nadir or of baseline.

A mixture of clones, V = sum_c e^(log_sizes + rates t), is log-convex: it has one nadir, and past it passes every level
once. Its landmarks are solved to the last digits; those of other laws are closed forms. Clones on the first axis
(state, ...), results (...); net rates in 1/day, days from treatment start; NumPy only. What never comes is at infinity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.kinetics.namespace import logsumexp

Floats = NDArray[np.float64]
RECIST_PROGRESSION = 1.2**3
"""Volume over nadir of a sphere whose diameter grew by 20 %."""
_STEPS = 200
# Newton doubles the digits with each step: after one of this size the next would be rounding.
_LAST_STEP = 1e-12
# Slower than this (1/day) is at rest: its days would be no numbers.
_NO_RATE = 1e-200


def nadir_day(log_sizes: ArrayLike, rates: ArrayLike) -> Floats:
    """Day (...) of the least volume of a mixture: 0 if it never falls, infinite if it never rises again.

    Two clones: ln[shrinkage x share / (growth x resistant share)]/(shrinkage + growth). ValueError for a size that is
    not a number, a rate that is not finite, or a tumour without cells.
    """
    return _nadir_day(*_clones(log_sizes, rates))


def log_depth(log_sizes: ArrayLike, rates: ArrayLike) -> Floats:
    """log of the least volume over the volume at day 0 (...), <= 0; the limit if the nadir is never reached."""
    return _log_depth(*_clones(log_sizes, rates))


def time_to_multiple_of_nadir(
    log_sizes: ArrayLike, rates: ArrayLike, multiple: ArrayLike = RECIST_PROGRESSION
) -> Floats:
    """Day (...) at which a mixture has grown to `multiple` (> 1) times its least volume so far."""
    level = np.asarray(multiple, dtype=float)
    if not (level > 1.0).all():
        raise ValueError(f"progression needs a multiple of the nadir above 1, not {level.min():g}")
    x, rate = _clones(log_sizes, rates)
    return _last_day_below(x, rate, _log_depth(x, rate) + np.log(level))


def time_to_multiple_of_baseline(log_sizes: ArrayLike, rates: ArrayLike, multiple: ArrayLike = 2.0) -> Floats:
    """Day (...) from which on a mixture is above `multiple` (>= 1) times its volume at day 0.

    multiple = 1: the return to baseline; 0 if it never falls.
    """
    level = np.asarray(multiple, dtype=float)
    if not (level >= 1.0).all():
        raise ValueError(f"a multiple of the volume at day 0 is at least 1, not {level.min():g}")
    x, rate = _clones(log_sizes, rates)
    return _last_day_below(x, rate, np.log(level))


def stein_fojo_nadir(growth: ArrayLike, kill: ArrayLike) -> Floats:
    """Day of the least e^(-kill t) + e^(growth t) - 1: ln(kill/growth)/(kill + growth)."""
    return _when_it_falls(
        np.asarray(kill, dtype=float), np.asarray(growth, dtype=float), lambda k, g: np.log(k / g) / (k + g)
    )


def claret_nadir(growth: ArrayLike, kill: ArrayLike, exposure: ArrayLike, resistance: ArrayLike) -> Floats:
    """Day at which a fading kill has come down to the growth: ln(kill exposure/growth)/resistance."""
    fading = np.asarray(resistance, dtype=float)
    drive = np.asarray(kill, dtype=float) * np.asarray(exposure, dtype=float)
    with np.errstate(divide="ignore"):
        return _when_it_falls(drive, np.asarray(growth, dtype=float), lambda k, g: np.log(k / g) / fading)


def wang_nadir(shrinkage: ArrayLike, progression: ArrayLike) -> Floats:
    """Day of the least e^(-shrinkage t) + progression t: ln(shrinkage/progression)/shrinkage."""
    return _when_it_falls(
        np.asarray(shrinkage, dtype=float),
        np.asarray(progression, dtype=float),
        lambda k, g: np.log(k / g) / k,
    )


def gompertz_time_to_multiple(growth: ArrayLike, retardation: ArrayLike, multiple: ArrayLike = 2.0) -> Floats:
    """Day at which growth (1 - e^(-retardation t))/retardation is log(multiple); infinite above the plateau."""
    rate, a = np.asarray(growth, dtype=float), np.asarray(retardation, dtype=float)
    needed = np.log(np.asarray(multiple, dtype=float)) / rate
    spent = a * needed
    reached = spent < 1.0
    inside = np.where(reached, spent, 0.0)
    days = needed * np.where(inside == 0.0, 1.0, -np.log1p(-inside) / np.where(inside == 0.0, 1.0, inside))
    return np.where(reached, days, np.inf)


def _when_it_falls(drive: Floats, growth: Floats, day: Callable[[Floats, Floats], Floats]) -> Floats:
    """`day` where the curve falls at first; 0 where it does not, infinite where nothing grows."""
    falls = drive > growth
    turns = falls & (growth > 0.0)
    found = day(np.where(turns, drive, 2.0), np.where(turns, growth, 1.0))
    return np.where(turns, found, np.where(falls, np.inf, 0.0))


def _clones(log_sizes: ArrayLike, rates: ArrayLike) -> tuple[Floats, Floats]:
    """Log shares and net rates, both (state, ...)."""
    x, rate = np.broadcast_arrays(np.asarray(log_sizes, dtype=float), np.asarray(rates, dtype=float))
    if not np.isfinite(rate).all():
        raise ValueError("net rates of clones must be finite")
    if x.ndim == 0 or np.isnan(x).any() or np.isposinf(x).any():
        raise ValueError(
            "log sizes of clones lie on the first axis and are numbers, -inf for an absent clone"
        )
    total = logsumexp(x, 0, np)
    if np.isneginf(total).any():
        raise ValueError("a tumour without cells has neither a nadir nor a progression")
    return x - total, np.where(np.abs(rate) < _NO_RATE, 0.0, rate)


def _log_flow(x: Floats, rate: Floats) -> Floats:
    """Log of what each growing clone adds a day; -inf for the others."""
    return np.where(rate > 0.0, x + np.log(np.where(rate > 0.0, rate, 1.0)), -np.inf)


def _total_and_slope(log_sizes: Floats, rate: Floats) -> tuple[Floats, Floats]:
    total = logsumexp(log_sizes, 0, np)
    return total, np.sum(np.exp(log_sizes - total) * rate, axis=0)


def _nadir_day(x: Floats, rate: Floats) -> Floats:
    up, down = _log_flow(x, rate), _log_flow(x, -rate)
    grows, shrinks = (up > -np.inf).any(axis=0), (down > -np.inf).any(axis=0)

    def ahead(t: Floats) -> tuple[Floats, Floats]:
        """Log of what grows over what shrinks: between straight lines, and one for two clones."""
        gained, rise = _total_and_slope(up + rate * t, rate)
        lost, fall = _total_and_slope(down + rate * t, rate)
        return gained - lost, rise - fall

    with np.errstate(invalid="ignore"):
        behind, _ = ahead(np.zeros(grows.shape))
        turns = grows & shrinks & (behind < 0.0)
        slowest = np.where(up > -np.inf, rate, np.inf).min(axis=0)
        slowest = slowest + np.where(down > -np.inf, -rate, np.inf).min(axis=0)
        latest = np.where(turns, -behind / np.where(turns, slowest, 1.0), 0.0)
        day = _root(ahead, np.zeros(grows.shape), latest, np.zeros(grows.shape))
    return np.where(turns, day, np.where(shrinks & ~grows, np.inf, 0.0))


def _log_depth(x: Floats, rate: Floats) -> Floats:
    day = _nadir_day(x, rate)
    reached = np.isfinite(day)
    left = logsumexp(np.where(rate == 0.0, x, -np.inf), 0, np)
    at = logsumexp(x + rate * np.where(reached, day, 0.0), 0, np)
    return np.where(reached, np.where(day == 0.0, 0.0, at), left)


def _last_day_below(x: Floats, rate: Floats, level: Floats) -> Floats:
    """Day of the rise through `level` (>= log depth): Newton from where one clone alone would pass it."""
    grows = (rate > 0.0) & (x > -np.inf)
    latest = np.where(grows, (level - np.where(grows, x, 0.0)) / np.where(grows, rate, 1.0), np.inf).min(
        axis=0
    )
    comes = np.isfinite(latest)
    earliest = np.where(comes, _nadir_day(x, rate), 0.0)
    at_once = (earliest == 0.0) & (level <= 0.0)
    latest = np.where(comes & ~at_once, latest, earliest)

    def above(t: Floats) -> tuple[Floats, Floats]:
        total, slope = _total_and_slope(x + rate * t, rate)
        return total - level, slope

    with np.errstate(invalid="ignore", divide="ignore"):
        day = _root(above, earliest, latest, latest)
    return np.where(comes, np.where(at_once, 0.0, day), np.inf)


def _root(
    rising: Callable[[Floats], tuple[Floats, Floats]], low: Floats, high: Floats, start: Floats
) -> NDArray[Any]:
    """Root of a rising function between `low` and `high`: Newton, and bisection where Newton would leave.

    Each element stops by itself, so that a mouse's day does not depend on the others in the array.
    """
    t, moving = start, low < high
    for _ in range(_STEPS):
        value, slope = rising(t)
        low, high = np.where(value < 0.0, t, low), np.where(value >= 0.0, t, high)
        newton = t - value / slope
        step = np.where((newton >= low) & (newton <= high), newton, 0.5 * (low + high))
        moving, t = moving & (np.abs(step - t) > _LAST_STEP * np.abs(t)), np.where(moving, step, t)
        if not moving.any():
            break
    return t
