"""Cumulative incidence of one cause of leaving among others, of many replicates at once (Aalen-Johansen).

Removal for body weight takes a mouse out of reach of progression: one minus Kaplan-Meier with such mice censored
overstates how many progress, and the incidences of the causes would not add up to the share that left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.endpoints.survival import kaplan_meier

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CumulativeIncidence:
    """Aalen-Johansen estimates at the distinct times of each replicate; NaN-padded times, beyond which curves are flat.

    time, n_risk, free: (..., k), `free` the share still free of every cause just after the time. incidence, std_error:
    (cause, ..., k) in the order of `causes`; at every time the incidences and `free` add up to 1.
    """

    causes: tuple[str, ...]
    time: Floats
    n_risk: Floats
    free: Floats
    incidence: Floats
    std_error: Floats


def cumulative_incidence(time: ArrayLike, cause: ArrayLike, causes: Sequence[str]) -> CumulativeIncidence:
    """Cumulative incidence of each of `causes` for `time` (..., subject) that ended by `cause` (..., subject).

    A cause that is not one of `causes` is censoring. NaN in `time`: no such subject. Ties and rounding are treated as
    in `kaplan_meier`. Aalen & Johansen, Scand J Stat 1978;5:141; standard error by the delta method, Marubini &
    Valsecchi 1995, formula 10.12. ValueError without a cause, for a cause named twice, or an infinite time.
    """
    names = (causes,) if isinstance(causes, str) else tuple(causes)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"causes must be named, each once: received {names}")
    times = np.asarray(time, dtype=float)
    ended_by = np.broadcast_to(np.asarray(cause, dtype=str), times.shape)
    any_cause = kaplan_meier(times, np.isin(ended_by, names))
    before = np.concatenate([np.ones_like(any_cause.surv[..., :1]), any_cause.surv[..., :-1]], axis=-1)
    n, d = any_cause.n_risk, any_cause.n_event
    at_risk = np.maximum(n, 1.0)
    # The whole risk set leaving adds nothing: no incidence is gained after it.
    both = np.where(n > d, d / np.where(n > d, n * (n - d), 1.0), 0.0)
    incidences, errors = [], []
    for name in names:
        own = kaplan_meier(times, ended_by == name).n_event
        curve = np.cumsum(before * own / at_risk, axis=-1)
        alone = before**2 * own * (n - own) / at_risk**3
        cross = before * own / at_risk**2
        # Sum over earlier times of (F - F_j)^2 both + alone - 2 (F - F_j) cross, squares multiplied out.
        total = [
            np.cumsum(x, axis=-1) for x in (both, both * curve, both * curve**2, alone, cross, cross * curve)
        ]
        variance = curve**2 * total[0] - 2 * curve * total[1] + total[2] + total[3]
        variance = variance - 2 * (curve * total[4] - total[5])
        incidences.append(curve)
        errors.append(np.sqrt(np.maximum(variance, 0.0)))
    return CumulativeIncidence(
        names, any_cause.time, n, any_cause.surv, np.stack(incidences), np.stack(errors)
    )
