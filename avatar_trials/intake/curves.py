"""What the visits of each mouse look like together: baselines, units, zeros, jumps no tumour makes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from avatar_trials.arms import UNTREATED
from avatar_trials.intake.findings import Findings, count, some
from avatar_trials.intake.mice import CURVE

BASELINE_WINDOW_DAYS = 3.0
FIRST_RESPONSE_DAY = 10.0
SMALLEST_BASELINE_MM3 = 5.0
LARGEST_DIAMETER_MM = 40.0
JUMP = 10.0
FALL = 50.0
SUDDEN_ZERO_FROM_MM3 = 100.0
LONGEST_WEEKLY_COUNT = 30.0
SMALLEST_GAP_HOURS = 24.0


def with_baselines(frame: pd.DataFrame, columns: dict[str, str], findings: Findings) -> pd.DataFrame:
    """Rows sorted by mouse (numbered in `curve`) and day, day 0 the baseline of each mouse that has one.

    Volumes before day 0 are left out; where a mouse has none on day 0, its last one of the three days before
    stands in for it. A mouse without either is kept, left-truncated.
    """
    lines = frame["line"].to_numpy()
    frame = frame.sort_values([*CURVE, "day"], kind="stable").reset_index(drop=True)
    frame["curve"] = (~frame.duplicated(CURVE)).cumsum()
    follows = ~_first_visit(frame)
    disordered = frame[follows & (frame["line"].diff() < 0)]
    if len(disordered) and (np.diff(lines) > 0).all():
        what = f"{count(len(disordered), 'visit')} out of order sorted by day: {_curves(disordered)}"
        findings.warning("T23", what, line=int(disordered["line"].iloc[0]), column=columns["day"])
    return _pretreatment_removed(frame, columns, findings)


def check_curves(frame: pd.DataFrame, columns: dict[str, str], findings: Findings) -> None:
    """Errors and warnings that need a mouse's visits together. `frame` as from `with_baselines`."""
    day, volume = columns["day"], columns["volume_mm3"]
    first = frame[_first_visit(frame)]
    late = first[first["day"] > 0]
    if len(late) == len(first):
        what = f"no mouse has a volume on day 0 (first days from {late['day'].min():g})"
        findings.error(
            "B01", what, "Count days from the start of treatment, the baseline on day 0", column=day
        )
    elif len(late):
        what = f"{count(len(late), 'mouse', 'mice')} without a volume on day 0 kept, without a baseline: "
        names = some(f"{row.avatar} {row.arm} (from day {row.day:g})" for row in late.itertuples())
        fix = "Response calls that need a baseline leave them out"
        findings.warning("B01", what + names, fix, line=int(late["line"].iloc[0]), column=day)
    baseline = first[first["day"] == 0]
    none = baseline[baseline["volume_mm3"] == 0]
    for avatar, arm, line in zip(none["avatar"], none["arm"], none["line"], strict=True):
        what = f"{avatar} {arm} has a baseline of 0 mm3: its relative change is undefined"
        findings.error(
            "B03", what, "Give the volume at the start of treatment", line=int(line), column=volume
        )
    _check_units(baseline[baseline["volume_mm3"] > 0], frame, volume, findings)
    _check_weeks(frame, day, findings)
    _tell_zeros(frame, volume, findings)
    _tell_jumps(frame, volume, findings)
    _tell_short_and_untreated(frame, findings)


def _pretreatment_removed(frame: pd.DataFrame, columns: dict[str, str], findings: Findings) -> pd.DataFrame:
    before = frame["day"] < 0
    if not before.any():
        return frame
    has_zero = (frame["day"] == 0).groupby(frame["curve"]).transform("any")
    last_before = before & ~before.groupby(frame["curve"]).shift(-1, fill_value=False)
    stands_in = last_before & ~has_zero & (frame["day"] >= -BASELINE_WINDOW_DAYS)
    if stands_in.any():
        moved = frame[stands_in]
        days = f"the {BASELINE_WINDOW_DAYS:g} days before treatment"
        what = f"{count(len(moved), 'volume')} of {days} taken as the baseline"
        line = int(moved["line"].iloc[0])
        findings.warning(
            "B26", f"{what} where day 0 has none: {_curves(moved)}", line=line, column=columns["day"]
        )
    dropped = frame[before & ~stands_in]
    if len(dropped):
        what = f"{count(len(dropped), 'volume')} from before day 0 left out: {_curves(dropped)}"
        findings.warning("T24", what, line=int(dropped["line"].iloc[0]), column=columns["day"])
    frame = frame.assign(day=frame["day"].mask(stands_in, 0.0))
    return frame[~(before & ~stands_in)].reset_index(drop=True)


def _check_units(baseline: pd.DataFrame, frame: pd.DataFrame, column: str, findings: Findings) -> None:
    if baseline.empty:
        return
    median = float(baseline["volume_mm3"].median())
    small = baseline[baseline["volume_mm3"] < SMALLEST_BASELINE_MM3]
    if median < SMALLEST_BASELINE_MM3:
        what = f"the median baseline is {median:.3g} mm3, smaller than any tumour calipers can follow: cm3?"
        findings.error(
            "U01", what, "Write mm3 (1 cm3 = 1000 mm3)", line=int(small["line"].iloc[0]), column=column
        )
    elif len(small):
        names = some(f"{row.avatar} {row.arm} ({row.volume_mm3:g})" for row in small.itertuples())
        below = f"{count(len(small), 'baseline')} below {SMALLEST_BASELINE_MM3:g} mm3"
        what = f"{below} among larger ones: {names}; cm3?"
        findings.error(
            "U01", what, "Write mm3 (1 cm3 = 1000 mm3)", line=int(small["line"].iloc[0]), column=column
        )
    elif float(frame["volume_mm3"].max()) <= LARGEST_DIAMETER_MM:
        largest = float(frame["volume_mm3"].max())
        what = f"no volume exceeds {largest:g} mm3: are these diameters in mm?"
        findings.warning("U02", what, "A volume is 0.5 x length x width^2", column=column)


