"""How a trial is decided: what is compared, by which tests, when it stops early, and what is worth finding."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import pydantic
from pydantic import Field

from avatar_trials.card_parts import Arm, Card, Fraction, Number, Whole

Endpoint = Literal["ORR", "depth", "doubling"]
ENDPOINTS: tuple[Endpoint, ...] = ("ORR", "depth", "doubling")
UNITS: dict[str, str] = {
    "ORR": "share of evaluable mice that respond",
    "depth": "percentage points of median depth of response",
    "doubling": "days of restricted mean time to doubling, up to the horizon",
}
"""What a difference of two arms is in, larger is better."""


class Worth(Card):
    """The true advantage over a single agent from which a combination is worth taking forward; units as `UNITS`."""

    endpoint: Endpoint = "ORR"
    """ORR, depth or doubling"""
    at_least: Number = 0.15
    """least true advantage: a share (ORR), percentage points (depth) or days (doubling)"""


class Look(Card):
    """An interim look for futility at the first avatars, `at_share` of all, once their outcomes are complete.

    A combination stops where its observed advantage over the better of its single agents is below `stop_below`.
    """

    at_share: Fraction
    """share of the avatars whose outcomes are looked at"""
    endpoint: Endpoint = "ORR"
    """ORR, depth or doubling"""
    stop_below: Number
    """a combination stops where its observed advantage over its better single agent is below this; units
    as of worth"""


class Selector(Card):
    """An assay that lets avatars in by a biomarker: those it calls positive, rightly or wrongly."""

    sensitivity: Annotated[Number, Field(gt=0, le=1)]
    """share of carriers that the assay lets in"""
    specificity: Annotated[Number, Field(ge=0, le=1)]
    """share of the others that it keeps out"""

    def carriers(self, share: float) -> float:
        """Share of carriers among avatars let in, of those screened `share`."""
        return self.sensitivity * share / self.positive(share)

    def positive(self, share: float) -> float:
        """Share of avatars screened that are let in."""
        return self.sensitivity * share + (1.0 - self.specificity) * (1.0 - share)


class Decision(Card):
    """What a sweep asks of a design's trials.

    Each of `combinations` (by default every arm of several drugs) is compared with those arms that are one of its
    drugs alone; tests are one-sided at `alpha`, and a combination goes forward where it beats them all. `multiplicity`
    is over combinations. `mice_per_avatar` in every arm; tests take the avatar for the unit.
    """

    combinations: tuple[Arm, ...] = ()
    """combinations that are judged; without it every arm of several drugs"""
    alpha: Annotated[Number, Field(gt=0, lt=0.5)] = 0.05
    """one-sided level of each test"""
    orr_test: Literal["mcnemar", "fisher"] = "mcnemar"
    """test of ORR: mcnemar (paired by avatar) or fisher"""
    depth_test: Literal["signed_rank"] = "signed_rank"
    """test of depth of response: signed_rank (Wilcoxon, paired by avatar)"""
    doubling_test: Literal["paired_logrank", "logrank", "logrank_stratified"] = "paired_logrank"
    """test of time to doubling: paired_logrank, logrank or logrank_stratified (by avatar)"""
    multiplicity: Literal["none", "bonferroni", "holm"] = "none"
    """over combinations: none, bonferroni or holm"""
    mice_per_avatar: Annotated[Whole, Field(ge=1, le=20)] = 1
    """mice of an avatar in every arm"""
    worth: Worth = Worth()
    """true advantage from which a combination is worth finding"""
    looks: tuple[Look, ...] = ()
    """interim looks for futility"""
    selector: Selector | None = None
    """an assay that lets avatars in by a biomarker"""

    @pydantic.field_validator("looks")
    @classmethod
    def _in_order(cls, looks: tuple[Look, ...]) -> tuple[Look, ...]:
        if any(b.at_share <= a.at_share for a, b in itertools.pairwise(looks)):
            raise ValueError("looks come one after the other: at_share must increase")
        return looks

    @pydantic.model_validator(mode="after")
    def _units(self) -> Decision:
        problems = [
            f"{where} of ORR is a share, at most 1 (0.15 is 15 percentage points), got {value:g}"
            for where, endpoint, value in [
                ("worth.at_least", self.worth.endpoint, self.worth.at_least),
                *((f"stop_below of look {i + 1}", look.endpoint, look.stop_below) for i, look in enumerate(self.looks)),
            ]
            if endpoint == "ORR" and abs(value) > 1
        ]  # fmt: skip
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def test_of(self, endpoint: str) -> str:
        """The test by which arms are compared on an endpoint."""
        return {"ORR": self.orr_test, "depth": self.depth_test, "doubling": self.doubling_test}[endpoint]
