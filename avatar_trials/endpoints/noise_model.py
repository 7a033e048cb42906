"""What is assumed, without a posterior, about caliper readings and about the true volumes behind them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from avatar_trials.kinetics import caliper
from avatar_trials.kinetics.namespace import Array


@dataclass(frozen=True)
class NoiseModel:
    """Readings of a caliper: log reading = log true volume + scale x Student's t.

    The squared scale is `kinetics.caliper.log_variance` of the true volume: `delta_mm` error of one length (mm),
    `sigma_p` the part that does not shrink with size, `diameter_floor_mm3` added to the volume before the diameter is
    taken. `nu` degrees of freedom. A reading below `detection_limit_mm3`, zeros included, says only that.
    """

    delta_mm: float = 0.26
    sigma_p: float = 0.028
    nu: float = 3.5
    detection_limit_mm3: float = 15.0
    diameter_floor_mm3: float = 5.0
    source: str = "47,684 second differences of the PDX Encyclopedia (Gao et al., Nat Med 2015;21:1318)"

    def __post_init__(self) -> None:
        _check_positive(self)

    def log_variance(self, volume_mm3: Array) -> Array:
        """Squared scale of the error of log volume, of the shape of `volume_mm3` (the true volume, mm3)."""
        return caliper.log_variance(volume_mm3, self.delta_mm, self.sigma_p, self.diameter_floor_mm3)

    def __str__(self) -> str:
        return (
            f"caliper t({self.nu:g}), delta {self.delta_mm:g} mm, sigma_p {self.sigma_p:g}, "
            f"below {self.detection_limit_mm3:g} mm3 censored"
        )


@dataclass(frozen=True)
class GrowthPrior:
    """How a true volume moves between visits: a growth rate that drifts, and a wander of its own (both Gaussian).

    d log V = rate dt + wander, d rate = a random walk; `wander_weekly` and `rate_weekly` (1/day) are the standard
    deviations of what a week adds to log volume and to the rate, so gaps of any length share one law. The rate at day
    0 has mean `rate_mean` and standard deviation `rate_sd` (1/day), the baseline a median of `start_mm3` and a
    log standard deviation of `start_log_sd`.

    Local linear trend in continuous time: Durbin & Koopman 2012, sections 3.2.1 and 3.8. A wander alone, without a
    rate, pulls every growing or shrinking tumour to its neighbours; it is 4,000 log-likelihood units worse on the
    curves named in `source`.
    """

    wander_weekly: float = 0.20
    rate_weekly: float = 0.014
    rate_mean: float = 0.031
    rate_sd: float = 0.044
    start_mm3: float = 215.0
    start_log_sd: float = 1.0
    source: str = (
        "quasi-likelihood of 2,059 curves of the PDX Encyclopedia with 4 visits or more, caliper as in NoiseModel; "
        "start_log_sd is kept wide, as studies differ in the size they start at"
    )

    def __post_init__(self) -> None:
        _check_positive(self, but="rate_mean")

    def __str__(self) -> str:
        return (
            f"growth rate N({self.rate_mean:g}, {self.rate_sd:g})/day, a week adding {self.rate_weekly:g}/day "
            f"to it and {self.wander_weekly:g} to log volume"
        )


def _check_positive(values: NoiseModel | GrowthPrior, but: str = "") -> None:
    for field in fields(values):
        value = getattr(values, field.name)
        if field.name == "source":
            continue
        if not np.isfinite(value) or (field.name != but and value <= 0):
            expected = "finite" if field.name == but else "positive and finite"
            raise ValueError(f"{field.name} must be {expected}: received {value}")
