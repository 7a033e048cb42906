"""What is told of a file is enough to make it again, to the byte; a file that was edited is refused."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from avatar_trials.cli.outputs import PROVENANCE
from avatar_trials.cli.provenance import made_again
from avatar_trials.stamp import read_netcdf, read_stamp, sha256_of
from tests.journeys.test_cli import DESIGN, FROZEN
from tests.program import Done, typed

Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program inside this process, in a folder with a small design by its name."""
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(DESIGN.replace("[[arms]]", "n_avatars = 4\n\n[[arms]]", 1), "utf-8")

    def called(*arguments: str | Path) -> Done:
        return typed(monkeypatch, capsys, *arguments)

    return called


def again(told: str) -> list[str]:
    """Arguments of the command that `inspect` names."""
    (line,) = [line for line in told.splitlines() if "made again by: avatar-trials " in line]
    return shlex.split(line.partition("avatar-trials ")[2])


@pytest.mark.parametrize(
    "source", [("--population", "pdxe_cm"), ("--posterior", str(FROZEN))], ids=["new", "own"]
)
def test_what_the_stamp_tells_makes_trial_and_readout_again(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: tuple[str, str]
) -> None:
    assert run("emulate", "small.toml", *source).code == 0
    assert run("readout", "trial.nc").code == 0
    told = run("inspect", "trial.nc")
    stamp = read_stamp(read_netcdf("trial.nc", kind="trial"))
    assert {"design_sha256", "card_sha256", "data_sha256", "seed", "libraries"} <= stamp.keys()
    assert f"needs the design {stamp['design']} with sha256 {stamp['design_sha256']}" in told.out
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / f"{stamp['design']}.toml").write_bytes(Path("small.toml").read_bytes())
    if source[0] == "--posterior":
        assert f"needs the posterior with sha256 {sha256_of(FROZEN)}" in told.out
        for suffix in ("", ".sha256"):
            content = FROZEN.with_name(f"{FROZEN.name}{suffix}").read_text("utf-8") if suffix else None
            place = elsewhere / f"posterior.nc{suffix}"
            place.write_bytes(FROZEN.read_bytes()) if content is None else place.write_text(content, "utf-8")
    monkeypatch.chdir(elsewhere)
    assert run(*again(told.out)).code == 0
    read = run("inspect", tmp_path / "readout.csv")
    assert read.code == 0
    assert run(*again(read.out)).code == 0
    for name in ("trial.nc", "readout.csv"):
        assert (elsewhere / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_a_table_that_was_edited_or_that_nobody_tells_of_is_refused(run: Run) -> None:
    Path("volumes.csv").write_text("avatar,arm,day,volume_mm3\nA,x,0,200\nA,x,7,90\nA,x,14,60\n", "utf-8")
    for command in ("response", "metrics"):
        assert run(command, "volumes.csv").code == 0
    told = run("inspect", "response.csv")
    assert told.code == 0
    assert f"data_sha256: {sha256_of('volumes.csv')}" in told.out
    assert "rule: gao2015_text" in told.out
    assert set(json.loads(Path(PROVENANCE).read_text("utf-8"))["files"]) == {"metrics.csv", "response.csv"}
    with Path("response.csv").open("a", encoding="utf-8") as file:
        file.write("A,x,0\n")
    edited = run("inspect", "response.csv")
    assert (edited.code, "not the one that was written" in edited.err) == (4, True)
    assert run("inspect", "metrics.csv").code == 0
    Path(PROVENANCE).write_text("[]", "utf-8")
    untold = run("inspect", "metrics.csv")
    assert (untold.code, "nobody can tell how it was made" in untold.err) == (4, True)


def test_a_stamp_that_tells_too_little_names_no_command() -> None:
    assert made_again({}) == []
    assert made_again({"kind": "trial", "design": "d"}) == []
    assert made_again({"kind": "trial", "design": "d", "design_sha256": "0"}) == []
    assert made_again({"kind": "population", "design": "d", "design_sha256": "0"}) == []
    part = {"kind": "posterior", "design": "d", "design_sha256": "0", "held_out": "mouse"}
    assert made_again(part) == []


def test_a_name_in_a_stamp_is_no_command() -> None:
    stamp = {
        "kind": "trial",
        "design": "d; rm x",
        "design_sha256": "0",
        "population": "$(p)",
        "population_sha256": "1",
    }
    assert made_again(stamp) == [
        "avatar-trials emulate 'd; rm x.toml' --population '$(p).nc' -o trial.nc",
        "needs the design d; rm x with sha256 0",
        "needs the population with sha256 1",
    ]
