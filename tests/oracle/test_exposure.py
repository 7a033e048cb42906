"""Dose to kill: closed means against SciPy's quadrature, doses added one by one, and the limits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate

from avatar_trials.kinetics import exposure

Floats = NDArray[np.float64]
# peak, elimination (1/day), interval (days), EC50, Hill exponent
REGIMENS = [
    (10.0, 0.7, 1.0, 2.0, 1.0),
    (0.02, 0.7, 7.0, 2.0, 1.0),
    (500.0, 3.0, 3.5, 0.1, 1.0),
    (10.0, 0.05, 7.0, 4.0, 2.7),
    (10.0, 12.0, 21.0, 4.0, 0.6),
    (3.0, 0.0299, 1.0, 3.0, 1.0),
    (3.0, 0.0301, 1.0, 3.0, 1.0),
    (3.0, 1e-9, 1.0, 3.0, 4.0),
]


def by_quadrature(function: Any, days: float, *points: float) -> float:
    inside = [p for p in points if 0 < p < days] or None
    return float(
        integrate.quad(function, 0, days, epsabs=1e-15, epsrel=1e-12, limit=400, points=inside)[0] / days
    )


@pytest.mark.parametrize("regimen", REGIMENS, ids=str)
def test_means_over_an_interval(regimen: tuple[float, ...]) -> None:
    peak, elimination, interval, ec50, h = regimen

    def share(t: float) -> float:
        return 1.0 / (1.0 + (ec50 / (peak * math.exp(-elimination * t))) ** h)

    half = math.log(peak / ec50) / elimination if peak > ec50 else interval / 2
    expected = by_quadrature(share, interval, half)
    assert math.isclose(exposure.mean_hill(peak, elimination, interval, ec50, h), expected, rel_tol=1e-11)
    linear = by_quadrature(lambda t: peak * math.exp(-elimination * t), interval, 5 / elimination)
    assert math.isclose(exposure.mean_concentration(peak, elimination, interval), linear, rel_tol=1e-11)
    assert math.isclose(exposure.hill(peak, ec50, h), share(0.0), rel_tol=1e-14)


def test_the_emax_mean_as_printed() -> None:
    """(k/(k_e T)) ln[(EC50 + C0)/(EC50 + C0 e^(-k_e T))] with C0 at steady state (dose/volume)/(1 - e^(-k_e T))."""
    k, elimination, interval, ec50, first = 0.12, 0.35, 3.0, 1.5, 4.0
    peak = first / (1 - math.exp(-elimination * interval))
    printed = (
        k
        / (elimination * interval)
        * math.log((ec50 + peak) / (ec50 + peak * math.exp(-elimination * interval)))
    )
    ours = first * exposure.steady_accumulation(elimination * interval)
    assert math.isclose(k * exposure.mean_hill(ours, elimination, interval, ec50), printed, rel_tol=1e-13)


@pytest.mark.parametrize(("elimination", "interval"), [(0.3, 1.0), (0.02, 3.5), (5.0, 7.0), (0.0, 2.0)])
def test_doses_add_up(elimination: float, interval: float) -> None:
    """Concentration as the sum of doses, each by itself; peaks of the n-th interval; the last dose fades."""
    first, doses = 2.0, 6
    t = np.array([-1.0, 0.0, 0.4, 0.999, 1.0, 2.3, 4.0, 5.5, 6.0, 20.0]) * interval
    since = t[:, None] - interval * np.arange(doses)
    alone = np.where(since >= 0, first * np.exp(-elimination * np.maximum(since, 0)), 0.0).sum(axis=1)
    found = exposure.concentration(t, first, elimination, interval, doses)
    np.testing.assert_allclose(found, alone, rtol=1e-13)
    n = np.arange(1, 7)
    peaks = [sum(math.exp(-elimination * interval * j) for j in range(k)) for k in n]
    np.testing.assert_allclose(exposure.accumulation(n, elimination * interval), peaks, rtol=1e-13)


def test_accumulation_ends_in_the_steady_state() -> None:
    x = np.array([1e-3, 0.05, 0.7, 30.0])
    np.testing.assert_allclose(exposure.accumulation(40000.0, x), exposure.steady_accumulation(x), rtol=1e-12)
    np.testing.assert_allclose(exposure.steady_accumulation(x), 1 / (1 - np.exp(-x)), rtol=1e-12)
    assert exposure.steady_accumulation(np.float64(0.0)) == np.inf
    # A drug that is never eliminated has its full effect in the end.
    assert exposure.mean_hill(np.inf, 0.0, 7.0, 3.0, 2.0) == pytest.approx(1.0, abs=1e-15)


@pytest.mark.parametrize("elimination", [0.02, 0.5, 4.0])
def test_areas_from_the_first_dose(elimination: float) -> None:
    """Area under effect and concentration over five intervals, against quadrature of the sum of doses."""
    first, interval, doses, ec50, h = 3.0, 2.0, 5, 2.0, 1.6

    def level(t: float) -> float:
        return sum(
            first * math.exp(-elimination * (t - j * interval)) for j in range(doses) if t >= j * interval
        )

    effect = linear = 0.0
    for j in range(doses):
        edges = (j * interval, np.nextafter((j + 1) * interval, 0.0))
        effect += integrate.quad(lambda t: 1 / (1 + (ec50 / level(t)) ** h), *edges, epsrel=1e-12)[0]
        linear += integrate.quad(level, *edges, epsrel=1e-12)[0]
    ours = exposure.area_under_hill(first, elimination, interval, doses, ec50, h)
    assert math.isclose(ours, effect, rel_tol=1e-11)
    ours = exposure.area_under_concentration(first, elimination, interval, doses)
    assert math.isclose(ours, linear, rel_tol=1e-11)


def test_the_mean_kill_ends_an_interval_where_the_falling_one_does() -> None:
    """u' = r - k E(C(t)) by SciPy over one interval: the same log volume as under the constant mean."""
    r, k, peak, elimination, interval, ec50 = 0.06, 0.4, 8.0, 0.9, 3.5, 1.0
    end = integrate.solve_ivp(
        lambda t, _: [r - k / (1 + ec50 / (peak * np.exp(-elimination * t)))],
        (0, interval),
        [0.0],
        rtol=1e-12,
        atol=1e-14,
    ).y[0, -1]
    mean = k * exposure.mean_hill(peak, elimination, interval, ec50)
    assert math.isclose((r - mean) * interval, end, rel_tol=1e-10)


