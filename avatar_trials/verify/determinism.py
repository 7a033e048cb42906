"""One seed, one trial: new avatars of a population in the wheel, against recorded numbers and against themselves.

Random numbers and counts are the maker's exactly; volumes to nine digits, since exp and log differ between machines.
On one machine the trial is the same to the bit however the work is cut up, and in another process.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.designs import TrialDesign
from avatar_trials.emulate import cohort_from_population, emulate_trials
from avatar_trials.endpoints import readout_trial
from avatar_trials.library import find_card
from avatar_trials.seeds import stream
from avatar_trials.stamp import read_netcdf
from avatar_trials.verify.another_process import run_python
from avatar_trials.verify.comparison import Comparisons, exact, holds, relative

NINE_DIGITS: Final = 1e-9
REPLICATES, AVATARS, FEWER, TAU = 12, 9, 4, 182.0
PLACES: Final = [(0, 0, 0, 0), (0, 0, 1, 3), (3, 7, 1, 4), (11, 2, 2, 1), (5, 8, 3, 2), (9, 5, 3, 5)]
READ: Final = [
    ("untreated", "time_to_doubling_days"),
    ("encorafenib", "ORR"),
    ("binimetinib", "DCR"),
    ("binimetinib + encorafenib", "depth_of_response_pct"),
    ("binimetinib", "RMST_days"),
]
# Written out here: a design that is edited is not what these numbers were made with.
DESIGN: Final[dict[str, Any]] = {
    "schema_version": 1,
    "name": "verify",
    "title": "verify",
    "question": "verify",
    "model": "graded_kill",
    "seed": 20151019,
    "replicates": REPLICATES,
    "cohort": {"panel": "melanoma_synthetic", "tumor_type": "CM"},
    "arms": [
        {"name": arm} for arm in ("untreated", "encorafenib", "binimetinib", "encorafenib + binimetinib")
    ],
    "visits": {"gaps_days": [3, 4], "horizon_days": 182},
    "stopping": {
        "size_mm3": 1500,
        "removal": {
            "from_day": 21,
            "from_relative_volume": [0.0, 1.0, 1.6, 3.0],
            "hazard_per_day": [0.003, 0.006, 0.04, 0.15],
            "source": "verify",
        },
    },
    "endpoints": {"mrecist_rule": "pct_sheet"},
}
POPULATION: Final = "pdxe_cm"
OTHER_HASH_SEED: Final = "4711"
RECORDED: Final[dict[str, Any]] = {
    "random numbers": [3071493251114586214, 3766441352969960289, 3800611984500474211, 3033841742519241736],
    "draws": [433, 119, 324, 452, 478, 41, 311, 93, 194, 251, 24, 77],
    "left_day": [2479.0, 4868.0, 5566.0, 7910.0],
    "left_reason": [22, 93, 317],
    "vanished": 764,
    "volumes": [
        241.26500473752034,
        140.03763171492128,
        396.9871033399122,
        174.12957072109123,
        267.0938529866494,
        489.43382510735734,
    ],
    "mean_log": 5.536996298377028,
    "readout": [
        [6.698772390401874, 3.5942265249126533, 11.485401453299925],
        [0.1111111111111111, 0.0, 0.4444444444444444],
        [0.5, 0.1111111111111111, 0.6666666666666666],
        [-24.342639633158036, -84.723167878426, 0.8864217467645245],
        [53.87435207882962, 23.354396753881712, 103.57322906450005],
    ],
}


def emulated(n_avatars: int = AVATARS, at_a_time: int | None = None) -> xr.Dataset:
    """The trial of new avatars, `at_a_time` volumes in a block."""
    design = TrialDesign.model_validate(DESIGN)
    population = read_netcdf(find_card("populations", POPULATION), kind="population")
    cohort = cohort_from_population(
        population, REPLICATES, seed=design.seed, tumor_type="CM", n_avatars=n_avatars
    )
    return emulate_trials(cohort, design, at_a_time=at_a_time)


def read(trial: xr.Dataset) -> pd.DataFrame:
    """Its readout."""
    return readout_trial(trial, rule="pct_sheet", doubling="pct_sheet", level=0.9, tau=TAU)


def numbers_of(trial: xr.Dataset) -> dict[str, Any]:
    """What is recorded of it."""
    volume, rows = trial["volume_mm3"].values, read(trial).set_index(["arm", "endpoint"])
    wanted = rows.reindex(pd.MultiIndex.from_tuples(READ))[["estimate", "lower", "upper"]]
    return {
        "random numbers": stream(DESIGN["seed"], "verify").integers(2**62, size=4).tolist(),
        "draws": trial["draw"].values.tolist(),
        "left_day": trial["left_day"].values.sum(axis=(0, 1)).tolist(),
        "left_reason": np.bincount(trial["left_reason"].values.ravel(), minlength=3).tolist(),
        "vanished": int((volume == 0).sum()),
        "volumes": [float(volume[place]) for place in PLACES],
        "mean_log": float(np.log(volume[volume > 0]).mean()),
        "readout": wanted.to_numpy(dtype=float).tolist(),
    }


def digest(trial: xr.Dataset) -> str:
    """sha256 of its volumes and its readout, to the bit."""
    seen = hashlib.sha256(trial["volume_mm3"].values.tobytes() + trial["twin_volume_mm3"].values.tobytes())
    seen.update(read(trial).to_csv(index=False).encode())
    return seen.hexdigest()


def digest_of_another_process(hash_seed: str) -> str:
    """`digest` of the same trial from a fresh process with another hash seed; "" where there is none."""
    script = "from avatar_trials.verify.determinism import digest, emulated; print(digest(emulated()))"
    done = run_python(script, PYTHONHASHSEED=hash_seed)
    return done.stdout.strip() if done.returncode == 0 else ""


def everything() -> Comparisons:
    """Every comparison of this module."""
    trial = emulated()
    found = numbers_of(trial)
    for name in ("random numbers", "draws", "left_day", "left_reason", "vanished"):
        yield exact(f"recorded {name}", found[name], RECORDED[name])
    for name in ("volumes", "mean_log", "readout"):
        yield relative(f"recorded {name}", found[name], RECORDED[name], NINE_DIGITS)
    here = digest(trial)
    fewer = emulated(FEWER)
    for name in ("volume_mm3", "twin_volume_mm3", "left_day"):
        kept = trial[name].isel(avatar=slice(0, FEWER))
        yield exact(f"avatars left out leave the others' {name}", fewer[name].values, kept.values)
    yield holds("the same in blocks of one avatar", digest(emulated(at_a_time=1)) == here)
    theirs = digest_of_another_process(OTHER_HASH_SEED)
    yield holds("the same in another process, with another hash seed", theirs == here)


def recorded_now() -> str:
    """The numbers to record where a change of them is meant."""
    return json.dumps(numbers_of(emulated()), indent=4)
