"""How combinations interact, learnt from other combinations.

eta_c ~ N(mu + b + d, tau), b of the relation of c's pathways and d of its tumour type, with the priors of an
interaction card. What a combination is foreseen by leaves out its own mice and those of the same drugs in other types.
Integrals over eta are sums over the cells of the card's grid, to whose outermost cells all beyond is counted; those
over mu, b, d, tau and the SD of d are means over scrambled Sobol points of their priors, the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

from avatar_trials.arms import canonical_arm
from avatar_trials.interaction_cards import InteractionCard

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

MEANS = np.linspace(-5.0, 7.0, 121)
SPREADS = (np.arange(9) + 0.5) / 9
LOG2_POINTS = 15
LEAST_EFFECTS = 40
_NEGLIGIBLE = 25.0


@dataclass(frozen=True)
class Weights:
    """Probabilities over the card's grid, each summing to 1: `prior` (eta,), of a relation and type nothing is known
    of; `without` (combination, eta), by the mice of other drugs' combinations; `with_own`, by its own as well."""

    prior: Floats
    without: Floats
    with_own: Floats

    def contraction(self, etas: Floats) -> Floats:
        """1 - variance of eta by the other combinations over that of the prior, (combination,)."""
        return 1.0 - _variance(self.without, etas) / _variance(self.prior[None], etas)


def weights_of(
    log_likelihood: Floats, combinations: Sequence[tuple[str, str]], card: InteractionCard
) -> Weights:
    """Weights by the log likelihoods (combination, eta) of `combinations`, each a tumour type and an arm.

    A combination of no mice has log likelihoods of 0. ValueError for likelihoods of another shape or not numbers.
    """
    expected = (len(combinations), card.grid.eta_steps)
    if log_likelihood.shape != expected or not np.isfinite(log_likelihood).all():
        raise ValueError(f"log likelihoods are numbers of shape {expected}: received {log_likelihood.shape}")
    law = _Law.of(card, 2 * len(combinations))
    places = law.places(combinations, card)
    prior = law.foreseen(_total(()), places[-1])
    if not combinations:
        return Weights(prior, np.zeros((0, len(prior))), np.zeros((0, len(prior))))
    told = [
        logsumexp(law.eta + own, axis=-1)[law.spread, mean]
        for own, mean in zip(log_likelihood, places, strict=False)
    ]
    same = [canonical_arm(arm).casefold() for _, arm in combinations]
    without = np.stack(
        [
            law.foreseen(_total(one for i, one in enumerate(told) if same[i] != same[c]), places[c])
            for c in range(len(same))
        ]
    )
    own = np.log(without) + log_likelihood
    return Weights(prior, without, np.exp(own - logsumexp(own, axis=1, keepdims=True)))


@dataclass(frozen=True)
class _Law:
    """Log masses of cells, eta (tau, mean, eta), and points (point,) of the priors: place of tau, mu, the normal
    deviates of what relations and tumour types add (dimension, point) with their SDs (point,)."""

    eta: Floats
    spread: Places
    mu: Floats
    of_relation: float
    of_type: Floats
    deviates: Floats

    @staticmethod
    def of(card: InteractionCard, at_most: int) -> _Law:
        """With deviates for `at_most` relations and types, and never fewer than LEAST_EFFECTS."""
        n_effects = max(LEAST_EFFECTS, at_most + 2)
        unit = stats.qmc.Sobol(3 + n_effects, scramble=True, rng=20151019).random_base2(LOG2_POINTS).T
        unit = np.clip(unit, 1e-12, 1.0 - 1e-12)
        tau = card.priors["eta_combination_sd"].law.ppf(SPREADS)
        etas = card.grid.etas
        return _Law(
            _log_masses(stats.norm(MEANS[:, None], tau[:, None, None]), etas),
            (unit[0] * len(SPREADS)).astype(np.intp),
            card.priors["eta"].law.ppf(unit[1]),
            card.priors["eta_relation"].scale,
            card.priors["eta_type_sd"].law.ppf(unit[2]),
            stats.norm.ppf(unit[3:]),
        )

    def places(self, combinations: Sequence[tuple[str, str]], card: InteractionCard) -> list[Places]:
        """Place (point,) in MEANS of the mean of each combination, and last of one of unknown relation and type."""
        effects: dict[tuple[str, str], int] = {}
        wanted = sorted({("relation", card.relation(arm)) for _, arm in combinations})
        wanted += sorted({("type", name) for name, _ in combinations})
        for effect in [*wanted, ("relation", ""), ("type", "")]:
            effects[effect] = len(effects)
        centre = card.priors["eta_relation"].location

        def place(relation: str, tumor_type: str) -> Places:
            added = centre + self.of_relation * self.deviates[effects["relation", relation]]
            mean = self.mu + added + self.of_type * self.deviates[effects["type", tumor_type]]
            step = MEANS[1] - MEANS[0]
            return np.clip(np.rint((mean - MEANS[0]) / step), 0, len(MEANS) - 1).astype(np.intp)

        return [*(place(card.relation(arm), name) for name, arm in combinations), place("", "")]

    def foreseen(self, log_weight: Floats, mean: Places) -> Floats:
        """Probabilities (eta,) of a combination whose mean is at `mean` (point,), by log weights (point,)."""
        log_weight = log_weight - log_weight.max()
        kept = np.flatnonzero(log_weight > -_NEGLIGIBLE)
        cells = np.zeros(self.eta.shape[:2])
        np.add.at(cells, (self.spread[kept], mean[kept]), np.exp(log_weight[kept]))
        found: Floats = np.einsum("tm,tme->e", cells, np.exp(self.eta))
        return found / found.sum()


def _total(parts: Iterable[Floats]) -> Floats:
    return np.sum([np.zeros(2**LOG2_POINTS), *parts], axis=0)


def _log_masses(law: Any, points: Floats) -> Floats:
    """Log probability of the cells about ascending points, the outermost open."""
    edges = np.concatenate([[-np.inf], (points[1:] + points[:-1]) / 2, [np.inf]])
    low, high = law.cdf(edges[:-1]), law.cdf(edges[1:])
    above, below = law.sf(edges[:-1]), law.sf(edges[1:])
    mass = np.where(low > 0.5, above - below, high - low)
    return np.log(np.maximum(mass, np.finfo(float).tiny))


def _variance(weights: Floats, etas: Floats) -> Floats:
    mean = weights @ etas
    return weights @ etas**2 - mean**2
