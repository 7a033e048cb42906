"""The classics against their differential equations, their landmarks against 30 digits and SciPy's searches."""

from __future__ import annotations

import inspect
import math
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, optimize, special

from avatar_trials.kinetics import growth_laws, landmarks, namespace
from avatar_trials.kinetics.exposure import concentration
from avatar_trials.kinetics.simeoni import simeoni
from avatar_trials.verify import kinetics_references
from tests.held import hold

Floats = NDArray[np.float64]
DAYS = np.array([0.0, 1.0, 9.0, 30.0, 75.0])

# The specific net rate u' of each law at (t, V/V0), as its paper writes the equation; V0 = 1 where it has none.
RATES: dict[str, tuple[tuple[float, ...], Any]] = {
    "exponential": ((0.07,), lambda t, v, g: g),
    "exponential_linear": (
        (150.0, 0.1, 60.0),
        lambda t, v, v0, g, line: g if g * v * v0 < line else line / (v * v0),
    ),
    "gompertz": ((0.12, 0.04), lambda t, v, g, a: g - a * math.log(v)),
    "logistic": ((180.0, 0.1, 0.03, 1500.0), lambda t, v, v0, g, k, top: g * (1 - v * v0 / top) - k),
    "bertalanffy": ((0.02, 0.11, 0.3), lambda t, v, g, loss, c: g * v**-c - loss),
    "power_law": ((0.12, 1 / 3), lambda t, v, g, c: g * v**-c),
    "stein_fojo": (
        (0.03, 0.12),
        lambda t, v, g, d: (g * math.exp(g * t) - d * math.exp(-d * t)) / v,
    ),
    "biexponential": (
        (0.05, 0.15, 0.02),
        lambda t, v, g, d, q: (q * g * math.exp(g * t) - (1 - q) * d * math.exp(-d * t)) / v,
    ),
    "stein_phi": (
        (0.05, 0.15, 0.98),
        lambda t, v, g, d, phi: ((1 - phi) * g * math.exp(g * t) - phi * d * math.exp(-d * t)) / v,
    ),
    "claret": (
        (0.04, 0.03, 5.0, 0.06),
        lambda t, v, g, k, dose, fade: g - k * dose * math.exp(-fade * t),
    ),
    "wang": ((0.1, 0.02), lambda t, v, s, p: (p - s * math.exp(-s * t)) / v),
}


def by_name(name: str) -> growth_laws.GrowthLaw:
    return next(law for law in growth_laws.LAWS if law.name == name)


def test_every_law_is_listed_with_its_parameters() -> None:
    assert [law.name for law in growth_laws.LAWS] == list(RATES)
    for law in growth_laws.LAWS:
        assert list(inspect.signature(law.log_growth).parameters) == ["t", *law.units, "xp"]
        assert law.source


@pytest.mark.parametrize("name", RATES)
def test_laws_solve_their_equations(name: str) -> None:
    parameters, rate = RATES[name]
    ours = by_name(name).log_growth(DAYS, *parameters)
    solved = integrate.solve_ivp(
        lambda t, u: [rate(t, math.exp(u[0]), *parameters)],
        (0, DAYS[-1]),
        [0.0],
        t_eval=DAYS,
        method="DOP853",
        rtol=1e-12,
        atol=1e-13,
        max_step=0.5,
    ).y[0]
    # The sharp switch of exponential_linear falls between two of the solver's steps.
    np.testing.assert_allclose(ours, solved, rtol=0, atol=1e-5 if name == "exponential_linear" else 1e-10)
    assert ours[0] == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize("case", kinetics_references.of_model("logistic_kill"), ids=lambda c: str(c["args"]))
def test_logistic_to_thirty_digits(case: dict[str, Any]) -> None:
    hold(kinetics_references.logistic(case))


@pytest.mark.parametrize("case", kinetics_references.of_model("gompertz_kill"), ids=lambda c: str(c["args"]))
def test_gompertz_to_thirty_digits(case: dict[str, Any]) -> None:
    """V' = a V ln(K/V) - kill V has growth a ln(K/V0) - kill at day 0."""
    hold(kinetics_references.gompertz(case))


