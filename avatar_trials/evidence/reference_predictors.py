"""What a combination is foreseen to do by its single agents' observed mice, or by other combinations, with no model.

Each draw makes the arm's n mice from observed ones, drawn with replacement (bootstrap; Efron 1979, Ann. Stat. 7:1). No
mouse of the combination itself is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.independent_action import CENSORING_WORDS, better_of, check_censoring
from avatar_trials.evidence.combinations import ArmPrediction, Combination, Study, predicted
from avatar_trials.problems import InputError, Problem
from avatar_trials.seeds import stream

Ints = NDArray[np.intp]

DRAWS = 2000
BEST_OF_SINGLES = "best single agent per avatar"
INDEPENDENT = "independent single agents"
OTHER_COMBINATIONS = "other combinations"
PREDICTOR_WORDS = {
    BEST_OF_SINGLES: "each avatar's better mouse of those under the single agents, endpoint by endpoint (highest "
    "single agent; patient-level independent action, Palmer & Sorger 2017); avatars drawn with replacement",
    INDEPENDENT: "the better of mice drawn under each single agent from different avatars, as if the drugs' results "
    "had nothing in common: rates are 1 - (1 - p_A)(1 - p_B), Bliss on rates",
    OTHER_COMBINATIONS: "mice of one of the other combinations, of any tumour type, each as likely: the mean over arms",
}
RESAMPLING_WORDS = {
    "twice": "observed avatars drawn with replacement, and mice from those: what so few avatars leave open, and luck",
    "once": "mice drawn from the observed avatars: luck alone, the observed outcomes taken for the true distribution",
}


@dataclass(frozen=True)
class Bootstrap:
    """How draws are made: `draws` of them, `resampling` (RESAMPLING_WORDS), `censoring` as in `better_of`.

    ValueError for an unknown variant.
    """

    seed: int
    draws: int = DRAWS
    resampling: str = "twice"
    censoring: str = "later_time"

    def __post_init__(self) -> None:
        check_censoring(self.censoring)
        if self.resampling not in RESAMPLING_WORDS:
            raise ValueError(
                f"unknown resampling {self.resampling!r}: expected one of {', '.join(RESAMPLING_WORDS)}"
            )

    def stream(self, purpose: str, combination: Combination) -> np.random.Generator:
        """Random numbers of one prediction, whatever others are made."""
        return stream(self.seed, "combination foreseen", purpose, combination.tumor_type, combination.arm)

    def chosen(self, rng: np.random.Generator, known: Ints, draws: int, n: int) -> Ints:
        """Places (draws, n) among `known` (m,)."""
        if self.resampling == "once":
            return known[rng.integers(len(known), size=(draws, n))]
        avatars = known[rng.integers(len(known), size=(draws, len(known)))]
        return np.take_along_axis(avatars, rng.integers(len(known), size=(draws, n)), axis=1)

    def words(self, predictor: str) -> str:
        """What a reference predictor does, for the method of a table; "" for any other."""
        told = PREDICTOR_WORDS.get(predictor, "")
        times = "" if predictor == OTHER_COMBINATIONS else f"; {CENSORING_WORDS[self.censoring]}"
        return f"{told}; {RESAMPLING_WORDS[self.resampling]}{times}" if told else ""


def reference_predictions(study: Study, how: Bootstrap) -> list[ArmPrediction]:
    """Every combination of a study by every reference predictor of PREDICTOR_WORDS.

    `other combinations` is left out where there are none.
    """
    made = []
    for combination in study.combinations:
        made.append(best_of_singles(combination, how))
        made.append(independent_singles(combination, how))
        if _others(study, combination):
            made.append(other_combinations(study, combination, how))
    return made


def best_of_singles(combination: Combination, how: Bootstrap) -> ArmPrediction:
    """Each avatar does as well as under its best single agent; avatars drawn with replacement."""
    best = better_of(combination.mice.alone, censoring=how.censoring)
    n = len(combination.mice.avatars)
    rng = how.stream(BEST_OF_SINGLES, combination)
    drawn = _mice(best, how.chosen(rng, np.arange(n), how.draws, n))
    return predicted(BEST_OF_SINGLES, combination, drawn)


def independent_singles(combination: Combination, how: Bootstrap) -> ArmPrediction:
    """The better of mice drawn under each single agent, each from an avatar of its own.

    Of arms it is `either_works` at a correlation of 0. Mice that are not evaluable are not drawn.
    """
    rng = how.stream(INDEPENDENT, combination)
    n = len(combination.mice.avatars)
    drawn = [
        _mice(alone, how.chosen(rng, np.flatnonzero(alone.evaluable[0]), how.draws, n))
        for alone in combination.mice.alone
    ]
    return predicted(INDEPENDENT, combination, better_of(drawn, censoring=how.censoring))


def other_combinations(study: Study, combination: Combination, how: Bootstrap) -> ArmPrediction:
    """Mice of one of the study's other arms of several drugs in each draw; never those of the same drugs.

    InputError where there is no other combination.
    """
    others = _others(study, combination)
    if not others:
        what = f"there is no combination but {combination.arm} to go by"
        raise InputError(Problem("S07", "error", what, "Give volumes of other combinations"))
    rng = how.stream(OTHER_COMBINATIONS, combination)
    times = np.bincount(rng.integers(len(others), size=how.draws), minlength=len(others))
    n = len(combination.mice.avatars)
    parts = [
        _mice(other, how.chosen(rng, np.arange(other.category.shape[1]), int(draws), n))
        for other, draws in zip(others, times, strict=True)
    ]
    return predicted(OTHER_COMBINATIONS, combination, _together(parts))


def _others(study: Study, combination: Combination) -> list[ArmOutcomes]:
    return [mice for (_, arm), mice in study.arms.items() if arm != combination.arm and mice.evaluable.any()]


def _mice(outcomes: ArmOutcomes, chosen: Ints) -> ArmOutcomes:
    """Mice at places `chosen` (draw, mouse) of observed outcomes (1, mouse)."""
    return ArmOutcomes(
        category=outcomes.category[0][chosen],
        depth_pct=outcomes.depth_pct[0][chosen],
        time_days=outcomes.time_days[0][chosen],
        doubled=outcomes.doubled[0][chosen],
    )


def _together(parts: list[ArmOutcomes]) -> ArmOutcomes:
    """Draws of all parts, one after another."""
    return ArmOutcomes(
        category=np.concatenate([part.category for part in parts]),
        depth_pct=np.concatenate([part.depth_pct for part in parts]),
        time_days=np.concatenate([part.time_days for part in parts]),
        doubled=np.concatenate([part.doubled for part in parts]),
    )
