"""What calipers read of tumours that are known: mice in blocks that fit a processor's cache, visit by visit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

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
    of_mouse = known_of_mice(log_start, cohort)
    of_visit = surprises.reshape(-1, len(days))
    seen = np.empty(of_visit.shape)
    for first in range(0, len(seen), MICE_AT_A_TIME):
        here = slice(first, first + MICE_AT_A_TIME)
        part = {name: values[here] for name, values in of_mouse.items()}
        luck = np.ascontiguousarray(of_visit[here].T)
        read = np.empty(luck.shape)
        foreseen = wander.Foreseen(np.zeros(luck.shape[1]), np.zeros(luck.shape[1]))
        for visit, grown in zip(range(len(days)), growth(here), strict=True):
            read[visit], foreseen = reading_at_visit(
                grown, part, float(gaps[visit]), luck[visit], foreseen, cohort
            )
        seen[here] = read.T
    return seen.reshape(surprises.shape)


def known_of_mice(log_start: Floats, cohort: Cohort) -> dict[str, Floats]:
    """What a caliper's reading of a mouse depends on beside its growth: name -> a flattened (T, avatar)."""
    n_avatars = log_start.shape[1]
    return {
        **{name: np.repeat(cohort.population[name], n_avatars) for name in ("delta", "sigma_p")},
        "deceleration": cohort.decelerations.reshape(-1),
        "weekly_squared": cohort.weekly_wander.reshape(-1) ** 2,
        "log_start": log_start.reshape(-1),
    }


def reading_at_visit(
    grown: Floats,
    mice: Mapping[str, Floats],
    gap: float,
    surprise: Floats,
    foreseen: wander.Foreseen,
    cohort: Cohort,
) -> tuple[Floats, wander.Foreseen]:
    """Volumes (mouse,) in mm3 as read at a visit `gap` days after the last, 0 below the detection limit, and the
    wander foreseen from them. `grown`: log(V/V0) without deceleration; `mice`: `known_of_mice` of these mice."""
    limit = float(np.log(cohort.detection_limit_mm3))
    size = mice["log_start"] + clones.size_from_growth(
        grown, mice["deceleration"], law=cohort.deceleration_law
    )
    own = caliper.log_variance(np.exp(size), mice["delta"], mice["sigma_p"], cohort.diameter_floor_mm3)
    walked = wander.variance(gap, mice["weekly_squared"])
    value, foreseen = wander.reading(foreseen, walked, size, own, surprise, limit)
    return np.where(value < limit, 0.0, np.exp(value)), foreseen
