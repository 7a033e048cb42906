"""What a report rests on, as rows of shown text: population parameters, convergence gates, the stamp."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from avatar_trials.report.text import MINUS, NOTHING, number, significant

IDENTIFIED_CONTRACTION = 0.3
NAMED_WORST = 2
NOT_IDENTIFIED = "not identified: prior shown"


@dataclass(frozen=True)
class ParameterRow:
    """One population parameter; an `estimate` only where the data speak."""

    name: str
    meaning: str
    unit: str
    prior: str
    identified: bool
    estimate: str
    interval: str
    contraction: str


@dataclass(frozen=True)
class GateRow:
    """One convergence gate."""

    check: str
    value: str
    limit: str
    passed: bool
    worst: str


def parameter_rows(frame: pd.DataFrame) -> list[ParameterRow]:
    """Parameters with median (or mean) and interval where the contraction is at least IDENTIFIED_CONTRACTION.

    Contraction = 1 - posterior variance / prior variance: 0 where the data say nothing. Below the limit, or where
    it is not known, no estimate is shown, since it would be the prior's.
    """
    point = point_column(frame)
    rows = []
    for _, row in frame.iterrows():
        contraction = float(row["contraction"])
        identified = contraction >= IDENTIFIED_CONTRACTION
        interval = f"[{significant(float(row['lower']))}, {significant(float(row['upper']))}]"
        rows.append(
            ParameterRow(
                name=_text(row["name"]),
                meaning=_text(row["meaning"]),
                unit=_text(row["unit"]),
                prior=_text(row["prior"]),
                identified=identified,
                estimate=significant(float(row[point])) if identified else NOT_IDENTIFIED,
                interval=interval if identified else "",
                contraction=NOTHING if math.isnan(contraction) else f"{contraction:.2f}".replace("-", MINUS),
            )
        )
    return rows


def point_column(frame: pd.DataFrame) -> str:
    """The column of point estimates: "median" if there is one, else "mean"."""
    return "median" if "median" in frame else "mean"


def gate_rows(frame: pd.DataFrame) -> list[GateRow]:
    """Gates in the order given."""
    return [
        GateRow(
            check=_text(row["check"]),
            value=_measured(row["value"]),
            limit=_measured(row["limit"]),
            passed=passes(row["passed"]),
            worst=_text(row["worst"]),
        )
        for _, row in frame.iterrows()
    ]


def failed_gates(frame: pd.DataFrame | None) -> str:
    """The gates that failed, with value, limit and the first of the worst parameters; "" if none did."""
    if frame is None:
        return ""
    return "; ".join(
        f"{row.check} {row.value}, limit {row.limit}{_some(row.worst)}"
        for row in gate_rows(frame)
        if not row.passed
    )


def _some(worst: str) -> str:
    names = [name for name in worst.split("; ") if name]
    if not names:
        return ""
    more = f" and {len(names) - NAMED_WORST} more below" if len(names) > NAMED_WORST else ""
    return f" (worst: {', '.join(names[:NAMED_WORST])}{more})"


def passes(value: object) -> bool:
    """Whether a gate passed; a missing verdict is no pass."""
    return not pd.isna(value) and bool(value)  # type: ignore[call-overload]


def stamp_rows(stamp: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(name, value) of every fact of a stamp; nested tables joined as "name value, ..."."""
    return [(str(name).replace("_", " "), _fact(value)) for name, value in stamp.items()]


def _fact(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_fact(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_fact(inner) for inner in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def _measured(value: object) -> str:
    if isinstance(value, str):
        return value
    if pd.isna(value):  # type: ignore[call-overload]
        return NOTHING
    exact = float(value)  # type: ignore[arg-type]
    return number(exact) if abs(exact) >= 1000 else f"{exact:.4g}".replace("-", MINUS)


def _text(value: object) -> str:
    return (
        ""
        if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
        else str(value)
    )
