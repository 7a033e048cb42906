"""Disks that fill up, and folders that become read-only, under the program: `python -m tools.full_disk --page PAGE`.

Each command writes into a small disk of its own (tmpfs; needs root), which holds whole files of an earlier run and
less room than the new ones take; or into one that is made read-only while the command is at work. It must end with
exit code 3 and words, every file be the earlier one or the new one, nothing unfinished lie about, and the same command
must write what an unbroken run writes once there is room.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tools.kills import (
    COMMANDS,
    ENDS,
    OUT,
    ended,
    finish,
    leftovers,
    load,
    prepare,
    started,
    unbroken,
    whole,
    wrong,
)
from tools.records import dated, kept_on

ROOMS = (0.0, 0.3, 0.6, 0.9)
MOMENTS = (0.2, 0.5, 0.8)
ROOMY = "1g"
RESOURCES = 3


def main() -> None:
    """Fill, look, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--page", type=Path, help="page whose section of full disks is written anew")
    chosen = parser.parse_args()
    load()
    rows = []
    for name in chosen.only:
        cells, bad = tried(name)
        rows.append(f"| `{name}` | {' | '.join(map(str, cells))} | {len(bad)} |")
        print(rows[-1], *bad, sep="\n", flush=True)
    head = (
        "| command | full disks | told, exit code 3 | made read-only | told, exit code 3 | had written all before "
        "| wrong |\n|---|---|---|---|---|---|---|"
    )
    kept_on(chosen.page, "Full disks", "\n".join([dated(), "", head, *rows]))


def tried(name: str) -> tuple[list[int], list[str]]:
    """Full disks, told of, disks made read-only, told of, runs that were through before; what went wrong."""
    bad: list[str] = []
    full = told_full = closed = told_closed = through = 0
    with tempfile.TemporaryDirectory() as scratch:
        old = unbroken(name, Path(scratch, "old"), "8")
        start = time.monotonic()
        new = unbroken(name, Path(scratch, "new"), "7")
        seconds = time.monotonic() - start
        sizes = [path.stat().st_size for path in Path(scratch, "old", OUT).rglob("*") if path.is_file()]
        held = sum(-(-size // 4096) * 4096 for size in sizes)
        folder = Path(scratch, "tried")
        prepare(folder, "7", trial=name == "report")
        for room in ROOMS:
            with disk(folder / OUT, f"{held + int(room * max(sizes)) + 16384}"):
                fill(Path(scratch, "old", OUT), folder / OUT)
                code = finish(name, folder)
                full, told_full, through = (
                    full + 1,
                    told_full + (code == RESOURCES),
                    through + (code == ENDS.get(name, 0)),
                )
                bad += [f"{name}, room {room}: {what}" for what in judged(folder, name, code, old, new)]
                mount("remount,size=" + ROOMY, folder / OUT)
                if finish(name, folder) != ENDS.get(name, 0) or whole(folder / OUT) != new:
                    bad.append(f"{name}, room {room}: with room the end differs")
        for moment in MOMENTS:
            with disk(folder / OUT, ROOMY):
                fill(Path(scratch, "old", OUT), folder / OUT)
                code = made_read_only(started(name, folder), moment * seconds, folder / OUT)
                mount("remount,rw", folder / OUT)
                closed, told_closed, through = (
                    closed + 1,
                    told_closed + (code == RESOURCES),
                    through + (code == ENDS.get(name, 0)),
                )
                bad += [
                    f"{name}, read-only at {moment}: {what}"
                    for what in judged(folder, name, code, old, new, unfinished=True)
                ]
                if finish(name, folder) != ENDS.get(name, 0) or whole(folder / OUT) != new:
                    bad.append(f"{name}, read-only at {moment}: when it can be written the end differs")
    return [full, told_full, closed, told_closed, through], bad


def judged(
    folder: Path, name: str, code: int, old: dict[str, str], new: dict[str, str], *, unfinished: bool = False
) -> Iterator[str]:
    """What is wrong with an end. `unfinished`: some may lie there, as nothing can be removed from a read-only disk."""
    told = (folder / "log").read_text("utf-8", "replace")
    if code not in (ENDS.get(name, 0), RESOURCES) or "Traceback" in told:
        yield f"exit code {code}: {told[-1500:]}"
    if code == RESOURCES and not told.strip():
        yield "no word"
    yield from wrong(folder / OUT, old, new)
    if leftovers(folder / OUT) and not unfinished:
        yield f"left {leftovers(folder / OUT)}"


def made_read_only(running: int, after: float, place: Path) -> int:
    """Exit code of a process under which a disk becomes read-only after so many seconds, or as soon as it can."""
    deadline = time.monotonic() + after
    code = ended(running)
    while code is None and (time.monotonic() < deadline or not mount("remount,ro", place)):
        time.sleep(0.005)
        code = ended(running)
    return os.waitstatus_to_exitcode(os.waitpid(running, 0)[1]) if code is None else code


def fill(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)


@contextlib.contextmanager
def disk(place: Path, size: str) -> Iterator[None]:
    """A disk of so many bytes at a place."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


def mount(options: str, place: Path) -> bool:
    """Mount a disk anew with other options; False while a file on it is open for writing."""
    return (
        subprocess.run(["mount", "-o", options, str(place)], capture_output=True, check=False).returncode == 0
    )


if __name__ == "__main__":
    main()
