"""From delimited text to cells of text with the file's own line numbers."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace

from avatar_trials.intake.findings import Findings, count
from avatar_trials.intake.numbers import SPREADSHEET_ERROR

MAX_LINE = 64 * 1024
MAX_COLUMNS = 1000
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*')
GUARDED = ("=", "+", "-", "@", "\t", "\r", "#")


@dataclass(frozen=True)
class Cells:
    """A table of text, every row as long as `header`; `lines[i]` is the file's line of `rows[i]`."""

    header: list[str]
    header_line: int
    rows: list[list[str]]
    lines: list[int]
    comments: list[str]


def guard(text: str) -> str:
    """A leading `'` for text that a spreadsheet would run as a formula, or this reader skip as a comment."""
    return "'" + text if text.lstrip("'").startswith(GUARDED) else text


def unguard(text: str) -> str:
    """Undoes `guard`."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(GUARDED) else text


def text_cells(text: str, findings: Findings) -> Cells | None:
    """Splits comma-separated text; each line whose number of fields differs from the header's is an error.

    Fields are counted line by line before anything is put in columns, so a stray comma cannot shift a row. A
    quoted field cannot continue on the next line. Lines starting with `#` are comments; a spreadsheet's `sep=,`
    above the header is left out.
    """
    header: list[str] | None = None
    header_line = 0
    rows: list[list[str]] = []
    lines: list[int] = []
    comments: list[str] = []
    late_comments: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line or line.isspace():
            continue
        if line.startswith("#") and not _starts_with_error(line, header):
            comments.append(line)
            if header is not None:
                late_comments.append(number)
            continue
        if header is None and (told := SEPARATOR_LINE.fullmatch(line)) and told[1] == ",":
            continue
        fields = _fields(line, number, findings)
        if fields is None:
            if header is None:
                return None
            continue
        if not any(field and not field.isspace() for field in fields):
            continue
        if header is None:
            header, header_line = fields, number
            if not _header_is_split(fields, number, findings) or not within_columns(fields, number, findings):
                return None
            continue
        if len(fields) != len(header):
            if len(fields) > len(header) and not any(field.strip() for field in fields[len(header) :]):
                fields = fields[: len(header)]
            else:
                hint = (
                    "A decimal or thousands comma?"
                    if len(fields) > len(header)
                    else "A cell or a comma is missing"
                )
                findings.error(
                    "C01", f"{count(len(fields), 'field')}, the header has {len(header)}", hint, line=number
                )
                continue
        rows.append(fields)
        lines.append(number)
    if header is None:
        findings.error("C05", "no header and no data rows", "Give a table with a header line")
        return None
    if late_comments:
        what = (
            f"{count(len(late_comments), 'line')} below the header start with # and are left out as comments"
        )
        findings.warning("C71", what, "Quote the cell if it is data", line=late_comments[0])
    return without_empty_columns(Cells(header, header_line, rows, lines, comments), findings)


def _starts_with_error(line: str, header: list[str] | None) -> bool:
    """Whether a line that starts with # is a row whose first cell is a spreadsheet's error."""
    first, *others = line.split(",")
    return header is not None and len(others) + 1 == len(header) and bool(SPREADSHEET_ERROR.fullmatch(first))


def _fields(line: str, number: int, findings: Findings) -> list[str] | None:
    if len(line) > MAX_LINE:
        findings.error(
            "C74", f"a line of {len(line):,} characters", "One measurement a line is expected", line=number
        )
        return None
    if '"' not in line:
        return line.split(",")
    try:
        return next(csv.reader([line], strict=True))
    except (csv.Error, StopIteration):
        findings.error(
            "C64",
            "a quotation mark is not closed in its line, or text follows the closing one",
            "Remove the mark, or the line break inside the cell",
            line=number,
        )
        return None


def within_columns(header: list[str], number: int, findings: Findings) -> bool:
    """False, with an error, for a header of more names than a table of volumes has."""
    named = sum(1 for name in header if name.strip())
    if named <= MAX_COLUMNS:
        return True
    fix = "Keep the columns of volumes, and of covariates those that are needed"
    findings.error("C62", f"{named:,} columns; at most {MAX_COLUMNS:,} are read", fix, line=number)
    return False


def _header_is_split(fields: list[str], number: int, findings: Findings) -> bool:
    told = SEPARATOR_LINE.fullmatch(",".join(fields))
    for mark, name in ((";", "semicolon"), ("\t", "tab")):
        split = len(fields) <= 2 and sum(field.count(mark) for field in fields) >= 2
        if split or (told and told[1] == mark):
            fix = "Save the table as CSV with commas between cells and points in numbers"
            findings.error(
                "C02", f"the {'table' if told else 'header'} looks {name}-separated", fix, line=number
            )
            return False
    return True


def without_empty_columns(cells: Cells, findings: Findings) -> Cells | None:
    """Trailing commas make columns without a name: nothing is lost where they hold nothing."""
    nameless = [index for index, name in enumerate(cells.header) if not name.strip()]
    for index in nameless:
        filled = next(
            (line for row, line in zip(cells.rows, cells.lines, strict=True) if row[index].strip()), None
        )
        if filled is not None:
            what = f"column {index + 1} has values and no name"
            findings.error("C61", what, "Name it in the header or empty it", line=filled)
            return None
    kept = [index for index in range(len(cells.header)) if index not in nameless]
    if not nameless:
        return cells
    rows = [[row[index] for index in kept] for row in cells.rows]
    return replace(cells, header=[cells.header[index] for index in kept], rows=rows)
