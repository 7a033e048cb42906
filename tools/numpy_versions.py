"""One emulation under several NumPy, hash seeds, cores and block sizes: `python -m tools.numpy_versions --page PAGE`.

Two trials are emulated and read out in a process each: of the frozen posterior (two clones) and of new avatars of a
population (graded kill). Raw draws and everything counted must be equal; numbers must be, to the bit, under one NumPy,
and within a relative 1e-9 under another, whose exp and log may differ in the last bit. Other versions of NumPy are
installed into folders of their own, put before the environment's.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tools.records import dated, kept_on

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("2.3", "2.4", "2.5")
RTOL = 1e-9
REPLICATES, AVATARS = 40, 30
CHILD = "from tools.numpy_versions import emulated; emulated()"
VARIANTS: dict[str, dict[str, str]] = {
    "hash seed 1": {"PYTHONHASHSEED": "1"},
    "hash seed 4242": {"PYTHONHASHSEED": "4242"},
    "one core": {"CORES": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    "two cores": {"CORES": "2", "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    "other blocks": {"BLOCK": "2311"},
}


def main() -> None:
    """Emulate, compare, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numpy", nargs="*", default=VERSIONS, help="versions, as 2.3 or 2.4.1")
    parser.add_argument("--page", type=Path, help="page whose section of NumPy versions is written anew")
    chosen = parser.parse_args()
    rows, differs = [], False
    with tempfile.TemporaryDirectory() as scratch:
        here = numbers_under(Path(scratch), "as installed", {"PYTHONHASHSEED": "0"})
        variants = {}
        for version in chosen.numpy:
            folder = Path(scratch, f"numpy-{version}")
            install(version, folder)
            variants[f"NumPy {version}"] = {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
        for name, more in (variants | VARIANTS).items():
            found = numbers_under(Path(scratch), name, more)
            cells, wrong = compared(here, found, exact=found["numpy"] == here["numpy"])
            rows.append(f"| {name} | {found['numpy']} | {cells} |")
            print(rows[-1], flush=True)
            differs |= wrong
    head = (
        "| what is otherwise | NumPy | raw draws | counted | numbers equal to the bit | largest relative difference |\n"
        "|---|---|---|---|---|---|"
    )
    told = dated(f"against hash seed 0 under NumPy {here['numpy']}")
    kept_on(chosen.page, "NumPy versions", "\n".join([told, "", head, *rows]))
    sys.exit(differs)


def compared(here: dict[str, Any], there: dict[str, Any], *, exact: bool) -> tuple[str, bool]:
    """Cells of a row, and whether something differs that must not."""
    kinds = {kind: [name for name in here if name.startswith(kind)] for kind in ("raw", "count", "number")}
    same = {
        kind: all(np.array_equal(here[name], there[name], equal_nan=True) for name in names)
        for kind, names in kinds.items()
    }
    equal = total = 0
    largest = 0.0
    for name in kinds["number"]:
        a, b = (np.asarray(values[name], dtype=float).ravel() for values in (here, there))
        equal += int(((a == b) | (np.isnan(a) & np.isnan(b))).sum())
        total += a.size
        known = (a != b) & ~(np.isnan(a) & np.isnan(b))
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.abs(a[known] - b[known]) / np.abs(a[known])
        largest = max([largest, *np.where(np.isnan(apart), np.inf, apart).tolist()])
    words = ["equal" if same[kind] else "DIFFER" for kind in ("raw", "count")]
    cells = " | ".join([*words, f"{equal:,} of {total:,}", f"{largest:.1g}"])
    return cells, not (same["raw"] and same["count"] and (same["number"] if exact else largest <= RTOL))


def numbers_under(scratch: Path, name: str, more: dict[str, str]) -> dict[str, Any]:
    """What `emulated` finds in a process of its own."""
    file = scratch / f"{name.replace(' ', '_')}.npz"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "NUMBERS": str(file)} | more
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD], cwd=scratch, env=environment, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name}: the emulation ended with {done.returncode}")
    with np.load(file) as loaded:
        return {key: loaded[key] for key in loaded.files}


def install(version: str, folder: Path) -> None:
    """NumPy of a version, alone in a folder."""
    wanted = f"numpy=={version}.*" if version.count(".") == 1 else f"numpy=={version}"
    uv = shutil.which("uv")  # without the pins of this project, which are of one NumPy
    installer = (
        [uv, "pip", "install", "--no-config", "--python", sys.executable]
        if uv
        else [sys.executable, "-m", "pip", "install"]
    )
    subprocess.run([*installer, "--quiet", "--target", str(folder), wanted], cwd=ROOT, check=True)


def emulated() -> None:
    """Emulate and read out both trials, and write the numbers to the file that NUMBERS names."""
    from avatar_trials.card_files import load_design
    from avatar_trials.emulate import cohort_from_population, cohort_from_posterior, emulate_trials, trial
    from avatar_trials.endpoints import readout_trial, tables
    from avatar_trials.library import find_card
    from avatar_trials.seeds import stream
    from avatar_trials.stamp import read_netcdf

    if "CORES" in os.environ:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(os.environ["CORES"])])
    design = load_design("melanoma_braf_mek").model_copy(update={"replicates": REPLICATES})
    if "BLOCK" in os.environ:
        trial.NUMBERS_AT_A_TIME = tables.VOLUMES_AT_A_TIME = int(os.environ["BLOCK"])
    frozen = read_netcdf(ROOT / "tests" / "fixtures" / "frozen_posterior.nc", kind="posterior")
    population = read_netcdf(find_card("populations", "pdxe_cm"), kind="population")
    cohorts = {
        "posterior": cohort_from_posterior(frozen, REPLICATES, seed=design.seed),
        "population": cohort_from_population(
            population, REPLICATES, seed=design.seed, tumor_type="CM", n_avatars=AVATARS
        ),
    }
    chance = stream(7, "probe")
    found: dict[str, Any] = {
        "numpy": np.array(np.__version__),
        "raw uniform": chance.random(1000),
        "raw normal": chance.standard_normal(1000),
        "raw whole": chance.integers(2**63, size=1000),
    }
    for name, cohort in cohorts.items():
        one = emulate_trials(cohort, design)
        readout = readout_trial(one, rule="pct_sheet", tau=design.visits.horizon_days)
        found[f"raw draw {name}"] = cohort.draw
        for counted in ("left_reason", "left_day"):
            found[f"count {counted} {name}"] = one[counted].values
        for number in ("volume_mm3", "twin_volume_mm3"):
            found[f"number {number} {name}"] = one[number].values
        for column in ("estimate", "lower", "upper"):
            found[f"number {column} {name}"] = readout[column].to_numpy(dtype=float)
        found[f"number growth {name}"] = cohort.log_r
    np.savez(os.environ["NUMBERS"], **found)


if __name__ == "__main__":
    main()
