"""Tests of two arms that share their avatars: each avatar's two mice are one pair.

Arrays have shape (..., pair); leading dimensions are replicates. A pair counts if both of its mice do. The
pair-stratified log-rank test and hazard ratio are in `logrank` and `hazard_ratio`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, chdtrc, ndtr
from scipy.stats import rankdata

from avatar_trials.endpoints.risk_sets import risk_sets, stack_arms
from avatar_trials.endpoints.subjects import as_rows

Floats = NDArray[np.float64]

SIGN_FLIP_LIMIT = 20
EXACT_RANK_LIMIT = 50


@dataclass(frozen=True)
class McNemar:
    """Result of `mcnemar`, arrays over the replicates (...).

    first_only, second_only: pairs of which only that mouse responded. chisq: asymptotic; chisq_cc: with
    continuity correction (Edwards 1948); exact_p: binomial, two-sided. chisq and chisq_cc, with their p,
    are NaN where `why_undefined` is not ""; exact_p is then 1.
    """

    n_pairs: NDArray[np.intp]
    first_only: NDArray[np.intp]
    second_only: NDArray[np.intp]
    chisq: Floats
    p_value: Floats
    chisq_cc: Floats
    p_value_cc: Floats
    exact_p: Floats
    why_undefined: NDArray[np.str_]
    method: str = "McNemar's test: asymptotic, with continuity correction (cc), exact binomial"


@dataclass(frozen=True)
class PairedTest:
    """Result of a paired test, arrays over the replicates (...), NaN where `why_undefined` is not "".

    n_pairs: pairs with both mice; n_used: those that tell the arms apart.
    """

    statistic: Floats
    p_value: Floats
    n_pairs: NDArray[np.intp]
    n_used: NDArray[np.intp]
    why_undefined: NDArray[np.str_]
    method: str


def mcnemar(first: ArrayLike, second: ArrayLike, *, evaluable: ArrayLike = True) -> McNemar:
    """Compare the response of paired mice, True in `first` and `second` (..., pair) for a responder.

    evaluable: False for a pair with a mouse that is not (McNemar 1947). ValueError for anything but true and false.
    """
    counted = np.asarray(evaluable, dtype=bool)
    a, b, counted = np.broadcast_arrays(_responders(first), _responders(second), counted)
    return mcnemar_counts(
        (a & ~b & counted).sum(axis=-1), (b & ~a & counted).sum(axis=-1), n_pairs=counted.sum(axis=-1)
    )


def _responders(given: ArrayLike) -> NDArray[np.bool_]:
    values = np.asarray(given)
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise ValueError("a responder is True or False: leave pairs that are not evaluable to `evaluable`")
    return values.astype(bool)


def mcnemar_counts(first_only: ArrayLike, second_only: ArrayLike, *, n_pairs: ArrayLike) -> McNemar:
    """`mcnemar` from numbers of pairs, which broadcast. ValueError for more discordant pairs than pairs."""
    b, c, n = np.broadcast_arrays(*(np.asarray(x, dtype=np.intp) for x in (first_only, second_only, n_pairs)))
    if np.any((b < 0) | (c < 0) | (b + c > n)):
        raise ValueError("pairs that differ are counts, together no more than all pairs")
    differ = b + c
    known = differ > 0
    apart = np.abs(b - c)
    chisq = np.where(known, apart**2 / np.maximum(differ, 1), np.nan)
    corrected = np.where(known, np.maximum(apart - 1, 0) ** 2 / np.maximum(differ, 1), np.nan)
    exact = np.where(known, np.minimum(1.0, 2.0 * bdtr(np.minimum(b, c), np.maximum(differ, 1), 0.5)), 1.0)
    why = np.where(known, "", "no pair responded differently")
    return McNemar(n, b, c, chisq, chdtrc(1, chisq), corrected, chdtrc(1, corrected), exact, why)


def paired_sign_test(
    first_time: ArrayLike, first_event: ArrayLike, second_time: ArrayLike, second_event: ArrayLike
) -> PairedTest:
    """Exact sign test of times to an event, from the pairs whose order is known.

    A pair is used if its earlier time is an event; a censoring at the time of the other's event counts as
    later, two events at one time as no difference (as the pair-stratified log-rank test). statistic: share
    of used pairs in which the first mouse's time is the longer; p_value: two-sided binomial.
    """
    time, event, arm, pair = _both_arms(first_time, first_event, second_time, second_event)
    sets = risk_sets(time, event, arm, strata=pair)
    both = sets.at_risk(sets.present) == 2
    earlier = sets.event & both & (sets.events_at(sets.present) == 1)
    shorter_first = (earlier & (sets.group == 0)).sum(axis=-1)
    used = earlier.sum(axis=-1)
    longer_first = used - shorter_first
    p = np.minimum(1.0, 2.0 * bdtr(np.minimum(shorter_first, longer_first), np.maximum(used, 1), 0.5))
    known = used > 0
    return _result(
        np.where(known, longer_first / np.maximum(used, 1), np.nan), np.where(known, p, np.nan),
        np.isfinite(time).sum(axis=-1) // 2, used, "no pair whose order is known", sets.shape,
        "exact sign test of the pairs whose order is known",
    )  # fmt: skip


def paired_prentice_wilcoxon(
    first_time: ArrayLike,
    first_event: ArrayLike,
    second_time: ArrayLike,
    second_event: ArrayLike,
    *,
    exact: bool = False,
) -> PairedTest:
    """Paired Prentice-Wilcoxon test of times to an event (O'Brien and Fleming 1987).

    Each mouse gets Prentice's score among all mice: 1 - 2 S at an event, 1 - S when censored, S the product
    of n/(n + 1) over the events so far; tied events share the mean of their scores over all orders.
    statistic: z, sum of the pairs' differences over the root of the sum of their squares, positive where
    the first mice last longer. p_value: normal, or with `exact` from all flips of signs. ValueError for
    more than 20 pairs that differ with `exact`.
    """
    time, event, _, _ = _both_arms(first_time, first_event, second_time, second_event)
    sets = risk_sets(time, event, 0)
    n, d = sets.at_risk(sets.present), sets.events_at(sets.present)
    after = np.cumprod(np.where(sets.opens, (n + 1.0 - d) / (n + 1.0), 1.0), axis=1)
    before = np.concatenate([np.ones((len(after), 1)), after], axis=1)
    before = np.take_along_axis(before, sets.first, axis=1)
    scores = np.where(sets.event, 1.0 - 2.0 * before * (n + 1.0 - (d + 1.0) / 2.0) / (n + 1.0), 1.0 - after)
    by_mouse = np.empty_like(scores)
    np.put_along_axis(by_mouse, sets.order, np.where(sets.present, scores, 0.0), axis=1)
    half = by_mouse.shape[1] // 2
    difference = by_mouse[:, :half] - by_mouse[:, half:]
    # Equal outcomes have equal scores up to rounding.
    difference = np.where(np.abs(difference) > 1e-12, difference, 0.0)
    used = np.count_nonzero(difference, axis=1)
    known = used > 0
    z = difference.sum(axis=1) / np.sqrt(np.where(known, (difference**2).sum(axis=1), 1.0))
    p = np.array([_sign_flips(row) for row in difference]) if exact else 2.0 * ndtr(-np.abs(z))
    return _result(
        np.where(known, z, np.nan), np.where(known, p, np.nan), np.isfinite(time).sum(axis=-1) // 2, used,
        "no pair whose mice differ in score", sets.shape,
        f"paired Prentice-Wilcoxon test, {'exact sign flips' if exact else 'asymptotic'}",
    )  # fmt: skip


def paired_log_rank(
    first_time: ArrayLike, first_event: ArrayLike, second_time: ArrayLike, second_event: ArrayLike
) -> PairedTest:
    """Log-rank test of avatars that are their own controls, from log-rank scores (Jung 1999, Lifetime Data Anal. 5:67).

    Times (..., mouse, pair): each mouse's score is its event less the Nelson-Aalen hazard, of all mice of both arms, up
    to its time; an avatar's difference is that of its mean scores. statistic: z, sum of the differences over the root
    of the sum of their squares, positive where the first mice last longer; p_value: normal. A pair without a mouse in
    either arm is left out.
    """
    both = [np.asarray(time, dtype=float) for time in (first_time, second_time)]
    happened = [
        np.broadcast_to(np.asarray(e, dtype=bool), t.shape)
        for e, t in zip((first_event, second_event), both, strict=True)
    ]
    *shape, n_mice, n_pairs = both[0].shape
    time = np.stack(both, axis=-3).reshape(-1, 2 * n_mice * n_pairs)
    event = np.stack(happened, axis=-3).reshape(time.shape)
    sets = risk_sets(time, event, 0)
    n, d = sets.at_risk(sets.present), sets.events_at(sets.present)
    hazard = np.cumsum(np.where(sets.opens, d / np.maximum(n, 1.0), 0.0), axis=1)
    score = np.empty_like(time)
    np.put_along_axis(score, sets.order, np.where(sets.present, sets.event - hazard, np.nan), axis=1)
    each = score.reshape(-1, 2, n_mice, n_pairs)
    there = np.isfinite(each)
    counted = there.sum(axis=2)
    mean = np.where(there, each, 0.0).sum(axis=2) / np.maximum(counted, 1)
    paired = (counted > 0).all(axis=1)
    difference = np.where(paired, mean[:, 1] - mean[:, 0], 0.0)
    difference = np.where(np.abs(difference) > 1e-12, difference, 0.0)
    used = np.count_nonzero(difference, axis=1)
    known = used > 0
    z = difference.sum(axis=1) / np.sqrt(np.where(known, (difference**2).sum(axis=1), 1.0))
    return _result(
        np.where(known, z, np.nan), np.where(known, 2.0 * ndtr(-np.abs(z)), np.nan), paired.sum(axis=1), used,
        "no pair whose mice differ in score", tuple(shape), "log-rank scores, difference within avatars",
    )  # fmt: skip


def signed_rank(first: ArrayLike, second: ArrayLike, *, exact: bool | None = None) -> PairedTest:
    """Wilcoxon's signed-rank test of paired values (..., pair), as depth of response; NaN: pair left out.

    statistic: V, sum of ranks of the pairs with first > second. Pairs without a difference are dropped
    (Wilcoxon 1945). exact None: exact below 50 pairs without ties or zeros, else normal with correction
    for ties and continuity, as R's wilcox.test; True where that is not possible is a ValueError.
    """
    a, b = np.broadcast_arrays(np.asarray(first, dtype=float), np.asarray(second, dtype=float))
    if a.ndim == 0:
        raise ValueError("paired values need a dimension of pairs: received single numbers")
    shape, m = a.shape[:-1], a.shape[-1]
    difference = as_rows(a - b)
    if np.any(np.isinf(difference)):
        raise ValueError("a paired difference is infinite")
    there = ~np.isnan(difference)
    used = there & (difference != 0)
    n = used.sum(axis=1)
    ranks = rankdata(np.where(used, np.abs(difference), np.inf), axis=1) if m else np.zeros_like(difference)
    ranks = np.where(used, ranks, 0.0)
    v = np.where(difference > 0, ranks, 0.0).sum(axis=1)
    squares = (ranks**2).sum(axis=1)
    mean = n * (n + 1) / 4
    off = v - mean
    spread = np.sqrt(np.where(n > 0, squares / 4, 1.0))
    p = np.minimum(1.0, 2.0 * ndtr(-np.abs(off - 0.5 * np.sign(off)) / spread))
    p = np.where(off == 0, 1.0, p)
    ties = np.abs(squares - n * (n + 1) * (2 * n + 1) / 6) > 1e-6
    countable = ~ties & (n == there.sum(axis=1)) & (n < EXACT_RANK_LIMIT)
    if exact and np.any(~countable & (n > 0)):
        raise ValueError(f"exact ranks need fewer than {EXACT_RANK_LIMIT} pairs, no ties, no equal pair")
    for size in np.unique(n[countable & (n > 0)]) if exact is not False else ():
        rows = np.flatnonzero(countable & (n == size))
        low = np.minimum(v[rows], size * (size + 1) / 2 - v[rows]).astype(np.intp)
        p[rows] = np.minimum(1.0, 2.0 * _rank_sum_cdf(int(size))[low])
    known = n > 0
    kind = {None: "exact below 50 pairs without ties or zeros, else ", True: "exact", False: ""}[exact]
    kind += "" if exact else "normal with corrections for ties and continuity"
    return _result(
        np.where(known, v, np.nan), np.where(known, p, np.nan), there.sum(axis=1), n,
        "no pair with a difference", shape, f"Wilcoxon signed-rank test, {kind}",
    )  # fmt: skip


def _both_arms(
    first_time: ArrayLike, first_event: ArrayLike, second_time: ArrayLike, second_event: ArrayLike
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.intp], NDArray[np.intp]]:
    time, event, arm, pair = stack_arms(
        {"first": (first_time, first_event), "second": (second_time, second_event)}
    )
    half = time.shape[-1] // 2
    alone = np.isnan(time[..., :half]) | np.isnan(time[..., half:])
    return np.where(np.concatenate([alone, alone], axis=-1), np.nan, time), event, (arm == "second") * 1, pair


def _result(
    statistic: Floats,
    p_value: Floats,
    n_pairs: NDArray[np.intp],
    n_used: NDArray[np.intp],
    reason: str,
    shape: tuple[int, ...],
    method: str,
) -> PairedTest:
    why = np.where(n_used > 0, "", reason)
    return PairedTest(
        statistic.reshape(shape), p_value.reshape(shape), n_pairs.reshape(shape), n_used.reshape(shape),
        why.reshape(shape), method,
    )  # fmt: skip


def _sign_flips(difference: Floats) -> float:
    sizes = np.abs(difference[difference != 0])
    if len(sizes) > SIGN_FLIP_LIMIT:
        raise ValueError(f"exact sign flips need at most {SIGN_FLIP_LIMIT} pairs that differ: {len(sizes)}")
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    return float(np.mean(np.abs(sums) >= abs(difference.sum()) - 1e-9))


@cache
def _rank_sum_cdf(n: int) -> Floats:
    """P(V <= v) for v = 0, 1, ..., n (n + 1) / 2 of n signed ranks."""
    ways = np.ones(1)
    for rank in range(1, n + 1):
        following = np.zeros(len(ways) + rank)
        following[: len(ways)] += ways
        following[rank:] += ways
        ways = following / 2.0
    return np.cumsum(ways)
