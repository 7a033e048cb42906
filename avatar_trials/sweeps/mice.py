"""Outcomes of the mice of many trials: what arms are compared by, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_trials.designs import ArmSpec, Stopping, TrialDesign
from avatar_trials.emulate import Cohort, visit_days
from avatar_trials.emulate.followed import followed
from avatar_trials.emulate.mice import Luck
from avatar_trials.emulate.scenario import drawn_scenario
from avatar_trials.endpoints import survival
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.independent_action import better_of
from avatar_trials.endpoints.intervals import quantile
from avatar_trials.endpoints.response import CATEGORIES
from avatar_trials.endpoints.tables import outcomes
from avatar_trials.seeds import stream

Floats = NDArray[np.floating[Any]]
GRADES = np.array([*reversed(CATEGORIES), ""], dtype="<U2")
RESPONSE = 2
MICE_AT_A_TIME = 4096


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of an arm's mice, arrays (trial, mouse of an avatar, avatar).

    grade: `mrecist_grade`, -1 not evaluable; depth_pct and time_days NaN without a baseline; doubled False = censored;
    left_day: last day.
    """

    grade: NDArray[np.int8]
    depth_pct: Floats
    time_days: Floats
    doubled: NDArray[np.bool_]
    left_day: Floats

    def of(self, n_avatars: int, n_mice: int) -> Outcomes:
        """The first avatars, and the first mice of each."""
        return Outcomes(*(getattr(self, field.name)[:, :n_mice, :n_avatars] for field in fields(self)))

    def chosen(self, here: NDArray[np.bool_], other: Outcomes) -> Outcomes:
        """These where `here`, which broadcasts, and elsewhere `other`."""
        return Outcomes(
            *(np.where(here, getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        )

    @property
    def evaluable(self) -> NDArray[np.bool_]:
        return self.grade >= 0

    @property
    def responded(self) -> NDArray[np.bool_]:
        return self.grade >= RESPONSE

    def flat(self, name: str) -> NDArray[Any]:
        """One of the arrays as (trial, every mouse)."""
        values: NDArray[Any] = getattr(self, name)
        return values.reshape(len(values), -1)

    def doubling_curve(self) -> survival.KaplanMeier:
        """Kaplan-Meier curve of the time to doubling, one a trial."""
        return survival.kaplan_meier(self.flat("time_days"), self.flat("doubled"))

    def arm_outcomes(self) -> ArmOutcomes:
        """The same as the room of endpoints has them, (trial, every mouse)."""
        return ArmOutcomes(
            GRADES[self.flat("grade")],
            self.flat("depth_pct").astype(float),
            self.flat("time_days").astype(float),
            self.flat("doubled"),
        )


def put_together(parts: Sequence[Outcomes], axis: int) -> Outcomes:
    """Outcomes side by side: 1, further mice of the same avatars; 2, further avatars."""
    return Outcomes(
        *(np.concatenate([getattr(p, f.name) for p in parts], axis=axis) for f in fields(Outcomes))
    )


def better_mice(alone: Sequence[Outcomes]) -> Outcomes:
    """What independent action expects of the mice of each single drug: mouse by mouse the better, endpoint by endpoint.

    The better of noisy mice flatters (`endpoints.independent_action`): a combination that does better than it does
    better than independent action.
    """
    shape = alone[0].grade.shape
    found = better_of([one.arm_outcomes() for one in alone], censoring="later_time")
    rank = {name: place - 1 for place, name in enumerate(["", *GRADES[:-1]])}
    grade = np.vectorize(rank.__getitem__, otypes=[np.int8])(found.category)
    left: Floats = np.stack([one.left_day for one in alone]).max(axis=0)
    return Outcomes(
        grade.reshape(shape),
        found.depth_pct.reshape(shape),
        found.time_days.reshape(shape),
        found.doubled.reshape(shape),
        left.reshape(shape),
    )


def measure(endpoint: str, arm: Outcomes, horizon: float) -> NDArray[np.float64]:
    """What an arm's trials (trial,) come to on an endpoint, larger is better; units as `decision_rules.UNITS`.

    NaN without an evaluable mouse.
    """
    if endpoint == "ORR":
        n = arm.evaluable.sum(axis=(1, 2))
        return np.where(n > 0, arm.responded.sum(axis=(1, 2)) / np.maximum(n, 1), np.nan)
    if endpoint == "depth":
        return -quantile(arm.flat("depth_pct"), 0.5)
    return survival.restricted_mean(arm.doubling_curve(), horizon)[0]


def mice_under(
    cohort: Cohort,
    arm: ArmSpec,
    design: TrialDesign,
    stopping: Stopping,
    lane: tuple[str, ...],
    luck: Luck,
    seed: int,
) -> Outcomes:
    """Outcomes (trial, 1, avatar) of a mouse of every avatar under an arm, with the luck that `lane` names.

    Two arms in one lane share luck mouse by mouse; in two lanes they are different mice.
    """
    days = visit_days(design.visits)
    shape = (cohort.n_trials, 1, len(cohort.avatars))
    rules = design.endpoints
    size = cohort.n_trials * len(cohort.avatars)
    found = Outcomes(
        np.full(size, -1, dtype=np.int8),
        np.full(size, np.nan, dtype=np.float32),
        np.full(size, np.nan, dtype=np.float32),
        np.zeros(size, dtype=bool),
        np.zeros(size, dtype=np.float32),
    )
    scenario = drawn_scenario(design.mechanism, cohort, seed)
    for left in followed(
        cohort,
        arm,
        design,
        stopping,
        lambda avatar: stream(seed, "mouse of a sweep", avatar, *lane),
        luck,
        scenario,
    ):
        until = days[: left.volume_mm3.shape[1]]
        for start in range(0, len(left.place), MICE_AT_A_TIME):
            here = slice(start, start + MICE_AT_A_TIME)
            seen = outcomes(until, left.volume_mm3[here], rules.mrecist_rule, rules.doubling)
            for name, values in seen.items():
                getattr(found, name)[left.place[here]] = values
        found.left_day[left.place] = days[left.last]
    return Outcomes(*(getattr(found, field.name).reshape(shape) for field in fields(found)))
