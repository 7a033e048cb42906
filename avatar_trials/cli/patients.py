"""Patients behind the avatars of a trial: emulated beside it, written, read, and held against benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.benchmark_cards import Benchmark
from avatar_trials.cli import outputs, patient_files, readings, trials
from avatar_trials.cli.files import write_csv
from avatar_trials.designs import TrialDesign
from avatar_trials.endpoints import agree_with_patients
from avatar_trials.intake.clinical_table import ClinicalTable
from avatar_trials.problems import InputError, Problem
from avatar_trials.stamp import make_stamp, read_netcdf, read_stamp, write_netcdf


def read_patients(path: Path) -> xr.Dataset:
    """Read patients.nc; StampError where it is damaged or holds none."""
    return read_netcdf(path, kind="patients")


def emulated_with_patients(
    source: xr.DataTree | str, design: TrialDesign, folder: Path, avatars: Sequence[str] | None = None
) -> tuple[xr.Dataset, xr.Dataset]:
    """(trial, patients) of one cohort, written to trial.nc and patients.nc of a folder.

    `source`: a posterior, or the name of a population. `avatars`: of a posterior's, those to take,
    whose patients are like them.
    """
    from avatar_trials.emulate import cohort_for, emulate_trials, load_population, patients_behind

    known: xr.DataTree | xr.Dataset
    if isinstance(source, str):
        known = load_population(source)
        told = trials.told_of_population(source, known, design)
        stamp = trials.stamp_of_population(source, known, design)
    else:
        known = source
        passed = bool(read_stamp(source).get("gates_passed", False))
        told = trials.told_of_source(source, passed) | {"avatars": "calibrated", "population": ""}
        stamp = make_stamp(
            design=design.name,
            design_sha256=design.sha256,
            model_card=source.attrs["model_card"],
            card_sha256=source.attrs["card_sha256"],
            data_sha256=source.attrs["data_sha256"],
            seed=str(design.seed),
            posterior_gates_passed=passed,
        )
    cohort = cohort_for(known, design, avatars=avatars)
    patients = patients_behind(known, cohort, design, chosen=avatars is not None)
    trial = emulate_trials(cohort, design)
    for one, name, kind in ((trial, outputs.TRIAL, "trial"), (patients, patient_files.PATIENTS, "patients")):
        one.attrs |= told
        write_netcdf(one, folder / name, stamp, kind=kind)  # type: ignore[arg-type]
    return trial, patients


def write_agreement(
    trial: xr.Dataset, patients: xr.Dataset, folder: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two tables of avatars with patients, each in a file of its own."""
    found = agree_with_patients(trial, patients, **readings.rules_of(trial))
    for frame, name in zip(
        found, (patient_files.PATIENTS_POPULATION, patient_files.PATIENTS_INDIVIDUAL), strict=True
    ):
        write_csv(frame, folder / name)
    return found


def held_against(
    benchmark: Benchmark,
    emulated: xr.Dataset,
    table: ClinicalTable | None = None,
    *,
    days_per_mouse_day: float | None,
    scale_from: str | None,
    level: float,
) -> pd.DataFrame:
    """Rows of a benchmark beside emulated patients on their own scale, or mice on a declared or fitted one.

    `emulated`: patients.nc or trial.nc; `table`: the patients the benchmark was recomputed from, whose curves are
    compared too. Raises InputError where the two trials have nothing in common.
    """
    from avatar_trials.endpoints import MICE, PATIENTS, against_benchmark, curve_rows, patient_arms

    if "sld_mm" in emulated:
        arms = patient_arms(emulated, with_avatar_only=False)
        days = float(np.median(emulated["days_per_mouse_day"].values))
        subjects, scale = PATIENTS, f"ASSUMED patients, {days:g} days a mouse day"
    else:
        arms = mouse_arms(emulated, days_per_mouse_day or 1.0)
        subjects, scale = MICE, f"{days_per_mouse_day or 1.0:g} days a mouse day"
    try:
        frame = against_benchmark(
            arms, benchmark, subjects=subjects, scale=scale, scale_from=scale_from, level=level
        )
    except ValueError as error:
        raise InputError(Problem("P02", "error", str(error), "Choose arms that both trials have")) from None
    if table is None:
        return frame
    factor = _factor(arms, benchmark, scale_from)
    days_per_month = benchmark.days_per_month
    curves = curve_rows(
        arms, table.months, table.event, days_per_month=days_per_month, factor=factor, level=level
    )
    return pd.concat([frame, curves.reindex(columns=frame.columns)], ignore_index=True)


