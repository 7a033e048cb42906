"""What a caliper sees of a tumour: an error that depends on size, with heavy tails, and a detection limit."""

from __future__ import annotations

import math

import numpy as np

from avatar_trials.kinetics.namespace import Array, Namespace


def diameter_mm(volume_mm3: Array) -> Array:
    """Diameter of the sphere of a volume, D = (6 V / pi)^(1/3)."""
    return (volume_mm3 * (6.0 / math.pi)) ** (1.0 / 3.0)


def log_variance(
    volume: Array, delta_mm: Array, sigma_p: Array, floor_mm3: Array, xp: Namespace = np
) -> Array:
    """Squared scale of the error of log volume, 5 delta^2/D^2 + sigma_p^2.

    V = (pi/6) L W^2 with an error of `delta_mm` in each of L and W: d log V = dL/L + 2 dW/W, hence the 5. `sigma_p` is
    what does not shrink with size. D is the diameter of `volume` + `floor_mm3`: without the floor the scale explodes
    as the tumour vanishes.
    """
    # The power -2/3 as exp(log): its gradient then takes no second power, which is a quarter of a fit's time.
    inverse_square = xp.exp((-2.0 / 3.0) * xp.log((volume + floor_mm3) * (6.0 / math.pi)))
    return 5.0 * delta_mm**2 * inverse_square + sigma_p**2


def log_sd(volume: Array, delta_mm: Array, sigma_p: Array, floor_mm3: Array, xp: Namespace = np) -> Array:
    """Scale of the error of log volume, the root of `log_variance`."""
    return xp.sqrt(log_variance(volume, delta_mm, sigma_p, floor_mm3, xp))


def student4_cdf(z: Array, xp: Namespace = np) -> Array:
    """P(T <= z) of Student's t with 4 degrees of freedom: (1 + s)^2 (2 - s)/4, s = z/sqrt(4 + z^2).

    Keeps full relative precision in the left tail.
    """
    u = _one_plus_s(_size(z, xp), xp)
    tail = u**2 * (3.0 - u) / 4.0
    return xp.where(z < 0.0, tail, 1.0 - tail)


def student4_log_cdf(z: Array, xp: Namespace = np) -> Array:
    """log P(T <= z) of Student's t with 4 degrees of freedom, finite in both tails for |z| < 1e150."""
    u = _one_plus_s(_size(z, xp), xp)
    log_tail = 2.0 * xp.log(u) + xp.log(3.0 - u) - math.log(4.0)
    return xp.where(z < 0.0, log_tail, xp.log1p(-(u**2) * (3.0 - u) / 4.0))


def _size(z: Array, xp: Namespace) -> Array:
    # Not abs: its derivative at 0 is 0, and the log density would lose its slope there.
    return xp.where(z < 0.0, -z, z)


def _one_plus_s(a: Array, xp: Namespace) -> Array:
    """1 + s at z = -a for a >= 0: (h - a)/h = 4/(h (h + a)) with h = sqrt(4 + a^2), without cancellation."""
    h = xp.sqrt(4.0 + a**2)
    return 4.0 / (h * (h + a))
