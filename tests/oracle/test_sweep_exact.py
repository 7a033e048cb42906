"""A sweep against what can be worked out: power at known rates, size of tests, marching, and the fields of a trial."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import comb
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from avatar_trials.card_files import load_design
from avatar_trials.decision_rules import Selector
from avatar_trials.designs import ArmSpec
from avatar_trials.emulate import cohort_from_population, followed, load_population, visit_days
from avatar_trials.emulate.mice import Chance, luck
from avatar_trials.emulate.trial import follow, measured_volumes, new_mice_under
from avatar_trials.endpoints.paired import paired_log_rank
from avatar_trials.endpoints.tables import outcomes, responses
from avatar_trials.kinetics.caliper import student_t4
from avatar_trials.seeds import stream
from avatar_trials.sweeps.judged import days_at_full_dose
from avatar_trials.sweeps.mice import Outcomes, better_mice, measure
from avatar_trials.sweeps.sums import Sums
from avatar_trials.sweeps.table import largest_error, share_error
from avatar_trials.sweeps.tests_of_arms import adjusted, one_sided_p

ALPHA, N_TRIALS = 0.05, 20_000


def arm_of(responds: NDArray[np.bool_], depth: Any = None, time: Any = None, doubled: Any = None) -> Outcomes:
    """Mice (trial, avatar), one an avatar."""
    shape = (len(responds), 1, responds.shape[1])
    return Outcomes(
        np.where(responds, 2, 0).astype(np.int8).reshape(shape),
        np.asarray(np.zeros(shape) if depth is None else depth, dtype=float).reshape(shape),
        np.asarray(np.ones(shape) if time is None else time, dtype=float).reshape(shape),
        np.asarray(np.ones(shape) if doubled is None else doubled, dtype=bool).reshape(shape),
        np.full(shape, 30.0),
    )


def within_three_errors(seen: float, expected: float, n: int = N_TRIALS) -> None:
    assert abs(seen - expected) <= 3 * np.sqrt(expected * (1 - expected) / n), (seen, expected)


@pytest.mark.parametrize(("first", "second", "n"), [(0.4, 0.15, 30), (0.4, 0.4, 30), (0.7, 0.4, 12)])
def test_power_of_response_is_the_binomial_calculation(first: float, second: float, n: int) -> None:
    rng = stream(1, "known rates", f"{first} {second} {n}")
    arms = [arm_of(rng.random((N_TRIALS, n)) < rate) for rate in (first, second)]
    mine = {test: float((one_sided_p(test, *arms) < ALPHA).mean()) for test in ("mcnemar", "fisher")}

    better, worse = first * (1 - second), second * (1 - first)
    paired = sum(
        stats.multinomial.pmf([b, c, n - b - c], n, [better, worse, 1 - better - worse])
        for b, c in itertools.product(range(n + 1), repeat=2)
        if b + c <= n and sum(comb(b + c, k) for k in range(b, b + c + 1)) / 2 ** (b + c) < ALPHA
    )
    within_three_errors(mine["mcnemar"], float(paired))

    unpaired = sum(
        stats.binom.pmf(x, n, first) * stats.binom.pmf(y, n, second)
        for x, y in itertools.product(range(n + 1), repeat=2)
        if stats.fisher_exact([[x, n - x], [y, n - y]], alternative="greater").pvalue < ALPHA
    )
    within_three_errors(mine["fisher"], float(unpaired))


def related(rng: np.random.Generator, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Two arms alike, whose avatars resemble themselves: correlation 0.64."""
    avatar = rng.standard_normal((N_TRIALS, n))
    return avatar + 0.75 * rng.standard_normal((N_TRIALS, n)), avatar + 0.75 * rng.standard_normal(
        (N_TRIALS, n)
    )


def test_tests_of_arms_that_do_not_differ_err_as_often_as_they_say() -> None:
    rng = stream(2, "no difference")
    first, second = related(rng, 40)
    no = np.zeros(first.shape, dtype=bool)
    depth = one_sided_p("signed_rank", arm_of(no, first), arm_of(no, second))
    within_three_errors(float((depth < ALPHA).mean()), ALPHA)
    ends = [np.exp(0.5 * x + 3.0) for x in (first, second)]
    cut = [rng.uniform(10, 60, x.shape) for x in ends]
    arms = [arm_of(no, None, np.minimum(x, c), x <= c).of(40, 1) for x, c in zip(ends, cut, strict=True)]
    within_three_errors(float((one_sided_p("paired_logrank", *arms) < ALPHA).mean()), ALPHA)
    # Taken for unrelated, mice of the same avatars make the log-rank test timid.
    assert (one_sided_p("logrank", *arms) < ALPHA).mean() < 0.03


