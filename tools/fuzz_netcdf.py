"""Forged NetCDF files through the reader: `python -m tools.fuzz_netcdf --cases 2000 --page PAGE`.

Bytes of a small trial are changed and its checksum is made to fit, as somebody could who wants to do harm. Each file is
read by a process of its own, so that those which libhdf5 does not survive, or never comes back from, are counted.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import signal
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import xarray as xr

from avatar_trials.problems import InputError
from avatar_trials.seeds import stream
from avatar_trials.stamp import StampError, manifest_path, read_netcdf, sha256_of, write_netcdf
from tools.records import dated, kept_on

CPU_SECONDS = 5
ACCEPTED, REFUSED, UNCAUGHT = 0, 4, 1
ENDS = {
    ACCEPTED: "read (the change was in no byte that matters, or in a number)",
    REFUSED: "refused in words",
    UNCAUGHT: "uncaught exception",
}


def main() -> None:
    """Forge, read, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the files that did harm")
    parser.add_argument("--page", type=Path, help="page whose section of forged files is written anew")
    chosen = parser.parse_args()
    chance = stream(chosen.seed, "fuzz", "netcdf")
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "trial.nc")
        write_netcdf(small_trial(), path, {})
        sound = path.read_bytes()
        if read_in_child(path) != ENDS[ACCEPTED]:
            raise SystemExit("the sound file is not read")
        for _ in range(chosen.cases):
            path.write_bytes(forged(sound, chance))
            manifest_path(path).write_text(f"{sha256_of(path)}  {path.name}\n", "utf-8")
            end = read_in_child(path)
            ends[end] += 1
            if chosen.keep and end not in (ENDS[ACCEPTED], ENDS[REFUSED]):
                chosen.keep.mkdir(parents=True, exist_ok=True)
                name = f"{re.sub(r'[^a-z]+', '_', end.lower())}_{ends[end]}.nc"
                (chosen.keep / name).write_bytes(path.read_bytes())
    rows = [f"| {end} | {n:,} |" for end, n in ends.most_common()]
    text = "\n".join([dated(f"seed {chosen.seed}"), "", "| end | files |", "|---|---|", *rows])
    kept_on(chosen.page, "Forged files", text)


def small_trial() -> xr.Dataset:
    """Some numbers and names, compressed and with checksums as every file has them."""
    volume = np.linspace(100.0, 900.0, 240).reshape(4, 5, 12)
    names = np.array([f"avatar {k}" for k in range(5)], dtype=object)
    return xr.Dataset(
        {"volume_mm3": (("trial", "avatar", "visit"), volume), "left_reason": (("avatar",), np.arange(5))},
        coords={"avatar": names, "day": ("visit", np.arange(12.0))},
        attrs={"design_name": "small", "gates_passed": True},
    )


def forged(sound: bytes, chance: np.random.Generator) -> bytes:
    """One to six bytes otherwise, or a run of them taken from elsewhere in the file; the stamp is left as it is."""
    content = bytearray(sound)
    if chance.random() < 0.2:
        a, b = chance.integers(len(content) - 16, size=2)
        n = int(chance.integers(2, 16))
        content[a : a + n] = sound[b : b + n]
    else:
        for _ in range(chance.integers(1, 7)):
            content[chance.integers(len(content))] = int(chance.integers(256))
    return bytes(content)


def read_in_child(path: Path) -> str:
    """How reading a file ends."""
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        code = ACCEPTED
        try:
            read_netcdf(path, kind="trial")
        except (StampError, InputError):
            code = REFUSED
        except BaseException:  # noqa: BLE001 what must not be
            code = UNCAUGHT
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code >= 0:
        return ENDS.get(code, f"exit code {code}")
    over = code in (-signal.SIGXCPU, -signal.SIGKILL)
    return (
        f"still at it after {CPU_SECONDS} CPU seconds" if over else f"killed by {signal.Signals(-code).name}"
    )


if __name__ == "__main__":
    main()
