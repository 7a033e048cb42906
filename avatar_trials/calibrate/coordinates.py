"""Coordinates in which a treated curve is sampled: its mean slope over the follow-up and its final resistant share.

Kill and resistant fraction are each badly determined by one curve, and strongly tied to one another; the mean slope
b and the share of resistant cells at the last visit are what the curve shows. `slope_and_share` goes from these to
kill and resistant fraction with the log Jacobian of the map.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from avatar_trials.kinetics.namespace import Array, Namespace, softplus
from avatar_trials.kinetics.two_clone import log_drive_of

SOFT_AT_ZERO = 0.02
SOFT_AT_CLEARANCE = 0.1
SHARE_REACH = 4.0


class TreatedCurve(NamedTuple):
    """Kill rate (1/day), log kill drive, logit resistant fraction at day 0, and log |d(drive, logit)/d(b, s)|."""

    kill: Array
    log_drive: Array
    resistant_logit: Array
    log_jacobian: Array


def slope_and_share(
    slope: Array,
    share: Array,
    growth: Array,
    resistant_rate: Array,
    follow_up: Array,
    clearance: float,
    xp: Namespace,
) -> TreatedCurve:
    """Kill and resistant fraction of curves with mean log slope `slope` (1/day) and final share `share`.

    `share` is 4 asinh(l/4) of the logit l of the resistant share at `follow_up` (days): long curves reach logits of
    100. The net rate a = growth - kill follows from slope = a + softplus(l)/follow_up (the term in log(1 - q) is left
    out: this defines a coordinate, not the curve). Kill is growth - a, softly kept above 0 and below the clearance c:
    u = S softplus((growth - a)/S), K = -T log(1 - (1 - e^(-c/T)) (1 - e^(-u/T))), which rises as u and
    ends at c. The upper wall is soft, as the prior of the drive is steep there; K and c - K come without cancellation.
    """
    logit_at_end = SHARE_REACH * xp.sinh(share / SHARE_REACH)
    x = (growth - slope + softplus(logit_at_end, xp) / follow_up) / SOFT_AT_ZERO
    shift = np.log(np.expm1(clearance / SOFT_AT_CLEARANCE))
    steps = SOFT_AT_ZERO / SOFT_AT_CLEARANCE * softplus(x, xp)
    to_wall = shift - steps
    kill = -SOFT_AT_CLEARANCE * xp.log1p(-np.expm1(-clearance / SOFT_AT_CLEARANCE) * xp.expm1(-steps))
    rest = SOFT_AT_CLEARANCE * softplus(to_wall, xp)
    log_kill, log_rest = xp.log(kill), xp.log(rest)
    # dK/da is sigmoid(x) sigmoid(to_wall), and d log drive/dK is c/(K (c - K)); the cross terms of the map cancel.
    log_jacobian = (
        -softplus(-x, xp)
        - softplus(-to_wall, xp)
        + np.log(clearance)
        - log_kill
        - log_rest
        + xp.log(xp.cosh(share / SHARE_REACH))
    )
    return TreatedCurve(
        kill,
        # Not a Python number: PyTensor takes the log of one such as 0.5 in single precision.
        log_drive_of(log_kill, log_rest, np.asarray(clearance, dtype=float), xp),
        logit_at_end + (growth - kill - resistant_rate) * follow_up,
        log_jacobian,
    )
