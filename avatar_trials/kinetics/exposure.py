"""From dose to kill: how much drug reaches the tumour, what it does there, and its mean over a dosing interval.

One compartment, doses given at once every `interval` days: between doses the concentration falls as e^(-elimination t).
A constant kill equal to the mean over the interval gives a clone the same log size at the end of it as the falling
concentration does. Days and 1/day; concentrations in any one unit.

Source: one-compartment kinetics with superposition (Gibaldi & Perrier 1982, chapter 3); effect by Hill's equation.
"""

from __future__ import annotations

import numpy as np

from avatar_trials.kinetics.namespace import Array, Namespace, mean_decay, softplus

ACTS_ON = ("effect", "concentration")
FORMS = ("odds", "capped")
# Below this exponent the mean over an interval is taken at nodes: the closed form is a difference of near equals.
_SHORT = 0.03
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(3)
# No concentration is e^10000 half-maximal ones: an infinite one (no elimination) is held here.
_SATURATED = 1e4
_NOTHING = 1e-300


def accumulation(doses: Array, x: Array, xp: Namespace = np) -> Array:
    """Peak after the n-th of equal doses over the first peak: (1 - e^(-n x))/(1 - e^-x), n at x = 0.

    `x` = elimination x interval, >= 0; `doses` >= 0, a whole number.
    """
    return doses * mean_decay(doses * x, xp) / mean_decay(x, xp)


def steady_accumulation(x: Array, xp: Namespace = np) -> Array:
    """`accumulation` after endless doses, 1/(1 - e^-x); infinite where nothing is eliminated (x < 1e-300)."""
    eliminated = x > _NOTHING
    safe = xp.where(eliminated, x, 1.0)
    return xp.where(eliminated, 1.0 / (safe * mean_decay(safe, xp)), float("inf"))


def concentration(
    t: Array, first_peak: Array, elimination: Array, interval: Array, doses: Array, xp: Namespace = np
) -> Array:
    """Concentration at `t` days after the first of `doses` doses, one every `interval` days (> 0).

    `first_peak` is dose over volume of distribution. A dose counts from its own instant on; before the first there is
    nothing.
    """
    given = xp.minimum(xp.maximum(xp.floor(t / interval) + 1.0, 0.0), doses)
    since = xp.maximum(t - (given - 1.0) * interval, 0.0)
    return first_peak * accumulation(given, elimination * interval, xp) * xp.exp(-elimination * since)


def hill(concentration: Array, ec50: Array, exponent: Array = 1.0, xp: Namespace = np) -> Array:
    """Share of the maximal effect, C^h/(EC50^h + C^h), h = `exponent`; 1 is the Emax model, 0 at no drug."""
    present = concentration > 0.0
    u = _log_odds(xp.where(present, concentration, 1.0), ec50, exponent, xp)
    return xp.where(present, xp.exp(-softplus(-u, xp)), 0.0)


def mean_concentration(peak: Array, elimination: Array, interval: Array, xp: Namespace = np) -> Array:
    """Mean concentration over an interval that starts at `peak`: peak (1 - e^-x)/x, x = elimination x interval.

    Times a kill per concentration this is the mean kill of a linear drug.
    """
    return peak * mean_decay(elimination * interval, xp)


def mean_hill(
    peak: Array,
    elimination: Array,
    interval: Array,
    ec50: Array,
    exponent: Array = 1.0,
    xp: Namespace = np,
) -> Array:
    """Mean share of the maximal effect over an interval that starts at `peak`; times the maximal kill, the mean kill.

    (1/(h x)) ln[(EC50^h + C^h)/(EC50^h + C^h e^(-h x))], x = elimination x interval: the power of a falling
    exponential is one, so Hill's exponent h keeps the closed form. `exponent` > 0; `peak` >= 0, may be infinite.
    """
    present = peak > 0.0
    u = _log_odds(xp.where(present, peak, 1.0), ec50, exponent, xp)
    fall = exponent * elimination * interval
    short = fall < _SHORT
    brief, long = xp.where(short, fall, 0.0), xp.where(short, 1.0, fall)
    at_nodes = 0.0
    for point, weight in zip(_POINTS.tolist(), _WEIGHTS.tolist(), strict=True):
        at_nodes = at_nodes + weight / 2.0 * xp.exp(-softplus(brief * (point + 1.0) / 2.0 - u, xp))
    closed = (softplus(u, xp) - softplus(u - long, xp)) / long
    return xp.where(present, xp.where(short, at_nodes, closed), 0.0)


def area_under_concentration(
    first_peak: Array, elimination: Array, interval: Array, doses: int, xp: Namespace = np
) -> Array:
    """Area (concentration x day) over the first `doses` intervals, from the first dose on."""
    total = 0.0
    for n in range(1, doses + 1):
        peak = first_peak * accumulation(n, elimination * interval, xp)
        total = total + interval * mean_concentration(peak, elimination, interval, xp)
    return total


def area_under_hill(
    first_peak: Array,
    elimination: Array,
    interval: Array,
    doses: int,
    ec50: Array,
    exponent: Array = 1.0,
    xp: Namespace = np,
) -> Array:
    """Area (day) under the share of the maximal effect over the first `doses` intervals.

    Times the maximal kill it is the log-kill of the course.
    """
    total = 0.0
    for n in range(1, doses + 1):
        peak = first_peak * accumulation(n, elimination * interval, xp)
        total = total + interval * mean_hill(peak, elimination, interval, ec50, exponent, xp)
    return total


def penetrated(
    kill: Array, concentration: Array, penetration: Array, acts_on: str = "effect"
) -> tuple[Array, Array]:
    """(maximal kill, concentration) in a tumour that the drug penetrates to a share of `penetration`.

    Two definitions are in use, the same for a linear drug: penetration scales the `effect`, so that only
    penetration x kill can be known, or the `concentration`, so that only penetration/EC50 can. ValueError for another.
    """
    if acts_on not in ACTS_ON:
        raise ValueError(f"penetration acts on {acts_on!r}: expected one of {', '.join(ACTS_ON)}")
    if acts_on == "effect":
        return penetration * kill, concentration
    return kill, penetration * concentration


def normalised_penetration(
    penetration: Array, gain: Array, effect: Array, form: str = "odds", xp: Namespace = np
) -> Array:
    """Penetration, at most 1, beside a drug that changes it: vessel normalisation (gain > 1), hypoxia (gain < 1).

    `effect` in [0, 1] is how far that drug is at work, f = 1 + (gain - 1) effect its factor, gain > 0. `odds`: the
    odds of penetration rise f times, smooth up to 1, and near f times where penetration is small. `capped`:
    min(1, f penetration). ValueError for another form.
    """
    if form not in FORMS:
        raise ValueError(f"unknown form {form!r} of normalisation: expected one of {', '.join(FORMS)}")
    factor = 1.0 + (gain - 1.0) * effect
    if form == "capped":
        return xp.minimum(factor * penetration, 1.0)
    return factor * penetration / (1.0 + (factor - 1.0) * penetration)


def _log_odds(concentration: Array, ec50: Array, exponent: Array, xp: Namespace) -> Array:
    return xp.minimum(exponent * (xp.log(concentration) - xp.log(ec50)), _SATURATED)
