"""Foreseen combinations read apart in avatars with and without a biomarker that the design names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.designs import Biomarker
from avatar_trials.endpoints import survival
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.intervals import replicate_summary
from avatar_trials.evidence.combinations import Combination
from avatar_trials.intake.covariates import carriers_of

Floats = NDArray[np.float64]

LEVEL = 0.9
STRATUM_COLUMNS = (
    *("tumor_type", "arm", "biomarker", "carrier", "n_avatars", "predictor", "quantity"),
    *("observed", "predicted", "lower_90", "upper_90", "inside_90", "calibration", "method"),
)
STRATUM_WORDS = (
    "the draws of the whole arm, read among these avatars alone; the interaction is that of the arm, learnt without "
    "its mice and without the biomarker; a median is of what is known by the last visit, infinite where not reached"
)


@dataclass(frozen=True)
class Strata:
    """Which avatars of a tumour type carry a biomarker, and which do not; those of unknown status are in neither."""

    biomarker: str
    tumor_type: str
    carriers: frozenset[str]
    others: frozenset[str]


def strata_of(covariates: pd.DataFrame, biomarker: Biomarker) -> Strata:
    """Strata by covariates (avatar) of a table. KeyError without the biomarker's column."""
    carried = carriers_of(covariates, biomarker)
    carriers, others = (frozenset(map(str, carried.index[carried == value])) for value in (1.0, 0.0))
    return Strata(biomarker.name, biomarker.tumor_type, carriers, others)


def stratum_rows(
    combination: Combination, outcomes: Mapping[str, ArmOutcomes], strata: Sequence[Strata], calibration: str
) -> pd.DataFrame:
    """One row a stratum with avatars, predictor and quantity, columns STRATUM_COLUMNS.

    `outcomes`: predictor -> what is foreseen (T, avatar). Rates in percent, medians in days.
    """
    rows = []
    for one in strata:
        if one.tumor_type.casefold() != combination.tumor_type.casefold():
            continue
        for carrier, avatars in ((True, one.carriers), (False, one.others)):
            place = np.flatnonzero([avatar in avatars for avatar in combination.mice.avatars])
            if not len(place):
                continue
            seen = _quantities(combination.mice.combination.of(place))
            for predictor, drawn in outcomes.items():
                for quantity, values in _quantities(drawn.of(place)).items():
                    observed = float(seen[quantity][0])
                    middle, lower, upper = replicate_summary(values, LEVEL)
                    inside = "" if np.isnan(observed) else bool(lower <= observed <= upper)
                    who = (combination.tumor_type, combination.arm, one.biomarker, carrier, len(place))
                    told = (predictor, quantity, observed, middle, lower, upper, inside, calibration)
                    rows.append((*who, *told, STRATUM_WORDS))
    return pd.DataFrame(rows, columns=list(STRATUM_COLUMNS))


def _quantities(outcomes: ArmOutcomes) -> dict[str, Floats]:
    """Of each replicate: ORR and DCR (percent), median time to doubling (days)."""
    return {
        "ORR_pct": 100.0 * outcomes.rate("ORR"),
        "DCR_pct": 100.0 * outcomes.rate("DCR"),
        "median_doubling_days": survival.median(outcomes.doubling_curve()),
    }
