"""Patients behind avatars against closed forms and hand-made cases; T40 to T42 from mouse to patient."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from numpy.typing import ArrayLike

from avatar_trials.card_files import load_benchmark, load_design
from avatar_trials.card_parts import Assumed
from avatar_trials.designs import TrialDesign
from avatar_trials.emulate import Cohort, cohort_from_posterior, emulate_patients, emulate_trials
from avatar_trials.emulate.patient_levels import patient_levels
from avatar_trials.emulate.patients import relative_volumes
from avatar_trials.endpoints import association
from avatar_trials.endpoints.arm_agreement import (
    calibration_slope,
    concordance_over_arms,
    kendall_over_arms,
    spearman_over_arms,
)
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.benchmark import MICE, against_benchmark
from avatar_trials.endpoints.choice import blind_score, regret
from avatar_trials.endpoints.clinical import recomputed
from avatar_trials.endpoints.contingency import cohen_kappa
from avatar_trials.endpoints.paired_scores import FINISH, of_several_mice, paired_scores
from avatar_trials.endpoints.patient_agreement import agree_with_patients, mice_on_patient_scale
from avatar_trials.endpoints.patient_response import patient_arms, recist
from avatar_trials.endpoints.population import pit_deviation
from avatar_trials.intake.clinical_table import read_clinical
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.library import known
from avatar_trials.patient_cards import EXCLUDED, Patients
from avatar_trials.problems import InputError
from avatar_trials.stamp import read_netcdf
from tests.made_patients import MOUSE_SD, a_design, avatars_of, bare, hierarchy

R = json.loads((Path(__file__).parents[1] / "fixtures" / "survival" / "agreement.json").read_text())
FROZEN = Path(__file__).parents[1] / "fixtures" / "frozen_posterior.nc"
CORRELATIONS = (0.0, 0.3, 0.5, 0.7, 0.9)
N = 200
Tables = dict[float, tuple[pd.DataFrame, pd.DataFrame]]


@pytest.fixture(scope="module")
def tables() -> Tables:
    """Agreement of 200 avatars, one mouse each in ten arms, with their patients, by latent correlation."""
    population = hierarchy(20)
    avatars = avatars_of(population, N)
    trial = emulate_trials(avatars, a_design())
    trial.attrs["population"] = ""
    return {
        rho: agree_with_patients(
            trial,
            emulate_patients(avatars, population, np.zeros((1, N)), a_design(rho)),
            rule="gao2015_text",
            doubling="pct_sheet",
        )
        for rho in CORRELATIONS
    }


def assumed_by(design: TrialDesign) -> dict[str, float | Assumed]:
    assert isinstance(design.patients, Patients)
    return design.patients.parameters


def value(frame: pd.DataFrame, measure: str, column: str = "value", arm: str = "all") -> float:
    (found,) = frame.loc[(frame["arm"] == arm) & (frame["measure"] == measure), column]
    return float(found)


def test_arms_agree_though_no_avatar_tells_of_its_patient(tables: Tables) -> None:
    """T40. Median PFS takes a few values only, for patients are assessed every 8 weeks; the restricted mean has no
    ties and ranks arms more sharply."""
    population, individual = tables[0.0]
    for measure in ("ORR", "median_depth_of_response_pct", "median_PFS_days", "RMST_PFS_days"):
        assert value(population, f"Spearman_{measure}", "emulated") > 0.85, measure
    assert value(population, "Spearman_RMST_PFS_days", "lower") > value(
        population, "Spearman_median_PFS_days", "lower"
    )
    assert abs(value(individual, "Cohen_kappa")) < 0.05
    assert value(individual, "AUC") == pytest.approx(0.5, abs=0.03)
    assert value(individual, "Spearman_depth") == pytest.approx(0.0, abs=0.03)
    assert value(individual, "log_score_gain") < 0


def test_individual_agreement_rises_with_the_latent_correlation(tables: Tables) -> None:
    """T41; arms agree all along, and the null does not move. AUC falls a little short of the closed form (see
    `test_auc_of_a_noisy_mouse_is_that_of_the_closed_form`), for calipers err and readings below detection tie."""
    for measure in ("Cohen_kappa", "weighted_kappa", "AUC", "Brier_skill", "Spearman_depth", "Harrell_C"):
        found = [value(tables[rho][1], measure) for rho in CORRELATIONS]
        assert np.all(np.diff(found) > 0), measure
        assert np.ptp([value(tables[rho][1], measure, "null_reference") for rho in CORRELATIONS]) < 0.06
        lower, upper = (value(tables[0.5][1], measure, name) for name in ("lower", "upper"))
        assert lower < found[2] < upper
    auc = [value(tables[rho][1], "AUC") for rho in CORRELATIONS]
    rates = tables[0.0][0].query("measure == 'ORR'")["observed"]
    closed = [auc_of_a_normal_score(rho / np.sqrt(1.0 + MOUSE_SD**2), rates) for rho in CORRELATIONS]
    assert auc == pytest.approx(closed, abs=0.03)
    assert auc[-1] < closed[-1]
    days = [value(tables[rho][1], "treatment_choice_regret_days") for rho in CORRELATIONS]
    assert days[-1] < 0.7 * days[0]
    assert days[-1] < value(tables[0.9][1], "treatment_choice_regret_days", "null_reference")
    assert all(value(tables[rho][0], "Spearman_ORR", "emulated") > 0.85 for rho in CORRELATIONS)


def auc_of_a_normal_score(correlation: float, rates: ArrayLike) -> float:
    """P(score of a responder > score of another patient of the arm): score and latent patient bivariate normal,
    response above the quantile that the arm's rate of patients exceed; pairs of all arms, none across arms."""
    x, rate = np.linspace(-8.0, 8.0, 4001), np.atleast_1d(np.asarray(rates, dtype=float))[:, None]
    others = np.sqrt(1.0 - correlation**2)
    above = scipy.stats.norm.sf((scipy.stats.norm.isf(rate) - correlation * x) / others)
    density = scipy.stats.norm.pdf(x) * (x[1] - x[0])
    yes, no = density * above, density * (1.0 - above)
    won = np.sum(yes * (np.cumsum(no, axis=1) - no / 2.0))
    return float(won / np.sum(rate * (1.0 - rate)))


