"""Response of every mouse of a growth table, and of every emulated mouse of a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.endpoints import response as kernels
from avatar_trials.endpoints.response import Floats

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable

RESPONSE_COLUMNS = (
    "avatar",
    "arm",
    "mouse",
    "n_visits",
    "last_day",
    "best_response_pct",
    "day_best_response",
    "best_avg_response_pct",
    "day_best_avg_response",
    "category",
    "depth_of_response_pct",
    "time_to_doubling_days",
    "doubled",
)
# About 16 MB an intermediate array: a dozen of them stay well below 1 GB whatever the number of trials.
VOLUMES_AT_A_TIME = 2_000_000


def mouse_curves(table: GrowthTable) -> tuple[pd.DataFrame, Floats, Floats]:
    """Mice of a table: frame of avatar, arm, mouse; day and volume_mm3 of shape (mouse, visit), NaN-padded."""
    rows = table.rows
    mouse = rows.groupby(["avatar", "arm", "mouse"], sort=False, observed=True).ngroup().to_numpy()
    count = np.bincount(mouse)
    in_order = np.argsort(mouse, kind="stable")
    first = np.cumsum(count) - count
    mice = rows[["avatar", "arm", "mouse"]].take(in_order[first]).reset_index(drop=True)
    visit = np.empty(len(mouse), dtype=np.intp)
    visit[in_order] = np.arange(len(mouse)) - np.repeat(first, count)
    shape = (len(mice), int(visit.max()) + 1 if len(visit) else 1)
    day, volume = np.full(shape, np.nan), np.full(shape, np.nan)
    day[mouse, visit] = rows["day"].to_numpy(dtype=float)
    volume[mouse, visit] = rows["volume_mm3"].to_numpy(dtype=float)
    return mice, day, volume


def response_table(table: GrowthTable, *, rule: str, doubling: str = "pct_sheet") -> pd.DataFrame:
    """One row a mouse, in the order of the table, with the columns RESPONSE_COLUMNS.

    Left-truncated mice (no visit at day 0) keep n_visits and last_day; their category is "", the rest NaN
    or False. ValueError for an unknown `rule` or `doubling` variant.
    """
    mice, day, volume = mouse_curves(table)
    result = mice.assign(**responses(day, volume, rule, doubling))
    return result[list(RESPONSE_COLUMNS)]


def trial_response(
    trial: xr.Dataset, *, rule: str, doubling: str = "pct_sheet", volume: str = "volume_mm3"
) -> xr.Dataset:
    """The same quantities for every emulated mouse: dims (trial, avatar, arm).

    `volume` names the variable of `trial`, dims (trial, avatar, arm, visit), coordinate `day` (visit). The
    work is done some trials at a time, so memory stays bounded. ValueError for an unknown `rule` or
    `doubling` variant.
    """
    source = trial[volume].transpose("trial", "avatar", "arm", "visit")
    day = np.asarray(trial["day"].values, dtype=float)
    step = max(1, VOLUMES_AT_A_TIME // max(1, int(np.prod(source.shape[1:]))))
    blocks = [
        responses(day, source.isel(trial=slice(start, start + step)).values, rule, doubling)
        for start in range(0, max(1, source.sizes["trial"]), step)
    ]
    dims = ("trial", "avatar", "arm")
    data = {name: (dims, np.concatenate([block[name] for block in blocks])) for name in blocks[0]}
    coords = {name: trial.coords[name] for name in dims if name in trial.coords}
    return xr.Dataset(data, coords=coords, attrs={"rule": rule, "doubling": doubling, "volume": volume})


def responses(day: Floats, volume: Floats, rule: str, doubling: str) -> dict[str, np.ndarray]:
    """Columns of a response table under one rule and variant, arrays (...), of curves (..., visit).

    ValueError for an unknown `rule` or `doubling` variant.
    """
    kernels.check_doubling(doubling)
    called = kernels.curves_under(rule, day, volume)
    best, day_best = kernels.best_response_of(called, rule)
    average, day_average = kernels.best_average_response_of(called, rule)
    # Depth and doubling never take the 1 mm3 that rule xeva adds to a curve from 0.
    curves = kernels.relative_curves(day, volume) if rule == "xeva" else called
    time, doubled = kernels.time_to_doubling_of(curves, doubling)
    visited = np.isfinite(volume)
    return {
        "n_visits": visited.sum(axis=-1),
        "last_day": np.where(visited.any(axis=-1), np.where(visited, day, -np.inf).max(axis=-1), np.nan),
        "best_response_pct": best,
        "day_best_response": day_best,
        "best_avg_response_pct": average,
        "day_best_avg_response": day_average,
        "category": kernels.mrecist(best, average),
        "depth_of_response_pct": kernels.depth_of_response_of(curves),
        "time_to_doubling_days": time,
        "doubled": doubled,
    }


def outcomes(day: Floats, volume: Floats, rule: str, doubling: str) -> dict[str, np.ndarray]:
    """What arms are compared by, arrays (...) of curves (..., visit), without the rest of `responses`.

    grade: `mrecist_grade`; depth_pct; time_days and doubled. ValueError for an unknown `rule` or `doubling` variant.
    """
    kernels.check_doubling(doubling)
    called = kernels.curves_under(rule, day, volume)
    curves = kernels.relative_curves(day, volume) if rule == "xeva" else called
    time, doubled = kernels.time_to_doubling_of(curves, doubling)
    return {
        "grade": kernels.grade_of(called, rule),
        "depth_pct": kernels.depth_of_response_of(curves),
        "time_days": time,
        "doubled": doubled,
    }
