"""Cards as files: TOML read into frozen objects, every problem told at once with its line."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import re
import reprlib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic

from avatar_trials.benchmark_cards import Benchmark
from avatar_trials.designs import TrialDesign
from avatar_trials.interaction_cards import InteractionCard
from avatar_trials.library import find_card, known
from avatar_trials.model_cards import ModelCard, inherit
from avatar_trials.problems import InputError, Problem
from avatar_trials.strategy_designs import StrategyDesign

SCHEMA_VERSION = 1
MAX_CARD_BYTES = 1 << 20
MAX_NESTING = 50


def load_model(name_or_path: str | Path, *, beside: Path | None = None, confined: bool = False) -> ModelCard:
    """Read a model card by name or path, with what it extends. Raises InputError with every problem and its line.

    `beside`, `confined`: as `library.find_card` has them.
    """
    shown = str(name_or_path)
    path = find_card("models", name_or_path, beside=beside, confined=confined)
    content, raw, text = _with_inherited(path, shown)
    return _validated(ModelCard, content, raw, text, shown)


def load_design(name_or_path: str | Path) -> TrialDesign:
    """Read a trial design by name or path. Raises InputError with every problem and its line."""
    shown = str(name_or_path)
    content, raw, text = _read(find_card("trial_designs", name_or_path), shown)
    if "strategies" in content:
        what = "this design compares strategies and has no arms to calibrate or emulate"
        raise InputError(
            Problem("D94", "error", what, f"Run: avatar-trials compare-strategies {shown}", shown)
        )
    return _validated(TrialDesign, content, raw, text, shown)


def load_varied(name_or_path: str | Path, variations: Sequence[Mapping[str, Any]]) -> list[TrialDesign]:
    """A trial design with other values in some places: one design for each of `variations`, dotted key -> value.

    Raises InputError with every problem of the design as it stands, or of all the varied ones.
    """
    base = load_design(name_or_path)
    shown = str(name_or_path)
    content, raw, _ = _read(find_card("trial_designs", name_or_path), shown)
    made: list[TrialDesign] = []
    problems: dict[str, Problem] = {}
    for changes in variations:
        if not changes:
            made.append(base)
            continue
        try:
            varied = copy.deepcopy(content)
            for key, value in changes.items():
                _set(varied, key, value)
            told = json.dumps(dict(changes), sort_keys=True, default=str)
            made.append(_validated(TrialDesign, varied, raw + told.encode(), "", shown))
        except InputError as refused:
            problems |= {str(problem): problem for problem in refused.problems}
    if problems:
        raise InputError(problems.values())
    return made


def _set(content: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        content = content.setdefault(part, {}) if isinstance(content, dict) else content
    if not isinstance(content, dict) or not all([*path, last]):
        raise InputError(
            Problem(
                "O05",
                "error",
                f"{key!r} is no place of a design",
                "Name a key, as cohort.n_avatars",
                column=key,
            )
        )
    content[last] = value


def load_strategies(name_or_path: str | Path) -> StrategyDesign:
    """Read a design that compares strategies by name or path. Raises InputError with every problem and its line."""
    shown = str(name_or_path)
    content, raw, text = _read(find_card("trial_designs", name_or_path), shown)
    if "strategies" not in content:
        what = "this design has no [[strategies]]"
        known_ones = ", ".join(name for name in known("trial_designs") if compares_strategies(name))
        raise InputError(Problem("D95", "error", what, f"Designs that have: {known_ones}", shown))
    return _validated(StrategyDesign, content, raw, text, shown)


def compares_strategies(name_or_path: str | Path) -> bool:
    """Whether a trial design compares strategies. Raises InputError for what is no card."""
    return "strategies" in _read(find_card("trial_designs", name_or_path), str(name_or_path))[0]


def load_interactions(name_or_path: str | Path) -> InteractionCard:
    """Read an interaction card by name or path. Raises InputError with every problem and its line."""
    shown = str(name_or_path)
    content, raw, text = _read(find_card("interactions", name_or_path), shown)
    return _validated(InteractionCard, content, raw, text, shown)


def load_benchmark(name_or_path: str | Path) -> Benchmark:
    """Read a benchmark card by name or path. Raises InputError with every problem and its line."""
    shown = str(name_or_path)
    content, raw, text = _read(find_card("benchmarks", name_or_path), shown)
    return _validated(Benchmark, content, raw, text, shown)


def _read(path: Path, shown: str) -> tuple[dict[str, Any], bytes, str]:
    """A card's content, bytes and text; InputError for what is no card of this schema."""
    raw = _bytes(path, shown)
    try:
        text = raw.decode("utf-8-sig")
        # Asked before parsing: another library may have raised the recursion limit that would tell.
        if _nesting(text) > MAX_NESTING:
            raise RecursionError
        content = tomllib.loads(text)
    except UnicodeDecodeError:
        raise InputError(Problem("F01", "error", "not UTF-8 text", "Save it as UTF-8", shown)) from None
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"at line (\d+)", str(error))
        what = re.sub(r"\s*\(at .*\)", "", str(error))
        raise InputError(
            Problem("F08", "error", f"not TOML: {what}", "", shown, int(place[1]) if place else None)
        ) from None
    except RecursionError:
        raise InputError(Problem("F09", "error", "nested too deep", "Flatten the tables", shown)) from None
    except ValueError:
        raise InputError(Problem("F08", "error", "a number of thousands of digits", "", shown)) from None
    version = content.get("schema_version")
    if type(version) is not int or version != SCHEMA_VERSION:
        what = f"schema_version is {_shown(version)}; this version reads {SCHEMA_VERSION}"
        line = _line(text, ("schema_version",))
        raise InputError(Problem("F96", "error", what, "Write schema_version = 1", shown, line))
    return content, raw, text


