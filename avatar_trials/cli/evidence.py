"""Checks of a posterior and its trial, as the command line runs and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from avatar_trials.cli.files import write_csv
from avatar_trials.cli.outputs import PROVENANCE
from avatar_trials.cli.provenance import sign
from avatar_trials.designs import TrialDesign
from avatar_trials.evidence.check import Check, summary
from avatar_trials.intake import GrowthTable
from avatar_trials.model_cards import ModelCard
from avatar_trials.stamp import write_atomic

CHECKS = "checks.csv"


def checked(
    tree: xr.DataTree,
    card: ModelCard,
    design: TrialDesign,
    trial: xr.Dataset,
    table: GrowthTable | None,
    rules: dict[str, Any],
) -> list[Check]:
    """Every check; `rules` are those the trial is read by."""
    from avatar_trials.evidence.checks import all_checks

    return all_checks(tree, card, design, trial, table, **rules)


def check_files(folder: Path) -> list[Path]:
    """What `write_checks` writes in any case: the rest lies beside it."""
    return [folder / CHECKS, folder / PROVENANCE]


def write_checks(checks: list[Check], folder: Path, stamp: Mapping[str, Any]) -> None:
    """Write checks.csv, and of each check its table and figure, check_NAME.csv and check_NAME.svg; all with a stamp."""
    from avatar_trials.report import canvas

    written = [write_csv(summary(checks), folder / CHECKS)]
    for check in checks:
        if len(check.table):
            written.append(write_csv(check.table, folder / f"check_{check.slug}.csv"))
        if check.figure is not None:
            with canvas.paper():
                drawn = canvas.svg_bytes(check.figure())
            written.append(folder / f"check_{check.slug}.svg")
            write_atomic(written[-1], partial(_put, drawn))
    sign(written, stamp)


def _put(content: bytes, target: Path) -> None:
    target.write_bytes(content)


def told(check: Check) -> str:
    """A check in a line."""
    return f"{check.verdict:12}  {check.name}: {check.text}"
