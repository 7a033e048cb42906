"""Treatment choice by avatar: what it costs to give each avatar the arm that a prediction likes best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avatar_trials.arms import UNTREATED

Floats = NDArray[np.float64]


def regret(score: Floats, outcome: Floats, weight: Floats | float = 1.0) -> tuple[Floats, Floats]:
    """Sums (..., ) of regret and of weights: the best arm's outcome less that of the arm with the highest score.

    `score` and `outcome` (..., avatar, arm) broadcast, `weight` (..., avatar). Arms without outcome or score are no
    choice; avatars with fewer than two are left out. Equal scores share the choice. Where outcomes are noisy the best
    of them is flattered, and so is regret, for the null as for the value.
    """
    score, outcome = np.broadcast_arrays(score, outcome)
    known = ~np.isnan(score) & ~np.isnan(outcome)
    likely = np.where(known, score, -np.inf)
    chosen = known & (likely == likely.max(axis=-1, keepdims=True))
    best = np.where(known, outcome, -np.inf).max(axis=-1)
    given = np.where(chosen, outcome, 0.0).sum(-1) / np.maximum(chosen.sum(-1), 1)
    counted = np.where(known.sum(-1) >= 2, 1.0, 0.0) * weight
    lost = np.where(np.isfinite(best), best - given, 0.0)
    return (counted * lost).sum(-1), counted.sum(-1)


def blind_score(outcome: Floats) -> Floats:
    """The score (..., 1, arm) that knows the arms' mean outcomes and nothing of an avatar."""
    known = ~np.isnan(outcome)
    total = np.where(known, outcome, 0.0).sum(axis=-2, keepdims=True)
    count = known.sum(axis=-2, keepdims=True)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def choices(arms: tuple[str, ...]) -> list[str]:
    """Arms that are a treatment."""
    return [arm for arm in arms if arm != UNTREATED]
