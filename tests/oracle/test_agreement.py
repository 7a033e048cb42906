"""Agreement and readout against independent formulas, plain loops, and trials whose answer is known."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from numpy.typing import NDArray

from avatar_trials import endpoints
from avatar_trials.endpoints import association, intervals
from avatar_trials.endpoints.arm_outcomes import common_horizon
from avatar_trials.endpoints.individual import INDIVIDUAL_COLUMNS
from avatar_trials.endpoints.population_rows import POPULATION_COLUMNS
from avatar_trials.intake import GrowthTable
from avatar_trials.verify import small_samples

R = small_samples.reference("agreement")
DAYS = np.array([0.0, 5.0, 10.0, 15.0, 20.0, 25.0])
Floats = NDArray[np.float64]


def rng(name: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(name))


def growth_table(avatars: Iterable[str], arms: Iterable[str], day: Floats, volume: Floats) -> GrowthTable:
    """Observed mice, one an avatar and arm, volume (avatar, arm, visit)."""
    names, arm_names = list(avatars), list(arms)
    rows = [
        (avatar, arm, f"{avatar}|{arm}|1", t, v)
        for i, avatar in enumerate(names)
        for j, arm in enumerate(arm_names)
        for t, v in zip(day, volume[i, j], strict=True)
        if np.isfinite(v)
    ]
    frame = pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    frame = frame.sort_values(["avatar", "arm", "mouse", "day"], ignore_index=True)
    covariates = pd.DataFrame({"tumor_type": ""}, index=pd.Index(sorted(names), name="avatar"))
    return GrowthTable(frame, covariates, (), "made up", "", False)


def trial_of(
    avatars: list[str], arms: list[str], day: Floats, volume: Floats, twin: Floats | None = None
) -> xr.Dataset:
    dims = ("trial", "avatar", "arm", "visit")
    data = {"volume_mm3": (dims, volume)} | ({} if twin is None else {"twin_volume_mm3": (dims, twin)})
    coords = {"trial": np.arange(len(volume)), "avatar": avatars, "arm": arms, "day": ("visit", day)}
    return xr.Dataset(data, coords=coords)


def volumes(log_growth: Floats) -> Floats:
    """Exponential curves from 200 mm3 with these rates per day, (..., visit)."""
    return 200.0 * np.exp(log_growth[..., None] * DAYS)


def correlated(rho: float, n: int = 200, arms: int = 10, trials: int = 60) -> tuple[xr.Dataset, GrowthTable]:
    """Emulated avatars whose latent growth correlates by `rho` with that of the observed ones, equal margins by arm."""
    r = rng(int(100 * rho))
    effect = np.linspace(0.02, -0.06, arms)
    observed_latent, other = r.normal(size=(2, n, arms))
    emulated_latent = rho * observed_latent + np.sqrt(1 - rho**2) * other
    names, arm_names = [f"a{i:03d}" for i in range(n)], [f"drug{j}" for j in range(arms)]

    def mice(latent: Floats, *shape: int) -> Floats:
        return volumes(effect + 0.04 * latent + 0.02 * r.normal(size=(*shape, n, arms)))

    trial = trial_of(names, arm_names, DAYS, mice(emulated_latent, trials), mice(emulated_latent, trials))
    return trial, growth_table(names, arm_names, DAYS, mice(observed_latent))


def pick(frame: pd.DataFrame, arm: str, measure: str) -> dict[Hashable, Any]:
    (row,) = frame[(frame["arm"] == arm) & (frame["measure"] == measure)].to_dict("records")
    return row


@pytest.fixture(scope="module")
def unrelated() -> tuple[pd.DataFrame, pd.DataFrame]:
    return endpoints.agree(*correlated(0.0), rule="gao2015_text")


@pytest.mark.parametrize("case", R["binomial"], ids=lambda c: f"{c['x']} of {c['n']}")
def test_wilson_interval_is_that_of_r(case: dict[str, Any]) -> None:
    assert endpoints.wilson_interval(case["x"], case["n"], 0.95) == pytest.approx(case["wilson"], abs=1e-10)


def test_rank_correlation_and_quantiles_are_those_of_r() -> None:
    x, y = R["paired_vectors"]["x"], R["paired_vectors"]["y"]
    expected = R["paired_vectors"]["spearman"]["est"]
    assert association.spearman(x, y) == pytest.approx(expected, abs=1e-10)
    probabilities = (0.1, 0.25, 0.5, 0.75, 0.9)
    ours = [float(intervals.quantile([*x, np.nan], p)) for p in probabilities]
    assert ours == pytest.approx(R["paired_vectors"]["quantile_type7"], abs=1e-10)


def test_spearman_with_ties_weights_and_missing_pairs() -> None:
    r = rng(1)
    x, y = r.integers(0, 5, (20, 30)).astype(float), r.integers(0, 6, (20, 30)).astype(float)
    weight = r.integers(0, 3, (20, 30)).astype(float)
    ours = association.rank_correlation(association.rank_parts(x, y, weight))
    for i in range(20):
        repeats = weight[i].astype(int)
        expected = scipy.stats.spearmanr(np.repeat(x[i], repeats), np.repeat(y[i], repeats)).statistic
        assert ours[i] == pytest.approx(expected, abs=1e-12)
    x[:, 3] = np.nan
    assert association.spearman(x, y)[0] == pytest.approx(
        scipy.stats.spearmanr(np.delete(x[0], 3), np.delete(y[0], 3)).statistic, abs=1e-12
    )
    assert np.isnan(association.spearman(np.ones(5), np.arange(5.0)))


def test_auc_is_the_mann_whitney_share() -> None:
    r = rng(2)
    score, outcome = r.integers(0, 8, 60).astype(float), r.random(60) < 0.4
    u = scipy.stats.mannwhitneyu(score[outcome], score[~outcome]).statistic
    ours = association.ratio(association.discrimination(score, outcome, np.ones(60)))
    assert ours == pytest.approx(u / (outcome.sum() * (~outcome).sum()), abs=1e-12)
    assert np.isnan(
        association.ratio(association.discrimination(score, np.ones(60, dtype=bool), np.ones(60)))
    )


def test_kappa_by_hand() -> None:
    first = np.repeat([True, True, False, False], [20, 5, 10, 15])
    second = np.repeat([True, False, True, False], [20, 5, 10, 15])
    weight = np.ones(50)
    assert association.ratio(association.chance_corrected(first, second, weight)) == pytest.approx(
        0.4, abs=1e-12
    )
    nobody = np.zeros(50, dtype=bool)
    assert np.isnan(association.ratio(association.chance_corrected(first, nobody, weight)))
    assert np.isnan(association.ratio(association.chance_corrected(nobody, nobody, weight)))


def test_concordance_against_a_plain_loop_over_pairs() -> None:
    r = rng(3)
    time, event = r.integers(1, 12, 40).astype(float), r.random(40) < 0.6
    score, weight = r.integers(0, 9, 40).astype(float), r.integers(0, 3, 40).astype(float)
    agree = usable = 0.0
    for i in range(40):
        for j in range(40):
            if event[i] and (time[i] < time[j] or (time[i] == time[j] and not event[j])):
                pair = weight[i] * weight[j]
                usable += pair
                agree += pair * (1.0 if score[j] > score[i] else 0.5 if score[j] == score[i] else 0.0)
    ours = association.concordance(score, time, event, weight)
    assert (float(ours[0]), float(ours[1])) == (agree, usable)
    assert association.ratio(association.concordance(time, time, np.ones(40, dtype=bool), np.ones(40))) == 1.0


def test_wasserstein_distance_is_that_of_scipy() -> None:
    r = rng(4)
    first, second = r.normal(0, 20, (50, 33)), r.normal(5, 30, (50, 21))
    first[:, -2:] = np.nan
    distance, spread = association.wasserstein_1(first, second)
    for i in range(50):
        kept = first[i, :-2]
        assert distance[i] == pytest.approx(scipy.stats.wasserstein_distance(kept, second[i]), abs=1e-12)
        both = np.concatenate([kept, second[i]])
        assert spread[i] == both.max() - both.min()
    assert np.isnan(association.wasserstein_1(np.full(3, np.nan), np.arange(3.0))[0])


def test_brier_and_its_best_constant() -> None:
    outcome = np.array([True, False, False, False])
    probability, weight = np.array([0.9, 0.2, 0.4, 0.1]), np.ones(4)
    assert association.ratio(association.squared_error(probability, outcome, weight)) == pytest.approx(0.055)
    assert association.ratio(association.base_rate_error(outcome, weight)) == pytest.approx(0.25 * 0.75)


@pytest.mark.parametrize("n", [20, 33, 100])
@pytest.mark.parametrize("probability", [0.25, 0.5, 0.75])
def test_order_statistic_interval_covers_as_it_says(n: int, probability: float) -> None:
    below, above = (
        int(v) for v in intervals.order_statistic_interval(np.arange(1, n + 1.0), probability, 0.9)
    )
    binomial = scipy.stats.binom(n, probability)
    assert binomial.cdf(below - 1) <= 0.05 < binomial.cdf(below)
    assert binomial.sf(above - 1) <= 0.05 < binomial.sf(above - 2)


def test_order_statistic_interval_of_few_mice_is_open() -> None:
    assert intervals.order_statistic_interval([1.0, 2.0, 3.0], 0.5, 0.9) == (-np.inf, np.inf)


def test_replicate_limits_are_inclusive_and_carry_what_is_not_reached() -> None:
    assert intervals.replicate_summary(np.arange(21.0), 0.9) == (10.0, 1.0, 19.0)
    assert intervals.replicate_summary([0.0] * 10 + [1.0] * 10, 0.9) == (0.5, 0.0, 1.0)
    assert intervals.replicate_summary([1.0, 2.0, np.inf, np.inf, np.nan], 0.5) == (np.inf, 1.0, np.inf)
    assert np.isnan(intervals.replicate_summary([np.nan], 0.9)).all()


def test_population_agreement_does_not_imply_individual_prediction(
    unrelated: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    population, individual = unrelated
    assert pick(population, "all", "Spearman_ORR")["emulated"] > 0.85
    assert pick(population, "all", "mean_abs_difference_ORR")["emulated"] < 0.05
    assert abs(pick(individual, "all", "Cohen_kappa")["value"]) < 0.05
    assert pick(individual, "all", "AUC")["value"] == pytest.approx(0.5, abs=0.04)
    assert pick(individual, "all", "Spearman_depth")["value"] == pytest.approx(0.0, abs=0.06)
    assert pick(individual, "all", "Harrell_C_doubling")["value"] == pytest.approx(0.5, abs=0.04)
    assert pick(individual, "all", "Brier_skill")["value"] < 0


def test_individual_agreement_rises_with_the_correlation_of_avatars() -> None:
    runs = [endpoints.agree(*correlated(rho), rule="gao2015_text")[1] for rho in (0.0, 0.5, 0.9)]
    for measure in ("AUC", "Cohen_kappa", "Spearman_depth", "Harrell_C_doubling", "Brier_skill"):
        found = [pick(run, "all", measure)["value"] for run in runs]
        assert found == sorted(found), measure
        assert found[2] - found[0] > 0.2, measure
        ceiling = [pick(run, "all", measure)["ceiling"] for run in runs]
        assert found[2] <= ceiling[2] + 0.03, measure
        assert np.ptp(ceiling) < 0.1, measure


def test_differences_between_arms_are_not_taken_for_individual_skill() -> None:
    """One of two arms responds more often: pooled over arms, knowing no more than the arm would look like skill."""
    r = rng(7)
    n, trials = 150, 40
    names, arms = [f"a{i}" for i in range(n)], ["good", "poor"]
    rate = np.array([-0.08, 0.03])
    trial = trial_of(names, arms, DAYS, volumes(rate + 0.05 * r.normal(size=(trials, n, 2))))
    table = growth_table(names, arms, DAYS, volumes(rate + 0.05 * r.normal(size=(n, 2))))
    _, individual = endpoints.agree(trial, table, rule="gao2015_text")
    calls = endpoints.response_table(table, rule="gao2015_text")
    share = endpoints.trial_response(trial, rule="gao2015_text")["category"].isin(["CR", "PR"]).mean("trial")
    responded = calls["category"].isin(["CR", "PR"]).to_numpy()
    score = np.array(
        [float(share.sel(avatar=a, arm=m)) for a, m in zip(calls["avatar"], calls["arm"], strict=True)]
    )
    unstratified = association.ratio(association.discrimination(score, responded, np.ones(len(score))))
    assert unstratified > 0.8
    assert pick(individual, "all", "AUC")["value"] == pytest.approx(0.5, abs=0.08)
    assert "arm-stratified" in pick(individual, "all", "AUC")["method"]


def test_columns_methods_and_null_references(unrelated: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    population, individual = unrelated
    assert list(population.columns) == list(POPULATION_COLUMNS)
    assert list(individual.columns) == list(INDIVIDUAL_COLUMNS)
    assert population["method"].str.len().min() > 40
    assert (
        individual["method"].str.contains("in sample: the avatars were calibrated on these very mice").all()
    )
    assert individual["method"].str.contains("mRECIST rule gao2015_text").all()
    null = individual[individual["arm"] == "all"].set_index("measure")["null_reference"]
    assert null[["AUC", "Harrell_C_doubling", "Cohen_kappa", "Spearman_depth"]].tolist() == [
        0.5,
        0.5,
        0.0,
        0.0,
    ]
    assert null["Brier_skill"] <= 0
    rates = population[population["measure"].isin(["ORR", "DCR"])]
    assert rates[["null_reference", "ceiling"]].notna().all(axis=None)


def test_out_of_sample_is_said() -> None:
    trial, table = correlated(0.5, n=20, arms=3, trials=10)
    _, individual = endpoints.agree(trial, table, rule="pct_sheet", calibrated_on_observed=False)
    assert individual["method"].str.contains("out of sample").all()
    assert not individual["method"].str.contains("in sample: ").any()


def test_coverage_is_that_of_the_rows(unrelated: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    rows = unrelated[0]
    decided = rows[rows["covered"].notna()]
    inside = (decided["lower"] <= decided["observed"]) & (decided["observed"] <= decided["upper"])
    reached = decided[["lower", "upper", "observed"]].notna().all(axis=1)
    assert (inside[reached] == decided.loc[reached, "covered"]).all()
    coverage = pick(rows, "all", "coverage_of_intervals")
    assert coverage["emulated"] == pytest.approx(decided["covered"].astype(bool).mean())
    assert coverage["n"] == len(decided)
    assert 0.7 < coverage["emulated"] <= 1.0
    np.testing.assert_allclose(
        decided["difference"].dropna(), (decided["emulated"] - decided["observed"]).dropna(), atol=1e-12
    )


def test_emulating_the_observed_mice_themselves_is_perfect() -> None:
    _, table = correlated(0.0, n=30, arms=4, trials=2)
    arms, avatars = sorted(set(table.rows["arm"])), sorted(set(table.rows["avatar"]))
    cube = table.rows["volume_mm3"].to_numpy().reshape(len(avatars), len(arms), len(DAYS))
    trial = trial_of(avatars, arms, DAYS, np.stack([cube] * 5), np.stack([cube] * 5))
    population, individual = endpoints.agree(trial, table, rule="gao2015_text")
    rows = population[population["arm"] != "all"]
    assert rows["covered"].dropna().all()
    assert (rows["difference"].dropna() == 0).all()
    distances = rows[rows["measure"].str.contains("W1|KM_difference")]
    assert (distances["emulated"].abs() < 1e-12).all()
    assert (distances["ceiling"].abs() < 1e-12).all()
    for measure in ("AUC", "Cohen_kappa", "Spearman_depth", "Brier_skill"):
        assert pick(individual, "all", measure)["value"] == pytest.approx(1.0)


def test_kappa_and_auc_are_not_defined_where_nobody_responds() -> None:
    trial, _ = correlated(0.5, n=20, arms=2, trials=10)
    growing = growth_table(
        [f"a{i:03d}" for i in range(20)], ["drug0", "drug1"], DAYS, volumes(np.full((20, 2), 0.1))
    )
    population, individual = endpoints.agree(trial, growing, rule="gao2015_text")
    for measure in ("Cohen_kappa", "AUC", "Brier_skill"):
        row = pick(individual, "drug1", measure)
        assert np.isnan(row["value"])
        assert np.isnan(row["lower"])
        assert "not defined" in row["method"]
    assert pick(individual, "drug1", "Brier")["value"] >= 0
    assert pick(population, "drug1", "ORR")["observed"] == 0


def test_only_cells_with_an_observed_mouse_count() -> None:
    trial, table = correlated(0.5, n=12, arms=3, trials=8)
    missing = (table.rows["avatar"] == "a003") & (table.rows["arm"] == "drug1")
    late = (table.rows["avatar"] == "a004") & (table.rows["arm"] == "drug1") & (table.rows["day"] == 0)
    holes = GrowthTable(
        table.rows[~(missing | late)].reset_index(drop=True), table.avatars, (), table.source, "", False
    )
    wild = trial.copy(deep=True)
    wild["volume_mm3"].loc[{"avatar": ["a003", "a004"], "arm": "drug1"}] = 1e6
    for ours, theirs in zip(
        endpoints.agree(trial, holes, rule="pct_sheet"),
        endpoints.agree(wild, holes, rule="pct_sheet"),
        strict=True,
    ):
        pd.testing.assert_frame_equal(ours, theirs)
    population, individual = endpoints.agree(trial, holes, rule="pct_sheet")
    assert pick(population, "drug1", "ORR")["n"] == 10
    assert pick(individual, "drug1", "Spearman_depth")["n"] == 10


def test_times_not_reached_are_blank_and_said() -> None:
    names, arms = [f"a{i}" for i in range(10)], ["one", "two"]
    flat = volumes(np.zeros((10, 2)))
    trial = trial_of(names, arms, DAYS, np.stack([flat] * 4))
    table = growth_table(names, arms, DAYS, flat)
    population, _ = endpoints.agree(trial, table, rule="pct_sheet")
    row = pick(population, "one", "median_time_to_doubling_days")
    assert np.isnan([row["emulated"], row["observed"], row["upper"]]).all()
    assert row["covered"]
    assert row["method"].endswith("not reached: emulated, lower, upper, observed")
    readout = endpoints.readout_trial(trial, rule="pct_sheet")
    doubling = readout[readout["endpoint"] == "time_to_doubling_days"]
    assert doubling[["estimate", "lower", "upper"]].isna().all(axis=None)
    assert doubling["method"].str.contains("not reached in 100.0% of trials").all()
    assert doubling["method"].str.endswith("; not reached: estimate, lower, upper").all()


def test_same_seed_same_tables_whatever_the_order() -> None:
    trial, table = correlated(0.5, n=25, arms=3, trials=20)
    first = endpoints.agree(trial, table, rule="pct_sheet", seed=5)
    again = endpoints.agree(trial.isel(avatar=slice(None, None, -1)), table, rule="pct_sheet", seed=5)
    for ours, theirs in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=False, rtol=1e-12)
    other = endpoints.agree(trial, table, rule="pct_sheet", seed=6)
    pd.testing.assert_frame_equal(first[0], other[0])
    assert not first[1]["lower"].equals(other[1]["lower"])
    np.testing.assert_array_equal(first[1]["value"], other[1]["value"])


def test_without_second_mice_there_is_no_ceiling() -> None:
    trial, table = correlated(0.5, n=15, arms=3, trials=6)
    population, individual = endpoints.agree(trial.drop_vars("twin_volume_mm3"), table, rule="pct_sheet")
    assert population.loc[population["measure"] != "coverage_of_intervals", "ceiling"].isna().all()
    assert individual["ceiling"].isna().all()


def test_ceiling_is_what_second_mice_reach() -> None:
    trial, table = correlated(0.9, n=60, arms=3, trials=30)
    # Second mice that do the opposite of the first: a prediction can then only be wrong about them.
    contrary = trial.assign(twin_volume_mm3=200.0**2 / trial["volume_mm3"])
    _, individual = endpoints.agree(contrary, table, rule="gao2015_text")
    for measure, chance in (
        ("AUC", 0.5),
        ("Cohen_kappa", 0.0),
        ("Spearman_depth", 0.0),
        ("Harrell_C_doubling", 0.5),
    ):
        assert pick(individual, "drug0", measure)["value"] > chance + 0.1, measure
        assert pick(individual, "drug0", measure)["ceiling"] < chance, measure


def test_references_of_a_population_measure() -> None:
    trial, table = correlated(0.5, n=40, arms=3, trials=25)
    population, _ = endpoints.agree(trial, table, rule="gao2015_text")

    def response_rate(calls: xr.DataArray) -> Floats:
        return calls.isin(["CR", "PR"]).mean("avatar").sel(arm="drug2").to_numpy()

    first, second = (
        response_rate(endpoints.trial_response(trial, rule="gao2015_text", volume=name)["category"])
        for name in ("volume_mm3", "twin_volume_mm3")
    )
    calls = endpoints.response_table(table, rule="gao2015_text")
    responded = calls["category"].isin(["CR", "PR"])
    row = pick(population, "drug2", "ORR")
    assert row["ceiling"] == pytest.approx(np.median(np.abs(first - second)))
    assert row["null_reference"] == pytest.approx(
        abs(responded.mean() - responded[calls["arm"] == "drug2"].mean())
    )
    assert (row["lower"], row["upper"]) == (np.sort(first)[1], np.sort(first)[-2])


def test_distances_are_between_each_trial_and_the_observed_mice() -> None:
    trial, table = correlated(0.5, n=30, arms=2, trials=15)
    population, _ = endpoints.agree(trial, table, rule="gao2015_text")
    first, second = (
        endpoints.trial_response(trial, rule="gao2015_text", volume=name).sel(arm="drug1")
        for name in ("volume_mm3", "twin_volume_mm3")
    )
    mice = endpoints.response_table(table, rule="gao2015_text")
    observed = mice[mice["arm"] == "drug1"]
    depth, twin_depth = first["depth_of_response_pct"].to_numpy(), second["depth_of_response_pct"].to_numpy()
    row = pick(population, "drug1", "W1_depth_of_response_pct")
    distance = [scipy.stats.wasserstein_distance(d, observed["depth_of_response_pct"]) for d in depth]
    between = [scipy.stats.wasserstein_distance(a, b) for a, b in zip(depth, twin_depth, strict=True)]
    pooled = scipy.stats.wasserstein_distance(
        mice["depth_of_response_pct"], observed["depth_of_response_pct"]
    )
    expected = (np.median(distance), np.median(between), pooled)
    assert (row["emulated"], row["ceiling"], row["null_reference"]) == pytest.approx(expected, abs=1e-9)

    def curve(calls: xr.Dataset | pd.DataFrame) -> endpoints.KaplanMeier:
        return endpoints.kaplan_meier(calls["time_to_doubling_days"].to_numpy(), calls["doubled"].to_numpy())

    row = pick(population, "drug1", "max_KM_difference")
    greatest = [
        endpoints.curve_distance(curve(first), curve(other), 25.0)[0] for other in (observed, second, mice)
    ]
    assert (row["emulated"], row["ceiling"]) == pytest.approx(
        (np.median(greatest[0]), np.median(greatest[1]))
    )
    reference = endpoints.curve_distance(curve(mice), curve(observed), 25.0)[0]
    assert row["null_reference"] == pytest.approx(float(reference))
    assert "days 0 to 25" in row["method"]


def test_rows_over_all_arms() -> None:
    trial, table = correlated(0.5, n=40, arms=5, trials=15)
    population, _ = endpoints.agree(trial, table, rule="gao2015_text")
    responded = [
        endpoints.trial_response(trial, rule="gao2015_text", volume=name)["category"].isin(["CR", "PR"])
        for name in ("volume_mm3", "twin_volume_mm3")
    ]
    first, second = (r.mean("avatar").to_numpy() for r in responded)
    calls = endpoints.response_table(table, rule="gao2015_text")
    observed = (
        calls["category"]
        .isin(["CR", "PR"])
        .groupby(calls["arm"])
        .mean()[list(trial["arm"].values)]
        .to_numpy()
    )
    apart, ranks = pick(population, "all", "mean_abs_difference_ORR"), pick(population, "all", "Spearman_ORR")
    assert apart["emulated"] == pytest.approx(np.median(np.abs(first - observed).mean(axis=1)))
    assert apart["ceiling"] == pytest.approx(np.median(np.abs(first - second).mean(axis=1)))
    assert apart["null_reference"] == pytest.approx(np.abs(observed.mean() - observed).mean())
    by_trial = [scipy.stats.spearmanr(f, observed).statistic for f in first]
    assert ranks["emulated"] == pytest.approx(np.median(by_trial))
    assert (apart["n"], ranks["n"], ranks["null_reference"]) == (5, 5, 0.0)


def test_kappa_interval_carries_the_choice_of_avatars() -> None:
    trial, table = correlated(0.9, n=60, arms=2, trials=10)
    one_trial = trial.isel(trial=np.zeros(10, dtype=int)).assign_coords(trial=np.arange(10))
    _, individual = endpoints.agree(one_trial, table, rule="gao2015_text")
    row = pick(individual, "drug1", "Cohen_kappa")
    assert row["lower"] < row["value"] < row["upper"]


def test_restricted_mean_horizon_and_interval() -> None:
    names = [f"a{i}" for i in range(6)]
    rates = np.stack([np.full(6, 0.3), [0.3, 0.3, 0.2, 0.2, 0.0, 0.0]], axis=-1)
    observed = volumes(rates)
    observed[4, 1, 4:] = np.nan
    table = growth_table(names, ["fast", "mixed"], DAYS, observed)
    readout = endpoints.readout_observed(table, rule="pct_sheet", doubling="log_linear")
    fast, mixed = readout[readout["endpoint"] == "RMST_days"].to_dict("records")
    times = np.array([np.log(2) / 0.3] * 2 + [np.log(2) / 0.2] * 2 + [15.0, 25.0])
    km = endpoints.kaplan_meier(times, np.arange(6) < 4)
    mean, error = (float(x) for x in endpoints.restricted_mean(km, 25.0))
    half = scipy.stats.norm.ppf(0.95) * error
    assert "tau = 25 d (all curves known to there)" in mixed["method"]
    assert (mixed["estimate"], mixed["lower"], mixed["upper"]) == pytest.approx(
        (mean, mean - half, mean + half)
    )
    assert (mixed["n"], mixed["n_censored"], fast["n_censored"]) == (6, 2, 0)
    only_fast = endpoints.readout_observed(
        table.select(arms=["fast"]), rule="pct_sheet", doubling="log_linear"
    ).to_dict("records")[-1]
    assert "tau = 2.31049 d" in only_fast["method"]


def test_common_horizon_is_set_by_the_shortest_curve_that_has_not_ended() -> None:
    ended = endpoints.kaplan_meier([3.0, 9.0], [True, True])
    open_20 = endpoints.kaplan_meier([5.0, 20.0], [True, False])
    open_30 = endpoints.kaplan_meier([[5.0, 28.0], [4.0, 30.0], [1.0, 35.0]], [True, False])
    nobody = endpoints.kaplan_meier([np.nan], [False])
    assert common_horizon([ended, open_20, open_30, nobody]) == 20.0
    assert common_horizon([open_30, ended]) == 30.0
    assert common_horizon([ended]) == 9.0
    assert np.isnan(common_horizon([nobody]))


def test_individual_intervals_resample_avatars() -> None:
    trial, table = correlated(0.5, n=100, arms=2, trials=20)
    _, individual = endpoints.agree(trial, table, rule="gao2015_text")
    share = endpoints.trial_response(trial, rule="gao2015_text")["category"].isin(["CR", "PR"]).mean("trial")
    calls = endpoints.response_table(table, rule="gao2015_text").pivot(
        index="avatar", columns="arm", values="category"
    )
    error = (share.sel(arm="drug1") - calls.loc[share["avatar"].to_numpy(), "drug1"].isin(["CR", "PR"])) ** 2
    row = pick(individual, "drug1", "Brier")
    assert row["value"] == pytest.approx(float(error.mean()))
    half_width = scipy.stats.norm.ppf(0.95) * float(error.std()) / np.sqrt(100)
    assert (row["upper"] - row["lower"]) / 2 == pytest.approx(half_width, rel=0.1)
    for measure in ("AUC", "Spearman_depth", "Harrell_C_doubling", "Cohen_kappa"):
        row = pick(individual, "all", measure)
        assert row["lower"] < row["value"] < row["upper"], measure


def test_other_avatars_are_compared_as_populations_only() -> None:
    trial, table = correlated(0.5, n=15, arms=3, trials=6)
    strangers = trial.assign_coords(avatar=[f"virtual{i}" for i in range(15)])
    population, individual = endpoints.agree(strangers, table, rule="pct_sheet")
    assert population["method"].str.contains("emulated avatars are not the observed ones").sum() > 10
    assert individual.empty
    assert list(individual.columns) == list(INDIVIDUAL_COLUMNS)


def test_no_arm_in_common_is_told_with_both_lists() -> None:
    trial, table = correlated(0.5, n=5, arms=2, trials=3)
    with pytest.raises(ValueError, match=r"emulated \(x, y\) and observed \(drug0, drug1\)"):
        endpoints.agree(trial.assign_coords(arm=["x", "y"]), table, rule="pct_sheet")


def test_readouts_of_the_same_mice_agree() -> None:
    _, table = correlated(0.0, n=40, arms=3, trials=2)
    arms, avatars = sorted(set(table.rows["arm"])), sorted(set(table.rows["avatar"]))
    cube = table.rows["volume_mm3"].to_numpy().reshape(len(avatars), len(arms), len(DAYS))
    trial = trial_of(avatars, arms, DAYS, np.stack([cube] * 3))
    emulated = endpoints.readout_trial(trial, rule="gao2015_text", tau=20.0)
    observed = endpoints.readout_observed(table, rule="gao2015_text", tau=20.0)
    assert list(emulated.columns) == list(endpoints.READOUT_COLUMNS) == list(observed.columns)
    same = ["arm", "endpoint", "estimate", "level", "n", "n_censored"]
    pd.testing.assert_frame_equal(emulated[same], observed[same])
    assert (emulated["lower"].dropna() == emulated["upper"].dropna()).all()
    inside = observed[["lower", "estimate", "upper"]].dropna()
    assert ((inside["lower"] <= inside["estimate"]) & (inside["estimate"] <= inside["upper"])).all()
    assert set(emulated["endpoint"]) == set(endpoints.ENDPOINTS)
    rates = observed[observed["endpoint"].isin(["ORR", "DCR"])]
    assert rates["method"].str.contains("mRECIST rule gao2015_text").all()
    assert rates["method"].str.contains("Wilson 90% interval").all()


def test_readout_intervals_hold_the_level_of_trials() -> None:
    trial, _ = correlated(0.3, n=12, arms=2, trials=60)
    readout = endpoints.readout_trial(trial, rule="pct_sheet", level=0.8)
    calls = endpoints.trial_response(trial, rule="pct_sheet")
    rate = calls["category"].isin(["CR", "PR"]).mean("avatar").sel(arm="drug1")
    (row,) = readout[(readout["arm"] == "drug1") & (readout["endpoint"] == "ORR")].to_dict("records")
    held = float(((rate >= row["lower"]) & (rate <= row["upper"])).mean())
    assert held >= 0.8
    assert row["estimate"] == pytest.approx(float(rate.median()))
    assert row["level"] == 0.8


def test_chunks_of_trials_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    trial, _ = correlated(0.3, n=12, arms=2, trials=7)
    whole = endpoints.trial_response(trial, rule="pct_sheet")
    monkeypatch.setattr("avatar_trials.endpoints.tables.VOLUMES_AT_A_TIME", 300)
    monkeypatch.setattr("avatar_trials.endpoints.individual_scores.PAIRS_AT_A_TIME", 200)
    xr.testing.assert_identical(endpoints.trial_response(trial, rule="pct_sheet"), whole)


@pytest.mark.parametrize("level", [0.0, 1.0, 90])
def test_a_level_out_of_range_is_refused(level: float) -> None:
    trial, table = correlated(0.5, n=5, arms=2, trials=3)
    for call in (
        lambda: endpoints.readout_trial(trial, rule="pct_sheet", level=level),
        lambda: endpoints.readout_observed(table, rule="pct_sheet", level=level),
        lambda: endpoints.agree(trial, table, rule="pct_sheet", level=level),
    ):
        with pytest.raises(ValueError, match="between 0 and 1"):
            call()
