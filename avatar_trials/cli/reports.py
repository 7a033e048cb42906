"""The report of a trial, from everything there is of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from avatar_trials.cli.readings import Readings, rules_of
from avatar_trials.designs import Removal, TrialDesign
from avatar_trials.endpoints import agree_with_patients
from avatar_trials.evidence.check import Check
from avatar_trials.intake import GrowthTable
from avatar_trials.model_cards import ModelCard
from avatar_trials.problems import InputError, Problem
from avatar_trials.stamp import read_stamp


def reported(
    design: TrialDesign,
    card: ModelCard,
    tree: xr.DataTree | None,
    trial: xr.Dataset,
    table: GrowthTable | None,
    result: Readings,
    path: Path,
    checks: Sequence[Check] = (),
    patients: xr.Dataset | None = None,
) -> Path:
    """Write the HTML report of a trial."""
    from avatar_trials.calibrate import gates_of, population_parameters
    from avatar_trials.report import ReportInputs, write_report

    parameters = None
    notices: list[str] = []
    if tree is not None:
        parameters = population_parameters(tree["posterior"].to_dataset(), card, design.endpoints.level)
        notices = [*(f"Model card: {miss}" for miss in card.known_misses), *json.loads(tree.attrs["notices"])]
    rules = rules_of(trial)
    try:
        behind = None if patients is None else agree_with_patients(trial, patients, **rules)
    except ValueError as error:
        fix = "Give the two files that `patients` wrote together"
        raise InputError(Problem("P04", "error", str(error), fix)) from None
    inputs = ReportInputs(
        title=design.title,
        question=design.question,
        design_facts=design_facts(design, card, trial, table),
        arms=[str(arm) for arm in trial["arm"].values],
        trial=trial,
        observed=table,
        readout_emulated=result.emulated,
        readout_observed=result.observed,
        population=result.population,
        individual=result.individual,
        posterior=tree,
        gates=gates_of(trial),
        parameters=parameters,
        notices=notices,
        stamp=read_stamp(trial),
        synthetic=bool(trial.attrs.get("synthetic", 0)),
        rule=rules["rule"],
        doubling=rules["doubling"],
        level=rules["level"],
        calibrated_on_observed=table is not None and trial.attrs.get("calibrated_on_sha256") == table.sha256,
        checks=checks,
        patients_population=None if behind is None else behind[0],
        patients_individual=None if behind is None else behind[1],
        patients_scenario="" if patients is None else str(patients.attrs["scenario"]),
    )
    return write_report(path, inputs)


def removal_words(design: TrialDesign) -> str:
    """By which hazards emulated mice are removed, tumour type by tumour type where these have their own."""
    removals = {"": design.stopping.removal}
    if design.stopping.removal_of_type:
        types = design.cohort.tumor_types
        removals = {f"{name}: ": design.stopping.of_type(name).removal for name in types}
    return "; ".join(f"{name}{_hazards(removal)}" for name, removal in removals.items())


def _hazards(removal: Removal) -> str:
    bands = ", ".join(
        f"{hazard:g}/day from {start:g}x"
        for start, hazard in zip(removal.from_relative_volume, removal.hazard_per_day, strict=True)
    )
    return f"from day {removal.from_day:g}, removed by observed relative volume: {bands} ({removal.source})"


def design_facts(
    design: TrialDesign, card: ModelCard, trial: xr.Dataset, table: GrowthTable | None
) -> dict[str, str]:
    """What the report says of the design, in words."""
    gaps = " or ".join(f"{gap:g}" for gap in design.visits.gaps_days)
    types = ", ".join(design.cohort.tumor_types)
    added = {"Scenario": design.mechanism.words} if design.mechanism else {}
    courses = [
        f"{arm.shown}: {arm.name} at " + ", ".join(f"{dose:g} from day {day:g}" for day, dose in arm.course)
        for arm in design.arms
        if arm.label
    ]
    if courses:
        added["Courses (dose fraction)"] = "; ".join(courses)
    population = str(trial.attrs.get("population", ""))
    if population:
        added["New avatars"] = f"drawn anew in each replicate from population {population}"
    used = str(trial.attrs.get("model_card", card.name))
    return {
        "Volumes": "none" if table is None else Path(table.source).name,
        "Cohort": f"{trial.sizes['avatar']} avatars, {types}, one mouse per avatar and arm",
        "Replicate trials": f"{trial.sizes['trial']:,}, each one {'population' if population else 'posterior'} draw "
        f"and new {'avatars and ' if population else ''}mice",
        "Visits": f"every {gaps} days to day {design.visits.horizon_days:g}",
        "Leaving the study": (f"at {design.stopping.size_mm3:,.0f} mm3 or {removal_words(design)}"),
        "Model card": f"{card.name}: {card.title}" if used == card.name else used,
        "Luck": str(trial.attrs.get("luck", "")),
        **added,
    }