def _bytes(path: Path, shown: str) -> bytes:
    """A card's bytes, no more of them than a card has."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CARD_BYTES + 1)
    except OSError as reason:
        what = f"the file cannot be read ({reason.strerror or reason})"
        raise InputError(Problem("F10", "error", what, "Check its permissions", shown)) from None
    if len(raw) > MAX_CARD_BYTES:
        what = f"more than {MAX_CARD_BYTES:,} bytes: too long for a card"
        raise InputError(Problem("F11", "error", what, file=shown))
    return raw


def _with_inherited(
    path: Path, shown: str, heirs: tuple[Path, ...] = ()
) -> tuple[dict[str, Any], bytes, str]:
    """A model card's content with what it takes from the library's card that it extends, and of both the bytes."""
    content, raw, text = _read(path, shown)
    if "extends" not in content:
        return content, raw, text
    name, line = content["extends"], _line(text, ("extends",))
    if not isinstance(name, str) or name not in known("models"):
        what = f"extends {_shown(name)}: no model card of this name in the library"
        remedy = f"Known names: {', '.join(known('models'))}"
        raise InputError(Problem("D81", "error", what, remedy, shown, line, "extends"))
    ancestor = find_card("models", name)
    if ancestor in (*heirs, path.resolve()):
        what = f"extends {name!r}, which extends this card"
        raise InputError(
            Problem("D82", "error", what, "Write one of them out in full", shown, line, "extends")
        )
    inherited, above, _ = _with_inherited(ancestor, name, (*heirs, path.resolve()))
    return inherit(inherited, content), above + raw, text


def _validated[CardType: (ModelCard, TrialDesign, InteractionCard, StrategyDesign, Benchmark)](
    kind: type[CardType], content: dict[str, Any], raw: bytes, text: str, shown: str
) -> CardType:
    if "sha256" in content:
        line = _line(text, ("sha256",))
        raise InputError(Problem("D80", "error", "unknown key sha256", "Delete it", shown, line))
    try:
        return kind.model_validate({**content, "sha256": hashlib.sha256(raw).hexdigest()})
    except pydantic.ValidationError as error:
        raise InputError([_problem(item, text, shown) for item in error.errors()]) from None


def _problem(item: Any, text: str, shown: str) -> Problem:
    place = tuple(str(part) for part in item["loc"])
    message = item["msg"].removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        message = f"unknown key {place[-1]}"
    elif item["type"] == "missing":
        message = "is missing"
    elif not isinstance(item["input"], dict | list | tuple):
        message = f"{message}, got {_shown(item['input'])}"
    return Problem("D78", "error", message, "", shown, _line(text, place), ".".join(place))


def _shown(value: Any) -> str:
    """A value as a message shows it: a hundred characters at most. Python writes no number of thousands of digits."""
    if type(value) is int and abs(value) >= 10**100:
        return "a whole number of more than a hundred digits"
    return reprlib.Repr(maxstring=100, maxother=100, maxlong=100).repr(value)


def _line(text: str, place: tuple[str, ...]) -> int | None:
    """The line of a key; for a missing one, of the innermost table around it that has a header."""
    lines = text.split("\n")
    headers = []
    for number, line in enumerate(lines):
        if match := re.match(r"\s*\[\[?([^\[\],=]+)\]\]?\s*(#.*)?$", line):
            headers.append((number, [part.strip(" \"'\t") for part in match[1].split(".")]))
    found, inside, path = None, -1, list[str]()
    for part in place:
        same = [number for number, header in headers if header == path]
        if part.isdigit() and int(part) < len(same) > 0:
            found = inside = same[int(part)]
            continue
        path.append(part)
        table = next((number for number, header in headers if header == path and number > inside), None)
        if table is not None:
            found = inside = table
            continue
        end = next((number for number, _ in headers if number > inside), len(lines))
        key = re.compile(rf"""\s*["']?{re.escape(part)}["']?\s*[.=]""")
        found = next((number for number in range(inside + 1, end) if key.match(lines[number])), found)
    return None if found is None else found + 1


def check_card(path: str | Path) -> list[Problem]:
    """Problems of a card file of any kind; never raises for what the file holds."""
    try:
        text = _bytes(find_card("trial_designs", path), str(path)).decode("utf-8", "replace")
        if re.search(r"^\s*(kinetics|extends)\s*=", text, re.MULTILINE):
            load_model(path)
        elif re.search(r"^\s*\[pathways\]", text, re.MULTILINE):
            load_interactions(path)
        elif re.search(r"^\s*(\[\[strategies\]\]|strategies\s*=)", text, re.MULTILINE):
            load_strategies(path)
        elif re.search(r"^\s*citation\s*=", text, re.MULTILINE):
            load_benchmark(path)
        else:
            return doubts_of(load_design(path), path)
    except InputError as error:
        return list(error.problems)
    return []


def doubts_of(design: TrialDesign, name_or_path: str | Path) -> list[Problem]:
    """Warnings about a design that can be used, with their lines."""
    shown = str(name_or_path)
    text = _read(find_card("trial_designs", name_or_path), shown)[2]
    return [
        Problem("D88", "warning", what, fix, shown, _line(text, place), ".".join(place))
        for place, what, fix in design.doubts
    ]


def _nesting(text: str) -> int:
    """How deep brackets stand in one another."""
    steps = ((char in "[{") - (char in "]}") for char in text)
    return max(itertools.accumulate(steps), default=0)
