"""Tumours, courses and curves that cannot be: each is said in the user's terms, none becomes a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from avatar_trials.kinetics import combination, genotypes
from avatar_trials.kinetics.propagator import propagator
from avatar_trials.kinetics.tumour import Clone, Course, Mutation, Niche, Persistence, Tumour, grow

DAYS = np.array([0.0, 10.0])
ONE, NONE = ((1.0,),), ((0.0,),)
ONE_CLONE = [Clone("s", ONE, 1.0)]
TWO = np.log([0.2, 0.1])
BOTH = [Clone("s", ((1.0, 1.0),), 1.0)]
ON2 = Course([0.0], [[1.0, 1.0]])


def one(
    *,
    growth: Any = 0.06,
    log_kill: Any = TWO[:1],
    clones: Any = ONE_CLONE,
    days: Any = DAYS,
    effects: Any = (1.0,),
    **more: Any,
) -> Any:
    return grow(Tumour(growth, log_kill, clones, **more), days, Course([0.0], [effects]))


def two(*, clones: Any = BOTH, effects: Any = (1.0, 1.0), **more: Any) -> Any:
    return one(log_kill=TWO, clones=clones, effects=effects, **more)


BAD: dict[str, Callable[[], Any]] = {
    "NaN log kill": lambda: one(log_kill=np.array([np.nan])),
    "NaN effect": lambda: one(effects=(np.nan,)),
    "infinite effect": lambda: one(effects=(np.inf,)),
    "NaN sensitivity": lambda: one(clones=[Clone("s", ((np.nan,),), 1.0)]),
    "negative sensitivity": lambda: one(clones=[Clone("s", ((-1.0,),), 1.0)]),
    "negative exponent": lambda: two(exponent=-1.0),
    "negative antagonism": lambda: two(antagonism=-2.0),
    "negative share": lambda: one(clones=[Clone("s", ONE, 1.5), Clone("r", NONE, -0.5)]),
    "persisters above 1": lambda: one(persistence=Persistence(0.0, 0.0, share=1.5)),
    "persisters NaN": lambda: one(persistence=Persistence(0.0, 0.0, share=np.nan)),
    "niche share below 0": lambda: one(niche=Niche(-1.0, 1.0)),
    "protection above 1": lambda: one(niche=Niche(0.5, 1.5)),
    "protection below 0": lambda: one(niche=Niche(0.5, -1.0)),
    "protection NaN": lambda: one(niche=Niche(0.5, np.nan)),
    "mutation from no clone": lambda: one(mutations=[Mutation("S", "s", 1.0)]),
    "mutation to no clone": lambda: one(mutations=[Mutation("s", "S", 1.0)]),
    "mutation to itself": lambda: one(mutations=[Mutation("s", "s", 0.1)]),
    "drivers without a driver dim": lambda: two(clones=[Clone("s", (1.0, 0.0), 1.0)]),  # type: ignore[arg-type]
    "a row of one for two drugs": lambda: two(clones=[Clone("s", ONE, 1.0)]),
    "an effect of one for two drugs": lambda: two(effects=(1.0,)),
    "effects of two for one drug": lambda: one(effects=(1.0, 1.0)),
    "log kill by mouse without a drug dim": lambda: one(growth=np.array([0.06, 0.03]), log_kill=TWO),
    "inducing of one for two drugs": lambda: two(persistence=Persistence(0.1, 0.1, inducing=(True,))),
    "days NaN": lambda: one(days=np.array([0.0, np.nan, 20.0])),
    "no days": lambda: one(days=np.array([])),
    "course day NaN": lambda: Course([0.0, np.nan], [[1.0], [0.0]]),
    "fold below 0": lambda: one(persistence=Persistence(0.1, 0.1, induced_fold=(-1.0,))),
    "independent action of NaN": lambda: combination.independent_action(
        np.array([[[0, 0.1, np.nan]], [[0, 0.1, 0.2]]]), DAYS
    ),
    "independent action at one visit": lambda: combination.independent_action(np.zeros((2, 1, 1)), DAYS[:1]),
    "independent action with a day too many": lambda: combination.independent_action(
        np.array([[[0, 0.1, 0.9]], [[0, 0.1, 0.2]]]), np.array([0.0, 7, 14, 21])
    ),
    "shares resistant above 1": lambda: genotypes.two_drug_shares(1.2, 0.1, 0.5),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_is_no_number(what: str) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011
        BAD[what]()
    words = str(told.value)
    assert "state 0" not in words
    assert "broadcast" not in words
    assert "stack" not in words


def test_a_state_of_no_net_rate_beside_mice() -> None:
    """A state may have no entry on the diagonal: it neither grows nor shrinks by itself."""
    decay, fed = np.array([-0.1, -0.2, -0.3]), 0.1
    entries = propagator({(0, 0): decay, (1, 0): np.full(3, fed)}, 2, 5.0)
    np.testing.assert_allclose(entries[1, 0], fed * (1 - np.exp(decay * 5)) / -decay, rtol=1e-12)
    np.testing.assert_allclose(entries[1, 1], 1.0, rtol=1e-14)


def test_a_clone_without_drivers_is_reached_by_no_drug() -> None:
    states = one(clones=[Clone("s", (), 1.0)], persistence=Persistence(0.1, 0.1))
    np.testing.assert_allclose(states[:, -1], [np.exp(0.6), 0.0], rtol=1e-12)


def test_formulas_of_arrays_pass_nan_on() -> None:
    nan = np.array([np.nan, -1.0])
    assert np.isnan(combination.combined_kill(nan, 1.0))
    assert np.isnan(combination.antagonised_kill(nan, 1.0, 0.5))
    assert np.isnan(genotypes.kill(TWO, np.array([np.nan, 1.0]), ((1.0, 1.0),), 1.0))
