"""Model cards: which kinetics, with which priors and constants, seen through which caliper, sampled and gated how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field

from avatar_trials.card_parts import (
    FITTING,
    By,
    Card,
    Constant,
    Fraction,
    Number,
    Positive,
    Prior,
    Support,
    Whole,
)


class Observation(Card):
    """Caliper: volumes below `detection_limit_mm3` are left-censored; `diameter_floor_mm3` keeps the error finite;
    visits after `last_day` are left out."""

    detection_limit_mm3: Positive
    diameter_floor_mm3: Positive
    last_day: Positive | None = None


class Sampling(Card):
    """How the posterior is sampled (nutpie's NUTS)."""

    chains: Annotated[Whole, Field(ge=2, le=64)] = 4
    tune: Annotated[Whole, Field(ge=100)] = 1000
    draws: Annotated[Whole, Field(ge=50)] = 2000
    target_accept: Fraction = 0.9


class Gates(Card):
    """What a posterior must pass, over all parameters. `divergences` is a share of the draws kept."""

    r_hat: Annotated[Number, Field(gt=1)] = 1.01
    ess_bulk: Positive = 400
    ess_tail: Positive = 400
    divergences: Annotated[Number, Field(ge=0, lt=1)] = 0.001
    e_bfmi: Positive = 0.3


TWO_CLONE_PRIORS: dict[str, tuple[Support, By]] = {
    "mu_r": ("real", None),
    "omega_r": ("positive", None),
    "sigma_g": ("positive", None),
    "slowing": ("real", "drug"),
    "slowing_overlap": ("share", None),
    "mu_k": ("real", "drug"),
    "omega_k": ("positive", None),
    "h2": ("share", None),
    "sigma_k": ("positive", None),
    "beta_growth": ("real", None),
    "biomarker_kill": ("real", "drug"),
    "eta": ("real", None),
    "mu_q": ("real", None),
    "omega_q": ("positive", None),
    "cross_resistance": ("share", None),
    "sigma_q_combination": ("positive", None),
    "mu_v": ("real", None),
    "sigma_v": ("positive", None),
    "deceleration": ("positive", None),
    "delta": ("positive", None),
    "sigma_p": ("positive", None),
    "wander": ("positive", None),
}
TWO_CLONE_CONSTANTS: dict[str, Support] = {
    "growth_mouse_sd": "positive",
    "resistance_mouse_sd": "positive",
    "clearance_per_day": "positive",
    "resistance_bend": "real",
}
GRADED_KILL_PRIORS: dict[str, tuple[Support, By]] = {
    "mu_r": ("real", None),
    "omega_r_type": ("positive", None),
    "omega_r": ("positive", None),
    "mu_slowing": ("real", "drug"),
    "omega_slowing": ("positive", None),
    "slowing_overlap": ("share", None),
    "mu_k": ("real", "drug"),
    "omega_k_type": ("positive", None),
    "omega_k": ("positive", None),
    "omega_k_of_drug": ("positive", "drug"),
    "h2": ("share", None),
    "sigma_k": ("positive", None),
    "beta_growth": ("real", None),
    "biomarker_kill": ("real", "drug"),
    "mu_spread": ("real", "drug"),
    "omega_spread": ("positive", None),
    "sigma_spread_combination": ("positive", None),
    "eta": ("real", None),
    "cross_resistance": ("share", None),
    "mu_v": ("real", None),
    "sigma_v": ("positive", None),
    "deceleration": ("positive", None),
    "delta": ("positive", None),
    "sigma_p": ("positive", None),
    "wander": ("positive", None),
    "omega_wander": ("positive", None),
}
GRADED_KILL_CONSTANTS: dict[str, Support] = {
    "growth_mouse_sd": "positive",
    "spread_mouse_sd": "positive",
    "eta_combination_sd": "positive",
}
BY_CLASS = ("mu_k", "mu_slowing")
KINETICS: dict[str, tuple[dict[str, tuple[Support, By]], dict[str, Support]]] = {
    "two_clone": (TWO_CLONE_PRIORS, TWO_CLONE_CONSTANTS),
    "graded_kill": (GRADED_KILL_PRIORS, GRADED_KILL_CONSTANTS),
}
"""Kinetics -> its parameters: what each can be (any number, above 0, in 0 to 1) and whether each drug has its own; and
its constants."""


class ModelCard(Card):
    """Which kinetics, with which priors and constants, seen through which caliper, sampled and gated how."""

    schema_version: Literal[1]
    name: str
    title: str
    kinetics: Literal["two_clone", "graded_kill"]
    observation: Observation
    constants: dict[str, Constant]
    priors: dict[str, Prior]
    biomarker: str = "braf_mutant"
    drug_classes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    class_share: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    known_misses: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    gates: Gates = Gates()
    sha256: str = ""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> ModelCard:
        priors, constants = KINETICS[self.kinetics]
        kinds: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = (
            ("prior", self.priors, priors),
            ("constant", self.constants, constants),
        )
        for kind, given, wanted in kinds:
            missing = [name for name in wanted if name not in given]
            unknown = [name for name in given if name not in wanted]
            if missing or unknown:
                raise ValueError(
                    f"{kind}s of kinetics {self.kinetics}: missing {', '.join(missing) or 'none'}; "
                    f"unknown {', '.join(unknown) or 'none'}"
                )
        unfit = [
            *(
                problem
                for name in priors
                if (problem := _unfit_prior(name, self.priors[name], *priors[name]))
            ),
            *(
                f"{name} must be above 0, got {self.constants[name].value:g}"
                for name, support in constants.items()
                if support == "positive" and self.constants[name].value <= 0
            ),
        ]
        if unfit:
            raise ValueError("; ".join(unfit))
        return self

    @pydantic.field_validator("drug_classes")
    @classmethod
    def _one_class_each(cls, classes: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        folded = [drug.casefold() for drugs in classes.values() for drug in drugs]
        twice = sorted({drug for drug in folded if folded.count(drug) > 1})
        if twice:
            raise ValueError(f"a drug has one class; in several: {', '.join(twice)}")
        return classes

    def drug_correlation(self, drugs: Sequence[str]) -> NDArray[np.float64]:
        """Correlation (drug, drug) of the means of log kill and of log slowing: `class_share` within a class."""
        class_of = {drug.casefold(): name for name, named in self.drug_classes.items() for drug in named}
        classes = [class_of.get(drug.casefold(), f"{drug}, alone") for drug in drugs]
        same = np.equal.outer(np.array(classes, dtype=object), np.array(classes, dtype=object))
        return np.where(np.eye(len(drugs), dtype=bool), 1.0, self.class_share * same)

    def share_a_class(self, drugs: Sequence[str]) -> bool:
        """Whether two of `drugs` are correlated by their class."""
        correlation = self.drug_correlation(drugs)
        return bool((correlation != np.eye(len(drugs))).any())

    def prior_draw(self, name: str, drugs: Sequence[str], rng: np.random.Generator) -> NDArray[np.float64]:
        """One draw of a parameter from its prior: (1,), or (drug,) where each drug has its own."""
        prior = self.priors[name]
        if name not in BY_CLASS or not self.share_a_class(drugs):
            return prior.draws(len(drugs) if prior.by == "drug" else 1, rng)
        deviates = np.linalg.cholesky(self.drug_correlation(drugs)) @ rng.standard_normal(len(drugs))
        return prior.location + prior.scale * deviates

    def constant(self, name: str) -> float:
        """Value of a fixed number."""
        return self.constants[name].value


def _unfit_prior(name: str, prior: Prior, support: Support, by: By) -> str:
    problems = []
    if prior.distribution not in FITTING[support]:
        problems.append(f"has a {prior.distribution} prior, must be {' or '.join(FITTING[support])}")
    if prior.by != by:
        problems.append('must have by = "drug"' if by else f"must not have by = {prior.by!r}")
    return f"{name} {' and '.join(problems)}" if problems else ""
