"""Combinations that can be foreseen from their single agents, and what a prediction of one consists of."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.arms import drugs_of
from avatar_trials.endpoints import survival
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes, observed_arm
from avatar_trials.endpoints.independent_action import MatchedMice, matched_mice
from avatar_trials.endpoints.tables import response_table
from avatar_trials.problems import InputError, Problem

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable

Floats = NDArray[np.float64]

FEWEST_AVATARS = 10
LEFT_OUT_COLUMNS = ("tumor_type", "arm", "n_avatars", "why")


@dataclass(frozen=True)
class ArmPrediction:
    """What is foreseen of an arm of n mice, one an avatar, before any of them is seen; the contract of every predictor.

    S draws of the whole arm, each with new mice: they differ by what is not known of the arm and by the luck of n mice.
    orr, dcr (S,): shares of evaluable mice. doubling (S,): Kaplan-Meier median time to doubling, days, infinite where
    not reached. depth (S, n): depth of response, percent of baseline volume; columns in any order, for only their
    distribution over the arm is scored. NaN: not evaluable, left out. `predictor` names how it was made.

    ValueError for other shapes, an endpoint with fewer than two numbers, and numbers that cannot be.
    """

    predictor: str
    tumor_type: str
    arm: str
    avatars: tuple[str, ...]
    orr: Floats
    dcr: Floats
    doubling: Floats
    depth: Floats

    def __post_init__(self) -> None:
        for field in fields(self)[4:]:
            values = np.asarray(getattr(self, field.name), dtype=float)
            self._check(field.name, values)
            object.__setattr__(self, field.name, values)

    def _check(self, name: str, values: Floats) -> None:
        who = f"{self.predictor}, {self.arm}: {name}"
        draws = len(np.atleast_1d(self.orr))
        shape = (draws, len(self.avatars)) if name == "depth" else (draws,)
        if values.shape != shape or draws < 2 or not self.avatars:
            raise ValueError(
                f"{who} has shape {values.shape}, where {shape} was expected, of two draws and one avatar or more"
            )
        low, high = {"depth": (-100.0, np.inf), "doubling": (0.0, np.inf)}.get(name, (0.0, 1.0))
        known = values[~np.isnan(values)]
        wrong = (known < low) | (known > high)
        wrong |= (known == 0.0) if name == "doubling" else np.isinf(known)
        if wrong.any():
            raise ValueError(f"{who} lies between {low:g} and {high:g}: received {known[wrong][0]:g}")
        if len(known) < 2:
            raise ValueError(f"{who} is a number in {len(known)} of its draws: two are needed")


@dataclass(frozen=True)
class Combination:
    """A combination whose single agents were given to the same avatars: the mice to be foreseen, and those to go by."""

    tumor_type: str
    mice: MatchedMice

    @property
    def arm(self) -> str:
        return self.mice.arm


@dataclass(frozen=True)
class Study:
    """Combinations of a table that can be foreseen, and what there is to go by.

    arms: outcomes (1, mouse) of every arm of several drugs with `fewest` mice or more, by (tumor_type, arm), whether
    its drugs were given alone or not. left_out: the other combinations (LEFT_OUT_COLUMNS), with the reason.
    """

    rule: str
    doubling: str
    fewest: int
    horizon_days: float
    combinations: tuple[Combination, ...]
    arms: dict[tuple[str, str], ArmOutcomes]
    left_out: pd.DataFrame

    @property
    def words(self) -> str:
        """What qualifies a combination, and how its mice are called."""
        return (
            f"combinations with {self.fewest} avatars or more that had a mouse with a baseline under it and under each "
            f"of its drugs alone; mRECIST rule {self.rule}, doubling variant {self.doubling}; visits to day "
            f"{self.horizon_days:g}"
        )


def study_of(
    table: GrowthTable,
    *,
    rule: str,
    doubling: str = "pct_sheet",
    fewest: int = FEWEST_AVATARS,
    horizon_days: float = np.inf,
) -> Study:
    """Combinations of a table by tumour type, in the order of type and arm.

    `horizon_days`: visits after it are left out, so that no mouse is followed longer than those that are foreseen.
    InputError where none qualifies, and for an avatar with several mice in an arm. ValueError for an unknown rule or
    variant, and for fewer than one avatar.
    """
    if fewest < 1:
        raise ValueError(f"a combination needs one avatar or more: received {fewest}")
    mice = response_table(until(table, horizon_days), rule=rule, doubling=doubling)
    mice = mice[np.isfinite(mice["time_to_doubling_days"].to_numpy(float))]
    types = table.avatars["tumor_type"].reindex(mice["avatar"]).fillna("").to_numpy()
    found: list[Combination] = []
    arms: dict[tuple[str, str], ArmOutcomes] = {}
    left_out: list[tuple[str, str, int, str]] = []
    for tumor_type, of_type in mice.groupby(types, sort=True):
        given = sorted(set(of_type["arm"]))
        for arm in (one for one in given if len(drugs_of(one)) > 1):
            own = of_type[of_type["arm"] == arm]
            if len(own) >= fewest:
                arms[str(tumor_type), arm] = observed_arm(own)
            never = [drug for drug in drugs_of(arm) if drug not in given]
            if never:
                left_out.append((str(tumor_type), arm, 0, f"{', '.join(never)} was never given alone"))
                continue
            matched, why = _matched(of_type, arm, fewest)
            if matched is None:
                left_out.append((str(tumor_type), arm, *why))
            else:
                found.append(Combination(str(tumor_type), matched))
    if not found:
        what = f"no combination was given, with each of its drugs alone, to the same {fewest} avatars"
        reasons = "; ".join(f"{row[1]} ({row[0] or 'no tumour type'}): {row[3]}" for row in left_out[:5])
        fix = f"Arms found: {reasons}" if reasons else "The table has no arm of several drugs"
        raise InputError(Problem("S06", "error", what, fix, table.source))
    frame = pd.DataFrame(left_out, columns=list(LEFT_OUT_COLUMNS))
    return Study(rule, doubling, fewest, horizon_days, tuple(found), arms, frame)


def until(table: GrowthTable, day: float) -> GrowthTable:
    """A table without its visits after a day."""
    return replace(table, rows=table.rows[table.rows["day"] <= day].reset_index(drop=True))


def unseen_combinations(table: GrowthTable, arm: str, study: Study) -> tuple[Combination, ...]:
    """A combination that no mouse of a table was given, by tumour type: avatars with a mouse under each drug alone.

    Its own mice are blanks, which nothing is scored by. InputError for an arm of fewer than two drugs, and where no
    tumour type has an avatar with a mouse with a baseline under each drug.
    """
    drugs = drugs_of(arm)
    mice = response_table(until(table, study.horizon_days), rule=study.rule, doubling=study.doubling)
    blanks = mice[mice["arm"].isin(drugs)].groupby("avatar", sort=False, as_index=False).first()
    blanks = blanks.assign(arm=arm, category="", depth_of_response_pct=np.nan, doubled=False)
    both = pd.concat([mice, blanks], ignore_index=True)
    types = table.avatars["tumor_type"].reindex(both["avatar"]).fillna("").to_numpy()
    found = []
    for tumor_type, of_type in both.groupby(types, sort=True):
        if set(drugs) <= set(of_type["arm"]):
            found.append(Combination(str(tumor_type), _unseen(matched_mice(of_type, arm))))
    return tuple(found) if found else (Combination("", _unseen(matched_mice(both, arm))),)


def _unseen(mice: MatchedMice) -> MatchedMice:
    blank = replace(mice.combination, time_days=np.full_like(mice.combination.time_days, np.nan))
    average = mice.best_average_pct.copy()
    average[0] = np.nan
    return replace(mice, combination=blank, best_average_pct=average)


def predicted(predictor: str, combination: Combination, outcomes: ArmOutcomes) -> ArmPrediction:
    """Prediction from drawn outcomes (draw, mouse) of an arm's n mice."""
    return ArmPrediction(
        predictor,
        combination.tumor_type,
        combination.arm,
        combination.mice.avatars,
        outcomes.rate("ORR"),
        outcomes.rate("DCR"),
        survival.median(outcomes.doubling_curve()),
        outcomes.depth_pct,
    )


def _matched(mice: pd.DataFrame, arm: str, fewest: int) -> tuple[MatchedMice | None, tuple[int, str]]:
    """The matched mice, or None with how many avatars there are and why that does not do."""
    shared: set[str] = set.intersection(
        *(set(mice["avatar"][mice["arm"] == one]) for one in (arm, *drugs_of(arm)))
    )
    if len(shared) < fewest:
        return None, (
            len(shared),
            f"{len(shared)} avatars had it and each of its drugs alone, of {fewest} needed",
        )
    found = matched_mice(mice, arm)
    for name, outcomes in zip((arm, *found.drugs), (found.combination, *found.alone), strict=True):
        if not outcomes.evaluable.any():
            return None, (len(shared), f"no mouse under {name} can be called")
    return found, (len(shared), "")
