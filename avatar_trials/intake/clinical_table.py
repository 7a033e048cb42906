"""A reader's own clinical table: one row a patient, with arm, months to progression and whether it happened."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avatar_trials.arms import canonical_arm
from avatar_trials.intake.cells import text_cells
from avatar_trials.intake.files import decode, read_bytes
from avatar_trials.intake.findings import Findings
from avatar_trials.problems import InputError

NEEDED = ("arm", "time_months", "event")
DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class ClinicalTable:
    """Patients by arm: months to progression, death or last follow-up, and True where it happened; where it is from."""

    months: dict[str, NDArray[np.float64]]
    event: dict[str, NDArray[np.bool_]]
    source: str


def read_clinical(path: Path) -> ClinicalTable:
    """Read a CSV with columns arm, time_months, event (1 or 0); others are left aside, but rows whose `endpoint` is
    given and not PFS. Raises InputError with every problem and its line."""
    findings = Findings(str(path))
    raw = read_bytes(path, findings)
    text = None if raw is None else decode(raw, findings)
    cells = None if text is None else text_cells(text, findings)
    if cells is None:
        raise InputError(findings.problems)
    header = [name.strip() for name in cells.header]
    missing = [name for name in NEEDED if name not in header]
    if missing:
        fix = f"A table of patients has {', '.join(NEEDED)}"
        findings.error("H01", f"no column {', '.join(missing)}", fix, line=cells.header_line)
    for name in NEEDED:
        if header.count(name) > 1:
            findings.error(
                "C60", f"column {name!r} appears twice", "Keep one of them", line=cells.header_line
            )
    if findings.refused:
        raise InputError(findings.problems)
    months: dict[str, list[float]] = {}
    event: dict[str, list[bool]] = {}
    for line, row in zip(cells.lines, cells.rows, strict=True):
        cell = {name: value.strip() for name, value in zip(header, row, strict=True)}
        if cell.get("endpoint", "").casefold() not in ("", "pfs"):
            continue
        arm, time = _arm(cell["arm"], line, findings), _months(cell["time_months"])
        if time is None:
            what = f"time_months {cell['time_months']!r}: expected a number of at least 0"
            findings.error("V10", what, line=line)
        if cell["event"] not in ("0", "1"):
            findings.error("V11", f"event {cell['event']!r}: expected 1 or 0", line=line)
        months.setdefault(arm, []).append(0.0 if time is None else time)
        event.setdefault(arm, []).append(cell["event"] == "1")
    if not months:
        findings.error("V16", "no patient in it", "Give a row for each patient")
    if findings.refused:
        raise InputError(findings.problems)
    return ClinicalTable(
        {arm: np.array(values) for arm, values in months.items()},
        {arm: np.array(values) for arm, values in event.items()},
        path.name,
    )


def _months(text: str) -> float | None:
    value = float(text) if DECIMAL.fullmatch(text) else math.nan
    return value if math.isfinite(value) and value >= 0 else None


def _arm(name: str, line: int, findings: Findings) -> str:
    try:
        return canonical_arm(name)
    except ValueError as error:
        findings.error("V15", f"arm {name!r}: {error}", line=line)
        return ""
