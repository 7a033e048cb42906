"""No bad input of the list goes without a test, and none of those that files can hold without an answer on the
command line: exit code 2, a line a problem, nothing written."""

from __future__ import annotations

import importlib
import re
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from avatar_trials.cli import main
from tests.bad_inputs import CASES, OTHERWISE, numbered
from tests.hostile import test_cards, test_volumes

FOLDERS = ("hostile", "journeys", "property")


def cases_of(module: ModuleType) -> dict[int, list[str]]:
    """Numbers of cases to the tests of a module that hold them, by their marks and the names of their parameters."""
    found: dict[int, list[str]] = defaultdict(list)
    for name, test in vars(module).items():
        if not name.startswith("test_"):
            continue
        for mark in getattr(test, "pytestmark", []):
            numbers = list(mark.args) if mark.name == "bad_input" else named_in(mark)
            for number in numbers:
                found[number].append(f"{module.__name__}::{name}")
    return found


def named_in(mark: Any) -> list[int]:
    """Numbers in the names that a parametrize gives."""
    if mark.name != "parametrize":
        return []
    ids = mark.kwargs.get("ids")
    names = [ids(value) for value in mark.args[1]] if callable(ids) else list(ids or [])
    return [int(found[1]) for name in names if (found := re.match(r"bad-(\d{3}) ", str(name)))]


def held() -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    tests = Path(__file__).resolve().parent.parent
    for folder in FOLDERS:
        for file in sorted((tests / folder).glob("test_*.py")):
            if "bad_input" not in file.read_text("utf-8"):
                continue
            for number, names in cases_of(importlib.import_module(f"tests.{folder}.{file.stem}")).items():
                found[number] += names
    return found


def test_every_case_is_held() -> None:
    numbers = set(held())
    assert sorted(CASES) == list(range(1, 101))
    assert numbers <= set(CASES), "numbers of no case"
    assert not set(CASES) - numbers
    assert set(OTHERWISE) <= numbers


def test_names_of_cases_carry_their_numbers() -> None:
    assert numbered("7 decimal comma") == "bad-007 decimal comma"
    assert numbered("stray quote") == "stray quote"
    assert "tests.hostile.test_volumes::test_refused_once_with_its_place" in held()[7]


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["avatar-trials", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize("case", test_volumes.REFUSED, ids=lambda case: numbered(case.name))
def test_a_refused_table_on_the_command_line(
    case: test_volumes.Case,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    test_volumes.saved(tmp_path, case.content)
    place = "pdx.csv" if case.line is None else f"pdx.csv:{case.line}"
    for command in (("check", "pdx.csv"), ("response", "pdx.csv", "-o", "out.csv")):
        assert ended(monkeypatch, *command) == 2
        told = capsys.readouterr()
        lines = (told.out + told.err).splitlines()
        assert any(line.startswith(place) and f"[{case.code}]" in line for line in lines), lines
        assert "Traceback" not in told.err
    assert told.out == ""
    assert [file.name for file in tmp_path.iterdir()] == ["pdx.csv"]


@pytest.mark.parametrize("case", test_cards.CASES, ids=lambda case: numbered(case.name))
def test_a_refused_design_on_the_command_line(
    case: test_cards.Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = test_cards.DESIGN.splitlines()
    number = test_cards.line_of(test_cards.DESIGN, case.start)
    lines[number - 1] = case.instead
    Path("d.toml").write_text("\n".join(lines), "utf-8")
    for command in (("check", "d.toml"), ("run", "d.toml", "-o", "out")):
        assert ended(monkeypatch, *command) == 2
        told = capsys.readouterr()
        assert f"d.toml:{number + case.below}:" in told.out + told.err
        assert case.says in told.out + told.err
    assert told.out == ""
    assert [file.name for file in tmp_path.iterdir()] == ["d.toml"]
