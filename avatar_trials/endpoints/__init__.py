"""Endpoints: response of one mouse, survival over replicates, readout of an arm, agreement of populations."""

from avatar_trials.endpoints.agreement import agree
from avatar_trials.endpoints.intervals import wilson_interval
from avatar_trials.endpoints.readout import ENDPOINTS, READOUT_COLUMNS, readout_observed, readout_trial
from avatar_trials.endpoints.response import (
    CATEGORIES,
    DOUBLING_VARIANTS,
    RULES,
    best_average_response,
    best_response,
    depth_of_response,
    mrecist,
    time_to_doubling,
    volume_to_diameter_pct,
)
from avatar_trials.endpoints.survival import (
    INTERVAL_KINDS,
    KaplanMeier,
    at_risk,
    confidence_interval,
    curve_distance,
    kaplan_meier,
    median,
    quantile,
    quantile_interval,
    restricted_mean,
    survival_at,
)
from avatar_trials.endpoints.tables import RESPONSE_COLUMNS, mouse_curves, response_table, trial_response

__all__ = [
    "CATEGORIES",
    "DOUBLING_VARIANTS",
    "ENDPOINTS",
    "INTERVAL_KINDS",
    "READOUT_COLUMNS",
    "RESPONSE_COLUMNS",
    "RULES",
    "KaplanMeier",
    "agree",
    "at_risk",
    "best_average_response",
    "best_response",
    "confidence_interval",
    "curve_distance",
    "depth_of_response",
    "kaplan_meier",
    "median",
    "mouse_curves",
    "mrecist",
    "quantile",
    "quantile_interval",
    "readout_observed",
    "readout_trial",
    "response_table",
    "restricted_mean",
    "survival_at",
    "time_to_doubling",
    "trial_response",
    "volume_to_diameter_pct",
    "wilson_interval",
]
