"""CPU time of survival endpoints over replicate trials, as a ratio to a loop with statsmodels.

    uv run --with statsmodels python tools/bench_survival.py

10,000 replicate trials x 3 arms x 60 mice: Kaplan-Meier medians, restricted means to day 60, and log-rank
tests of each arm against the first. The loop does the same, without restricted means (statsmodels has
none), for 1,000 of the trials. Exit code 1 if more than 5 CPU seconds were needed, or the two disagree.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from avatar_trials.endpoints.rank_tests import logrank
from avatar_trials.endpoints.survival import kaplan_meier, median, restricted_mean
from avatar_trials.endpoints.two_arm_hazard import hazard_ratio

Floats = NDArray[np.float64]

TRIALS, ARMS, MICE = 10_000, 3, 60
LOOPED_TRIALS = 1_000
STUDY_END, TAU = 90.0, 60.0
MEAN_DAYS = np.array([25.0, 40.0, 60.0])
ALLOWED_CPU_S = 5.0


def main() -> int:
    rng = np.random.default_rng(20261122)
    latent = rng.exponential(MEAN_DAYS[:, None], (TRIALS, ARMS, MICE)).round(1)
    days, doubled = np.minimum(latent, STUDY_END), latent < STUDY_END
    arm, avatar = np.repeat([0, 1], MICE), np.tile(np.arange(MICE), 2)

    def side_by_side(values: NDArray[np.generic], other: int) -> NDArray[np.generic]:
        return np.concatenate([values[:, 0], values[:, other]], axis=-1)

    pairs = [(side_by_side(days, k), side_by_side(doubled, k)) for k in range(1, ARMS)]
    curves, t_curve = _timed(lambda: kaplan_meier(days, doubled))
    medians, t_median = _timed(lambda: median(curves))
    _, t_mean = _timed(lambda: restricted_mean(curves, TAU))
    tests, t_test = _timed(lambda: [logrank(t, e, arm) for t, e in pairs])
    _, t_hazard = _timed(lambda: [hazard_ratio(t, e, arm, cluster=avatar) for t, e in pairs])
    needed = t_curve + t_median + t_mean + t_test
    print(f"{TRIALS:,} trials x {ARMS} arms x {MICE} mice, CPU seconds")
    print(f"  Kaplan-Meier {t_curve:.2f}, medians {t_median:.2f}, restricted means {t_mean:.2f}")
    print(f"  log-rank, two pairs of arms {t_test:.2f}")
    print(f"  together {needed:.2f} (allowed {ALLOWED_CPU_S:g})")
    print(f"  beside it: hazard ratios with avatar-robust errors, two pairs of arms {t_hazard:.2f}")
    # Nobody is censored before the study ends: medians before it are those of the latent days.
    latent_medians = np.median(latent, axis=-1)
    before_end = latent_medians < STUDY_END - 1.0
    agree = bool(np.allclose(medians[before_end], latent_medians[before_end], rtol=1e-12))
    print(f"  medians {'agree' if agree else 'DISAGREE'} with those of uncensored days")
    try:
        survfunc = importlib.import_module("statsmodels.duration.survfunc")
    except ImportError:
        print("statsmodels is not installed: no ratio")
    else:

        def loop() -> list[float]:
            for trial, events in zip(days[:LOOPED_TRIALS], doubled[:LOOPED_TRIALS], strict=True):
                for t, e in zip(trial, events, strict=True):
                    survfunc.SurvfuncRight(t, e).quantile(0.5)
            return [
                float(survfunc.survdiff(t[i], e[i], arm)[0]) for t, e in pairs for i in range(LOOPED_TRIALS)
            ]

        chisq, t_loop = _timed(loop)
        ours = np.concatenate([test.chisq[:LOOPED_TRIALS] for test in tests])
        same = bool(np.allclose(ours, chisq, rtol=1e-9, atol=1e-12))
        looped = t_loop / LOOPED_TRIALS * TRIALS
        print(f"  statsmodels one by one, no restricted means: {looped:.1f} (from {LOOPED_TRIALS} trials)")
        print(f"  ratio {looped / (needed - t_mean):.1f}; log-rank {'agrees' if same else 'DISAGREES'}")
        agree &= same
    return 0 if needed <= ALLOWED_CPU_S and agree else 1


def _timed[Result](work: Callable[[], Result]) -> tuple[Result, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())
