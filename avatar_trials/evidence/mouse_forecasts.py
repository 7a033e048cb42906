"""What a posterior foresees of held-out mice: of new mice of an avatar, and of the tails of mice it knows the start of.

At each visit the forecast is that of a reading given that the visit takes place: the mouse is still in the study,
under the design's rules of leaving. Visits before it are drawn, the visit itself is left as the filter's exact
Student's t of each draw.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.calibrate.curves import Curves
from avatar_trials.calibrate.predictive import expected_log_volume, fixed_draws, weekly_of
from avatar_trials.designs import Stopping
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.graded_mice import GradedMice
from avatar_trials.emulate.mice import Chance, Mice, chance, luck
from avatar_trials.emulate.trial import new_mice_under, removal_probability
from avatar_trials.evidence.forecasts import Forecast, student_pdf
from avatar_trials.kinetics import caliper, clones, wander
from avatar_trials.model_cards import ModelCard
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

CALIPER_FREEDOM = 4.0
START_GRID, GRID_SCALES = 301, 6.0
LEAVES_FOR_CERTAIN = 1.0 - 1e-6


@dataclass(frozen=True)
class MouseForecast:
    """Forecast of a mouse's readings at its visits, and drawn readings (draw, visit), log mm3."""

    forecast: Forecast
    reading: Floats


def new_mouse(
    cohort: Cohort, avatar: str, arm: str, name: str, log_start: float, n_visits: int, *, seed: int
) -> tuple[Mice | GradedMice, Chance]:
    """A new mouse of an avatar under an arm, one for each draw (T, 1), and its deviates.

    `log_start` is its reading at day 0 (log mm3), from which its true starting volume is drawn by Bayes' rule, within
    each draw. `name` keys its luck.
    """
    own = cohort.of([avatar])
    deviates = chance((avatar,), cohort.n_trials, n_visits, luck(seed, "held-out mouse", arm, name))
    mice = new_mice_under(own, arm, deviates, luck(seed, "cohort"))
    start = _start_given(own, log_start, stream(seed, "held-out start", arm, name))
    return replace(mice, log_start=start[:, None]), deviates


def new_mouse_forecast(
    cohort: Cohort,
    avatar: str,
    arm: str,
    name: str,
    days: Floats,
    log_start: float,
    stopping: Stopping,
    *,
    seed: int,
) -> MouseForecast:
    """Forecast of a mouse the posterior has not seen, given its reading at day 0; days (visit,) from day 0."""
    own = cohort.of([avatar])
    mice, deviates = new_mouse(cohort, avatar, arm, name, log_start, len(days), seed=seed)
    grown = np.stack(list(mice.log_growth(days, slice(None))), axis=-1)
    population = {key: values[:, None] for key, values in own.population.items()}
    expected = mice.log_start + clones.size_from_growth(grown, own.decelerations, law=own.deceleration_law)
    squared = caliper.log_variance(
        np.exp(expected), population["delta"], population["sigma_p"], own.diameter_floor_mm3
    )
    known = np.full(1, log_start)
    limit = float(np.log(own.detection_limit_mm3))
    weekly, rules = own.weekly_wander[:, 0], stopping.of_type(own.tumor_type_of(avatar))
    return marched(expected, squared, days, weekly, deviates.surprises[:, 0], known, rules, limit)


def tail_forecasts(
    posterior: xr.Dataset,
    curves: Curves,
    held: NDArray[np.int64],
    kept_visits: NDArray[np.int64],
    card: ModelCard,
    stopping: Stopping,
    *,
    draws: int,
    seed: int,
) -> list[MouseForecast]:
    """Forecasts of the tails of mice whose first `kept_visits` (mouse,) a posterior was calibrated to.

    `curves` are the whole ones, their mice those of the posterior in its order; each forecast is of all visits of a
    `held` mouse, those kept included.
    """
    n = posterior.sizes["chain"] * posterior.sizes["draw"]
    chosen = stream(seed, "posterior draws").permutation(n)[:draws]
    flat = {
        str(name): values.values.reshape(-1, *values.shape[2:])[chosen] for name, values in posterior.items()
    } | fixed_draws(card, min(n, draws), len(curves.drugs))
    expected = np.stack(
        [
            expected_log_volume({name: values[k] for name, values in flat.items()}, curves, card)
            for k in range(len(chosen))
        ]
    )
    observation = card.observation
    squared = caliper.log_variance(
        np.exp(expected), flat["delta"][:, None], flat["sigma_p"][:, None], observation.diameter_floor_mm3
    )
    weekly, limit = weekly_of(flat, curves), float(np.log(observation.detection_limit_mm3))
    found = []
    for mouse, kept in zip(held, kept_visits, strict=True):
        here = np.flatnonzero(curves.obs_curve == mouse)
        surprises = stream(seed, "held-out tail", curves.curve_names[mouse]).standard_t(
            CALIPER_FREEDOM, (len(chosen), len(here))
        )
        known = observed_log_volume(curves, here)[:kept]
        tumor_type = curves.tumor_types[curves.avatar_type[curves.curve_avatar[mouse]]]
        found.append(
            marched(
                *(expected[:, here], squared[:, here], curves.day[here], weekly[:, here[0]]),
                *(surprises, known, stopping.of_type(tumor_type), limit),
            )
        )
    return found


