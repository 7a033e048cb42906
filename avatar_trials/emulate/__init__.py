"""Emulation room: cohorts of avatars and the one-mouse-per-avatar trials they go through."""

from avatar_trials.emulate.cohort import Cohort, cohort_from_posterior, given_drugs
from avatar_trials.emulate.patients import emulate_patients, require_patients
from avatar_trials.emulate.population import (
    check_population,
    cohort_from_population,
    hierarchy_behind,
    population_of,
    provenance,
    untried_drugs,
)
from avatar_trials.emulate.trial import emulate_trials, visit_days

__all__ = [
    "Cohort",
    "check_population",
    "cohort_from_population",
    "cohort_from_posterior",
    "emulate_patients",
    "emulate_trials",
    "given_drugs",
    "hierarchy_behind",
    "population_of",
    "provenance",
    "require_patients",
    "untried_drugs",
    "visit_days",
]
