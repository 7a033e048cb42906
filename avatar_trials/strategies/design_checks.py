"""What a design says a comparison must show, held against what it shows."""

from __future__ import annotations

import pandas as pd

from avatar_trials.problems import InputError, Problem
from avatar_trials.strategy_designs import CheckSpec, StrategyDesign

CHECK_COLUMNS = (
    *("what", "strategy", "endpoint", "than", "value", "least", "most", "holds", "basis", "source"),
)


def design_checks(design: StrategyDesign, scores: pd.DataFrame) -> pd.DataFrame:
    """A row a check of the design, columns as named above, from the table of scores of all its strategies.

    Raises InputError for checks of endpoints that the comparison does not have.
    """
    values = scores.set_index(["strategy", "endpoint"])["estimate"]
    missing = [check for check in design.checks if (check.strategy, check.endpoint) not in values.index]
    if missing:
        there = ", ".join(dict.fromkeys(scores["endpoint"]))
        raise InputError(
            [
                Problem(
                    "D98", "error", f"check {one.what!r}: no endpoint {one.endpoint!r}", f"There are {there}"
                )
                for one in missing
            ]
        )
    rows = [_row(check, values) for check in design.checks]
    return pd.DataFrame(rows, columns=list(CHECK_COLUMNS))


def _row(check: CheckSpec, values: pd.Series) -> tuple[object, ...]:
    value = float(values[check.strategy, check.endpoint])
    if check.than is not None:
        value -= float(values[check.than, check.endpoint])
    low = float("-inf") if check.least is None else check.least
    high = float("inf") if check.most is None else check.most
    return (
        *(check.what, check.strategy, check.endpoint, check.than or ""),
        *(value, check.least, check.most, low <= value <= high, check.basis, check.source),
    )
