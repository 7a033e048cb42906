"""Trial designs: cohort, arms and their courses, scenario, visits, stopping rules, endpoints, patients."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import pydantic
from pydantic import Field

from avatar_trials.arms import UNTREATED, canonical_arm, drugs_of
from avatar_trials.card_parts import Arm, Assumed, Card, Fraction, Number, Positive, Whole, unfit
from avatar_trials.decision_rules import Decision
from avatar_trials.kinetics.families import MECHANISMS
from avatar_trials.patient_cards import Patients


class ArmSpec(Card):
    """One arm: its drugs joined by `+`, or `untreated`.

    `course`: pairs of a day and the dose fraction from then on, the first on day 0, for a treatment that is not
    constant; such an arm has a `label`, as its mice are not those of the arm that was measured.
    """

    name: Arm
    """drugs joined by +, in any order, or untreated"""
    label: str = ""
    """what tables call an arm that has a course of its own"""
    course: tuple[tuple[Annotated[Number, Field(ge=0)], Annotated[Number, Field(ge=0, le=1)]], ...] = (
        (0.0, 1.0),
    )
    """pairs of a day and the dose fraction from then on (1 is full dose), the first on day 0; without it
    full dose throughout"""

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


class Visits(Card):
    """When the caliper comes: gaps in days, repeated until the horizon."""

    gaps_days: tuple[Positive, ...] = (3.0, 4.0)
    """days from one visit to the next, over and over"""
    horizon_days: Annotated[Number, Field(ge=10, le=1000)]
    """last day of the trial"""

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


class Removal(Card):
    """Hazard of leaving the study at a visit, by observed volume relative to baseline, for reasons other than size.

    None before `from_day`. `from_relative_volume[j]` to the next one: `hazard_per_day[j]`. Mice are taken out more
    often as they progress, so that censoring is not independent of progression, in the emulated trial as in the
    observed one.
    """

    from_day: Annotated[Number, Field(ge=0)] = 0.0
    """day before which no mouse is removed"""
    from_relative_volume: tuple[Annotated[Number, Field(ge=0)], ...]
    """lower limits of the bands of volume over baseline, the first 0"""
    hazard_per_day: tuple[Annotated[Number, Field(ge=0)], ...]
    """hazard of removal in each band, per day"""
    source: str
    """where the hazards are from, in words"""

    @pydantic.model_validator(mode="after")
    def _bands(self) -> Removal:
        edges = self.from_relative_volume
        if len(edges) != len(self.hazard_per_day) or not edges or edges[0] != 0:
            raise ValueError("from_relative_volume starts at 0 and has one hazard_per_day for each entry")
        if any(b <= a for a, b in itertools.pairwise(edges)):
            raise ValueError("from_relative_volume must increase")
        return self


class Stopping(Card):
    """Why a mouse leaves: size on the caliper, or removal, which a tumour type may have of its own."""

    size_mm3: Positive
    """a mouse whose tumour is read above this volume leaves, mm3"""
    removal: Removal
    """removal for other reasons than size"""
    removal_of_type: dict[str, Removal] = Field(default_factory=dict)
    """removal of a tumour type of its own, by its name"""

    @pydantic.field_validator("removal_of_type")
    @classmethod
    def _one_each(cls, of_type: dict[str, Removal]) -> dict[str, Removal]:
        folded = [name.casefold() for name in of_type]
        if len(set(folded)) < len(folded):
            raise ValueError("a tumour type is given twice (capitals do not matter)")
        return of_type

    def of_type(self, tumor_type: str) -> Stopping:
        """The rules for avatars of one tumour type: its own removal, or `removal` where it has none."""
        own = {name.casefold(): removal for name, removal in self.removal_of_type.items()}
        removal = own.get(tumor_type.casefold(), self.removal)
        return self.model_copy(update={"removal": removal, "removal_of_type": {}})


class Endpoints(Card):
    """The named rules under which emulated and observed mice are read."""

    mrecist_rule: Literal["gao2015_text", "pct_sheet", "xeva"]
    """gao2015_text (the paper's text), pct_sheet (reproduces the published calls) or xeva (as the R
    package of that name)"""
    doubling: Literal["pct_sheet", "log_linear"] = "pct_sheet"
    """time to doubling: pct_sheet (linear between visits, as published) or log_linear"""
    level: Fraction = 0.9
    """probability that every interval holds"""


class Biomarker(Card):
    """A fact of avatars by which outcomes are read apart: a covariate `column`, in which any of the values `positive`
    (several of one avatar are divided by `;`) makes a carrier, in avatars of `tumor_type`.

    `calibrated`: the model card's biomarker is this one, so that its carriers have a mean kill of their own.
    """

    name: str
    """what tables call it"""
    column: str
    """the column of the volumes, or of a table of covariates, that tells it"""
    positive: Annotated[tuple[str, ...], Field(min_length=1)]
    """values that make an avatar a carrier"""
    tumor_type: str
    """the tumour type in which it is read"""
    calibrated: bool = False
    """whether it is the model card's biomarker, whose carriers have a mean kill of their own"""
    source: str
    """where it is from, in words"""


