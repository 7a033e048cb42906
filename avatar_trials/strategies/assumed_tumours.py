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

    Raises InputError where drawn shares of clones add up to more than 1.
    """
    drugs = tuple(spec.drugs)

    def drawn(value: Drawn, *names: str) -> Any:
        if not isinstance(value, Assumed):
            return np.full(len(avatars), float(value))
        if value.by is None:
            return np.full(len(avatars), value.draws(1, stream(seed, "tumour", *names))[0])
        return np.array([value.draws(1, stream(seed, "tumour", *names, one))[0] for one in avatars])

    shares = {
        clone.name: drawn(clone.share, "share", clone.name)
        for clone in spec.clones[1:]
        if clone.share is not None
    }
    left = 1.0 - np.sum(list(shares.values()), axis=0) if shares else np.ones(len(avatars))
    if (left < 0.0).any():
        what = f"the shares of the clones add up to {1.0 - left.min():.3g} in {np.mean(left < 0):.1%} of the avatars"
        raise InputError(
            Problem("D93", "error", what, "Lower their location or scale", column="tumour.clones")
        )
    shares[spec.clones[0].name] = left
    clones = [
        Clone(
            clone.name,
            _drivers(clone.drivers, drugs),
            shares[clone.name],
            drawn(clone.fitness_cost, "fitness cost", clone.name),
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
    kills = np.stack([drawn(drug.kill, "kill", name) for name, drug in spec.drugs.items()], axis=-1)
    own, niche = spec.persistence, spec.niche
    tumour = Tumour(
        growth=drawn(spec.growth, "growth"),
        log_kill=np.log(kills),
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
        ),
        niche=None
        if niche is None
        else Niche(
            share=drawn(niche.share, "niche", "share"),
            protection=drawn(niche.protection, "niche", "protection")[:, None],
            entering=drawn(niche.entering, "niche", "entering"),
            leaving=drawn(niche.leaving, "niche", "leaving"),
        ),
    )
    return ClonalTumours(
        *(tumour, drugs, drawn(spec.start_mm3, "start")),
        *(drawn(spec.deceleration, "deceleration"), spec.cells_per_mm3),
    )


def _drivers(rows: Sequence[dict[str, float]], drugs: Sequence[str], default: float = 1.0) -> Drivers:
    return tuple(tuple(row.get(drug, default) for drug in drugs) for row in rows)
