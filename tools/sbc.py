"""Simulation-based calibration of a card: `uv run python tools/sbc.py --card graded_kill --fits 1000 --out FILE`.

Finished fits are appended to FILE.part and not made again: stop it when you like and start it again. When all are
there, FILE (CSV, gzipped) and its .sha256 are written and the record for the card's page is printed. With --planted,
faults are put into the readings, one after another, and the fits are counted until each is found.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd

from avatar_trials.card_files import load_model
from avatar_trials.evidence.faults import FAULTS
from avatar_trials.evidence.replicates import AS_THEY_ARE, Bench
from avatar_trials.evidence.sbc import Calibration, Effort, rank_check
from avatar_trials.stamp import make_stamp, write_atomic

ROOT = Path(__file__).resolve().parent.parent
FOUND_BELOW = 1e-4
LOOKS = (10, 20, 40, 80, 160)
EFFORT = Effort()

_calibration: Calibration


def main() -> None:
    """Run, or go on with a run, and print its record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--card", required=True, help="name or path of a model card")
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--avatars", type=int, default=Bench.n_avatars)
    parser.add_argument("--out", type=Path, help="rank file, .csv.gz")
    parser.add_argument("--planted", choices=FAULTS, nargs="+", default=[], help="faults to find")
    chosen = parser.parse_args()
    bench = Bench(load_model(chosen.card), n_avatars=chosen.avatars)
    # Fresh processes: a forked one would share the compiler's threads.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(chosen.cores, fresh, _prepare, (bench, chosen.seed)) as pool:
        if chosen.planted:
            for name in chosen.planted:
                print(_fits_to_find(pool, name), flush=True)
            return
        if chosen.out is None:
            parser.error("--out is needed")
        part = Path(f"{chosen.out}.part")
        for row in _new_rows(pool, _finished(part), chosen.fits):
            _append(part, row)
    _report(pd.read_csv(part).sort_values("replicate", ignore_index=True), bench, chosen)


def _prepare(bench: Bench, seed: int) -> None:
    global _calibration  # noqa: PLW0603  one compiled model a process
    _calibration = Calibration(bench, seed=seed, effort=EFFORT)


def _row(number: int, fault: str = "") -> dict[str, float]:
    return _calibration.row(number, FAULTS[fault][1] if fault else AS_THEY_ARE)


def _finished(part: Path) -> set[int]:
    return set(pd.read_csv(part)["replicate"]) if part.exists() else set()


def _new_rows(pool: ProcessPoolExecutor, finished: set[int], fits: int) -> Iterator[dict[str, float]]:
    missing = [number for number in range(fits) if number not in finished]
    for done, row in enumerate(pool.map(_row, missing), start=1):
        if done % 25 == 0:
            print(f"{len(finished) + done} of {fits} fits", flush=True)
        yield row


def _append(part: Path, row: dict[str, float]) -> None:
    part.parent.mkdir(parents=True, exist_ok=True)
    new = not part.exists()
    with part.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(row)
        writer.writerow(row.values())


def _fits_to_find(pool: ProcessPoolExecutor, name: str) -> str:
    """How many fits showed the fault: p of the rarest quantity times quantities and looks is below FOUND_BELOW."""
    rows: list[dict[str, float]] = []
    for look in LOOKS:
        numbers = range(len(rows), look)
        rows += pool.map(_row, numbers, [name] * len(numbers))
        check = rank_check(pd.DataFrame(rows), EFFORT.ranked_among, EFFORT.chains * EFFORT.draws)
        rarest = check.table.iloc[0]
        p = min(1.0, float(rarest["p_band"]) * len(check.table) * len(LOOKS))
        if p < FOUND_BELOW:
            return f"| {name} | {FAULTS[name][0]} | {look} | {rarest['quantity']} | {p:.1g} |"
    return f"| {name} | {FAULTS[name][0]} | not in {LOOKS[-1]} | {rarest['quantity']} | {p:.1g} |"


def _report(rows: pd.DataFrame, bench: Bench, chosen: argparse.Namespace) -> None:
    check = rank_check(rows, EFFORT.ranked_among, EFFORT.chains * EFFORT.draws)
    packed = {"method": "gzip", "mtime": 0}
    write_atomic(
        chosen.out, lambda file: rows.to_csv(file, index=False, compression=packed, lineterminator="\n")
    )
    digest = hashlib.sha256(chosen.out.read_bytes()).hexdigest()
    beside = Path(f"{chosen.out}.sha256")
    write_atomic(beside, lambda file: file.write_text(f"{digest}  {chosen.out.name}\n", "utf-8"))
    picture = Path(str(chosen.out).removesuffix(".csv.gz") + ".png")
    write_atomic(picture, lambda file: check.figure().savefig(file, dpi=130))
    versions = make_stamp()["libraries"]
    print(check.table.to_string(index=False, float_format="%.3g"))
    print(
        f"\n{datetime.date.today().isoformat()}, `tools/sbc.py --card {chosen.card} --fits {len(rows)} "
        f"--seed {chosen.seed} --avatars {bench.n_avatars}`, card sha256 "
        f"{bench.card.sha256[:12]}, {bench.n_avatars} avatars, arms {', '.join(bench.arms)}, {len(bench.days)} visits "
        f"in {bench.days[-1]:g} days, "
        f"{EFFORT.chains} chains of {EFFORT.tune} + {EFFORT.draws}, nutpie {versions['nutpie']}, PyMC "
        f"{versions['pymc']}, {rows['seconds'].sum():.0f} CPU seconds. {'Passed' if check.passed else 'FAILED'}. "
        f"{check.text} Ranks: {chosen.out.name}, sha256 {digest}."
    )


if __name__ == "__main__":
    main()
