"""A reader's own clinical table: one row a patient, with arm, months to progression and whether it happened."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.arms import canonical_arm
from avatar_trials.problems import InputError, Problem

NEEDED = ("arm", "time_months", "event")
MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class ClinicalTable:
    """Patients by arm: months to progression, death or last follow-up, and True where it happened; where it is from."""

    months: dict[str, NDArray[np.float64]]
    event: dict[str, NDArray[np.bool_]]
    source: str


def read_clinical(path: Path) -> ClinicalTable:
    """Read a CSV with columns arm, time_months, event (1 or 0); others are left aside, but rows whose `endpoint` is
    given and not PFS. Raises InputError with every problem and its line."""
    shown = str(path)
    if not path.is_file():
        raise InputError(Problem("F10", "error", "no such file", "Give a CSV of patients", shown))
    if path.stat().st_size > MOST_BYTES:
        raise InputError(Problem("F11", "error", "too long for a table of patients", "", shown))
    try:
        frame = pd.read_csv(
            io.StringIO(path.read_bytes().decode("utf-8-sig")), dtype=str, keep_default_na=False
        )
    except UnicodeDecodeError:
        raise InputError(Problem("F01", "error", "not UTF-8 text", "Save it as UTF-8", shown)) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        what = f"not a CSV table: {str(error).splitlines()[0]}"
        raise InputError(Problem("F02", "error", what, "Save it as CSV", shown)) from None
    missing = [name for name in NEEDED if name not in frame]
    if missing:
        what = f"no column {', '.join(missing)}"
        raise InputError(
            Problem("H01", "error", what, f"A table of patients has {', '.join(NEEDED)}", shown, 1)
        )
    if "endpoint" in frame:
        frame = frame[frame["endpoint"].str.casefold().isin(["pfs", ""])]
    months = pd.to_numeric(frame["time_months"], errors="coerce")
    problems = [
        Problem(
            "V10",
            "error",
            f"time_months {frame['time_months'][i]!r}: expected a number of at least 0",
            "",
            shown,
            i + 2,
        )
        for i in frame.index[~(np.isfinite(months) & (months >= 0))]
    ]
    problems += [
        Problem("V11", "error", f"event {frame['event'][i]!r}: expected 1 or 0", "", shown, i + 2)
        for i in frame.index[~frame["event"].isin(["0", "1"])]
    ]
    arms: list[str] = []
    for i, name in frame["arm"].items():
        try:
            arms.append(canonical_arm(name))
        except ValueError as error:
            problems.append(Problem("V15", "error", f"arm {name!r}: {error}", "", shown, int(str(i)) + 2))
    if problems:
        raise InputError(problems)
    if frame.empty:
        raise InputError(Problem("V16", "error", "no patient in it", "", shown))
    of_arm = np.array(arms)
    event = (frame["event"] == "1").to_numpy()
    names = list(dict.fromkeys(arms))
    return ClinicalTable(
        {name: months.to_numpy(dtype=float)[of_arm == name] for name in names},
        {name: event[of_arm == name] for name in names},
        path.name,
    )
