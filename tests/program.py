"""The program inside the test's process, as if it had been typed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from avatar_trials.cli import main


@dataclass(frozen=True)
class Done:
    """Exit code, and what was printed."""

    code: int
    out: str
    err: str


def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> Done:
    """Type `avatar-trials` and arguments; never a traceback."""
    monkeypatch.setattr(sys, "argv", ["avatar-trials", *map(str, arguments)])
    capsys.readouterr()
    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code or 0
    seen = capsys.readouterr()
    assert isinstance(code, int)
    assert "Traceback" not in seen.out + seen.err
    return Done(code, seen.out, seen.err)


def refusal(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    code: int,
    *arguments: str | Path,
) -> list[str]:
    """Lines of a refusal with exit code `code`; `folder` is as it was before."""
    before = sorted(folder.rglob("*"))
    done = typed(monkeypatch, capsys, *arguments)
    assert done.code == code, done.err
    assert sorted(folder.rglob("*")) == before
    return done.err.splitlines()
