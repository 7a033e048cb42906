"""Laws of kill: each against its own definition, the compiled pass against the formulas, and the calibrated hierarchy
of every card against the emulator's new avatars and mice."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from scipy import integrate, stats
from scipy.special import expit

from avatar_trials.calibrate import graded_likelihood, likelihood
from avatar_trials.calibrate.coordinates import slope_and_share
from avatar_trials.calibrate.curves import Curves, curves_of
from avatar_trials.calibrate.graded_kill import SOFT_AT_ZERO
from avatar_trials.calibrate.model import build_model
from avatar_trials.calibrate.predictive import expected_log_volume
from avatar_trials.calibrate.sample import _data_groups
from avatar_trials.card_files import load_model
from avatar_trials.emulate.cohort import cohort_from_posterior
from avatar_trials.evidence.avatar_laws import avatar_law, levels_of
from avatar_trials.evidence.mouse_laws import mouse_law, posterior_coordinates
from avatar_trials.intake import read_volumes
from avatar_trials.kinetics import caliper, clones, saturation
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.kinetics.namespace import softplus
from avatar_trials.kinetics.two_clone import log_score_slope
from avatar_trials.library import find_card, known

PLAIN = pytensor.compile.mode.Mode("py", None)
DAYS = np.array([0.0, 2.0, 11.0, 60.0, 170.0])


def test_each_law_is_the_rate_equation_it_is_named_after() -> None:
    """Net rates integrated: K steady; K e^(-lambda t) fading; growth and death of Stein and Fojo as two tumours."""
    g, kill, spread = 0.05, 0.12, 0.04

    def of(name: str) -> Any:
        return KILL_LAWS[name].log_growth(g * DAYS, DAYS, kill, math.log(spread))

    np.testing.assert_allclose(of("exponential"), (g - kill) * DAYS, rtol=1e-13)
    rates = {
        "claret": lambda t: g - kill * math.exp(-spread * t),
        "graded_kill": lambda t: g - kill / (1 + spread * t),
    }
    for name, rate in rates.items():
        areas = [integrate.quad(rate, 0, day, epsabs=1e-13)[0] for day in DAYS]
        np.testing.assert_allclose(of(name), areas, rtol=1e-10, atol=1e-12)
    by_hand = [math.log(math.exp(-kill * t) + math.exp(g * t) - 1) for t in DAYS]
    np.testing.assert_allclose(of("stein_fojo"), by_hand, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", sorted(KILL_LAWS))
def test_kill_is_found_again_from_what_it_did(name: str) -> None:
    law, kill, log_spread, days = KILL_LAWS[name], 0.17, np.array([-9.0, -3.0, 1.0]), 60.0
    # Stein and Fojo's growth hides its kill: without growth, where only kill is left, all that it did is seen.
    taken = -law.log_growth(0.0, days, kill, log_spread) * np.ones(3)
    np.testing.assert_allclose(law.log_kill_of(np.log(taken), log_spread, days), math.log(kill), rtol=1e-12)
    assert law.spreads == (np.ptp(taken) > 0)


def test_gompertz_deceleration_is_gompertz_growth_at_a_constant_rate() -> None:
    r, c = 0.08, 0.3
    grown = clones.size_from_growth(r * DAYS, c, law="gompertz")
    np.testing.assert_allclose(grown, saturation.gompertz(DAYS, r, c * r), rtol=1e-12)
    below = np.array([-3.0, -0.1, 0.0])
    np.testing.assert_array_equal(clones.size_from_growth(below, c, law="gompertz"), below)
    np.testing.assert_allclose(clones.size_from_growth(2.0, 0.0, law="gompertz"), 2.0)


@pytest.mark.parametrize("deceleration", ["power", "gompertz"])
@pytest.mark.parametrize("name", sorted(KILL_LAWS))
def test_the_compiled_pass_is_the_formulas_it_fuses(name: str, deceleration: str) -> None:
    rng = np.random.default_rng(5)
    law, lengths = KILL_LAWS[name], np.array([7, 1, 12, 5])
    who = np.repeat(np.arange(4), lengths)
    day = np.concatenate([np.cumsum(rng.choice([0.0, 3.0, 4.0, 20.0], k)) for k in lengths])
    visits = likelihood.Visits.of(who, day, rng.random(len(who)) < 0.2)
    log_volume = rng.normal(5.0, 0.7, len(who))
    spread = np.array([1.0, 0.1, 0.02, 2.0]) if law.spreads else np.ones(4)
    kill = np.array([0.0, 0.08, 0.06, 0.1])
    smooth: list[Any] = [rng.normal(5.3, 0.1, 4), rng.uniform(0.01, 0.1, 4), kill / spread, spread]
    smooth += [rng.uniform(0.005, 0.05, 4), rng.uniform(0.1, 0.8, 4), np.float64(0.25), np.float64(0.04)]
    start, growth, _, _, weekly, slowed, delta, sigma_p = smooth
    unlimited = law.log_growth(growth[who] * day, day, kill[who], np.log(spread)[who])
    size = start[who] + clones.size_from_growth(unlimited, slowed[who], law=deceleration)
    squared = caliper.log_variance(np.exp(size), delta, sigma_p, 5.0)
    of_visits = (visits.gap, visits.first, visits.below)
    by_formula = likelihood.filtered(log_volume - size, squared, weekly[who], *of_visits)[0].sum()
    symbols = [pt.dvector() if np.ndim(value) else pt.dscalar() for value in smooth]
    data = (5.0, who, day, log_volume, visits, name, deceleration)
    density = graded_likelihood.log_likelihood(*symbols, *data)  # type: ignore[call-arg]
    f = pytensor.function(symbols, [density, *pytensor.grad(density, symbols)], mode=PLAIN)
    here, *slopes = f(*smooth)
    assert math.isclose(here, by_formula, rel_tol=1e-12)
    for place, (value, slope) in enumerate(zip(smooth, slopes, strict=True)):
        for k in range(np.size(value)):
            if (place == 2 and k == 0) or (place == 3 and not law.spreads):
                continue  # an untreated mouse's shape is 0 and stays so; one kill has no spread
            step = np.zeros(np.shape(value))
            step[np.unravel_index(k, np.shape(value))] = 1e-6
            up, down = (f(*smooth[:place], value + sign * step, *smooth[place + 1 :])[0] for sign in (1, -1))
            assert np.ravel(slope)[k] == pytest.approx((up - down) / 2e-6, rel=2e-5, abs=2e-5)


def test_no_deceleration_is_the_limit_of_little() -> None:
    day = np.array([0.0, 5.0, 9.0])
    visits = likelihood.Visits.of(np.zeros(3, dtype=np.int64), day, np.zeros(3, dtype=bool))
    of_mouse = [np.array([value]) for value in (5.3, 0.08, 0.2, 0.1, 0.02)]
    rest = (
        0.25,
        0.04,
        5.0,
        np.zeros(3, dtype=np.int64),
        day,
        np.full(3, 5.6),
        visits.gap,
        visits.first,
        visits.below,
    )
    for slows in (0, 1):
        none = graded_likelihood.density_and_slopes(*of_mouse, np.zeros(1), *rest, 0, slows)[0]
        little = graded_likelihood.density_and_slopes(*of_mouse, np.full(1, 1e-9), *rest, 0, slows)[0]
        assert none == pytest.approx(little, rel=1e-7)


@pytest.fixture(scope="module")
def table() -> Any:
    whole = read_volumes(find_card("panels", "melanoma_synthetic"))
    few = sorted(whole.avatars.index)[:3]
    return replace(whole, rows=whole.rows[whole.rows["avatar"].isin(few)], avatars=whole.avatars.loc[few])


def tree_at(points: list[dict[str, Any]], curves: Curves, card: Any, model: Any) -> xr.DataTree:
    """A posterior tree whose draws are these points of the model."""
    dims = model.named_vars_to_dims
    posterior = xr.Dataset(
        {
            name: (("chain", "draw", *(dims.get(name) or ())), np.stack([p[name] for p in points])[None])
            for name in points[0]
        },
        {**{k: list(v) for k, v in model.coords.items() if v}, "chain": [0], "draw": range(len(points))},
    )
    observed, constant = _data_groups(curves, card.observation.detection_limit_mm3)
    tree = xr.DataTree.from_dict(
        {"/posterior": posterior, "/observed_data": observed, "/constant_data": constant}
    )
    tree.attrs = {
        "kinetics": card.kinetics,
        "deceleration_law": card.deceleration_law,
        "constants": json.dumps({name: c.value for name, c in card.constants.items()}),
        "observation": json.dumps(card.observation.model_dump()),
    }
    return tree


def readings_density(
    values: dict[str, Any], curves: Curves, card: Any, tree: xr.DataTree, draw: int
) -> float:
    expected = expected_log_volume(values, curves, card)
    squared = caliper.log_variance(np.exp(expected), values["delta"], values["sigma_p"], 5.0)
    cohort = cohort_from_posterior(tree, 2, seed=1)
    weekly = cohort.weekly_wander[list(cohort.draw).index(draw)][curves.curve_avatar[curves.obs_curve]]
    visits = likelihood.Visits.of(curves.obs_curve, curves.day, curves.censored)
    of_visits = (visits.gap, visits.first, visits.below)
    return float(likelihood.filtered(curves.log_volume - expected, squared, weekly**2, *of_visits)[0].sum())


def jacobian_of_slopes(values: dict[str, Any], curves: Curves, card: Any) -> float:
    """log |d coordinates/d sampled|, of which all but the slopes' (and the shares') are those of straight lines."""
    if card.kinetics != "two_clone":
        u = (np.exp(values["log_growth_mouse"]) - values["slope"]) / SOFT_AT_ZERO
        stretch = np.hypot(1.0, values["slope"] / 0.1)  # of slope = 0.1 sinh(x/0.1)
        return float(np.sum(np.log(expit(u)) - np.log(softplus(u, np)) + np.log(stretch)))
    r = np.exp(values["log_r_treated"])
    given = curves.given[curves.n_untreated :]
    slowest = np.where(given, values.get("slowing", np.zeros(given.shape[1])), 0.0)
    slowing = slowest.min(axis=1) + values.get("slowing_overlap", 0.0) * (
        slowest.sum(axis=1) - slowest.min(axis=1)
    )
    follow_up, clearance = curves.follow_up[curves.n_untreated :], card.constant("clearance_per_day")
    mouse = slope_and_share(
        values["slope"], values["final_share"], r, r * np.exp(slowing), follow_up, clearance, np
    )
    score = log_score_slope(mouse.resistant_logit, card.constant("resistance_bend"))
    return float(np.sum(mouse.log_jacobian + score))


def by_the_emulators_laws(tree: xr.DataTree, curves: Curves, draw: int) -> float:
    """Log density of avatars' levels and mice's coordinates under the laws that integrals are taken over."""
    posterior = tree["posterior"].to_dataset()
    drawn = {
        str(name): values.values[0]
        for name, values in posterior.items()
        if set(values.dims) <= {"chain", "draw", "drug"}
    }
    cohort = cohort_from_posterior(tree, 2, seed=1)
    row, total = list(cohort.draw).index(draw), 0.0
    for i in range(len(curves.avatars)):
        carrier = 0.0 if curves.biomarker is None else curves.biomarker[i]
        names, levels = levels_of(posterior, i)
        law = avatar_law(tree, names, drawn, carrier)
        total += stats.multivariate_normal(law.mean[draw], law.covariance[draw]).logpdf(levels[draw])
        # The shared sensitivity, which the law integrates out, given the kills it is shared by.
        kill = [k for k, name in enumerate(names) if name == "log_kill"]
        h2, omega = drawn["h2"][draw], np.sqrt(np.diag(law.covariance[draw])[kill])
        precision = 1.0 + len(kill) * h2 / (1.0 - h2)
        away = (levels[draw][kill] - law.mean[draw][kill]) / omega
        centre = math.sqrt(h2) * away.sum() / (1.0 - h2) / precision
        total += stats.norm(centre, precision**-0.5).logpdf(posterior["sensitivity"].values[0, draw, i])
        for name in ("wander_deviation", "deceleration_deviation"):
            if name in posterior:
                total += stats.norm.logpdf(posterior[name].values[0, draw, i])
    for j, arm in enumerate(curves.curve_arm):
        law_of_mouse = mouse_law(cohort.of([curves.avatars[curves.curve_avatar[j]]]), arm)
        at = posterior_coordinates(tree, j, arm)[draw]
        total += stats.multivariate_normal(law_of_mouse.mean[row], law_of_mouse.covariance[row]).logpdf(at)
    return float(total)


FAST = ("claret", "exponential", "graded_kill_no_slowing", "stein_fojo", "two_clone_no_slowing")


@pytest.mark.parametrize(
    "name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in known("models")]
)
def test_every_card_calibrates_the_avatars_and_mice_that_it_emulates(name: str, table: Any) -> None:
    """Between two points of one population the model's log density changes by what the emulator's laws of avatar and
    mouse, the readings and the slopes' Jacobian say. The laws are read off the emulator, not off the model."""
    card = load_model(name)
    curves = curves_of(table, card)[0]
    model = build_model(curves, card)
    shown = [v.name for v in (*model.free_RVs, *model.deterministics)]
    graph = model.replace_rvs_by_values([model[name] for name in shown])
    values_at = model.compile_fn(graph, inputs=model.value_vars, mode=PLAIN, on_unused_input="ignore")
    terms = model.compile_fn(model.logp(jacobian=False, sum=False), mode=PLAIN)
    rng, start = np.random.default_rng(8), model.initial_point()
    shared = {v.name: rng.normal(0, 0.2, np.shape(start[v.name])) for v in model.value_vars}
    points = []
    for _ in range(2):
        point = {}
        for rv, value in model.rvs_to_values.items():
            of_population = rv.name in card.priors or rv.name in ("kill_pivot", "eta_deviation")
            step = shared[value.name] if of_population else rng.normal(0, 0.3, np.shape(start[value.name]))
            point[value.name] = np.asarray(
                start[value.name] + step * (0.03 if rv.name in ("slope", "stretched_slope") else 1.0)
            )
        points.append(point)
    values = [dict(zip(shown, values_at(point), strict=True)) for point in points]
    tree = tree_at(values, curves, card, model)
    ours = [
        by_the_emulators_laws(tree, curves, k)
        + readings_density(values[k] | fixed_of(card, curves), curves, card, tree, k)
        + jacobian_of_slopes(values[k] | fixed_of(card, curves), curves, card)
        for k in range(2)
    ]
    theirs = [float(sum(np.sum(term) for term in terms(point))) for point in points]
    assert theirs[1] - theirs[0] == pytest.approx(ours[1] - ours[0], rel=1e-8)


def fixed_of(card: Any, curves: Curves) -> dict[str, Any]:
    fixed: dict[str, Any] = dict(card.fixed_parameters)
    return fixed | ({"slowing": np.full(len(curves.drugs), fixed["slowing"])} if "slowing" in fixed else {})
