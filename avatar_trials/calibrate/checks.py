"""Whether a posterior can be believed: convergence gates over every parameter, and what the data told of each."""

from __future__ import annotations

import json
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.card_parts import Prior
from avatar_trials.model_cards import ModelCard

GATE_COLUMNS = ("check", "value", "limit", "passed", "worst")
CONTRACTION_TO_PRINT = 0.3
WORST_NAMED = 8
TAILS = (0.05, 0.95)


class GateError(RuntimeError):
    """A posterior that did not pass its convergence gates. The command line exits with `exit_code`."""

    exit_code = 4


def convergence(posterior: xr.Dataset) -> pd.DataFrame:
    """One row a scalar parameter: name, place (avatar, mouse, drug), r_hat, ess_bulk, ess_tail.

    ess_tail is the smaller one of the 5 % and the 95 % quantile (Vehtari et al. 2021, Bayesian Analysis 16:667);
    ArviZ left to itself takes the ends of its 89 % interval.
    """
    tables = []
    r_hat, bulk = az.rhat(posterior), az.ess(posterior, method="bulk")
    tail = az.ess(posterior, method="tail", prob=TAILS)
    for name in posterior.data_vars:
        places = r_hat[name].to_series().index if r_hat[name].ndim else [""]
        tables.append(
            pd.DataFrame(
                {
                    "parameter": str(name),
                    "place": [
                        ", ".join(map(str, place)) if isinstance(place, tuple) else str(place)
                        for place in places
                    ],
                    "r_hat": r_hat[name].values.ravel(),
                    "ess_bulk": bulk[name].values.ravel(),
                    "ess_tail": tail[name].values.ravel(),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def gates(tree: xr.DataTree, card: ModelCard) -> pd.DataFrame:
    """Convergence gates of a posterior: columns check, value, limit, passed, worst (names of the worst parameters).

    A NaN anywhere fails its gate. Divergences alone diagnose nothing in this model (a run with R-hat 1.84 had none),
    so R-hat and effective sample size are taken over all parameters.
    """
    table = convergence(tree["posterior"].to_dataset())
    stats = tree["sample_stats"].to_dataset()
    energy = az.bfmi(tree)
    bfmi = float(np.min(np.asarray(energy.get("energy", energy))))
    divergences = float(stats["diverging"].mean())
    limits = card.gates
    worst_r_hat = table.sort_values("r_hat", ascending=False, na_position="first")
    worst_bulk = table.sort_values("ess_bulk", na_position="first")
    worst_tail = table.sort_values("ess_tail", na_position="first")
    rows = [
        (
            "R-hat, largest",
            _extreme(table["r_hat"], np.max),
            limits.r_hat,
            "<",
            _named(worst_r_hat, "r_hat", ".3f"),
        ),
        (
            "bulk ESS, smallest",
            _extreme(table["ess_bulk"], np.min),
            limits.ess_bulk,
            ">",
            _named(worst_bulk, "ess_bulk", ".0f"),
        ),
        (
            "tail ESS, smallest",
            _extreme(table["ess_tail"], np.min),
            limits.ess_tail,
            ">",
            _named(worst_tail, "ess_tail", ".0f"),
        ),
        ("divergent draws, share", divergences, limits.divergences, "<=", ""),
        ("E-BFMI, smallest", bfmi, limits.e_bfmi, ">", ""),
    ]
    return pd.DataFrame(
        [
            (check, value, f"{sign} {limit:g}", _passes(value, limit, sign), worst)
            for check, value, limit, sign, worst in rows
        ],
        columns=list(GATE_COLUMNS),
    )


def require_passed(table: pd.DataFrame) -> None:
    """Raise GateError naming the failed checks, their worst parameters, and what to do."""
    failed = table[~table["passed"]]
    if failed.empty:
        return
    lines = []
    for row in failed.to_dict("records"):
        worst = f"; worst: {row['worst']}" if row["worst"] else ""
        lines.append(f"{row['check']} = {row['value']:.4g}, must be {row['limit']}{worst}")
    raise GateError(
        "The posterior did not pass its convergence gates, so no trial may be read off it:\n  "
        + "\n  ".join(lines)
        + "\nMore draws help when the worst R-hat is below about 1.05. Otherwise look at the curves of the avatars "
        "named:\ntheir chains disagree on what kind of curve it is."
    )


def gates_of(source: xr.DataTree | xr.Dataset) -> pd.DataFrame:
    """The gates that were recorded with a posterior, or with a trial emulated from it."""
    table = pd.DataFrame(json.loads(source.attrs["gates"]))
    return table.astype({"passed": bool})[list(GATE_COLUMNS)]


def population_parameters(posterior: xr.Dataset, card: ModelCard, level: float) -> pd.DataFrame:
    """Population parameters: name, unit, meaning, prior, median, lower, upper, contraction.

    contraction = 1 - posterior variance / prior variance. Below 0.3 the data have told next to nothing of the
    parameter, and its estimate is left empty (NaN): the prior is shown instead.
    """
    rows = []
    tails = [(1 - level) / 2, (1 + level) / 2]
    for name, prior in card.priors.items():
        if name not in posterior:
            continue
        values = posterior[name].stack(sample=("chain", "draw"))
        for place in values["drug"].values if "drug" in values.dims else [None]:
            sample = (values if place is None else values.sel(drug=place)).values
            lower, upper = np.quantile(sample, tails)
            contraction = 1.0 - float(np.var(sample)) / prior_variance(prior)
            rows.append(
                {
                    "name": name if place is None else f"{name} [{place}]",
                    "unit": prior.unit,
                    "meaning": prior.meaning,
                    "prior": str(prior),
                    "median": float(np.median(sample)) if contraction >= CONTRACTION_TO_PRINT else np.nan,
                    "lower": lower,
                    "upper": upper,
                    "contraction": contraction,
                }
            )
    return pd.DataFrame(rows)


def prior_variance(prior: Prior) -> float:
    """Variance of a card's prior."""
    a, b = prior.location, prior.scale
    if prior.distribution == "normal":
        return b**2
    if prior.distribution == "lognormal":
        return float(np.expm1(b**2) * a**2 * np.exp(b**2))
    return a * b / ((a + b) ** 2 * (a + b + 1))


def _extreme(values: pd.Series, pick: Any) -> float:
    return float("nan") if values.isna().any() else float(pick(values))


def _passes(value: float, limit: float, sign: str) -> bool:
    return {"<": value < limit, ">": value > limit, "<=": value <= limit}[sign]


def _named(table: pd.DataFrame, column: str, form: str) -> str:
    return "; ".join(
        f"{row['parameter']} [{row['place']}] {row[column]:{form}}"
        if row["place"]
        else f"{row['parameter']} {row[column]:{form}}"
        for _, row in table.head(WORST_NAMED).iterrows()
    )
