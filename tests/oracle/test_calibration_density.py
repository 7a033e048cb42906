"""The density that is sampled, against loops and SciPy: nothing here is computed by the code under test."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import xarray as xr
from numpy.typing import NDArray
from scipy import special, stats

from avatar_trials.calibrate import likelihood
from avatar_trials.calibrate.coordinates import (
    SHARE_REACH,
    SOFT_AT_CLEARANCE,
    SOFT_AT_ZERO,
    slope_and_share,
)
from avatar_trials.calibrate.curves import Curves, curves_of
from avatar_trials.calibrate.levels import avatar_level
from avatar_trials.calibrate.model import build_model
from avatar_trials.calibrate.predictive import expected_log_volume, predictive_groups
from avatar_trials.card_files import load_model
from avatar_trials.intake import GrowthTable
from avatar_trials.kinetics.two_clone import BEND_FACTOR, BEND_SHARPNESS
from tests.slow_wander import foreseen

Floats = NDArray[np.float64]
Point = dict[str, Any]

CLEARANCE, BEND = 0.45, -1.3
SHIPPED = load_model("two_clone")
CONSTANTS = {"clearance_per_day": CLEARANCE, "resistance_bend": BEND}
CARD = SHIPPED.model_copy(
    update={
        "constants": SHIPPED.constants
        | {name: SHIPPED.constants[name].model_copy(update={"value": x}) for name, x in CONSTANTS.items()}
    }
)
LIMIT, FLOOR = CARD.observation.detection_limit_mm3, CARD.observation.diameter_floor_mm3

# Cells of (avatar, drug) with 0, 1 and 3 mice, replicate untreated mice, and avatars with a combination only.
PANELS = {
    "combination and biomarker": {
        "X-1": ["untreated", "beta", "beta", "beta", "alpha", "alpha + beta"],
        "X-2": ["untreated", "untreated", "beta", "alpha + beta"],
        "X-3": ["untreated", "alpha", "alpha + beta", "alpha + beta"],
    },
    "single drugs": {"X-1": ["untreated", "alpha"], "X-2": ["untreated", "alpha", "alpha"], "X-3": ["alpha"]},
}


def panel(name: str) -> GrowthTable:
    rng = np.random.default_rng(7)
    rows: list[tuple[str, str, str, float, float]] = []
    for avatar, arms in PANELS[name].items():
        for number, arm in enumerate(arms):
            days = np.array([0.0, 3.0, 7.0, 10.5, 14.0, 21.0])[: 3 + (number + len(rows)) % 4]
            if number == 2:
                days = np.array([0.0, 3.0, 7.0, 10.5, 14.0])
            volumes = 200 * np.exp(0.03 * days + rng.normal(0, 0.2, len(days)))
            if number == 2:
                volumes[1:3] = 0.0, 9.5
            rows += [
                (avatar, arm, f"m{number}", day, volume) for day, volume in zip(days, volumes, strict=True)
            ]
    frame = pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    frame = frame.sort_values(["avatar", "arm", "mouse", "day"], ignore_index=True)
    avatars = pd.DataFrame({"tumor_type": "CM"}, index=pd.Index(list(PANELS[name]), name="avatar"))
    if "biomarker" in name:
        avatars["braf_mutant"] = ["1", "0", "1"]
    return GrowthTable(frame, avatars, (), "panel", "", True)


def random_point(model: pm.Model, seed: int) -> Point:
    rng = np.random.default_rng(seed)
    point = {
        name: value + 0.4 * rng.normal(size=np.shape(value)) for name, value in model.initial_point().items()
    }
    point["slope"] = rng.uniform(-0.12, 0.1, len(point["slope"]))
    point["final_share"] = rng.normal(-2, 5, len(point["final_share"]))
    return point


def natural(point: Point) -> tuple[Point, float]:
    """Parameters on their own scales, and the log Jacobian of the way there."""
    values, log_jacobian = {}, 0.0
    for name, x in point.items():
        if name.endswith("_log__"):
            values[name[:-6]] = math.exp(x)
            log_jacobian += float(x)
        elif name.endswith("_logodds__"):
            values[name[:-10]] = 1 / (1 + math.exp(-x))
            log_jacobian += -math.log1p(math.exp(-x)) - math.log1p(math.exp(x))
        else:
            values[name] = x
    return values, log_jacobian


def slow_prior(v: Point) -> float:
    total = 0.0
    for name, prior in CARD.priors.items():
        if name in v:
            a, b = prior.location, prior.scale
            law = {
                "normal": stats.norm(a, b),
                "lognormal": stats.lognorm(b, scale=a),
                "beta": stats.beta(a, b),
            }[prior.distribution]
            total += float(np.sum(law.logpdf(v[name])))
    for name, mean, sd in (
        ("log_r", v["mu_r"], v["omega_r"]),
        ("start_deviation", 0.0, 1.0),
        ("growth_deviation", 0.0, 1.0),
        ("sensitivity", 0.0, 1.0),
    ):
        total += float(np.sum(stats.norm(mean, sd).logpdf(v[name])))
    return total


def treated_mouse(slope: Any, share: Any, growth: Any, resistant: Any, days: Any) -> dict[str, Decimal]:
    """Kill, log drive, logit and score of a treated curve in the digits of the context: the definition as it reads."""
    b, s, r, g, t, c = (Decimal(float(x)) for x in (slope, share, growth, resistant, days, CLEARANCE))
    one, soft, wall = Decimal(1), Decimal(SOFT_AT_ZERO), Decimal(SOFT_AT_CLEARANCE)

    def at(b: Decimal, s: Decimal) -> dict[str, Decimal]:
        reach = Decimal(SHARE_REACH)
        end = reach / 2 * ((s / reach).exp() - (-s / reach).exp())
        net = b - (one + end.exp()).ln() / t
        u = soft * (one + ((r - net) / soft).exp()).ln()
        kill = -wall * (one - (one - (-c / wall).exp()) * (one - (-u / wall).exp())).ln()
        logit = end + (r - kill - g) * t
        stretched = (one + (Decimal(BEND_SHARPNESS) * (logit - Decimal(BEND))).exp()).ln()
        score = logit + Decimal(BEND_FACTOR) / Decimal(BEND_SHARPNESS) * stretched
        return {"kill": kill, "drive": -(one / kill - one / c).ln(), "logit": logit, "score": score}

    with localcontext(prec=90):
        h = Decimal("1e-30")
        here, right, up = at(b, s), at(b + h, s), at(b, s + h)

        def determinant(one: str, other: str) -> Decimal:
            by_slope, by_share = ({key: (x[key] - here[key]) / h for key in here} for x in (right, up))
            return abs(by_slope[one] * by_share[other] - by_slope[other] * by_share[one])

        return here | {
            "log_jacobian": determinant("drive", "logit").ln(),
            "log_jacobian_score": determinant("drive", "score").ln(),
        }


def slow_level(values: list[float], mean: float, between: float, within: float, offset: float) -> Any:
    """Level of a cell by precisions, and the log joint density of mice and level, in terms of the offset.

    The constants that the model leaves out are taken off: log(2 pi)/2 for every mouse beyond the first, log(n)/2.
    """
    precision = 1 / between**2 + len(values) / within**2
    sd = precision**-0.5
    level = (mean / between**2 + sum(values) / within**2) / precision + sd * offset
    density = stats.norm(mean, between).logpdf(level) + math.log(sd)
    density += sum(stats.norm(level, within).logpdf(value) for value in values)
    n = max(len(values), 1)
    return level, density + 0.5 * (n - 1) * math.log(2 * math.pi) + 0.5 * math.log(n)


def slow_curve(parts: tuple[float, ...], day: float) -> float:
    start, r, kill, logit, resistant, c = parts
    sensitive, q = special.expit(-logit), special.expit(logit)
    size = sensitive * math.exp((r - kill) * day) + q * math.exp(resistant * day)
    m = math.log(size)
    return start + (math.log1p(c * m) / c if m > 0 else m)


def slow_visits(v: Point, days: Any, volumes: Any, curve: Callable[[float], float]) -> list[float]:
    """Log likelihood of every visit of a mouse."""
    densities: list[float] = []
    earlier: list[tuple[float, float, float]] = []
    for day, volume in zip(days, volumes, strict=True):
        expected = curve(day)
        diameter = (6 * (math.exp(expected) + FLOOR) / math.pi) ** (1 / 3)
        caliper = 5 * (v["delta"] / diameter) ** 2 + v["sigma_p"] ** 2
        centre, squared = foreseen(earlier, day, caliper, v["wander"])
        law = stats.t(4, loc=centre, scale=math.sqrt(squared))
        if volume < LIMIT:
            densities.append(law.logcdf(math.log(LIMIT) - expected))
            continue
        residual = math.log(volume) - expected
        densities.append(law.logpdf(residual))
        earlier.append((day, caliper, residual))
    return densities


def slow_model(point: Point, table: GrowthTable) -> dict[str, Any]:
    """The whole joint density by loops over mice and visits: `density`, and the curves it goes through."""
    v, density = natural(point)
    density += slow_prior(v)
    avatars = sorted(table.avatars.index)
    drugs = sorted({drug for arm in table.rows["arm"] for drug in arm.split(" + ")} - {"untreated"})
    mice: Any = sorted(
        table.rows.groupby(["avatar", "arm", "mouse"]), key=lambda item: (item[0][1] != "untreated", item[0])
    )
    carriers = table.avatars.get("braf_mutant")
    drive_mice: dict[tuple[int, int], list[float]] = {}
    score_mice: dict[tuple[int, int], list[float]] = {}
    together: list[tuple[int, list[int], float, float]] = []
    curves: list[tuple[pd.DataFrame, tuple[float, ...], float, float]] = []
    untreated = treated = 0
    for number, ((avatar, arm, _), rows) in enumerate(mice):
        i = avatars.index(avatar)
        start = v["mu_v"] + v["sigma_v"] * v["start_deviation"][number]
        if arm == "untreated":
            log_r = v["log_r_untreated"][untreated]
            density += stats.norm(v["log_r"][i], CARD.constant("growth_mouse_sd")).logpdf(log_r)
            untreated += 1
            curves.append((rows, (start, math.exp(log_r), 0.0, -math.inf, 0.0, v["deceleration"]), 0.0, 0.0))
            continue
        given = [drugs.index(drug) for drug in arm.split(" + ")]
        log_r = v["log_r"][i] + v["sigma_g"] * v["growth_deviation"][treated]
        slowings = sorted(v["slowing"][given])
        slowing = slowings[0] + v.get("slowing_overlap", 0.0) * sum(slowings[1:])
        r, resistant = math.exp(log_r), math.exp(log_r + slowing)
        place = v["slope"][treated], v["final_share"][treated], r, resistant, max(7.0, rows["day"].max())
        here = {name: float(value) for name, value in treated_mouse(*place).items()}
        density += here["log_jacobian_score"]
        drive = here["drive"] - v["beta_growth"] * (log_r - v["mu_r"])
        if len(given) == 1:
            drive_mice.setdefault((i, given[0]), []).append(drive)
            score_mice.setdefault((i, given[0]), []).append(here["score"])
        else:
            together.append((i, given, drive, here["score"]))
        curves.append(
            (
                rows,
                (start, r, here["kill"], here["logit"], resistant, v["deceleration"]),
                here["drive"],
                here["logit"],
            )
        )
        treated += 1

    drive_level, score_level = np.empty((2, len(avatars), len(drugs)))
    for i, avatar in enumerate(avatars):
        for j in range(len(drugs)):
            carrier = 0.0 if carriers is None else float(carriers[avatar])
            biomarker = carrier * v["biomarker_kill"][j] if carriers is not None else 0.0
            mean = v["mu_k"][j] + biomarker + v["omega_k"] * math.sqrt(v["h2"]) * v["sensitivity"][i]
            drive_level[i, j], part = slow_level(
                drive_mice.get((i, j), []),
                mean,
                v["omega_k"] * math.sqrt(1 - v["h2"]),
                v["sigma_k"],
                v["log_kill_offset"][i, j],
            )
            density += part
            score_level[i, j], part = slow_level(
                score_mice.get((i, j), []),
                v["mu_q"],
                v["omega_q"],
                CARD.constant("resistance_mouse_sd"),
                v["resistance_offset"][i, j],
            )
            density += part
    for i, given, drive, score in together:
        p = math.exp(v["eta"])
        combined = math.log(sum(math.exp(drive_level[i, j]) ** p for j in given)) / p
        density += stats.norm(combined, v["sigma_k"]).logpdf(drive)
        shares = [math.log(special.expit(score_level[i, j])) for j in given]
        crossed = v["cross_resistance"]
        expected = (1 - crossed) * sum(shares) + crossed * min(shares)
        density += stats.norm(expected, v["sigma_q_combination"]).logpdf(score)

    visits, log_volumes = [], []
    for rows, parts, _, _ in curves:
        curve: Callable[[float], float] = partial(slow_curve, parts)
        visits += slow_visits(v, rows["day"], rows["volume_mm3"], curve)
        log_volumes += [slow_curve(parts, day) for day in rows["day"]]
    of_treated = [(drive, logit) for *_, drive, logit in curves[untreated:]]
    return {
        "density": density + sum(visits),
        "visits": visits,
        "log_volumes": log_volumes,
        "values": v,
        "log_kill": drive_level,
        "resistance": score_level,
        "log_kill_mouse": np.array([drive for drive, _ in of_treated]),
        "resistant_logit_mouse": np.array([logit for _, logit in of_treated]),
    }


class Fitted:
    """A panel, its model, and the model's compiled density and named quantities."""

    def __init__(self, name: str) -> None:
        self.table = panel(name)
        self.curves, self.notices = curves_of(self.table, CARD)
        self.model = build_model(self.curves, CARD)
        self.terms = self.model.compile_logp(mode="FAST_COMPILE", sum=False)
        self.named = self.model.compile_fn(
            self.model.replace_rvs_by_values(self.model.deterministics),
            mode="FAST_COMPILE",
            on_unused_input="ignore",
            inputs=self.model.value_vars,
        )

    def density(self, point: Point) -> float:
        return float(sum(np.sum(term) for term in self.terms(point)))

    def quantities(self, point: Point) -> Point:
        return dict(zip([v.name for v in self.model.deterministics], self.named(point), strict=True))


