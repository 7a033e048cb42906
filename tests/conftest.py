"""Hypothesis draws the same examples on every run: a red suite is red for everyone."""

from hypothesis import settings

settings.register_profile("avatar_trials", derandomize=True, deadline=None)
settings.load_profile("avatar_trials")
