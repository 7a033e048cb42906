"""A made-up hierarchy of ten drugs of rising strength, its avatars and their patients, for tests of agreement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from avatar_trials.designs import TrialDesign
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.hierarchy import Population, avatar_deviates, drawn_cohort
from avatar_trials.emulate.mice import luck
from avatar_trials.patient_cards import Patients

MOUSE_SD = 0.5


def hierarchy(n_trials: int = 30, n_drugs: int = 10) -> Population:
    """Log kills about means that rise from drug to drug, SD 1 between avatars and 0.5 between their mice."""
    each = {
        "mu_r": np.log(0.06),
        "omega_r": 0.3,
        "h2": 0.4,
        "wander": 0.02,
        "omega_wander": 0.1,
        "omega_k": 1.0,
        "mu_spread": -3.0,
        "omega_spread": 0.1,
        "sigma_k": MOUSE_SD,
        "beta_growth": 0.0,
        "slowing_overlap": 0.5,
        "eta": 0.0,
        "cross_resistance": 0.5,
        "sigma_spread_combination": 0.3,
        "mu_v": 5.3,
        "sigma_v": 0.15,
        "deceleration": 0.2,
        "delta": 0.2,
        "sigma_p": 0.03,
        "omega_slowing": 0.1,
    }
    values = {name: np.full(n_trials, value) for name, value in each.items()}
    values["mu_k"] = np.tile(np.linspace(np.log(0.03), np.log(0.12), n_drugs), (n_trials, 1))
    values["omega_k_of_drug"] = np.ones((n_trials, n_drugs))
    values["mu_slowing"] = np.full((n_trials, n_drugs), -3.0)
    values["mu_spread"] = np.full((n_trials, n_drugs), -3.0)
    return Population(
        kinetics="graded_kill",
        drugs=tuple(f"d{number}" for number in range(n_drugs)),
        values=values,
        draw=np.arange(n_trials),
        constants={"growth_mouse_sd": 0.1, "spread_mouse_sd": 0.1, "eta_combination_sd": 0.1},
        detection_limit_mm3=15.0,
        diameter_floor_mm3=5.0,
        combinations=(),
        eta_combination=np.zeros(0),
    )


def bare(population: Population) -> Population:
    """Avatars that differ in kill alone (SD 1), their mice by MOUSE_SD more, read without error at every size."""
    still = ("omega_r", "wander", "omega_wander", "omega_spread", "omega_slowing", "delta", "sigma_p")
    return replace(
        population,
        values=population.values | {name: np.full(len(population.draw), 1e-9) for name in still},
        constants=population.constants | {"growth_mouse_sd": 1e-9, "spread_mouse_sd": 1e-9},
        detection_limit_mm3=1e-9,
    )


def avatars_of(population: Population, n: int, seed: int = 3) -> Cohort:
    names = [f"A{number:03d}" for number in range(n)]
    deviates = avatar_deviates(names, len(population.draw), luck(seed, "avatars"))
    return drawn_cohort(population, names, np.zeros((1, n)), deviates)


def a_design(rho: float = 0.5, n_drugs: int = 10, *, lesions: int = 1, **assumed: float) -> TrialDesign:
    """Ten single drugs, ten weeks of mice, patients every 8 weeks for 2 years, without an error of reading."""
    given = {"latent_correlation": rho, "days_per_mouse_day": 4.0, "sld_error": 0.0} | assumed
    hazard = {"from_relative_volume": [0.0], "hazard_per_day": [0.0], "source": "made up"}
    return TrialDesign.model_validate(
        {
            "schema_version": 1,
            "name": "made",
            "title": "made",
            "question": "?",
            "model": "graded_kill",
            "seed": 5,
            "replicates": 30,
            "cohort": {"panel": "none", "tumor_type": "CM"},
            "arms": [{"name": f"d{number}"} for number in range(n_drugs)],
            "visits": {"gaps_days": [7], "horizon_days": 84},
            "stopping": {"size_mm3": 1500, "removal": hazard},
            "endpoints": {"mrecist_rule": "gao2015_text"},
            "patients": Patients(
                source="made up", lesions=lesions, assessment_days=56, horizon_days=700, assumed=given
            ).model_dump(exclude_none=True),
        }
    )