@pytest.fixture(scope="module", params=PANELS)
def fitted(request: pytest.FixtureRequest) -> Fitted:
    return Fitted(request.param)


def test_the_whole_density(fitted: Fitted) -> None:
    """At random points, with and without combination and biomarker: double precision, constants included."""
    assert fitted.notices == []
    assert fitted.curves.censored.sum() >= 2
    for seed in range(12):
        point = random_point(fitted.model, seed)
        expected = slow_model(point, fitted.table)["density"]
        assert math.isfinite(expected)
        assert fitted.density(point) == pytest.approx(expected, rel=1e-12, abs=1e-8)


def test_every_parameter_of_the_card_is_in_the_density(fitted: Fitted) -> None:
    """A coordinate that moves nothing is either not used or has lost its prior."""
    point = random_point(fitted.model, 3)
    here = fitted.density(point)
    for name, value in point.items():
        assert fitted.density(point | {name: value + 0.01}) != here, name


def test_levels_and_mice_of_the_posterior(fitted: Fitted) -> None:
    for seed in range(5):
        point = random_point(fitted.model, seed)
        slow, ours = slow_model(point, fitted.table), fitted.quantities(point)
        for name in ("log_kill", "resistance", "log_kill_mouse", "resistant_logit_mouse"):
            np.testing.assert_allclose(ours[name], slow[name], rtol=1e-10, atol=1e-10, err_msg=name)


