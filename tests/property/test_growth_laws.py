"""What must hold of growth laws, saturation, exposure and landmarks whatever the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from avatar_trials.kinetics import clones, exposure, growth_laws, landmarks, saturation

Vector = np.ndarray[Any, np.dtype[np.float64]]

examples = settings(max_examples=500)
rate = st.floats(1e-4, 0.3)
kill = st.floats(0.0, 1.0)
logit = st.floats(-20.0, 10.0)
days = st.floats(0.0, 200.0)
retardation = st.floats(0.0, 1.0)
level = st.floats(1e-4, 1e4)
steepness = st.floats(0.3, 5.0)
fall = st.floats(0.0, 30.0)
HOURS = 24.0


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[Vector, Vector]:
    """Log sizes and net rates (state,), with a clone that grows."""
    n = draw(st.integers(1, 5))
    sizes = draw(st.lists(st.floats(-20.0, 5.0), min_size=n, max_size=n))
    rates = draw(st.lists(st.floats(-0.5, 0.2), min_size=n - 1, max_size=n - 1))
    return np.array(sizes), np.array([draw(st.floats(5e-3, 0.2)), *rates])


def in_hours(law: growth_laws.GrowthLaw, parameters: list[float]) -> list[float]:
    return [
        value / HOURS if "day" in unit else value
        for value, unit in zip(parameters, law.units.values(), strict=True)
    ]


@examples
@given(st.sampled_from(growth_laws.LAWS), days, st.data())
def test_hours_are_as_good_as_days(law: growth_laws.GrowthLaw, t: float, data: st.DataObject) -> None:
    """And so the units that the table of laws states are those of the formulas."""
    parameters = []
    for name, unit in law.units.items():
        if unit in ("mm3", "mm3/day"):
            parameters.append(data.draw(st.floats(1.0, 1e4)))
        else:
            parameters.append(data.draw(st.floats(1e-3, 0.99 if name in ("phi", "resistant_share") else 1.0)))
    ours = law.log_growth(t, *parameters)
    np.testing.assert_allclose(
        law.log_growth(t * HOURS, *in_hours(law, parameters)), ours, rtol=1e-11, atol=1e-11
    )


@examples
@given(days, rate, kill, logit, rate, retardation)
def test_retarded_growth_in_hours(t: float, r: float, k: float, lq: float, late: float, a: float) -> None:
    ours = saturation.retarded_two_clones(np.float64(t), r, k, lq, late, a)
    hourly = saturation.retarded_two_clones(
        np.float64(t * HOURS), r / HOURS, k / HOURS, lq, late / HOURS, a / HOURS
    )
    # Nodes move a little with the unit: what differs is the error of the quadrature.
    np.testing.assert_allclose(hourly, ours, rtol=0, atol=1e-9)


@examples
@given(st.floats(0.1, 200.0), st.floats(0.01, 0.99), rate, kill, logit, rate, retardation)
def test_a_split_segment_changes_nothing(
    t: float, share: float, r: float, k: float, lq: float, late: float, a: float
) -> None:
    assume(abs(late - r + k) * t < 150)

    def log_total(s: Any) -> Any:
        return clones.log_growth(s, r, k, lq, late)

    whole = saturation.retarded(log_total, np.float64(t), a)
    split = saturation.retarded(log_total, np.float64(t), a, breaks=[share * t])
    np.testing.assert_allclose(split, whole, rtol=0, atol=1e-8)
    empty = saturation.retarded(log_total, np.float64(t), a, breaks=[0.0, t, t, 2 * t])
    np.testing.assert_allclose(empty, whole, rtol=0, atol=1e-13)


@examples
@given(days, rate, kill, logit, rate, retardation, st.floats(0.0, 1.0))
def test_a_retarded_tumour_lies_between_none_and_its_own_rates(
    t: float, r: float, k: float, lq: float, late: float, a: float, more: float
) -> None:
    """y is a mean of net rates times (1 - e^-at)/a, so it lies between those of the clones; more brake is nearer 0
    for a tumour that only grows."""
    y = saturation.retarded_two_clones(np.float64(t), r, k, lq, late, a)
    slow, fast = sorted([r - k, late])
    assert saturation.gompertz(t, slow, a) - 1e-9 <= y <= saturation.gompertz(t, fast, a) + 1e-9
    if slow >= 0:
        assert -1e-9 <= saturation.retarded_two_clones(np.float64(t), r, k, lq, late, a + more) <= y + 1e-9


@examples
@given(mixtures(), days, st.floats(1e-9, 1.0), st.floats(0.0, 1.0))
def test_crowding_marches_keeps_shares_and_only_slows(
    mixture: tuple[Vector, Vector], t: float, crowding: float, share: float
) -> None:
    sizes, rates = mixture
    whole = saturation.logistic(sizes, rates, t, crowding)
    middle = saturation.logistic(sizes, rates, share * t, crowding)
    np.testing.assert_allclose(
        saturation.logistic(middle, rates, (1 - share) * t, crowding), whole, rtol=1e-11, atol=1e-10
    )
    free = sizes + rates * t
    loss = free - whole
    assert (loss >= -1e-12).all()
    np.testing.assert_allclose(loss, loss[0], rtol=1e-12, atol=1e-11)
    # Never above what is there already or what the fastest clone can keep up.
    assert np.exp(whole).sum() <= max(np.exp(sizes).sum(), rates.max() / crowding) * (1 + 1e-9)


@examples
@given(level, fall, level, steepness)
def test_a_mean_effect_lies_between_its_ends(peak: float, x: float, ec50: float, h: float) -> None:
    mean = exposure.mean_hill(peak, x, 1.0, ec50, h)
    highest, lowest = exposure.hill(peak, ec50, h), exposure.hill(peak * np.exp(-x), ec50, h)
    assert lowest * (1 - 1e-9) <= mean <= highest * (1 + 1e-9)
    # A mean of means is the mean: an interval in two halves.
    halves = [exposure.mean_hill(p, x, 0.5, ec50, h) for p in (peak, peak * np.exp(-x / 2))]
    np.testing.assert_allclose(np.mean(halves), mean, rtol=1e-9, atol=1e-15)
    # Concentration in another unit, time in hours.
    same = exposure.mean_hill(peak * 7, x / HOURS, HOURS, ec50 * 7, h)
    np.testing.assert_allclose(same, mean, rtol=1e-9, atol=1e-15)


@examples
@given(level, st.floats(0.0, 5.0), st.integers(1, 12), level, steepness)
def test_more_doses_kill_more_and_each_more_than_the_last(
    first: float, x: float, doses: int, ec50: float, h: float
) -> None:
    peaks = first * exposure.accumulation(np.arange(1, doses + 2), x)
    assert (np.diff(peaks) >= -1e-12 * peaks[0]).all()
    means = exposure.mean_hill(peaks, x, 1.0, ec50, h)
    assert (np.diff(means) >= -1e-9 * means[0]).all()
    area = exposure.area_under_hill(first, x, 1.0, doses, ec50, h)
    np.testing.assert_allclose(area, means[:-1].sum(), rtol=1e-12)
    assert peaks[-1] <= first * exposure.steady_accumulation(np.float64(x)) * (1 + 1e-12)


@examples
@given(st.floats(0.0, 1.0), st.floats(1e-3, 100.0), st.floats(0.0, 1.0), st.sampled_from(exposure.FORMS))
def test_normalised_penetration_is_a_penetration(share: float, gain: float, effect: float, form: str) -> None:
    after = exposure.normalised_penetration(share, gain, effect, form)
    assert 0.0 <= after <= 1.0 + 1e-15
    assert (after - share) * (gain - 1.0) >= -1e-15
    assert exposure.normalised_penetration(share, gain, 0.0, form) == pytest.approx(share, rel=1e-14)


@examples
@given(mixtures(), st.floats(1.05, 10.0), st.floats(1.01, 3.0))
def test_landmarks_come_in_order(mixture: tuple[Vector, Vector], multiple: float, more: float) -> None:
    sizes, rates = mixture
    nadir, depth = landmarks.nadir_day(sizes, rates), landmarks.log_depth(sizes, rates)
    column = (sizes[:, None], rates[:, None])
    levels = np.array([1.0, multiple, multiple * more])
    back, baseline, later = landmarks.time_to_multiple_of_baseline(*column, levels)
    progression, second = landmarks.time_to_multiple_of_nadir(*column, levels[1:])
    assert depth <= 0.0
    assert 0.0 <= nadir <= progression <= baseline * (1 + 1e-12)
    assert nadir <= back <= baseline < later
    assert progression < second
    # Units of volume and of time.
    hourly = landmarks.time_to_multiple_of_nadir(sizes + 3.0, rates / HOURS, multiple)
    np.testing.assert_allclose(hourly, progression * HOURS, rtol=1e-9)


@examples
@given(mixtures(), st.floats(0.0, 1.0))
def test_more_kill_deepens_and_delays_the_return(mixture: tuple[Vector, Vector], more: float) -> None:
    """Of one clone, the fastest left alone: deeper, and later back at any multiple of baseline. Not so from the nadir:
    a deeper one may progress earlier."""
    sizes, rates = mixture
    assume(len(rates) > 1)
    harder = rates.copy()
    harder[1] -= more
    assert landmarks.log_depth(sizes, harder) <= landmarks.log_depth(sizes, rates) + 1e-12
    levels = np.array([1.0, 2.0])
    early, late = (
        landmarks.time_to_multiple_of_baseline(sizes[:, None], r[:, None], levels) for r in (rates, harder)
    )
    assert (late >= early * (1 - 1e-9) - 1e-9).all()