class DoseInCombinations(Card):
    """In arms of several drugs given to avatars of `tumor_type`, `drug` was given at the dose that the volumes have as
    the single agent `given_as`."""

    tumor_type: str
    """the tumour type whose combinations these are"""
    drug: str
    """the drug as the volumes name it in combinations"""
    given_as: str
    """the single agent of the same dose, as the volumes name it"""
    source: str
    """where it is from, in words"""


class Cohort(Card):
    """Whose tumours: the calibrated avatars of a tumour type or of several, from an embedded panel unless volumes are
    given.

    `n_avatars` and `biomarker_share` are of new avatars drawn from a population; without them both are those of the
    avatars that the population was calibrated on.
    """

    panel: str
    """embedded synthetic panel, used unless volumes are given"""
    tumor_type: str | Annotated[tuple[str, ...], Field(min_length=1)]
    """tumour type of the avatars, or a list of several"""
    n_avatars: Annotated[Whole, Field(ge=1, le=10_000)] | None = None
    """new avatars in a trial, where they are drawn from a population; without it as many as it was
    calibrated on"""
    biomarker_share: Annotated[Number, Field(ge=0, le=1)] | None = None
    """share of new avatars with the population's biomarker; without it that of the avatars it was
    calibrated on"""
    biomarkers: tuple[Biomarker, ...] = ()
    """facts of avatars by which outcomes are read apart"""
    doses_in_combinations: tuple[DoseInCombinations, ...] = ()
    """drugs that were given at another dose in combinations than alone"""

    @pydantic.model_validator(mode="after")
    def _biomarkers_of_the_cohort(self) -> Cohort:
        known = {name.casefold() for name in self.tumor_types}
        strange = [one.name for one in self.biomarkers if one.tumor_type.casefold() not in known]
        if strange:
            raise ValueError(
                f"biomarker {', '.join(strange)} is of a tumour type that the cohort does not have"
            )
        names = [one.name.casefold() for one in self.biomarkers]
        if len(set(names)) < len(names):
            raise ValueError("two biomarkers have the same name")
        if sum(one.calibrated for one in self.biomarkers) > 1:
            raise ValueError("a model card calibrates one biomarker, and two say calibrated = true")
        return self

    @property
    def tumor_types(self) -> tuple[str, ...]:
        """The tumour types, one or several."""
        return (self.tumor_type,) if isinstance(self.tumor_type, str) else self.tumor_type


