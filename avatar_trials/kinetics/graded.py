"""A tumour whose cells are graded in sensitivity: kill rates spread over its cells instead of two clones.

Every cell has a kill rate of its own, gamma-distributed over the tumour with mean K and variance K lambda. The cells
that die slowly are what is left, so that the kill of the tumour fades as K/(1 + lambda t): a fast fall runs into a
plateau and then regrowth, without a second clone and without a change in time of any cell. Two clones are the case of
two rates only; K is constant for lambda = 0.

Source: mixture of exponentials over a gamma density (Laplace transform); Claret's exponentially fading kill
(Claret 2009, J. Clin. Oncol. 27:4103) is the same with Poisson numbers of equal kills.
"""

from __future__ import annotations

import numpy as np

from avatar_trials.kinetics.combination import combined_kill
from avatar_trials.kinetics.namespace import Array, Namespace, log1p_ratio

_ABSENT = 1e3


def log_growth(grown: Array, exposure: Array, kill: Array, log_spread: Array, xp: Namespace = np) -> Array:
    """log(V/V0) = grown - (K/lambda) log(1 + lambda exposure), without deceleration.

    `grown`: growth rate times days, as the course has it; `exposure`: days at full dose; `kill` K and lambda in 1/day,
    the latter by its logarithm `log_spread`. Under constant treatment `exposure` is t and `grown` g t.
    """
    return grown - kill * exposure * log1p_ratio(xp.exp(log_spread) * exposure, xp)


def log_kill_of(log_total: Array, log_spread: Array, days: Array, xp: Namespace = np) -> Array:
    """log K of a tumour that drugs have taken e^`log_total` log units from by `days`: inverse of the kill's part."""
    h = xp.exp(log_spread) * days
    return log_total + log_spread - xp.log(xp.log1p(h))


def arm_log_kill(log_kills: Array, given: Array, exponent: Array, xp: Namespace = np) -> Array:
    """log mean kill (...) of the drugs `given` (..., drug): the p-norm of their mean kills."""
    return xp.log(combined_kill(xp.where(given, log_kills, -_ABSENT), exponent, xp))


def arm_log_spread(
    log_kills: Array, log_spreads: Array, given: Array, alignment: Array, log_kill: Array, xp: Namespace = np
) -> Array:
    """log lambda (...) of the drugs `given` (..., drug), whose mean kill together is e^`log_kill`.

    Variances of kill over the tumour's cells add as those of correlated numbers: `alignment` 0, each drug spares other
    cells; 1, all spare the same ones (cross-resistance). lambda = variance/mean.
    """
    variance = xp.where(given, xp.exp(log_kills + log_spreads), 0.0)
    deviation = xp.where(given, xp.exp(0.5 * (log_kills + log_spreads)), 0.0)
    apart, together = xp.sum(variance, axis=-1), xp.sum(deviation, axis=-1) ** 2
    return xp.log((1.0 - alignment) * apart + alignment * together) - log_kill


def arm_slowing(slowing: Array, given: Array, overlap: Array, xp: Namespace = np) -> Array:
    """By how much (log units) the drugs `given` (..., drug) slow growth: the strongest, and `overlap` of the others.

    `slowing` >= 0: growth under a drug is r e^-slowing, its cytostatic action.
    """
    present = xp.where(given, slowing, 0.0)
    strongest = xp.max(present, axis=-1)
    return strongest + overlap * (xp.sum(present, axis=-1) - strongest)


def resistant_share(kill: Array, log_spread: Array, below: Array) -> Array:
    """Share of cells (...) whose own kill rate is below `below` (1/day), such as the growth rate: NumPy."""
    from scipy.special import gammainc

    spread = np.exp(log_spread)
    share: Array = gammainc(np.asarray(kill) / spread, np.asarray(below) / spread)
    return share
