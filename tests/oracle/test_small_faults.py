"""Formulas of endpoints and kinetics by hand, at the places where no other test felt a small fault planted.

`tools/mutation_testing.py` plants them; tests/mutation_record.md says which were found so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import pytest
import scipy.special
import scipy.stats
from numpy.typing import NDArray

from avatar_trials.benchmark_cards import Published
from avatar_trials.card_files import load_benchmark
from avatar_trials.endpoints import association
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.benchmark import MICE, against_benchmark
from avatar_trials.endpoints.choice import blind_score
from avatar_trials.endpoints.contingency import conditional_odds_ratio
from avatar_trials.endpoints.cox import cox_regression
from avatar_trials.endpoints.least_squares import Points, fit
from avatar_trials.endpoints.measurement_agreement import lin_concordance
from avatar_trials.endpoints.paired import paired_log_rank, signed_rank
from avatar_trials.endpoints.paired_scores import paired_scores
from avatar_trials.endpoints.survival import curve_distance, kaplan_meier
from avatar_trials.endpoints.two_arm_hazard import hazard_ratio
from avatar_trials.kinetics.branching import law, pgf
from avatar_trials.kinetics.combination import independent_action
from avatar_trials.kinetics.graded import arm_log_spread
from avatar_trials.kinetics.landmarks import gompertz_time_to_multiple
from avatar_trials.kinetics.simeoni import simeoni
from avatar_trials.kinetics.tumour_checks import check_effects

Floats = NDArray[np.float64]


def test_rates_from_all_other_pairs_by_a_plain_loop() -> None:
    """The pair itself, and pairs that do not count, are left out; half a pair is added."""
    call, outcome = np.array([1, 1, 0, 0, 1, 0], dtype=bool), np.array([1, 0, 0, 1, 1, 1], dtype=bool)
    weight = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    base, by_call = [], []
    for i in range(5):
        others = [k for k in range(5) if k != i]
        same = [k for k in others if call[k] == call[i]]
        base.append((sum(outcome[k] for k in others) + 0.5) / (len(others) + 1))
        by_call.append((sum(outcome[k] for k in same) + base[i]) / (len(same) + 1))
    assert association.left_out_base_rate(outcome, weight)[:5] == pytest.approx(base, rel=1e-14)
    assert association.left_out_rate(call, outcome, weight)[:5] == pytest.approx(by_call, rel=1e-14)


def test_a_benchmark_compares_medians_of_depth_on_its_scale() -> None:
    """Of depths -60, -20 and +10 % the median is -20 % of diameter, (0.8^3 - 1) of volume."""
    card = load_benchmark("columbus")
    depth = {"value": -50.0, "basis": "recalled", "source": "made up"}
    arms = [arm.model_copy(update={"depth_pct": Published.model_validate(depth)}) for arm in card.arms]
    one = ArmOutcomes(
        np.array([["PR", "SD", "SD"]]), np.array([[-60.0, -20.0, 10.0]]), np.array([[60.0, 30.0, 40.0]]),
        np.ones((1, 3), dtype=bool),
    )  # fmt: skip
    for scale, expected in (("diameter", -20.0), ("volume", -48.8)):
        changed = card.model_copy(update={"arms": arms, "scale": scale})
        frame = against_benchmark({"encorafenib": one}, changed, subjects=MICE, scale="days")
        found = frame.set_index("measure")
        assert found.loc["median_depth_pct", "emulated"] == pytest.approx(expected, rel=1e-12)
        assert str(found.loc["median_PFS_months", "method"]).startswith("doubling of volume; ")
        patients = against_benchmark({"encorafenib": one}, changed, subjects="patients", scale="days")
        told = patients.set_index("measure").loc["median_PFS_months", "method"]
        assert str(told).startswith("progression by RECIST; ")


def test_what_knows_the_arms_alone_averages_over_the_avatars_that_had_them() -> None:
    outcome = np.array([[1.0, 5.0, np.nan], [3.0, np.nan, np.nan]])
    assert blind_score(outcome) == pytest.approx(np.array([[2.0, 5.0, np.nan]]), nan_ok=True)


def test_an_odds_ratio_of_one_is_one_by_either_search() -> None:
    for search in ("exact", "r"):
        found = conditional_odds_ratio([[2, 2], [2, 2]], search=search)
        assert found.estimate == pytest.approx(1.0, rel=1e-14)


def test_a_fit_starts_where_it_is_told() -> None:
    """Two minima, at 1 and at -1 with the larger sum of squares: each start finds its own, the better start wins."""

    def curve(theta: Floats, day: Floats) -> tuple[Floats, Callable[[], list[Floats]]]:
        x = theta[:, 0]
        return (x**2 - 1.0) * day + 0.1 * (x - 1.0), lambda: [2.0 * x * day + 0.1]

    points = Points.of_counts(np.array([1.0, 2.0]), np.zeros(2), np.zeros(2), np.array([2]))
    bounds = np.array([[-3.0, 3.0]])
    left, right = np.array([[-1.2]]), np.array([[1.1]])
    (low,), low_rss = fit(points, curve, [left], bounds)
    assert low[0] == pytest.approx(-1.05, abs=0.03)
    assert low_rss[0] > 1e-3
    for starts in ([right], [left, right], [right, left]):
        theta, rss = fit(points, curve, starts, bounds)
        assert theta[0, 0] == pytest.approx(1.0, abs=1e-6)
        assert rss[0] < 1e-12


@pytest.mark.parametrize("infinite", [0, 1])
def test_an_infinite_value_on_either_side_is_refused(infinite: int) -> None:
    sides = [np.array([1.0, 2.0, 3.0, 4.0]) for _ in range(2)]
    sides[infinite][2] = np.inf
    with pytest.raises(ValueError, match="a value is infinite"):
        lin_concordance(*sides)


@pytest.mark.parametrize(("n_pairs", "method"), [(49, "exact"), (50, "approx")])
def test_signed_ranks_are_exact_below_fifty_pairs_as_in_r(
    n_pairs: int, method: Literal["exact", "approx"]
) -> None:
    difference = np.arange(1.0, n_pairs + 1.0) * np.where(np.arange(n_pairs) % 3, 1.0, -1.0)
    theirs = scipy.stats.wilcoxon(difference, method=method, correction=True)
    assert float(signed_rank(difference, 0.0).p_value) == pytest.approx(theirs.pvalue, rel=1e-9)


def test_log_rank_scores_within_avatars_by_a_plain_loop() -> None:
    """Two mice an arm of five avatars; one has none in the second arm: left out, but its mice are at risk."""
    rng = np.random.default_rng(5)
    time = rng.permutation(np.arange(1.0, 21.0)).reshape(2, 2, 5)
    event = rng.random((2, 2, 5)) < 0.7
    time[1, :, 3] = time[0, 1, 0] = np.nan

    def score(own: float, happened: bool) -> float:
        hazard = sum(
            1.0 / (time >= t).sum() for t, e in zip(time.flat, event.flat, strict=True) if e and t <= own
        )
        return float(happened) - hazard

    differences = []
    for avatar in (0, 1, 2, 4):
        means = []
        for arm in range(2):
            mice = zip(time[arm, :, avatar], event[arm, :, avatar], strict=True)
            means.append(np.mean([score(t, e) for t, e in mice if np.isfinite(t)]))
        differences.append(means[1] - means[0])
    found = paired_log_rank(time[0], event[0], time[1], event[1])
    expected = sum(differences) / np.sqrt(sum(d**2 for d in differences))
    assert float(found.statistic) == pytest.approx(expected, rel=1e-12)
    assert float(found.p_value) == pytest.approx(2.0 * scipy.stats.norm.sf(abs(expected)), rel=1e-12)
    assert (int(found.n_pairs), int(found.n_used)) == (4, 4)


def test_signed_ranks_in_balance_have_a_p_of_one() -> None:
    assert float(signed_rank([1.0, -1.0, 2.0, -2.0], 0.0).p_value) == 1.0


def test_exact_ties_of_many_deaths_do_not_overflow() -> None:
    """200 of 400 die at one time: at no effect each of C(400, 200), some 1e119, choices is as likely."""
    group = np.arange(400) % 2
    fitted = cox_regression(np.ones(400), np.arange(400) < 200, {"group": group}, ties="exact")
    log_ways = scipy.special.gammaln(401) - 2.0 * scipy.special.gammaln(201)
    assert fitted.loglik0 == pytest.approx(-log_ways, rel=1e-12)


def test_discrimination_counts_pairs_that_are_in_order() -> None:
    """Deeper change foresees response: won of all pairs of a responder and another, those not evaluable left out."""
    rng = np.random.default_rng(2)
    depth = rng.normal(0.0, 40.0, 9)
    depth[3], depth[5] = np.nan, depth[1]
    answer = np.array(["PR", "PD", "SD", "PR", "PD", "PR", "CR", "SD", ""])
    known = np.ones(9, dtype=bool)
    calls = np.where(np.isnan(depth), "", np.where(depth < -30.0, "PR", "SD"))
    time = np.full(9, 20.0)
    won = total = 0.0
    for i in range(9):
        for k in range(9):
            if answer[i] in ("CR", "PR") and answer[k] in ("SD", "PD") and not np.isnan(depth[[i, k]]).any():
                total += 1.0
                won += 1.0 if depth[i] < depth[k] else 0.5 * (depth[i] == depth[k])
    sides = (ArmOutcomes(own[None], depth[None], time[None], known[None]) for own in (calls, answer))
    found = paired_scores(*sides)["AUC"]
    assert (found[0].item(), found[1].item()) == (won, total)


def test_distances_of_curves_broadcast_either_way() -> None:
    one = kaplan_meier([3.0, 5.0, 8.0], [True, True, False])
    many = kaplan_meier([[2.0, 5.0, 9.0], [4.0, 6.0, 7.0]], np.ones((2, 3), dtype=bool))
    for first, second in ((one, many), (many, one)):
        farthest, area = curve_distance(first, second, 10.0)
        assert farthest == pytest.approx([1 / 3, 1 / 3])
        # A third apart from day 2 to 3 and 9 to 10; from 3 to 4, 5 to 6 and 7 to 10.
        assert area == pytest.approx([2 / 3, 5 / 3])


def test_a_hazard_ratio_says_how_it_was_had() -> None:
    given = ([1.0, 2.0, 3.0, 4.0], [True] * 4, ["a", "b", "a", "b"])
    assert ", stratified, " not in hazard_ratio(*given).method
    assert ", stratified, " in hazard_ratio(*given, strata=[0, 0, 1, 1]).method


def test_a_clone_that_grew_beyond_any_number_still_sums_to_one() -> None:
    """Its law has no stop left in floating point: E[1^N] is 1, E[0^N] the chance that it died out, 0.1."""
    endless = law(1.0, 0.1, 1e4)
    assert float(endless.stop) == 0.0
    assert pgf(endless, [1.0, 0.0]) == pytest.approx([1.0, 0.1], rel=1e-14)


@pytest.mark.parametrize(("last", "ratio"), [(np.nan, 2.0), (1.0, 1.0)])
def test_curves_without_a_number_or_a_ratio_above_one_are_refused(last: float, ratio: float) -> None:
    with pytest.raises(ValueError, match="a number at every visit, and the ratio is above 1"):
        independent_action(np.array([[[0.0, last]], [[0.0, 0.5]]]), np.array([0.0, 7.0]), ratio)


def test_growth_that_just_reaches_its_plateau_never_gets_there() -> None:
    assert gompertz_time_to_multiple(np.log(2.0), 1.0, 2.0) == np.inf


def test_spread_of_an_arm_is_summed_over_its_drugs_whatever_stands_before() -> None:
    rng = np.random.default_rng(1)
    kills, spreads = rng.normal(size=(2, 5, 4, 3))
    given = np.array([True, False, True])
    found = arm_log_spread(kills, spreads, given, np.array(0.3), np.zeros((5, 4)))
    variance = np.exp(kills + spreads)[..., [0, 2]]
    expected = np.log(0.7 * variance.sum(-1) + 0.3 * np.sqrt(variance).sum(-1) ** 2)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_all_cells_cycle_on_the_day_of_the_first_dose() -> None:
    """Whatever the concentration then, log(w/w0) at day 0 is 0."""
    read = simeoni([0.0, 1.0], 200.0, 0.1, 30.0, 0.01, 0.5, lambda day: 3.0)
    assert read[0] == 0.0


@pytest.mark.parametrize("effect", [np.inf, np.nan, -0.1])
def test_effects_of_drugs_are_numbers_not_below_zero(effect: float) -> None:
    with pytest.raises(ValueError, match="effect"):
        check_effects(np.array([effect]), 1)
