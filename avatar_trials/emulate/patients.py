"""Patients behind avatars under the arms of a design: lesions, their sums of diameters, and when patients leave."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.designs import TrialDesign
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.graded_mice import GradedMice
from avatar_trials.emulate.hierarchy import Population
from avatar_trials.emulate.mice import Chance, Mice, luck
from avatar_trials.emulate.patient_levels import PatientLevels, patient_levels
from avatar_trials.emulate.room import require_room_for_patients
from avatar_trials.emulate.trial import new_mice_under
from avatar_trials.kinetics import clones
from avatar_trials.patient_cards import DAYS_PER_MONTH, Patients
from avatar_trials.problems import InputError, Problem
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

BASELINE_LOG_SD = 0.4
LIKE_THESE = "Patients are like the {} avatars chosen, not like all that were calibrated"
VISIBLE_MM = 5.0
"""RECIST 1.1 (Eisenhauer et al. 2009): a lesion too small to measure is given 5 mm; below it, it is gone here."""


def emulate_patients(
    avatars: Cohort,
    hierarchy: Population,
    carriers: Floats,
    design: TrialDesign,
    *,
    seed: int | None = None,
    chosen: bool = False,
) -> xr.Dataset:
    """Patients of the design's [patients] in every arm: dims (trial, patient, arm, assessment).

    sld_mm: sum of the longest diameters as measured, NaN after the patient left; all_gone: no target lesion is left;
    new_lesion_day, dropout_day (trial, patient, arm), infinite for none; has_avatar (patient); days_per_mouse_day
    (trial, patient). Each patient is seen in every arm (as avatars are), with the same luck. A lesion's rates are its
    levels, over the time scale; between-mouse differences, wander and calipers are the mice's own. `chosen`: patients
    are like these avatars and not like all of the hierarchy (`patient_levels`). Raises InputError for a design without
    [patients], with a course or with a mechanism; ResourceError where memory does not hold them.
    """
    scenario = require_patients(design)
    seed = design.seed if seed is None else seed
    levels = patient_levels(avatars, hierarchy, carriers, scenario.parameters, seed=seed, chosen=chosen)
    names, shape = levels.levels.avatars, levels.levels.log_r.shape
    days = np.append(
        0.0, np.arange(scenario.assessment_days, scenario.horizon_days + 1e-9, scenario.assessment_days)
    )
    require_room_for_patients(shape[0], len(names), len(design.arms), len(days))
    lesions = [levels.lesion(number) for number in range(scenario.lesions)]
    diameters = [_baseline(levels, number, seed) for number in range(scenario.lesions)]
    founded = stream_of(names, shape[0], seed, "founders")
    lost = levels.drawn["lost_clone_share"]
    lost = np.where(founded < (1.0 - lost) ** levels.drawn["founder_cells"], lost, 0.0)
    noise = np.stack(
        [stream(seed, "patients", "reading", name).standard_normal((shape[0], len(days))) for name in names],
        axis=1,
    )
    sld = np.empty((*shape, len(design.arms), len(days)))
    gone = np.empty(sld.shape, dtype=bool)
    for arm, spec in enumerate(design.arms):
        total, largest = np.zeros((*shape, len(days))), np.zeros((*shape, len(days)))
        for lesion, start in zip(lesions, diameters, strict=True):
            size = start[..., None] * np.cbrt(
                relative_volumes(lesion, spec.name, days, levels.drawn, lost, seed)
            )
            total, largest = total + size, np.maximum(largest, size)
        sld[:, :, arm] = total * np.exp(levels.drawn["sld_error"][..., None] * noise)
        gone[:, :, arm] = largest < VISIBLE_MM
    new_lesion, dropout = (
        _first_day(levels, name, seed) for name in ("other_progression_per_month", "dropout_per_month")
    )
    sld = np.where(days <= dropout[:, :, None, None], sld, np.nan)
    found = _dataset(sld, gone, new_lesion, dropout, levels, design, days, seed)
    if chosen:
        found.attrs["scenario"] += f". {LIKE_THESE.format(len(avatars.avatars))}"
    return found


def relative_volumes(
    cohort: Cohort, arm: str, days: Floats, drawn: dict[str, Floats], lost: Floats, seed: int
) -> Floats:
    """V/V0 (T, patient, assessment) of one lesion at days of the patient: rates are the mouse's over the time scale.

    `lost` (T, patient): share of cells that resist every drug and that the avatar lost, growing as untreated.
    A share of the volume, residual_logit, is stroma and stays.
    """
    nothing = np.zeros(cohort.log_r.shape)
    still = Chance(nothing, nothing, nothing, nothing, nothing[..., None], nothing[..., None])
    mice = _slowed(new_mice_under(cohort, arm, still, luck(seed, "cohort")), drawn["days_per_mouse_day"])
    free, decelerations = mice.growth.reshape(-1), cohort.decelerations.reshape(-1)
    share = lost.reshape(-1)
    stroma = (1.0 / (1.0 + np.exp(-drawn["residual_logit"]))).reshape(-1)
    volumes = np.empty((free.size, len(days)))
    with np.errstate(divide="ignore"):
        kept, escaped = np.log1p(-share), np.log(share)
    for visit, grown in enumerate(mice.log_growth(days, slice(None))):
        both = np.logaddexp(kept + grown, escaped + free * days[visit])
        size = clones.size_from_growth(both, decelerations, law=cohort.deceleration_law)
        volumes[:, visit] = stroma + (1.0 - stroma) * np.exp(size)
    return volumes.reshape((*cohort.log_r.shape, len(days)))


def stream_of(names: tuple[str, ...], n_trials: int, seed: int, purpose: str) -> Floats:
    """Uniform deviates (T, patient), a stream for each patient."""
    return np.stack([stream(seed, "patients", purpose, name).random(n_trials) for name in names], axis=1)


def _slowed(mice: Mice | GradedMice, scale: Floats) -> Mice | GradedMice:
    """The same tumours in days of patients: every rate, the spread of a kill too, over the days a mouse day."""
    if isinstance(mice, GradedMice):
        spread = mice.log_spread - np.log(scale)
        return replace(mice, growth=mice.growth / scale, kill=mice.kill / scale, log_spread=spread)
    return replace(mice, growth=mice.growth / scale, rates=mice.rates / scale)


def _baseline(levels: PatientLevels, number: int, seed: int) -> Floats:
    names, n_trials = levels.levels.avatars, levels.levels.n_trials
    spread = [
        stream(seed, "patients", f"diameter {number}", name).standard_normal(n_trials) for name in names
    ]
    return levels.drawn["lesion_diameter_mm"] * np.exp(BASELINE_LOG_SD * np.stack(spread, axis=1))


def _first_day(levels: PatientLevels, name: str, seed: int) -> Floats:
    """Day (T, patient) of the first event of a constant hazard a month; infinite for none."""
    uniform = stream_of(levels.levels.avatars, levels.levels.n_trials, seed, name)
    with np.errstate(divide="ignore"):
        return -np.log(uniform) * DAYS_PER_MONTH / levels.drawn[name]


def require_patients(design: TrialDesign) -> Patients:
    """A design's scenario of patients; InputError for one without, with a course or with a mechanism."""
    problems = []
    if design.patients is None:
        problems.append(
            Problem(
                "D98",
                "error",
                "the design has no [patients]",
                "Say what is assumed of them, as columbus_melanoma does",
            )
        )
    if design.mechanism is not None or any(arm.label for arm in design.arms):
        what = "a course or a [mechanism] is of mice: patients are treated without a break and without one"
        problems.append(Problem("D99", "error", what, "Take it out of the design"))
    if problems or design.patients is None:
        raise InputError(problems)
    return design.patients


