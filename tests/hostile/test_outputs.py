"""Places that cannot be written: told before anything is computed, in a line, with nothing left behind."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from avatar_trials import calibrate, emulate
from avatar_trials.calibrate import open_checkpoint
from avatar_trials.cli import main
from avatar_trials.cli.files import write_csv
from avatar_trials.cli.outputs import require_writable
from avatar_trials.library import find_card
from avatar_trials.problems import OutputError
from tests.journeys.test_cli import DESIGN, FROZEN, VOLUMES

COMMANDS = {
    "run": ("run", "d.toml"),
    "calibrate": ("calibrate", "d.toml"),
    "hold-out": ("calibrate", "d.toml", "--hold-out", "mouse"),
    "compare": ("compare", "d.toml", "--models", "two_clone,graded_kill"),
    "emulate": ("emulate", "d.toml", "--posterior", str(FROZEN)),
    "new avatars": ("emulate", "d.toml", "--population", "pdxe_cm"),
    "sweep": ("sweep", "d.toml"),
    "population": ("population", str(FROZEN), "--biomarker-share", "0.5"),
    "readout": ("readout", "trial.nc"),
    "agree": ("agree", "trial.nc", "v.csv"),
    "report": ("report", "d.toml", "--trial", "trial.nc"),
    "checks": ("checks", "d.toml", "--posterior", str(FROZEN), "--trial", "trial.nc"),
    "response": ("response", "v.csv"),
    "metrics": ("metrics", "v.csv"),
    "certainty": ("certainty", "v.csv"),
}
FOLDERS = ("run", "compare", "agree", "checks", "sweep")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with inputs; nothing is sampled or emulated in it."""

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("this is where the computing starts")

    monkeypatch.setattr(calibrate, "calibrate_avatars", never)
    monkeypatch.setattr(emulate, "emulate_trials", never)
    monkeypatch.chdir(tmp_path)
    Path("d.toml").write_text(DESIGN, "utf-8")
    Path("v.csv").write_text(VOLUMES, "utf-8")
    Path("file").write_text("kept", "utf-8")
    return tmp_path


def ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["avatar-trials", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code, capsys.readouterr().err


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "place", ["file/out", "file/deep/out", "/proc/out", "/proc/deep/out", "new/" + "n" * 300]
)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_place_that_cannot_be_written_is_told_before_anything_is_computed(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    place: str,
) -> None:
    if place.startswith("/proc") and not sys.platform.startswith("linux"):
        pytest.skip("no /proc")
    before = everything_in(here)
    target = place if command in FOLDERS else f"{place}.nc"
    code, err = ends(capsys, monkeypatch, *COMMANDS[command], "-o", target)
    assert code == 3, err
    assert err.splitlines()[-1].count("[W01]") == 1
    assert "Give another place with -o" in err
    assert everything_in(here) == before
    assert Path("file").read_text("utf-8") == "kept"


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in (*FOLDERS, "hold-out")])
def test_a_folder_is_no_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    code, err = ends(capsys, monkeypatch, *COMMANDS[command], "-o", str(here))
    assert code == 3
    assert "this is a folder, and a file is to be written. Name a file in it" in err


