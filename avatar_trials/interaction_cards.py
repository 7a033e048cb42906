"""What an interaction card may say: pathways of drugs, priors of their interaction, its grid; frozen."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field

from avatar_trials.arms import drugs_of
from avatar_trials.card_parts import FITTING, Card, Law, Number, Support, Whole
from avatar_trials.drug_names import drug_key

PRIORS: dict[str, Support] = {
    "eta": "real",
    "eta_relation": "real",
    "eta_combination_sd": "positive",
    "eta_type_sd": "positive",
    "shift": "real",
}
SAME, PARALLEL, UNRELATED, UNKNOWN = "same pathway", "parallel pathways", "unrelated pathways", "unknown"
RELATIONS = (SAME, PARALLEL, UNRELATED, UNKNOWN)


class Grid(Card):
    """Points at which an interaction is tried: log exponents from `eta[0]` to `eta[1]`, the last of them hindrance."""

    eta: tuple[Number, Number]
    """first and last log exponent of the grid"""
    eta_steps: Annotated[Whole, Field(ge=3, le=200)]
    """points of the grid"""
    hindrance_beyond: Number
    """log exponent beyond which drugs hinder one another"""
    hindrance: Annotated[Number, Field(ge=0)]
    """log units of kill lost for each unit beyond it"""

    @pydantic.model_validator(mode="after")
    def _ascending(self) -> Grid:
        if not self.eta[0] < self.eta[1]:
            raise ValueError(f"eta goes up from its first to its second number, got {self.eta}")
        return self

    @property
    def etas(self) -> NDArray[np.float64]:
        """Log exponents (eta,)."""
        return np.linspace(*self.eta, self.eta_steps)

    def hindrance_at(self, eta: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how many log units (...) each drug of a combination works less beside the others."""
        return self.hindrance * np.maximum(eta - self.hindrance_beyond, 0.0)


class Verdict(Card):
    """From which probability on a verdict says more than that an arm is explained by independent action."""

    probability: Annotated[Number, Field(gt=0.5, lt=1)]
    """from this probability on the verdict says more than independent action, or worse"""
    source: str
    """where it is from, in words"""


class InteractionCard(Card):
    """Which pathway each drug is on, which pathways run in parallel, and the priors of interactions."""

    schema_version: Literal[1]
    """version of this kind of card"""
    name: Annotated[str, Field(pattern=r"^[^/\\]+$")]
    """name of the card, which results carry"""
    title: str
    """one line for lists"""
    source: str
    """where the pathways are from, in words"""
    pathways: dict[str, tuple[str, ...]]
    """drugs on a pathway, by its name"""
    parallel: tuple[tuple[str, str], ...] = ()
    """pairs of pathways that run in parallel"""
    priors: dict[str, Law]
    """priors of interactions, by name"""
    grid: Grid
    """log exponents that are tried"""
    verdict: Verdict
    """when a combination is called more than independent action"""
    sha256: str = ""

    @pydantic.field_validator("pathways")
    @classmethod
    def _one_pathway_each(cls, pathways: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        folded = [drug_key(drug) for drugs in pathways.values() for drug in drugs]
        twice = sorted({drug for drug in folded if folded.count(drug) > 1})
        if twice:
            raise ValueError(f"a drug is on one pathway; on several: {', '.join(twice)}")
        return pathways

    @pydantic.model_validator(mode="after")
    def _complete(self) -> InteractionCard:
        unfit = [f"prior {name} is missing" for name in PRIORS if name not in self.priors]
        unfit += [f"unknown prior {name}" for name in self.priors if name not in PRIORS]
        unfit += [
            f"{name} has a {law.distribution} prior, must be {' or '.join(FITTING[PRIORS[name]])}"
            for name, law in self.priors.items()
            if name in PRIORS and law.distribution not in FITTING[PRIORS[name]]
        ]
        strange = sorted({name for pair in self.parallel for name in pair} - set(self.pathways))
        unfit += [f"parallel names {name}, which is no pathway of the card" for name in strange]
        if unfit:
            raise ValueError("; ".join(unfit))
        return self

    def relation(self, arm: str) -> str:
        """Relation (RELATIONS) of an arm's drugs: the closest of any two of them."""
        path_of = {drug_key(drug): name for name, drugs in self.pathways.items() for drug in drugs}
        parallel = {frozenset(pair) for pair in self.parallel}
        paths = [path_of.get(drug_key(drug)) for drug in drugs_of(arm)]
        found = {
            UNKNOWN
            if a is None or b is None
            else SAME
            if a == b
            else PARALLEL
            if frozenset((a, b)) in parallel
            else UNRELATED
            for a, b in itertools.combinations(paths, 2)
        }
        return next((name for name in RELATIONS if name in found), UNKNOWN)
