"""What must hold of states that turn into one another: propagators, closed forms and what they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avatar_trials.kinetics import divided_differences as dd
from avatar_trials.kinetics import persisters
from avatar_trials.kinetics.namespace import mean_decay
from avatar_trials.kinetics.propagator import apply, propagator

Floats = NDArray[np.float64]

examples = settings(max_examples=500)
of_three_mice = settings(max_examples=170)
exponents = st.floats(-600.0, 20.0)
net = st.floats(-0.6, 0.15)
turning = st.floats(0.0, 0.3) | st.floats(1e-12, 1e-3)
days = st.floats(0.0, 120.0)
MICE = 3


@st.composite
def matrices(draw: st.DrawFn) -> tuple[dict[tuple[int, int], Floats], int]:
    """Rates (to, from) of two to four states over three mice, a third of the switches absent, diagonals often equal."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(2, 4))
    entries = {
        (i, j): 10 ** rng.uniform(-9, -0.5, MICE)
        for i in range(n)
        for j in range(n)
        if i != j and rng.random() < 0.6
    }
    same = rng.uniform(-0.5, 0.1, MICE)
    return entries | {
        (i, i): same if rng.random() < 0.3 else rng.uniform(-0.5, 0.1, MICE) for i in range(n)
    }, n


def dense(entries: Any, n: int) -> Floats:
    out = np.zeros((n, n, MICE))
    for place, entry in entries.items():
        out[place] = entry
    return out


@of_three_mice
@given(matrices(), st.floats(0.0, 40.0), st.floats(0.0, 40.0))
def test_one_time_after_another_is_both(drawn: Any, first: float, second: float) -> None:
    rates, n = drawn
    both = dense(propagator(rates, n, first + second), n)
    one, other = dense(propagator(rates, n, first), n), dense(propagator(rates, n, second), n)
    np.testing.assert_allclose(np.einsum("ijm,jkm->ikm", other, one), both, rtol=1e-11, atol=1e-300)
    assert (both >= 0).all()


@of_three_mice
@given(matrices(), st.floats(0.0, 40.0), st.floats(-1.0, 0.2))
def test_growth_common_to_all_states_is_a_factor(drawn: Any, dt: float, common: float) -> None:
    rates, n = drawn
    lifted = {(i, j): rate + (common if i == j else 0.0) for (i, j), rate in rates.items()}
    expected = dense(propagator(rates, n, dt), n) * np.exp(common * dt)
    np.testing.assert_allclose(dense(propagator(lifted, n, dt), n), expected, rtol=1e-11, atol=1e-300)


@of_three_mice
@given(matrices(), st.floats(0.0, 40.0), st.randoms(use_true_random=False))
def test_the_order_of_states_is_nothing(drawn: Any, dt: float, random: Any) -> None:
    rates, n = drawn
    order = random.sample(range(n), n)
    shuffled = {(order.index(i), order.index(j)): rate for (i, j), rate in rates.items()}
    straight = dense(propagator(rates, n, dt), n)
    np.testing.assert_allclose(
        dense(propagator(shuffled, n, dt), n), straight[np.ix_(order, order)], rtol=1e-11, atol=1e-300
    )


@of_three_mice
@given(matrices(), st.floats(0.0, 40.0))
def test_turned_round_the_flow_is_turned_round(drawn: Any, dt: float) -> None:
    """The propagator of a transposed matrix is transposed, and no time changes nothing."""
    rates, n = drawn
    turned = dense(propagator({(j, i): rate for (i, j), rate in rates.items()}, n, dt), n)
    np.testing.assert_allclose(
        turned, dense(propagator(rates, n, dt), n).swapaxes(0, 1), rtol=1e-11, atol=1e-300
    )
    states = list(np.random.default_rng(0).random((n, MICE)))
    np.testing.assert_allclose(apply(propagator(rates, n, 0.0), states), states, rtol=1e-15)


@examples
@given(net, net, turning, turning, net, turning, turning, days)
def test_the_closed_form_is_the_propagator(
    a: float, b: float, out: float, back: float, g: float, m: float, mp: float, dt: float
) -> None:
    closed = persisters.switching_and_resistance(a, b, out, back, g, m, mp, dt)
    matrix = {(0, 0): a, (1, 1): b, (1, 0): out, (0, 1): back, (2, 2): g, (2, 0): m, (2, 1): mp}
    general = propagator(matrix, 3, dt)
    for place, entry in closed.items():
        np.testing.assert_allclose(entry, general.get(place, 0.0), rtol=1e-10, atol=1e-280)
    for place, entry in persisters.switching(a, b, out, back, dt).items():
        assert entry == closed[place]


