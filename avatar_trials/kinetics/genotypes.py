"""What makes a clone resist: sensitivities by drug, drivers that stand in for one another, and what resistance costs.

A clone lives by one or several drivers, and dies of drug only as its least inhibited driver is inhibited. One driver
with a row of sensitivities (0 resistant, 1 sensitive, above 1 collateral sensitivity) is the plain sensitivity matrix;
rows with several zeros are cross-resistance. Several drivers are what a rule table says in words: a second pathway that
takes over (MET beside EGFR), two alleles of which each drug reaches one (C797S in trans of T790M), two guardians of
which either suffices (BCL-2 and BCL-xL).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from avatar_trials.kinetics.combination import antagonised_kill, log_resistant_fraction
from avatar_trials.kinetics.namespace import Array, Namespace, safe_log

Drivers = Sequence[Sequence[float]]
"""Sensitivities (driver, drug) of a clone."""

EGFR_DRUGS = ("first generation", "third generation")
EGFR_GENOTYPES: dict[str, Drivers] = {
    "sensitising": ((1.0, 1.0),),
    "T790M": ((0.0, 1.0),),
    "T790M, C797S in trans": ((0.0, 1.0), (1.0, 0.0)),
    "T790M, C797S in cis": ((0.0, 0.0),),
    "C797S": ((1.0, 0.0),),
}
"""EGFR inhibitors on resistance mutations of EGFR, allele by allele.

First-generation inhibitors do not reach an allele with T790M, third-generation ones none with C797S. In trans the two
mutations lie on different alleles, both active: each drug leaves one, together they leave none. In cis one allele has
both. Source: Niederst 2015, Clin. Cancer Res. 21:3924.
"""

BCL_DRUGS = ("BCL-2 inhibitor", "BCL-2/BCL-xL inhibitor")
BCL_GUARDED: Drivers = ((1.0, 1.0), (0.0, 1.0))
"""Persisters guarded by BCL-2 and by BCL-xL, either of which suffices: inhibiting BCL-2 alone kills none."""


def kill(
    log_kills: Array,
    effects: Array,
    drivers: Drivers,
    exponent: Array,
    antagonism: Array = 0.0,
    xp: Namespace = np,
) -> Array:
    """Kill rate (...) in 1/day of a clone under drugs with log kill rates (..., drug) at `effects` (..., drug) >= 0.

    An effect is a dose fraction times the exposure it reaches; 0 is no drug. For each driver the p-norm of
    k_d s_d e_d; the clone's kill is the smallest over its drivers.
    """
    rates = [
        antagonised_kill(log_kills + safe_log(np.asarray(row) * effects, xp), exponent, antagonism, xp)
        for row in drivers
    ]
    smallest = rates[0]
    for rate in rates[1:]:
        smallest = xp.minimum(smallest, rate)
    return smallest


def reach(effects: Array, drivers: Drivers, xp: Namespace = np) -> Array:
    """How far drugs reach a clone (...), 0 to 1: the largest effect times sensitivity, of its least reached driver."""
    if not len(drivers):
        return 0.0 * xp.max(effects, axis=-1)
    reached = [xp.max(np.asarray(row) * effects, axis=-1) for row in drivers]
    smallest = reached[0]
    for other in reached[1:]:
        smallest = xp.minimum(smallest, other)
    return xp.minimum(smallest, 1.0)


def growth_with_cost(growth: Array, fitness_cost: Array) -> Array:
    """Growth rate r (1 - cost) of a clone that pays for its resistance; a negative cost is a clone that outgrows."""
    return growth * (1.0 - fitness_cost)


def two_drug_shares(
    resistant_a: Array, resistant_b: Array, cross_resistance: Array, xp: Namespace = np
) -> Array:
    """Shares (4, ...) at day 0 sensitive to both, resistant to A only, to B only, to both, from the shares resistant to
    each (0 < q < 1).

    `cross_resistance` 0: independent mutations, q_A q_B resist both; 1: nested clones, the smaller of the two; linear
    between on the log scale.
    """
    if xp is np:
        for value, what in ((resistant_a, "share resistant to A"), (resistant_b, "share resistant to B")):
            if not ((np.asarray(value) > 0.0) & (np.asarray(value) < 1.0)).all():
                raise ValueError(f"a {what} lies between 0 and 1, got {value}")
        if not ((np.asarray(cross_resistance) >= 0.0) & (np.asarray(cross_resistance) <= 1.0)).all():
            raise ValueError(f"cross-resistance lies between 0 and 1, got {cross_resistance}")
    both = xp.exp(log_resistant_fraction(xp.log(resistant_a), xp.log(resistant_b), cross_resistance, xp))
    only_a, only_b = xp.maximum(resistant_a - both, 0.0), xp.maximum(resistant_b - both, 0.0)
    return xp.stack([1.0 - only_a - only_b - both, only_a, only_b, both])