def _dataset(
    sld: Floats,
    gone: NDArray[np.bool_],
    new_lesion: Floats,
    dropout: Floats,
    levels: PatientLevels,
    design: TrialDesign,
    days: Floats,
    seed: int,
) -> xr.Dataset:
    assert design.patients is not None
    patient = ("trial", "patient")
    names = np.array(levels.levels.avatars, dtype=object)
    return xr.Dataset(
        {
            "sld_mm": ((*patient, "arm", "assessment"), sld, {"units": "mm"}),
            "all_gone": ((*patient, "arm", "assessment"), gone),
            "new_lesion_day": (patient, new_lesion, {"units": "days"}),
            "dropout_day": (patient, dropout, {"units": "days"}),
            "days_per_mouse_day": (patient, levels.drawn["days_per_mouse_day"]),
            "has_avatar": ("patient", np.arange(len(names)) < levels.n_paired),
            "draw": ("trial", levels.levels.draw),
        },
        coords={
            "trial": np.arange(levels.levels.n_trials),
            "patient": names,
            "arm": np.array(design.arm_names, dtype=object),
            "day": ("assessment", days, {"units": "days"}),
        },
        attrs={
            "design_name": design.name,
            "design_sha256": design.sha256,
            "seed": str(seed),
            "patients": design.patients.model_dump_json(exclude_none=True),
            "scenario": design.patients.words,
            "response": design.patients.response,
            "arms": json.dumps([arm.name for arm in design.arms]),
        },
    )
