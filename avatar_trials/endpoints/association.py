"""Measures of agreement between predictions and outcomes, with weights, as sums that add up over arms.

Scores, outcomes and weights have shape (..., pair) and broadcast against each other; leading dimensions are
bootstrap resamples (whole-number weights) or replicate trials. A pair with a NaN must carry weight 0. Every
measure returns its numerator and denominator, so that an arm-stratified value is the ratio of the sums over
arms: pairs are never compared across arms. NaN where a measure is not defined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Parts = tuple[Floats, Floats]


def ratio(parts: Parts) -> Floats:
    """Numerator over denominator; NaN where the denominator is 0."""
    top, bottom = parts
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)


def squared_error(probability: Floats, outcome: Bools, weight: Floats) -> Parts:
    """Brier score of predicted probabilities."""
    return (weight * np.where(weight > 0, (probability - outcome) ** 2, 0.0)).sum(-1), weight.sum(-1)


def base_rate_error(outcome: Bools, weight: Floats) -> Parts:
    """Brier score of the best constant prediction, the observed rate r: r (1 - r)."""
    n = weight.sum(-1)
    rate = ratio(((weight * outcome).sum(-1), n))
    return np.nan_to_num(n * rate * (1.0 - rate)), n


def discrimination(score: Floats, outcome: Bools, weight: Floats) -> Parts:
    """Area under the ROC curve: share of responder-other pairs ranked rightly; ties count half."""
    positive, negative = weight * outcome, weight * ~outcome
    higher = _half_order(score)
    won = np.einsum("...i,...ij,...j->...", positive, higher, negative)
    return won, positive.sum(-1) * negative.sum(-1)


def concordance(score: Floats, time: Floats, event: Bools, weight: Floats) -> Parts:
    """Harrell's C: share of usable pairs whose later time has the higher score; score ties count half.

    A pair is usable if the earlier time is an event; an event and a censoring at one time count as event
    first. Events at one time are not usable (Harrell 1982).
    """
    first, second = time[..., :, None], time[..., None, :]
    with np.errstate(invalid="ignore"):
        earlier = (first < second) | ((first == second) & ~event[..., None, :])
    usable = (earlier & event[..., :, None]).astype(float)
    agreeing = usable * (1.0 - _half_order(score))
    pairs = "...i,...ij,...j->..."
    return np.einsum(pairs, weight, agreeing, weight), np.einsum(pairs, weight, usable, weight)


def chance_corrected(first: Bools, second: Bools, weight: Floats) -> Parts:
    """Cohen's kappa of two yes/no calls; undefined (0 / 0) if either is the same for all pairs."""
    n = weight.sum(-1)
    yes_first, yes_second = (weight * first).sum(-1), (weight * second).sum(-1)
    agree = (weight * (first == second)).sum(-1)
    by_chance = (yes_first * yes_second + (n - yes_first) * (n - yes_second)) / np.maximum(n, 1.0)
    varies = (yes_first > 0) & (yes_first < n) & (yes_second > 0) & (yes_second < n)
    return np.where(varies, agree - by_chance, 0.0), np.where(varies, n - by_chance, 0.0)


def weighted_agreement(first: Floats, second: Floats, weight: Floats, n_categories: int = 4) -> Parts:
    """Cohen's kappa with linear weights of ordered categories 0 .. n - 1 (Cohen 1968): 1 - observed / chance distance.

    Undefined (0 / 0) if either side is the same for all pairs.
    """
    n = weight.sum(-1)
    of_first, of_second = (
        np.stack([(weight * (side == category)).sum(-1) for category in range(n_categories)], axis=-1)
        for side in (first, second)
    )
    apart = np.abs(np.arange(n_categories)[:, None] - np.arange(n_categories))
    by_chance = np.einsum("...i,ij,...j->...", of_first, apart, of_second) / np.maximum(n, 1.0)
    seen = (weight * np.abs(np.where(weight > 0, first - second, 0.0))).sum(-1)
    varies = (of_first.max(-1) < n) & (of_second.max(-1) < n)
    return np.where(varies, by_chance - seen, 0.0), np.where(varies, by_chance, 0.0)


def log_loss(probability: Floats, outcome: Bools, weight: Floats) -> Parts:
    """Mean log probability given to what happened, nats a pair."""
    given = np.where(outcome, probability, 1.0 - probability)
    return (weight * np.log(np.where(weight > 0, given, 1.0))).sum(-1), weight.sum(-1)


