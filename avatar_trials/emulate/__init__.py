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
from avatar_trials.emulate.room import require_room, visit_days
from avatar_trials.emulate.soundness import check_posterior, check_trial
from avatar_trials.emulate.sources import cohort_for, hierarchy_for, load_population, patients_behind
from avatar_trials.emulate.trial import emulate_trials

__all__ = [
    "Cohort",
    "check_population",
    "check_posterior",
    "check_trial",
    "cohort_for",
    "cohort_from_population",
    "cohort_from_posterior",
    "emulate_patients",
    "emulate_trials",
    "given_drugs",
    "hierarchy_behind",
    "hierarchy_for",
    "load_population",
    "patients_behind",
    "population_of",
    "provenance",
    "require_patients",
    "require_room",
    "untried_drugs",
    "visit_days",
]
