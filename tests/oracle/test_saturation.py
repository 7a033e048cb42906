"""Retardation and crowding against 30-digit solutions, SciPy's ODE solver, and their limits."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, special
from scipy.linalg import expm

from avatar_trials.kinetics import clones, namespace, saturation
from avatar_trials.verify import kinetics_references
from tests.held import hold

Floats = NDArray[np.float64]
# y(t) = int_0^t e^(-a (t - s)) (mean net rate at s) ds of two clones, by mpmath at 40 digits:
# t, r, kill, resistant logit, resistant rate, a. The curves have their nadir before, at and after t.
TWO_CLONES = [
    ((90, 0.06, 0.18, -7, 0.05, 0.02), 0.2164503746866094459993),
    ((35, 0.08, 0.0, -40, 0.05, 0.03), 1.733499335703585719314),
    ((200, 0.1, 1.5, -12, 0.07, 0.005), 4.341656918865111854447),
    ((150, 0.05, 0.3, -9, 0.04, 0.8), 0.04999999999999940889015),
    ((70, 0.05, 0.3, -20, 0.04, 0.8), -0.1361765363587521211578),
    ((66, 0.06, 0.16, -10, 0.05, 5), -0.005973378220742851011527),
    ((120, 0.06, 0.2, -6, 0.05, 1e-07), -0.002449943176180563788602),
    ((60, 0.05, 0.01, 2, 0.09, 0.1), 0.8914973808126682704322),
    ((80, 0.3, 0.05, 3, 0.04, 0.05), 4.811824222969527697991),
]


def mixture(log_shares: Floats, rates: Floats) -> Any:
    """Unretarded log total of clones (state,) at days of any shape, and its slope; both by hand."""

    def log_total(s: Any) -> Floats:
        return np.asarray(special.logsumexp(np.expand_dims(s, -1) * rates + log_shares, axis=-1))

    def slope(s: float) -> float:
        return float(special.softmax(log_shares + rates * s) @ rates)

    return log_total, slope


def solved(slope: Any, a: float, days: float, start: float) -> float:
    """y' = slope(t) - a y from y = start, by SciPy."""
    solution = integrate.solve_ivp(
        lambda t, v: slope(t) - a * v, (0, days), [start], method="DOP853", rtol=1e-12, atol=1e-13
    )
    return float(solution.y[0, -1])


@pytest.mark.parametrize(("case", "expected"), TWO_CLONES, ids=str)
def test_t06_two_clones_to_thirty_digits(case: tuple[float, ...], expected: float) -> None:
    t, r, kill, logit, late, a = (np.float64(x) for x in case)
    assert abs(saturation.retarded_two_clones(t, r, kill, logit, late, a) - expected) < 1e-11
    anywhere = saturation.retarded(lambda s: clones.log_growth(s, r, kill, logit, late), t, a)
    # kill 1.5/day over 200 days bends within a day: 16 panels of 12.5 days are at their limit there.
    assert abs(anywhere - expected) < 1e-8


def test_t06_three_clones_against_the_ode() -> None:
    """A plateau between response and regrowth, at three retardations and starts other than 0."""
    log_total, slope = mixture(np.log([0.94, 0.0599, 1e-4]), np.array([-0.25, 0.0, 0.06]))
    for a, start in ((0.004, 0.0), (0.05, -1.3), (0.6, 2.0)):
        for days in (10.0, 60.0, 160.0):
            ours = saturation.retarded(log_total, np.float64(days), a, start)
            assert abs(ours - solved(slope, a, days, start)) < 1e-9


def test_t06_on_and_off_schedules() -> None:
    """Two clones, drug on for 21 days, off for 14, on again: marched by segment, and with breaks, against the ODE."""
    shares, on, off = np.log([0.999, 0.001]), np.array([-0.12, 0.05]), np.array([0.07, 0.06])
    durations, segments = (21.0, 14.0, 40.0), (on, off, on)
    a = 0.03

    sizes, starts = shares, []
    for rates, duration in zip(segments, durations, strict=True):
        starts.append(sizes)
        sizes = sizes + rates * duration
    edges = np.cumsum(durations)

    expected, marched = 0.0, np.float64(0.0)
    for sizes, rates, duration in zip(starts, segments, durations, strict=True):
        local, slope = mixture(sizes, rates)
        expected = solved(slope, a, duration, expected)
        before = local(0.0)
        s, weights = saturation.memory(np.float64(duration), a, panels=1)
        marched = saturation.retarded_of(
            local(duration) - before, local(s) - before, weights, duration, a, marched
        )
        assert abs(marched - expected) < 1e-9

    def whole(s: Any) -> Floats:
        """The log total of the whole schedule: time spent in each segment, times its rates."""
        spent = [np.clip(s - (end - d), 0.0, d) for end, d in zip(edges, durations, strict=True)]
        grown = sum(np.expand_dims(p, -1) * rates for p, rates in zip(spent, segments, strict=True))
        return np.asarray(special.logsumexp(grown + shares, axis=-1))

    broken = saturation.retarded(whole, edges[-1], a, breaks=edges[:-1], panels=2)
    assert abs(broken - expected) < 1e-9
    early = saturation.retarded(whole, 15.0, a, breaks=edges[:-1], panels=2)
    assert abs(early - saturation.retarded(whole, 15.0, a, panels=2)) < 1e-12


