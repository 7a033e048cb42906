"""Whether a posterior can be believed: convergence gates over every parameter, and what the data told of each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.arms import UNTREATED
from avatar_trials.calibrate.mixing import Part, converged
from avatar_trials.card_parts import Prior
from avatar_trials.model_cards import ModelCard

GATE_COLUMNS = ("check", "value", "limit", "passed", "worst")
CONTRACTION_TO_PRINT = 0.3
OF_TYPE = {"mu_r": "omega_r_type", "mu_k": "omega_k_type"}
WORST_NAMED = 8
MORE_DRAWS_HELP = 1.05


class GateError(RuntimeError):
    """A posterior that did not pass its convergence gates. The command line exits with `exit_code`."""

    exit_code = 4


def convergence(posterior: xr.Dataset) -> pd.DataFrame:
    """One row a scalar parameter of a posterior (chain, draw, ...): as `convergence_of`."""
    return convergence_of(_parts_of(posterior))


def convergence_of(parts: Iterable[Part]) -> pd.DataFrame:
    """One row a scalar parameter: parameter, place (avatar, mouse, drug), whose, r_hat, ess_bulk, ess_tail.

    `whose` is the avatar, avatar-arm or drug that a parameter belongs to, "" where it is the population's. R-hat is
    rank-normalised, tail ESS that of the 5 % and 95 % quantiles (`mixing.converged`).
    """
    tables = []
    for part in parts:
        found = converged(part.draws)
        tables.append(
            pd.DataFrame(
                {
                    "parameter": part.name,
                    "place": [", ".join(label) for label in part.labels],
                    "whose": [_whose(part.dims, label) for label in part.labels],
                    "r_hat": found.r_hat,
                    "ess_bulk": found.ess_bulk,
                    "ess_tail": found.ess_tail,
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def gates(tree: xr.DataTree, card: ModelCard) -> pd.DataFrame:
    """Convergence gates of the posterior group of a tree, as `gates_from`.

    What calibration records with a posterior is over more: every parameter of every mouse, at all draws.
    """
    return gates_from(convergence(tree["posterior"].to_dataset()), tree["sample_stats"].to_dataset(), card)


def gates_from(table: pd.DataFrame, stats: xr.Dataset, card: ModelCard) -> pd.DataFrame:
    """Convergence gates: columns check, value, limit, passed, worst (whose parameters fail, the worst first).

    `table` as from `convergence_of`, `stats` has diverging and energy (chain, draw). A NaN anywhere fails its gate.
    Divergences alone diagnose nothing in these models (a run with R-hat 1.84 had none), so R-hat and effective sample
    size are taken over all parameters.
    """
    limits = card.gates
    rows = [
        ("R-hat, largest", "r_hat", limits.r_hat, "<", ".3f"),
        ("bulk ESS, smallest", "ess_bulk", limits.ess_bulk, ">", ".0f"),
        ("tail ESS, smallest", "ess_tail", limits.ess_tail, ">", ".0f"),
    ]
    found: list[tuple[Any, ...]] = []
    for check, column, limit, sign, form in rows:
        worst = table.sort_values(column, ascending=sign == ">", na_position="first", kind="stable")
        value = float("nan") if worst[column].isna().any() else float(worst[column].iloc[0])
        found.append((check, value, limit, sign, _named(worst, column, form, limit, sign)))
    divergences = float(stats["diverging"].mean())
    found += [
        ("divergent draws, share", divergences, limits.divergences, "<=", ""),
        ("E-BFMI, smallest", float(energy_fraction(stats["energy"].values).min()), limits.e_bfmi, ">", ""),
    ]
    return pd.DataFrame(
        [
            (check, value, f"{sign} {limit:g}", _passes(value, limit, sign), worst)
            for check, value, limit, sign, worst in found
        ],
        columns=list(GATE_COLUMNS),
    )


def energy_fraction(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """E-BFMI (chain,) of the sampler's energy (chain, draw): Betancourt (2016), arXiv:1604.00695."""
    fraction: NDArray[np.float64] = (np.diff(energy, axis=1) ** 2).mean(axis=1) / energy.var(axis=1, ddof=1)
    return fraction


def require_passed(table: pd.DataFrame) -> None:
    """Raise GateError with the failed checks, the avatar-arms whose chains disagree, and what to do."""
    failed = table[~table["passed"]]
    if failed.empty:
        return
    lines = []
    for row in failed.to_dict("records"):
        worst = f"\n    {row['worst']}" if row["worst"] else ""
        lines.append(f"{row['check']} = {row['value']:.4g}, must be {row['limit']}{worst}")
    raise GateError(
        "The posterior did not pass its convergence gates, so no trial may be read off it:\n  "
        + "\n  ".join(lines)
        + "\nWhat to do: "
        + " ".join(_advice(failed.set_index("check")))
    )


