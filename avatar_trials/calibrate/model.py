"""The hierarchical model of one-mouse-per-avatar growth curves: card and curves to a `pymc.Model`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt

from avatar_trials.calibrate import likelihood
from avatar_trials.calibrate.coordinates import slope_and_share
from avatar_trials.calibrate.curves import Curves
from avatar_trials.card_parts import Prior
from avatar_trials.kinetics import caliper, clones, two_clone
from avatar_trials.kinetics.namespace import softplus
from avatar_trials.model_cards import ModelCard

# With fast-math, a cold and a warm compile cache give different draws for one seed.
pytensor.config.numba__fastmath = False

NO_RESISTANCE = -30.0


def build_model(curves: Curves, card: ModelCard) -> pm.Model:
    """The joint density of the card's two-clone hierarchy and the curves.

    Levels: population; avatar (log_r; log_kill and resistance by drug, shared by that avatar's arms); mouse (growth,
    kill, resistant fraction, starting volume). Treated mice are sampled in slope-and-share coordinates. Every flat
    coordinate has its prior and Jacobian in a Potential, so the density is proper. Dims: avatar, drug, curve,
    untreated, treated.
    """
    coords = {
        "avatar": curves.avatars,
        "drug": curves.drugs,
        "curve": curves.curve_names,
        "untreated": curves.curve_names[: curves.n_untreated],
        "treated": curves.curve_names[curves.n_untreated :],
    }
    with pm.Model(coords=coords) as model:
        growth, resistant_rate, kill, logit = _mice(curves, card)
        # Not centred: a caliper tells one starting volume about as well as the others do.
        deviation = pm.Normal("start_deviation", 0.0, 1.0, dims="curve")
        start = _prior("mu_v", card) + _prior("sigma_v", card) * deviation
        log_start = pm.Deterministic("log_start", start, dims="curve")
        who, day = curves.obs_curve, curves.day
        unlimited = clones.log_growth(
            day,
            growth[who],
            kill[who],
            logit[who],
            resistant_rate[who],
            pt,
            softplus_logit=softplus(logit, pt)[who],
        )
        deceleration = _prior("deceleration", card)
        expected = log_start[who] + clones.size_from_growth(unlimited, deceleration, pt)
        _measured(expected, curves, card)
    return model


def _mice(curves: Curves, card: ModelCard) -> tuple[Any, Any, Any, Any]:
    """Growth, resistant clone's rate, kill (all 1/day) and logit resistant fraction of every curve."""
    n = curves.n_untreated
    treated_avatar, given = curves.curve_avatar[n:], curves.given[n:]
    mu_r, omega_r = _prior("mu_r", card), _prior("omega_r", card)
    log_r = pm.Normal("log_r", mu_r, omega_r, dims="avatar")
    log_r_untreated = pm.Normal(
        "log_r_untreated",
        log_r[curves.curve_avatar[:n]],
        _constant("growth_mouse_sd", card),
        dims="untreated",
    )
    sigma_g = _prior("sigma_g", card)
    log_r_treated = log_r[treated_avatar] + sigma_g * pm.Normal("growth_deviation", 0.0, 1.0, dims="treated")
    slowing = two_clone.arm_slowing(_prior("slowing", card), given, _prior("slowing_overlap", card), pt)

    guess = np.full(len(given), 0.01)
    slope = pm.Flat("slope", dims="treated", initval=guess)
    share = pm.Flat("final_share", dims="treated", initval=np.full(len(given), -2.0))
    r = pt.exp(log_r_treated)
    resistant_rate = r * pt.exp(slowing)
    mouse = slope_and_share(
        slope, share, r, resistant_rate, curves.follow_up[n:], card.constant("clearance_per_day"), pt
    )
    pm.Potential("coordinates", mouse.log_jacobian.sum())
    _kill(
        mouse.log_drive - _prior("beta_growth", card) * (log_r_treated - mu_r),
        treated_avatar,
        given,
        curves,
        card,
    )
    _resistance(mouse.resistant_logit, treated_avatar, given, curves, card)
    pm.Deterministic("log_kill_mouse", mouse.log_drive, dims="treated")
    pm.Deterministic("resistant_logit_mouse", mouse.resistant_logit, dims="treated")
    pm.Deterministic("log_r_treated", log_r_treated, dims="treated")

    r_untreated = pt.exp(log_r_untreated)
    return (
        pt.concatenate([r_untreated, r]),
        pt.concatenate([r_untreated, resistant_rate]),
        pt.concatenate([pt.zeros(n), mouse.kill]),
        pt.concatenate([pt.full((n,), NO_RESISTANCE), mouse.resistant_logit]),
    )