def test_laws_meet_in_their_limits() -> None:
    t = np.array([0.0, 2.0, 40.0, 300.0])
    same = partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-14)
    for tiny in (0.0, 1e-15):
        same(growth_laws.gompertz(t, 0.05, tiny), 0.05 * t)
        same(growth_laws.power_law(t, 0.05, tiny), 0.05 * t)
        same(growth_laws.bertalanffy(t, 0.05, 0.08, tiny), -0.03 * t)
        same(growth_laws.claret(t, 0.05, 0.02, 4.0, tiny), -0.03 * t)
        same(growth_laws.wang(t, 0.07, 0.0 * tiny), -0.07 * t)
        same(growth_laws.stein_fojo(t, 0.0 * tiny, 0.07), -0.07 * t)
    same(growth_laws.stein_fojo(t, 0.07, 0.0), 0.07 * t)
    same(growth_laws.power_law(t, 0.05, 1.0), np.log1p(0.05 * t))
    same(growth_laws.bertalanffy(t, 0.0, 0.4, 0.5), -0.4 * t)
    same(growth_laws.exponential_linear(t, 90.0, 0.1, 1e300), 0.1 * t)
    # Already past its switch: linear from the start.
    same(growth_laws.exponential_linear(t, 90.0, 0.1, 3.0), np.log1p(t / 30))
    # phi is the sensitive share; the resistant one is the rest.
    same(
        growth_laws.stein_phi(t, 0.05, 0.2, 0.97),
        growth_laws.biexponential(t, 0.05, 0.2, 0.03),
    )
    # A crowded tumour with no ceiling is exponential.
    same(growth_laws.logistic(t, 200.0, 0.05, 0.0, np.inf), 0.05 * t)


def test_a_vanishing_tumour_stays_finite() -> None:
    """A thousand days of deep response: e^-500 and less."""
    t = 1000.0
    assert growth_laws.stein_fojo(t, 0.0, 0.9) == pytest.approx(-900.0, rel=1e-14)
    assert growth_laws.wang(t, 0.9, 0.0) == pytest.approx(-900.0, rel=1e-14)
    assert growth_laws.biexponential(t, -0.8, 0.9, 1e-9) == pytest.approx(-800 + math.log(1e-9), rel=1e-14)
    assert growth_laws.bertalanffy(t, 0.0, 0.9, 0.9) == pytest.approx(-900.0, rel=1e-14)
    assert growth_laws.logistic(t, 200.0, 0.1, 1.0, 2000.0) < -900.0


@pytest.mark.parametrize(
    "case", kinetics_references.of_model("two_exponential"), ids=lambda c: str(c["args"])
)
def test_c2_landmarks_to_thirty_digits(case: dict[str, Any]) -> None:
    hold(kinetics_references.two_exponentials(case))


NADIR_PARADOX = [
    (1e-4, 0.30, 154, 195),
    (1e-4, 0.09, 132, 197),
    (1e-4, 0.0, 84, 198),
    (1e-2, 0.05, 58, None),
    (1e-3, 0.05, 84, None),
    (1e-4, 0.05, 121, None),
    (1e-5, 0.05, 165, None),
]


def test_t16_the_nadir_paradox() -> None:
    """Sensitive, plateau, resistant; net rates -0.1, 0, 0.05. A deeper nadir progresses earlier, doubles no earlier."""
    q, plateau, progression, doubling = (
        np.array(column, dtype=float) for column in zip(*NADIR_PARADOX, strict=True)
    )
    with np.errstate(divide="ignore"):
        x = np.log([1 - q - plateau, plateau, q])
    rates = np.array([[-0.1], [0.0], [0.05]])
    assert math.isclose(landmarks.RECIST_PROGRESSION, 1.728)
    from_nadir = landmarks.time_to_multiple_of_nadir(x, rates)
    assert np.abs(from_nadir - progression).max() < 1.0
    twice = landmarks.time_to_multiple_of_baseline(x, rates)
    assert np.abs(twice - doubling)[:3].max() < 1.0
    # SCIENCE 4.3: t* = ln[k' (1 - q - f)/(g q)]/(k' + g), with or without a plateau.
    expected = np.log(0.1 * (1 - q - plateau) / (0.05 * q)) / 0.15
    np.testing.assert_allclose(landmarks.nadir_day(x, rates), expected, rtol=1e-12)


