"""RECIST 1.1 (Eisenhauer et al., Eur J Cancer 2009;45:228) on sums of longest diameters, confirmation named.

`sld_mm` (..., assessment) in mm, NaN after the patient left; assessment 0 is the baseline at day 0. Target lesions
alone: what is said of non-target lesions enters as `new_lesion_day`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from avatar_trials.endpoints.arm_outcomes import ArmOutcomes

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RESPONSE_VARIANTS = ("recist11_confirmed", "recist11_unconfirmed")
PARTIAL, PROGRESSIVE, INCREASE_MM = 0.7, 1.2, 5.0
CONFIRMED_AFTER_DAYS = 28.0
STABLE_FROM_DAYS = 42.0


@dataclass(frozen=True)
class Recist:
    """Best overall response and progression of patients, arrays (...).

    category: CR, PR, SD or PD, "" not evaluable. change_pct: deepest change of the sum from baseline, in percent of
    diameter, or the least increase. time_days: day of progression or of the last assessment. progressed: False is
    censored.
    """

    category: NDArray[np.str_]
    change_pct: Floats
    time_days: Floats
    progressed: Bools
    variant: str


def recist(
    day: ArrayLike,
    sld_mm: ArrayLike,
    all_gone: ArrayLike,
    *,
    new_lesion_day: ArrayLike = np.inf,
    variant: str,
) -> Recist:
    """Best overall response and time to progression of patients.

    CR: no target lesion left; PR: the sum at most 70 % of the baseline's; PD: at least 120 % of the least sum so far
    and 5 mm above it, or a new lesion (found at the next assessment). SD needs an assessment from day 42 on.
    `recist11_confirmed`: a CR or PR is there again at least 28 days later, before progression; else it is SD.
    `recist11_unconfirmed`: once is enough.

    Progression is dated to its assessment, and censored at the last one. ValueError for an unknown variant or a
    baseline of 0.
    """
    if variant not in RESPONSE_VARIANTS:
        raise ValueError(
            f"unknown response variant {variant!r}: expected one of {', '.join(RESPONSE_VARIANTS)}"
        )
    sld, gone = np.asarray(sld_mm, dtype=float), np.asarray(all_gone, dtype=bool)
    days = np.broadcast_to(np.asarray(day, dtype=float), sld.shape)
    if np.any(sld[..., 0] <= 0):
        raise ValueError("a sum of diameters at baseline must be above 0")
    seen = ~np.isnan(sld)
    after = seen & (days > 0)
    known = np.where(seen, sld, np.inf)
    nadir = np.minimum.accumulate(known, axis=-1)
    new = days >= np.asarray(new_lesion_day, dtype=float)[..., None]
    with np.errstate(invalid="ignore"):
        worse = after & (((sld >= PROGRESSIVE * nadir) & (sld - nadir >= INCREASE_MM)) | new)
    progressed = worse.any(axis=-1)
    at = np.where(progressed, worse.argmax(axis=-1), sld.shape[-1])
    before = after & (np.arange(sld.shape[-1]) < at[..., None])
    complete = before & gone
    with np.errstate(invalid="ignore"):
        partial = before & (complete | (sld <= PARTIAL * sld[..., :1]))
    if variant == "recist11_confirmed":
        complete, partial = (calls & _again(calls, days) for calls in (complete, partial))
    stable = (before & (days >= STABLE_FROM_DAYS)).any(axis=-1)
    category = np.select(
        [complete.any(axis=-1), partial.any(axis=-1), stable, progressed],
        ["CR", "PR", "SD", "PD"],
        default="",
    )
    last = np.where(seen, days, 0.0).max(axis=-1)
    day_of = np.take_along_axis(days, np.minimum(at, sld.shape[-1] - 1)[..., None], axis=-1)[..., 0]
    change = np.where(after, 100.0 * (sld / sld[..., :1] - 1.0), np.inf).min(axis=-1)
    return Recist(
        category=category,
        change_pct=np.where(np.isfinite(change), change, np.nan),
        time_days=np.where(progressed, day_of, last),
        progressed=progressed,
        variant=variant,
    )


def patient_arms(patients: xr.Dataset, *, with_avatar_only: bool) -> dict[str, ArmOutcomes]:
    """Outcomes (trial, patient) of emulated patients by arm: RECIST calls, depth in % of diameter, PFS in days."""
    kept = (
        patients["has_avatar"].values if with_avatar_only else np.ones(patients.sizes["patient"], dtype=bool)
    )
    new_lesion = patients["new_lesion_day"].values[:, kept]
    arms = {}
    for arm in patients["arm"].values:
        one = patients.sel(arm=arm).transpose("trial", "patient", "assessment")
        found = recist(
            patients["day"].values,
            one["sld_mm"].values[:, kept],
            one["all_gone"].values[:, kept],
            new_lesion_day=new_lesion,
            variant=str(patients.attrs["response"]),
        )
        arms[str(arm)] = ArmOutcomes(found.category, found.change_pct, found.time_days, found.progressed)
    return arms


def _again(calls: Bools, days: Floats) -> Bools:
    """Whether a call is there again at least 28 days later: it is enough to look at the last time it was."""
    last = np.where(calls, days, -np.inf).max(axis=-1, keepdims=True)
    return np.asarray(last - days >= CONFIRMED_AFTER_DAYS)
