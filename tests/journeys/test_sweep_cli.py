"""sweep as it is typed: files, words, what it will cost, and going on after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from avatar_trials.cli.commands import app
from avatar_trials.emulate import load_population
from avatar_trials.stamp import make_stamp, write_netcdf
from avatar_trials.sweeps import blocks
from avatar_trials.sweeps.table import COLUMNS

DESIGN = "melanoma_braf_mek"


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "REFERENCE_AVATARS", 20)


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The melanoma population in twenty draws."""
    path = tmp_path_factory.mktemp("population") / "few.nc"
    few = load_population("pdxe_cm").isel(draw=slice(0, 20))
    write_netcdf(few, path, make_stamp(gates_passed=True), kind="population")
    return str(path)


def typed(population: str, *more: str) -> list[str]:
    return ["sweep", DESIGN, "--population", population, *more]


def test_a_sweep_is_printed_and_written(population: str, tmp_path: Path) -> None:
    arguments = typed(
        population,
        "--vary",
        "cohort.n=5,15",
        "--vary",
        "mice_per_avatar=1,2",
        "--trials",
        "60",
        "--chunk",
        "50",
    )
    result = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "a")])
    assert result.exit_code == 0, result.output
    for words in ("assurance", "power", "type_I_error", "trials, ", "a second", "left", "Written"):
        assert words in result.output, words
    table = pd.read_csv(tmp_path / "a" / "sweep.csv")
    assert tuple(table.columns) == ("cohort.n_avatars", "decision.mice_per_avatar", *COLUMNS)
    assert set(table["n_trials"]) <= set(range(101))
    assert set(table["world"]) == {"posterior", "posterior_mean", "independent_action", "no_difference"}
    page = (tmp_path / "a" / "sweep.html").read_text("utf-8")
    for words in ("<svg", "NEW AVATARS", "Which combination", "Wrong decisions", "Smallest trial"):
        assert (words in page) == (words not in ("<svg", "Which combination")), words
    own = table[(table["quantity"] == "assurance") & (table["against"] == "all single agents")]
    nearest = own.sort_values("estimate", ascending=False, kind="stable").iloc[0]
    assert nearest["estimate"] < 0.8
    opening = f"No trial tried reaches an assurance of 80 %: {nearest['n_avatars']} avatars"
    assert opening in page
    assert page.index(opening) < page.index("<h2>")
    assert (tmp_path / "a" / "sweep.svg").read_bytes().startswith(b"<?xml")
    assert not (tmp_path / "a" / "sweep.partial").exists()
    again = CliRunner().invoke(app, [*arguments, "--workers", "2", "-o", str(tmp_path / "b")])
    assert again.exit_code == 0, again.output
    other = pd.read_csv(tmp_path / "b" / "sweep.csv")
    # Worker processes have the full reference populations, which wrong decisions alone depend on.
    told = ["assurance", "power", "type_I_error", "mice", "drug_days", "readout", "median", "avatars"]
    mine, theirs = (one[one["quantity"].isin(told)].reset_index(drop=True) for one in (table, other))
    pd.testing.assert_frame_equal(mine, theirs, check_exact=True)
    counts = table[table["quantity"] == "avatars"]["estimate"]
    assert set(counts) == {5.0, 15.0}


def test_the_price_is_told_and_nothing_written(population: str, tmp_path: Path) -> None:
    arguments = typed(
        population, "--vary", "n=5,10", "--trials", "1000", "--dry-run", "-o", str(tmp_path / "out")
    )
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    for words in ("2 points", "2,000 trials", "60,000 mice", "CPU time", "MB a worker"):
        assert words in result.output, words
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_killed_sweep_goes_on_and_ends_with_the_same_bytes(population: str, tmp_path: Path) -> None:
    arguments = typed(
        population,
        "--vary",
        "cohort.n=20",
        "--trials",
        "1000",
        "--chunk",
        "50",
        "--worlds",
        "posterior_mean,posterior",
    )
    command = [
        sys.executable, "-c", "from avatar_trials.cli import main; main()", *arguments, "-o", str(tmp_path / "a"),
    ]  # fmt: skip
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    blocks_done: list[Path] = []
    deadline = time.monotonic() + 240
    while len(blocks_done) < 3 and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
        blocks_done = list((tmp_path / "a").rglob("*-block-*.json"))
    assert running.poll() is None, "it ended before it could be killed"
    running.send_signal(signal.SIGKILL)
    running.wait()
    left = {path: path.read_bytes() for path in (tmp_path / "a").rglob("*-block-*.json")}
    assert left
    for content in left.values():
        json.loads(content)
    assert not (tmp_path / "a" / "sweep.csv").exists()
    resumed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    other = subprocess.run([*command[:-1], str(tmp_path / "b")], capture_output=True, text=True, check=False)
    assert other.returncode == 0, other.stderr
    for name in ("sweep.csv", "sweep_smallest_n.csv", "sweep.svg", "sweep.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_until_an_error(population: str, tmp_path: Path) -> None:
    arguments = typed(
        population, "--vary", "n=4", "--error", "0.04", "--chunk", "50", "--worlds", "no_difference"
    )
    result = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "largest standard error" in result.output
    table = pd.read_csv(tmp_path / "sweep.csv")
    assert table["se"].max() <= 0.04
    assert np.all(table["n_trials"] == 200)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--vary", "cohort.n=0,5", "--vary", "alpha=0.9"], ("cohort.n_avatars", "decision.alpha")),
        (["--vary", "cohort.colour=red"], ("unknown key colour",)),
        (["--worlds", "moon"], ("world 'moon' is unknown",)),
        (["--vary", "n"], ("KEY=VALUE",)),
        (["--scheduler", "tcp://127.0.0.1:1", "--workers", "2"], ("brings its own workers",)),
        (["--population", "nowhere"], ("nowhere",)),
        (["--vary", "looks=[{at_share=0.5,stop_below=20}]"], ("at most 1",)),
        (["--vary", "combinations=['aspirin + encorafenib']"], ("is no arm of the design",)),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_done(
    population: str, tmp_path: Path, more: list[str], words: tuple[str, ...]
) -> None:
    result = CliRunner().invoke(app, [*typed(population), *more, "-o", str(tmp_path / "out")])
    assert result.exit_code != 0
    told = result.output + str(result.exception)
    for one in words:
        assert one in told
    assert not (tmp_path / "out").exists()