def test_predicted_curves_are_the_models(fitted: Fitted) -> None:
    """From the posterior's named quantities alone, `expected_log_volume` draws the curve that was fitted."""
    for seed in range(5):
        point = random_point(fitted.model, seed)
        slow = slow_model(point, fitted.table)
        ours = expected_log_volume(slow["values"] | fitted.quantities(point), fitted.curves, CARD)
        np.testing.assert_allclose(ours, slow["log_volumes"], rtol=1e-10)


def one_draw(fitted: Fitted, draws: int) -> tuple[xr.Dataset, dict[str, Any]]:
    point = random_point(fitted.model, 1)
    slow = slow_model(point, fitted.table)
    values = slow["values"] | fitted.quantities(point)
    return xr.Dataset(
        {
            name: (
                ("chain", "draw", *(f"{name}_{axis}" for axis in range(np.ndim(value)))),
                np.broadcast_to(value, (1, draws, *np.shape(value))),
            )
            for name, value in values.items()
        },
        {"chain": [0], "draw": np.arange(draws)},
    ), slow


def test_recorded_log_likelihood_is_that_of_the_visits(fitted: Fitted) -> None:
    posterior, slow = one_draw(fitted, 2)
    groups = predictive_groups(posterior, fitted.curves, CARD, seed=1, draws_per_chain=2)
    recorded = groups["log_likelihood"]["volume_mm3"]
    assert recorded.dims == ("chain", "draw", "obs")
    np.testing.assert_allclose(recorded.values[0, 1], slow["visits"], rtol=1e-9, atol=1e-9)


