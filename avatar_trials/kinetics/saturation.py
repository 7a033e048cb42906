"""Tumours that slow down as they grow: Gompertz retardation and logistic crowding of clones with any linear kinetics.

Both act on the whole tumour: every clone loses the same rate, so the shares of the clones are those of the linear
kinetics, and only the total has to be corrected. Time in days, rates in 1/day. Clones lie on the first axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_trials.kinetics.clones import log_growth
from avatar_trials.kinetics.namespace import Array, Namespace, logsumexp, mean_decay, safe_log, softplus

ORDER = 24
PANELS = 16
# A retardation forgets as e^(-a t): what lies further back than e^-40 is below the last digit of a double.
MEMORY = 40.0
# Two clones are one curve and another but for e^-25 this many e-folds of their ratio away from their crossing.
BEND = 25.0


def gompertz(t: Array, rate: Array, retardation: Array, start: Array = 0.0, xp: Namespace = np) -> Array:
    """y(t) of y' = rate - retardation y, y(0) = start, in closed form; y = log of size over a reference size.

    With the size at day 0 as reference and `start` 0, y = log(V/V0) levels off at rate/retardation. With the carrying
    capacity K as reference, `start` = log(V0/K) and `rate` = -kill this is V' = a V log(K/V) - kill V, y = log(V/K).
    Tends to `start` + rate t as retardation -> 0.

    Source: Gompertz growth with first-order kill, e.g. Laird 1964 (Br J Cancer 18:490).
    """
    x = retardation * t
    return start * xp.exp(-x) + rate * t * mean_decay(x, xp)


def memory(
    days: Array,
    retardation: Array,
    *,
    panels: int = PANELS,
    order: int = ORDER,
    ndim: int = 0,
    xp: Namespace = np,
) -> tuple[Array, Array]:
    """Times (node, ...) at which `retarded_of` wants the unretarded log total, and their weights (node, ...).

    `panels` times `order` Gauss-Legendre nodes over the part of [0, `days`] that the retardation remembers: all of it
    while retardation x days <= 40, else the last 40/retardation days, so that accuracy does not fall with the length
    of a segment. Results have at least `ndim` dims behind the node axis.

    Clones whose net rates differ by D bend the log total within about 1/D days: its singularities lie pi/D off the
    real axis. 24 nodes on a panel of h days give 1e-10 while D h <= 12, and 6 nodes while D h <= 1.5.
    """
    x = retardation * days
    lift = (1,) * max(ndim, _ndim(x))
    unit, share = (part.reshape((-1, *lift)) for part in _rule(panels, order))
    remembered = MEMORY / xp.maximum(x, MEMORY)
    ago = remembered * unit
    return days * (1.0 - ago), x * remembered * share * xp.exp(-x * ago)


def retarded_of(
    log_end: Array,
    log_at_nodes: Array,
    weights: Array,
    days: Array,
    retardation: Array,
    start: Array = 0.0,
    xp: Namespace = np,
) -> Array:
    """y(days) of y' = L'(t) - retardation y, y(0) = start, for any unretarded log total L with L(0) = 0.

    `log_end` (...) is L at `days`, `log_at_nodes` (node, ...) L at the times of `memory`, whose `weights` go with it.
    y(T) = start e^(-aT) + L(T) - a int_0^T e^(-a(T-s)) L(s) ds. A tumour whose L has come to -inf stays there.
    L is relative to the start of the segment: a schedule is marched, with the y of one segment the start of the next.

    Source: variation of constants; common Gompertz retardation of the total.
    """
    alive = log_end > -float("inf")
    end, nodes = xp.where(alive, log_end, 0.0), xp.where(alive, log_at_nodes, 0.0)
    # In order: a sum by pairs would make the last bit of one mouse depend on how many stand beside it.
    remembered = xp.cumsum(weights * nodes, axis=0)[-1]
    y = start * xp.exp(-retardation * days) + end - remembered
    return xp.where(alive, y, -float("inf"))


def retarded(
    log_total: Callable[[Array], Array],
    days: Array,
    retardation: Array,
    start: Array = 0.0,
    *,
    breaks: Iterable[Array] = (),
    panels: int = PANELS,
    order: int = ORDER,
    xp: Namespace = np,
) -> Array:
    """y(days) of y' = L'(t) - retardation y, y(0) = start, for L = `log_total`, a function of days.

    `log_total` is evaluated at `days` (...) and at nodes (node, ...); its parameters broadcast with (...). `breaks`:
    days, ascending, at which a piecewise-constant schedule changes, so that L has a kink; those out of [0, `days`] do
    nothing. `panels`, `order`: see `memory`; every piece between breaks has so many.
    """
    y, since = start, 0.0 * days
    for until in [*breaks, days]:
        now = xp.maximum(xp.minimum(until, days), since)
        before = log_total(since)
        end = log_total(now) - before
        s, weights = memory(now - since, retardation, panels=panels, order=order, ndim=_ndim(end), xp=xp)
        y = retarded_of(end, log_total(since + s) - before, weights, now - since, retardation, y, xp)
        since = now
    return y


def retarded_two_clones(
    t: Array,
    r: Array,
    kill: Array,
    resistant_logit: Array,
    resistant_rate: Array,
    retardation: Array,
    xp: Namespace = np,
) -> Array:
    """log(V(t)/V0) of the two clones of `clones.log_growth` under a common Gompertz retardation of their total.

    The nodes lie about the crossing of the clones, where the log total bends, so that 96 of them give 1e-9 whatever
    the rates.
    """
    gap = resistant_rate - r + kill
    squared = gap**2 + 1e-12
    crossing, width = -resistant_logit * gap / squared, BEND / xp.sqrt(squared)
    return retarded(
        lambda s: log_growth(s, r, kill, resistant_logit, resistant_rate, xp),
        t,
        retardation,
        breaks=(crossing - width, crossing, crossing + width),
        panels=1,
        xp=xp,
    )


def clone_log_area(log_size: Array, rate: Array, t: Array, xp: Namespace = np) -> Array:
    """log int_0^t e^(log_size + rate s) ds of one clone, elementwise; -inf at t = 0.

    Stable where the rate is near 0 and where e^(rate t) is no number any more.
    """
    x = rate * t
    grows = x > 0.0
    mean = xp.where(grows, x, 0.0) + xp.log(mean_decay(xp.where(grows, x, -x), xp))
    return log_size + safe_log(t, xp) + mean


def log_area(log_sizes: Array, rates: Array, t: Array, xp: Namespace = np) -> Array:
    """log int_0^t sum_c e^(log_sizes + rates s) ds (...), from clones (state, ...); -inf at t = 0."""
    return logsumexp(clone_log_area(log_sizes, rates, t, xp), 0, xp)


def log_area_of(
    log_at_nodes: Array, days: Array, *, panels: int = PANELS, order: int = ORDER, xp: Namespace = np
) -> Array:
    """log int_0^days N ds (...) from log N (node, ...) at the times of `memory` with retardation 0."""
    share = _rule(panels, order)[1].reshape((-1,) + (1,) * (log_at_nodes.ndim - 1))
    return safe_log(days, xp) + logsumexp(log_at_nodes + np.log(share), 0, xp)


def crowding_loss(log_area: Array, crowding: Array, xp: Namespace = np) -> Array:
    """What crowding has taken from every clone's log size: log(1 + crowding int_0^t N_lin ds).

    Clones x' = A x - crowding N x with N = sum(x) are x(t) = x_lin(t)/(1 + crowding int_0^t N_lin ds), where x_lin has
    the linear kinetics A alone. `log_area` (...) is the log of that integral, `crowding` >= 0 in 1/(day x size);
    r/K for growth r and carrying capacity K.

    Source: Bernoulli's substitution for logistic growth; the same divisor for every clone.
    """
    return softplus(safe_log(crowding, xp) + log_area, xp)


def logistic(log_sizes: Array, rates: Array, t: Array, crowding: Array, xp: Namespace = np) -> Array:
    """Log clone sizes (state, ...) at `t` under x_c' = rate_c x_c - crowding N x_c, N the total; exact.

    One clone with rate r - kill and crowding r/K is V' = r V (1 - V/K) - kill V. A schedule is marched: the sizes at
    the end of a segment are those at the start of the next.
    """
    return log_sizes + rates * t - crowding_loss(log_area(log_sizes, rates, t, xp), crowding, xp)


@cache
def _rule(panels: int, order: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Nodes and weights (node,) of composite Gauss-Legendre quadrature over [0, 1]."""
    points, weights = np.polynomial.legendre.leggauss(order)
    unit = (np.arange(panels)[:, None] + (points + 1.0) / 2.0) / panels
    return unit.ravel(), np.tile(weights / 2.0, panels) / panels


def _ndim(x: Array) -> int:
    return int(getattr(x, "ndim", 0))
