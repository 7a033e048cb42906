"""Rows of the table of population agreement: summaries of replicates, references, what is not reached."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.endpoints import intervals
from avatar_trials.endpoints.matching import Comparison

Floats = NDArray[np.float64]
Row = dict[str, Any]

POPULATION_COLUMNS = (
    "arm",
    "measure",
    "emulated",
    "lower",
    "upper",
    "level",
    "observed",
    "difference",
    "covered",
    "null_reference",
    "ceiling",
    "n",
    "method",
)
ALL_ARMS = "all"


def row_of(comparison: Comparison, arm: str, measure: str, values: Floats, level: float, note: str) -> Row:
    """A row with the median and limits of `values` (trial,); observed and references are still blank."""
    estimate, lower, upper = intervals.replicate_summary(values, level)
    parts = [
        f"median and equal-tailed {level:.0%} interval over {comparison.n_trials} replicate trials",
        f"mRECIST rule {comparison.rule}" if measure.endswith(("ORR", "DCR")) else "",
        f"doubling variant {comparison.doubling}" if "doubling" in measure or "KM" in measure else "",
        comparison.cells,
        note,
        "blind to which avatar is which",
    ]
    return {
        "arm": arm,
        "measure": measure,
        "emulated": estimate,
        "lower": lower,
        "upper": upper,
        "level": level,
        "observed": np.nan,
        "difference": np.nan,
        "covered": pd.NA,
        "null_reference": np.nan,
        "ceiling": np.nan,
        "n": 0,
        "method": "; ".join(part for part in parts if part),
    }


def minus(first: float, second: float) -> float:
    """A difference, NaN where a side is not finite."""
    return first - second if np.isfinite(first) and np.isfinite(second) else float("nan")


def covers(lower: float, upper: float, observed: float) -> object:
    """Whether an interval holds a value; NA where one of them is not known."""
    return pd.NA if np.isnan([lower, upper, observed]).any() else bool(lower <= observed <= upper)


def median_apart(first: Floats, second: Floats) -> float:
    """Median over replicates of the absolute difference."""
    both_known = np.isfinite(first) & np.isfinite(second)
    return float(intervals.quantile(np.abs(first[both_known] - second[both_known]), 0.5))


def mean_apart(first: Floats, second: Floats) -> Floats:
    """Mean over arms of the absolute difference, (trial,)."""
    return np.mean(np.abs(first - second), axis=-1)


def _finite(row: Row) -> Row:
    not_reached = [name for name in ("emulated", "lower", "upper", "observed") if np.isinf(row[name])]
    if not not_reached:
        return row
    blank: Row = dict.fromkeys(not_reached, np.nan)
    return row | blank | {"method": f"{row['method']}; not reached: {', '.join(not_reached)}"}


def frame_of(rows: list[Row]) -> pd.DataFrame:
    """Rows as the table, with what is not reached blank and said."""
    frame = pd.DataFrame([_finite(row) for row in rows], columns=list(POPULATION_COLUMNS))
    frame["covered"] = frame["covered"].astype("boolean")
    frame["n"] = frame["n"].astype("Int64")
    return frame