def test_auc_of_a_noisy_mouse_is_that_of_the_closed_form() -> None:
    """AUC .50 to .92: what a mouse with SD .5 about an avatar of SD 1 can tell of a patient, rho/sqrt(1 + .5^2).

    That is .92 where 10 % of patients respond, .90 where 20 % do. With avatars that differ in kill alone and calipers
    without error or detection limit, our trials have it at their own response rates.
    """
    attenuated = [rho / np.sqrt(1.0 + MOUSE_SD**2) for rho in CORRELATIONS]
    expected = [auc_of_a_normal_score(r, 0.1) for r in attenuated]
    assert expected == pytest.approx([0.50, 0.65, 0.74, 0.84, 0.92], abs=0.006)
    assert auc_of_a_normal_score(attenuated[-1], 0.2) == pytest.approx(0.90, abs=0.006)
    population = bare(hierarchy(40, 3))
    avatars = avatars_of(population, N)
    trial = emulate_trials(avatars, a_design(0.0, 3))
    for rho, r in zip(CORRELATIONS, attenuated, strict=True):
        patients = emulate_patients(avatars, population, np.zeros((1, N)), a_design(rho, 3))
        behind = patient_arms(patients, with_avatar_only=True)
        mice = mice_on_patient_scale(trial, patients, rule="gao2015_text", doubling="pct_sheet")
        for arm, seen in behind.items():
            found = FINISH["AUC"](paired_scores(mice[arm], seen)["AUC"])
            closed = auc_of_a_normal_score(r, float(seen.responded.mean()))
            error = np.nanstd(found) / np.sqrt(np.count_nonzero(~np.isnan(found)))
            assert np.nanmean(found) == pytest.approx(closed, abs=4.0 * error), (rho, arm)
            assert error < 0.015


def test_pooling_over_arms_makes_skill_of_nothing(tables: Tables) -> None:
    """T42: at correlation 0 the unstratified numbers look like skill, and stand beside the stratified ones only."""
    individual = tables[0.0][1]
    pooled = individual[individual["arm"] == "all, not stratified"]
    assert value(individual, "AUC", arm="all, not stratified") > 0.53
    assert value(individual, "Cohen_kappa", arm="all, not stratified") > 0.02
    assert pooled["method"].str.contains("differences between arms count as skill").all()
    for place in pooled.index:
        before = individual.loc[place - 1]
        assert (before["arm"], before["measure"]) == ("all", individual.loc[place, "measure"])
    assert individual["method"].str.contains("ASSUMED patients").all()


