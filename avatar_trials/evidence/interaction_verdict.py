"""Whether an observed combination did better than independent action says, and what one mouse cannot tell."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.evidence.depth_density import DENSITY_WORDS, log_density
from avatar_trials.evidence.forecasts import weighted_quantiles
from avatar_trials.evidence.interaction import Emulated
from avatar_trials.interaction_cards import InteractionCard

Floats = NDArray[np.float64]

MORE, EXPLAINED, WORSE = "more than independent action", "explained by it", "worse"
SHIFTS, REACH = 81, 4.0
CANNOT_TELL_WORDS = (
    "one mouse per avatar and arm cannot tell whether an avatar gained from both drugs or had a lucky mouse, nor "
    "synergy of cells from drugs that serve different avatars or slow growth together; not shown to differ is not "
    "shown to be the same"
)
VERDICT_WORDS = (
    "probability that the arm's mice lie below (shrink more than) independent action on latent curves, all by one "
    "shift of the log relative volume at best response; prior of the shift {prior}; {more} from {probability:g} on, "
    "{worse} from {less:g} down"
)
VERDICT_COLUMNS = (
    *("tumor_type", "arm", "relation", "n_avatars", "p_beats_independent_action", "verdict"),
    *("shift", "shift_lower_90", "shift_upper_90", "cannot_tell", "method"),
)


@dataclass(frozen=True)
class Verdict:
    """An arm against independent action: shift of log relative volume at best response, below 0 the arm did better."""

    tumor_type: str
    arm: str
    relation: str
    n_avatars: int
    p_beats_independent_action: float
    verdict: str
    shift: float
    shift_lower_90: float
    shift_upper_90: float
    cannot_tell: str
    method: str


def verdict_of(emulated: Emulated, independent: ArmOutcomes, card: InteractionCard) -> Verdict:
    """Verdict on a combination's observed mice; `independent` (T, avatar) are its avatars under their better drug.

    Each avatar's emulated mice are shifted alike, before what cannot be read is put at the floor.
    """
    prior = card.priors["shift"]
    shifts = prior.location + prior.scale * np.linspace(-REACH, REACH, SHIFTS)
    drawn, observed = emulated.depths(independent), emulated.observed
    log_weight = np.array(
        [
            log_density(np.maximum(drawn + shift, emulated.floor), observed, emulated.floor).sum()
            for shift in shifts
        ]
    )
    log_weight = log_weight + prior.law.logpdf(shifts)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    better = float(weight[shifts < 0].sum() + 0.5 * weight[shifts == 0].sum())
    lower, middle, upper = weighted_quantiles(shifts[:, None], weight[:, None], (0.05, 0.5, 0.95))[:, 0]
    sure = card.verdict.probability
    one = emulated.combination
    told = VERDICT_WORDS.format(prior=prior, more=MORE, probability=sure, worse=WORSE, less=1 - sure)
    return Verdict(
        one.tumor_type,
        one.arm,
        card.relation(one.arm),
        int(np.isfinite(observed).sum()),
        better,
        MORE if better >= sure else WORSE if better <= 1 - sure else EXPLAINED,
        float(middle),
        float(lower),
        float(upper),
        CANNOT_TELL_WORDS,
        f"{told}; {DENSITY_WORDS}",
    )


def verdict_table(verdicts: list[Verdict]) -> pd.DataFrame:
    """One row a verdict, columns VERDICT_COLUMNS."""
    return pd.DataFrame([asdict(one) for one in verdicts], columns=list(VERDICT_COLUMNS))