class Mechanism(Card):
    """Scenario: what is added to calibrated avatars that their volumes did not tell. Each parameter is a number or a
    law to draw it from. Which parameters there are: kinetics.families.MECHANISMS."""

    persistence: dict[str, Number | Assumed] | None = None
    """cells that switch to a tolerant state under drug, and back without it; wants a card with clones, as two_clone"""
    niche: dict[str, Number | Assumed] | None = None
    """a compartment that protects from drug; wants a card with clones"""
    resistance: dict[str, Number | Assumed] | None = None
    """what resistance costs, and how it arises; wants a card with clones"""
    exposure: dict[str, Number | Assumed] | None = None
    """how much of the drug reaches the tumour"""
    chance: dict[str, Number | Assumed] | None = None
    """clones of whole cells, that may die out"""
    source: str
    """where the numbers are from, or: assumed"""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> Mechanism:
        problems = [
            problem for name, family in MECHANISMS.items() for problem in unfit(family, getattr(self, name))
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


class TrialDesign(Card):
    """A one-mouse-per-avatar trial: cohort, arms, visits, stopping rules, endpoints, replicates and seed."""

    schema_version: Literal[1]
    """version of this kind of card"""
    name: str
    """name of the design, which results carry"""
    title: str
    """one line for lists and reports"""
    question: str
    """what the trial is to answer; the report begins with it"""
    model: str
    """model card: a name of the library, or a .toml file beside this one"""
    seed: Annotated[Whole, Field(ge=0, lt=2**128)]
    """every random number follows from it"""
    replicates: Annotated[Whole, Field(ge=1, le=100_000)]
    """replicate trials, each with a posterior draw of its own"""
    cohort: Cohort
    """whose tumours"""
    arms: tuple[ArmSpec, ...] = Field(min_length=1)
    """arms, one mouse an avatar in each"""
    visits: Visits
    """when the caliper comes"""
    stopping: Stopping
    """why a mouse leaves the study"""
    endpoints: Endpoints
    """named rules by which mice are read"""
    mechanism: Mechanism | None = None
    """a scenario: what volumes do not tell, assumed"""
    patients: Patients | None = None
    """a scenario: the patients behind the avatars, assumed"""
    decision: Decision = Decision()
    """how a sweep decides the design's trials"""
    sha256: str = ""

    @pydantic.field_validator("arms")
    @classmethod
    def _distinct(cls, arms: tuple[ArmSpec, ...]) -> tuple[ArmSpec, ...]:
        names = [arm.shown.casefold() for arm in arms]
        twice = sorted({arm.shown for arm in arms if names.count(arm.shown.casefold()) > 1})
        if twice:
            raise ValueError(f"arm {twice[0]!r} is given twice (the order of drugs does not matter)")
        return arms

    @pydantic.field_validator("stopping")
    @classmethod
    def _removal_of_the_cohort(cls, stopping: Stopping, info: pydantic.ValidationInfo) -> Stopping:
        types = info.data["cohort"].tumor_types if "cohort" in info.data else ()
        known = {name.casefold() for name in types}
        strange = [name for name in stopping.removal_of_type if name.casefold() not in known]
        if known and strange:
            raise ValueError(
                f"removal_of_type names {', '.join(strange)}; the cohort's tumour types are {', '.join(types)}"
            )
        return stopping

    @pydantic.field_validator("decision")
    @classmethod
    def _compares_arms(cls, decision: Decision, info: pydantic.ValidationInfo) -> Decision:
        names = {arm.shown.casefold() for arm in info.data.get("arms", ())}
        problems = [
            f"combination {name!r} is no arm of the design"
            for name in decision.combinations
            if names and name.casefold() not in names
        ]
        problems += [
            f"{name!r} is no combination" for name in decision.combinations if len(drugs_of(name)) < 2
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return decision

    def compared(self) -> dict[str, tuple[str, ...]]:
        """Combinations of `decision`, or every arm of several drugs -> arms that are one of its drugs alone; those of
        constant treatment, and only combinations with such an arm."""
        constant = {arm.name.casefold(): arm.name for arm in self.arms if not arm.label}
        asked = self.decision.combinations or tuple(
            name for name in constant.values() if len(drugs_of(name)) > 1
        )
        found = {
            constant[name.casefold()]: tuple(
                constant[canonical_arm(drug).casefold()]
                for drug in drugs_of(name)
                if canonical_arm(drug).casefold() in constant
            )
            for name in asked
            if name.casefold() in constant
        }
        return {name: alone for name, alone in found.items() if alone}

    @property
    def arm_names(self) -> list[str]:
        """Arms as tables show them, in the design's order."""
        return [arm.shown for arm in self.arms]

    @property
    def measured_arms(self) -> list[str]:
        """Canonical arms whose mice calibrate the design: those of constant treatment behind every course."""
        return list(dict.fromkeys(arm.name for arm in self.arms))

    @property
    def doubts(self) -> list[tuple[tuple[str, ...], str, str]]:
        """What is odd about a design that can be used: (place of the key, what, fix)."""
        found: list[tuple[tuple[str, ...], str, str]] = []
        if len(self.arms) == 1:
            what = f"one arm only, {self.arms[0].shown}: there is nothing to compare it with"
            found.append((("arms", "0"), what, "Add an arm, untreated or another"))
        horizon = self.visits.horizon_days
        for number, arm in enumerate(self.arms):
            late = [day for day, _ in arm.course if day >= horizon]
            if late:
                what = f"the dose of {arm.shown!r} changes on day {late[0]:g}, when the trial has ended"
                fix = f"The horizon is day {horizon:g}: lengthen it, or end the course before"
                found.append((("arms", str(number), "course"), what, fix))
        return found