def test_landmarks_of_many_clones_against_scipy() -> None:
    """Random mixtures of up to six clones, some absent, some at rest: minimum and crossings by SciPy's searches."""
    rng = np.random.default_rng(8)
    turned = 0
    for _ in range(150):
        n = int(rng.integers(1, 7))
        x = np.where(rng.random(n) < 0.15, -np.inf, rng.normal(0, 5, n))
        x[0] = rng.normal(0, 5)
        rates = np.where(rng.random(n) < 0.15, 0.0, rng.normal(-0.03, 0.15, n))

        def rise(t: float, x: Floats = x, rates: Floats = rates) -> float:
            return float(special.logsumexp(x + rates * t) - special.logsumexp(x))

        def slope(t: float, x: Floats = x, rates: Floats = rates) -> float:
            return float(special.softmax(x + rates * t) @ rates)

        day, depth = landmarks.nadir_day(x, rates), landmarks.log_depth(x, rates)
        back, twice = (landmarks.time_to_multiple_of_baseline(x, rates, m) for m in (1.0, 2.0))
        progression = landmarks.time_to_multiple_of_nadir(x, rates)
        if not (rates[x > -np.inf] > 0).any():
            assert np.isinf(twice)
            assert np.isinf(progression)
            assert np.isinf(day) == bool((rates[x > -np.inf] < 0).any())
            resting = special.logsumexp(np.where(rates == 0, x, -np.inf)) - special.logsumexp(x)
            assert depth == pytest.approx(resting, abs=1e-12)
            continue
        if slope(0.0) >= 0:
            assert (day, depth, back) == (0.0, 0.0, 0.0)
        else:
            turned += 1
            root = optimize.brentq(slope, 0, 1e6, xtol=1e-12, rtol=1e-14)
            assert rise(float(day)) == pytest.approx(rise(root), abs=1e-12)
            assert abs(day - root) < 1e-8 * (1 + root)
            assert rise(float(back)) == pytest.approx(0.0, abs=1e-11)
            assert back > day
        assert depth == pytest.approx(rise(float(day)), abs=1e-12)
        for found, level in ((twice, math.log(2)), (progression, float(depth) + math.log(1.728))):
            root = optimize.brentq(
                lambda t, level=level: rise(t) - level, float(day), 1e7, xtol=1e-12, rtol=1e-14
            )
            assert abs(found - root) < 1e-10 * (1 + root)
    assert turned > 30


def test_landmarks_of_one_mouse_do_not_feel_the_others() -> None:
    rng = np.random.default_rng(2)
    x, rates = rng.normal(0, 6, (4, 60)), rng.normal(0, 0.2, (4, 60))
    for landmark in (
        landmarks.nadir_day,
        landmarks.log_depth,
        landmarks.time_to_multiple_of_nadir,
        landmarks.time_to_multiple_of_baseline,
    ):
        together = landmark(x, rates)
        np.testing.assert_array_equal(together, [landmark(x[:, i], rates[:, i]) for i in range(60)])


def test_landmarks_refuse_what_is_no_tumour() -> None:
    with pytest.raises(ValueError, match="above 1, not 1"):
        landmarks.time_to_multiple_of_nadir([0.0], [0.1], 1.0)
    with pytest.raises(ValueError, match=r"at least 1, not 0\.5"):
        landmarks.time_to_multiple_of_baseline([0.0], [0.1], 0.5)
    with pytest.raises(ValueError, match="without cells"):
        landmarks.nadir_day([-np.inf, -np.inf], [0.1, -0.1])
    with pytest.raises(ValueError, match="first axis and are numbers"):
        landmarks.log_depth([np.nan, 0.0], [0.1, -0.1])
    with pytest.raises(ValueError, match="finite"):
        landmarks.nadir_day([0.0, 0.0], [np.nan, -0.1])


