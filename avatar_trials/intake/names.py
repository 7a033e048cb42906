"""Cells that hold a name (avatar, mouse, arm, tumour type): text, in one spelling, never merged in silence."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from avatar_trials.arms import UNTREATED, canonical_arm, drugs_of
from avatar_trials.drug_names import drug_key
from avatar_trials.intake.cells import unguard
from avatar_trials.intake.findings import Findings, count, some
from avatar_trials.intake.look_alikes import tell_look_alikes
from avatar_trials.intake.numbers import SPREADSHEET_ERROR

INVISIBLE = dict.fromkeys(
    map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u202a\u202b\u202c\u202d\u202e")
)
CONVERTED_DATE = re.compile(
    r"[0-9]{1,2}-(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|[0-9]{4}-[0-9]{2}-[0-9]{2} 00:00:00",
    re.IGNORECASE,
)
LIKELY_CONTROLS = ("control", "vehicle", "placebo", "none", "pbs", "saline", "ctrl", "no treatment")
ALIKE = 0.88
JOINED = re.compile(r"[&;]|\s(?:and|plus)\s")
BETWEEN_DRUGS = re.compile(r"[\s&/,;]+(?:(?:and|plus|with)\s+)?")


def read_names(
    texts: Sequence[str], lines: Sequence[int], column: str, findings: Findings, *, may_be_empty: bool = False
) -> list[str]:
    """One name a cell: outer spaces, invisible characters and stray quotation marks removed, Unicode NFC.

    `""` where an error was recorded, or where the cell is empty and may be.
    """
    cleaned = {text: _clean(text) for text in dict.fromkeys(texts)}
    first = _first_lines(texts, lines)
    tally = Counter(texts)
    empty = [text for text, name in cleaned.items() if not name]
    if empty and not may_be_empty:
        at = [line for text, line in zip(texts, lines, strict=True) if not cleaned[text]]
        for line in at:
            findings.error("M01", f"the {column} is empty", "Fill it in", line=line, column=column)
    changed: dict[str, list[str]] = defaultdict(list)
    for text, name in cleaned.items():
        if '"' in text and name:
            changed["quote"].append(text)
        elif name and text.strip() != name and unguard(text) != name:
            changed["spelling"].append(text)
        broken = [char for char in name if unicodedata.category(char) in ("Cc", "Cs")]
        if broken:
            what = f"{text!r} holds the character U+{ord(broken[0]):04X}"
            findings.error(
                "C65",
                what,
                "Write the name on one line, in printable characters",
                line=first[text],
                column=column,
            )
            cleaned[text] = ""
        if SPREADSHEET_ERROR.fullmatch(name):
            cleaned[text] = ""
            what = f"{name!r} is a spreadsheet error value"
            if may_be_empty:
                findings.warning("V06", f"{what}, read as empty", line=first[text], column=column)
            else:
                findings.error("V06", what, "Write the name", line=first[text], column=column)
        if CONVERTED_DATE.fullmatch(name):
            what = f"{name!r} looks like a name that a spreadsheet turned into a date"
            findings.warning(
                "M05", what, "Compare it with the original list", line=first[text], column=column
            )
        scripts = _scripts(name)
        if len(scripts) > 1:
            odd = next(char for char in name if char.isalpha() and ord(char) > 127)
            what = f"{name!r} mixes {' and '.join(scripts)} letters (U+{ord(odd):04X})"
            findings.warning(
                "M43", what, "Two names that look alike may differ", line=first[text], column=column
            )
    for kind, told in (
        ("quote", "a stray quotation mark was removed from"),
        ("spelling", "inner spaces or invisible characters were made regular in"),
    ):
        if changed[kind]:
            cells = sum(tally[text] for text in changed[kind])
            what = f"{told} {count(cells, 'cell')}: {some(cleaned[text] for text in changed[kind])}"
            code = "D03" if kind == "quote" else "M42"
            findings.note(code, what, line=min(first[text] for text in changed[kind]), column=column)
    return [cleaned[text] for text in texts]


def refuse_case_clashes(names: Sequence[str], lines: Sequence[int], column: str, findings: Findings) -> None:
    """`X-1004` and `x-1004` are one avatar or a typing error: the user must say."""
    first = _first_lines(names, lines)
    folded: dict[str, list[str]] = defaultdict(list)
    for name in first:
        folded[name.casefold()].append(name)
    for spellings in folded.values():
        if len(spellings) > 1:
            places = " and ".join(f"{name!r} (line {first[name]})" for name in spellings)
            findings.error(
                "M42",
                f"{places} differ only in case",
                "Write one spelling",
                line=first[spellings[1]],
                column=column,
            )


def one_spelling(
    names: Sequence[str], lines: Sequence[int], column: str, code: str, findings: Findings
) -> dict[str, str]:
    """Every name to the commonest of the spellings that differ from it only in case, with a note."""
    spelling = commonest_spelling(names)
    told = respelled(spelling)
    if told:
        findings.note(code, told, column=column)
    return spelling


def commonest_spelling(names: Iterable[str], key: Callable[[str], str] = str.casefold) -> dict[str, str]:
    """Every name to the commonest, of equals the first, of the names of the same `key`: that differ only in case."""
    tally = Counter(name for name in names if name)
    preferred: dict[str, str] = {}
    for name, _ in tally.most_common():
        preferred.setdefault(key(name), name)
    return {name: preferred[key(name)] for name in tally}


def one_name(drugs: Sequence[str], column: str, findings: Findings) -> dict[str, str]:
    """Every drug, in one spelling each, to the commonest of its names (`drug_names`), with a note."""
    names = commonest_spelling(drugs, drug_key)
    changed = [f"{name!r} as {kept!r}" for name, kept in names.items() if name != kept]
    if changed:
        findings.note("D50", f"names of one drug read as one: {some(changed)}", column=column)
    return names


def respelled(spelling: dict[str, str]) -> str:
    """What a spelling changes, in words; empty where it changes nothing."""
    changed = [f"{name!r} as {kept!r}" for name, kept in spelling.items() if name != kept]
    return f"names that differ only in case read as one: {some(changed)}" if changed else ""


def read_arms(texts: Sequence[str], lines: Sequence[int], column: str, findings: Findings) -> list[str]:
    """Canonical arms; `""` where the cell is no arm (an error was recorded)."""
    names = read_names(texts, lines, column, findings)
    first = _first_lines(names, lines)
    drugs: dict[str, tuple[str, ...]] = {}
    for name in first:
        if not name:
            continue
        try:
            drugs[name] = drugs_of(name)
        except ValueError as reason:
            findings.error(
                "D53", str(reason), "Write drug names joined by +", line=first[name], column=column
            )
    drug_cells = [drug for name in names for drug in drugs.get(name, ())]
    spelling = one_spelling(drug_cells, lines, column, "D50", findings)
    called = one_name([spelling[drug] for drug in drug_cells], column, findings)
    parts = [(drug, first[name]) for name in drugs for drug in drugs[name]]
    tell_look_alikes([drug for drug, _ in parts], [line for _, line in parts], column, findings)
    arms: dict[str, str] = {}
    for name in drugs:
        own = [called[spelling[drug]] for drug in drugs[name]]
        if len(set(own)) < len(own):
            what = f"arm {name!r} names one drug twice: {some(drugs[name])}"
            findings.error("D53", what, "Name it once", line=first[name], column=column)
        else:
            arms[name] = canonical_arm(" + ".join(own) or UNTREATED)
    reordered = [f"{name!r} as {arm!r}" for name, arm in arms.items() if _order(name) != _order(arm)]
    if reordered:
        what = (
            f"{count(len(reordered), 'arm')} written with the drugs in alphabetical order: {some(reordered)}"
        )
        findings.note("D50", what, column=column)
    _warn_of_doubtful_arms(arms, first, column, findings)
    return [arms.get(name, "") for name in names]


def _warn_of_doubtful_arms(
    arms: dict[str, str], first: dict[str, int], column: str, findings: Findings
) -> None:
    """A lost plus sign, a misspelt drug, a control arm by another name: accepted as they stand, and said."""
    drugs = sorted({drug for arm in arms.values() for drug in drugs_of(arm)}, key=str.casefold)
    folded = {drug.casefold(): drug for drug in drugs}
    line_of = {
        drug: min(first[name] for name, arm in arms.items() if drug in drugs_of(arm)) for drug in drugs
    }
    for drug in drugs:
        words = BETWEEN_DRUGS.split(drug.casefold())
        known = len(set(words)) > 1 and all(word in folded for word in words)
        if known or JOINED.search(drug.casefold()):
            meant = (
                repr(canonical_arm(" + ".join(folded[word] for word in dict.fromkeys(words))))
                if known
                else ""
            )
            fix = f"Did you mean {meant}?" if known else "Drugs of a combination are joined by +"
            what = f"{drug!r} is read as one drug"
            findings.warning("D02", what, fix, line=line_of[drug], column=column)
    plain = [drug for drug in drugs if len(drug) >= 7]
    for index, drug in enumerate(plain):
        for other in plain[index + 1 :]:
            if _digits(drug) == _digits(other) and _alike(drug.casefold(), other.casefold()):
                what = f"drugs {drug!r} and {other!r} are spelled nearly alike"
                findings.warning(
                    "D54", what, "Correct one if they are one drug", line=line_of[other], column=column
                )
    if UNTREATED not in arms.values():
        control = next((arm for arm in arms.values() if arm.casefold() in LIKELY_CONTROLS), None)
        fix = f"If {control!r} is the untreated arm, call it {UNTREATED!r}" if control else ""
        findings.warning(
            "D55",
            f"no arm is called {UNTREATED!r}: growth without treatment cannot be learnt",
            fix,
            column=column,
        )


def _clean(text: str) -> str:
    bare = unguard(text.strip()).translate(INVISIBLE).replace('"', "")
    return unicodedata.normalize("NFC", re.sub(r"[^\S\n\r\t]+", " ", bare).strip())


def _first_lines(names: Sequence[str], lines: Sequence[int]) -> dict[str, int]:
    first: dict[str, int] = {}
    for name, line in zip(names, lines, strict=True):
        first.setdefault(name, line)
    return first


def _scripts(name: str) -> list[str]:
    if name.isascii():
        return []
    known = ("LATIN", "CYRILLIC", "GREEK")
    found = {unicodedata.name(char, "").split(" ")[0] for char in name if char.isalpha()}
    return [script.capitalize() for script in known if script in found]


def _order(arm: str) -> list[str]:
    return [" ".join(part.split()).casefold() for part in arm.split("+")]


def _digits(drug: str) -> str:
    return "".join(char for char in drug if char.isdigit())


def _alike(one: str, other: str) -> bool:
    matcher = difflib.SequenceMatcher(None, one, other)
    return matcher.real_quick_ratio() >= ALIKE and matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE
