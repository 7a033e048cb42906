"""Arms of a design side by side, from a saved posterior: no volumes and no sampling needed.

uv run python trial_designs/compare_arms.py out/posterior.nc [DESIGN] [REPLICATES]
"""

import json
import sys
from typing import Any

import avatar_trials as at

ENDPOINTS = ["ORR", "DCR", "depth_of_response_pct", "time_to_doubling_days", "RMST_days"]


def shown(row: Any) -> str:
    """Estimate and interval, rates in percent; "-" for a time that is not reached."""
    factor = 100 if row["endpoint"] in ("ORR", "DCR") else 1
    numbers = [row["estimate"], row["lower"], row["upper"]]
    middle, low, high = ("-" if number != number else f"{number * factor:.0f}" for number in numbers)
    return f"{middle} [{low}, {high}]"


def main(posterior_file: str, design_name: str = "melanoma_braf_mek", replicates: str = "300") -> None:
    """Print one column an arm, one row an endpoint."""
    posterior, design = at.read_netcdf(posterior_file, kind="posterior"), at.load_design(design_name)
    seed, types, rules = design.seed, design.cohort.tumor_types, design.endpoints
    avatars = at.cohort_from_posterior(posterior, int(replicates), seed=seed, tumor_types=types)
    trial = at.emulate_trials(avatars, design)
    readout = at.readout_trial(trial, rule=rules.mrecist_rule, doubling=rules.doubling, level=rules.level)
    readout["shown"] = readout.apply(shown, axis=1)
    table = readout.pivot(index="endpoint", columns="arm", values="shown")
    print(table.loc[ENDPOINTS, design.arm_names].to_string(), end="\n\n")
    print(f"{rules.level:.0%} intervals, {replicates} trials, mRECIST {rules.mrecist_rule}; -: not reached")
    print("Synthetic avatars." if posterior.attrs["synthetic"] else "Calibrated avatars.", end=" ")
    print("Gates passed." if all(json.loads(posterior.attrs["gates"])["passed"]) else "GATES FAILED.")


if __name__ == "__main__":
    main(*sys.argv[1:])
