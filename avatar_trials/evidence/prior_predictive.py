"""What a card's priors say of untreated mice before any is seen, beside what the PDX Encyclopedia shows of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from avatar_trials.arms import UNTREATED
from avatar_trials.designs import TrialDesign
from avatar_trials.emulate.prior_trials import untreated_prior_trials
from avatar_trials.endpoints import survival_at, trial_response
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes, emulated_arms
from avatar_trials.endpoints.survival import median
from avatar_trials.evidence.check import Check, not_computed
from avatar_trials.evidence.drawing import BAND, INK, MODEL, panels
from avatar_trials.model_cards import ModelCard

Floats = NDArray[np.float64]

PRIOR = "prior predictive"
POPULATIONS, AVATARS = 200, 20
# PDX Encyclopedia, untreated mice: median time to doubling 7.3 (melanoma) to 13.0 days (gastric) by tumour type, 11.4
# over all; 89 % called PD.
DOUBLING_DAYS = (8.0, 16.0)
SHARE_PD, SHARE_WITHIN = 0.89, 0.06


def prior_predictive(card: ModelCard, design: TrialDesign) -> Check:
    """Median time to doubling (days) and share of PD of untreated mice emulated from the card's priors."""
    rules = design.endpoints
    trial = untreated_prior_trials(card, design, populations=POPULATIONS, avatars=AVATARS)
    responses = trial_response(trial, rule=rules.mrecist_rule, doubling=rules.doubling)
    by_population = emulated_arms(responses)[UNTREATED]
    every = ArmOutcomes(
        category=by_population.category.reshape(1, -1),
        depth_pct=by_population.depth_pct.reshape(1, -1),
        time_days=by_population.time_days.reshape(1, -1),
        doubled=by_population.doubled.reshape(1, -1),
    )
    quantities = (
        ("median time to doubling, days", lambda arm: median(arm.doubling_curve()), *DOUBLING_DAYS),
        ("share of PD", lambda arm: arm.rate("share_PD"), SHARE_PD - SHARE_WITHIN, SHARE_PD + SHARE_WITHIN),
    )
    rows = []
    for name, value, low, high in quantities:
        pooled = float(value(every)[0])
        each = value(by_population)
        lower, upper = np.nanquantile(np.where(np.isinf(each), np.nan, each), [0.05, 0.95])
        rows.append((name, pooled, lower, upper, low, high, bool(low <= pooled <= high)))
    columns = ["quantity", "mice_of_the_prior", "lower_90", "upper_90", "from", "to", "inside"]
    table = pd.DataFrame(rows, columns=columns)
    if not np.isfinite(table["mice_of_the_prior"]).all():
        return not_computed(PRIOR, "half of the prior's untreated mice never double, so there is no median")
    days, share = table["mice_of_the_prior"]
    text = (
        f"Untreated mice of {POPULATIONS} populations drawn from the priors double in {days:.1f} days (median; "
        f"populations of {AVATARS} avatars: {table['lower_90'][0]:.1f} to {table['upper_90'][0]:.1f}) and "
        f"{share:.0%} are PD ({rules.mrecist_rule}). Passes if the median lies in {DOUBLING_DAYS[0]:g} to "
        f"{DOUBLING_DAYS[1]:g} days and the share within {100 * SHARE_WITHIN:g} points of the {SHARE_PD:.0%} of the "
        "PDX Encyclopedia."
    )
    return Check(PRIOR, bool(table["inside"].all()), table, text, lambda: _draw(by_population, every))


def _draw(by_population: ArmOutcomes, every: ArmOutcomes) -> Figure:
    figure, (axes,) = panels(1)
    at = np.linspace(0.0, 40.0, 161)
    low, high = np.quantile(survival_at(by_population.doubling_curve(), at), [0.05, 0.95], axis=0)
    axes.axvspan(*DOUBLING_DAYS, color="#f3efe2", lw=0)
    axes.fill_between(at, low, high, color=BAND, lw=0)
    axes.plot(at, survival_at(every.doubling_curve(), at)[0], color=MODEL)
    axes.axhline(0.5, color=INK, lw=0.5, ls=":")
    axes.set(xlabel="days without treatment", ylabel="share not doubled", ylim=(0, 1.03))
    return figure
