"""Proportions, tables, paired series and paired tests against R (tests/fixtures/survival), and by hand."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from avatar_trials.endpoints.contingency import cohen_kappa, conditional_odds_ratio, fisher_exact
from avatar_trials.endpoints.intervals import proportion_interval
from avatar_trials.endpoints.measurement_agreement import (
    kendall,
    kolmogorov_smirnov,
    limits_of_agreement,
    lin_concordance,
    pearson,
    spearman_test,
)
from avatar_trials.endpoints.paired import (
    mcnemar_counts,
    paired_prentice_wilcoxon,
    paired_sign_test,
    signed_rank,
)
from avatar_trials.endpoints.rank_tests import logrank
from avatar_trials.verify import small_samples
from avatar_trials.verify.references import table
from tests.held import hold

R = small_samples.reference("agreement")


@pytest.mark.parametrize("row", R["binomial"], ids=lambda row: f"{row['x']} of {row['n']}")
def test_proportions(row: dict[str, float]) -> None:
    hold(small_samples.proportions(row))
    beta = stats.beta(row["x"] + 0.5, row["n"] - row["x"] + 0.5).ppf([0.025, 0.975])
    beta = np.where([row["x"] == 0, row["x"] == row["n"]], [0.0, 1.0], beta)
    np.testing.assert_allclose(
        proportion_interval(row["x"], row["n"], method="jeffreys"), beta, rtol=0, atol=1e-10
    )


def test_proportions_over_replicates() -> None:
    rows = [row for row in R["binomial"] if row["n"] > 1]
    lower, upper = proportion_interval(
        [row["x"] for row in rows], [row["n"] for row in rows], method="clopper-pearson"
    )
    np.testing.assert_allclose(
        np.stack([lower, upper], -1), [row["clopper_pearson"] for row in rows], rtol=0, atol=1e-10
    )
    assert np.isnan(proportion_interval(0, 0)).all()
    with pytest.raises(ValueError, match="unknown method 'wald': expected one of wilson"):
        proportion_interval(1, 2, method="wald")
    with pytest.raises(ValueError, match="0 <= successes <= n"):
        proportion_interval(3, 2)


def test_mcnemar() -> None:
    hold(small_samples.mcnemar_of_pairs())


def test_mcnemar_without_pairs_that_differ() -> None:
    ours = mcnemar_counts([0, 3], [0, 0], n_pairs=[5, 5])
    assert list(ours.why_undefined) == ["no pair responded differently", ""]
    np.testing.assert_array_equal(np.isnan(ours.chisq), [True, False])
    np.testing.assert_allclose(ours.exact_p, [1.0, 2 * 0.5**3])
    with pytest.raises(ValueError, match="no more than all pairs"):
        mcnemar_counts(3, 3, n_pairs=5)


def test_fisher() -> None:
    hold(small_samples.fisher())
    theirs = R["fisher"]
    # R's search stops at 1.2e-4; another root finder on the same distribution goes to the end.
    best = stats.contingency.odds_ratio(np.array(theirs["table"]), kind="conditional")
    limits = best.confidence_interval()
    ours = conditional_odds_ratio(theirs["table"])
    np.testing.assert_allclose(
        [ours.estimate, ours.lower, ours.upper], [best.statistic, limits.low, limits.high], rtol=1e-9
    )
    np.testing.assert_allclose(ours.upper, theirs["ci"][1], rtol=0.01)


def test_fisher_over_replicates() -> None:
    tables = np.random.default_rng(1).integers(0, 12, (200, 2, 2))
    expected = [stats.fisher_exact(table)[1] for table in tables]
    np.testing.assert_allclose(fisher_exact(tables), expected, rtol=1e-9)
    assert fisher_exact([[0, 0], [3, 4]]) == 1.0
    assert conditional_odds_ratio([[0, 0], [3, 4]]).why_undefined == "a margin of the table is 0"
    ends = conditional_odds_ratio([[0, 5], [5, 0]])
    assert (ends.estimate, ends.lower) == (0.0, 0.0)
    assert 0 < ends.upper < 1


def test_paired_series() -> None:
    hold(small_samples.paired_series())


def test_exact_spearman_is_the_share_of_permutations() -> None:
    a, b = np.array([3.0, 1, 4, 2, 5, 7]), np.array([2.0, 1, 5, 3, 4, 9])
    seen = abs(stats.spearmanr(a, b).statistic)
    ranks = stats.rankdata(a)
    share = np.mean([abs(np.corrcoef(ranks, p)[0, 1]) >= seen - 1e-9 for p in permutations(range(6))])
    np.testing.assert_allclose(spearman_test(a, b, p_method="exact").p_value, share, rtol=1e-12)


def test_edgeworth_series_has_its_published_value() -> None:
    # R package pspearman, example of its manual: P(S <= 36) at ten pairs is 0.005825634 by AS 89, and
    # 0.005265377 exactly.
    first, second = np.arange(1, 11), np.array([1, 3, 2, 4, 8, 7, 9, 6, 5, 10])
    assert ((first - second) ** 2).sum() == 36
    ours = spearman_test(first, second)
    np.testing.assert_allclose(ours.p_value, 2 * 0.005825634, rtol=0, atol=1e-9)
    mirrored = spearman_test(first, -second)
    np.testing.assert_allclose(mirrored.p_value, ours.p_value, rtol=1e-9)
    np.testing.assert_allclose(mirrored.estimate, -ours.estimate, rtol=1e-14)


def test_kolmogorov_smirnov_with_ties_is_the_share_of_splits() -> None:
    x, y = np.array([1.0, 2, 2, 5]), np.array([2.0, 3, 3, 4, 5])
    pooled, seen = np.concatenate([x, y]), kolmogorov_smirnov(x, y)[0]

    def distance(first: np.ndarray) -> float:
        grid = np.unique(pooled)
        one, two = pooled[first], pooled[~first]
        return max(abs(np.mean(one <= g) - np.mean(two <= g)) for g in grid)

    splits = [np.array(s) for s in product([True, False], repeat=9) if sum(s) == 4]
    share = np.mean([distance(split) >= seen - 1e-9 for split in splits])
    np.testing.assert_allclose(kolmogorov_smirnov(x, y)[1], share, rtol=1e-9)


def test_kappa_by_hand_and_against_statsmodels() -> None:
    # Observed agreement 0.7, by chance 0.5: (0.7 - 0.5) / (1 - 0.5).
    np.testing.assert_allclose(cohen_kappa([[20, 5], [10, 15]]).kappa, 0.4, rtol=1e-12)
    assert cohen_kappa([[5, 0], [0, 0]]).why_undefined == "both methods always make one same call"
    rater = pytest.importorskip("statsmodels.stats.inter_rater")
    table = np.array([[20, 5, 1], [3, 10, 4], [0, 2, 15]])
    for weights, name in (("unweighted", None), ("linear", "linear"), ("quadratic", "quadratic")):
        theirs, ours = rater.cohens_kappa(table, wt=name), cohen_kappa(table, weights=weights)
        np.testing.assert_allclose(
            [ours.kappa, ours.se], [theirs.kappa, theirs.std_kappa], rtol=0, atol=1e-10
        )


def test_signed_rank_against_scipy() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 5, 20))
    ours = signed_rank(a, b)
    np.testing.assert_allclose(ours.p_value, stats.wilcoxon(a, b, axis=-1, method="exact").pvalue, rtol=1e-12)
    depth = np.array([-2.0, -1, 0, 0, 3, 4, 4, 7, 9, -2])
    tied = signed_rank(depth, np.zeros(10))
    theirs = stats.wilcoxon(depth, correction=True, method="asymptotic")
    np.testing.assert_allclose(tied.p_value, theirs.pvalue, rtol=1e-12)
    assert (tied.n_pairs, tied.n_used) == (10, 8)
    with pytest.raises(ValueError, match="no ties"):
        signed_rank(depth, np.zeros(10), exact=True)


def test_sign_test_of_doubling_times_is_the_pair_stratified_logrank() -> None:
    data = table("survival", "data_gehan").sort_values("pair")
    arms = [data[data["group"] == name] for name in ("6-MP", "control")]
    values = [arm[column].to_numpy() for arm in arms for column in ("time", "event")]
    sign = paired_sign_test(*values)
    # 18 of 21 pairs favour 6-MP, 3 control: exact binomial, and the asymptotic 15**2 / 21.
    assert (sign.n_used, sign.n_pairs) == (21, 21)
    np.testing.assert_allclose(sign.statistic, 18 / 21)
    np.testing.assert_allclose(sign.p_value, stats.binomtest(3, 21).pvalue, rtol=1e-12)
    test = logrank(data["time"], data["event"], data["group"], strata=data["pair"])
    np.testing.assert_allclose(test.chisq, mcnemar_counts(18, 3, n_pairs=21).chisq, rtol=1e-12)


def test_pairs_whose_order_is_not_known_are_not_used() -> None:
    # Known: event first (longer second), event beside a censoring on the same day (censored is later).
    # Not known: censored before the event, two events on one day, two censored, one mouse missing.
    first, first_event = [3.0, 5, 2, 4, 6, np.nan], [1, 0, 0, 1, 0, 0]
    second, second_event = [7.0, 5, 9, 4, 8, 3], [0, 1, 1, 1, 0, 1]
    ours = paired_sign_test(first, first_event, second, second_event)
    assert (ours.n_pairs, ours.n_used) == (5, 2)
    assert ours.statistic == 0.5


def test_paired_prentice_wilcoxon_by_hand() -> None:
    # Pooled: 1 (event), 2 (event), 3 (censored), 4 (event). Products of n/(n+1): 4/5, 3/5, 3/5, 3/10.
    # Scores: 1 - 8/5 = -3/5; 1 - 6/5 = -1/5; 1 - 3/5 = 2/5; 1 - 3/5 = 2/5. They sum to 0.
    ours = paired_prentice_wilcoxon([1.0, 4.0], [1, 1], [3.0, 2.0], [0, 1])
    d = np.array([-3 / 5 - 2 / 5, 2 / 5 - (-1 / 5)])
    np.testing.assert_allclose(ours.statistic, d.sum() / np.sqrt((d**2).sum()), rtol=1e-12)
    exact = paired_prentice_wilcoxon([1.0, 4.0], [1, 1], [3.0, 2.0], [0, 1], exact=True)
    np.testing.assert_allclose(exact.p_value, 1.0)  # |-1 + 3/5|, |-1 - 3/5|: all four at least as large


def test_tied_scores_are_means_over_the_orders() -> None:
    # Ties broken both ways by a hair: the scores of the tied mice are the mean of both.
    tied = paired_prentice_wilcoxon([5.0, 1.0], [1, 1], [5.0, 9.0], [1, 1])
    one = paired_prentice_wilcoxon([5.0, 1.0], [1, 1], [5.001, 9.0], [1, 1])
    other = paired_prentice_wilcoxon([5.001, 1.0], [1, 1], [5.0, 9.0], [1, 1])
    # Without ties the scores of events at ranks 1..4 are 1 - 2 (4, 3, 2, 1)/5.
    np.testing.assert_allclose(tied.statistic, -1.0, rtol=1e-12)
    assert tied.n_used == 1
    for test, d in ((one, -0.4), (other, 0.4)):
        np.testing.assert_allclose(test.statistic, (d - 1.2) / np.hypot(d, 1.2), rtol=1e-12)


def test_paired_tests_over_replicates() -> None:
    rng = np.random.default_rng(6)
    times, events = rng.integers(1, 9, (2, 30, 12)).astype(float), rng.random((2, 30, 12)) < 0.6
    times[0, :, 0] = np.nan
    for test in (paired_sign_test, paired_prentice_wilcoxon):
        together = test(times[0], events[0], times[1], events[1])
        assert (together.n_pairs == 11).all()
        for i in range(30):
            alone = test(times[0, i], events[0, i], times[1, i], events[1, i])
            np.testing.assert_allclose(together.p_value[i], alone.p_value, rtol=1e-12)
            swapped = test(times[1, i], events[1, i], times[0, i], events[0, i])
            np.testing.assert_allclose(swapped.p_value, alone.p_value, rtol=1e-9)


def test_nothing_to_compare_is_said() -> None:
    none: list[float] = []
    for result in (
        paired_sign_test(none, none, none, none),
        paired_prentice_wilcoxon([2.0], [1], [2.0], [1]),
        signed_rank([1.0, np.nan], [1.0, 3.0]),
    ):
        assert np.isnan(result.statistic)
        assert np.isnan(result.p_value)
        assert str(result.why_undefined).startswith("no pair")
    assert pearson([1, 1, 1], [1, 2, 3]).why_undefined == "first constant"
    assert kendall([1.0], [2.0]).why_undefined == "fewer than two pairs"
    assert lin_concordance([2, 2], [2, 2]).why_undefined == "both series are one constant"
    assert limits_of_agreement([1.0], [2.0]).why_undefined == "limits need two pairs"