def test_every_file_of_a_run_is_tried(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Folders where files will stand, a file where a folder will: told all at once."""
    names = ("trial.nc", "posterior.nc.sha256", "report.html", "gates.csv")
    for name in names:
        (here / "out" / name).mkdir(parents=True)
    for name in ("checks", "posterior.nc.partial"):
        (here / "out" / name).write_text("in the way", "utf-8")
    before = everything_in(here)
    code, err = ends(capsys, monkeypatch, *COMMANDS["run"], "-o", "out")
    assert code == 3
    assert all(f"out/{name}" in err for name in (*names, "checks", "posterior.nc.partial"))
    assert len(err.splitlines()) == 6
    assert everything_in(here) == before


def test_a_run_beside_another_is_refused_before_it_samples(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_checkpoint(here / "out" / "posterior.nc.partial"):
        code, err = ends(capsys, monkeypatch, *COMMANDS["run"], "-o", "out")
    assert code == 3
    assert "[W02] another run" in err
    assert everything_in(here) == ["d.toml", "file", "v.csv"]


def test_a_link_to_a_good_place_and_an_old_file_are_good(tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_text("old", "utf-8")
    (tmp_path / "link.csv").symlink_to(tmp_path / "old.csv")
    (tmp_path / "dangling").symlink_to(tmp_path / "not" / "yet")
    before = everything_in(tmp_path)
    good = ("old.csv", "link.csv", "dangling/a.csv", "new/deep/a.csv")
    require_writable((tmp_path / name for name in good), reads=[None, tmp_path / "other.csv"])
    assert everything_in(tmp_path) == before
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OutputError):
        require_writable([tmp_path / "loop" / "a.csv"], reads=[])


@pytest.mark.bad_input(45)
def test_no_cell_of_a_written_table_is_a_formula(tmp_path: Path) -> None:
    """Text alone is guarded: a negative number stays one."""
    names = ["=1+1", "+x", "-2", "@x", "\t=x", "\r=x", "'=x", "plain"]
    frame = pd.DataFrame({"name": names, "=cmd|' /C calc'!A0": -12.5})
    path = write_csv(frame, tmp_path / "x.csv")
    header, *rows = csv.reader(io.StringIO(path.read_bytes().decode("utf-8"), newline=""))
    assert header == ["name", "'=cmd|' /C calc'!A0"]
    assert [row[0] for row in rows] == [*(f"'{name}" for name in names[:-1]), "plain"]
    assert {row[1] for row in rows} == {"-12.5"}


OF_TRIAL = ("d.toml", "--trial", "p.nc", "--volumes")
REPLACED = {
    "run, volumes": ("run", "d.toml", "--volumes", "out/response.csv", "-o", "out"),
    "calibrate, volumes": ("calibrate", "d.toml", "--volumes", "v.csv", "-o", "v.csv"),
    "calibrate, design": ("calibrate", "d.toml", "--volumes", "v.csv", "-o", "d.toml"),
    "calibrate, model card": ("calibrate", "own.toml", "--volumes", "v.csv", "-o", "card.toml"),
    "calibrate, checksum": ("calibrate", "d.toml", "--volumes", "v.sha256", "-o", "v"),
    "hold-out, volumes": ("calibrate", "d.toml", "--volumes", "holdout.csv", "--hold-out", "mouse"),
    "compare, volumes": (
        *("compare", "d.toml", "--models", "two_clone,graded_kill"),
        *("--volumes", "out/left_out.csv", "-o", "out"),
    ),
    "compare, posterior": (
        *("compare", "d.toml", "--models", "two_clone"),
        *("--posteriors", "out/two_clone.nc", "-o", "out"),
    ),
    "emulate, posterior": ("emulate", "d.toml", "--posterior", "p.nc", "-o", "p.nc"),
    "emulate, population": ("emulate", "d.toml", "--population", "p.nc", "-o", "p.nc"),
    "population, posterior": ("population", "p.nc", "-o", "./p.nc"),
    "readout, trial": ("readout", "p.nc", "-o", "p.nc"),
    "agree, volumes": ("agree", "p.nc", "out/agreement_population.csv", "-o", "out"),
    "report, trial": ("report", *OF_TRIAL, "v.csv", "-o", "p.nc"),
    "report, volumes": ("report", *OF_TRIAL, "v.csv", "-o", "v.csv"),
    "report, posterior": ("report", *OF_TRIAL, "v.csv", "--posterior", "q.nc", "-o", "q.nc"),
    "checks, volumes": ("checks", *OF_TRIAL, "out/checks.csv", "--posterior", "p.nc", "-o", "out"),
    "response, volumes": ("response", "v.csv", "-o", "v.csv"),
    "response, a link": ("response", "link.csv", "-o", "v.csv"),
    "response, to a link": ("response", "v.csv", "-o", "link.csv"),
    "metrics, volumes": ("metrics", "v.csv", "-o", "v.csv"),
    "certainty, volumes": ("certainty", "v.csv", "-o", "v.csv"),
}


@pytest.mark.parametrize("case", REPLACED)
def test_what_a_command_reads_is_not_what_it_writes(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    panel = find_card("panels", "melanoma_synthetic").read_text("utf-8")
    (here / "out").mkdir()
    for name in ("holdout.csv", "v.sha256", "p.nc", "q.nc", "out/two_clone.nc", "out/response.csv"):
        Path(name).write_text(panel, "utf-8")
    for name in ("left_out.csv", "agreement_population.csv", "checks.csv"):
        Path("out", name).write_text(panel, "utf-8")
    Path("link.csv").symlink_to("v.csv")
    Path("card.toml").write_bytes(find_card("models", "two_clone").read_bytes())
    Path("own.toml").write_text(DESIGN.replace('"two_clone"', '"./card.toml"'), "utf-8")
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    code, err = ends(capsys, monkeypatch, *REPLACED[case])
    assert code == 3, err
    assert err.splitlines()[-1].count("[W03] this file is read by the command") == 1
    assert len(err.splitlines()) == 1
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before
