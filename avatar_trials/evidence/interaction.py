"""Interactions of drugs, learnt combination by combination with avatars that were calibrated without any combination.

Modular ("cut") inference: the avatars' growth, kills and slowings come from a posterior of untreated and single-agent
mice, draw by draw, and do not learn from the combinations (Plummer 2015, Stat. Comput. 25:37; Jacob et al. 2017,
arXiv:1708.08719). At each point of a grid of interactions a combination's arm is emulated for those avatars, on the
design's visits and by its rules of leaving, never on the mice's own visit days: those tell how long a mouse lived.
The likelihood is the product over avatars of the density of what was observed, depth of response and time to doubling,
among that avatar's own emulated mice: here the single agents of the same avatar come in. It is a product of marginal
densities: what all avatars share in a draw is averaged within each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from avatar_trials.designs import TrialDesign
from avatar_trials.emulate import cohort_from_posterior
from avatar_trials.emulate.one_arm import NewMice, new_mice
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.tables import responses
from avatar_trials.evidence.combinations import Combination, Study
from avatar_trials.evidence.interaction_weights import Weights
from avatar_trials.evidence.outcome_density import log_density, log_relative_depth
from avatar_trials.interaction_cards import InteractionCard
from avatar_trials.kinetics.combination import shared_slowing

Floats = NDArray[np.float64]

WEIGHT_COLUMNS = (
    *("tumor_type", "arm", "relation", "eta"),
    *("prior", "without_its_mice", "with_its_mice", "contraction"),
)


@dataclass(frozen=True)
class Emulated:
    """A combination's arm as the calibrated avatars would be emulated in it: new mice, and how they are called."""

    combination: Combination
    mice: NewMice
    rule: str
    doubling: str

    def outcomes(self, volumes: Floats) -> ArmOutcomes:
        """Outcomes (T, avatar) of volumes (T, avatar, visit)."""
        found = responses(self.mice.days, volumes, self.rule, self.doubling)
        return ArmOutcomes(
            category=found["category"],
            depth_pct=found["depth_of_response_pct"],
            time_days=found["time_to_doubling_days"],
            doubled=found["doubled"],
        )

    @property
    def floor(self) -> float:
        """Log relative volume of a tumour at the detection limit that started as most do."""
        cohort = self.mice.cohort
        return float(np.log(cohort.detection_limit_mm3) - cohort.population["mu_v"].mean())

    @property
    def end(self) -> float:
        """Day from which on a mouse counts as followed to the end: the last visit but one, as observed visits vary."""
        return float(self.mice.days[-2])

    @property
    def observed(self) -> Floats:
        """Log relative volume (avatar,) at best response of the observed mice."""
        return log_relative_depth(self.combination.mice.combination.depth_pct[0], self.floor)

    def depths(self, outcomes: ArmOutcomes) -> Floats:
        """The same (T, avatar) of emulated mice."""
        return log_relative_depth(outcomes.depth_pct, self.floor)


def emulated_combinations(
    tree: xr.DataTree, study: Study, design: TrialDesign, *, draws: int, seed: int
) -> list[Emulated]:
    """Each combination of a study with `draws` of its avatars' joint posterior; all have the same draws and luck.

    InputError for avatars the posterior does not have.
    """
    return [
        Emulated(
            one,
            new_mice(
                cohort_from_posterior(tree, draws, seed=seed, avatars=one.mice.avatars), design, seed=seed
            ),
            study.rule,
            study.doubling,
        )
        for one in study.combinations
    ]


def volumes_at(emulated: Emulated, eta: ArrayLike, card: InteractionCard) -> Floats:
    """Volumes (T, avatar, visit) of a combination's new mice at log exponents `eta`, one or (T,), of a card's grid.

    One number says what the drugs are to each other, from synergy over addition and the strongest drug alone to
    hindrance: exponent of the kills, share of the slowings that adds, and what each drug loses beside the others.
    """
    eta = np.asarray(eta, dtype=float)
    return emulated.mice.volumes(
        emulated.combination.arm,
        eta=eta,
        overlap=shared_slowing(np.exp(eta)),
        hindrance=card.grid.hindrance_at(eta),
    )


def grid_log_likelihood(
    emulated: Emulated, card: InteractionCard, *, say: Callable[[str], None] | None = None
) -> Floats:
    """Log likelihood (eta, avatar) of a combination's observed mice at each point of the card's grid.

    One point's trials are held at a time. The luck of the emulated mice is the same at all points.
    """
    found = np.zeros((card.grid.eta_steps, len(emulated.combination.mice.avatars)))
    arm, observed = emulated.combination.arm, emulated.combination.mice.combination
    if not np.isfinite(observed.time_days).any():
        return found
    if say is not None:
        say(f"{arm} ({emulated.combination.tumor_type}): {len(found)} interactions tried")
    for place, eta in enumerate(card.grid.etas):
        drawn = emulated.outcomes(volumes_at(emulated, eta, card))
        found[place] = log_density(drawn, observed, floor=emulated.floor, end=emulated.end)
    return found


def weights_table(
    combinations: Sequence[Combination], weights: Weights, card: InteractionCard
) -> pd.DataFrame:
    """One row a combination and point of the grid, columns WEIGHT_COLUMNS.

    contraction: 1 - variance of eta without its mice over the prior's; about 0, the others told nothing.
    """
    etas = card.grid.etas
    parts = [
        pd.DataFrame(
            {
                "tumor_type": one.tumor_type,
                "arm": one.arm,
                "relation": card.relation(one.arm),
                "eta": etas,
                "prior": weights.prior,
                "without_its_mice": weights.without[i],
                "with_its_mice": weights.with_own[i],
                "contraction": contraction,
            }
        )
        for i, (one, contraction) in enumerate(
            zip(combinations, weights.contraction(card.grid.etas), strict=True)
        )
    ]
    return pd.concat(parts, ignore_index=True)[list(WEIGHT_COLUMNS)]