def left_out_rate(call: Bools, outcome: Bools, weight: Floats) -> Floats:
    """P(outcome) (..., pair) of each pair from the others with the same call: (yes + r) / (n + 1), r the rate of all
    other pairs, half a pair added to it. Nothing of the pair itself is used."""
    n, yes = weight.sum(-1, keepdims=True), (weight * outcome).sum(-1, keepdims=True)
    rate = (yes - weight * outcome + 0.5) / (n - weight + 1.0)
    same_n = np.where(call, (weight * call).sum(-1, keepdims=True), (weight * ~call).sum(-1, keepdims=True))
    same_yes = np.where(
        call,
        (weight * call * outcome).sum(-1, keepdims=True),
        (weight * ~call * outcome).sum(-1, keepdims=True),
    )
    return (same_yes - weight * outcome + rate) / (same_n - weight + 1.0)


def left_out_base_rate(outcome: Bools, weight: Floats) -> Floats:
    """P(outcome) (..., pair) of each pair from all others, half a pair added: what knows the arm and nothing else."""
    n, yes = weight.sum(-1, keepdims=True), (weight * outcome).sum(-1, keepdims=True)
    return (yes - weight * outcome + 0.5) / (n - weight + 1.0)


def rank_parts(first: Floats, second: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Sums for a rank correlation within an arm: product and squares of centred fractional ranks."""
    a, b = _centred_ranks(first, weight), _centred_ranks(second, weight)
    return (weight * a * b).sum(-1), (weight * a * a).sum(-1), (weight * b * b).sum(-1)


def rank_correlation(parts: tuple[Floats, Floats, Floats]) -> Floats:
    """Spearman's correlation from `rank_parts`, summed over arms or not; NaN where a side is constant."""
    cross, first, second = parts
    # Ranks of a constant are equal up to rounding; a real spread over n pairs is at least of the order 1/n.
    varies = (first > 1e-9) & (second > 1e-9)
    correlation = cross / np.sqrt(np.where(varies, first * second, 1.0))
    return np.where(varies, np.clip(correlation, -1.0, 1.0), np.nan)


def spearman(first: ArrayLike, second: ArrayLike) -> Floats:
    """Spearman's rank correlation along the last dimension, leaving pairs with a NaN out."""
    a, b = np.broadcast_arrays(np.asarray(first, dtype=float), np.asarray(second, dtype=float))
    weight = (~np.isnan(a) & ~np.isnan(b)).astype(float)
    return rank_correlation(rank_parts(a, b, weight))


def wasserstein_1(first: Floats, second: Floats) -> Parts:
    """Wasserstein-1 distance of two samples (..., n), (..., m), leaving NaN out, and the range of both.

    The distance is the area between the two distribution functions, in the unit of the samples; the range
    bounds it.
    """
    shape = np.broadcast_shapes(first.shape[:-1], second.shape[:-1])
    samples = [np.broadcast_to(x, (*shape, x.shape[-1])) for x in (first, second)]
    present = [~np.isnan(x) for x in samples]
    counts = [p.sum(-1, keepdims=True) for p in present]
    both, seen = np.concatenate(samples, axis=-1), np.concatenate(present, axis=-1)
    mass = np.concatenate(
        [
            sign * p / np.maximum(n, 1) for sign, p, n in zip((1.0, -1.0), present, counts, strict=True)
        ], axis=-1,
    )  # fmt: skip
    top = np.where(seen, both, -np.inf).max(axis=-1, keepdims=True)
    both = np.where(seen, both, top)
    order = np.argsort(both, axis=-1, kind="stable")
    ordered = np.take_along_axis(both, order, -1)
    apart = np.abs(np.cumsum(np.take_along_axis(mass, order, -1), axis=-1))[..., :-1]
    with np.errstate(invalid="ignore"):
        distance = (apart * np.diff(ordered, axis=-1)).sum(-1)
        spread = ordered[..., -1] - ordered[..., 0]
    empty = (counts[0] * counts[1] == 0)[..., 0]
    return np.where(empty, np.nan, distance), np.where(empty, np.nan, spread)


def _half_order(score: Floats) -> Floats:
    first, second = score[..., :, None], score[..., None, :]
    return (first > second) + 0.5 * (first == second)


def _centred_ranks(values: Floats, weight: Floats) -> Floats:
    n = weight.sum(-1, keepdims=True)
    below = np.einsum("...ij,...j->...i", _half_order(values), weight)
    fraction = below / np.maximum(n, 1.0)
    mean = (weight * fraction).sum(-1, keepdims=True) / np.maximum(n, 1.0)
    return fraction - mean
