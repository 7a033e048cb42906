"""Rules of treatment as a design declares them: which there are, and what each may say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

import pydantic
from pydantic import Field

from avatar_trials.arms import drugs_of
from avatar_trials.card_parts import Arm, Card, Number, Positive

Dose = Annotated[Number, Field(gt=0, le=1)]


class _Rule(Card):
    @property
    def needs(self) -> tuple[str, ...]:
        """Parts of [monitoring] that the rule decides by, beside the caliper."""
        return ()

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms that the rule gives."""
        return ()

    @property
    def named_clones(self) -> tuple[str, ...]:
        """Clones that the rule asks for."""
        return ()

    def problems(self, drugs: Iterable[str], clones: Iterable[str]) -> Iterator[str]:
        """What does not fit the design's drugs and clones, in words."""
        known, there = list(drugs), list(clones)
        for drug in dict.fromkeys(drug for arm in self.arms for drug in drugs_of(arm)):
            if drug not in known:
                yield f"gives {drug!r}, which is no drug of [tumour.drugs]: {', '.join(known)}"
        for clone in self.named_clones:
            if clone not in there:
                yield f"asks for clone {clone!r}; the clones are {', '.join(there)}"


class ConstantRule(_Rule):
    """One arm throughout, at `dose` of full dose."""

    kind: Literal["constant"]
    """constant: one arm throughout"""
    arm: Arm
    """drugs joined by +, or untreated"""
    dose: Dose = 1.0
    """dose fraction"""

    @property
    def arms(self) -> tuple[str, ...]:
        return (self.arm,)


class SequentialRule(_Rule):
    """Line after line, at observed progression."""

    kind: Literal["sequential"]
    """sequential: the next line at observed progression"""
    lines: Annotated[tuple[Arm, ...], Field(min_length=2, max_length=10)]
    """arms, line by line"""
    dose: Dose = 1.0
    """dose fraction"""

    @property
    def arms(self) -> tuple[str, ...]:
        return self.lines


class IntermittentRule(_Rule):
    """On and off by the calendar."""

    kind: Literal["intermittent"]
    """intermittent: on and off by the calendar"""
    arm: Arm
    """drugs joined by +"""
    on_days: Positive
    """days on drug"""
    off_days: Positive
    """days off drug"""
    dose: Dose = 1.0
    """dose fraction"""

    @property
    def arms(self) -> tuple[str, ...]:
        return (self.arm,)


class AdaptiveRule(_Rule):
    """Off at `stop_at` of the baseline, on again at `restart_at`."""

    kind: Literal["adaptive"]
    """adaptive: off when small, on when regrown"""
    arm: Arm
    """drugs joined by +"""
    stop_at: Positive = 0.5
    """share of the baseline at which drug stops"""
    restart_at: Positive = 1.0
    """share of the baseline at which it starts again"""
    dose: Dose = 1.0
    """dose fraction"""

    @property
    def arms(self) -> tuple[str, ...]:
        return (self.arm,)

    @pydantic.model_validator(mode="after")
    def _apart(self) -> AdaptiveRule:
        if self.stop_at >= self.restart_at:
            raise ValueError(f"stop_at {self.stop_at:g} must be below restart_at {self.restart_at:g}")
        return self


class ResidualDiseaseRule(_Rule):
    """`then` for good once volume or plasma is below a limit, or `at_progression`, `first` until then."""

    kind: Literal["residual_disease"]
    """residual_disease: another arm at minimal residual disease"""
    first: Arm
    """arm given first"""
    then: Arm
    """arm given for good afterwards"""
    below_mm3: Positive | None = None
    """volume that triggers it, mm3"""
    below_molecules: Positive | None = None
    """molecules in a plasma sample that trigger it"""
    at_progression: bool = False
    """whether progression triggers it too"""
    dose: Dose = 1.0
    """dose fraction"""

    @property
    def arms(self) -> tuple[str, ...]:
        return (self.first, self.then)

    @property
    def needs(self) -> tuple[str, ...]:
        return () if self.below_molecules is None else ("plasma",)

    @pydantic.model_validator(mode="after")
    def _triggered(self) -> ResidualDiseaseRule:
        if self.below_mm3 is None and self.below_molecules is None:
            raise ValueError("needs below_mm3, below_molecules, or both")
        return self