def test_c6_twice_the_panels_change_nothing() -> None:
    log_total, _ = mixture(np.log([0.99, 0.0099, 1e-4]), np.array([-0.4, -0.02, 0.07]))
    days = np.array([0.0, 3.5, 20.0, 80.0, 200.0])
    for a in (1e-5, 0.02, 0.3, 3.0):
        coarse = saturation.retarded(log_total, days, a)
        fine = saturation.retarded(log_total, days, a, panels=2 * saturation.PANELS)
        assert np.abs(coarse - fine).max() < 1e-8


@pytest.mark.parametrize("memory", [1e-12, 1e-3, 0.3, 5.0, 39.0, 41.0, 400.0, 1e5, 1e9])
def test_accuracy_does_not_fall_with_the_length_of_the_memory(memory: float) -> None:
    """A straight log total has a closed form: one panel, 21 decades of a T, errors in units of what has grown."""
    days, rate = 100.0, 0.05
    a = memory / days
    one = saturation.retarded(lambda s: rate * s, np.float64(days), a, panels=1)
    exact = rate / a * -math.expm1(-memory)
    assert abs(one - exact) < 1e-13 * rate * days
    assert abs(saturation.gompertz(days, rate, a) - exact) <= 1e-14 * exact
    # A parabola too, which the memory sees bend: L = s^2/2, y = (aT - 1 + e^-aT)/a^2.
    bent = saturation.retarded(lambda s: 0.5 * s * s, np.float64(days), a, panels=1)
    series = sum((-memory) ** k / math.factorial(k + 2) for k in range(20)) if memory < 1 else None
    parabola = days**2 * (series or (memory - 1 + math.exp(-memory)) / memory**2)
    assert abs(bent - parabola) < 1e-11 * days**2 / 2


def test_six_nodes_are_enough_for_a_visit() -> None:
    """Rates 0.4/day apart, 3.5 days: the cheap rule an emulator marches with."""
    log_total, _ = mixture(np.log([0.5, 0.5]), np.array([-0.35, 0.05]))
    visit = np.float64(3.5)
    cheap = saturation.retarded(log_total, visit, 0.02, panels=1, order=6)
    assert abs(cheap - saturation.retarded(log_total, visit, 0.02)) < 1e-10


def test_no_retardation_is_none() -> None:
    log_total, _ = mixture(np.log([0.9, 0.1]), np.array([-0.3, 0.05]))
    days = np.array([0.0, 20.0, 100.0])
    assert (saturation.retarded(log_total, days, 0.0) == log_total(days) - log_total(0.0)).all()
    assert saturation.gompertz(50.0, 0.03, 0.0, 0.2) == pytest.approx(1.7, rel=1e-15)


def test_a_tumour_that_is_gone_stays_gone() -> None:
    days = np.float64(10.0)
    _, weights = saturation.memory(days, 0.1)
    gone = np.full(len(weights), -np.inf)
    assert saturation.retarded_of(-np.inf, gone, weights, days, 0.1, 1.0) == -np.inf


def test_retardation_leaves_shares_alone_and_mice_alone() -> None:
    """One mouse of many, to the bit: the sum over nodes must not depend on what stands beside it."""
    rng = np.random.default_rng(3)
    r, kill, logit, late, a = (
        rng.uniform(0, 0.1, 9),
        rng.uniform(0, 0.5, 9),
        rng.normal(-5, 3, 9),
        rng.uniform(0, 0.1, 9),
        rng.uniform(0, 0.1, 9),
    )
    t = rng.uniform(1, 200, 9)
    together = saturation.retarded_two_clones(t, r, kill, logit, late, a)
    alone = [
        saturation.retarded_two_clones(*(x[i : i + 1] for x in (t, r, kill, logit, late, a)))[0]
        for i in range(9)
    ]
    scalar = [saturation.retarded_two_clones(*(x[i] for x in (t, r, kill, logit, late, a))) for i in range(9)]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, scalar)


