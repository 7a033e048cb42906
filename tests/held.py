"""Comparisons with references, held by a test: at least one, and every one of them."""

from __future__ import annotations

from collections.abc import Iterable

from avatar_trials.verify.comparison import Comparison


def hold(comparisons: Iterable[Comparison]) -> None:
    """AssertionError with those that fail, or where there is none."""
    found = list(comparisons)
    assert found
    failed = [
        f"{one.name}: {one.deviation:g} > {one.tolerance:g} {one.measure}" for one in found if not one.passed
    ]
    assert not failed, failed
