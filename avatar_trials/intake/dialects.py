"""How the columns of known volume tables are called, and which of them a header speaks."""

from __future__ import annotations

import difflib
from collections import Counter
from dataclasses import dataclass

from avatar_trials.intake.cells import Cells, unguard
from avatar_trials.intake.findings import Findings, some


@dataclass(frozen=True)
class Dialect:
    """Column names of one kind of table: canonical name -> the name in the file."""

    name: str
    required: dict[str, str]
    optional: dict[str, str]
    covariates: bool  # whether further columns are read as covariates of the avatar


DIALECTS = (
    Dialect(
        name="tidy",
        required={"avatar": "avatar", "arm": "arm", "day": "day", "volume_mm3": "volume_mm3"},
        optional={"mouse": "mouse", "tumor_type": "tumor_type", "body_weight_g": "body_weight_g"},
        covariates=True,
    ),
    Dialect(
        name="pdxe",
        required={
            "avatar": "Model",
            "arm": "Treatment",
            "day": "Days Post T0",
            "volume_mm3": "Volume (mm3)",
        },
        optional={"mouse": "mouse", "tumor_type": "Tumor Type", "body_weight_g": "body weight (g)"},
        covariates=False,
    ),
    Dialect(
        name="xeva",
        required={
            "avatar": "patient.id",
            "mouse": "model.id",
            "arm": "drug",
            "day": "time",
            "volume_mm3": "volume",
        },
        optional={"tumor_type": "tissue", "body_weight_g": "body.weight"},
        covariates=False,
    ),
)
DIALECT_NAMES = ("auto", *(dialect.name for dialect in DIALECTS))


@dataclass(frozen=True)
class Columns:
    """The file's columns under canonical names; `spelled` maps those to the file's spelling, for messages."""

    dialect: str
    values: dict[str, list[str]]
    covariates: dict[str, list[str]]
    spelled: dict[str, str]
    lines: list[int]
    comments: list[str]


def read_columns(cells: Cells, dialect: str, findings: Findings) -> Columns | None:
    """Recognises the header; None with errors for an unknown, incomplete or ambiguous one."""
    header = [_spelling(name) for name in cells.header]
    keys = [_key(name) for name in header]
    twice = [key for key, times in Counter(keys).items() if times > 1]
    for key in twice:
        findings.error(
            "C60",
            f"column {header[keys.index(key)]!r} appears twice",
            "Keep one of them",
            line=cells.header_line,
        )
    chosen = _choose(keys, dialect)
    missing = [name for name in chosen.required.values() if _key(name) not in keys]
    for name in missing:
        fix = _missing_fix(name, header, chosen)
        findings.error("C59", f"no column {name!r}", fix, line=cells.header_line)
    if missing or twice:
        return None
    place = {key: index for index, key in enumerate(keys)}
    named = {**chosen.required, **chosen.optional}
    known = {name: place[_key(spelled)] for name, spelled in named.items() if _key(spelled) in place}
    values = {name: [row[index] for row in cells.rows] for name, index in known.items()}
    spelled = {name: header[index] for name, index in known.items()}
    extra = [index for index in range(len(keys)) if index not in known.values()] if chosen.covariates else []
    covariates = {header[index]: [row[index] for row in cells.rows] for index in extra}
    if not cells.rows:
        findings.error("C05", "no data rows below the header", "Give at least two visits of one mouse")
        return None
    return Columns(chosen.name, values, covariates, spelled, cells.lines, cells.comments)


def _choose(keys: list[str], dialect: str) -> Dialect:
    """The named dialect, or the one of whose required columns the header has the largest share."""
    for candidate in DIALECTS:
        if candidate.name == dialect:
            return candidate

    def share(candidate: Dialect) -> float:
        return sum(_key(name) in keys for name in candidate.required.values()) / len(candidate.required)

    return max(DIALECTS, key=share)


def _missing_fix(name: str, header: list[str], chosen: Dialect) -> str:
    keys = [_key(column) for column in header]
    if name == chosen.required["volume_mm3"] and any("length" in key for key in keys):
        return f"Compute {name} = 0.5 x length x width^2 (mm, width the smaller) and add it"
    near = difflib.get_close_matches(_key(name), keys, n=1, cutoff=0.6)
    guess = f"; is it {header[keys.index(near[0])]!r}?" if near else ""
    return f"The table has {some(header)}{guess} (read as the {chosen.name} dialect)"


def _spelling(name: str) -> str:
    return " ".join(unguard(name.strip().strip('"')).split())


def _key(name: str) -> str:
    return name.casefold()