def _check_weeks(frame: pd.DataFrame, column: str, findings: Findings) -> None:
    gap = frame["day"].diff().mask(_first_visit(frame))
    by_mouse = gap.groupby(frame["curve"])
    facts = pd.DataFrame({"low": by_mouse.min(), "high": by_mouse.max(), "visits": by_mouse.size()})
    facts["last"] = frame.groupby("curve")["day"].max()
    weekly = (
        (facts["low"] == 1)
        & (facts["high"] == 1)
        & (facts["visits"] >= 4)
        & (facts["last"] < LONGEST_WEEKLY_COUNT)
    )
    spaced = facts["low"] >= 2
    others = f"{int(spaced.sum()):,} with 2 or more" if spaced.any() else "none with more"
    if weekly.any() and (spaced.any() or weekly[facts["visits"] >= 4].all()):
        what = f"{count(int(weekly.sum()), 'mouse', 'mice')} with visits 1 apart, {others}: weeks?"
        findings.warning("T03", what, "Write days since the start of treatment", column=column)
    later = frame["day"][frame["day"] > 0].unique()
    if len(later) >= 3 and (later % 12 == 0).all() and gap.min() >= SMALLEST_GAP_HOURS:
        what = f"every visit is {gap.min():g} or more apart, on a multiple of 12: hours?"
        findings.warning("T04", what, "Write days since the start of treatment", column=column)


def _tell_zeros(frame: pd.DataFrame, column: str, findings: Findings) -> None:
    zero = frame["volume_mm3"] == 0
    if not zero.any():
        return
    what = f"{count(int(zero.sum()), 'volume')} of 0 mm3 kept as below detection"
    what += f" (in {count(frame.loc[zero, 'curve'].nunique(), 'mouse', 'mice')})"
    findings.warning("V02", what, line=int(frame.loc[zero, "line"].min()), column=column)
    before = frame["volume_mm3"].shift().mask(_first_visit(frame))
    sudden = zero & (before > SUDDEN_ZERO_FROM_MM3)
    if sudden.any():
        regrown = frame["volume_mm3"][::-1].groupby(frame["curve"][::-1]).cummax()[::-1] > 0
        final = int((sudden & ~regrown).sum())
        what = f"{count(int(sudden.sum()), 'volume')} of 0 mm3 right after more than {SUDDEN_ZERO_FROM_MM3:g}"
        what += f" ({final} with only zeros from there): {_curves(frame[sudden])}"
        fix = "Padding after the mouse left? Then delete those rows"
        findings.warning("V21", what, fix, line=int(frame.loc[sudden, "line"].iloc[0]), column=column)


def _tell_jumps(frame: pd.DataFrame, column: str, findings: Findings) -> None:
    """A tenfold jump from one visit to the next and back: a slipped decimal point looks like that."""
    volume = frame["volume_mm3"]
    first = _first_visit(frame)
    before = volume.shift().mask(first)
    after = volume.shift(-1).mask(first.shift(-1, fill_value=True))
    up = (volume >= JUMP * np.maximum(before, after)) & (np.minimum(before, after) > 0)
    down = (volume > 0) & (JUMP * volume <= np.minimum(before, after))
    jumps = frame[(up | down).to_numpy()]
    if len(jumps):
        names = some(
            f"{row.avatar} {row.arm} day {row.day:g}: {row.volume_mm3:g}" for row in jumps.itertuples()
        )
        what = f"{count(len(jumps), 'volume')} ten times off both neighbours: {names}"
        findings.warning("V20", what, "A typing error?", line=int(jumps["line"].iloc[0]), column=column)
    falls = frame[(volume > 0) & (volume < SMALLEST_BASELINE_MM3) & (FALL * volume < before)]
    if len(falls):
        what = f"{count(len(falls), 'volume')} below a fiftieth of the visit before and not 0: {_curves(falls)}; cm3?"
        line = int(falls["line"].iloc[0])
        findings.warning(
            "V22",
            what,
            "Write mm3 (1 cm3 = 1000 mm3), or 0 where nothing was measurable",
            line=line,
            column=column,
        )


def _tell_short_and_untreated(frame: pd.DataFrame, findings: Findings) -> None:
    last = frame.groupby("curve")["day"].max()
    short = int((last < FIRST_RESPONSE_DAY).sum())
    if short:
        what = f"{count(short, 'mouse', 'mice')} without a visit on day {FIRST_RESPONSE_DAY:g} or later"
        findings.note("N01", what, "No response call by the published text")
    untreated = set(frame.loc[frame["arm"] == UNTREATED, "avatar"])
    without = [name for name in pd.unique(frame["avatar"]) if name not in untreated]
    if untreated and without:
        every = frame["avatar"].nunique()
        what = f"{len(without):,} of {count(every, 'avatar')} have no untreated mouse: {some(without)}"
        findings.note("N55", what)


def _first_visit(frame: pd.DataFrame) -> pd.Series:
    return frame["curve"].diff() != 0


def _curves(rows: pd.DataFrame) -> str:
    return some(
        dict.fromkeys(f"{avatar} {arm}" for avatar, arm in zip(rows["avatar"], rows["arm"], strict=True))
    )
