"""Cells that must hold a number: what is one, and what exactly is wrong with one that is not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.intake.findings import Findings, count, some

LARGEST_VOLUME_MM3 = 20_000.0  # the weight of a mouse, about 20 g
LARGEST_DAY = 730.0  # two years, a laboratory mouse's life
LARGEST_BODY_WEIGHT_G = 100.0

DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:[,'\u2019\s][0-9]{3})+(?:\.[0-9]*)?")
DECIMAL_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")
BELOW_MARK = re.compile(r"[<\u2264]\s*[0-9.]+|nd|n\.d\.|blq|bloq|bdl|lod|lloq|not detected", re.IGNORECASE)
SPREADSHEET_ERROR = re.compile(
    r"#(?:DIV/0!|REF!|N/A|NAME\?|NULL!|NUM!|VALUE!|SPILL!|CALC!|\s*#*)", re.IGNORECASE
)
NOT_FINITE = re.compile(r"[+-]?(?:inf|infinity|nan)", re.IGNORECASE)
DATE = re.compile(
    r"[0-9]{1,4}([-/.])[0-9]{1,2}\1[0-9]{1,4}(?:[ T].*)?|[0-9]{1,2}[-\s][a-z]{3,}(?:[-\s][0-9]{2,4})?",
    re.IGNORECASE,
)
LABELLED_DAY = re.compile(
    r"(?:d|day|t|w|wk|week|visit)\s*([0-9]+)|([0-9]+)\s*(?:d|days?|w|wks?|weeks?|h)", re.IGNORECASE
)
WITH_UNIT = re.compile(
    r"([+-]?[0-9.]+)\s*(?:mm\^?3|mm\u00b3|cm\^?3|cm\u00b3|cc|ml|g|mg|\u00b5l|ul)", re.IGNORECASE
)


@dataclass(frozen=True)
class Quantity:
    """One kind of number: its limits, and what an empty cell means."""

    noun: str
    lowest: float
    highest: float
    below_code: str
    above_code: str
    above: str
    unit: str
    needed: bool = True


VOLUME = Quantity("volume", 0.0, LARGEST_VOLUME_MM3, "V03", "V19", "exceeds the weight of a mouse", "mm3")
DAY = Quantity(
    "day", -LARGEST_DAY, LARGEST_DAY, "T06", "T06", "is longer than a mouse lives; hours, or a date?", "days"
)
BODY_WEIGHT = Quantity(
    "body weight", 0.0, LARGEST_BODY_WEIGHT_G, "G03", "G19", "is no mouse's", "g", needed=False
)


@dataclass(frozen=True)
class _Judged:
    value: float
    code: str = ""
    what: str = ""
    fix: str = ""


def read_numbers(
    texts: Sequence[str], lines: Sequence[int], column: str, quantity: Quantity, findings: Findings
) -> NDArray[np.float64]:
    """One float a cell, NaN where an error was recorded (or the cell may be empty and is).

    Every bad cell of a needed quantity is an error of its own; bad cells of another are left empty, with one
    warning. A number is ASCII digits with a decimal point: nothing is guessed.
    """
    judged = {text: _judge(text, quantity) for text in dict.fromkeys(texts)}
    bad = [(judged[text], line) for text, line in zip(texts, lines, strict=True) if judged[text].code]
    if quantity.needed:
        for verdict, line in bad:
            findings.error(verdict.code, verdict.what, verdict.fix, line=line, column=column)
    elif bad:
        cells = count(len(bad), f"{quantity.noun} is", f"{quantity.noun}s are")
        told = some(f"{verdict.what} (line {line})" for verdict, line in bad)
        findings.warning("G01", f"{cells} not usable and left empty: {told}", line=bad[0][1], column=column)
    return np.array([judged[text].value for text in texts], dtype=np.float64)


def _judge(raw: str, quantity: Quantity) -> _Judged:
    text = raw.strip()
    nan = float("nan")
    if not text:
        if not quantity.needed:
            return _Judged(nan)
        what = f"the {quantity.noun} is empty"
        fix = "Delete the row if the mouse was not measured that day" if quantity is VOLUME else "Fill it in"
        return _Judged(nan, "T01" if quantity is DAY else "V01", what, fix)
    if not DECIMAL.fullmatch(text):
        code, what, fix = _not_a_number(text, quantity)
        return _Judged(nan, code, what, fix)
    value = float(text)
    shown = f"{text if len(text) <= 30 else text[:27] + '...'} {quantity.unit}"
    if value in (float("inf"), float("-inf")):
        code = "T06" if quantity is DAY else "V04"
        return _Judged(nan, code, f"{shown} is too large to be a number", f"Write the {quantity.noun}")
    if value < quantity.lowest:
        what = "is far before the treatment" if quantity is DAY else "is negative"
        return _Judged(nan, quantity.below_code, f"{shown} {what}", f"Write the {quantity.noun} as measured")
    if value > quantity.highest:
        limit = f"{quantity.highest:,.0f} {quantity.unit}"
        return _Judged(nan, quantity.above_code, f"{shown} {quantity.above}", f"At most {limit} is accepted")
    return _Judged(value)


def _not_a_number(text: str, quantity: Quantity) -> tuple[str, str, str]:
    """Code, finding and remedy for a cell that is no plain decimal number; the most telling pattern first."""
    shown = repr(text if len(text) <= 40 else text[:37] + "...")
    if NOT_FINITE.fullmatch(text):
        return (
            "V04",
            f"{shown} is not a finite number",
            "Write the number, or delete the row if nothing was measured",
        )
    if SPREADSHEET_ERROR.fullmatch(text):
        return "V06", f"{shown} is a spreadsheet error value", "Repair the formula, or delete the row"
    odd = next(
        (char for char in text if ord(char) > 127 and (char.isdigit() or char in "\u2212\u2012\u2013\u2014")),
        None,
    )
    if odd is not None:
        return (
            "V13",
            f"{shown} has the character U+{ord(odd):04X}",
            "Write ASCII digits and the minus of the keyboard",
        )
    if quantity is DAY:
        if DATE.fullmatch(text):
            return "T02", f"{shown} is a calendar date", "Write days since the start of treatment"
        labelled = LABELLED_DAY.fullmatch(text)
        if labelled:
            week = "w" in text.casefold()
            what = f"{shown} is {'weeks' if week else 'a label'}, not a number of days"
            return "T01", what, f"Write {(labelled[1] or labelled[2]) if not week else 'days'}"
    if THOUSANDS.fullmatch(text):
        return (
            "V09",
            f"{shown} has a thousands mark, or a decimal comma",
            "Write digits and a decimal point only",
        )
    if DECIMAL_COMMA.fullmatch(text):
        return "V07", f"{shown} has a decimal comma", f"Write {text.replace(',', '.')}"
    if BELOW_MARK.fullmatch(text):
        fix = "Write 0 for a tumour that was looked for and not measurable"
        return "V05", f"{shown} is a mark, not a {quantity.noun}", fix
    unit = WITH_UNIT.fullmatch(text)
    if unit:
        return "V08", f"{shown} carries a unit", f"Write the number alone, in {quantity.unit}"
    return "V12", f"{shown} is not a decimal number", f"Write the {quantity.noun} in {quantity.unit}"
