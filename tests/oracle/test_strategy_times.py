"""Time to strategy failure by hand: a sequence is exhausted at its second progression, upfront at its first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avatar_trials.endpoints.strategy_times import strategy_failure

NOT_GIVEN = np.nan


def test_first_progressions_flatter_upfront() -> None:
    """Upfront 308 days; 168 and 136 in sequence: first against first 308 to 168, strategies 308 to 304."""
    result = strategy_failure([[308.0, NOT_GIVEN], [168.0, 136.0]], True, lines=[1, 2])
    np.testing.assert_array_equal(result.time, [308, 304])
    np.testing.assert_array_equal(result.event, [True, True])
    np.testing.assert_array_equal(result.line, [1, 2])
    assert "last planned line" in result.definition


@pytest.mark.parametrize(
    ("days", "progressed", "died", "expected"),
    [
        ([50.0, 30.0], [True, True], [False, False], (80.0, True, 2, "progression")),
        ([50.0, 30.0], [True, False], [False, False], (80.0, False, 2, "censored")),
        ([50.0, 30.0], [True, False], [False, True], (80.0, True, 2, "died")),
        ([50.0, NOT_GIVEN], [False, False], [False, False], (50.0, False, 1, "censored")),
        ([50.0, NOT_GIVEN], [False, False], [True, False], (50.0, True, 1, "died")),
        ([50.0, NOT_GIVEN], [True, False], [False, False], (50.0, False, 1, "next_line_not_given")),
    ],
)
def test_how_a_sequence_of_two_can_end(days: Any, progressed: Any, died: Any, expected: Any) -> None:
    result = strategy_failure(days, progressed, died=died, lines=2)
    assert (result.time, result.event, result.line, result.cause) == expected


def test_never_treated_says_so() -> None:
    result = strategy_failure([NOT_GIVEN, NOT_GIVEN], True, lines=2)
    assert np.isnan(result.time)
    assert (bool(result.event), int(result.line), str(result.cause)) == (False, 0, "not_treated")


def test_days_between_lines_count() -> None:
    result = strategy_failure([50.0, 30.0], True, lines=2, start_day=[0.0, 64.0])
    assert result.time == 94.0


def test_a_line_after_the_strategy_does_not_count() -> None:
    result = strategy_failure([50.0, 30.0, 20.0], True, lines=2)
    assert (float(result.time), bool(result.event), int(result.line)) == (80.0, True, 2)


@pytest.mark.parametrize(
    ("days", "chosen", "told"),
    [
        ([50.0, -1.0], {}, "not negative"),
        ([np.inf, 1.0], {}, "finite"),
        ([NOT_GIVEN, 30.0], {}, "after progression"),
        ([50.0, 30.0], {"progressed": [False, True]}, "after progression"),
        ([50.0, 30.0], {"lines": 3}, "1 to 2 lines"),
        ([50.0, 30.0], {"start_day": [0.0, 40.0]}, "before the line before"),
        ([50.0, 30.0], {"start_day": [1.0, 60.0]}, "0 for the first"),
    ],
)
def test_what_cannot_be_is_refused(days: Any, chosen: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        strategy_failure(days, **({"progressed": True, "lines": 2} | chosen))
