"""Model cards and trial designs: what they may say, as frozen objects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from avatar_trials.arms import UNTREATED, canonical_arm
from avatar_trials.kinetics.families import MECHANISMS, Family

SHAPES = {
    "normal": "N({0:g}, {1:g})",
    "lognormal": "LN(median {0:g}, log-SD {1:g})",
    "beta": "Beta({0:g}, {1:g})",
}


def _whole(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("expected a whole number")
    return value


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("expected a number")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Fraction = Annotated[Number, Field(gt=0, lt=1)]
Arm = Annotated[str, AfterValidator(canonical_arm)]
Support = Literal["real", "positive", "share"]
By = Literal["drug"] | None


class _Card(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Law(_Card):
    """A distribution. `location`, `scale`: mean, SD (normal); median, log-SD (lognormal); a, b (beta)."""

    distribution: Literal["normal", "lognormal", "beta"]
    location: Number
    scale: Positive
    unit: str
    meaning: str
    source: str

    @pydantic.model_validator(mode="after")
    def _positive_location(self) -> Self:
        if self.distribution != "normal" and self.location <= 0:
            raise ValueError(
                f"location of a {self.distribution} prior must be above 0, got {self.location:g}"
            )
        return self

    def draws(self, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws (size,)."""
        if self.distribution == "normal":
            return rng.normal(self.location, self.scale, size)
        if self.distribution == "lognormal":
            return rng.lognormal(np.log(self.location), self.scale, size)
        return rng.beta(self.location, self.scale, size)

    def __str__(self) -> str:
        return SHAPES[self.distribution].format(self.location, self.scale)


class Prior(Law):
    """Prior of one parameter of a model card."""

    by: By = None


class Assumed(Law):
    """What a scenario assumes of a parameter: one draw a replicate trial, or one for each avatar."""

    by: Literal["avatar"] | None = None


class Constant(_Card):
    """A number that the data cannot tell and the card fixes."""

    value: Number
    unit: str
    meaning: str
    source: str


class Observation(_Card):
    """Caliper: volumes below `detection_limit_mm3` are left-censored; `diameter_floor_mm3` keeps the error finite."""

    detection_limit_mm3: Positive
    diameter_floor_mm3: Positive


class Sampling(_Card):
    """How the posterior is sampled (nutpie's NUTS)."""

    chains: Annotated[Whole, Field(ge=2, le=64)] = 4
    tune: Annotated[Whole, Field(ge=100)] = 1000
    draws: Annotated[Whole, Field(ge=50)] = 2000
    target_accept: Fraction = 0.9


class Gates(_Card):
    """What a posterior must pass, over all parameters. `divergences` is a share of the draws kept."""

    r_hat: Annotated[Number, Field(gt=1)] = 1.01
    ess_bulk: Positive = 400
    divergences: Annotated[Number, Field(ge=0, lt=1)] = 0.001
    e_bfmi: Positive = 0.3


# What each parameter of the kinetics can be (any number, above 0, in 0 to 1), and whether each drug has its own.
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
FITTING: dict[Support, tuple[str, ...]] = {
    "real": ("normal", "lognormal", "beta"),
    "positive": ("lognormal", "beta"),
    "share": ("beta",),
}


class ModelCard(_Card):
    """Which kinetics, with which priors and constants, seen through which caliper, sampled and gated how."""

    schema_version: Literal[1]
    name: str
    title: str
    kinetics: Literal["two_clone"]
    observation: Observation
    constants: dict[str, Constant]
    priors: dict[str, Prior]
    biomarker: str = "braf_mutant"
    known_misses: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    gates: Gates = Gates()
    sha256: str = ""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> ModelCard:
        kinds: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = (
            ("prior", self.priors, TWO_CLONE_PRIORS),
            ("constant", self.constants, TWO_CLONE_CONSTANTS),
        )
        for kind, given, wanted in kinds:
            missing = [name for name in wanted if name not in given]
            unknown = [name for name in given if name not in wanted]
            if missing or unknown:
                raise ValueError(
                    f"{kind}s of kinetics two_clone: missing {', '.join(missing) or 'none'}; "
                    f"unknown {', '.join(unknown) or 'none'}"
                )
        unfit = [
            *(problem for name in TWO_CLONE_PRIORS if (problem := _unfit_prior(name, self.priors[name]))),
            *(
                f"{name} must be above 0, got {self.constants[name].value:g}"
                for name, support in TWO_CLONE_CONSTANTS.items()
                if support == "positive" and self.constants[name].value <= 0
            ),
        ]
        if unfit:
            raise ValueError("; ".join(unfit))
        return self

    def constant(self, name: str) -> float:
        """Value of a fixed number."""
        return self.constants[name].value