def cohort_arrays(cohort: Cohort) -> dict[str, np.ndarray]:
    linear = {name: getattr(cohort, name) for name in ("log_r", "log_kill", "log_spread")}
    return linear | {name: np.log(getattr(cohort, name)) for name in ("slowing", "wander_avatar")}


def test_patients_have_the_law_of_avatars_and_the_correlation_that_is_assumed() -> None:
    population = hierarchy(200, 2)
    avatars = avatars_of(population, 40)
    for rho in (0.0, 0.6, 1.0):
        levels = patient_levels(
            avatars,
            population,
            np.zeros((1, 40)),
            assumed_by(a_design(rho)),
            seed=1,
        )
        patients = cohort_arrays(levels.levels)
        for name, ours in cohort_arrays(avatars).items():
            theirs = patients[name]
            for drug in range(2 if ours.ndim > 2 else 1):
                a, b = (x[..., drug].ravel() if x.ndim > 2 else x.ravel() for x in (ours, theirs))
                assert np.corrcoef(a, b)[0, 1] == pytest.approx(rho, abs=0.04), name
                assert b.std() == pytest.approx(a.std(), rel=0.04), name
                assert b.mean() == pytest.approx(a.mean(), abs=0.04 * max(a.std(), 1e-9) + 1e-9), name
        if rho == 1.0:
            np.testing.assert_allclose(levels.levels.log_kill, avatars.log_kill, rtol=1e-12)


def test_patients_of_chosen_avatars_have_the_law_of_those_avatars() -> None:
    """Avatars chosen for strong kill: their patients have their mean and spread in every replicate, the hierarchy's
    lie far off."""
    population = hierarchy(300, 2)
    avatars = avatars_of(population, 60)
    strongest = np.argsort(avatars.log_kill[:, :, 0].mean(axis=0))[-20:]
    stratum = avatars.of([avatars.avatars[i] for i in strongest])
    stratum = dataclasses.replace(stratum, log_kill=stratum.log_kill + 2.0)
    for rho in (0.0, 0.6):
        levels = patient_levels(
            stratum, population, np.zeros((1, 20)), assumed_by(a_design(rho)), seed=1, chosen=True
        )
        for name, ours in cohort_arrays(stratum).items():
            theirs = cohort_arrays(levels.levels)[name]
            one, two = ((x - x.mean(axis=1, keepdims=True)).ravel() for x in (ours, theirs))
            assert np.corrcoef(one, two)[0, 1] == pytest.approx(rho, abs=0.05), name
            assert theirs.std(axis=1).mean() == pytest.approx(ours.std(axis=1).mean(), rel=0.05), name
            apart = (theirs - ours).mean(axis=1)
            assert abs(apart.mean()) < 5.0 * apart.std() / np.sqrt(apart.size) + 1e-9, name
    hierarchical = patient_levels(
        stratum, population, np.zeros((1, 20)), assumed_by(a_design(0.0)), seed=1
    ).levels
    assert hierarchical.log_kill.mean() < stratum.log_kill.mean() - 1.5


def test_who_engrafts_is_logistic_in_growth() -> None:
    """The clinic is the patients with an avatar and those without: their odds of having one follow the logit line."""
    population, rate, slope = hierarchy(400, 1), 0.6, 0.9
    avatars = avatars_of(population, 30)
    assumed = assumed_by(a_design(0.5, 1, take_rate=rate, take_slope=slope))
    levels = patient_levels(avatars, population, np.zeros((1, 30)), assumed, seed=1)
    growth, taken = levels.levels.log_r, levels.n_paired
    assert growth.shape[1] == 50
    mean, sd = np.log(0.06), 0.3
    without = growth[:, taken:].ravel()
    assert without.mean() == pytest.approx(mean - slope * sd, abs=0.01)
    assert without.std() == pytest.approx(sd, rel=0.03)
    x = np.linspace(mean - 0.6, mean + 0.6, 9)
    odds = (
        rate * scipy.stats.norm(mean, sd).pdf(x) / ((1 - rate) * scipy.stats.norm(without.mean(), sd).pdf(x))
    )
    assert np.polyfit(x, np.log(odds), 1)[0] * sd == pytest.approx(slope, rel=0.05)


