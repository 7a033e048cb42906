"""Diagonal clone kinetics: clones that grow or shrink side by side, each at its own net rate.

Rates in 1/day, time in days, sizes relative to the tumour at day 0 or in mm3, as the caller's log sizes are. The clones
of a tumour lie on the first axis.
"""

from __future__ import annotations

import numpy as np

from avatar_trials.kinetics.namespace import Array, Namespace, logsumexp, mean_decay, softplus


def log_growth(
    t: Array,
    r: Array,
    kill: Array,
    resistant_logit: Array,
    resistant_rate: Array,
    xp: Namespace = np,
    *,
    softplus_logit: Array | None = None,
) -> Array:
    """log(V(t)/V0) of a sensitive and a pre-existing resistant clone under constant treatment.

    With q = 1/(1 + e^-resistant_logit) the resistant share at day 0:
    V/V0 = (1 - q) e^((r - kill) t) + q e^(resistant_rate t), written with softplus so that neither share has to be
    representable. All arguments broadcast; `t` in days, `r`, `kill` and `resistant_rate` in 1/day. `softplus_logit` is
    softplus(resistant_logit), for a caller that has it once a curve and wants it once a visit.

    Source: the biexponential of tumour growth inhibition (Stein 2011 family), V = V0 sum_c f_c exp(lambda_c t).
    """
    start = softplus(resistant_logit, xp) if softplus_logit is None else softplus_logit
    ahead = resistant_rate - r + kill
    return (r - kill) * t + softplus(resistant_logit + ahead * t, xp) - start


def two_clone_log_shares(resistant_logit: Array, xp: Namespace = np) -> Array:
    """Log shares (clone, ...) at day 0 of the sensitive and the resistant clone, in this order; they sum to 1."""
    return xp.stack([-softplus(resistant_logit, xp), -softplus(-resistant_logit, xp)])


def advance(log_clones: Array, rates: Array, dt: Array) -> Array:
    """Log clone sizes (clone, ...) after `dt` (...) days at net `rates` (clone, ...): the exact diagonal propagator.

    A clone of log size -inf is absent and stays so.
    """
    return log_clones + rates * dt


def log_total(log_clones: Array, xp: Namespace = np) -> Array:
    """Log tumour size (...) of log clone sizes (clone, ...); -inf where every clone is absent."""
    return logsumexp(log_clones, 0, xp)


def size_from_growth(m: Array, c: Array, xp: Namespace = np, law: str = "power") -> Array:
    """log(V/V0) when growth above the size at day 0 decelerates with size, by a power of it or by its logarithm.

    `m` is log(V/V0) without deceleration; below V0 u = log(V/V0) = m. `c` >= 0; c = 0 gives m. Above V0 by `law`:
    power, the net rate falls as (V/V0)^-c: u' = m' e^(-c u), u = log(1 + c m)/c;
    gompertz, it falls as 1 - c log(V/V0), to nothing at V0 e^(1/c): u' = m' (1 - c u), u = (1 - e^(-c m))/c, which at
    a constant rate r is Gompertz growth with retardation c r (Laird 1964, Br J Cancer 18:490).
    """
    above = xp.maximum(m, 0.0)
    x = c * above
    if law == "gompertz":
        return xp.minimum(m, 0.0) + above * mean_decay(x, xp)
    grows = x > 0.0
    safe = xp.where(grows, x, 1.0)
    return xp.minimum(m, 0.0) + above * xp.where(grows, xp.log1p(safe) / safe, 1.0)
