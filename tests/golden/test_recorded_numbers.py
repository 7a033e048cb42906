"""Golden: numbers of one trial from the frozen posterior, as recorded. A change of them is a change of results.

Where a change is meant, `python tests/golden/test_recorded_numbers.py` prints the numbers to record in its place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avatar_trials.cards import TrialDesign
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
PLACES = [(0, 0, 0, 0), (0, 0, 0, 3), (3, 7, 1, 4), (11, 20, 2, 1), (25, 32, 3, 2), (39, 15, 3, 5)]
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
            [float(rows.loc[(arm, name), column]) for column in ("estimate", "lower", "upper")]  # type: ignore[arg-type]
            for arm, name in READ
        ],
    }


POSTERIOR_SHA256 = "e0b70b541604de4ecb033ced6184cac844a8d7a481c0736b9196fdc7eea25e82"
RECORDED: dict[str, Any] = {
    "draws": [40, 67, 84, 52, 70, 85, 17, 89],
    "volumes": [
        215.84175144630015,
        467.501092560139,
        54.262133652327954,
        426.95244418599816,
        447.0018493055231,
        299.0810925687115,
    ],
    "twins": [
        145.77458091357326,
        411.9817360049753,
        42.53137861093733,
        138.63485711980226,
        173.1035152707307,
        496.6570745129767,
    ],
    "left_day": [38303.0, 85103.0, 65532.0, 108433.0],
    "reasons": [361, 1181, 3738],
    "vanished": 14707,
    "mean_log": 5.214274146231055,
    "readout": [
        [0.0, 0.0, 0.09090909090909091],
        [0.45454545454545453, 0.36363636363636365, 0.5757575757575758],
        [0.42424242424242425, 0.30303030303030304, 0.5454545454545454],
        [0.7272727272727273, 0.6060606060606061, 0.8484848484848485],
        [-47.16398367616358, -73.48502237241345, -15.308368872950659],
        [7.3395003837148876, 5.468075822404373, 9.663315320021091],
        [40.03670116276429, 25.58112657756533, 52.86169599857964],
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
