"""How sure one mouse's response call is: probabilities of CR, PR, SD and PD.

Three questions, each with its name in the result:
- `true_volumes`: which category would the true volumes be in, given these readings? Needs no posterior: a `NoiseModel`
  and a `GrowthPrior` say what readings and tumours do.
- `new_readings`: which call would the same tumour get if its visits were read again, under the same two models?
- `replicate`: which call would a mouse on the same growth curve get, with its own wander and caliper errors? From the
  posterior predictive volumes of a calibrated model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from avatar_trials.endpoints import response as kernels
from avatar_trials.endpoints.noise_model import GrowthPrior, NoiseModel
from avatar_trials.endpoints.response import CATEGORIES
from avatar_trials.endpoints.tables import mouse_curves
from avatar_trials.endpoints.true_volumes import Names, new_readings, true_log_volumes

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable

Floats = NDArray[np.float64]
Words = NDArray[np.str_]

QUESTIONS = ("true_volumes", "new_readings")
ASSESSMENTS = ("visits", "daily")
CALL_COLUMNS = (
    "avatar",
    "arm",
    "mouse",
    "category",
    *(f"p_{name}" for name in CATEGORIES),
    "p_of_call",
    "n_draws",
    "why_undefined",
    "method",
)
NO_BASELINE = "no positive volume at day 0"
NO_VISIT = "no visit the rule can judge"
NO_DRAW = "no draw the rule can judge: the baseline is near or below the detection limit"
DRAWS_AT_A_TIME = 4_000_000


@dataclass(frozen=True)
class CallProbabilities:
    """Probabilities (..., 4) of CATEGORIES in their order; they add up to 1, or are NaN for a reason given.

    `called` (...): category of the readings themselves, "" where not evaluable or not given. `n_draws` (...): draws
    the probabilities are shares of. `why_undefined` (...): "" where they are defined.
    """

    probability: Floats
    called: Words
    n_draws: NDArray[np.intp]
    why_undefined: Words
    rule: str
    question: str
    method: str

    @property
    def of_call(self) -> Floats:
        """Probability (...) of the category that was called; NaN where nothing was."""
        hit = self.called[..., None] == np.array(CATEGORIES)
        return np.where(hit.any(axis=-1), np.where(hit, self.probability, 0.0).sum(axis=-1), np.nan)


def category_shares(day: ArrayLike, volume_mm3: ArrayLike, rule: str) -> tuple[Floats, NDArray[np.intp]]:
    """Share of draws in each category, (..., 4), and the number of draws that can be called, (...).

    `volume_mm3` (..., draw, visit) are draws of one mouse's volumes, `day` (..., 1 or draw, visit) or (visit,). NaN
    where no draw can be called. A draw that cannot be called (its baseline below detection) is left out.
    """
    curves = kernels.curves_under(rule, day, volume_mm3)
    best, _ = kernels.best_response_of(curves, rule)
    average, _ = kernels.best_average_response_of(curves, rule)
    category = kernels.mrecist(best, average)
    counts = np.stack([(category == name).sum(axis=-1) for name in CATEGORIES], axis=-1)
    n_draws = counts.sum(axis=-1)
    shares = counts / np.maximum(n_draws, 1)[..., None]
    return np.where(n_draws[..., None] > 0, shares, np.nan), n_draws


def call_probability(
    day: ArrayLike,
    volume_mm3: ArrayLike,
    *,
    rule: str,
    names: Names,
    question: str = "true_volumes",
    assessed: str = "visits",
    noise: NoiseModel | None = None,
    prior: GrowthPrior | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> CallProbabilities:
    """Category probabilities of mice with readings `volume_mm3` (mouse, visit), mm3, at `day` (mouse, visit).

    `names` (mouse): what tells mice apart, tuples of text; a mouse's draws depend on its name, its readings and the
    seed alone. `assessed`: `visits` calls true volumes at the days of the visits, as a perfect caliper would have;
    `daily` also on every day between them, which asks what the visits may have missed. `rule`: one of RULES.
    NaN with a reason for a mouse without a baseline, or without a visit that the rule can judge.

    ValueError for an unknown name, equal `names`, fewer than one draw, volumes that are negative or infinite.
    """
    kernels.check_rule(rule)
    noise, prior = noise or NoiseModel(), prior or GrowthPrior()
    _check_known("question", question, QUESTIONS)
    _check_known("assessed", assessed, ASSESSMENTS)
    if draws < 1:
        raise ValueError(f"draws must be at least 1: received {draws}")
    days, volume = np.broadcast_arrays(np.asarray(day, dtype=float), np.asarray(volume_mm3, dtype=float))
    if volume.ndim != 2 or len(names) != len(volume) or len(set(names)) < len(names):
        raise ValueError("volumes have shape (mouse, visit), and every mouse a name of its own")
    if np.any(volume < 0) or np.any(np.isinf(volume)):
        raise ValueError("volumes must be finite and not negative; a mouse that has left is NaN")
    called = _called(days, volume, rule)
    has_baseline = (days[:, 0] == 0) & (volume[:, 0] > 0)
    shares, n_draws = np.full((len(volume), len(CATEGORIES)), np.nan), np.zeros(len(volume), dtype=np.intp)
    members = np.flatnonzero(has_baseline & (called != ""))
    # The longest curves first: each block is as wide as its first mouse.
    length = (
        np.where(np.isfinite(volume), days, 0.0).max(axis=-1)
        if assessed == "daily"
        else np.isfinite(volume).sum(-1)
    )
    members = members[np.argsort(-length[members], kind="stable")]
    while members.size:
        step = max(1, int(DRAWS_AT_A_TIME // (draws * (length[members[0]] + 1))))
        mice, members = members[:step], members[step:]
        own = [names[mouse] for mouse in mice]
        grid, read = _grid(days[mice], volume[mice], assessed)
        paths = true_log_volumes(grid, read, own, noise=noise, prior=prior, draws=draws, seed=seed)
        drawn = (
            np.exp(paths) if question == "true_volumes" else new_readings(paths, own, noise=noise, seed=seed)
        )
        shares[mice], n_draws[mice] = category_shares(grid[:, None, :], drawn, rule)
    why = np.where(has_baseline, np.where(called == "", NO_VISIT, ""), NO_BASELINE)
    why = np.where((why == "") & (n_draws == 0), NO_DRAW, why)
    method = f"{rule}; {question} at {assessed}; {noise}; {prior}; {draws} draws"
    return CallProbabilities(shares, called, n_draws, why, rule, question, method)


def call_probabilities(
    table: GrowthTable,
    *,
    rule: str,
    question: str = "true_volumes",
    assessed: str = "visits",
    noise: NoiseModel | None = None,
    prior: GrowthPrior | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """`call_probability` of every mouse of a table, one row a mouse in its order, columns CALL_COLUMNS."""
    mice, day, volume = mouse_curves(table)
    names = list(mice[["avatar", "arm", "mouse"]].astype(str).itertuples(index=False, name=None))
    result = call_probability(
        day, volume, rule=rule, names=names, question=question, assessed=assessed,
        noise=noise, prior=prior, draws=draws, seed=seed,
    )  # fmt: skip
    return _as_table(mice, result)


def replicate_call_probabilities(posterior: xr.DataTree, *, rule: str) -> pd.DataFrame:
    """Category probabilities of a replicate of every calibrated mouse, columns CALL_COLUMNS.

    `posterior` as in posterior.nc: posterior_predictive/volume_mm3 (chain, draw, obs), constant_data (day, curve by
    obs; avatar, arm by mouse) and observed_data/volume_mm3. The question answered is `replicate`: the call that a
    new set of readings of the same growth curve would get, with wander and caliper error drawn anew. It carries the
    uncertainty of the curve; it is not the probability that this mouse's call was right. ValueError without
    predictions.
    """
    kernels.check_rule(rule)
    missing = {"posterior_predictive", "observed_data", "constant_data"} - set(posterior.children)
    if missing:
        raise ValueError(
            f"the posterior holds no {', '.join(sorted(missing))}: calibrate with predictions kept"
        )
    constant = posterior["constant_data"].to_dataset()
    predicted = posterior["posterior_predictive"]["volume_mm3"].transpose("chain", "draw", "obs").values
    predicted = predicted.reshape(-1, predicted.shape[-1])
    observed = np.asarray(posterior["observed_data"]["volume_mm3"].values, dtype=float)
    of_mouse, all_days = np.asarray(constant["curve"].values), np.asarray(constant["day"].values, dtype=float)
    mice = _mice_of(constant)
    shares, n_draws = np.full((len(mice), len(CATEGORIES)), np.nan), np.zeros(len(mice), dtype=np.intp)
    called = np.full(len(mice), "", dtype="<U2")
    for mouse in range(len(mice)):
        own = np.flatnonzero(of_mouse == mouse)
        if own.size:
            own = own[np.argsort(all_days[own], kind="stable")]
            called[mouse] = _called(all_days[own], observed[own], rule)[()]
            shares[mouse], n_draws[mouse] = category_shares(all_days[own], predicted[:, own], rule)
    why = np.where(n_draws > 0, "", NO_VISIT)
    method = f"{rule}; replicate; posterior predictive; {len(predicted)} draws"
    return _as_table(mice, CallProbabilities(shares, called, n_draws, why, rule, "replicate", method))


def _as_table(mice: pd.DataFrame, result: CallProbabilities) -> pd.DataFrame:
    columns = {f"p_{name}": result.probability[:, i] for i, name in enumerate(CATEGORIES)}
    table = mice.assign(
        category=result.called,
        **columns,
        p_of_call=result.of_call,
        n_draws=result.n_draws,
        why_undefined=result.why_undefined,
        method=result.method,
    )
    return table[list(CALL_COLUMNS)]


def _mice_of(constant: xr.Dataset) -> pd.DataFrame:
    avatar, arm = (constant[name].values.astype(str) for name in ("avatar", "arm"))
    label = constant["mouse"].values.astype(str)
    heads = (f"{a} | {b} | " for a, b in zip(avatar, arm, strict=True))
    mouse = [name.removeprefix(head) for name, head in zip(label, heads, strict=True)]
    return pd.DataFrame({"avatar": avatar, "arm": arm, "mouse": mouse})


def _called(day: Floats, volume: Floats, rule: str) -> Words:
    best, _ = kernels.best_response(day, volume, rule)
    average, _ = kernels.best_average_response(day, volume, rule)
    return kernels.mrecist(best, average)


def _grid(day: Floats, volume: Floats, assessed: str) -> tuple[Floats, Floats]:
    """Days to be drawn and readings there, both (mouse, day), in order and NaN-padded; unread days have no reading."""
    seen = np.isfinite(day) & np.isfinite(volume)
    if assessed == "daily":
        every_day = np.arange(np.nanmax(np.where(seen, day, np.nan)) + 1.0)
        last = np.where(seen, day, -np.inf).max(axis=-1)
        between = every_day[None, :] <= last[:, None]
        between &= ~(every_day[None, :, None] == np.where(seen, day, np.nan)[:, None, :]).any(axis=-1)
        extra = np.where(between, every_day, np.nan)
        day = np.concatenate([np.where(seen, day, np.nan), extra], axis=-1)
        volume = np.concatenate([volume, np.full(extra.shape, np.nan)], axis=-1)
    else:
        day = np.where(seen, day, np.nan)
    order = np.argsort(day, axis=-1, kind="stable")
    width = int(np.isfinite(day).sum(axis=-1).max())
    return tuple(np.take_along_axis(x, order, axis=-1)[:, :width] for x in (day, volume))  # type: ignore[return-value]


def _check_known(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}: expected one of {', '.join(known)}")
