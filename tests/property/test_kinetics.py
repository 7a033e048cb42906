"""What must hold of the kinetics whatever the numbers."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avatar_trials.kinetics import caliper, clones, combination, two_clone, wander

Vector = np.ndarray[Any, np.dtype[np.float64]]

rate = st.floats(-0.5, 0.5)
kill = st.floats(0.0, 1.0)
positive_kill = st.floats(1e-4, 1.0)
growth = st.floats(0.0, 0.3)
logit = st.floats(-20.0, 20.0)
days = st.floats(0.0, 300.0)
exponent = st.floats(0.1, 20.0)
sizes = st.lists(st.floats(-50.0, 50.0), min_size=1, max_size=5)
assert_close = partial(np.testing.assert_allclose, rtol=1e-12, atol=1e-12)
examples = settings(max_examples=500)


@st.composite
def tumours(draw: st.DrawFn) -> tuple[Vector, Vector]:
    log_clones = np.array(draw(sizes))
    rates = np.array(draw(st.lists(rate, min_size=log_clones.size, max_size=log_clones.size)))
    return log_clones, rates


@examples
@given(growth, kill, kill, logit, growth, days)
def test_more_kill_never_gives_more_tumour(
    r: float, k: float, more: float, lq: float, resistant: float, t: float
) -> None:
    less_treated = clones.log_growth(t, r, k, lq, resistant)
    assert clones.log_growth(t, r, k + more, lq, resistant) <= less_treated + 1e-12
    assert clones.log_growth(t, r, k, lq, resistant + more) >= less_treated - 1e-12


@examples
@given(growth, logit, days)
def test_zero_dose_is_untreated(r: float, lq: float, t: float) -> None:
    no_drug = combination.combined_kill(np.array([-np.inf, -np.inf]), 0.7)
    assert no_drug == 0.0
    assert_close(clones.log_growth(t, r, no_drug, lq, r), r * t)


@examples
@given(positive_kill, exponent)
def test_a_drug_at_zero_dose_leaves_the_other_alone(k: float, p: float) -> None:
    np.testing.assert_allclose(combination.combined_kill(np.array([np.log(k), -np.inf]), p), k, rtol=1e-12)


@examples
@given(tumours(), days, days)
def test_a_split_segment_changes_nothing(tumour: tuple[Vector, Vector], first: float, second: float) -> None:
    log_clones, rates = tumour
    split = clones.advance(clones.advance(log_clones, rates, first), rates, second)
    np.testing.assert_allclose(
        split, clones.advance(log_clones, rates, first + second), rtol=1e-12, atol=1e-11
    )


@examples
@given(tumours())
def test_a_segment_without_length_does_nothing(tumour: tuple[Vector, Vector]) -> None:
    log_clones, rates = tumour
    assert (clones.advance(log_clones, rates, 0.0) == log_clones).all()


@examples
@given(growth, kill, logit, growth)
def test_no_time_no_growth(r: float, k: float, lq: float, resistant: float) -> None:
    assert clones.log_growth(0.0, r, k, lq, resistant) == 0.0


@examples
@given(tumours(), st.floats(0.001, 0.999), days)
def test_a_clone_split_in_two_is_one_clone(tumour: tuple[Vector, Vector], share: float, t: float) -> None:
    log_clones, rates = tumour
    pieces = np.append(log_clones, log_clones[0] + np.log1p(-share))
    pieces[0] += np.log(share)
    whole = clones.log_total(clones.advance(log_clones, rates, t))
    split = clones.log_total(clones.advance(pieces, np.append(rates, rates[0]), t))
    assert_close(split, whole)


@examples
@given(tumours(), st.randoms(use_true_random=False), days)
def test_the_order_of_clones_is_nothing(tumour: tuple[Vector, Vector], random: Random, t: float) -> None:
    log_clones, rates = tumour
    order = list(range(log_clones.size))
    random.shuffle(order)
    straight = clones.log_total(clones.advance(log_clones, rates, t))
    assert_close(clones.log_total(clones.advance(log_clones[order], rates[order], t)), straight)


@examples
@given(tumours(), st.floats(-7.0, 7.0), days)
def test_units_of_volume_and_time_do_not_matter(
    tumour: tuple[Vector, Vector], log_unit: float, t: float
) -> None:
    log_clones, rates = tumour
    total = clones.log_total(clones.advance(log_clones, rates, t))
    rescaled = clones.log_total(clones.advance(log_clones + log_unit, rates, t))
    np.testing.assert_allclose(rescaled, total + log_unit, rtol=1e-12, atol=1e-11)
    weeks = clones.log_total(clones.advance(log_clones, rates * 7, t / 7))
    np.testing.assert_allclose(weeks, total, rtol=1e-12, atol=1e-11)


@examples
@given(tumours(), days)
def test_avatars_do_not_see_one_another(tumour: tuple[Vector, Vector], t: float) -> None:
    log_clones, rates = tumour
    panel = np.stack([log_clones, log_clones[::-1] + 1.0, np.zeros(log_clones.size)], axis=-1)
    panel_rates = np.stack([rates, rates * 0.5, rates - 0.1], axis=-1)
    together = clones.log_total(clones.advance(panel, panel_rates, np.array([t, t / 2, 0.0])))
    alone = [
        clones.log_total(clones.advance(row, rates_of_row, time))
        for row, rates_of_row, time in zip(panel.T, panel_rates.T, (t, t / 2, 0.0), strict=True)
    ]
    np.testing.assert_array_equal(together, alone)


@examples
@given(tumours())
def test_a_tumour_is_at_least_its_largest_clone(tumour: tuple[Vector, Vector]) -> None:
    log_clones, _ = tumour
    total = clones.log_total(log_clones)
    assert log_clones.max() <= total <= log_clones.max() + np.log(log_clones.size) + 1e-12


@examples
@given(st.floats(-50.0, 20.0), st.floats(-50.0, 20.0), st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_deceleration_keeps_order_and_only_slows(m: float, other: float, c: float, more: float) -> None:
    size = clones.size_from_growth(m, c)
    assert size <= m + 1e-12
    assert clones.size_from_growth(m, c + more) <= size + 1e-12
    assert (clones.size_from_growth(max(m, other), c) >= size - 1e-12).all()
    if m <= 0:
        assert size == m


@examples
@given(st.lists(positive_kill, min_size=1, max_size=4), exponent, st.floats(0.0, 10.0))
def test_together_is_between_the_best_single_and_the_sum(kills: list[float], p: float, more: float) -> None:
    log_kills = np.log(kills)
    together = combination.combined_kill(log_kills, p)
    assert together >= max(kills) * (1 - 1e-12)
    if p >= 1:
        assert together <= sum(kills) * (1 + 1e-12)
    assert combination.combined_kill(log_kills, p + more) <= together * (1 + 1e-12)
    np.testing.assert_allclose(combination.combined_kill(log_kills[::-1], p), together, rtol=1e-11)


@examples
@given(positive_kill, positive_kill, exponent)
def test_the_two_drug_form_is_the_general_form(ka: float, kb: float, p: float) -> None:
    la, lb = np.log(ka), np.log(kb)
    general = np.log(combination.combined_kill(np.array([la, lb]), p))
    np.testing.assert_allclose(combination.log_combined_kill(la, lb, p), general, rtol=1e-10, atol=1e-12)
    assert combination.log_combined_kill(la, lb, p) == combination.log_combined_kill(lb, la, p)


@examples
@given(st.floats(-30.0, -1e-6), st.floats(-30.0, -1e-6), st.floats(0.0, 1.0))
def test_two_drugs_are_never_resisted_by_more_cells_than_one(lqa: float, lqb: float, c: float) -> None:
    both = combination.log_resistant_fraction(lqa, lqb, c)
    assert lqa + lqb - 1e-12 <= both <= min(lqa, lqb) + 1e-12
    assert_close(both, combination.log_resistant_fraction(lqb, lqa, c))


@examples
@given(
    st.floats(0.0, 1e4), st.floats(0.01, 1.0), st.floats(0.0, 0.3), st.floats(0.1, 20.0), st.floats(0.0, 1e3)
)
def test_small_tumours_are_measured_worse(
    volume: float, delta: float, sigma: float, floor: float, more: float
) -> None:
    scale = caliper.log_sd(volume, delta, sigma, floor)
    assert scale >= sigma
    assert caliper.log_sd(volume + more, delta, sigma, floor) <= scale


@examples
@given(st.floats(0.0, 1e4), st.floats(0.0, 1.0), st.floats(0.0, 0.3), st.floats(0.1, 20.0))
def test_the_caliper_scale_is_the_root_of_its_square(
    v: float, delta: float, sigma: float, floor: float
) -> None:
    squared = caliper.log_variance(v, delta, sigma, floor)
    assert_close(caliper.log_sd(v, delta, sigma, floor) ** 2, squared)
    assert_close(squared - caliper.log_variance(v, delta, 0.0, floor), sigma**2)


visits = st.lists(
    st.tuples(st.floats(0.0, 60.0), st.floats(-9.0, 9.0), st.floats(1e-4, 1.0)), min_size=1, max_size=8
)


@examples
@given(visits, st.floats(0.0, 2.0), st.floats(-0.5, 0.5))
def test_readings_are_changed_by_no_later_visit(
    visits: list[tuple[float, float, float]], weekly: float, limit: float
) -> None:
    gaps, surprises, squared = np.array(visits).T
    when, flat = np.cumsum(gaps), np.zeros(len(gaps))
    whole = wander.readings(surprises, flat, squared, when, weekly, limit)
    shorter = wander.readings(surprises[:-1], flat[:-1], squared[:-1], when[:-1], weekly, limit)
    np.testing.assert_array_equal(shorter, whole[:-1])


@examples
@given(visits, st.floats(0.0, 2.0), st.floats(-3.0, 3.0))
def test_readings_follow_their_curve_and_mirror(
    visits: list[tuple[float, float, float]], weekly: float, shift: float
) -> None:
    """With no limit in sight: a higher curve shifts them, opposite surprises mirror them, mice keep apart."""
    gaps, surprises, squared = np.array(visits).T
    when, curve = np.cumsum(gaps), np.linspace(-1, 1, len(gaps))
    one = wander.readings(surprises, curve, squared, when, weekly, -1e9)
    both = wander.readings(
        np.stack([surprises, -surprises]),
        np.stack([curve + shift, curve]),
        squared,
        when,
        np.full(2, weekly),
        -1e9,
    )
    np.testing.assert_allclose(both[0], one + shift, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(both[1] - curve, curve - one, rtol=1e-9, atol=1e-9)


@examples
@given(visits)
def test_readings_without_wander_are_the_calipers_alone(visits: list[tuple[float, float, float]]) -> None:
    gaps, surprises, squared = np.array(visits).T
    read = wander.readings(surprises, np.zeros(len(gaps)), squared, np.cumsum(gaps), 0.0, -1e9)
    np.testing.assert_allclose(read, np.sqrt(squared) * surprises, rtol=1e-14)


@examples
@given(st.floats(0.0, 200.0), st.floats(0.0, 200.0), st.floats(0.0, 4.0))
def test_a_wander_over_two_gaps_is_the_wander_over_both(first: float, second: float, squared: float) -> None:
    chained = wander.variance(first, squared) + wander.variance(second, squared)
    assert_close(chained, wander.variance(first + second, squared))
    assert wander.variance(first + second, squared) >= wander.variance(first, squared)


def test_a_wander_needs_days_in_order() -> None:
    for when in ([-1.0, 3.0], [0.0, 7.0, 6.0]):
        flat = np.zeros(len(when))
        with pytest.raises(ValueError, match="day 0"):
            wander.readings(flat, flat, flat + 0.01, when, 0.2, 2.7)


drive = st.floats(-15.0, 3.0)
drives = st.lists(drive, min_size=1, max_size=4).map(np.array)
bend = st.floats(-6.0, 2.0)


@examples
@given(drive, st.floats(0.0, 3.0), st.floats(0.05, 2.0))
def test_no_tumour_shrinks_faster_than_it_is_cleared(x: float, more: float, clearance: float) -> None:
    rate = np.exp(two_clone.log_kill_rate(x, clearance))
    assert rate < min(np.exp(x), clearance) * (1 + 1e-12)
    assert np.exp(two_clone.log_kill_rate(x + more, clearance)) >= rate * (1 - 1e-12)
    assert np.exp(two_clone.log_kill_rate(x, clearance + more)) >= rate * (1 - 1e-12)


@examples
@given(st.floats(-80.0, 30.0), st.floats(0.0, 20.0), bend)
def test_resistance_scores_keep_the_order_of_fractions(x: float, more: float, b: float) -> None:
    score = two_clone.resistance_score(x, b)
    assert score >= x
    assert two_clone.resistance_score(x + more, b) >= score + more - 1e-9
    assert_close(two_clone.resistant_logit_of(score, b), x, rtol=1e-10, atol=1e-10)


@examples
@given(st.lists(st.floats(-70.0, 60.0), min_size=2, max_size=12).map(np.array), bend)
def test_a_score_is_inverted_without_regard_to_its_neighbours(scores: Vector, b: float) -> None:
    """Else dropping an avatar from a cohort would change the last bits of the others' resistant fractions."""
    together = two_clone.resistant_logit_of(scores, b)
    np.testing.assert_array_equal(together, [float(two_clone.resistant_logit_of(one, b)) for one in scores])


