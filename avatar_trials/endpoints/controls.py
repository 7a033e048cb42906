"""Which control curve a mouse is compared with: the mean of its avatar's control mice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.arms import canonical_arm
from avatar_trials.endpoints.response import Bools, Floats


@dataclass(frozen=True)
class Controls:
    """Control curves of a table's mice.

    `day`, `volume_mm3` (curve, visit), NaN-padded, the last curve empty. `row` (mouse,): the curve of each
    mouse's avatar, -1 without one. `n_mice` (mouse,): control mice behind it. `is_control` (mouse,).
    """

    day: Floats
    volume_mm3: Floats
    row: NDArray[np.intp]
    n_mice: NDArray[np.intp]
    is_control: Bools


def control_curves(mice: pd.DataFrame, day: Floats, volume_mm3: Floats, control: str) -> Controls:
    """Control curves for `mice` (columns avatar and arm) with `day` and `volume_mm3` (mouse, visit).

    A mouse counts as control if its arm is `control` and it has a positive baseline. Where an avatar has
    several, their volumes are averaged at the union of their visits, each interpolated linearly, to the last
    day that all of them reach: a mean that lost its fastest mouse would turn down.
    """
    is_control = (mice["arm"] == canonical_arm(control)).to_numpy()
    usable = np.flatnonzero(is_control & (day[:, 0] == 0.0) & (volume_mm3[:, 0] > 0.0))
    avatar, _ = pd.factorize(mice["avatar"])
    owners, first, curve, count = np.unique(
        avatar[usable], return_index=True, return_inverse=True, return_counts=True
    )
    means = {
        i: _mean_curve(day[members], volume_mm3[members])
        for i in np.flatnonzero(count > 1)
        for members in [usable[curve == i]]
    }
    width = max([day.shape[1], *(len(days) for days, _ in means.values())])
    days, volumes = np.full((2, len(owners) + 1, width), np.nan)
    days[:-1, : day.shape[1]], volumes[:-1, : day.shape[1]] = day[usable[first]], volume_mm3[usable[first]]
    for i, (mean_day, mean_volume) in means.items():
        days[i], volumes[i] = np.nan, np.nan
        days[i, : len(mean_day)], volumes[i, : len(mean_day)] = mean_day, mean_volume
    place = np.searchsorted(owners, avatar)
    found = np.isin(avatar, owners)
    row = np.where(found, place, -1)
    return Controls(days, volumes, row, np.where(found, np.append(count, 0)[row], 0), is_control)


def _mean_curve(day: Floats, volume_mm3: Floats) -> tuple[Floats, Floats]:
    present = np.isfinite(day) & np.isfinite(volume_mm3)
    end = np.where(present, day, -np.inf).max(axis=1).min()
    days = np.unique(day[present & (day <= end)])
    curves = [np.interp(days, d[p], v[p]) for d, v, p in zip(day, volume_mm3, present, strict=True)]
    return days, np.mean(curves, axis=0)
