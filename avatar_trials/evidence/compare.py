"""Model cards compared on the same mice: how well each foretells what it has not seen.

A curve is left out, or all curves of an avatar, by Pareto-smoothed importance sampling (Vehtari, Gelman & Gabry 2017,
Stat. Comput. 27:1413) of densities from which all of the avatar is integrated out (`avatar_integrals`); or avatars are
left out a fold at a time and the card calibrated anew. Differences between cards are taken unit by unit; their standard
error counts avatars, not mice, as an avatar's mice share their tumour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from avatar_trials.calibrate import gates_of
from avatar_trials.evidence.avatar_integrals import integrated
from avatar_trials.problems import InputError, Problem
from avatar_trials.seeds import stream

UNIT_COLUMNS = ("model", "left_out", "avatar", "arm", "mouse", "elpd", "p_loo", "pareto_k", "integral_error")
COMPARISON_COLUMNS = (
    *("left_out", "model", "elpd", "se", "difference", "se_difference", "p_loo"),
    *("share_k_above", "largest_k", "worst", "integral_error", "gates_passed"),
)
DRAWS, SAMPLES = 400, 256
K_TO_TRUST = 0.7
ERROR_TO_TRUST = 1.0


def leave_one_out(log_likelihood: xr.DataArray) -> pd.DataFrame:
    """elpd, p_loo and pareto_k by unit, from the log densities (chain, draw, unit) of units left out one at a time.

    elpd is the log density of a unit given all others, p_loo what having seen it adds. A Pareto k above 0.7 says that
    importance sampling cannot tell.
    """
    (unit,) = (str(dim) for dim in log_likelihood.dims if dim not in ("chain", "draw"))
    draws = log_likelihood.stack(sample=("chain", "draw")).transpose(unit, "sample")
    n = draws.sizes["sample"]
    efficiency = az.ess(log_likelihood.to_dataset(name="value"), method="mean")["value"].values / n
    rows = []
    for values, reff in zip(draws.values, efficiency, strict=True):
        log_weights, k = array_stats.psislw(values, r_eff=float(np.clip(reff, 0.05, 1.0)))
        elpd = float(logsumexp(log_weights + values))
        rows.append((elpd, float(logsumexp(values) - np.log(n)) - elpd, float(k)))
    return pd.DataFrame(rows, columns=["elpd", "p_loo", "pareto_k"], index=draws[unit].values)


def left_out(
    tree: xr.DataTree, *, name: str, draws: int = DRAWS, samples: int = SAMPLES, seed: int
) -> pd.DataFrame:
    """Leave-one-curve-out and leave-one-avatar-out of a posterior, `name` the model's: `UNIT_COLUMNS`.

    A row of `left_out` "curve" is a mouse given all others, its avatar's too; of "avatar", an avatar's mice given other
    avatars alone (mouse and arm are empty). `integral_error`: root mean square over draws.
    """
    density = integrated(tree, draws=draws, samples=samples, seed=seed)
    constant = tree["constant_data"].to_dataset()
    places: dict[str, dict[str, Any]] = {
        "curve": {name: constant[name].values for name in ("mouse", "avatar", "arm")},
        "avatar": {"mouse": "", "avatar": density["avatar"].values, "arm": ""},
    }
    frames = []
    for kind, unit in (("curve", "mouse"), ("avatar", "avatar")):
        error = _root_mean_square(density[f"{unit}_error"])
        rows = leave_one_out(density[f"of_{unit}"]).reset_index(drop=True)
        frames.append(rows.assign(model=name, left_out=kind, integral_error=error, **places[kind]))
    return pd.concat(frames, ignore_index=True)[list(UNIT_COLUMNS)]


def compare(
    trees: Mapping[str, xr.DataTree], *, draws: int = DRAWS, samples: int = SAMPLES, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Posteriors of several cards to the same mice: `COMPARISON_COLUMNS`, best first, and `UNIT_COLUMNS`.

    `elpd`: sum of expected log predictive densities of what is left out, natural logarithm, higher is better.
    Differences are to the best. Raises InputError where the posteriors are not of the same mice and visits.
    """
    require_same_data(trees)
    units = pd.concat(
        [left_out(tree, name=name, draws=draws, samples=samples, seed=seed) for name, tree in trees.items()],
        ignore_index=True,
    )
    passed = {name: bool(gates_of(tree)["passed"].all()) for name, tree in trees.items()}
    return comparison(units, passed), units