def test_limits() -> None:
    peak, ec50 = 5.0, 2.0
    at_peak = peak / (peak + ec50)
    # A short interval, or none of the drug eliminated: the effect of the peak.
    assert exposure.mean_hill(peak, 0.7, 1e-12, ec50) == pytest.approx(at_peak, rel=1e-11)
    assert exposure.mean_hill(peak, 0.0, 7.0, ec50) == pytest.approx(at_peak, rel=1e-14)
    assert exposure.mean_concentration(peak, 0.0, 7.0) == peak
    # EC50 far above the concentrations: linear, with slope kill/EC50.
    linear = exposure.mean_concentration(peak, 0.7, 3.0)
    assert 1e12 * exposure.mean_hill(peak, 0.7, 3.0, 1e12) == pytest.approx(linear, rel=1e-11)
    # EC50 far below: the full effect. All of the drug gone at once: none.
    assert exposure.mean_hill(peak, 0.7, 3.0, 1e-12) == pytest.approx(1.0, rel=1e-11)
    assert exposure.mean_hill(peak, 1e9, 3.0, ec50) < 1e-8
    # A zero dose is no drug.
    assert exposure.hill(0.0, ec50) == 0.0
    assert exposure.mean_hill(0.0, 0.7, 3.0, ec50) == 0.0
    assert exposure.concentration(1.0, 0.0, 0.7, 3.0, 4) == 0.0
    # A steep Hill curve is a switch: the share of the interval spent above EC50.
    above = math.log(peak / ec50) / 0.7
    assert exposure.mean_hill(peak, 0.7, 3.0, ec50, 5000.0) == pytest.approx(above / 3.0, abs=1e-4)


def test_only_the_product_of_penetration_and_kill_is_known() -> None:
    """On the effect: penetration x kill. On the concentration: penetration / EC50. Linear: all three together."""
    peak, elimination, interval, ec50 = 6.0, 0.4, 3.0, 2.5

    def kill(k: float, penetration: float, half: float, acts_on: str) -> float:
        strongest, level = exposure.penetrated(k, peak, penetration, acts_on)
        return float(strongest * exposure.mean_hill(level, elimination, interval, half, 1.4))

    effect = kill(0.2, 0.8, ec50, "effect")
    assert math.isclose(kill(0.4, 0.4, ec50, "effect"), effect, rel_tol=1e-14)
    assert not math.isclose(kill(0.4, 0.4, ec50, "concentration"), effect, rel_tol=1e-2)
    inside = kill(0.2, 0.8, ec50, "concentration")
    assert math.isclose(kill(0.2, 0.4, ec50 / 2, "concentration"), inside, rel_tol=1e-13)
    assert not math.isclose(kill(0.4, 0.4, ec50, "concentration"), inside, rel_tol=1e-2)
    for acts_on in exposure.ACTS_ON:
        strongest, level = exposure.penetrated(0.2, peak, 0.3, acts_on)
        assert math.isclose(strongest * level, 0.2 * 0.3 * peak, rel_tol=1e-15)
    with pytest.raises(ValueError, match="expected one of effect, concentration"):
        exposure.penetrated(0.2, peak, 0.3, "plasma")