def test_nadirs_of_the_laws() -> None:
    for growth, kill in ((0.03, 0.12), (0.005, 0.3), (0.02, 0.021)):
        for law, arguments, day in (
            (growth_laws.stein_fojo, (growth, kill), landmarks.stein_fojo_nadir(growth, kill)),
            (growth_laws.claret, (growth, kill, 2.0, 0.05), landmarks.claret_nadir(growth, kill, 2.0, 0.05)),
            (growth_laws.wang, (kill, growth), landmarks.wang_nadir(kill, growth)),
        ):
            h = 1e-4 * day
            before, at, after = law(np.array([day - h, day, day + h]), *arguments)
            assert at < min(before, after)
            # The slopes on both sides of a nadir differ in sign only, to the order of h.
            assert abs(after - before) < 1e-3 * (before + after - 2 * at)
    nadirs = (
        landmarks.stein_fojo_nadir([0.1, 0.0, 0.0], [0.05, 0.05, 0.0]),
        landmarks.claret_nadir([0.1, 0.0, 0.0], [0.05, 0.05, 0.0], 1.0, 0.1),
        landmarks.wang_nadir([0.05, 0.05, 0.0], [0.1, 0.0, 0.0]),
    )
    for nadir in nadirs:
        np.testing.assert_array_equal(nadir, [0.0, np.inf, 0.0])
    # A kill that never fades, above the growth: no nadir.
    assert landmarks.claret_nadir(0.03, 0.05, 1.0, 0.0) == np.inf


def test_doubling_of_gompertz() -> None:
    for a in (0.0, 1e-12, 0.02, 0.05):
        day = landmarks.gompertz_time_to_multiple(0.05, a)
        assert growth_laws.gompertz(day, 0.05, a) == pytest.approx(math.log(2), rel=1e-13)
    assert landmarks.gompertz_time_to_multiple(0.05, 0.08) == np.inf


def test_one_formula_two_engines_and_gradients() -> None:
    """NumPy and PyTensor agree; gradients are finite everywhere and those of central differences."""
    pytensor, pt = pytest.importorskip("pytensor"), pytest.importorskip("pytensor.tensor")
    rng = np.random.default_rng(6)
    n = 40
    for law in growth_laws.LAWS:
        values = [rng.uniform(0, 150, n)]
        for name, unit in law.units.items():
            if unit == "mm3":
                values.append(np.exp(rng.normal(5.3 if name == "v0" else 7.6, 0.3, n)))
            elif name in ("resistant_share", "phi"):
                values.append(special.expit(rng.normal(-4, 2, n)))
            elif unit == "mm3/day":
                values.append(np.exp(rng.normal(3.5, 0.6, n)))
            else:
                values.append(np.exp(rng.normal(0 if unit in ("1", "exposure") else -3.2, 0.9, n)))
        values[0][:2] = 0.0
        symbols = [pt.dvector() for _ in values]
        out = law.log_growth(*symbols, pt)
        slopes = pytensor.grad(out.sum(), symbols[1:])
        compiled = pytensor.function(symbols, [out, *slopes], mode=pytensor.compile.mode.Mode("py", None))
        found, *slopes = compiled(*values)
        np.testing.assert_allclose(found, law.log_growth(*values), rtol=1e-12, atol=1e-13, err_msg=law.name)
        for i, slope in enumerate(slopes, start=1):
            assert np.isfinite(slope).all(), law.name
            h = 1e-5 * values[i]
            up, down = ([*values[:i], values[i] + d, *values[i + 1 :]] for d in (h, -h))
            difference = (law.log_growth(*up) - law.log_growth(*down)) / (2 * h)
            # Rounding of log volumes up to 100, over the step.
            np.testing.assert_allclose(
                slope, difference, rtol=1e-5, atol=float((1e-13 / h).max()) * 10, err_msg=law.name
            )


