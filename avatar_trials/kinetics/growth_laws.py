"""The classics of tumour growth and its inhibition as named closed forms.

Every law gives log(V(t)/V0), t in days from treatment start, rates in 1/day; all arguments broadcast. `LAWS` lists them
with their parameters, units and papers. Simeoni's model is an ODE and stands in
`simeoni`; when such curves turn and progress is in `landmarks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from avatar_trials.kinetics import saturation
from avatar_trials.kinetics.clones import log_growth
from avatar_trials.kinetics.namespace import Array, Namespace, log1p_ratio, mean_decay, safe_log, softplus


def exponential(t: Array, growth: Array, xp: Namespace = np) -> Array:
    """growth t. A kill alone is a negative `growth`."""
    return growth * t


def exponential_linear(t: Array, v0: Array, growth: Array, linear_growth: Array, xp: Namespace = np) -> Array:
    """Exponential until V reaches linear_growth/growth, from then on `linear_growth` mm3/day; V' is continuous.

    `v0` in mm3; `growth`, `linear_growth` > 0. Source: Simeoni et al. 2004 (Cancer Res 64:1094), the switch
    sharp.
    """
    slope = linear_growth / v0
    switch = xp.maximum(xp.log(slope / growth), 0.0) / growth
    early = xp.minimum(t, switch)
    return growth * early + xp.log1p(slope * xp.exp(-growth * early) * (t - early))


def gompertz(t: Array, growth: Array, retardation: Array, xp: Namespace = np) -> Array:
    """growth (1 - e^(-retardation t))/retardation. Source: Laird 1964 (Br J Cancer 18:490)."""
    return saturation.gompertz(t, growth, retardation, 0.0, xp)


def logistic(t: Array, v0: Array, growth: Array, kill: Array, capacity: Array, xp: Namespace = np) -> Array:
    """V' = growth V (1 - V/capacity) - kill V, `v0` and `capacity` in mm3. Source: Verhulst 1838."""
    net = growth - kill
    return net * t - saturation.crowding_loss(
        saturation.clone_log_area(xp.log(v0), net, t, xp), growth / capacity, xp
    )


def bertalanffy(t: Array, growth: Array, loss: Array, deceleration: Array, xp: Namespace = np) -> Array:
    """V' = A V^(1 - c) - loss V with A V0^-c = `growth` and c = `deceleration` >= 0: power law when loss = 0.

    log(V/V0) = log(1 + c m)/c with m = (growth - loss)(1 - e^(-c loss t))/(c loss). c = 0 is exponential, 1/3 growth of
    a surface, 1 linear. Source: von Bertalanffy 1957; Benzekry et al. 2014 (PLoS Comput Biol 10:e1003800).
    """
    x = deceleration * loss * t
    m = (growth - loss) * t * mean_decay(x, xp)
    # A tumour that is lost leaves 1 + c m without digits: there its shrinkage is taken out of the logarithm.
    kept = deceleration * m > -0.5
    left = xp.where(kept, 1.0, x)
    gained = safe_log(growth / xp.where(kept, 1.0, loss), xp) + left + xp.log(-xp.expm1(-left))
    lost = (softplus(gained, xp) - left) / xp.where(kept, 1.0, deceleration)
    return xp.where(kept, m * log1p_ratio(xp.where(kept, deceleration * m, 0.0), xp), lost)


def power_law(t: Array, growth: Array, deceleration: Array, xp: Namespace = np) -> Array:
    """V' = A V^(1 - c), A V0^-c = `growth`, c = `deceleration`: `bertalanffy` without loss."""
    return bertalanffy(t, growth, 0.0, deceleration, xp)


def stein_fojo(t: Array, growth: Array, kill: Array, xp: Namespace = np) -> Array:
    """log(e^(-kill t) + e^(growth t) - 1): both processes start from the whole tumour.

    Source: Stein et al. 2011 (Clin Cancer Res 17:907); `gd` of the R package tumgr.
    """
    x = growth * t
    grown = x + safe_log(-xp.expm1(-x), xp)
    return softplus(grown + kill * t, xp) - kill * t


