"""Calibrations without some mice, or without their tails, and the scores of what they foresee."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from avatar_trials.cli import flow
from avatar_trials.cli.files import stamp_of, write_csv
from avatar_trials.cli.outputs import PROVENANCE, posterior_files, require_writable
from avatar_trials.cli.provenance import sign
from avatar_trials.designs import TrialDesign
from avatar_trials.intake import GrowthTable
from avatar_trials.model_cards import ModelCard
from avatar_trials.stamp import sha256_of

if TYPE_CHECKING:
    from avatar_trials.evidence.holdout_split import HoldOut

VISITS, ENDPOINTS, SCORES = "holdout.csv", "holdout_endpoints.csv", "holdout_scores.csv"


@dataclass(frozen=True)
class Outcome:
    """Scores of a hold-out, the gates of all its calibrations (column fold in front), and where things were written."""

    scores: pd.DataFrame
    gates: pd.DataFrame
    written: list[Path]


def hold_out(
    table: GrowthTable,
    what: HoldOut,
    design: TrialDesign,
    card: ModelCard,
    path: Path,
    *,
    say: flow.Say,
    reads: Iterable[Path | None],
) -> Outcome:
    """Calibrate without what is held out, once for each split, foresee it, score it, and write everything.

    Posteriors are named after `path` with the hold-out in their name, so that none is taken for a whole one; the
    tables lie beside. Gates that fail are recorded in every row; the caller decides what comes of it. Raises
    InputError for a hold-out that leaves nothing to predict or to calibrate to, and where the files cannot be written
    or are among those that the command `reads`.
    """
    from avatar_trials.calibrate import gates_of
    from avatar_trials.calibrate.curves import curves_of
    from avatar_trials.evidence.holdout import predictions
    from avatar_trials.evidence.holdout_scores import score_table
    from avatar_trials.evidence.holdout_split import splits

    curves, _ = curves_of(table, card)
    planned = splits(table, curves, what, seed=design.seed)
    suffixes = [f"_{number}" for number in range(1, len(planned) + 1)] if len(planned) > 1 else [""]
    targets = [path.with_name(f"{path.stem}_without_{what.kind}{suffix}{path.suffix}") for suffix in suffixes]
    beside = [path.parent / name for name in (VISITS, ENDPOINTS, SCORES)]
    signs = path.parent / PROVENANCE
    require_writable(
        [*(file for target in targets for file in posterior_files(target)), *beside, signs], reads=reads
    )
    visits, endpoints, gates, written = [], [], [], []
    for number, (split, target) in enumerate(zip(planned, targets, strict=True), 1):
        say(f"hold-out {number} of {len(planned)}: {split.table.notices[-1].what}")
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
    tables = zip((*frames, scores), beside, strict=True)
    scored_files = [write_csv(frame, file) for frame, file in tables if len(frame)]
    posteriors = [sha256_of(target) for target in written]
    stamp = stamp_of(design, card, data_sha256=table.sha256, posteriors_sha256=posteriors, kind="hold-out")
    sign(scored_files, stamp)
    written += scored_files
    return Outcome(scores, pd.concat(gates, ignore_index=True), written)


def printed(scores: pd.DataFrame) -> str:
    """The table of scores as text: estimates with their standard errors."""
    with_error = {
        name: [
            "" if pd.isna(value) else f"{value:.2f}" + ("" if pd.isna(error) else f" ± {error:.2f}")
            for value, error in zip(scores[column], scores[f"{column}_se"], strict=True)
        ]
        for name, column in (
            ("inside 50 %", "coverage_50"),
            ("inside 90 %", "coverage_90"),
            ("difference", "difference"),
        )
    }
    shown = pd.DataFrame(
        {
            "scored": scores["scored"],
            "arm": scores["arm"],
            "mice": scores["n_mice"],
            "inside 50 %": with_error["inside 50 %"],
            "inside 90 %": with_error["inside 90 %"],
            "log score": scores["log_score"],
            "arm mean's": scores["baseline_log_score"],
            "difference": with_error["difference"],
            "verdict": scores["verdict"],
        }
    )
    return shown.to_string(index=False, na_rep="", float_format="{:.2f}".format)