def _advice(failed: pd.DataFrame) -> Iterator[str]:
    r_hat = float(failed["value"].get("R-hat, largest", 1.0))
    if not r_hat < MORE_DRAWS_HELP:
        yield (
            "The chains disagree on what kind of curve those named have, and more draws will not settle it. Look at "
            "their volumes (a swapped arm, a wrong unit or day?); if they are right, name another model card."
        )
    elif any("ESS" in check or "R-hat" in check for check in failed.index):
        yield "The chains agree, but have too few draws: raise draws in [sampling] of the model card."
    if any("diverg" in check or "E-BFMI" in check for check in failed.index):
        yield (
            "For divergent draws and E-BFMI raise target_accept in [sampling] of the model card; where that does not "
            "help, the card's model does not fit the volumes."
        )


def gates_of(source: xr.DataTree | xr.Dataset) -> pd.DataFrame:
    """The gates that were recorded with a posterior, or with a trial emulated from it."""
    table = pd.DataFrame(json.loads(source.attrs["gates"]))
    return table.astype({"passed": bool})[list(GATE_COLUMNS)]


def population_parameters(posterior: xr.Dataset, card: ModelCard, level: float) -> pd.DataFrame:
    """Population parameters: name, unit, meaning, prior, median, lower, upper, contraction.

    contraction = 1 - posterior variance / prior variance. Below 0.3 the data have told next to nothing of the
    parameter, and its estimate is left empty (NaN): the prior is shown instead. Of several tumour types, each one's own
    mean (`mu_r_type`, `mu_k_type`) follows the mean over types.
    """
    rows = []
    for name, prior in card.priors.items():
        variances = {name: prior_variance(prior)}
        if name in OF_TYPE:
            variances[f"{name}_type"] = variances[name] + _second_moment(card.priors.get(OF_TYPE[name]))
        for shown, variance in variances.items():
            if shown in posterior:
                rows += _rows(posterior[shown], prior, variance, level)
    return pd.DataFrame(rows)


def _rows(values: xr.DataArray, prior: Prior, variance: float, level: float) -> list[dict[str, Any]]:
    """A row for each place of a parameter (chain, draw, ...) whose prior has this variance."""
    flat = values.stack(sample=("chain", "draw"), create_index=False)
    dims = [dim for dim in flat.dims if dim != "sample"]
    rows = []
    for place in itertools.product(*(flat[dim].values for dim in dims)):
        sample = flat.sel(dict(zip(dims, place, strict=True))).values
        lower, upper = np.quantile(sample, [(1 - level) / 2, (1 + level) / 2])
        contraction = 1.0 - float(np.var(sample)) / variance
        rows.append(
            {
                "name": f"{values.name} [{', '.join(map(str, place))}]" if place else str(values.name),
                "unit": prior.unit,
                "meaning": prior.meaning,
                "prior": str(prior),
                "median": float(np.median(sample)) if contraction >= CONTRACTION_TO_PRINT else np.nan,
                "lower": lower,
                "upper": upper,
                "contraction": contraction,
            }
        )
    return rows


def prior_variance(prior: Prior) -> float:
    """Variance of a card's prior."""
    a, b = prior.location, prior.scale
    if prior.distribution == "normal":
        return b**2
    if prior.distribution == "lognormal":
        return float(np.expm1(b**2) * a**2 * np.exp(b**2))
    return a * b / ((a + b) ** 2 * (a + b + 1))


def _second_moment(law: Prior | None) -> float:
    """E[omega^2] of the standard deviation between tumour types: what it adds to a type's prior variance."""
    if law is None:
        return 0.0
    mean = law.location / (law.location + law.scale)
    if law.distribution == "lognormal":
        mean = law.location * float(np.exp(law.scale**2 / 2))
    return prior_variance(law) + mean**2


def _passes(value: float, limit: float, sign: str) -> bool:
    return {"<": value < limit, ">": value > limit, "<=": value <= limit}[sign]


def _named(worst: pd.DataFrame, column: str, form: str, limit: float, sign: str) -> str:
    """Whose parameters fail, each by the worst of them, or else whose comes nearest."""
    failing = worst[[not _passes(value, limit, sign) for value in worst[column]]]
    each = failing.assign(owner=failing["whose"].where(failing["whose"] != "", failing["parameter"]))
    each = each.drop_duplicates("owner") if len(failing) else worst.head(1)
    named = [
        f"{row['whose']}{': ' if row['whose'] else ''}{row['parameter']} {row[column]:{form}}"
        for _, row in each.head(WORST_NAMED).iterrows()
    ]
    more = len(each) - len(named)
    return "; ".join([*named, f"and {more} more"] if more else named)


def _whose(dims: tuple[str, ...], label: tuple[str, ...]) -> str:
    """The avatar, avatar-arm or drug of a scalar: mice are named "avatar | arm | mouse"."""
    if dims in (("curve",), ("untreated",), ("treated",)):
        avatar, arm = label[0].split(" | ")[:2]
        return f"{avatar} {arm}" if arm == UNTREATED else f"{avatar} under {arm}"
    return f"{label[0]} under {label[1]}" if dims == ("avatar", "drug") else ", ".join(label)


def _parts_of(posterior: xr.Dataset) -> Iterator[Part]:
    for name, values in posterior.data_vars.items():
        dims = tuple(str(dim) for dim in values.dims[2:])
        places = ([str(place) for place in values[dim].values] for dim in dims)
        flat = values.values.reshape((*values.shape[:2], -1))
        yield Part(str(name), dims, list(itertools.product(*places)), flat)
