"""Whether the tests feel small faults planted in the rooms of formulas, one at a time.

    uv run python -m tools.mutation_testing --sample 300 --seed 1 --out mutants.csv
    uv run python -m tools.mutation_testing --sample 300 --seed 1 --out mutants.csv --again   # survivors only

A seeded sample of faults (`tools/mutations.py`) in `endpoints` and `kinetics`. The tests run once, noting the lines
that each of them touches (`--map` keeps them). Then, in a copy of the tree, every fault is planted in a process forked
from one that has read all tests, and the tests that touch its lines run, the quickest first, up to `--budget` CPU
seconds of them; if none fails, the others that touch its file, up to as many more. A fault in what runs at import is
planted in the file and gets a process of its own. Killed: a test fails, or takes TIMES as long as without the fault.
A fault that no test touches survives. One row a fault is written as it is done; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import compileall
import csv
import dataclasses
import json
import math
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

import pytest
from hypothesis import Phase, settings

from tools.mutations import Mutation, mutations
from tools.planting import NotInAFunction, plant
from tools.touched_lines import TouchedLines, cpu_seconds

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("avatar_trials/endpoints", "avatar_trials/kinetics")
SUITE = ("property", "oracle", "golden", "hostile", "journeys", "recovery")
COLUMNS = ("file", "line", "column", "function", "before", "after", "outcome", "by", "seconds")
QUIET = ("-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
PHASES = (Phase.explicit, Phase.generate)
SETTINGS = "_hypothesis_internal_use_settings"  # where hypothesis keeps what a test is decorated with
QUICK_S, QUICK_FILES, TIMES, GRACE_S, WALL_TIMES = 2.0, 4, 4.0, 20.0, 10.0

BROKEN = 70  # exit code of a child that could not do its work

Plan = tuple[list[str], float]
Fault = tuple[str, Mutation]


def faults() -> list[Fault]:
    """Every fault of both rooms, with its file."""
    files = [path for room in ROOMS for path in sorted((ROOT / room).glob("*.py"))]
    return [
        (path.relative_to(ROOT).as_posix(), one)
        for path in files
        for one in mutations(path.read_text("utf-8"))
    ]


def copied(folder: Path) -> Path:
    """A copy of the checkout's files, compiled so that a changed source is seen."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-c", "-o", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    compileall.compile_dir(
        folder / "avatar_trials", quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH
    )
    return folder


def in_a_child(work: Callable[[], int], limit_s: float) -> tuple[int, float]:
    """Exit code of `work` done in a forked process of its own group, and its CPU seconds.

    It is killed (a negative exit code) after `limit_s` CPU seconds, or WALL_TIMES as long by the clock.
    """
    start, ends = cpu_seconds(), time.monotonic() + WALL_TIMES * limit_s
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(limit_s), math.ceil(limit_s) + 5))
        code = BROKEN
        try:
            code = work()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            if code == BROKEN:
                traceback.print_exc()
            os._exit(code)
    done = status = 0
    while not done:
        done, status = os.waitpid(child, os.WNOHANG)
        if time.monotonic() > ends:
            os.killpg(child, signal.SIGKILL)
            ends = math.inf
        time.sleep(0.02)
    return os.waitstatus_to_exitcode(status), cpu_seconds() - start


class Quick:
    """Keeps hypothesis from shrinking what fails, and to `examples` of each property."""

    def __init__(self, examples: int) -> None:
        self.examples = examples

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            test = getattr(item, "obj", None)
            test = getattr(test, "__func__", test)
            asked = getattr(test, SETTINGS, None)
            if asked is not None:
                fewer = min(self.examples, asked.max_examples)
                setattr(test, SETTINGS, settings(asked, max_examples=fewer, phases=PHASES, print_blob=False))


