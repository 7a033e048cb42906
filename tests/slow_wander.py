"""What a reading is foreseen to be, by regression on all earlier readings in their joint law: no filter in sight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def foreseen(
    earlier: Sequence[tuple[float, float, float]], day: float, caliper_squared: float, weekly: float
) -> tuple[float, float]:
    """Centre and squared scale of the residual at `day`, for earlier (day, caliper_squared, residual)."""
    squared = caliper_squared + weekly**2 * day / 7
    if not earlier:
        return 0.0, squared
    days, calipers, residuals = np.array(earlier).T
    joint = weekly**2 * np.minimum.outer(days, days) / 7 + np.diag(calipers)
    shared = weekly**2 * np.minimum(days, day) / 7
    return float(shared @ np.linalg.solve(joint, residuals)), float(
        squared - shared @ np.linalg.solve(joint, shared)
    )
