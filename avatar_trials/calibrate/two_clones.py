"""The hierarchy of the `two_clone` kinetics: a sensitive and a resistant clone in every treated mouse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from avatar_trials.calibrate import likelihood
from avatar_trials.calibrate.coordinates import slope_and_share
from avatar_trials.calibrate.curves import Curves
from avatar_trials.calibrate.levels import avatar_level
from avatar_trials.calibrate.parameters import constant, measured, prior
from avatar_trials.kinetics import caliper, clones, two_clone
from avatar_trials.kinetics.namespace import softplus
from avatar_trials.model_cards import ModelCard

NO_RESISTANCE = -30.0


def readings(curves: Curves, card: ModelCard, log_start: Any) -> None:
    """Add the treated and untreated mice, and their readings, to the model at hand.

    Levels: population; avatar (log_r; log_kill and resistance by drug, shared by that avatar's arms); mouse (growth,
    kill, resistant fraction). Treated mice are sampled in slope-and-share coordinates. Every flat coordinate has its
    prior and Jacobian in a Potential, so the density is proper.
    """
    growth, resistant_rate, kill, logit = _mice(curves, card)
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
    deceleration = prior("deceleration", card)
    expected = log_start[who] + clones.size_from_growth(unlimited, deceleration, pt, card.deceleration_law)
    _observed(expected, curves, card)


def _mice(curves: Curves, card: ModelCard) -> tuple[Any, Any, Any, Any]:
    """Growth, resistant clone's rate, kill (all 1/day) and logit resistant fraction of every curve."""
    n = curves.n_untreated
    treated_avatar, given = curves.curve_avatar[n:], curves.given[n:]
    mu_r, omega_r = prior("mu_r", card), prior("omega_r", card)
    log_r = pm.Normal("log_r", mu_r, omega_r, dims="avatar")
    log_r_untreated = pm.Normal(
        "log_r_untreated",
        log_r[curves.curve_avatar[:n]],
        constant("growth_mouse_sd", card),
        dims="untreated",
    )
    sigma_g = prior("sigma_g", card)
    log_r_treated = log_r[treated_avatar] + sigma_g * pm.Normal("growth_deviation", 0.0, 1.0, dims="treated")
    slowing: Any = np.full(len(given), card.fixed("slowing") or 0.0)
    if card.fixed("slowing") is None:
        slowing = two_clone.arm_slowing(prior("slowing", card), given, prior("slowing_overlap", card), pt)

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
        mouse.log_drive - prior("beta_growth", card) * (log_r_treated - mu_r),
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
    omega_k, h2, sigma_k = prior("omega_k", card), prior("h2", card), prior("sigma_k", card)
    mean = prior("mu_k", card)[None, :]
    if curves.biomarker is not None:
        mean = mean + curves.biomarker[:, None] * prior("biomarker_kill", card)[None, :]
    mean = mean + omega_k * pt.sqrt(h2) * pm.Normal("sensitivity", 0.0, 1.0, dims="avatar")[:, None]
    level = avatar_level("log_kill", mean, omega_k * pt.sqrt(1.0 - h2), sigma_k, log_drive, avatar, given)
    # Sampled from its prior where no mouse has several drugs, so that an untried combination is not thought known.
    exponent = pt.exp(prior("eta", card))
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
    mean = pt.zeros((len(curves.avatars), len(curves.drugs))) + prior("mu_q", card)
    within = constant("resistance_mouse_sd", card)
    level = avatar_level("resistance", mean, prior("omega_q", card), within, score, avatar, given)
    crossed, scatter = prior("cross_resistance", card), prior("sigma_q_combination", card)
    several = np.flatnonzero(given.sum(axis=1) > 1)
    if len(several):
        expected = two_clone.arm_score(level[avatar[several]], given[several], crossed, pt)
        density = pm.logp(pm.Normal.dist(expected, scatter), score[several])
        pm.Potential("combination_resistance", density.sum())


def _observed(expected: Any, curves: Curves, card: ModelCard) -> None:
    delta, sigma_p, weekly = prior("delta", card), prior("sigma_p", card), prior("wander", card)
    floor = card.observation.diameter_floor_mm3
    squared = caliper.log_variance(pt.exp(expected), delta, sigma_p, floor, pt)
    log_volume, below = measured(curves)
    visits = likelihood.Visits.of(curves.obs_curve, curves.day, below)
    density = likelihood.log_likelihood(log_volume - expected, squared, weekly**2, visits)
    pm.Potential("readings", density)
