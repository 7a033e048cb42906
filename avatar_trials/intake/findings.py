"""Where the steps of intake leave what they find, so that all of it is told at once."""

from __future__ import annotations

from collections.abc import Iterable

from avatar_trials.problems import Problem, Severity, errors_of

NAMED = 4


class Findings:
    """Collects `Problem`s about one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []

    def error(
        self, code: str, what: str, fix: str = "", *, line: int | None = None, column: str = ""
    ) -> None:
        self._add("error", code, what, fix, line, column)

    def warning(
        self, code: str, what: str, fix: str = "", *, line: int | None = None, column: str = ""
    ) -> None:
        self._add("warning", code, what, fix, line, column)

    def note(self, code: str, what: str, fix: str = "", *, line: int | None = None, column: str = "") -> None:
        self._add("note", code, what, fix, line, column)

    @property
    def refused(self) -> bool:
        """True once there is an error."""
        return bool(errors_of(self.problems))

    def _add(self, severity: Severity, code: str, what: str, fix: str, line: int | None, column: str) -> None:
        self.problems.append(
            Problem(
                code=code, severity=severity, what=what, fix=fix, file=self.file, line=line, column=column
            )
        )


def count(n: int, noun: str, plural: str = "") -> str:
    """`1 mouse`, `2,255 mice`."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def some(names: Iterable[object]) -> str:
    """The first few names and how many more there are."""
    listed = [str(name) for name in names]
    shown = ", ".join(listed[:NAMED])
    return shown if len(listed) <= NAMED else f"{shown} and {len(listed) - NAMED:,} more"
