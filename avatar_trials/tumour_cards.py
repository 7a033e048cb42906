"""Tumours that a design assumes: clones, drugs, mutations, persisters, a niche, each number drawn or fixed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pydantic
from pydantic import Field

from avatar_trials.card_parts import Assumed, Card, Number, Positive

NotNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, le=1)]
Drawn = Number | Assumed
"""A number, or a law with one draw for each avatar."""

Sensitivities = dict[str, NotNegative]
"""Sensitivity of a clone's driver by drug; 1 for a drug not named."""


class DrugSpec(Card):
    """A drug's log-kill rate (1/day) of sensitive cells at full dose.

    `beyond_growth`: the rate is that at which sensitive cells shrink, and the kill that much above their growth.
    `fails_in`: share of avatars of which it kills no cell at all; those that fail one drug are the first to fail
    another.
    """

    kill: Drawn
    """log-kill rate of sensitive cells at full dose, 1/day"""
    beyond_growth: bool = False
    """whether that is the rate at which sensitive cells shrink, above their growth"""
    fails_in: Share = 0.0
    """share of avatars in which the drug kills no cell"""


class CloneSpec(Card):
    """A genotype. `share` of cells at day 0; the first clone has what the others leave.

    `drivers`: sensitivities, driver by driver; a clone dies as its least inhibited driver does. `part_of`: another
    clone, of whose cells the share is taken and whose growth it has.
    """

    name: str
    """name of the clone"""
    share: Drawn | None = None
    """share of cells at day 0; not of the first clone, which has the rest"""
    part_of: str | None = None
    """clone of whose cells the share is taken"""
    fitness_cost: Drawn = 0.0
    """share of growth that the clone gives up"""
    drivers: tuple[Sensitivities, ...] = ({},)
    """sensitivities by drug, driver by driver: 0 resists, 1 as sensitive cells"""


class MutationSpec(Card):
    """Mutants of clone `to` per cell of clone `source` and day."""

    source: str
    """clone that mutates"""
    to: str
    """clone that arises"""
    rate: Drawn
    """mutants per cell and day"""
    rate_persister: Drawn = 0.0
    """mutants per persister and day"""


class PersistenceSpec(Card):
    """Persisters, as in `kinetics.tumour.Persistence`; `killed_by`: sensitivities of the drivers that guard them;
    `induced_fold`, `woken_fold`: factors by drug of the rates of switching, of drugs that change these."""

    induced: Drawn
    """rate into persistence under drug, 1/day"""
    woken: Drawn
    """rate back without drug, 1/day"""
    woken_on_drug: Drawn = 0.0
    """rate back under drug, 1/day"""
    growth: Drawn = 0.0
    """net growth of persisters, 1/day"""
    share: Drawn = 0.0
    """share of cells that persist at day 0"""
    inducing: tuple[str, ...] = ()
    """drugs that induce it; all, unless told"""
    killed_by: tuple[dict[str, NotNegative], ...] = ()
    """sensitivities of persisters by drug"""
    induced_fold: dict[str, NotNegative] = Field(default_factory=dict)
    """factor on the rate into persistence, by drug"""
    woken_fold: dict[str, NotNegative] = Field(default_factory=dict)
    """factor on the rate back, by drug"""


class NicheSpec(Card):
    """A protected compartment, as in `kinetics.tumour.Niche`; `spares`: drugs it does not protect from."""

    share: Drawn
    """share of cells in the niche at day 0"""
    protection: Drawn
    """share of the kill that is lost in it"""
    entering: Drawn = 0.0
    """rate into the niche, 1/day"""
    leaving: Drawn = 0.0
    """rate out of it, 1/day"""
    spares: tuple[str, ...] = ()
    """drugs that the niche does not protect from"""


class TypeSpec(Card):
    """A type of tumours, or a biomarker's level: how many avatars have it (as a weight), and factors of their growth
    and of drugs' kills, 1 unless given."""

    weight: Positive = 1.0
    """how many avatars are of this type, as a weight"""
    growth: Positive = 1.0
    """factor on growth"""
    kill: dict[str, NotNegative] = Field(default_factory=dict)
    """factor on the kill, by drug"""
    source: str
    """where the numbers are from, or: assumed"""