def test_log_rank_of_unrelated_arms_errs_as_often_as_it_says() -> None:
    rng = stream(3, "no difference, unrelated")
    ends = rng.exponential(30.0, (2, N_TRIALS, 60))
    cut = rng.uniform(20, 90, ends.shape)
    no = np.zeros(ends.shape[1:], dtype=bool)
    arms = [arm_of(no, None, np.minimum(x, c), x <= c) for x, c in zip(ends, cut, strict=True)]
    for test in ("logrank", "paired_logrank"):
        within_three_errors(float((one_sided_p(test, *arms) < ALPHA).mean()), ALPHA)


def test_paired_log_rank_by_hand() -> None:
    """Scores: event less the Nelson-Aalen hazard of both arms' mice; z of the avatars' differences."""
    first_time, first_event = [8.0, 12.0, 3.0, 20.0], [True, True, True, False]
    second_time, second_event = [5.0, 12.0, 4.0, 9.0], [True, False, True, True]
    times, events = np.array(first_time + second_time), np.array(first_event + second_event)
    score = []
    for time, event in zip(times, events, strict=True):
        hazard = sum(
            (events & (times == t)).sum() / (times >= t).sum() for t in np.unique(times[events]) if t <= time
        )
        score.append(event - hazard)
    difference = np.array(score[4:]) - np.array(score[:4])
    z = difference.sum() / np.sqrt((difference**2).sum())
    found = paired_log_rank([first_time], [first_event], [second_time], [second_event])
    assert found.statistic == pytest.approx(z, abs=1e-12)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), abs=1e-12)
    twice = paired_log_rank([first_time] * 2, [first_event] * 2, [second_time] * 2, [second_event] * 2)
    assert twice.n_pairs == 4


def test_deviates_of_t4() -> None:
    rng = stream(40, "t4")
    drawn = student_t4(rng.random(200_000, dtype=np.float32), rng.random(200_000, dtype=np.float32))
    assert drawn.dtype == np.float32
    assert stats.kstest(drawn.astype(float), stats.t(4).cdf).pvalue > 1e-3


class Recorded:
    """A generator that keeps what it was asked for."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.normals, self.uniforms = rng, [], []  # type: ignore[var-annotated]

    def standard_normal(self, size: Any, dtype: Any) -> Any:
        self.normals.append(self.rng.standard_normal(size, dtype=dtype))
        return self.normals[-1]

    def random(self, size: Any, dtype: Any) -> Any:
        self.uniforms.append(self.rng.random(size, dtype=dtype))
        return self.uniforms[-1]


@pytest.mark.parametrize("arm", ["untreated", "encorafenib", "binimetinib + encorafenib"])
def test_mice_followed_in_stages_are_those_marched_to_the_end(
    arm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same luck in one stage: the readings and the last visit of the emulator of trials, in double precision."""
    monkeypatch.setattr(followed, "FIRST_STAGE", 1000)
    design = load_design("melanoma_braf_mek")
    days = visit_days(design.visits)
    cohort = cohort_from_population(load_population("pdxe_cm"), 200, seed=1, tumor_type="CM", n_avatars=3)
    streams = {a: Recorded(stream(5, a)) for a in cohort.avatars}
    of_cohort = luck(5, "cohort")
    spec = ArmSpec(name=arm)
    (left,) = followed.followed(
        cohort,
        spec,
        design,
        design.stopping,
        lambda a: streams[a],  # type: ignore[arg-type,return-value]
        of_cohort,
    )
    normals = np.stack([one.normals[0] for one in streams.values()]).astype(float)
    uniforms = np.stack([one.uniforms[0] for one in streams.values()]).astype(float)
    growth, kill, resistance, start = (normals[:, i].T for i in range(4))
    u, v, w = (uniforms[:, i].transpose(2, 0, 1) for i in range(3))
    deviates = Chance(growth, kill, resistance, start, student_t4(u, v), w)
    mice = new_mice_under(cohort, arm, deviates, of_cohort)
    seen = measured_volumes(cohort, mice, deviates, days, arm=spec)
    stay, last, _ = follow(seen, days, w, design.stopping)
    expected = np.where(stay, seen, np.nan).reshape(-1, len(days))[left.place]
    same = last.reshape(-1)[left.place] == left.last
    assert same.mean() > 0.995
    np.testing.assert_allclose(left.volume_mm3[same], expected[same], rtol=2e-3, atol=1e-2)