def drawn_of(cohort: Cohort, **values: float) -> dict[str, np.ndarray]:
    given = {"days_per_mouse_day": 1.0, "residual_logit": -30.0} | values
    return {name: np.full(cohort.log_r.shape, one) for name, one in given.items()}


def test_time_scale_stroma_and_lost_clones_in_closed_form() -> None:
    avatars = avatars_of(hierarchy(3, 2), 5)
    still = dataclasses.replace(
        avatars, deceleration_avatar=np.zeros((3, 5)), log_spread=np.full((3, 5, 2), -40.0)
    )
    days, none = np.array([0.0, 20.0, 60.0]), np.zeros((3, 5))
    rate = np.exp(still.log_r) * np.exp(-still.slowing[..., 0]) - np.exp(still.log_kill[..., 0])
    bare = relative_volumes(still, "d0", days, drawn_of(still), none, 1)
    np.testing.assert_allclose(bare, np.exp(rate[..., None] * days), rtol=1e-6)
    scarred = relative_volumes(still, "d0", days, drawn_of(still, residual_logit=-1.0), none, 1)
    share = 1 / (1 + np.e)
    np.testing.assert_allclose(scarred, share + (1 - share) * bare, rtol=1e-9)
    lost = relative_volumes(still, "d0", days, drawn_of(still), none + 0.01, 1)
    free = np.exp(np.exp(still.log_r)[..., None] * days)
    np.testing.assert_allclose(lost, 0.99 * bare + 0.01 * free, rtol=1e-9)


def of_two_clones() -> Cohort:
    return cohort_from_posterior(read_netcdf(FROZEN, kind="posterior"), 3, seed=1)


@pytest.mark.parametrize("kinetics", ["two_clone", *KILL_LAWS])
def test_every_rate_of_a_tumour_is_over_the_time_scale(kinetics: str) -> None:
    """A patient at 4 days a mouse day is on day 4 t what the mouse is on day t, the fading of a kill too."""
    if kinetics == "two_clone":
        cohort, arm = of_two_clones(), "encorafenib + binimetinib"
    else:
        cohort, arm = dataclasses.replace(avatars_of(hierarchy(3, 2), 5), kinetics=kinetics), "d0 + d1"
    days, none = np.array([0.0, 20.0, 60.0]), np.zeros(cohort.log_r.shape)
    mouse = relative_volumes(cohort, arm, days, drawn_of(cohort), none, 1)
    slow = relative_volumes(cohort, arm, 4.0 * days, drawn_of(cohort, days_per_mouse_day=4.0), none, 1)
    np.testing.assert_allclose(slow, mouse, rtol=1e-9)
    assert np.abs(np.log(mouse[..., -1])).max() > 0.5


def test_a_clone_is_lost_as_often_as_no_founder_has_it() -> None:
    """Share (1 - f)^n; only patients whose avatar lost the clone regrow from it."""
    population = hierarchy(300, 1)
    avatars = avatars_of(population, 20)
    no_and_lost: list[dict[str, Any]] = [{}, {"lost_clone_share": 0.01, "founder_cells": 100.0}]
    plain, with_clone = (
        emulate_patients(avatars, population, np.zeros((1, 20)), a_design(1.0, 1, **more))
        for more in no_and_lost
    )
    moved = (plain["sld_mm"] != with_clone["sld_mm"]).any(["arm", "assessment"])
    assert float(moved.mean()) == pytest.approx(0.99**100, abs=0.03)


def test_a_patient_does_not_depend_on_who_else_is_there_and_lesions_sum() -> None:
    population = hierarchy(4, 2)
    avatars = avatars_of(population, 6)
    design = a_design(0.5, 2, lesions=3, lesion_correlation=0.7, sld_error=0.05)
    whole = emulate_patients(avatars, population, np.zeros((1, 6)), design)
    part = emulate_patients(avatars.of(avatars.avatars[2:4]), population, np.zeros((1, 2)), design)
    xr.testing.assert_allclose(whole.isel(patient=slice(2, 4))["sld_mm"], part["sld_mm"], rtol=1e-12)
    alike = emulate_patients(avatars, population, np.zeros((1, 6)), a_design(0.5, 2, lesions=3))
    single = emulate_patients(avatars, population, np.zeros((1, 6)), a_design(0.5, 2))
    for found in (alike, single):
        found["relative"] = found["sld_mm"] / found["sld_mm"].isel(assessment=0)
    np.testing.assert_allclose(alike["relative"], single["relative"], rtol=1e-9)
    assert EXCLUDED in whole.attrs["scenario"]
    assert "Assumed, not calibrated on any patient" in whole.attrs["scenario"]


