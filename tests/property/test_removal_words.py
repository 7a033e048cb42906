"""What a report says of the hazards by which emulated mice were removed."""

from __future__ import annotations

from typing import Any

from avatar_trials.cli.reports import removal_words
from tests.random_cohort import a_design

SLOW: dict[str, Any] = {"from_relative_volume": [0], "hazard_per_day": [0.01], "source": "counted"}
FAST: dict[str, Any] = {"from_relative_volume": [0], "hazard_per_day": [0.2], "source": "counted in lung"}


def test_each_tumour_type_is_told_with_its_own_hazards() -> None:
    cohort = {"panel": "p", "tumor_type": ["CM", "NSCLC"]}
    stopping = {"size_mm3": 1200, "removal": SLOW}
    assert "CM" not in removal_words(a_design(cohort=cohort, stopping=stopping))
    by_type = a_design(cohort=cohort, stopping=stopping | {"removal_of_type": {"nsclc": FAST}})
    told = removal_words(by_type)
    assert "CM: from day 0, removed by observed relative volume: 0.01/day from 0x (counted)" in told
    assert "NSCLC: from day 0, removed by observed relative volume: 0.2/day from 0x (counted in lung)" in told
