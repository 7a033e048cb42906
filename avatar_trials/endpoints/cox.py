"""Cox regression of one data set on any covariates; `hazard_ratio` has two arms over replicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.special import chdtrc, ndtri

from avatar_trials.endpoints.intervals import check_level
from avatar_trials.endpoints.partial_likelihood import (
    Cohort,
    Likelihood,
    cohort,
    concordance,
    likelihood,
    score_residuals,
)
from avatar_trials.endpoints.survival import kaplan_meier
from avatar_trials.endpoints.two_arm_hazard import NOT_ESTIMABLE, TIES

Floats = NDArray[np.float64]

MAX_STEPS = 60
SETTLED = 1e-9
# Log hazards of one data set further apart than this may come of a likelihood without a maximum.
SUSPICIOUS_SPREAD = 12.0


@dataclass(frozen=True)
class CoxRegression:
    """Result of `cox_regression`; arrays (covariate,), NaN all of them where `why_undefined` is not "".

    coef: log hazard ratio per unit of the covariate; hr its exponential, with Wald limits at `level`. se:
    the sandwich's where clusters were given, else naive_se, the inverse information's. wald, lr and score:
    tests of all covariates on `df` degrees of freedom; wald with `se`. concordance: Harrell's C of the
    linear predictor, within strata. loglik0, loglik: log partial likelihood at 0 and at coef.
    """

    names: tuple[str, ...]
    coef: Floats
    hr: Floats
    lower: Floats
    upper: Floats
    level: float
    se: Floats
    naive_se: Floats
    df: int
    wald_chisq: float
    wald_p: float
    lr_chisq: float
    lr_p: float
    score_chisq: float
    score_p: float
    loglik0: float
    loglik: float
    concordance: float
    n: int
    n_event: int
    why_undefined: str
    method: str


@dataclass(frozen=True)
class ProportionalHazards:
    """Result of `proportional_hazards_test`: by covariate, and of all together; NaN where undefined."""

    names: tuple[str, ...]
    chisq: Floats
    p_value: Floats
    global_chisq: float
    global_p: float
    why_undefined: str
    method: str


def cox_regression(
    time: ArrayLike,
    event: ArrayLike,
    covariates: Mapping[str, ArrayLike],
    *,
    strata: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    ties: str = "efron",
    level: float = 0.95,
) -> CoxRegression:
    """Fit Cox's proportional hazards (Cox 1972) to one data set, all arrays (subject,), by Newton's method.

    covariates: name to numbers. strata: subjects are compared within strata only. cluster: subjects that
    are not independent, for sandwich errors (Lin and Wei 1989). entry: left truncation, exclusive. ties:
    "efron" (Efron 1977), "breslow" (Breslow 1974), "exact" (Cox 1972, discrete times). A subject whose time
    is NaN is left out. Where the likelihood has no maximum, or several, `why_undefined` says so.
    ValueError for missing or unequal covariates, an unknown variant or level, clusters with exact ties.
    """
    check_level(level)
    _check_ties(ties, clustered=cluster is not None)
    data = cohort(time, event, covariates, strata=strata, cluster=cluster, entry=entry, ties=ties)
    p = len(data.names)
    at_zero = likelihood(data, np.zeros(p), ties)
    why, coef, fitted = _fit(data, at_zero, ties)
    covariance = naive = np.full((p, p), np.nan)
    if not why:
        covariance = naive = np.linalg.inv(fitted.information)
        if cluster is not None:
            covariance = naive @ _cluster_products(data, coef, fitted) @ naive
            unit = np.sqrt(np.diag(naive))
            if np.linalg.eigvalsh(covariance / np.outer(unit, unit)).min() <= SETTLED**2:
                why = f"{NOT_ESTIMABLE}: too few clusters, their errors are unknown"
    wald = lr = score = agreement = loglik = float("nan")
    if why:
        coef, covariance, naive = np.full(p, np.nan), np.full((p, p), np.nan), np.full((p, p), np.nan)
    else:
        wald = float(coef @ np.linalg.solve(covariance, coef))
        lr = max(2.0 * (fitted.loglik - at_zero.loglik), 0.0)
        score = float(at_zero.score @ np.linalg.solve(at_zero.information, at_zero.score))
        agreement, loglik = concordance(data, coef), fitted.loglik
    coef, se, naive_se = coef / data.scale, _errors(covariance, data), _errors(naive, data)
    half = float(ndtri(0.5 + level / 2)) * se
    with np.errstate(over="ignore"):
        hr, lower, upper = np.exp(coef), np.exp(coef - half), np.exp(coef + half)
    notes = (
        ("stratified", strata is not None),
        ("left-truncated", entry is not None),
        ("cluster-robust errors" if cluster is not None else "model-based errors", True),
    )
    method = ", ".join([f"Cox partial likelihood, ties {ties}", *(note for note, given in notes if given)])
    return CoxRegression(
        data.names, coef, hr, lower, upper, level, se, naive_se, p,
        wald, float(chdtrc(p, wald)), lr, float(chdtrc(p, lr)), score, float(chdtrc(p, score)),
        at_zero.loglik, loglik, agreement, len(data.time), int(data.event.sum()), why, method,
    )  # fmt: skip


def proportional_hazards_test(
    time: ArrayLike,
    event: ArrayLike,
    covariates: Mapping[str, ArrayLike],
    *,
    strata: ArrayLike | None = None,
    entry: ArrayLike | None = None,
    ties: str = "efron",
) -> ProportionalHazards:
    """Score test of hazards whose ratio changes with time (Grambsch and Therneau 1994), as R's cox.zph.

    The alternative is a coefficient that moves linearly in 1 - S(t-), S the Kaplan-Meier curve of all
    subjects (R's transform "km"). Each covariate is tested with all in the model. Arguments and errors are
    those of `cox_regression`; exact ties are not defined here.
    """
    _check_ties(ties, clustered=True)
    data = cohort(time, event, covariates, strata=strata, cluster=None, entry=entry, ties=ties)
    p = len(data.names)
    why, _, fitted = _fit(data, likelihood(data, np.zeros(p), ties), ties)
    method = f"score test on the Kaplan-Meier scale of time, ties {ties}"
    if why:
        unknown = np.full(p, np.nan)
        return ProportionalHazards(data.names, unknown, unknown, float("nan"), float("nan"), why, method)
    curve = kaplan_meier(data.time, data.event, entry=None if entry is None else data.entry)
    # Just before a death the curve has the value it had after the last time before.
    place = np.searchsorted(curve.time, data.death_time) - 1
    scale = 1.0 - np.where(place >= 0, curve.surv[np.maximum(place, 0)], 1.0)
    scale = scale - scale.mean()
    died = data.deaths @ data.x
    score = np.concatenate([np.zeros(p), scale @ (died - fitted.mean)])
    with_scale, with_square = (np.einsum("t,tij->ij", w, fitted.spread) for w in (scale, scale**2))
    information = np.block([[fitted.information, with_scale], [with_scale, with_square]])
    if np.linalg.cond(information) > 1e14:
        unknown = np.full(p, np.nan)
        why = "too few times of events to tell a change with time"
        return ProportionalHazards(data.names, unknown, unknown, float("nan"), float("nan"), why, method)
    chisq = np.empty(p)
    for k in range(p):
        kept = [*range(p), p + k]
        chisq[k] = score[kept] @ np.linalg.solve(information[np.ix_(kept, kept)], score[kept])
    total = float(score @ np.linalg.solve(information, score))
    return ProportionalHazards(
        data.names, chisq, chdtrc(1, chisq), total, float(chdtrc(p, total)), "", method
    )


def _check_ties(ties: str, *, clustered: bool) -> None:
    if ties not in TIES:
        raise ValueError(f"unknown handling of ties {ties!r}: expected one of {', '.join(TIES)}")
    if ties == "exact" and clustered:
        raise ValueError("residuals are not defined for exact ties: use efron or breslow")


def _fit(data: Cohort, at_zero: Likelihood, ties: str) -> tuple[str, Floats, Likelihood]:
    """Why there is no maximum, or "", the standardised coefficients and the likelihood there."""
    coef, here = np.zeros(len(data.names)), at_zero
    if not data.event.any():
        return f"{NOT_ESTIMABLE}: no event", coef, here
    spread = np.diag(at_zero.information)
    flat = [name for name, value in zip(data.names, spread, strict=True) if value <= 1e-12]
    if flat:
        reason = f"{', '.join(flat)} does not vary among those at risk at the events"
        return f"{NOT_ESTIMABLE}: {reason}", coef, here
    if np.linalg.cond(at_zero.information / np.sqrt(np.outer(spread, spread))) > 1e12:
        reason = f"{', '.join(data.names)} are collinear among those at risk at the events"
        return f"{NOT_ESTIMABLE}: {reason}", coef, here
    settled = False
    for _ in range(MAX_STEPS):
        step = np.linalg.lstsq(here.information, here.score, rcond=None)[0]
        ahead = likelihood(data, coef + step, ties)
        for _ in range(MAX_STEPS):
            if ahead.loglik >= here.loglik - 1e-12 * (1.0 + abs(here.loglik)):
                break
            step = step / 2
            ahead = likelihood(data, coef + step, ties)
        coef, here = coef + step, ahead
        if np.abs(step).max() <= SETTLED * max(1.0, np.abs(coef).max()):
            settled = True
            break
        if np.ptp(data.x @ coef) > 2 * SUSPICIOUS_SPREAD:
            break
    if not settled or np.ptp(data.x @ coef) > SUSPICIOUS_SPREAD:
        direction = _endless_direction(data, ties)
        if direction is not None:
            named = [n for n, d in zip(data.names, direction, strict=True) if abs(d) > 1e-6]
            reason = f"the events are separated along {', '.join(named)}, the likelihood has no maximum"
            return f"{NOT_ESTIMABLE}: {reason}", coef, here
        if not settled:
            raise ArithmeticError(f"the partial likelihood found no maximum in {MAX_STEPS} steps")
    return "", coef, here


def _endless_direction(data: Cohort, ties: str) -> Floats | None:
    """A direction in which no death ever has a lower hazard than another subject at risk, if there is one."""
    rows = []
    for block in np.unique(data.death_block):
        row = int(np.argmax(data.death_block == block))
        dying = data.deaths[row] > 0
        others = (data.risk[row] > 0) & ~dying if ties == "exact" else data.risk[row] > 0
        rows.append((data.x[dying, None] - data.x[None, others]).reshape(-1, data.x.shape[1]))
    apart = np.unique(np.concatenate(rows), axis=0)
    found = linprog(-apart.sum(axis=0), A_ub=-apart, b_ub=np.zeros(len(apart)), bounds=(-1.0, 1.0))
    if not found.success:
        return None
    direction = np.asarray(found.x, dtype=float)
    return direction if (apart @ direction).max() > 1e-7 else None


def _cluster_products(data: Cohort, coef: Floats, fitted: Likelihood) -> Floats:
    sums = np.zeros((int(data.cluster.max(initial=-1)) + 1, len(coef)))
    np.add.at(sums, data.cluster, score_residuals(data, coef, fitted))
    return sums.T @ sums


def _errors(covariance: Floats, data: Cohort) -> Floats:
    return np.sqrt(np.diag(covariance)) / data.scale