class TumourSpec(Card):
    """What tumours are assumed to be: nothing of it was calibrated on a mouse.

    `types`: each avatar is of one of them, by lot. `others_at_most`: where the drawn shares of all clones but the first
    add up to more, they are scaled down to this sum; a problem unless given.
    """

    source: str
    """where the numbers are from, or: assumed"""
    start_mm3: Drawn
    """volume at day 0, mm3"""
    cells_per_mm3: Positive = 1e6
    """tumour cells in a cubic millimetre"""
    growth: Drawn
    """growth without drug, 1/day"""
    deceleration: Drawn = 0.0
    """by how much growth slows with size, 1/day (Gompertz retardation)"""
    exponent: Drawn = 1.0
    """exponent of combined kills: 1 adds them, large is the stronger alone"""
    antagonism: Drawn = 0.0
    """by how much drugs hinder one another"""
    drugs: dict[str, DrugSpec] = Field(min_length=1)
    """drugs, by name"""
    clones: tuple[CloneSpec, ...] = Field(min_length=1)
    """clones, the first the sensitive one"""
    others_at_most: Share | None = None
    """most that the shares of all clones but the first add up to"""
    mutations: tuple[MutationSpec, ...] = ()
    """which clone arises from which"""
    persistence: PersistenceSpec | None = None
    """cells that survive drug without resistance"""
    niche: NicheSpec | None = None
    """a compartment that protects"""
    types: dict[str, TypeSpec] = Field(default_factory=dict)
    """types of tumours, or levels of a biomarker"""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> TumourSpec:
        problems = [*self._names(), *self._ranges()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _names(self) -> Iterator[str]:
        clones = [clone.name for clone in self.clones]
        for name in sorted({name for name in clones if clones.count(name) > 1}):
            yield f"two clones are called {name!r}"
        for place, clone in enumerate(self.clones):
            if (place == 0) != (clone.share is None):
                yield f"clone {clone.name!r}: the first clone has no share of its own, every other one has one"
            yield from self._nested(clone, place)
            yield from _unknown(clone.drivers, self.drugs, f"clone {clone.name!r}")
        for mutation in self.mutations:
            for name in (mutation.source, mutation.to):
                if name not in clones:
                    yield f"a mutation names no clone: {name!r}; the clones are {', '.join(clones)}"
        if self.persistence is not None:
            yield from _unknown(self.persistence.killed_by, self.drugs, "persistence.killed_by")
            for name in self.persistence.inducing:
                if name not in self.drugs:
                    yield f"persistence.inducing names no drug: {name!r}; the drugs are {', '.join(self.drugs)}"
            for key in ("induced_fold", "woken_fold"):
                yield from _unknown((getattr(self.persistence, key),), self.drugs, f"persistence.{key}")

        for name in () if self.niche is None else self.niche.spares:
            if name not in self.drugs:
                yield f"niche.spares names no drug: {name!r}; the drugs are {', '.join(self.drugs)}"
        for name, one in self.types.items():
            yield from _unknown((one.kill,), self.drugs, f"type {name!r}")

    def _nested(self, clone: CloneSpec, place: int) -> Iterator[str]:
        if clone.part_of is None:
            return
        whole = [one.name for one in self.clones[1:place] if one.part_of is None]
        if clone.part_of not in whole:
            there = ", ".join(whole) or "none"
            yield (
                f"clone {clone.name!r} is part of {clone.part_of!r}: it must be a clone before it, neither the first "
                f"nor a part itself; there is {there}"
            )
        if clone.fitness_cost != 0.0:
            yield f"clone {clone.name!r} has a fitness_cost, and grows as {clone.part_of!r} does, which it is a part of"

    def _ranges(self) -> Iterator[str]:
        positive = {"start_mm3": self.start_mm3, "growth": self.growth, "exponent": self.exponent}
        positive |= {f"drugs.{name}.kill": drug.kill for name, drug in self.drugs.items()}
        for name, value in positive.items():
            yield from _outside(value, name, low=0.0, above=True)
        shares = {f"the share of {clone.name!r}": clone.share for clone in self.clones[1:]}
        if self.persistence is not None:
            shares["persistence.share"] = self.persistence.share
        if self.niche is not None:
            shares |= {"niche.share": self.niche.share, "niche.protection": self.niche.protection}
        for name, share in shares.items():
            yield from _outside(share, name, low=0.0, high=1.0)
        rates: dict[str, Drawn] = {"deceleration": self.deceleration, "antagonism": self.antagonism}
        for mutation in self.mutations:
            rates[f"the rate from {mutation.source!r} to {mutation.to!r}"] = mutation.rate
        for part in (self.persistence, self.niche):
            for name in ("induced", "woken", "woken_on_drug", "entering", "leaving"):
                if hasattr(part, name):
                    rates[name] = getattr(part, name)
        for name, rate in rates.items():
            yield from _outside(rate, name, low=0.0)


def _unknown(drivers: tuple[dict[str, float], ...], drugs: dict[str, DrugSpec], whose: str) -> Iterator[str]:
    for name in {name: None for row in drivers for name in row}:
        if name not in drugs:
            yield f"{whose} names no drug: {name!r}; the drugs are {', '.join(drugs)}"


def _outside(
    value: Drawn | None, name: str, *, low: float, high: float = float("inf"), above: bool = False
) -> Iterator[str]:
    if value is None:
        return
    if isinstance(value, Assumed):
        if value.distribution == "normal":
            yield f"{name} cannot have a normal law, which has draws below {low:g}"
        return
    enough = value > low if above else value >= low
    if not enough or value > high:
        limits = f"between {low:g} and {high:g}" if high < float("inf") else f"{low:g} or above"
        yield f"{name} must be {'above 0' if above else limits}, got {value:g}"
