"""Agreement of two series of measurements of the same mice: correlation, concordance, limits, distributions.

Series are one-dimensional; a pair with a NaN is left out, an infinite value is refused. Tests are those of
R's cor.test, wilcox.test and ks.test.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtr
from scipy.stats import kendalltau, rankdata

from avatar_trials.endpoints.intervals import check_level

Floats = NDArray[np.float64]

EXACT_SPEARMAN_LIMIT = 9
EXACT_KENDALL_LIMIT = 50
EXACT_KS_PRODUCT = 10_000


@dataclass(frozen=True)
class Correlation:
    """A correlation with its two-sided p; limits NaN where the method has none, all NaN where undefined."""

    estimate: float
    p_value: float
    lower: float
    upper: float
    level: float
    n: int
    why_undefined: str
    method: str


@dataclass(frozen=True)
class LimitsOfAgreement:
    """Mean difference first - second, its standard deviation, and the limits that hold `level` of pairs."""

    bias: float
    sd: float
    lower: float
    upper: float
    level: float
    n: int
    why_undefined: str
    method: str


def pearson(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> Correlation:
    """Product-moment correlation, t test, limits from Fisher's z (four pairs or more)."""
    check_level(level)
    x, y = _pairs(first, second)
    name, nan, n = "Pearson correlation, t test, Fisher z interval", float("nan"), len(x)
    why = _why_no_correlation(x, y)
    if why:
        return Correlation(nan, nan, nan, nan, level, n, why, name)
    r = _correlation(x, y)
    lower = upper = p = nan
    if n > 2:
        p = _t_test(r, n)
    if n > 3:
        half = float(ndtri(0.5 + level / 2)) / np.sqrt(n - 3)
        with np.errstate(divide="ignore"):
            lower, upper = (float(np.tanh(np.arctanh(r) + sign * half)) for sign in (-1.0, 1.0))
    return Correlation(r, p, lower, upper, level, n, "" if n > 2 else "p needs three pairs", name)


def spearman_test(first: ArrayLike, second: ArrayLike, *, p_method: str = "r") -> Correlation:
    """Spearman's rank correlation and its p. `association.spearman` has the estimate over replicates.

    p_method: "t" (always Student's), "exact" (all permutations, at most 9 pairs without ties), or "r": as
    R's cor.test, exact to 9 pairs, beyond them Edgeworth's series (Best and Roberts 1975, algorithm AS 89),
    Student's with ties. The series is cut off at 0, so that p can be 0. ValueError for an unknown p_method,
    and for "exact" where it is not possible.
    """
    if p_method not in ("r", "t", "exact"):
        raise ValueError(f"unknown p_method {p_method!r}: expected one of r, t, exact")
    x, y = _pairs(first, second)
    n, nan = len(x), float("nan")
    why = _why_no_correlation(x, y)
    if why:
        return Correlation(nan, nan, nan, nan, nan, n, why, "Spearman rank correlation")
    a, b = rankdata(x), rankdata(y)
    rho = _correlation(a, b)
    ties = len(np.unique(x)) < n or len(np.unique(y)) < n
    if p_method == "exact" and (ties or n > EXACT_SPEARMAN_LIMIT):
        raise ValueError(f"the exact p needs at most {EXACT_SPEARMAN_LIMIT} pairs and no ties")
    if ties or p_method == "t":
        p, kind = (_t_test(rho, n), "Student's t") if n > 2 else (nan, "no p")
    else:
        squares = float(np.rint(((a - b) ** 2).sum()))
        exact = n <= EXACT_SPEARMAN_LIMIT
        tail = _exact_spearman if exact else _edgeworth_spearman
        low = squares <= (n**3 - n) / 6
        p, kind = (
            min(1.0, 2.0 * tail(squares, n, lower=low)),
            "exact" if exact else "Edgeworth series (AS 89)",
        )
    name = f"Spearman rank correlation, p: {kind}"
    return Correlation(rho, p, nan, nan, nan, n, "" if n > 2 else "p needs three pairs", name)


def kendall(first: ArrayLike, second: ArrayLike) -> Correlation:
    """Kendall's tau-b; p exact below 50 pairs without ties, else normal with correction for ties."""
    x, y = _pairs(first, second)
    n, nan = len(x), float("nan")
    why = _why_no_correlation(x, y)
    if why:
        return Correlation(nan, nan, nan, nan, nan, n, why, "Kendall tau-b")
    exact = n < EXACT_KENDALL_LIMIT and len(np.unique(x)) == n and len(np.unique(y)) == n
    found = kendalltau(x, y, method="exact" if exact else "asymptotic")
    kind = "exact" if exact else "normal, corrected for ties"
    return Correlation(
        float(found.statistic), float(found.pvalue), nan, nan, nan, n, "", f"Kendall tau-b, p: {kind}"
    )


def lin_concordance(first: ArrayLike, second: ArrayLike, *, variance: str = "population") -> Correlation:
    """Lin's concordance correlation coefficient (Lin 1989), without p and limits.

    variance: "population" (divided by n, as Lin) or "sample" (n - 1). Undefined where both are one constant.
    """
    if variance not in ("population", "sample"):
        raise ValueError(f"unknown variance {variance!r}: expected population or sample")
    x, y = _pairs(first, second)
    n, nan = len(x), float("nan")
    name = f"Lin concordance correlation, {variance} variance"
    freedom = n - (variance == "sample")
    if freedom < 1:
        return Correlation(nan, nan, nan, nan, nan, n, "too few pairs", name)
    dx, dy = x - x.mean(), y - y.mean()
    spread = (dx @ dx + dy @ dy) / freedom + (x.mean() - y.mean()) ** 2
    if spread == 0:
        return Correlation(nan, nan, nan, nan, nan, n, "both series are one constant", name)
    return Correlation(float(2.0 * (dx @ dy) / freedom / spread), nan, nan, nan, nan, n, "", name)


