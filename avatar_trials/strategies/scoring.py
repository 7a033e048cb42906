"""Strategies side by side: each endpoint of every strategy, and its paired difference from a reference strategy.

PFS is first progression, removal for body weight counting as an event; it is shown beside the time to failure of the
whole strategy and never instead of it. PFS2, to the second progression, is of strategies with a second line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.endpoints.competing_risks import cumulative_incidence
from avatar_trials.endpoints.response import depth_of_response
from avatar_trials.endpoints.strategy_times import strategy_failure
from avatar_trials.endpoints.survival import kaplan_meier, median, restricted_mean, survival_at
from avatar_trials.seeds import stream
from avatar_trials.strategies.engine import BODY_WEIGHT, STUDY_END
from avatar_trials.strategies.responses import responses, weighted_mean

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SCORE_COLUMNS = ("strategy", "endpoint", "estimate", "lower", "upper", "level", "n", "n_events", "method")
DIFFERENCE_COLUMNS = (
    *("strategy", "reference", "endpoint", "difference", "lower", "upper", "level", "n", "method"),
)
TIMES = ("PFS", "PFS2", "strategy_failure")
_AT_A_TIME = 2_000_000


def scores(
    followed: xr.Dataset,
    reference: str,
    *,
    level: float = 0.9,
    resamples: int = 500,
    seed: int = 0,
    landmarks: Sequence[float] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of every strategy, and differences from `reference`, as tables with the columns named above.

    Intervals by resampling avatars, the same ones for every strategy; of calibrated avatars each resample is of one
    posterior draw, so that both kinds of uncertainty are in it. Times as medians and as restricted means up to
    the horizon, by Kaplan-Meier; PFS also as shares on `landmarks` (days). ValueError for a reference that is no
    strategy.
    """
    names = [str(name) for name in followed["strategy"].values]
    if reference not in names:
        raise ValueError(f"reference {reference!r} is no strategy; there are {', '.join(names)}")
    weights = _weights(followed, resamples, seed)
    tails = (0.5 - level / 2.0, 0.5 + level / 2.0)
    told = {name: list(_endpoints(followed.sel(strategy=name), weights, landmarks)) for name in names}
    rows, differences = [], []
    for name in names:
        base = {(label, method): drawn for label, _, drawn, _, _, method in told[reference]}
        middle = {(label, method): value for label, value, _, _, _, method in told[reference]}
        for label, value, drawn, used, events, method in told[name]:
            low, high = _interval(drawn, tails)
            rows.append((name, label, value, low, high, level, used, events, method))
            key = (label, method)
            if name != reference and key in base and not ("median" in label or "_share_day_" in label):
                low, high = _interval(drawn - base[key], tails)
                paired = f"{method}; paired by avatar"
                differences.append(
                    (name, reference, label, value - middle[key], low, high, level, used, paired)
                )
    return (
        pd.DataFrame(rows, columns=list(SCORE_COLUMNS)),
        pd.DataFrame(differences, columns=list(DIFFERENCE_COLUMNS)),
    )


def _weights(followed: xr.Dataset, resamples: int, seed: int) -> Floats:
    """How often each mouse counts (resample, mouse): its avatar's count, where its draw is that of the resample."""
    of_mouse, avatars = pd.factorize(followed["avatar"].values.astype(str))
    n = len(avatars)
    counts = stream(seed, "avatars resampled").multinomial(n, np.full(n, 1.0 / n), size=resamples)
    weights: Floats = counts[:, of_mouse].astype(float)
    if "draw" in followed.coords:
        draw = followed["draw"].values
        weights *= draw == (np.arange(resamples) % (int(draw.max()) + 1))[:, None]
    return weights


def line_times(one: xr.Dataset) -> tuple[Floats, Flags, Flags]:
    """Days of each line (avatar, line), whether it progressed, whether the mouse was lost to body weight on it.

    For `endpoints.strategy_failure`; a line that was not begun is NaN.
    """
    planned = int(one["lines"])
    ended = one["progression_day"].values[:planned].T
    left = one["left_day"].values
    begun = np.concatenate([np.zeros((len(left), 1)), ended[:, :-1]], axis=1)
    progressed = ~np.isnan(ended)
    # Progression and leaving at one visit end the mouse's story there: no further line of no days.
    begun = np.where(begun >= left[:, None], np.where(np.arange(planned) == 0, 0.0, np.nan), begun)
    days = np.where(progressed, ended, left[:, None]) - begun
    toxic = (one["left_reason"].values == BODY_WEIGHT)[:, None] & ~progressed & ~np.isnan(days)
    return days, progressed & ~np.isnan(days), toxic


def event_times(one: xr.Dataset) -> dict[str, tuple[Floats, Flags, NDArray[np.str_]]]:
    """Time, whether it is an event, and cause, (avatar,) each, of PFS, PFS2 (two lines or more), strategy_failure."""
    days, progressed, toxic = line_times(one)
    planned = np.arange(1, int(one["lines"]) + 1)
    found = {}
    for name, lines in (("PFS", 1), ("PFS2", 2), ("strategy_failure", int(one["lines"]))):
        if lines in planned:
            lines_of_mouse = np.minimum(one["lines_planned"].values, lines)
            times = strategy_failure(days, progressed, lines=lines_of_mouse, died=toxic)
            found[name] = (times.time, times.event, times.cause)
    return found


