"""Responses to the first and the second line, and the clones that drove progression: endpoints of one strategy.

Rows as in `scoring`: endpoint, estimate, its resamples, subjects, events, method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.endpoints.response import (
    best_average_response,
    best_response,
    depth_of_response,
    mrecist,
    volume_to_diameter_pct,
)
from avatar_trials.endpoints.survival import kaplan_meier, survival_at

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

# RECIST 1.1: partial response.
RESPONSE_PCT = -30.0
MRECIST_RULE = "gao2015_text"


def responses(
    one: xr.Dataset, weights: Floats, time: Floats, event: Flags, landmarks: Sequence[float]
) -> Iterator[tuple[str, float, Floats, int, int, str]]:
    """Best change of diameter until the first progression, responses by RECIST and how many go on `landmarks` (days)
    after they began, and the clones that drove progression. `time`, `event` (avatar,): PFS."""
    ended = one["progression_day"].values[0]
    until = np.where(np.isfinite(ended), ended, np.inf)
    seen = np.where(one["day"].values[:, None] <= until, one["volume_mm3"].values, np.nan)
    depth = volume_to_diameter_pct(depth_of_response(one["day"].values, seen.T.astype(float)))
    kept = int(np.isfinite(depth).sum())
    none = np.full(len(weights), np.nan)
    middle = float(np.nanmedian(depth)) if kept else float("nan")
    until_words = "of diameter, until the first progression"
    yield "depth_median_diameter_pct", middle, none, kept, kept, f"median {until_words}"
    responded = np.where(np.isfinite(depth), depth <= RESPONSE_PCT, np.nan)
    told = int(np.nansum(responded))
    yield (
        "response_share",
        *weighted_mean(responded, weights),
        kept,
        told,
        f"{RESPONSE_PCT:g} % {until_words}",
    )
    curves = (one["day"].values, one["volume_mm3"].values.T.astype(float), MRECIST_RULE)
    small = seen <= seen[0] * (1.0 + RESPONSE_PCT / 100.0) ** 3
    begun = np.where(small.any(axis=0), one["day"].values[small.argmax(axis=0)], np.inf)
    ongoing = begun < time
    if landmarks and ongoing.any():
        km = kaplan_meier(time[ongoing] - begun[ongoing], event[ongoing])
        counts = (int(ongoing.sum()), int(event[ongoing].sum()))
        for day, share in zip(landmarks, survival_at(km, np.array(landmarks)), strict=True):
            method = "Kaplan-Meier, from the start of the response"
            yield f"responses_ongoing_share_day_{day:g}", float(share), none, *counts, method
    category = mrecist(best_response(*curves)[0], best_average_response(*curves)[0])
    for label, named in (("response", ("CR", "PR")), ("progression", ("PD",))):
        called = np.where(category != "", np.isin(category, named).astype(float), np.nan)
        told = int(np.nansum(called))
        method = f"{' and '.join(named)} of mRECIST, {MRECIST_RULE}, all lines"
        yield (
            f"mrecist_{label}_share",
            *weighted_mean(called, weights),
            int((category != "").sum()),
            told,
            method,
        )
    yield from _second_response(one, weights)
    driver = one["driver"].values
    progressed = driver >= 0
    for place, clone in enumerate(one["clone"].values):
        drove = np.where(progressed, (driver == place).astype(float), np.nan)
        yield (
            *(f"driver of first progression: {clone}", *weighted_mean(drove, weights), int(progressed.sum())),
            *(int(np.nansum(drove)), "share of progressions; gained most cells since the visit before"),
        )


def _second_response(one: xr.Dataset, weights: Floats) -> Iterator[tuple[str, float, Floats, int, int, str]]:
    """Responses to the second line, of those that were given it: from its first dose to its progression."""
    if int(one["lines"]) < 2:
        return
    day, ended = one["day"].values, one["progression_day"].values
    begun = np.where(one["lines_planned"].values >= 2, ended[0], np.nan)
    given = (one["doses"].values > 0).any(axis=1) & (day[:-1, None] >= begun)
    first = np.where(given.any(axis=0), day[given.argmax(axis=0)], np.nan)
    until = np.where(np.isfinite(ended[1]), ended[1], np.inf)
    within = (day[:, None] >= first) & (day[:, None] <= until)
    seen = np.where(within, one["volume_mm3"].values, np.nan).T.astype(float)
    start = np.take_along_axis(seen, within.T.argmax(axis=1)[:, None], axis=1)
    later = np.where(within.T & (day > first[:, None]), seen, np.inf).min(axis=1)
    known = np.isfinite(later) & (start[:, 0] > 0)
    change = np.full(len(later), np.nan)
    change[known] = volume_to_diameter_pct(100.0 * (later[known] / start[known, 0] - 1.0))
    responded = np.where(known, change <= RESPONSE_PCT, np.nan)
    words = f"{RESPONSE_PCT:g} % of diameter since the first dose of the second line, of those given it"
    n = int(known.sum())
    yield (
        "second_line_response_share",
        *weighted_mean(responded, weights),
        n,
        int(np.nansum(responded)),
        words,
    )


def weighted_mean(values: Floats, weights: Floats) -> tuple[float, Floats]:
    """Mean of the values that are there, and its resamples."""
    there = np.isfinite(values)
    total = weights @ there.astype(float)
    drawn = weights @ np.where(there, values, 0.0)
    with np.errstate(invalid="ignore"):
        means = np.where(total > 0, drawn / np.where(total > 0, total, 1.0), np.nan)
    return (float(values[there].mean()) if there.any() else float("nan")), means
