"""Tables to CSV and stamps to files: written whole or not at all, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pandas as pd

from avatar_trials.designs import TrialDesign
from avatar_trials.intake.cells import guard
from avatar_trials.model_cards import ModelCard
from avatar_trials.stamp import make_stamp, write_atomic

DIGITS = 10


def write_csv(frame: pd.DataFrame, path: Path) -> Path:
    """Write a frame as UTF-8 CSV, numbers to 10 digits, empty where there is no value, text safe from formulas."""
    cells = [[guard(str(name)) for name in frame.columns]]
    cells += [[_cell(value) for value in row] for row in frame.itertuples(index=False, name=None)]

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle, lineterminator="\n").writerows(cells)

    write_atomic(path, write)
    return path


def stamp_of(design: TrialDesign, card: ModelCard, **facts: Any) -> dict[str, Any]:
    """The stamp of a design's files: versions, and the hashes of design and card."""
    return make_stamp(
        design=design.name,
        design_sha256=design.sha256,
        model_card=card.name,
        card_sha256=card.sha256,
        seed=str(design.seed),
        **facts,
    )


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return guard(value)
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return str(value)
