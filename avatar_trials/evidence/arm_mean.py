"""The plain alternative that a hierarchical model has to beat: forecasts from an arm's mean curve alone.

It knows no avatar, no drug and no kinetics. Mice that are removed drop out of the mean as they do out of the trial, so
that at late days it is the mean of those that stayed: right for a reading that was taken, which is what is scored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.arms import UNTREATED, drugs_of
from avatar_trials.calibrate.curves import Curves
from avatar_trials.evidence.forecasts import Forecast

Floats = NDArray[np.float64]

FEWEST_MICE = 5
WORDS = (
    "mean log(V/V0) of the arm's other mice at that day with their SD, Student's t; where fewer than "
    f"{FEWEST_MICE} are left, as at the last day with {FEWEST_MICE}"
)
ARM_WORDS = f"the better of the combination's single drugs: {WORDS}"
TAIL_WORDS = (
    "last reading and the arm's mean slope to there, with its SD between mice and the scatter about lines"
)


@dataclass(frozen=True)
class Moments:
    """Mean, SD and number (day,) of mice of an arm's log(V/V0)."""

    mean: Floats
    sd: Floats
    n: Floats

    @property
    def forecast_scale(self) -> Floats:
        """Scale (day,) of the next mouse, the mean being estimated: SD root(1 + 1/n)."""
        return self.sd * np.sqrt(1.0 + 1.0 / self.n)


def arm_forecast(curves: Curves, arm: str, days: Floats, log_start: float, limit: float) -> Forecast:
    """Forecast of a mouse's readings on `days` (visit,) from the other mice of its arm, given that at day 0 (log mm3).

    Student's t with n - 1 degrees of freedom, the predictive of normal data with unknown mean and SD. An arm without a
    mouse is foreseen as its single-drug arm with the lowest mean, day by day; one with fewer than three as all
    treated mice.
    """
    names = np.array(curves.curve_arm)
    drugs = drugs_of(arm)
    groups = [names == arm]
    if not groups[0].any():
        groups = [names == drug for drug in drugs]
    groups = [
        group if group.sum() >= 3 else (names != UNTREATED) == bool(drugs) for group in groups if group.any()
    ]
    found = [moments(curves, np.flatnonzero(group), days) for group in groups]
    best = np.argmin([each.mean for each in found], axis=0)

    def chosen(values: list[Floats]) -> Floats:
        return np.take_along_axis(np.stack(values), best[None], axis=0)

    return Forecast(
        log_start + chosen([each.mean for each in found]),
        chosen([each.forecast_scale for each in found]),
        np.ones((1, len(days))),
        chosen([each.n for each in found])[0] - 1.0,
        limit,
    )


def moments(curves: Curves, mice: NDArray[np.int64], days: Floats) -> Moments:
    """Moments of log(V/V0) of mice (curve indices) on `days`, each mouse's line from visit to visit read at the day.

    Of the mice still in at the day; of the last day with `FEWEST_MICE` of them (with all, where there are fewer
    mice) for later ones. A reading below the detection limit counts as at the limit.
    """
    last = np.array([curves.day[curves.obs_curve == mouse].max() for mouse in mice])
    enough = np.sort(last)[::-1][min(FEWEST_MICE, len(mice)) - 1]
    when = np.minimum(days, enough)
    change = np.full((len(mice), len(days)), np.nan)
    for place, mouse in enumerate(mice):
        here = curves.obs_curve == mouse
        log_volume = curves.log_volume[here]
        change[place] = np.interp(when, curves.day[here], log_volume - log_volume[0], right=np.nan)
    sd = np.nanstd(change, axis=0, ddof=1)
    # On day 0 all changes are 0; a forecast needs a scale all the same.
    return Moments(
        np.nanmean(change, axis=0), np.maximum(sd, 1e-3), np.isfinite(change).sum(axis=0).astype(float)
    )


def tail_forecast(curves: Curves, mouse: int, days: Floats, limit: float) -> Forecast:
    """Forecast of a mouse's readings on `days` (visit,) after its last in `curves`, by its arm's mean slope.

    Slopes are least squares of each mouse's log volume on the day. Variance: of slopes between mice, times the days
    ahead squared, and twice that of readings about their lines, as the last reading errs too.
    """
    names = np.array(curves.curve_arm)
    mice = np.flatnonzero(names == names[mouse])
    slopes, squares, spare = np.empty(len(mice)), 0.0, 0
    for place, one in enumerate(mice):
        here = curves.obs_curve == one
        day = curves.day[here] - curves.day[here].mean()
        slopes[place] = day @ curves.log_volume[here] / (day @ day)
        line = curves.log_volume[here].mean() + slopes[place] * day
        squares += float(((curves.log_volume[here] - line) ** 2).sum())
        spare += int(here.sum()) - 2
    own = np.flatnonzero(curves.obs_curve == mouse)
    ahead = days - curves.day[own[-1]]
    between = np.var(slopes, ddof=1) if len(mice) > 1 else np.mean(slopes) ** 2
    variance = between * (1.0 + 1.0 / len(mice)) * ahead**2 + 2.0 * squares / max(spare, 1)
    return Forecast(
        (curves.log_volume[own[-1]] + np.mean(slopes) * ahead)[None],
        np.sqrt(np.maximum(variance, 1e-6))[None],
        np.ones((1, len(days))),
        np.full(len(days), max(len(mice) - 1.0, 1.0)),
        limit,
    )
