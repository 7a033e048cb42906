"""Fisher's exact test and odds ratios of two-by-two tables, and Cohen's kappa of square ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import gammaln, ndtri

from avatar_trials.endpoints.intervals import check_level

Floats = NDArray[np.float64]

# Tables whose probabilities differ by rounding only count as equally likely, as in R's fisher.test.
SAME_PROBABILITY = 1.0 + 1e-7
SEARCHES = ("exact", "r")
R_TOLERANCE = float(np.finfo(float).eps ** 0.25)


@dataclass(frozen=True)
class OddsRatio:
    """Conditional maximum-likelihood odds ratio with exact limits; 0 or infinite at an end of the range.

    NaN, with the reason in `why_undefined`, where the margins allow one table only.
    """

    estimate: float
    lower: float
    upper: float
    level: float
    why_undefined: str
    method: str


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa with its large-sample error and limits; NaN where `why_undefined` is not ""."""

    kappa: float
    se: float
    lower: float
    upper: float
    level: float
    agreement: float
    why_undefined: str
    method: str


def fisher_exact(table: ArrayLike, *, alternative: str = "two-sided") -> Floats:
    """p of Fisher's exact test of counts (..., 2, 2), shape (...).

    alternative: "two-sided", or "greater": that the first cell is as large as seen or larger.

    The p is the probability, given the margins, of all tables no more likely than the one seen (Freeman and
    Halton 1951). With a margin of 0 only one table is possible: p is 1. ValueError for what are not counts.
    """
    counts = _tables(table)
    seen = counts[..., 0, 0]
    cells, log_weight = _possible(counts)
    probability = np.exp(log_weight)
    probability /= probability.sum(axis=-1, keepdims=True)
    if alternative == "greater":
        return np.minimum(1.0, np.where(cells >= seen[..., None], probability, 0.0).sum(axis=-1))
    if alternative != "two-sided":
        raise ValueError(f"unknown alternative {alternative!r}: expected two-sided or greater")
    own = np.take_along_axis(probability, seen[..., None] - cells[..., :1], axis=-1)
    return np.minimum(1.0, np.where(probability <= own * SAME_PROBABILITY, probability, 0.0).sum(axis=-1))


def conditional_odds_ratio(table: ArrayLike, *, level: float = 0.95, search: str = "exact") -> OddsRatio:
    """Odds ratio of one table (2, 2) of counts: conditional maximum likelihood, exact limits (Cornfield 1956).

    The limits are the odds ratios at which each tail of Fisher's noncentral distribution holds
    (1 - level) / 2. search: "exact", to machine precision, or "r": stopped where R's fisher.test stops, at
    1.2e-4 of the ratio or of its inverse, which can move a large limit by a percent; for comparison only.
    """
    check_level(level)
    if search not in SEARCHES:
        raise ValueError(f"unknown search {search!r}: expected one of {', '.join(SEARCHES)}")
    root = _root if search == "exact" else _root_as_r
    counts = _tables(table)
    if counts.ndim != 2:
        raise ValueError(f"one table (2, 2) is needed: received shape {counts.shape}")
    cells, log_weight = _possible(counts)
    cells, log_weight = cells[np.isfinite(log_weight)], log_weight[np.isfinite(log_weight)]
    seen = counts[0, 0]
    if len(cells) == 1:
        nan = float("nan")
        return OddsRatio(nan, nan, nan, level, "a margin of the table is 0", "conditional maximum likelihood")

    def distribution(log_odds: float) -> Floats:
        weight = log_weight + cells * log_odds
        weight = np.exp(weight - weight.max())
        return np.asarray(weight / weight.sum())

    tail = (1 - level) / 2
    at_low, at_high = seen == cells[0], seen == cells[-1]
    estimate = 0.0 if at_low else np.inf if at_high else root(lambda x: distribution(x) @ cells - seen)
    lower = 0.0 if at_low else root(lambda x: distribution(x)[cells >= seen].sum() - tail)
    upper = np.inf if at_high else root(lambda x: tail - distribution(x)[cells <= seen].sum())
    method = f"conditional maximum likelihood, exact tail interval, search: {search}"
    return OddsRatio(estimate, lower, upper, level, "", method)


