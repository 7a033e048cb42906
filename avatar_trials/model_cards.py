"""Model cards: which kinetics, with which priors and constants, seen through which caliper, sampled and gated how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    visits after `last_day` are left out, and mice whose first volume is beyond `start_within_factor` of the median."""

    detection_limit_mm3: Positive
    """volume below which a reading only says: too small to measure, mm3"""
    diameter_floor_mm3: Positive
    """added to the volume before its diameter is taken, which keeps the error finite, mm3"""
    last_day: Positive | None = None
    """later visits are left out; without it none is"""
    start_within_factor: Annotated[Number, Field(gt=1)] | None = None
    """mice whose first volume is further than this factor from the median are left out; without it none is"""


class Sampling(Card):
    """How the posterior is sampled (nutpie's NUTS): trajectories of 2^min_depth to 2^max_depth leapfrog steps.

    Between the two they end at their first U-turn. Equal depths make all of one length, which is Hamiltonian Monte
    Carlo with the state drawn from the whole trajectory (Betancourt 2017, arXiv:1701.02434).
    """

    chains: Annotated[Whole, Field(ge=2, le=64)] = 4
    """chains of the sampler"""
    tune: Annotated[Whole, Field(ge=100, le=100_000)] = 1000
    """tuning draws of a chain, not kept"""
    draws: Annotated[Whole, Field(ge=50, le=100_000)] = 2000
    """draws of a chain that are kept"""
    target_accept: Fraction = 0.9
    """acceptance that the step size is tuned to"""
    min_depth: Annotated[Whole, Field(ge=0, le=14)] = 0
    """trajectories have at least 2 to this power steps"""
    max_depth: Annotated[Whole, Field(ge=4, le=14)] = 10
    """trajectories have at most 2 to this power steps"""

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> Sampling:
        if self.min_depth > self.max_depth:
            raise ValueError(f"min_depth {self.min_depth} must not be above max_depth {self.max_depth}")
        return self


class Gates(Card):
    """What a posterior must pass, over all parameters. `divergences` is a share of the draws kept."""

    r_hat: Annotated[Number, Field(gt=1)] = 1.01
    """R-hat of every parameter is below this"""
    ess_bulk: Positive = 400
    """bulk effective sample size of every parameter is above this"""
    ess_tail: Positive = 400
    """tail effective sample size of every parameter is above this"""
    divergences: Annotated[Number, Field(ge=0, lt=1)] = 0.001
    """share of draws kept that may diverge"""
    e_bfmi: Positive = 0.3
    """E-BFMI of every chain is above this"""


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
    "omega_slowing_of_drug": ("positive", "drug"),
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
    "omega_deceleration": ("positive", None),
}
GRADED_KILL_CONSTANTS: dict[str, Support] = {
    "growth_mouse_sd": "positive",
    "spread_mouse_sd": "positive",
    "eta_combination_sd": "positive",
}
BY_CLASS = ("mu_k", "mu_slowing")
OF_SEVERAL_TYPES = ("omega_r_type", "omega_k_type")
_OF_SPREAD = ("mu_spread", "omega_spread", "sigma_spread_combination", "cross_resistance", "spread_mouse_sd")
ONE_KILL_PRIORS = {name: kind for name, kind in GRADED_KILL_PRIORS.items() if name not in _OF_SPREAD}
ONE_KILL_CONSTANTS = {name: kind for name, kind in GRADED_KILL_CONSTANTS.items() if name not in _OF_SPREAD}
KINETICS: dict[str, tuple[dict[str, tuple[Support, By]], dict[str, Support]]] = {
    "two_clone": (TWO_CLONE_PRIORS, TWO_CLONE_CONSTANTS),
    "graded_kill": (GRADED_KILL_PRIORS, GRADED_KILL_CONSTANTS),
    "claret": (GRADED_KILL_PRIORS, GRADED_KILL_CONSTANTS),
    "exponential": (ONE_KILL_PRIORS, ONE_KILL_CONSTANTS),
    "stein_fojo": (ONE_KILL_PRIORS, ONE_KILL_CONSTANTS),
}
"""Kinetics -> its parameters: what each can be (any number, above 0, in 0 to 1) and whether each drug has its own; and
its constants."""

Fixable = Literal["deceleration", "wander", "slowing"]
FIXABLE: dict[Fixable, tuple[str, ...]] = {
    "deceleration": ("deceleration", "omega_deceleration"),
    "wander": ("wander", "omega_wander"),
    "slowing": ("slowing", "mu_slowing", "omega_slowing", "omega_slowing_of_drug", "slowing_overlap"),
}
"""Constants that a card may give in place of the priors named: for every avatar, drug and arm the one number."""


