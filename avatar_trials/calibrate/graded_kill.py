"""The hierarchy of the laws of kill, `graded_kill` the first: growth, its slowing, kill and the spread of kill."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from avatar_trials.calibrate import populations
from avatar_trials.calibrate.curves import Curves
from avatar_trials.calibrate.graded_likelihood import log_likelihood
from avatar_trials.calibrate.levels import avatar_level
from avatar_trials.calibrate.likelihood import Visits
from avatar_trials.calibrate.parameters import constant, measured, prior
from avatar_trials.kinetics import graded
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.kinetics.namespace import softplus
from avatar_trials.model_cards import ModelCard

SOFT_AT_ZERO = 0.02
SLOPE_REACH = np.asarray(0.1)
QUICKNESS = 1.4


def readings(curves: Curves, card: ModelCard, log_start: Any) -> None:
    """Add the treated and untreated mice, and their readings, to the model at hand.

    Levels: population; avatar (log_r, wander, deceleration; log_kill, log_spread and slowing by drug); mouse (growth,
    kill, spread).
    Treated mice are sampled by the mean slope of their curve, logarithmically where it is steep: readings below the
    detection limit bound a fall on one side only. Its prior and Jacobian are Potentials, so the density is proper.
    Everything else that a curve tells badly is not centred. The card's kinetics choose the law of the curve.
    """
    n, law = curves.n_untreated, KILL_LAWS[card.kinetics]
    avatar, given = curves.curve_avatar[n:], curves.given[n:]
    mean_log_r = populations.mean_log_growth(curves, card)
    deceleration = _of_avatar("deceleration", card)
    log_r = pm.Normal("log_r", mean_log_r, prior("omega_r", card), dims="avatar")
    spread_of_mice = constant("growth_mouse_sd", card)
    untreated = pm.Normal("log_r_untreated", log_r[curves.curve_avatar[:n]], spread_of_mice, dims="untreated")
    deviation = pm.Normal("growth_deviation", 0.0, 1.0, dims="treated")
    treated = pm.Deterministic("log_r_treated", log_r[avatar] + spread_of_mice * deviation, dims="treated")
    growth = pt.exp(treated - _slowing(avatar, given, card))

    several = np.flatnonzero(given.sum(axis=1) > 1)
    alone = np.flatnonzero(given.sum(axis=1) == 1)
    stretched = pm.Flat("stretched_slope", dims="treated", initval=stretched_slope(_first_slopes(curves)))
    slope = pm.Deterministic("slope", SLOPE_REACH * pt.sinh(stretched / SLOPE_REACH), dims="treated")
    follow_up = curves.follow_up[n:]
    u = (growth - slope) / SOFT_AT_ZERO
    log_total = pt.log(SOFT_AT_ZERO * follow_up * softplus(u, pt))
    log_stretch = pt.log(pt.cosh(stretched / SLOPE_REACH))
    pm.Potential("coordinates", (-softplus(-u, pt) - log_total + log_stretch).sum())

    own_spread = np.zeros(len(given))
    if law.spreads:
        spread_deviation = pm.Normal("spread_deviation", 0.0, 1.0, dims="treated")
        spreads, own_spread = _spreads(spread_deviation, avatar, given, card)
    grown = prior("beta_growth", card) * (treated - mean_log_r[avatar])
    log_kill_alone = law.log_kill_of(log_total[alone], own_spread[alone], follow_up[alone], pt)
    quick = prior("beta_growth", card) * (log_r - mean_log_r)
    levels = _kill_levels(log_kill_alone - grown[alone], quick, avatar[alone], given[alone], curves, card)

    parts = [(own_spread[alone], log_kill_alone)]
    exponents = _exponents(curves, card)
    if law.spreads:
        alignment, scatter = prior("cross_resistance", card), prior("sigma_spread_combination", card)
    if len(several):
        which = np.array([curves.combinations.index(curves.curve_arm[n + k]) for k in several])
        place, present = drugs_given(given[several])
        cells = avatar[several][:, None], place
        mean = graded.arm_log_kill(levels[cells], present, exponents[which], pt)
        spread = np.zeros(len(several))
        if law.spreads:
            spread = graded.arm_log_spread(levels[cells], spreads[cells], present, alignment, mean, pt)
            spread = spread + scatter * spread_deviation[several]
        together = law.log_kill_of(log_total[several], spread, follow_up[several], pt)
        density = pm.logp(pm.Normal.dist(mean, prior("sigma_k", card)), together - grown[several])
        pm.Potential("combination_kill", density.sum())
        parts.append((spread, together))
    in_order = np.argsort(np.concatenate([alone, several]))
    log_spread, log_kill = (pt.concatenate(values)[in_order] for values in zip(*parts, strict=True))
    if law.spreads:
        log_spread = pm.Deterministic("log_spread_mouse", log_spread, dims="treated")
    log_kill = pm.Deterministic("log_kill_mouse", log_kill, dims="treated")
    pm.Deterministic("log_growth_mouse", pt.log(growth), dims="treated")

    weekly = _of_avatar("wander", card)
    log_volume, below = measured(curves)
    density = log_likelihood(
        log_start,
        pt.concatenate([pt.exp(untreated), growth]),
        pt.concatenate([pt.zeros(n), pt.exp(log_kill - log_spread)]),
        pt.concatenate([pt.ones(n), pt.exp(log_spread)]),
        (weekly**2)[curves.curve_avatar],
        deceleration[curves.curve_avatar],
        prior("delta", card),
        prior("sigma_p", card),
        card.observation.diameter_floor_mm3,
        curves.obs_curve,
        curves.day,
        log_volume,
        Visits.of(curves.obs_curve, curves.day, below),
        law.name,
        card.deceleration_law,
    )
    pm.Potential("readings", density)


def stretched_slope(slope: Any) -> Any:
    """The sampled coordinate of a mean slope (1/day): about itself within 0.1/day of zero, logarithmic beyond."""
    return SLOPE_REACH * np.arcsinh(slope / SLOPE_REACH)


def drugs_given(given: Any) -> tuple[Any, Any]:
    """Of each mouse (mouse, drug) the drugs it is given, and which of these are there where others have more; both
    (mouse, most given). Of some dozens of drugs a mouse has one or two."""
    most = int(given.sum(axis=1).max(initial=1))
    place = np.argsort(~given.astype(bool), axis=1, kind="stable")[:, :most]
    return place, np.take_along_axis(given.astype(bool), place, axis=1)


def _of_avatar(name: Literal["deceleration", "wander"], card: ModelCard) -> Any:
    """Each avatar's own (avatar,) of a positive parameter, log-normal about the common one with `omega_<name>`."""
    fixed = card.fixed(name)
    if fixed is not None:
        return pt.full((len(pm.modelcontext(None).coords["avatar"]),), fixed)
    own = pt.exp(prior(f"omega_{name}", card) * pm.Normal(f"{name}_deviation", 0.0, 1.0, dims="avatar"))
    return pm.Deterministic(f"{name}_avatar", prior(name, card) * own, dims="avatar")