def test_gradients_at_the_seams() -> None:
    """Where a closed form is 0/0: slopes from the series, to the last digits, on both sides of the seam and on it."""
    pytensor, pt = pytest.importorskip("pytensor"), pytest.importorskip("pytensor.tensor")
    x = pt.dvector("x")
    plain = pytensor.compile.mode.Mode("py", None)
    seam = namespace._RATIO_SERIES_BELOW
    at = np.array([0.0, 1e-300, 1e-15, -1e-9, 1e-4, seam * (1 - 1e-12), seam, -seam, 0.5])
    slope = pytensor.grad(namespace.log1p_ratio(x, pt).sum(), x).eval({x: at}, mode=plain)
    series = [sum((-1) ** k * k / (k + 1) * z ** (k - 1) for k in range(1, 60)) for z in at.tolist()]
    np.testing.assert_allclose(slope, series, rtol=1e-12)
    # claret at a kill that does not fade: d/d resistance = kill exposure t^2/2.
    slope = pytensor.grad(growth_laws.claret(30.0, 0.02, 0.01, 4.0, x, pt).sum(), x).eval(
        {x: np.zeros(1)}, mode=plain
    )
    assert slope[0] == pytest.approx(0.04 * 30**2 / 2, rel=1e-14)


def simeoni_ode(
    days: Floats, w0: float, growth: float, line: float, k2: float, k1: float, level: Any, jumps: list[float]
) -> Floats:
    """Simeoni's equations as printed, by SciPy at 1e-12, one solution between two doses."""
    y, since, out = np.array([w0, 0.0, 0.0, 0.0]), 0.0, []
    for day in days.tolist():
        edges = sorted({since, day, *[j for j in jumps if since < j < day]})
        for a, b in pairwise(edges):

            def slope(t: float, x: Floats, a: float = a, b: float = b) -> list[float]:
                hit = k2 * level(min(max(t, a), np.nextafter(b, a))) * x[0]
                grown = growth * x[0] / (1 + (growth / line * x.sum()) ** 20) ** (1 / 20)
                return [grown - hit, hit - k1 * x[1], k1 * (x[1] - x[2]), k1 * (x[2] - x[3])]

            y = integrate.solve_ivp(
                slope, (a, b), y, method="DOP853", rtol=1e-12, atol=1e-13 * w0, max_step=0.5
            ).y[:, -1]
        since = day
        out.append(math.log(y.sum() / w0))
    return np.array(out)


SIMEONI = [
    (100.0, 0.2, 80.0, 0.05, 0.3, 0.5),
    (200.0, 0.5, 150.0, 0.3, 0.8, 2.0),
    (150.0, 0.05, 30.0, 0.02, 0.1, 0.1),
]


def test_simeoni_against_the_ode() -> None:
    """Three mice of one call, five doses off the grid of steps; at the step and at half of it (C6)."""
    days, jumps = np.array([0.0, 7.0, 14.5, 21.0, 35.0]), [4.013 * j for j in range(5)]
    w0, growth, line, k2, k1, elimination = np.array(SIMEONI).T

    def level(t: float, fall: Any = elimination) -> Any:
        return concentration(np.float64(t), 10.0, fall, 4.013, 5)

    ours = simeoni(days, w0, growth, line, k2, k1, level, jumps=jumps)
    expected = [
        simeoni_ode(days, *case[:5], lambda t, e=case[5]: float(level(t, e)), jumps) for case in SIMEONI
    ]
    assert np.abs(ours - expected).max() < 1e-6
    fine = simeoni(days, w0, growth, line, k2, k1, level, jumps=jumps, step_days=0.025)
    assert np.abs(ours - fine).max() < 1e-6
    assert np.abs(fine - expected).max() < np.abs(ours - expected).max() / 8
    one = simeoni(days, w0[1], growth[1], line[1], k2[1], k1[1], lambda t: level(t)[1], jumps=jumps)
    np.testing.assert_array_equal(one, ours[1])


