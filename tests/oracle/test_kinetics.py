"""Kinetics against digits computed elsewhere (30-digit ODE solutions, SciPy, published figures) and closed forms."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, special

from avatar_trials.kinetics import caliper, clones, combination, two_clone, wander
from avatar_trials.verify import kinetics_references
from tests.held import hold

PIECEWISE = kinetics_references.cases("ode", "linear_piecewise")
CLOSED = kinetics_references.cases("ode", "closed_forms")

DIAGONAL = {"one_clone_on_off", "sensitive_plus_resistant", "zero_rates", "huge_horizon_decay"}
# Clones that turn into one another: these await the switching propagator (2x2 block, feeding of resistant clones).
NOT_DIAGONAL = {
    "persister_switching",
    "defective_jordan",
    "near_defective",
    "stiff_5clone",
    "combo_4state",
    "sequential_4state",
}

SIMPLE = {"r": 0.06, "kill": 0.18, "resistant_logit": -7.0, "resistant_rate": 0.05}


def test_the_ten_ode_cases_are_sorted_by_what_this_propagator_can_do() -> None:
    diagonal = {case["name"] for case in PIECEWISE if kinetics_references.is_diagonal(case)}
    assert diagonal == DIAGONAL
    assert {case["name"] for case in PIECEWISE} - diagonal == NOT_DIAGONAL


@pytest.mark.parametrize(
    "case", [case for case in PIECEWISE if case["name"] in DIAGONAL], ids=lambda c: c["name"]
)
def test_diagonal_ode_cases(case: dict[str, Any]) -> None:
    hold(kinetics_references.clones_side_by_side(case))
    if case["name"] == "zero_rates":
        start = np.log(case["x0"])
        assert (np.exp(clones.advance(start, np.zeros_like(start), 3.0)) == np.exp(start)).all()


def test_a_clone_that_decayed_beyond_floating_point_adds_nothing() -> None:
    """C1: exp(-800) is 0 in V, finite in log V, and a tumour that holds only such a clone can regrow from it."""
    gone = clones.advance(np.array([0.0]), np.array([-2.0]), 400.0)
    assert np.exp(clones.log_total(gone)) == 0.0
    assert clones.log_total(gone) == -800.0
    assert clones.log_total(np.array([3.0, -800.0])) == 3.0
    assert clones.log_total(clones.advance(gone, np.array([2.0]), 400.0)) == 0.0


def test_an_absent_clone_is_no_clone() -> None:
    absent = np.array([-np.inf, 1.5])
    assert clones.log_total(absent) == 1.5
    assert clones.log_total(np.array([-np.inf, -np.inf])) == -np.inf
    assert clones.advance(absent, np.array([5.0, 0.0]), 100.0).tolist() == [-np.inf, 1.5]


@pytest.mark.parametrize(
    "case", [c for c in CLOSED if c["model"] == "two_exponential"], ids=lambda c: str(c["args"])
)
def test_two_exponential_landmarks(case: dict[str, Any]) -> None:
    """Nadir, depth, progression and return of V = s e^(-a t) + q e^(b t), solved to 30 digits elsewhere."""
    """Nadir, depth, progression and return of V = s e^(-a t) + q e^(b t), solved to 30 digits elsewhere."""
    hold(kinetics_references.two_exponentials(case))
    s, q, a, b = (case["args"][key] for key in "sqab")

    def volume(t: float) -> float:
        return float((s + q) * np.exp(clones.log_growth(t, 0.0, a, math.log(q / s), b)))

    found = optimize.minimize_scalar(volume, bounds=(0, 250), method="bounded", options={"xatol": 1e-10})
    assert abs(found.x - float(case["t_nadir"])) < 1e-4


def test_t01_one_clone_is_an_exponential() -> None:
    t, rate = np.linspace(0, 300, 31), 0.0712
    for logit in (-np.inf, -800.0, 0.3):
        m = clones.log_growth(t, rate, 0.0, logit, rate)
        np.testing.assert_allclose(m, rate * t, rtol=1e-12, atol=1e-14)
    doubling = optimize.brentq(
        lambda t: clones.log_growth(t, rate, 0.0, -4.0, rate) - math.log(2), 1, 100, xtol=1e-13
    )
    assert math.isclose(doubling, math.log(2) / rate, rel_tol=1e-10)


def test_t02_equal_clones_are_one_and_order_is_nothing() -> None:
    shares = np.log([0.5, 0.3, 0.15, 0.05])
    mixture = clones.log_total(clones.advance(shares, np.full(4, -0.03), 77.0))
    assert math.isclose(mixture, -0.03 * 77.0, rel_tol=1e-12)
    rates = np.array([-0.2, 0.01, -0.05, 0.08])
    order = [2, 0, 3, 1]
    straight = clones.log_total(clones.advance(shares, rates, 41.0))
    permuted = clones.log_total(clones.advance(shares[order], rates[order], 41.0))
    assert math.isclose(straight, permuted, rel_tol=1e-12)


def test_two_clone_formula_is_the_two_clone_march() -> None:
    t = np.array([0.0, 3.5, 21.0, 140.0])
    shares = clones.two_clone_log_shares(SIMPLE["resistant_logit"])
    assert math.isclose(clones.log_total(shares), 0.0, abs_tol=1e-15)
    rates = np.array([SIMPLE["r"] - SIMPLE["kill"], SIMPLE["resistant_rate"]])
    marched = clones.log_total(clones.advance(shares[:, None], rates[:, None], t))
    np.testing.assert_allclose(clones.log_growth(t, **SIMPLE), marched, rtol=1e-12, atol=1e-14)
    assert clones.log_growth(0.0, **SIMPLE) == 0.0


def test_t08_resistant_share_decides_the_class() -> None:
    """q -> 1 never shrinks (intrinsic resistance); a small q responds, then relapses; depth is monotone in q."""
    t = np.linspace(0, 400, 2001)
    logits = np.array([-14.0, -9.0, -5.0, -2.0, 0.0, 4.0, 40.0])
    m = clones.log_growth(t, 0.06, 0.2, logits[:, None], 0.05)
    depth = m.min(axis=-1)
    assert (np.diff(depth) >= 0).all()
    assert depth[0] < math.log(0.01)
    assert m[0, -1] > math.log(2)
    assert depth[-1] == 0.0
    np.testing.assert_allclose(m[-1], 0.05 * t, rtol=1e-12, atol=1e-12)
    halved = (depth < math.log(0.5)).astype(int)
    assert (np.diff(halved) <= 0).all()


def test_t11_combination_exponents() -> None:
    kills = np.array([0.03, 0.08])
    log_kills = np.log(kills)
    assert math.isclose(combination.combined_kill(log_kills, 1.0), kills.sum(), rel_tol=1e-12)
    equal = combination.combined_kill(np.log([0.05, 0.05]), 64.0) / 0.05
    assert math.isclose(equal, 2 ** (1 / 64), rel_tol=1e-12)
    assert equal < 1.011
    exponents = np.array([0.3, 0.7, 1.0, 2.0, 8.0, 64.0])
    together = combination.combined_kill(log_kills, exponents)
    assert (np.diff(together) < 0).all()
    np.testing.assert_allclose(
        together, (kills[:, None] ** exponents).sum(axis=0) ** (1 / exponents), rtol=1e-12
    )
    np.testing.assert_allclose(
        combination.log_combined_kill(log_kills[0], log_kills[1], exponents),
        np.log(together),
        rtol=1e-12,
        atol=1e-12,
    )


def test_t12_two_like_drugs_at_a_high_exponent_are_one_drug() -> None:
    log_kill = math.log(0.11)
    assert math.isclose(combination.log_combined_kill(log_kill, log_kill, 1e13), log_kill, rel_tol=1e-12)
    assert math.isclose(combination.combined_kill(np.full(2, log_kill), 1e13), 0.11, rel_tol=1e-12)
    both = clones.log_growth(30.0, 0.05, combination.combined_kill(np.full(2, log_kill), 1e13), -5.0, 0.04)
    assert math.isclose(both, clones.log_growth(30.0, 0.05, 0.11, -5.0, 0.04), rel_tol=1e-12)


def test_t13_resistance_to_two_drugs() -> None:
    lqa, lqb = math.log(1e-3), math.log(4e-2)
    assert math.isclose(combination.log_resistant_fraction(lqa, lqb, 0.0), math.log(4e-5), rel_tol=1e-12)
    assert combination.log_resistant_fraction(lqa, lqb, 1.0) == lqa
    assert combination.log_resistant_fraction(lqb, lqa, 1.0) == lqa
    between = combination.log_resistant_fraction(lqa, lqb, np.linspace(0, 1, 5))
    np.testing.assert_allclose(np.diff(between, 2), 0.0, atol=1e-13)
    assert (np.diff(between) > 0).all()


@pytest.mark.parametrize(("plateau", "doubling"), [(0.30, 195), (0.09, 197), (0.0, 198)])
def test_t16_doubling_hardly_feels_the_plateau(plateau: float, doubling: float) -> None:
    """The other half of the nadir paradox: q = 1e-4, k = .1, g = .05. Progression from the nadir is an endpoint."""
    q = 1e-4
    start = np.log([1 - q - plateau, max(plateau, 1e-300), q])

    def log_volume(t: float) -> float:
        return float(clones.log_total(clones.advance(start, np.array([-0.1, 0.0, 0.05]), t)))

    time = optimize.brentq(lambda t: log_volume(t) - math.log(2), 50, 400)
    assert abs(time - doubling) < 1.0


def test_t17_sphere_conversions() -> None:
    """Percent change of diameter and the percent change of volume that goes with it."""
    for of_diameter, of_volume in ((-30, -65.70), (20, 72.80), (-54.7, -90.70), (-48.5, -86.34)):
        start = caliper.diameter_mm(200.0)
        end = caliper.diameter_mm(200.0 * (1 + of_volume / 100))
        assert abs(100 * (end / start - 1) - of_diameter) < 2e-2
        exact = 100 * ((1 + of_diameter / 100) ** 3 - 1)
        assert abs(exact - of_volume) < 5.1e-3
    ratios = next(case for case in CLOSED if case["model"] == "recist_sphere")
    for key, diameter_ratio in (
        ("plus20_diameter_volume_ratio", 1.2),
        ("minus30_diameter_volume_ratio", 0.7),
    ):
        end = caliper.diameter_mm(200.0 * float(ratios[key]))
        assert math.isclose(end / caliper.diameter_mm(200.0), diameter_ratio, rel_tol=1e-12)


@pytest.mark.parametrize("c", [0.0, 1e-12, 0.35, 2.0])
def test_power_deceleration_solves_its_differential_equation(c: float) -> None:
    """u' = m'(t) (V/V0)^-c above V0 and u' = m'(t) below, for a curve that shrinks, regrows past V0 and slows."""
    curve = {"r": 0.1, "kill": 0.25, "resistant_logit": -3.0, "resistant_rate": 0.09}

    def slope(t: float) -> float:
        share = special.expit(-3.0 + (0.09 - 0.1 + 0.25) * t)
        return float((1 - share) * (0.1 - 0.25) + share * 0.09)

    def net(t: float, u: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.asarray(slope(t) * np.exp(-c * np.maximum(u, 0.0)))

    times = np.linspace(0, 80, 21)
    solved = integrate.solve_ivp(net, (0, 80), [0.0], t_eval=times, rtol=1e-11, atol=1e-12, max_step=0.1).y[0]
    ours = clones.size_from_growth(clones.log_growth(times, **curve), c)
    assert ours.min() < -0.3
    assert ours.max() > 0.7
    np.testing.assert_allclose(ours, solved, atol=2e-6)


def test_power_deceleration_tends_to_none() -> None:
    m = np.array([-700.0, -1.0, 0.0, 1e-9, 0.5, 40.0])
    assert (clones.size_from_growth(m, 0.0) == m).all()
    np.testing.assert_allclose(clones.size_from_growth(m, 1e-15), m, rtol=1e-13)
    np.testing.assert_allclose(clones.size_from_growth(m, 1.0)[3:], np.log1p(m[3:]), rtol=1e-14)


def test_caliper_scale_by_hand() -> None:
    """A 10 mm sphere, 0.26 mm in each of two diameters, 2.8 % beside it."""
    volume = math.pi / 6 * 1000.0
    assert math.isclose(caliper.diameter_mm(volume), 10.0, rel_tol=1e-12)
    expected = math.sqrt(5 * 0.026**2 + 0.028**2)
    assert math.isclose(caliper.log_sd(volume, 0.26, 0.028, 0.0), expected, rel_tol=1e-12)
    assert math.isclose(caliper.log_sd(volume - 5.0, 0.26, 0.028, 5.0), expected, rel_tol=1e-12)
    at_floor = math.hypot(math.sqrt(5) * 0.26 / (30 / math.pi) ** (1 / 3), 0.028)
    assert math.isclose(caliper.log_sd(0.0, 0.26, 0.028, 5.0), at_floor, rel_tol=1e-12)


def test_caliper_scale_is_the_spread_of_measured_volumes() -> None:
    """L, W ~ N(D, delta), V = (pi/6) L W^2: the formula is the first-order spread of log V."""
    rng = np.random.default_rng(5)
    for diameter, delta in ((5.0, 0.13), (12.0, 0.26)):
        length, width = rng.normal(diameter, delta, size=(2, 400_000))
        spread = np.log(math.pi / 6 * length * width**2).std()
        formula = caliper.log_sd(math.pi / 6 * diameter**3, delta, 0.0, 0.0)
        assert abs(spread / formula - 1) < 0.01


def read_alone(surprises: Any, squared: Any, days: Any, weekly: Any, limit: float = -1e9) -> Any:
    """Readings about a curve that stays at 0."""
    shape = np.broadcast_shapes(np.shape(surprises), np.shape(days))
    return wander.readings(surprises, np.zeros(shape), np.broadcast_to(squared, shape), days, weekly, limit)


def test_readings_have_the_moments_of_a_random_walk_and_a_caliper() -> None:
    """Covariance weekly^2 min(t)/7 + caliper, whatever the visits; of t4 surprises twice that of normal ones."""
    weekly, days = 0.16, np.array([0.0, 3.5, 7.0, 28.0, 28.0, 140.0])
    caliper_squared = np.array([0.01, 0.04, 0.0025, 0.09, 0.01, 0.02])
    expected = weekly**2 * np.minimum.outer(days, days) / 7 + np.diag(caliper_squared)
    spread = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    n = 400_000
    rng = np.random.default_rng(3)
    for surprises, factor, tolerance in (
        (rng.normal(size=(n, days.size)), 1.0, 6 * math.sqrt(2 / n)),
        (rng.standard_t(4, size=(n, days.size)), 2.0, 0.04),
    ):
        found = np.cov(read_alone(surprises, caliper_squared, days, weekly).T)
        assert np.abs(found / factor - expected).max() <= tolerance * spread.max()
        assert (np.abs(found / factor - expected) / spread).max() <= tolerance


def test_readings_by_hand() -> None:
    """Surprise 2 on day 7: scale sqrt(.01 + .03) = .2, a quarter of it wander; .0075 is left unknown of that."""
    surprises, squared = np.array([1.0, 2.0, -1.0]), np.array([0.04, 0.03, 0.01])
    days = np.array([0.0, 7.0, 14.0])
    after = math.sqrt(0.0075 + 0.01 + 0.01)
    np.testing.assert_allclose(
        read_alone(surprises, squared, days, 0.1), [0.2, 0.4, 0.1 - after], rtol=0, atol=1e-15
    )
    # The middle reading below the limit: only that is known, and the wander of a fortnight is still ahead.
    unseen = read_alone(surprises * [1, -2, -1], squared, days, 0.1, limit=-0.5)
    np.testing.assert_allclose(unseen, [0.2, -0.8, math.sqrt(0.02 + 0.01)], rtol=0, atol=1e-15)


DRIVES = np.linspace(-15.0, 6.0, 43)


def test_killing_and_clearing_take_turns() -> None:
    """1/K = 1/drive + 1/clearance, in its two limits and between."""
    for clearance in (0.1, 0.45, 3.0):
        rates = np.exp(two_clone.log_kill_rate(DRIVES, clearance))
        np.testing.assert_allclose(1 / rates, 1 / np.exp(DRIVES) + 1 / clearance, rtol=1e-13)
        log_rest = np.log(clearance) - np.log1p(np.exp(DRIVES) / clearance)
        np.testing.assert_allclose(np.exp(log_rest), clearance - rates, rtol=1e-9, atol=1e-15)
        back = two_clone.log_drive_of(np.log(rates), log_rest, clearance)
        np.testing.assert_allclose(back, DRIVES, rtol=1e-12, atol=1e-12)
    assert np.exp(two_clone.log_kill_rate(-12.0, 0.45)) == pytest.approx(math.exp(-12), rel=2e-5)
    assert np.exp(two_clone.log_kill_rate(40.0, 0.45)) == pytest.approx(0.45, rel=1e-14)


@pytest.mark.parametrize("bend", [-4.0, -2.5, 0.0])
def test_resistance_score(bend: float) -> None:
    """Slope 1 far below the bend, 1 + factor far above it: against 50 digits, SciPy's root, finite differences."""
    factor, sharpness = two_clone.BEND_FACTOR, two_clone.BEND_SHARPNESS
    logits = np.concatenate([np.linspace(-60, 10, 141), [bend, bend + 1e-9]])
    scores = two_clone.resistance_score(logits, bend)
    with localcontext(prec=50):
        beyond = [(Decimal(sharpness) * (Decimal(x) - Decimal(bend))).exp() for x in logits.tolist()]
        stretched = [Decimal(factor) / Decimal(sharpness) * (1 + x).ln() for x in beyond]
        exact = [float(Decimal(x) + more) for x, more in zip(logits.tolist(), stretched, strict=True)]
    np.testing.assert_allclose(scores, exact, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(two_clone.resistant_logit_of(scores, bend), logits, rtol=0, atol=1e-10)
    for score in (-60.0, -3.0, bend, 0.0, 4.0, 60.0, 150.0):
        root = optimize.brentq(
            lambda x, s=score: float(two_clone.resistance_score(x, bend)) - s, -200, 200, xtol=1e-13
        )
        assert float(two_clone.resistant_logit_of(score, bend)) == pytest.approx(root, abs=1e-10)

    h = 1e-5
    difference = (
        two_clone.resistance_score(logits + h, bend) - two_clone.resistance_score(logits - h, bend)
    ) / (2 * h)
    slope = np.exp(two_clone.log_score_slope(logits, bend))
    np.testing.assert_allclose(slope, difference, rtol=1e-8)
    assert slope[0] == pytest.approx(1.0, abs=1e-12)
    assert two_clone.log_score_slope(bend + 12.0, bend) == pytest.approx(math.log1p(factor), abs=1e-12)
    assert two_clone.log_score_slope(bend, bend) == pytest.approx(math.log1p(factor / 2), rel=1e-14)


THREE = np.array([[-3.0, -2.2, 0.4], [-4.5, -1.0, -1.0]])


def test_drive_of_an_arm() -> None:
    """p = 1 adds the drives, a large p leaves the strongest, one drug is itself whatever p."""
    for p in (0.4, 1.0, 3.0, 25.0):
        exponent = np.full(2, p)
        for drug in range(3):
            one = np.arange(3) == drug
            np.testing.assert_allclose(
                two_clone.arm_log_drive(THREE, one, exponent), THREE[:, drug], rtol=1e-12
            )
        both = np.array([True, False, True])
        norm = (np.exp(THREE[:, 0]) ** p + np.exp(THREE[:, 2]) ** p) ** (1 / p)
        np.testing.assert_allclose(two_clone.arm_log_drive(THREE, both, exponent), np.log(norm), rtol=1e-12)
    every = np.ones(3, dtype=bool)
    np.testing.assert_allclose(
        np.exp(two_clone.arm_log_drive(THREE, every, np.ones(2))), np.exp(THREE).sum(axis=1), rtol=1e-13
    )
    np.testing.assert_allclose(
        two_clone.arm_log_drive(THREE, every, np.full(2, 500.0)), THREE.max(axis=1), atol=3e-3
    )


def test_score_of_an_arm() -> None:
    """Cells that resist every drug: the product of the shares when independent, the smallest when nested."""
    shares = special.expit(THREE)
    every = np.ones(3, dtype=bool)
    independent = two_clone.arm_score(THREE, every, np.zeros(2))
    nested = two_clone.arm_score(THREE, every, np.ones(2))
    np.testing.assert_allclose(np.exp(independent), shares.prod(axis=1), rtol=1e-12)
    np.testing.assert_allclose(np.exp(nested), shares.min(axis=1), rtol=1e-12)
    halfway = two_clone.arm_score(THREE, every, np.full(2, 0.5))
    np.testing.assert_allclose(np.exp(halfway) ** 2, shares.prod(axis=1) * shares.min(axis=1), rtol=1e-12)
    two = two_clone.arm_score(THREE, np.array([False, True, True]), np.zeros(2))
    np.testing.assert_allclose(np.exp(two), shares[:, 1] * shares[:, 2], rtol=1e-12)
    one = two_clone.arm_score(THREE, np.array([False, True, False]), np.array([0.0, 0.7]))
    np.testing.assert_allclose(one, np.log(shares[:, 1]), rtol=1e-12)
    alike = combination.log_resistant_fraction(np.log(shares[:, 0]), np.log(shares[:, 1]), 0.3)
    pair = two_clone.arm_score(THREE, np.array([True, True, False]), np.full(2, 0.3))
    np.testing.assert_allclose(pair, alike, rtol=1e-12)


def test_slowing_of_an_arm() -> None:
    """The strongest slowing (the most negative log), plus a share of what the other drugs would add."""
    slowing = np.array([-0.7, -0.1, -1.1])
    every = np.ones(3, dtype=bool)
    assert two_clone.arm_slowing(slowing, every, 0.0) == -1.1
    assert two_clone.arm_slowing(slowing, every, 1.0) == pytest.approx(-1.9, rel=1e-14)
    assert two_clone.arm_slowing(slowing, every, 0.25) == pytest.approx(-1.3, rel=1e-14)
    assert two_clone.arm_slowing(slowing, np.array([True, True, False]), 0.5) == pytest.approx(
        -0.75, rel=1e-14
    )
    for drug in range(3):
        assert two_clone.arm_slowing(slowing, np.arange(3) == drug, 0.6) == pytest.approx(
            slowing[drug], rel=1e-14
        )


ENGINES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "log_growth": (
        clones.log_growth,
        (np.linspace(0, 120, 7), 0.06, np.full((3, 1), 0.2), np.array([[-40.0], [-4.0], [3.0]]), 0.05),
    ),
    "two_clone_log_shares": (clones.two_clone_log_shares, (np.array([-40.0, 0.0, 3.0]),)),
    "advance": (
        clones.advance,
        (np.log([[0.5, 0.5], [1e-9, 1.0]]), np.array([[-0.2], [0.05]]), np.array([3.0, 40.0])),
    ),
    "log_total": (clones.log_total, (np.array([[0.0, -np.inf, -np.inf], [-800.0, 1.0, -np.inf]]),)),
    "size_from_growth": (
        clones.size_from_growth,
        (np.array([-3.0, 0.0, 1e-9, 2.0]), np.array([0.0, 0.3, 0.3, 0.3])),
    ),
    "combined_kill": (combination.combined_kill, (np.log([[0.1, 0.02], [0.05, 0.05]]), np.array([0.7, 3.0]))),
    "log_combined_kill": (
        combination.log_combined_kill,
        (np.array([-2.0, -3.0]), np.array([-2.5, -3.0]), 1.7),
    ),
    "log_resistant_fraction": (combination.log_resistant_fraction, (np.array([-6.0, -2.0]), -4.0, 0.3)),
    "log_sd": (caliper.log_sd, (np.array([0.0, 15.0, 1500.0]), 0.26, 0.06, 5.0)),
    "log_variance": (caliper.log_variance, (np.array([0.0, 15.0, 1500.0]), 0.26, 0.06, 5.0)),
    "variance": (wander.variance, (np.array([0.0, 3.5, 70.0]), 0.0225)),
    "log_kill_rate": (two_clone.log_kill_rate, (np.array([-9.0, -1.0, 0.4, 40.0]), 0.45)),
    "log_drive_of": (two_clone.log_drive_of, (np.array([-9.0, -1.0]), np.array([-0.8, -2.5]), 0.45)),
    "resistance_score": (two_clone.resistance_score, (np.array([-60.0, -2.5, -2.0, 10.0]), -2.5)),
    "log_score_slope": (two_clone.log_score_slope, (np.array([-60.0, -2.5, -2.0, 10.0]), -2.5)),
    "arm_log_drive": (
        two_clone.arm_log_drive,
        (THREE, np.array([[1, 0, 1], [0, 1, 0]]), np.array([0.6, 3.0])),
    ),
    "arm_score": (two_clone.arm_score, (THREE, np.array([[1, 0, 1], [0, 1, 0]]), 0.3)),
    "arm_slowing": (two_clone.arm_slowing, (THREE, np.array([[1, 0, 1], [0, 1, 0]]), 0.3)),
}


