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


def student_t4(first: Array, second: Array, xp: Namespace = np) -> Array:
    """Deviates of Student's t with 4 degrees of freedom from uniform ones in [0, 1), independent of one another.

    sqrt(4 (U^-1/2 - 1)) cos(2 pi V): the polar method for t (Bailey 1994, Math. Comp. 62:779).
    """
    return 2.0 * xp.sqrt(1.0 / xp.sqrt(1.0 - first) - 1.0) * xp.cos((2.0 * math.pi) * second)
