"""Facts of avatars from a table of their own, such as the mutations of their tumours, and who carries a biomarker."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from avatar_trials.designs import Biomarker
from avatar_trials.intake.cells import text_cells
from avatar_trials.intake.files import decode, read_bytes
from avatar_trials.intake.findings import Findings
from avatar_trials.intake.growth_table import GrowthTable
from avatar_trials.problems import InputError, Problem

NAMES = ("avatar", "model")


def read_covariates(path: str | Path) -> pd.DataFrame:
    """A CSV of avatars (column `avatar`, or `model` as the PDX Encyclopedia has it) and facts, as text, by avatar.

    Raises InputError for what is no such table: no column of avatars, an avatar without a name or with two rows.
    """
    findings = Findings(str(path))
    raw = read_bytes(path, findings)
    text = None if raw is None else decode(raw, findings)
    cells = None if text is None else text_cells(text, findings)
    if cells is None or findings.refused:
        raise InputError(findings.problems)
    header = [name.strip() for name in cells.header]
    place = next((i for i, name in enumerate(header) if name.casefold() in NAMES), None)
    if place is None:
        findings.error("C06", "no column of avatars", "Name one avatar or model", line=cells.header_line)
        raise InputError(findings.problems)
    seen: dict[str, int] = {}
    for line, row in zip(cells.lines, cells.rows, strict=True):
        avatar = row[place].strip()
        if not avatar:
            findings.error("C07", "an avatar without a name", "Write it", line=line, column=header[place])
        elif avatar in seen:
            what = f"avatar {avatar} has a row already, line {seen[avatar]}"
            findings.error("C07", what, "Keep one", line=line, column=header[place])
        seen.setdefault(avatar, line)
    if findings.refused:
        raise InputError(findings.problems)
    frame = pd.DataFrame([[cell.strip() for cell in row] for row in cells.rows], columns=header, dtype=str)
    return frame.set_index(header[place]).rename_axis("avatar")


def carriers_of(covariates: pd.DataFrame, biomarker: Biomarker) -> pd.Series:
    """1.0 for carriers, 0.0 for others, NaN where it is not known, by avatar as in `covariates`.

    A carrier has, among the parts of its cell that `;` divides, one of `biomarker.positive`; an empty cell is unknown.
    KeyError without the column.
    """
    wanted = {value.casefold() for value in biomarker.positive}

    def carries(value: object) -> float:
        text = f"{value:g}" if isinstance(value, float) else str(value)
        parts = {part.strip().casefold() for part in text.split(";")} - {"", "nan", "none"}
        return float(bool(parts & wanted)) if parts else np.nan

    return covariates[biomarker.column].map(carries).astype(float)


def with_carriers(
    table: GrowthTable, biomarker: Biomarker, covariates: pd.DataFrame | None, column: str
) -> GrowthTable:
    """The table with `column` (0 or 1, by avatar) for a model card: who carries a biomarker, by `covariates` or the
    table's own.

    Avatars of other tumour types do not carry it; the column is empty where it is not known. Raises InputError for
    covariates without the biomarker's column, without an avatar of its tumour type, or without both carriers and
    others among them.
    """
    facts = table.avatars if covariates is None else covariates
    require_known(table, biomarker, facts)
    of_type = table.avatars["tumor_type"].str.casefold() == biomarker.tumor_type.casefold()
    carried = carriers_of(facts, biomarker).reindex(table.avatars.index).where(of_type, 0.0)
    if carried[of_type].nunique() < 2:
        what = f"biomarker {biomarker.name}: its effect cannot be calibrated where all avatars are alike"
        fix = "Take calibrated out of the design's biomarker, or give avatars with and without it"
        raise InputError(Problem("S11", "error", what, fix, table.source))
    told = carried.to_csv(header=False, lineterminator="\n").encode()
    avatars = table.avatars.assign(**{column: carried})
    return replace(table, avatars=avatars, covariates_sha256=hashlib.sha256(told).hexdigest())


def require_known(table: GrowthTable, biomarker: Biomarker, covariates: pd.DataFrame) -> None:
    """Raise InputError for covariates without a biomarker's column, or with no avatar of its type that is known."""
    if biomarker.column not in covariates:
        has = ", ".join(map(str, covariates.columns))
        what = f"biomarker {biomarker.name}: the covariates have no column {biomarker.column!r}"
        raise InputError(Problem("S10", "error", what, f"They have {has}"))
    of_type = table.avatars.index[
        table.avatars["tumor_type"].str.casefold() == biomarker.tumor_type.casefold()
    ]
    if not carriers_of(covariates, biomarker).dropna().index.isin(of_type).any():
        what = (
            f"biomarker {biomarker.name}: none of the avatars of {biomarker.tumor_type} is in the covariates"
        )
        raise InputError(Problem("S10", "error", what, "Give them by the volumes' names of avatars"))
