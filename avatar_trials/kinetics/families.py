"""What tumours can be made of here: every kinetic family and mechanism, its states, its parameters, and what one mouse
per arm can tell of it. The table in models/families.md is written from this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Support = Literal["real", "positive", "not negative", "share"]

CALIBRATED = "calibrated"
CALIBRATABLE = "identifiable"
WITHDRAWAL = "identifiable with a withdrawal"
SIMULATION = "simulation only"


@dataclass(frozen=True)
class Parameter:
    """One parameter: its unit, what it can be, and its value where a scenario does not give it (None: it must)."""

    name: str
    unit: str
    meaning: str
    support: Support
    default: float | None = None


@dataclass(frozen=True)
class Family:
    """A family of kinetics: its states, parameters, what volumes tell of it, its model card, and where it stands."""

    name: str
    title: str
    states: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    known_from: str
    module: str
    card: str = ""
    note: str = ""


def _p(name: str, unit: str, meaning: str, support: Support, default: float | None = None) -> Parameter:
    return Parameter(name, unit, meaning, support, default)


PERSISTENCE = Family(
    "persistence",
    "Drug-induced switching to persisters, and back on withdrawal",
    ("cycling", "persister"),
    (
        _p("induced", "1/day", "cycling to persister where the drug reaches the cell", "not negative"),
        _p("woken", "1/day", "persister to cycling without drug", "not negative"),
        _p("woken_on_drug", "1/day", "persister to cycling under drug", "not negative", 0.0),
        _p("growth", "1/day", "net growth of persisters", "real", 0.0),
        _p("share", "share", "persisters at day 0", "share", 0.0),
    ),
    WITHDRAWAL,
    "tumour, persisters",
    note="under constant drug it is a plateau, as a niche or stroma is",
)
NICHE = Family(
    "niche",
    "Protected compartment with exchange",
    ("bulk", "niche"),
    (
        _p("share", "share", "cells in the niche at day 0", "share"),
        _p("protection", "share", "part of a drug's effect that does not reach the niche", "share"),
        _p("entering", "1/day", "bulk to niche", "not negative", 0.0),
        _p("leaving", "1/day", "niche to bulk", "not negative", 0.0),
    ),
    SIMULATION,
    "tumour",
    note="volume does not tell it from persisters or stroma",
)
RESISTANCE = Family(
    "resistance",
    "Cost of resistance and resistance acquired on treatment",
    ("sensitive", "resistant"),
    (
        _p("fitness_cost", "share", "growth that a resistant clone lacks without drug", "share", 0.0),
        _p("acquired", "1/day", "resistant mutants per cycling sensitive cell", "not negative", 0.0),
        _p("acquired_persister", "1/day", "resistant mutants per persister", "not negative", 0.0),
    ),
    SIMULATION,
    "tumour, persisters",
    note="acquired and pre-existing resistance give the same volumes under constant drug, exactly",
)
EXPOSURE = Family(
    "exposure",
    "Part of a drug's effect that reaches the tumour: penetration, failing pharmacokinetics",
    (),
    (_p("penetration", "share", "of the calibrated kill that reaches the tumour", "share"),),
    SIMULATION,
    "exposure",
    note="only penetration times kill shows; one-compartment mean kill, linear or Emax, and drugs that raise exposure",
)
CHANCE = Family(
    "chance",
    "Whole cells that divide, die and mutate by chance: extinction, eradication, luck between mice",
    ("sensitive", "resistant"),
    (
        _p("birth", "1/day", "divisions a cell; what grows faster divides faster", "positive"),
        _p("cells_per_mm3", "1/mm3", "tumour cells in a cubic millimetre", "positive", 1e6),
    ),
    SIMULATION,
    "mutants, lineages, branching",
    note="not beside persistence or a niche, whose cells switch",
)
MECHANISMS: dict[str, Family] = {
    family.name: family for family in (PERSISTENCE, NICHE, RESISTANCE, EXPOSURE, CHANCE)
}
"""What a design's [mechanism] can add to calibrated avatars."""

_GROWTH = _p("growth", "1/day", "growth without drug", "positive")
_KILL = _p("kill", "1/day", "log-kill rate under drug", "not negative")
_SHARE = _p("resistant", "share", "resistant cells at day 0", "share")

