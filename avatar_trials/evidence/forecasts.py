"""Forecasts of caliper readings as mixtures of Student's t, and how well they did: density, place, coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Forecast:
    """What is foreseen of a mouse's readings, visit by visit: log volume (log mm3) as a mixture over draws.

    `location`, `scale`, `weight` (draw, visit); weights of a visit sum to 1. `freedom` (visit,): degrees of freedom of
    Student's t, infinite for a normal. A reading below `limit` (log mm3) is known only to be below.
    """

    location: Floats
    scale: Floats
    weight: Floats
    freedom: Floats
    limit: float

    @property
    def effective_draws(self) -> Floats:
        """Draws (visit,) that equally weighted ones would be as good as: 1/sum of squared weights (Kish)."""
        return 1.0 / (self.weight**2).sum(axis=0)


def log_score(forecast: Forecast, log_volume: Floats) -> tuple[Floats, Floats]:
    """Log predictive density (visit,) of readings (log mm3), and its Monte Carlo standard error by the delta method.

    Of a reading below the limit, the log probability of reading below. Logarithmic score: Good 1952; proper, Gneiting
    & Raftery 2007, J. Am. Stat. Assoc. 102:359.
    """
    below = log_volume < forecast.limit
    z = (np.maximum(log_volume, forecast.limit) - forecast.location) / forecast.scale
    part = np.where(
        below, student_cdf(z, forecast.freedom), student_pdf(z, forecast.freedom) / forecast.scale
    )
    value = np.maximum((forecast.weight * part).sum(axis=0), np.finfo(float).tiny)
    error = np.sqrt((forecast.weight**2 * (part - value) ** 2).sum(axis=0)) / value
    return np.log(value), error


def place(forecast: Forecast, log_volume: Floats, uniform: Floats) -> Floats:
    """Probability (visit,) of a lower reading: uniform if the forecast is right (probability integral transform).

    Of a reading below the limit, `uniform` (visit,) times the probability of one (randomised: Czado, Gneiting & Held
    2009, Biometrics 65:1254).
    """
    z = (np.maximum(log_volume, forecast.limit) - forecast.location) / forecast.scale
    value: Floats = (forecast.weight * student_cdf(z, forecast.freedom)).sum(axis=0)
    return np.where(log_volume < forecast.limit, uniform * value, value)


def inside(places: ArrayLike, level: float) -> Flags:
    """Whether readings at these places lie in the central interval of `level`."""
    return np.abs(np.asarray(places, dtype=float) - 0.5) <= level / 2.0


def weighted_quantiles(values: Floats, weight: Floats, probabilities: ArrayLike) -> Floats:
    """Quantiles (probability, visit) of draws (draw, visit): the least draw that reaches the probability."""
    order = np.argsort(values, axis=0, kind="stable")
    ranked = np.take_along_axis(values, order, axis=0)
    reached = np.cumsum(np.take_along_axis(weight, order, axis=0), axis=0)
    wanted = np.asarray(probabilities, dtype=float)[:, None, None] - 1e-12
    index = (reached[None] >= wanted).argmax(axis=1)
    found: Floats = np.take_along_axis(ranked, index, axis=0)
    return found


def student_pdf(z: Floats, freedom: Floats) -> Floats:
    """Density of Student's t; of the normal where `freedom` is infinite."""
    finite = np.where(np.isinf(freedom), 1.0, freedom)
    constant = (
        special.gammaln((finite + 1.0) / 2.0) - special.gammaln(finite / 2.0) - 0.5 * np.log(finite * np.pi)
    )
    student = np.exp(constant - (finite + 1.0) / 2.0 * np.log1p(z * z / finite))
    return np.where(np.isinf(freedom), np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi), student)


def student_cdf(z: Floats, freedom: Floats) -> Floats:
    """Distribution function of Student's t; of the normal where `freedom` is infinite."""
    finite = np.where(np.isinf(freedom), 1.0, freedom)
    return np.where(np.isinf(freedom), special.ndtr(z), special.stdtr(finite, z))