def test_normalised_penetration_by_hand() -> None:
    """Odds 1:3 raised fourfold are 4:3; a factor of 1.6 on 0.8 is capped; at half work the gain is half."""
    assert exposure.normalised_penetration(0.25, 4.0, 1.0) == pytest.approx(4 / 7, rel=1e-15)
    assert exposure.normalised_penetration(0.25, 4.0, 1.0, "capped") == 1.0
    assert exposure.normalised_penetration(0.25, 4.0, 0.5, "capped") == pytest.approx(0.625, rel=1e-15)
    assert exposure.normalised_penetration(0.25, 0.2, 1.0) == pytest.approx(1 / 16, rel=1e-15)
    assert exposure.normalised_penetration(1e-9, 4.0, 1.0) == pytest.approx(4e-9, rel=1e-8)
    for form in exposure.FORMS:
        assert exposure.normalised_penetration(0.3, 5.0, 0.0, form) == pytest.approx(0.3, rel=1e-15)
        assert exposure.normalised_penetration(1.0, 5.0, 1.0, form) == 1.0
    with pytest.raises(ValueError, match="expected one of odds, capped"):
        exposure.normalised_penetration(0.25, 4.0, 1.0, "linear")


def test_one_formula_two_engines_and_gradients() -> None:
    """NumPy and PyTensor agree; gradients are finite everywhere and those of central differences."""
    pytensor, pt = pytest.importorskip("pytensor"), pytest.importorskip("pytensor.tensor")
    rng = np.random.default_rng(4)
    n = 40
    values = {
        "peak": np.exp(rng.normal(0, 2, n)),
        "elimination": np.exp(rng.normal(-1, 2, n)),
        "interval": rng.choice([1.0, 3.5, 7.0, 21.0], n),
        "ec50": np.exp(rng.normal(0, 2, n)),
        "h": np.exp(rng.normal(0, 0.5, n)),
        "share": rng.beta(8, 2, n),
        "gain": np.exp(rng.normal(0, 1, n)),
    }
    # On either side of where the closed form takes over, and a drug that is never eliminated.
    values["elimination"][:3] = np.array([0.0299999, 0.0300001, 0.0]) / (values["h"] * values["interval"])[:3]

    def formulas(parameters: Any, xp: Any) -> list[Any]:
        peak, elimination, interval, ec50, h, share, gain = parameters
        return [
            exposure.mean_hill(peak, elimination, interval, ec50, h, xp),
            exposure.hill(peak, ec50, h, xp),
            exposure.area_under_hill(peak, elimination, interval, 2, ec50, h, xp),
            exposure.area_under_concentration(peak, elimination, interval, 3, xp),
            exposure.concentration(2.6 * interval, peak, elimination, interval, 9, xp),
            exposure.normalised_penetration(share, gain, 0.7, "odds", xp),
            exposure.normalised_penetration(share, gain, 0.7, "capped", xp),
            exposure.accumulation(4.0, elimination * interval, xp),
            exposure.steady_accumulation(elimination * interval + 1e-3, xp),
        ]

    names = list(values)
    symbols = [pt.dvector(name) for name in names]
    outputs = formulas(symbols, pt)
    # One sum of everything, each formula at its own weight: one graph of slopes instead of one a formula.
    weights = np.sqrt(np.arange(2.0, 2.0 + len(outputs)))
    total = sum(weight * out.sum() for weight, out in zip(weights.tolist(), outputs, strict=True))
    slopes = pytensor.grad(total, symbols)
    found = pytensor.function(symbols, [*outputs, *slopes], mode=pytensor.compile.mode.Mode("py", None))(
        *values.values()
    )
    ours = formulas(values.values(), np)
    for symbolic, number in zip(found, ours, strict=False):
        np.testing.assert_allclose(symbolic, number, rtol=1e-12)
    for name, slope in zip(names, found[len(outputs) :], strict=True):
        assert np.isfinite(slope).all()
        step = 1e-5 * np.maximum(values[name], 1e-3)
        up, down = (
            weights @ np.array(formulas((values | {name: values[name] + d}).values(), np))
            for d in (step, -step)
        )
        difference = (up - down) / (2 * step)
        # Beside h^2: rounding of sums as large as an area, over steps as small as 1e-8.
        np.testing.assert_allclose(slope, difference, rtol=2e-5, atol=1e-5)
