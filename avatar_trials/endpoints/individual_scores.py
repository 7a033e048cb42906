"""Scores of an arm's avatars, each by its own emulated mice, as sums that add up over arms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.endpoints import association, intervals, survival
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.association import Floats
from avatar_trials.endpoints.matching import Comparison
from avatar_trials.endpoints.paired_scores import places_of

PAIRS_AT_A_TIME = 4_000_000

REGRET = "treatment_choice_regret_days"

Sums = tuple[Floats, ...]
FINISH: dict[str, Callable[[Sums], Floats]] = {
    "Brier": lambda sums: association.ratio((sums[0], sums[1])),
    "Brier_skill": lambda sums: 1.0 - association.ratio((sums[0], sums[1])),
    "AUC": lambda sums: association.ratio((sums[0], sums[1])),
    "log_score_gain": lambda sums: association.ratio((sums[0], sums[1])),
    "Cohen_kappa": lambda sums: association.ratio((sums[0], sums[1])),
    "weighted_kappa": lambda sums: association.ratio((sums[0], sums[1])),
    "Spearman_depth": lambda sums: association.rank_correlation((sums[0], sums[1], sums[2])),
    "Harrell_C_doubling": lambda sums: association.ratio((sums[0], sums[1])),
}
OVER_ARMS: dict[str, Callable[[Sums], Floats]] = {REGRET: lambda sums: association.ratio((sums[0], sums[1]))}
PREDICTION = {
    "Brier": "P(response) of an avatar = share over trials",
    "Brier_skill": "1 - Brier / Brier of the arm's observed response rate; P(response) = share over trials",
    "AUC": "P(response) of an avatar = share over trials",
    "log_score_gain": "mean log P(response) less that of the arm's observed rate, nats a mouse; P = share over trials",
    "weighted_kappa": "four categories of one emulated mouse against the observed, linear weights, median over trials",
    "Cohen_kappa": "response of one emulated mouse against the observed one, median over trials",
    "Spearman_depth": "median over trials of the avatar's depth of response",
    REGRET: "days to doubling of the best treated arm less those of the arm whose emulated mice hold longest, a mean",
    "Harrell_C_doubling": "restricted mean over trials of the avatar's time to doubling",
}


@dataclass(frozen=True)
class Score:
    """Sums of one measure in an arm: as observed, resampled, of the arm-mean prediction, of second mice."""

    value: Sums
    resampled: Sums
    null: Sums | None
    ceiling: Sums | None
    n: int


def arm_scores(comparison: Comparison, arm: str, weights: Floats) -> dict[str, Score]:
    """Every measure of FINISH in an arm; `weights` (resample, avatar): how often each avatar is drawn."""
    place = comparison.avatar_of_mouse[arm]
    emulated, observed, twin = comparison.emulated[arm], comparison.observed[arm], comparison.twin.get(arm)
    resampled = weights[:, place]
    responded, depth = observed.responded[0], observed.depth_pct[0]
    time, doubled = observed.time_days[0], observed.doubled[0]

    share = association.ratio(
        (emulated.responded.sum(0).astype(float), emulated.evaluable.sum(0).astype(float))
    )[place]
    called = (observed.evaluable[0] & ~np.isnan(share)).astype(float)
    arm_mean = np.full(len(place), _mean(share, called))
    predicted_depth = intervals.quantile(emulated.depth_pct, 0.5, axis=0)[place]
    measured = (~np.isnan(depth) & ~np.isnan(predicted_depth)).astype(float)
    predicted_time = predicted_times(emulated)[place]
    followed = (~np.isnan(time) & ~np.isnan(predicted_time)).astype(float)
    calls = emulated.responded[:, place]
    both_called = observed.evaluable[0] * emulated.evaluable[:, place]
    flat = np.zeros(len(place))

    def brier(score: Floats, outcome: NDArray[np.bool_], weight: Floats) -> Sums:
        return association.squared_error(score, outcome, weight)

    def skill(score: Floats, outcome: NDArray[np.bool_], weight: Floats) -> Sums:
        error = association.squared_error(score, outcome, weight)[0]
        return error, association.base_rate_error(outcome, weight)[0]

    def kappa(weight: Floats | float) -> Sums:
        return association.chance_corrected(calls, responded, both_called * weight)

    def c_index(score: Floats, weight: Floats) -> Sums:
        return association.concordance(score, time, doubled, weight)

    def gain(score: Floats, outcome: NDArray[np.bool_], weight: Floats) -> Sums:
        least = 0.5 / max(comparison.n_trials, 1)
        told, n = association.log_loss(np.clip(score, least, 1.0 - least), outcome, weight)
        rate = association.ratio(((weight * outcome).sum(-1), n))[..., None]
        return told - association.log_loss(rate, outcome, weight)[0], n

    def weighted(weight: Floats | float) -> Sums:
        ours, theirs = (
            np.nan_to_num(places_of(emulated.category)),
            np.nan_to_num(places_of(observed.category)),
        )
        return association.weighted_agreement(ours[:, place], theirs[0], both_called * weight)

    result = {}
    for measure, part in (
        ("Brier", brier),
        ("Brier_skill", skill),
        ("log_score_gain", gain),
        ("AUC", association.discrimination),
    ):
        result[measure] = Score(
            value=lifted(part(share, responded, called)),
            resampled=part(share, responded, called * resampled),
            null=lifted(part(arm_mean, responded, called)),
            ceiling=part(share, twin.responded[:, place], ~np.isnan(share) * twin.evaluable[:, place])
            if twin is not None
            else None,
            n=int(called.sum()),
        )
    trial_weights = resampled[np.arange(comparison.n_trials) % len(resampled)]
    result["Cohen_kappa"] = Score(
        value=kappa(1.0),
        resampled=kappa(trial_weights),
        null=None,
        ceiling=association.chance_corrected(
            calls, twin.responded[:, place], (emulated.evaluable & twin.evaluable)[:, place].astype(float)
        )
        if twin is not None
        else None,
        n=int(observed.evaluable.sum()),
    )
    result["weighted_kappa"] = Score(
        value=weighted(1.0),
        resampled=weighted(trial_weights),
        null=None,
        ceiling=association.weighted_agreement(
            np.nan_to_num(places_of(emulated.category))[:, place],
            np.nan_to_num(places_of(twin.category))[:, place],
            (emulated.evaluable & twin.evaluable)[:, place].astype(float),
        )
        if twin is not None
        else None,
        n=int(observed.evaluable.sum()),
    )
    result["Spearman_depth"] = Score(
        value=lifted(association.rank_parts(predicted_depth, depth, measured)),
        resampled=association.rank_parts(predicted_depth, depth, measured * resampled),
        null=None,
        ceiling=_by_chunk(
            lambda d: association.rank_parts(predicted_depth, d, _weights(d)), twin.depth_pct[:, place]
        )
        if twin is not None
        else None,
        n=int(measured.sum()),
    )
    result["Harrell_C_doubling"] = Score(
        value=lifted(c_index(predicted_time, followed)),
        resampled=c_index(predicted_time, followed * resampled),
        null=lifted(c_index(flat, followed)),
        ceiling=_by_chunk(
            lambda t, e: association.concordance(predicted_time, t, e, _weights(t)),
            twin.time_days[:, place],
            twin.doubled[:, place],
        )
        if twin is not None
        else None,
        n=int(followed.sum()),
    )
    return result


def predicted_times(emulated: ArmOutcomes) -> Floats:
    """Restricted mean time to doubling (avatar,) over trials."""
    return _restricted_means(emulated.time_days.T, emulated.doubled.T)


def _restricted_means(time: Floats, doubled: NDArray[np.bool_]) -> Floats:
    horizon = np.nanmax(time, initial=0.0)
    if not horizon > 0:
        return np.full(len(time), np.nan)
    return survival.restricted_mean(survival.kaplan_meier(time, doubled), horizon)[0]


def _by_chunk(part: Callable[..., Sums], *per_trial: NDArray[np.generic]) -> Sums:
    trials, pairs = per_trial[0].shape
    step = max(1, PAIRS_AT_A_TIME // max(1, pairs * pairs))
    blocks = [part(*(x[i : i + step] for x in per_trial)) for i in range(0, trials, step)]
    return tuple(np.concatenate(column) for column in zip(*blocks, strict=True))


def _weights(values: Floats) -> Floats:
    return (~np.isnan(values)).astype(float)


def _mean(values: Floats, weight: Floats) -> float:
    return float(association.ratio((np.sum(np.where(weight > 0, values, 0.0)), np.sum(weight))))  # type: ignore[arg-type]


def lifted(sums: Sums) -> Sums:
    """Sums with a dimension of replicates."""
    return tuple(np.atleast_1d(x) for x in sums)
