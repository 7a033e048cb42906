"""Endpoints of held-out mice: predicted with the design's visits and rules of leaving, and observed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_trials.arms import drugs_of
from avatar_trials.calibrate.curves import Curves
from avatar_trials.designs import TrialDesign
from avatar_trials.emulate import Cohort, visit_days
from avatar_trials.emulate.trial import follow, measured_volumes
from avatar_trials.endpoints.tables import responses
from avatar_trials.evidence.forecasts import weighted_quantiles
from avatar_trials.evidence.mouse_forecasts import new_mouse
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

NUMBERS = ("best_response_pct", "best_avg_response_pct", "depth_of_response_pct")
DOUBLED_BY_DAYS = (28.0, 56.0)
PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
ENDPOINT_COLUMNS = (
    *("hold_out", "fold", "avatar", "arm", "mouse", "endpoint", "observed"),
    *("predicted", "lower_90", "lower_50", "upper_50", "upper_90", "place", "baseline_place"),
    *("log_score", "baseline_log_score", "gates_passed"),
)


def predicted_endpoints(
    cohort: Cohort, curves: Curves, training: Curves, mouse: int, design: TrialDesign, *, seed: int
) -> list[dict[str, Any]]:
    """Rows of one held-out mouse (index in `curves`): its endpoints under the design's rules beside those predicted.

    Numbers (percent of baseline): median, central intervals, and the place of the observed one (randomised among
    ties). Doubled by day 28 and 56: probability among mice of which it is known, with its log score beside that of
    the training mice's share in the arm, (k + 1/2)/(n + 1). A mouse that left before, not doubled, is not scored.
    """
    here = curves.obs_curve == mouse
    days, volume = curves.day[here], curves.volume_mm3[here]
    planned, seen = _planned(cohort, curves, mouse, design, seed)
    rules = design.endpoints.mrecist_rule, design.endpoints.doubling
    emulated, observed = responses(planned, seen, *rules), responses(days, volume, *rules)
    arm = curves.curve_arm[mouse]
    rng = stream(seed, "place of an endpoint", curves.curve_names[mouse])
    rows = [
        {"endpoint": name} | _number(emulated[name], float(observed[name]), rng.random())
        for name in NUMBERS
        if np.isfinite(observed[name])
    ]
    for by in DOUBLED_BY_DAYS:
        happened = float(doubled_by(observed, by))
        if np.isfinite(happened):
            share = _share(training, arm, rules, by)
            rows.append(
                {"endpoint": f"doubled by day {by:g}"} | _chance(doubled_by(emulated, by), happened, share)
            )
    return rows


def doubled_by(response: dict[str, Any], day: float) -> Floats:
    """1 where doubled by a day, 0 where followed to it without, NaN where it left before."""
    time, doubled = (
        np.asarray(response["time_to_doubling_days"], dtype=float),
        np.asarray(response["doubled"]),
    )
    known = np.where(np.asarray(response["last_day"]) >= day, 0.0, np.nan)
    return np.where(doubled & (time <= day), 1.0, known)


def _planned(
    cohort: Cohort, curves: Curves, mouse: int, design: TrialDesign, seed: int
) -> tuple[Floats, Floats]:
    """Planned days (visit,), and volumes (draw, visit) read on them; NaN after the mouse left."""
    here = np.flatnonzero(curves.obs_curve == mouse)
    days = visit_days(design.visits)
    avatar = curves.avatars[curves.curve_avatar[mouse]]
    arm, name = curves.curve_arm[mouse], curves.curve_names[mouse]
    log_start = float(curves.log_volume[here[0]])
    mice, deviates = new_mouse(cohort, avatar, arm, name, log_start, len(days), seed=seed)
    own = cohort.of([avatar])
    seen = measured_volumes(own, mice, deviates, days)[:, 0]
    seen[:, 0] = np.exp(log_start)
    stopping = design.stopping.of_type(own.tumor_type_of(avatar))
    stay, _, _ = follow(seen, days, deviates.removal[:, 0], stopping)
    return days, np.where(stay, seen, np.nan)


def _number(drawn: Floats, observed: float, uniform: float) -> dict[str, float]:
    drawn = drawn[np.isfinite(drawn)]
    lower = float((drawn < observed).mean())
    tied = float((drawn == observed).mean())
    weight = np.full((len(drawn), 1), 1.0 / len(drawn))
    quantiles = weighted_quantiles(drawn[:, None], weight, PROBABILITIES)[:, 0]
    names = ("lower_90", "lower_50", "predicted", "upper_50", "upper_90")
    return {"observed": observed, "place": lower + uniform * tied} | dict(
        zip(names, map(float, quantiles), strict=True)
    )


def _chance(drawn: Floats, happened: float, share: float) -> dict[str, float]:
    known = drawn[np.isfinite(drawn)]
    chance = (known.sum() + 0.5) / (len(known) + 1.0)
    return {
        "observed": happened,
        "predicted": chance,
        "log_score": float(np.log(chance if happened else 1.0 - chance)),
        "baseline_log_score": float(np.log(share if happened else 1.0 - share)),
    }


def _share(training: Curves, arm: str, rules: tuple[str, str], day: float) -> float:
    """Share of an arm's mice doubled by a day; of an arm without a mouse, the least of its single drugs' shares."""
    arms = (
        [arm] if arm in training.curve_arm else [drug for drug in drugs_of(arm) if drug in training.curve_arm]
    )
    shares = []
    for one in arms:
        known = []
        for mouse in np.flatnonzero(np.array(training.curve_arm) == one):
            here = training.obs_curve == mouse
            known.append(doubled_by(responses(training.day[here], training.volume_mm3[here], *rules), day))
        seen = np.array(known, dtype=float)
        seen = seen[np.isfinite(seen)]
        shares.append(float((seen.sum() + 0.5) / (len(seen) + 1.0)))
    return min(shares)
