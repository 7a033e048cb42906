"""A card's priors and constants as parameters of the model at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm

from avatar_trials.calibrate.curves import Curves
from avatar_trials.card_parts import Prior
from avatar_trials.model_cards import ModelCard


def prior(name: str, card: ModelCard) -> Any:
    """The parameter of a card's prior, the same one when asked for again; its number where the card fixes it."""
    existing = pm.modelcontext(None).named_vars.get(name)
    if existing is not None:
        return existing
    if name in card.fixed_parameters:
        return np.asarray(card.fixed_parameters[name])
    law: Prior = card.priors[name]
    dims = law.by
    location, scale = np.asarray(law.location), np.asarray(law.scale)  # as in constant
    if law.distribution == "normal":
        return pm.Normal(name, location, scale, dims=dims)
    if law.distribution == "lognormal":
        return pm.LogNormal(name, np.log(location), scale, dims=dims)
    return pm.Beta(name, location, scale, dims=dims)


def law_of(law: Prior) -> Any:
    """A prior as a distribution that is nobody's yet."""
    location, scale = np.asarray(law.location), np.asarray(law.scale)  # as in constant
    if law.distribution == "normal":
        return pm.Normal.dist(location, scale)
    if law.distribution == "lognormal":
        return pm.LogNormal.dist(np.log(location), scale)
    return pm.Beta.dist(location, scale)


def constant(name: str, card: ModelCard) -> Any:
    """A card's number, not as a Python number: PyTensor takes the log of one such as 0.5 in single precision."""
    return np.asarray(card.constant(name))


def measured(curves: Curves) -> tuple[Any, Any]:
    """Log volumes (obs) and which lie below the limit: the model's own data where it has them, else the curves'."""
    data = pm.modelcontext(None).named_vars
    return data.get("log_volume", curves.log_volume), data.get("below_limit", curves.censored)
