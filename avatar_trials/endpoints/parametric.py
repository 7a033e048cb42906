"""Parametric survival of one data set: Weibull, exponential, lognormal and loglogistic regression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit, log_ndtr

from avatar_trials.endpoints.subjects import as_events, as_times, merge_near_ties

Floats = NDArray[np.float64]
Law = tuple[Callable[[Floats], Floats], Callable[[Floats], Floats], Callable[[Floats], Floats]]

INTERCEPT = "intercept"
MAX_STEPS = 200
# Newton's decrement at which the log likelihood is at its maximum up to rounding.
SETTLED = 1e-16


def _log_survival_extreme(w: Floats) -> Floats:
    return -np.exp(w)


# Log density, its slope, and log survival of the standard error w in log t = x'b + scale * w.
_EXTREME: Law = (lambda w: w - np.exp(w), lambda w: 1.0 - np.exp(w), _log_survival_extreme)
_NORMAL: Law = (lambda w: -0.5 * (w * w + np.log(2.0 * np.pi)), lambda w: -w, lambda w: log_ndtr(-w))
_LOGISTIC: Law = (
    lambda w: log_expit(w) + log_expit(-w),
    lambda w: 1.0 - 2.0 * expit(w),
    lambda w: log_expit(-w),
)
LAWS: dict[str, Law] = {
    "weibull": _EXTREME,
    "exponential": _EXTREME,
    "lognormal": _NORMAL,
    "loglogistic": _LOGISTIC,
}


@dataclass(frozen=True)
class ParametricFit:
    """Result of `parametric_survival`: log t = coef . x + scale * w; NaN where `why_undefined` is not "".

    coef, se: of the intercept, then of the covariates. scale: 1 for exponential; a Weibull's shape is its
    inverse. log_scale_se: NaN where the scale is fixed. loglik: on the scale of time.
    """

    names: tuple[str, ...]
    coef: Floats
    se: Floats
    scale: float
    log_scale_se: float
    loglik: float
    n: int
    n_event: int
    why_undefined: str
    method: str


def parametric_survival(
    time: ArrayLike,
    event: ArrayLike,
    covariates: Mapping[str, ArrayLike] | None = None,
    *,
    distribution: str = "weibull",
) -> ParametricFit:
    """Maximum likelihood from right-censored times (subject,), as survreg of R's `survival`.

    `event`: True where the event happened at `time`, else censored there. Subjects whose time is NaN are
    left out. Other arguments and errors: `interval_parametric_survival`.
    """
    times = as_times(time)
    happened = as_events(event, times)
    return interval_parametric_survival(
        times, np.where(happened | np.isnan(times), times, np.inf), covariates, distribution=distribution
    )


def interval_parametric_survival(
    left: ArrayLike,
    right: ArrayLike,
    covariates: Mapping[str, ArrayLike] | None = None,
    *,
    distribution: str = "weibull",
) -> ParametricFit:
    """Maximum likelihood from intervals (left, right], arrays (subject,), by Newton's method.

    left = right: exact time; right infinite: censored after left; left 0: since the start; left NaN: no
    such subject. covariates: name to numbers. ValueError for an unknown distribution, an exact time that is
    not positive, left > right, missing covariates.
    """
    if distribution not in LAWS:
        raise ValueError(f"unknown distribution {distribution!r}: expected one of {', '.join(LAWS)}")
    low, high = np.atleast_1d(np.asarray(left, dtype=float)), np.atleast_1d(np.asarray(right, dtype=float))
    if low.ndim != 1 or low.shape != high.shape:
        raise ValueError(f"left and right are arrays (subject,): received {low.shape} and {high.shape}")
    there = ~np.isnan(low)
    high = np.where(np.isnan(high), np.inf, high)
    named = {INTERCEPT: np.ones(len(low)), **(covariates or {})}
    columns = [np.asarray(values, dtype=float) for values in named.values()]
    if any(column.shape != low.shape for column in columns):
        raise ValueError(f"covariates have one number a subject: expected shape {low.shape}")
    x, low, high = np.stack(columns, axis=1)[there], low[there], high[there]
    low, high = merge_near_ties(np.concatenate([low, high])[None])[0].reshape(2, -1)
    if not np.isfinite(x).all():
        raise ValueError("a covariate of a subject with a time is not finite")
    if np.any((low < 0) | (low > high) | (high <= 0) | np.isinf(low)):
        raise ValueError("times must be positive, left finite and not after right")
    fixed = distribution == "exponential"
    informed = np.isfinite(high)
    p = x.shape[1]
    why = "no event: the likelihood has no maximum" if not informed.any() else ""
    if not why and np.linalg.matrix_rank(x) < p:
        why = "covariates are collinear with each other or with the intercept"
    theta, covariance, loglik = np.full(p + 1, np.nan), np.full((p + 1, p + 1), np.nan), float("nan")
    # Steps and eigenvalues mean something on one scale only: covariates are standardised, and the fit carried back.
    centre, spread = x.mean(axis=0), x.std(axis=0)
    centre[0], spread = 0.0, np.where(spread > 0, spread, 1.0)
    back = np.eye(p + 1)
    back[:p, :p] = np.diag(1 / spread)
    back[0, 1:p] = -centre[1:] / spread[1:]
    if not why:
        with np.errstate(all="ignore"):
            found = _maximise(LAWS[distribution], low, high, (x - centre) / spread, fixed)
        if found is None:
            why = "the likelihood has no maximum that Newton's method finds"
        else:
            known = np.isfinite(found[1])
            covariance = np.where(known, back @ np.where(known, found[1], 0.0) @ back.T, np.nan)
            theta, loglik = back @ found[0], found[2]
    se = np.sqrt(np.diag(covariance))
    return ParametricFit(
        tuple(named), theta[:-1], se[:-1], float(np.exp(theta[-1])), float("nan") if fixed else float(se[-1]),
        loglik, len(low), int(informed.sum()), why, f"{distribution} regression of log time, maximum likelihood",
    )  # fmt: skip


def _maximise(
    law: Law, low: Floats, high: Floats, x: Floats, fixed: bool
) -> tuple[Floats, Floats, float] | None:
    known = np.where(
        np.isfinite(high), (low + np.where(np.isfinite(high), high, low)) / 2, np.fmax(low, 1e-9)
    )
    y = np.log(known)
    theta = np.append(np.linalg.lstsq(x, y, rcond=None)[0], 0.0)
    theta[0] += 0.5
    if not fixed:
        theta[-1] = np.log(max(float(np.std(y - x @ theta[:-1])), 0.1))
    free = np.arange(len(theta) - fixed)
    value, slope = _likelihood(law, theta, low, high, x)
    for _ in range(MAX_STEPS):
        bend = _curvature(law, theta, low, high, x)[np.ix_(free, free)]
        roots, axes = np.linalg.eigh(bend)
        if not np.isfinite(roots).all() or (roots[0] <= 0 and roots[-1] <= 0):
            return None
        # Away from the maximum the curvature may point the wrong way along an axis: its size is kept.
        raised = np.maximum(np.abs(roots), 1e-10 * np.abs(roots).max())
        step = axes @ ((axes.T @ slope[free]) / raised)
        decrement = float(slope[free] @ step)
        share = 1.0
        while share > 1e-10:
            ahead = theta.copy()
            ahead[free] += share * step
            new_value, new_slope = _likelihood(law, ahead, low, high, x)
            if np.isfinite(new_value) and new_value >= value - 1e-13 * (1.0 + abs(value)):
                theta, value, slope = ahead, new_value, new_slope
                break
            share /= 2
        if decrement <= SETTLED and roots[0] > 1e-9 * roots[-1]:
            covariance = np.full((len(theta), len(theta)), np.nan)
            covariance[np.ix_(free, free)] = np.linalg.inv(bend)
            return theta, covariance, value
        if np.abs(theta[-1]) > 30 or np.abs(x @ theta[:-1] - y).max() > 1e3:
            return None
    return None


def _likelihood(law: Law, theta: Floats, low: Floats, high: Floats, x: Floats) -> tuple[float, Floats]:
    """Log likelihood and its slope in the coefficients and the log of the scale."""
    log_density, density_slope, log_survival = law
    scale, place = np.exp(theta[-1]), x @ theta[:-1]
    exact, open_end = low == high, np.isinf(high)
    a = (np.log(low) - place) / scale
    b = (np.log(np.where(open_end, 1.0, high)) - place) / scale
    log_a, log_b = log_survival(a), np.where(open_end, -np.inf, log_survival(b))
    log_between = log_a + np.log1p(-np.exp(log_b - log_a))
    each = np.where(exact, log_density(a) - theta[-1] - np.log(low), log_between)
    pull_a = np.where(exact, density_slope(a), np.where(low > 0, -np.exp(log_density(a) - log_between), 0.0))
    pull_b = np.where(exact | open_end, 0.0, np.exp(log_density(b) - log_between))
    by_place = -(pull_a + pull_b) / scale
    by_log_scale = -(np.where(low > 0, pull_a * np.where(low > 0, a, 0.0), 0.0) + pull_b * b)
    by_log_scale -= exact
    return float(each.sum()), np.append(x.T @ by_place, by_log_scale.sum())


def _curvature(law: Law, theta: Floats, low: Floats, high: Floats, x: Floats) -> Floats:
    """Minus the second derivatives, by central differences of the slopes."""
    h = 1e-5
    columns = []
    for move in h * np.eye(len(theta)):
        ahead, behind = (_likelihood(law, theta + sign * move, low, high, x)[1] for sign in (1.0, -1.0))
        columns.append((behind - ahead) / (2 * h))
    return np.asarray((np.array(columns) + np.array(columns).T) / 2)
