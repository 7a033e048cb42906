"""Independent action where only arms are known, not avatars: at least one of the drugs works.

Palmer & Sorger 2017, Cell 171:1678 (curves of independent action at a correlation between the drugs).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, owens_t

from avatar_trials.endpoints.survival import KaplanMeier, survival_at

Floats = NDArray[np.float64]


def either_works(works: ArrayLike, *, correlation: float = 0.0) -> Floats:
    """Share (...) for which at least one drug works, from the share (drug, ...) for which each does.

    1 - C(1 - p_A, 1 - p_B): C the Gaussian copula with rank correlation `correlation` (Spearman's) between the drugs'
    results. At 0 it is 1 - (1 - p_A)(1 - p_B), Bliss on rates, for any number of drugs; at 1 the larger share, at -1
    their sum, at most 1. `works` may be survival at a time, as p is then the share still progression-free.

    ValueError for shares outside 0 .. 1, a correlation outside -1 .. 1, and one other than 0 of other than two drugs.
    """
    shares = np.asarray(works, dtype=float)
    if shares.ndim == 0 or not len(shares):
        raise ValueError("shares need a first dimension of drugs")
    if np.any((shares < 0.0) | (shares > 1.0)):
        raise ValueError(f"shares lie between 0 and 1: received {shares[(shares < 0) | (shares > 1)][0]:g}")
    if not -1.0 <= correlation <= 1.0:
        raise ValueError(f"a rank correlation lies between -1 and 1: received {correlation}")
    if correlation == 0.0:
        return 1.0 - np.prod(1.0 - shares, axis=0)
    if len(shares) != 2:
        raise ValueError(f"a correlation is between two drugs: received {len(shares)}")
    return 1.0 - gaussian_copula(1.0 - shares[0], 1.0 - shares[1], correlation)


def either_curve(curves: Sequence[KaplanMeier], at: ArrayLike, *, correlation: float = 0.0) -> Floats:
    """Survival (..., m) at the times `at` (m,) under all drugs together, from each drug's curve; see `either_works`."""
    return either_works(np.stack([survival_at(curve, at) for curve in curves]), correlation=correlation)


def gaussian_copula(first: ArrayLike, second: ArrayLike, correlation: float) -> Floats:
    """C(u, v) of shares that broadcast, by Spearman's rank correlation; its normal's is 2 sin(pi/6 correlation).

    Kruskal 1958, J. Am. Stat. Assoc. 53:814. NaN stays NaN.
    """
    u, v = np.broadcast_arrays(np.asarray(first, dtype=float), np.asarray(second, dtype=float))
    if correlation >= 1.0:
        return np.minimum(u, v)
    if correlation <= -1.0:
        return np.maximum(u + v - 1.0, 0.0)
    r = 2.0 * np.sin(np.pi / 6.0 * correlation)
    inner = (u > 0.0) & (u < 1.0) & (v > 0.0) & (v < 1.0)
    h, k = (np.asarray(ndtri(np.where(inner, share, 0.5)), dtype=float) for share in (u, v))
    value = np.clip(_bivariate_normal(h, k, r), np.maximum(u + v - 1.0, 0.0), np.minimum(u, v))
    # On its edge a copula is the smaller share where the other is 1, and 0 where the other is 0.
    return np.where(inner, value, u * v)


def _bivariate_normal(h: Floats, k: Floats, r: float) -> Floats:
    """P(X <= h, Y <= k) of standard normals of correlation -1 < r < 1; Owen 1956, Ann. Math. Stat. 27:1075."""
    root = np.sqrt((1.0 - r) * (1.0 + r))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        parts = owens_t(h, (k - r * h) / (h * root)) + owens_t(k, (h - r * k) / (k * root))
    apart = (h * k < 0.0) | ((h * k == 0.0) & (h + k < 0.0))
    value = 0.5 * (ndtr(h) + ndtr(k)) - parts - np.where(apart, 0.5, 0.0)
    return np.where((h == 0.0) & (k == 0.0), 0.25 + np.arcsin(r) / (2.0 * np.pi), value)
