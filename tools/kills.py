"""Kill the program at random moments and look at what it leaves: `python -m tools.kills --kills 20 --page PAGE`.

Each command runs for real on small inputs, in a folder that holds whole files of an earlier run with another seed,
and is killed: half of the times at any moment of its run, half of the times just after it has begun to write a file.
It is a process of its own, forked from one that has the libraries loaded, so that moments fall into its work and not
into that; `--start` starts Python anew each time. After every kill each file must be byte for byte the earlier one or
the one that an unbroken run writes, its checksum must vouch for it, finished pieces of work must all be there, and no
process may go on. Then the same command goes on from there, and in the end must have written the same bytes as the
unbroken run and left nothing else.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from avatar_trials.cli import main as program
from avatar_trials.library import find_card
from avatar_trials.seeds import stream
from avatar_trials.stamp import sha256_of
from avatar_trials.unfinished import PREFIX
from tools.records import dated, kept_on

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = (sys.executable, "-c", "from avatar_trials.cli import main; main()")
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL, signal.SIGINT)
IN_A_ROW = 6
PATIENCE = 60.0
OUT, INPUTS = "out", "inputs"
FROZEN = f"{INPUTS}/frozen_posterior.nc"
DESIGN = f"{INPUTS}/d.toml"
SWEEP = (
    *("sweep", f"{INPUTS}/g.toml", "--vary", "cohort.n=10", "--trials", "600", "--chunk", "50"),
    *("--worlds", "no_difference,independent_action"),
)
COMMANDS = {
    "emulate": ("emulate", DESIGN, "--posterior", FROZEN, "-o", f"{OUT}/trial.nc"),
    "report": (
        *("report", DESIGN, "--trial", f"{INPUTS}/trial.nc", "--posterior", FROZEN),
        *("--volumes", f"{INPUTS}/volumes.csv", "-o", f"{OUT}/report.html"),
    ),
    "compare-strategies": ("compare-strategies", f"{INPUTS}/s.toml", "--avatars", "150", "-o", OUT),
    "sweep": (*SWEEP, "-o", OUT),
    "sweep, two processes": (*SWEEP, "--workers", "2", "-o", OUT),
    "calibrate": (
        *("calibrate", f"{INPUTS}/quick_d.toml", "--volumes", f"{INPUTS}/volumes.csv"),
        *("-o", f"{OUT}/posterior.nc"),
    ),
    "run": (
        *("run", f"{INPUTS}/quick_d.toml", "--volumes", f"{INPUTS}/volumes.csv"),
        *("--allow-unconverged", "-o", OUT),
    ),
}


SHARE = {"report": 0.5, "sweep, two processes": 0.4, "calibrate": 0.5, "run": 0.5}


ENDS = {"calibrate": 4}
"""Exit code of an unbroken run: a small calibration does not pass its gates, and its posterior is written."""


@dataclass
class Tally:
    """What was counted of a command."""

    kills: Counter[str] = field(default_factory=Counter)
    ran_through: int = 0
    unfinished: int = 0
    units: int = 0
    bad: list[str] = field(default_factory=list)


def main() -> None:
    """Kill, look, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="kills of each command, fewer of the slow ones")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", action="store_true", help="start Python anew for every kill")
    parser.add_argument("--only", nargs="*", choices=COMMANDS, default=list(COMMANDS))
    parser.add_argument("--page", type=Path, help="page whose section `Kills` is written anew")
    chosen = parser.parse_args()
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a job in the background would hand on that it is ignored
    if not chosen.start:
        load()
    rows = []
    for name in chosen.only:
        tally, seconds = tried(name, round(chosen.kills * SHARE.get(name, 1.0)), chosen.seed)
        rows.append(row(name, tally, seconds))
        print(rows[-1], *tally.bad, sep="\n", flush=True)
    head = (
        "| command | seconds unbroken | SIGKILL | SIGTERM | SIGINT | of these as a file was written "
        "| ended before the kill | unfinished files left until the next run | finished pieces kept | wrong |\n"
        "|---|---|---|---|---|---|---|---|---|---|"
    )
    kept_on(chosen.page, "Kills", "\n".join([dated(f"seed {chosen.seed}"), "", head, *rows]))


