"""Designs that compare strategies on the same avatars: tumours, drugs, strategies, monitoring, toxicity, scoring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import pydantic
from pydantic import Field

from avatar_trials.card_parts import Card, Fraction, Number, Positive, Whole
from avatar_trials.designs import Removal, Visits
from avatar_trials.strategy_rules import Rule
from avatar_trials.tumour_cards import NotNegative, Share, TumourSpec


class CaliperSpec(Card):
    """The caliper: errors as in `kinetics.caliper`, and the volume below which it reads 0."""

    delta_mm: NotNegative = 0.26
    sigma_p: NotNegative = 0.028
    detection_limit_mm3: Positive = 15.0
    diameter_floor_mm3: Positive = 5.0
    wander: NotNegative = 0.0


class PlasmaSpec(Card):
    """Plasma samples every `every_days`: tumour molecules shed by dying cells, counted one by one.

    A clone's mutation is found where its molecules in the sample number `least_molecules` at least and are
    `least_share` of all (the limit of detection as a variant allele fraction), with `sensitivity`; else by mistake,
    with 1 - `specificity`.
    """

    every_days: Positive
    shed_per_death: Positive = 1.4e-4
    deaths_per_cell_day: Positive = 0.136
    cleared_per_day: Positive = 33.3
    sampled_share: Annotated[Number, Field(gt=0, le=1)]
    background_molecules: NotNegative = 0.0
    least_molecules: Positive = 1.0
    least_share: NotNegative = 0.001
    sensitivity: Share = 1.0
    specificity: Share = 1.0
    source: str


class BiopsySpec(Card):
    """Biopsies of `regions` on `days` and, with `at_progression`, when progression is seen.

    A clone of share p is present in a fraction of regions `presence` (by clone; 1 where not named), and seen in a
    region where it is present and `least_share` of the tumour.
    """

    regions: Annotated[Whole, Field(ge=1, le=100)]
    days: tuple[NotNegative, ...] = (0.0,)
    at_progression: bool = True
    presence: dict[str, Share] = Field(default_factory=dict)
    least_share: Share = 0.01
    sensitivity: Share = 1.0
    specificity: Share = 1.0
    source: str


class Monitoring(Card):
    """What is looked at. `census`: a perfect assay of every clone's cells, for rules that were published with one."""

    caliper: CaliperSpec = CaliperSpec()
    plasma: PlasmaSpec | None = None
    biopsy: BiopsySpec | None = None
    census: bool = False


class ToxicitySpec(Card):
    """Body weight that drugs take away, and what is done about it; see `strategies.toxicity` for the law.

    Doses are held at `hold_at_loss_pct` of loss until `resume_at_loss_pct` is regained, and go on at `resume_dose` of
    what the strategy asks for; a mouse at `remove_at_loss_pct` leaves.
    """

    median_loss_pct: NotNegative = 4.94
    median_loss_by_drugs_pct: tuple[NotNegative, ...] = (7.05, 9.38)
    log_sd: NotNegative = 0.63
    days_to_plateau: Positive = 7.0
    hold_at_loss_pct: Positive = 15.0
    resume_at_loss_pct: Positive = 12.0
    resume_dose: Share = 1.0
    remove_at_loss_pct: Positive = 20.0
    source: str

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> ToxicitySpec:
        losses = self.median_loss_by_drugs_pct
        if not losses or sorted(losses) != list(losses):
            raise ValueError(
                f"median_loss_by_drugs_pct is the loss by one drug, by two …, none below the one before, got {losses}"
            )
        if not self.resume_at_loss_pct <= self.hold_at_loss_pct <= self.remove_at_loss_pct:
            raise ValueError("resume_at_loss_pct <= hold_at_loss_pct <= remove_at_loss_pct does not hold")
        return self


class StrategyStopping(Card):
    """Why a mouse leaves: size on the caliper, and removal for other reasons where a hazard is given."""

    size_mm3: Positive
    removal: Removal | None = None


PROGRESSIONS = ("recist_volume", "doubling_of_nadir", "baseline_volume", "doubling")


class Scoring(Card):
    """The observed progression that counts, against the line's own baseline or its nadir, and how differences are told.

    `progression`: recist_volume (V >= 1.728 of the nadir), doubling_of_nadir (2), baseline_volume (1.728 of the volume
    at the start of the line), doubling (2); never below `floor_mm3`, nor with less than `least_increase_mm` of
    diameter above the reference (RECIST: 5 mm), at `confirmed_by` visits in a row. `nadir`: of_line, the least since
    the line's first dose whatever was paused, as in RECIST 1.1; since_resumed, anew whenever drug is resumed, which
    flatters pauses. `landmarks_days`: on which the share
    without progression is told.
    """

    progression: Literal["recist_volume", "doubling_of_nadir", "baseline_volume", "doubling"]
    floor_mm3: Positive = 30.0
    least_increase_mm: NotNegative = 0.0
    nadir: Literal["of_line", "since_resumed"] = "of_line"
    confirmed_by: Annotated[Whole, Field(ge=1, le=10)] = 1
    landmarks_days: tuple[Positive, ...] = ()
    reference: str = ""
    level: Fraction = 0.9
    resamples: Annotated[Whole, Field(ge=50, le=100_000)] = 500