def test_simeoni_to_fourteen_digits() -> None:
    """Smooth concentrations, by mpmath's Taylor series: an exponential one, and a constant one late in growth."""
    falling = simeoni([3, 10, 20], 100.0, 0.2, 40.0, 0.05, 0.3, lambda t: 10 * math.exp(-0.2 * t))
    np.testing.assert_allclose(falling, [0.35088712457052, 0.59668307502918, 1.2975514928425], atol=1e-8)
    constant = simeoni([3, 10, 20], 150.0, 0.1, 12.0, 0.004, 0.6, lambda t: 20.0)
    np.testing.assert_allclose(constant, [0.17786918654105, 0.20938856882589, 0.10023526882877], atol=1e-8)


def test_simeoni_in_its_limits() -> None:
    untreated = (0.0, 0.5, lambda t: 0.0)
    # Far below the switch it is exponential, far above linear.
    early = simeoni([0, 5, 12], 1e-3, 0.3, 100.0, *untreated)
    np.testing.assert_allclose(early, 0.3 * np.array([0, 5, 12]), rtol=1e-12)
    late = 50.0 * np.exp(simeoni([60, 80], 50.0, 0.3, 100.0, *untreated))
    assert (late[1] - late[0]) / 20 == pytest.approx(100.0, rel=1e-8)
    # A sharp switch is the closed form.
    days = np.array([2.0, 8.0, 30.0])
    sharp = simeoni(days, 100.0, 0.2, 60.0, *untreated, psi=400.0, step_days=0.02)
    np.testing.assert_allclose(sharp, growth_laws.exponential_linear(days, 100.0, 0.2, 60.0), atol=2e-3)
    # Constant concentration, small tumour: net rate growth - potency c, damaged cells in a fixed ratio behind it.
    net, k1 = 0.3 - 0.05 * 8, 0.6
    ends = simeoni([150, 160], 1e-3, 0.3, 100.0, 0.05, k1, lambda t: 8.0, step_days=0.2)
    assert (ends[1] - ends[0]) / 10 == pytest.approx(net, rel=1e-9)
    behind = 0.4 / (net + k1) * sum((k1 / (net + k1)) ** stage for stage in range(3))
    assert ends[0] == pytest.approx(150 * net + math.log(1 + behind), rel=1e-7)


def test_simeoni_never_goes_negative() -> None:
    """A kill of 200 a day for a year, coarse steps, fast transit: finite, falling, and it grows again afterwards."""
    days = np.array([0.0, 1.0, 30.0, 365.0, 700.0])
    with np.errstate(under="ignore"):
        log_w = simeoni(
            days, 200.0, 0.1, 50.0, 2.0, 30.0, lambda t: 100.0 if t < 30 else 0.0, jumps=[30.0], step_days=0.5
        )
    assert np.isfinite(log_w).all()
    assert log_w[2] < -1000
    assert np.diff(log_w)[2] == pytest.approx(0.1 * 335, rel=1e-6)


def test_simeoni_refuses() -> None:
    fine = (200.0, 0.1, 50.0, 0.1, 0.5)
    for days in ([3.0, 1.0], [-1.0, 2.0], [[1.0]], [np.nan]):
        with pytest.raises(ValueError, match="ascending"):
            simeoni(days, *fine, lambda t: 0.0)
    names = ("w0_mm3", "growth", "linear_growth", "potency", "transit")
    for name in names:
        wrong: dict[str, Any] = dict(zip(names, fine, strict=True)) | {name: -1.0}
        with pytest.raises(ValueError, match=f"{name} must"):
            simeoni([1.0], concentration=lambda t: 0.0, **wrong)
    with pytest.raises(ValueError, match="step"):
        simeoni([1.0], *fine, lambda t: 0.0, step_days=0.0)