def tried(name: str, kills: int, seed: int) -> tuple[Tally, float]:
    """What became of a command under so many kills, and how many seconds it takes unbroken."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as scratch:
        old = unbroken(name, Path(scratch, "old"), "8")
        new = unbroken(name, Path(scratch, "new"), "7")
        folder = Path(scratch, "killed")
        prepare(folder, "7", trial=name == "report")
        start = time.monotonic()
        if finish(name, folder) != ENDS.get(name, 0) or whole(folder / OUT) != new:
            tally.bad.append(f"{name}: two unbroken runs differ")
        seconds = time.monotonic() - start
        chance = stream(seed, "kills", name)
        done = 0
        while done < kills:
            shutil.rmtree(folder / OUT, ignore_errors=True)
            shutil.copytree(Path(scratch, "old", OUT), folder / OUT)
            units: dict[str, str] = {}
            for _ in range(min(IN_A_ROW, kills - done)):
                writing = bool(chance.random() < 0.5)
                delay = float(chance.uniform(0.0, 0.05 if writing else 0.95 * seconds))
                number = SIGNALS[done % len(SIGNALS)]
                units = once(name, folder, number, delay, writing, old, new, units, tally)
                done += 1
            code = finish(name, folder)
            if code != ENDS.get(name, 0) or whole(folder / OUT) != new or leftovers(folder / OUT):
                tally.bad.append(f"{name}: after {done} kills the end differs (exit {code})")
    return tally, seconds


def once(
    name: str,
    folder: Path,
    number: signal.Signals,
    delay: float,
    writing: bool,
    old: dict[str, str],
    new: dict[str, str],
    units: dict[str, str],
    tally: Tally,
) -> dict[str, str]:
    """Start, kill, look; the finished pieces that are there now."""
    out = folder / OUT
    was_there = set(leftovers(out))
    running = started(name, folder)
    code = None
    while writing and code is None and not set(leftovers(out)) - was_there:
        time.sleep(0.002)
        code = ended(running)
    deadline = time.monotonic() + delay
    while code is None and time.monotonic() < deadline:
        time.sleep(0.002)
        code = ended(running)
    through = code is not None
    if code is None:
        os.killpg(running, number) if number == signal.SIGINT else os.kill(running, number)
        code = os.waitstatus_to_exitcode(os.waitpid(running, 0)[1])
    tally.ran_through += through
    tally.kills[number.name] += not through
    tally.kills["writing"] += writing and not through
    told = (folder / "log").read_text("utf-8", "replace")
    done = ENDS.get(name, 0)
    allowed = {done} if through else {-number, done, 130 if number == signal.SIGINT else done}
    if code not in allowed or "Traceback" in told:
        tally.bad.append(f"{name}: {number.name} ended with {code}: {told[-600:]}")
    deadline = time.monotonic() + PATIENCE
    while in_session(running) and time.monotonic() < deadline:
        time.sleep(0.05)
    if in_session(running):
        tally.bad.append(f"{name}: processes go on after {number.name}")
    tally.bad += [f"{name}: {number.name}: {what}" for what in wrong(out, old, new)]
    tally.unfinished += len(set(leftovers(out)) - was_there)
    there = units_in(out)
    lost = [unit for unit, content in units.items() if there and there.get(unit) != content]
    tally.bad += [f"{name}: {unit} was finished and is lost" for unit in lost]
    tally.units += len(set(there) - set(units))
    return there


def wrong(out: Path, old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    """Files that are neither the earlier one nor the new one, and checksums that do not vouch."""
    now = whole(out)
    for path in old.keys() - now.keys():
        yield f"{path} is gone"
    for path, content in now.items():
        if path.endswith(".sha256"):
            beside = now.get(path.removesuffix(".sha256"))
            if beside is not None and beside not in (out / path).read_text("utf-8").split():
                yield f"{path} does not vouch for its file"
        elif content not in (old.get(path), new.get(path)):
            yield f"{path} is neither old nor new"


def whole(out: Path) -> dict[str, str]:
    """sha256 of the files under the targets' own names."""
    return {str(path.relative_to(out)): sha256_of(path) for path in files_in(out) if not is_aside(path, out)}


def leftovers(out: Path) -> list[str]:
    """Unfinished files and folders of finished pieces."""
    return [str(path) for path in out.rglob("*") if path.name.startswith(PREFIX)]


