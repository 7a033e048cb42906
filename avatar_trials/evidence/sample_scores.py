"""Continuous ranked probability score of samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CRPS_WORDS = {
    "fair": "E|X - y| - E|X - X'|/2 over pairs of different samples, unbiased "
    "(Ferro 2014, Q. J. R. Meteorol. Soc. 140:1917)",
    "plug_in": "E|X - y| - E|X - X'|/2 over all pairs, the score of the samples' own distribution "
    "(Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102:359, eq. 21)",
}
CRPS_ESTIMATORS = tuple(CRPS_WORDS)


def crps(samples: ArrayLike, observed: ArrayLike, *, estimator: str = "fair") -> Floats:
    """Score (...) of samples (S,) of a forecast at observed values (...), in their unit; smaller is better.

    By sorting, S log S. ValueError for an unknown estimator, samples or values that are not finite, and fewer samples
    than one (`fair`: two).
    """
    if estimator not in CRPS_WORDS:
        raise ValueError(f"unknown estimator {estimator!r}: expected one of {', '.join(CRPS_ESTIMATORS)}")
    drawn, seen = np.sort(np.asarray(samples, dtype=float).ravel()), np.asarray(observed, dtype=float)
    n = len(drawn)
    if n < (2 if estimator == "fair" else 1):
        raise ValueError(f"the {estimator} score needs more samples: received {n}")
    if not (np.isfinite(drawn).all() and np.isfinite(seen).all()):
        raise ValueError(
            "samples and observed values must be finite: say first what an unreached one counts as"
        )
    # About their middle, so that sums of many large samples lose nothing.
    middle = drawn[n // 2]
    drawn, seen = drawn - middle, seen - middle
    sums = np.concatenate([[0.0], np.cumsum(drawn)])
    below = np.searchsorted(drawn, seen, side="right")
    distance = (seen * (2.0 * below - n) + sums[-1] - 2.0 * sums[below]) / n
    pairs = n * (n - 1.0) if estimator == "fair" else float(n) ** 2
    spread = 2.0 * (drawn @ (2.0 * np.arange(n) - n + 1.0)) / pairs
    score: Floats = distance - 0.5 * spread
    return score
