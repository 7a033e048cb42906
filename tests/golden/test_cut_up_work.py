"""Golden: how the work is cut up says nothing, for avatars of a posterior and for new ones, to the bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import xarray as xr

from avatar_trials.card_files import load_design
from avatar_trials.designs import TrialDesign
from avatar_trials.emulate import (
    Cohort,
    caliper_readings,
    cohort_from_population,
    cohort_from_posterior,
    emulate_trials,
    trial,
)
from avatar_trials.endpoints import readout_trial, tables
from avatar_trials.library import find_card
from avatar_trials.stamp import read_netcdf
from tests.journeys.test_cli import FROZEN

REPLICATES, AVATARS = 9, 7


def calibrated(design: TrialDesign) -> Cohort:
    """Two clones."""
    return cohort_from_posterior(read_netcdf(FROZEN, kind="posterior"), REPLICATES, seed=design.seed)


def drawn(design: TrialDesign) -> Cohort:
    """Graded kill."""
    population = read_netcdf(find_card("populations", "pdxe_cm"), kind="population")
    return cohort_from_population(
        population, REPLICATES, seed=design.seed, tumor_type="CM", n_avatars=AVATARS
    )


@pytest.mark.parametrize("cohort_of", [calibrated, drawn])
@pytest.mark.parametrize(("avatars", "mice", "volumes"), [(1, 8192, 1), (3, 5, 700), (100, 1, 10**9)])
def test_blocks_of_any_size_give_the_same_trial_and_readout(
    monkeypatch: pytest.MonkeyPatch,
    cohort_of: Callable[[TrialDesign], Cohort],
    avatars: int,
    mice: int,
    volumes: int,
) -> None:
    design = load_design("melanoma_braf_mek").model_copy(update={"replicates": REPLICATES})
    cohort = cohort_of(design)
    whole = emulate_trials(cohort, design)
    read = readout_trial(whole, rule="pct_sheet", tau=182.0)
    monkeypatch.setattr(trial, "NUMBERS_AT_A_TIME", avatars * REPLICATES * whole.sizes["visit"])
    monkeypatch.setattr(caliper_readings, "MICE_AT_A_TIME", mice)
    monkeypatch.setattr(tables, "VOLUMES_AT_A_TIME", volumes)
    cut = emulate_trials(cohort, design)
    xr.testing.assert_identical(cut, whole)
    assert readout_trial(cut, rule="pct_sheet", tau=182.0).equals(read)
