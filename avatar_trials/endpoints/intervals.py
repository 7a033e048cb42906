"""Intervals and quantiles that the readouts share: exact about ties, discreteness and values not reached."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, bdtrc, betaincinv, ndtri

Floats = NDArray[np.float64]

PROPORTION_METHODS = ("wilson", "clopper-pearson", "jeffreys")


def check_level(level: float) -> None:
    """Raise ValueError unless `level` lies in (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1: received {level}")


def wilson_interval(successes: int, n: int, level: float) -> tuple[float, float]:
    """Wilson score interval of a proportion (Wilson 1927, no continuity correction); NaN for n = 0."""
    lower, upper = proportion_interval(successes, n, method="wilson", level=level)
    return float(lower), float(upper)


def proportion_interval(
    successes: ArrayLike, n: ArrayLike, *, method: str = "wilson", level: float = 0.95
) -> tuple[Floats, Floats]:
    """Interval of a proportion, counts of any shapes that broadcast; NaN where n is 0.

    method: "wilson" (score, Wilson 1927, no continuity correction), "clopper-pearson" (exact, Clopper and
    Pearson 1934) or "jeffreys" (equal tails of the beta posterior under Jeffreys' prior, with the limit 0
    without a success and 1 without a failure; Brown, Cai and DasGupta 2001). ValueError for an unknown
    method or level, and for counts that are not whole or not 0 <= successes <= n.
    """
    check_level(level)
    if method not in PROPORTION_METHODS:
        raise ValueError(f"unknown method {method!r}: expected one of {', '.join(PROPORTION_METHODS)}")
    x, total = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(n, dtype=float))
    if not np.all((x >= 0) & (x <= total) & (x == np.floor(x)) & (total == np.floor(total))):
        raise ValueError(f"successes and n are counts with 0 <= successes <= n: received {x} of {total}")
    size, tail = np.maximum(total, 1.0), (1 - level) / 2
    if method == "wilson":
        z2 = float(ndtri(0.5 + level / 2)) ** 2
        centre = (x + z2 / 2) / (size + z2)
        half = np.sqrt(z2 * (x * (size - x) / size + z2 / 4)) / (size + z2)
        lower, upper = centre - half, centre + half
    else:
        # Without the prior's half a count, beta quantiles at the ends of the range do not exist.
        more = 0.5 if method == "jeffreys" else 0.0
        least = 0.5 if method == "jeffreys" else 1.0
        lower = betaincinv(np.maximum(x, 1.0) + more, size - x + least, tail)
        upper = betaincinv(x + least, np.maximum(size - x, 1.0) + more, 1 - tail)
    lower, upper = np.where(x == 0, 0.0, lower), np.where(x == total, 1.0, upper)
    return np.where(total > 0, lower, np.nan), np.where(total > 0, upper, np.nan)


def quantile(values: ArrayLike, probability: float, axis: int = -1) -> Floats:
    """Quantile along `axis`, leaving NaN out, linear (Hyndman-Fan type 7); NaN without a value."""
    ordered = np.sort(np.moveaxis(np.asarray(values, dtype=float), axis, -1), axis=-1)
    if ordered.shape[-1] == 0:
        return np.full(ordered.shape[:-1], np.nan)
    count = np.count_nonzero(~np.isnan(ordered), axis=-1)[..., None]
    position = probability * np.maximum(count - 1, 0)
    low = np.floor(position).astype(np.intp)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    at_low, at_high = np.take_along_axis(ordered, low, -1), np.take_along_axis(ordered, high, -1)
    share = position - low
    return np.where(share > 0, at_low * (1 - share) + at_high * share, at_low)[..., 0]


def replicate_summary(values: ArrayLike, level: float) -> tuple[float, float, float]:
    """Median, lower and upper equal-tailed limit of replicates, leaving NaN out; infinite = not reached.

    The limits are replicates themselves, taken outward, so that they hold at least `level` of the
    replicates however discrete these are.
    """
    check_level(level)
    ordered = np.sort(np.asarray(values, dtype=float).ravel())
    ordered = ordered[~np.isnan(ordered)]
    m = len(ordered)
    if m == 0:
        return float("nan"), float("nan"), float("nan")
    tail = (1 - level) / 2 * (m - 1)
    # Rounded first: 0.05 * 20 is a hair above 1 in floating point and must not move the limit by a replicate.
    lower = ordered[int(np.floor(round(tail, 9)))]
    upper = ordered[int(np.ceil(round((m - 1) - tail, 9)))]
    low_middle, high_middle = ordered[(m - 1) // 2], ordered[m // 2]
    middle = low_middle if low_middle == high_middle else (low_middle + high_middle) / 2
    return float(middle), float(lower), float(upper)


def order_statistic_interval(values: ArrayLike, probability: float, level: float) -> tuple[float, float]:
    """Distribution-free interval of a quantile between two order statistics, leaving NaN out.

    Each tail holds at most (1 - level) / 2 under the binomial distribution, so coverage is at least
    `level`. A limit that the sample is too small for is infinite.
    """
    check_level(level)
    ordered = np.sort(np.asarray(values, dtype=float).ravel())
    ordered = ordered[~np.isnan(ordered)]
    n = len(ordered)
    if n == 0:
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    at_most = bdtr(np.arange(n), n, probability)
    below = int(np.count_nonzero(at_most <= tail))
    at_least = bdtrc(np.arange(n), n, probability)
    above = int(np.count_nonzero(at_least <= tail))
    lower = ordered[below - 1] if below else -np.inf
    upper = ordered[n - above] if above else np.inf
    return float(lower), float(upper)
