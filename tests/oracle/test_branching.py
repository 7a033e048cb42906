"""Clones of cells against 30-digit values, event-by-event simulation, Fourier inversion and other solvers.

Nothing here computes its expectation with the code under test: laws come from the fixture or from generating functions
written out below, samples are compared with a Gillespie simulation that knows only rates. Tolerances of samples are in
Monte Carlo standard errors, 3.3 (two-sided 0.1 %); seeds are fixed, so a failure is a change of the code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from avatar_trials.kinetics import branching, eradication, lineages, luria_delbruck, mutants
from avatar_trials.verify import kinetics_references
from tests.held import hold

CASES = kinetics_references.cases("stochastic", "birth_death")
Vector = np.ndarray[Any, np.dtype[np.float64]]
SE = 3.3


def stream(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def fixture_law(case: dict[str, Any]) -> branching.BirthDeathLaw:
    return branching.law(case["b"], case["d"], case["t"])


def assert_mean(sample: np.ndarray[Any, Any], expected: float) -> None:
    error = sample.std() / math.sqrt(len(sample))
    assert abs(sample.mean() - expected) <= SE * error, (sample.mean(), expected, error)


def assert_variance(sample: np.ndarray[Any, Any], expected: float) -> None:
    assert_mean((sample - sample.mean()) ** 2, expected)


def assert_distribution(sample: np.ndarray[Any, Any], probabilities: Vector) -> None:
    """Chi-square of counts against probabilities of 0, 1, 2, ...; the rest, and rare values, in one cell."""
    expected = len(sample) * probabilities
    kept = np.flatnonzero(expected >= 10.0)
    seen = np.bincount(np.minimum(sample, len(expected)), minlength=len(expected) + 1)[kept]
    seen = np.append(seen, len(sample) - seen.sum())
    expected = np.append(expected[kept], max(len(sample) - expected[kept].sum(), 1e-9))
    if expected[-1] < 10.0:
        seen, expected = seen[:-1], expected[:-1] * seen[:-1].sum() / expected[:-1].sum()
    assert stats.chisquare(seen, expected).pvalue > 1e-3


def circle(n: int) -> np.ndarray[Any, np.dtype[np.complex128]]:
    return np.asarray(np.exp(-2j * np.pi * np.arange(n // 2 + 1) / n))


def lineage_pgf(z: Any, birth: float, death: float, t: float) -> Any:
    """Generating function of one cell's descendants, solved from f' = (birth f - death)(f - 1) by hand."""
    if birth == death:
        return 1.0 - (1.0 - z) / (1.0 + birth * t * (1.0 - z))
    grown = math.exp((birth - death) * t)
    return 1.0 - (1.0 - z) * (birth - death) * grown / (birth - death + birth * (1.0 - z) * (grown - 1.0))


@cache
def arrivals_law(n: int, rate: float, growth: float, span: float, birth: float, death: float) -> Vector:
    """Probabilities of 0 .. n - 1 cells in lineages that arrive at rate * exp(-growth * age), by Fourier inversion."""
    z = circle(n)
    nodes, weights = np.polynomial.legendre.leggauss(100)
    log_pgf = np.zeros(z.shape, dtype=complex)
    for node, weight in zip(nodes, weights, strict=True):
        age = 0.5 * span * (1.0 + node)
        founders = 0.5 * span * weight * rate * math.exp(-growth * age)
        log_pgf += founders * (lineage_pgf(z, birth, death, age) - 1.0)
    return np.asarray(np.fft.irfft(np.exp(log_pgf), n))


def gillespie(
    cells: list[int],
    birth: list[float],
    death: list[float],
    mutation: list[list[float]],
    runs: int,
    *,
    seed: int,
    days: float = math.inf,
    size: float = math.inf,
) -> np.ndarray[Any, Any]:
    """Cells (run, type) by simulating every birth and death in turn, until `days` or until `size` cells (or none)."""
    rng, types = stream(seed), len(cells)
    state, clock = np.tile(np.array(cells), (runs, 1)), np.zeros(runs)
    b, d, u = np.array(birth), np.array(death), np.array(mutation)
    changes, channels = [], []
    for i in range(types):
        for j in range(types):
            change = np.zeros(types, dtype=int)
            change[j] = 1
            chance = 1.0 - u[i].sum() if i == j else u[i, j]
            changes.append(change)
            channels.append((i, b[i] * chance))
        changes.append(-np.eye(types, dtype=int)[i])
        channels.append((i, d[i]))
    used = [k for k, (_, speed) in enumerate(channels) if speed > 0.0]
    of, speed = np.array([channels[k][0] for k in used]), np.array([channels[k][1] for k in used])
    change = np.array([changes[k] for k in used])
    going = np.arange(runs)
    while going.size:
        upto = np.cumsum(state[going][:, of] * speed, axis=1)
        clock[going] += rng.standard_exponential(going.size) / upto[:, -1]
        event = (upto < (rng.random(going.size) * upto[:, -1])[:, None]).sum(axis=1)
        happens = clock[going] <= days
        state[going[happens]] += change[event[happens]]
        total = state[going].sum(axis=1)
        going = going[happens & (total > 0) & (total < size)]
    return state


# --- the law -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"b{c['b']}_d{c['d']}_n{c['n0']}_t{c['t']}")
def test_law_of_the_fixture(case: dict[str, Any]) -> None:
    hold(kinetics_references.birth_and_death(case))


def test_law_in_its_limits() -> None:
    """b = d is 1 - alpha = 1/(1 + b t); near it, far from it and after a long time nothing jumps or overflows."""
    near = branching.law(0.2, 0.2 * (1 + np.array([-1e-9, -1e-15, 0.0, 1e-15, 1e-9])), 30.0)
    np.testing.assert_allclose(near.alive, 1 / 7, rtol=1e-8)
    np.testing.assert_allclose(near.stop, 1 / 7, rtol=1e-8)
    pure_death = branching.law(0.0, 0.1, 300.0)
    np.testing.assert_allclose(pure_death.alive, math.exp(-30.0), rtol=1e-14)
    assert pure_death.more == 0.0
    np.testing.assert_allclose(branching.law(0.3, 0.0, 7.0).stop, math.exp(-2.1), rtol=1e-14)
    still = branching.law(0.0, 0.0, 1e6)
    assert (still.alive, still.extinct, still.more) == (1.0, 0.0, 0.0)
    long = branching.law([0.14, 0.14, 0.2], [0.13, 0.17, 0.2], 1e6)
    np.testing.assert_allclose(long.extinct, [13 / 14, 1.0, 2e5 / (1 + 2e5)], rtol=1e-13)
    np.testing.assert_allclose(branching.mean(long), [math.inf, 0.0, 1.0])
    # A chance of survival of e^-60 is kept although 1 - extinct is 0 in floating point.
    np.testing.assert_allclose(
        branching.law(0.14, 0.17, 2000.0).alive, 0.03 * math.exp(-60.0) / 0.17, rtol=1e-12
    )
    np.testing.assert_array_equal(branching.extinction_ever([0.0, 0.0, 0.1], [0.0, 0.1, 0.0], 3), [0, 1, 0])


def test_a_schedule_is_kendalls_integral() -> None:
    """alpha = 1 - e^-R/W and beta = 1 - 1/W, W = e^-R (1 + int death e^R), R = int (death - birth): Kendall 1948."""
    birth, death, days = [0.14, 0.14, 0.05, 0.3], [0.13, 0.40, 0.05, 0.0], [50.0, 20.0, 30.0, 7.0]
    ends = np.cumsum(days)

    def at(values: list[float], t: float) -> float:
        return values[min(int(np.searchsorted(ends, t, side="right")), 3)]

    def net(t: float) -> float:
        spent = np.clip(t - np.concatenate([[0.0], ends[:-1]]), 0.0, days)
        return float((np.subtract(death, birth) * spent).sum())

    total = integrate.quad(
        lambda t: at(death, t) * math.exp(net(t)), 0.0, ends[-1], points=list(ends[:-1]), epsrel=1e-12
    )[0]
    w = math.exp(-net(ends[-1])) * (1.0 + total)
    whole = branching.schedule_law(birth, death, days)
    np.testing.assert_allclose(whole.alive, math.exp(-net(ends[-1])) / w, rtol=1e-10)
    np.testing.assert_allclose(whole.stop, 1.0 / w, rtol=1e-10)
    np.testing.assert_allclose(whole.extinct, 1.0 - math.exp(-net(ends[-1])) / w, rtol=1e-10)


# --- draws of one clone ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"b{c['b']}_d{c['d']}_n{c['n0']}_t{c['t']}")
def test_draws_have_the_moments_and_the_distribution_of_the_fixture(case: dict[str, Any]) -> None:
    n = case["n0"]
    sample = branching.advance_cells(np.full(40_000, n), fixture_law(case), rng=stream(1))
    assert_mean(sample, float(case["mean"]))
    assert_variance(sample, float(case["var"]))
    p = float(case["p_extinct_by_t"])
    assert abs((sample == 0).mean() - p) <= SE * math.sqrt(p * (1 - p) / len(sample)) + 1e-12
    length = 2**14
    z, (alpha, beta) = circle(length), (float(case["alpha"]), float(case["beta"]))
    law = np.fft.irfft(((alpha + (1 - alpha - beta) * z) / (1 - beta * z)) ** n, length)
    assert_distribution(sample, law)


@pytest.mark.parametrize("n", [10**4, 10**9, 10**12])
def test_draws_of_large_clones_keep_mean_variance_and_skewness(n: int) -> None:
    """Cumulants of a sum of n: against a sum of normals a lost part of the variance would show at any n."""
    birth, death, t = 0.14, 0.17, 3.5
    sample = branching.advance_cells(np.full(100_000, n), branching.law(birth, death, t), rng=stream(2))
    grown = math.exp((birth - death) * t)
    variance = n * (birth + death) / (birth - death) * grown * (grown - 1.0)
    z = (sample - n * grown) / math.sqrt(variance)
    assert_mean(z, 0.0)
    assert_variance(z, 1.0)
    assert stats.kstest(z, "norm").pvalue > 1e-3 or n < 10**6


def test_few_survivors_of_very_many_cells() -> None:
    """10^12 cells of which 3 are expected to have descendants: 1 - p must not be rounded (Poisson limit)."""
    birth, death = 0.14, 0.17
    t = optimize.brentq(lambda t: 1e12 * 0.03 / (0.17 * math.exp(0.03 * t) - 0.14) - 3.0, 100.0, 3000.0)
    sample = branching.advance_cells(np.full(100_000, 10**12), branching.law(birth, death, t), rng=stream(3))
    assert_mean(sample == 0, math.exp(-3.0))
    assert_mean(sample, 1e12 * math.exp(-0.03 * t))


def test_counts_beyond_a_million_millions() -> None:
    mean = np.full(100_000, 3e15)
    z = (branching.poisson(mean, rng=stream(4)) - mean) / np.sqrt(mean)
    assert_mean(z, 0.0)
    assert_variance(z, 1.0)
    with pytest.raises(ValueError, match="more than can be counted"):
        branching.advance_cells(10**6, branching.law(0.3, 0.0, 120.0), rng=stream(4))


def test_a_march_over_visits_is_the_schedule_in_one() -> None:
    birth, death = np.tile([0.14, 0.14], 11), np.tile([0.13, 0.17], 11)
    days = np.tile([7.0, 3.5], 11)
    visits = branching.march_cells(np.full(25_000, 40), birth, death, days, rng=stream(5))
    assert visits.shape == (25_000, 22)
    log_mean = np.cumsum((birth - death) * days)
    for visit in (0, 10, 21):
        assert_mean(visits[:, visit], 40 * math.exp(log_mean[visit]))
    whole = branching.schedule_law(birth, death, days)
    one = branching.advance_cells(np.full(25_000, 40), whole, rng=stream(6))
    assert stats.ks_2samp(visits[:, -1], one).pvalue > 1e-3
    assert_variance(visits[:, -1], float(branching.variance(whole, 40)))


def test_draws_agree_with_event_by_event_simulation() -> None:
    events = gillespie([3], [0.3], [0.2], [[0.0]], 20_000, seed=7, days=8.0)[:, 0]
    sample = branching.advance_cells(np.full(20_000, 3), branching.law(0.3, 0.2, 8.0), rng=stream(8))
    pooled = np.stack([np.bincount(np.minimum(x, 30), minlength=31) for x in (events, sample)])
    assert stats.chi2_contingency(pooled).pvalue > 1e-3


# --- lineages of arrivals ----------------------------------------------------------------------------------------

SOURCES = {
    "neutral": (0.9, 0.2, 25.0, 0.5, 0.3),
    "mutants that pay": (0.9, 0.2, 25.0, 0.45, 0.3),
    "mutants that shrink": (2.0, 0.2, 25.0, 0.3, 0.35),
    "source that shrinks": (0.8, -0.05, 20.0, 0.4, 0.3),
    "no death": (0.9, 0.3, 12.0, 0.3, 0.0),
    "no birth": (5.0, 0.1, 20.0, 0.0, 0.2),
    "critical": (1.5, 0.0, 20.0, 0.2, 0.2),
    "fitter than the source": (0.3, 0.1, 15.0, 0.5, 0.2),
    # So many that the young ones are drawn together by default.
    "many that pay": (60.0, 0.2, 25.0, 0.45, 0.3),
    "many in half a week": (40.0, -0.05, 3.5, 0.14, 0.13),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("individually", [math.inf, 0.0, None])
def test_descendants_of_arrivals(name: str, individually: float | None) -> None:
    """One by one exact, all together of exact mean and variance, and by default in between."""
    rate, growth, span, birth, death = SOURCES[name]
    sample = lineages.descendants(
        np.full(12_000, rate),
        growth,
        span,
        birth,
        death,
        rng=stream(20),
        individually=individually,
    )
    law = arrivals_law(2**14, *SOURCES[name])
    if individually != 0.0:
        assert_distribution(sample, law)
    k = np.arange(len(law))
    assert_mean(sample, float(law @ k))
    assert_variance(sample, float(law @ (k - law @ k) ** 2))


@pytest.mark.parametrize(
    "source",
    [
        # Tumours found at 1e9 and 1e10 cells with u n = 50e-9; mutants that pay 10 %, 50 %, all; a fast tumour.
        (7.0, 0.01, 1800.0, 0.14, 0.13),
        (70.0, 0.01, 2000.0, 0.14, 0.13),
        (7.0, 0.01, 1800.0, 0.14, 0.131),
        (7.0, 0.01, 1800.0, 0.135, 0.13),
        (40.0, 0.01, 1800.0, 0.13, 0.13),
        (40.0, 0.4, 60.0, 0.5, 0.1),
        # A month, and half a week between visits, with sources that grow or shrink.
        (1.5, 0.01, 28.0, 0.14, 0.13),
        (1.5, -0.03, 28.0, 0.14, 0.13),
        (3.0, -0.3, 14.0, 0.14, 0.13),
        (3.0, -0.03, 3.5, 0.14, 0.13),
        (2.0, 0.1, 3.5, 0.18, 0.13),
        (300.0, -0.1, 3.5, 0.18, 0.13),
    ],
)
def test_young_lineages_drawn_together_are_within_the_stated_error(
    source: tuple[float, float, float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Largest error of P(cells <= x) among the lineages that the draw takes together, from their Fourier inversion;
    those that it draws one by one can only dilute it."""
    drawn, original = [], lineages.young_gamma

    def recorded(*arguments: Any) -> Any:
        drawn.append((arguments, original(*arguments)))
        return drawn[-1][1]

    monkeypatch.setattr(lineages, "young_gamma", recorded)
    lineages.descendants(*source, rng=stream(21), individually=math.inf)
    assert not drawn
    lineages.descendants(*source, rng=stream(21))
    (arguments, law), *more = drawn
    assert not more
    rate, growth, young, birth, death = (x.item() for x in arguments)
    assert (rate, growth, birth, death) == (*source[:2], *source[3:])
    least, shape, scale = (x.item() for x in law)
    n = 2 ** math.ceil(math.log2(2.0 * (least + shape * scale) + 40.0 * scale * math.sqrt(shape) + 100.0))
    assert n <= 2**20, f"lineages of up to {young} days are drawn together"
    exact = arrivals_law(n, rate, growth, young, birth, death)
    away = 1.0 - circle(n)
    together = np.fft.irfft(np.exp(-least * away - shape * np.log1p(scale * away)), n)
    error = float(np.abs(np.cumsum(together - exact)).max())
    assert error <= lineages.HYBRID_ERROR, (young, error)


