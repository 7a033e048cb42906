"""Strata by a biomarker: who carries it, and that a stratum is read from its own avatars' draws and mice alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_trials.designs import Biomarker
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.evidence.combinations import Combination, study_of
from avatar_trials.evidence.strata import Strata, strata_of, stratum_rows
from avatar_trials.intake.covariates import with_carriers
from avatar_trials.problems import InputError
from tests.combination_panel import panel

MARKER = Biomarker(name="G", column="G", positive=("mutated", "1"), tumor_type="cm", source="s")
STUDY = study_of(panel(), rule="pct_sheet")
COMBINATION: Combination = STUDY.combinations[0]
AVATARS = COMBINATION.mice.avatars


def outcomes(seed: int) -> ArmOutcomes:
    rng = np.random.default_rng(seed)
    shape = (30, len(AVATARS))
    return ArmOutcomes(
        category=rng.choice(np.array(["CR", "PR", "SD", "PD"]), shape),
        depth_pct=rng.uniform(-100, 50, shape),
        time_days=rng.uniform(5, 60, shape),
        doubled=rng.random(shape) < 0.6,
    )


@pytest.mark.parametrize(
    ("cell", "place"),
    [
        ("mutated", "carriers"),
        ("Amp5;Mutated", "carriers"),
        (1.0, "carriers"),
        ("0", "others"),
        (0.0, "others"),
        ("unmutated", "others"),
        ("", "neither"),
        (float("nan"), "neither"),
        (" ; ", "neither"),
    ],
)
def test_who_is_a_carrier(cell: object, place: str) -> None:
    strata = strata_of(pd.DataFrame({"G": [cell]}, index=["X-1"]), MARKER)
    found = "carriers" if strata.carriers else "others" if strata.others else "neither"
    assert found == place


@settings(max_examples=20)
@given(st.integers(0, 999), st.sets(st.sampled_from(AVATARS), min_size=1))
def test_a_stratum_does_not_know_the_other_avatars(seed: int, carriers: set[str]) -> None:
    strata = Strata("G", "CM", frozenset(carriers), frozenset())
    drawn, here = outcomes(seed), np.isin(AVATARS, sorted(carriers))
    other = ArmOutcomes(
        category=np.where(here, drawn.category, "CR"),
        depth_pct=drawn.depth_pct,
        time_days=np.where(here, drawn.time_days, 3.0),
        doubled=drawn.doubled,
    )
    first, second = (stratum_rows(COMBINATION, {"p": one}, [strata], "") for one in (drawn, other))
    pd.testing.assert_frame_equal(first, second)
    rate = first.set_index("quantity").loc["ORR_pct"]
    assert rate["n_avatars"] == len(carriers)
    assert rate["lower_90"] <= rate["predicted"] <= rate["upper_90"]
    responded = np.isin(COMBINATION.mice.combination.category[0][here], ["CR", "PR"])
    assert rate["observed"] == pytest.approx(100.0 * responded.mean())


def test_a_biomarker_of_another_tumour_type_has_no_rows() -> None:
    strata = Strata("G", "CRC", frozenset(AVATARS), frozenset())
    assert len(stratum_rows(COMBINATION, {"p": outcomes(1)}, [strata], "")) == 0


def test_carriers_enter_a_table_by_name_and_only_in_their_tumour_type() -> None:
    table = panel()
    types = ["CRC", "CM", "cm", "CM", *["CM"] * (len(table.avatars) - 4)]
    typed = replace(table, avatars=table.avatars.assign(tumor_type=types))
    names = list(typed.avatars.index)
    facts = pd.DataFrame({"G": ["mutated", "mutated", "0"]}, index=[names[0], names[2], names[3]])
    joined = with_carriers(typed, MARKER, facts.iloc[::-1], "braf_mutant")
    np.testing.assert_array_equal(joined.avatars["braf_mutant"].iloc[:5], [0.0, np.nan, 1.0, 0.0, np.nan])
    assert joined.sha256 == typed.sha256
    other = with_carriers(typed, MARKER, facts.assign(G=["mutated", "0", "mutated"]), "braf_mutant")
    assert len({typed.covariates_sha256, joined.covariates_sha256, other.covariates_sha256}) == 3


def test_a_biomarker_that_all_avatars_have_alike_is_refused() -> None:
    facts = pd.DataFrame({"G": "mutated"}, index=panel().avatars.index)
    with pytest.raises(InputError, match=r"\[S11\] biomarker G: its effect cannot be calibrated"):
        with_carriers(panel(), MARKER, facts, "braf_mutant")
