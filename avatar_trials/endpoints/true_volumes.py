"""Draws of the true volumes behind the readings of a mouse, by Gibbs sampling of a state-space model.

What is drawn is p(true volumes | readings), under a `NoiseModel` and a `GrowthPrior`. Adding noise to the readings
instead would count the caliper's error twice.

One sweep: the precision of every reading given the true volumes (Student's t as a mixture of normals); readings below
the detection limit given the true volumes; the whole path of true volumes by forward filter and backward sampling
(Carter & Kohn, Biometrika 1994;81:541), with the caliper's scale taken at the reading, and a Metropolis step that makes
it that of the true volume. Paths below the limit would move by one caliper error a sweep and may span many, so
readings below detection are drawn with a scale stretched by turns, which the Metropolis step sets right. All mice and
many chains go side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from avatar_trials.endpoints.noise_model import GrowthPrior, NoiseModel
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Names = Sequence[tuple[str, ...]]

CHAINS = 40
WARM_UP = 12
# Paths that reach below the detection limit mix more slowly: measured on curves with up to eleven such readings.
WARM_UP_CENSORED = 60
# Times the caliper's scale at the limit: how freely a path moves below it, from sweep to sweep.
STRETCHES = (1.0, 2.5, 6.0)
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
    pilot = noise.log_variance(reading)
    gap = np.where(exists, np.diff(day, axis=-1, prepend=0.0), 0.0)
    last = np.arange(day.shape[-1]) == exists.sum(axis=-1, keepdims=True) - 1
    by_visit = [x.T[..., None] for x in (gap, np.log(reading), pilot)]
    return _Readings(*by_visit, *(x.T[..., None] for x in (seen, below, last)))


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
    pilot = readings.pilot
    below = np.nonzero(readings.below[..., 0])
    limit = np.log(noise.detection_limit_mm3)
    at_limit = noise.log_variance(np.asarray(noise.detection_limit_mm3))
    reading = np.array(np.broadcast_to(readings.log_reading, shape))
    above = replace(readings, seen=readings.seen & ~readings.below)
    # Chains start apart: from paths that do not yet know of the readings below detection.
    path = _drawn_path(reading, np.broadcast_to(pilot, shape), above, prior, chance.path[0])
    held = _log_below(path[below], limit, noise)
    collected = []
    for sweep in range(1, sweeps):
        stretch = STRETCHES[sweep % len(STRETCHES)]
        scale_below = stretch * np.sqrt(at_limit)
        used = np.where(readings.below, stretch**2 * at_limit, pilot)
        squared = np.where(readings.below, used, noise.log_variance(np.exp(path)))
        share = stdtr(noise.nu, (limit - path[below]) / scale_below)
        if below[0].size:
            # Reading and precision are drawn together, at this sweep's stretch, as they are not kept.
            within = np.maximum(chance.below[sweep][below] * share, 1e-300)
            reading[below] = path[below] + scale_below * stdtrit(noise.nu, within)
        precision = chance.precision[sweep] / (0.5 * (noise.nu + (reading - path) ** 2 / squared))
        proposed = _drawn_path(reading, used / precision, readings, prior, chance.path[sweep])
        gain = _weight(proposed, reading, precision, pilot, noise)
        gain -= _weight(path, reading, precision, pilot, noise)
        gain = np.where(above.seen, gain, 0.0)
        holds = _log_below(proposed[below], limit, noise)
        proposed_share = stdtr(noise.nu, (limit - proposed[below]) / scale_below)
        gain[below] = holds - _log(proposed_share) - (held - _log(share))
        # Added up visit by visit: the padding of a mouse to the longest of its block cannot change the rounding.
        ratio = np.zeros(shape[1:])
        for at_visit in gain:
            ratio += at_visit
        moves = np.log(np.maximum(chance.accept[sweep], 1e-300)) < ratio
        path = np.where(moves, proposed, path)
        held = np.where(moves[below[1]], holds, held)
        if sweep <= (sweeps - kept) // 2:
            # A better guess of the true volumes, and so of the scale; once left alone, the sampler is exact.
            pilot = noise.log_variance(np.exp(path.mean(axis=-1, keepdims=True)))
        if sweep >= sweeps - kept:
            collected.append(path)
    return np.concatenate(collected, axis=-1)


def _log_below(path: Floats, limit: float, noise: NoiseModel) -> Floats:
    """Log probability that a caliper reads below the limit."""
    scale = np.sqrt(noise.log_variance(np.exp(path)))
    return _log(stdtr(noise.nu, (limit - path) / scale))


def _log(probability: Floats) -> Floats:
    # The tails of Student's t are heavy: what is smaller than this lies millions of scales away.
    return np.asarray(np.log(np.maximum(probability, 1e-300)))


def _weight(path: Floats, reading: Floats, precision: Floats, pilot: Floats, noise: NoiseModel) -> Floats:
    """Log density of the readings given a path, beyond that of the proposal's pilot scale; (visit, mouse, chain)."""
    squared = noise.log_variance(np.exp(path))
    missed = precision * (reading - path) ** 2
    return np.asarray(-0.5 * (np.log(squared) + missed * (1.0 / squared - 1.0 / pilot)))


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

    path, drawn = np.empty(reading.shape), (size, rate)
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
            off_size, off_rate = drawn[0] - size_next, drawn[1] - rate_next
            size, rate = size + j00 * off_size + j01 * off_rate, rate + j10 * off_size + j11 * off_rate
            var, cov, var_rate = (
                var - j00 * with_size - j01 * cov,
                cov - j10 * with_size - j11 * cov,
                var_rate - j10 * with_rate - j11 * var_rate,
            )
        sd = np.sqrt(np.maximum(var, 1e-30))
        first, second = normals[visit, ..., 0], normals[visit, ..., 1]
        slope = cov / sd
        rate = rate + slope * first + np.sqrt(np.maximum(var_rate - slope**2, 0.0)) * second
        drawn = (size + sd * first, rate)
        path[visit] = drawn[0]
    return path
