"""Patients behind avatars: COLUMBUS of the shipped population, lesions that disagree, trials of few avatars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from avatar_trials.card_files import load_benchmark, load_design
from avatar_trials.cli import patients
from avatar_trials.emulate.patient_levels import patient_levels
from avatar_trials.emulate.patients import relative_volumes
from avatar_trials.evidence.avatars_needed import agreement_by_number
from tests.made_patients import a_design, avatars_of, hierarchy

Rows = dict[tuple[Any, ...], dict[str, Any]]


def by(frame: pd.DataFrame, *names: str) -> Rows:
    """Rows of a table by the values of some columns."""
    return {tuple(row[name] for name in names): dict(row) for _, row in frame.iterrows()}


@pytest.fixture(scope="module")
def columbus(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder: Path = tmp_path_factory.mktemp("columbus")
    design = load_design("columbus_melanoma")
    _, found = patients.emulated_with_patients("pdxe_cm", design, folder)
    return patients.held_against(
        load_benchmark("columbus"), found, days_per_mouse_day=None, scale_from=None, level=0.9
    )


def test_columbus_has_its_sign_and_its_order(columbus: pd.DataFrame) -> None:
    """Encorafenib with binimetinib is better than alone in ORR and PFS. Not its size: see the README."""
    rows = by(columbus, "arm", "measure")
    both = "binimetinib + encorafenib"
    for measure in ("ORR", "median_PFS_months"):
        emulated, published = (
            [rows[arm, measure][side] for arm in (both, "encorafenib")] for side in ("emulated", "published")
        )
        assert emulated[0] > emulated[1]
        assert published[0] > published[1]
        assert rows["all", f"order_of_{measure}"]["emulated"] > 0.85
    ratio = rows[both, "hazard_ratio"]
    assert ratio["lower"] < ratio["emulated"] < ratio["upper"] < 1.0
    assert rows[both, "hazard_ratio_same_side_of_1"]["emulated"] > 0.95
    assert ratio["lower"] < ratio["published_upper"]
    assert ratio["published_lower"] < ratio["upper"]


def discordant(correlation: float) -> float:
    """Of patients with a lesion that has lost 30 % of its diameter by day 56: share with another that has grown."""
    population = hierarchy(60, 4)
    avatars = avatars_of(population, 40)
    design = a_design(0.5, 4, lesions=3, lesion_correlation=correlation)
    assert design.patients is not None
    levels = patient_levels(avatars, population, np.zeros((1, 40)), design.patients.parameters, seed=1)
    none = np.zeros(levels.levels.log_r.shape)
    sizes = np.stack(
        [
            relative_volumes(levels.lesion(k), "d3", np.array([56.0]), levels.drawn, none, 1)[..., 0]
            for k in range(3)
        ]
    )
    shrunk, grown = (np.cbrt(sizes) <= 0.7).any(axis=0), (sizes > 1.0).any(axis=0)
    return float((shrunk & grown).sum() / shrunk.sum())


def test_lesions_of_one_patient_disagree_the_more_the_less_they_share() -> None:
    """None where lesions are one tumour; a quarter of patients, as 2 of 8 discordant in plasma, is within reach."""
    shares = [discordant(correlation) for correlation in (1.0, 0.9, 0.6, 0.0)]
    assert shares[0] == 0.0
    assert np.all(np.diff(shares) > 0)
    assert shares[1] < 0.25 < shares[-1]


def test_few_avatars_rank_arms_less_surely_and_tell_no_less_of_one_patient() -> None:
    """Rank correlation of ten arms' ORR is lower at 30 avatars (.82 to .91 as avatars tell more) than at 200; AUC is
    the same and its limits wider as the root of their number; three mice each tell more than one."""
    population = hierarchy(20)
    avatars = avatars_of(population, 200)
    found = agreement_by_number(
        avatars, population, np.zeros((1, 200)), a_design(), numbers=(30, 200), correlations=(0.0, 0.9)
    )
    table = by(found, "measure", "latent_correlation", "mice_per_avatar", "n_avatars")
    for rho, expected in ((0.0, 0.82), (0.9, 0.91)):
        few, many = (table["Spearman_ORR", rho, 1, n] for n in (30, 200))
        assert few["value"] == pytest.approx(expected, abs=0.05)
        assert few["value"] < many["value"]
        assert few["lower"] < many["lower"]
    few, many = (table["AUC", 0.9, 1, n] for n in (30, 200))
    assert few["value"] == pytest.approx(many["value"], abs=0.03)
    wider = (few["upper"] - few["lower"]) / (many["upper"] - many["lower"])
    assert wider == pytest.approx(np.sqrt(200 / 30), rel=0.5)
    assert table["AUC", 0.9, 3, 200]["value"] > many["value"] + 0.02
    assert table["AUC", 0.0, 3, 200]["value"] == pytest.approx(0.5, abs=0.03)
