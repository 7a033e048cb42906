"""Every notebook runs as it stands, one after another in one folder, and draws the figures that its story tells."""

from __future__ import annotations

import os
import runpy
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

ROOT = Path(__file__).parents[2]
FROZEN = ROOT / "tests" / "fixtures" / "frozen_posterior.nc"
FIGURES = {
    "first_trial": 3,
    "your_own_volumes": 2,
    "inspect_a_posterior": 3,
    "preemptive_or_sequential": 3,
    "predict_a_combination": 2,
    "populations_and_individuals": 1,
    "choose_n": 2,
}
"""Notebook -> how many figures it draws; in this order, for one goes on from what another wrote."""
TOLD = {
    "first_trial": "advantage in ORR: ",
    "your_own_volumes": "refused, problems: ",
    "inspect_a_posterior": "SYNTHETIC",
    "preemptive_or_sequential": "by the whole strategy's failure",
    "predict_a_combination": "What cannot be told",
    "populations_and_individuals": "all, not stratified",
    "choose_n": "assurance",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to work in, without a window."""
    before = os.environ.get("AVATAR_TRIALS_POSTERIOR")
    os.environ["AVATAR_TRIALS_POSTERIOR"] = str(FROZEN)
    with mpl.rc_context({"backend": "Agg"}):
        yield tmp_path_factory.mktemp("notebooks")
    os.environ.pop("AVATAR_TRIALS_POSTERIOR")
    if before is not None:
        os.environ["AVATAR_TRIALS_POSTERIOR"] = before


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are made, by pyplot or without it."""
    made: list[Figure] = []
    begun = Figure.__init__

    def noted(self: Figure, *given: Any, **named: Any) -> None:
        begun(self, *given, **named)
        made.append(self)

    monkeypatch.setattr(Figure, "__init__", noted)
    return made


def test_the_notebooks_are_these_and_without_outputs() -> None:
    assert {file.stem for file in (ROOT / "notebooks").iterdir() if file.suffix in (".py", ".ipynb")} == set(
        FIGURES
    )
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [name for name in FIGURES if f"](notebooks/{name}.py)" not in readme] == []


@pytest.mark.parametrize("name", FIGURES)
def test_a_notebook_tells_its_story(
    name: str,
    place: Path,
    drawn: list[Figure],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(plt, "show", lambda: None)
    runpy.run_path(str(ROOT / "notebooks" / f"{name}.py"))
    assert TOLD[name] in capsys.readouterr().out
    assert len(drawn) == FIGURES[name]
    for figure in drawn:
        assert any(axis.has_data() for axis in figure.axes)
        figure.savefig(BytesIO(), dpi=40)
    plt.close("all")
