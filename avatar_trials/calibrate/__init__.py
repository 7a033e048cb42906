"""Calibration room: the only one that imports PyMC."""

from avatar_trials.calibrate.checkpoints import open_checkpoint
from avatar_trials.calibrate.checks import (
    GateError,
    convergence,
    gates,
    gates_of,
    population_parameters,
    require_passed,
)
from avatar_trials.calibrate.sample import calibrate_avatars

__all__ = [
    "GateError",
    "calibrate_avatars",
    "convergence",
    "gates",
    "gates_of",
    "open_checkpoint",
    "population_parameters",
    "require_passed",
]