@examples
@given(net, net, turning, turning, days)
def test_which_state_is_called_the_persister_is_nothing(
    a: float, b: float, out: float, back: float, dt: float
) -> None:
    one = persisters.switching(a, b, out, back, dt)
    other = persisters.switching(b, a, back, out, dt)
    for (to, source), entry in one.items():
        np.testing.assert_allclose(other[1 - to, 1 - source], entry, rtol=1e-12)
    of = persisters.block(a, b, out, back)
    assert of.largest >= of.smallest
    np.testing.assert_allclose(of.largest + of.smallest, a + b, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(of.first_above - of.second_above, a - b, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(of.first_above * of.second_above, out * back, rtol=1e-10, atol=1e-140)


@examples
@given(net, net, turning, turning, days, st.floats(0.0, 1.0))
def test_the_volume_of_the_block_is_the_sum_of_its_states(
    a: float, b: float, out: float, back: float, t: float, share: float
) -> None:
    states = apply(persisters.switching(a, b, out, back, t), [1 - share, share])
    volume = persisters.log_growth(t, a, b, out, back, share)
    np.testing.assert_allclose(np.exp(volume), states[0] + states[1], rtol=1e-11)
    mirrored = persisters.log_growth(t, b, a, back, out, 1 - share)
    np.testing.assert_allclose(mirrored, volume, rtol=1e-11, atol=1e-12)
    assert persisters.log_growth(t, a + 0.01, b, out, back, share) >= volume - 1e-11
    assert persisters.log_growth(t, a, b + 0.01, out, back, share) >= volume - 1e-11


@examples
@given(exponents, exponents, exponents, st.floats(-5.0, 5.0))
def test_divided_differences_are_means_of_the_exponential(a: float, b: float, c: float, shift: float) -> None:
    one, two = dd.first(a, b), dd.second(a, b, c)
    assert one == dd.first(b, a)
    assert two == dd.second(c, a, b) == dd.second(b, a, c)
    tiny = 1e-300
    assert np.exp(min(a, b)) * (1 - 1e-12) <= one + tiny <= np.exp(max(a, b)) * (1 + 1e-12) + 2 * tiny
    assert np.exp(min(a, b, c)) / 2 * (1 - 1e-12) <= two + tiny
    assert two <= np.exp(max(a, b, c)) / 2 * (1 + 1e-12)
    np.testing.assert_allclose(dd.first(a + shift, b + shift), one * np.exp(shift), rtol=1e-12, atol=tiny)
    np.testing.assert_allclose(
        dd.second(a + shift, b + shift, c + shift), two * np.exp(shift), rtol=1e-11, atol=tiny
    )
    if one > 1e-290:
        np.testing.assert_allclose(dd.log_first(a, b), np.log(one), rtol=1e-12, atol=1e-12)
    low, middle, high = sorted((a, b, c))
    if high - low > 0.5:
        recurrence = (dd.first(high, middle) - dd.first(middle, low)) / (high - low)
        np.testing.assert_allclose(two, recurrence, rtol=1e-10, atol=tiny)


@examples
@given(st.floats(0.0, 700.0), st.floats(0.0, 5.0))
def test_the_mean_decay_falls_from_one(x: float, more: float) -> None:
    mean = mean_decay(x, np)
    assert np.exp(-x) * (1 - 1e-15) <= mean <= 1.0
    assert mean_decay(x + more, np) <= mean * (1 + 1e-15)
    assert mean <= 1 / max(x, 1.0)
    np.testing.assert_allclose(x * mean, 1 - np.exp(-x), rtol=1e-12, atol=1e-16)


def test_equal_rates_have_a_gradient() -> None:
    """The mean of e^-s over no time has the slope -1/2 that it has beside it: a sampler passes through equal rates."""
    x = pt.dscalar()
    slope = pytensor.function([x], pytensor.grad(mean_decay(x, pt), x), mode="FAST_COMPILE")
    assert slope(0.0) == -0.5
    assert abs(slope(1e-6) + 0.5) < 1e-6


@examples
@given(st.floats(0.0, 0.5), turning, net, st.floats(1e-4, 0.3), days)
def test_what_arises_under_drug_looks_like_what_was_there(
    share: float, rate: float, source: float, gap: float, t: float
) -> None:
    """T05, for any rates of which the fed one is the larger."""
    fed = source + gap
    arisen = apply(propagator({(0, 0): source, (1, 1): fed, (1, 0): rate}, 2, t), [1 - share, share])
    there = persisters.equivalent_share(share, rate, source, fed)
    expected = (1 - there) * np.exp(source * t) + there * np.exp(fed * t)
    # A share far above 1 (fed faster than they part) is a difference of large terms.
    np.testing.assert_allclose(sum(arisen), expected, rtol=1e-11 * max(1.0, there))


def test_a_state_that_nothing_is_said_of_stays() -> None:
    """No entry on the diagonal is a net rate of 0, beside states that only grow and states that feed."""
    np.testing.assert_array_equal(propagator({(0, 0): 0.1}, 2, 5.0)[1, 1], 1.0)
    fed = propagator({(0, 0): -0.1, (1, 0): 0.02}, 2, 5.0)
    np.testing.assert_allclose(fed[1, 1], 1.0, rtol=1e-15)
    np.testing.assert_allclose(fed[1, 0], 0.2 * (1 - np.exp(-0.5)), rtol=1e-12)
    assert apply({(0, 0): 2.0}, [3.0, 4.0]) == [6.0, 0.0]


def test_a_state_that_nothing_is_said_of_stays_for_every_mouse() -> None:
    decay = np.array([-0.1, -0.2, -0.3])
    entries = propagator({(0, 0): decay, (1, 0): np.full(3, 0.02)}, 2, 5.0)
    np.testing.assert_allclose(entries[1, 0], 0.02 * (1 - np.exp(decay * 5)) / -decay, rtol=1e-12)
