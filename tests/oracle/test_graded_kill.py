"""Graded kill: the curve against the integral over its cells, the compiled likelihood against the formulas it fuses,
the model against a density written out by hand, and emulated mice against plain arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy import integrate, special, stats

from avatar_trials.calibrate import graded_likelihood, likelihood
from avatar_trials.calibrate.curves import Curves, curves_of
from avatar_trials.calibrate.model import build_model
from avatar_trials.calibrate.predictive import expected_log_volume
from avatar_trials.card_files import load_model
from avatar_trials.designs import ArmSpec, Mechanism
from avatar_trials.emulate import Cohort
from avatar_trials.emulate.graded_mice import GradedMice, graded_mice_under
from avatar_trials.emulate.mice import chance, luck
from avatar_trials.emulate.scenario import drawn_scenario
from avatar_trials.emulate.trial import measured_volumes
from avatar_trials.intake import read_volumes
from avatar_trials.kinetics import caliper, clones, graded
from avatar_trials.library import find_card
from avatar_trials.model_cards import ModelCard
from avatar_trials.problems import InputError
from tests.slow_wander import foreseen

PLAIN = pytensor.compile.mode.Mode("py", None)
CARD = load_model("graded_kill")


@pytest.mark.parametrize(("kill", "spread"), [(0.2, 0.05), (0.03, 0.3), (0.5, 0.004)])
def test_the_kill_is_spread_over_the_cells_as_a_gamma_density(kill: float, spread: float) -> None:
    """V/V0 = e^(gt) E[e^(-kt)] with k ~ Gamma(mean K, variance K lambda), by quadrature over quantiles."""
    law = stats.gamma(kill / spread, scale=spread)
    assert math.isclose(law.mean(), kill)
    assert math.isclose(law.var(), kill * spread)
    for t in (0.0, 3.0, 40.0, 150.0):
        mixture = integrate.quad(
            lambda u, t=t: math.exp(-law.ppf(u) * t), 0, 1, epsabs=0, epsrel=1e-10, limit=500
        )[0]
        ours = graded.log_growth(0.06 * t, t, kill, math.log(spread))
        assert math.isclose(ours, 0.06 * t + math.log(mixture), rel_tol=1e-7, abs_tol=1e-9)
    share = graded.resistant_share(kill, math.log(spread), 0.06)
    assert math.isclose(share, law.cdf(0.06), rel_tol=1e-12)


def test_no_spread_is_one_kill_rate() -> None:
    t = np.array([0.0, 10.0, 100.0])
    np.testing.assert_allclose(graded.log_growth(0.05 * t, t, 0.2, -60.0), -0.15 * t, rtol=1e-14)
    late = graded.log_growth(0.05 * t + 0.05, t + 1, 0.2, 0.0) - graded.log_growth(0.05 * t, t, 0.2, 0.0)
    np.testing.assert_allclose(late, 0.05 - 0.2 * np.log((t + 2) / (t + 1)), rtol=1e-12)


def test_kill_is_found_again_from_what_it_did() -> None:
    kill, log_spread, days = 0.17, np.array([-9.0, -3.0, 1.0]), 60.0
    taken = np.log(-graded.log_growth(0.0, days, kill, log_spread))
    np.testing.assert_allclose(graded.log_kill_of(taken, log_spread, days), math.log(kill), rtol=1e-12)


def test_spreads_of_two_drugs_add_as_correlated_variances() -> None:
    kills, spreads = np.array([0.1, 0.04, 0.3]), np.array([0.05, 0.2, 1.0])
    given = np.array([True, True, False])
    together = graded.arm_log_kill(np.log(kills), given, 1.0)
    assert math.isclose(math.exp(together), 0.14, rel_tol=1e-12)
    sd = np.sqrt(kills * spreads)
    for alignment in (0.0, 0.3, 1.0):
        found = graded.arm_log_spread(np.log(kills), np.log(spreads), given, alignment, together)
        variance = sd[0] ** 2 + sd[1] ** 2 + 2 * alignment * sd[0] * sd[1]
        assert math.isclose(math.exp(found), variance / 0.14, rel_tol=1e-12)
    alone = np.array([False, True, False])
    assert math.isclose(graded.arm_log_kill(np.log(kills), alone, 3.0), math.log(0.04), rel_tol=1e-12)
    assert math.isclose(
        graded.arm_log_spread(np.log(kills), np.log(spreads), alone, 0.7, math.log(0.04)),
        math.log(0.2),
        rel_tol=1e-12,
    )
    slow = np.array([0.5, 0.2, 9.0])
    assert math.isclose(graded.arm_slowing(slow, given, 0.25), 0.5 + 0.25 * 0.2)


def test_one_formula_two_engines() -> None:
    rng = np.random.default_rng(3)
    kill, spread, day = rng.lognormal(-3, 1, 50), rng.normal(-3, 2, 50), rng.uniform(0, 200, 50)
    symbols = [pt.dvector(name) for name in ("kill", "spread", "day")]
    out = graded.log_growth(0.04 * symbols[2], symbols[2], symbols[0], symbols[1], pt)
    back = graded.log_kill_of(pt.log(symbols[0]), symbols[1], symbols[2], pt)
    slopes = pytensor.grad(out.sum() + back.sum(), symbols)
    found = pytensor.function(symbols, [out, back, *slopes], mode=PLAIN)(kill, spread, day)
    np.testing.assert_allclose(
        found[0], graded.log_growth(0.04 * day, day, kill, spread), rtol=1e-12, atol=1e-13
    )
    np.testing.assert_allclose(found[1], graded.log_kill_of(np.log(kill), spread, day), rtol=1e-12)
    assert all(np.isfinite(slope).all() for slope in found[2:])


def fused_arguments(seed: int) -> tuple[list[Any], dict[str, Any]]:
    rng = np.random.default_rng(seed)
    lengths = np.array([7, 1, 12, 5])
    mouse = np.repeat(np.arange(4), lengths)
    day = np.concatenate([np.cumsum(rng.choice([0.0, 3.0, 4.0, 20.0], k)) for k in lengths])
    below = rng.random(len(mouse)) < 0.2
    visits = likelihood.Visits.of(mouse, day, below)
    smooth = [
        rng.normal(5.3, 0.1, 4),
        rng.uniform(0.01, 0.1, 4),
        np.array([0.0, 0.8, 3.0, 0.05]),
        np.array([1.0, 0.1, 0.02, 2.0]),
        rng.uniform(0.005, 0.05, 4),
        np.array([0.4, 0.1, 0.7, 0.3]),
        np.float64(0.25),
        np.float64(0.04),
    ]
    data = {"mouse": mouse, "day": day, "log_volume": rng.normal(5.0, 0.7, len(mouse)), "visits": visits}
    return smooth, data


@pytest.mark.parametrize("mode", [PLAIN, "NUMBA"])
def test_the_compiled_pass_is_the_formulas_it_fuses(mode: Any) -> None:
    smooth, data = fused_arguments(1)
    start, growth, shape, spread, weekly, slowed, delta, sigma_p = smooth
    who, day, visits = data["mouse"], data["day"], data["visits"]
    kill, log_spread = (shape * spread)[who], np.log(spread)[who]
    unlimited = graded.log_growth(growth[who] * day, day, kill, log_spread)
    size = start[who] + clones.size_from_growth(unlimited, slowed[who])
    squared = caliper.log_variance(np.exp(size), delta, sigma_p, 5.0)
    by_formula = likelihood.filtered(
        data["log_volume"] - size, squared, weekly[who], visits.gap, visits.first, visits.below
    )[0].sum()
    symbols = [pt.dvector() if np.ndim(value) else pt.dscalar() for value in smooth]
    density = graded_likelihood.log_likelihood(*symbols[:8], 5.0, who, day, data["log_volume"], visits)  # type: ignore[call-arg]
    f = pytensor.function(symbols, [density, *pytensor.grad(2.0 * density, symbols)], mode=mode)
    here, *slopes = f(*smooth)
    assert math.isclose(here, by_formula, rel_tol=1e-12)
    for place, (value, slope) in enumerate(zip(smooth, slopes, strict=True)):
        for k in range(np.size(value)):
            step = np.zeros(np.shape(value))
            step[np.unravel_index(k, np.shape(value))] = 1e-6
            if place == 2 and k == 0:
                continue  # an untreated mouse's shape is 0 and stays so
            up, down = (f(*smooth[:place], value + sign * step, *smooth[place + 1 :])[0] for sign in (1, -1))
            assert np.ravel(slope)[k] == pytest.approx(2 * (up - down) / 2e-6, rel=2e-5, abs=2e-5)


@pytest.fixture(scope="module")
def curves() -> Curves:
    table = read_volumes(find_card("panels", "melanoma_synthetic"))
    few = sorted(table.avatars.index)[:6]
    rows = table.rows[table.rows["avatar"].isin(few)]
    return curves_of(replace(table, rows=rows, avatars=table.avatars.loc[few]), CARD)[0]


@pytest.fixture(scope="module")
def two_types() -> tuple[Curves, ModelCard]:
    """Mice of two tumour types, the first two drugs of one class, one drug unknown to the second type."""
    table = read_volumes(find_card("panels", "melanoma_synthetic"))
    few = sorted(table.avatars.index)[:6]
    types = ["CRC", "CM", "CM", "CRC", "CM", "CM"]
    rows = table.rows[table.rows["avatar"].isin(few)]
    unknown = rows["avatar"].isin([few[0], few[3]]) & rows["arm"].str.contains("binimetinib")
    facts = table.avatars.loc[few].assign(tumor_type=types)
    curves, _ = curves_of(replace(table, rows=rows[~unknown], avatars=facts), CARD)
    classes = {"drug_classes": {"both": tuple(curves.drugs)}, "class_share": 0.5}
    return curves, CARD.model_copy(update=classes)


def class_density(value: Any, prior: Any, n_drugs: int) -> float:
    correlation = np.full((n_drugs, n_drugs), 0.5) + 0.5 * np.eye(n_drugs)
    law = stats.multivariate_normal(np.full(n_drugs, prior.location), prior.scale**2 * correlation)
    return float(law.logpdf(value))


def untold(curves: Curves) -> int:
    """Tumour types times drugs that no mouse of the type was given."""
    given = {
        (curves.avatar_type[a], d)
        for a, drugs in zip(curves.curve_avatar, curves.given, strict=True)
        for d in np.flatnonzero(drugs)
    }
    return len(curves.tumor_types) * len(curves.drugs) - len(given)


def by_hand(point: dict[str, Any], values: dict[str, Any], curves: Curves, card: ModelCard = CARD) -> float:
    """Log density at the model's own values, law by law, without the likelihood of the readings."""
    one = {name: values[name] for name in CARD.priors if name in values}
    several_types = len(curves.tumor_types) > 1
    mean_log_r = values["mu_r_type"][curves.avatar_type] if several_types else [one["mu_r"]] * 6
    mean_log_kill = values["mu_k_type"][curves.avatar_type] if several_types else [one["mu_k"]] * 6
    n = curves.n_untreated
    constants = {name: constant.value for name, constant in CARD.constants.items()}
    total = 0.0
    for name, prior in CARD.priors.items():
        if name not in values:
            assert name in {"biomarker_kill", "omega_r_type", "omega_k_type"}
            continue
        a, b = prior.location, prior.scale
        if several_types and name in {"mu_k", "mu_slowing"}:
            total += class_density(one[name], prior, len(curves.drugs))
            continue
        law = {"normal": stats.norm(a, b), "lognormal": stats.lognorm(b, scale=a), "beta": stats.beta(a, b)}
        total += float(np.sum(law[prior.distribution].logpdf(one[name])))  # mu_k too: its pivot is flat
    if several_types:
        total += float(stats.norm.logpdf(values["mu_r_type"], one["mu_r"], one["omega_r_type"]).sum())
        total += float(stats.norm.logpdf(values["mu_k_type"], one["mu_k"], one["omega_k_type"]).sum())
        total += untold(curves) * math.log(one["omega_k_type"])  # of these the standard deviate is sampled
    normal: tuple[str, ...] = (
        "start_deviation",
        "growth_deviation",
        "slowing_deviation",
        "spread_deviation",
        "log_spread_offset",
    )
    normal += (
        "sensitivity",
        "log_kill_offset",
        "eta_deviation",
        "wander_deviation",
        "deceleration_deviation",
    )
    total += sum(float(stats.norm.logpdf(point[name]).sum()) for name in normal)
    total += float(np.sum(stats.norm.logpdf(values["log_r"], mean_log_r, one["omega_r"])))
    who = curves.curve_avatar[:n]
    total += float(
        stats.norm.logpdf(values["log_r_untreated"], values["log_r"][who], constants["growth_mouse_sd"]).sum()
    )
    for k in range(len(curves.curve_names) - n):
        i, given = curves.curve_avatar[n + k], np.flatnonzero(curves.given[n + k])
        days = curves.follow_up[n + k]
        log_r = values["log_r"][i] + constants["growth_mouse_sd"] * point["growth_deviation"][k]
        slowed = [
            math.exp(
                one["mu_slowing"][d]
                + one["omega_slowing"] * one["omega_slowing_of_drug"][d] * point["slowing_deviation"][i, d]
            )
            for d in given
        ]
        growth = math.exp(log_r - max(slowed) - one["slowing_overlap"] * (sum(slowed) - max(slowed)))
        slope = 0.1 * math.sinh(point["stretched_slope"][k] / 0.1)
        assert slope == pytest.approx(values["slope"][k], rel=1e-12)
        u = (growth - slope) / 0.02
        taken = 0.02 * days * math.log1p(math.exp(u))
        total += math.log(special.expit(u)) - math.log(taken) + math.log(math.hypot(1.0, slope / 0.1))
        om, sd = one["omega_spread"], constants["spread_mouse_sd"]
        total_sd = math.hypot(om, sd)
        spreads = []
        for d in given:
            level = one["mu_spread"][d] + om * point["log_spread_offset"][i, d]
            mates = [
                m
                for m in range(len(curves.curve_names) - n)
                if curves.curve_avatar[n + m] == i
                and curves.given[n + m].sum() == 1
                and curves.given[n + m, d]
            ]
            if mates:
                told = (om / total_sd) ** 2 * total_sd * point["spread_deviation"][mates[0]]
                level = one["mu_spread"][d] + told + om * sd / total_sd * point["log_spread_offset"][i, d]
            assert level == pytest.approx(values["log_spread"][i, d], rel=1e-9)
            spreads.append(level)
        grown = one["beta_growth"] * (log_r - mean_log_r[i])
        if len(given) == 1:
            spread = one["mu_spread"][given[0]] + total_sd * point["spread_deviation"][k]
            log_kill = math.log(taken * math.exp(spread) / math.log1p(math.exp(spread) * days))
            d = given[0]
            between = one["omega_k"] * one["omega_k_of_drug"][d]
            mean = mean_log_kill[i][d] + between * math.sqrt(one["h2"]) * point["sensitivity"][i]
            if curves.biomarker is not None:
                mean += curves.biomarker[i] * one["biomarker_kill"][d]
            wide = math.sqrt(between**2 * (1 - one["h2"]) + one["sigma_k"] ** 2)
            total += stats.norm.logpdf(log_kill - grown, mean, wide)
        else:
            arm = curves.curve_arm[n + k]
            eta = (
                one["eta"]
                + constants["eta_combination_sd"] * point["eta_deviation"][curves.combinations.index(arm)]
            )
            p = math.exp(eta)
            kills = [math.exp(values["log_kill"][i, d]) for d in given]
            mean = math.log(sum(kill**p for kill in kills) ** (1 / p))
            sds = [math.sqrt(kill * math.exp(s)) for kill, s in zip(kills, spreads, strict=True)]
            c = one["cross_resistance"]
            variance = (1 - c) * sum(sd**2 for sd in sds) + c * sum(sds) ** 2
            spread = (
                math.log(variance) - mean + one["sigma_spread_combination"] * point["spread_deviation"][k]
            )
            log_kill = math.log(taken * math.exp(spread) / math.log1p(math.exp(spread) * days))
            total += stats.norm.logpdf(log_kill - grown, mean, one["sigma_k"])
        assert log_kill == pytest.approx(values["log_kill_mouse"][k], rel=1e-9)
        assert spread == pytest.approx(values["log_spread_mouse"][k], rel=1e-9)
        assert math.log(growth) == pytest.approx(values["log_growth_mouse"][k], rel=1e-9)
    return total


