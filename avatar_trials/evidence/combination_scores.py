"""How well held-out combinations were foreseen: any predictors' draws against the arms that were then observed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.endpoints import survival
from avatar_trials.endpoints.intervals import replicate_summary
from avatar_trials.evidence.combinations import ArmPrediction, Combination, Study
from avatar_trials.evidence.sample_scores import CRPS_WORDS, crps

Floats = NDArray[np.float64]

QUANTITIES = {
    "ORR_pct": "share of evaluable mice with CR or PR, percent",
    "DCR_pct": "share of evaluable mice with CR, PR or SD, percent",
    "log_doubling": "natural log of the Kaplan-Meier median time to doubling in days",
    "depth_of_response_pct": "depth of response of the arm's mice, percent of baseline volume",
}
UNREACHED_WORDS = (
    "a median not reached, or beyond the last day of the observed arm, counts as that day, observed and foreseen alike "
    "(threshold-weighted CRPS, Gneiting & Ranjan 2011, J. Bus. Econ. Stat. 29:411)"
)
DEPTH_WORDS = (
    "mean CRPS over the arm's mice, each against all draws of all mice: the integrated squared distance of the "
    "predictive from the observed distribution, but for a term of the observed alone (Thorarinsdottir et al. 2013, "
    "SIAM/ASA J. Uncertain. Quantif. 1:522)"
)
LEVELS = (0.5, 0.9)
SCORE_COLUMNS = (
    *("tumor_type", "arm", "n_drugs", "n_avatars", "predictor", "quantity", "observed", "predicted"),
    *("lower_90", "lower_50", "upper_50", "upper_90", "inside_50", "inside_90"),
    *("miss", "expected_miss", "crps", "reached", "horizon_days", "method"),
)
SUMMARY_COLUMNS = (
    *("predictor", "quantity", "n", "crps", "crps_se", "absolute_miss", "absolute_miss_reached"),
    *("expected_miss", "bias"),
    *("coverage_50", "coverage_90"),
)
DIFFERENCE_COLUMNS = (
    *("quantity", "predictor", "reference", "n", "crps_difference", "crps_difference_se"),
    *("miss_difference", "miss_difference_se"),
)


@dataclass(frozen=True)
class _Seen:
    """A quantity's observed values (one, or one a mouse) and draws, both finite; whether the observed was reached."""

    observed: Floats
    drawn: Floats
    reached: bool = True
    horizon: float = float("nan")
    note: str = ""


