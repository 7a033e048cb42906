"""Hazard ratio of two arms (Cox's model with one yes/no covariate), over replicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, gammaln, ndtri

from avatar_trials.endpoints.intervals import check_level
from avatar_trials.endpoints.risk_sets import RiskSets, encode, risk_sets, span_sum

Floats = NDArray[np.float64]

TIES = ("efron", "breslow", "exact")
NOT_ESTIMABLE = "HR not estimable"
MAX_STEPS = 60
MAX_STEP = 2.0
SETTLED = 1e-9


@dataclass(frozen=True)
class HazardRatio:
    """Result of `hazard_ratio`, arrays over the replicates (...); NaN where `why_undefined` is not "".

    hr: hazard of `arm` over that of `reference`, limits Wald's at `level` from `se`. se: of log_hr, the
    sandwich's where clusters were given; naive_se: the inverse information's. wald_chisq uses `se`;
    lr_chisq and score_chisq are the likelihood-ratio and the score test, which take subjects as
    independent. All have one degree of freedom. loglik0, loglik: log partial likelihood at a ratio of 1
    and at `hr`. n, n_event: subjects and events, reference arm first (..., 2).
    """

    arm: Any
    reference: Any
    hr: Floats
    lower: Floats
    upper: Floats
    level: float
    log_hr: Floats
    se: Floats
    naive_se: Floats
    wald_chisq: Floats
    wald_p: Floats
    lr_chisq: Floats
    lr_p: Floats
    score_chisq: Floats
    score_p: Floats
    loglik0: Floats
    loglik: Floats
    n: NDArray[np.intp]
    n_event: NDArray[np.intp]
    why_undefined: NDArray[np.str_]
    method: str


@dataclass(frozen=True)
class _Terms:
    """Deaths and the terms -log(alone + in_arm * ratio) of the log partial likelihood, (replicate, subject)."""

    used: NDArray[np.bool_]
    alone: Floats
    in_arm: Floats

    def shares(self, log_hr: Floats) -> tuple[Floats, Floats]:
        """Log of the sum of hazards, and the arm's share of it."""
        ratio = np.exp(log_hr)[:, None]
        total = np.where(self.used, self.alone + self.in_arm * ratio, 1.0)
        return np.log(total), np.where(self.used, self.in_arm * ratio / total, 0.0)

    def moments(self, log_hr: Floats) -> tuple[Floats, Floats, Floats]:
        log_total, share = self.shares(log_hr)
        return log_total.sum(axis=1), share.sum(axis=1), (share * (1.0 - share)).sum(axis=1)

    def range(self) -> tuple[Floats, Floats]:
        fewest = (self.used & (self.alone <= 0)).sum(axis=1)
        return fewest.astype(float), (self.used & (self.in_arm > 0)).sum(axis=1).astype(float)


@dataclass(frozen=True)
class _ExactTerms:
    """Log of the number of ways that k of the deaths at one time are in the arm, (time, k)."""

    replicate: NDArray[np.intp]
    n_replicates: int
    log_ways: Floats

    def moments(self, log_hr: Floats) -> tuple[Floats, Floats, Floats]:
        k = np.arange(self.log_ways.shape[1])
        weight = self.log_ways + k * log_hr[self.replicate, None]
        top = weight.max(axis=1, keepdims=True, initial=-np.inf)
        weight = np.exp(weight - top)
        total = weight.sum(axis=1)
        mean = (weight * k).sum(axis=1) / total
        variance = (weight * (k - mean[:, None]) ** 2).sum(axis=1) / total
        return self._sum(np.log(total) + top[:, 0]), self._sum(mean), self._sum(variance)

    def range(self) -> tuple[Floats, Floats]:
        possible = np.isfinite(self.log_ways)
        most = possible.shape[1] - 1 - possible[:, ::-1].argmax(axis=1)
        return self._sum(possible.argmax(axis=1).astype(float)), self._sum(most.astype(float))

    def _sum(self, values: Floats) -> Floats:
        return np.bincount(self.replicate, values, minlength=self.n_replicates)


