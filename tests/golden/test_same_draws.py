"""Golden: one machine and one seed give one posterior, bit for bit, in every process, hash seed and compile cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import hashlib
from avatar_trials.calibrate import calibrate_avatars
from avatar_trials.card_files import load_model
from avatar_trials.intake import read_volumes
from avatar_trials.library import find_card

card = load_model("graded_kill")
short = card.sampling.model_copy(update={"chains": 2, "tune": 30, "draws": 15})
table = read_volumes(find_card("panels", "melanoma_synthetic")).select(arms=["untreated", "encorafenib"])
tree = calibrate_avatars(table, card.model_copy(update={"sampling": short}), seed=5)
digest = hashlib.sha256()
for group in ("posterior", "thinned_posterior", "sample_stats", "posterior_predictive", "log_likelihood"):
    for name, values in sorted(tree[group].to_dataset().data_vars.items()):
        digest.update(f"{group} {name}".encode() + values.values.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
def test_draws_are_the_same_in_every_process(tmp_path: Path) -> None:
    """Two hash seeds with the compile cache that is there, one with none."""
    cold = {"PYTENSOR_FLAGS": f"base_compiledir={tmp_path}"}
    digests = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": seed} | more,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        for seed, more in (("0", {}), ("1", {}), ("2", cold))
    }
    assert len(digests) == 1