def readings_by_hand(values: dict[str, Any], curves: Curves) -> float:
    """Log density of the readings, one at a time, about the curves the predictive checks use."""
    expected = expected_log_volume(values, curves, CARD)
    total, earlier, last = 0.0, list[tuple[float, float, float]](), -1
    for i, mouse in enumerate(curves.obs_curve):
        if mouse != last:
            earlier, last = [], mouse
        volume = math.exp(expected[i]) + CARD.observation.diameter_floor_mm3
        own = 5 * values["delta"] ** 2 / (6 * volume / math.pi) ** (2 / 3) + values["sigma_p"] ** 2
        weekly = values["wander"] * math.exp(
            values["omega_wander"] * values["wander_deviation"][curves.curve_avatar[mouse]]
        )
        residual = curves.log_volume[i] - expected[i]
        centre, squared = foreseen(earlier, curves.day[i], own, weekly)
        law = stats.t(4, loc=centre, scale=math.sqrt(squared))
        total += law.logcdf(residual) if curves.censored[i] else law.logpdf(residual)
        if not curves.censored[i]:
            earlier.append((curves.day[i], own, residual))
    return total


def test_the_model_is_the_density_written_out_by_hand(curves: Curves) -> None:
    agree_at_three_points(curves, CARD)


def test_tumour_types_and_classes_are_the_density_written_out_by_hand(
    two_types: tuple[Curves, ModelCard],
) -> None:
    agree_at_three_points(*two_types)


