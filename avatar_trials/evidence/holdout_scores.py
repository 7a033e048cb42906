"""Scores of held-out predictions: coverage and log score, averaged within mice, errors clustered by avatar."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from avatar_trials.evidence.forecasts import inside

LANDMARK_DAYS = (14.0, 21.0, 28.0)
LANDMARK_WITHIN_DAYS = 3.0
ALL_ARMS = "all arms"
LEVELS = (0.5, 0.9)
SCORE_COLUMNS = (
    *("hold_out", "scored", "arm", "n_mice", "n_avatars"),
    *("coverage_50", "coverage_50_se", "coverage_90", "coverage_90_se"),
    *("baseline_coverage_50", "baseline_coverage_90"),
    *(
        "log_score",
        "baseline_log_score",
        "difference",
        "difference_se",
        "verdict",
        "gates_passed",
        "baseline",
    ),
)


def score_table(visits: pd.DataFrame, endpoints: pd.DataFrame) -> pd.DataFrame:
    """One row a hold-out, thing scored and arm; columns SCORE_COLUMNS.

    `visits` and `endpoints` are the two frames of `holdout.predictions`. Every visit is averaged within its mouse, so
    that mice that live long do not dominate; beside them the visit nearest day 14, 21 and 28, within three days.
    Endpoints: coverage of numbers, log score of chances. Log scores are natural logs per reading. Standard errors are
    of means over mice, clustered by avatar; that all mice share one posterior is not in them.
    """
    rows = []
    for (hold_out, baseline), of_it in visits.groupby(["hold_out", "baseline"], sort=False):
        passed = bool(of_it["gates_passed"].all())
        for scored, part in _scored(of_it):
            for arm in [ALL_ARMS, *sorted(of_it["arm"].unique())] if scored == "all visits" else [ALL_ARMS]:
                chosen = part if arm == ALL_ARMS else part[part["arm"] == arm]
                if len(chosen):
                    rows.append(
                        {"hold_out": hold_out, "scored": scored, "arm": arm, "baseline": baseline}
                        | _row(by_mouse(chosen), passed)
                    )
    for (hold_out, endpoint), part in endpoints.groupby(["hold_out", "endpoint"], sort=False):
        passed = bool(part["gates_passed"].all())
        rows.append(
            {
                "hold_out": hold_out,
                "scored": endpoint,
                "arm": ALL_ARMS,
                "baseline": "share of the arm's other mice",
            }
            | _row(by_mouse(part), passed)
        )
    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS))


def by_mouse(scored: pd.DataFrame) -> pd.DataFrame:
    """Means of each mouse's coverage and scores: columns avatar, inside_50, inside_90, the baseline's, log scores."""
    frame = scored[["avatar", "arm", "mouse", "log_score", "baseline_log_score"]].copy()
    for level in LEVELS:
        for prefix in ("", "baseline_"):
            places = scored[f"{prefix}place"].to_numpy(float)
            covered = np.where(np.isnan(places), np.nan, inside(places, level))
            frame[f"{prefix}inside_{100 * level:.0f}"] = covered
    return frame.groupby(["avatar", "arm", "mouse"], sort=False).mean().reset_index()


def clustered_mean(values: ArrayLike, cluster: ArrayLike) -> tuple[float, float]:
    """Mean, and its standard error where values of one cluster go together (sandwich, C/(C-1)); NaN for one cluster.

    Source: Liang & Zeger 1986, Biometrika 73:13, independence working correlation, intercept alone.
    """
    numbers = np.asarray(values, dtype=float)
    mean = float(numbers.mean())
    place = pd.factorize(np.asarray(cluster))[0]
    n_clusters = int(place.max()) + 1
    if n_clusters < 2:
        return mean, float("nan")
    sums = np.bincount(place, numbers - mean)
    return mean, float(np.sqrt((sums**2).sum() * n_clusters / (n_clusters - 1)) / len(numbers))


def verdict(difference: float, error: float, passed: bool) -> str:
    """What a paired difference of log scores shows, in words."""
    if not passed:
        return "gates failed: not to be used"
    if np.isnan(difference):
        return ""
    if np.isnan(error):
        return "too few avatars to tell"
    if difference > 2.0 * error:
        return "better by > 2 SE"
    return "worse by > 2 SE" if difference < -2.0 * error else "not shown better"


def _scored(visits: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    yield "all visits", visits
    for landmark in LANDMARK_DAYS:
        away = (visits["day"] - landmark).abs().to_numpy()
        near = visits.assign(away=away)[away <= LANDMARK_WITHIN_DAYS].sort_values("away", kind="stable")
        yield f"day {landmark:g}", near.drop_duplicates(["avatar", "arm", "mouse"])


def _row(mice: pd.DataFrame, passed: bool) -> dict[str, object]:
    avatar = mice["avatar"].to_numpy()
    row: dict[str, object] = {"n_mice": len(mice), "n_avatars": len(set(avatar))}
    for level in ("50", "90"):
        row[f"coverage_{level}"], row[f"coverage_{level}_se"] = clustered_mean(
            mice[f"inside_{level}"], avatar
        )
        row[f"baseline_coverage_{level}"] = float(mice[f"baseline_inside_{level}"].mean())
    row["log_score"] = float(mice["log_score"].mean())
    row["baseline_log_score"] = float(mice["baseline_log_score"].mean())
    difference, error = clustered_mean(mice["log_score"] - mice["baseline_log_score"], avatar)
    said = verdict(difference, error, passed)
    return row | {"difference": difference, "difference_se": error, "verdict": said, "gates_passed": passed}
