"""What every card is made of: numbers that are checked, distributions, and the parameters they fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from avatar_trials.arms import canonical_arm
from avatar_trials.kinetics.families import Family

SHAPES = {
    "normal": "N({0:g}, {1:g})",
    "lognormal": "LN(median {0:g}, log-SD {1:g})",
    "beta": "Beta({0:g}, {1:g})",
    "logitnormal": "logit-N(median {0:g}, logit-SD {1:g})",
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


class Card(BaseModel):
    """Frozen, strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Distribution(Card):
    """A distribution. `location`, `scale`: mean, SD (normal); median, log-SD (lognormal); a, b (beta); median, SD of
    the logit (logitnormal, of what is assumed alone)."""

    distribution: str
    """normal, lognormal or beta; of what is assumed alone, also logitnormal"""
    location: Number
    """mean (normal), median (lognormal, logitnormal) or a (beta)"""
    scale: Positive
    """SD (normal), log-SD (lognormal), SD of the logit (logitnormal) or b (beta)"""
    unit: str
    """unit of the number, in words"""
    meaning: str
    """what the number is, in words"""
    source: str
    """where the number is from, or: assumed"""

    @pydantic.model_validator(mode="after")
    def _positive_location(self) -> Self:
        if self.distribution != "normal" and self.location <= 0:
            raise ValueError(
                f"location of a {self.distribution} prior must be above 0, got {self.location:g}"
            )
        if self.distribution == "logitnormal" and self.location >= 1:
            raise ValueError(
                f"location of a logitnormal law is a share between 0 and 1, got {self.location:g}"
            )
        return self

    def draws(self, size: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draws (size,)."""
        if self.distribution == "normal":
            return rng.normal(self.location, self.scale, size)
        if self.distribution == "lognormal":
            return rng.lognormal(np.log(self.location), self.scale, size)
        if self.distribution == "logitnormal":
            odds = np.exp(rng.normal(np.log(self.location / (1.0 - self.location)), self.scale, size))
            return odds / (1.0 + odds)
        return rng.beta(self.location, self.scale, size)

    def __str__(self) -> str:
        return SHAPES[self.distribution].format(self.location, self.scale)


class Law(Distribution):
    """A distribution that a sampler knows."""

    distribution: Literal["normal", "lognormal", "beta"]
    """normal, lognormal or beta"""

    @property
    def law(self) -> Any:
        """The distribution as SciPy has it, frozen."""
        from scipy import stats

        if self.distribution == "normal":
            return stats.norm(self.location, self.scale)
        if self.distribution == "lognormal":
            return stats.lognorm(self.scale, scale=self.location)
        return stats.beta(self.location, self.scale)


class Prior(Law):
    """Prior of one parameter of a model card."""

    by: By = None
    """"drug" where each drug has a number of its own; fixed by the kinetics"""


class Assumed(Distribution):
    """What a scenario assumes of a parameter: one draw a replicate trial, or one for each avatar."""

    distribution: Literal["normal", "lognormal", "beta", "logitnormal"]
    """normal, lognormal, beta or logitnormal"""
    by: Literal["avatar"] | None = None
    """"avatar" for one draw for each avatar; without it one for each replicate trial"""


class Constant(Card):
    """A number that the data cannot tell and the card fixes."""

    value: Number
    """the number"""
    unit: str
    """unit of the number, in words"""
    meaning: str
    """what the number is, in words"""
    source: str
    """where the number is from, or: assumed"""


FITTING: dict[Support, tuple[str, ...]] = {
    "real": ("normal", "lognormal", "beta"),
    "positive": ("lognormal", "beta"),
    "share": ("beta",),
}

RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "real": (lambda value: True, "a number"),
    "positive": (lambda value: value > 0, "above 0"),
    "not negative": (lambda value: value >= 0, "0 or above"),
    "share": (lambda value: 0 <= value <= 1, "between 0 and 1"),
}


def unfit(family: Family, given: Mapping[str, Any] | None) -> list[str]:
    """What is wrong with a family's parameters as a design gives them: missing, unknown, out of range."""
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
