"""States that feed one another: 30-digit solutions, 50-digit Taylor series, and identities that no volume can see."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate, linalg

from avatar_trials.kinetics import clones, divided_differences, persisters
from avatar_trials.kinetics.propagator import apply, propagator
from avatar_trials.verify import kinetics_references
from tests.held import hold
from tests.precise import evolved, relative_error

CASES = kinetics_references.cases("ode", "linear_piecewise")


def entries(matrix: Any) -> dict[tuple[int, int], float]:
    return {(i, j): float(rate) for i, row in enumerate(matrix) for j, rate in enumerate(row)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_c1_every_state_of_the_ten_cases(case: dict[str, Any]) -> None:
    """Componentwise to 1e-11: relative error of squaring 13 times (the stiff case) is some 1e-12; asked is 1e-10."""
    hold(kinetics_references.states_that_feed_one_another(case))
    if case["name"] == "huge_horizon_decay":
        assert propagator({(0, 0): -2.0}, 1, 500.0)[0, 0] == 0.0


def cases_of_three_states(n: int) -> list[tuple[float, ...]]:
    """Rates of cycling, persister, resistant; a quarter with nearly equal rates, some with nearly no switching."""
    rng = np.random.default_rng(1)
    drawn = []
    for k in range(n):
        a, b = rng.uniform(-0.6, 0.1), rng.uniform(-0.1, 0.05)
        out, back = 10 ** rng.uniform(-9, -1, 2)
        if k % 4 == 0:
            b = a * (1 + 10 ** rng.uniform(-16, -2))
        if k % 8 == 0:
            out, back = 10 ** rng.uniform(-12, -6, 2)
        g = rng.choice([rng.uniform(-0.3, 0.1), a, b, a - 1e-9])
        m, mp = 10 ** rng.uniform(-9, -3, 2)
        drawn.append(tuple(map(float, (a, b, out, back, g, m, mp, rng.uniform(0, 100)))))
    return drawn


def test_persister_block_and_what_it_feeds_to_50_digits() -> None:
    """Closed form and propagator, both to 1e-12 in every state, also where rates are equal to the last bit."""
    for a, b, out, back, g, m, mp, dt in cases_of_three_states(150):
        matrix = [[a, back, 0.0], [out, b, 0.0], [m, mp, g]]
        x = [1 - 1e-3, 1e-3, 1e-6]
        truth = evolved(matrix, x, dt)
        closed = persisters.switching_and_resistance(a, b, out, back, g, m, mp, dt)
        assert relative_error(apply(closed, x), truth) < 1e-12
        assert relative_error(apply(propagator(entries(matrix), 3, dt), x), truth) < 1e-12


def test_t04_random_matrices_and_schedules_against_expm() -> None:
    rng = np.random.default_rng(2)
    for _ in range(60):
        n = int(rng.integers(2, 7))
        x = rng.random(n)
        ours, theirs = list(x), x
        for days in rng.uniform(0, 30, 3):
            matrix = np.where(rng.random((n, n)) < 0.5, 10 ** rng.uniform(-6, -1, (n, n)), 0.0)
            np.fill_diagonal(matrix, rng.uniform(-0.4, 0.1, n))
            ours = apply(propagator(entries(matrix), n, days), list(ours))
            halves = apply(propagator(entries(matrix), n, days / 2), list(np.eye(n)))
            again = apply(propagator(entries(matrix), n, days / 2), halves)
            np.testing.assert_allclose(
                again, apply(propagator(entries(matrix), n, days), list(np.eye(n))), rtol=1e-12
            )
            theirs = linalg.expm(matrix * days) @ theirs
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)


def test_t04_against_an_ode_solver() -> None:
    matrix = np.array([[-0.231, 0.005, 0.0], [0.001, -0.015, 0.0], [1e-4, 1e-3, 0.06]])
    x = np.array([1.0, 0.0, 0.0])
    solved = integrate.solve_ivp(
        lambda _, y: matrix @ y, (0, 84), x, method="DOP853", rtol=1e-13, atol=1e-18
    ).y[:, -1]
    np.testing.assert_allclose(apply(propagator(entries(matrix), 3, 84.0), list(x)), solved, rtol=1e-9)


def test_t03_switching_alone_keeps_every_cell() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        out, back, dt = *(10 ** rng.uniform(-6, 0.5, 2)), rng.uniform(0, 300)
        block = persisters.switching(-out, -back, out, back, dt)
        x = [0.7, 0.3]
        assert math.isclose(sum(apply(block, x)), 1.0, rel_tol=1e-12)
        rates = {(0, 0): -out, (1, 1): -back, (1, 0): out, (0, 1): back}
        assert math.isclose(sum(apply(propagator(rates, 2, dt), x)), 1.0, rel_tol=1e-12)


def test_a_mouse_does_not_feel_the_other_mice() -> None:
    """Bit for bit, in a panel over several blocks, beside a stiff neighbour that needs more squarings."""
    rng = np.random.default_rng(4)
    fast = np.where(np.arange(9000) % 7 == 0, 200.0, 0.2)
    rates = {(0, 0): -fast, (1, 1): np.full(9000, -0.01), (1, 0): 0.1 * fast, (0, 1): rng.random(9000)}
    together = propagator(rates, 2, 3.5)
    for mouse in (0, 1, 4095, 4096, 8999):
        alone = propagator({place: rate[mouse] for place, rate in rates.items()}, 2, 3.5)
        assert all(alone[place] == together[place][mouse] for place in alone)


def test_divided_differences_against_their_integrals() -> None:
    rng = np.random.default_rng(5)
    for scale in (1e-9, 1e-3, 0.3, 0.99, 1.01, 3.0, 40.0, 600.0):
        for _ in range(20):
            a, b, c = rng.uniform(-scale, scale, 3)
            inner = integrate.quad(
                lambda s, a=a, b=b: math.exp(a * s + b * (1 - s)), 0, 1, epsabs=0, epsrel=1e-13
            )
            assert math.isclose(divided_differences.first(a, b), inner[0], rel_tol=1e-12)
            top = max(a, b, c)
            outer = integrate.quad(
                lambda s, a=a, b=b, c=c, top=top: (
                    s * float(divided_differences.first(s * a + (1 - s) * c - top, s * b + (1 - s) * c - top))
                ),
                0,
                1,
                epsabs=0,
                epsrel=1e-12,
                limit=400,
            )
            assert math.isclose(
                float(divided_differences.second(a - top, b - top, c - top)), outer[0], rel_tol=1e-10
            )
    assert divided_differences.first(0.3, 0.3) == math.exp(0.3)
    assert math.isclose(divided_differences.second(0.3, 0.3, 0.3), math.exp(0.3) / 2, rel_tol=1e-15)
    assert divided_differences.first(-800.0, -900.0) == 0.0


def test_t05_acquired_is_pre_existing_resistance() -> None:
    """No volume tells a clone fed at rate alpha under constant drug from a larger share at day 0."""
    t = np.linspace(0, 200, 41)
    sensitive, resistant, alpha, q = -0.12, 0.045, 3e-4, 1e-5
    fed = apply(propagator({(0, 0): sensitive, (1, 1): resistant, (1, 0): alpha}, 2, t), [1 - q, q])
    share = persisters.equivalent_share(q, alpha, sensitive, resistant)
    logit = math.log(share / (1 - share))
    there = clones.log_growth(t, 0.0, -sensitive, logit, resistant)
    np.testing.assert_allclose(fed[0] + fed[1], np.exp(there), rtol=1e-12)
    with pytest.raises(ValueError, match="grow faster"):
        persisters.equivalent_share(q, alpha, 0.05, 0.05)


def test_persister_volume_is_the_block_and_survives_underflow() -> None:
    a, b, out, back, share = -0.3, -0.02, 0.004, 0.001, 1e-4
    t = np.array([0.0, 3.0, 60.0, 900.0])
    x = apply(persisters.switching(a, b, out, back, t), [1 - share, share])
    np.testing.assert_allclose(
        persisters.log_growth(t, a, b, out, back, share), np.log(x[0] + x[1]), rtol=1e-12
    )
    assert persisters.log_growth(0.0, a, b, out, back, share) == 0.0
    deep = persisters.log_growth(4e4, a, b, out, back, share)
    assert np.isfinite(deep)
    assert math.isclose(deep, -0.02 * 4e4, rel_tol=0.01)


def test_what_is_wrong_with_rates_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"not negative; the rate from state 0 to 1 is negative.*not finite"):
        propagator({(1, 0): -0.1, (1, 1): math.nan}, 2, -1.0)
    with pytest.raises(ValueError, match="from state 4 to 0, where there are 2"):
        propagator({(0, 4): 0.1}, 2, 1.0)
