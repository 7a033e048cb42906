"""What a benchmark card may say: published numbers of a clinical trial, each with where it is from, frozen."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from avatar_trials.card_parts import Arm, Card, Number, Positive, Whole

Basis = Literal["read", "recomputed", "recalled"]


class Published(Card):
    """A published number with its 95 % limits where there are any. `basis`: read in the source named, recomputed from
    patients by this program, or recalled and not looked up."""

    value: Number
    lower: Number | None = None
    upper: Number | None = None
    basis: Basis
    source: str

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> Published:
        if (self.lower is None) != (self.upper is None):
            raise ValueError("limits come in pairs: lower and upper")
        if self.lower is not None and self.upper is not None and not self.lower <= self.value <= self.upper:
            raise ValueError("a published value lies between its limits")
        return self


class BenchmarkArm(Card):
    """One arm: patients, share that responded, median deepest change (%, on the card's scale), months of median PFS."""

    name: Arm
    n: Annotated[Whole, Field(ge=1)] | None = None
    orr: Published | None = None
    depth_pct: Published | None = None
    median_pfs_months: Published | None = None


class BenchmarkRatio(Card):
    """A published hazard ratio of progression or death, `arm` over `reference`."""

    arm: Arm
    reference: Arm
    hazard_ratio: Published


class Benchmark(Card):
    """A clinical trial to hold an emulated one against. `scale`: of its depth; `response`: the criteria of its ORR."""

    schema_version: Literal[1]
    name: str
    title: str
    citation: str
    patients: str
    assessment: str
    response: str
    scale: Literal["diameter", "volume"]
    arms: tuple[BenchmarkArm, ...] = Field(min_length=1)
    hazard_ratios: tuple[BenchmarkRatio, ...] = ()
    days_per_month: Positive = 30.4375
    sha256: str = ""

    @pydantic.model_validator(mode="after")
    def _known_arms(self) -> Benchmark:
        names = [arm.name.casefold() for arm in self.arms]
        if len(set(names)) != len(names):
            raise ValueError("an arm is given twice")
        for ratio in self.hazard_ratios:
            strange = [one for one in (ratio.arm, ratio.reference) if one.casefold() not in names]
            if strange or ratio.arm.casefold() == ratio.reference.casefold():
                raise ValueError(
                    f"a hazard ratio is of two arms of the card: got {ratio.arm!r}, {ratio.reference!r}"
                )
        return self