DAY = np.array([0.0, 56.0, 112.0, 168.0, 224.0])


@pytest.mark.parametrize(
    ("sld", "gone", "confirmed", "unconfirmed", "day", "event"),
    [
        ([100, 60, 65, 70, 71], [], "PR", "PR", 224, False),
        ([100, 60, 90, 95, 95], [], "PD before PR", "PR", 112, True),
        ([100, 10, 3, 3, 3], [2, 3, 4], "CR", "CR", 224, False),
        ([100, 10, 3, 9, 9], [2], "PR", "CR", 168, True),
        ([100, 125, 130, 130, 130], [], "PD", "PD", 56, True),
        ([100, 98, 99, 97, 98], [], "SD", "SD", 224, False),
        ([20, 13, 13, 16, 17], [], "PR", "PR", 224, False),
        ([100, 60, np.nan, np.nan, np.nan], [], "SD", "PR", 56, False),
        ([100, np.nan, np.nan, np.nan, np.nan], [], "", "", 0, False),
    ],
)
def test_recist_by_hand(
    sld: list[float], gone: list[int], confirmed: str, unconfirmed: str, day: float, event: bool
) -> None:
    """Nadir and 5 mm rule, confirmation, progression before confirmation, what leaves early."""
    vanished = np.isin(np.arange(5), gone)
    strict = recist(DAY, sld, vanished, variant="recist11_confirmed")
    lax = recist(DAY, sld, vanished, variant="recist11_unconfirmed")
    assert str(strict.category) == {"PD before PR": "SD"}.get(confirmed, confirmed)
    assert str(lax.category) == unconfirmed
    assert (float(lax.time_days), bool(lax.progressed)) == (day, event)


def test_a_new_lesion_is_progression_at_the_next_assessment() -> None:
    found = recist(
        DAY, [100, 60, 50, 45, 45], np.zeros(5, bool), new_lesion_day=60.0, variant="recist11_confirmed"
    )
    assert (float(found.time_days), bool(found.progressed), str(found.category)) == (112.0, True, "SD")
    with pytest.raises(ValueError, match="recist11_confirmed"):
        recist(DAY, [100] * 5, np.zeros(5, bool), variant="recist")


def test_measures_over_arms_are_those_of_r() -> None:
    """Kendall and Lin from shared reference values; slope by least squares; ranks as scipy."""
    x, y = (np.array(R["paired_vectors"][name], dtype=float) for name in "xy")
    assert kendall_over_arms(x, y) == pytest.approx(R["paired_vectors"]["kendall"]["est"], abs=1e-8)
    lin = R["paired_vectors"]["lin"]["lin_ccc_pop_var"]
    assert concordance_over_arms(x, y) == pytest.approx(lin, abs=1e-8)
    assert spearman_over_arms(x, y) == pytest.approx(R["paired_vectors"]["spearman"]["est"], abs=1e-8)
    assert calibration_slope(x, y) == pytest.approx(np.polyfit(x, y, 1)[0], abs=1e-10)
    tied = np.array([[1.0, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]])
    expected = [scipy.stats.kendalltau(row, [1, 2, 2, 3]).statistic for row in tied]
    np.testing.assert_allclose(kendall_over_arms(tied, [1, 2, 2, 3]), expected)
    assert np.isnan(kendall_over_arms([1.0, 2.0], [1.0, 2.0]))


def test_weighted_kappa_is_cohens_and_not_defined_on_a_constant_margin() -> None:
    rng = np.random.Generator(np.random.Philox(1))
    a, b = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    table = np.array([[np.sum((a == i) & (b == j)) for j in range(4)] for i in range(4)])
    ours = association.ratio(association.weighted_agreement(a.astype(float), b.astype(float), np.ones(200)))
    assert ours == pytest.approx(cohen_kappa(table, weights="linear").kappa, abs=1e-12)
    same = association.weighted_agreement(np.zeros(200), b.astype(float), np.ones(200))
    assert np.isnan(association.ratio(same))


