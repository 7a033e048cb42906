"""Growth and kill rates of one mouse: the regression-growth models of Stein and Fojo, many curves at once.

With g the rate of growth and d the rate of kill, per day, volume relative to baseline is (Stein et al., Clin
Cancer Res 2011;17:907, and R package tumgr)

    gd     exp(-d t) + exp(g t) - 1        both processes start from the whole tumour
    g      exp(g t)                        growth alone
    d      exp(-d t)                       kill alone
    gdphi  (1 - phi) exp(g t) + phi exp(-d t)   a share phi is sensitive, the rest grows

Curves pass through their baseline; the visits after it are fitted by least squares.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.endpoints.least_squares import Points, fit
from avatar_trials.endpoints.regrowth import DETECTION_LIMIT_MM3, NO_BASELINE, Texts, check_limit, reasons
from avatar_trials.endpoints.response import Bools, Curves, Floats, after_baseline, relative_curves

MODELS = ("g", "d", "gd", "gdphi")
SCALES = ("log", "relative")
RATE_BOUNDS_PER_DAY = (1e-4, 3.0)
SHARE_BOUNDS = (1e-4, 1.0 - 1e-4)
# Differences below this, in log units or baselines, are rounding of volumes: no model is better for them.
LEAST_RESIDUAL = 1e-5
PARAMETERS = {
    "g": ("growth",),
    "d": ("kill",),
    "gd": ("growth", "kill"),
    "gdphi": ("growth", "kill", "share"),
}
# Multiples of the first guess of each parameter that every fit is tried from.
STARTS = {
    "g": ((1.0, 0.3, 3.0, 0.1, 10.0),),
    "d": ((1.0, 0.3, 3.0, 0.1, 10.0),),
    "gd": ((1.0, 0.3, 2.0), (1.0, 0.2, 3.0, 10.0)),
    "gdphi": ((1.0, 0.3), (1.0, 3.0), (0.5, 0.9, 0.99)),
}
# No tumour grows this far; the squares of such volumes are not numbers any more.
LARGEST_RELATIVE_VOLUME = 1e9
AT_BOUND = {
    "growth": "growth rate at its bound",
    "kill": "kill rate at its bound",
    "share": "phi at its bound",
}


@dataclass(frozen=True)
class SteinFojo:
    """Fitted rates; arrays (...).

    `model` is the model the numbers belong to, "" where none could be fitted, as `why` says. NaN for
    parameters the model does not have. `rms_residual` is in log units or in baselines, as `scale` says.
    """

    model: Texts
    growth_per_day: Floats
    kill_per_day: Floats
    phi: Floats
    rms_residual: Floats
    n_visits: NDArray[np.intp]
    why: Texts
    scale: str
    selection: str


def stein_fojo(
    day: ArrayLike,
    volume_mm3: ArrayLike,
    *,
    model: str = "least_bic",
    scale: str = "log",
    detection_limit_mm3: float = DETECTION_LIMIT_MM3,
) -> SteinFojo:
    """Growth and kill rates of curves (..., visit).

    `scale` is that of the residuals. `log`: of log volume, observation and curve both raised to the detection
    limit where below it. `relative`: of relative volume, where the largest volumes rule.

    `model`: one of MODELS, or `least_bic`: of the models with all parameters within their bounds the one with the
    least n log(RSS / n) + k log n, to find which a fit that cannot win at its pace is left early. A model of k
    parameters needs k + 1 visits after the baseline. ValueError for an unknown model or scale, or a limit that is
    not positive.
    """
    return stein_fojo_of(
        relative_curves(day, volume_mm3), model=model, scale=scale, detection_limit_mm3=detection_limit_mm3
    )


def stein_fojo_of(
    curves: Curves,
    *,
    model: str = "least_bic",
    scale: str = "log",
    detection_limit_mm3: float = DETECTION_LIMIT_MM3,
) -> SteinFojo:
    """`stein_fojo` of curves already relative to baseline."""
    check_limit(detection_limit_mm3)
    if model != "least_bic" and model not in MODELS:
        raise ValueError(f"unknown model {model!r}: expected one of {', '.join(MODELS)}, least_bic")
    if scale not in SCALES:
        raise ValueError(f"unknown scale {scale!r}: expected one of {', '.join(SCALES)}")
    shape = curves.last.shape
    width = curves.day.shape[-1]
    day, volume = curves.day.reshape(-1, width), curves.volume_mm3.reshape(-1, width)
    after = after_baseline(curves).reshape(-1, width)
    n_visits = after.sum(axis=-1)
    with np.errstate(invalid="ignore"):
        low_start = (scale == "log") & (volume[:, 0] < detection_limit_mm3)
    with np.errstate(invalid="ignore", over="ignore"):
        beyond = (volume[:, 1:] > LARGEST_RELATIVE_VOLUME * volume[:, :1]).any(axis=-1)
    usable = (n_visits >= 2) & ~low_start & ~beyond
    points = _points(day, volume, after & usable[:, None], scale, detection_limit_mm3)
    chosen = np.full(len(day), "", dtype="<U5")
    numbers = np.full((len(day), 3), np.nan)
    residual, best = np.full(len(day), np.nan), np.full(len(day), np.inf)
    why = reasons(
        (np.isnan(volume[:, 0]), NO_BASELINE),
        (low_start, "baseline below the detection limit"),
        (n_visits < 2, "fewer than two visits after the baseline"),
        (beyond, "a volume of more than 10^9 baselines"),
        (usable, "all models at a bound of their parameters"),
    ).astype("<U60")
    rows = np.flatnonzero(usable)
    for name in MODELS if model == "least_bic" else (model,):
        k = len(PARAMETERS[name])
        enough = n_visits[rows] > k
        at, n = rows[enough], n_visits[rows[enough]]
        with np.errstate(over="ignore"):
            to_win = n * np.exp((best[at] - k * np.log(n)) / n)
        theta, rss, bound = _fit_model(name, points.of(enough), to_win)
        bic = n * np.log(np.maximum(rss / n, LEAST_RESIDUAL**2)) + k * np.log(n)
        better = (bound == "") & (bic < best[at])
        here = at[better]
        best[here], chosen[here] = bic[better], name
        numbers[here], residual[here] = theta[better], np.sqrt(rss[better] / n[better])
        if model != "least_bic":
            why[at] = bound
            why[rows[~enough]] = f"fewer than {k + 1} visits after the baseline"
    why = np.where(chosen == "", why, "")
    return SteinFojo(
        model=chosen.reshape(shape),
        growth_per_day=numbers[:, 0].reshape(shape),
        kill_per_day=numbers[:, 1].reshape(shape),
        phi=numbers[:, 2].reshape(shape),
        rms_residual=residual.reshape(shape),
        n_visits=np.asarray(n_visits).reshape(shape),
        why=why.reshape(shape),
        scale=scale,
        selection=model,
    )


def _points(day: Floats, volume: Floats, used: Bools, scale: str, limit_mm3: float) -> Points:
    curve, visit = np.nonzero(used)
    baseline = volume[curve, 0]
    counts = used.sum(axis=-1)
    relative = volume[curve, visit] / baseline
    if scale == "relative":
        return Points.of_counts(day[curve, visit], relative, np.full(len(curve), -np.inf), counts[counts > 0])
    floor = np.log(limit_mm3 / baseline)
    observed = np.maximum(np.log(np.maximum(relative, np.finfo(float).tiny)), floor)
    return Points.of_counts(day[curve, visit], observed, floor, counts[counts > 0], log=True)


def _starts(points: Points) -> dict[str, Floats]:
    """First guesses from the least reading: kill down to it, growth from it to the last reading."""
    level = points.observed if points.log else np.log(np.maximum(points.observed, 0.01))
    low = points.extreme(np.minimum, level)
    at_low = np.repeat(low, points.counts) == level
    day_low = points.extreme(np.maximum, np.where(at_low, points.day, -np.inf))
    end = points.first + points.counts - 1
    day_end, level_end = points.day[end], level[end]
    tail = np.where(day_end > day_low, (level_end - low) / np.maximum(day_end - day_low, 1.0), 0.0)
    return {
        "growth": np.clip(np.maximum(tail, np.maximum(level_end / day_end, 0.0)), 0.005, 0.5),
        "kill": np.clip(-low / day_low, 0.005, 0.5),
        "share": np.ones(len(low)),
    }


def _fit_model(name: str, points: Points, target: Floats) -> tuple[Floats, Floats, Texts]:
    """(growth, kill, share) with NaN for what the model lacks, sum of squares, and why not estimable."""
    names = PARAMETERS[name]
    bounds = np.array([_transformed_bounds(parameter) for parameter in names])
    guess = _starts(points)
    grid = itertools.product(*STARTS[name])
    candidates = [
        np.stack([_transform(p, guess[p] * factor) for p, factor in zip(names, row, strict=True)], -1)
        for row in grid
    ]
    theta, rss = fit(
        points, lambda values, day: _relative_volume(name, values, day), candidates, bounds, target
    )
    natural = np.full((len(theta), 3), np.nan)
    bound = np.full(len(theta), "", dtype="<U60")
    for i, parameter in enumerate(names):
        value = theta[:, i]
        column = ("growth", "kill", "share").index(parameter)
        natural[:, column] = 1.0 / (1.0 + np.exp(-value)) if parameter == "share" else np.exp(value)
        margin = 1e-3 * (bounds[i, 1] - bounds[i, 0])
        bound[(value < bounds[i, 0] + margin) | (value > bounds[i, 1] - margin)] = AT_BOUND[parameter]
    return natural, rss, bound


def _transform(parameter: str, value: Floats) -> Floats:
    return np.log(value / (1.0 - value)) if parameter == "share" else np.log(value)


def _transformed_bounds(parameter: str) -> Floats:
    return _transform(parameter, np.array(SHARE_BOUNDS if parameter == "share" else RATE_BOUNDS_PER_DAY))


def _relative_volume(name: str, theta: Floats, day: Floats) -> tuple[Floats, Callable[[], list[Floats]]]:
    """Relative volume (point,) at `day`, and a call for its slopes in the transformed parameters (k of (point,))."""
    # Past this exponent a curve is wrong by any measure; held there, it stays finite.
    up = down = rise = fall = np.zeros(0)
    if name != "d":
        rise = np.minimum(np.exp(theta[:, 0]) * day, 50.0)
        up = np.exp(rise)
    if name != "g":
        fall = np.exp(theta[:, -1] if name == "d" else theta[:, 1]) * day
        down = np.exp(-fall)
    if name == "g":
        return up, lambda: [up * rise]
    if name == "d":
        return down, lambda: [-down * fall]
    if name == "gd":
        return up + down - 1.0, lambda: [up * rise, -down * fall]
    share = 1.0 / (1.0 + np.exp(-theta[:, 2]))
    apart = down - up
    return up + share * apart, lambda: [
        up * rise * (1.0 - share), -down * fall * share, apart * share * (1.0 - share)
    ]  # fmt: skip