@pytest.mark.parametrize("case", kinetics_references.of_model("gompertz_kill"), ids=lambda c: str(c["args"]))
def test_gompertz_with_kill(case: dict[str, Any]) -> None:
    """V' = a V ln(K/V) - kill V, to 30 digits: y = log(V/K)."""
    hold(kinetics_references.gompertz(case))


@pytest.mark.parametrize("case", kinetics_references.of_model("logistic_kill"), ids=lambda c: str(c["args"]))
def test_logistic_with_kill(case: dict[str, Any]) -> None:
    """V' = r V (1 - V/K) - kill V, to 30 digits: r = kill to the last bit, start above K, start at 1e-9."""
    hold(kinetics_references.logistic(case))


def crowded_ode(sizes: Floats, matrix: Floats, crowding: float, t: float) -> Floats:
    return np.asarray(
        integrate.solve_ivp(
            lambda _, x: matrix @ x - crowding * x.sum() * x,
            (0, t),
            sizes,
            method="DOP853",
            rtol=1e-12,
            atol=1e-13,
        ).y[:, -1]
    )


def test_clones_in_common_crowding_against_the_ode() -> None:
    """Three clones, one resting; marched through a change of rates."""
    sizes, crowding = np.array([180.0, 15.0, 0.5]), 0.07 / 1500
    first, second = np.array([-0.2, 0.0, 0.07]), np.array([0.08, 0.02, 0.06])
    log_sizes = saturation.logistic(np.log(sizes), first, 30.0, crowding)
    expected = crowded_ode(sizes, np.diag(first), crowding, 30.0)
    np.testing.assert_allclose(np.exp(log_sizes), expected, rtol=1e-10)
    later = saturation.logistic(log_sizes, second, 55.0, crowding)
    np.testing.assert_allclose(
        np.exp(later), crowded_ode(expected, np.diag(second), crowding, 55.0), rtol=1e-10
    )
    # The shares are those without crowding.
    free = np.log(sizes) + first * 30.0
    np.testing.assert_allclose(log_sizes - log_sizes[0], free - free[0], rtol=1e-13, atol=1e-13)


def test_any_linear_kinetics_may_crowd() -> None:
    """Cells that rest and come back: total by SciPy's matrix exponential at the nodes, divisor by the same formula."""
    matrix = np.array([[-0.15, 0.02], [0.05, -0.015]]) + 0.05 * np.eye(2)
    sizes, crowding, days = np.array([150.0, 5.0]), 2e-4, np.float64(45.0)
    s, _ = saturation.memory(days, 0.0, panels=2)
    totals = np.log([(expm(matrix * t) @ sizes).sum() for t in s])
    loss = saturation.crowding_loss(saturation.log_area_of(totals, days, panels=2), crowding)
    crowded = expm(matrix * days) @ sizes * np.exp(-loss)
    np.testing.assert_allclose(crowded, crowded_ode(sizes, matrix, crowding, days), rtol=1e-10)


def test_crowding_in_its_limits() -> None:
    sizes = np.log([200.0, 1e-9])
    # No crowding is linear kinetics, and no time is no change.
    rates = np.array([-0.1, 0.06])
    assert (saturation.logistic(sizes, rates, 70.0, 0.0) == sizes + rates * 70.0).all()
    assert (saturation.logistic(sizes, rates, 0.0, 1e-3) == sizes).all()
    # e^(rate t) is no number any more: the fittest clone sits at rate/crowding.
    full = saturation.logistic(sizes, rates, 1e5, 0.06 / 1800)
    assert np.exp(full[1]) == pytest.approx(1800.0, rel=1e-9)
    assert np.isfinite(full).all()
    # Rates about 0: V = V0/(1 + crowding V0 t).
    for rate in (0.0, 1e-300, 1e-14, -1e-14):
        still = saturation.logistic(np.log([200.0]), np.array([rate]), 40.0, 1e-4)
        assert np.exp(still[0]) == pytest.approx(200.0 / 1.8, rel=1e-11)


