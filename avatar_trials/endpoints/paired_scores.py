"""How well one set of outcomes tells another, pair by pair within an arm, for every replicate trial at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from avatar_trials.endpoints import association
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.association import Floats

Sums = tuple[Floats, ...]

CATEGORIES = ("PD", "SD", "PR", "CR")
PAIRS_AT_A_TIME = 4_000_000
FINISH: dict[str, Callable[[Sums], Floats]] = {
    "Cohen_kappa": lambda s: association.ratio((s[0], s[1])),
    "weighted_kappa": lambda s: association.ratio((s[0], s[1])),
    "AUC": lambda s: association.ratio((s[0], s[1])),
    "Brier": lambda s: association.ratio((s[0], s[1])),
    "Brier_skill": lambda s: 1.0 - association.ratio((s[0], s[1])),
    "log_score_gain": lambda s: association.ratio((s[0], s[1])),
    "Spearman_depth": lambda s: association.rank_correlation((s[0], s[1], s[2])),
    "Harrell_C": lambda s: association.ratio((s[0], s[1])),
}
EXPLAINED = {
    "Cohen_kappa": "response (CR or PR) of the avatar's mice against that of its patient",
    "weighted_kappa": "four categories, linear weights",
    "AUC": "score: depth of response of the mice",
    "Brier": "P(response) from the other pairs of the arm whose mice had the same call",
    "Brier_skill": "1 - Brier / Brier of the rate of the arm's other patients",
    "log_score_gain": "mean log P(response) less that of the rate of the arm's other patients, nats a pair",
    "Spearman_depth": "depth of response",
    "Harrell_C": "time to doubling of the mice as score, progression of the patient as outcome",
}


def unstratified_scores(mice: Sequence[ArmOutcomes], outcomes: Sequence[ArmOutcomes]) -> dict[str, Sums]:
    """Kappa and AUC with the pairs of several arms taken as of one: never to be read without the stratified value."""
    predictor, outcome = side_by_side(mice), side_by_side(outcomes)
    both = (predictor.evaluable & outcome.evaluable).astype(float)
    deep = both * ~np.isnan(predictor.depth_pct)
    return {
        "Cohen_kappa": association.chance_corrected(predictor.responded, outcome.responded, both),
        "AUC": _discrimination(-predictor.depth_pct, outcome.responded, deep),
    }


def paired_scores(predictor: ArmOutcomes, outcome: ArmOutcomes) -> dict[str, Sums]:
    """Sums (trial,) of every measure of FINISH, over the pairs (trial, pair) of one arm.

    They add up over arms, so that a stratified value never compares pairs of two arms.
    """
    trials, pairs = predictor.category.shape
    step = max(1, PAIRS_AT_A_TIME // max(1, pairs * pairs))
    blocks = [
        _scores(of_trials(predictor, slice(i, i + step)), of_trials(outcome, slice(i, i + step)))
        for i in range(0, trials, step)
    ]
    return {
        measure: tuple(np.concatenate(column) for column in zip(*(b[measure] for b in blocks), strict=True))
        for measure in FINISH
    }


def added(arms: Sequence[dict[str, Sums]]) -> dict[str, Sums]:
    """The sums of several arms together: stratified by arm."""
    return {m: tuple(np.sum(x, axis=0) for x in zip(*(arm[m] for arm in arms), strict=True)) for m in FINISH}


def side_by_side(arms: Sequence[ArmOutcomes]) -> ArmOutcomes:
    """The pairs of several arms as if of one."""
    return ArmOutcomes(
        *(
            np.concatenate([getattr(arm, name) for arm in arms], axis=-1)
            for name in ("category", "depth_pct", "time_days", "doubled")
        )
    )


def moved(outcomes: ArmOutcomes, steps: NDArray[np.intp]) -> ArmOutcomes:
    """Outcomes given to other avatars, each trial moved round by its `steps` (trial,): same margins, no link."""
    n = outcomes.category.shape[1]
    place = (np.arange(n)[None, :] + steps[:, None]) % n
    return ArmOutcomes(
        *(
            np.take_along_axis(getattr(outcomes, name), place, axis=1)
            for name in ("category", "depth_pct", "time_days", "doubled")
        )
    )


def of_several_mice(mice: Sequence[ArmOutcomes]) -> ArmOutcomes:
    """An odd number of mice of each avatar as one: median category, mean depth and mean time (doubled if all have)."""
    if len(mice) % 2 == 0:
        raise ValueError(f"an odd number of mice has a median: received {len(mice)}")
    ranks = np.median([places_of(one.category) for one in mice], axis=0)
    names = np.array([*CATEGORIES, ""])
    return replace(
        mice[0],
        category=names[np.where(np.isnan(ranks), len(CATEGORIES), ranks).astype(int)],
        depth_pct=np.mean([one.depth_pct for one in mice], axis=0),
        time_days=np.mean([one.time_days for one in mice], axis=0),
        doubled=np.all([one.doubled for one in mice], axis=0),
    )


def _scores(predictor: ArmOutcomes, outcome: ArmOutcomes) -> dict[str, Sums]:
    call, seen = predictor.responded, outcome.responded
    both = (predictor.evaluable & outcome.evaluable).astype(float)
    deep = both * ~np.isnan(predictor.depth_pct)
    chance = association.left_out_rate(call, seen, both)
    base = association.left_out_base_rate(seen, both)
    error, base_error = (association.squared_error(p, seen, both) for p in (chance, base))
    gained = [association.log_loss(p, seen, both) for p in (chance, base)]
    measured = (~np.isnan(predictor.depth_pct) & ~np.isnan(outcome.depth_pct)).astype(float)
    timed = (~np.isnan(predictor.time_days) & ~np.isnan(outcome.time_days)).astype(float)
    return {
        "Cohen_kappa": association.chance_corrected(call, seen, both),
        "weighted_kappa": association.weighted_agreement(
            np.nan_to_num(places_of(predictor.category)), np.nan_to_num(places_of(outcome.category)), both
        ),
        "AUC": _discrimination(-predictor.depth_pct, seen, deep),
        "Brier": error,
        "Brier_skill": (error[0], base_error[0]),
        "log_score_gain": (gained[0][0] - gained[1][0], gained[0][1]),
        "Spearman_depth": association.rank_parts(predictor.depth_pct, outcome.depth_pct, measured),
        "Harrell_C": association.concordance(predictor.time_days, outcome.time_days, outcome.doubled, timed),
    }


def of_trials(outcomes: ArmOutcomes, part: slice) -> ArmOutcomes:
    """The outcomes of some of the trials."""
    return ArmOutcomes(
        outcomes.category[part], outcomes.depth_pct[part], outcomes.time_days[part], outcomes.doubled[part]
    )


def _discrimination(score: Floats, outcome: NDArray[np.bool_], weight: Floats) -> association.Parts:
    """`association.discrimination` for weights of 0 and 1, from mid-ranks (Mann-Whitney), in n log n."""
    counted = weight > 0
    ranks = rankdata(np.where(counted, score, np.inf), axis=-1)
    positive, negative = (counted & outcome).sum(-1), (counted & ~outcome).sum(-1)
    won = np.where(counted & outcome, ranks, 0.0).sum(-1) - positive * (positive + 1) / 2.0
    return np.where(negative > 0, won, 0.0), (positive * negative).astype(float)


def places_of(category: NDArray[np.str_]) -> Floats:
    """Place of each category among CATEGORIES, NaN where not evaluable."""
    return np.select([category == name for name in CATEGORIES], range(len(CATEGORIES)), default=np.nan)