def _kill(log_drive: Any, avatar: Any, given: Any, curves: Curves, card: ModelCard) -> None:
    """Log kill drives of the treated mice, growth's part taken off, about those of their avatars."""
    omega_k, h2, sigma_k = _prior("omega_k", card), _prior("h2", card), _prior("sigma_k", card)
    mean = _prior("mu_k", card)[None, :]
    if curves.biomarker is not None:
        mean = mean + curves.biomarker[:, None] * _prior("biomarker_kill", card)[None, :]
    mean = mean + omega_k * pt.sqrt(h2) * pm.Normal("sensitivity", 0.0, 1.0, dims="avatar")[:, None]
    level = _avatar_level("log_kill", mean, omega_k * pt.sqrt(1.0 - h2), sigma_k, log_drive, avatar, given)
    # Sampled from its prior where no mouse has several drugs, so that an untried combination is not thought known.
    exponent = pt.exp(_prior("eta", card))
    several = np.flatnonzero(given.sum(axis=1) > 1)
    if len(several):
        expected = two_clone.arm_log_drive(level[avatar[several]], given[several], exponent, pt)
        density = pm.logp(pm.Normal.dist(expected, sigma_k), log_drive[several])
        pm.Potential("combination_kill", density.sum())


def _resistance(logit: Any, avatar: Any, given: Any, curves: Curves, card: ModelCard) -> None:
    """Resistance scores of the treated mice about those of their avatars."""
    bend = card.constant("resistance_bend")
    score = two_clone.resistance_score(logit, bend, pt)
    pm.Potential("score", two_clone.log_score_slope(logit, bend, pt).sum())
    mean = pt.zeros((len(curves.avatars), len(curves.drugs))) + _prior("mu_q", card)
    within = _constant("resistance_mouse_sd", card)
    level = _avatar_level("resistance", mean, _prior("omega_q", card), within, score, avatar, given)
    crossed, scatter = _prior("cross_resistance", card), _prior("sigma_q_combination", card)
    several = np.flatnonzero(given.sum(axis=1) > 1)
    if len(several):
        expected = two_clone.arm_score(level[avatar[several]], given[several], crossed, pt)
        density = pm.logp(pm.Normal.dist(expected, scatter), score[several])
        pm.Potential("combination_resistance", density.sum())


def _avatar_level(
    name: str, mean: Any, between: Any, within: Any, values: Any, avatar: Any, given: Any
) -> Any:
    """Level (avatar, drug) of what single-drug mice show with SD `within`, itself normal about `mean` with `between`.

    Written as the mice's marginal density and the level given the mice, by an offset that the mice say nothing of:
    centred where there is a mouse, not centred where there is none, and no ridge in either case.
    """
    shape = (mean.shape[0], given.shape[1])
    n_cells = len(pm.modelcontext(None).coords["avatar"]) * given.shape[1]
    alone = np.flatnonzero(given.sum(axis=1) == 1)
    cell = avatar[alone] * given.shape[1] + given[alone].argmax(axis=1)
    mice = np.bincount(cell, minlength=n_cells)
    n, seen = np.maximum(mice, 1), mice > 0
    average = pt.inc_subtensor(pt.zeros(n_cells)[cell], values[alone]) / n
    mean = mean.reshape((n_cells,))
    weight = pt.switch(seen, between**2 / (between**2 + within**2 / n), 0.0)
    offset = pm.Normal(f"{name}_offset", 0.0, 1.0, dims=("avatar", "drug")).reshape((n_cells,))
    level = mean + weight * (average - mean) + offset * between * pt.sqrt(1.0 - weight)
    spread = pt.sqrt(between**2 + within**2 / n)
    pm.Potential(f"{name}_of_mice", pm.logp(pm.Normal.dist(mean, spread), average)[seen].sum())
    extra = int(len(alone) - seen.sum())
    if extra:
        scatter = ((values[alone] - average[cell]) ** 2).sum()
        pm.Potential(f"{name}_between_mice", -0.5 * scatter / within**2 - extra * pt.log(within))
    return pm.Deterministic(name, level.reshape(shape), dims=("avatar", "drug"))


def _measured(expected: Any, curves: Curves, card: ModelCard) -> None:
    delta, sigma_p, weekly = _prior("delta", card), _prior("sigma_p", card), _prior("wander", card)
    floor = card.observation.diameter_floor_mm3
    squared = caliper.log_variance(pt.exp(expected), delta, sigma_p, floor, pt)
    visits = likelihood.Visits.of(curves.obs_curve, curves.day, curves.censored)
    density = likelihood.log_likelihood(curves.log_volume - expected, squared, weekly**2, visits)
    pm.Potential("readings", density)


def _prior(name: str, card: ModelCard) -> Any:
    existing = pm.modelcontext(None).named_vars.get(name)
    if existing is not None:
        return existing
    prior: Prior = card.priors[name]
    dims = prior.by
    location, scale = np.asarray(prior.location), np.asarray(prior.scale)  # as in _constant
    if prior.distribution == "normal":
        return pm.Normal(name, location, scale, dims=dims)
    if prior.distribution == "lognormal":
        return pm.LogNormal(name, np.log(location), scale, dims=dims)
    return pm.Beta(name, location, scale, dims=dims)


def _constant(name: str, card: ModelCard) -> Any:
    """A card's number, not as a Python number: PyTensor takes the log of one such as 0.5 in single precision."""
    return np.asarray(card.constant(name))
