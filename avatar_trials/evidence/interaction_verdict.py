"""Whether an observed combination did better than independent action says, and what one mouse cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.evidence.forecasts import weighted_quantiles
from avatar_trials.evidence.interaction import Emulated
from avatar_trials.interaction_cards import InteractionCard

Floats = NDArray[np.float64]

MORE, EXPLAINED, WORSE = "more than independent action", "explained by it", "worse"
SHIFTS, REACH = 401, 4.0
CANNOT_TELL_WORDS = (
    "one mouse per avatar and arm cannot tell whether an avatar gained from both drugs or had a lucky mouse, nor "
    "synergy of cells from drugs that serve different avatars or slow growth together; not shown to differ is not "
    "shown to be the same"
)
VERDICT_WORDS = (
    "probability that the arm's mice lie below (shrink more than) independent action on latent curves: each mouse by "
    "its place among its avatar's emulated mice under their better drug, as a normal deviate, all shifted alike; the "
    "shift is below that of the drugs' own mice from theirs (single_agents_shift, the model's misfit); prior "
    "of a shift {prior}; {more} from {probability:g} on, {worse} from {less:g} down"
)
VERDICT_COLUMNS = (
    *("tumor_type", "arm", "relation", "n_avatars", "p_beats_independent_action", "verdict"),
    *("shift", "shift_lower_90", "shift_upper_90", "single_agents_shift", "cannot_tell", "method"),
)


@dataclass(frozen=True)
class Verdict:
    """An arm against independent action: shift in SDs of what is foreseen of a mouse, below 0 the arm did better."""

    tumor_type: str
    arm: str
    relation: str
    n_avatars: int
    p_beats_independent_action: float
    verdict: str
    shift: float
    shift_lower_90: float
    shift_upper_90: float
    single_agents_shift: float
    cannot_tell: str
    method: str


def log_likelihood_of_shifts(drawn: Floats, observed: Floats, shifts: Floats) -> Floats:
    """Log likelihood (shift,) of observed values (avatar,) whose places among draws (T, avatar) are shifted.

    A place is an interval of a normal deviate: between the share of draws below and that of draws no higher, so that a
    lump of draws, as at the detection limit, is known to no more than its width. Each avatar counts alike, however
    narrowly it is foreseen. Avatars without a value or draws are left out.
    """
    known = np.isfinite(observed) & np.isfinite(drawn).any(axis=0)
    drawn, observed = drawn[:, known], observed[known]
    n = np.isfinite(drawn).sum(axis=0) + 1.0
    low = norm.ppf((drawn < observed).sum(axis=0) / n)
    high = norm.ppf(((drawn <= observed).sum(axis=0) + 1.0) / n)
    mass = norm.cdf(high - shifts[:, None]) - norm.cdf(low - shifts[:, None])
    return np.log(np.maximum(mass, np.finfo(float).tiny)).sum(axis=1)


def verdict_of(
    emulated: Emulated, independent: ArmOutcomes, alone: Sequence[ArmOutcomes], card: InteractionCard
) -> Verdict:
    """Verdict on a combination's observed mice, beside the misfit of its single agents' mice.

    `independent` (T, avatar): its avatars emulated under their better drug; `alone`: under each drug, in the order of
    the combination's. What the single agents' own mice are shifted by is the model's, not the combination's.
    """
    prior = card.priors["shift"]
    shifts = prior.location + prior.scale * np.linspace(-REACH, REACH, SHIFTS)

    def weight_of(outcomes: ArmOutcomes, observed: Floats) -> Floats:
        log_weight = log_likelihood_of_shifts(emulated.depths(outcomes), observed, shifts)
        log_weight = log_weight + prior.law.logpdf(shifts)
        weight = np.exp(log_weight - log_weight.max())
        return weight / weight.sum()

    misfits = [
        float(weight_of(own, emulated.depths(seen)[0]) @ shifts)
        for own, seen in zip(alone, emulated.combination.mice.alone, strict=True)
    ]
    misfit = float(np.mean(misfits))
    observed = emulated.observed
    weight = weight_of(independent, observed)
    better = float(np.interp(misfit, shifts, np.cumsum(weight) - 0.5 * weight))
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
        misfit,
        CANNOT_TELL_WORDS,
        told,
    )


def verdict_table(verdicts: list[Verdict]) -> pd.DataFrame:
    """One row a verdict, columns VERDICT_COLUMNS."""
    return pd.DataFrame([asdict(one) for one in verdicts], columns=list(VERDICT_COLUMNS))
