"""Progression of every mouse of a growth table, and of every emulated mouse of a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from avatar_trials.endpoints.disease_progression import (
    AbsoluteFloor,
    Progression,
    progression,
    reasons_of_codes,
)
from avatar_trials.endpoints.tables import VOLUMES_AT_A_TIME, mouse_curves

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable

PROGRESSION_COLUMNS = (
    "avatar",
    "arm",
    "mouse",
    "time_days",
    "left_days",
    "right_days",
    "event",
    "cause",
    "method",
)


def progression_table(
    table: GrowthTable,
    *,
    variant: str,
    timing: str,
    endpoint: str,
    doubling: str | None = None,
    floor: AbsoluteFloor | None = None,
    left_reason: ArrayLike = "unknown",
    left_day: ArrayLike | None = None,
    size_limit_mm3: float | None = None,
) -> pd.DataFrame:
    """`progression` of every mouse, one row a mouse in the order of the table, columns PROGRESSION_COLUMNS.

    A growth table does not say why mice left: `left_reason` (mouse), in the order of `table.mice`, does. `time_days`
    is left out for timing "interval", which has none.
    """
    mice, day, volume = mouse_curves(table)
    found = progression(
        day, volume, variant=variant, timing=timing, endpoint=endpoint, doubling=doubling, floor=floor,
        left_reason=left_reason, left_day=left_day, size_limit_mm3=size_limit_mm3,
    )  # fmt: skip
    result = mice.assign(**_columns(found), method=found.method)
    return result[[name for name in PROGRESSION_COLUMNS if name in result]]


def trial_progression(
    trial: xr.Dataset,
    *,
    variant: str,
    timing: str,
    endpoint: str,
    doubling: str | None = None,
    floor: AbsoluteFloor | None = None,
    volume: str = "volume_mm3",
    size_limit_mm3: float | None = None,
) -> xr.Dataset:
    """The same quantities for every emulated mouse: dims (trial, avatar, arm), the method in the attributes.

    `trial` as in trial.nc: `volume` (trial, avatar, arm, visit), coordinate `day`, left_day and left_reason with
    its flag_meanings. The work is done some trials at a time, so memory stays bounded.
    """
    dims = ("trial", "avatar", "arm")
    source = trial[volume].transpose(*dims, "visit")
    left_day = trial["left_day"].transpose(*dims)
    meanings = trial["left_reason"].attrs.get("flag_meanings", "study_end size removed")
    reason = reasons_of_codes(trial["left_reason"].transpose(*dims).values, meanings)
    step = max(1, VOLUMES_AT_A_TIME // max(1, int(np.prod(source.shape[1:]))))
    blocks, method = [], ""
    for start in range(0, max(1, source.sizes["trial"]), step):
        here = slice(start, start + step)
        found = progression(
            trial["day"].values, source.isel(trial=here).values,
            variant=variant, timing=timing, endpoint=endpoint, doubling=doubling, floor=floor,
            left_reason=reason[here], left_day=left_day.isel(trial=here).values, size_limit_mm3=size_limit_mm3,
        )  # fmt: skip
        blocks.append(_columns(found))
        method = found.method
    data = {name: (dims, np.concatenate([block[name] for block in blocks])) for name in blocks[0]}
    coords = {name: trial.coords[name] for name in dims if name in trial.coords}
    return xr.Dataset(data, coords=coords, attrs={"method": method, "volume": volume})


def _columns(found: Progression) -> dict[str, np.ndarray]:
    time = {} if found.time is None else {"time_days": found.time}
    return time | {
        "left_days": found.left,
        "right_days": found.right,
        "event": found.event,
        "cause": found.cause,
    }
