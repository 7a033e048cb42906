"""Cox's partial likelihood of one data set, with its slopes, for any covariates and handling of ties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.endpoints.risk_sets import encode
from avatar_trials.endpoints.subjects import as_events, as_times, merge_near_ties

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True)
class Cohort:
    """Subjects with a time, arrays (subject,); one row of risk and deaths for each death.

    x (subject, covariate): covariates less their mean, in units of `scale`, their standard deviation.
    risk (death, subject): share of the subject at risk of this death, 1 or for Efron's ties less. deaths
    (death, subject): 1/d for each of the d subjects that die at the time. times: of each death.
    """

    names: tuple[str, ...]
    x: Floats
    scale: Floats
    time: Floats
    event: NDArray[np.bool_]
    entry: Floats
    stratum: Codes
    cluster: Codes
    risk: Floats
    deaths: Floats
    death_time: Floats
    death_block: Codes


@dataclass(frozen=True)
class Likelihood:
    """Log partial likelihood, its score (covariate,) and information (covariate, covariate).

    mean (death, covariate), spread (death, covariate, covariate): of the covariates over the risk set.
    """

    loglik: float
    score: Floats
    information: Floats
    mean: Floats
    spread: Floats


def cohort(
    time: ArrayLike,
    event: ArrayLike,
    covariates: Mapping[str, ArrayLike],
    *,
    strata: ArrayLike | None,
    cluster: ArrayLike | None,
    entry: ArrayLike | None,
    ties: str,
) -> Cohort:
    """Checked subjects with their risk sets; near-tied times are merged. ValueError names what is wrong."""
    times = as_times(time)
    if times.ndim != 1:
        raise ValueError(f"a regression takes one data set, times (subject,): received shape {times.shape}")
    events, there = as_events(event, times), ~np.isnan(times)
    if not there.any():
        raise ValueError("no subject has a time")
    x = _columns(covariates, len(times))[there]
    if np.any(~np.isfinite(x)):
        bad = [name for name, column in zip(covariates, x.T, strict=True) if not np.isfinite(column).all()]
        raise ValueError(f"covariates {', '.join(bad)}: a subject with a time has no finite value")
    begin = np.full(len(times), -np.inf)
    if entry is None:
        times = merge_near_ties(times[None])[0]
    else:
        given = np.broadcast_to(np.asarray(entry, dtype=float), times.shape)
        if np.any(np.isnan(given) & there):
            raise ValueError("a left-truncated subject needs an entry: received NaN")
        both = merge_near_ties(np.concatenate([times, given])[None])[0]
        times, begin = both[: len(times)], both[len(times) :]
        if np.any(begin >= times):
            raise ValueError("a left-truncated subject needs a time after its entry")
    stratum = encode(0 if strata is None else strata, times.shape, there, "strata")[1][0][there]
    each = np.arange(len(times)) if cluster is None else cluster
    group = encode(each, times.shape, there, "cluster")[1][0][there]
    times, begin, events = times[there], begin[there], events[there]
    order = np.lexsort((times, stratum))
    died = order[events[order]]
    same_time = (times[died, None] == times[died]) & (stratum[died, None] == stratum[died])
    tied = same_time.sum(axis=1)
    gone = np.tril(same_time, -1).sum(axis=1) / np.maximum(tied, 1)
    with_stratum = stratum[died, None] == stratum
    at_risk = with_stratum & (times[died, None] <= times) & (begin < times[died, None])
    dying = with_stratum & (times[died, None] == times) & events
    risk = at_risk - gone[:, None] * dying if ties == "efron" else at_risk.astype(float)
    scale = x.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    return Cohort(
        tuple(covariates), (x - x.mean(axis=0)) / scale, scale, times, events, begin, stratum, group,
        risk, dying / np.maximum(tied, 1)[:, None], times[died], np.cumsum(gone == 0) - 1,
    )  # fmt: skip


def likelihood(data: Cohort, coef: Floats, ties: str) -> Likelihood:
    """Partial likelihood at `coef`, per unit of the standardised covariates."""
    single = np.bincount(data.death_block)[data.death_block] == 1
    rows = single if ties == "exact" else np.ones_like(single)
    predictor = data.x @ coef
    top = predictor.max(initial=0.0)
    weighted = data.risk[rows] * np.exp(predictor - top)
    total = weighted.sum(axis=1)
    mean = weighted @ data.x / total[:, None]
    square = np.einsum("tn,ni,nj->tij", weighted, data.x, data.x, optimize=True) / total[:, None, None]
    spread = square - mean[:, :, None] * mean[:, None, :]
    log_total = float((np.log(total) + top).sum())
    for block in np.unique(data.death_block[~rows]):
        log_ways, tied_mean, tied_spread = _tied(data, int(block), predictor)
        log_total += log_ways
        mean, spread = np.concatenate([mean, tied_mean]), np.concatenate([spread, tied_spread])
    loglik = float(predictor[data.event].sum()) - log_total
    return Likelihood(
        loglik, data.x[data.event].sum(axis=0) - mean.sum(axis=0), spread.sum(axis=0), mean, spread
    )


def score_residuals(data: Cohort, coef: Floats, fitted: Likelihood) -> Floats:
    """Score residuals (subject, covariate): each subject's part of the score, less what its risk predicts."""
    hazard = np.exp(data.x @ coef)
    expected = data.risk * hazard / (data.risk @ hazard)[:, None]
    net = data.deaths - expected
    return net.sum(axis=0)[:, None] * data.x - net.T @ fitted.mean


