"""A sweep done block by block: every block is kept when done, so that a killed sweep goes on where it was."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avatar_trials.stamp import write_atomic
from avatar_trials.sweeps.blocks import Block, Reference, Truths, baskets, compared_arms
from avatar_trials.sweeps.plan import Group, Plan
from avatar_trials.sweeps.sums import Sums
from avatar_trials.sweeps.table import largest_error
from avatar_trials.sweeps.workers import Engine, Named, here, numbers_of

Say = Callable[[str], None]

BLOCKS_BETWEEN_CHECKS = 4
SAY_EVERY_SECONDS = 5.0


def _silent(text: str) -> None:
    pass


@dataclass
class Kept:
    """Texts of finished work in a folder, by name; without a folder, in memory."""

    folder: Path | None

    def __post_init__(self) -> None:
        self._memory: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        if self.folder is None:
            return self._memory.get(name)
        path = self.folder / f"{name}.json"
        return path.read_text("utf-8") if path.is_file() else None

    def put(self, name: str, text: str) -> None:
        if self.folder is None:
            self._memory[name] = text
            return
        write_atomic(self.folder / f"{name}.json", lambda file: file.write_text(text, "utf-8"))

    def forget(self, name: str) -> None:
        """A text that has been used; one in a folder stays for a run that is killed."""
        self._memory.pop(name, None)

    def remove(self) -> None:
        """Everything, when the result is written."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Progress:
    """Tells every few seconds how far the work is, at what rate, and how long it will take."""

    say: Say
    total: int
    unit: str
    done: int = 0

    def __post_init__(self) -> None:
        self._start = self._told = time.monotonic()

    def step(self, n: int) -> None:
        self.done += n
        now = time.monotonic()
        if now - self._told < SAY_EVERY_SECONDS and self.done < self.total:
            return
        self._told = now
        rate = self.done / max(now - self._start, 1e-9)
        left = max(self.total - self.done, 0) / rate
        self.say(f"{self.done:,} of {self.total:,} {self.unit}, {rate:,.0f} a second, {duration(left)} left")


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def run_sweep(
    plan: Plan,
    *,
    trials: int,
    error: float | None = None,
    engine: Engine = here,
    folder: Path | None = None,
    say: Say = _silent,
) -> Sums:
    """The sums of a plan's trials, at least `trials` of every point, in whole blocks.

    With `error`, only until no share has a larger Monte Carlo standard error, looked at every BLOCKS_BETWEEN_CHECKS
    blocks. The result depends on the plan and these two alone: not on the engine, its workers, or how often the sweep
    was killed. Finished blocks are kept in `folder`, for `kept_of(...).remove()` when the result is written.
    """
    kept = kept_of(plan, folder)
    truths = {group.name: _truths(plan, group, engine, kept, say) for group in plan.groups}
    n_blocks = max(1, -(-trials // plan.n_trials))
    sums = Sums()
    progress = Progress(say, n_blocks * plan.n_trials * len(plan.varied), "trials")
    step = BLOCKS_BETWEEN_CHECKS
    for first in range(0, n_blocks, step):
        numbers = range(first, min(n_blocks, first + step) if error is not None else n_blocks)
        _do(_blocks(plan, truths, numbers), engine, kept, progress, plan)
        for number in numbers:
            for group in plan.groups:
                name = _block_name(group, number)
                sums.merge(Sums.of_text(kept.get(name) or ""))
                kept.forget(name)
        if error is None:
            break
        largest = largest_error(sums)
        say(
            f"largest standard error {largest:.4f} after {(numbers[-1] + 1) * plan.n_trials:,} trials a point"
        )
        if largest <= error:
            break
    return sums


def kept_of(plan: Plan, folder: Path | None) -> Kept:
    """Where finished blocks of a plan are: one folder for everything that its numbers depend on."""
    return Kept(None if folder is None else folder / f"blocks-{plan.key[:16]}")


def _truths(plan: Plan, group: Group, engine: Engine, kept: Kept, say: Say) -> Truths | None:
    if not plan.asks_truth:
        return None
    design = group.points[0][1]
    pieces = plan.reference_pieces(group)
    named: list[Named] = [
        (
            f"{group.name}-truth-{place}",
            Reference(group.population, design, np.arange(piece.start, piece.stop), plan.seed),
        )
        for place, piece in enumerate(pieces)
    ]
    _do(named, engine, kept, Progress(say, len(named), "pieces of the populations' true effects"), None)
    values = np.concatenate([numbers_of(kept.get(name) or "") for name, _ in named], axis=1)
    names = tuple(baskets({kind: {} for kind in design.cohort.tumor_types}))
    return Truths(names, compared_arms(design), values)


def _blocks(plan: Plan, truths: dict[str, Truths | None], numbers: range) -> Iterator[Named]:
    for number in numbers:
        for group in plan.groups:
            yield (
                _block_name(group, number),
                Block(
                    group.population,
                    group.points,
                    plan.worlds,
                    truths[group.name],
                    number,
                    plan.n_trials,
                    plan.seed,
                ),
            )


def _do(
    works: Iterator[Named] | list[Named], engine: Engine, kept: Kept, progress: Progress, plan: Plan | None
) -> None:
    """Do what is not kept from before, and keep it."""
    points = {group.name: len(group.points) for group in plan.groups} if plan else {}
    size = plan.n_trials if plan else 1

    def weight(name: str) -> int:
        return size * points.get(name.rpartition("-block-")[0], 1)

    missing = []
    for name, work in works:
        text = kept.get(name)
        if text is not None and _sound(text, work):
            progress.step(weight(name))
        else:
            missing.append((name, work))
    for name, text in engine(missing):
        kept.put(name, text)
        progress.step(weight(name))


def _sound(text: str, work: object) -> bool:
    try:
        if isinstance(work, Block):
            Sums.of_text(text)
        else:
            numbers_of(text)
    except (ValueError, KeyError, TypeError):
        return False
    return True


def _block_name(group: Group, number: int) -> str:
    return f"{group.name}-block-{number}"