def test_predicted_volumes_have_walk_and_caliper(fitted: Fitted) -> None:
    """Quartiles lie 0.741 scales from the median for one t4 deviate, and up to 0.954 for the sum of many."""
    posterior, slow = one_draw(fitted, 2500)
    groups = predictive_groups(posterior, fitted.curves, CARD, seed=2, draws_per_chain=2500)
    volume = groups["posterior_predictive"]["volume_mm3"].values[0]
    assert ((volume == 0.0) | (volume >= LIMIT)).all()
    assert len(np.unique(volume, axis=0)) == 2500
    v, day = slow["values"], fitted.curves.day
    seen = 0
    for k, expected in enumerate(slow["log_volumes"]):
        diameter = (6 * (math.exp(expected) + FLOOR) / math.pi) ** (1 / 3)
        scale = math.sqrt(5 * (v["delta"] / diameter) ** 2 + v["sigma_p"] ** 2)
        both = math.hypot(scale, v["wander"] * math.sqrt(day[k] / 7))
        lower, middle, upper = np.quantile(volume[:, k], [0.25, 0.5, 0.75])
        if lower > LIMIT:
            seen += 1
            half = math.log(upper / lower) / 2
            assert 0.741 * both * 0.92 <= half <= (0.741 if day[k] == 0 else 0.954) * both * 1.08
            assert math.log(middle) == pytest.approx(expected, abs=0.1 * both)
    assert seen > 10
    again = predictive_groups(posterior, fitted.curves, CARD, seed=2, draws_per_chain=10)
    assert again["posterior_predictive"].sizes["draw"] == 10