def agree_at_three_points(curves: Curves, card: ModelCard) -> None:
    """Model and hand at three points of the parameter space, Jacobians of positive parameters apart."""
    model = build_model(curves, card)
    names = [v.name for v in model.free_RVs] + [v.name for v in model.deterministics]
    inputs = model.value_vars
    density = model.compile_logp(jacobian=False)
    of = pytensor.function(
        inputs, model.replace_rvs_by_values([model[name] for name in names]), on_unused_input="ignore"
    )
    start = model.initial_point()
    for seed in (0, 1, 2):
        rng = np.random.default_rng(seed)
        point = {
            name: np.asarray(value + rng.normal(0, 0.3, np.shape(value))) for name, value in start.items()
        }
        point["stretched_slope"] = start["stretched_slope"] + rng.normal(
            0, 0.01, len(start["stretched_slope"])
        )
        values = dict(zip(names, of(**point), strict=True))
        ours = by_hand(values, values, curves, card) + readings_by_hand(values, curves)
        assert float(density(point)) == pytest.approx(ours, rel=1e-9)


def a_cohort(rng: np.random.Generator, n: int = 3) -> Cohort:
    names: tuple[str, ...] = ("mu_r", "slowing_overlap", "sigma_k", "beta_growth", "eta", "cross_resistance")
    names += ("sigma_spread_combination", "mu_v", "sigma_v", "deceleration", "delta", "sigma_p")
    middle = (-2.5, 0.4, 0.4, 0.5, 0.1, 0.5, 0.5, 5.3, 0.1, 0.3, 0.25, 0.03)
    shape = (n, 2, 2)
    return Cohort(
        avatars=("X-1", "X-2"),
        drugs=("A", "B"),
        population={k: v * np.exp(rng.normal(0, 0.1, n)) for k, v in zip(names, middle, strict=True)},
        slowing=rng.lognormal(-0.7, 0.5, shape),
        log_r=rng.normal(-2.5, 0.4, shape[:2]),
        log_kill=rng.normal(-2.5, 0.8, shape),
        resistance=np.zeros(0),
        draw=np.arange(n),
        constants={"growth_mouse_sd": 0.25, "spread_mouse_sd": 0.5, "eta_combination_sd": 0.4},
        detection_limit_mm3=15.0,
        diameter_floor_mm3=5.0,
        kinetics="graded_kill",
        log_spread=rng.normal(-3, 1, shape),
        wander_avatar=rng.uniform(0.05, 0.2, shape[:2]),
        deceleration_avatar=rng.uniform(0.1, 0.7, shape[:2]),
        combinations=("A + B",),
        eta_combination=rng.normal(0, 0.5, (n, 1)),
    )


