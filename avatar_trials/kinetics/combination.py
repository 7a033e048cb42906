"""What several drugs do together: a p-norm of their kill rates, and the share of cells that resist all of them.

Two things are called independence. Of cells (Bliss): kill rates add, p = 1. Of patients (independent action, Palmer &
Sorger 2017, Cell 171:1678): each patient has the response to the better of the drugs, which takes the drugs' latent
curves and not two noisy mice, whose better one flatters by luck alone.
"""

from __future__ import annotations

import numpy as np

from avatar_trials.kinetics.namespace import Array, Namespace, logsumexp, softplus


def combined_kill(log_kills: Array, p: Array, xp: Namespace = np) -> Array:
    """Kill rate (...) in 1/day of drugs with log kill rates (..., drug): (sum_d k_d^p)^(1/p).

    p = 1 adds the kill rates (Bliss independence: log-kills add), p -> inf leaves the highest single agent, p < 1 is
    synergy. `p` > 0, finite, with the leading dims or broadcasting with them. A drug of log kill -inf is absent: a
    zero dose is no dose.
    """
    absent = log_kills <= -float("inf")
    scaled = xp.expand_dims(p, -1) * xp.where(absent, 0.0, log_kills)
    return xp.exp(logsumexp(xp.where(absent, -float("inf"), scaled), -1, xp) / p)


def log_combined_kill(la: Array, lb: Array, p: Array, xp: Namespace = np) -> Array:
    """Log kill rate of two drugs with finite log kill rates `la` and `lb`: `combined_kill` by one softplus."""
    return xp.maximum(la, lb) + softplus(-p * abs(la - lb), xp) / p


def shared_slowing(p: Array, xp: Namespace = np) -> Array:
    """Share (...) of a weaker drug's slowing of growth that adds to a stronger one's, by the exponent of their kills.

    2^(1/p) - 1, at most 1: of two drugs that slow alike it is the p-norm of their slowings, so that one exponent says
    what the drugs are to each other. p = 1: they add; p -> inf: the stronger counts alone.
    """
    return xp.minimum(2.0 ** (1.0 / p) - 1.0, 1.0)


def log_resistant_fraction(lqa: Array, lqb: Array, c: Array, xp: Namespace = np) -> Array:
    """Log share of cells resistant to both A and B, from the finite log shares resistant to each.

    c = 0: independent mutations, q_A q_B. c = 1: full cross-resistance, the smaller of the two (nested clones).
    Linear in c on the log scale.
    """
    return (1.0 - c) * (lqa + lqb) + c * xp.minimum(lqa, lqb)


def antagonised_kill(log_kills: Array, p: Array, antagonism: Array, xp: Namespace = np) -> Array:
    """`combined_kill` lowered by drugs that hinder each other, below the highest single agent if they do so enough.

    K = (sum_d k_d^p)^(1/p) exp(-antagonism (1 - sum_d w_d^2)), w_d = k_d/sum k, for log kill rates (..., drug). What
    hinders is the evenness of the mixture: nothing for one drug, half of `antagonism` for two of equal kill. A form of
    this library's own, for simulation: one mouse per arm tells no more than p.
    """
    largest = xp.max(log_kills, axis=-1)
    shift = xp.expand_dims(xp.where(largest > -float("inf"), largest, 0.0), -1)
    kills = xp.exp(log_kills - shift)
    total = xp.sum(kills, axis=-1)
    shares = kills / xp.expand_dims(xp.where(total > 0.0, total, 1.0), -1)
    evenness = xp.where(total > 0.0, 1.0 - xp.sum(shares**2, axis=-1), 0.0)
    return combined_kill(log_kills, p, xp) * xp.exp(-antagonism * evenness)


def independent_action(log_growth: Array, days: Array, ratio: float = 2.0) -> Array:
    """Which drug (...) is the better one for each tumour, by its latent curves (drug, ..., visit) of log(V/V0).

    Better: reaches `ratio` times the starting volume later, log-linearly between visits; among drugs that do not reach
    it, the one with the smaller tumour at the last visit; of drugs that tie, the first. The curve under patient-level
    independent action is that drug's. NumPy only. Raises ValueError for curves that are not numbers at every visit.
    """
    curves = np.asarray(log_growth, dtype=float)
    days = np.asarray(days, dtype=float)
    if curves.ndim < 2 or curves.shape[-1] != len(days) or len(days) < 2:
        raise ValueError(
            f"curves (drug, ..., visit) at two visits or more, got {curves.shape} at {days.size} days"
        )
    if np.isnan(curves).any() or not ratio > 1.0:
        raise ValueError(f"latent curves have a number at every visit, and the ratio is above 1: got {ratio}")
    reached = curves >= np.log(ratio)
    ever = reached.any(axis=-1)
    after = np.maximum(reached.argmax(axis=-1), 1)[..., None]
    high, low = (np.take_along_axis(curves, place, axis=-1)[..., 0] for place in (after, after - 1))
    after = after[..., 0]
    climb = np.where(high > low, high - low, 1.0)
    time = days[after] - (high - np.log(ratio)) / climb * (days[after] - days[after - 1])
    last = curves[..., -1]
    smallest_last = last.min(axis=0, where=~ever, initial=np.inf)
    held = ~ever & (last == smallest_last)
    return np.where((~ever).any(axis=0), held.argmax(axis=0), np.where(ever, time, -np.inf).argmax(axis=0))
