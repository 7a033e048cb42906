"""From an .xlsx workbook to cells of text with the sheet's own row numbers, streamed and bounded."""

from __future__ import annotations

import datetime
import io
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

from avatar_trials.intake.cells import Cells, within_columns, without_empty_columns
from avatar_trials.intake.files import MAX_BYTES
from avatar_trials.intake.findings import Findings, some

PUBLISHED_SHEET = "PCT raw data"
MAX_SHARED_TEXT = 200_000_000
MAX_CELLS = 20_000_000


def workbook_cells(raw: bytes, sheet: str | None, findings: Findings) -> Cells | None:
    """One sheet of an .xlsx workbook: `sheet`, else the published `PCT raw data`, else the only one.

    Only what is filled is kept: a stray cell in the last row or column of a sheet costs no memory.
    """
    import openpyxl

    try:
        if not _bounded(raw, findings):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and validation rules, which are not read
            book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
            name = _sheet_name([page.title for page in book.worksheets], sheet, findings)
            if name is None:
                return None
            return _table(book[name], name, findings)
    except Exception as reason:  # noqa: BLE001 - openpyxl raises anything on a damaged archive
        kind = type(reason).__name__
        findings.error(
            "F05", f"the workbook cannot be read ({kind}: {reason})", "Save it again, or save it as CSV UTF-8"
        )
        return None


def _bounded(raw: bytes, findings: Findings) -> bool:
    """Whether the archive unpacks to what memory holds, by its own directory, which reading holds it to."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = archive.infolist()
    text = sum(member.file_size for member in members if "sharedstrings" in member.filename.casefold())
    for size, limit, noun in (
        (sum(member.file_size for member in members), MAX_BYTES, "the workbook unpacks"),
        (text, MAX_SHARED_TEXT, "the workbook's text unpacks"),
    ):
        if size > limit:
            findings.error("F73", f"{noun} to more than {limit:,} bytes", "Save its sheet as CSV UTF-8")
            return False
    return True


def _table(sheet: Any, name: str, findings: Findings) -> Cells | None:
    header: list[str] = []
    header_line = 0
    rows: list[list[str]] = []
    lines: list[int] = []
    for number, row in _filled_rows(sheet):
        if not header:
            header, header_line = row, number
            if not within_columns(header, number, findings):
                return None
            continue
        if len(row) > len(header):
            place = next(index for index in range(len(header), len(row)) if row[index].strip())
            what = f"column {place + 1} has values and no name"
            findings.error("C61", what, "Name it in the header or empty it", line=number)
            return None
        if (len(rows) + 1) * len(header) > MAX_CELLS:
            findings.error("F73", f"more than {MAX_CELLS:,} cells", "Split the table", line=number)
            return None
        rows.append(row + [""] * (len(header) - len(row)))
        lines.append(number)
    if not header:
        findings.error("C05", f"sheet {name!r} is empty", "Name the sheet that holds the volumes")
        return None
    return without_empty_columns(Cells(header, header_line, rows, lines, []), findings)


def _filled_rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, each up to its last filled cell, with their numbers from 1."""
    sheet.reset_dimensions()  # what a sheet says of its own size is often wrong
    for number, cells in enumerate(sheet.rows, start=1):
        row = [_cell_text(cell.value) for cell in cells]
        while row and not row[-1].strip():
            row.pop()
        if row:
            yield number, row


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
    """A cell as CSV would have it: whole numbers without a point, dates in ISO form, errors as `#DIV/0!`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    return str(value)