def test_mice_followed_in_stages_fare_as_in_trials() -> None:
    """Several stages, other luck: response, depth and follow-up as in emulated trials."""
    design = load_design("melanoma_braf_mek")
    days = visit_days(design.visits)
    cohort = cohort_from_population(load_population("pdxe_cm"), 500, seed=1, tumor_type="CM", n_avatars=10)
    spec = ArmSpec(name="encorafenib")
    responding, last = np.zeros(5000), np.zeros(5000)
    for left in followed.followed(
        cohort, spec, design, design.stopping, lambda a: stream(6, a), luck(6, "cohort")
    ):
        seen = outcomes(days[: left.volume_mm3.shape[1]], left.volume_mm3, "pct_sheet", "pct_sheet")
        responding[left.place] = seen["grade"] >= 2
        last[left.place] = left.last
    from avatar_trials.emulate.mice import chance

    deviates = chance(cohort.avatars, 500, len(days), luck(7, "mouse"))
    mice = new_mice_under(cohort, spec.name, deviates, luck(6, "cohort"))
    seen_all = measured_volumes(cohort, mice, deviates, days, arm=spec)
    stay, until, _ = follow(seen_all, days, deviates.removal, design.stopping)
    whole = responses(days, np.where(stay, seen_all, np.nan), "pct_sheet", "pct_sheet")
    other = np.isin(whole["category"], ["CR", "PR"]).mean()
    assert abs(responding.mean() - other) < 4 * np.sqrt(2 * other * (1 - other) / 5000)
    assert abs(last.mean() - until.mean()) < 4 * np.sqrt(2) * until.std() / np.sqrt(5000)


def test_outcomes_are_the_responses() -> None:
    rng = stream(8, "curves")
    days = np.cumsum(np.r_[0.0, rng.choice([3.0, 4.0], 19)])
    volume = 200 * np.exp(np.cumsum(rng.normal(0.0, 0.3, (500, 20)), axis=1))
    volume[np.arange(20) > rng.integers(2, 20, (500, 1))] = np.nan
    for rule in ("gao2015_text", "pct_sheet", "xeva"):
        short, whole = outcomes(days, volume, rule, "log_linear"), responses(days, volume, rule, "log_linear")
        names = np.array(["PD", "SD", "PR", "CR", ""])
        assert (names[short["grade"]] == whole["category"]).all()
        np.testing.assert_array_equal(short["depth_pct"], whole["depth_of_response_pct"])
        np.testing.assert_array_equal(short["time_days"], whole["time_to_doubling_days"])


def test_holm_and_bonferroni_by_hand() -> None:
    p = np.array([[0.01, 0.04], [0.02, 0.03], [0.04, 0.02]])
    np.testing.assert_allclose(adjusted(p, "holm"), [[0.03, 0.06], [0.04, 0.06], [0.04, 0.06]])
    np.testing.assert_allclose(adjusted(p, "bonferroni"), [[0.03, 0.12], [0.06, 0.09], [0.12, 0.06]])
    np.testing.assert_array_equal(adjusted(p, "none"), p)


def test_better_mice_mouse_by_mouse() -> None:
    one = arm_of(np.array([[True, False, False]]), [[-60, 10, -20]], [[30, 8, 9]], [[False, True, True]])
    other = arm_of(np.array([[False, False, True]]), [[5, -3, -70]], [[10, 12, 9]], [[True, True, False]])
    best = better_mice([one, other])
    assert best.responded[0, 0].tolist() == [True, False, True]
    assert best.depth_pct[0, 0].tolist() == [-60, -3, -70]
    assert best.time_days[0, 0].tolist() == [30, 12, 9]
    assert best.doubled[0, 0].tolist() == [False, True, False]


def test_measures_of_an_arm() -> None:
    arm = arm_of(
        np.array([[True, True, False, False]]),
        [[-80, -60, 0, 40]],
        [[5, 10, 20, 20]],
        [[True, True, False, False]],
    )
    assert measure("ORR", arm, 20.0)[0] == 0.5
    assert measure("depth", arm, 20.0)[0] == 30.0
    assert measure("doubling", arm, 20.0)[0] == pytest.approx(5 + 0.75 * 5 + 0.5 * 10)


def test_a_selector_by_bayes() -> None:
    selector = Selector(sensitivity=0.8, specificity=0.9)
    assert selector.positive(0.4) == pytest.approx(0.38)
    assert selector.carriers(0.4) == pytest.approx(0.32 / 0.38)


def test_days_at_full_dose() -> None:
    arm = ArmSpec(name="encorafenib", label="holiday", course=((0.0, 1.0), (10.0, 0.0), (20.0, 0.5)))
    assert days_at_full_dose(arm, np.array([5.0, 15.0, 30.0])).tolist() == [5.0, 10.0, 15.0]


def test_errors_of_shares() -> None:
    assert share_error(0, 100) == pytest.approx(np.sqrt((2 / 104) * (102 / 104) / 104))
    assert largest_error(Sums()) == float("inf")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield
