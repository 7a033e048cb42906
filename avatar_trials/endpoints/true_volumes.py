"""Draws of the true volumes behind the readings of a mouse, by Gibbs sampling of a state-space model.

What is drawn is p(true volumes | readings), under a `NoiseModel` and a `GrowthPrior`. Adding noise to the readings
instead would count the caliper's error twice.

One sweep: the precision of every reading given the true volumes (Student's t as a mixture of normals); readings below
the detection limit given the true volumes; the whole path of true volumes by forward filter and backward sampling
(Carter & Kohn, Biometrika 1994;81:541), with the caliper's scale taken at the reading, and a Metropolis step that makes
it that of the true volume. All mice and many chains go side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtri_exp

from avatar_trials.endpoints.noise_model import GrowthPrior, NoiseModel
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Names = Sequence[tuple[str, ...]]

CHAINS = 100
WARM_UP = 20
# A path below the detection limit moves by about one caliper error a sweep, and may span several.
WARM_UP_CENSORED = 150
NUMBERS_AT_A_TIME = 3_000_000


@dataclass(frozen=True)
class _Readings:
    """Arrays (visit, mouse, 1): gap (days), log reading, pilot squared scale; what each visit is."""

    gap: Floats
    log_reading: Floats
    pilot: Floats
    seen: Bools
    below: Bools
    last: Bools


@dataclass(frozen=True)
class _Chance:
    """Random numbers (sweep, visit, mouse, chain), from a stream a mouse; `path` has a last dimension of two."""

    path: Floats
    precision: Floats
    below: Floats
    accept: Floats


def true_log_volumes(
    day: Floats,
    volume_mm3: Floats,
    names: Names,
    *,
    noise: NoiseModel,
    prior: GrowthPrior,
    draws: int,
    seed: int,
) -> Floats:
    """Draws (mouse, draw, visit) of log true volume (log mm3) for readings (mouse, visit).

    `day` is NaN after a mouse's last visit and increases to it; a visit with a day and a NaN volume was not read, and
    is drawn all the same. `names` (mouse) key each mouse's stream: its draws do not depend on other mice. NaN
    where `day` is. `draws` are `CHAINS` chains of equal length, independent of one another.
    """
    n_visits = np.isfinite(day).sum(axis=-1)
    censored = (volume_mm3 < noise.detection_limit_mm3).any(axis=-1)
    result = np.full((len(day), draws, day.shape[-1]), np.nan)
    chains = min(CHAINS, draws)
    kept = -(-draws // chains)
    for group, warm_up in ((~censored, WARM_UP), (censored, WARM_UP_CENSORED)):
        members = np.flatnonzero(group & (n_visits > 0))
        members = members[np.argsort(n_visits[members], kind="stable")]
        width = int(n_visits[members].max(initial=1))
        block = max(1, NUMBERS_AT_A_TIME // ((warm_up + kept) * chains * width))
        for start in range(0, len(members), block):
            mice = members[start : start + block]
            width = int(n_visits[mice].max())
            own = [names[mouse] for mouse in mice]
            readings = _readings(day[mice, :width], volume_mm3[mice, :width], noise)
            chance = _chance(own, n_visits[mice], readings, noise, warm_up + kept, chains, seed)
            paths = _sampled(readings, chance, noise, prior, kept)[..., :draws]
            result[mice, :, :width] = np.moveaxis(paths, (0, 1, 2), (2, 0, 1))
    return np.where(np.isfinite(day)[:, None, :], result, np.nan)


def new_readings(log_volumes: Floats, names: Names, *, noise: NoiseModel, seed: int) -> Floats:
    """Volumes (mouse, draw, visit), mm3, that a caliper would read anew of true log volumes; 0 below detection."""
    scale = np.sqrt(noise.log_variance(np.exp(log_volumes)))
    error = np.zeros(log_volumes.shape)
    for mouse, name in enumerate(names):
        n_visits = int(np.isfinite(log_volumes[mouse, 0]).sum())
        shape = (log_volumes.shape[1], n_visits)
        error[mouse, :, :n_visits] = stream(seed, "new readings", *name).standard_t(noise.nu, shape)
    read = np.exp(log_volumes + scale * error)
    return np.where(read < noise.detection_limit_mm3, 0.0, read)


def _readings(day: Floats, volume: Floats, noise: NoiseModel) -> _Readings:
    exists = np.isfinite(day)
    seen = exists & np.isfinite(volume)
    limit = noise.detection_limit_mm3
    below = seen & (volume < limit)
    reading = np.where(seen & ~below, volume, limit)
    pilot = noise.log_variance(np.where(below, 0.5 * limit, reading))
    gap = np.where(exists, np.diff(day, axis=-1, prepend=0.0), 0.0)
    last = np.arange(day.shape[-1]) == exists.sum(axis=-1, keepdims=True) - 1
    fields = (gap, np.log(reading), pilot, seen, below, last)
    return _Readings(*(field.T[..., None] for field in fields))


def _chance(
    names: Names, n_visits: NDArray[np.intp], readings: _Readings, noise: NoiseModel,
    sweeps: int, chains: int, seed: int,
) -> _Chance:  # fmt: skip
    shape = (sweeps, readings.gap.shape[0], len(names), chains)
    path, precision, below = np.zeros((*shape, 2)), np.ones(shape), np.full(shape, 0.5)
    accept = np.ones((sweeps, len(names), chains))
    for mouse, (name, n) in enumerate(zip(names, n_visits, strict=True)):
        rng = stream(seed, "true volumes", *name)
        own = (sweeps, int(n), chains)
        path[:, :n, mouse] = rng.standard_normal((*own, 2))
        precision[:, :n, mouse] = rng.standard_gamma(0.5 * (noise.nu + 1.0), own)
        accept[:, mouse] = rng.random((sweeps, chains))
        if readings.below[:, mouse].any():
            below[:, :n, mouse] = rng.random(own)
    return _Chance(path, precision, below, accept)


def _sampled(
    readings: _Readings, chance: _Chance, noise: NoiseModel, prior: GrowthPrior, kept: int
) -> Floats:
    """Paths (visit, mouse, draw) of the last `kept` sweeps, chain by chain."""
    sweeps, *shape = chance.precision.shape
    limit = np.log(noise.detection_limit_mm3)
    reading = np.broadcast_to(readings.log_reading, shape)
    path = np.where(readings.below, limit - 1.0, reading)
    collected = []
    for sweep in range(sweeps):
        squared = noise.log_variance(np.exp(path))
        surprise = (reading - path) ** 2 / squared
        precision = chance.precision[sweep] / (0.5 * (noise.nu + surprise))
        if readings.below.any():
            sd = np.sqrt(squared / precision)
            # Inverse of the normal distribution function cut off at the limit, in logs: far above it nothing is lost.
            share = np.log(np.maximum(chance.below[sweep], 1e-300)) + log_ndtr((limit - path) / sd)
            reading = np.where(readings.below, path + sd * ndtri_exp(share), reading)
        proposed = _drawn_path(reading, readings.pilot / precision, readings, prior, chance.path[sweep])
        gain = _weight(proposed, reading, precision, readings, noise)
        gain = gain - _weight(path, reading, precision, readings, noise)
        # Added up visit by visit: the padding of a mouse to the longest of its block cannot change the rounding.
        ratio = np.zeros(shape[1:])
        for at_visit in gain:
            ratio += at_visit
        moves = (np.log(np.maximum(chance.accept[sweep], 1e-300)) < ratio) | (sweep == 0)
        path = np.where(moves, proposed, path)
        if sweep >= sweeps - kept:
            collected.append(path)
    return np.concatenate(collected, axis=-1)


def _weight(
    path: Floats, reading: Floats, precision: Floats, readings: _Readings, noise: NoiseModel
) -> Floats:
    """Log density of the readings given a path, beyond that of the proposal's pilot scale; (visit, mouse, chain)."""
    squared = noise.log_variance(np.exp(path))
    missed = precision * (reading - path) ** 2
    log_ratio = -0.5 * (np.log(squared) + missed * (1.0 / squared - 1.0 / readings.pilot))
    return np.where(readings.seen, log_ratio, 0.0)


