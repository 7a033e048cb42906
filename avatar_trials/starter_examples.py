"""What a starter file shows for keys whose card says nothing: examples, none of them a recommendation."""

from __future__ import annotations

from typing import Any

from avatar_trials.card_parts import Card
from avatar_trials.decision_rules import Decision, Look, Selector
from avatar_trials.designs import (
    ArmSpec,
    Biomarker,
    Cohort,
    DoseInCombinations,
    Mechanism,
    Removal,
    Stopping,
    TrialDesign,
)
from avatar_trials.model_cards import ModelCard, Observation
from avatar_trials.patient_cards import Patients
from avatar_trials.strategy_designs import (
    BiopsySpec,
    CheckSpec,
    Monitoring,
    PlasmaSpec,
    Scoring,
    StrategyDesign,
    StrategyStopping,
    ToxicitySpec,
)
from avatar_trials.tumour_cards import MutationSpec, NicheSpec, PersistenceSpec, TumourSpec, TypeSpec

ASSUMED = "assumed"
_REMOVAL = Removal(
    from_day=21, from_relative_volume=(0.0, 2.0), hazard_per_day=(0.003, 0.09), source="an example"
)


def examples_for(card: Card) -> dict[tuple[type[Card], str], Any]:
    """(class, key) -> example, with the card's own tumour types, drugs and clones in it."""
    if isinstance(card, TrialDesign):
        return _of_design(card)
    if isinstance(card, StrategyDesign):
        return _of_strategies(card)
    return {
        (Observation, "last_day"): 182.0,
        (Observation, "start_within_factor"): 2.0,
        (ModelCard, "known_misses"): ("an example: doublings of the slowest arm come too early",),
    }


def _of_design(design: TrialDesign) -> dict[tuple[type[Card], str], Any]:
    tumor_type = design.cohort.tumor_types[0]
    carriers = Biomarker(
        name="BRAF mutant", column="braf_mutant", positive=("1",), tumor_type=tumor_type, source="an example"
    )
    mechanism = Mechanism(
        persistence={"induced": 0.001, "woken": 0.1, "share": 0.003},
        niche={"share": 0.05, "protection": 0.5},
        resistance={"fitness_cost": 0.1},
        exposure={"penetration": 0.8},
        source=ASSUMED,
    )
    assumed = {"latent_correlation": 0.5, "days_per_mouse_day": 3.5}
    return {
        (ArmSpec, "label"): "an example: days 28 to 42 without drug",
        (ArmSpec, "course"): ((0.0, 1.0), (28.0, 0.0), (42.0, 1.0)),
        (Cohort, "n_avatars"): 40,
        (Cohort, "biomarker_share"): 0.5,
        (Cohort, "biomarkers"): (carriers,),
        (Cohort, "doses_in_combinations"): (
            DoseInCombinations(
                tumor_type=tumor_type, drug="one drug", given_as="one drug, low dose", source="an example"
            ),
        ),
        (Stopping, "removal_of_type"): {tumor_type: _REMOVAL},
        (TrialDesign, "mechanism"): mechanism,
        (TrialDesign, "patients"): Patients(source=ASSUMED, assumed=assumed),
        (Decision, "looks"): (Look(at_share=0.5, stop_below=0.0),),
        (Decision, "selector"): Selector(sensitivity=0.9, specificity=0.95),
    }


def _of_strategies(design: StrategyDesign) -> dict[tuple[type[Card], str], Any]:
    drug, clones = design.drugs[0], design.clones
    first, last = clones[0], clones[-1]
    return {
        (Monitoring, "plasma"): PlasmaSpec(every_days=14, sampled_share=0.1, source=ASSUMED),
        (Monitoring, "biopsy"): BiopsySpec(regions=2, source=ASSUMED),
        (BiopsySpec, "presence"): {last: 0.5},
        (StrategyDesign, "toxicity"): ToxicitySpec(source=ASSUMED),
        (StrategyDesign, "calibrated"): "an example: growth, to untreated mice",
        (StrategyDesign, "predicted"): "an example: the combination, from its single agents",
        (StrategyDesign, "checks"): (
            CheckSpec(
                what="an example",
                strategy=design.strategy_names[0],
                endpoint="ORR",
                least=0.0,
                basis="assumed",
                source=ASSUMED,
            ),
        ),
        (CheckSpec, "than"): design.strategy_names[-1],
        (CheckSpec, "most"): 1.0,
        (StrategyStopping, "removal"): _REMOVAL,
        (Scoring, "landmarks_days"): (84.0, 168.0),
        (Scoring, "reference"): design.reference,
        (TumourSpec, "others_at_most"): 0.9,
        (TumourSpec, "mutations"): (MutationSpec(source=first, to=last, rate=1e-8),),
        (TumourSpec, "persistence"): PersistenceSpec(induced=0.001, woken=0.1),
        (PersistenceSpec, "inducing"): (drug,),
        (PersistenceSpec, "killed_by"): ({drug: 0.0},),
        (PersistenceSpec, "induced_fold"): {drug: 1.0},
        (PersistenceSpec, "woken_fold"): {drug: 1.0},
        (TumourSpec, "niche"): NicheSpec(share=0.05, protection=0.5),
        (NicheSpec, "spares"): (drug,),
        (TumourSpec, "types"): {"an example": TypeSpec(kill={drug: 0.5}, source=ASSUMED)},
    }