def test_the_slope_of_the_density_is_finite_and_right() -> None:
    """What NUTS follows, against central differences, where shares are extreme too."""
    fitted = Fitted("single drugs")
    slope = fitted.model.compile_dlogp(mode="FAST_COMPILE")
    names = [v.name for v in fitted.model.value_vars]
    for seed in range(3):
        point = random_point(fitted.model, seed)
        point["final_share"][:2] = -15.0, 12.0
        gradient = slope(point)
        assert np.isfinite(gradient).all()
        first = 0
        for name in names:
            size = np.size(point[name])
            flat = np.zeros(size)
            flat[-1] = h = 1e-6
            step = flat.reshape(np.shape(point[name]))
            difference = (
                fitted.density(point | {name: point[name] + step})
                - fitted.density(point | {name: point[name] - step})
            ) / (2 * h)
            assert gradient[first + size - 1] == pytest.approx(difference, rel=2e-5, abs=2e-4), name
            first += size
        assert first == gradient.size


# --- its parts -------------------------------------------------------------------------------------------------


def test_visits_of_the_curves(fitted: Fitted) -> None:
    curves: Curves = fitted.curves
    assert (curves.log_volume[curves.censored] == math.log(LIMIT)).all()
    assert (np.diff(curves.day)[np.diff(curves.obs_curve) == 0] > 0).all()


