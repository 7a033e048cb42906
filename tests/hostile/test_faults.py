"""Disks that fill up, processes that are killed and what they leave, workers whose parent is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avatar_trials.unfinished import PREFIX, clear_unfinished, place_for
from tests.journeys.test_cli import DESIGN, FROZEN
from tests.little_disk import no_file_longer_than
from tests.program import typed

POSIX = pytest.mark.skipif(os.name == "nt", reason="SIGKILL, and folders that can be held")
KILLED_IN_WRITING = """
import sys, time
from pathlib import Path
from avatar_trials.stamp import write_atomic

def endless(file):
    file.write_text("half")
    print("writing", flush=True)
    time.sleep(600)

write_atomic(sys.argv[1], endless)
"""
WORKER = """
import os, sys, time
from avatar_trials.sweeps import workers

def slow(work):
    print(os.getpid(), flush=True)
    time.sleep(600)

workers.work_done = slow
if __name__ == "__main__":
    next(workers.processes(1)([("a", None)]))
"""


@pytest.mark.parametrize("output", ["trial.nc", "report.html", "sweep"])
def test_a_full_disk_is_told_and_old_files_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    """Exit code 3 and a line; what had been written before is still there, and nothing else."""
    monkeypatch.chdir(tmp_path)
    Path("d.toml").write_text(DESIGN, "utf-8")
    emulate = ("emulate", "d.toml", "--posterior", FROZEN, "-o", "trial.nc")
    assert typed(monkeypatch, capsys, *emulate).code == 0
    Path("report.html").write_text("old", "utf-8")
    commands = {
        "trial.nc": (emulate, 5_000),
        "report.html": (("report", "d.toml", "--trial", "trial.nc"), 50_000),
        "sweep": (
            ("sweep", "melanoma_braf_mek", *["--vary", "n=3", "--trials", "50", "--worlds", "no_difference"]),
            100,
        ),
    }
    command, room = commands[output]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with no_file_longer_than(room):
        done = typed(monkeypatch, capsys, *command)
    assert done.code == 3, done.err
    assert "too large" in done.err.splitlines()[-1]
    assert output in done.err.splitlines()[-1]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@POSIX
def test_what_a_kill_leaves_is_cleared_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old", "utf-8")
    command = (sys.executable, "-c", KILLED_IN_WRITING, str(target))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "writing\n"
        clear_unfinished(tmp_path)
        there = [place.read_text("utf-8") for place in tmp_path.glob(f"{PREFIX}*/table.csv")]
        running.send_signal(signal.SIGKILL)
    assert there == ["half"]
    (held,) = tmp_path.glob(f"{PREFIX}*")
    assert held.is_dir()
    clear_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text("utf-8") == "old"


@POSIX
def test_folders_that_are_not_ours_are_not_cleared(tmp_path: Path) -> None:
    mine, link = tmp_path / f"{PREFIX}x", tmp_path / f"{PREFIX}link.tmp"
    mine.mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link.symlink_to(elsewhere)
    clear_unfinished(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {mine.name, link.name, "elsewhere"}
    with place_for(tmp_path / "a.csv") as place:
        assert place.name == "a.csv"
    assert not place.parent.exists()


@POSIX
def test_a_worker_ends_with_its_parent(tmp_path: Path) -> None:
    """One killed outright tells its workers nothing: they look for themselves."""
    script = tmp_path / "sweep.py"
    script.write_text(WORKER, "utf-8")
    with subprocess.Popen((sys.executable, str(script)), stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        worker = int(running.stdout.readline())
        running.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60
    while is_there(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = is_there(worker)
    if left:
        os.kill(worker, signal.SIGKILL)
    assert not left


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