def observed_log_volume(curves: Curves, visits: NDArray[np.int64]) -> Floats:
    """Log volume (log mm3) of readings, minus infinity where below the detection limit."""
    return np.where(curves.censored[visits], -np.inf, curves.log_volume[visits])


def marched(
    expected: Floats,
    squared: Floats,
    days: Floats,
    weekly: Floats,
    surprises: Floats,
    known: Floats,
    stopping: Stopping,
    limit: float,
) -> MouseForecast:
    """Readings of one mouse foreseen visit by visit, in every draw; its first ones are `known` (log mm3).

    `expected`, `squared` (draw, visit): log volume without wander, and the caliper's squared scale; `weekly` (draw,):
    scale of the wander's step; `surprises` (draw, visit) of Student's t4. Weights are the chance of each draw to be
    still in the study.
    """
    below = limit - 1.0
    location, scale, reading = np.empty(expected.shape), np.empty(expected.shape), np.empty(expected.shape)
    foreseen = wander.Foreseen(np.zeros(len(expected)), np.zeros(len(expected)))
    for visit, gap in enumerate(np.diff(days, prepend=0.0)):
        walked = wander.variance(gap, weekly**2)
        location[:, visit] = expected[:, visit] + foreseen.mean
        scale[:, visit] = np.sqrt(foreseen.squared + walked + squared[:, visit])
        surprise = surprises[:, visit]
        if visit < len(known):
            surprise = (max(known[visit], below) - location[:, visit]) / scale[:, visit]
        reading[:, visit], foreseen = wander.reading(
            foreseen, walked, expected[:, visit], squared[:, visit], surprise, limit
        )
    weight = _still_in(reading, days, stopping, limit)
    freedom = np.full(len(days), CALIPER_FREEDOM)
    return MouseForecast(Forecast(location, scale, weight, freedom, limit), reading)


def _still_in(reading: Floats, days: Floats, stopping: Stopping, limit: float) -> Floats:
    """Weights (draw, visit) by the chance of being still in the study at each visit, under the design's rules."""
    seen = np.where(reading < limit, 0.0, np.exp(reading))
    leaves = np.where(seen >= stopping.size_mm3, 1.0, removal_probability(seen, days, stopping.removal))
    stays = np.log1p(-np.minimum(leaves, LEAVES_FOR_CERTAIN))
    log_weight = np.cumsum(stays, axis=1) - stays
    weight = np.exp(log_weight - log_weight.max(axis=0))
    return weight / weight.sum(axis=0)


def _start_given(cohort: Cohort, log_start: float, rng: np.random.Generator) -> Floats:
    """True log volume (T,) at day 0 given the reading there, in every draw: by the inverse distribution on a grid."""
    mean, spread = cohort.population["mu_v"][:, None], cohort.population["sigma_v"][:, None]
    error = caliper.log_sd(
        np.exp(log_start), cohort.population["delta"], cohort.population["sigma_p"], cohort.diameter_floor_mm3
    )[:, None]
    low = np.minimum(mean - GRID_SCALES * spread, log_start - GRID_SCALES * error)
    high = np.maximum(mean + GRID_SCALES * spread, log_start + GRID_SCALES * error)
    grid = low + (high - low) * (np.arange(START_GRID) + 0.5) / START_GRID
    own = caliper.log_sd(
        *(np.exp(grid), cohort.population["delta"][:, None], cohort.population["sigma_p"][:, None]),
        cohort.diameter_floor_mm3,
    )
    told = student_pdf((log_start - grid) / own, np.array(CALIPER_FREEDOM)) / own
    density = np.exp(-0.5 * ((grid - mean) / spread) ** 2) * told
    reached = np.cumsum(density, axis=1) / density.sum(axis=1, keepdims=True)
    index = (reached >= rng.random((len(grid), 1))).argmax(axis=1)
    jitter = (rng.random(len(grid)) - 0.5) * ((high - low)[:, 0] / START_GRID)
    found: Floats = grid[np.arange(len(grid)), index] + jitter
    return found
