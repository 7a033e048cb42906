"""Calibrations without some mice, or without their tails, and the scores of what they foresee."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from avatar_trials.cli import flow
from avatar_trials.cli.files import write_csv
from avatar_trials.designs import TrialDesign
from avatar_trials.intake import GrowthTable
from avatar_trials.model_cards import ModelCard

if TYPE_CHECKING:
    from avatar_trials.evidence.holdout_split import HoldOut

VISITS, ENDPOINTS, SCORES = "holdout.csv", "holdout_endpoints.csv", "holdout_scores.csv"
PRINTED = (
    *("scored", "arm", "n_mice", "coverage_50", "coverage_50_se", "coverage_90", "coverage_90_se"),
    *("baseline_coverage_50", "baseline_coverage_90", "log_score", "baseline_log_score"),
    *("difference", "difference_se", "verdict"),
)


@dataclass(frozen=True)
class Outcome:
    """Scores of a hold-out, the gates of all its calibrations (column fold in front), and where things were written."""

    scores: pd.DataFrame
    gates: pd.DataFrame
    written: list[Path]


def hold_out(
    table: GrowthTable, what: HoldOut, design: TrialDesign, card: ModelCard, path: Path, *, say: flow.Say
) -> Outcome:
    """Calibrate without what is held out, once for each split, foresee it, score it, and write everything.

    Posteriors are named after `path` with the hold-out in their name, so that none is taken for a whole one; the
    tables lie beside. Gates that fail are recorded in every row; the caller decides what comes of it. Raises
    InputError for a hold-out that leaves nothing to predict or to calibrate to.
    """
    from avatar_trials.calibrate import gates_of
    from avatar_trials.calibrate.curves import curves_of
    from avatar_trials.evidence.holdout import predictions
    from avatar_trials.evidence.holdout_scores import score_table
    from avatar_trials.evidence.holdout_split import splits

    curves, _ = curves_of(table, card)
    planned = splits(table, curves, what, seed=design.seed)
    visits, endpoints, gates, written = [], [], [], []
    for number, split in enumerate(planned, 1):
        say(f"hold-out {number} of {len(planned)}: {split.table.notices[-1].what}")
        suffix = f"_{number}" if len(planned) > 1 else ""
        target = path.with_name(f"{path.stem}_without_{what.kind}{suffix}{path.suffix}")
        tree = flow.calibrated(
            *(split.table, design, card, target), say=say, avatars=curves.avatars, held_out=split.label
        )
        checked = gates_of(tree)
        passed = bool(checked["passed"].all())
        scored, at_planned = predictions(tree, curves, split, what.kind, card, design, passed=passed)
        visits.append(scored)
        endpoints.append(at_planned)
        gates.append(checked.assign(fold=split.label)[["fold", *checked.columns]])
        written.append(target)
    frames = [pd.concat(some, ignore_index=True) for some in (visits, endpoints)]
    scores = score_table(*frames)
    tables = zip((*frames, scores), (VISITS, ENDPOINTS, SCORES), strict=True)
    written += [write_csv(frame, path.parent / name) for frame, name in tables if len(frame)]
    return Outcome(scores, pd.concat(gates, ignore_index=True), written)


def printed(scores: pd.DataFrame) -> str:
    """The table of scores as text."""
    return scores[list(PRINTED)].to_string(index=False, na_rep="", float_format="{:.2f}".format)
