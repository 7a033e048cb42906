"""Which rows are one mouse: given ids, replicates told apart by the order of rows, and rows entered twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.intake.findings import Findings, count, some

CURVE = ["avatar", "arm", "mouse"]


def with_mice(frame: pd.DataFrame, columns: dict[str, str], findings: Findings) -> pd.DataFrame:
    """Adds `mouse` where the file has none, drops rows entered twice, and reports what cannot be resolved.

    `frame` holds avatar, arm, day, volume_mm3, line and perhaps mouse, in file order. Without ids, an arm of an
    avatar is one mouse, `avatar|arm|1`, unless its rows repeat days: see `_replicates`.
    """
    if "mouse" in frame:
        _refuse_shared_ids(frame, columns, findings)
        same = frame.duplicated([*CURVE, "day", "volume_mm3"])
    else:
        number, same = _numbered(frame, findings)
        frame = frame.assign(
            mouse=frame["avatar"] + "|" + frame["arm"] + "|" + pd.Series(number, frame.index).astype(str)
        )
    if same.any():
        what = f"{count(int(same.sum()), 'row')} repeated another (same mouse, day and volume) and left out"
        findings.warning("M21", what, line=int(frame.loc[same, "line"].iloc[0]))
        frame = frame[~same]
    _refuse_conflicts(frame, columns, findings)
    _tell_replicates(frame, findings)
    return frame


def _numbered(frame: pd.DataFrame, findings: Findings) -> tuple[NDArray[np.int64], pd.Series]:
    """Mouse numbers from 1 within avatar and arm, and which rows repeat another row."""
    number = np.ones(len(frame), dtype=np.int64)
    same = np.zeros(len(frame), dtype=bool)
    repeated = frame.duplicated(["avatar", "arm", "day"], keep=False)
    if repeated.any():
        doubtful = set(map(tuple, frame.loc[repeated, ["avatar", "arm"]].drop_duplicates().to_numpy()))
        by_row_order = []
        for key, positions in frame.groupby(["avatar", "arm"], sort=False).indices.items():
            if key not in doubtful:
                continue
            day, volume = (frame[name].to_numpy()[positions] for name in ("day", "volume_mm3"))
            number[positions], same[positions], interleaved = _replicates(day, volume)
            if interleaved:
                by_row_order.append(f"{key[0]} {key[1]}")
        if by_row_order:
            what = f"replicate mice told apart by the order of their rows within a day: {some(by_row_order)}"
            findings.warning("M37", what, "Add a mouse column to be sure")
    return number, pd.Series(same, frame.index)


def _replicates(
    day: NDArray[np.float64], volume: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], bool]:
    """Splits the rows of one avatar and arm, in file order, where days repeat.

    Returns mouse numbers, which rows are copies, and whether the split rests on row order alone. Two layouts are
    known: one curve below the other, the day falling back to the start; and all mice of a day together, each day
    holding the same number of rows. A block that only repeats rows of an earlier one is a copy, not a mouse.
    Anything else stays one mouse, whose conflicting days are then reported.
    """
    one: NDArray[np.int64] = np.ones(len(day), dtype=np.int64)
    none: NDArray[np.bool_] = np.zeros(len(day), dtype=np.bool_)
    pairs = list(zip(day.tolist(), volume.tolist(), strict=True))
    copies = pd.Series(pairs).duplicated().to_numpy()
    steps = np.diff(day)
    _, times = np.unique(day, return_counts=True)
    if (steps >= 0).all():
        if len(times) > 1 and times.min() == times.max() and len(set(pairs)) > len(times):
            place = pd.Series(day).groupby(day).cumcount().to_numpy(dtype=np.int64)
            return one + place, none, True
        return one, copies, False
    block = np.concatenate([[0], np.cumsum(steps <= 0)])
    number, same = one.copy(), none.copy()
    seen: set[tuple[float, float]] = set()
    mice = 0
    start = max(float(day.min()), 0.0)
    for index in range(int(block[-1]) + 1):
        rows = np.flatnonzero(block == index)
        content = {pairs[row] for row in rows}
        if content <= seen:
            same[rows] = True
        elif len(rows) < 2 or day[rows[0]] > start:
            return one, copies, False
        else:
            mice += 1
            number[rows] = mice
        seen |= content
    return number, same, False


def _refuse_shared_ids(frame: pd.DataFrame, columns: dict[str, str], findings: Findings) -> None:
    for level, code in (("avatar", "M34"), ("arm", "M35")):
        owners = frame.drop_duplicates(["mouse", level])
        shared = owners[owners.duplicated("mouse", keep=False)]
        for mouse, rows in shared.groupby("mouse", sort=False):
            places = some(
                f"{name} (line {line})" for name, line in zip(rows[level], rows["line"], strict=True)
            )
            findings.error(
                code,
                f"mouse {mouse} appears under more than one {level}: {places}",
                "One mouse bears one tumour and is in one arm; give each mouse an id of its own",
                line=int(rows["line"].iloc[1]),
                column=columns["mouse"],
            )


def _refuse_conflicts(frame: pd.DataFrame, columns: dict[str, str], findings: Findings) -> None:
    conflicting = frame[frame.duplicated([*CURVE, "day"], keep=False)]
    for (avatar, arm, _, day), rows in conflicting.groupby([*CURVE, "day"], sort=False):
        readings = some(
            f"{v:g} (line {line})" for v, line in zip(rows["volume_mm3"], rows["line"], strict=True)
        )
        findings.error(
            "M22",
            f"{avatar} {arm} has {len(rows)} volumes on day {day:g}: {readings}",
            "Keep one, or tell the mice apart in a mouse column",
            line=int(rows["line"].iloc[1]),
            column=columns["volume_mm3"],
        )


def _tell_replicates(frame: pd.DataFrame, findings: Findings) -> None:
    mice = frame.drop_duplicates(CURVE).groupby(["avatar", "arm"], sort=False).size()
    several = mice[mice > 1]
    if len(several):
        names = some(f"{avatar} {arm} ({n})" for (avatar, arm), n in zip(several.index, several, strict=True))
        what = f"{count(len(several), 'avatar-arm pair')} with more than one mouse, all kept: {names}"
        findings.warning("M36", what, "A one-mouse-per-patient trial has one mouse an avatar and arm")