SLOPES = np.array([-0.6, -0.3, -0.08, -0.01, 0.0, 0.03, 0.08, 0.12, 0.2])
SHARES = np.array([-14.0, -5.0, -1.0, 0.0, 1.5, 6.0, 12.0])


@pytest.mark.parametrize("follow_up", [7.0, 30.0, 180.0])
def test_slope_and_share_by_definition(follow_up: float) -> None:
    """Kill, drive, logit and Jacobian, where floating point would cancel at either wall too: against 90 digits."""
    growth, resistant = 0.08, 0.05
    slope, share = (grid.ravel() for grid in np.meshgrid(SLOPES, SHARES))
    curve = slope_and_share(slope, share, growth, resistant, follow_up, CLEARANCE, np)
    for k in range(len(slope)):
        exact = treated_mouse(slope[k], share[k], growth, resistant, follow_up)
        for name, value in zip(("kill", "drive", "logit", "log_jacobian"), curve, strict=True):
            assert value[k] == pytest.approx(float(exact[name]), rel=1e-11, abs=1e-11), name
    assert curve.kill.min() < 0.005
    assert curve.kill.max() > 0.44


@pytest.mark.parametrize("follow_up", [7.0, 30.0, 180.0])
def test_jacobian_of_slope_and_share_by_differences_of_itself(follow_up: float) -> None:
    def both(slope: Any, share: Any) -> Any:
        curve = slope_and_share(slope, share, 0.08, 0.05, follow_up, CLEARANCE, np)
        return np.array([curve.log_drive, curve.resistant_logit])

    slope, share = (grid.ravel() for grid in np.meshgrid(SLOPES[1:-1], SHARES))
    h = 1e-6
    by_slope = (both(slope + h, share) - both(slope - h, share)) / (2 * h)
    by_share = (both(slope, share + h) - both(slope, share - h)) / (2 * h)
    determinant = np.abs(by_slope[0] * by_share[1] - by_slope[1] * by_share[0])
    ours = slope_and_share(slope, share, 0.08, 0.05, follow_up, CLEARANCE, np).log_jacobian
    seen = determinant > 1e-4
    assert seen.sum() > 30
    np.testing.assert_allclose(ours[seen], np.log(determinant[seen]), rtol=0, atol=2e-4)


