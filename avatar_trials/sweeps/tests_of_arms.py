"""Whether one arm beats another, over replicate trials: one-sided tests with the avatar for the unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avatar_trials.endpoints.contingency import fisher_exact
from avatar_trials.endpoints.paired import mcnemar_counts, paired_log_rank, signed_rank
from avatar_trials.endpoints.rank_tests import logrank
from avatar_trials.sweeps.mice import Outcomes

Floats = NDArray[np.float64]

TEST_WORDS = {
    "mcnemar": "McNemar's exact test of avatars (sign test of the share of an avatar's mice that respond)",
    "fisher": "Fisher's exact test of mice, avatars not paired",
    "signed_rank": "Wilcoxon's signed-rank test of avatars (mean depth of an avatar's mice)",
    "paired_logrank": "log-rank scores, paired by avatar (Jung 1999)",
    "logrank": "log-rank test of mice, avatars not paired",
    "logrank_stratified": "log-rank test stratified by avatar",
}


def one_sided_p(test: str, first: Outcomes, second: Outcomes) -> Floats:
    """p (trial,) that `first` is no better than `second`, 1 where a trial cannot tell; tests as `TEST_WORDS`.

    Every test but Fisher's is the two-sided one of the room of endpoints, halved on the better side.
    """
    if test == "mcnemar":
        a, b = (_share(arm) for arm in (first, second))
        better, worse = (a > b).sum(axis=-1), (a < b).sum(axis=-1)
        return _halved(mcnemar_counts(better, worse, n_pairs=better + worse).exact_p, better > worse)
    if test == "fisher":
        counts = [
            [arm.responded.sum(axis=(1, 2)), (arm.evaluable & ~arm.responded).sum(axis=(1, 2))]
            for arm in (first, second)
        ]
        table = np.moveaxis(np.array(counts), -1, 0)
        possible, place = np.unique(table.reshape(len(table), 4), axis=0, return_inverse=True)
        return fisher_exact(possible.reshape(-1, 2, 2), alternative="greater")[place.reshape(-1)]
    if test == "signed_rank":
        found = signed_rank(_mean_depth(second), _mean_depth(first))
        return _halved(found.p_value, found.statistic > found.n_used * (found.n_used + 1) / 4)
    if test == "paired_logrank":
        found = paired_log_rank(first.time_days, first.doubled, second.time_days, second.doubled)
        return _halved(found.p_value, found.statistic > 0)
    if test in ("logrank", "logrank_stratified"):
        return _log_rank(first, second, stratified=test == "logrank_stratified")
    raise ValueError(f"unknown test {test!r}: expected one of {', '.join(TEST_WORDS)}")


def _halved(two_sided: Floats, better: NDArray[np.bool_]) -> Floats:
    p = np.where(better, two_sided / 2.0, 1.0 - two_sided / 2.0)
    return np.where(np.isnan(p), 1.0, p)


def _share(arm: Outcomes) -> Floats:
    """Share (trial, avatar) of an avatar's evaluable mice that respond, NaN without one."""
    n = arm.evaluable.sum(axis=1)
    return np.where(n > 0, arm.responded.sum(axis=1) / np.maximum(n, 1), np.nan)


def _mean_depth(arm: Outcomes) -> Floats:
    there = np.isfinite(arm.depth_pct)
    n = there.sum(axis=1)
    total = np.where(there, arm.depth_pct, 0.0).sum(axis=1, dtype=float)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _log_rank(first: Outcomes, second: Outcomes, *, stratified: bool) -> Floats:
    time = np.concatenate([first.flat("time_days"), second.flat("time_days")], axis=-1).astype(float)
    event = np.concatenate([first.flat("doubled"), second.flat("doubled")], axis=-1)
    n = time.shape[-1] // 2
    strata = np.tile(np.arange(first.grade.shape[2]), time.shape[-1] // first.grade.shape[2])
    found = logrank(time, event, np.repeat([0, 1], n), strata=strata if stratified else None)
    return _halved(found.p_value, found.observed[..., 0] < found.expected[..., 0])


def adjusted(p: Floats, multiplicity: str) -> Floats:
    """p (combination, ...) adjusted for so many combinations: none, bonferroni, or holm (Holm 1979)."""
    n = len(p)
    if multiplicity == "bonferroni":
        return np.minimum(1.0, n * p)
    if multiplicity == "holm":
        order = np.argsort(p, axis=0, kind="stable")
        factor = np.arange(n, 0, -1).reshape(-1, *[1] * (p.ndim - 1))
        stepped = np.maximum.accumulate(np.take_along_axis(p, order, 0) * factor, axis=0)
        found = np.empty_like(p)
        np.put_along_axis(found, order, np.minimum(1.0, stepped), axis=0)
        return found
    return p