def units_in(out: Path) -> dict[str, str]:
    """sha256 of finished pieces of work: blocks of a sweep, chains of a calibration."""
    found = {}
    for path in files_in(out):
        inside = path.relative_to(out).as_posix()
        if re.search(r"\.partial/.*(\.json|\.npy)$", inside) and PREFIX not in inside:
            found[inside] = sha256_of(path)
    return found


def files_in(out: Path) -> list[Path]:
    return [path for path in out.rglob("*") if path.is_file()]


def is_aside(path: Path, out: Path) -> bool:
    return any(part.startswith(PREFIX) or part.endswith(".partial") for part in path.relative_to(out).parts)


def in_session(leader: int) -> list[int]:
    """Processes of the session that a killed one led, those that only wait to be reaped left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def unbroken(name: str, folder: Path, seed: str) -> dict[str, str]:
    """What a command writes if nobody kills it."""
    prepare(folder, seed, trial=name == "report")
    code = finish(name, folder)
    if code != ENDS.get(name, 0):
        raise RuntimeError(f"{name} ended with {code}: {(folder / 'log').read_text('utf-8')}")
    return whole(folder / OUT)


def finish(name: str, folder: Path) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(started(name, folder), 0)[1])


def load() -> None:
    """What the commands load."""
    for room in ("calibrate", "cli.commands", "emulate", "evidence", "report", "strategies", "sweeps"):
        importlib.import_module(f"avatar_trials.{room}")


def started(name: str, folder: Path) -> int:
    """The process of a command, leader of a session of its own; what it prints is in `log`."""
    child = os.fork()
    if child:
        return child
    os.setsid()
    os.chdir(folder)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if "avatar_trials.calibrate" not in sys.modules:
        os.execv(sys.executable, (*PROGRAM, *COMMANDS[name]))
    code = 1
    try:
        sys.argv = ["avatar-trials", *COMMANDS[name]]
        program()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ended(process: int) -> int | None:
    """Exit code of a process, None while it runs."""
    there, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if there else None


def prepare(folder: Path, seed: str, *, trial: bool = False) -> None:
    """Inputs of every command: small designs with a seed, a card that samples little, volumes of four avatars."""
    inputs = folder / INPUTS
    inputs.mkdir(parents=True)
    (folder / OUT).mkdir()
    for end in ("", ".sha256"):
        shutil.copy(ROOT / "tests" / "fixtures" / f"frozen_posterior.nc{end}", inputs)
    design = changed(find_card("trial_designs", "melanoma_two_clone"), seed=seed, replicates="60")
    (inputs / "d.toml").write_text(design, "utf-8")
    (inputs / "quick_d.toml").write_text(changed_text(design, model='"quick.toml"'), "utf-8")
    (inputs / "g.toml").write_text(
        changed(find_card("trial_designs", "melanoma_braf_mek"), seed=seed), "utf-8"
    )
    (inputs / "s.toml").write_text(changed(find_card("trial_designs", "every_strategy"), seed=seed), "utf-8")
    card = changed(find_card("models", "two_clone"), chains="4", tune="100", draws="400")
    (inputs / "quick.toml").write_text(card, "utf-8")
    panel = find_card("panels", "melanoma_synthetic").read_text("utf-8").splitlines(keepends=True)
    few = ("#", "avatar,", *(f"SYN-00{k}," for k in range(1, 5)))
    (inputs / "volumes.csv").write_text("".join(line for line in panel if line.startswith(few)), "utf-8")
    if trial:
        if finish("emulate", folder):
            raise RuntimeError((folder / "log").read_text("utf-8"))
        for end in ("", ".sha256"):
            os.replace(folder / OUT / f"trial.nc{end}", inputs / f"trial.nc{end}")


def changed(card: Path, **values: str) -> str:
    return changed_text(card.read_text("utf-8"), **values)


def changed_text(text: str, **values: str) -> str:
    """The card with the first line of each key put otherwise."""
    for key, value in values.items():
        text, n = re.subn(rf"^{key} = .*", f"{key} = {value}", text, count=1, flags=re.MULTILINE)
        if not n:
            raise ValueError(f"no {key} in the card")
    return text


def row(name: str, tally: Tally, seconds: float) -> str:
    counts = [tally.kills[key] for key in ("SIGKILL", "SIGTERM", "SIGINT", "writing")]
    cells = [
        f"`{name}`",
        f"{seconds:.1f}",
        *counts,
        tally.ran_through,
        tally.unfinished,
        tally.units,
        len(tally.bad),
    ]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
