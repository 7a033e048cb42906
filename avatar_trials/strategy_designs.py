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
    """error of one length, mm"""
    sigma_p: NotNegative = 0.028
    """error of log volume that does not shrink with size"""
    detection_limit_mm3: Positive = 15.0
    """volume below which the caliper reads 0, mm3"""
    diameter_floor_mm3: Positive = 5.0
    """added to the volume before its diameter is taken, mm3"""
    wander: NotNegative = 0.0
    """random walk of log volume about the curve, per root week"""


class PlasmaSpec(Card):
    """Plasma samples every `every_days`: tumour molecules shed by dying cells, counted one by one.

    A clone's mutation is found where its molecules in the sample number `least_molecules` at least and are
    `least_share` of all (the limit of detection as a variant allele fraction), with `sensitivity`; else by mistake,
    with 1 - `specificity`.
    """

    every_days: Positive
    """days between samples"""
    shed_per_death: Positive = 1.4e-4
    """tumour molecules shed by a dying cell"""
    deaths_per_cell_day: Positive = 0.136
    """cells that die without drug, per cell and day"""
    cleared_per_day: Positive = 33.3
    """rate at which molecules leave the plasma, 1/day"""
    sampled_share: Annotated[Number, Field(gt=0, le=1)]
    """share of the plasma that is sampled"""
    background_molecules: NotNegative = 0.0
    """other molecules of the same place in a sample"""
    least_molecules: Positive = 1.0
    """fewest mutant molecules that are called"""
    least_share: NotNegative = 0.001
    """least share of mutant molecules that is called"""
    sensitivity: Share = 1.0
    """share of mutations above both limits that are found"""
    specificity: Share = 1.0
    """share of samples without the mutation in which none is found"""
    source: str
    """where the numbers are from, or: assumed"""


class BiopsySpec(Card):
    """Biopsies of `regions` on `days` and, with `at_progression`, when progression is seen.

    A clone of share p is present in a fraction of regions `presence` (by clone; 1 where not named), and seen in a
    region where it is present and `least_share` of the tumour.
    """

    regions: Annotated[Whole, Field(ge=1, le=100)]
    """regions sampled at a biopsy"""
    days: tuple[NotNegative, ...] = (0.0,)
    """days of biopsies"""
    at_progression: bool = True
    """whether there is one when progression is seen"""
    presence: dict[str, Share] = Field(default_factory=dict)
    """fraction of regions that hold a clone, by clone; 1 where not named"""
    least_share: Share = 0.01
    """least share of the tumour at which a clone is seen"""
    sensitivity: Share = 1.0
    """share of clones present that are found"""
    specificity: Share = 1.0
    """share of clones absent that are not found"""
    source: str
    """where the numbers are from, or: assumed"""


class Monitoring(Card):
    """What is looked at. `census`: a perfect assay of every clone's cells, for rules that were published with one."""

    caliper: CaliperSpec = CaliperSpec()
    """the caliper"""
    plasma: PlasmaSpec | None = None
    """plasma samples"""
    biopsy: BiopsySpec | None = None
    """biopsies"""
    census: bool = False
    """a perfect assay of every clone's cells, which no laboratory has"""


class ToxicitySpec(Card):
    """Body weight that drugs take away, and what is done about it; see `strategies.toxicity` for the law.

    Doses are held at `hold_at_loss_pct` of loss until `resume_at_loss_pct` is regained, and go on at `resume_dose` of
    what the strategy asks for; a mouse at `remove_at_loss_pct` leaves.
    """

    median_loss_pct: NotNegative = 4.94
    """median of the largest loss of body weight without drug, %"""
    median_loss_by_drugs_pct: tuple[NotNegative, ...] = (7.05, 9.38)
    """the same under one drug, under two and so on, %"""
    log_sd: NotNegative = 0.63
    """SD between mice of the log of that loss"""
    days_to_plateau: Positive = 7.0
    """days until a drug's loss is nearly whole"""
    hold_at_loss_pct: Positive = 15.0
    """loss at which doses are held, %"""
    resume_at_loss_pct: Positive = 12.0
    """loss at which they go on, %"""
    resume_dose: Share = 1.0
    """dose fraction at which they go on"""
    remove_at_loss_pct: Positive = 20.0
    """loss at which a mouse leaves, %"""
    source: str
    """where the numbers are from, or: assumed"""

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
    """a mouse whose tumour is read above this volume leaves, mm3"""
    removal: Removal | None = None
    """removal for other reasons than size"""


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
    """recist_volume (1.728 of the nadir), doubling_of_nadir (2), baseline_volume (1.728 of the start of
    the line) or doubling (2)"""
    floor_mm3: Positive = 30.0
    """no progression below this volume, mm3"""
    least_increase_mm: NotNegative = 0.0
    """least increase of the diameter above the reference, mm"""
    nadir: Literal["of_line", "since_resumed"] = "of_line"
    """of_line (as RECIST 1.1) or since_resumed (anew whenever drug is resumed)"""
    confirmed_by: Annotated[Whole, Field(ge=1, le=10)] = 1
    """visits in a row that must show it"""
    landmarks_days: tuple[Positive, ...] = ()
    """days on which the share without progression is told"""
    reference: str = ""
    """strategy that the others are compared with; the first, unless told"""
    level: Fraction = 0.9
    """probability that every interval holds"""
    resamples: Annotated[Whole, Field(ge=50, le=100_000)] = 500
    """resamples of avatars for intervals"""


class StrategySpec(Card):
    """A strategy by name, and its rule."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    """what tables call the strategy"""
    rule: Rule
    """how doses follow from what is observed"""


class CheckSpec(Card):
    """What a comparison must show: an endpoint of a strategy, or its difference from strategy `than`, lies between
    `least` and `most`. `basis`: whether the number was calibrated to, is a prediction, or follows from what is assumed.
    """

    what: Annotated[str, Field(min_length=1)]
    """what is checked, in words"""
    strategy: str
    """name of the strategy"""
    endpoint: str
    """endpoint of the comparison's table"""
    than: str | None = None
    """strategy that it is compared with"""
    least: Number | None = None
    """least value that passes"""
    most: Number | None = None
    """largest value that passes"""
    basis: Literal["calibrated", "predicted", "assumed"]
    """calibrated (fitted to), predicted or assumed"""
    source: str
    """where the limits are from"""

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
    """version of this kind of card"""
    name: str
    """name of the design, which results carry"""
    title: str
    """one line for lists and reports"""
    question: str
    """what the comparison is to answer"""
    seed: Annotated[Whole, Field(ge=0, lt=2**128)]
    """every random number follows from it"""
    n_avatars: Annotated[Whole, Field(ge=1, le=1_000_000)]
    """avatars, each treated by every strategy"""
    tumour: TumourSpec
    """what tumours are assumed to be"""
    strategies: tuple[StrategySpec, ...] = Field(min_length=1)
    """strategies, each on the same avatars"""
    visits: Visits
    """when the caliper comes"""
    monitoring: Monitoring = Monitoring()
    """what is looked at"""
    toxicity: ToxicitySpec | None = None
    """body weight under drugs, and what is done about it"""
    stopping: StrategyStopping
    """why a mouse leaves the study"""
    scoring: Scoring
    """which progression counts, and how differences are told"""
    calibrated: str = ""
    """what was calibrated by hand, and on what"""
    predicted: str = ""
    """what is foreseen from that"""
    checks: tuple[CheckSpec, ...] = ()
    """what the comparison must show"""
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
