"""Journey: a starter file is written, passes `check` at once, is what it began from, and explains every key."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from avatar_trials.card_files import load_design, load_model, load_strategies
from avatar_trials.card_schemas import classes_of, words_of
from avatar_trials.card_starters import starter
from tests.program import refusal, typed

BEHIND = re.compile(r'^#(?=[\w\["])', re.MULTILINE)
STORED = {"name", "title", "extends", "sha256", "known_misses", "label", "course"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", ["design", "strategies", "model"])
def test_a_starter_passes_check_and_is_never_written_over(
    kind: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = typed(monkeypatch, capsys, "new", kind, "mine")
    assert written.code == 0, written.err
    told = [
        line.split("avatar-trials ", 1)[1].split()
        for line in written.out.splitlines()
        if "avatar-trials" in line
    ]
    assert told[0] == ["check", "mine.toml"]
    checked = typed(monkeypatch, capsys, *told[0])
    assert (checked.code, checked.out) == (0, "mine.toml: can be used\n")
    (line,) = refusal(monkeypatch, capsys, elsewhere, 3, "new", kind, "mine")
    assert "mine.toml [W04]" in line


@pytest.mark.parametrize("kind", ["design", "strategies", "model"])
def test_a_starter_has_every_key_with_its_words_and_all_of_it_can_be_taken(
    kind: str, elsewhere: Path
) -> None:
    like = {"design": "melanoma_braf_mek", "strategies": "every_strategy", "model": "two_clone"}[kind]
    text = starter(kind, like, name="mine")
    flat = re.sub(r"\s+", " ", text.replace("\n# ", " ").replace("\n#     ", " "))
    for card in classes_of(kind).values():
        if card.__name__ in ("Distribution", "Law"):  # what laws have in common: never a table by itself
            continue
        for key, words in words_of(card).items():
            assert words in flat, (card.__name__, key)
    whole = elsewhere / "mine.toml"
    whole.write_text(BEHIND.sub("", text), "utf-8")
    load = {"design": load_design, "strategies": load_strategies, "model": load_model}[kind]
    load(whole)


@pytest.mark.parametrize(
    "name", ["melanoma_braf_mek", "pdxe_three_types", "melanoma_holiday", "columbus_melanoma"]
)
def test_a_starter_says_what_its_card_said(name: str, elsewhere: Path) -> None:
    (elsewhere / "mine.toml").write_text(starter("design", name, name=name), "utf-8")
    begun, made = load_design(name), load_design(elsewhere / "mine.toml")
    assert made.model_copy(update={"sha256": begun.sha256}) == begun


def test_a_model_that_takes_every_value_is_the_card_that_it_extends(elsewhere: Path) -> None:
    file = elsewhere / "mine.toml"
    begun = load_model("graded_kill")
    for text in (
        starter("model", "graded_kill", name="mine"),
        BEHIND.sub("", starter("model", "graded_kill", name="mine")),
    ):
        file.write_text(text, "utf-8")
        made = load_model(file)
        assert made.model_dump(exclude=STORED) == begun.model_dump(exclude=STORED)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("new", "desing"), "[O01]"),
        (("new", "model", "--like", "no_such_card"), "[O01]"),
        (("new", "design", "--like", "no_such_card"), "[F10]"),
        (("new", "design", "a/b"), "[O08]"),
    ],
)
def test_what_cannot_be_begun_is_told(
    arguments: tuple[str, ...],
    told: str,
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (line,) = refusal(monkeypatch, capsys, elsewhere, 2, *arguments)
    assert told in line


def test_schemas_are_written(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, capsys, "schema", "-o", "there").code == 0
    written = {file.name: json.loads(file.read_text("utf-8")) for file in (elsewhere / "there").iterdir()}
    assert {name.split(".")[0] for name in written} == {
        "design",
        "strategies",
        "model",
        "interactions",
        "benchmark",
    }
    assert all("properties" in schema for schema in written.values())
