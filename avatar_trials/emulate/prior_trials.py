"""Trials of untreated mice drawn from a card's priors: what a model says before it has seen a mouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import xarray as xr

from avatar_trials.arms import UNTREATED
from avatar_trials.designs import ArmSpec, TrialDesign
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.panel import drawn_avatars
from avatar_trials.emulate.trial import emulate_trials
from avatar_trials.model_cards import ModelCard
from avatar_trials.seeds import stream


def untreated_prior_trials(
    card: ModelCard, design: TrialDesign, *, populations: int, avatars: int
) -> xr.Dataset:
    """Untreated mice as in trial.nc, dims (trial, avatar, arm, visit): each trial a population drawn from the priors.

    Visits and rules of leaving are the design's.
    """
    seeds = stream(design.seed, "prior predictive").integers(2**62, size=populations)
    names, carriers = [f"avatar {n}" for n in range(1, avatars + 1)], np.zeros(avatars)
    drawn = [drawn_avatars(card, [UNTREATED], names, carriers, seed=int(seed))[0] for seed in seeds]
    alone = design.model_copy(update={"arms": (ArmSpec(name=UNTREATED),), "mechanism": None})
    return emulate_trials(side_by_side(drawn), alone)


def side_by_side(cohorts: Sequence[Cohort]) -> Cohort:
    """Cohorts of one replicate each, of the same avatars and drugs, as the replicates of one."""
    first = cohorts[0]
    joined: dict[str, Any] = {}
    for part in fields(Cohort):
        values = [getattr(cohort, part.name) for cohort in cohorts]
        if isinstance(values[0], np.ndarray):
            joined[part.name] = np.concatenate(values)
    population = {name: np.concatenate([c.population[name] for c in cohorts]) for name in first.population}
    return replace(first, **joined | {"population": population, "draw": np.arange(len(cohorts))})