class ModelCard(Card):
    """Which kinetics, with which priors and constants, seen through which caliper, sampled and gated how."""

    schema_version: Literal[1]
    """version of this kind of card"""
    name: Annotated[str, Field(pattern=r"^[^/\\]+$")]
    """name of the card, which results carry"""
    title: str
    """one line for lists and reports"""
    extends: str = ""
    """library card whose values stand where this card has none; without it the card says everything itself"""
    kinetics: Literal["two_clone", "graded_kill", "claret", "exponential", "stein_fojo"]
    """equations: two_clone, graded_kill, claret, exponential or stein_fojo"""
    deceleration_law: Literal["power", "gompertz"] = "power"
    """how growth slows with size: power or gompertz"""
    observation: Observation
    """the caliper"""
    constants: dict[str, Constant]
    """numbers that the data cannot tell, by name"""
    priors: dict[str, Prior]
    """prior of each parameter, by name"""
    biomarker: str = "braf_mutant"
    """column of the volumes, 0 or 1, that may change a drug's kill"""
    drug_classes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """drugs of one class, by its name: their means are correlated"""
    class_share: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """correlation of the means of log kill, and of log slowing, of two drugs of a class"""
    known_misses: tuple[str, ...] = ()
    """what the model is known to get wrong; every report says it"""
    sampling: Sampling = Sampling()
    """how the posterior is sampled"""
    gates: Gates = Gates()
    """what a posterior must pass"""
    sha256: str = ""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> ModelCard:
        priors, constants = parameters_of(self.kinetics, self.constants)
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
            *(
                f"{name} must not be below 0, got {self.constants[name].value:g}"
                for name, support in fixable_of(self.kinetics).items()
                if name in self.constants and self.constants[name].value < 0 and support != "real"
            ),
        ]
        if self.drug_classes and self.class_share > 0:
            if self.kinetics == "two_clone":
                unfit.append("drug_classes: kinetics two_clone know no classes of drugs")
            unfit += [
                f"{name} must have a normal prior, as drugs of a class are correlated"
                for name in BY_CLASS
                if name in priors and self.priors[name].distribution != "normal"
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

    def fixed(self, name: Fixable) -> float | None:
        """What the card fixes in place of priors, None where it is learnt."""
        return self.constants[name].value if name in self.constants else None

    @property
    def fixed_parameters(self) -> dict[str, float]:
        """Parameters (of the posterior of a card that learns them) that the card fixes."""
        return fixed_parameters({name: constant.value for name, constant in self.constants.items()})


def fixable_of(kinetics: str) -> dict[Fixable, Support | Literal["not negative"]]:
    """What a card may fix, and what it can be: the two clones' slowing is a factor of either sign, on the logarithm."""
    kinds: dict[Fixable, Support | Literal["not negative"]] = dict.fromkeys(FIXABLE, "not negative")
    return kinds | {"slowing": "real"} if kinetics == "two_clone" else kinds


def fixed_parameters(constants: Mapping[str, float]) -> dict[str, float]:
    """Parameters that a card's constants fix: with one slowing for all, several drugs slow as much as one."""
    fixed = {name: constants[name] for name in FIXABLE if name in constants}
    return fixed | ({"slowing_overlap": 0.0} if "slowing" in fixed else {})


def parameters_of(
    kinetics: str, constants: Iterable[str]
) -> tuple[dict[str, tuple[Support, By]], dict[str, Support]]:
    """Priors and constants of kinetics for a card with these `constants`, some of which stand for priors."""
    priors, needed = KINETICS[kinetics]
    fixed = [name for name in FIXABLE if name in constants]
    replaced = {prior for name in fixed for prior in FIXABLE[name]}
    return (
        {name: kind for name, kind in priors.items() if name not in replaced},
        needed | dict.fromkeys(fixed, "real"),
    )


INHERITED = ("kinetics", "deceleration_law", "biomarker", "drug_classes", "class_share")
INHERITED_TABLES = ("priors", "constants", "observation", "sampling", "gates")
"""What a card that extends another need not say: these keys as a whole, and within these tables key by key."""


def inherit(parent: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Content of a card that extends another: its own keys, and the parent's where it has none.

    Key by key within `[observation]`, `[sampling]` and `[gates]`; priors and constants one by one, each as a whole. The
    parent's name, title and known misses are not taken over, nor priors that the card fixes or its kinetics lack.
    """
    card: dict[str, Any] = {name: parent[name] for name in INHERITED if name in parent} | dict(own)
    constants, priors = _mapping(own, "constants"), _mapping(own, "priors")
    learnt = {name for name, replaced in FIXABLE.items() if any(prior in priors for prior in replaced)}
    taken = {name: value for name, value in parent["constants"].items() if name not in learnt}
    kinetics = card["kinetics"] if card["kinetics"] in list(KINETICS) else parent["kinetics"]
    wanted = parameters_of(kinetics, [*taken, *constants])
    from_parent = {
        "priors": {name: value for name, value in parent["priors"].items() if name in wanted[0]},
        "constants": {name: value for name, value in taken.items() if name in wanted[1]},
        **{name: parent.get(name, {}) for name in INHERITED_TABLES[2:]},
    }
    for table, values in from_parent.items():
        if isinstance(own.get(table, {}), Mapping):
            card[table] = dict(values) | dict(_mapping(own, table))
    return card


def _mapping(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A table of a card's content; none where something else stands there, which is told when the card is checked."""
    table = content.get(name, {})
    return table if isinstance(table, Mapping) else {}


def _unfit_prior(name: str, prior: Prior, support: Support, by: By) -> str:
    problems = []
    if prior.distribution not in FITTING[support]:
        problems.append(f"has a {prior.distribution} prior, must be {' or '.join(FITTING[support])}")
    if prior.by != by:
        problems.append('must have by = "drug"' if by else f"must not have by = {prior.by!r}")
    return f"{name} {' and '.join(problems)}" if problems else ""
