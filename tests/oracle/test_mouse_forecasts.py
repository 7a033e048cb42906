"""Forecasts of held-out mice against mice that the emulator, or the sampled density, makes: the same law twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from avatar_trials.calibrate import likelihood
from avatar_trials.designs import Stopping
from avatar_trials.emulate import Cohort
from avatar_trials.emulate.mice import chance, luck
from avatar_trials.emulate.trial import follow, measured_volumes, new_mice_under
from avatar_trials.evidence import mouse_forecasts
from avatar_trials.evidence.forecasts import log_score, place
from avatar_trials.evidence.mouse_forecasts import marched, new_mouse, new_mouse_forecast
from avatar_trials.kinetics import wander
from tests.random_cohort import a_design, random_cohort

Floats = NDArray[np.float64]

STOPPING = a_design().stopping
NEVER = STOPPING.model_copy(
    update={
        "size_mm3": 1e30,
        "removal": STOPPING.removal.model_copy(update={"hazard_per_day": (0.0,) * 4}),
    }
)
LIMIT = float(np.log(15.0))
DAYS = np.array([0.0, 3.0, 7.0, 14.0, 21.0, 28.0, 35.0])
MICE, DRAWS = 240, 300


def cohorts(n_avatars: int = 1) -> tuple[Cohort, Cohort]:
    """Draws to foresee from, and draws of which each is the truth of one mouse: the same distribution."""
    both = random_cohort(np.random.default_rng(2), n_trials=DRAWS + MICE, n_avatars=n_avatars)

    def some(which: slice) -> Cohort:
        return replace(
            both,
            population={name: values[which] for name, values in both.population.items()},
            slowing=both.slowing[which],
            log_r=both.log_r[which],
            log_kill=both.log_kill[which],
            resistance=both.resistance[which],
            draw=both.draw[which],
        )

    return some(slice(None, DRAWS)), some(slice(DRAWS, None))


def true_mice(truth: Cohort, arm: str, stopping: Stopping) -> tuple[Floats, NDArray[np.bool_]]:
    """Volumes (mouse, visit) that the emulator reads, and whether each visit took place."""
    deviates = chance(truth.avatars, MICE, len(DAYS), luck(5, "truth"))
    mice = new_mice_under(truth, arm, deviates, luck(5, "cohort"))
    seen = measured_volumes(truth, mice, deviates, DAYS)[:, 0]
    stay, _, _ = follow(seen, DAYS, deviates.removal[:, 0], stopping)
    return seen, stay & (seen[:, :1] >= 15.0)


def places(cohort: Cohort, arm: str, seen: Floats, stopping: Stopping, rng: np.random.Generator) -> Floats:
    """Places (mouse, visit) of what was read, each mouse foreseen from its own first reading."""
    found = np.empty(seen.shape)
    with np.errstate(divide="ignore"):
        read = np.where(seen < 15.0, -np.inf, np.log(seen))
    for mouse in range(len(seen)):
        made = new_mouse_forecast(
            cohort, "X-1", arm, f"m{mouse}", DAYS, max(read[mouse, 0], LIMIT), stopping, seed=1
        )
        found[mouse] = place(made.forecast, read[mouse], rng.random(len(DAYS)))
    return found


def test_a_new_mouse_is_foreseen_as_the_emulator_makes_it() -> None:
    """Places of emulated readings are uniform, of mice still in under the rules of leaving. Kolmogorov's 0.1 % limit is
    1.95/root n; readings of one forecast share its draws, which widens it little at 300 draws."""
    cohort, truth = cohorts()
    for arm, stopping in (("A", NEVER), ("A + B", STOPPING)):
        seen, took_place = true_mice(truth, arm, stopping)
        where = places(cohort, arm, seen, stopping, np.random.default_rng(3))
        for visit in (1, 3, 5):
            of_visit = where[took_place[:, visit], visit]
            assert len(of_visit) > 40
            far = stats.kstest(of_visit, "uniform").statistic
            assert far < 2.4 / np.sqrt(len(of_visit)), (arm, visit)


@pytest.mark.parametrize("own", [None, lambda n: np.linspace(0.0, 0.9, n)[:, None]])
def test_a_new_mouse_is_foreseen_under_its_own_law_of_deceleration(own: Any) -> None:
    """Untreated mice of one draw without wander and error: the emulator's curve is the forecast's middle."""
    cohort = replace(random_cohort(np.random.default_rng(4), n_avatars=1), deceleration_law="gompertz")
    cohort = replace(cohort, deceleration_avatar=own(cohort.n_trials)) if own else cohort
    cohort = replace(
        cohort,
        population=cohort.population
        | {name: np.full(cohort.n_trials, 1e-9) for name in ("delta", "sigma_p", "wander")},
    )
    start = 5.3
    foreseen = new_mouse_forecast(cohort, "X-1", "untreated", "m", DAYS, start, NEVER, seed=1)
    mice, deviates = new_mouse(cohort, "X-1", "untreated", "m", start, len(DAYS), seed=1)
    seen = measured_volumes(cohort, mice, deviates, DAYS)[:, 0]
    np.testing.assert_allclose(foreseen.forecast.location, np.log(seen), atol=1e-5)


def test_who_is_still_in_tells_how_the_tumour_fared() -> None:
    """Forecasts that forget the rules of leaving put late readings too high: the places of the mice left are low."""
    cohort, truth = cohorts()
    seen, took_place = true_mice(truth, "untreated", STOPPING)
    there = took_place[:, 5]
    told = places(cohort, "untreated", seen, STOPPING, np.random.default_rng(3))[there, 5]
    untold = places(cohort, "untreated", seen, NEVER, np.random.default_rng(3))[there, 5]
    error = 1 / np.sqrt(12 * there.sum())
    assert abs(told.mean() - 0.5) < 4 * error
    assert untold.mean() < 0.5 - 4 * error


def test_the_starting_volume_is_drawn_given_its_reading() -> None:
    """Against the conjugate normal, where the caliper hardly errs or errs much: mean within 4 standard errors."""
    cohort, _ = cohorts()
    for delta, sigma_p in ((0.001, 0.001), (0.001, 0.2)):
        same = {
            "mu_v": np.full(DRAWS, 5.3),
            "sigma_v": np.full(DRAWS, 0.1),
            "delta": np.full(DRAWS, delta),
            "sigma_p": np.full(DRAWS, sigma_p),
        }
        known = replace(cohort, population=cohort.population | same)
        mice, _ = new_mouse(known, "X-1", "A", "m", 5.6, 3, seed=2)
        grid = np.linspace(4.6, 6.4, 20001)
        density = stats.norm.pdf(grid, 5.3, 0.1) * stats.t.pdf((5.6 - grid) / sigma_p, 4)
        density /= density.sum()
        mean = grid @ density
        sd = np.sqrt((grid - mean) ** 2 @ density)
        assert mice.log_start.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(DRAWS) + 0.003)
        assert mice.log_start.std() == pytest.approx(sd, rel=0.15, abs=0.003)


def a_curve(rng: np.random.Generator, draws: int) -> tuple[Floats, Floats, Floats, Floats]:
    expected = np.repeat((5.3 - 0.03 * DAYS)[None], draws, axis=0)
    squared = np.full(expected.shape, 0.04**2)
    return expected, squared, np.full(draws, 0.15), rng.standard_t(4, expected.shape)


def test_the_first_visit_of_a_tail_is_the_sampled_density() -> None:
    """Of a known curve, the forecast given the readings before is the filter's density, to rounding; one of the
    readings is below detection."""
    rng = np.random.default_rng(6)
    expected, squared, weekly, surprises = a_curve(rng, 3)
    read = expected[0] + 0.1 * rng.standard_normal(len(DAYS))
    read[3] = -np.inf
    residual = np.maximum(read, LIMIT) - expected[0]
    mouse = np.zeros(len(DAYS), dtype=np.int64)
    visits = likelihood.Visits.of(mouse, DAYS, read < LIMIT)
    density = likelihood.filtered(
        residual, squared[0], np.full(len(DAYS), 0.15**2), visits.gap, visits.first, visits.below
    )[0]
    for kept in (2, 4, 6):
        made = marched(expected, squared, DAYS, weekly, surprises, read[:kept], NEVER, LIMIT)
        assert log_score(made.forecast, read)[0][kept] == pytest.approx(density[kept], rel=1e-12)


def test_a_tail_is_foreseen_as_the_same_mouse_goes_on() -> None:
    """Places of later visits of a mouse with a known curve, its start known: uniform."""
    rng = np.random.default_rng(7)
    expected, squared, weekly, surprises = a_curve(rng, MICE)
    seen = wander.readings(surprises, expected, squared, DAYS, weekly, LIMIT)
    where = np.empty((MICE, len(DAYS)))
    for mouse in range(MICE):
        _, _, _, fresh = a_curve(rng, 200)
        made = marched(
            expected[:200], squared[:200], DAYS, weekly[:200], fresh, seen[mouse, :3], NEVER, LIMIT
        )
        where[mouse] = place(made.forecast, seen[mouse], np.zeros(len(DAYS)))
    for visit in (3, 5, 6):
        assert stats.kstest(where[:, visit], "uniform").statistic < 1.95 / np.sqrt(MICE), visit


def test_nobody_is_left_out_where_all_would_have_left() -> None:
    """A mouse seen on past the size at which mice are taken out is foreseen by all draws alike."""
    expected = np.full((20, 3), 9.0)
    squared, weekly = np.full((20, 3), 0.01), np.full(20, 0.1)
    made = marched(
        expected,
        squared,
        np.array([0.0, 3.0, 7.0]),
        weekly,
        np.zeros((20, 3)),
        np.full(1, 5.3),
        STOPPING,
        LIMIT,
    )
    np.testing.assert_allclose(made.forecast.weight, 1 / 20)
    assert mouse_forecasts.LEAVES_FOR_CERTAIN < 1.0


def test_the_reading_that_ends_a_mouse_is_still_taken() -> None:
    """Of two draws one reads too large on day 7: foreseen alike up to that visit, by the other alone from the next."""
    expected = np.array([[5.3, 5.4, 9.0, 9.0], [5.3, 5.4, 5.5, 5.6]])
    days = np.array([0.0, 3.0, 7.0, 10.0])
    no_luck = np.zeros((2, 4))
    stopping = NEVER.model_copy(update={"size_mm3": 1000.0})
    made = marched(
        expected, np.full((2, 4), 0.01), days, np.full(2, 0.1), no_luck, np.full(1, 5.3), stopping, LIMIT
    )
    np.testing.assert_allclose(made.forecast.weight[0], [0.5, 0.5, 0.5, 0.0], atol=1e-5)