def test_slope_is_the_mean_slope_of_the_curve() -> None:
    """Where the tumour is killed well below the walls, log V ends at slope x days + log(1 - q)."""
    days = 60.0
    for slope, share in ((-0.05, -3.0), (-0.02, 0.0), (0.0, 2.0)):
        curve = slope_and_share(slope, share, 0.08, 0.05, days, 5.0, np)
        q = special.expit(curve.resistant_logit)
        size = (1 - q) * math.exp((0.08 - curve.kill) * days) + q * math.exp(0.05 * days)
        assert math.log(size / (1 - q)) == pytest.approx(slope * days, abs=0.08)
        at_end = q * math.exp(0.05 * days) / size
        assert math.log(at_end / (1 - at_end)) == pytest.approx(4 * math.sinh(share / 4), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("clearance", [0.45, 0.5])
def test_slope_and_share_in_both_engines(clearance: float) -> None:
    rng = np.random.default_rng(2)
    values = [rng.uniform(-0.3, 0.2, 40), rng.normal(-2, 6, 40), rng.uniform(0.02, 0.2, 40)]
    values += [rng.uniform(0.01, 0.1, 40), rng.uniform(7, 200, 40)]
    symbols = [pt.dvector(f"x{k}") for k in range(5)]
    in_numpy: Any = partial(slope_and_share, clearance=clearance, xp=np)
    in_pytensor: Any = partial(slope_and_share, clearance=clearance, xp=pt)
    for ours, theirs in zip(in_numpy(*values), in_pytensor(*symbols), strict=True):
        at = dict(zip(symbols, values, strict=True))
        given = {symbol: value for symbol, value in at.items() if symbol in pt_inputs(theirs)}
        np.testing.assert_allclose(theirs.eval(given, mode="FAST_COMPILE"), ours, rtol=1e-12, atol=1e-12)


def pt_inputs(expression: Any) -> list[Any]:
    from pytensor.graph.traversal import explicit_graph_inputs

    return list(explicit_graph_inputs([expression]))


@pytest.mark.parametrize("within_is_learnt", [True, False])
def test_avatar_level_is_the_joint_normal_of_mice_and_level(within_is_learnt: bool) -> None:
    """Cells of 0, 1 and 3 mice: N(mice; mean, between^2 J + within^2 I) x N(level | mice), by SciPy's joint normal."""
    avatar = np.array([0, 0, 0, 0, 1, 2, 2])
    given = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [1, 1], [0, 1]], dtype=bool)
    mean = np.array([[-3.0, -2.0], [-3.5, -1.0], [-2.5, -4.0]])
    with pm.Model(coords={"avatar": list("abc"), "drug": ["alpha", "beta"]}) as model:
        between, within = pm.Flat("between"), pm.Flat("within") if within_is_learnt else pt.constant(0.7)
        values = pm.Flat("values", shape=7)
        avatar_level("level", pt.as_tensor(mean), between, within, values, avatar, given)
    terms = model.compile_logp(mode="FAST_COMPILE", sum=False)
    level_of = model.compile_fn(
        model.replace_rvs_by_values([model["level"]]),
        mode="FAST_COMPILE",
        on_unused_input="ignore",
        inputs=model.value_vars,
    )
    rng = np.random.default_rng(9)
    for _ in range(10):
        b, w = rng.uniform(0.2, 2.0), rng.uniform(0.2, 1.5) if within_is_learnt else 0.7
        x, offset = rng.normal(-3, 1, 7), rng.normal(size=(3, 2))
        point = {"between": b, "values": x, "level_offset": offset} | (
            {"within": w} if within_is_learnt else {}
        )
        (level,) = level_of(point)
        expected = stats.norm.logpdf(offset).sum()
        for i in range(3):
            for j in range(2):
                mice = x[(avatar == i) & given[:, j] & (given.sum(axis=1) == 1)]
                n = len(mice)
                assert n == {(0, 0): 3, (0, 1): 1, (1, 1): 1, (2, 1): 1}.get((i, j), 0)
                covariance = b**2 * np.ones((n, n)) + w**2 * np.eye(n)
                centre, spread = mean[i, j], b
                if n:
                    expected += stats.multivariate_normal(np.full(n, mean[i, j]), covariance).logpdf(mice)
                    expected += 0.5 * (n - 1) * math.log(2 * math.pi) + 0.5 * math.log(n)
                    if not within_is_learnt:
                        # A fixed spread enters once per mouse beyond the first, as a constant.
                        assert w == 0.7
                    gain = b**2 * np.ones(n) @ np.linalg.inv(covariance)
                    centre = mean[i, j] + gain @ (mice - mean[i, j])
                    spread = math.sqrt(b**2 - gain @ np.full(n, b**2))
                assert level[i, j] == pytest.approx(centre + spread * offset[i, j], rel=1e-10)
        ours = float(sum(np.sum(term) for term in terms(point)))
        assert ours == pytest.approx(expected, rel=1e-10, abs=1e-9)


