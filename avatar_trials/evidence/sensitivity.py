"""How the posterior would move if the prior, or the data, counted a little more: power scaling.

Source: Kallioinen, Paananen, Buerkner, Vehtari 2024 (Stat Comput 34:57), as in ArviZ: cumulative Jensen-Shannon
distance between the posterior and itself with the prior, or the likelihood, to the power 0.99 and 1.01, importance
weighted. The priors scaled are those of the card, of the population; what they say of avatars and mice stays.
"""

from __future__ import annotations

from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from scipy import stats

from avatar_trials.card_parts import Law
from avatar_trials.evidence.check import Check, not_computed
from avatar_trials.evidence.drawing import FAILED, FAINT, INK, panels
from avatar_trials.model_cards import ModelCard

SENSITIVITY = "prior sensitivity"
THRESHOLD = 0.05
CONFLICT, LED, LEARNT, FLAT = (
    "prior and data pull apart",
    "led by the prior",
    "led by the data",
    "neither moves it",
)


def prior_sensitivity(tree: xr.DataTree, card: ModelCard) -> Check:
    """Prior and likelihood sensitivity of every population parameter, on the draws that hold a log likelihood.

    A parameter on which both pull (each 0.05 or more) may have its prior in conflict with the data: then the check
    fails. One that only the prior moves is led by it, which is no fault of the fit and is told.
    """
    if "log_likelihood" not in tree.children:
        return not_computed(SENSITIVITY, "the posterior holds no log likelihood")
    table = power_scaling(tree, card)
    lost = table[table[["prior", "likelihood"]].isna().any(axis=1)]
    if len(lost):
        return not_computed(SENSITIVITY, f"no sensitivity of {', '.join(lost['parameter'])}")
    torn, led = (table[table["diagnosis"] == what]["parameter"] for what in (CONFLICT, LED))
    text = (
        f"{len(table)} parameters: {_named(torn, CONFLICT)}; {_named(led, LED)}. Passes if no parameter has a prior "
        f"and a likelihood sensitivity of {THRESHOLD:g} or more at once, the mark of a prior in conflict with the data."
    )
    return Check(SENSITIVITY, torn.empty, table, text, lambda: _draw(table))


def power_scaling(tree: xr.DataTree, card: ModelCard) -> pd.DataFrame:
    """Columns parameter, prior, likelihood (sensitivities) and diagnosis, one row a population parameter."""
    likelihood = tree["log_likelihood"].to_dataset().sum([d for d in tree["log_likelihood"].dims if d == "obs"])
    whole = tree["posterior"].to_dataset()
    kept = whole[[name for name in card.priors if name in whole]]
    kept = kept.sel(chain=likelihood["chain"], draw=likelihood["draw"])
    small = xr.DataTree.from_dict(
        {
            "/posterior": kept,
            "/log_likelihood": likelihood,
            "/log_prior": xr.Dataset({"priors": log_prior(kept, card)}),
        }
    )
    found = {group: az.psense(small, group=group) for group in ("prior", "likelihood")}
    rows: list[dict[str, Any]] = []
    for name in kept.data_vars:
        places = kept[name]["drug"].values if "drug" in kept[name].dims else [None]
        for place in places:
            chosen = {} if place is None else {"drug": place}
            prior, data = (float(found[group][name].sel(chosen)) for group in ("prior", "likelihood"))
            label = str(name) if place is None else f"{name} [{place}]"
            rows.append(
                {"parameter": label, "prior": prior, "likelihood": data, "diagnosis": diagnosis(prior, data)}
            )
    return pd.DataFrame(rows, columns=["parameter", "prior", "likelihood", "diagnosis"])


def log_prior(posterior: xr.Dataset, card: ModelCard) -> xr.DataArray:
    """Log density (chain, draw) of the population parameters that `posterior` holds, under the card's priors."""
    parts = [_log_density(card.priors[str(name)], posterior[name]) for name in posterior.data_vars]
    return sum((part.sum([d for d in part.dims if d == "drug"]) for part in parts), xr.zeros_like(parts[0]))


def diagnosis(prior: float, likelihood: float) -> str:
    """What two sensitivities say together, by the paper's threshold of 0.05."""
    if prior >= THRESHOLD:
        return CONFLICT if likelihood >= THRESHOLD else LED
    return LEARNT if likelihood >= THRESHOLD else FLAT


def _log_density(law: Law, values: xr.DataArray) -> xr.DataArray:
    a, b = law.location, law.scale
    laws = {"normal": stats.norm(a, b), "lognormal": stats.lognorm(b, scale=a), "beta": stats.beta(a, b)}
    density: xr.DataArray = values.copy(data=laws[law.distribution].logpdf(values.values))
    return density


def _named(names: pd.Series, what: str) -> str:
    return f"{what}: {', '.join(names) if len(names) else 'none'}"


def _draw(table: pd.DataFrame) -> Figure:
    figure, (axes,) = panels(1, 3.2)
    colour = table["diagnosis"].map({CONFLICT: FAILED, LED: INK}).fillna(FAINT)
    axes.scatter(table["prior"], table["likelihood"], c=list(colour), s=16, zorder=3)
    axes.axvline(THRESHOLD, color=FAINT, lw=0.7)
    axes.axhline(THRESHOLD, color=FAINT, lw=0.7)
    for _, row in table[table["prior"] >= THRESHOLD].iterrows():
        axes.annotate(str(row["parameter"]), (row["prior"], row["likelihood"]), fontsize=6)
    top = float(np.nanmax(table[["prior", "likelihood"]].to_numpy())) * 1.1
    axes.set(xlabel="prior sensitivity", ylabel="likelihood sensitivity", xlim=(0, top), ylim=(0, top))
    return figure
