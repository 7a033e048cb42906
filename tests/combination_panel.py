"""A small study for tests of combinations: one mouse an avatar and arm, exponential curves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from avatar_trials.intake import GrowthTable

DAYS = np.arange(0.0, 41.0, 4.0)
ARMS = {"A": 0.03, "B": 0.01, "C": 0.02, "A + B": -0.02, "A + C": 0.0, "untreated": 0.08}


def panel(
    n: int = 12,
    arms: Mapping[str, float] = ARMS,
    *,
    seed: int = 3,
    tumor_type: str = "CM",
    spread: float = 0.05,
) -> GrowthTable:
    """`n` avatars under arms with a mean growth rate (1/day) each; rates differ by `spread`."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"{tumor_type}{avatar}", arm, "1", day, volume)
        for avatar in range(n)
        for arm, rate in arms.items()
        for day, volume in zip(DAYS, 200.0 * np.exp(rng.normal(rate, spread) * DAYS), strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    facts = pd.DataFrame({"tumor_type": tumor_type}, index=pd.Index(frame["avatar"].unique(), name="avatar"))
    return GrowthTable(frame, facts, (), "panel.csv", "", True)


def together(*tables: GrowthTable) -> GrowthTable:
    """The mice of several tables."""
    rows = pd.concat([table.rows for table in tables], ignore_index=True)
    return GrowthTable(rows, pd.concat([table.avatars for table in tables]), (), "panel.csv", "", True)
