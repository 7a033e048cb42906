"""Response calls, times to doubling and depths of curves that were worked out by hand."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from avatar_trials.endpoints import (
    best_average_response,
    best_response,
    depth_of_response,
    mrecist,
    time_to_doubling,
    volume_to_diameter_pct,
)
from avatar_trials.verify.comparison import Comparisons, absolute, exact
from avatar_trials.verify.references import numbers

DIGITS = 1e-10
# Diameters are printed to a tenth of a percent.
PRINTED = 0.02
Case = dict[str, Any]


@cache
def cases(kind: str) -> list[Case]:
    """calls, curves, doubling, depth, diameter."""
    found: list[Case] = numbers("response", "by_hand")[kind]
    return found


def call(case: Case) -> Comparisons:
    best, average = (np.nan if case[name] is None else case[name] for name in ("best", "average"))
    yield exact(f"best {best:g}, average {average:g}", mrecist(best, average), case["category"])


def curve(case: Case) -> Comparisons:
    who = f"{case['rule']}, {case['name']}"
    best, best_day = best_response(case["days"], case["volume_mm3"], case["rule"])
    average, average_day = best_average_response(case["days"], case["volume_mm3"], case["rule"])
    if "best" in case:
        yield absolute(f"{who}: best response", [best, best_day], [case["best"], case["best_day"]], DIGITS)
    if "average" in case:
        wanted = [case["average"], case["average_day"]]
        yield absolute(f"{who}: best average response", [average, average_day], wanted, DIGITS)
    if "category" in case:
        yield exact(f"{who}: category", mrecist(best, average), case["category"])


def doubling(case: Case) -> Comparisons:
    time, event = time_to_doubling(case["days"], case["volume_mm3"], case["variant"])
    who = f"doubling, {case['variant']}, {case['days']}, {case['volume_mm3']}"
    yield absolute(f"{who}: day", time, case["time"], DIGITS)
    yield exact(f"{who}: reached", bool(event), case["doubled"])


def depth(case: Case) -> Comparisons:
    ours = depth_of_response(case["days"], case["volume_mm3"])
    yield exact(f"depth of {case['volume_mm3']}", ours, case["depth_pct"])


def diameter(case: Case) -> Comparisons:
    volume, expected = case["volume_pct"], case["diameter_pct"]
    yield absolute(f"volume {volume:g} %, printed", volume_to_diameter_pct(volume), expected, PRINTED)
    cubed = 100 * ((1 + expected / 100) ** 3 - 1)
    yield absolute(f"diameter {expected:g} %, cubed", volume_to_diameter_pct(cubed), expected, DIGITS)


CHECKS = {"calls": call, "curves": curve, "doubling": doubling, "depth": depth, "diameter": diameter}


def everything() -> Comparisons:
    """Every comparison of this module."""
    for kind, check in CHECKS.items():
        for case in cases(kind):
            yield from check(case)
