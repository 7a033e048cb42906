"""Checks as a user meets them: the command with its files, and the section of the report."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner, Result

from avatar_trials.card_files import load_design
from avatar_trials.cli import flow, trials
from avatar_trials.cli.commands import app
from avatar_trials.evidence.check import Check, not_computed
from avatar_trials.problems import InputError
from avatar_trials.report.html import render
from avatar_trials.stamp import StampError, read_netcdf
from tests.fake_trial import report_inputs
from tests.journeys.test_cli import DESIGN

FROZEN = Path(__file__).resolve().parent.parent / "fixtures" / "frozen_posterior.nc"
NAMES = [
    *("convergence", "prior predictive", "depth of response", "time to doubling", "response categories"),
    *("residual against diameter", "residual against day", "residual autocorrelation", "untreated curvature"),
    *("prior sensitivity", "identifiability"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A design and a trial emulated for it."""
    place = tmp_path_factory.mktemp("checks")
    (place / "small.toml").write_text(DESIGN, "utf-8")
    design = load_design(str(place / "small.toml"))
    tree = read_netcdf(FROZEN, kind="posterior")
    trials.emulated(tree, design, flow.model_of(design), place / "trial.nc", posterior=FROZEN)
    return place


def typed(folder: Path, design: str) -> Result:
    given = [folder / design, "--posterior", FROZEN, "--trial", folder / "trial.nc", "-o", folder / "found"]
    return CliRunner().invoke(app, ["checks", *map(str, given)])


def test_the_command_writes_a_table_and_a_figure_a_check(folder: Path) -> None:
    done = typed(folder, "small.toml")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert len(lines) == len(NAMES) + 1
    assert [re.match(r"(?:passed|FAILED|not computed) +(.+?): ", line)[1] for line in lines[:-1]] == NAMES  # type: ignore[index]
    found = pd.read_csv(folder / "found" / "checks.csv")
    assert list(found.columns) == ["check", "passed", "text"]
    assert list(found["check"]) == NAMES
    verdict = found.set_index("check")["passed"]
    assert str(verdict["convergence"]) == "True"
    # The frozen file keeps no log likelihood: told, and neither passed nor failed.
    assert pd.isna(verdict["prior sensitivity"])
    assert verdict.drop("prior sensitivity").notna().all()
    for name in NAMES:
        table = folder / "found" / f"check_{name.replace(' ', '_')}.csv"
        assert table.is_file() is (name != "prior sensitivity")
        figure = table.with_suffix(".svg")
        assert figure.is_file() is (name not in ("convergence", "prior sensitivity"))
        if figure.is_file():
            assert "<svg" in figure.read_text("utf-8")
    categories = pd.read_csv(folder / "found" / "check_response_categories.csv")
    assert categories.groupby("arm")["observed"].sum().eq(33).all()


def test_checks_of_another_card_or_another_design_are_refused(folder: Path) -> None:
    (folder / "graded.toml").write_text(DESIGN.replace('"two_clone"', '"graded_kill"'), "utf-8")
    (folder / "other.toml").write_text(DESIGN.replace("seed = 7", "seed = 8"), "utf-8")
    refused = typed(folder, "graded.toml").exception
    assert isinstance(refused, StampError)
    assert "two_clone" in str(refused)
    assert isinstance(typed(folder, "other.toml").exception, InputError)


def drawn() -> Figure:
    figure = Figure()
    figure.subplots().plot([0, 1])
    return figure


@pytest.fixture(scope="module")
def page() -> str:
    table = pd.DataFrame({"arm": ["a"], "p": [0.01]})
    checks = [
        Check(
            "depth of response",
            False,
            table,
            "1 of 4 arms inside; outside: <script>alert(1)</script>.",
            drawn,
        ),
        Check("convergence", True, table, "5 of 5 gates passed."),
        not_computed("prior sensitivity", "the posterior holds no log likelihood"),
    ]
    return render(report_inputs(avatars=4, trials=6, draws=4, posterior=None, checks=checks))


def test_the_report_has_a_section_of_checks(page: str) -> None:
    section = page.split('<section id="checks">')[1].split("</section>")[0]
    assert 'href="#checks"' in page
    rows = re.findall(r'<th scope="row">(.*?)</th><td.*?<span class="value">(.*?)</span>', section)
    assert rows == [
        ("depth of response", "FAILED"),
        ("convergence", "passed"),
        ("prior sensitivity", "not computed"),
    ]
    assert "no log likelihood" in section
    assert section.count("<details>") == section.count("<summary>") == 1
    alt = re.findall(r'<img src="data:image/svg\+xml;base64,[^"]+" alt="([^"]+)"', section)
    assert alt == ["Check of depth of response, FAILED; in words in the table above."]


def test_what_failed_stands_at_the_top(page: str) -> None:
    top = page.split("<main>")[0]
    assert "Checks not passed:</strong> depth of response." in top


def test_text_of_a_check_is_escaped(page: str) -> None:
    assert "<script" not in page
    assert html.escape("<script>alert(1)</script>") in page