def comparison(units: pd.DataFrame, gates_passed: Mapping[str, bool]) -> pd.DataFrame:
    """One row a way of leaving out and model (`COMPARISON_COLUMNS`), best first, from `UNIT_COLUMNS`."""
    rows = []
    for kind, of_kind in units.groupby("left_out", sort=False):
        total = of_kind.groupby("model", sort=False)["elpd"].sum().sort_values(ascending=False, kind="stable")
        by_unit = of_kind.pivot(index=["avatar", "mouse"], columns="model", values="elpd")
        for model in total.index:
            own = of_kind[of_kind["model"] == model]
            worst = own.loc[own["pareto_k"].idxmax()]
            less = by_unit[model] - by_unit[total.index[0]]
            rows.append(
                (
                    kind,
                    model,
                    float(total[model]),
                    _error_of_sum(by_unit[model]),
                    float(less.sum()),
                    _error_of_sum(less),
                    float(own["p_loo"].sum()),
                    float((own["pareto_k"] > K_TO_TRUST).mean()),
                    float(worst["pareto_k"]),
                    str(worst["mouse"] or worst["avatar"]),
                    float(np.sqrt((own["integral_error"] ** 2).sum())),
                    gates_passed[str(model)],
                )
            )
    return pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))


def k_fold(
    tree: xr.DataTree,
    refit: Callable[[list[str]], xr.DataTree],
    *,
    folds: int,
    name: str,
    draws: int = DRAWS,
    samples: int = SAMPLES,
    seed: int,
) -> pd.DataFrame:
    """Avatars left out a fold at a time, by calibrating anew: `UNIT_COLUMNS`, without a Pareto k.

    The valid way where Pareto k is high. `refit` calibrates the card to the avatars it is given; `tree` is the
    posterior of all, used for where to integrate. Raises InputError where a fold leaves drugs or combinations
    without mice.
    """
    avatars = [str(avatar) for avatar in tree["posterior"].to_dataset()["avatar"].values]
    fold = stream(seed, "folds").permutation(len(avatars)) % folds
    frames = []
    for k in range(folds):
        out = [avatar for avatar, own in zip(avatars, fold, strict=True) if own == k]
        others = refit([avatar for avatar in avatars if avatar not in out])
        _require_same_drugs(tree, others, k)
        density = integrated(tree, draws=draws, samples=samples, seed=seed, population=others, avatars=out)
        values = density["of_avatar"].stack(sample=("chain", "draw"))
        frames.append(
            pd.DataFrame(
                {
                    "model": name,
                    "left_out": "avatar",
                    "avatar": out,
                    "arm": "",
                    "mouse": "",
                    "elpd": logsumexp(values.values, axis=1) - np.log(values.sizes["sample"]),
                    "p_loo": np.nan,
                    "pareto_k": np.nan,
                    "integral_error": _root_mean_square(density["avatar_error"]),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)[list(UNIT_COLUMNS)]


def _require_same_drugs(tree: xr.DataTree, others: xr.DataTree, fold: int) -> None:
    ours, theirs = (one["posterior"].to_dataset().coords for one in (tree, others))
    for name in ("drug", "combination"):
        known = [list(coords[name].values) if name in coords else [] for coords in (ours, theirs)]
        if known[0] != known[1]:
            what = f"fold {fold + 1}: without its avatars a {name} has no mice"
            raise InputError(Problem("C111", "error", what, "Take more folds, or fewer arms"))


def doubts(table: pd.DataFrame) -> list[str]:
    """What of a comparison was not valid, in words; empty where all of it was."""
    words = []
    for row in table.to_dict("records"):
        if not row["gates_passed"] and row["left_out"] == "curve":
            words.append(f"{row['model']}: the posterior did not pass its convergence gates")
        if row["share_k_above"] > 0:
            words.append(
                f"{row['model']}, {row['left_out']} left out: Pareto k above {K_TO_TRUST:g} for "
                f"{row['share_k_above']:.1%}, the largest {row['largest_k']:.2f} for {row['worst']}: "
                "their part of the sum cannot be trusted"
            )
        if row["integral_error"] > max(ERROR_TO_TRUST, row["se_difference"] / 4.0):
            words.append(
                f"{row['model']}, {row['left_out']} left out: the integrals leave elpd uncertain by "
                f"{row['integral_error']:.1f}; take more samples"
            )
    return words


def require_same_data(trees: Mapping[str, xr.DataTree]) -> None:
    """Raise InputError unless all posteriors are of the same mice, visits and volumes."""
    first, *others = trees
    for name in others:
        if not _same(trees[first], trees[name]):
            what = f"the posteriors of {first} and {name} are not of the same mice and visits"
            remedy = "Calibrate both to one table; a card's last_day leaves visits out, its start_within_factor mice"
            raise InputError(Problem("C110", "error", what, remedy))


def _same(one: xr.DataTree, other: xr.DataTree) -> bool:
    for group in ("observed_data", "constant_data"):
        a, b = one[group].to_dataset(), other[group].to_dataset()
        if dict(a.sizes) != dict(b.sizes) or not all(
            np.array_equal(a[v].values, b[v].values) for v in a.variables
        ):
            return False
    return True


def _root_mean_square(errors: xr.DataArray) -> Any:
    """By unit, over draws."""
    return np.sqrt((errors.values**2).mean(axis=(0, 1)))


def _error_of_sum(values: pd.Series) -> float:
    """Standard error of a sum over units whose avatars are independent of one another."""
    of_avatar = values.groupby(level="avatar").sum()
    return float(np.sqrt(len(of_avatar)) * of_avatar.std(ddof=1)) if len(of_avatar) > 1 else float("nan")