def test_left_out_rates_use_nothing_of_the_pair_itself() -> None:
    call, seen = np.array([True, True, True, False, False]), np.array([True, False, True, False, False])
    rates = association.left_out_rate(call, seen, np.ones(5))
    for i in range(5):
        other = np.arange(5) != i
        rate = (seen[other].sum() + 0.5) / 5
        mates = other & (call == call[i])
        assert rates[i] == pytest.approx((seen[mates].sum() + rate) / (mates.sum() + 1))


def test_regret_by_hand() -> None:
    score = np.array([[3.0, 1.0], [1.0, 2.0], [np.nan, 1.0], [1.0, 1.0]])
    outcome = np.array([[10.0, 4.0], [9.0, 5.0], [1.0, 2.0], [8.0, 2.0]])
    lost, n = regret(score, outcome)
    assert (float(lost), float(n)) == (4.0 + 3.0, 3.0)
    assert float(regret(outcome, outcome)[0]) == 0.0
    assert blind_score(outcome).tolist() == [[7.0, 3.25]]


def test_pit_deviation_is_the_kolmogorov_distance() -> None:
    rng = np.random.Generator(np.random.Philox(2))
    predictive, seen = rng.normal(size=4000), rng.normal(0.3, 1.2, size=50)
    expected = scipy.stats.ks_2samp(predictive, seen).statistic
    assert pit_deviation(predictive, seen) == pytest.approx(expected, abs=1e-3)


def outcomes(category: list[str], depth: list[float], time: list[float]) -> ArmOutcomes:
    known = np.ones((1, len(time)), dtype=bool)
    return ArmOutcomes(np.array([category]), np.array([depth]), np.array([time]), known)


def test_three_mice_count_by_their_median_call() -> None:
    mice = [
        outcomes([c], [d], [t]) for c, d, t in (("PR", -60.0, 50.0), ("PD", 40.0, 10.0), ("SD", -30.0, 30.0))
    ]
    together = of_several_mice(mice)
    assert together.category.tolist() == [["SD"]]
    assert (together.depth_pct.item(), together.time_days.item()) == pytest.approx((-50 / 3, 30.0))
    with pytest.raises(ValueError, match="odd number"):
        of_several_mice(mice[:2])


def made_arms(factor: float = 1.0) -> dict[str, ArmOutcomes]:
    """Exponential times with medians of 80 and 120 days in 400 subjects, 20 trials."""
    rng = np.random.Generator(np.random.Philox(4))
    arms = {}
    for name, median, rate in (("encorafenib", 80.0, 0.5), ("binimetinib + encorafenib", 120.0, 0.64)):
        time = factor * rng.exponential(median / np.log(2), size=(20, 800))
        responded = rng.random((20, 800)) < rate
        depth = np.where(responded, -60.0, -10.0)
        arms[name] = ArmOutcomes(np.where(responded, "PR", "SD"), depth, time, np.ones((20, 800), dtype=bool))
    return arms


def test_a_scale_from_one_arm_is_tested_on_the_other() -> None:
    """Median 9.6 months from 80 days is 3.65; 120 days then foresee 14.4 of 14.9, in any unit of time."""
    card = load_benchmark("columbus")
    frames = [
        against_benchmark(made_arms(f), card, subjects=MICE, scale="days", scale_from="encorafenib")
        for f in (1.0, 0.2)
    ]
    for frame in frames:
        fitted = frame[(frame["arm"] == "encorafenib") & (frame["measure"] == "median_PFS_months")].iloc[0]
        assert fitted["emulated"] == pytest.approx(9.6, rel=0.01)
        assert "FITTED to this number, no test" in fitted["method"]
        tested = frame[(frame["arm"] != "encorafenib") & (frame["measure"] == "median_PFS_months")].iloc[0]
        assert "FITTED" not in tested["method"]
        assert tested["emulated"] == pytest.approx(14.4, rel=0.06)
        ratio = frame[frame["measure"] == "hazard_ratio"].iloc[0]
        assert ratio["emulated"] == pytest.approx(80 / 120, rel=0.06)
        assert (ratio["published"], ratio["published_lower"], ratio["basis"]) == (0.75, 0.56, "recalled")
        assert ratio["covered"]
        assert (frame.loc[frame["measure"] == "order_of_ORR", "emulated"] == 1.0).all()
    declared = against_benchmark(made_arms(), card, subjects=MICE, scale="3.5 days a mouse day")
    assert declared["method"].str.contains("declared: 3.5 days a mouse day").all()
    with pytest.raises(ValueError, match="no arm in common"):
        against_benchmark({"other": made_arms()["encorafenib"]}, card, subjects=MICE, scale="days")


