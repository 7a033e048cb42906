"""Tables of the report as rows of shown text, and the readout as text for a terminal."""

from __future__ import annotations

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from avatar_trials.report.readings import (
    COUNTED,
    FURTHER,
    MAIN,
    Miss,
    Quantity,
    Reading,
    compare,
    inside,
    read,
)
from avatar_trials.report.text import MINUS, NOT_REACHED, NOTHING, clean, percent

ARM_WIDTH = 22
SHORT_NOT_REACHED = "NR"
PART = "; "
COMMON_SHARE = 0.75


@dataclass(frozen=True)
class Cell:
    """Shown text and what follows it; `note` is the number of its footnote; `outside` marks a miss."""

    text: str
    aside: str = ""
    note: int | None = None
    outside: bool = False


@dataclass
class Footnotes:
    """Method texts, numbered in order of first use, equal ones once; `common` is what most of them say."""

    common: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @classmethod
    def on(cls, texts: Iterable[str]) -> Footnotes:
        """Footnotes for the methods of a table's rows."""
        methods = [str(text).split(PART) for text in texts]
        tally = Counter(part for method in methods for part in set(method))
        parts = dict.fromkeys(part for method in methods for part in method)
        return cls([part for part in parts if part and tally[part] >= COMMON_SHARE * len(methods)])

    def number(self, method: str) -> int | None:
        """The number of the footnote that holds what a method has beyond the common part; None if nothing."""
        text = PART.join(part for part in method.split(PART) if part and part not in self.common)
        if not text:
            return None
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


@dataclass(frozen=True)
class ReadoutRow:
    """Emulated or observed values of one arm."""

    arm: str
    observed: bool
    n: str
    n_censored: str
    cells: list[Cell]


def readout_rows(
    emulated: pd.DataFrame,
    observed: pd.DataFrame | None,
    arms: Sequence[str],
    quantities: Mapping[str, Quantity],
    notes: Footnotes,
) -> list[ReadoutRow]:
    """Two rows an arm, emulated then observed; one if nothing was observed at all."""
    rows = []
    for arm in arms:
        ours = [read(emulated, arm, endpoint) for endpoint in quantities]
        theirs = [read(observed, arm, endpoint) for endpoint in quantities]
        shown = list(zip(quantities.values(), ours, strict=True))
        rows.append(ReadoutRow(arm, False, *_counts(ours), [_cell(q, x, notes) for q, x in shown]))
        if observed is not None:
            cells = [
                _cell(q, x, notes, outside=inside(o, x) is False)
                for q, o, x in zip(quantities.values(), ours, theirs, strict=True)
            ]
            rows.append(ReadoutRow(arm, True, *_counts(theirs), cells))
    return rows


def misses(
    emulated: pd.DataFrame, observed: pd.DataFrame | None, arms: Sequence[str]
) -> tuple[str, list[str]]:
    """How many of the counted observed values lie inside their emulated intervals, in a sentence; those outside.

    ("", []) if nothing was observed.
    """
    if observed is None:
        return "", []
    compared, outside = compare(emulated, observed, arms, COUNTED)
    if not compared:
        return "No observed value could be compared with an emulated interval.", []
    which = f"{compared} observed values compared (ORR, DCR, median depth, median time to doubling)"
    if not outside:
        return f"All {which} lie inside their emulated intervals.", []
    verb = "lies" if len(outside) == 1 else "lie"
    sentence = f"Of {which}, {len(outside)} {verb} outside the emulated interval:"
    return sentence, [_told(miss, MAIN[miss.endpoint]) for miss in outside]


def further_misses(
    emulated: pd.DataFrame, observed: pd.DataFrame | None, arms: Sequence[str]
) -> tuple[str, list[str]]:
    """The same for the further endpoints; the sentence is "" if none is outside."""
    outside = compare(emulated, observed, arms, list(FURTHER))[1]
    told = [_told(miss, FURTHER[miss.endpoint]) for miss in outside]
    return ("Outside their emulated intervals:" if told else ""), told


