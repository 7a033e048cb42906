"""Names of what is written, and their places tried before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from avatar_trials.problems import OutputError, Problem
from avatar_trials.unfinished import clear_unfinished, place_for

POSTERIOR, TRIAL, REPORT = "posterior.nc", "trial.nc", "report.html"
READOUT, READOUT_OBSERVED, RESPONSE = "readout.csv", "readout_observed.csv", "response.csv"
POPULATION, INDIVIDUAL = "agreement_population.csv", "agreement_individual.csv"
PROVENANCE = "provenance.json"
CHECKS = "checks"
PARAMETERS, GATES = "parameters.csv", "gates.csv"

FIX = "Give another place with -o"


def require_writable(targets: Iterable[Path], *, reads: Iterable[Path | None]) -> None:
    """Raise OutputError, with every problem, where one of the files could not be written or is one of those that the
    command `reads` (None: not given). Leaves nothing behind, and takes away what killed runs left there.

    A file is made, and removed, in the nearest folder that exists: permissions alone do not tell of read-only disks.
    """
    read = [path for path in reads if path is not None]
    wanted = list(targets)
    for folder in {Path(os.path.realpath(target)).parent for target in wanted}:
        clear_unfinished(folder)
    problems = {
        str(problem): problem
        for target in wanted
        for problem in (*_problems(target), *_replaces(target, read))
    }
    if problems:
        raise OutputError(problems.values())


def netcdf_files(path: Path) -> list[Path]:
    """What is written of a NetCDF file: itself and its checksum."""
    from avatar_trials.stamp import manifest_path

    return [path, manifest_path(path)]


def posterior_files(path: Path) -> list[Path]:
    """What is written of a posterior: as `netcdf_files`, and its finished chains until then."""
    return [*netcdf_files(path), partial_of(path) / "chains"]


def partial_of(path: Path) -> Path:
    """The folder of the finished chains of a posterior that is not yet there."""
    return path.with_name(f"{path.name}.partial")


def _problems(target: Path) -> list[Problem]:
    try:
        real = Path(os.path.realpath(target))
        if real.is_dir():
            what = "this is a folder, and a file is to be written"
            return [Problem("W01", "error", what, "Name a file in it", str(target))]
        if real.exists() and not real.is_file():
            return [
                Problem("W01", "error", "this is no ordinary file and is left as it is", FIX, str(target))
            ]
        folder, missing = real.parent, [real.name]
        while not folder.exists() and not folder.is_symlink():
            folder, missing = folder.parent, [*missing, folder.name]
        if not folder.is_dir():
            return [Problem("W01", "error", f"{folder} is no folder", FIX, str(target.parent))]
        for name in missing:
            _try_name(folder / name)
        _try(folder)
    except (OSError, ValueError) as reason:
        told = (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
        return [Problem("W01", "error", f"nothing can be written there ({told})", FIX, str(target.parent))]
    return []


def _replaces(target: Path, reads: Iterable[Path]) -> list[Problem]:
    """A problem where writing the target would replace a file that is read, by whatever name or link."""
    if not any(_is_same(target, read) for read in reads):
        return []
    what = "this file is read by the command, and what is written would take its place"
    return [Problem("W03", "error", what, FIX, str(target))]


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False


def _try_name(place: Path) -> None:
    """OSError for a name that no file here can have."""
    try:
        os.lstat(place)
    except FileNotFoundError:
        return


def _try(folder: Path) -> None:
    with place_for(folder / "tried") as path:
        path.touch()
