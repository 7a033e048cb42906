"""Log-rank tests of two or more groups, over replicates; also stratified and weighted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from avatar_trials.endpoints.risk_sets import RiskSets, risk_sets

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LogRank:
    """Result of `logrank`: arrays over the replicates (...), by group (..., group).

    n: subjects. observed, expected: weighted sums of events. variance (..., group, group) of their
    difference. chisq, df, p_value: NaN, 0 and NaN where `why_undefined` is not "". groups: labels, sorted.
    """

    groups: tuple[Any, ...]
    n: NDArray[np.intp]
    observed: Floats
    expected: Floats
    variance: Floats
    chisq: Floats
    df: NDArray[np.intp]
    p_value: Floats
    why_undefined: NDArray[np.str_]
    method: str


def logrank(
    time: ArrayLike,
    event: ArrayLike,
    group: ArrayLike,
    *,
    strata: ArrayLike | None = None,
    rho: float = 0.0,
) -> LogRank:
    """Test that the groups have one survival curve; time (..., subject), labels broadcast against it.

    rho: weight S(t-)**rho of an event at t, S the Kaplan-Meier curve of all groups of the stratum: 0 the
    log-rank test (Mantel 1966), 1 the Peto-Peto modification of Wilcoxon's (Harrington and Fleming 1982;
    survdiff of R's `survival`). strata: groups are compared within strata only; with the avatar as stratum,
    mice are compared with mice of their own avatar. The variance is hypergeometric. A group without
    expected events does not count towards df, as in R. ValueError for fewer than two groups, a rho that is
    negative or infinite, an infinite time, an event that is neither 0 nor 1.
    """
    if not (np.isfinite(rho) and rho >= 0):
        raise ValueError(f"rho must be finite and not negative: received {rho}")
    sets = risk_sets(time, event, group, strata=strata)
    if len(sets.groups) < 2:
        raise ValueError(f"the log-rank test compares two groups or more: received {_listed(sets.groups)}")
    size = len(sets.groups)
    members = [sets.group == k for k in range(size)]
    opens = sets.opens
    n_risk = sets.at_risk(sets.present)
    n_event = np.where(opens, sets.events_at(sets.present), 0.0)
    weight = _weights(sets, n_risk, n_event, rho)
    at_risk = [np.where(opens, sets.at_risk(member), 0.0) for member in members[:-1]]
    at_risk.append(np.where(opens, n_risk, 0.0) - sum(at_risk))
    share = [risk / np.maximum(n_risk, 1.0) for risk in at_risk]
    weighted = weight * n_event
    observed = np.stack(
        [np.where(opens, weight * sets.events_at(member), 0.0).sum(axis=1) for member in members], axis=-1
    )
    expected = np.stack([(weighted * part).sum(axis=1) for part in share], axis=-1)
    spread = weight * weighted * (n_risk - n_event) / np.maximum(n_risk - 1.0, 1.0)
    variance = np.empty((len(observed), size, size))
    for i in range(size):
        for k in range(i + 1):
            covariance = (spread * share[i] * (float(i == k) - share[k])).sum(axis=1)
            variance[:, i, k] = variance[:, k, i] = covariance
    chisq, df = _quadratic_form(observed - expected, variance, expected)
    count = np.stack([member.sum(axis=1) for member in members], axis=-1)
    why = _reasons(sets.groups, count, expected, df)
    chisq = np.where(why == "", chisq, np.nan)
    p_value = np.where(why == "", chdtrc(np.maximum(df, 1), np.nan_to_num(chisq)), np.nan)
    shape = sets.shape
    name = f"log-rank test, weight S(t-)^{rho:g}" if rho else "log-rank test"
    return LogRank(
        sets.groups, count.reshape(*shape, size), observed.reshape(*shape, size),
        expected.reshape(*shape, size), variance.reshape(*shape, size, size),
        chisq.reshape(shape), df.reshape(shape), p_value.reshape(shape), why.reshape(shape),
        f"{name}, {'stratified, ' if strata is not None else ''}hypergeometric variance",
    )  # fmt: skip


def _weights(sets: RiskSets, n_risk: Floats, n_event: Floats, rho: float) -> Floats:
    if rho == 0:
        return np.ones_like(n_risk)
    kept = 1.0 - n_event / np.maximum(n_risk, 1.0)
    starts = sets.stratum_first == np.arange(kept.shape[1])
    before = np.ones_like(kept)
    # The curve starts anew in each stratum, which a cumulative product along the row cannot.
    for i in range(1, kept.shape[1]):
        before[:, i] = np.where(starts[:, i], 1.0, before[:, i - 1] * kept[:, i - 1])
    return before**rho


def _quadratic_form(
    difference: Floats, variance: Floats, expected: Floats
) -> tuple[Floats, NDArray[np.intp]]:
    """d' V^-1 d over the groups with expected events, without the first of them, and their number."""
    counts = expected > 0
    first = counts & (np.cumsum(counts, axis=-1) == 1)
    used = counts & ~first
    pairs = used[..., :, None] & used[..., None, :]
    scale = np.maximum(np.abs(variance).max(axis=(-2, -1)), np.finfo(float).tiny)
    matrix = np.where(pairs, variance / scale[..., None, None], np.eye(variance.shape[-1]))
    # Groups that are never at risk together leave the matrix singular: nothing compares them.
    singular = np.linalg.eigvalsh(matrix).min(axis=-1) <= 1e-12
    matrix = np.where(singular[..., None, None], np.eye(variance.shape[-1]), matrix)
    d = np.where(used, difference, 0.0)
    solved = np.linalg.solve(matrix, d[..., None])[..., 0]
    df = np.where(singular, 0, used.sum(axis=-1))
    return (d * solved).sum(axis=-1) / scale, df


def _reasons(
    groups: tuple[Any, ...], count: NDArray[np.intp], expected: Floats, df: NDArray[np.intp]
) -> NDArray[np.str_]:
    conditions = [(count > 0).sum(axis=-1) < 2, expected.sum(axis=-1) <= 0, df < 1]
    reasons = [
        f"fewer than two of the groups {_listed(groups)} have a subject",
        "no event in any group",
        "at no time of an event are all groups compared: the variance is 0",
    ]
    return np.select(conditions, reasons, default="")


def _listed(groups: tuple[Any, ...]) -> str:
    return ", ".join(str(group) for group in groups) or "none"
