"""Property: exp and log of whole arrays are NumPy's to two units in the last place, and honest at their ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from avatar_trials.calibrate import array_math

LAST_PLACE = float(np.finfo(float).eps)
exponents = arrays(np.float64, st.integers(1, 40), elements=st.floats(-708.0, 708.0))


@given(exponents)
def test_exp_is_numpys(x: np.ndarray) -> None:
    np.testing.assert_allclose(array_math.exp(x), np.exp(x), rtol=2 * LAST_PLACE)


@given(exponents)
def test_log_is_numpys(x: np.ndarray) -> None:
    positive = np.exp(x)
    np.testing.assert_allclose(array_math.log(positive), np.log(positive), rtol=2 * LAST_PLACE)


@given(arrays(np.float64, st.integers(1, 40), elements=st.floats(0.0, 1e300)))
def test_log_of_one_and_a_little_is_numpys(x: np.ndarray) -> None:
    np.testing.assert_allclose(array_math.log1p(x), np.log1p(x), rtol=4 * LAST_PLACE)


def test_log_near_one_loses_nothing() -> None:
    near = 1.0 + np.linspace(-1e-3, 1e-3, 10_001)
    np.testing.assert_allclose(array_math.log(near), np.log(near), rtol=2 * LAST_PLACE, atol=0.0)


@pytest.mark.parametrize(
    ("of", "x", "is_"),
    [
        (
            array_math.exp,
            [-np.inf, -709.0, 709.0, np.inf, np.nan, 0.0],
            [0.0, 0.0, np.inf, np.inf, np.nan, 1.0],
        ),
        (
            array_math.log,
            [0.0, -1.0, 5e-324, np.inf, np.nan, 1.0],
            [np.nan, np.nan, np.nan, np.inf, np.nan, 0.0],
        ),
        (array_math.log1p, [0.0, 5e-324, np.nan], [0.0, 5e-324, np.nan]),
    ],
)
def test_ends_are_told_not_guessed(of: object, x: list[float], is_: list[float]) -> None:
    np.testing.assert_array_equal(of(np.array(x)), np.array(is_))  # type: ignore[operator]
