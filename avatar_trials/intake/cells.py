"""From a file's content (delimited text or a workbook) to cells of text with the file's own line numbers."""

from __future__ import annotations

import csv
import datetime
import io
import math
import zipfile
from dataclasses import dataclass, replace

import pandas as pd

from avatar_trials.intake.files import MAX_BYTES
from avatar_trials.intake.findings import Findings, count, some

MAX_LINE = 64 * 1024
PUBLISHED_SHEET = "PCT raw data"
ERROR_CELL = "#VALUE!"  # pandas hands over every spreadsheet error as NaN, and an empty cell as ""
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
    quoted field cannot continue on the next line. Lines starting with `#` are comments.
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
        if line.startswith("#"):
            comments.append(line)
            if header is not None:
                late_comments.append(number)
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
            if not _header_is_split(fields, number, findings):
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
    return _without_empty_columns(Cells(header, header_line, rows, lines, comments), findings)


def workbook_cells(raw: bytes, sheet: str | None, findings: Findings) -> Cells | None:
    """One sheet of an .xlsx workbook: `sheet`, else the published `PCT raw data`, else the only one."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                findings.error(
                    "F73", f"the workbook unpacks to more than {MAX_BYTES:,} bytes", "Save it as CSV"
                )
                return None
        with pd.ExcelFile(io.BytesIO(raw), engine="openpyxl") as book:
            name = _sheet_name([str(name) for name in book.sheet_names], sheet, findings)
            if name is None:
                return None
            frame = pd.read_excel(book, sheet_name=name, header=None, dtype=object, na_filter=False)
    except Exception as reason:  # noqa: BLE001 - openpyxl raises anything on a damaged archive
        kind = type(reason).__name__
        findings.error(
            "F05", f"the workbook cannot be read ({kind}: {reason})", "Save it again, or save it as CSV UTF-8"
        )
        return None
    table = [[_cell_text(value) for value in row] for row in frame.itertuples(index=False, name=None)]
    filled = [(number, row) for number, row in enumerate(table, start=1) if any(cell.strip() for cell in row)]
    if not filled:
        findings.error("C05", f"sheet {name!r} is empty", "Name the sheet that holds the volumes")
        return None
    (header_line, header), *body = filled
    cells = Cells(header, header_line, [row for _, row in body], [number for number, _ in body], [])
    return _without_empty_columns(cells, findings)


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


def _header_is_split(fields: list[str], number: int, findings: Findings) -> bool:
    for mark, name in ((";", "semicolon"), ("\t", "tab")):
        if len(fields) <= 2 and sum(field.count(mark) for field in fields) >= 2:
            fix = "Save the table as CSV with commas between cells and points in numbers"
            findings.error("C02", f"the header looks {name}-separated", fix, line=number)
            return False
    return True


def _without_empty_columns(cells: Cells, findings: Findings) -> Cells | None:
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


def _sheet_name(names: list[str], sheet: str | None, findings: Findings) -> str | None:
    if sheet is not None:
        if sheet in names:
            return sheet
        findings.error("F06", f"no sheet {sheet!r} in the workbook", f"It has: {some(names)}")
        return None
    if PUBLISHED_SHEET in names:
        return PUBLISHED_SHEET
    if len(names) == 1:
        return names[0]
    findings.error(
        "F06", f"{len(names)} sheets and none called {PUBLISHED_SHEET!r}", f"Choose one of: {some(names)}"
    )
    return None


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and math.isnan(value):
        return ERROR_CELL
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return str(value)
