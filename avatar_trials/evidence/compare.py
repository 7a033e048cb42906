"""Model cards compared on the same mice: how well each foretells a mouse from all the others.

Leave-one-curve-out by Pareto-smoothed importance sampling (Vehtari, Gelman & Gabry 2017, Stat. Comput. 27:1413) of
densities from which the mouse's own parameters are integrated out (`curve_integrals`). Differences between cards are
taken mouse by mouse; their standard error counts avatars, not mice, as an avatar's mice share their tumour.
"""

from __future__ import annotations

from collections.abc import Mapping

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats.base import array_stats
from scipy.special import logsumexp

from avatar_trials.calibrate import gates_of
from avatar_trials.evidence.avatar_integrals import integrated
from avatar_trials.problems import InputError, Problem

UNIT_COLUMNS = ("model", "left_out", "avatar", "arm", "mouse", "elpd", "p_loo", "pareto_k", "integral_error")
COMPARISON_COLUMNS = (
    *("left_out", "model", "elpd", "se", "difference", "se_difference", "p_loo"),
    *("share_k_above", "largest_k", "worst", "integral_error", "gates_passed"),
)
DRAWS, SAMPLES = 400, 200
K_TO_TRUST = 0.7
ERROR_TO_TRUST = 0.3


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


def left_out(tree: xr.DataTree, *, name: str, draws: int = DRAWS, samples: int = SAMPLES, seed: int) -> pd.DataFrame:
    """Leave-one-curve-out and leave-one-avatar-out of a posterior, `name` the model's: `UNIT_COLUMNS`.

    A row of `left_out` "curve" is a mouse given all others, its avatar's too; of "avatar", an avatar's mice given other
    avatars alone (mouse and arm are empty). `integral_error`: root mean square over draws.
    """
    density = integrated(tree, draws=draws, samples=samples, seed=seed)
    constant = tree["constant_data"].to_dataset()
    places = {
        "curve": {name: constant[name].values for name in ("mouse", "avatar", "arm")},
        "avatar": {"mouse": "", "avatar": density["place"].values, "arm": ""},
    }
    frames = []
    for kind, unit in (("curve", "mouse"), ("avatar", "avatar")):
        error = np.sqrt((density[f"{unit}_error"] ** 2).mean(("chain", "draw"))).values
        rows = leave_one_out(density[f"of_{unit}"]).reset_index(drop=True)
        frames.append(rows.assign(model=name, left_out=kind, integral_error=error, **places[kind]))
    return pd.concat(frames, ignore_index=True)[list(UNIT_COLUMNS)]


def compare(
    trees: Mapping[str, xr.DataTree], *, draws: int = 1000, samples: int = 100, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Posteriors of several cards to the same mice: one row a model (`COMPARISON_COLUMNS`), best first, and one a mouse.

    `elpd`: sum of expected log predictive densities of mice left out, natural logarithm, higher is better. Differences
    are to the best. Raises InputError where the posteriors are not of the same mice and visits.
    """
    require_same_data(trees)
    curves = pd.concat(
        [
            curves_left_out(tree, name=name, draws=draws, samples=samples, seed=seed)
            for name, tree in trees.items()
        ],
        ignore_index=True,
    )
    passed = {name: bool(gates_of(tree)["passed"].all()) for name, tree in trees.items()}
    return comparison(curves, passed), curves


def comparison(curves: pd.DataFrame, gates_passed: Mapping[str, bool]) -> pd.DataFrame:
    """One row a model from one row a model and mouse (`CURVE_COLUMNS`): `COMPARISON_COLUMNS`, best first."""
    total = curves.groupby("model", sort=False)["elpd"].sum().sort_values(ascending=False, kind="stable")
    by_mouse = curves.pivot(index=["avatar", "mouse"], columns="model", values="elpd")
    rows = []
    for model in total.index:
        own = curves[curves["model"] == model]
        worst = own.loc[own["pareto_k"].idxmax()]
        less = by_mouse[model] - by_mouse[total.index[0]]
        rows.append(
            (
                model,
                float(total[model]),
                _error_of_sum(by_mouse[model]),
                float(less.sum()),
                _error_of_sum(less),
                float(own["p_loo"].sum()),
                float((own["pareto_k"] > K_TO_TRUST).mean()),
                float(worst["pareto_k"]),
                str(worst["mouse"]),
                float(own["integral_error"].max()),
                gates_passed[str(model)],
            )
        )
    return pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))


def doubts(table: pd.DataFrame) -> list[str]:
    """What of a comparison was not valid, in words; empty where all of it was."""
    words = []
    for row in table.to_dict("records"):
        if not row["gates_passed"]:
            words.append(f"{row['model']}: the posterior did not pass its convergence gates")
        if row["share_k_above"] > 0:
            words.append(
                f"{row['model']}: Pareto k above {K_TO_TRUST:g} for {row['share_k_above']:.1%} of the mice, the largest "
                f"{row['largest_k']:.2f} for {row['worst_mouse']}: their part of the sum cannot be trusted"
            )
        if row["integral_error"] > ERROR_TO_TRUST:
            words.append(
                f"{row['model']}: a log integral over a mouse's parameters is uncertain by {row['integral_error']:.2f}; "
                "take more samples"
            )
    return words


def require_same_data(trees: Mapping[str, xr.DataTree]) -> None:
    """Raise InputError unless all posteriors are of the same mice, visits and volumes."""
    first, *others = trees
    for name in others:
        if not _same(trees[first], trees[name]):
            what = f"the posteriors of {first} and {name} are not of the same mice and visits"
            remedy = "Calibrate both to one table; a card's last_day leaves visits out"
            raise InputError(Problem("C110", "error", what, remedy))


def _same(one: xr.DataTree, other: xr.DataTree) -> bool:
    for group in ("observed_data", "constant_data"):
        a, b = one[group].to_dataset(), other[group].to_dataset()
        if dict(a.sizes) != dict(b.sizes) or not all(np.array_equal(a[v].values, b[v].values) for v in a.variables):
            return False
    return True


def _error_of_sum(values: pd.Series) -> float:
    """Standard error of a sum over mice whose avatars are independent of one another."""
    of_avatar = values.groupby(level="avatar").sum()
    return float(np.sqrt(len(of_avatar)) * of_avatar.std(ddof=1)) if len(of_avatar) > 1 else float("nan")