def test_founders_at_a_constant_rate_are_negative_binomial() -> None:
    """Kendall 1948: births, deaths and immigration at a constant rate; drawing together is then exact."""
    least, shape, scale = lineages.young_gamma(*(np.array([x]) for x in (2.0, 0.0, 9.0, 0.3, 0.1)))
    np.testing.assert_allclose(least, 0.0, atol=1e-12)
    np.testing.assert_allclose(shape, 2.0 / 0.3, rtol=1e-12)
    np.testing.assert_allclose(scale, 0.3 * math.expm1(0.2 * 9.0) / 0.2, rtol=1e-12)


# --- clones that mutate ------------------------------------------------------------------------------------------

# Birth, death and mutation of four types that mutate in a circle.
CHAIN: tuple[Any, Any, Any] = (
    [0.30, 0.35, 0.30, 0.40],
    [0.25, 0.30, 0.33, 0.25],
    [[0, 0.04, 0.03, 0.01], [0, 0, 0, 0.06], [0, 0.02, 0, 0.05], [0.01, 0, 0, 0]],
)


def summary(cells: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Per run: counts, presence, products of pairs of types."""
    pairs = [cells[:, i] * cells[:, j] for i in range(cells.shape[1]) for j in range(i)]
    return np.column_stack([cells, cells == 0, cells**2, *pairs]).astype(float)


def assert_same_process(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> None:
    a, b = summary(one), summary(other)
    error = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))
    z = (a.mean(axis=0) - b.mean(axis=0)) / np.where(error > 0.0, error, 1.0)
    # 22 numbers at once: 3.8 standard errors is 0.3 % for all of them.
    assert np.abs(z).max() < 3.8, np.round(z, 1)


@pytest.fixture(scope="module")
def chain_events() -> np.ndarray[Any, Any]:
    return gillespie([30, 2, 0, 1], *CHAIN, 8_000, seed=30, days=6.0)


@pytest.mark.parametrize(("pieces", "large"), [(1, 10_000), (8, 10_000), (1, 10), (8, 10), (8, 0)])
def test_steps_of_mutating_clones_agree_with_event_by_event_simulation(
    chain_events: np.ndarray[Any, Any], pieces: int, large: int
) -> None:
    """In one step or eight; with every mutant timed exactly, and along smooth paths from 10 cells or from the first."""
    cells = np.tile([30, 2, 0, 1], (12_000, 1))
    rng = stream(31 + pieces + large)
    for _ in range(pieces):
        cells = mutants.step(cells, *CHAIN, 6.0 / pieces, rng=rng, large=large)
    assert_same_process(cells, chain_events)


def test_large_sources_agree_with_event_by_event_simulation() -> None:
    """600 sensitive cells that shrink, each mutant and their mutants followed: one step, eight, and events."""
    rates: tuple[Any, Any, Any] = (
        [0.2, 0.3, 0.25],
        [0.35, 0.3, 0.2],
        [[0, 0.02, 0.002], [0, 0, 0.05], [0, 0, 0]],
    )
    events = gillespie([600, 0, 0], *rates, 2_500, seed=40, days=6.0)
    for pieces in (1, 8):
        cells, rng = np.tile([600, 0, 0], (10_000, 1)), stream(41 + pieces)
        for _ in range(pieces):
            cells = mutants.step(cells, *rates, 6.0 / pieces, rng=rng, large=100)
        assert_same_process(cells, events)


def test_the_length_of_steps_does_not_bias_resistance_on_treatment() -> None:
    """10^6 sensitive cells under treatment, a week a step and an eighth of it: same numbers of mutants."""
    u = mutants.two_drug_mutation(2e-8, 50, 50, 1)
    birth, death = np.full(4, 0.14), np.array([0.17, 0.17, 0.17, 0.13])
    ends = []
    for pieces, seed in ((4, 50), (32, 51)):
        cells, rng = np.tile([10**6, 0, 0, 0], (8_000, 1)), stream(seed)
        for _ in range(pieces):
            cells = mutants.step(cells, birth, death, u, 28.0 / pieces, rng=rng)
        ends.append(cells)
    for kind in range(4):
        assert abs(ends[0][:, kind].mean() - ends[1][:, kind].mean()) < SE * math.hypot(
            *(x[:, kind].std() / math.sqrt(len(x)) for x in ends)
        )
    # Exact expectation of the singly resistant, cell by cell: dR/dt = net R + birth u S.
    left = 1e6 * math.exp((0.14 * (1 - u[0].sum()) - 0.17) * 28.0)
    for cells in ends:
        assert_mean(cells[:, 0], left)
        assert_mean(cells[:, 1], 0.14 * 1e-6 * left * 28.0)


def test_two_drug_mutation_by_hand() -> None:
    expected = np.array([[0, 50, 40, 3], [0, 0, 0, 43], [0, 0, 0, 53], [0, 0, 0, 0]]) * 1e-9
    np.testing.assert_allclose(mutants.two_drug_mutation(1e-9, 50, 40, 3), expected, rtol=1e-14)
    assert mutants.two_drug_mutation(np.ones((2, 1)) * 1e-9, 50, [1, 2, 3], 0).shape == (2, 3, 4, 4)


def test_march_is_a_chain_of_steps_under_changing_rates() -> None:
    u = mutants.two_drug_mutation(1e-6, 3, 2, 1)
    on, off = np.array([0.20, 0.20, 0.20, 0.13]), np.full(4, 0.13)
    death = np.stack([on, on, off])
    days = np.array([7.0, 14.0, 3.5])
    start = np.tile([50_000, 10, 0, 3], (200, 1))
    visits = mutants.march(start, np.full(4, 0.14), death, u, days, rng=stream(60))
    cells, rng = start, stream(60)
    for visit in range(3):
        cells = mutants.step(cells, np.full(4, 0.14), death[visit], u, days[visit], rng=rng)
        np.testing.assert_array_equal(visits[:, visit], cells)
    each = np.broadcast_to(death, (200, 3, 4))
    own = mutants.march(start, np.full((200, 1, 4), 0.14), each, u, days, rng=stream(60))
    assert own.shape == visits.shape
    with pytest.raises(ValueError, match="3 visits or 1"):
        mutants.march(start, np.full((200, 4), 0.14), death, u, days, rng=stream(60))


# --- before treatment --------------------------------------------------------------------------------------------


def test_resistant_cells_at_detection_have_the_luria_delbruck_law() -> None:
    """Generating function exp(-M u Y log(Y)/(Y - 1)), Y = (1 - z)/s (no cut at the tumour's first days)."""
    size, birth, death, u = 1e6, 0.3, 0.15, 4e-6
    away = (1.0 - circle(2**18)) / (1.0 - death / birth)
    y = np.where(away == 0.0, 1e-300, away)
    law = np.fft.irfft(np.exp(-size * u * y * np.log(y) / np.where(np.abs(y - 1) < 1e-9, 1, y - 1)), 2**18)
    sample = luria_delbruck.resistant_cells(np.full(40_000, size), birth, death, u, rng=stream(70))
    # What does not fit the transform wraps around: jackpots of more than 2^18 cells, 1 in 40,000 at most.
    assert_distribution(sample, law[:400] * (law[:400] > 2e-6))


def test_resistant_cells_agree_with_tumours_grown_event_by_event() -> None:
    """T15: 300 cells grown from one, every division simulated, kept if the tumour reached them."""
    birth, death, u = 0.3, 0.1, 0.004
    events = gillespie([1, 0], [birth] * 2, [death] * 2, [[0, u], [0, 0]], 8_000, seed=71, size=300)
    found = events[events.sum(axis=1) == 300][:, 1]
    s = 1.0 - death / birth
    # The formula is the limit of many cells and rare mutations; at 300 cells it is 2 % off in p1.
    none = math.exp(300 * u * math.log(s) / (1.0 - s))
    error = math.sqrt(none * (1 - none) / len(found))
    assert abs((found == 0).mean() - none) < 3.0 * error + 0.01
    sample = luria_delbruck.resistant_cells(np.full(60_000, 300.0), birth, death, u, rng=stream(72))
    assert abs((sample == 0).mean() - none) < 3.0 * math.sqrt(none * (1 - none) / len(sample)) + u
    upto = np.arange(60)
    apart = (found[:, None] <= upto).mean(axis=0) - (sample[:, None] <= upto).mean(axis=0)
    assert np.abs(apart).max() < 0.02


def test_mutants_that_pay_are_fewer_by_the_formula() -> None:
    """Mean with a fitness cost: int birth u M e^(-r age) e^(net age) over the tumour's age."""
    size, birth, death, u, cost = 1e5, 0.3, 0.15, 1e-4, 0.1
    age = math.log(size * 0.5) / 0.15
    sample = luria_delbruck.resistant_cells(
        np.full(60_000, size), birth, death, u, mutant_birth=birth - cost, rng=stream(73)
    )
    gap = -0.15 + (0.05 if cost == 0.1 else math.nan)
    assert_mean(sample, birth * u * size * math.expm1(gap * age) / gap)


def test_two_drug_clones_have_the_expected_numbers() -> None:
    """Means by one and two mutations, from dx/dt = net x + birth (mutation into x) by hand, 2,000 cells at u = 1e-3."""
    size, birth, death = 2000.0, 0.4, 0.2
    u = mutants.two_drug_mutation(1e-3, 2, 1, 1)
    clones = luria_delbruck.clones_at_detection(
        np.full(15_000, size), np.full(4, birth), np.full(4, death), u, rng=stream(74)
    )
    age = math.log(size * 0.5) / 0.2
    leave = birth * u.sum(axis=-1)
    one = birth * 2e-3 * -math.expm1(-leave[1] * age) / leave[1] * size
    two = birth * 1e-3 * -math.expm1(-leave[2] * age) / leave[2] * size
    both = (
        size
        * integrate.quad(
            lambda a: (
                birth * 1e-3
                + leave[1] * birth * 2e-3 * -math.expm1(-leave[1] * (age - a)) / leave[1]
                + leave[2] * birth * 1e-3 * -math.expm1(-leave[2] * (age - a)) / leave[2]
            ),
            0.0,
            age,
        )[0]
    )
    for kind, expected in ((1, one), (2, two), (3, both)):
        assert_mean(clones[:, kind], expected)
    found = clones.sum(axis=1)
    assert ((found == size) | (clones[:, 0] == 0)).all()


# --- eradication -------------------------------------------------------------------------------------------------


def backward(birth: Any, death: Any, mutation: Any, days: float, counts: list[float]) -> Vector:
    """Chance that a lineage counts, from f' = death - (birth + death) f + birth f (sum_j u_ij f_j + stay f_i)."""
    b, d, u = np.array(birth), np.array(death), np.array(mutation)
    stay = 1.0 - u.sum(axis=1)

    def slope(_: float, f: Vector) -> Vector:
        return np.asarray(d - (b + d) * f + b * f * (u @ f + stay * f))

    solved = integrate.solve_ivp(
        slope, (0, days), 1.0 - np.array(counts), method="DOP853", rtol=1e-11, atol=1e-14
    )
    return np.asarray(1.0 - solved.y[:, -1])


def test_lineages_of_one_type_are_the_fixtures() -> None:
    for case in CASES:
        alive = eradication.survival([case["b"]], [case["d"]], [[0.0]], case["t"])
        np.testing.assert_allclose(alive, [1.0 - float(case["alpha"])], rtol=eradication.RELATIVE_ERROR)
        ever = float(case["p_extinct_ever"])
        gone = eradication.eradication(
            [case["n0"]], eradication.survival_ever([case["b"]], [case["d"]], [[0.0]])
        )
        np.testing.assert_allclose(gone, ever, rtol=1e-11)
    deep = eradication.survival([0.14], [0.17], [[0.0]], 1000.0)
    np.testing.assert_allclose(deep, [0.03 / (0.17 * math.exp(30.0) - 0.14)], rtol=eradication.RELATIVE_ERROR)


def test_lineages_of_mutating_types_follow_the_generating_functions() -> None:
    counts = [0.0, 0.3, 1.0, 0.5]
    got = eradication.survival(*CHAIN, 6.0, counts)
    np.testing.assert_allclose(got, backward(*CHAIN, 6.0, counts), rtol=1e-8)
    # A schedule: the second segment first, then the first back from it.
    on = ([0.3] * 4, [0.6, 0.6, 0.6, 0.25], CHAIN[2])
    second = eradication.survival(*on, 10.0)
    both = eradication.survival(*CHAIN, 6.0, second)
    by_hand = backward(*CHAIN, 6.0, list(backward(*on, 10.0, [1.0] * 4)))
    np.testing.assert_allclose(both, by_hand, rtol=1e-8)
    for birth, death, u in (CHAIN, on):
        lasting = backward(birth, death, u, 400.0, [1.0] * 4)
        np.testing.assert_allclose(eradication.survival_ever(birth, death, u), lasting, rtol=1e-7)


def test_eradication_of_known_clones_agrees_with_marched_ones() -> None:
    """Three weeks on treatment, two off, on again: the tumours that died out by then, in 20,000 marches."""
    u = mutants.two_drug_mutation(1e-4, 2, 3, 1)
    birth = np.full(4, 0.4)
    on, off = np.array([0.9, 0.7, 0.7, 0.35]), np.full(4, 0.3)
    start = np.array([200, 4, 3, 1])
    lasts: Any = 1.0
    for death, days in ((on, 21.0), (off, 14.0), (on, 21.0)):
        lasts = eradication.survival(birth, death, u, days, lasts)
    expected = float(eradication.eradication(start, lasts))
    visits = mutants.march(
        np.tile(start, (20_000, 1)),
        birth,
        np.stack([on, off, on]),
        u,
        [21.0, 14.0, 21.0],
        rng=stream(80),
    )
    assert 0.1 < expected < 0.9
    assert_mean(visits[:, -1].sum(axis=-1) == 0, expected)


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: branching.law(-0.1, 0.1, 1.0), "birth must be 0 or more"),
    (lambda: branching.law(0.1, math.nan, 1.0), "death must be 0 or more"),
    (lambda: branching.law(0.1, 0.1, math.inf), "days must be 0 or more"),
    (lambda: branching.pgf(branching.law(0.1, 0.1, 1.0), 1.1), "0 <= z <= 1"),
    (lambda: branching.schedule_law([], [], []), "at least one segment"),
    (lambda: branching.advance_cells(2.5, branching.law(0.1, 0.1, 1.0), rng=stream(0)), "whole numbers"),
    (lambda: branching.advance_cells(-1, branching.law(0.1, 0.1, 1.0), rng=stream(0)), "0 or more cells"),
    (
        lambda: branching.then(branching.law(1.0, 0.0, 800.0), branching.law(0.0, 1.0, 800.0)),
        "cannot be followed",
    ),
    (lambda: lineages.descendants(-1.0, 0.1, 1.0, 0.1, 0.1, rng=stream(0)), "rate must be"),
    (lambda: lineages.descendants(1.0, math.nan, 1.0, 0.1, 0.1, rng=stream(0)), "growth of the source"),
    (
        lambda: lineages.descendants(1.0, -9.0, 100.0, 0.1, 0.1, rng=stream(0)),
        "more cells than can be counted",
    ),
    (lambda: mutants.step([1.0], [0.1], [0.1], [[0.0]], 1.0, rng=stream(0)), "whole numbers"),
    (lambda: mutants.step([1], [0.1], [0.1], [[0.1]], 1.0, rng=stream(0)), "diagonal"),
    (
        lambda: mutants.step([1, 1], 0.1, 0.1, [[0, 1.1], [0.0, 0]], 1.0, rng=stream(0)),
        "at most 1 a row",
    ),
    (lambda: mutants.step([1, 1], 0.1, 0.1, [[0.0]], 1.0, rng=stream(0)), "each of 2 types"),
    (lambda: luria_delbruck.tumour_age(1e9, 0.1, 0.1), "birth is above death"),
    (lambda: luria_delbruck.tumour_age(5.0, 0.14, 0.13), "found at more than"),
    (
        lambda: luria_delbruck.clones_at_detection(
            1e6, [0.2] * 2, [0.1] * 2, [[0, 1e-6], [1e-6, 0]], rng=stream(0)
        ),
        "column 0",
    ),
    (lambda: eradication.survival([0.1], [0.1], [[0.0]], 1.0, 1.5), "0 .. 1"),
    (lambda: eradication.survival([0.1], [0.1], [[0.0]], -1.0), "days must be"),
]


@pytest.mark.parametrize(("call", "words"), REFUSED, ids=[f"{i}" for i in range(len(REFUSED))])
def test_what_makes_no_sense_is_refused_in_words(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()
