"""A mouse given its avatar and population: how its coordinates spread, and how likely its readings are about a curve.

A mouse is known by four coordinates or fewer that are normal given population and avatar: log starting volume, log net
growth, log kill, log spread (or resistance score). Their means and covariances are read off the emulator's new mice, so
that there is one law of a mouse.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import chi2, multivariate_t, norm, qmc

from avatar_trials.arms import UNTREATED
from avatar_trials.calibrate import likelihood
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.graded_mice import GradedMice
from avatar_trials.emulate.mice import NO_RESISTANCE, Chance, Mice, luck
from avatar_trials.emulate.trial import new_mice_under
from avatar_trials.kinetics import caliper, clones, two_clone

Floats = NDArray[np.float64]

PROPOSAL_FREEDOM = 5
READINGS_AT_A_TIME = 200_000
_OF_MOUSE = ("start", "growth", "kill", "resistance")


@dataclass(frozen=True)
class Readings:
    """One mouse's readings (visit,): day, log volume (the limit's where `below`), whether below the limit."""

    day: Floats
    log_volume: Floats
    below: NDArray[np.bool_]


@dataclass(frozen=True)
class MouseLaw:
    """What population and avatar say of a mouse, draw by draw: `mean` (T, k) and `covariance` (T, k, k) of its
    coordinates, and the emulator's mice (T, 1) at the mean."""

    mean: Floats
    covariance: Floats
    middle: Mice | GradedMice


def readings_of(tree: xr.DataTree, mouse: int) -> Readings:
    """The readings of one mouse, by its place in the posterior's `constant_data`."""
    constant = tree["constant_data"].to_dataset()
    here = constant["curve"].values == mouse
    volume = tree["observed_data"].to_dataset()["volume_mm3"].values[here]
    limit = float(constant.attrs["detection_limit_mm3"])
    return Readings(constant["day"].values[here], np.log(np.maximum(volume, limit)), volume < limit)


def mouse_law(alone: Cohort, arm: str) -> MouseLaw:
    """The law of a new mouse's coordinates, from the emulator's mice at deviates of 0 and 1: they are linear."""
    middle = _mice(alone, arm)
    mean = _coordinates(alone, middle)
    factor = np.stack([_coordinates(alone, _mice(alone, arm, name)) - mean for name in _OF_MOUSE], axis=2)
    return MouseLaw(mean, factor @ np.swapaxes(factor, 1, 2), middle)


def mouse_means(alone: Cohort, arm: str) -> Floats:
    """The means (T, k) of `mouse_law`."""
    return _coordinates(alone, _mice(alone, arm))


def _mice(alone: Cohort, arm: str, lucky: str = "") -> Mice | GradedMice:
    """Mice (T, 1) whose deviates are 0, but for the one named, which is 1."""
    shape = (alone.n_trials, 1)
    deviates = {name: np.full(shape, float(name == lucky)) for name in _OF_MOUSE}
    chance = Chance(**deviates, surprises=np.zeros(0), removal=np.zeros(0))
    return new_mice_under(alone, arm, chance, luck(0, "no luck"))