def test_every_benchmark_says_where_its_numbers_are_from() -> None:
    assert {"flaura", "columbus", "combi_d", "cobrim", "aura3"} <= set(known("benchmarks"))
    for name in known("benchmarks"):
        card = load_benchmark(name)
        numbers = [
            n for arm in card.arms for n in (arm.orr, arm.depth_pct, arm.median_pfs_months) if n is not None
        ]
        numbers += [ratio.hazard_ratio for ratio in card.hazard_ratios]
        assert card.citation
        assert card.scale == "diameter"
        for number in numbers:
            assert (number.basis == "recalled") == (number.source == "from memory, not looked up")


def test_a_readers_own_patients_become_a_benchmark(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    rows = [f"{arm},{k * step},1" for arm, step in (("A", 1.0), ("B + A", 2.0)) for k in range(1, 40)]
    file.write_text("arm,time_months,event\n" + "\n".join(rows) + "\n")
    table = read_clinical(file)
    card = recomputed(table.months, table.event, table.source)
    first, second = card.arms
    assert (first.name, second.name, first.n) == ("A", "A + B", 39)
    assert first.median_pfs_months is not None
    assert (first.median_pfs_months.value, first.median_pfs_months.basis) == (20.0, "recomputed")
    (ratio,) = card.hazard_ratios
    assert ratio.hazard_ratio.value > 1.0
    file.write_text("arm,time_months,event\nA,-1,1\nA,x,2\n")
    with pytest.raises(InputError) as refused:
        read_clinical(file)
    assert [problem.line for problem in refused.value.problems] == [2, 3, 3]
    file.write_text("arm,months\nA,1\n")
    with pytest.raises(InputError, match="no column time_months, event"):
        read_clinical(file)


def test_a_design_of_patients_says_what_it_cannot_be(tmp_path: Path) -> None:
    design = load_design("columbus_melanoma")
    assert design.patients is not None
    assert design.patients.parameters["latent_correlation"] == 0.5
    text = "trial_designs/columbus_melanoma.toml"
    source = (Path(__file__).parents[2] / text).read_text()
    for old, new, told in (
        ("latent_correlation = 0.5", "latent_correlation = 1.5", "between 0 and 1"),
        ("latent_correlation = 0.5", "", "needs latent_correlation"),
        ("sld_error = 0.04", "sld_eror = 0.04", "has no sld_eror"),
        ('response = "recist11_confirmed"', 'response = "mrecist"', "recist11_confirmed"),
    ):
        file = tmp_path / "d.toml"
        file.write_text(source.replace(old, new))
        with pytest.raises(InputError, match=told):
            load_design(file)
    with pytest.raises(InputError, match="no \\[patients\\]"):
        emulate_patients(
            avatars_of(hierarchy(2, 1), 2),
            hierarchy(2, 1),
            np.zeros((1, 2)),
            a_design(0.5, 1).model_copy(update={"patients": None}),
        )


def test_a_law_by_avatar_gives_every_patient_its_own() -> None:
    law = Assumed(
        distribution="lognormal", location=3.5, scale=0.5, by="avatar", unit="", meaning="", source="assumed"
    )
    design = a_design(0.5, 1)
    assert design.patients is not None
    design = design.model_copy(update={"patients": design.patients.at(days_per_mouse_day=law)})
    population = hierarchy(50, 1)
    found = emulate_patients(avatars_of(population, 20), population, np.zeros((1, 20)), design)
    scale = np.log(found["days_per_mouse_day"].values)
    assert scale.mean() == pytest.approx(np.log(3.5), abs=0.05)
    assert scale.std(axis=1).min() > 0.2
