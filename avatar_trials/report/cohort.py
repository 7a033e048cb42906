"""What a trial is of, as rows of shown text: its mice, arm by arm, its avatars, and what mice tell nothing about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from avatar_trials.report.record import IDENTIFIED_CONTRACTION
from avatar_trials.report.text import NOTHING, count, listed, number

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable
    from avatar_trials.report.html import ReportInputs


@dataclass(frozen=True)
class CohortRow:
    """The observed mice of one arm; `basis`: how the emulated arm came about."""

    arm: str
    basis: str
    mice: str
    baseline: str
    followed: str
    visits: str


def calibrated_arms(inputs: ReportInputs) -> set[str] | None:
    """The arms whose mice the model was calibrated on; None where that is not known."""
    if inputs.posterior is not None and "constant_data" in inputs.posterior.children:
        constant = inputs.posterior["constant_data"].to_dataset()
        if "arm" in constant:
            return {str(arm) for arm in constant["arm"].values}
    if inputs.observed is not None and inputs.calibrated_on_observed:
        return {str(arm) for arm in inputs.observed.rows["arm"]}
    return None


def basis_of(arm: str, trial: xr.Dataset, calibrated: set[str] | None) -> str:
    """ "calibrated": mice of this arm were learnt from; "predicted": from other arms alone; "drawn": anew."""
    if trial.attrs.get("population"):
        return "drawn"
    return "" if calibrated is None else "calibrated" if arm in calibrated else "predicted"


def cohort_rows(inputs: ReportInputs) -> list[CohortRow]:
    """A row an arm: mice, median baseline and range of the middle half, median days followed, visits a mouse."""
    calibrated = calibrated_arms(inputs)
    mice = None if inputs.observed is None else inputs.observed.mice
    rows = []
    for arm in inputs.arms:
        own = None if mice is None else mice[mice["arm"] == arm]
        basis = basis_of(arm, inputs.trial, calibrated)
        if own is None or own.empty:
            rows.append(CohortRow(arm, basis, "0", NOTHING, NOTHING, NOTHING))
            continue
        low, middle, high = own["baseline_mm3"].quantile([0.25, 0.5, 0.75])
        rows.append(
            CohortRow(
                arm,
                basis,
                f"{len(own):,}",
                f"{number(middle)} ({number(low)} to {number(high)})",
                number(float(own["last_day"].median())),
                number(float(own["n_visits"].median())),
            )
        )
    return rows


def avatars_in_words(table: GrowthTable | None, arms: Sequence[str]) -> str:
    """How many avatars, of which tumour types, and how many have each marker that is 0 or 1; "" without mice."""
    if table is None:
        return ""
    known = table.avatars.loc[
        table.avatars.index.isin(table.rows.loc[table.rows["arm"].isin(arms), "avatar"])
    ]
    types = known["tumor_type"].value_counts()
    told = [f"{n} {name}" if name else f"{n} of unknown tumour type" for name, n in types.items()]
    words = f"{count(len(known), 'avatar')}: {listed(told)}"
    for name in known.columns.drop("tumor_type"):
        values = pd.to_numeric(known[name], errors="coerce").dropna()
        if len(values) and values.isin([0, 1]).all():
            words += f"; {name}: {int(values.sum())} of {len(values)}"
    return f"{words}."


def not_identified(parameters: pd.DataFrame | None) -> str:
    """The parameters that the mice say little about, by their meaning; "" if there is none."""
    if parameters is None:
        return ""
    dull = parameters[~(parameters["contraction"] >= IDENTIFIED_CONTRACTION)]
    return listed([f"{row['meaning'] or row['name']} ({row['name']})" for _, row in dull.iterrows()])