def score_table(
    study: Study, predictions: Iterable[ArmPrediction], *, estimator: str = "fair"
) -> pd.DataFrame:
    """One row a prediction and quantity (QUANTITIES), columns SCORE_COLUMNS.

    observed, predicted: the arm's value and the median of the draws; of depth the medians of mice. lower_*, upper_*:
    central intervals of the draws, outward (`replicate_summary`); inside_*: whether they hold the observed value, of
    depth the share of mice. miss: predicted less observed; expected_miss: mean distance of the draws from their median,
    the miss that luck and ignorance let expect; not of depth. crps: `sample_scores.crps`; of depth as in DEPTH_WORDS,
    of medians as in UNREACHED_WORDS, with `reached` and `horizon_days`. ValueError for a prediction of an arm that the
    study does not have, or of other avatars.
    """
    known = {(one.tumor_type, one.arm): one for one in study.combinations}
    rows: list[dict[str, Any]] = []
    for prediction in predictions:
        combination = known.get((prediction.tumor_type, prediction.arm))
        if combination is None or set(combination.mice.avatars) != set(prediction.avatars):
            what = "is not in the study" if combination is None else "is of other avatars than the study's"
            raise ValueError(f"{prediction.predictor}: {prediction.arm} ({prediction.tumor_type}) {what}")
        facts = {
            "tumor_type": prediction.tumor_type,
            "arm": prediction.arm,
            "n_drugs": len(combination.mice.drugs),
            "n_avatars": len(prediction.avatars),
            "predictor": prediction.predictor,
        }
        for quantity, seen in _seen(combination, prediction).items():
            told = (QUANTITIES[quantity], seen.note, f"CRPS {CRPS_WORDS[estimator]}", study.words)
            method = "; ".join(part for part in told if part)
            rows.append(facts | {"quantity": quantity, "method": method} | _scored(seen, estimator))
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def score_summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Means over combinations by predictor and quantity, columns SUMMARY_COLUMNS.

    crps_se: of the mean. absolute_miss: mean |miss|; absolute_miss_reached: over the combinations whose observed median
    was reached. bias: mean miss. Combinations share avatars, and are not independent.
    """
    rows = []
    for (predictor, quantity), part in scores.groupby(["predictor", "quantity"], sort=False):
        mean, error = _mean(part["crps"].to_numpy(float))
        away = part["miss"].abs()
        rows.append(
            {
                "predictor": predictor,
                "quantity": quantity,
                "n": len(part),
                "crps": mean,
                "crps_se": error,
                "absolute_miss": away.mean(),
                "absolute_miss_reached": away[part["reached"]].mean(),
                "expected_miss": part["expected_miss"].mean(),
                "bias": part["miss"].mean(),
                "coverage_50": part["inside_50"].mean(),
                "coverage_90": part["inside_90"].mean(),
            }
        )
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def score_differences(scores: pd.DataFrame, predictor: str) -> pd.DataFrame:
    """`predictor` less every other, paired over the combinations both foresaw, columns DIFFERENCE_COLUMNS.

    Below 0 `predictor` did better. Standard errors are of means over combinations, SD/root n, taken as independent
    though they share avatars; NaN for fewer than two. ValueError for a predictor without a score, or with two of one
    combination.
    """
    if predictor not in set(scores["predictor"]):
        has = ", ".join(dict.fromkeys(scores["predictor"]))
        raise ValueError(f"no scores of predictor {predictor!r}: there are {has or 'none'}")
    place = ["tumor_type", "arm"]
    rows = []
    for quantity, part in scores.assign(away=scores["miss"].abs()).groupby("quantity", sort=False):
        ours = part[part["predictor"] == predictor]
        for reference, theirs in part[part["predictor"] != predictor].groupby("predictor", sort=False):
            both = ours.merge(theirs, on=place, suffixes=("", "_reference"), validate="one_to_one")
            crps_mean, crps_error = _mean((both["crps"] - both["crps_reference"]).to_numpy(float))
            away_mean, away_error = _mean((both["away"] - both["away_reference"]).to_numpy(float))
            values = (quantity, predictor, reference, len(both), crps_mean, crps_error, away_mean, away_error)
            rows.append(dict(zip(DIFFERENCE_COLUMNS, values, strict=True)))
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


def _seen(combination: Combination, prediction: ArmPrediction) -> dict[str, _Seen]:
    arm = combination.mice.combination
    depth = arm.depth_pct[np.isfinite(arm.depth_pct)]
    return {
        "ORR_pct": _Seen(100.0 * arm.rate("ORR"), 100.0 * _known(prediction.orr)),
        "DCR_pct": _Seen(100.0 * arm.rate("DCR"), 100.0 * _known(prediction.dcr)),
        "log_doubling": _doubling(combination, prediction),
        "depth_of_response_pct": _Seen(depth, _known(prediction.depth), note=DEPTH_WORDS),
    }


def _doubling(combination: Combination, prediction: ArmPrediction) -> _Seen:
    arm = combination.mice.combination
    median = survival.median(arm.doubling_curve())
    horizon = float(np.nanmax(arm.time_days))

    def counted(days: Floats) -> Floats:
        return np.log(np.minimum(days, horizon))

    reached = bool(np.isfinite(median[0]))
    return _Seen(counted(median), counted(_known(prediction.doubling)), reached, horizon, UNREACHED_WORDS)


def _known(drawn: Floats) -> Floats:
    return drawn[~np.isnan(drawn)]


def _scored(seen: _Seen, estimator: str) -> dict[str, Any]:
    observed = float(np.median(seen.observed))
    row: dict[str, Any] = {"observed": observed, "reached": seen.reached, "horizon_days": seen.horizon}
    for level in LEVELS:
        middle, lower, upper = replicate_summary(seen.drawn, level)
        name = f"{100 * level:.0f}"
        held = (seen.observed >= lower) & (seen.observed <= upper)
        row |= {f"lower_{name}": lower, f"upper_{name}": upper, f"inside_{name}": float(held.mean())}
        row |= {"predicted": middle, "miss": middle - observed}
    alone = len(seen.observed) == 1
    row["expected_miss"] = float(np.abs(seen.drawn - row["predicted"]).mean()) if alone else float("nan")
    return row | {"crps": float(crps(seen.drawn, seen.observed, estimator=estimator).mean())}


def _mean(values: Floats) -> tuple[float, float]:
    """Mean and its standard error."""
    n = len(values)
    error = float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return (float(values.mean()) if n else float("nan")), error
