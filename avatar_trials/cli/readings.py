"""What is read off a trial and the mice beside it: readouts, agreement, response."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from avatar_trials.cli.files import write_csv
from avatar_trials.cli.outputs import INDIVIDUAL, POPULATION, READOUT, READOUT_OBSERVED, RESPONSE
from avatar_trials.endpoints import agree, readout_observed, readout_trial, response_table
from avatar_trials.intake import GrowthTable


@dataclass(frozen=True)
class Readings:
    """Everything read off a trial and the mice beside it."""

    emulated: pd.DataFrame
    observed: pd.DataFrame | None
    population: pd.DataFrame | None
    individual: pd.DataFrame | None


def rules_of(trial: xr.Dataset) -> dict[str, Any]:
    """The rules a trial's design reads mice by: rule, doubling, level."""
    endpoints = json.loads(trial.attrs["endpoints"])
    return {"rule": endpoints["mrecist_rule"], "doubling": endpoints["doubling"], "level": endpoints["level"]}


def readings(trial: xr.Dataset, table: GrowthTable | None, rules: dict[str, Any]) -> Readings:
    """Readout of the emulated arms, and of the observed ones with their agreement where there are mice."""
    tau = float(trial["day"].max())
    ours = readout_trial(trial, tau=tau, **rules)
    if table is None:
        return Readings(ours, None, None, None)
    theirs = readout_observed(table, tau=tau, **rules)
    seen_before = trial.attrs.get("calibrated_on_sha256") == table.sha256
    population, individual = agree(trial, table, calibrated_on_observed=seen_before, **rules)
    return Readings(ours, theirs, population, individual)


def write_readings(result: Readings, table: GrowthTable | None, rules: dict[str, Any], folder: Path) -> None:
    """Write the readout, response and agreement tables as CSV."""
    write_csv(result.emulated, folder / READOUT)
    for frame, name in (
        (result.observed, READOUT_OBSERVED),
        (result.population, POPULATION),
        (result.individual, INDIVIDUAL),
    ):
        if frame is not None:
            write_csv(frame, folder / name)
    if table is not None:
        response = response_table(table, rule=rules["rule"], doubling=rules["doubling"])
        write_csv(response, folder / RESPONSE)
