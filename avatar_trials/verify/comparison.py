"""One comparison with a reference: how far from it, and how far is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

Measure = Literal["absolute", "relative", "exact", "standard errors", "-log10 p", "holds"]


@dataclass(frozen=True)
class Comparison:
    """`deviation` in units of `measure`; passed where it is at most `tolerance`, which NaN is not."""

    name: str
    deviation: float
    tolerance: float
    measure: Measure
    note: str = ""

    @property
    def passed(self) -> bool:
        return bool(self.deviation <= self.tolerance)

    @property
    def share(self) -> float:
        """Deviation as a share of its tolerance: above 1 where it failed, infinite where none was allowed."""
        if self.tolerance > 0:
            return self.deviation / self.tolerance
        return 0.0 if self.deviation == 0 else float("inf")


Comparisons = Iterator[Comparison]


def absolute(name: str, ours: ArrayLike, reference: ArrayLike, tolerance: float) -> Comparison:
    """Largest |ours - reference|."""
    return Comparison(name, _largest(ours, reference, relative=False), tolerance, "absolute")


def relative(name: str, ours: ArrayLike, reference: ArrayLike, tolerance: float) -> Comparison:
    """Largest |ours - reference| / |reference|; of a reference of 0 any difference is infinite."""
    return Comparison(name, _largest(ours, reference, relative=True), tolerance, "relative")


def exact(name: str, ours: Any, reference: Any) -> Comparison:
    """0 where both are equal (NaN equals NaN), 1 where not."""
    one, other = np.asarray(ours), np.asarray(reference)
    numbers = one.dtype.kind in "fiub" and other.dtype.kind in "fiub"
    return Comparison(name, 0.0 if np.array_equal(one, other, equal_nan=numbers) else 1.0, 0.0, "exact")


def holds(name: str, truth: bool, note: str = "") -> Comparison:
    """0 where it holds, 1 where not."""
    return Comparison(name, 0.0 if truth else 1.0, 0.0, "holds", note)


def within_errors(name: str, z: ArrayLike, limit: float) -> Comparison:
    """Largest |z|, in Monte Carlo standard errors."""
    return Comparison(name, float(np.abs(z).max()), limit, "standard errors")


def _largest(ours: ArrayLike, reference: ArrayLike, *, relative: bool) -> float:
    """NaN beside NaN and infinity beside the same infinity are no deviation; other shapes and gaps are infinite."""
    one, other = np.asarray(ours, dtype=float), np.asarray(reference, dtype=float)
    if one.shape != other.shape and one.ndim and other.ndim:
        return float("inf")
    one, other = np.broadcast_arrays(one, other)
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.abs(one - other) / (np.abs(other) if relative else 1.0)
    apart = np.where(same, 0.0, np.where(np.isfinite(apart), apart, np.inf))
    return float(apart.max(initial=0.0))
