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
    """the published number"""
    lower: Number | None = None
    """lower 95 % limit"""
    upper: Number | None = None
    """upper 95 % limit"""
    basis: Basis
    """read (in the source named), recomputed (from patients, by this program) or recalled (not looked up)"""
    source: str
    """where the number stands"""

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
    """drugs joined by +, as in a design"""
    n: Annotated[Whole, Field(ge=1)] | None = None
    """patients"""
    orr: Published | None = None
    """share that responded, by the card's criteria"""
    depth_pct: Published | None = None
    """median deepest change from baseline, %, on the card's scale"""
    median_pfs_months: Published | None = None
    """median progression-free survival, months"""


class BenchmarkRatio(Card):
    """A published hazard ratio of progression or death, `arm` over `reference`."""

    arm: Arm
    """arm of the ratio"""
    reference: Arm
    """arm that it is compared with"""
    hazard_ratio: Published
    """hazard ratio of progression or death"""


class Benchmark(Card):
    """A clinical trial to hold an emulated one against. `scale`: of its depth; `response`: the criteria of its ORR."""

    schema_version: Literal[1]
    """version of this kind of card"""
    name: str
    """name of the card, which results carry"""
    title: str
    """one line for lists"""
    citation: str
    """the publication"""
    patients: str
    """who was treated, in words"""
    assessment: str
    """how progression was assessed, in words"""
    response: str
    """criteria of response"""
    scale: Literal["diameter", "volume"]
    """depth of response by diameter or by volume"""
    arms: tuple[BenchmarkArm, ...] = Field(min_length=1)
    """arms with their published numbers"""
    hazard_ratios: tuple[BenchmarkRatio, ...] = ()
    """published hazard ratios"""
    days_per_month: Positive = 30.4375
    """days in a month"""
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
