"""The work of a sweep on a real Dask scheduler with two worker processes on loopback, one of which is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import xarray as xr

from avatar_trials.emulate import load_population
from avatar_trials.problems import InputError
from avatar_trials.sweeps import Plan, plan_sweep, run_sweep, sweep_table
from avatar_trials.sweeps.workers import Named, cluster

pytest.importorskip("distributed", reason="the extra `distributed` is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

WAIT = 120.0
DASK = [sys.executable, "-m", "dask"]


@pytest.fixture(scope="module")
def plan() -> Plan:
    few: xr.Dataset = load_population("pdxe_cm").isel(draw=slice(0, 4))
    return plan_sweep("melanoma_braf_mek", {"cohort.n": [8, 16]}, few, n_trials=60, worlds=["posterior"])


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, stack: ExitStack, folder: Path, workers: int) -> None:
        self.stack, self.folder = stack, folder
        log = folder / "scheduler.txt"
        self._start(["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"], log)
        self.address = self._found(log, r"tcp://127\.0\.0\.1:\d+")
        self.workers = [self.join(number) for number in range(workers)]

    def join(self, number: int) -> subprocess.Popen[bytes]:
        log = self.folder / f"worker{number}.txt"
        arguments = [
            "worker",
            self.address,
            "--host",
            "127.0.0.1",
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
        ]
        worker = self._start([*arguments, "--local-directory", str(self.folder)], log)
        self._found(log, "Registered to")
        return worker

    def _start(self, arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
        handle = self.stack.enter_context(log.open("wb"))
        process = subprocess.Popen([*DASK, *arguments], stdout=handle, stderr=subprocess.STDOUT)
        self.stack.callback(_ended, process)
        return process

    @staticmethod
    def _found(log: Path, pattern: str) -> str:
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            if found := re.search(pattern, log.read_text("utf-8", "replace")):
                return found[0]
            time.sleep(0.05)
        raise AssertionError(log.read_text("utf-8", "replace"))


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_worker_killed_in_the_middle_loses_nothing(plan: Plan, tmp_path: Path) -> None:
    trials = 60 * 12
    alone = run_sweep(plan, trials=trials)
    with ExitStack() as stack:
        there = Cluster(stack, tmp_path, 2)
        on_cluster = cluster(there.address)
        came: list[str] = []

        def killing(works: Iterable[Named]) -> Iterator[tuple[str, str]]:
            for name, text in on_cluster(works):
                came.append(name)
                if "-block-" in name and there.workers[0].poll() is None:
                    there.workers[0].send_signal(signal.SIGKILL)
                yield name, text

        killed = run_sweep(plan, trials=trials, engine=killing, folder=tmp_path / "kept")
        assert there.workers[0].wait(WAIT) == -signal.SIGKILL
        assert there.workers[1].poll() is None
        assert len(came) == len(set(came)) == 12 + 2
        assert killed.text() == alone.text()
        assert sweep_table(plan, killed).equals(sweep_table(plan, alone))


def test_a_worker_that_joins_later_helps(plan: Plan, tmp_path: Path) -> None:
    """Without a worker the work waits; with one it is done, and the table is the same."""
    with ExitStack() as stack:
        there = Cluster(stack, tmp_path, 0)
        there.join(5)
        found = run_sweep(plan, trials=60, engine=cluster(there.address))
    assert found.text() == run_sweep(plan, trials=60).text()


def test_no_scheduler_is_told(plan: Plan) -> None:
    with pytest.raises(InputError, match="no Dask scheduler answers"):
        run_sweep(plan, trials=60, engine=cluster("tcp://127.0.0.1:1"))
    with pytest.raises(InputError, match="no Dask scheduler answers"):
        run_sweep(plan, trials=60, engine=cluster("nonsense://x"))
