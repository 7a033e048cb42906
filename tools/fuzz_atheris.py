"""Coverage-guided mutants through every reader: `python -m tools.fuzz_atheris --seconds 600 --page PAGE`.

Needs atheris (`pip install atheris`), which is no dependency: it is asked for by hand. The readers, the sound files and
what counts as an answer are those of `tools.fuzz`; libFuzzer chooses among its own mutations and ours by which lines of
the package they reach. The first byte of an input says which reader it is for. An uncaught exception ends the run and
leaves its input in `--keep`.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tools.records import dated, kept_on


def main() -> None:
    """Fuzz in a process of its own, which libFuzzer ends, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzzed"), help="folder of what went wrong")
    parser.add_argument("--page", type=Path, help="page whose section is written anew")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.inside is not None:
        inside(chosen.inside, chosen.seconds, chosen.seed, chosen.keep)
        return
    chosen.keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        again = [sys.executable, "-m", "tools.fuzz_atheris", *sys.argv[1:], "--inside", folder]
        done = subprocess.run(again, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    last = [line for line in done.stderr.splitlines() if " cov: " in line][-1:]
    inputs = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
    print(done.stderr[-4000:])
    cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = dated(f"{cpu.ru_utime + cpu.ru_stime:.0f} CPU seconds")
    uncaught = "none" if done.returncode == 0 else f"one or more, exit {done.returncode}"
    rows = [
        f"| uncaught | {uncaught} |",
        f"| inputs | {''.join(inputs)} |",
        f"| lines of the package reached (cov), inputs kept (corp) | `{''.join(last)}` |",
    ]
    kept_on(chosen.page, "Atheris", "\n".join([told, "", "| | |", "|---|---|", *rows]))
    sys.exit(done.returncode)


def inside(folder: Path, seconds: int, seed: int, keep: Path) -> None:
    """Instrument the package's readers, and fuzz until the time is over."""
    import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]

    with atheris.instrument_imports(include=["avatar_trials"]):
        from tools import fuzz
    readers = fuzz.readers()
    corpus = folder / "corpus"
    corpus.mkdir()
    for place, reader in enumerate(readers):
        for number, sound in enumerate(reader.sound):
            (corpus / f"{place}-{number}").write_bytes(bytes([place]) + sound)
    paths = [folder / f"input{reader.suffix}" for reader in readers]

    def one(data: bytes) -> None:
        place = data[0] % len(readers) if data else 0
        paths[place].write_bytes(data[1:])
        fuzz.answer(readers[place], paths[place])

    def mutated(data: bytes, most: int, luck: int) -> bytes:
        chance = np.random.default_rng(luck)
        place = data[0] % len(readers) if data else 0
        if chance.random() < 0.5:
            content: Any = atheris.Mutate(data[1:], most - 1) if len(data) > 1 else b""
        else:
            content = fuzz.mutant([data[1:]], 1, readers[place].suffix, chance)
        return bytes([place]) + bytes(content)[: most - 1]

    most = max(len(sound) for reader in readers for sound in reader.sound) + 1000
    arguments = [sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={most}"]
    arguments += [f"-artifact_prefix={keep}{os.sep}", "-timeout=20", "-rss_limit_mb=6000"]
    atheris.Setup(arguments, one, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