class StrategySpec(Card):
    """A strategy by name, and its rule."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    rule: Rule


class CheckSpec(Card):
    """What a comparison must show: an endpoint of a strategy, or its difference from strategy `than`, lies between
    `least` and `most`. `basis`: whether the number was calibrated to, is a prediction, or follows from what is assumed.
    """

    what: Annotated[str, Field(min_length=1)]
    strategy: str
    endpoint: str
    than: str | None = None
    least: Number | None = None
    most: Number | None = None
    basis: Literal["calibrated", "predicted", "assumed"]
    source: str

    @pydantic.model_validator(mode="after")
    def _between(self) -> CheckSpec:
        if self.least is None and self.most is None:
            raise ValueError("needs least, most, or both")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError(f"least {self.least:g} must not be above most {self.most:g}")
        return self


class StrategyDesign(Card):
    """Strategies compared on the same avatars. `calibrated`, `predicted`: in words, what of it was calibrated on what,
    and what is foreseen from that; `checks`: what it must show."""

    schema_version: Literal[1]
    name: str
    title: str
    question: str
    seed: Annotated[Whole, Field(ge=0, lt=2**128)]
    n_avatars: Annotated[Whole, Field(ge=1, le=1_000_000)]
    tumour: TumourSpec
    strategies: tuple[StrategySpec, ...] = Field(min_length=1)
    visits: Visits
    monitoring: Monitoring = Monitoring()
    toxicity: ToxicitySpec | None = None
    stopping: StrategyStopping
    scoring: Scoring
    calibrated: str = ""
    predicted: str = ""
    checks: tuple[CheckSpec, ...] = ()
    sha256: str = ""

    @property
    def drugs(self) -> tuple[str, ...]:
        """Drugs in the design's order."""
        return tuple(self.tumour.drugs)

    @property
    def clones(self) -> tuple[str, ...]:
        """Clones in the design's order."""
        return tuple(clone.name for clone in self.tumour.clones)

    @property
    def strategy_names(self) -> list[str]:
        """Strategies in the design's order."""
        return [spec.name for spec in self.strategies]

    @property
    def reference(self) -> str:
        """The strategy that others are compared with: the one told, or the first."""
        return self.scoring.reference or self.strategies[0].name

    @property
    def words(self) -> str:
        """What is assumed, for everything that is read off the comparison."""
        parts = [f"calibrated by hand: {self.calibrated}"] if self.calibrated else []
        parts += [f"predicted: {self.predicted}"] if self.predicted else []
        parts += [f"tumours: {self.tumour.source}", self.words_beside_tumours]
        return "; ".join(part for part in parts if part)

    @property
    def words_beside_tumours(self) -> str:
        """What is assumed of monitoring and toxicity."""
        parts = []
        for name, part in (("plasma", self.monitoring.plasma), ("biopsy", self.monitoring.biopsy)):
            if part is not None:
                parts.append(f"{name}: {part.source}")
        if self.monitoring.census:
            parts.append("census: a perfect assay of every clone's cells, which no laboratory has")
        if self.toxicity is not None:
            parts.append(f"toxicity: {self.toxicity.source}")
        return "; ".join(parts)

    @pydantic.model_validator(mode="after")
    def _fitting(self) -> StrategyDesign:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        names = [name.casefold() for name in self.strategy_names]
        for spec in self.strategies:
            if names.count(spec.name.casefold()) > 1:
                yield f"two strategies are called {spec.name!r}"
            yield from (
                f"strategy {spec.name!r} {told}" for told in spec.rule.problems(self.drugs, self.clones)
            )
            for need in spec.rule.needs:
                if not getattr(self.monitoring, need):
                    yield f"strategy {spec.name!r} decides by {need}, which [monitoring] does not have"
        if self.reference not in self.strategy_names:
            yield f"scoring.reference {self.reference!r} is no strategy; there are {', '.join(self.strategy_names)}"
        for check in self.checks:
            for name in (check.strategy, check.than):
                if name is not None and name not in self.strategy_names:
                    there = ", ".join(self.strategy_names)
                    yield f"check {check.what!r} names no strategy: {name!r}; there are {there}"
        biopsy = self.monitoring.biopsy
        for name in biopsy.presence if biopsy is not None else ():
            if name not in self.clones:
                yield f"monitoring.biopsy.presence names no clone: {name!r}; there are {', '.join(self.clones)}"
