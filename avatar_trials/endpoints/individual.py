"""Agreement of individuals: does an avatar's emulated mouse tell how that avatar's own mouse did?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials import seeds
from avatar_trials.endpoints import association, intervals, survival
from avatar_trials.endpoints.association import Floats
from avatar_trials.endpoints.matching import Comparison
from avatar_trials.endpoints.population import ALL_ARMS

INDIVIDUAL_COLUMNS = (
    "arm",
    "measure",
    "value",
    "lower",
    "upper",
    "level",
    "null_reference",
    "ceiling",
    "n",
    "method",
)
RESAMPLES = 1000
PAIRS_AT_A_TIME = 4_000_000

Sums = tuple[Floats, ...]
FINISH: dict[str, Callable[[Sums], Floats]] = {
    "Brier": lambda sums: association.ratio((sums[0], sums[1])),
    "Brier_skill": lambda sums: 1.0 - association.ratio((sums[0], sums[1])),
    "AUC": lambda sums: association.ratio((sums[0], sums[1])),
    "Cohen_kappa": lambda sums: association.ratio((sums[0], sums[1])),
    "Spearman_depth": lambda sums: association.rank_correlation((sums[0], sums[1], sums[2])),
    "Harrell_C_doubling": lambda sums: association.ratio((sums[0], sums[1])),
}
PREDICTION = {
    "Brier": "P(response) of an avatar = share over trials",
    "Brier_skill": "1 - Brier / Brier of the arm's observed response rate; P(response) = share over trials",
    "AUC": "P(response) of an avatar = share over trials",
    "Cohen_kappa": "response of one emulated mouse against the observed one, median over trials",
    "Spearman_depth": "median over trials of the avatar's depth of response",
    "Harrell_C_doubling": "restricted mean over trials of the avatar's time to doubling",
}
SCORED_TWIN = "the same prediction scored on second emulated mice, as if the emulator were exactly right"
TWO_MICE = "two emulated mice of the same avatar and draw"


@dataclass(frozen=True)
class _Score:
    """Sums of one measure in an arm: as observed, resampled, of the arm-mean prediction, of second mice."""

    value: Sums
    resampled: Sums
    null: Sums | None
    ceiling: Sums | None
    n: int


def individual_agreement(
    comparison: Comparison, level: float, *, calibrated_on_observed: bool = True, seed: int = 0
) -> pd.DataFrame:
    """One row an arm and measure, then rows with arm "all", stratified by arm; columns INDIVIDUAL_COLUMNS.

    Pairs of mice are only ever compared within an arm. Intervals are from resampling avatars with all their
    mice (and, for kappa, a trial with each resample), from the stream of `seed` named for it. NaN where a
    measure is not defined, as kappa and the area under the curve are when all mice responded alike. Empty
    if no avatar is shared.
    """
    rows: list[dict[str, Any]] = []
    if comparison.paired:
        weights = _bootstrap_weights(comparison, seed)
        scores = {arm: _arm_scores(comparison, arm, weights) for arm in comparison.arms}
        basis = _basis(comparison, level, calibrated_on_observed, seed)
        for arm in comparison.arms:
            rows += [_row(arm, measure, scores[arm][measure], level, basis) for measure in FINISH]
        for measure in FINISH:
            pooled = _stratified([scores[arm][measure] for arm in comparison.arms])
            stratified = "arm-stratified: pairs compared within arms only; " + basis
            rows.append(_row(ALL_ARMS, measure, pooled, level, stratified))
    frame = pd.DataFrame(rows, columns=list(INDIVIDUAL_COLUMNS))
    frame["n"] = frame["n"].astype("Int64")
    return frame


def _arm_scores(comparison: Comparison, arm: str, weights: Floats) -> dict[str, _Score]:
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
    predicted_time = _restricted_means(emulated.time_days.T, emulated.doubled.T)[place]
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

    result = {}
    for measure, part in (("Brier", brier), ("Brier_skill", skill), ("AUC", association.discrimination)):
        result[measure] = _Score(
            value=_lift(part(share, responded, called)),
            resampled=part(share, responded, called * resampled),
            null=_lift(part(arm_mean, responded, called)),
            ceiling=part(share, twin.responded[:, place], ~np.isnan(share) * twin.evaluable[:, place])
            if twin is not None
            else None,
            n=int(called.sum()),
        )
    trial_weights = resampled[np.arange(comparison.n_trials) % len(resampled)]
    result["Cohen_kappa"] = _Score(
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
    result["Spearman_depth"] = _Score(
        value=_lift(association.rank_parts(predicted_depth, depth, measured)),
        resampled=association.rank_parts(predicted_depth, depth, measured * resampled),
        null=None,
        ceiling=_by_chunk(
            lambda d: association.rank_parts(predicted_depth, d, _weights(d)), twin.depth_pct[:, place]
        )
        if twin is not None
        else None,
        n=int(measured.sum()),
    )
    result["Harrell_C_doubling"] = _Score(
        value=_lift(c_index(predicted_time, followed)),
        resampled=c_index(predicted_time, followed * resampled),
        null=_lift(c_index(flat, followed)),
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


def _row(arm: str, measure: str, score: _Score, level: float, basis: str) -> dict[str, Any]:
    finish = FINISH[measure]
    values = finish(score.value)
    value = intervals.replicate_summary(values, level)[0]
    resampled = finish(score.resampled)
    _, lower, upper = intervals.replicate_summary(resampled, level)
    defined = not np.isnan(value)
    ceiling = intervals.replicate_summary(finish(score.ceiling), level)[0] if score.ceiling else np.nan
    null = 0.0 if score.null is None else float(finish(score.null)[0])
    notes = [PREDICTION[measure], basis, f"ceiling: {TWO_MICE if measure == 'Cohen_kappa' else SCORED_TWIN}"]
    if not defined:
        notes.append("not defined: all outcomes or all calls alike")
    elif np.isnan(values).any():
        notes.append(f"defined in {np.count_nonzero(~np.isnan(values))} of {len(values)} trials")
    return {
        "arm": arm,
        "measure": measure,
        "value": value,
        "lower": lower if defined else np.nan,
        "upper": upper if defined else np.nan,
        "level": level,
        "null_reference": null if defined else np.nan,
        "ceiling": ceiling,
        "n": score.n,
        "method": "; ".join(notes),
    }


def _basis(comparison: Comparison, level: float, calibrated_on_observed: bool, seed: int) -> str:
    return "; ".join(
        [
            "in sample: the avatars were calibrated on these very mice"
            if calibrated_on_observed
            else "out of sample: the avatars were not calibrated on these mice",
            f"{level:.0%} interval from {RESAMPLES} resamples of avatars, seed {seed}",
            f"{comparison.n_trials} trials",
            f"mRECIST rule {comparison.rule}",
            f"doubling variant {comparison.doubling}",
            "null: arm-mean-only prediction",
        ]
    )


def _bootstrap_weights(comparison: Comparison, seed: int) -> Floats:
    """How often each avatar is drawn in each resample, (resample, avatar)."""
    seen = sorted({comparison.avatars[i] for places in comparison.avatar_of_mouse.values() for i in places})
    drawn = seeds.stream(seed, "agreement", "resampled avatars").integers(
        len(seen), size=(RESAMPLES, len(seen))
    )
    column = np.array([comparison.avatars.index(name) for name in seen])
    weights = np.zeros((RESAMPLES, len(comparison.avatars)))
    np.add.at(weights, (np.arange(RESAMPLES)[:, None], column[drawn]), 1.0)
    return weights


def _restricted_means(time: Floats, doubled: NDArray[np.bool_]) -> Floats:
    horizon = np.nanmax(time, initial=0.0)
    if not horizon > 0:
        return np.full(len(time), np.nan)
    return survival.restricted_mean(survival.kaplan_meier(time, doubled), horizon)[0]


def _stratified(scores: list[_Score]) -> _Score:
    def add(parts: list[Sums | None]) -> Sums | None:
        known = [p for p in parts if p is not None]
        return (
            tuple(np.sum(x, axis=0) for x in zip(*known, strict=True)) if len(known) == len(parts) else None
        )

    value, resampled = add([s.value for s in scores]), add([s.resampled for s in scores])
    if value is None or resampled is None:
        raise ValueError("no arm to combine")
    return _Score(
        value,
        resampled,
        add([s.null for s in scores]),
        add([s.ceiling for s in scores]),
        sum(s.n for s in scores),
    )


def _by_chunk(part: Callable[..., Sums], *per_trial: NDArray[np.generic]) -> Sums:
    trials, pairs = per_trial[0].shape
    step = max(1, PAIRS_AT_A_TIME // max(1, pairs * pairs))
    blocks = [part(*(x[i : i + step] for x in per_trial)) for i in range(0, trials, step)]
    return tuple(np.concatenate(column) for column in zip(*blocks, strict=True))


def _weights(values: Floats) -> Floats:
    return (~np.isnan(values)).astype(float)


def _mean(values: Floats, weight: Floats) -> float:
    return float(association.ratio((np.sum(np.where(weight > 0, values, 0.0)), np.sum(weight))))  # type: ignore[arg-type]


def _lift(sums: Sums) -> Sums:
    return tuple(np.atleast_1d(x) for x in sums)
