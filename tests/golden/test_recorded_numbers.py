"""Golden: numbers of one trial from the frozen posterior, as recorded. A change of them is a change of results.

Where a change is meant, `python tests/golden/test_recorded_numbers.py` prints the numbers to record in its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avatar_trials.designs import TrialDesign
from avatar_trials.emulate import cohort_from_posterior, emulate_trials
from avatar_trials.endpoints import readout_trial
from avatar_trials.stamp import read_netcdf, sha256_of

FROZEN = Path(__file__).resolve().parent.parent / "fixtures" / "frozen_posterior.nc"
RTOL = 1e-9
# Written out here: a design that is edited is not what these numbers were made with.
DESIGN: dict[str, Any] = {
    "schema_version": 1,
    "name": "golden",
    "title": "t",
    "question": "q",
    "model": "two_clone",
    "seed": 20151019,
    "replicates": 40,
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
            "source": "s",
        },
    },
    "endpoints": {"mrecist_rule": "pct_sheet"},
}
PLACES = [(0, 0, 0, 0), (0, 0, 1, 3), (3, 7, 1, 4), (11, 20, 2, 1), (25, 32, 3, 2), (39, 15, 3, 5)]
READ = [
    ("untreated", "ORR"),
    ("encorafenib", "ORR"),
    ("binimetinib", "DCR"),
    ("binimetinib + encorafenib", "DCR"),
    ("encorafenib", "depth_of_response_pct"),
    ("untreated", "time_to_doubling_days"),
    ("binimetinib", "RMST_days"),
]


def recorded_now() -> dict[str, Any]:
    """The numbers as this version makes them."""
    tree = read_netcdf(FROZEN, kind="posterior")
    design = TrialDesign.model_validate(DESIGN)
    cohort = cohort_from_posterior(tree, design.replicates, seed=design.seed)
    trial = emulate_trials(cohort, design)
    volume, twin = trial["volume_mm3"].values, trial["twin_volume_mm3"].values
    readout = readout_trial(trial, rule="pct_sheet", doubling="pct_sheet", level=0.9, tau=182.0)
    rows = readout.set_index(["arm", "endpoint"])
    return {
        "draws": cohort.draw[:8].tolist(),
        "volumes": [float(volume[place]) for place in PLACES],
        "twins": [float(twin[place]) for place in PLACES],
        "left_day": trial["left_day"].values.sum(axis=(0, 1)).tolist(),
        "reasons": np.bincount(trial["left_reason"].values.ravel(), minlength=3).tolist(),
        "vanished": int((volume == 0).sum()),
        "mean_log": float(np.log(volume[volume > 0]).mean()),
        "readout": [
            [float(rows.loc[(arm, name), column]) for column in ("estimate", "lower", "upper")]
            for arm, name in READ
        ],
    }


POSTERIOR_SHA256 = "dbbb73827fb72c95e06490216484b8055aa3257d43aa968c70b01153fa28df4a"
RECORDED: dict[str, Any] = {
    "draws": [40, 67, 84, 52, 70, 85, 17, 89],
    "volumes": [
        208.5388332520652,
        706.6979462363855,
        31.1989338171839,
        250.94517225548987,
        266.4844446770248,
        57.84018078894971,
    ],
    "twins": [
        175.44285453874085,
        65.55771138268378,
        16.268789479755846,
        364.71627877733056,
        165.50783769549471,
        344.5262307103031,
    ],
    "left_day": [41142.0, 79134.0, 71340.0, 99491.0],
    "reasons": [268, 1263, 3749],
    "vanished": 7982,
    "mean_log": 5.147343478780502,
    "readout": [
        [0.030303030303030304, 0.0, 0.09090909090909091],
        [0.42424242424242425, 0.3333333333333333, 0.5151515151515151],
        [0.45454545454545453, 0.3333333333333333, 0.5757575757575758],
        [0.696969696969697, 0.5757575757575758, 0.8484848484848485],
        [-42.106136640621116, -70.26944255319856, -10.97768893972827],
        [9.430534970051207, 6.5514323473847575, 12.65261036192657],
        [48.0992255531755, 32.96401343655586, 66.65133064187259],
    ],
}


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return recorded_now()


def test_the_frozen_posterior_is_the_one_the_numbers_are_of() -> None:
    assert sha256_of(FROZEN) == POSTERIOR_SHA256


@pytest.mark.parametrize("name", ["draws", "left_day", "reasons", "vanished"])
def test_counted_exactly(now: dict[str, Any], name: str) -> None:
    assert now[name] == RECORDED[name]


@pytest.mark.parametrize("name", ["volumes", "twins", "mean_log", "readout"])
def test_measured_to_nine_digits(now: dict[str, Any], name: str) -> None:
    np.testing.assert_allclose(now[name], RECORDED[name], rtol=RTOL)


if __name__ == "__main__":
    print(f'POSTERIOR_SHA256 = "{sha256_of(FROZEN)}"\nRECORDED: dict[str, Any] = {recorded_now()!r}')
