"""Emulated and observed mice of the same arms and avatars, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.endpoints.arm_outcomes import ArmOutcomes, emulated_arms, observed_arm
from avatar_trials.endpoints.tables import response_table, trial_response

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable

TWIN = "twin_volume_mm3"


@dataclass(frozen=True)
class Comparison:
    """Arms that were both emulated and observed, called under one rule.

    emulated, twin: by arm, (trial, avatar); twin is empty where the trial holds no second mice. observed:
    by arm, (1, mouse), for the mice of `mice[arm]`; avatar_of_mouse: place of each one's avatar among
    `avatars`, or -1. paired: whether avatars are shared by name; then only those count on both sides. told:
    what is compared, where it is not mice with mice.
    """

    rule: str
    doubling: str
    arms: tuple[str, ...]
    avatars: tuple[str, ...]
    n_trials: int
    paired: bool
    emulated: dict[str, ArmOutcomes]
    twin: dict[str, ArmOutcomes]
    observed: dict[str, ArmOutcomes]
    avatar_of_mouse: dict[str, NDArray[np.intp]]
    told: str = ""

    @property
    def cells(self) -> str:
        """Which mice are compared, for the method column."""
        if self.told:
            return self.told
        if self.paired:
            return "emulated and observed mice of the same avatars and arms"
        return "emulated avatars are not the observed ones"


def compare(trial: xr.Dataset, table: GrowthTable, *, rule: str, doubling: str) -> Comparison:
    """Call both sides under one rule and match them by arm and, where names are shared, by avatar.

    Mice without a baseline are left out, and with them their avatar's emulated mice in that arm. ValueError
    if the two have no arm in common, or if an avatar of the trial has no name of its own.
    """
    avatars = tuple(str(a) for a in trial["avatar"].values)
    if len(set(avatars)) != len(avatars):
        raise ValueError("the trial names an avatar twice: its mice cannot be matched with observed ones")
    mice = response_table(table, rule=rule, doubling=doubling)
    mice = mice[np.isfinite(mice["time_to_doubling_days"])]
    paired = bool(mice["avatar"].isin(avatars).any())
    if paired:
        mice = mice[mice["avatar"].isin(avatars)]
    emulated_names = [str(a) for a in trial["arm"].values]
    arms = tuple(arm for arm in emulated_names if (mice["arm"] == arm).any())
    if not arms:
        known = ", ".join(sorted(set(mice["arm"])))
        raise ValueError(
            f"no arm was both emulated ({', '.join(emulated_names)}) and observed ({known or 'none'})"
        )
    by_arm = {arm: mice[mice["arm"] == arm] for arm in arms}
    place = pd.Index(avatars)
    keep = np.zeros((len(avatars), len(emulated_names)), dtype=bool)
    for i, arm in enumerate(emulated_names):
        if arm in by_arm:
            keep[:, i] = place.isin(by_arm[arm]["avatar"]) if paired else True

    def emulated(volume: str) -> dict[str, ArmOutcomes]:
        found = emulated_arms(trial_response(trial, rule=rule, doubling=doubling, volume=volume), keep)
        return {arm: found[arm] for arm in arms}

    return Comparison(
        rule=rule,
        doubling=doubling,
        arms=arms,
        avatars=avatars,
        n_trials=trial.sizes["trial"],
        paired=paired,
        emulated=emulated("volume_mm3"),
        twin=emulated(TWIN) if TWIN in trial else {},
        observed={arm: observed_arm(by_arm[arm]) for arm in arms},
        avatar_of_mouse={arm: place.get_indexer(pd.Index(by_arm[arm]["avatar"])) for arm in arms},
    )