def tested(tree: Path, arguments: Iterable[str], *plugins: object) -> int:
    """Exit code of pytest in `tree`, quietly."""
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    os.environ["PYTHONPATH"] = str(tree)
    with (tree / "pytest.log").open("w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        return int(pytest.main([*QUIET, *arguments], plugins=[*plugins]))


def mapped(tree: Path, suite: list[str], examples: int, kept: Path | None) -> dict[str, Any]:
    """Tests with their seconds and the lines they touch; read from `kept` where it is there."""
    target = kept or tree / "touched.json"
    if not target.is_file():
        noting = TouchedLines(tree, ROOMS, target)
        in_a_child(partial(tested, tree, suite, Quick(examples), noting), 7200.0)
    found: dict[str, Any] = json.loads(target.read_text("utf-8"))
    print(
        f"{len(found['tests'])} tests; left out, as they fail without a fault: {found['failed']}", flush=True
    )
    return found["tests"]


def plans(tests: dict[str, Any], budget_s: float, file: str, one: Mutation) -> list[Plan]:
    """The quickest tests that touch the fault, the others that do, and then those that touch its file."""
    first, last = one.reach
    near: list[str] = []
    far: list[str] = []
    for name, test in tests.items():
        lines = test["lines"].get(file)
        if lines:
            hit = one.reach == (1, 0) or any(first <= line <= last for line in lines)
            (near if hit else far).append(name)
    quick = _within(tests, near, QUICK_S, QUICK_FILES)
    rest = [name for name in near if name not in quick[0]]
    return [quick, _within(tests, rest, budget_s), _within(tests, far, budget_s)]


def _within(tests: dict[str, Any], names: list[str], budget_s: float, n_files: int = sys.maxsize) -> Plan:
    """The quickest of some tests within a budget, and their seconds; a file's fixtures are paid for once."""
    fixtures: dict[str, float] = {}
    for name in names:
        setup, place = tests[name]["seconds"][0], name.split("::")[0]
        fixtures[place] = max(setup, fixtures.get(place, 0.0))
    files: set[str] = set()
    kept: list[str] = []
    spent = 0.0
    for name in sorted(names, key=lambda name: fixtures[name.split("::")[0]] + tests[name]["seconds"][1]):
        place = name.split("::")[0]
        more = tests[name]["seconds"][1] + (0.0 if place in files else fixtures[place])
        if spent + more <= budget_s and len(files | {place}) <= n_files:
            kept.append(name)
            files.add(place)
            spent += more
    return kept, spent


class Judging:
    """In place of a run of all tests: every fault planted, tested and taken out again, one row each into `out`."""

    def __init__(
        self, tree: Path, tests: dict[str, Any], asked: argparse.Namespace, todo: list[Fault]
    ) -> None:
        self.tree, self.tests, self.asked, self.todo = tree, tests, asked, todo
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        rows = _rows(self.asked.out)
        for file, one in self.todo:
            rows.append(self._judged(items, file, one))
            _write(self.asked.out, rows)
        return True

    def _judged(self, items: dict[str, pytest.Item], file: str, one: Mutation) -> dict[str, Any]:
        """The row of a fault."""
        source = (self.tree / file).read_text("utf-8")
        planted, outcome, by, seconds = one.planted(source), "survived", "", 0.0
        (self.tree / file).write_text(planted, "utf-8")
        for names, planned in plans(self.tests, self.asked.budget, file, one):
            if not names or outcome != "survived":
                continue
            note = self.tree / "first_failure.txt"
            note.unlink(missing_ok=True)
            chosen = [items[name] for name in names if name in items]
            work = partial(self._felt, chosen, str(self.tree / file), planted, one, note)
            code, spent = in_a_child(work, GRACE_S + TIMES * planned)
            seconds += spent
            if code != 0:
                outcome = "killed" if code != BROKEN else "not judged"
                by = note.read_text("utf-8") if note.is_file() else ("time" if code < 0 else f"exit {code}")
        (self.tree / file).write_text(source, "utf-8")
        facts = {"file": file, **dataclasses.asdict(one)}
        return {name: facts.get(name) for name in COLUMNS} | {
            "outcome": outcome, "by": by, "seconds": round(seconds, 1)
        }  # fmt: skip

    def _felt(self, items: list[pytest.Item], path: str, planted: str, one: Mutation, note: Path) -> int:
        """1 if a test fails with the fault, else 0; in a process that ends afterwards."""
        try:
            plant(path, planted, one)
        except NotInAFunction:
            return _felt_from_the_start([item.nodeid for item in items], note)
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                note.write_text(self.failed[0], "utf-8")
                return 1
        return 0


def _felt_from_the_start(names: list[str], note: Path) -> int:
    """The same where the file has to be imported anew. What cannot be imported any more is felt, too."""
    command = [sys.executable, "-m", "pytest", "-x", *QUIET, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    note.write_text((failed or [f"exit {done.returncode}"])[0][:200], "utf-8")
    return int(done.returncode != 0)


def key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("file", "line", "column", "before", "after"))


def main(arguments: list[str]) -> int:
    """Run as the module's first lines say; exit code 1 if less than 90 % were killed."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--sample", type=int, default=300)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--map", type=Path, help="where the touched lines are kept; made if it is not there")
    options.add_argument("--examples", type=int, default=500, help="of a property, at most")
    options.add_argument("--budget", type=float, default=60.0, help="CPU seconds of tests, of each kind")
    options.add_argument("--again", action="store_true", help="try survivors again")
    options.add_argument("--tests", nargs="+", default=[f"tests/{kind}" for kind in SUITE])
    asked = options.parse_args(arguments)
    asked.out = asked.out.absolute()
    everything = faults()
    sample = random.Random(asked.seed).sample(everything, asked.sample)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = copied(Path(folder).resolve())
        tests = mapped(tree, asked.tests, asked.examples, asked.map and asked.map.absolute())
        rows = _rows(asked.out)
        if asked.again:
            rows = [row for row in rows if row["outcome"] != "survived"]
            _write(asked.out, rows)
        done = {key(row) for row in rows}
        todo = [
            (file, one)
            for file, one in sorted(sample, key=lambda pair: (pair[0], pair[1].line, pair[1].column))
            if key({"file": file, **dataclasses.asdict(one)}) not in done
        ]
        files = sorted({name.split("::")[0] for name in tests})
        work = partial(tested, tree, files, Quick(asked.examples), Judging(tree, tests, asked, todo))
        in_a_child(work, 1e5)
        rows = _rows(asked.out)
    for row in rows:
        if row["outcome"] == "survived":
            print({name: row[name] for name in COLUMNS[:6]})
    counts = Counter(row["outcome"] for row in rows)
    print(
        f"{len(rows)} of {len(everything)} faults: {dict(counts)}, {counts['killed'] / len(rows):.1%} killed"
    )
    return 0 if counts["killed"] >= 0.9 * len(rows) else 1


def _rows(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def _write(file: Path, rows: list[dict[str, Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
