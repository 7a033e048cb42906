"""How a drug's kill goes on with time: the laws that share one hierarchy of growth, kill and spread.

Every law gives log(V/V0) from `grown` (growth rate times days, as the course has it), `exposure` (days at full dose),
kill K and, for those whose kill fades, the rate lambda at which it does, both in 1/day; without deceleration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from avatar_trials.kinetics import graded, growth_laws
from avatar_trials.kinetics.namespace import Array, Namespace


def steady(grown: Array, exposure: Array, kill: Array, log_spread: Array, xp: Namespace = np) -> Array:
    """grown - K exposure: every cell is killed alike and for ever."""
    return grown - kill * exposure


def fading(grown: Array, exposure: Array, kill: Array, log_spread: Array, xp: Namespace = np) -> Array:
    """grown - (K/lambda)(1 - e^(-lambda exposure)): the kill of every cell fades. Source: `growth_laws.claret`."""
    return growth_laws.claret(exposure, 0.0, kill, 1.0, xp.exp(log_spread), xp) + grown


def regrowing(grown: Array, exposure: Array, kill: Array, log_spread: Array, xp: Namespace = np) -> Array:
    """log(e^(-K exposure) + e^grown - 1): death and growth side by side, each from the whole tumour.

    Source: `growth_laws.stein_fojo`.
    """
    return growth_laws.stein_fojo(1.0, grown, kill * exposure, xp)


def _steady_log_kill_of(log_total: Array, log_spread: Array, days: Array, xp: Namespace = np) -> Array:
    return log_total - np.log(days)


def _fading_log_kill_of(log_total: Array, log_spread: Array, days: Array, xp: Namespace = np) -> Array:
    return log_total + log_spread - xp.log(-xp.expm1(-xp.exp(log_spread) * days))


@dataclass(frozen=True)
class KillLaw:
    """A law of kill. `log_growth(grown, exposure, kill, log_spread, xp)` gives log(V/V0).

    `log_kill_of(log_total, log_spread, days, xp)` gives the log kill that has taken e^`log_total` log units by `days`
    (where growth hides the kill, as in `regrowing`, would have taken by itself). `spreads`: whether it has a lambda.
    """

    name: str
    log_growth: Callable[..., Any]
    log_kill_of: Callable[..., Any]
    spreads: bool


KILL_LAWS: dict[str, KillLaw] = {
    law.name: law
    for law in (
        KillLaw("graded_kill", graded.log_growth, graded.log_kill_of, True),
        KillLaw("claret", fading, _fading_log_kill_of, True),
        KillLaw("exponential", steady, _steady_log_kill_of, False),
        KillLaw("stein_fojo", regrowing, _steady_log_kill_of, False),
    )
}
"""Kinetics of a model card -> its law of kill."""