def told_of_misses(frame: pd.DataFrame) -> str:
    """Which published numbers lie outside the emulated intervals, and which cannot be told, in words."""
    compared = frame[frame["published"].notna()]
    missed = compared[compared["covered"].eq(False).fillna(False)]
    open_ended = compared[compared["covered"].isna()]
    rows = []
    for arm, measure, *numbers in missed[
        ["arm", "measure", "emulated", "lower", "upper", "published"]
    ].itertuples(index=False):
        emulated, lower, upper, published = (
            "not reached" if np.isnan(one) else f"{one:.3g}" for one in numbers
        )
        rows.append(f"  {arm}, {measure}: {emulated} [{lower}, {upper}], published {published}")
    lines = [
        f"NOT REPRODUCED, published number outside the emulated interval ({len(rows)} of {len(compared)}):"
    ]
    lines = [*lines, *rows] if rows else ["Every published number lies inside its emulated interval."]
    if len(open_ended):
        named = ", ".join(
            f"{arm} {measure}" for arm, measure in open_ended[["arm", "measure"]].itertuples(index=False)
        )
        lines.append(f"Not told, as nothing was emulated of it: {named}")
    return "\n".join(lines)


def mouse_arms(trial: xr.Dataset, days_per_mouse_day: float) -> dict[str, Any]:
    """Outcomes (trial, avatar) of mice by arm, in days of patients and percent of diameter."""
    from avatar_trials.endpoints import mice_on_patient_scale

    n_trials, n = trial.sizes["trial"], trial.sizes["avatar"]
    scale = xr.Dataset(
        {
            "days_per_mouse_day": (("trial", "patient"), np.full((n_trials, n), days_per_mouse_day)),
            "has_avatar": ("patient", np.ones(n, dtype=bool)),
        }
    )
    rules = readings.rules_of(trial)
    return mice_on_patient_scale(trial, scale, rule=rules["rule"], doubling=rules["doubling"])


def _factor(arms: dict[str, Any], benchmark: Benchmark, scale_from: str | None) -> float:
    """What times are multiplied by where an arm sets the scale; 1 where none does."""
    from avatar_trials.arms import canonical_arm
    from avatar_trials.endpoints.benchmark import estimated_scale

    if scale_from is None:
        return 1.0
    wanted = canonical_arm(scale_from).casefold()
    ours = next(name for name in arms if canonical_arm(name).casefold() == wanted)
    published = next(arm.median_pfs_months for arm in benchmark.arms if arm.name.casefold() == wanted)
    assert published is not None
    return float(np.nanmedian(estimated_scale(arms, ours, published, benchmark.days_per_month)))


def numbers_of(numbers: str, mice: str, correlations: str) -> tuple[list[int], list[int], list[float]]:
    """Numbers of avatars, of mice and correlations, as typed. InputError with all that is wrong with them."""
    problems = []

    def parsed(text: str, kind: type, option: str, fits: Any, expected: str) -> list[Any]:
        try:
            values = [kind(part) for part in text.split(",") if part.strip()]
        except ValueError:
            values = []
        if not values or not all(fits(value) for value in values):
            problems.append(Problem("P07", "error", f"{option} {text!r}: expected {expected}, with commas"))
        return values

    found = (
        parsed(numbers, int, "--avatars", lambda n: 3 <= n <= 2000, "whole numbers from 3 to 2000"),
        parsed(mice, int, "--mice", lambda k: k % 2 == 1 and 1 <= k <= 9, "odd numbers from 1 to 9"),
        parsed(correlations, float, "--correlations", lambda rho: 0 <= rho <= 1, "numbers from 0 to 1"),
    )
    if problems:
        raise InputError(problems)
    return found