def concordance(data: Cohort, coef: Floats) -> float:
    """Harrell's C: share of usable pairs within strata whose earlier death has the higher hazard, ties half.

    An event and a censoring at one time count as event first; events at one time are not usable.
    """
    predictor = data.x @ coef
    died = np.flatnonzero(data.event)
    later = (data.time > data.time[died, None]) | ((data.time == data.time[died, None]) & ~data.event)
    usable = later & (data.entry < data.time[died, None]) & (data.stratum == data.stratum[died, None])
    apart = predictor[died, None] - predictor
    # Equal covariates give one predictor up to rounding.
    tied = np.abs(apart) <= 1e-12 * np.maximum(1.0, np.abs(predictor).max(initial=0.0))
    won = np.where(tied, 0.5, apart > 0)
    count = int(usable.sum())
    return float(won[usable].sum() / count) if count else float("nan")


def _columns(covariates: Mapping[str, ArrayLike], n: int) -> Floats:
    if not covariates:
        raise ValueError("no covariate was given")
    columns = []
    for name, values in covariates.items():
        try:
            column = np.asarray(values, dtype=float)
        except (TypeError, ValueError):
            raise ValueError(
                f"covariate {name!r} is not numeric: give 0 and 1 for a yes/no covariate"
            ) from None
        if column.shape != (n,):
            raise ValueError(f"covariate {name!r} has shape {column.shape}: expected ({n},)")
        columns.append(column)
    return np.stack(columns, axis=1)


def _tied(data: Cohort, block: int, predictor: Floats) -> tuple[float, Floats, Floats]:
    """Moments over the ways to choose who dies at one time, by the recursion of Gail et al. (1981).

    ways[k]: sum over all choices of k of the subjects seen so far of the product of their hazards.
    """
    row = int(np.argmax(data.death_block == block))
    p, d = data.x.shape[1], int(np.count_nonzero(data.deaths[row]))
    ways, first, second = np.zeros(d + 1), np.zeros((d + 1, p)), np.zeros((d + 1, p, p))
    ways[0], log_scale = 1.0, 0.0
    for j in np.flatnonzero(data.risk[row] > 0):
        x, hazard = data.x[j], np.exp(predictor[j])
        moved = first[:-1, :, None] * x
        both = moved + np.swapaxes(moved, 1, 2) + ways[:-1, None, None] * np.outer(x, x)
        second[1:] += hazard * (second[:-1] + both)
        first[1:] += hazard * (first[:-1] + ways[:-1, None] * x)
        ways[1:] += hazard * ways[:-1]
        largest = ways.max()
        if largest > 1e100:
            ways, first, second = ways / largest, first / largest, second / largest
            log_scale += float(np.log(largest))
    mean = first[d] / ways[d]
    return float(np.log(ways[d])) + log_scale, mean[None], (second[d] / ways[d] - np.outer(mean, mean))[None]
