"""What calipers read of tumours that are known: mice in blocks that fit a processor's cache, visit by visit."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from avatar_trials.emulate.cohort import Cohort
from avatar_trials.kinetics import caliper, clones, wander

Floats = NDArray[np.float64]
Growth = Callable[[slice], Iterable[Floats]]
"""A block of mice -> for each visit in turn log(V/V0) (mice of the block,), without deceleration."""

MICE_AT_A_TIME = 8192


def caliper_volumes(
    growth: Growth, log_start: Floats, cohort: Cohort, surprises: Floats, days: Floats
) -> Floats:
    """Volumes (T, avatar, visit) in mm3 as read, 0 below the detection limit.

    `log_start` (T, avatar): log mm3 at day 0; `surprises` (T, avatar, visit) of Student's t with 4 degrees of freedom;
    `days` (visit,) ascending from 0. Deceleration, caliper and wander are the cohort's. `growth` sees the mice in the
    order of a flattened (T, avatar). Raises ValueError for days in disorder.
    """
    gaps = np.diff(days, prepend=0.0)
    if (gaps < 0.0).any():
        raise ValueError("the days of visits start at treatment start (day 0) and do not decrease")
    n_avatars, limit = log_start.shape[1], float(np.log(cohort.detection_limit_mm3))
    of_mouse = {name: np.repeat(cohort.population[name], n_avatars) for name in ("delta", "sigma_p")}
    of_mouse["deceleration"] = cohort.decelerations.reshape(-1)
    of_mouse["wander"] = cohort.weekly_wander.reshape(-1)
    of_mouse["log_start"] = log_start.reshape(-1)
    of_visit = surprises.reshape(-1, len(days))
    seen = np.empty(of_visit.shape)
    for first in range(0, len(seen), MICE_AT_A_TIME):
        here = slice(first, first + MICE_AT_A_TIME)
        part = {name: values[here] for name, values in of_mouse.items()}
        weekly_squared = part["wander"] ** 2
        luck = np.ascontiguousarray(of_visit[here].T)
        read = np.empty(luck.shape)
        foreseen = wander.Foreseen(np.zeros(luck.shape[1]), np.zeros(luck.shape[1]))
        for visit, grown in zip(range(len(days)), growth(here), strict=True):
            size = part["log_start"] + clones.size_from_growth(
                grown, part["deceleration"], law=cohort.deceleration_law
            )
            own = caliper.log_variance(
                np.exp(size), part["delta"], part["sigma_p"], cohort.diameter_floor_mm3
            )
            walked = wander.variance(gaps[visit], weekly_squared)
            value, foreseen = wander.reading(foreseen, walked, size, own, luck[visit], limit)
            read[visit] = np.where(value < limit, 0.0, np.exp(value))
        seen[here] = read.T
    return seen.reshape(surprises.shape)
