"""Least-squares fits of many short curves at once: Levenberg-Marquardt, one curve a block, no loop over curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Curve = Callable[[Floats, Floats], tuple[Floats, Callable[[], list[Floats]]]]

MAX_STEPS = 80
# Steps below this change no printed digit of a parameter.
STEP_TOLERANCE = 1e-7
GAIN_TOLERANCE = 1e-8
# A fit that leans on a bound is not estimable whatever its last digits.
PINNED_GAIN_TOLERANCE = 1e-3
# Steps before a fit is judged by its pace.
FAIR_STEPS = 10
LONGEST_STEP = 2.0
LARGEST_DAMPING = 1e12


@dataclass(frozen=True)
class Points:
    """Readings of many curves in a row: day, observed and floor (point,); counts and first of each curve (curve,).

    With `log`, `observed` is log volume and the curve is compared in logarithms, raised to `floor`.
    """

    day: Floats
    observed: Floats
    floor: Floats
    counts: NDArray[np.intp]
    first: NDArray[np.intp]
    log: bool

    @classmethod
    def of_counts(
        cls, day: Floats, observed: Floats, floor: Floats, counts: NDArray[np.intp], *, log: bool = False
    ) -> Points:
        """Points of curves with `counts` readings each, in order."""
        return cls(day, observed, floor, counts, np.cumsum(counts) - counts, log)

    def of(self, curves: NDArray[np.bool_]) -> Points:
        """The points of some of the curves."""
        if curves.all():
            return self
        kept = np.repeat(curves, self.counts)
        return Points.of_counts(
            self.day[kept], self.observed[kept], self.floor[kept], self.counts[curves], log=self.log
        )

    def sums(self, values: Floats) -> Floats:
        """Sum over the readings of each curve, (..., curve) of (..., point)."""
        if not len(self.counts):
            return np.zeros((*values.shape[:-1], 0))
        return np.add.reduceat(values, self.first, axis=-1)

    def extreme(self, ufunc: np.ufunc, values: Floats) -> Floats:
        """np.minimum or np.maximum over the readings of each curve."""
        return ufunc.reduceat(values, self.first) if len(self.counts) else np.zeros(0)


def fit(
    points: Points, curve: Curve, starts: list[Floats], bounds: Floats, target: Floats | None = None
) -> tuple[Floats, Floats]:
    """Parameters (curve, k) within `bounds` (k, 2), and sums of squares (curve,).

    `curve` gives, from parameters (curve, k) repeated for each point and day (point,), relative volume and a
    call for its slopes, one (point,) a parameter. Of `starts`, each (curve, k), every curve takes the one
    that fits it best. With `target` (curve,), a curve whose sum of squares would not come down to it in the
    steps left, at the pace of the present one, is left as it is.
    """
    theta = np.clip(starts[0], bounds[:, 0], bounds[:, 1])
    if not len(points.counts):
        return theta, np.zeros(0)
    rss = _squares(points, curve, theta)
    for start in starts[1:]:
        other = np.clip(start, bounds[:, 0], bounds[:, 1])
        its = _squares(points, curve, other)
        better = its < rss
        theta, rss = np.where(better[:, None], other, theta), np.where(better, its, rss)
    _descend(points, curve, theta, rss, bounds, np.full(len(rss), np.inf) if target is None else target)
    return theta, rss


def _descend(
    points: Points, curve: Curve, theta: Floats, rss: Floats, bounds: Floats, target: Floats
) -> None:
    """Marquardt's steps, each curve with its own damping, in place; a curve is left once its steps are idle."""
    active, here, at = np.arange(len(theta)), points, theta.copy()
    damping = np.full(len(theta), 1e-2)
    now, normal, pull = _normal_equations(here, curve, at)
    diagonal = np.arange(theta.shape[1])
    for count in range(MAX_STEPS):
        # A parameter held by its bound, and pushed against it, takes no part in the step.
        pinned = ((at <= bounds[:, 0]) & (pull < 0.0)) | ((at >= bounds[:, 1]) & (pull > 0.0))
        damped = np.where(pinned[:, :, None] | pinned[:, None, :], 0.0, normal)
        damped[:, diagonal, diagonal] *= 1.0 + damping[:, None]
        damped[:, diagonal, diagonal] += np.where(pinned, 1.0, 1e-14)
        step = np.linalg.solve(damped, np.where(pinned, 0.0, pull)[:, :, None])[:, :, 0]
        trial = np.clip(at + np.clip(step, -LONGEST_STEP, LONGEST_STEP), bounds[:, 0], bounds[:, 1])
        its, its_normal, its_pull = _normal_equations(here, curve, trial)
        better = its <= now
        idle = np.abs(trial - at).max(axis=1) < STEP_TOLERANCE
        tolerance = np.where(pinned.any(axis=1), PINNED_GAIN_TOLERANCE, GAIN_TOLERANCE)
        idle |= (better & (now - its <= tolerance * now)) | (damping > LARGEST_DAMPING)
        if count >= FAIR_STEPS:
            idle |= better & (its - (MAX_STEPS - count) * (now - its) > target)
        at, now = np.where(better[:, None], trial, at), np.where(better, its, now)
        pull = np.where(better[:, None], its_pull, pull)
        normal = np.where(better[:, None, None], its_normal, normal)
        damping = damping * np.where(better, 0.2, 6.0)
        if idle.any():
            theta[active], rss[active] = at, now
            going = ~idle
            if not going.any():
                return
            active, here = active[going], here.of(going)
            at, now, normal, pull, damping, target = (
                x[going] for x in (at, now, normal, pull, damping, target)
            )
    theta[active], rss[active] = at, now


def _normal_equations(points: Points, curve: Curve, theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Sum of squares (curve,), J'J (curve, k, k) and J'r (curve, k)."""
    residual, slopes = _residuals(points, curve, theta)
    columns = slopes()
    k = len(columns)
    pairs = list(zip(*np.tril_indices(k), strict=True))
    products = [columns[i] * columns[j] for i, j in pairs]
    sums = points.sums(np.stack([*products, *(column * residual for column in columns), residual * residual]))
    normal = np.empty((len(theta), k, k))
    for (i, j), total in zip(pairs, sums, strict=False):
        normal[:, i, j] = normal[:, j, i] = total
    return sums[-1], normal, sums[len(pairs) : -1].T


def _residuals(points: Points, curve: Curve, theta: Floats) -> tuple[Floats, Callable[[], list[Floats]]]:
    relative, slopes = curve(np.repeat(theta, points.counts, axis=0), points.day)
    if not points.log:
        return points.observed - relative, slopes
    level = np.maximum(np.log(np.maximum(relative, np.finfo(float).tiny)), points.floor)

    def log_slopes() -> list[Floats]:
        weight = np.where(level > points.floor, 1.0 / np.maximum(relative, np.finfo(float).tiny), 0.0)
        return [slope * weight for slope in slopes()]

    return points.observed - level, log_slopes


def _squares(points: Points, curve: Curve, theta: Floats) -> Floats:
    residual, _ = _residuals(points, curve, theta)
    return points.sums(residual * residual)
