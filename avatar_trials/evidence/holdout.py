"""Held-out prediction: what a calibration that did without some mice, or their tails, foresees of them.

Scores are conditional on the visits that took place. How long a mouse was followed tells how it fared; so each visit's
forecast is that of a mouse still in the study then, under the design's rules of leaving, and endpoints are predicted
on planned visits beside. Each visit is scored on its own, given the reading at day 0: the joint density of a whole
curve, an average over draws of products of many factors, would rest on a handful of draws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.calibrate.curves import Curves, curves_of
from avatar_trials.calibrate.surprises import with_mice
from avatar_trials.designs import TrialDesign
from avatar_trials.emulate import Cohort, cohort_from_posterior
from avatar_trials.evidence.arm_mean import ARM_WORDS, TAIL_WORDS, WORDS, arm_forecast, tail_forecast
from avatar_trials.evidence.forecasts import Forecast, log_score, place, weighted_quantiles
from avatar_trials.evidence.holdout_endpoints import ENDPOINT_COLUMNS, predicted_endpoints
from avatar_trials.evidence.holdout_split import Split
from avatar_trials.evidence.mouse_forecasts import (
    MouseForecast,
    new_mouse_forecast,
    observed_log_volume,
    tail_forecasts,
)
from avatar_trials.model_cards import ModelCard
from avatar_trials.seeds import stream

DRAWS = 4000
VISIT_COLUMNS = (
    *("hold_out", "fold", "avatar", "arm", "mouse", "day", "volume_mm3", "below_limit"),
    *("predicted_mm3", "lower_90_mm3", "lower_50_mm3", "upper_50_mm3", "upper_90_mm3"),
    *("place", "baseline_place", "log_score", "baseline_log_score"),
    *("log_score_mc_error", "effective_draws", "gates_passed", "baseline"),
)


def predictions(
    tree: xr.DataTree,
    curves: Curves,
    split: Split,
    kind: str,
    card: ModelCard,
    design: TrialDesign,
    *,
    passed: bool,
    draws: int = DRAWS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scored visits (columns VISIT_COLUMNS) and endpoints (ENDPOINT_COLUMNS) of a split's held-out mice.

    `tree` is the posterior calibrated without them, `curves` those of the whole table, `kind` the hold-out's name,
    `passed` whether the posterior passed its gates. Visits after day 0 (`curve-tail`: after those kept) are scored; a
    tail has no endpoints, as its start is known.
    """
    training, _ = curves_of(split.table, card, avatars=curves.avatars)
    facts: dict[str, Any] = {"hold_out": kind, "fold": split.label, "gates_passed": passed}
    if kind == "curve-tail":
        cohort, found = None, _of_tails(tree, curves, training, split, card, design, draws)
    else:
        cohort = cohort_from_posterior(tree, draws, seed=design.seed)
        found = _of_new_mice(cohort, curves, training, split, design)
    visits: list[pd.DataFrame] = []
    endpoints: list[dict[str, Any]] = []
    for one in found:
        who = {
            "avatar": curves.avatars[curves.curve_avatar[one.mouse]],
            "arm": curves.curve_arm[one.mouse],
            "mouse": curves.curve_mouse[one.mouse],
        }
        visits.append(_scored(curves, one, design.seed).assign(**facts, **who, baseline=one.words))
        if cohort is not None:
            rows = predicted_endpoints(cohort, curves, training, one.mouse, design, seed=design.seed)
            endpoints += [facts | who | row for row in rows]
    return (
        pd.concat(visits, ignore_index=True)[list(VISIT_COLUMNS)],
        pd.DataFrame(endpoints, columns=list(ENDPOINT_COLUMNS)),
    )


@dataclass(frozen=True)
class _Prediction:
    """Of one mouse (index of its curve): forecast of all visits, and baseline's of those from the `first` scored on."""

    mouse: int
    first: int
    made: MouseForecast
    baseline: Forecast
    words: str


def _of_new_mice(
    cohort: Cohort, curves: Curves, training: Curves, split: Split, design: TrialDesign
) -> Iterator[_Prediction]:
    limit = float(np.log(cohort.detection_limit_mm3))
    for mouse in map(int, split.held):
        here = np.flatnonzero(curves.obs_curve == mouse)
        arm, days = curves.curve_arm[mouse], curves.day[here]
        log_start = float(curves.log_volume[here[0]])
        avatar, name = curves.avatars[curves.curve_avatar[mouse]], curves.curve_names[mouse]
        made = new_mouse_forecast(
            cohort, avatar, arm, name, days, log_start, design.stopping, seed=design.seed
        )
        baseline = arm_forecast(training, arm, days[1:], log_start, limit)
        yield _Prediction(mouse, 1, made, baseline, WORDS if arm in training.curve_arm else ARM_WORDS)


def _of_tails(
    tree: xr.DataTree,
    curves: Curves,
    training: Curves,
    split: Split,
    card: ModelCard,
    design: TrialDesign,
    draws: int,
) -> Iterator[_Prediction]:
    forecasts = tail_forecasts(
        *(with_mice(tree), curves, split.held, split.kept_visits, card, design.stopping),
        draws=draws,
        seed=design.seed,
    )
    limit = float(np.log(card.observation.detection_limit_mm3))
    for mouse, kept, made in zip(map(int, split.held), map(int, split.kept_visits), forecasts, strict=True):
        days = curves.day[curves.obs_curve == mouse][kept:]
        yield _Prediction(mouse, kept, made, tail_forecast(training, mouse, days, limit), TAIL_WORDS)


def _scored(curves: Curves, one: _Prediction, seed: int) -> pd.DataFrame:
    """Scored visits of one mouse."""
    first, full, baseline = one.first, one.made.forecast, one.baseline
    here = np.flatnonzero(curves.obs_curve == one.mouse)[first:]
    own = Forecast(
        *(full.location[:, first:], full.scale[:, first:], full.weight[:, first:], full.freedom[first:]),
        full.limit,
    )
    read = observed_log_volume(curves, here)
    uniform = stream(seed, "place of a reading", curves.curve_names[one.mouse]).random(len(here))
    density, error = log_score(own, read)
    # As a caliper reads: 0 below the limit.
    drawn = np.where(one.made.reading < full.limit, 0.0, np.exp(one.made.reading))[:, first:]
    lower_90, lower_50, median, upper_50, upper_90 = weighted_quantiles(
        drawn, own.weight, (0.05, 0.25, 0.5, 0.75, 0.95)
    )
    return pd.DataFrame(
        {
            "day": curves.day[here],
            "volume_mm3": curves.volume_mm3[here],
            "below_limit": curves.censored[here],
            "predicted_mm3": median,
            "lower_90_mm3": lower_90,
            "lower_50_mm3": lower_50,
            "upper_50_mm3": upper_50,
            "upper_90_mm3": upper_90,
            "place": place(own, read, uniform),
            "baseline_place": place(baseline, read, uniform),
            "log_score": density,
            "baseline_log_score": log_score(baseline, read)[0],
            "log_score_mc_error": error,
            "effective_draws": own.effective_draws,
        }
    )