def _unfit_prior(name: str, prior: Prior) -> str:
    support, by = TWO_CLONE_PRIORS[name]
    problems = []
    if prior.distribution not in FITTING[support]:
        problems.append(f"has a {prior.distribution} prior, must be {' or '.join(FITTING[support])}")
    if prior.by != by:
        problems.append('must have by = "drug"' if by else f"must not have by = {prior.by!r}")
    return f"{name} {' and '.join(problems)}" if problems else ""


class ArmSpec(_Card):
    """One arm: its drugs joined by `+`, or `untreated`.

    `course`: pairs of a day and the dose fraction from then on, the first on day 0, for a treatment that is not
    constant; such an arm has a `label`, as its mice are not those of the arm that was measured.
    """

    name: Arm
    label: str = ""
    course: tuple[tuple[Annotated[Number, Field(ge=0)], Annotated[Number, Field(ge=0, le=1)]], ...] = (
        (0.0, 1.0),
    )

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> ArmSpec:
        days = [day for day, _ in self.course]
        if not days or days[0] != 0 or any(b <= a for a, b in itertools.pairwise(days)):
            raise ValueError("a course is pairs [day, dose fraction] that start on day 0 and go up in days")
        constant = self.course == ((0.0, 1.0),)
        if constant == bool(self.label.strip()):
            raise ValueError(
                f"a label belongs to an arm with a course of its own: {self.name!r} has one without the other"
            )
        if not constant and self.name == UNTREATED:
            raise ValueError("an untreated arm has no course")
        return self

    @property
    def shown(self) -> str:
        """What the arm is called in tables: its label, or its drugs."""
        return self.label.strip() or self.name


class Visits(_Card):
    """When the caliper comes: gaps in days, repeated until the horizon."""

    gaps_days: tuple[Positive, ...] = (3.0, 4.0)
    horizon_days: Annotated[Number, Field(ge=10, le=1000)]

    @pydantic.field_validator("gaps_days")
    @classmethod
    def _sensible(cls, gaps: tuple[float, ...]) -> tuple[float, ...]:
        if not gaps or min(gaps) < 0.25:
            raise ValueError("gaps between visits must be at least 0.25 days")
        return gaps

    @pydantic.model_validator(mode="after")
    def _someone_comes(self) -> Visits:
        if self.gaps_days[0] > self.horizon_days:
            raise ValueError(
                f"the first visit after day 0 would be on day {self.gaps_days[0]:g}, "
                f"after the horizon of {self.horizon_days:g} days"
            )
        return self


class Removal(_Card):
    """Hazard of leaving the study at a visit, by observed volume relative to baseline, for reasons other than size.

    None before `from_day`. `from_relative_volume[j]` to the next one: `hazard_per_day[j]`. Mice are taken out more
    often as they progress, so that censoring is not independent of progression, in the emulated trial as in the
    observed one.
    """

    from_day: Annotated[Number, Field(ge=0)] = 0.0
    from_relative_volume: tuple[Annotated[Number, Field(ge=0)], ...]
    hazard_per_day: tuple[Annotated[Number, Field(ge=0)], ...]
    source: str

    @pydantic.model_validator(mode="after")
    def _bands(self) -> Removal:
        edges = self.from_relative_volume
        if len(edges) != len(self.hazard_per_day) or not edges or edges[0] != 0:
            raise ValueError("from_relative_volume starts at 0 and has one hazard_per_day for each entry")
        if any(b <= a for a, b in itertools.pairwise(edges)):
            raise ValueError("from_relative_volume must increase")
        return self


class Stopping(_Card):
    """Why a mouse leaves: size on the caliper, or removal."""

    size_mm3: Positive
    removal: Removal


class Endpoints(_Card):
    """The named rules under which emulated and observed mice are read."""

    mrecist_rule: Literal["gao2015_text", "pct_sheet", "xeva"]
    doubling: Literal["pct_sheet", "log_linear"] = "pct_sheet"
    level: Fraction = 0.9