def _endpoints(
    one: xr.Dataset, weights: Floats, landmarks: Sequence[float]
) -> Iterator[tuple[str, float, Floats, int, int, str]]:
    """Endpoint, estimate, its resamples, subjects, events, method."""
    n = one.sizes["avatar"]
    horizon = float(one["day"].values[-1])
    for name, (time, event, cause) in event_times(one).items():
        km = kaplan_meier(time, event)
        events = int(event.sum())
        none = np.full(len(weights), np.nan)
        yield f"{name}_median_days", float(median(km)), none, n, events, "Kaplan-Meier"
        mean = float(restricted_mean(km, horizon)[0])
        drawn = _resampled_means(time, event, weights, horizon)
        yield f"{name}_mean_days", mean, drawn, n, events, f"Kaplan-Meier, restricted to {horizon:g} days"
        if name == "PFS":
            for day, share in zip(landmarks, survival_at(km, np.array(landmarks)), strict=True):
                yield f"PFS_share_day_{day:g}", float(share), none, n, events, "Kaplan-Meier"
            causes = cumulative_incidence(time, cause, ("progression", "died"))
            share = float(causes.incidence[1].ravel()[-1]) if causes.incidence.size else 0.0
            toxic = (event & (cause == "died")).astype(float)
            yield (
                *("removed_for_body_weight_before_progression", share, weights @ toxic / weights.sum(axis=1)),
                *(
                    n,
                    int(toxic.sum()),
                    "Aalen-Johansen, competing with progression; interval without censoring",
                ),
            )
    time, event, _ = event_times(one)["strategy_failure"]
    durable = (~event & (one["left_reason"].values == STUDY_END)).astype(float)
    yield (
        "durable_share",
        *weighted_mean(durable, weights),
        n,
        int(durable.sum()),
        f"not failed at {horizon:g} days",
    )
    eradicated = one["eradicated"].values.astype(float)
    yield (
        "eradicated_share",
        *weighted_mean(eradicated, weights),
        n,
        int(eradicated.sum()),
        "no clone of one cell or more",
    )
    log_nadir = np.log10(np.maximum(one["nadir_cells"].values, 1.0))
    yield (
        "nadir_log10_cells",
        *weighted_mean(log_nadir, weights),
        n,
        n,
        "mean of log10 true cells at the nadir, 0 below one",
    )
    depth = depth_of_response(one["day"].values, one["volume_mm3"].values.T.astype(float))
    kept = np.isfinite(depth)
    yield (
        *("depth_of_response_pct", *weighted_mean(np.where(kept, depth, np.nan), weights)),
        *(int(kept.sum()), int(kept.sum()), "mean over avatars, of caliper volumes, all lines"),
    )
    time, event, _ = event_times(one)["PFS"]
    yield from responses(one, weights, time, event, landmarks)
    total = one["drug_days"].values.sum(axis=0)
    yield ("drug_days", *weighted_mean(total, weights), n, n, "full-dose days, all drugs")
    for drug, days in zip(one["drug"].values, one["drug_days"].values, strict=True):
        yield (f"drug_days: {drug}", *weighted_mean(days, weights), n, n, "full-dose days")
    yield ("days_held", *weighted_mean(one["days_held"].values, weights), n, n, "for body weight")
    lost = (one["least_weight_pct"].values <= -15.0).astype(float)
    yield ("lost_15_pct_weight_share", *weighted_mean(lost, weights), n, int(lost.sum()), "at a visit")
    for when, label in (("first_clones", "at first progression"), ("last_clones", "at the end")):
        for clone, share in zip(one["clone"].values, one[when].values, strict=True):
            seen = int(np.isfinite(share).sum())
            method = f"mean share of cells {label}, of those with cells"
            yield (f"clone {label}: {clone}", *weighted_mean(share, weights), seen, seen, method)


def _resampled_means(time: Floats, event: Flags, weights: Floats, tau: float) -> Floats:
    """`_restricted_means`, some resamples at a time."""
    size = max(1, _AT_A_TIME // max(weights.shape[1], 1))
    parts = range(0, len(weights), size)
    return np.concatenate(
        [_restricted_means(time, event, weights[first : first + size], tau) for first in parts]
    )


def _restricted_means(time: Floats, event: Flags, weights: Floats, tau: float) -> Floats:
    """Area (resample,) under Kaplan-Meier curves up to `tau` of subjects counted `weights` (resample, subject)
    times."""
    order = np.lexsort((~event, time))
    distinct, first = np.unique(time[order], return_index=True)
    w = weights[:, order]
    leaving = np.add.reduceat(w, first, axis=1)
    events = np.add.reduceat(w * event[order], first, axis=1)
    at_risk = leaving[:, ::-1].cumsum(axis=1)[:, ::-1]
    hazard = np.divide(events, at_risk, out=np.zeros_like(events), where=at_risk > 0)
    alive = np.concatenate([np.ones((len(w), 1)), np.cumprod(1.0 - hazard, axis=1)], axis=1)
    edges = np.minimum(np.concatenate([[0.0], distinct, [max(tau, distinct[-1])]]), tau)
    means: Floats = (alive * np.diff(edges)).sum(axis=1)
    return means


def _interval(drawn: Floats, tails: tuple[float, float]) -> tuple[float, float]:
    known = drawn[np.isfinite(drawn)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, tails)
    return float(low), float(high)
