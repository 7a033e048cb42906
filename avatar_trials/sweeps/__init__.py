"""Sweeps: operating characteristics of one-mouse-per-patient trials over designs, replicates and posterior draws."""

from avatar_trials.sweeps.plan import Plan, plan_sweep, values_of
from avatar_trials.sweeps.run import kept_of, run_sweep
from avatar_trials.sweeps.table import smallest_n, sweep_table
from avatar_trials.sweeps.worlds import WORLDS

__all__ = [
    "WORLDS",
    "Plan",
    "kept_of",
    "plan_sweep",
    "run_sweep",
    "smallest_n",
    "sweep_table",
    "values_of",
]
