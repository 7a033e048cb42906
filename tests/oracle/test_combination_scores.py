"""Scores of foreseen combinations against closed forms, brute force, hand counts, and what is known of real ones.

Real ones: the PDX Encyclopedia (Gao et al. 2015), from AVATAR_TRIALS_DATA, else ../shared/data beside the project;
without it that test skips.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from avatar_trials.card_files import load_design
from avatar_trials.endpoints import either_works
from avatar_trials.evidence.combination_scores import (
    DIFFERENCE_COLUMNS,
    SCORE_COLUMNS,
    SUMMARY_COLUMNS,
    score_differences,
    score_summary,
    score_table,
)
from avatar_trials.evidence.combinations import ArmPrediction, Study, study_of
from avatar_trials.evidence.reference_predictors import (
    BEST_OF_SINGLES,
    INDEPENDENT,
    OTHER_COMBINATIONS,
    PREDICTOR_WORDS,
    RESAMPLING_WORDS,
    Bootstrap,
    best_of_singles,
    independent_singles,
    other_combinations,
    reference_predictions,
)
from avatar_trials.evidence.sample_scores import CRPS_ESTIMATORS, crps
from avatar_trials.evidence.strata import strata_of
from avatar_trials.intake import read_volumes
from avatar_trials.intake.covariates import read_covariates
from tests.combination_panel import DAYS, panel, together

DATA = Path(os.environ.get("AVATAR_TRIALS_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
VOLUMES = DATA / "pdxe" / "pct_raw_data.csv"
GENES = DATA / "pdxe" / "key_gene_status.csv"


@pytest.mark.skipif(not GENES.is_file(), reason="pdxe/key_gene_status.csv is not in AVATAR_TRIALS_DATA")
def test_the_v600_melanomas_are_the_thirteen_of_the_paper() -> None:
    """Observed ORR of encorafenib, binimetinib and both: 5, 3 and 9 of 13 with BRAF V600; of all 33: 5, 5 and 11."""
    biomarker = load_design("pdxe_singles").cohort.biomarkers[0]
    strata = strata_of(read_covariates(GENES), biomarker)
    study = study_of(read_volumes(VOLUMES), rule="pct_sheet", horizon_days=182.0)
    arm = "binimetinib + encorafenib"
    (mice,) = (one.mice for one in study.combinations if (one.tumor_type, one.arm) == ("CM", arm))
    here = np.flatnonzero([avatar in strata.carriers for avatar in mice.avatars])
    outcomes = (*mice.alone, mice.combination)
    assert [int(one.of(here).responded.sum()) for one in outcomes] == [3, 5, 9]
    assert len(here) == 13
    assert [int(one.responded.sum()) for one in outcomes] == [5, 5, 11]
    assert len(mice.avatars) == 33


def test_score_of_normal_quantiles_is_the_normals() -> None:
    """Gneiting & Raftery 2007, eq. 20: closed form of the normal."""
    mean, sd, seen = 3.0, 2.0, np.array([-4.0, 2.5, 3.0, 9.0])
    drawn = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000, mean, sd)
    z = (seen - mean) / sd
    closed = sd * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    for estimator in CRPS_ESTIMATORS:
        np.testing.assert_allclose(crps(drawn, seen, estimator=estimator), closed, atol=2e-4)


@pytest.mark.parametrize(("estimator", "pairs"), [("fair", 7 * 6), ("plug_in", 7 * 7)])
def test_score_by_all_pairs(estimator: str, pairs: int) -> None:
    drawn = np.array([1e6, 1e6 + 2.0, 1e6 + 2.0, 1e6 + 3.5, 1e6 + 7.0, 1e6 - 4.0, 1e6 + 0.1])
    for seen in (1e6 + 2.0, 1e6 - 9.0, 1e6 + 8.0, 1e6 + 3.0):
        apart = np.abs(drawn[:, None] - drawn[None]).sum() / pairs
        brute = np.abs(drawn - seen).mean() - 0.5 * apart
        assert float(crps(drawn, seen, estimator=estimator)) == pytest.approx(brute, abs=1e-9)


def test_the_fair_score_does_not_depend_on_the_number_of_samples_and_the_other_does() -> None:
    rng = np.random.default_rng(0)
    mean = {
        (estimator, n): np.mean(
            [float(crps(rng.normal(size=n), 0.3, estimator=estimator)) for _ in range(4000)]
        )
        for estimator in CRPS_ESTIMATORS
        for n in (3, 100)
    }
    assert mean["fair", 3] == pytest.approx(mean["fair", 100], abs=0.02)
    assert mean["plug_in", 3] > mean["plug_in", 100] + 0.1


def test_mean_score_over_mice_is_the_squared_distance_of_the_distributions_and_a_term_of_the_observed() -> (
    None
):
    rng = np.random.default_rng(1)
    drawn, seen = rng.normal(0, 30, 400), rng.normal(-20, 40, 15)

    def ecdf(values: np.ndarray, at: float) -> float:
        return float((values <= at).mean())

    edges = np.sort(np.concatenate([drawn, seen]))
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    squared = sum((ecdf(drawn, at) - ecdf(seen, at)) ** 2 * w for at, w in zip(middles, widths, strict=True))
    own = float(crps(seen, seen, estimator="plug_in").mean())
    assert float(crps(drawn, seen, estimator="plug_in").mean()) == pytest.approx(squared + own, rel=1e-9)


@pytest.fixture(scope="module")
def study() -> Study:
    return study_of(panel(), rule="pct_sheet")


def test_means_of_the_predictors_are_the_rates_they_are_named_after(study: Study) -> None:
    for combination in study.combinations:
        a, b = combination.mice.alone
        for resampling in RESAMPLING_WORDS:
            how = Bootstrap(5, draws=20_000, resampling=resampling)
            best, bliss = best_of_singles(combination, how), independent_singles(combination, how)
            for name, drawn in (("ORR", bliss.orr), ("DCR", bliss.dcr)):
                rates = [one.rate(name)[0] for one in (a, b)]
                assert drawn.mean() == pytest.approx(float(either_works(rates)), abs=0.006)
            either = (
                np.isin(a.category, ["CR", "PR", "SD"]) | np.isin(b.category, ["CR", "PR", "SD"])
            ).mean()
            assert best.dcr.mean() == pytest.approx(either, abs=0.006)
            depth = np.minimum(a.depth_pct, b.depth_pct)[0]
            assert best.depth.mean() == pytest.approx(depth.mean(), abs=0.3)
            assert stats.ks_2samp(best.depth[:50].ravel(), depth).pvalue > 0.5


def test_mice_that_cannot_be_called_are_not_drawn_one_by_one() -> None:
    table = panel()
    rows = table.rows[
        ~((table.rows["avatar"] == "CM5") & (table.rows["arm"] == "A") & (table.rows["day"] > 4))
    ].reset_index(drop=True)
    early = (rows["avatar"] == "CM5") & (rows["arm"] == "A") & (rows["day"] == 4)
    rows.loc[early, "volume_mm3"] = 0.0
    study = study_of(replace(table, rows=rows), rule="gao2015_text")
    combination = study.combinations[0]
    a, b = combination.mice.alone
    assert np.count_nonzero(~a.evaluable) == 1
    drawn = independent_singles(combination, Bootstrap(2, draws=20_000))
    assert drawn.depth.min() > -100.0
    rates = [one.rate("DCR")[0] for one in (a, b)]
    assert drawn.dcr.mean() == pytest.approx(float(either_works(rates)), abs=0.006)


def test_the_scatter_of_draws_is_the_binomials_and_twice_that_where_the_estimate_errs_too(
    study: Study,
) -> None:
    combination = study.combinations[0]
    n = len(combination.mice.avatars)
    p = best_of_singles(combination, Bootstrap(5, draws=20_000)).dcr.mean()
    assert 0.1 < p < 0.9
    variance = {
        name: best_of_singles(combination, Bootstrap(5, draws=20_000, resampling=name)).dcr.var()
        for name in RESAMPLING_WORDS
    }
    assert variance["once"] == pytest.approx(p * (1 - p) / n, rel=0.05)
    assert variance["twice"] == pytest.approx(p * (1 - p) / n * (2 - 1 / n), rel=0.05)


def test_other_combinations_are_each_as_likely_however_large(study: Study) -> None:
    large = study_of(
        together(panel(), panel(40, {"D + E": -0.1, "D": 0.0}, tumor_type="CRC", spread=0.0)),
        rule="pct_sheet",
    )
    combination = large.combinations[0]
    assert [arm for _, arm in large.arms] == ["A + B", "A + C", "D + E"]
    few = together(panel(), panel(9, {"D + E": -0.1}, tumor_type="CRC"))
    assert [arm for _, arm in study_of(few, rule="pct_sheet").arms] == ["A + B", "A + C"]
    drawn = other_combinations(large, combination, Bootstrap(1, draws=4000))
    assert (drawn.orr == 1.0).mean() == pytest.approx(0.5, abs=0.03)
    rate = large.arms["CM", "A + C"].rate("ORR")[0]
    assert drawn.orr.mean() == pytest.approx((rate + 1.0) / 2, abs=0.03)


def test_a_table_by_hand(study: Study) -> None:
    combination = study.combinations[0]
    mice = combination.mice.combination
    n = len(combination.mice.avatars)
    drawn = ArmPrediction(
        "made up",
        "CM",
        combination.arm,
        combination.mice.avatars[::-1],
        np.array([0.25, 0.5]),
        np.array([1.0, 1.0]),
        np.array([np.inf, 20.0]),
        np.tile(mice.depth_pct, (2, 1)),
    )
    table = score_table(study, [drawn]).set_index("quantity")
    assert list(table.reset_index()[list(SCORE_COLUMNS)]) == list(SCORE_COLUMNS)
    seen = 100 * float(np.isin(mice.category, ["CR", "PR"]).mean())
    orr = table.loc["ORR_pct"]
    assert (orr["observed"], orr["predicted"], orr["miss"]) == pytest.approx((seen, 37.5, 37.5 - seen))
    assert orr["crps"] == pytest.approx((abs(25 - seen) + abs(50 - seen)) / 2 - 25 / 2)
    assert (orr["lower_90"], orr["upper_90"], orr["inside_90"]) == (25.0, 50.0, float(25 <= seen <= 50))
    assert orr["n_avatars"] == n
    dcr = table.loc["DCR_pct"]
    assert (dcr["predicted"], dcr["observed"]) == pytest.approx((100.0, 100 * mice.rate("DCR")[0]))
    depth = table.loc["depth_of_response_pct"]
    assert depth["miss"] == 0.0
    assert depth["inside_50"] == pytest.approx(0.5, abs=0.2)


def test_a_value_on_the_edge_of_an_interval_is_inside(study: Study) -> None:
    combination = study.combinations[0]
    seen = float(combination.mice.combination.rate("DCR")[0])
    made = best_of_singles(combination, Bootstrap(1, draws=100))
    for draws, inside in ((np.linspace(0.0, seen, 100), 1.0), (np.linspace(0.0, seen - 0.01, 100), 0.0)):
        row = score_table(study, [replace(made, dcr=np.sort(draws)[np.r_[0:94, [99] * 6]])])
        assert list(row.loc[row["quantity"] == "DCR_pct", "inside_90"]) == [inside]


def test_a_median_not_reached_counts_as_the_last_day_on_both_sides(study: Study) -> None:
    combination = study.combinations[0]
    calm = replace(combination.mice.combination, doubled=np.zeros_like(combination.mice.combination.doubled))
    changed = replace(
        study, combinations=(replace(combination, mice=replace(combination.mice, combination=calm)),)
    )
    made = best_of_singles(combination, Bootstrap(1, draws=100))
    never = replace(made, doubling=np.full(100, np.inf))
    late = replace(made, doubling=np.full(100, 4000.0))
    early = replace(made, doubling=np.full(100, 20.0))
    rows = [
        score_table(changed, [one]).set_index("quantity").loc["log_doubling"] for one in (never, late, early)
    ]
    assert [bool(row["reached"]) for row in rows] == [False] * 3
    assert [row["crps"] for row in rows] == pytest.approx([0.0, 0.0, np.log(2.0)])
    assert [row["miss"] for row in rows] == pytest.approx([0.0, 0.0, -np.log(2.0)])
    assert rows[0]["horizon_days"] == 40.0
    summary = score_summary(score_table(changed, [early])).set_index("quantity")
    known = summary[["absolute_miss", "absolute_miss_reached"]].astype(float).loc["log_doubling"].to_numpy()
    assert known[0] == pytest.approx(np.log(2.0))
    assert np.isnan(known[1])


def test_differences_are_paired_and_of_one_sign(study: Study) -> None:
    made = reference_predictions(study, Bootstrap(1, draws=200))
    scores = score_table(study, made)
    ours = score_differences(scores, BEST_OF_SINGLES)
    assert list(ours) == list(DIFFERENCE_COLUMNS)
    of_rate = scores[scores["quantity"] == "DCR_pct"].sort_values("arm")
    crps_of = {
        name: of_rate.loc[of_rate["predictor"] == name, "crps"].to_numpy(float) for name in PREDICTOR_WORDS
    }
    paired = crps_of[BEST_OF_SINGLES] - crps_of[INDEPENDENT]

    def found(table: pd.DataFrame, reference: str) -> list[float]:
        row = table[(table["quantity"] == "DCR_pct") & (table["reference"] == reference)]
        return [float(row[name].iloc[0]) for name in ("crps_difference", "crps_difference_se")]

    assert found(ours, INDEPENDENT) == pytest.approx([paired.mean(), paired.std(ddof=1) / np.sqrt(2)])
    back = score_differences(scores, INDEPENDENT)
    assert found(back, BEST_OF_SINGLES)[0] == -found(ours, INDEPENDENT)[0]
    assert set(score_summary(scores)["predictor"]) == {BEST_OF_SINGLES, INDEPENDENT, OTHER_COMBINATIONS}
    assert list(score_summary(scores)) == list(SUMMARY_COLUMNS)


def test_a_forecaster_that_knows_the_truth_scores_best_and_covers() -> None:
    """Ten mice foreseen from their true law, against the same law moved or narrowed."""
    many = {f"A + {name}": 0.0 for name in "BCDEFGHIJKLM"} | dict.fromkeys("ABCDEFGHIJKLM", 0.02)
    study = study_of(panel(15, many, spread=0.03), rule="pct_sheet")
    rng = np.random.default_rng(8)
    rate = rng.normal(0.0, 0.03, (4000, 15))
    # Least change of an exponential curve: at the last visit where it shrinks, at the first where it grows.
    truth = 100 * (np.exp(rate * np.where(rate < 0, DAYS[-1], DAYS[1])) - 1)

    def made(predictor: str, shift: float, scale: float) -> list[ArmPrediction]:
        drawn = np.maximum(np.median(truth) + scale * (truth - np.median(truth)) + shift, -100.0)
        # Depth is what is at stake here; the rest is a filler.
        filler = np.linspace(0.01, 0.99, len(drawn))
        return [
            ArmPrediction(predictor, "CM", one.arm, one.mice.avatars, filler, filler, filler, drawn)
            for one in study.combinations
        ]

    scores = score_table(study, [*made("right", 0, 1), *made("moved", 30, 1), *made("narrow", 0, 0.2)])
    of_depth = scores[scores["quantity"] == "depth_of_response_pct"].groupby("predictor")
    score, covered = of_depth["crps"].mean(), of_depth["inside_90"].mean()
    assert score["right"] < score["moved"]
    assert score["right"] < score["narrow"]
    assert covered["right"] > 0.8 > covered["narrow"]


@pytest.mark.skipif(not VOLUMES.exists(), reason=f"PDX Encyclopedia volumes not found in {DATA}")
def test_the_best_of_two_mice_misses_real_combinations_as_known(capsys: pytest.CaptureFixture[str]) -> None:
    study = study_of(read_volumes(VOLUMES), rule="pct_sheet")
    sizes = [(one.tumor_type, len(one.mice.avatars)) for one in study.combinations]
    by_type = {name: sum(one == name for one, _ in sizes) for name in ("CM", "CRC", "NSCLC")}
    # One of the CRC combinations is of three drugs.
    assert by_type == {"CM": 4, "CRC": 6, "NSCLC": 2}
    assert min(n for _, n in sizes) >= 18
    scores = score_table(study, reference_predictions(study, Bootstrap(1, resampling="once")))
    pairs = scores[scores["n_drugs"] == 2]
    summary = score_summary(pairs).set_index(["predictor", "quantity"])
    with capsys.disabled():
        print("\n" + summary.round(3).to_string())
    best = summary.loc[BEST_OF_SINGLES]
    assert (best["n"] == 11).all()
    assert best.loc["ORR_pct", "absolute_miss"] == pytest.approx(14.0, abs=0.05)
    assert best.loc["DCR_pct", "absolute_miss"] == pytest.approx(14.1, abs=0.05)
    # The one median that was not reached is left out of the known number.
    assert best.loc["log_doubling", "absolute_miss_reached"] == pytest.approx(0.38, abs=0.015)
    assert (~pairs["reached"]).sum() == 3