class MutationRule(_Rule):
    """`answers`: arm by clone, given for good once `assay` finds the clone; `otherwise` after progression without."""

    kind: Literal["mutation"]
    """mutation: an answer to a clone that an assay finds"""
    first: Arm
    """arm given first"""
    answers: Annotated[dict[str, Arm], Field(min_length=1)]
    """arm by clone, given for good once the clone is found"""
    assay: Literal["plasma", "biopsy"] = "plasma"
    """plasma or biopsy"""
    otherwise: Arm | None = None
    """arm after progression without a find"""
    dose: Dose = 1.0
    """dose fraction"""

    @property
    def arms(self) -> tuple[str, ...]:
        return (self.first, *self.answers.values(), *(() if self.otherwise is None else (self.otherwise,)))

    @property
    def named_clones(self) -> tuple[str, ...]:
        return tuple(self.answers)

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.assay,)


class RechallengeRule(_Rule):
    """The same arm again after a holiday from the first progression on, with `between` in it."""

    kind: Literal["rechallenge"]
    """rechallenge: the same arm again after a holiday"""
    arm: Arm
    """drugs joined by +"""
    holiday_days: Positive
    """days of the holiday, from the first progression on"""
    between: Arm = "untreated"
    """arm in the holiday"""
    dose: Dose = 1.0
    """dose fraction"""

    @property
    def arms(self) -> tuple[str, ...]:
        return (self.arm, self.between)


class DeEscalationRule(_Rule):
    """`first` upfront, `then` for good from `after_days` on or at `at_relative` of the baseline."""

    kind: Literal["de_escalation"]
    """de_escalation: fewer drugs later"""
    first: Arm
    """arm given first"""
    then: Arm
    """arm given for good afterwards"""
    after_days: Positive | None = None
    """day from which it is given"""
    at_relative: Positive | None = None
    """share of the baseline at which it is given"""
    dose: Dose = 1.0
    """dose fraction"""

    @property
    def arms(self) -> tuple[str, ...]:
        return (self.first, self.then)

    @pydantic.model_validator(mode="after")
    def _triggered(self) -> DeEscalationRule:
        if self.after_days is None and self.at_relative is None:
            raise ValueError("needs after_days, at_relative, or both")
        return self


class CurrentPrecisionRule(_Rule):
    """The drug for the clone that predominates, the others at relapse (Beckman 2012), by the typical tumour."""

    kind: Literal["current_precision"]
    """current_precision: the drug for the clone that predominates, others at relapse"""
    period_days: Positive = 45.0
    """days between decisions"""
    detected_cells: Positive = 1e9
    """cells at which a relapse is seen"""

    @property
    def needs(self) -> tuple[str, ...]:
        return ("census",)


class DynamicPrecisionRule(_Rule):
    """The best doses one period ahead (Beckman 2012, Yeang 2016), by the typical tumour; the last clone is the one that
    resists everything. `doses`: dose fractions by drug to choose among; each drug alone and all in equal parts, unless
    told."""

    kind: Literal["dynamic_precision"]
    """dynamic_precision: the best doses one period ahead"""
    period_days: Positive = 45.0
    """days between decisions"""
    variant: Literal["least_total", "least_doubly_resistant", "no_first_doubly_resistant"] = (
        "least_doubly_resistant"
    )
    """least_total, least_doubly_resistant or no_first_doubly_resistant"""
    threshold_cells: Positive = 1e11
    """cells from which the whole tumour counts first"""
    fatal_cells: Positive = 1e13
    """cells at which a patient dies"""
    doses: tuple[tuple[Annotated[Number, Field(ge=0, le=1)], ...], ...] = ()
    """dose fractions by drug to choose among"""

    @property
    def needs(self) -> tuple[str, ...]:
        return ("census",)

    def problems(self, drugs: Iterable[str], clones: Iterable[str]) -> Iterator[str]:
        known = list(drugs)
        for row in self.doses:
            if len(row) != len(known):
                yield f"has doses {list(row)}, and there are {len(known)} drugs: {', '.join(known)}"


Rule = Annotated[
    ConstantRule
    | SequentialRule
    | IntermittentRule
    | AdaptiveRule
    | ResidualDiseaseRule
    | MutationRule
    | RechallengeRule
    | DeEscalationRule
    | CurrentPrecisionRule
    | DynamicPrecisionRule,
    Field(discriminator="kind"),
]
