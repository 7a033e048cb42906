"""How the posterior would move if the prior, or the data, counted a little more: power scaling.

Source: Kallioinen, Paananen, Buerkner, Vehtari 2024 (Stat Comput 34:57), as in ArviZ: cumulative Jensen-Shannon
distance between the posterior and itself with the prior, or the likelihood, to the power 0.99 and 1.01, importance
weighted. The priors scaled are those of the card, of the population; what they say of avatars and mice stays.
"""

from __future__ import annotations

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from avatar_trials.evidence.check import Check, not_computed
from avatar_trials.evidence.drawing import FAILED, FAINT, INK, panels
from avatar_trials.model_cards import BY_CLASS, ModelCard
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

SENSITIVITY = "prior sensitivity"
THRESHOLD = 0.05
MOST_DRAWS = 4000
SHIFTS = 20
CONFLICT = "prior and data pull apart"
LED = "led by its prior"
UNSURE = "moved by its prior, pull of the data lost in noise"
FREE = "not moved by its prior"


def prior_sensitivity(tree: xr.DataTree, card: ModelCard, *, seed: int) -> Check:
    """Prior and likelihood sensitivity of every population parameter.

    A parameter on which both pull may have its prior in conflict with the data: then the check fails. One that only
    the prior moves is led by it, which is no fault of the fit and is told. A sensitivity counts from 0.05 on, and only
    above its noise: the largest among all parameters when log densities are shifted along the chains by chance.
    """
    if "log_likelihood" not in tree.children:
        return not_computed(SENSITIVITY, "the posterior holds no log likelihood")
    table, noise = power_scaling(tree, card, seed=seed)
    lost = table[table[["prior", "likelihood"]].isna().any(axis=1)]
    if len(lost) or table.empty:
        return not_computed(
            SENSITIVITY, f"no sensitivity of {', '.join(lost['parameter']) or 'any parameter'}"
        )
    found = "; ".join(
        f"{what}: {', '.join(table[table['diagnosis'] == what]['parameter']) or 'none'}"
        for what in (CONFLICT, LED)
    )
    unsure = int((table["diagnosis"] == UNSURE).sum())
    text = (
        f"{len(table)} parameters. {found}; {UNSURE}: {unsure}. A sensitivity counts from {THRESHOLD:g} on and above "
        f"its noise, {noise['prior']:.2f} for the prior and {noise['likelihood']:.2f} for the likelihood. Passes if "
        "prior and data pull apart on no parameter."
    )
    passed = not bool((table["diagnosis"] == CONFLICT).any())
    return Check(SENSITIVITY, passed, table, text, lambda: _draw(table))


def power_scaling(tree: xr.DataTree, card: ModelCard, *, seed: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Columns parameter, prior, likelihood (sensitivities) and diagnosis, one row a population parameter; the noise of
    both. The prior's on at most MOST_DRAWS draws, the likelihood's on those that hold one."""
    whole = tree["posterior"].to_dataset()
    kept = whole[[name for name in card.priors if name in whole]]
    likelihood = tree["log_likelihood"]["volume_mm3"].sum("obs")
    step = -(-kept.sizes["chain"] * kept.sizes["draw"] // MOST_DRAWS)
    thin = kept.isel(draw=slice(None, None, step))
    of_likelihood = kept.sel(chain=likelihood["chain"], draw=likelihood["draw"])
    names, found, noise = _names(kept), {}, {}
    for group, draws, density in (
        ("prior", thin, log_prior(thin, card)),
        ("likelihood", of_likelihood, likelihood.transpose("chain", "draw").values),
    ):
        values, rng = _stacked(draws), stream(seed, "power scaling", group)
        found[group] = _sensitivity(values, density, group)
        shifted = [_sensitivity(values, _shifted(density, rng), group) for _ in range(SHIFTS)]
        noise[group] = float(np.max(shifted))
    rows = [
        (name, prior, data, diagnosis(prior, data, noise))
        for name, prior, data in zip(names, found["prior"], found["likelihood"], strict=True)
    ]
    return pd.DataFrame(rows, columns=["parameter", "prior", "likelihood", "diagnosis"]), noise


def log_prior(posterior: xr.Dataset, card: ModelCard) -> Floats:
    """Log density (chain, draw) of the population parameters that `posterior` holds, under the card's priors."""
    total = np.zeros((posterior.sizes["chain"], posterior.sizes["draw"]))
    for name, values in posterior.data_vars.items():
        prior, drawn = card.priors[str(name)], values.transpose("chain", "draw", ...).values
        drugs = [str(drug) for drug in values["drug"].values] if name in BY_CLASS else []
        if card.share_a_class(drugs):
            covariance = prior.scale**2 * card.drug_correlation(drugs)
            total += stats.multivariate_normal(cov=covariance).logpdf(drawn - prior.location)
            continue
        density = prior.law.logpdf(drawn)
        total += density.reshape(*total.shape, -1).sum(axis=-1)
    return total


def diagnosis(prior: float, likelihood: float, noise: dict[str, float]) -> str:
    """What two sensitivities say together, by the paper's threshold of 0.05."""
    if prior < max(THRESHOLD, noise["prior"]):
        return FREE
    if likelihood >= max(THRESHOLD, noise["likelihood"]):
        return CONFLICT
    return UNSURE if noise["likelihood"] > THRESHOLD else LED


def _names(posterior: xr.Dataset) -> list[str]:
    return [
        f"{name} [{place}]" if place is not None else str(name)
        for name, values in posterior.data_vars.items()
        for place in (values["drug"].values if "drug" in values.dims else [None])
    ]


def _stacked(posterior: xr.Dataset) -> Floats:
    """Every parameter's draws, (chain, draw, parameter)."""
    parts = [values.transpose("chain", "draw", ...).values for values in posterior.data_vars.values()]
    return np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=-1)


def _sensitivity(values: Floats, log_density: Floats, group: str) -> Floats:
    tree = xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset({"values": (("chain", "draw", "parameter"), values)}),
            f"/log_{group}": xr.Dataset({"density": (("chain", "draw"), log_density)}),
        }
    )
    found: Floats = az.psense(tree, group=group)["values"].values
    return found


def _shifted(log_density: Floats, rng: np.random.Generator) -> Floats:
    """Each chain's densities moved along it, round from the end to the start: as smooth, and tied to no parameter."""
    by = rng.integers(log_density.shape[1], size=len(log_density))
    return np.stack([np.roll(chain, n) for chain, n in zip(log_density, by, strict=True)])


def _draw(table: pd.DataFrame) -> Figure:
    figure, (axes,) = panels(1, max(2.5, 0.16 * len(table)))
    ordered = table.sort_values("prior")
    colour = [FAILED if what == CONFLICT else FAINT if what == FREE else INK for what in ordered["diagnosis"]]
    place = range(len(ordered))
    axes.scatter(ordered["likelihood"], place, marker="|", color=FAINT, s=24)
    axes.scatter(ordered["prior"], place, c=colour, s=12, zorder=3)
    axes.axvline(THRESHOLD, color=FAINT, lw=0.7)
    axes.set_yticks(place, list(ordered["parameter"]), fontsize=6)
    axes.set(xlabel="sensitivity to the prior (dots) and to the likelihood (strokes)", xlim=(0, None))
    return figure
