"""Problems in what a user gave: one `Problem` a finding, all of them raised together in one `InputError`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]

SHOWN_PROBLEMS = 20


@dataclass(frozen=True)
class Problem:
    """One finding about an input, in the user's terms.

    `code` is the case's short name (as "V03"), `line` the line of the *file* (its header is line 1, a comment
    line counts), `column` the column as the file spells it. `severity`: an error refuses the input, a warning
    accepts it and says so, a note records a normalisation.
    """

    code: str
    severity: Severity
    what: str
    fix: str = ""
    file: str = ""
    line: int | None = None
    column: str = ""

    def __str__(self) -> str:
        parts = [self.file, "" if self.line is None else str(self.line), self.column]
        place = ":".join(part for part in parts if part)
        stop = "" if self.what.endswith(("?", ".")) else "."
        sentence = f"{self.what}{stop} {self.fix}" if self.fix else self.what
        return one_line(f"{place} [{self.code}] {sentence}".strip())


class InputError(ValueError):
    """Input that cannot be used. `problems` holds everything found; `exit_code` is 2 on the command line.

    `str()` gives one line a problem, errors first, at most `SHOWN_PROBLEMS` of them and then a count of the rest.
    """

    exit_code = 2

    def __init__(self, problems: Iterable[Problem] | Problem) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return problems_text(self.problems)


class OutputError(InputError):
    """Output that cannot be written, or that another run is writing; nothing was computed. Exit code 3."""

    exit_code = 3


class ResourceError(InputError):
    """What is asked for does not fit into this machine; nothing was computed. Exit code 3."""

    exit_code = 3


def errors_of(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems that refuse the input."""
    return tuple(problem for problem in problems if problem.severity == "error")


def together(*steps: Callable[[], Any]) -> list[Any]:
    """What every step returns, each run whatever the others find; InputError with the problems of all of them."""
    problems: list[Problem] = []
    found = []
    for step in steps:
        try:
            found.append(step())
        except InputError as refused:
            problems += refused.problems
    if problems:
        raise InputError(problems)
    return found


def problems_text(problems: Iterable[Problem], shown: int = SHOWN_PROBLEMS) -> str:
    """One line a problem, errors first, then a count of those left out.

    Notes and warnings are left out where there are errors: they are about a file that will change.
    """
    everything = tuple(problems)
    listed = errors_of(everything) or everything
    lines = [str(problem) for problem in listed[:shown]]
    if len(listed) > shown:
        lines.append(f"... and {len(listed) - shown:,} more")
    return "\n".join(lines)


def one_line(text: str) -> str:
    """Control characters and lone surrogates from the input escaped: a hostile cell must not draw on the terminal."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode("ascii")
        for char in text
    )