class Cohort(_Card):
    """Whose tumours: the calibrated avatars of a tumour type, from an embedded panel unless volumes are given."""

    panel: str
    tumor_type: str


class Mechanism(_Card):
    """Scenario: what is added to calibrated avatars that their volumes did not tell. Each parameter is a number or a
    law to draw it from. Which parameters there are: kinetics.families.MECHANISMS."""

    persistence: dict[str, Number | Assumed] | None = None
    niche: dict[str, Number | Assumed] | None = None
    resistance: dict[str, Number | Assumed] | None = None
    exposure: dict[str, Number | Assumed] | None = None
    chance: dict[str, Number | Assumed] | None = None
    source: str

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Mechanism:
        problems = [
            problem for name, family in MECHANISMS.items() for problem in _unfit(family, getattr(self, name))
        ]
        if self.chance is not None and (self.persistence is not None or self.niche is not None):
            problems.append("chance follows clones that do not switch: not beside persistence or niche")
        if problems:
            raise ValueError("; ".join(problems))
        if not self.parts:
            raise ValueError(f"names no mechanism; known are {', '.join(MECHANISMS)}")
        return self

    @property
    def words(self) -> str:
        """What the scenario adds, in words, for everything that is read off it."""
        told = [
            f"{name} ({', '.join(f'{key} {value}' for key, value in values.items())})"
            for name, values in self.parts.items()
        ]
        return f"{'; '.join(told)}. Source: {self.source}. Assumed, not calibrated on any mouse"

    @property
    def parts(self) -> dict[str, dict[str, float | Assumed]]:
        """Mechanism -> its parameters, those not given at their defaults."""
        given = {name: getattr(self, name) for name in MECHANISMS if getattr(self, name) is not None}
        return {
            name: {p.name: values.get(p.name, p.default) for p in MECHANISMS[name].parameters}
            for name, values in given.items()
        }


RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "real": (lambda value: True, "a number"),
    "positive": (lambda value: value > 0, "above 0"),
    "not negative": (lambda value: value >= 0, "0 or above"),
    "share": (lambda value: 0 <= value <= 1, "between 0 and 1"),
}


def _unfit(family: Family, given: dict[str, Any] | None) -> list[str]:
    if given is None:
        return []
    known = {parameter.name: parameter for parameter in family.parameters}
    missing = [p.name for p in family.parameters if p.default is None and p.name not in given]
    problems = [f"{family.name} needs {name} ({known[name].unit}: {known[name].meaning})" for name in missing]
    for name, value in given.items():
        if name not in known:
            problems.append(f"{family.name} has no {name}; it has {', '.join(known)}")
            continue
        support = known[name].support
        if isinstance(value, Assumed):
            if (
                support != "real"
                and value.distribution not in FITTING["share" if support == "share" else "positive"]
            ):
                problems.append(f"{family.name} {name} cannot have a {value.distribution} prior")
        elif not RANGES[support][0](value):
            problems.append(f"{family.name} {name} must be {RANGES[support][1]}, got {value:g}")
    return problems


class TrialDesign(_Card):
    """A one-mouse-per-avatar trial: cohort, arms, visits, stopping rules, endpoints, replicates and seed."""

    schema_version: Literal[1]
    name: str
    title: str
    question: str
    model: str
    seed: Annotated[Whole, Field(ge=0, lt=2**128)]
    replicates: Annotated[Whole, Field(ge=1, le=100_000)]
    cohort: Cohort
    arms: tuple[ArmSpec, ...] = Field(min_length=1)
    visits: Visits
    stopping: Stopping
    endpoints: Endpoints
    mechanism: Mechanism | None = None
    sha256: str = ""

    @pydantic.field_validator("arms")
    @classmethod
    def _distinct(cls, arms: tuple[ArmSpec, ...]) -> tuple[ArmSpec, ...]:
        names = [arm.shown.casefold() for arm in arms]
        twice = sorted({arm.shown for arm in arms if names.count(arm.shown.casefold()) > 1})
        if twice:
            raise ValueError(f"arm {twice[0]!r} is given twice (the order of drugs does not matter)")
        return arms

    @property
    def arm_names(self) -> list[str]:
        """Arms as tables show them, in the design's order."""
        return [arm.shown for arm in self.arms]

    @property
    def measured_arms(self) -> list[str]:
        """Canonical arms whose mice calibrate the design: those of constant treatment behind every course."""
        return list(dict.fromkeys(arm.name for arm in self.arms))
