"""Outcomes of the mice of one arm, over replicates, and the numbers an arm is summed up by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.endpoints.survival import KaplanMeier, estimable_until, kaplan_meier

Floats = NDArray[np.float64]

RATES = {
    "ORR": ("CR", "PR"),
    "DCR": ("CR", "PR", "SD"),
    "share_CR": ("CR",),
    "share_PR": ("PR",),
    "share_SD": ("SD",),
    "share_PD": ("PD",),
}


@dataclass(frozen=True)
class ArmOutcomes:
    """Outcomes of an arm, arrays (replicate, mouse); observed arms have one replicate.

    category "" = not evaluable; depth_pct and time_days NaN = without a baseline. doubled False = censored
    at time_days.
    """

    category: NDArray[np.str_]
    depth_pct: Floats
    time_days: Floats
    doubled: NDArray[np.bool_]

    @property
    def evaluable(self) -> NDArray[np.bool_]:
        return self.category != ""

    @property
    def responded(self) -> NDArray[np.bool_]:
        return np.isin(self.category, RATES["ORR"])

    @property
    def n_censored(self) -> NDArray[np.intp]:
        """Mice censored before doubling, (replicate,)."""
        return np.count_nonzero(np.isfinite(self.time_days) & ~self.doubled, axis=-1)

    def rate(self, name: str) -> Floats:
        """Share of evaluable mice in the categories of RATES[name], (replicate,); NaN without one."""
        n = np.count_nonzero(self.evaluable, axis=-1)
        hits = np.count_nonzero(np.isin(self.category, RATES[name]), axis=-1)
        return np.where(n > 0, hits / np.maximum(n, 1), np.nan)

    def of(self, mice: NDArray[np.intp]) -> ArmOutcomes:
        """The outcomes of some mice, by their places."""
        return ArmOutcomes(
            category=self.category[:, mice],
            depth_pct=self.depth_pct[:, mice],
            time_days=self.time_days[:, mice],
            doubled=self.doubled[:, mice],
        )

    def doubling_curve(self) -> KaplanMeier:
        """Kaplan-Meier curve of the time to doubling, one a replicate."""
        return kaplan_meier(self.time_days, self.doubled)


def emulated_arms(responses: xr.Dataset, keep: NDArray[np.bool_] | None = None) -> dict[str, ArmOutcomes]:
    """Arms of a `trial_response`, in its order; where `keep` (avatar, arm) is false, mice are blanked."""
    arms = {}
    for i, arm in enumerate(responses["arm"].values):
        cell = responses.isel(arm=i).transpose("trial", "avatar")
        kept = np.ones(cell.sizes["avatar"], dtype=bool) if keep is None else keep[:, i]
        arms[str(arm)] = ArmOutcomes(
            category=np.where(kept, cell["category"].values, ""),
            depth_pct=np.where(kept, cell["depth_of_response_pct"].values, np.nan),
            time_days=np.where(kept, cell["time_to_doubling_days"].values, np.nan),
            doubled=kept & cell["doubled"].values,
        )
    return arms


def observed_arm(mice: pd.DataFrame) -> ArmOutcomes:
    """Mice of one arm of a `response_table` as a single replicate."""
    return ArmOutcomes(
        category=mice["category"].to_numpy(dtype=str)[None, :],
        depth_pct=mice["depth_of_response_pct"].to_numpy(dtype=float)[None, :],
        time_days=mice["time_to_doubling_days"].to_numpy(dtype=float)[None, :],
        doubled=mice["doubled"].to_numpy(dtype=bool)[None, :],
    )


def common_horizon(curves: Iterable[KaplanMeier]) -> float:
    """Day to which every arm's curve is known: the least over arms of the median over replicates.

    Curves that have fallen to 0 set no limit; if all have, the last time of any. NaN without a mouse.
    """
    arms = [km for km in curves if np.isfinite(km.time).any()]
    limits = [float(np.median(until[~np.isnan(until)])) for until in map(estimable_until, arms)]
    horizon = min(limits, default=float("nan"))
    return max(float(np.nanmax(km.time)) for km in arms) if np.isinf(horizon) else horizon
