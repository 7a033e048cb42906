"""Golden: one seed and a frozen posterior give one trial and one readout, to the bit, wherever and however they run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FROZEN = Path(__file__).resolve().parent.parent / "fixtures" / "frozen_posterior.nc"

SCRIPT = """
import hashlib, json, sys
from pathlib import Path
from avatar_trials.card_files import load_design
from avatar_trials.emulate import cohort_from_posterior, emulate_trials
from avatar_trials.endpoints import readout_trial
from avatar_trials.stamp import read_netcdf, write_netcdf
posterior = read_netcdf(sys.argv[1], kind="posterior")
design = load_design("melanoma_braf_mek").model_copy(update={"replicates": 60})
trial = emulate_trials(cohort_from_posterior(posterior, 60, seed=design.seed), design)
folder = Path(sys.argv[2])
write_netcdf(trial, folder / "trial.nc", {})
read = read_netcdf(folder / "trial.nc", kind="trial")
readout = readout_trial(read, rule="pct_sheet", tau=182.0)
print(json.dumps({
    "trial": hashlib.sha256((folder / "trial.nc").read_bytes()).hexdigest(),
    "readout": hashlib.sha256(readout.to_csv(index=False).encode()).hexdigest(),
    "pymc_loaded": "pymc" in sys.modules,
}))
"""


def emulated(folder: Path, *, cores: int, hash_seed: str) -> dict[str, object]:
    """Hashes of trial.nc and its readout from a fresh process confined to `cores` processors."""
    folder.mkdir()
    threads = {name: str(cores) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}

    def confine() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(FROZEN), str(folder)],
        env={**os.environ, **threads, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=confine if os.name == "posix" else None,
    )
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    folder = tmp_path_factory.mktemp("frozen")
    return [
        emulated(folder / "first", cores=1, hash_seed="0"),
        emulated(folder / "second", cores=1, hash_seed="1"),
        emulated(folder / "third", cores=2, hash_seed="1"),
    ]


def test_two_processes_give_the_same_trial_and_readout_to_the_bit(runs: list[dict[str, object]]) -> None:
    assert runs[0] == runs[1]


def test_one_and_two_cores_give_the_same_trial_and_readout_to_the_bit(runs: list[dict[str, object]]) -> None:
    assert runs[0] == runs[2]


def test_a_saved_posterior_is_emulated_without_loading_the_sampler(runs: list[dict[str, object]]) -> None:
    assert not any(run["pymc_loaded"] for run in runs)
