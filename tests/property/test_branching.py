"""What must hold of clones that divide, die and mutate, whatever the rates."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from avatar_trials.kinetics import bozic, branching, eradication, lineages, luria_delbruck, mutants

rate = st.floats(0.0, 1.0)
days = st.floats(0.0, 200.0)
cells = st.integers(0, 10**12)
seed = st.integers(0, 2**32)
share = st.floats(0.0, 1.0)
assert_close = partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-300)
examples = settings(max_examples=500)
fewer = settings(max_examples=25)
laws = st.builds(branching.law, rate, rate, days)


def stream(number: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(number))


def parts(clone: branching.BirthDeathLaw) -> list[Any]:
    return [clone.extinct, clone.alive, clone.more, clone.stop]


@st.composite
def types(draw: st.DrawFn, least: int = 1) -> tuple[Any, Any, Any]:
    """Birth, death and mutation of up to four types, mutation anywhere but on the diagonal."""
    n = draw(st.integers(least, 4))
    birth, death = (np.array(draw(st.lists(st.floats(0.01, 0.6), min_size=n, max_size=n))) for _ in range(2))
    u = np.array(draw(st.lists(st.floats(0.0, 0.05), min_size=n * n, max_size=n * n))).reshape(n, n)
    np.fill_diagonal(u, 0.0)
    return birth, death, u


@examples
@given(laws, share, st.integers(0, 1000))
def test_a_law_is_a_law(clone: branching.BirthDeathLaw, z: float, n: int) -> None:
    assert all((part >= 0.0) & (part <= 1.0) for part in parts(clone))
    assert_close(clone.extinct + clone.alive, 1.0)
    assert_close(clone.more + clone.stop, 1.0)
    value = branching.pgf(clone, z, n)
    assert branching.extinction_by(clone, n) <= value * (1 + 1e-12)
    assert value <= 1.0
    assert branching.pgf(clone, 1.0, n) == 1.0
    assert branching.pgf(clone, z, 0) == 1.0


@examples
@given(rate, rate, days, days)
def test_a_period_split_in_two_is_the_period(b: float, d: float, t: float, more: float) -> None:
    split = branching.then(branching.law(b, d, t), branching.law(b, d, more))
    for one, other in zip(parts(split), parts(branching.law(b, d, t + more)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-15)


@examples
@given(laws, laws, laws, share)
def test_schedules_nest(
    one: branching.BirthDeathLaw, two: branching.BirthDeathLaw, three: branching.BirthDeathLaw, z: float
) -> None:
    left = branching.then(branching.then(one, two), three)
    right = branching.then(one, branching.then(two, three))
    for a, b in zip(parts(left), parts(right), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-200)
    nested = branching.pgf(one, branching.pgf(two, z))
    # A rounding of the inner value is magnified by the first period's growth.
    slack = 1e-15 * (1.0 + float(branching.mean(one)))
    np.testing.assert_allclose(branching.pgf(branching.then(one, two), z), nested, rtol=1e-9, atol=slack)
    for part, whole in zip(
        parts(left), parts(branching.then(left, branching.law(0.3, 0.2, 0.0))), strict=True
    ):
        assert_close(part, whole)


@examples
@given(rate, rate, days, rate, days, st.integers(1, 50))
def test_extinction_grows_with_death_and_time_and_falls_with_birth(
    b: float, d: float, t: float, extra: float, later: float, n: int
) -> None:
    base = branching.extinction_by(branching.law(b, d, t), n)
    slack = 1 + 1e-9
    assert branching.extinction_by(branching.law(b, d + extra, t), n) * slack >= base
    assert branching.extinction_by(branching.law(b, d, t + later), n) * slack >= base
    assert branching.extinction_by(branching.law(b + extra, d, t), n) <= base * slack
    assert branching.extinction_ever(b, d, n) * slack >= base
    assert branching.extinction_by(branching.law(b, d, t), n + 1) <= base


@examples
@given(rate, rate, days, st.floats(0.01, 100.0))
def test_the_unit_of_time_does_not_matter(b: float, d: float, t: float, unit: float) -> None:
    for one, other in zip(
        parts(branching.law(b, d, t)), parts(branching.law(b * unit, d * unit, t / unit)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-15)


@examples
@given(st.lists(st.tuples(rate, rate, days), min_size=1, max_size=9))
def test_a_law_does_not_depend_on_its_neighbours(rates: list[tuple[float, float, float]]) -> None:
    together = branching.law(*np.array(rates).T)
    for i, one in enumerate(rates):
        for all_, alone in zip(parts(together), parts(branching.law(*one)), strict=True):
            assert all_[i] == alone


@fewer
@given(types(2), st.integers(1, 5))
def test_chances_of_lineages_do_not_depend_on_their_neighbours(
    rates: tuple[Any, Any, Any], copies: int
) -> None:
    birth, death, u = rates
    alone = eradication.survival_ever(birth, death, u)
    factor = 1.0 + np.arange(copies)[:, None]
    together = eradication.survival_ever(birth, death * factor, u)
    np.testing.assert_array_equal(together[0], alone)


@examples
@given(cells, rate, rate, st.floats(0.0, 20.0), seed)
def test_draws_stay_within_what_can_happen(n: int, b: float, d: float, t: float, number: int) -> None:
    assert branching.advance_cells(0, branching.law(b, d, t), rng=stream(number)) == 0
    assert branching.advance_cells(n, branching.law(0.0, d, t), rng=stream(number)) <= n
    assert branching.advance_cells(n, branching.law(b / 4, 0.0, t), rng=stream(number)) >= n
    assert branching.advance_cells(n, branching.law(b, d, 0.0), rng=stream(number)) == n
    drawn = branching.advance_cells(n, branching.law(b / 4, d, t), rng=stream(number))
    assert drawn >= 0


@fewer
@given(types(), st.integers(0, 10**6), st.floats(0.0, 7.0), seed)
def test_clones_that_do_not_mutate_go_their_own_ways(
    rates: tuple[Any, Any, Any], n: int, t: float, number: int
) -> None:
    birth, death, u = rates
    start = np.full((3, birth.size), n)
    stepped = mutants.step(start, birth, death, np.zeros_like(u), t, rng=stream(number))
    alone = branching.advance_cells(start, branching.law(birth, death, t), rng=stream(number))
    np.testing.assert_array_equal(stepped, alone)


@fewer
@given(types(2), st.floats(0.0, 5.0), seed)
def test_nothing_comes_of_nothing_and_time_zero_changes_nothing(
    rates: tuple[Any, Any, Any], t: float, number: int
) -> None:
    birth, death, u = rates
    none = np.zeros((4, birth.size), dtype=int)
    assert not mutants.step(none, birth, death, u, t, rng=stream(number)).any()
    some = np.full((4, birth.size), 20_000)
    some[0] = 7
    np.testing.assert_array_equal(mutants.step(some, birth, death, u, 0.0, rng=stream(number)), some)
    ends = mutants.step(some, birth, death, u, t, rng=stream(number))
    assert ends.shape == some.shape
    assert (ends >= 0).all()


@fewer
@given(st.floats(0.0, 100.0), st.floats(-0.3, 0.3), st.floats(0.0, 20.0), rate, seed)
def test_founders_that_neither_divide_nor_die_are_counted(
    founders: float, growth: float, span: float, d: float, number: int
) -> None:
    assert lineages.descendants(0.0, growth, span, 0.3, d, rng=stream(number)) == 0
    assert lineages.descendants(founders, growth, 0.0, 0.3, d, rng=stream(number)) == 0
    steady = lineages.descendants(
        np.full(300, founders), growth, span, 0.0, 0.0, rng=stream(number), individually=np.inf
    )
    expected = founders * (span if growth == 0 else -np.expm1(-growth * span) / growth)
    assert abs(steady.mean() - expected) <= 6.0 * np.sqrt(expected / 300) + 1e-9


@fewer
@given(types(2), st.floats(0.1, 60.0), st.floats(0.1, 60.0))
def test_a_lineage_lasts_less_the_longer_it_must_and_a_schedule_splits(
    rates: tuple[Any, Any, Any], t: float, more: float
) -> None:
    birth, death, u = rates
    first = eradication.survival(birth, death, u, t)
    whole = eradication.survival(birth, death, u, t + more)
    assert ((first >= 0.0) & (first <= 1.0)).all()
    assert (whole <= first * (1 + 1e-7)).all()
    np.testing.assert_allclose(eradication.survival(birth, death, u, t, whole * 0 + 1.0), first, rtol=0)
    split = eradication.survival(birth, death, u, t, eradication.survival(birth, death, u, more))
    np.testing.assert_allclose(split, whole, rtol=1e-7)


@fewer
@given(types(2), st.floats(0.0, 2.0), st.permutations(range(4)))
def test_types_have_no_order_and_more_death_lasts_less(
    rates: tuple[Any, Any, Any], extra: float, order: list[int]
) -> None:
    birth, death, u = rates
    lasts = eradication.survival_ever(birth, death, u)
    assert ((lasts >= 0.0) & (lasts <= 1.0)).all()
    mixed = [i for i in order if i < birth.size]
    other = eradication.survival_ever(birth[mixed], death[mixed], u[np.ix_(mixed, mixed)])
    np.testing.assert_allclose(other, lasts[mixed], rtol=1e-6, atol=1e-12)
    assert (eradication.survival_ever(birth, death + extra, u) <= lasts * (1 + 1e-6) + 1e-12).all()
    n = np.arange(1, birth.size + 1)
    gone = eradication.eradication(n, lasts)
    assert_close(eradication.eradication(2 * n, lasts), gone**2)
    assert eradication.eradication(0 * n, lasts) == 1.0


@examples
@given(
    st.floats(1e6, 1e12),
    st.floats(1e-10, 1e-7),
    st.floats(0.05, 1.0),
    st.floats(0.05, 0.95),
    st.floats(0.01, 0.5),
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(0, 5),
    st.floats(1.0, 10.0),
)
def test_bozics_chances_fall_with_size_positions_and_mutation(
    size: float, u: float, b: float, s: float, fall: float, n1: int, n2: int, n12: int, times: float
) -> None:
    rates = {"birth": b, "death": b * (1 - s), "birth_treated": b, "death_treated": b + fall}
    # The paper's limit: mutations rare enough that two-step lineages are single.
    assume(size * u * u * (n1 + n12) * (n2 + n12) / s**2 < 0.1)

    def logs(size: float, u: float, n12: int) -> Any:
        return bozic.dual_therapy(size, u, **rates, n1=n1, n2=n2, n12=n12).log_p_eradicate

    cure = logs(size, u, n12)
    assert logs(size, u, n12 + 1) < cure
    if cure > -20.0 and size * u * max(n1, n2, 1) / s < 0.1:
        assert cure <= 0.0
        assert logs(size * times, u, n12) <= cure * (1 - 1e-12)
    single = {k: v for k, v in rates.items() if not k.endswith("_treated")}
    fewer_cells = bozic.p_none_one_step(size, u, **single, positions=n12)
    assert bozic.p_none_one_step(size * times, u, **single, positions=n12) <= fewer_cells
    exists = bozic.p_resistant_exists(size, u, **single, n1=n1, n2=n2, n12=n12)
    assert exists >= 1.0 - fewer_cells - 1e-12


@fewer
@given(st.floats(1e4, 1e11), st.floats(0.05, 0.6), st.floats(0.1, 0.9), st.floats(0.0, 3.0), seed)
def test_tumours_at_detection_have_their_size(
    size: float, b: float, s: float, mutants_expected: float, number: int
) -> None:
    u = mutants.two_drug_mutation(mutants_expected / size, 1, 1, 1)
    found = luria_delbruck.clones_at_detection(
        np.full(20, size), np.full(4, b), np.full(4, b * (1 - s)), u, rng=stream(number)
    )
    total, resistant = found.sum(axis=1), found[:, 1:].sum(axis=1)
    assert (found >= 0).all()
    assert ((total == round(size)) | ((found[:, 0] == 0) & (resistant >= size - 1))).all()