FAMILIES: tuple[Family, ...] = (
    Family(
        "exponential",
        "One clone at one rate",
        ("tumour",),
        (_GROWTH, _KILL),
        CALIBRATED,
        "growth_laws, kill_laws",
        card="exponential",
    ),
    Family(
        "two_clone",
        "Sensitive and pre-existing resistant clone, power deceleration above the starting size",
        ("sensitive", "resistant"),
        (
            _GROWTH,
            _KILL,
            _SHARE,
            _p(
                "slowing", "log", "log of the resistant clone's growth under drug over growth without", "real"
            ),
            _p(
                "deceleration",
                "exponent",
                "power by which growth slows above the starting size",
                "not negative",
            ),
        ),
        CALIBRATED,
        "clones, two_clone",
        card="two_clone",
    ),
    Family(
        "graded_kill",
        "Cells graded in sensitivity: kill rates gamma-distributed over the tumour, growth slowed by the drug",
        ("cells of every sensitivity",),
        (
            _GROWTH,
            _p("kill", "1/day", "mean kill rate over the cells", "not negative"),
            _p(
                "spread",
                "1/day",
                "variance of kill over mean; after 1/spread days the kill is half",
                "not negative",
            ),
            _p("slowing", "log", "by how much the drug slows growth, avatar by avatar", "not negative"),
            _p(
                "deceleration",
                "exponent",
                "power by which growth slows above the starting size, avatar by avatar",
                "not negative",
            ),
        ),
        CALIBRATED,
        "graded",
        card="graded_kill",
        note="not whether cells differ or each fades: the same volumes",
    ),
    Family(
        "claret",
        "One clone whose kill fades exponentially, growth slowed by the drug",
        ("tumour",),
        (_GROWTH, _KILL, _p("spread", "1/day", "rate at which the kill fades", "not negative")),
        CALIBRATED,
        "growth_laws, kill_laws",
        card="claret",
    ),
    Family(
        "stein_fojo",
        "Death and growth side by side, each from the whole tumour, growth slowed by the drug",
        ("tumour",),
        (_GROWTH, _KILL),
        CALIBRATED,
        "growth_laws, kill_laws",
        card="stein_fojo",
    ),
    Family(
        "four_clone",
        "Two drugs: sensitive, resistant to A, to B, to both",
        ("sensitive", "resistant to A", "resistant to B", "resistant to both"),
        (
            _GROWTH,
            _p("kill A, kill B", "1/day", "log-kill rates", "not negative"),
            _p("resistant to A, to B", "share", "at day 0, each drug by itself", "share"),
            _p("cross_resistance", "share", "0: independent, q_A q_B; 1: nested, the smaller", "share"),
            _p(
                "exponent",
                "p",
                "1: kills add (Bliss); large: highest single agent; below 1: synergy",
                "positive",
            ),
        ),
        CALIBRATABLE,
        "genotypes, combination, tumour",
        note="the exponent only where all of untreated, A, B and A + B have mice",
    ),
    PERSISTENCE,
    Family(
        "persister_resistant",
        "Cycling, persister, and a resistant clone that both feed",
        ("cycling", "persister", "resistant"),
        (
            *PERSISTENCE.parameters[:2],
            _p("mutation", "1/day", "resistant mutants per cycling cell", "not negative"),
            _p("mutation_persister", "1/day", "resistant mutants per persister", "not negative"),
        ),
        WITHDRAWAL,
        "persisters",
        note="the switching; the mutations are simulation only",
    ),
    Family(
        "stem_like",
        "Stem-like cells that make the bulk, and bulk that turns back",
        ("stem-like", "bulk"),
        (
            _p("growth of stem-like cells", "1/day", "net", "real"),
            _p("growth of bulk cells", "1/day", "net; below 0 where they do not renew themselves", "real"),
            _p("differentiation", "1/day", "bulk cells made per stem-like cell", "not negative"),
            _p("back-switching", "1/day", "stem-like cells made per bulk cell", "not negative"),
        ),
        SIMULATION,
        "tumour, persisters",
    ),
    NICHE,
    EXPOSURE,
    CHANCE,
    RESISTANCE,
    Family(
        "drivers",
        "Genotypes that die as their least inhibited driver does: bypass, C797S in cis and trans, BCL-2 and BCL-xL",
        ("one a genotype",),
        (
            _p(
                "sensitivity",
                "0 to 1, or above",
                "by driver and drug: 0 resistant, 1 sensitive, above 1 collateral",
                "not negative",
            ),
            _p(
                "antagonism",
                "log",
                "lowers log kill by this times the evenness of the drugs' kills",
                "not negative",
            ),
        ),
        SIMULATION,
        "genotypes, combination",
    ),
    Family(
        "epigenetic",
        "Drugs that change the rates of switching and kill nothing",
        ("cycling", "persister"),
        (
            _p(
                "induced_fold, woken_fold",
                "factor",
                "of a switching rate at full effect",
                "not negative",
                1.0,
            ),
        ),
        SIMULATION,
        "tumour",
    ),
)

_BIRTH = _p("birth", "1/day", "divisions a cell", "not negative")
_DEATH = _p("death", "1/day", "deaths a cell", "not negative")
_MUTATION = _p("mutation", "per division", "probability of a mutant daughter", "share")

STOCHASTIC: tuple[Family, ...] = (
    Family(
        "birth_death",
        "Number of cells of a clone: exact law and exact draws, over any schedule",
        ("cells",),
        (_BIRTH, _DEATH),
        SIMULATION,
        "branching",
    ),
    Family(
        "luria_delbruck",
        "Resistant cells at detection of a tumour grown from one cell, for one drug or two",
        ("sensitive", "resistant to A", "to B", "to both"),
        (_BIRTH, _DEATH, _MUTATION, _p("size", "cells", "at detection", "positive")),
        SIMULATION,
        "luria_delbruck, lineages",
    ),
    Family(
        "mutants",
        "Clones of whole cells that mutate under treatment, step by step",
        ("one a clone",),
        (_BIRTH, _DEATH, _MUTATION),
        SIMULATION,
        "mutants, lineages",
    ),
    Family(
        "eradication",
        "Probability that no cell of several types survives a schedule, by generating functions",
        ("one a clone",),
        (_BIRTH, _DEATH, _MUTATION),
        SIMULATION,
        "eradication",
    ),
    Family(
        "bozic",
        "Closed formulas of cure by one drug or two, together or in turn",
        ("sensitive", "resistant to A", "to B", "to both"),
        (
            _BIRTH,
            _DEATH,
            _MUTATION,
            _p(
                "n1, n2, n12",
                "positions",
                "at which a mutation makes resistant to A, B, both",
                "not negative",
            ),
        ),
        SIMULATION,
        "bozic",
    ),
)