DAYS = np.cumsum([0.0, *([3.0, 4.0] * 6)])


@pytest.mark.parametrize("arm", ["untreated", "A", "B", "A + B", "B + A"])
def test_new_mice_by_plain_arithmetic(arm: str) -> None:
    cohort = a_cohort(np.random.default_rng(4))
    deviates = chance(cohort.avatars, 3, len(DAYS), luck(7, "mouse"))
    seen = measured_volumes(cohort, graded_mice_under(cohort, arm, deviates), deviates, DAYS)
    drugs = [] if arm == "untreated" else sorted(cohort.drugs.index(d) for d in arm.split(" + "))
    for t in range(3):
        here = {name: float(values[t]) for name, values in cohort.population.items()}
        for i in range(2):
            log_r = cohort.log_r[t, i] + 0.25 * deviates.growth[t, i]
            slow = sorted((cohort.slowing[t, i, d] for d in drugs), reverse=True)
            growth = math.exp(log_r - (slow[0] + here["slowing_overlap"] * sum(slow[1:]) if slow else 0.0))
            kill, spread = 0.0, 1.0
            if drugs:
                p = math.exp(cohort.eta_combination[t, 0]) if len(drugs) > 1 else 1.0
                kills = [math.exp(cohort.log_kill[t, i, d]) for d in drugs]
                mean = sum(k**p for k in kills) ** (1 / p)
                sds = [
                    math.sqrt(k * math.exp(cohort.log_spread[t, i, d]))
                    for k, d in zip(kills, drugs, strict=True)
                ]
                c = here["cross_resistance"]
                variance = (1 - c) * sum(s * s for s in sds) + c * sum(sds) ** 2
                sd = here["sigma_spread_combination"] if len(drugs) > 1 else 0.5
                spread = variance / mean * math.exp(sd * deviates.resistance[t, i])
                more = here["beta_growth"] * (log_r - here["mu_r"]) + here["sigma_k"] * deviates.kill[t, i]
                kill = mean * math.exp(more)
            earlier: list[tuple[float, float, float]] = []
            for visit, day in enumerate(DAYS):
                size = math.exp(growth * day) * (1 + spread * day) ** (-kill / spread)
                if size > 1:
                    c = cohort.deceleration_avatar[t, i]
                    size = (1 + c * math.log(size)) ** (1 / c)
                volume = math.exp(here["mu_v"] + here["sigma_v"] * deviates.start[t, i]) * size
                own = 5 * here["delta"] ** 2 / (6 * (volume + 5) / math.pi) ** (2 / 3) + here["sigma_p"] ** 2
                centre, squared = foreseen(earlier, day, own, cohort.wander_avatar[t, i])
                residual = centre + math.sqrt(squared) * deviates.surprises[t, i, visit]
                read = volume * math.exp(residual)
                if read < 15.0:
                    assert seen[t, i, visit] == 0.0
                    continue
                assert seen[t, i, visit] == pytest.approx(read, rel=1e-9)
                earlier.append((day, own, residual))