def _slowing(avatar: Any, given: Any, card: ModelCard) -> Any:
    """Log units by which the treated mice's drugs slow their growth."""
    fixed = card.fixed("slowing")
    if fixed is not None:
        return np.full(len(given), fixed)
    deviation = pm.Normal("slowing_deviation", 0.0, 1.0, dims=("avatar", "drug"))
    between = prior("omega_slowing", card) * prior("omega_slowing_of_drug", card)
    log_level = populations.by_class("mu_slowing", card)[None, :] + between[None, :] * deviation
    level = pm.Deterministic("slowing", pt.exp(log_level), dims=("avatar", "drug"))
    place, present = drugs_given(given)
    return graded.arm_slowing(level[avatar[:, None], place], present, prior("slowing_overlap", card), pt)


def _spreads(deviation: Any, avatar: Any, given: Any, card: ModelCard) -> tuple[Any, Any]:
    """Log spreads (avatar, drug) of the avatars, and those (treated,) of single-drug mice; not centred.

    The first mouse of an avatar and drug deviates by avatar and mouse in one, and the avatar's level is drawn given it:
    two deviates of which a curve tells the sum alone would be a ridge.
    """
    between, within = prior("omega_spread", card), constant("spread_mouse_sd", card)
    n_drugs = given.shape[1]
    alone = np.flatnonzero(given.sum(axis=1) == 1)
    cell = avatar[alone] * n_drugs + given[alone].argmax(axis=1)
    cells, first = np.unique(cell, return_index=True)
    n_cells = len(pm.modelcontext(None).coords["avatar"]) * n_drugs
    offset = pm.Normal("log_spread_offset", 0.0, 1.0, dims=("avatar", "drug")).reshape((n_cells,))
    mean = pt.tile(prior("mu_spread", card), n_cells // n_drugs)
    total = pt.sqrt(between**2 + within**2)
    whole = mean[cells] + total * deviation[alone[first]]
    weight = (between / total) ** 2
    told = weight * total * deviation[alone[first]] + between * pt.sqrt(1.0 - weight) * offset[cells]
    levels = pt.set_subtensor((mean + between * offset)[cells], mean[cells] + told)
    own = pt.zeros(len(given))
    own = pt.set_subtensor(own[alone], levels[cell] + within * deviation[alone])
    own = pt.set_subtensor(own[alone[first]], whole)
    shape = (n_cells // n_drugs, n_drugs)
    return pm.Deterministic("log_spread", levels.reshape(shape), dims=("avatar", "drug")), own


def _kill_levels(values: Any, quick: Any, avatar: Any, given: Any, curves: Curves, card: ModelCard) -> Any:
    """Log kill (avatar, drug) of the avatars, about which their single-drug mice's `values` lie.

    The sensitivity that an avatar's drugs share is sampled with what its growth adds to kill, `quick` (avatar,): the
    curves tell the two together.
    """
    h2, between = prior("h2", card), prior("omega_k", card) * prior("omega_k_of_drug", card)[None, :]
    mean = populations.mean_log_kill(curves, prior("omega_k", card) * prior("omega_k_of_drug", card), card)
    if curves.biomarker is not None:
        mean = mean + curves.biomarker[:, None] * prior("biomarker_kill", card)[None, :]
    pivot = pm.Flat("sensitivity_pivot", dims="avatar", initval=np.zeros(len(curves.avatars)))
    shared = pm.Deterministic(
        "sensitivity", pivot - QUICKNESS * quick / prior("omega_k", card), dims="avatar"
    )
    pm.Potential("sensitivity_prior", pm.logp(pm.Normal.dist(0.0, 1.0), shared).sum())
    mean = mean + between * pt.sqrt(h2) * shared[:, None]
    within = prior("sigma_k", card)
    return avatar_level("log_kill", mean, between * pt.sqrt(1.0 - h2), within, values, avatar, given)


def _exponents(curves: Curves, card: ModelCard) -> Any:
    """Exponent of each combination, about that of all; sampled from its prior where there is none."""
    centre = prior("eta", card)
    if not curves.combinations:
        return pt.exp(centre)
    deviation = pm.Normal("eta_deviation", 0.0, 1.0, dims="combination")
    own = centre + constant("eta_combination_sd", card) * deviation
    return pt.exp(pm.Deterministic("eta_combination", own, dims="combination"))


def _first_slopes(curves: Curves) -> Any:
    """Mean log slope of each treated curve through its starting volume, shrunk: where chains start."""
    size = len(curves.curve_names)
    rise = curves.log_volume - np.log(210.0)
    cross = np.bincount(curves.obs_curve, curves.day * rise, minlength=size)
    square = np.bincount(curves.obs_curve, curves.day**2, minlength=size)
    return np.minimum(cross / (square + 20.0), 0.08)[curves.n_untreated :]