@examples
@given(drives, st.floats(0.2, 20.0), st.data())
def test_drugs_not_given_do_nothing(x: Vector, p: float, data: st.DataObject) -> None:
    given_ones = np.array(data.draw(st.lists(st.booleans(), min_size=x.size, max_size=x.size)))
    if not given_ones.any():
        given_ones[0] = True
    exponent, every = np.array(p), np.ones(int(given_ones.sum()), dtype=bool)
    kept = x[given_ones]
    assert_close(
        two_clone.arm_log_drive(x, given_ones, exponent), two_clone.arm_log_drive(kept, every, exponent)
    )
    for share in (0.0, 0.4, 1.0):
        assert_close(two_clone.arm_score(x, given_ones, share), two_clone.arm_score(kept, every, share))
        assert_close(two_clone.arm_slowing(x, given_ones, share), two_clone.arm_slowing(kept, every, share))


@examples
@given(drives, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_two_drugs_are_resisted_less_and_slow_more(x: Vector, one: float, other: float) -> None:
    every = np.ones(x.size, dtype=bool)
    low, high = sorted([one, other])
    log_shares = -np.log1p(np.exp(-x))
    scores = [float(two_clone.arm_score(x, every, c)) for c in (0.0, low, high, 1.0)]
    assert scores == sorted(scores) or np.ptp(scores) < 1e-9
    assert scores[-1] <= log_shares.min() + 1e-12
    slowing = -np.exp(x)
    steps = [float(two_clone.arm_slowing(slowing, every, c)) for c in (0.0, low, high, 1.0)]
    assert steps == sorted(steps, reverse=True) or np.ptp(steps) < 1e-9
    assert_close([steps[0], steps[-1]], [slowing.min(), slowing.sum()])
