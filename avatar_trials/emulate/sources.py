"""What avatars are taken from, a posterior or a population: those that a design asks for, and patients behind them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.designs import TrialDesign
from avatar_trials.emulate.cohort import Cohort, cohort_from_posterior, given_drugs
from avatar_trials.emulate.hierarchy import Population
from avatar_trials.emulate.patients import emulate_patients
from avatar_trials.emulate.population import check_population, cohort_from_population, hierarchy_behind
from avatar_trials.emulate.room import require_room
from avatar_trials.library import find_card
from avatar_trials.problems import together
from avatar_trials.stamp import read_netcdf

Source = xr.DataTree | xr.Dataset
"""A posterior, or a population."""


def load_population(name_or_path: str | Path) -> xr.Dataset:
    """A population by name or path. StampError where the file is damaged, no population, or lacks something."""
    population = read_netcdf(find_card("populations", name_or_path), kind="population")
    check_population(population, str(name_or_path))
    return population


def cohort_for(source: Source, design: TrialDesign, *, avatars: Sequence[str] | None = None) -> Cohort:
    """The avatars that a design asks for: its tumour types, its replicates, its seed.

    Of a posterior those that were calibrated, or `avatars` of them; of a population new ones, as many as the design
    says or as were calibrated. InputError with all that the source does not know, arms of unknown drugs included;
    ResourceError, before anything is drawn, where memory does not hold their trials.
    """
    asked = design.cohort
    if isinstance(source, xr.DataTree):
        known = source["posterior"].to_dataset()
        n_avatars = known.sizes["avatar"] if avatars is None else len(avatars)
        drawn = partial(cohort_from_posterior, source, avatars=avatars, tumor_types=asked.tumor_types)
    else:
        known = source
        n_avatars = asked.n_avatars or sum(json.loads(source.attrs["cohort"])["avatars"].values())
        drawn = partial(
            cohort_from_population,
            source,
            tumor_type=asked.tumor_type,
            n_avatars=asked.n_avatars,
            biomarker_share=asked.biomarker_share,
        )
    require_room(design, n_avatars, known.sizes["drug"])
    drugs = [str(name) for name in known["drug"].values]
    cohort: Cohort = together(
        partial(drawn, n_trials=design.replicates, seed=design.seed),
        *(partial(given_drugs, arm, drugs) for arm in design.measured_arms),
    )[0]
    return cohort


def hierarchy_for(
    source: Source, cohort: Cohort, design: TrialDesign
) -> tuple[Population, NDArray[np.float64]]:
    """What the avatars of `cohort_for` were drawn from, as `hierarchy_behind`."""
    asked = design.cohort
    return hierarchy_behind(
        *(source, cohort),
        tumor_type=asked.tumor_type,
        seed=design.seed,
        biomarker_share=asked.biomarker_share,
    )


def patients_behind(
    source: Source, cohort: Cohort, design: TrialDesign, *, chosen: bool = False
) -> xr.Dataset:
    """The assumed patients behind the avatars of `cohort_for`, as `emulate_patients`.

    `chosen`: the avatars were named, and patients are like them and not like all of the source.
    """
    hierarchy, carriers = hierarchy_for(source, cohort, design)
    return emulate_patients(cohort, hierarchy, carriers, design, chosen=chosen)
