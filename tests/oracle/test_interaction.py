"""Interactions of combinations against what is known: planted exponents, sums written out, the trial emulator."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from avatar_trials.card_files import load_interactions
from avatar_trials.emulate import cohort_from_posterior, emulate_trials
from avatar_trials.emulate.one_arm import interacting, latent_curves, new_mice
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.evidence.combinations import study_of
from avatar_trials.evidence.interaction import (
    Emulated,
    emulated_combinations,
    grid_log_likelihood,
    volumes_at,
)
from avatar_trials.evidence.interaction_verdict import (
    EXPLAINED,
    MORE,
    WORSE,
    log_likelihood_of_shifts,
    verdict_of,
)
from avatar_trials.evidence.interaction_weights import weights_of
from avatar_trials.evidence.latent_predictors import (
    ADDITIVE,
    HIGHEST,
    LATENT_BEST,
    rule_outcomes,
    single_outcomes,
)
from avatar_trials.evidence.outcome_density import log_density, log_relative_depth
from avatar_trials.intake import GrowthTable
from avatar_trials.interaction_cards import InteractionCard
from avatar_trials.kinetics.combination import shared_slowing
from tests.graded_posterior import (
    COMBINATIONS,
    a_singles_posterior,
    graded_design,
    observed_mice,
)
from tests.random_cohort import random_cohort

CARD = load_interactions("pathways")
FEW = ("A + B", "A + C", "B + D")


def coarse(steps: int = 7) -> InteractionCard:
    """The card on fewer points: etas -1.5, -0.75, ... 3."""
    grid = CARD.grid.model_copy(update={"eta": (-1.5, 3.0), "eta_steps": steps})
    return CARD.model_copy(update={"grid": grid})


def emulated(table: GrowthTable, draws: int = 120) -> list[Emulated]:
    study = study_of(table, rule="pct_sheet")
    return emulated_combinations(a_singles_posterior(), study, graded_design(), draws=draws, seed=5)


@cache
def learnt_mean(eta: float) -> tuple[float, float]:
    """Mean and SD of a combination's exponent by the others', all planted alike."""
    card = coarse()
    found = emulated(observed_mice(a_singles_posterior(), eta, combinations=COMBINATIONS[:4]))
    told = np.array([grid_log_likelihood(one, card).sum(axis=-1) for one in found])
    weights = weights_of(told, [("CM", one.combination.arm) for one in found], card)
    of_eta = weights.without.mean(axis=0)
    mean = float(of_eta @ card.grid.etas)
    return mean, math.sqrt(float(of_eta @ card.grid.etas**2) - mean**2)


@pytest.mark.parametrize("eta", [0.0, 1.5])
def test_a_planted_exponent_is_found_by_the_other_combinations(eta: float) -> None:
    mean, sd = learnt_mean(eta)
    assert abs(mean - eta) < 0.6
    assert sd < 0.9 * CARD.priors["eta"].scale


def test_exponents_that_differ_are_told_apart() -> None:
    assert learnt_mean(1.5)[0] - learnt_mean(0.0)[0] > 0.6


def test_one_arm_is_the_arm_of_a_whole_trial_bit_for_bit() -> None:
    cohort = cohort_from_posterior(a_singles_posterior(), 6, seed=3)
    trial = emulate_trials(cohort, graded_design(), seed=9)
    mice = new_mice(cohort, graded_design(), seed=9)
    for arm in ("untreated", "C"):
        np.testing.assert_array_equal(mice.volumes(arm), trial["volume_mm3"].sel(arm=arm).values)
    both = graded_design(arms=[{"name": "A + B"}])
    told = interacting(cohort, "B + A", 0.7, 0.25)
    expected = emulate_trials(told, both, seed=9)["volume_mm3"].values[:, :, 0]
    np.testing.assert_array_equal(mice.volumes("A + B", eta=0.7, overlap=0.25), expected)


def test_the_better_drug_is_chosen_by_the_avatar_and_not_by_its_mouse() -> None:
    cohort = cohort_from_posterior(a_singles_posterior(), 40, seed=3)
    mice = new_mice(cohort, graded_design(), seed=9)
    days = mice.days
    curves = {drug: latent_curves(cohort, drug, days) for drug in ("A", "B")}
    found = mice.volumes_under_better_drug("A + B")
    for t, i in itertools.product(range(40), range(len(cohort.avatars))):
        reach = {}
        for drug, curve in curves.items():
            doubled = np.flatnonzero(curve[t, i] >= math.log(2))
            reach[drug] = days[doubled[0]] if len(doubled) else np.inf
        if reach["A"] != reach["B"]:
            better = max(reach, key=lambda drug: reach[drug])
            np.testing.assert_array_equal(found[t, i], mice.volumes(better)[t, i])
            break
    lucky = np.fmin(np.nanmin(mice.volumes("A"), axis=-1), np.nanmin(mice.volumes("B"), axis=-1))
    assert np.nanmin(found, axis=-1).mean() > lucky.mean()


def test_the_latent_curve_is_the_mouse_without_luck() -> None:
    """Growth, slowing and a gamma-spread kill, decelerating above the start, by plain arithmetic."""
    cohort = cohort_from_posterior(a_singles_posterior(), 2, seed=3)
    days = np.array([0.0, 10.0, 50.0])
    found = latent_curves(cohort, "B", days)
    for t, i in itertools.product(range(2), range(3)):
        growth = math.exp(cohort.log_r[t, i] - cohort.slowing[t, i, 1])
        follows = cohort.population["beta_growth"][t] * (cohort.log_r[t, i] - cohort.population["mu_r"][t])
        kill = math.exp(cohort.log_kill[t, i, 1] + follows)
        spread = math.exp(cohort.log_spread[t, i, 1])
        c = cohort.deceleration_avatar[t, i]
        for day, value in zip(days, found[t, i], strict=True):
            m = growth * day - kill / spread * math.log1p(spread * day)
            assert value == pytest.approx(min(m, 0) + math.log1p(c * max(m, 0)) / c, abs=1e-12)


FLOOR, END = -2.6, 56.0


def outcomes_of(depth: Any, days: Any, doubled: Any) -> ArmOutcomes:
    """Outcomes of log relative depths; at FLOOR nothing is left of the tumour."""
    depth = np.atleast_2d(np.asarray(depth, dtype=float))
    depth = np.where(depth <= FLOOR, -np.inf, depth)
    return ArmOutcomes(
        category=np.full(depth.shape, "SD"),
        depth_pct=100.0 * np.expm1(depth),
        time_days=np.broadcast_to(np.asarray(days, dtype=float), depth.shape),
        doubled=np.broadcast_to(np.asarray(doubled, dtype=bool), depth.shape),
    )


def drawn_outcomes() -> ArmOutcomes:
    """300 draws of two avatars: some at the floor, some that doubled, left or stayed, one without a depth."""
    rng = np.random.default_rng(2)
    depth = np.maximum(rng.normal(-1.8, 0.9, (300, 2)), FLOOR)
    days = np.minimum(np.exp(rng.normal(3.2, 0.6, (300, 2)) - 0.1 * depth), 60.0)
    doubled = (days < 60.0) & (rng.random((300, 2)) < 0.7)
    depth[3, 0] = np.nan
    return outcomes_of(depth, days, doubled)


def silverman(values: np.ndarray, narrowest: float) -> float:
    q75, q25 = np.quantile(values, [0.75, 0.25])
    spread = min(values.std(ddof=1), (q75 - q25) / 1.349)
    return max(0.96 * spread * len(values) ** (-1 / 6), narrowest)


@pytest.mark.parametrize(
    ("y", "day", "doubled"),
    [(-2.5, 20.0, True), (-1.0, 9.0, True), (-1.0, 30.0, False), (-2.0, 58.0, False), (-2.6, 41.0, True)],
)
def test_the_density_of_a_mouse_is_the_sum_written_out(y: float, day: float, doubled: bool) -> None:
    """Draw by draw, over pairs of depth and time, for the first avatar."""
    drawn = drawn_outcomes()
    depths, days = log_relative_depth(drawn.depth_pct, FLOOR), drawn.time_days
    above = depths[:, 0][np.isfinite(depths[:, 0]) & (depths[:, 0] > FLOOR)]
    h = silverman(above, 0.02)

    def fate(of_day: float, of_doubled: bool) -> str:
        return "doubled" if of_doubled else "stayed" if of_day >= END else "left"

    fates = np.array([[fate(days[t, i], drawn.doubled[t, i]) for i in range(2)] for t in range(300)])
    g = silverman(np.log(days[fates[:, 0] != "stayed", 0]), 0.1)
    total = 0.0
    for depth, at, what in zip(depths[:, 0], days[:, 0], fates[:, 0], strict=True):
        if np.isnan(depth) or what != fate(day, doubled):
            continue
        low = depth <= FLOOR
        if y > FLOOR:
            of_depth = 0.0 if low else stats.norm.pdf(y, depth, h) + stats.norm.pdf(y, 2 * FLOOR - depth, h)
        else:
            of_depth = 1.0 if low else 0.0
        total += of_depth * (1.0 if what == "stayed" else stats.norm.pdf(math.log(day), math.log(at), g))
    everyone = depths[np.isfinite(depths)]
    wide = stats.t(4, everyone.mean(), everyone.std(ddof=1)).pdf(y)
    if y <= FLOOR:
        wide = (np.count_nonzero(everyone <= FLOOR) + 1) / (len(everyone) + 1)
    alike = np.log(days[fates == fate(day, doubled)])
    wide *= (len(alike) + 1) / (600 + 3)
    if fate(day, doubled) != "stayed":
        wide *= stats.t(4, alike.mean(), alike.std(ddof=1)).pdf(math.log(day))
    observed = outcomes_of([[y, y]], day, doubled)
    found = log_density(drawn, observed, floor=FLOOR, end=END)[0]
    assert found == pytest.approx(math.log((total + wide) / 301), rel=1e-9)


def test_the_density_of_all_mice_there_can_be_is_one() -> None:
    """Summed over depths, days and fates; the same avatar many times, so that all depths are asked at once."""
    one = drawn_outcomes()
    deep = np.concatenate([[FLOOR], np.linspace(FLOOR, 6.0, 150)[1:]])
    late = np.exp(np.linspace(0.0, 9.0, 120))
    drawn = ArmOutcomes(*(np.repeat(getattr(one, f.name)[:, 1:], len(deep), axis=1) for f in fields(one)))
    step, total = math.log(late[1] / late[0]), 0.0
    for doubled, days in ((True, late), (False, late[late < END]), (False, [END])):
        for day in days:
            seen = np.exp(log_density(drawn, outcomes_of(deep, day, doubled), floor=FLOOR, end=END))
            of_depth = seen[0] + integrate.trapezoid(seen[1:], deep[1:])
            total += of_depth * (1.0 if not doubled and day >= END else step)
    assert total == pytest.approx(1.0, abs=0.03)


def test_an_unknown_time_leaves_the_depth_and_an_unknown_mouse_is_certain() -> None:
    drawn, nothing = drawn_outcomes(), outcomes_of([[np.nan, np.nan]], np.nan, False)
    np.testing.assert_array_equal(log_density(drawn, nothing, floor=FLOOR, end=END), 0.0)
    deep = np.linspace(FLOOR + 1e-9, 10.0, 900)
    of_depth = [
        math.exp(log_density(drawn, outcomes_of([[y, y]], np.nan, False), floor=FLOOR, end=END)[0])
        for y in deep
    ]
    lump = math.exp(log_density(drawn, outcomes_of([[FLOOR, 0.0]], np.nan, False), floor=FLOOR, end=END)[0])
    assert lump + integrate.trapezoid(of_depth, deep) == pytest.approx(1.0, abs=0.01)
    assert log_relative_depth([-100.0, -50.0, 20.0], FLOOR) == pytest.approx(
        [FLOOR, math.log(0.5), math.log(1.2)]
    )


def test_times_to_doubling_tell_more_of_a_planted_exponent() -> None:
    """Weights of the exponent by each combination's own mice, with their times and by depth alone.

    With times they are narrower, and the truth has more of them.
    """
    card, eta = coarse(), 0.75
    etas, truth = card.grid.etas, int(np.argmin(np.abs(card.grid.etas - eta)))
    spread: dict[str, list[float]] = {"both": [], "depth": []}
    of_truth: dict[str, list[float]] = {"both": [], "depth": []}
    for one in emulated(observed_mice(a_singles_posterior(), eta)):
        seen = one.combination.mice.combination
        untimed = replace(seen, time_days=np.full_like(seen.time_days, np.nan))
        told = {"both": np.zeros(len(etas)), "depth": np.zeros(len(etas))}
        for place, at in enumerate(etas):
            drawn = one.outcomes(volumes_at(one, at, card))
            for name, mice in (("both", seen), ("depth", untimed)):
                told[name][place] = log_density(drawn, mice, floor=one.floor, end=one.end).sum()
        for name, values in told.items():
            weight = np.exp(values - values.max())
            weight /= weight.sum()
            spread[name].append(math.sqrt(weight @ etas**2 - (weight @ etas) ** 2))
            of_truth[name].append(math.log(weight[truth]))
    assert np.mean(spread["both"]) < 0.95 * np.mean(spread["depth"])
    assert np.mean(of_truth["both"]) > 0.1 + np.mean(of_truth["depth"])


def test_the_likelihood_of_a_grid_has_the_times_in_it() -> None:
    card = coarse()
    table = observed_mice(a_singles_posterior(), 0.75, combinations=FEW)
    one = emulated(table)[0]
    seen = one.combination.mice.combination
    later = replace(seen, time_days=seen.time_days * 0.5, doubled=np.ones_like(seen.doubled))
    mice = replace(one.combination.mice, combination=later)
    moved = replace(one, combination=replace(one.combination, mice=mice))
    change = grid_log_likelihood(moved, card).sum(axis=-1) - grid_log_likelihood(one, card).sum(axis=-1)
    assert np.ptp(change) > 1.0


def test_weights_are_the_integrals_written_out() -> None:
    """Three combinations of two relations and two types, by 300,000 plain draws of every prior: within 4 standard
    errors of those (0.01 at most), the cells of the means being 0.1 wide."""
    card = coarse(4)
    arms = [
        ("CM", "encorafenib + binimetinib"),
        ("CRC", "BKM120 + BYL719"),
        ("CM", "BKM120 + encorafenib"),
    ]
    relations = ["same pathway", "same pathway", "parallel pathways"]
    assert [card.relation(arm) for _, arm in arms] == relations
    told = np.random.default_rng(1).normal(0, 2, (3, 4))
    rng, n = np.random.default_rng(7), 300_000

    def lognormal(name: str) -> np.ndarray:
        return card.priors[name].location * np.exp(card.priors[name].scale * rng.standard_normal(n))

    mu = card.priors["eta"].location + card.priors["eta"].scale * rng.standard_normal(n)
    of_relation = {
        name: card.priors["eta_relation"].scale * rng.standard_normal(n) for name in set(relations)
    }
    tau, of_types = lognormal("eta_combination_sd"), lognormal("eta_type_sd")
    of_type = {name: of_types * rng.standard_normal(n) for name in ("CM", "CRC")}
    means = [mu + of_relation[r] + of_type[name] for r, (name, _) in zip(relations, arms, strict=True)]
    edges = np.array([-np.inf, *((card.grid.etas[1:] + card.grid.etas[:-1]) / 2), np.inf])
    cells = [np.diff(stats.norm.cdf((edges[:, None] - mean) / tau), axis=0) for mean in means]
    said = [np.exp(told[i]) @ cells[i] for i in (1, 2)]
    expected = cells[0] @ (said[0] * said[1])
    found = weights_of(told, arms, card)
    np.testing.assert_allclose(found.without[0], expected / expected.sum(), atol=0.01)
    own_too = found.without[0] * np.exp(told[0])
    np.testing.assert_allclose(found.with_own[0], own_too / own_too.sum(), rtol=1e-8)


def test_nothing_told_leaves_the_prior() -> None:
    arms = [("CM", "A + B"), ("CM", "encorafenib + trametinib"), ("CRC", "BKM120 + LEE011")]
    weights = weights_of(np.zeros((3, 23)), arms, CARD)
    np.testing.assert_allclose(weights.without, np.broadcast_to(weights.prior, (3, 23)), atol=1e-3)
    np.testing.assert_allclose(weights.contraction(CARD.grid.etas), 0.0, atol=0.01)
    assert weights.prior.sum() == pytest.approx(1.0)


def test_one_exponent_says_what_drugs_are_to_each_other() -> None:
    """Slowings add where kills do, the stronger drug is left at the end, and beyond it both lose by the card."""
    np.testing.assert_allclose(shared_slowing(np.array([0.5, 1.0, 2.0])), [1.0, 1.0, math.sqrt(2) - 1])
    assert shared_slowing(1e6) == pytest.approx(0.0, abs=1e-6)
    np.testing.assert_allclose(CARD.grid.hindrance_at(np.array([-1.0, 1.5, 4.0])), [0.0, 0.0, 1.25])
    (one,) = emulated(observed_mice(a_singles_posterior(), 0.0, combinations=("A + B",)))
    cohort = one.mice.cohort
    weaker = interacting(cohort, "A + B", 2.5, 0.1, 0.5)
    np.testing.assert_allclose(weaker.log_kill, cohort.log_kill - 0.5)
    np.testing.assert_allclose(weaker.slowing, cohort.slowing * math.exp(-0.5))
    expected = one.mice.volumes("A + B", eta=2.5, overlap=shared_slowing(math.exp(2.5)), hindrance=0.5)
    np.testing.assert_array_equal(volumes_at(one, 2.5, CARD), expected)
    depth = [np.nanmean(one.outcomes(volumes_at(one, eta, CARD)).depth_pct) for eta in CARD.grid.etas[::4]]
    assert (np.diff(depth) > 0).all()


def test_rules_are_in_their_order_of_kill() -> None:
    """Bliss shrinks more than the highest single agent and than the latently better drug, as in the mice it made."""
    (one,) = emulated(observed_mice(a_singles_posterior(), 0.0, combinations=("A + B",)))
    depth = {name: float(np.nanmean(drawn.depth_pct)) for name, drawn in rule_outcomes(one).items()}
    assert depth[ADDITIVE] < min(depth[HIGHEST], depth[LATENT_BEST]) - 5.0


def test_verdicts_on_arms_whose_truth_is_known() -> None:
    tree = a_singles_posterior()
    synergy = observed_mice(tree, -1.0, overlap=1.0, combinations=("A + B",))
    (one,) = emulated(synergy)
    independent, alone = rule_outcomes(one)[LATENT_BEST], single_outcomes(one)
    found = verdict_of(one, independent, alone, CARD)
    assert abs(found.single_agents_shift) < 0.4
    assert (found.verdict, found.shift < 0) == (MORE, True)

    rows = synergy.rows.copy()
    singles = observed_mice(tree, 0.0, seed=78, combinations=()).rows

    def instead(arm: str) -> GrowthTable:
        mice = singles[singles["arm"] == arm].assign(arm="A + B")
        kept = rows[rows["arm"] != "A + B"]
        return GrowthTable(
            pd.concat([kept, mice], ignore_index=True), synergy.avatars, (), "mice.csv", "", True
        )

    (worse,) = emulated(instead("untreated"))
    assert verdict_of(worse, independent, alone, CARD).verdict == WORSE
    misfit = verdict_of(worse, alone[0], [independent, independent], CARD)
    assert misfit.single_agents_shift == pytest.approx(
        np.mean(
            [_shift(one.depths(independent), one.depths(seen)[0]) for seen in one.combination.mice.alone]
        ),
        abs=0.02,
    )
    means = {drug: one.mice.cohort.log_kill[:, :, one.mice.cohort.drugs.index(drug)].mean() for drug in "AB"}
    (same,) = emulated(instead(max(means, key=lambda drug: means[drug])))
    assert verdict_of(same, independent, alone, CARD).verdict in (EXPLAINED, WORSE)


def test_mice_of_independent_action_are_explained_by_it_nine_times_in_ten() -> None:
    """Its own emulated mice, one set after another: the probability is uniform, 80 % of them between 0.1 and 0.9."""
    (one,) = emulated(observed_mice(a_singles_posterior(), 0.0, combinations=("A + B",)))
    drawn = one.depths(rule_outcomes(one)[LATENT_BEST])
    shifts = np.linspace(-4, 4, 401)
    found = []
    for k in range(100):
        rest = np.delete(drawn, k, axis=0)
        weight = np.exp(log_likelihood_of_shifts(rest, drawn[k], shifts))
        found.append(weight[shifts < 0].sum() / weight.sum())
    inside = np.mean([0.1 < p < 0.9 for p in found])
    assert 0.65 < inside < 0.95
    assert abs(np.mean(found) - 0.5) < 0.12


def test_a_shift_is_of_normal_deviates_and_no_avatar_counts_for_being_foreseen_narrowly() -> None:
    rng = np.random.default_rng(4)
    drawn = rng.normal(0, 1, (4000, 3)) * np.array([0.01, 1.0, 5.0])
    observed = np.array([-0.01, 0.5, 5.0])
    shifts = np.linspace(-3, 3, 601)
    likelihood = log_likelihood_of_shifts(drawn, observed, shifts)
    assert shifts[likelihood.argmax()] == pytest.approx((-1.0 + 0.5 + 1.0) / 3, abs=0.06)
    curve = likelihood - likelihood.max()
    np.testing.assert_allclose(
        curve, -1.5 * (shifts - shifts[likelihood.argmax()]) ** 2, atol=0.05, rtol=0.03
    )
    lump = log_likelihood_of_shifts(np.maximum(drawn, 0.0), np.zeros(3), shifts)
    np.testing.assert_allclose(lump, 3 * stats.norm.logcdf(-shifts), atol=0.2)


def test_two_clones_take_an_exponent_too() -> None:
    cohort = random_cohort(np.random.default_rng(8), n_trials=5)
    told = interacting(cohort, "A + C", np.arange(5.0), 1.0)
    np.testing.assert_array_equal(told.population["eta"], np.arange(5.0))
    np.testing.assert_array_equal(told.population["slowing_overlap"], 1.0)
    assert told.population["sigma_k"] is cohort.population["sigma_k"]
    mice = new_mice(cohort, graded_design(), seed=2)
    strong, weak = mice.volumes("A + C", eta=-1.0), mice.volumes("A + C", eta=3.0)
    assert np.nanmin(strong, axis=-1).mean() < np.nanmin(weak, axis=-1).mean()


def _shift(drawn: np.ndarray, observed: np.ndarray) -> float:
    """Posterior mean of a shift under the card's prior, by a grid of this test's own."""
    shifts = np.linspace(-5, 5, 1001)
    law = stats.norm(CARD.priors["shift"].location, CARD.priors["shift"].scale)
    weight = np.exp(log_likelihood_of_shifts(drawn, observed, shifts)) * law.pdf(shifts)
    return float(weight @ shifts / weight.sum())


def test_what_the_single_agents_are_off_by_is_not_held_against_the_combination() -> None:
    """All mice drawn from a posterior that kills more than the one they are compared with."""
    tree = a_singles_posterior()
    strong = tree.copy(deep=True)
    strong["posterior"] = tree["posterior"].to_dataset().assign(log_kill=lambda data: data["log_kill"] - 0.8)
    strong.attrs = tree.attrs
    (one,) = emulated(observed_mice(strong, 6.0, overlap=0.0, combinations=("A + B",)))
    independent = rule_outcomes(one)[LATENT_BEST]
    found = verdict_of(one, independent, single_outcomes(one), CARD)
    bare = np.exp(log_likelihood_of_shifts(one.depths(independent), one.observed, np.array([-0.5, 0.0, 0.5])))
    assert bare[2] > 20 * bare[0]
    assert found.single_agents_shift > 0.3
    assert found.p_beats_independent_action > 0.05