def test_an_untried_combination_draws_its_exponent() -> None:
    cohort = replace(a_cohort(np.random.default_rng(4), n=4000), combinations=(), eta_combination=np.zeros(0))
    deviates = chance(cohort.avatars, 4000, 2, luck(7, "mouse"))
    kills = graded_mice_under(cohort, "A + B", deviates, luck(7, "cohort")).kill
    without = graded_mice_under(cohort, "A + B", deviates, None).kill
    assert (
        np.corrcoef(np.log(kills / without).T)[0, 1] > 0.3
    )  # one exponent a replicate, shared by the avatars
    assert np.log(kills / without).std() > 0.05


def test_a_holiday_stops_kill_and_slowing_and_goes_on_where_it_stopped() -> None:
    one = np.ones((1, 1))
    mice = GradedMice(0.08 * one, 0.7 * one, 0.2 * one, math.log(0.1) * one, 5.3 * one)
    days = np.array([0.0, 10.0, 24.0, 30.0])
    course = ((0.0, 1.0), (10.0, 0.0), (24.0, 1.0))
    m = np.array(list(mice.log_growth(days, slice(None), course)))[:, 0]
    slow = 0.08 * math.exp(-0.7)
    expected = [0.0, 10 * slow - 2 * math.log(2.0)]
    expected += [expected[1] + 14 * 0.08, 16 * slow + 14 * 0.08 - 2 * math.log(2.6)]
    np.testing.assert_allclose(m, expected, rtol=1e-12)
    half = np.array(list(mice.log_growth(days, slice(None), ((0.0, 0.5),))))[:, 0]
    thin = np.array(list(mice.log_growth(days, slice(None), reach=0.5)))[:, 0]
    np.testing.assert_array_equal(half, thin)


