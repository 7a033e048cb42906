"""Facts of avatars from a table of their own, such as the mutations of their tumours."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from avatar_trials.intake.cells import text_cells
from avatar_trials.intake.files import decode, read_bytes
from avatar_trials.intake.findings import Findings
from avatar_trials.problems import InputError

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
