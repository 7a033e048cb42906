"""The hierarchical model of one-mouse-per-avatar growth curves: card and curves to a `pymc.Model`."""

from __future__ import annotations

import pymc as pm
import pytensor

from avatar_trials.calibrate import graded_kill, two_clones
from avatar_trials.calibrate.curves import Curves
from avatar_trials.calibrate.parameters import prior
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.model_cards import ModelCard

# With fast-math, a cold and a warm compile cache give different draws for one seed.
pytensor.config.numba__fastmath = False

HIERARCHIES = {"two_clone": two_clones.readings} | dict.fromkeys(KILL_LAWS, graded_kill.readings)


def build_model(curves: Curves, card: ModelCard, *, exchangeable: bool = False) -> pm.Model:
    """The joint density of the card's hierarchy and the curves. Dims: avatar, drug, curve, untreated, treated.

    `exchangeable`: the readings are data of the model (`log_volume`, `below_limit`), for others to take their place.
    """
    coords = {
        "avatar": curves.avatars,
        "drug": curves.drugs,
        "tumor_type": curves.tumor_types,
        "curve": curves.curve_names,
        "untreated": curves.curve_names[: curves.n_untreated],
        "treated": curves.curve_names[curves.n_untreated :],
        "combination": curves.combinations,
    }
    with pm.Model(coords=coords) as model:
        if exchangeable:
            pm.Data("log_volume", curves.log_volume)
            pm.Data("below_limit", curves.censored)
        # Not centred: a caliper tells one starting volume about as well as the others do.
        deviation = pm.Normal("start_deviation", 0.0, 1.0, dims="curve")
        start = prior("mu_v", card) + prior("sigma_v", card) * deviation
        HIERARCHIES[card.kinetics](curves, card, pm.Deterministic("log_start", start, dims="curve"))
    return model
