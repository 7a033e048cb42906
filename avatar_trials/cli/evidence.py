"""Checks of a posterior and its trial, as the command line runs and writes them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from avatar_trials.cli.files import write_csv
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
    return [folder / CHECKS]


def write_checks(checks: list[Check], folder: Path) -> None:
    """Write checks.csv, and of each check its table and its figure: check_NAME.csv, check_NAME.svg."""
    from avatar_trials.report import canvas

    write_csv(summary(checks), folder / CHECKS)
    for check in checks:
        if len(check.table):
            write_csv(check.table, folder / f"check_{check.slug}.csv")
        if check.figure is not None:
            with canvas.paper():
                drawn = canvas.svg_bytes(check.figure())
            write_atomic(folder / f"check_{check.slug}.svg", partial(_put, drawn))


def _put(content: bytes, target: Path) -> None:
    target.write_bytes(content)


def told(check: Check) -> str:
    """A check in a line."""
    return f"{check.verdict:12}  {check.name}: {check.text}"