def test_clonal_mechanisms_are_refused_in_words() -> None:
    cohort = a_cohort(np.random.default_rng(4))
    deviates = chance(cohort.avatars, 3, len(DAYS), luck(7, "mouse"))
    mice = graded_mice_under(cohort, "A", deviates)
    arm = ArmSpec(name="A")
    niche = Mechanism.model_validate({"source": "s", "niche": {"share": 0.1, "protection": 0.5}})
    with pytest.raises(InputError, match="niche needs clones"):
        measured_volumes(cohort, mice, deviates, DAYS, arm=arm, scenario=drawn_scenario(niche, cohort, 1))
    thin = Mechanism.model_validate({"source": "s", "exposure": {"penetration": 0.4}})
    weaker = measured_volumes(cohort, mice, deviates, DAYS, arm=arm, scenario=drawn_scenario(thin, cohort, 1))
    assert (weaker >= 0).all()


def test_avatars_of_a_cohort_do_not_see_one_another() -> None:
    cohort = a_cohort(np.random.default_rng(4))
    alone = cohort.of(["X-2"])
    both = chance(cohort.avatars, 3, len(DAYS), luck(7, "mouse"))
    own = chance(alone.avatars, 3, len(DAYS), luck(7, "mouse"))
    whole = measured_volumes(cohort, graded_mice_under(cohort, "A + B", both), both, DAYS)
    part = measured_volumes(alone, graded_mice_under(alone, "A + B", own), own, DAYS)
    np.testing.assert_array_equal(whole[:, 1:], part)
