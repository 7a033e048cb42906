"""What a table of mice and a design ask to be foreseen, and its prediction in one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import xarray as xr

from avatar_trials.arms import canonical_arm, drugs_of
from avatar_trials.designs import TrialDesign
from avatar_trials.evidence.combinations import (
    FEWEST_AVATARS,
    LEFT_OUT_COLUMNS,
    Combination,
    Study,
    study_of,
    unseen_combinations,
)
from avatar_trials.evidence.foreseen_combinations import ForeseenCombinations, foresee_combinations
from avatar_trials.evidence.strata import Strata
from avatar_trials.intake import GrowthTable
from avatar_trials.interaction_cards import InteractionCard
from avatar_trials.problems import InputError, Problem

Say = Callable[[str], None]


def _silent(text: str) -> None:
    pass


def predict_combinations(
    tree: xr.DataTree,
    table: GrowthTable,
    design: TrialDesign,
    card: InteractionCard,
    *,
    arm: str | None = None,
    draws: int = 400,
    strata: Sequence[Strata] = (),
    say: Say = _silent,
) -> ForeseenCombinations:
    """Combinations of a table, or `arm` alone, given to mice or not, foreseen from a posterior of their single agents.

    `table`: the mice, single agents and combinations; those that the posterior does not know are left out. `draws`:
    posterior draws, each with new mice. InputError where nothing can be foreseen, or not `arm`.
    """
    wanted = None if arm is None else arm_named(arm)
    study, unseen = to_foresee(known_mice(table, tree, say=say), design, wanted)
    return foresee_combinations(
        *(tree, study, design, card),
        draws=draws,
        seed=design.seed,
        unseen=unseen,
        only=wanted,
        strata=strata,
        say=say,
    )


def arm_named(text: str) -> str:
    """A combination in its one spelling. InputError for what is no arm of several drugs."""
    try:
        arm = canonical_arm(text)
    except ValueError as reason:
        raise InputError(Problem("D53", "error", str(reason), "Write drug names joined by +")) from None
    if len(drugs_of(arm)) < 2:
        raise InputError(
            Problem("S03", "error", f"arm {arm} is no combination", "Name an arm of several drugs, as A + B")
        )
    return arm


def known_mice(table: GrowthTable, tree: xr.DataTree, *, say: Say = _silent) -> GrowthTable:
    """The mice of calibrated avatars under calibrated drugs. InputError where there is none."""
    posterior = tree["posterior"].to_dataset()
    avatars = {str(name) for name in posterior["avatar"].values}
    drugs = {str(name).casefold() for name in posterior["drug"].values}
    arms = [
        arm for arm in dict.fromkeys(table.rows["arm"]) if {one.casefold() for one in drugs_of(arm)} <= drugs
    ]
    here = [avatar for avatar in dict.fromkeys(table.rows["avatar"]) if avatar in avatars]
    if not here or not arms:
        what = "the posterior knows none of the avatars, or none of the drugs, of these volumes"
        fix = "Give the volumes it was calibrated on, with their combinations"
        raise InputError(Problem("S08", "error", what, fix, table.source))
    gone = table.rows["avatar"].nunique() - len(here), table.rows["arm"].nunique() - len(arms)
    if any(gone):
        say(f"left out, as the posterior does not know them: {gone[0]} avatars, {gone[1]} arms")
    return table.select(avatars=here, arms=arms)


def to_foresee(
    table: GrowthTable, design: TrialDesign, arm: str | None
) -> tuple[Study, tuple[Combination, ...]]:
    """The study of a table, and arm `arm` where it has no mice. InputError where nothing can be foreseen, or not it."""
    study = _study_for(table, design, arm)
    if arm is None:
        return study, ()
    if arm not in set(table.rows["arm"]):
        return study, unseen_combinations(table, arm, study)
    _require_foreseeable(study, arm)
    return study, ()


def _study_for(table: GrowthTable, design: TrialDesign, arm: str | None) -> Study:
    """The study of a table under a design's rules; one without combinations where arm `arm` was never given."""
    rules, horizon = design.endpoints, design.visits.horizon_days
    try:
        return study_of(table, rule=rules.mrecist_rule, doubling=rules.doubling, horizon_days=horizon)
    except InputError as refused:
        never_given = arm is not None and arm not in set(table.rows["arm"])
        if not never_given or [problem.code for problem in refused.problems] != ["S06"]:
            raise
    nothing = pd.DataFrame(columns=list(LEFT_OUT_COLUMNS))
    return Study(rules.mrecist_rule, rules.doubling, FEWEST_AVATARS, horizon, (), {}, nothing)


def _require_foreseeable(study: Study, arm: str) -> None:
    """InputError where a study leaves out a combination that has mice."""
    if arm in {one.arm for one in study.combinations}:
        return
    why = [f"{row.why} ({row.tumor_type})" for row in study.left_out.itertuples() if row.arm == arm]
    what = f"{arm} cannot be foreseen: {'; '.join(why) or 'too few mice'}"
    known = ", ".join(dict.fromkeys(one.arm for one in study.combinations))
    raise InputError(Problem("S09", "error", what, f"Arms that can be: {known or 'none'}"))
