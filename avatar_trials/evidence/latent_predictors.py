"""Combinations foreseen from avatars that were calibrated without them: the interaction learnt elsewhere, and rules."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.endpoints.arm_outcomes import RATES, ArmOutcomes
from avatar_trials.evidence.combinations import ArmPrediction, predicted
from avatar_trials.evidence.interaction import Emulated, volumes_at
from avatar_trials.evidence.outcome_density import DENSITY_WORDS
from avatar_trials.interaction_cards import InteractionCard
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

LEARNT = "learnt interaction"
CALIBRATED = "calibrated interaction"
ADDITIVE = "additive log-kill"
HIGHEST = "highest latent single agent"
LATENT_BEST = "latent best single agent"
HIGHEST_ETA = 6.0
LATENT_WORDS = {
    LEARNT: "avatars calibrated without combinations; what the drugs are to each other, from synergy to hindrance, "
    "drawn by what the combinations of other drugs tell, and the card's priors; likelihood: " + DENSITY_WORDS,
    CALIBRATED: "avatars calibrated with all other arms; exponent drawn about the mean of the calibrated combinations",
    ADDITIVE: "kills add, and so do the drugs' slowings of growth: Bliss independence of cells",
    HIGHEST: "of each avatar the highest mean kill and the strongest slowing of its drugs, be they of one drug or two: "
    "the limit of the p-norm; the kill's spread over cells is still that of both drugs, and can make it fade faster "
    "than the better drug's",
    LATENT_BEST: "patient-level independent action (Palmer & Sorger 2017) on latent curves: a new mouse under the drug "
    "that is better for its avatar in that draw, so that no mouse is chosen for its luck",
}
AVATAR_WORDS = (
    "individual-level probability: of one new mouse of this avatar, whatever is foreseen of the arm; no rate of an "
    "arm, and not implied by one"
)
AVATAR_COLUMNS = (
    *("tumor_type", "arm", "avatar", "predictor", "p_response", "p_disease_control"),
    *("depth_pct", "depth_lower_90_pct", "depth_upper_90_pct", "observed_category", "method"),
)


def learnt_outcomes(emulated: Emulated, weights: Floats, card: InteractionCard, *, seed: int) -> ArmOutcomes:
    """Outcomes (T, avatar), each draw at a point of the grid drawn by `weights` (eta,)."""
    one = emulated.combination
    rng = stream(seed, "interaction drawn", one.tumor_type, one.arm)
    eta = rng.choice(card.grid.etas, size=emulated.mice.cohort.n_trials, p=weights / weights.sum())
    return emulated.outcomes(volumes_at(emulated, eta, card))


def rule_outcomes(emulated: Emulated) -> dict[str, ArmOutcomes]:
    """Outcomes (T, avatar) under the rules of LATENT_WORDS that nothing is learnt for."""
    mice, arm = emulated.mice, emulated.combination.arm
    return {
        ADDITIVE: emulated.outcomes(mice.volumes(arm, eta=0.0, overlap=1.0)),
        HIGHEST: emulated.outcomes(mice.volumes(arm, eta=HIGHEST_ETA, overlap=0.0)),
        LATENT_BEST: emulated.outcomes(mice.volumes_under_better_drug(arm)),
    }


def single_outcomes(emulated: Emulated) -> list[ArmOutcomes]:
    """Outcomes (T, avatar) of the avatars' new mice under each of the combination's drugs alone."""
    return [emulated.outcomes(emulated.mice.volumes(drug)) for drug in emulated.combination.mice.drugs]


def calibrated_outcomes(emulated: Emulated) -> ArmOutcomes:
    """Outcomes (T, avatar) with the exponent that the posterior has for a combination it was not calibrated on."""
    return emulated.outcomes(emulated.mice.volumes(emulated.combination.arm))


def predictions_of(emulated: Emulated, outcomes: dict[str, ArmOutcomes]) -> list[ArmPrediction]:
    """A prediction of the arm by each predictor."""
    return [predicted(name, emulated.combination, drawn) for name, drawn in outcomes.items()]


def avatar_table(emulated: Emulated, predictor: str, outcomes: ArmOutcomes) -> pd.DataFrame:
    """One row an avatar: probability of response and of disease control, depth with its 90 % interval.

    Columns AVATAR_COLUMNS; observed_category is "" where the combination's mouse cannot be called or was not seen.
    """
    one, n = emulated.combination, np.maximum(outcomes.evaluable.sum(axis=0), 1)
    shares = {
        name: np.isin(outcomes.category, RATES[rate]).sum(axis=0) / n
        for name, rate in (("p_response", "ORR"), ("p_disease_control", "DCR"))
    }
    lower, middle, upper = np.nanquantile(outcomes.depth_pct, [0.05, 0.5, 0.95], axis=0)
    told = {
        "tumor_type": one.tumor_type,
        "arm": one.arm,
        "avatar": one.mice.avatars,
        "predictor": predictor,
        **shares,
        "depth_pct": middle,
        "depth_lower_90_pct": lower,
        "depth_upper_90_pct": upper,
        "observed_category": one.mice.combination.category[0],
        "method": f"{LATENT_WORDS[predictor]}; {AVATAR_WORDS}",
    }
    return pd.DataFrame(told)[list(AVATAR_COLUMNS)]
