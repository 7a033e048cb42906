"""Combinations foreseen on the command line: the posterior they are foreseen from, and what is written and printed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from avatar_trials.arms import drugs_of
from avatar_trials.cli import flow
from avatar_trials.cli.files import write_csv
from avatar_trials.designs import TrialDesign
from avatar_trials.intake import GrowthTable
from avatar_trials.intake.covariates import require_known
from avatar_trials.model_cards import ModelCard
from avatar_trials.problems import together

if TYPE_CHECKING:
    from avatar_trials.evidence.foreseen_combinations import ForeseenCombinations
    from avatar_trials.evidence.strata import Strata

SINGLES, HELD_OUT = "posterior_singles.nc", "posterior_without_arm.nc"
PREDICTIONS, AVATARS = "combination_predictions.csv", "combination_avatars.csv"
SURVIVAL, VERDICTS = "combination_survival.csv", "combination_verdicts.csv"
WEIGHTS, SCORES = "interaction_weights.csv", "combination_scores.csv"
SUMMARY, DIFFERENCES = "combination_summary.csv", "combination_differences.csv"
STRATA = "combination_strata.csv"
TABLES = (PREDICTIONS, AVATARS, STRATA, SURVIVAL, VERDICTS, WEIGHTS, SCORES, SUMMARY, DIFFERENCES)


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
