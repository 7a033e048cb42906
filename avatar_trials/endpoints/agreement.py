"""Agreement of an emulated trial with observed mice, of populations and of individuals, in two tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from avatar_trials.endpoints.individual import individual_agreement
from avatar_trials.endpoints.intervals import check_level
from avatar_trials.endpoints.matching import compare
from avatar_trials.endpoints.population import population_agreement

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable


def agree(
    trial: xr.Dataset,
    table: GrowthTable,
    *,
    rule: str,
    doubling: str = "pct_sheet",
    level: float = 0.9,
    calibrated_on_observed: bool = True,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(population, individual) agreement of `trial` with the mice of `table`, called under one rule.

    They are two tables, as the first does not imply the second: arms can agree although no avatar's
    mouse tells anything about that avatar. Columns: `population.POPULATION_COLUMNS` and
    `individual.INDIVIDUAL_COLUMNS`; each row has its null reference and its ceiling, explained in `method`.
    `calibrated_on_observed`: whether the emulated avatars were calibrated on these very mice; it is written
    into every row of the individual table. `seed` is that of the resampling of avatars. ValueError for an
    unknown rule or variant, a level outside (0, 1), or no arm in common.
    """
    check_level(level)
    comparison = compare(trial, table, rule=rule, doubling=doubling)
    return (
        population_agreement(comparison, level),
        individual_agreement(comparison, level, calibrated_on_observed=calibrated_on_observed, seed=seed),
    )
