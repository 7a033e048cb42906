"""Hypothesis draws the same examples on every run: a red suite is red for everyone."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "avatar_trials", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("avatar_trials")