@dataclass(frozen=True)
class Readings:
    """Ragged mice with one visit and with many, two visits on one day, zeros in a row and at the end."""

    mouse: NDArray[np.int64]
    day: Floats
    below: NDArray[np.bool_]
    residual: Floats
    squared: Floats
    weekly: float

    @classmethod
    def drawn(cls, seed: int) -> Readings:
        rng = np.random.default_rng(seed)
        lengths = [6, 1, 9, 2, 30]
        n = sum(lengths)
        days = [np.cumsum(rng.choice([0.0, 0.5, 3.0, 4.0, 21.0], k)) for k in lengths]
        return cls(
            mouse=np.repeat(np.arange(len(lengths)), lengths),
            day=np.concatenate(days),
            below=rng.random(n) < 0.3,
            residual=rng.normal(0, 0.4, n),
            squared=rng.uniform(0.001, 0.2, n),
            weekly=float(rng.uniform(0.02, 0.5)),
        )

    def arguments(self) -> tuple[Any, ...]:
        visits = likelihood.Visits.of(self.mouse, self.day, self.below)
        weekly_squared = np.full(len(self.day), self.weekly**2)
        return self.residual, self.squared, weekly_squared, visits.gap, visits.first, visits.below


@pytest.mark.parametrize("seed", range(4))
def test_filtered_readings_are_regressed_on_all_before(seed: int) -> None:
    """Against SciPy's t4 and the joint law of a mouse's readings; a reading below the limit tells nothing after."""
    readings = Readings.drawn(seed)
    ours = likelihood.filtered(*readings.arguments())[0]
    for mouse in range(5):
        earlier: list[tuple[float, float, float]] = []
        for k in np.flatnonzero(readings.mouse == mouse):
            visit = readings.day[k], readings.squared[k], readings.residual[k]
            centre, squared = foreseen(earlier, *visit[:2], readings.weekly)
            law = stats.t(4, loc=centre, scale=math.sqrt(squared))
            expected = law.logcdf(visit[2]) if readings.below[k] else law.logpdf(visit[2])
            assert ours[k] == pytest.approx(expected, rel=1e-9, abs=1e-9)
            if not readings.below[k]:
                earlier.append(visit)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMBA"])
def test_slopes_of_the_filter(mode: str) -> None:
    """By hand in the compiled loop, against central differences, in both of PyTensor's engines."""
    readings = Readings.drawn(5)
    residual, squared, weekly_squared, gap, first, below = readings.arguments()
    at = pt.dvector("residual"), pt.dvector("squared"), pt.dscalar("weekly_squared")
    density = likelihood.log_likelihood(*at, likelihood.Visits(gap, first, below))
    f = pytensor.function(at, [density, *pytensor.grad(2.0 * density, at)], mode=mode)
    values = [residual, squared, np.float64(weekly_squared[0])]
    here, *slopes = f(*values)
    assert here == pytest.approx(likelihood.filtered(*readings.arguments())[0].sum(), rel=1e-14)
    for place, (value, slope) in enumerate(zip(values, slopes, strict=True)):
        for k in range(np.size(value)):
            step = np.zeros(np.shape(value))
            step[np.unravel_index(k, np.shape(value))] = 1e-7
            up, down = (f(*values[:place], value + sign * step, *values[place + 1 :])[0] for sign in (1, -1))
            assert np.ravel(slope)[k] == pytest.approx(2 * (up - down) / 2e-7, rel=1e-5, abs=1e-5)


def test_probability_below_the_limit_is_scipys() -> None:
    z = np.concatenate([np.linspace(-60, 60, 241), [-1e6, 1e6, 0.0]])
    value, slope = np.array([likelihood.log_below(x) for x in z]).T
    np.testing.assert_allclose(value, stats.t(4).logcdf(z), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(slope, stats.t(4).pdf(z) / stats.t(4).cdf(z), rtol=1e-10)


@pytest.mark.parametrize("z", [-3.0, -1e3, -1e8, -1e20, -1e100, -1e149])
def test_probability_below_the_limit_in_the_far_left_tail(z: float) -> None:
    with localcontext(prec=650):
        d = Decimal(z)
        s = d / (4 + d * d).sqrt()
        exact = float(((1 + s) ** 2 * (2 - s) / 4).ln())
    assert likelihood.log_below(z)[0] == pytest.approx(exact, rel=1e-13)
    assert likelihood.log_below(-z)[0] == pytest.approx(math.log1p(-math.exp(exact)), rel=1e-12)
    assert likelihood.log_below(z)[1] == pytest.approx(-4 / z if z < -100 else 0.98610554469801, rel=1e-3)
