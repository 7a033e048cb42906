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
GAIN_TOLERANCE = 1e-9


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
        """Sum over the readings of each curve, first dimension."""
        if not len(self.counts):
            return np.zeros((0, *values.shape[1:]))
        return np.add.reduceat(values, self.first, axis=0)

    def extreme(self, ufunc: np.ufunc, values: Floats) -> Floats:
        """np.minimum or np.maximum over the readings of each curve."""
        return ufunc.reduceat(values, self.first) if len(self.counts) else np.zeros(0)


def fit(points: Points, curve: Curve, starts: list[Floats], bounds: Floats) -> tuple[Floats, Floats]:
    """Parameters (curve, k) within `bounds` (k, 2), and sums of squares (curve,).

    `curve` gives, from parameters (curve, k) repeated for each point and day (point,), relative volume and a
    call for its slopes, one (point,) a parameter. Of `starts`, each (curve, k), every curve takes the one that fits it best.
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
    _descend(points, curve, theta, rss, bounds)
    return theta, rss


def _descend(points: Points, curve: Curve, theta: Floats, rss: Floats, bounds: Floats) -> None:
    """Marquardt's steps, each curve with its own damping, in place; a curve is left once its steps are idle."""
    active = np.arange(len(theta))
    damping = np.full(len(theta), 1e-2)
    here = points
    k = theta.shape[1]
    diagonal = np.arange(k)
    for _ in range(MAX_STEPS):
        at, now = theta[active], rss[active]
        residual, slopes = _residuals(here, curve, at)
        columns = slopes()
        normal = np.empty((len(at), k, k))
        for i, j in zip(*np.tril_indices(k), strict=True):
            normal[:, i, j] = normal[:, j, i] = here.sums(columns[i] * columns[j])
        pull = np.stack([here.sums(column * residual) for column in columns], axis=-1)
        # A parameter held by its bound, and pushed against it, takes no part in the step.
        pinned = ((at <= bounds[:, 0]) & (pull < 0.0)) | ((at >= bounds[:, 1]) & (pull > 0.0))
        pull[pinned] = 0.0
        normal[pinned[:, :, None] | pinned[:, None, :]] = 0.0
        normal[:, diagonal, diagonal] = (
            np.where(pinned, 1.0, normal[:, diagonal, diagonal] * (1.0 + damping[active, None])) + 1e-14
        )
        step = np.linalg.solve(normal, pull[:, :, None])[:, :, 0]
        trial = np.clip(at + np.clip(step, -2.0, 2.0), bounds[:, 0], bounds[:, 1])
        its = _squares(here, curve, trial)
        better = its <= now
        moved = np.abs(trial - at).max(axis=1)
        theta[active] = np.where(better[:, None], trial, at)
        rss[active] = np.where(better, its, now)
        damping[active] *= np.where(better, 0.2, 6.0)
        idle = (moved < STEP_TOLERANCE) | (better & (now - its <= GAIN_TOLERANCE * now)) | (damping[active] > 1e12)
        if idle.all():
            return
        if idle.any():
            active, here = active[~idle], here.of(~idle)


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