def test_the_mean_of_a_decay_and_its_slope_on_both_sides_of_the_series() -> None:
    """(1 - e^-x)/x and its slope by 60 terms of the exponential series, in rationals."""
    pytensor, pt = pytest.importorskip("pytensor"), pytest.importorskip("pytensor.tensor")
    seam = namespace._MEAN_SERIES_BELOW
    at = np.array([0.0, 1e-300, -1e-15, 1e-9, 1e-3, seam * (1 - 1e-12), seam, -seam, 0.5, -3.0])
    terms = [[Fraction(-x) ** k / math.factorial(k + 1) for k in range(60)] for x in at.tolist()]
    exact = [float(sum(row)) for row in terms]
    slopes = [
        float(sum(Fraction(-1) * k * Fraction(-x) ** (k - 1) / math.factorial(k + 1) for k in range(1, 60)))
        for x in at.tolist()
    ]
    np.testing.assert_allclose(namespace.mean_decay(at, np), exact, rtol=1e-15)
    x = pt.dvector("x")
    slope = pytensor.grad(namespace.mean_decay(x, pt).sum(), x)
    found = slope.eval({x: at}, mode=pytensor.compile.mode.Mode("py", None))
    # At the seam the closed form has lost 1e-16 over its square.
    np.testing.assert_allclose(found, slopes, rtol=3e-13)


def prior(n: int) -> dict[str, Floats]:
    """Draws over the whole prior of SCIENCE's parameter table, with the corners."""
    rng = np.random.default_rng(11)
    draws = {
        "t": rng.uniform(0, 150, n),
        "r": np.exp(rng.normal(-3.1, 0.8, n)),
        "kill": np.exp(rng.normal(-3.2, 1.3, n)),
        "logit": rng.normal(-5, 4, n),
        "late": np.exp(rng.normal(-3.2, 0.8, n)),
        "a": np.abs(rng.normal(0, 0.02, n)),
    }
    draws["t"][:2] = 0.0
    draws["a"][2:4] = (0.0, 1e-12)
    draws["logit"][4:6] = (-60.0, 30.0)
    draws["late"][6] = draws["r"][6] - draws["kill"][6]
    return draws


def test_one_formula_two_engines_and_gradients() -> None:
    """NumPy and PyTensor agree; gradients are finite everywhere and those of finite differences."""
    pytensor, pt = pytest.importorskip("pytensor"), pytest.importorskip("pytensor.tensor")
    values = prior(40)
    names = list(values)

    def formulas(parameters: Any, xp: Any) -> list[Any]:
        t, r, kill, logit, late, a = parameters
        sizes = xp.stack([-logit * 0.0, logit])
        crowded = saturation.logistic(sizes, xp.stack([r - kill, late]), t, a, xp)
        return [
            saturation.retarded_two_clones(t, r, kill, logit, late, a, xp),
            saturation.retarded(
                lambda s: clones.log_growth(s, r, kill, logit, late, xp), t, a, 0.1, panels=2, xp=xp
            ),
            saturation.gompertz(t, r - kill, a, logit, xp),
            crowded[0],
            namespace.mean_decay((r - kill) * t, xp),
        ]

    symbols = [pt.dvector(name) for name in names]
    outputs = formulas(symbols, pt)
    slopes = [
        g
        for out in outputs
        for g in pytensor.grad(
            out.sum(), symbols[1:], disconnected_inputs="ignore", return_disconnected="zero"
        )
    ]
    compiled = pytensor.function(
        symbols, [*outputs, *slopes], mode=pytensor.compile.mode.Mode("py", None), on_unused_input="ignore"
    )
    found = compiled(*values.values())
    ours = formulas(values.values(), np)
    for symbolic, number in zip(found, ours, strict=False):
        np.testing.assert_allclose(symbolic, number, rtol=1e-10, atol=1e-12)
    for slope in found[len(outputs) :]:
        assert np.isfinite(slope).all()
    # Central differences of the first formula in each parameter; away from a = 0, where it has one side only.
    h = 1e-5
    inner = values["a"] > h
    for name, slope in zip(names[1:], found[len(outputs) :], strict=False):
        up, down = values | {name: values[name] + h}, values | {name: values[name] - h}
        difference = (formulas(up.values(), np)[0] - formulas(down.values(), np)[0]) / (2 * h)
        scale = 1.0 + np.abs(difference)
        # Differences of third order: h^2 t^3/6, with t up to 150 days.
        assert (np.abs(slope - difference)[inner] / scale[inner]).max() < 1e-4