def cohen_kappa(table: ArrayLike, *, weights: str = "unweighted", level: float = 0.95) -> Kappa:
    """Cohen's kappa of calls by two methods, counts (category, category) in one order of categories.

    weights: "unweighted" (Cohen 1960), "linear" or "quadratic" in the distance of categories (Cohen 1968).
    Large-sample error of Fleiss, Cohen and Everitt (1969). ValueError for a table that is not square.
    """
    check_level(level)
    counts = np.asarray(table, dtype=float)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or np.any(~(counts >= 0)):
        raise ValueError(f"kappa needs a square table of counts: received shape {counts.shape}")
    k, n = len(counts), counts.sum()
    apart = np.abs(np.arange(k)[:, None] - np.arange(k)) / max(k - 1, 1)
    credits = {"unweighted": np.eye(k), "linear": 1.0 - apart, "quadratic": 1.0 - apart**2}
    if weights not in credits:
        raise ValueError(f"unknown weights {weights!r}: expected one of {', '.join(credits)}")
    credit, name, nan = credits[weights], f"Cohen's kappa, {weights}", float("nan")
    if n == 0:
        return Kappa(nan, nan, nan, nan, level, nan, "no pair of calls", name)
    share = counts / n
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    agreement, chance = float((credit * share).sum()), float(rows @ credit @ columns)
    if chance >= 1.0 - 1e-12:
        return Kappa(nan, nan, nan, nan, level, agreement, "both methods always make one same call", name)
    kappa = (agreement - chance) / (1.0 - chance)
    mean_credit = (credit @ columns)[:, None] + rows @ credit
    variance = (share * (credit - mean_credit * (1.0 - kappa)) ** 2).sum()
    variance -= (kappa - chance * (1.0 - kappa)) ** 2
    se = float(np.sqrt(max(variance, 0.0) / n) / (1.0 - chance))
    half = float(ndtri(0.5 + level / 2)) * se
    return Kappa(kappa, se, kappa - half, min(kappa + half, 1.0), level, agreement, "", name)


def _tables(table: ArrayLike) -> NDArray[np.intp]:
    given = np.asarray(table, dtype=float)
    if given.shape[-2:] != (2, 2):
        raise ValueError(f"tables have shape (..., 2, 2): received {given.shape}")
    if np.any(~np.isfinite(given) | (given < 0) | (given != np.floor(given))):
        raise ValueError("a table holds counts: whole numbers, none negative")
    return given.astype(np.intp)


def _possible(counts: NDArray[np.intp]) -> tuple[NDArray[np.intp], Floats]:
    """Values of the first cell that the margins allow, and the log of their weights, -inf beyond them."""
    row, column, n = counts[..., 0, :].sum(-1), counts[..., :, 0].sum(-1), counts.sum((-2, -1))
    least, most = np.maximum(0, row + column - n), np.minimum(row, column)
    cells = least[..., None] + np.arange(int((most - least).max(initial=0)) + 1)
    inside = cells <= most[..., None]
    row, column, n, cell = row[..., None], column[..., None], n[..., None], np.minimum(cells, most[..., None])
    log_weight = -(
        gammaln(cell + 1) + gammaln(row - cell + 1) + gammaln(column - cell + 1)
        + gammaln(n - row - column + cell + 1)
    )  # fmt: skip
    log_weight = log_weight - log_weight.max(axis=-1, keepdims=True)
    return cells, np.where(inside, log_weight, -np.inf)


def _root(rising: Callable[[float], float]) -> float:
    low, high = -1.0, 1.0
    while rising(low) > 0:
        low *= 2
    while rising(high) < 0:
        high *= 2
    return float(np.exp(brentq(rising, low, high, xtol=1e-15, rtol=4 * np.finfo(float).eps)))


def _root_as_r(rising: Callable[[float], float]) -> float:
    """Root in the odds ratio where that is below 1, else in its inverse, stopped as R's uniroot stops."""
    at_one = rising(0.0)
    if at_one == 0:
        return 1.0
    if at_one > 0:
        return _brent(lambda t: rising(float(np.log(t))) if t > 0 else rising(-700.0), 0.0, 1.0)
    return 1.0 / _brent(lambda t: rising(-float(np.log(t))), float(np.finfo(float).eps), 1.0)


def _brent(value: Callable[[float], float], start: float, end: float) -> float:
    """Brent's root finder (Brent 1973, ch. 4), whose stopping point depends on each of its choices."""
    a, b, c = start, end, start
    fa, fb = value(a), value(b)
    fc = fa
    while True:
        previous = b - a
        if abs(fc) < abs(fb):
            a, b, c, fa, fb, fc = b, c, b, fb, fc, fb
        near = 2.0 * np.finfo(float).eps * abs(b) + R_TOLERANCE / 2.0
        step = (c - b) / 2.0
        if abs(step) <= near or fb == 0:
            return float(b)
        if abs(previous) >= near and abs(fa) > abs(fb):
            width = c - b
            if a == c:
                ratio = fb / fa
                p, q = width * ratio, 1.0 - ratio
            else:
                q, ratio, other = fa / fc, fb / fc, fb / fa
                p = other * (width * q * (q - ratio) - (b - a) * (ratio - 1.0))
                q = (q - 1.0) * (ratio - 1.0) * (other - 1.0)
            p, q = (p, -q) if p > 0 else (-p, q)
            if p < 0.75 * width * q - abs(near * q) / 2.0 and p < abs(previous * q / 2.0):
                step = p / q
        if abs(step) < near:
            step = near if step > 0 else -near
        a, fa = b, fb
        b += step
        fb = value(b)
        if fb * fc > 0:
            c, fc = a, fa
