"""Agreement of individuals: does an avatar's emulated mouse tell how that avatar's own mouse did?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from avatar_trials import seeds
from avatar_trials.endpoints import intervals
from avatar_trials.endpoints.association import Floats
from avatar_trials.endpoints.choice import blind_score, choices, regret
from avatar_trials.endpoints.individual_scores import (
    FINISH,
    OVER_ARMS,
    PREDICTION,
    REGRET,
    Score,
    Sums,
    arm_scores,
    lifted,
    predicted_times,
)
from avatar_trials.endpoints.matching import Comparison
from avatar_trials.endpoints.population_rows import ALL_ARMS

RESAMPLES = 1000
SCORED_TWIN = "the same prediction scored on second emulated mice, as if the emulator were exactly right"
TWO_MICE = "two emulated mice of the same avatar and draw"

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
        scores = {arm: arm_scores(comparison, arm, weights) for arm in comparison.arms}
        basis = _basis(comparison, level, calibrated_on_observed, seed)
        for arm in comparison.arms:
            rows += [_row(arm, measure, scores[arm][measure], level, basis) for measure in FINISH]
        for measure in FINISH:
            pooled = _stratified([scores[arm][measure] for arm in comparison.arms])
            stratified = "arm-stratified: pairs compared within arms only; " + basis
            rows.append(_row(ALL_ARMS, measure, pooled, level, stratified))
        if len(choices(comparison.arms)) > 1:
            rows.append(_regret_row(comparison, weights, level, basis))
    frame = pd.DataFrame(rows, columns=list(INDIVIDUAL_COLUMNS))
    frame["n"] = frame["n"].astype("Int64")
    return frame


def _row(arm: str, measure: str, score: Score, level: float, basis: str) -> dict[str, Any]:
    finish = (FINISH | OVER_ARMS)[measure]
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


def _regret_row(comparison: Comparison, weights: Floats, level: float, basis: str) -> dict[str, Any]:
    """Days to doubling lost by giving each avatar the arm whose emulated mice hold longest."""
    arms = choices(comparison.arms)
    predicted = np.stack([predicted_times(comparison.emulated[arm]) for arm in arms], axis=-1)
    seen = np.stack([_times_of_avatars(comparison, arm) for arm in arms], axis=-1)
    blind = blind_score(seen)
    twin = np.stack([comparison.twin[arm].time_days for arm in arms], axis=-1) if comparison.twin else None
    value = regret(predicted, seen)
    score = Score(
        value=lifted(value),
        resampled=regret(predicted, seen, weights),
        null=lifted(regret(blind, seen)),
        ceiling=None if twin is None else regret(predicted, twin),
        n=int(value[1]),
    )
    return _row(ALL_ARMS, REGRET, score, level, basis)


def _times_of_avatars(comparison: Comparison, arm: str) -> Floats:
    """Mean observed days to doubling or censoring (avatar,), NaN without a mouse."""
    place, time = comparison.avatar_of_mouse[arm], comparison.observed[arm].time_days[0]
    n = np.bincount(place, minlength=len(comparison.avatars))
    total = np.bincount(place, np.nan_to_num(time), minlength=len(comparison.avatars))
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


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


def _stratified(scores: list[Score]) -> Score:
    def add(parts: list[Sums | None]) -> Sums | None:
        known = [p for p in parts if p is not None]
        return (
            tuple(np.sum(x, axis=0) for x in zip(*known, strict=True)) if len(known) == len(parts) else None
        )

    value, resampled = add([s.value for s in scores]), add([s.resampled for s in scores])
    if value is None or resampled is None:
        raise ValueError("no arm to combine")
    return Score(
        value,
        resampled,
        add([s.null for s in scores]),
        add([s.ceiling for s in scores]),
        sum(s.n for s in scores),
    )
