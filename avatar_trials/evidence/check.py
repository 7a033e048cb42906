"""A check of a posterior as an object: whether it passed, the table behind that, one sentence, a figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VERDICTS = {True: "passed", False: "FAILED", None: "not computed"}


@dataclass(frozen=True)
class Check:
    """What one check found.

    `passed` None: it could not be computed, and `text` says why. `text`: result and passing rule, in words. `table`
    has one row a thing checked. `figure` draws the table when called (matplotlib), None where there is nothing to draw.
    """

    name: str
    passed: bool | None
    table: pd.DataFrame
    text: str
    figure: Callable[[], Figure] | None = None

    @property
    def verdict(self) -> str:
        """ "passed", "FAILED" or "not computed"."""
        return VERDICTS[self.passed]

    @property
    def slug(self) -> str:
        """The name as a file's: small letters, underscores."""
        return "_".join("".join(c if c.isalnum() else " " for c in self.name.casefold()).split())


def not_computed(name: str, why: str) -> Check:
    """A check that could not be computed, and why."""
    return Check(name, None, pd.DataFrame(), f"Not computed: {why}.")


def summary(checks: list[Check]) -> pd.DataFrame:
    """One row a check: check, passed (True, False, or None where not computed), text."""
    rows = [(check.name, check.passed, check.text) for check in checks]
    return pd.DataFrame(rows, columns=["check", "passed", "text"], dtype=object)
