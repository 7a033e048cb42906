"""A two-clone tumour under an arm: how fast it can shrink, what its drugs do together, how much of it resists.

Three choices make the kill, the resistant fraction and the regrowth of one short curve tell apart:
a tumour shrinks no faster than dead cells are cleared; a tumour that mostly resists is one with a small kill;
and regrowth under drug is slower than untreated growth by a factor of the drug.
"""

from __future__ import annotations

import numpy as np

from avatar_trials.kinetics.combination import combined_kill
from avatar_trials.kinetics.namespace import Array, Namespace, softplus

BEND_FACTOR = 6.0
BEND_SHARPNESS = 3.0
_ABSENT = 1e3


def log_kill_rate(log_drive: Array, clearance: Array, xp: Namespace = np) -> Array:
    """Log of the rate of shrinkage (1/day) that a kill drive causes when dead cells leave at `clearance` (1/day).

    1/K = 1/drive + 1/clearance: the time to be killed and the time to be cleared add up. For drives well below the
    clearance K is the drive.
    """
    return log_drive - softplus(log_drive - xp.log(clearance), xp)


def log_drive_of(log_rate: Array, log_rest: Array, clearance: Array, xp: Namespace = np) -> Array:
    """Inverse of `log_kill_rate`, from log K and `log_rest` = log(clearance - K), which the caller has without
    cancellation."""
    return log_rate + xp.log(clearance) - log_rest


def resistance_score(resistant_logit: Array, bend: Array, xp: Namespace = np) -> Array:
    """Scale on which resistant fractions are normal: the logit, stretched seven times above `bend`.

    score = logit + (6/3) softplus(3 (logit - bend)): a tumour with more than a bend's share of resistant cells is
    rare by construction, smoothly.
    """
    return resistant_logit + BEND_FACTOR / BEND_SHARPNESS * softplus(
        BEND_SHARPNESS * (resistant_logit - bend), xp
    )


def log_score_slope(resistant_logit: Array, bend: Array, xp: Namespace = np) -> Array:
    """log d score / d logit, for the change of variables."""
    x = BEND_SHARPNESS * (resistant_logit - bend)
    return xp.log1p(BEND_FACTOR * xp.exp(x - softplus(x, xp)))


def resistant_logit_of(score: Array, bend: float) -> Array:
    """Inverse of `resistance_score` (NumPy): Newton from the right, monotone because the score is convex.

    Each element stops by itself, so that a score's inverse does not depend on the others in the array.
    """
    logit = np.array(score, dtype=float)
    moving = np.ones(logit.shape, dtype=bool)
    for _ in range(60):
        step = (resistance_score(logit, bend) - score) / np.exp(log_score_slope(logit, bend))
        logit = np.where(moving, logit - step, logit)
        moving &= np.abs(step) > 1e-13 * (1.0 + np.abs(logit))
        if not moving.any():
            break
    return logit


def arm_log_drive(log_drives: Array, given: Array, p: Array, xp: Namespace = np) -> Array:
    """Log kill drive (...) of the drugs `given` (..., drug; true or false), by the p-norm of their drives."""
    return xp.log(combined_kill(xp.where(given, log_drives, -_ABSENT), p, xp))


def arm_score(scores: Array, given: Array, cross_resistance: Array, xp: Namespace = np) -> Array:
    """Expected resistance score (...) of the drugs `given` (..., drug).

    On the log-share scale: the sum (independent resistance) at cross_resistance 0, the smallest (nested) at 1.
    """
    log_share = -softplus(-scores, xp)
    together = xp.sum(xp.where(given, log_share, 0.0), axis=-1)
    smallest = xp.min(xp.where(given, log_share, 0.0), axis=-1)
    return (1.0 - cross_resistance) * together + cross_resistance * smallest


def arm_slowing(slowing: Array, given: Array, overlap: Array, xp: Namespace = np) -> Array:
    """Log slowing (...) of regrowth by the drugs `given` (..., drug): the strongest, and `overlap` of the others."""
    strongest = xp.min(xp.where(given, slowing, _ABSENT), axis=-1)
    together = xp.sum(xp.where(given, slowing, 0.0), axis=-1)
    return strongest + overlap * (together - strongest)
