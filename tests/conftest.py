"""Hypothesis draws the same examples on every run: a red suite is red for everyone.

One thread of BLAS, before NumPy is loaded: two threads that wait for each other on cores that others use make a small
matrix exponential cost hundreds of times as much. Tests that are about cores set the number themselves.
"""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
settings.register_profile(
    "avatar_trials", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("avatar_trials")
