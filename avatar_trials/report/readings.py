"""One number of a readout: its unit, its interval, and whether the observed one lies inside the emulated interval."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from avatar_trials.report.text import NOTHING, number

HORIZON = re.compile(r"tau = ([0-9.e+]+) d")
# Equal shares may differ in their last bit, and must not be called a miss for it.
SAME = 1e-9


@dataclass(frozen=True)
class Quantity:
    """How a number is shown: `scale` turns the stored value into `unit`, with `digits` decimals."""

    label: str
    unit: str
    scale: float = 1.0
    digits: int = 0
    signed: bool = False
    heading: str = ""

    def show(self, value: float, *, unit: bool = True) -> str:
        """The value in its unit; no unit after "not reached" or a dash."""
        text = number(value * self.scale, self.digits, signed=self.signed)
        return f"{text} {self.unit}" if unit and self.unit and math.isfinite(value) else text


def _share(label: str, heading: str = "") -> Quantity:
    return Quantity(label, "%", 100.0, heading=heading)


def _change(label: str, heading: str = "") -> Quantity:
    return Quantity(label, "%", signed=True, heading=heading)


MAIN: dict[str, Quantity] = {
    "ORR": _share("ORR", "objective response rate (CR + PR), % of evaluable mice"),
    "DCR": _share("DCR", "disease control rate (CR + PR + SD), % of evaluable mice"),
    "depth_of_response_pct": _change("depth of response, volume", "median of mice, % of baseline volume"),
    "depth_of_response_diameter_pct": _change(
        "depth of response, diameter", "the same on the diameter of a sphere, %"
    ),
    "time_to_doubling_days": Quantity(
        "time to doubling", "d", digits=1, heading="Kaplan–Meier median, days of treatment"
    ),
}
FURTHER: dict[str, Quantity] = {
    "share_CR": _share("CR", "% of mice"),
    "share_PR": _share("PR", "% of mice"),
    "share_SD": _share("SD", "% of mice"),
    "share_PD": _share("PD", "% of mice"),
    "depth_of_response_pct_q25": _change("depth, 25 % quantile", "of mice, volume"),
    "depth_of_response_pct_q75": _change("depth, 75 % quantile", "of mice, volume"),
    "RMST_days": Quantity("mean time to doubling", "d", digits=1, heading="restricted to the day named"),
}
# The diameter says the same as the volume on another scale: it would count one miss twice.
COUNTED = ("ORR", "DCR", "depth_of_response_pct", "time_to_doubling_days")


@dataclass(frozen=True)
class Reading:
    """An estimate and its interval; infinity = not reached (or, below, unbounded), NaN = no value."""

    estimate: float
    lower: float
    upper: float
    level: float
    n: int | None
    n_censored: int | None
    method: str

    def show(self, quantity: Quantity) -> str:
        """ "33 % [21, 45]"."""
        if math.isnan(self.estimate):
            return NOTHING
        return f"{quantity.show(self.estimate)} {self.interval(quantity)}".rstrip()

    def interval(self, quantity: Quantity) -> str:
        """ "[21, 45]", in the unit of the estimate; empty if there is none."""
        if math.isnan(self.lower) and math.isnan(self.upper):
            return ""
        return f"[{quantity.show(self.lower, unit=False)}, {quantity.show(self.upper, unit=False)}]"

    @property
    def horizon(self) -> str:
        """The horizon of a restricted mean, in days, as its method states it; "" for other endpoints."""
        found = HORIZON.search(self.method)
        return found.group(1) if found else ""


@dataclass(frozen=True)
class Miss:
    """An observed value outside the emulated interval."""

    arm: str
    endpoint: str
    observed: Reading
    emulated: Reading


def read(frame: pd.DataFrame | None, arm: str, endpoint: str) -> Reading | None:
    """The row of a readout for an arm and endpoint, with "not reached" read back from its method; else None."""
    if frame is None:
        return None
    rows = frame[(frame["arm"] == arm) & (frame["endpoint"] == endpoint)]
    if rows.empty:
        return None
    row = rows.iloc[0]
    method = str(row["method"])
    infinite = unbounded(method)
    values = {
        name: infinite.get(name, float(row[name])) if pd.isna(row[name]) else float(row[name])
        for name in ("estimate", "lower", "upper")
    }
    return Reading(
        **values,
        level=float(row["level"]),
        n=whole(row["n"]),
        n_censored=whole(row["n_censored"]),
        method=method,
    )


def unbounded(method: str) -> dict[str, float]:
    """Values that the readout left blank because they are infinite, by name, as the method text says."""
    found: dict[str, float] = {}
    for note in method.split("; "):
        for opening in ("not reached: ", "too few mice for "):
            if note.startswith(opening):
                names = note.removeprefix(opening).split(", ")
                low = -math.inf if opening.startswith("too") else math.inf
                found |= {name: low if name == "lower" else math.inf for name in names}
    return found


def inside(emulated: Reading | None, observed: Reading | None) -> bool | None:
    """Whether the observed estimate lies in the emulated interval; None where that cannot be said."""
    if emulated is None or observed is None or emulated.horizon != observed.horizon:
        return None
    if np.isnan([emulated.lower, emulated.upper, observed.estimate]).any():
        return None
    if math.isinf(observed.estimate):
        return math.isinf(emulated.upper)
    slack = SAME * max(1.0, abs(observed.estimate))
    return emulated.lower - slack <= observed.estimate <= emulated.upper + slack


def compare(
    emulated: pd.DataFrame, observed: pd.DataFrame | None, arms: Sequence[str], endpoints: Sequence[str]
) -> tuple[int, list[Miss]]:
    """How many observed values could be compared with their emulated interval, and those outside."""
    compared, misses = 0, []
    for arm in arms:
        for endpoint in endpoints:
            ours, theirs = read(emulated, arm, endpoint), read(observed, arm, endpoint)
            verdict = inside(ours, theirs)
            compared += verdict is not None
            if verdict is False and ours is not None and theirs is not None:
                misses.append(Miss(arm, endpoint, theirs, ours))
    return compared, misses


def whole(value: object) -> int | None:
    """A count, or None where it is missing."""
    return None if pd.isna(value) else int(value)  # type: ignore[call-overload]