def log_density_of(
    alone: Cohort, law: MouseLaw, readings: Readings, points: Floats, weekly: Floats, slowed: Floats
) -> Floats:
    """Log density (T, N, HG) of the readings about the curves of `points` (N, k), for decelerations `slowed` (T, H) and
    scales `weekly` (T, G) of the wander's step of a week."""
    density = np.empty((alone.n_trials, len(points), slowed.shape[1], weekly.shape[1]))
    step = max(1, READINGS_AT_A_TIME // (len(points) * len(readings.day)))
    visits = likelihood.Visits.of(np.zeros(len(readings.day), dtype=np.int64), readings.day, readings.below)
    for first in range(0, alone.n_trials, step):
        here = slice(first, first + step)
        population = {name: values[here][:, None, None] for name, values in alone.population.items()}
        mice = _mice_at(alone, law.middle, points, here)
        grown = np.stack(list(mice.log_growth(readings.day, slice(None))), axis=-1)
        grown = grown.reshape(-1, len(points), len(readings.day))
        for node in range(slowed.shape[1]):
            size = clones.size_from_growth(grown, slowed[here, node, None, None], law=alone.deceleration_law)
            expected = points[None, :, :1] + size
            squared = caliper.log_variance(
                np.exp(expected), population["delta"], population["sigma_p"], alone.diameter_floor_mm3
            )
            residual = np.ascontiguousarray(np.broadcast_to(readings.log_volume - expected, squared.shape))
            density[here, :, node] = _filtered(
                residual, squared, weekly[here] ** 2, visits.gap, visits.first, visits.below
            )
    return density.reshape(*density.shape[:2], -1)


@numba.njit
def _filtered(
    residual: Floats,
    squared: Floats,
    weekly_squared: Floats,
    gap: Floats,
    first: NDArray[np.bool_],
    below: NDArray[np.bool_],
) -> Floats:
    """Sum over visits (T, N, G) of the filter's log density, for curves (T, N, visit) and scales (T, G)."""
    n_draws, n_points, n_visits = residual.shape
    total = np.empty((n_draws, n_points, weekly_squared.shape[1]))
    weekly = np.empty(n_visits)
    for t in range(n_draws):
        for g in range(weekly_squared.shape[1]):
            weekly[:] = weekly_squared[t, g]
            for n in range(n_points):
                total[t, n, g] = likelihood.foreseen(
                    residual[t, n], squared[t, n], weekly, gap, first, below
                )[0].sum()
    return total


def proposed(
    draws: Floats, samples: int, rng: np.random.Generator, *, wider: float = 1.0
) -> tuple[Floats, Floats]:
    """Points (samples, k) of a Student t about the mean of `draws` (S, k), `wider` than their covariance, and their log
    density (samples,). `samples` is a power of 2: the points are a scrambled Sobol net."""
    size = draws.shape[1]
    shape = wider * np.atleast_2d(np.cov(draws.T)) + 1e-10 * np.eye(size)
    net = qmc.Sobol(size + 1, rng=rng).random_base2(int(samples).bit_length() - 1)
    normal, squared = norm.ppf(net[:, :size]), chi2.ppf(net[:, size:], PROPOSAL_FREEDOM) / PROPOSAL_FREEDOM
    points = draws.mean(axis=0) + (normal @ np.linalg.cholesky(shape).T) / np.sqrt(squared)
    return points, np.atleast_1d(multivariate_t.logpdf(points, draws.mean(axis=0), shape, PROPOSAL_FREEDOM))


def posterior_coordinates(tree: xr.DataTree, mouse: int, arm: str) -> Floats:
    """Coordinates (S, k) of one of the posterior's mice, all its draws."""
    kept_apart = "thinned_posterior" in tree.children
    posterior = tree["thinned_posterior" if kept_apart else "posterior"].to_dataset()

    def drawn(name: str, place: int) -> Floats:
        values: Floats = posterior[name].values[..., place].reshape(-1)
        return values

    n_untreated = posterior.sizes["untreated"]
    start, treated = drawn("log_start", mouse), mouse - n_untreated
    if arm == UNTREATED:
        return np.stack([start, drawn("log_r_untreated", mouse)], axis=1)
    kill = drawn("log_kill_mouse", treated)
    if "resistant_logit_mouse" in posterior:
        bend = float(constants_of(tree)["resistance_bend"])
        score = two_clone.resistance_score(drawn("resistant_logit_mouse", treated), bend)
        return np.stack([start, drawn("log_r_treated", treated), kill, score], axis=1)
    columns = [start, drawn("log_growth_mouse", treated), kill]
    if "log_spread_mouse" in posterior:
        columns.append(drawn("log_spread_mouse", treated))
    return np.stack(columns, axis=1)


def _coordinates(alone: Cohort, mice: Mice | GradedMice) -> Floats:
    """Coordinates (T, k) of mice (T, 1)."""
    log_growth = np.log(mice.growth)
    if isinstance(mice, GradedMice):
        columns = [mice.log_start, log_growth - mice.slowing]
        if mice.kill.any():
            columns += [np.log(mice.kill), *([mice.log_spread] if mice.law.spreads else [])]
        return np.concatenate(columns, axis=1)
    columns = [mice.log_start, log_growth]
    if (mice.resistant_logit != NO_RESISTANCE).any():
        clearance, kill = alone.constants["clearance_per_day"], mice.growth - mice.rates[0]
        columns += [
            two_clone.log_drive_of(np.log(kill), np.log(clearance - kill), clearance),
            two_clone.resistance_score(mice.resistant_logit, alone.constants["resistance_bend"]),
        ]
    return np.concatenate(columns, axis=1)


def _mice_at(alone: Cohort, middle: Mice | GradedMice, points: Floats, draws: slice) -> Mice | GradedMice:
    """Mice with the coordinates of `points` (N, k): (1, N) where no draw matters to their curves, else (T, N)."""
    start, growth = points[None, :, 0], np.exp(points[None, :, 1])
    treated, nothing = points.shape[1] > 2, np.zeros(growth.shape)
    if isinstance(middle, GradedMice):
        kill = np.exp(points[None, :, 2]) if treated else nothing
        spread = points[None, :, 3] if treated and middle.law.spreads else nothing
        return GradedMice(growth, nothing, kill, spread, start, middle.law)
    if not treated:
        return Mice(np.stack([growth, growth]), np.full(growth.shape, NO_RESISTANCE), start, growth)
    kill = np.exp(two_clone.log_kill_rate(points[None, :, 2], alone.constants["clearance_per_day"]))
    logit = two_clone.resistant_logit_of(points[None, :, 3], alone.constants["resistance_bend"])
    factor = (middle.rates[1] / middle.growth)[draws]
    rates = np.stack(np.broadcast_arrays(growth - kill, growth * factor))
    return Mice(rates, np.broadcast_to(logit, rates.shape[1:]), start, growth)


def constants_of(tree: xr.DataTree) -> dict[str, float]:
    constants: dict[str, float] = json.loads(tree.attrs["constants"])
    return constants
