"""Tumours drawn from what a design assumes: one draw of each law an avatar, from a stream of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_trials.card_parts import Assumed
from avatar_trials.kinetics.genotypes import Drivers
from avatar_trials.kinetics.tumour import Clone, Mutation, Niche, Persistence, Tumour
from avatar_trials.problems import InputError, Problem
from avatar_trials.seeds import stream
from avatar_trials.strategies.tumours import ClonalTumours
from avatar_trials.tumour_cards import Drawn, TumourSpec

Floats = NDArray[np.float64]


def assumed_tumours(spec: TumourSpec, avatars: Sequence[str], seed: int) -> ClonalTumours:
    """Tumours of avatars; dropping an avatar leaves the others' as they were.

    Raises InputError where drawn shares of clones add up to more than 1 and the card does not say what to do.
    """
    drugs = tuple(spec.drugs)

    def drawn(value: Drawn, *names: str) -> Any:
        if not isinstance(value, Assumed):
            return np.full(len(avatars), float(value))
        if value.by is None:
            return np.full(len(avatars), value.draws(1, stream(seed, "tumour", *names))[0])
        return np.array([value.draws(1, stream(seed, "tumour", *names, one))[0] for one in avatars])

    given = {
        clone.name: drawn(clone.share, "share", clone.name)
        for clone in spec.clones[1:]
        if clone.share is not None
    }
    shares = _of_all_cells(spec, given, len(avatars))
    cost = {
        clone.name: drawn(clone.fitness_cost, "fitness cost", clone.name)
        for clone in spec.clones
        if clone.part_of is None
    }
    clones = [
        Clone(
            *(clone.name, _drivers(clone.drivers, drugs), shares[clone.name]),
            cost[clone.part_of or clone.name],
        )
        for clone in spec.clones
    ]
    mutations = [
        Mutation(
            *(one.source, one.to, drawn(one.rate, "mutation", one.source, one.to)),
            drawn(one.rate_persister, "mutation of persisters", one.source, one.to),
        )
        for one in spec.mutations
    ]
    types = [spec.types[name] for name in tumour_types(spec, avatars, seed)]
    growth = drawn(spec.growth, "growth")
    if types:
        growth = growth * np.array([one.growth for one in types])
    rate = {
        name: drawn(drug.kill, "kill", name) + (growth if drug.beyond_growth else 0.0)
        for name, drug in spec.drugs.items()
    }
    if types:
        rate = {name: rate[name] * np.array([one.kill.get(name, 1.0) for one in types]) for name in drugs}
    if any(drug.fails_in for drug in spec.drugs.values()):
        lot = np.array([stream(seed, "tumour", "drug fails", one).random() for one in avatars])
        rate = {name: np.where(lot < spec.drugs[name].fails_in, 0.0, rate[name]) for name in drugs}
    with np.errstate(divide="ignore"):
        log_kill = np.log(np.stack([rate[name] for name in drugs], axis=-1))
    own, niche = spec.persistence, spec.niche
    tumour = Tumour(
        growth=growth,
        log_kill=log_kill,
        clones=clones,
        exponent=drawn(spec.exponent, "exponent"),
        antagonism=drawn(spec.antagonism, "antagonism"),
        mutations=mutations,
        persistence=None
        if own is None
        else Persistence(
            **{
                name: drawn(getattr(own, name), "persistence", name)
                for name in ("induced", "woken", "woken_on_drug", "growth", "share")
            },
            inducing=[name in own.inducing for name in drugs] if own.inducing else (),
            drivers=_drivers(own.killed_by, drugs, default=0.0),
            induced_fold=[own.induced_fold.get(name, 1.0) for name in drugs] if own.induced_fold else (),
            woken_fold=[own.woken_fold.get(name, 1.0) for name in drugs] if own.woken_fold else (),
        ),
        niche=None
        if niche is None
        else Niche(
            share=drawn(niche.share, "niche", "share"),
            protection=drawn(niche.protection, "niche", "protection")[:, None]
            * np.array([name not in niche.spares for name in drugs]),
            entering=drawn(niche.entering, "niche", "entering"),
            leaving=drawn(niche.leaving, "niche", "leaving"),
        ),
    )
    return ClonalTumours(
        *(tumour, drugs, drawn(spec.start_mm3, "start")),
        *(drawn(spec.deceleration, "deceleration"), spec.cells_per_mm3),
    )


def tumour_types(spec: TumourSpec, avatars: Sequence[str], seed: int) -> list[str]:
    """The type of each avatar, none where a card has no types."""
    if not spec.types:
        return []
    names, weights = list(spec.types), np.array([one.weight for one in spec.types.values()])
    edges = np.cumsum(weights) / weights.sum()
    lots = (stream(seed, "tumour", "type", one).random() for one in avatars)
    return [names[min(int(np.searchsorted(edges, lot, side="right")), len(names) - 1)] for lot in lots]


def _of_all_cells(spec: TumourSpec, given: dict[str, Floats], n: int) -> dict[str, Floats]:
    """Shares (avatar,) of all cells by clone, from those that a card gives: a part's is taken from its whole."""
    shares = {clone.name: given[clone.name] for clone in spec.clones[1:] if clone.part_of is None}
    others = np.sum(list(shares.values()), axis=0) if shares else np.zeros(n)
    if spec.others_at_most is not None:
        fitting = np.minimum(1.0, spec.others_at_most / np.maximum(others, 1e-300))
        shares, others = {name: share * fitting for name, share in shares.items()}, others * fitting
    if (others > 1.0).any():
        what = f"the shares of the clones add up to {others.max():.3g} in {np.mean(others > 1):.1%} of the avatars"
        fix = "Lower their location or scale, or give tumour.others_at_most"
        raise InputError(Problem("D93", "error", what, fix, column="tumour.clones"))
    whole = dict(shares)
    for clone in spec.clones[1:]:
        if clone.part_of is not None:
            shares[clone.name] = whole[clone.part_of] * given[clone.name]
            shares[clone.part_of] = shares[clone.part_of] - shares[clone.name]
    if any((share < 0.0).any() for share in shares.values()):
        fix = "Lower the shares of the parts"
        raise InputError(
            Problem(
                "D93", "error", "the parts of a clone add up to more than it", fix, column="tumour.clones"
            )
        )
    return {spec.clones[0].name: 1.0 - others, **shares}


def _drivers(rows: Sequence[dict[str, float]], drugs: Sequence[str], default: float = 1.0) -> Drivers:
    return tuple(tuple(row.get(drug, default) for drug in drugs) for row in rows)