def hazard_ratio(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    *,
    reference: Any = None,
    strata: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    ties: str = "efron",
    level: float = 0.95,
) -> HazardRatio:
    """Hazard ratio of the other arm to `reference` (default: first in sorted order), by partial likelihood.

    time (..., subject), NaN where there is no subject; labels `group` (two of them), strata and cluster
    broadcast against it. strata: arms are compared within strata only; the avatar as stratum makes the
    trial a paired one. cluster: subjects that are not independent, as mice of one avatar in several arms;
    `se` is then the sandwich of score residuals summed over clusters (Lin and Wei 1989). ties: "efron"
    (Efron 1977), "breslow" (Breslow 1974) or "exact" (the conditional likelihood of discrete times, Cox
    1972). Where the likelihood has no maximum, as without events in an arm, the ratio is NaN and
    `why_undefined` says "HR not estimable" and why. ValueError for an unknown variant or level, other than
    two groups, clusters with exact ties.
    """
    check_level(level)
    if ties not in TIES:
        raise ValueError(f"unknown handling of ties {ties!r}: expected one of {', '.join(TIES)}")
    if ties == "exact" and cluster is not None:
        raise ValueError("cluster-robust errors are not defined for exact ties: use efron or breslow")
    sets = risk_sets(time, event, group, strata=strata)
    if len(sets.groups) != 2:
        known = ", ".join(map(str, sets.groups)) or "none"
        raise ValueError(f"a hazard ratio compares two groups: received {known}")
    base = sets.groups[0] if reference is None else reference
    if base not in sets.groups:
        raise ValueError(f"unknown reference {base!r}: expected one of {', '.join(map(str, sets.groups))}")
    arm_code = 1 - sets.groups.index(base)
    in_arm = sets.group == arm_code
    terms = _exact_terms(sets, in_arm) if ties == "exact" else _terms(sets, in_arm, ties)
    events_in_arm = (sets.event & in_arm).sum(axis=1).astype(float)
    counts = [np.stack([(x & ~in_arm).sum(axis=1), (x & in_arm).sum(axis=1)], axis=-1) for x in
              (sets.present, sets.event)]  # fmt: skip
    names = (str(base), str(sets.groups[arm_code]))
    why = _reasons(names, counts[0], counts[1], events_in_arm, terms.range())
    estimable = why == ""
    log_hr = _maximise(terms, events_in_arm, estimable)
    zero = np.zeros_like(log_hr)
    log_total0, mean0, information0 = terms.moments(zero)
    log_total, _, information = terms.moments(log_hr)
    loglik = events_in_arm * log_hr - log_total
    naive = 1.0 / np.sqrt(np.where(estimable, information, 1.0))
    se = naive
    if cluster is not None:
        assert isinstance(terms, _Terms)
        given = np.asarray(time, dtype=float)
        _, code = encode(cluster, given.shape, ~np.isnan(given), "cluster")
        code = np.take_along_axis(code, sets.order, axis=1)
        se = _sandwich(sets, terms, in_arm, log_hr, code, ties) * naive**2
        alone = estimable & (se <= SETTLED * naive)
        why = np.where(alone, f"{NOT_ESTIMABLE}: the clusters do not differ, so its error is unknown", why)
        estimable &= ~alone
    z = float(ndtri(0.5 + level / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        wald = (log_hr / se) ** 2
        score = (events_in_arm - mean0) ** 2 / information0
    lr = 2.0 * (loglik + log_total0)
    with np.errstate(over="ignore"):
        fields: dict[str, Any] = {
            "hr": np.exp(log_hr), "lower": np.exp(log_hr - z * se), "upper": np.exp(log_hr + z * se),
            "log_hr": log_hr, "se": se, "naive_se": naive,
            "wald_chisq": wald, "wald_p": chdtrc(1, wald),
            "lr_chisq": lr, "lr_p": chdtrc(1, np.maximum(lr, 0.0)),
            "score_chisq": score, "score_p": chdtrc(1, score),
            "loglik0": -log_total0, "loglik": loglik,
        }  # fmt: skip
    fields = {name: np.where(estimable, value, np.nan).reshape(sets.shape) for name, value in fields.items()}
    method = f"Cox partial likelihood, ties {ties}"
    method += ", stratified" if strata is not None else ""
    method += ", Wald interval, " + ("cluster-robust errors" if cluster is not None else "model-based errors")
    return HazardRatio(
        arm=sets.groups[arm_code],
        reference=base,
        level=level,
        n=counts[0].reshape(*sets.shape, 2),
        n_event=counts[1].reshape(*sets.shape, 2),
        why_undefined=why.reshape(sets.shape),
        method=method,
        **fields,
    )


def _terms(sets: RiskSets, in_arm: NDArray[np.bool_], ties: str) -> _Terms:
    risk_all, risk_arm = sets.at_risk(sets.present), sets.at_risk(in_arm)
    if ties == "efron":
        # The l-th of d tied deaths meets a risk set from which l/d of each of them has gone.
        deaths, deaths_arm = sets.events_at(sets.present), sets.events_at(in_arm)
        place = np.arange(sets.first.shape[1])
        earlier = span_sum(sets.event.astype(float), sets.first, np.maximum(place - 1, sets.first - 1))
        gone = earlier / np.maximum(deaths, 1.0)
        risk_all, risk_arm = risk_all - gone * deaths, risk_arm - gone * deaths_arm
    return _Terms(sets.event, risk_all - risk_arm, risk_arm)


def _exact_terms(sets: RiskSets, in_arm: NDArray[np.bool_]) -> _ExactTerms:
    at = sets.opens & (sets.events_at(sets.present) > 0)
    replicate = np.nonzero(at)[0]
    n, deaths, arm = (
        values[at][:, None]
        for values in (sets.at_risk(sets.present), sets.events_at(sets.present), sets.at_risk(in_arm))
    )
    k = np.arange(int(deaths.max(initial=0)) + 1)
    possible = (k <= arm) & (k <= deaths) & (deaths - k <= n - arm)

    def log_choose(total: NDArray[Any], chosen: NDArray[Any]) -> Floats:
        chosen = np.clip(chosen, 0.0, total)
        return np.asarray(gammaln(total + 1) - gammaln(chosen + 1) - gammaln(total - chosen + 1))

    ways = np.where(possible, log_choose(arm, k.astype(float)) + log_choose(n - arm, deaths - k), -np.inf)
    return _ExactTerms(replicate, len(sets.order), ways)


def _reasons(
    names: tuple[str, str],
    n: NDArray[np.intp],
    n_event: NDArray[np.intp],
    events_in_arm: Floats,
    possible: tuple[Floats, Floats],
) -> NDArray[np.str_]:
    fewest, most = possible
    always = "at every time of an event at which both arms are at risk, the events are in"
    conditions = [
        n[:, 0] == 0, n[:, 1] == 0, n_event.sum(axis=1) == 0, n_event[:, 0] == 0, n_event[:, 1] == 0,
        fewest == most, events_in_arm == fewest, events_in_arm == most,
    ]  # fmt: skip
    reasons = [
        f"no subject in arm {names[0]}", f"no subject in arm {names[1]}", "no event in either arm",
        f"no event in arm {names[0]}", f"no event in arm {names[1]}",
        "no event while both arms are at risk", f"{always} arm {names[0]}", f"{always} arm {names[1]}",
    ]  # fmt: skip
    return np.select(conditions, [f"{NOT_ESTIMABLE}: {reason}" for reason in reasons], default="")


def _maximise(terms: _Terms | _ExactTerms, events: Floats, estimable: NDArray[np.bool_]) -> Floats:
    """Root of the score, by Newton's steps between limits that bisection tightens; 0 if not estimable."""
    log_hr = np.zeros(len(events))
    low, high = np.full(len(events), -np.inf), np.full(len(events), np.inf)
    moving = estimable.copy()
    for _ in range(MAX_STEPS):
        _, mean, information = terms.moments(log_hr)
        score = events - mean
        low, high = np.where(score > 0, log_hr, low), np.where(score < 0, log_hr, high)
        step = np.clip(score / np.maximum(information, 1e-300), -MAX_STEP, MAX_STEP)
        # Newton's error squares at each step: after one this small, nothing is left but rounding.
        last = np.abs(step) <= SETTLED * np.maximum(np.abs(log_hr), 1.0)
        outside = ~last & ((log_hr + step <= low) | (log_hr + step >= high))
        with np.errstate(invalid="ignore"):
            middle = np.where(np.isfinite(low + high), (low + high) / 2, log_hr + step)
        log_hr = np.where(moving, np.where(outside, middle, log_hr + step), log_hr)
        moving &= ~last
        if not moving.any():
            return log_hr
    raise ArithmeticError(f"the partial likelihood found no maximum in {MAX_STEPS} steps")


def _sandwich(
    sets: RiskSets,
    terms: _Terms,
    in_arm: NDArray[np.bool_],
    log_hr: Floats,
    cluster: NDArray[np.intp],
    ties: str,
) -> Floats:
    """Root of the summed squares of the clusters' score residuals."""
    ratio = np.exp(log_hr)[:, None]
    log_total, share = terms.shares(log_hr)
    hazard = np.where(terms.used, np.exp(-log_total), 0.0)
    x = in_arm.astype(float)
    risk = np.where(in_arm, ratio, 1.0)
    at_risk = span_sum(hazard, sets.stratum_first, sets.last)
    pull = span_sum(hazard * share, sets.stratum_first, sets.last)
    residual = -risk * (x * at_risk - pull)
    deaths = np.maximum(sets.events_at(sets.present), 1.0)
    residual += np.where(sets.event, x - span_sum(share, sets.first, sets.last) / deaths, 0.0)
    if ties == "efron":
        place = np.arange(sets.first.shape[1])
        earlier = span_sum(sets.event.astype(float), sets.first, np.maximum(place - 1, sets.first - 1))
        gone = hazard * earlier / deaths
        back = x * span_sum(gone, sets.first, sets.last) - span_sum(gone * share, sets.first, sets.last)
        residual += np.where(sets.event, risk * back, 0.0)
    residual = np.where(sets.present, residual, 0.0)
    size = int(cluster.max(initial=0)) + 1
    place = np.maximum(cluster, 0) + size * np.arange(len(cluster))[:, None]
    sums = np.bincount(place.ravel(), residual.ravel(), minlength=size * len(cluster)).reshape(-1, size)
    return np.sqrt((sums**2).sum(axis=1))
