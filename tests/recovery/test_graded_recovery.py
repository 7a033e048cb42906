"""Recovery of graded kill: a synthetic panel drawn from the card's priors is calibrated, and its truth found again.

    pytest -m slow tests/recovery/test_graded_recovery.py

A real fit of 198 mice, some ten minutes of a processor. It fails, and models/graded_kill.md says how: these are not
expected failures of the tests but known ones of the card.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from avatar_trials.calibrate import calibrate_avatars, gates_of
from avatar_trials.card_files import load_design, load_model
from avatar_trials.emulate.panel import Panel, synthetic_panel
from tests.recovery.test_panel_recovery import LEVEL, intervals

pytestmark = pytest.mark.slow
ARMS = ["untreated", "A", "B", "C", "A + B", "B + C"]
SEED = 8


@pytest.fixture(scope="module")
def panel() -> Panel:
    return synthetic_panel(
        load_model("graded_kill"),
        ARMS,
        n_avatars=33,
        n_biomarker=15,
        tumor_type="CM",
        stopping=load_design("melanoma_braf_mek").stopping,
        seed=SEED,
    )


@pytest.fixture(scope="module")
def tree(panel: Panel) -> xr.DataTree:
    card = load_model("graded_kill")
    # The panel's tumours and mice carry the card's own biomarker column.
    return calibrate_avatars(panel.table, card, seed=SEED)


@pytest.mark.xfail(
    reason="2 % divergent draws and tail ESS 278 on a panel drawn from the priors", strict=True
)
def test_gates_pass_without_a_divergence(tree: xr.DataTree) -> None:
    table = gates_of(tree)
    print(table.drop(columns="worst").to_string())
    assert table["passed"].all(), table.to_string()


@pytest.mark.xfail(reason="25 of 34 population intervals, log_spread of avatars .77", strict=True)
def test_truth_is_covered(tree: xr.DataTree, panel: Panel) -> None:
    posterior = tree["posterior"].to_dataset()
    truth = pd.concat([panel.population.assign(avatar=""), panel.avatars], ignore_index=True)
    found = intervals(posterior, truth)
    population = found[found["avatar"] == ""]
    print(population.drop(columns="avatar").to_string(index=False, float_format="%.3f"))
    share = found[found["avatar"] != ""].groupby("parameter")["covered"].mean()
    print(share.round(3).to_dict())
    least = int(stats.binom.ppf(0.01, len(population), LEVEL))
    assert len(population) >= 34
    assert population["covered"].sum() >= least
    assert set(share.index) == {"log_r", "log_kill", "log_spread", "slowing"}
    # As for the embedded panel: avatars share the population's error.
    assert ((share - LEVEL).abs() < 2 * 2.58 * np.sqrt(LEVEL * (1 - LEVEL) / 33)).all()