def format_readout(
    emulated: pd.DataFrame, observed: pd.DataFrame | None = None, *, arms: Sequence[str] | None = None
) -> str:
    """The readout as aligned plain text: ORR, DCR, depth of response and time to doubling of each arm.

    `emulated` and `observed` have the columns of `endpoints.READOUT_COLUMNS`; the observed values stand below the
    emulated ones of their arm, with * where they lie outside the emulated interval; NR: not reached. `arms` chooses
    and orders the arms; by default those of `emulated`. Fits 100 columns.
    """
    chosen = list(dict.fromkeys(emulated["arm"])) if arms is None else list(arms)
    levels = sorted({percent(level) for level in emulated["level"]})
    header = ["arm", "", "ORR", "DCR", "depth, volume", "time to doubling"]
    lines: list[list[str]] = [header]
    for arm in chosen:
        ours = [read(emulated, arm, endpoint) for endpoint in COUNTED]
        block = [["emulated", *(_plain(MAIN[e], x) for e, x in zip(COUNTED, ours, strict=True))]]
        if observed is not None:
            theirs = [read(observed, arm, endpoint) for endpoint in COUNTED]
            pairs = zip(COUNTED, ours, theirs, strict=True)
            block.append(
                ["observed", *(_plain(MAIN[e], x) + " *" * (inside(o, x) is False) for e, o, x in pairs)]
            )
        name = textwrap.wrap(clean(arm), ARM_WIDTH) or [""]
        for i in range(max(len(name), len(block))):
            rest = block[i] if i < len(block) else [""] * (len(header) - 1)
            lines.append([name[i] if i < len(name) else "", *rest])
    widths = [max(_width(line[i]) for line in lines) for i in range(len(header))]
    rule = ["-" * width for width in widths]
    table = [_aligned(line, widths) for line in [header, rule, *lines[1:]]]
    foot = [
        f"Estimate [{' or '.join(levels)} interval]; depth: median of mice; doubling: Kaplan–Meier median."
    ]
    if any(SHORT_NOT_REACHED in line for line in table):
        foot[0] += f" {SHORT_NOT_REACHED}: {NOT_REACHED}."
    if observed is not None:
        sentence, outside = misses(emulated, observed, chosen)
        foot.append(f"* outside the emulated interval. {sentence} {'; '.join(outside)}".rstrip())
    lines_below = [line for text in foot for line in textwrap.wrap(clean(text), 100)]
    # Not every terminal has a minus sign of its own.
    return "\n".join([*table, *lines_below]).replace(MINUS, "-").replace(NOTHING, "-")


def _told(miss: Miss, quantity: Quantity) -> str:
    if quantity.show(miss.observed.estimate, unit=False) in miss.emulated.interval(quantity):
        # Rounded alike, the value would seem to lie on the limit that it is beyond.
        quantity = replace(quantity, digits=quantity.digits + 1)
    return (
        f"{quantity.label} of {miss.arm} (observed {quantity.show(miss.observed.estimate)}, "
        f"emulated {miss.emulated.show(quantity)})"
    )


def _cell(quantity: Quantity, reading: Reading | None, notes: Footnotes, *, outside: bool = False) -> Cell:
    if reading is None:
        return Cell(NOTHING)
    aside = f"to day {float(reading.horizon):.4g}" if reading.horizon else ""
    return Cell(reading.show(quantity), aside, notes.number(reading.method), outside)


def _counts(readings: Iterable[Reading | None]) -> tuple[str, str]:
    """Mice (a range, as not all need be evaluable), and mice censored before doubling."""
    known = [reading for reading in readings if reading is not None]
    mice = sorted({reading.n for reading in known if reading.n is not None})
    censored = [reading.n_censored for reading in known if reading.n_censored is not None]
    few_to_many = " to ".join(str(n) for n in dict.fromkeys([mice[0], mice[-1]])) if mice else NOTHING
    return few_to_many, str(censored[0]) if censored else NOTHING


def _plain(quantity: Quantity, reading: Reading | None) -> str:
    return NOTHING if reading is None else reading.show(quantity).replace(NOT_REACHED, SHORT_NOT_REACHED)


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        cell + " " * (width - _width(cell)) for cell, width in zip(cells, widths, strict=True)
    ).rstrip()
