"""Emulation room: cohorts of avatars and the one-mouse-per-avatar trials they go through."""

from avatar_trials.emulate.cohort import Cohort, cohort_from_posterior
from avatar_trials.emulate.trial import emulate_trials, visit_days

__all__ = ["Cohort", "cohort_from_posterior", "emulate_trials", "visit_days"]
