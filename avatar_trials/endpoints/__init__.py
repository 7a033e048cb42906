"""Endpoints: response of one mouse, one arm and two arms over replicates, readout of a trial, agreement.

Names are loaded when first used: comparing arms needs parts of SciPy and statsmodels that reading a trial does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "agreement": ("agree",),
    "benchmark": ("BENCHMARK_COLUMNS", "MICE", "PATIENTS", "against_benchmark"),
    "clinical": ("curve_rows", "recomputed"),
    "patient_agreement": ("agree_with_patients", "mice_on_patient_scale"),
    "patient_response": ("RESPONSE_VARIANTS", "Recist", "patient_arms", "recist"),
    "call_certainty": (
        *("ASSESSMENTS", "CALL_COLUMNS", "QUESTIONS", "CallProbabilities", "call_probabilities"),
        *("call_probability", "category_shares", "replicate_call_probabilities"),
    ),
    "competing_risks": ("CumulativeIncidence", "cumulative_incidence"),
    "contingency": ("Kappa", "OddsRatio", "cohen_kappa", "conditional_odds_ratio", "fisher_exact"),
    "cox": ("CoxRegression", "ProportionalHazards", "cox_regression", "proportional_hazards_test"),
    "disease_progression": (
        *("CLINICAL_FLOOR", "LEFT_REASONS", "MOUSE_FLOOR", "PROGRESSION_ENDPOINTS", "PROGRESSION_VARIANTS"),
        *("TIMINGS", "AbsoluteFloor", "Progression", "progression", "reasons_of_codes"),
    ),
    "either_drug": ("either_curve", "either_works", "gaussian_copula"),
    "growth_rates": ("MODELS", "SCALES", "SteinFojo", "stein_fojo"),
    "independent_action": (
        *("CENSORING_VARIANTS", "IndependentActionTest", "against_independent_action", "better_of"),
        *("independent_action_table", "matched_mice"),
    ),
    "inhibition": ("TGI_VARIANTS", "growth_inhibition"),
    "interval_censoring": ("Turnbull", "interval_quantile", "interval_survival", "turnbull"),
    "intervals": ("PROPORTION_METHODS", "proportion_interval", "wilson_interval"),
    "measurement_agreement": (
        *("Correlation", "LimitsOfAgreement", "kendall", "kolmogorov_smirnov"),
        *("limits_of_agreement", "lin_concordance", "pearson", "spearman_test"),
    ),
    "metrics_table": ("CURVE_METRICS", "curve_metrics"),
    "mixed_model": ("RANDOM_EFFECTS", "growth_contrast", "growth_model"),
    "noise_model": ("GrowthPrior", "NoiseModel"),
    "one_arm": (
        *("Difference", "Landmark", "Rate", "landmark_survival", "response_rate"),
        "restricted_mean_difference",
    ),
    "paired": (
        *("McNemar", "PairedTest", "mcnemar", "mcnemar_counts", "paired_log_rank"),
        *("paired_prentice_wilcoxon", "paired_sign_test", "signed_rank"),
    ),
    "parametric": ("ParametricFit", "interval_parametric_survival", "parametric_survival"),
    "progression_tables": ("PROGRESSION_COLUMNS", "progression_table", "trial_progression"),
    "rank_tests": ("LogRank", "logrank"),
    "readout": ("ENDPOINTS", "READOUT_COLUMNS", "readout_observed", "readout_trial"),
    "regrowth": (
        *("CELLS_PER_MM3", "DETECTION_LIMIT_MM3", "DURATION_VARIANTS", "cell_depth"),
        *("duration_of_response", "nadir", "regrowth_rate", "sheet_category"),
    ),
    "response": (
        "relative_curves",
        *("CATEGORIES", "DOUBLING_VARIANTS", "RULES", "best_average_response", "best_response"),
        *("depth_of_response", "mrecist", "time_to_doubling", "volume_to_diameter_pct"),
    ),
    "risk_sets": ("stack_arms",),
    "shape": ("END_VARIANTS", "contrast", "curve_shape"),
    "strategy_times": ("StrategyTimes", "strategy_failure"),
    "survival": (
        *("INTERVAL_KINDS", "KaplanMeier", "at_risk", "confidence_interval", "curve_distance"),
        *("kaplan_meier", "median", "quantile", "quantile_interval", "restricted_mean", "survival_at"),
    ),
    "tables": ("RESPONSE_COLUMNS", "mouse_curves", "response_table", "trial_response"),
    "two_arm_hazard": ("HazardRatio", "TIES", "hazard_ratio"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'avatar_trials.endpoints' has no attribute {name!r}")
    return getattr(import_module(f"avatar_trials.endpoints.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
