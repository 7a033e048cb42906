"""The sampled density of graded_kill against its equations in their natural coordinates, written out a second time.

The model is sampled in slopes, standard deviates and a pivot, with Jacobians of its own and avatars' levels drawn given
their mice. Here stands the density that models/graded_kill.md writes down, of log r, log K, log lambda and so on, with
nothing of that; the two may differ by the log determinant of the map between the coordinates, which is taken
numerically, and by nothing else. It is also the check of tools/graded_kill.stan that runs without Stan.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytensor
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

from avatar_trials.calibrate.curves import Curves, curves_of
from avatar_trials.calibrate.model import build_model
from avatar_trials.card_files import load_model
from avatar_trials.intake import read_volumes

Floats = NDArray[np.float64]
CARD = load_model("graded_kill")
PANEL = Path(__file__).parent.parent / "fixtures" / "bayes" / "graded_panel.csv"
AVATARS = ["SYN-001", "SYN-004", "SYN-005"]  # three are enough, and two of them differ in the biomarker
NATURAL = (
    "log_r",
    "log_r_untreated",
    "log_r_treated",
    "slowing",
    "log_kill",
    "log_kill_mouse",
    "log_spread",
    "log_spread_mouse",
    "eta_combination",
    "log_start",
    "sensitivity",
    "wander_avatar",
    "deceleration_avatar",
)


@pytest.fixture(scope="module")
def curves() -> Curves:
    return curves_of(read_volumes(PANEL).select(avatars=AVATARS), CARD)[0]


def hierarchy(y: dict[str, Any], curves: Curves) -> float:
    """Log density of everything but the readings: the table of models/graded_kill.md, line by line."""
    n, who, given = curves.n_untreated, curves.curve_avatar, curves.given
    normal = stats.norm.logpdf
    total = 0.0
    for name, prior in CARD.priors.items():
        if name not in y:
            assert name.endswith("_type")  # of several tumour types
            continue
        a, b = prior.location, prior.scale
        laws = {"normal": stats.norm(a, b), "lognormal": stats.lognorm(b, scale=a), "beta": stats.beta(a, b)}
        total += np.sum(laws[prior.distribution].logpdf(y[name]))
    total += normal(y["log_r"], y["mu_r"], y["omega_r"]).sum()
    mice = np.concatenate([y["log_r_untreated"], y["log_r_treated"]])
    total += normal(mice, y["log_r"][who], CARD.constant("growth_mouse_sd")).sum()
    slower = y["omega_slowing"] * y["omega_slowing_of_drug"]
    total += stats.lognorm(slower, scale=np.exp(y["mu_slowing"])).logpdf(y["slowing"]).sum()
    total += stats.lognorm(y["omega_wander"], scale=y["wander"]).logpdf(y["wander_avatar"]).sum()
    slowed = stats.lognorm(y["omega_deceleration"], scale=y["deceleration"])
    total += slowed.logpdf(y["deceleration_avatar"]).sum()
    total += normal(y["sensitivity"]).sum()
    assert curves.biomarker is not None
    omega = y["omega_k"] * y["omega_k_of_drug"]
    level = y["mu_k"] + np.outer(curves.biomarker, y["biomarker_kill"])
    level = level + omega * math.sqrt(y["h2"]) * y["sensitivity"][:, None]
    total += normal(y["log_kill"], level, omega * math.sqrt(1 - y["h2"])).sum()
    total += normal(y["log_spread"], y["mu_spread"], y["omega_spread"]).sum()
    total += normal(y["eta_combination"], y["eta"], CARD.constant("eta_combination_sd")).sum()
    total += normal(y["log_start"], y["mu_v"], y["sigma_v"]).sum()
    for k in range(len(who) - n):
        i, drugs = who[n + k], np.flatnonzero(given[n + k])
        kills, spreads = y["log_kill"][i, drugs], y["log_spread"][i, drugs]
        if len(drugs) == 1:
            kill, spread, sd = kills[0], spreads[0], CARD.constant("spread_mouse_sd")
        else:
            p = math.exp(y["eta_combination"][curves.combinations.index(curves.curve_arm[n + k])])
            kill = logsumexp(p * kills) / p
            sds, rho = np.exp((kills + spreads) / 2), y["cross_resistance"]
            spread = math.log((1 - rho) * (sds**2).sum() + rho * sds.sum() ** 2) - kill
            sd = y["sigma_spread_combination"]
        grown = y["beta_growth"] * (y["log_r_treated"][k] - y["mu_r"])
        total += normal(y["log_kill_mouse"][k], kill + grown, y["sigma_k"])
        total += normal(y["log_spread_mouse"][k], spread, sd)
    return float(total)


def readings(y: dict[str, Any], curves: Curves) -> float:
    """Log density of the readings, one mouse after another."""
    n, total = curves.n_untreated, 0.0
    for j, i in enumerate(curves.curve_avatar):
        growth, kill, spread = np.r_[y["log_r_untreated"], y["log_r_treated"]][j], 0.0, 1.0
        if j >= n:
            slowing = y["slowing"][i, curves.given[j]]
            growth -= slowing.max() + y["slowing_overlap"] * (slowing.sum() - slowing.max())
            kill, spread = math.exp(y["log_kill_mouse"][j - n]), math.exp(y["log_spread_mouse"][j - n])
        walked, squared, before = 0.0, 0.0, 0.0
        for v in np.flatnonzero(curves.obs_curve == j):
            day = curves.day[v]
            m = math.exp(growth) * day - kill / spread * math.log1p(spread * day)
            c = y["deceleration_avatar"][i]
            size = y["log_start"][j] + min(m, 0) + math.log1p(c * max(m, 0)) / c
            diameter = (6 / math.pi * (math.exp(size) + CARD.observation.diameter_floor_mm3)) ** (1 / 3)
            caliper = 5 * (y["delta"] / diameter) ** 2 + y["sigma_p"] ** 2
            squared += y["wander_avatar"][i] ** 2 * (day - before) / 7
            before = day
            law = stats.t(4, loc=size + walked, scale=math.sqrt(squared + caliper))
            if curves.censored[v]:
                total += law.logcdf(math.log(CARD.observation.detection_limit_mm3))
                continue
            total += law.logpdf(math.log(curves.volume_mm3[v]))
            walked += squared / (squared + caliper) * (math.log(curves.volume_mm3[v]) - size - walked)
            squared *= caliper / (squared + caliper)
    return total


def test_the_sampled_density_is_that_of_the_equations(curves: Curves) -> None:
    model = build_model(curves, CARD)
    density = model.compile_logp()
    names = [name for name in (*CARD.priors, *NATURAL) if name in model.named_vars]
    outputs = model.replace_rvs_by_values([model[name] for name in names])
    natural = pytensor.function(
        model.value_vars, outputs, mode=pytensor.compile.mode.Mode("py", None), on_unused_input="ignore"
    )
    start = model.initial_point()
    sizes = [np.size(value) for value in start.values()]

    def point_of(u: Floats) -> dict[str, Any]:
        parts = np.split(u, np.cumsum(sizes)[:-1])
        return {
            name: part.reshape(np.shape(value))
            for (name, value), part in zip(start.items(), parts, strict=True)
        }

    def flat(u: Floats) -> Floats:
        return np.concatenate([np.ravel(value) for value in natural(**point_of(u))])

    width = np.concatenate(
        [
            np.full(size, 0.01 if name == "stretched_slope" else 0.5)
            for name, size in zip(start, sizes, strict=True)
        ]
    )
    middle = np.concatenate([np.ravel(value) for value in start.values()])
    # The slope's Jacobian is written for the log units a drug took by the end, T times a rate: a constant of the data.
    constant = np.log(curves.follow_up[curves.n_untreated :]).sum()
    for seed in (0, 1, 2):
        u = middle + width * np.random.default_rng(seed).normal(size=len(middle))
        y = dict(zip(names, natural(**point_of(u)), strict=True))
        steps = np.diag(1e-5 * width)
        jacobian = np.array([(flat(u + h) - flat(u - h)) / (2 * h.sum()) for h in steps])
        assert jacobian.shape == (len(u), len(u))
        expected = hierarchy(y, curves) + readings(y, curves) + np.linalg.slogdet(jacobian)[1]
        # Central differences: some 1e-10 each, and there are a hundred of them.
        assert float(density(point_of(u))) == pytest.approx(expected - constant, abs=1e-6)
