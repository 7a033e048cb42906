"""Avatar Trials: one-mouse-per-patient (1x1x1) trials of patient-derived xenografts, calibrated and emulated.

The public verbs, each a function without hidden state:
read_volumes, load_panel -> calibrate_avatars -> require_passed -> cohort_for -> emulate_trials -> readout_trial, agree;
load_population -> cohort_for; patients_behind -> agree_with_patients, avatars_needed; predict_combinations;
load_strategies -> compare_strategies -> score_strategies; plan_sweep -> run_sweep -> sweep_table, smallest_n.
`plots` draws what they return.
They are loaded when first used: importing the package is fast, and only calibration loads PyMC.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avatar_trials import plots as plots
    from avatar_trials.calibrate import calibrate_avatars as calibrate_avatars
    from avatar_trials.calibrate import gates_of as gates_of
    from avatar_trials.calibrate import population_parameters as population_parameters
    from avatar_trials.calibrate import require_passed as require_passed
    from avatar_trials.card_files import load_design as load_design
    from avatar_trials.card_files import load_interactions as load_interactions
    from avatar_trials.card_files import load_model as load_model
    from avatar_trials.card_files import load_strategies as load_strategies
    from avatar_trials.emulate import cohort_for as cohort_for
    from avatar_trials.emulate import cohort_from_population as cohort_from_population
    from avatar_trials.emulate import cohort_from_posterior as cohort_from_posterior
    from avatar_trials.emulate import emulate_trials as emulate_trials
    from avatar_trials.emulate import load_population as load_population
    from avatar_trials.emulate import patients_behind as patients_behind
    from avatar_trials.emulate import population_of as population_of
    from avatar_trials.endpoints import agree as agree
    from avatar_trials.endpoints import agree_with_patients as agree_with_patients
    from avatar_trials.endpoints import readout_observed as readout_observed
    from avatar_trials.endpoints import readout_trial as readout_trial
    from avatar_trials.endpoints import response_table as response_table
    from avatar_trials.endpoints import trial_response as trial_response
    from avatar_trials.evidence.asked_combinations import predict_combinations as predict_combinations
    from avatar_trials.evidence.avatars_needed import avatars_needed as avatars_needed
    from avatar_trials.intake import GrowthTable as GrowthTable
    from avatar_trials.intake import check_volumes as check_volumes
    from avatar_trials.intake import load_panel as load_panel
    from avatar_trials.intake import read_volumes as read_volumes
    from avatar_trials.problems import InputError as InputError
    from avatar_trials.stamp import read_netcdf as read_netcdf
    from avatar_trials.stamp import write_netcdf as write_netcdf
    from avatar_trials.strategies import Strategy as Strategy
    from avatar_trials.strategies import compare_strategies as compare_strategies
    from avatar_trials.strategies import score_strategies as score_strategies
    from avatar_trials.sweeps import plan_sweep as plan_sweep
    from avatar_trials.sweeps import run_sweep as run_sweep
    from avatar_trials.sweeps import smallest_n as smallest_n
    from avatar_trials.sweeps import sweep_table as sweep_table

_HOME = {
    "GrowthTable": "intake",
    "InputError": "problems",
    "Strategy": "strategies",
    "agree": "endpoints",
    "agree_with_patients": "endpoints",
    "avatars_needed": "evidence.avatars_needed",
    "calibrate_avatars": "calibrate",
    "check_volumes": "intake",
    "cohort_for": "emulate",
    "cohort_from_population": "emulate",
    "cohort_from_posterior": "emulate",
    "compare_strategies": "strategies",
    "emulate_trials": "emulate",
    "gates_of": "calibrate",
    "load_design": "card_files",
    "load_interactions": "card_files",
    "load_model": "card_files",
    "load_panel": "intake",
    "load_population": "emulate",
    "load_strategies": "card_files",
    "patients_behind": "emulate",
    "plan_sweep": "sweeps",
    "population_of": "emulate",
    "population_parameters": "calibrate",
    "predict_combinations": "evidence.asked_combinations",
    "read_netcdf": "stamp",
    "read_volumes": "intake",
    "readout_observed": "endpoints",
    "readout_trial": "endpoints",
    "require_passed": "calibrate",
    "response_table": "endpoints",
    "run_sweep": "sweeps",
    "score_strategies": "strategies",
    "smallest_n": "sweeps",
    "sweep_table": "sweeps",
    "trial_response": "endpoints",
    "write_netcdf": "stamp",
}

__all__ = [
    "GrowthTable",
    "InputError",
    "Strategy",
    "agree",
    "agree_with_patients",
    "avatars_needed",
    "calibrate_avatars",
    "check_volumes",
    "cohort_for",
    "cohort_from_population",
    "cohort_from_posterior",
    "compare_strategies",
    "emulate_trials",
    "gates_of",
    "load_design",
    "load_interactions",
    "load_model",
    "load_panel",
    "load_population",
    "load_strategies",
    "patients_behind",
    "plan_sweep",
    "plots",
    "population_of",
    "population_parameters",
    "predict_combinations",
    "read_netcdf",
    "read_volumes",
    "readout_observed",
    "readout_trial",
    "require_passed",
    "response_table",
    "run_sweep",
    "score_strategies",
    "smallest_n",
    "sweep_table",
    "trial_response",
    "write_netcdf",
]


def __getattr__(name: str) -> Any:
    if name == "plots":
        return import_module("avatar_trials.plots")
    if name not in _HOME:
        raise AttributeError(f"module 'avatar_trials' has no attribute {name!r}")
    return getattr(import_module(f"avatar_trials.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*_HOME, "plots"])