def limits_of_agreement(first: ArrayLike, second: ArrayLike, *, level: float = 0.95) -> LimitsOfAgreement:
    """Bland and Altman (1986): mean difference and normal limits of agreement."""
    check_level(level)
    x, y = _pairs(first, second)
    name, nan, n = "Bland-Altman, normal limits of single differences", float("nan"), len(x)
    if n < 2:
        bias = float((x - y).mean()) if n else nan
        return LimitsOfAgreement(bias, nan, nan, nan, level, n, "limits need two pairs", name)
    bias, sd = float((x - y).mean()), float((x - y).std(ddof=1))
    half = float(ndtri(0.5 + level / 2)) * sd
    return LimitsOfAgreement(bias, sd, bias - half, bias + half, level, n, "", name)


def kolmogorov_smirnov(first: ArrayLike, second: ArrayLike) -> tuple[float, float]:
    """Largest distance of two samples' distribution functions, and its two-sided p.

    Exact given the ties (Schroeer and Trenkler 1995) where the sizes' product is below 10,000, else
    Kolmogorov's limit, as R's ks.test. NaN left out. ValueError for an empty sample.
    """
    x, y = (np.asarray(v, dtype=float).ravel() for v in (first, second))
    x, y = x[~np.isnan(x)], y[~np.isnan(y)]
    m, n = len(x), len(y)
    if m == 0 or n == 0:
        raise ValueError("both samples need a value")
    grid = np.sort(np.concatenate([x, y]))
    below = np.abs(
        np.searchsorted(np.sort(x), grid, "right") / m - np.searchsorted(np.sort(y), grid, "right") / n
    )
    distance = float(below.max())
    if m * n >= EXACT_KS_PRODUCT:
        scaled = distance * np.sqrt(m * n / (m + n))
        return distance, _kolmogorov_limit(float(scaled))
    closes = np.append(grid[1:] != grid[:-1], True)
    # Share of orders of both samples that stay nearer than the distance wherever ties allow to look.
    allowed = distance - 1e-7 / max(m, n)
    share = np.zeros(m + 1)
    share[0] = 1.0
    for total in range(1, m + n + 1):
        taken = np.arange(m + 1)
        left_x, left_y = m - taken, n - (total - 1 - taken)
        left = m + n - total + 1
        moved = np.zeros(m + 1)
        moved[1:] = (share * np.clip(left_x, 0, None) / left)[:-1]
        moved += share * np.clip(left_y, 0, None) / left
        if closes[total - 1]:
            apart = np.abs(taken / m - (total - taken) / n)
            moved[apart >= allowed] = 0.0
        share = moved
    return distance, float(np.clip(1.0 - share[m], 0.0, 1.0))


def _pairs(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"two series of one length are needed: received shapes {x.shape} and {y.shape}")
    kept = ~np.isnan(x) & ~np.isnan(y)
    x, y = x[kept], y[kept]
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a value is infinite")
    return x, y


def _why_no_correlation(x: Floats, y: Floats) -> str:
    if len(x) < 2:
        return "fewer than two pairs"
    constant = [name for name, v in (("first", x), ("second", y)) if np.all(v == v[0])]
    return f"{' and '.join(constant)} constant" if constant else ""


def _correlation(x: Floats, y: Floats) -> float:
    dx, dy = x - x.mean(), y - y.mean()
    return float(np.clip(dx @ dy / np.sqrt((dx @ dx) * (dy @ dy)), -1.0, 1.0))


def _t_test(r: float, n: int) -> float:
    with np.errstate(divide="ignore"):
        t = np.float64(r) * np.sqrt((n - 2) / np.float64(1.0 - r * r))
    return float(2.0 * stdtr(n - 2, -abs(t)))


def _exact_spearman(squares: float, n: int, *, lower: bool) -> float:
    """P(sum of squared rank differences <= squares), or >= where not `lower`."""
    orders = np.array(list(permutations(range(n))), dtype=np.int16)
    sums = ((orders - np.arange(n, dtype=np.int16)) ** 2).sum(axis=1)
    return float(np.mean(sums <= squares + 0.5) if lower else np.mean(sums >= squares - 0.5))


def _edgeworth_spearman(squares: float, n: int, *, lower: bool) -> float:
    """The same by Edgeworth's series (Best and Roberts 1975, AS 89, with its coefficients)."""
    # The series is of P(S >= s), and S is always even.
    s = squares + 2.0 if lower else squares
    b = 1.0 / n
    x = (6.0 * (s - 1.0) / (n * (n * n - 1.0)) - 1.0) * np.sqrt(n - 1.0)
    y = x * x
    inner = 0.0879 + 0.0151 * b - y * (0.0072 - 0.0831 * b + y * b * (0.0131 - 4.6e-4 * y))
    u = (
        x
        * b
        * (0.2274 + b * (0.2531 + 0.1745 * b) + y * (-0.0758 + b * (0.1033 + 0.3932 * b) - y * b * inner))
    )
    correction = u / np.exp(y / 2.0)
    return float(np.clip(ndtr(x) - correction if lower else ndtr(-x) + correction, 0.0, 1.0))


def _kolmogorov_limit(scaled: float) -> float:
    k = np.arange(1, 101)
    return float(np.clip(2.0 * ((-1.0) ** (k - 1) * np.exp(-2.0 * (k * scaled) ** 2)).sum(), 0.0, 1.0))
