"""Turnbull's estimate of a distribution of times that are known between visits only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from avatar_trials.endpoints.subjects import merge_near_ties
from avatar_trials.endpoints.survival import check_probability, later_by_rounding

Floats = NDArray[np.float64]

MAX_ROUNDS = 500
EM_STEPS = 20
# A mass this small beside an optimality gap of zero is the rounding of none.
NO_MASS = 1e-12
PLACES = ("left", "middle", "right")


@dataclass(frozen=True)
class Turnbull:
    """Result of `turnbull`: the mass of each innermost interval (left, right], arrays (interval,).

    left = right is an exact time; right is infinite for what is to come after the last visit. How the mass
    lies within its interval, the data do not tell. loglik: log likelihood; gap: by how much at most it
    falls short of the greatest possible (Kuhn-Tucker bound).
    """

    left: Floats
    right: Floats
    mass: Floats
    loglik: float
    gap: float
    n: int
    method: str = "Turnbull NPMLE, intervals open on the left and closed on the right"


def turnbull(left: ArrayLike, right: ArrayLike, *, tolerance: float = 1e-10) -> Turnbull:
    """Nonparametric maximum likelihood from intervals (left, right], arrays (subject,) (Turnbull 1976).

    left: last visit without the event; right: first visit with it. right infinite or NaN: censored after
    left. left = right: the time is known exactly. left -inf, NaN or 0: since the start. Found by EM steps,
    then constrained Newton steps (Wang 2007, CNM) until `gap` is at most `tolerance` times n.
    ValueError without a subject, for left > right, or an infinite left.
    """
    low, high = np.atleast_1d(np.asarray(left, dtype=float)), np.atleast_1d(np.asarray(right, dtype=float))
    if low.ndim != 1 or low.shape != high.shape:
        raise ValueError(f"left and right are arrays (subject,): received {low.shape} and {high.shape}")
    if len(low) == 0:
        raise ValueError("no interval was given")
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    if np.any(low > high) or np.any(np.isposinf(low)) or np.any(np.isneginf(high)):
        bad = int(np.flatnonzero((low > high) | np.isposinf(low) | np.isneginf(high))[0])
        raise ValueError(
            f"interval {bad}: left {low[bad]:g} must be finite and not after right {high[bad]:g}"
        )
    low, high = merge_near_ties(np.concatenate([low, high])[None])[0].reshape(2, -1)
    pairs, count = np.unique(np.stack([low, high], axis=1), axis=0, return_counts=True)
    inner_left, inner_right = _innermost(pairs[:, 0], pairs[:, 1])
    exact = inner_left == inner_right
    holds = (pairs[:, :1] <= inner_left) & (inner_right <= pairs[:, 1:])
    # (a, b] holds the exact time b but not a.
    holds &= ~((pairs[:, :1] == inner_left) & exact & (pairs[:, :1] < pairs[:, 1:]))
    member = holds.astype(float)
    weight = count.astype(float)
    mass, gap = _maximise(member, weight, tolerance * len(low))
    kept = mass > NO_MASS
    loglik = float(weight @ np.log(member @ mass))
    return Turnbull(inner_left[kept], inner_right[kept], mass[kept] / mass[kept].sum(), loglik, gap, len(low))


def interval_survival(fit: Turnbull, at: ArrayLike) -> tuple[Floats, Floats]:
    """Least and greatest survival just after the times `at` that the masses allow, in the shape of `at`.

    They differ inside an innermost interval only.
    """
    times = np.asarray(at, dtype=float)[..., None]
    ended = later_by_rounding(times) >= fit.right
    gone = np.where(ended, fit.mass, 0.0).sum(axis=-1)
    begun = np.where(ended | (times > later_by_rounding(fit.left)), fit.mass, 0.0).sum(axis=-1)
    return np.clip(1.0 - begun, 0.0, 1.0), np.clip(1.0 - gone, 0.0, 1.0)


def interval_quantile(fit: Turnbull, probability: float, *, place: str = "middle") -> float:
    """Time by which the event has happened to a share `probability`; infinite if that is after the last visit.

    place: where in its innermost interval the mass is put: "left", "middle" (as survfit of R's `survival`)
    or "right". Where the curve is flat exactly at 1 - `probability`, the middle of the flat stretch.
    ValueError for a probability outside (0, 1) or an unknown place.
    """
    check_probability(probability)
    if place not in PLACES:
        raise ValueError(f"unknown place {place!r}: expected one of {', '.join(PLACES)}")
    with np.errstate(invalid="ignore"):
        times = {"left": fit.left, "right": fit.right, "middle": (fit.left + fit.right) / 2}[place]
    times = np.where(np.isposinf(fit.right), np.inf, times)
    reached = np.cumsum(fit.mass)
    # Masses are known to about 1e-9, so that a share is reached if it is met within that.
    first = int(np.argmax(reached >= probability - 1e-9))
    flat = abs(reached[first] - probability) <= 1e-9 and first + 1 < len(times)
    # A flat stretch at the end reaches to the last time, as a Kaplan-Meier curve's does.
    ends = np.where(np.isposinf(times), fit.left, times)
    found = (times[first] + ends[first + 1]) / 2 if flat else times[first]
    if np.isneginf(found):
        raise ValueError(
            "the first interval has no left end: give 0 where the event may be as early as day 0"
        )
    return float(found)


def _innermost(left: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Intervals from a left end to a right end with no other end between them."""
    exact = left == right
    value = np.concatenate([left, right])
    # At one value: an exact time begins, then what is closed there ends, then what is open there begins.
    rank = np.concatenate([np.where(exact, 0, 2), np.ones(len(right), dtype=int)])
    begins = np.concatenate([np.ones(len(left), dtype=bool), np.zeros(len(right), dtype=bool)])
    order = np.lexsort((rank, value))
    value, begins = value[order], begins[order]
    found = np.flatnonzero(begins[:-1] & ~begins[1:])
    return value[found], value[found + 1]


def _maximise(member: Floats, weight: Floats, tolerance: float) -> tuple[Floats, float]:
    """Masses (interval,) of greatest likelihood, and the bound on what is missing."""
    n = weight.sum()
    mass = np.full(member.shape[1], 1.0 / member.shape[1])
    for _ in range(EM_STEPS):
        mass = mass * ((weight / (member @ mass)) @ member) / n
    gap = float("inf")
    root = np.sqrt(weight)
    for _ in range(MAX_ROUNDS):
        fitted = member @ mass
        slope = (weight / fitted) @ member
        gap = float(max(slope.max() - n, 0.0))
        if gap <= tolerance:
            return mass, gap
        # The quadratic approximation of the log likelihood is a least-squares problem in the masses; the
        # heavy last row, with the scaling that follows, keeps their sum at one.
        scaled = root[:, None] * member / fitted[:, None]
        target = 2.0 * root
        centred = scaled - target[:, None]
        system = np.vstack([centred, np.ones(len(mass)) * np.sqrt(n)])
        goal, _ = nnls(system, np.append(np.zeros(len(weight)), np.sqrt(n)), maxiter=50 * len(mass))
        goal = goal / goal.sum()
        mass = _line_search(member, weight, mass, goal, slope)
        mass = mass * ((weight / (member @ mass)) @ member) / n
    raise ArithmeticError(f"Turnbull's estimate did not settle in {MAX_ROUNDS} rounds: gap {gap:.1e}")


def _line_search(member: Floats, weight: Floats, mass: Floats, goal: Floats, slope: Floats) -> Floats:
    start = weight @ np.log(member @ mass)
    rise = slope @ (goal - mass)
    share = 1.0
    while share > 1e-12:
        ahead = (1 - share) * mass + share * goal
        fitted = member @ ahead
        if fitted.min() > 0 and weight @ np.log(fitted) >= start + share * rise / 3 - 1e-14 * abs(start):
            return ahead
        share /= 2
    return mass
