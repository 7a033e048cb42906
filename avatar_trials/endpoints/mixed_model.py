"""Linear mixed model of log volume: how much slower one arm grows than its control.

Fitted by statsmodels' MixedLM, which is loaded when first used. Fixed effects are the R formula
`log(volume) ~ day` for one arm and `log(volume) ~ day * treated` for an arm and its control.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from avatar_trials.endpoints.intervals import check_level
from avatar_trials.endpoints.regrowth import DETECTION_LIMIT_MM3, check_limit

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable

Floats = NDArray[np.float64]

RANDOM_EFFECTS = ("mouse_intercept", "mouse_slope", "avatar_slope")
NO_FIT = "the mixed model did not converge"


@dataclass(frozen=True)
class GrowthModel:
    """A fitted mixed model of log volume.

    `effects` and `std_errors` of the fixed terms `terms`; `covariance` (k, k) of the random effects,
    `residual_sd`; `log_likelihood` (restricted if `reml`); `n_groups`, `n_volumes`. `why` is "" unless the fit
    failed, when all numbers are NaN.
    """

    terms: tuple[str, ...]
    effects: Floats
    std_errors: Floats
    covariance: Floats
    residual_sd: float
    log_likelihood: float
    n_groups: int
    n_volumes: int
    random_effects: str
    reml: bool
    why: str


@dataclass(frozen=True)
class GrowthContrast:
    """Difference of two arms' growth rates per day, treated less control, from a `GrowthModel`.

    Negative: the treated tumours grow more slowly. Interval and p value by the normal distribution of
    estimate / std_error (Wald). NaN where `why` is not "".
    """

    estimate: float
    std_error: float
    lower: float
    upper: float
    level: float
    p_value: float
    control_rate: float
    n_mice: int
    n_control: int
    model: GrowthModel
    why: str


def check_random_effects(random_effects: str) -> None:
    """Raise ValueError, naming the known variants, unless `random_effects` is one of RANDOM_EFFECTS."""
    if random_effects not in RANDOM_EFFECTS:
        known = ", ".join(RANDOM_EFFECTS)
        raise ValueError(f"unknown random effects {random_effects!r}: expected one of {known}")


def growth_model(
    day: ArrayLike,
    log_volume: ArrayLike,
    group: ArrayLike,
    *,
    treated: ArrayLike | None = None,
    random_effects: str = "mouse_slope",
    reml: bool = True,
) -> GrowthModel:
    """Mixed model of `log_volume` on `day`, arrays (volume,), with random effects by `group`.

    `mouse_intercept`: a random intercept a group (R package Xeva's lmm). `mouse_slope`: a random intercept
    and slope, R's `random = ~ day | group`. `avatar_slope`: a random intercept, slope and difference of
    slopes, for groups (avatars) that have a mouse in both arms; it needs `treated`. ValueError for
    an unknown variant, lengths that differ, values that are not finite, or fewer than two groups.
    """
    check_random_effects(random_effects)
    days, logs = np.asarray(day, dtype=float), np.asarray(log_volume, dtype=float)
    groups = np.asarray(group)
    arms = None if treated is None else np.asarray(treated, dtype=float)
    if random_effects == "avatar_slope" and arms is None:
        raise ValueError("random effects avatar_slope need `treated`")
    if {a.shape for a in (days, logs, groups, *(() if arms is None else (arms,)))} != {(len(days),)}:
        raise ValueError("day, log_volume, group and treated need one dimension and one length")
    if not (np.isfinite(days).all() and np.isfinite(logs).all()):
        raise ValueError("day and log_volume must be finite: raise volumes of 0 to the detection limit")
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise ValueError(f"a mixed model needs two groups or more: received {n_groups}")
    one = np.ones_like(days)
    fixed = [one, days] if arms is None else [one, days, arms, days * arms]
    terms = ("intercept", "day") if arms is None else ("intercept", "day", "treated", "day:treated")
    random = {
        "mouse_intercept": [one],
        "mouse_slope": [one, days],
        "avatar_slope": [one, days, days * (arms if arms is not None else one)],
    }[random_effects]
    design = np.stack(fixed, axis=-1)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise ValueError("the fixed effects cannot be told apart: each arm needs volumes on two days or more")
    result = _fit(logs, design, groups, np.stack(random, axis=-1), reml)
    if result is None:
        nothing = np.full(len(terms), np.nan)
        return GrowthModel(
            terms, nothing, nothing, np.full((len(random),) * 2, np.nan), np.nan, np.nan, n_groups, len(days),
            random_effects, reml, NO_FIT,
        )  # fmt: skip
    k = len(terms)
    return GrowthModel(
        terms, np.asarray(result.fe_params, dtype=float), np.asarray(result.bse[:k], dtype=float),
        np.asarray(result.cov_re, dtype=float), float(np.sqrt(result.scale)), float(result.llf), n_groups,
        len(days), random_effects, reml, "",
    )  # fmt: skip


def growth_contrast(
    table: GrowthTable,
    arm: str,
    *,
    control: str = "untreated",
    random_effects: str = "mouse_slope",
    reml: bool = True,
    level: float = 0.95,
    detection_limit_mm3: float = DETECTION_LIMIT_MM3,
) -> GrowthContrast:
    """Growth rate of `arm` less that of `control`, per day, over the avatars that have both.

    Volumes below the detection limit are raised to it before the logarithm, never dropped. For
    `avatar_slope` the groups are avatars, otherwise mice. ValueError for an unknown variant, a level outside
    (0, 1), an arm without a mouse, the control itself, or fewer than two groups in common.
    """
    check_level(level)
    check_limit(detection_limit_mm3)
    check_random_effects(random_effects)
    if arm == control:
        raise ValueError(f"arm {arm!r} is its own control")
    rows = table.rows[["avatar", "arm", "mouse", "day", "volume_mm3"]]
    for name in (arm, control):
        if not (rows["arm"] == name).any():
            raise ValueError(f"the table has no mouse in arm {name!r}")
    shared = set(rows.loc[rows["arm"] == arm, "avatar"]) & set(rows.loc[rows["arm"] == control, "avatar"])
    rows = rows[rows["avatar"].isin(shared) & rows["arm"].isin([arm, control])]
    treated = (rows["arm"] == arm).to_numpy(dtype=float)
    keys = ["avatar"] if random_effects == "avatar_slope" else ["avatar", "arm", "mouse"]
    mice = rows.drop_duplicates(["avatar", "arm", "mouse"])["arm"]
    model = growth_model(
        rows["day"].to_numpy(dtype=float),
        np.log(np.maximum(rows["volume_mm3"].to_numpy(dtype=float), detection_limit_mm3)),
        rows.groupby(keys, sort=False).ngroup().to_numpy(),
        treated=treated,
        random_effects=random_effects,
        reml=reml,
    )
    estimate, error = float(model.effects[3]), float(model.std_errors[3])
    reach = float(ndtri(0.5 + level / 2.0)) * error
    return GrowthContrast(
        estimate, error, estimate - reach, estimate + reach, level, 2.0 * float(ndtr(-abs(estimate / error))),
        float(model.effects[1]), int((mice == arm).sum()), int((mice == control).sum()), model, model.why,
    )  # fmt: skip


def _fit(logs: Floats, fixed: Floats, groups: NDArray[Any], random: Floats, reml: bool) -> Any:
    """MixedLM's result, or None if no optimiser converges."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    model = MixedLM(logs, fixed, groups=groups, exog_re=random)
    best = None
    for method in ("lbfgs", "bfgs", "powell"):
        with warnings.catch_warnings():
            # Convergence is read from the result, and told in words.
            warnings.simplefilter("ignore")
            try:
                result = model.fit(reml=reml, method=method, maxiter=2000)
            except (np.linalg.LinAlgError, ValueError):
                continue
        finite = np.isfinite(result.llf) and np.isfinite(result.bse[: fixed.shape[1]]).all()
        if result.converged and finite and (best is None or result.llf > best.llf):
            best = result
    return best
