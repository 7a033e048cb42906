"""How combinations interact, learnt from other combinations: sums over grids in place of sampling.

eta_c ~ N(mu + b, tau), b of the relation of c's pathways, with the priors of an interaction card; the share of slowing
that adds up is the same in all. Every integral is a sum over cells of a grid, to whose outermost cells all beyond is
counted. What a combination is foreseen by leaves out its own mice and those of the same drugs in other tumour types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

from avatar_trials.arms import canonical_arm
from avatar_trials.interaction_cards import InteractionCard

Floats = NDArray[np.float64]

MEANS = np.linspace(-4.0, 6.0, 41)
SPREADS = (np.arange(9) + 0.5) / 9


@dataclass(frozen=True)
class Weights:
    """Probabilities over the card's grid, each summing to 1: `prior` (eta, overlap), the same of every relation;
    `without` (combination, eta, overlap), by the mice of other drugs' combinations; `with_own`, by its own as well."""

    prior: Floats
    without: Floats
    with_own: Floats

    def contraction(self, etas: Floats) -> Floats:
        """1 - variance of eta by the other combinations over that of the prior, (combination,)."""
        return 1.0 - _variance(self.without, etas) / _variance(self.prior[None], etas)


def weights_of(log_likelihood: Floats, arms: Sequence[str], card: InteractionCard) -> Weights:
    """Weights by the log likelihoods (combination, eta, overlap) of the combinations `arms`.

    A combination of no mice has log likelihoods of 0. ValueError for likelihoods of another shape or not numbers.
    """
    expected = (len(arms), card.grid.eta_steps, len(card.grid.overlaps))
    if log_likelihood.shape != expected or not np.isfinite(log_likelihood).all():
        raise ValueError(f"log likelihoods are numbers of shape {expected}: received {log_likelihood.shape}")
    law = _Law.of(card)
    prior = _foreseen(law, {}, None)
    if not arms:
        nothing = np.zeros((0, *prior.shape))
        return Weights(np.exp(prior), nothing, nothing)
    told = logsumexp(law.eta[None, ..., None] + log_likelihood[:, None, None], axis=3)
    relations = [card.relation(arm) for arm in arms]
    same = [canonical_arm(arm).casefold() for arm in arms]
    without = [
        _foreseen(
            law,
            {
                relation: sum(
                    told[i] for i in range(len(arms)) if relations[i] == relation and same[i] != same[c]
                )
                for relation in set(relations)
            },
            relations[c],
        )
        for c in range(len(arms))
    ]
    own = np.stack(without) + log_likelihood
    own = own - logsumexp(own, axis=(1, 2), keepdims=True)
    return Weights(np.exp(prior), np.exp(np.stack(without)), np.exp(own))


@dataclass(frozen=True)
class _Law:
    """Log masses of cells: eta (tau, mean, eta) given its relation's mean; relation (mu, mean) given mu; mu (mu,);
    overlap (overlap,). The SDs tau are as likely as one another."""

    eta: Floats
    relation: Floats
    mu: Floats
    overlap: Floats

    @staticmethod
    def of(card: InteractionCard) -> _Law:
        tau = card.priors["eta_combination_sd"].law.ppf(SPREADS)
        added = card.priors["eta_relation"]
        centres, etas = MEANS, card.grid.etas
        return _Law(
            np.stack([[_log_masses(stats.norm(mean, sd), etas) for mean in centres] for sd in tau]),
            np.stack([_log_masses(stats.norm(mu + added.location, added.scale), centres) for mu in centres]),
            _log_masses(card.priors["eta"].law, centres),
            _log_masses(card.priors["slowing_overlap"].law, card.grid.overlaps),
        )


def _foreseen(law: _Law, told: dict[str, Any], relation: str | None) -> Floats:
    """Log probabilities (eta, overlap) of a combination of a relation, by what the others of each relation told
    (tau, mean, overlap)."""
    shape = (law.eta.shape[0], len(MEANS), len(law.overlap))
    said = {name: np.broadcast_to(values, shape) for name, values in told.items()}
    of_mu = law.mu[None, :, None] + law.overlap
    for name, values in said.items():
        if name != relation:
            of_mu = of_mu + logsumexp(law.relation[None, :, :, None] + values[:, None], axis=2)
    own = said.get(relation or "", np.zeros(shape))
    mean = logsumexp(of_mu[:, :, None] + law.relation[None, :, :, None], axis=1) + own
    found = logsumexp(mean[:, :, None] + law.eta[..., None], axis=(0, 1))
    normal: Floats = found - logsumexp(found)
    return normal


def _log_masses(law: Any, points: Floats) -> Floats:
    """Log probability of the cells about ascending points, the outermost open."""
    edges = np.concatenate([[-np.inf], (points[1:] + points[:-1]) / 2, [np.inf]])
    low, high = law.cdf(edges[:-1]), law.cdf(edges[1:])
    above, below = law.sf(edges[:-1]), law.sf(edges[1:])
    mass = np.where(low > 0.5, above - below, high - low)
    return np.log(np.maximum(mass, np.finfo(float).tiny))


def _variance(weights: Floats, etas: Floats) -> Floats:
    of_eta = weights.sum(axis=-1)
    mean = of_eta @ etas
    return of_eta @ etas**2 - mean**2
