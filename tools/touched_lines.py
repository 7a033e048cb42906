"""A pytest plugin that notes which lines of some files every test runs, and its CPU seconds."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

TOOL = 4
Lines = dict[str, set[int]]


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


@dataclass
class Touched:
    """Lines by file, and CPU seconds."""

    lines: Lines = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, other: Touched) -> None:
        for name, found in other.lines.items():
            self.lines.setdefault(name, set()).update(found)
        self.seconds += other.seconds


class TouchedLines:
    """Lines below `folders` of `root` by test, and CPU seconds of its shared fixtures and of itself, into `target`."""

    def __init__(self, root: Path, folders: tuple[str, ...], target: Path) -> None:
        self.prefixes = tuple(f"{root / folder}/" for folder in folders)
        self.root, self.target = root, target
        self.known: dict[str, str | None] = {}
        self.now: Lines = {}
        self.tests: dict[str, Touched] = {}
        self.fixtures: dict[tuple[str, str], Touched] = {}
        self.asked: dict[str, list[tuple[str, str]]] = {}
        self.failed: list[str] = []

    def pytest_sessionstart(self) -> None:
        sys.monitoring.use_tool_id(TOOL, "touched lines")
        sys.monitoring.register_callback(TOOL, sys.monitoring.events.LINE, self._ran)
        sys.monitoring.set_events(TOOL, sys.monitoring.events.LINE)

    def _ran(self, code: CodeType, line: int) -> Any:
        name = self.known.get(code.co_filename, "")
        if name == "":
            name = self.known[code.co_filename] = self._named(code.co_filename)
        if name:
            self.now.setdefault(name, set()).add(line)
        return sys.monitoring.DISABLE

    def _named(self, file: str) -> str | None:
        return str(Path(file).relative_to(self.root)) if file.startswith(self.prefixes) else None

    @contextmanager
    def _noted(self, into: Touched) -> Iterator[None]:
        before, self.now = self.now, {}
        sys.monitoring.restart_events()
        start = cpu_seconds()
        try:
            yield
        finally:
            into.add(Touched(self.now, cpu_seconds() - start))
            self.now = before
            sys.monitoring.restart_events()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Iterator[None]:
        test = request.node.nodeid if fixturedef.scope == "function" else ""
        into = self.tests if test else self.fixtures
        key: Any = test or (fixturedef.baseid, fixturedef.argname)
        with self._noted(into.setdefault(key, Touched())):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        names = getattr(item, "fixturenames", ())
        self.asked[item.nodeid] = [
            (place, name) for place, name in self.fixtures if name in names and item.nodeid.startswith(place)
        ]
        with self._noted(self.tests.setdefault(item.nodeid, Touched())):
            return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        sys.monitoring.set_events(TOOL, 0)
        sys.monitoring.free_tool_id(TOOL)
        tests = {}
        for test, fixtures in self.asked.items():
            if test in self.failed:
                continue
            shared, whole = Touched(), Touched()
            for fixture in fixtures:
                shared.add(self.fixtures[fixture])
            whole.add(self.tests[test])
            whole.add(shared)
            tests[test] = {
                "seconds": [round(shared.seconds, 3), round(self.tests[test].seconds, 3)],
                "lines": {name: sorted(found) for name, found in sorted(whole.lines.items())},
            }
        self.target.write_text(json.dumps({"failed": self.failed, "tests": tests}), "utf-8")
