"""Means of the avatars' growth and kill: by tumour type, and by drugs of which some are of one class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from avatar_trials.calibrate.curves import Curves
from avatar_trials.calibrate.parameters import law_of, prior
from avatar_trials.model_cards import ModelCard

WORTH_OF_SLOWING = 2.6
FIRST_PIVOT = -3.0


def mean_log_growth(curves: Curves, card: ModelCard) -> Any:
    """Mean log growth rate (avatar,): mu_r, or its tumour type's about it where there are several types."""
    mu_r = prior("mu_r", card)
    if len(curves.tumor_types) == 1:
        return pt.repeat(mu_r[None], len(curves.avatars))
    of_type = pm.Normal("mu_r_type", mu_r, prior("omega_r_type", card), dims="tumor_type")
    return of_type[curves.avatar_type]


def mean_log_kill(curves: Curves, between: Any, card: ModelCard) -> Any:
    """Mean log kill (avatar, drug): mu_k, or mu_k_type about it where there are several tumour types.

    Sampled by what responders show. A drug that few avatars respond to is weak on average with a wide spread, or
    stronger with a narrow one; what it does not kill it may slow. mean + `between` (drug,) + 2.6 (1 - e^-slowing), the
    share of growth that is slowed, is what its curves tell, of every drug and type that has curves. Of the others the
    standard deviate is sampled.
    """
    slows = card.fixed("slowing") is None
    slowed = pt.exp(-pt.exp(by_class("mu_slowing", card))) if slows else 1.0
    shift = between + WORTH_OF_SLOWING * (1.0 - slowed)
    n_drugs = len(curves.drugs)
    if len(curves.tumor_types) == 1:
        pivot = pm.Flat("kill_pivot", dims="drug", initval=np.full(n_drugs, FIRST_PIVOT))
        mean = pm.Deterministic("mu_k", pivot - shift, dims="drug")
        pm.Potential("mu_k_prior", _class_density("mu_k", mean, card))
        return mean[None, :]
    told = np.zeros((len(curves.tumor_types), n_drugs))
    np.add.at(told, curves.avatar_type[curves.curve_avatar], curves.given)
    start = np.full(told.shape, FIRST_PIVOT)
    pivot = pm.Flat("kill_pivot", dims=("tumor_type", "drug"), initval=start)
    about, spread = by_class("mu_k", card)[None, :], prior("omega_k_type", card)
    of_type = pm.Deterministic(
        "mu_k_type",
        pt.switch(told > 0, pivot - shift[None, :], about + spread * (pivot - FIRST_PIVOT)),
        dims=("tumor_type", "drug"),
    )
    density = pm.logp(pm.Normal.dist(about, spread), of_type)
    untold = pm.logp(pm.Normal.dist(FIRST_PIVOT, 1.0), pivot)
    pm.Potential("mu_k_type_prior", pt.switch(told > 0, density, untold).sum())
    return of_type[curves.avatar_type]


def by_class(name: str, card: ModelCard) -> Any:
    """The parameter (drug,) of a prior by drug, drugs of one class correlated; the same one when asked for again."""
    model = pm.modelcontext(None)
    if name in model.named_vars:
        return model.named_vars[name]
    drugs = [str(drug) for drug in model.coords["drug"]]
    if not card.share_a_class(drugs):
        return prior(name, card)
    law = card.priors[name]
    value = pm.Flat(name, dims="drug", initval=np.full(len(drugs), law.location))
    pm.Potential(f"{name}_prior", _class_density(name, value, card))
    return value


def _class_density(name: str, value: Any, card: ModelCard) -> Any:
    """Log density of `value` (drug,) under the prior of `name`, its drugs correlated as their classes are."""
    drugs = [str(drug) for drug in pm.modelcontext(None).coords["drug"]]
    law = card.priors[name]
    if not card.share_a_class(drugs):
        return pm.logp(law_of(law), value).sum()
    correlation = card.drug_correlation(drugs)
    z = (value - law.location) / law.scale
    log_scale = np.linalg.slogdet(correlation)[1] / 2 + len(drugs) * np.log(law.scale * np.sqrt(2 * np.pi))
    return -0.5 * (z * pt.dot(np.linalg.inv(correlation), z)).sum() - log_scale
