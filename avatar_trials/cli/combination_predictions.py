"""Combinations foreseen on the command line: the posterior they are foreseen from, and what is written and printed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from avatar_trials.arms import canonical_arm, drugs_of
from avatar_trials.cli import flow
from avatar_trials.cli.files import write_csv
from avatar_trials.designs import TrialDesign
from avatar_trials.intake import GrowthTable
from avatar_trials.intake.covariates import require_known
from avatar_trials.model_cards import ModelCard
from avatar_trials.problems import InputError, Problem, together

if TYPE_CHECKING:
    from avatar_trials.evidence.combinations import Combination, Study
    from avatar_trials.evidence.foreseen_combinations import ForeseenCombinations
    from avatar_trials.evidence.strata import Strata

SINGLES, HELD_OUT = "posterior_singles.nc", "posterior_without_arm.nc"
PREDICTIONS, AVATARS = "combination_predictions.csv", "combination_avatars.csv"
SURVIVAL, VERDICTS = "combination_survival.csv", "combination_verdicts.csv"
WEIGHTS, SCORES = "interaction_weights.csv", "combination_scores.csv"
SUMMARY, DIFFERENCES = "combination_summary.csv", "combination_differences.csv"
STRATA = "combination_strata.csv"
TABLES = (PREDICTIONS, AVATARS, STRATA, SURVIVAL, VERDICTS, WEIGHTS, SCORES, SUMMARY, DIFFERENCES)


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


def singles_posterior(
    table: GrowthTable, design: TrialDesign, card: ModelCard, path: Path, *, say: flow.Say
) -> xr.DataTree:
    """Calibrate to the design's untreated and single-agent mice alone, and write the posterior, unless it is there."""
    alone = [arm for arm in design.measured_arms if len(drugs_of(arm)) < 2]
    there = flow.finished(table, design, card, path, say=say)
    return there or flow.calibrated(table.select(arms=alone), design, card, path, say=say)


def held_out_posterior(
    table: GrowthTable, arm: str, design: TrialDesign, card: ModelCard, path: Path, *, say: flow.Say
) -> xr.DataTree:
    """Calibrate to the design's arms but one, and write the posterior, unless it is there.

    InputError where the arm cannot be left out.
    """
    from avatar_trials.calibrate.curves import curves_of
    from avatar_trials.evidence.holdout_split import HoldOut, splits

    whole = table.select(arms=design.measured_arms)
    curves, _ = curves_of(whole, card)
    (split,) = splits(whole, curves, HoldOut("arm", arm=arm), seed=design.seed)
    there = flow.finished(table, design, card, path, say=say, held_out=split.label)
    return there or flow.calibrated(
        split.table, design, card, path, say=say, avatars=curves.avatars, held_out=split.label
    )


def strata_for(
    table: GrowthTable, design: TrialDesign, covariates: pd.DataFrame | None, *, say: flow.Say
) -> list[Strata]:
    """The strata of every biomarker that a design names, by a table of covariates or those in the volumes.

    InputError for a table of covariates without a biomarker's column, or without one of the avatars of its type.
    """
    from avatar_trials.evidence.strata import strata_of

    facts = table.avatars if covariates is None else covariates
    known = []
    for one in design.cohort.biomarkers:
        if one.column not in facts and covariates is None:
            say(f"not read apart by {one.name}: the volumes have no column {one.column}; give --covariates")
        else:
            known.append(one)
    together(*(partial(require_known, table, one, facts) for one in known))
    return [strata_of(facts, one) for one in known]


def known_mice(table: GrowthTable, tree: xr.DataTree, *, say: flow.Say) -> GrowthTable:
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
    from avatar_trials.evidence.combinations import unseen_combinations

    study = _study_for(table, design, arm)
    if arm is None:
        return study, ()
    if arm not in set(table.rows["arm"]):
        return study, unseen_combinations(table, arm, study)
    _require_foreseeable(study, arm)
    return study, ()


def _study_for(table: GrowthTable, design: TrialDesign, arm: str | None) -> Study:
    """The study of a table under a design's rules; one without combinations where arm `arm` was never given."""
    from avatar_trials.evidence.combinations import FEWEST_AVATARS, LEFT_OUT_COLUMNS, Study, study_of

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


def write_foreseen(found: ForeseenCombinations, folder: Path) -> list[Path]:
    """Write every table that has a row, and the scores of the arms that have mice."""
    from avatar_trials.evidence.combination_scores import score_differences, score_summary, score_table

    observed = {
        (one.tumor_type, one.arm)
        for one in found.study.combinations
        if one.mice.combination.evaluable.any() and one.mice.combination.doubling_curve().time.size
    }
    scored = [one for one in found.predictions if (one.tumor_type, one.arm) in observed]
    tables = {
        PREDICTIONS: found.arms,
        AVATARS: found.avatars,
        STRATA: found.strata,
        SURVIVAL: found.survival,
        VERDICTS: found.verdicts,
        WEIGHTS: found.weights,
    }
    if scored:
        scores = score_table(found.study, scored)
        scores["calibrated_on_arm"] = scores["arm"].isin(found.seen)
        tables |= {
            SCORES: scores,
            SUMMARY: score_summary(scores),
            DIFFERENCES: score_differences(scores, found.main),
        }
    return [write_csv(table, folder / name) for name, table in tables.items() if len(table)]


def printed(found: ForeseenCombinations) -> str:
    """ORR, DCR and median doubling of each arm by each predictor, and the verdicts, as text."""
    shown = found.arms[found.arms["quantity"].isin(["ORR_pct", "DCR_pct", "median_doubling_days"])]
    cells = shown.assign(
        told=[
            f"{row.predicted:.0f} [{row.lower_90:.0f}, {row.upper_90:.0f}]"
            for row in shown.itertuples(index=False)
        ]
    )
    wide = cells.pivot_table(
        index=["tumor_type", "arm", "predictor"],
        columns="quantity",
        values="told",
        aggfunc="first",
        sort=False,
        dropna=False,
    ).dropna(how="all")
    parts = [wide.rename_axis(columns=None).reset_index().to_string(index=False)]
    for row in found.verdicts.itertuples(index=False):
        parts.append(
            f"{row.arm} ({row.tumor_type}): {row.verdict}, probability {row.p_beats_independent_action:.2f} that it "
            "beats independent action"
        )
    if len(found.verdicts):
        parts.append(f"What cannot be told: {found.verdicts['cannot_tell'].iloc[0]}.")
    parts += [f"NO EVIDENCE: the posterior was calibrated on mice of {arm}." for arm in found.seen]
    return "\n".join(parts)
