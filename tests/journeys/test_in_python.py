"""The verbs as a first user of Python meets them: by name, by design, written and read without knowing of stamps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import avatar_trials as at
from avatar_trials.cli.flow import read_posterior
from avatar_trials.stamp import StampError
from tests.graded_posterior import a_singles_posterior

PASSED = {
    "check": ["R-hat, largest"],
    "value": [1.001],
    "limit": ["< 1.01"],
    "passed": [True],
    "worst": [""],
}


@pytest.fixture
def tree() -> xr.DataTree:
    made = a_singles_posterior(draws=8, n_avatars=3)
    made.attrs["gates"] = json.dumps(PASSED)
    return made


def test_every_verb_is_there() -> None:
    for name in at.__all__:
        assert callable(getattr(at, name)), name


def test_a_panel_and_a_population_are_had_by_name() -> None:
    panel = at.load_panel("melanoma_synthetic")
    assert panel.synthetic
    assert panel.source == "melanoma_synthetic.csv"
    assert at.load_population("pdxe_cm").sizes["draw"] == 500
    with pytest.raises(at.InputError, match="melanoma_synthetic"):
        at.load_panel("melanoma")
    with pytest.raises(at.InputError, match="pdxe_cm"):
        at.load_population("melanoma")


def test_a_cohort_is_what_its_design_asks_for() -> None:
    """Replicates, seed, tumour type and number of avatars are the design's, not to be said again."""
    population = at.load_population("pdxe_cm")
    design = at.load_design("columbus_melanoma").model_copy(update={"replicates": 3})
    cohort = at.cohort_for(population, design)
    same = at.cohort_from_population(population, 3, seed=design.seed, tumor_type="CM", n_avatars=99)
    assert cohort.avatars == same.avatars
    np.testing.assert_array_equal(cohort.log_kill, same.log_kill)
    arms = [arm.model_copy(update={"name": "vemurafenib"}) for arm in design.arms[:1]]
    with pytest.raises(at.InputError, match="vemurafenib"):
        at.cohort_for(population, design.model_copy(update={"arms": arms}))


def test_a_posterior_tells_its_own_stamp(tree: xr.DataTree, tmp_path: Path) -> None:
    """Written without a stamp it is read by the commands if its gates passed, and refused if not."""
    at.write_netcdf(tree, tmp_path / "good.nc")
    assert read_posterior(tmp_path / "good.nc").attrs["model_card"] == "graded_kill"
    tree.attrs["gates"] = json.dumps(PASSED | {"passed": [False]})
    at.write_netcdf(tree, tmp_path / "bad.nc")
    with pytest.raises(StampError, match="did not pass its convergence gates"):
        read_posterior(tmp_path / "bad.nc")


def test_a_population_is_made_of_a_posterior_that_was_not_written_yet() -> None:
    frozen = at.read_netcdf(Path(__file__).parents[1] / "fixtures" / "frozen_posterior.nc", kind="posterior")
    del frozen.attrs["stamp"]
    assert "avatar" not in at.population_of(frozen).dims
    gates = json.loads(frozen.attrs["gates"])
    frozen.attrs["gates"] = json.dumps(gates | {"passed": [False] * len(gates["passed"])})
    with pytest.raises(StampError, match="convergence gates"):
        at.population_of(frozen)