def _drawn_path(
    reading: Floats, squared: Floats, readings: _Readings, prior: GrowthPrior, normals: Floats
) -> Floats:
    """Log volumes (visit, mouse, chain) from their distribution given readings with Gaussian errors.

    The state is log volume and its rate; covariances are written out as (volume, both, rate).
    """
    walked, drifted = prior.wander_weekly**2 / 7.0, prior.rate_weekly**2 / 7.0
    size, rate = (
        np.full(reading.shape[1:], np.log(prior.start_mm3)),
        np.full(reading.shape[1:], prior.rate_mean),
    )
    var, cov = np.full_like(size, prior.start_log_sd**2), np.zeros_like(size)
    var_rate = np.full_like(size, prior.rate_sd**2)
    foreseen, filtered = [], []
    for gap, value, own, seen in zip(readings.gap, reading, squared, readings.seen, strict=True):
        size = size + gap * rate
        var = var + gap * (2.0 * cov + gap * (var_rate + drifted * gap / 3.0) + walked)
        cov = cov + gap * (var_rate + 0.5 * drifted * gap)
        var_rate = var_rate + drifted * gap
        foreseen.append((size, rate, var, cov, var_rate))
        inverse = seen / (var + own)
        missed = value - size
        kept, steered = var * inverse, cov * inverse
        size, rate = size + kept * missed, rate + steered * missed
        var_rate = var_rate - steered * cov
        var, cov = (1.0 - kept) * var, (1.0 - kept) * cov
        filtered.append((size, rate, var, cov, var_rate))

    path = np.empty(reading.shape)
    n_visits = len(reading)
    for visit in reversed(range(n_visits)):
        size, rate, var, cov, var_rate = filtered[visit]
        if visit < n_visits - 1:
            size_next, rate_next, a, b, c = foreseen[visit + 1]
            gap = readings.gap[visit + 1]
            # Regression of this visit's state on the next one's; a mouse's own last visit has none.
            inverse = np.where(readings.last[visit], 0.0, 1.0 / (a * c - b * b))
            with_size, with_rate = var + gap * cov, cov + gap * var_rate
            j00, j01 = (with_size * c - cov * b) * inverse, (cov * a - with_size * b) * inverse
            j10, j11 = (with_rate * c - var_rate * b) * inverse, (var_rate * a - with_rate * b) * inverse
            off_size, off_rate = next_size - size_next, next_rate - rate_next
            size, rate = size + j00 * off_size + j01 * off_rate, rate + j10 * off_size + j11 * off_rate
            var, cov, var_rate = (
                var - j00 * with_size - j01 * cov,
                cov - j10 * with_size - j11 * cov,
                var_rate - j10 * with_rate - j11 * var_rate,
            )
        sd = np.sqrt(np.maximum(var, 1e-30))
        first, second = normals[visit, ..., 0], normals[visit, ..., 1]
        slope = cov / sd
        next_size = size + sd * first
        next_rate = rate + slope * first + np.sqrt(np.maximum(var_rate - slope**2, 0.0)) * second
        path[visit] = next_size
    return path
