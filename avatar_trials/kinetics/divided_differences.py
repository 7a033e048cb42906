"""Divided differences of the exponential without cancellation: what one state passes on to another over time.

A state that decays at rate a and feeds one that changes at rate b leaves in it, after time 1, the first difference
exp[a, b] = (e^a - e^b)/(a - b); through a third state it is exp[a, b, c]. Both are positive, and equal rates are
limits, not exceptions.

Source: Opitz 1964; McCurdy, Ng & Parlett 1984, Math. Comput. 43:501, on their accurate evaluation.
"""

from __future__ import annotations

import numpy as np

from avatar_trials.kinetics.namespace import Array, Namespace, mean_decay

_SERIES_BELOW = 1.0
_TERMS = 19


def log_first(a: Array, b: Array, xp: Namespace = np) -> Array:
    """log exp[a, b], the logarithm of (e^a - e^b)/(a - b)."""
    return xp.maximum(a, b) + xp.log(mean_decay(abs(a - b), xp))


def first(a: Array, b: Array, xp: Namespace = np) -> Array:
    """exp[a, b] = (e^a - e^b)/(a - b); e^a where the two are equal."""
    return xp.exp(xp.maximum(a, b)) * mean_decay(abs(a - b), xp)


def second(a: Array, b: Array, c: Array, xp: Namespace = np) -> Array:
    """exp[a, b, c] = (exp[a, b] - exp[a, c])/(b - c); e^a / 2 where the three are equal.

    With the largest of the three taken out, u <= v the distances of the others from it: by the recurrence on the two
    outermost while they are further than 1 apart, where it cancels less than a digit, else by the series
    sum_n (-1)^n h_n(u, v)/(n + 2)!, h_n the complete homogeneous polynomial.
    """
    highest = xp.maximum(xp.maximum(a, b), c)
    lowest = xp.minimum(xp.minimum(a, b), c)
    v = highest - lowest
    u = highest - xp.maximum(xp.minimum(a, b), xp.minimum(xp.maximum(a, b), c))
    far = v > _SERIES_BELOW
    u_far, v_far = xp.where(far, u, 1.0), xp.where(far, v, 2.0)
    apart = (mean_decay(u_far, xp) - xp.exp(-u_far) * mean_decay(v_far - u_far, xp)) / v_far
    u_near, v_near = xp.where(far, 0.0, u), xp.where(far, 0.0, v)
    power = term = 1.0 + 0.0 * v_near
    coefficient = 0.5
    series = coefficient * term
    for n in range(1, _TERMS):
        power = power * v_near
        term = power + u_near * term
        coefficient /= -(n + 2)
        series = series + coefficient * term
    return xp.exp(highest) * xp.where(far, apart, series)
