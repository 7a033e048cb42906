"""The dated record of combinations is made of the run's own tables by one command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from avatar_trials.card_files import load_design, load_model
from avatar_trials.cli.combination_predictions import DIFFERENCES, SCORES, STRATA
from avatar_trials.cli.files import stamp_of
from avatar_trials.evidence.latent_predictors import LEARNT
from avatar_trials.intake import write_tidy
from avatar_trials.library import find_card
from avatar_trials.stamp import write_netcdf
from tests.graded_posterior import a_singles_posterior, observed_mice
from tests.journeys.test_combination_cli import ARMS, BIOMARKER, DESIGN
from tools.combination_record import main

GATES = {"check": ["R-hat, largest"], "value": [1.004], "limit": [1.01], "passed": [True]}


def run(place: Path, tree: xr.DataTree, *, passed: bool) -> str:
    """The page of a run on mice of three combinations, from a posterior of their single agents."""
    write_tidy(observed_mice(tree, 0.5, combinations=("A + B", "A + C", "B + D")), place / "mice.csv")
    arms = ", ".join(f'{{name = "{arm}"}}' for arm in ARMS)
    design = DESIGN.replace("{arms}", arms).replace("[visits]", BIOMARKER + "[visits]")
    (place / "d.toml").write_text(design, "utf-8")
    genes = "".join(f"X-{i},{'mutated' if i < 6 else '0'}\n" for i in range(1, 17))
    (place / "genes.csv").write_text("avatar,G\n" + genes, "utf-8")
    tree.attrs = {**tree.attrs, "gates": json.dumps(GATES)}
    stamp = stamp_of(load_design(place / "d.toml"), load_model("graded_kill"), data_sha256="d" * 64)
    write_netcdf(tree, place / "singles.nc", {**stamp, "gates_passed": passed})
    files = ("volumes", "mice.csv", "covariates", "genes.csv", "posterior", "singles.nc")
    asked = [f"--{name}" if i % 2 == 0 else str(place / name) for i, name in enumerate(files)]
    asked += ["--out", str(place / "out"), "--page", str(place / "record.txt"), "--date", "2026-01-02"]
    main([str(place / "d.toml"), *asked, "--draws", "50", "--allow-unconverged"])
    return (place / "record.txt").read_text("utf-8")


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where the interaction card has a coarse grid, beside the run."""
    monkeypatch.chdir(tmp_path)
    card = find_card("interactions", "pathways").read_text("utf-8")
    card = card.replace("eta_steps = 23", "eta_steps = 4")
    (tmp_path / "pathways.toml").write_text(card, "utf-8")
    return tmp_path


def test_the_page_has_every_number_of_the_tables(quick: Path) -> None:
    page = run(quick, a_singles_posterior(draws=60), passed=True)
    scores, differences = pd.read_csv(quick / "out" / SCORES), pd.read_csv(quick / "out" / DIFFERENCES)
    ours = scores[(scores["predictor"] == LEARNT) & (scores["quantity"] == "ORR_pct")]
    assert len(ours) == 3
    for row in ours.itertuples():
        line = next(line for line in page.splitlines() if line.startswith(f"| CM | {row.arm} | 16 |"))
        assert f"{row.observed:.0f}; {row.predicted:.0f} [{row.lower_90:.0f}, {row.upper_90:.0f}]" in line
    timed = scores[(scores["predictor"] == LEARNT) & (scores["quantity"] == "log_doubling")].iloc[0]
    assert f"{np.exp(timed['observed']):.0f}; {np.exp(timed['predicted']):.0f} [" in page
    paired = differences[differences["quantity"] == "DCR_pct"].iloc[0]
    said = f"{paired['crps_difference']:.3f}" if abs(paired["crps_difference"]) < 1 else None
    assert said is None or said in page
    for name in dict.fromkeys(scores["predictor"]):
        assert page.count(f"| {name} |") == 4 + (name != LEARNT)
    strata = pd.read_csv(quick / "out" / STRATA)
    assert set(strata["n_avatars"]) == {5, 11}
    assert "| A + B | gene G | True | 5 |" in page
    assert "record of 2026-01-02" in page
    assert "--volumes mice.csv" in page
    assert str(quick) not in page
    assert "R-hat, largest | 1.004" in page
    assert "evidence" not in page.split("## Convergence")[0]


def test_a_page_that_is_no_evidence_says_so_first(quick: Path) -> None:
    tree = a_singles_posterior(draws=60)
    posterior = tree["posterior"].to_dataset()
    attrs = tree.attrs
    tree["posterior"] = posterior.assign(
        eta_combination=(("chain", "draw", "combination"), np.full((1, 60, 3), 0.3))
    ).assign_coords(combination=["A + B", "A + C", "B + D"])
    tree.attrs = attrs
    head = run(quick, tree, passed=False).split("## Convergence")[0]
    assert "DID NOT PASS ITS GATES: no figure here is evidence" in head
    assert "NO EVIDENCE: the posterior was calibrated on mice of A + B, A + C, B + D." in head