@pytest.mark.parametrize("name", ENGINES)
def test_one_formula_two_engines(name: str) -> None:
    """The same source line gives the same numbers in NumPy and in PyTensor."""
    pt = pytest.importorskip("pytensor.tensor")
    formula, arguments = ENGINES[name]
    inputs = [pt.as_tensor(np.asarray(argument, dtype=float)).type() for argument in arguments]
    values = {symbol: np.asarray(a, dtype=float) for symbol, a in zip(inputs, arguments, strict=True)}
    namespace = {"xp": pt} if "xp" in inspect.signature(formula).parameters else {}
    symbolic = formula(*inputs, **namespace).eval(values, mode="FAST_COMPILE")
    np.testing.assert_allclose(symbolic, formula(*arguments), rtol=1e-13, atol=1e-13)


def test_gradients_that_the_sampler_needs_are_finite_and_right() -> None:
    pt = pytest.importorskip("pytensor.tensor")
    grad = pytest.importorskip("pytensor").grad
    m = pt.dvector("m")
    at = np.array([-2.0, -1e-9, 1e-9, 3.0])
    slope = grad(clones.size_from_growth(m, 0.35, pt).sum(), m).eval({m: at}, mode="FAST_COMPILE")
    np.testing.assert_allclose(slope, np.where(at < 0, 1.0, 1 / (1 + 0.35 * at)), rtol=1e-9)


def test_gradients_of_an_arm_are_finite_where_a_drug_is_not_given() -> None:
    pt = pytest.importorskip("pytensor.tensor")
    grad = pytest.importorskip("pytensor").grad
    x = pt.dmatrix("x")
    masks = np.array([[True, False, True], [False, True, False]])
    share = special.expit(THREE)
    p = 1.7
    weight = np.where(masks, np.exp(p * THREE), 0.0)
    for value, expected in (
        (two_clone.arm_log_drive(x, masks, np.full(2, p), pt), weight / weight.sum(axis=1, keepdims=True)),
        (two_clone.arm_score(x, masks, 0.0, pt), np.where(masks, 1 - share, 0.0)),
        (two_clone.arm_slowing(x, masks, 1.0, pt), masks.astype(float)),
        (two_clone.arm_slowing(x, masks, 0.0, pt), [[1, 0, 0], [0, 1, 0]]),
    ):
        slope = grad(value.sum(), x).eval({x: THREE}, mode="FAST_COMPILE")
        np.testing.assert_allclose(slope, expected, rtol=1e-10, atol=1e-14)
