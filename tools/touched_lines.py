"""A pytest plugin that notes which lines of some files every test runs, and its CPU seconds."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

TOOL = 4
Lines = dict[str, set[int]]


def cpu_seconds() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])


class TouchedLines:
    """Lines below `folders` of `root` by test, and CPU seconds of its fixtures and of itself, into `target`.

    What fixtures run counts for every test of their module.
    """

    def __init__(self, root: Path, folders: tuple[str, ...], target: Path) -> None:
        self.prefixes = {f"{root / folder}/": folder for folder in folders}
        self.root, self.target = root, target
        self.known: dict[str, str | None] = {}
        self.now: Lines = {}
        self.calls: dict[str, Lines] = {}
        self.setups: dict[str, Lines] = {}
        self.seconds: dict[str, list[float]] = {}
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
        inside = any(file.startswith(prefix) for prefix in self.prefixes)
        return str(Path(file).relative_to(self.root)) if inside else None

    @contextmanager
    def _noted(self, item: pytest.Item, into: Lines) -> Iterator[None]:
        self.now = {}
        sys.monitoring.restart_events()
        start = cpu_seconds()
        try:
            yield
        finally:
            self.seconds.setdefault(item.nodeid, []).append(round(cpu_seconds() - start, 3))
            for name, lines in self.now.items():
                into.setdefault(name, set()).update(lines)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        with self._noted(item, self.setups.setdefault(item.nodeid.split("::")[0], {})):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        with self._noted(item, self.calls.setdefault(item.nodeid, {})):
            return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        sys.monitoring.set_events(TOOL, 0)
        sys.monitoring.free_tool_id(TOOL)
        tests = {}
        for test, lines in self.calls.items():
            if test in self.failed:
                continue
            touched = {name: set(found) for name, found in lines.items()}
            for name, found in self.setups.get(test.split("::")[0], {}).items():
                touched.setdefault(name, set()).update(found)
            tests[test] = {
                "seconds": self.seconds[test],
                "lines": {name: sorted(found) for name, found in sorted(touched.items())},
            }
        self.target.write_text(json.dumps({"failed": self.failed, "tests": tests}), "utf-8")