def biexponential(t: Array, growth: Array, kill: Array, resistant_share: Array, xp: Namespace = np) -> Array:
    """log((1 - q) e^(-kill t) + q e^(growth t)), 0 < q = `resistant_share` < 1.

    `kill` is the net rate at which the sensitive cells shrink. Source: Stein et al. 2011; `clones.log_growth` with a
    share in place of its logit.
    """
    logit = xp.log(resistant_share) - xp.log1p(-resistant_share)
    return log_growth(t, 0.0, kill, logit, growth, xp)


def stein_phi(t: Array, growth: Array, kill: Array, phi: Array, xp: Namespace = np) -> Array:
    """log((1 - phi) e^(growth t) + phi e^(-kill t)): `biexponential` by its sensitive share phi.

    phi is the sensitive share as in `gdphi` of the R package tumgr; elsewhere it is the other one.
    """
    logit = xp.log1p(-phi) - xp.log(phi)
    return log_growth(t, 0.0, kill, logit, growth, xp)


def claret(
    t: Array, growth: Array, kill: Array, exposure: Array, resistance: Array, xp: Namespace = np
) -> Array:
    """growth t - kill exposure (1 - e^(-resistance t))/resistance: a kill that fades.

    `kill` per day and unit of exposure; resistance = 0 is a kill that stays. Source: Claret et al. 2009 (J Clin Oncol
    27:4103), solved.
    """
    return growth * t - kill * exposure * t * mean_decay(resistance * t, xp)


def wang(t: Array, shrinkage: Array, progression: Array, xp: Namespace = np) -> Array:
    """log(e^(-shrinkage t) + progression t): exponential shrinkage, linear growth, `progression` in V0/day.

    Source: Wang et al. 2009 (Clin Pharmacol Ther 86:167), relative to baseline (there of diameters).
    """
    grown = safe_log(progression * t, xp)
    return softplus(grown + shrinkage * t, xp) - shrinkage * t


@dataclass(frozen=True)
class GrowthLaw:
    """A named law: `log_growth(t, *parameters, xp)` gives log(V/V0); `units` of the parameters, in order."""

    name: str
    log_growth: Callable[..., Any]
    units: dict[str, str]
    source: str


LAWS = tuple(
    GrowthLaw(law.__name__, law, dict(units), source)
    for law, units, source in (
        (exponential, {"growth": "1/day"}, "textbook"),
        (
            exponential_linear,
            {"v0": "mm3", "growth": "1/day", "linear_growth": "mm3/day"},
            "Simeoni 2004",
        ),
        (gompertz, {"growth": "1/day", "retardation": "1/day"}, "Laird 1964"),
        (logistic, {"v0": "mm3", "growth": "1/day", "kill": "1/day", "capacity": "mm3"}, "Verhulst 1838"),
        (
            bertalanffy,
            {"growth": "1/day", "loss": "1/day", "deceleration": "1"},
            "von Bertalanffy 1957",
        ),
        (power_law, {"growth": "1/day", "deceleration": "1"}, "Benzekry 2014"),
        (stein_fojo, {"growth": "1/day", "kill": "1/day"}, "Stein 2011"),
        (biexponential, {"growth": "1/day", "kill": "1/day", "resistant_share": "1"}, "Stein 2011"),
        (stein_phi, {"growth": "1/day", "kill": "1/day", "phi": "1"}, "Stein 2011"),
        (
            claret,
            {"growth": "1/day", "kill": "1/(day exposure)", "exposure": "exposure", "resistance": "1/day"},
            "Claret 2009",
        ),
        (wang, {"shrinkage": "1/day", "progression": "V0/day"}, "Wang 2009"),
    )
)
