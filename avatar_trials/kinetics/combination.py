"""What several drugs do together: a p-norm of their kill rates, and the share of cells that resist all of them."""

from __future__ import annotations

import numpy as np

from avatar_trials.kinetics.namespace import Array, Namespace, logsumexp, softplus


def combined_kill(log_kills: Array, p: Array, xp: Namespace = np) -> Array:
    """Kill rate (...) in 1/day of drugs with log kill rates (..., drug): (sum_d k_d^p)^(1/p).

    p = 1 adds the kill rates (Bliss independence: log-kills add), p -> inf leaves the highest single agent, p < 1 is
    synergy. `p` > 0, finite, with the leading dims or broadcasting with them. A drug of log kill -inf is absent: a
    zero dose is no dose.
    """
    return xp.exp(logsumexp(xp.expand_dims(p, -1) * log_kills, -1, xp) / p)


def log_combined_kill(la: Array, lb: Array, p: Array, xp: Namespace = np) -> Array:
    """Log kill rate of two drugs with finite log kill rates `la` and `lb`: `combined_kill` by one softplus."""
    return xp.maximum(la, lb) + softplus(-p * abs(la - lb), xp) / p


def log_resistant_fraction(lqa: Array, lqb: Array, c: Array, xp: Namespace = np) -> Array:
    """Log share of cells resistant to both A and B, from the finite log shares resistant to each.

    c = 0: independent mutations, q_A q_B. c = 1: full cross-resistance, the smaller of the two (nested clones).
    Linear in c on the log scale.
    """
    return (1.0 - c) * (lqa + lqb) + c * xp.minimum(lqa, lqb)
