"""One-mouse-per-avatar trials: mice march from visit to visit, are measured, and leave by the design's rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.designs import ArmSpec, Removal, Stopping, TrialDesign
from avatar_trials.emulate.caliper_readings import Growth, caliper_volumes
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.graded_mice import GradedMice, graded_mice_under
from avatar_trials.emulate.mice import Chance, Luck, Mice, chance, luck, mice_under
from avatar_trials.emulate.room import require_room
from avatar_trials.emulate.room import visit_days as visit_days
from avatar_trials.emulate.scenario import Scenario, drawn_scenario, log_growth, log_growth_in_cells
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.problems import InputError, Problem

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

STUDY_END, SIZE, REMOVED = 0, 1, 2
REASONS = "study_end size removed"
NUMBERS_AT_A_TIME = 3_000_000


def emulate_trials(
    cohort: Cohort, design: TrialDesign, *, seed: int | None = None, at_a_time: int | None = None
) -> xr.Dataset:
    """Replicate trials of a design with a cohort: dims (trial, avatar, arm, visit).

    volume_mm3 is what the caliper read (0 below the detection limit), NaN after the mouse left; twin_volume_mm3 is a
    second mouse of the same avatar, arm and draw, the ceiling of what one mouse can tell of another. left_day,
    left_reason and draw are recorded. Arms of an avatar share the mouse's luck (common random numbers): arms compare
    sharply, and the arms of one replicate are not independent mice. The result depends on the cohort, the design and
    the seed alone, not on how the work was cut up (`at_a_time` volumes, in whole avatars), and avatars do not touch one
    another's numbers. Raises ResourceError, before anything is made, where memory does not hold it.
    """
    seed = design.seed if seed is None else seed
    days = visit_days(design.visits)
    require_room(design, len(cohort.avatars), 0, n_trials=cohort.n_trials)
    shape = (cohort.n_trials, len(cohort.avatars), len(design.arms), len(days))
    volume, twin = np.full(shape, np.nan), np.full(shape, np.nan)
    left = np.zeros(shape[:3], dtype=np.int64)
    reason = np.zeros(shape[:3], dtype=np.int8)
    block = max(1, (at_a_time or NUMBERS_AT_A_TIME) // (cohort.n_trials * len(days)))
    for first in range(0, len(cohort.avatars), block):
        names = cohort.avatars[first : first + block]
        part = cohort.of(names)
        here = slice(first, first + len(names))
        for purpose, target in (("mouse", volume), ("twin", twin)):
            fates = luck(seed, purpose)
            deviates = chance(names, cohort.n_trials, len(days), fates)
            scenario = drawn_scenario(design.mechanism, part, seed)
            for arm, spec in enumerate(design.arms):
                mice = new_mice_under(part, spec.name, deviates, luck(seed, "cohort"))
                seen = measured_volumes(part, mice, deviates, days, arm=spec, scenario=scenario, fates=fates)
                stay, last, why = follow(seen, days, deviates.removal, design.stopping, part.tumor_types)
                target[:, here, arm] = np.where(stay, seen, np.nan)
                if purpose == "mouse":
                    left[:, here, arm], reason[:, here, arm] = last, why
    return _dataset(volume, twin, days[left], reason, cohort, design, days, seed)


def new_mice_under(cohort: Cohort, arm: str, deviates: Chance, luck: Luck) -> Mice | GradedMice:
    """New mice (T, avatar) of a cohort under an arm, by the cohort's kinetics; `luck` is the cohort's own."""
    if cohort.kinetics in KILL_LAWS:
        return graded_mice_under(cohort, arm, deviates, luck)
    return mice_under(cohort, arm, deviates)


def measured_volumes(
    cohort: Cohort,
    mice: Mice | GradedMice,
    deviates: Chance,
    days: Floats,
    *,
    arm: ArmSpec | None = None,
    scenario: Scenario | None = None,
    fates: Luck | None = None,
) -> Floats:
    """Caliper volumes (T, avatar, visit) in mm3 of mice, 0 below the detection limit.

    Under constant treatment, or under the course of `arm`, with the mechanisms of `scenario`, whose whole cells take
    their chances from the streams of `fates`. Raises InputError for a mechanism that the kinetics cannot have.
    """
    growth = growth_of(cohort, mice, days, arm, scenario, fates)
    return caliper_volumes(growth, mice.log_start, cohort, deviates.surprises, days)


def growth_of(
    cohort: Cohort,
    mice: Mice | GradedMice,
    days: Floats,
    arm: ArmSpec | None,
    scenario: Scenario | None,
    fates: Luck | None,
) -> Growth:
    """log(V/V0) of mice at `days`, block by block, without deceleration; arguments as `measured_volumes`."""
    if arm is None or (scenario is None and not arm.label):
        return lambda block: mice.log_growth(days, block)
    if isinstance(mice, GradedMice):
        reach = _reach_of(scenario)
        return lambda block: mice.log_growth(days, block, arm.course, reach(block))
    if scenario is not None and scenario.in_cells and fates is not None:
        counted = [
            log_growth_in_cells(mice.of(i), arm, scenario.of(i), days, fates(avatar, "fate of the clones"))
            for i, avatar in enumerate(cohort.avatars)
        ]
        grown = np.stack(counted, axis=-1).reshape(len(days), -1)
        return lambda block: grown[:, block]
    return lambda block: log_growth(mice, arm, scenario, days, block)


def _reach_of(scenario: Scenario | None) -> Callable[[slice], Floats | float]:
    """Part of a dose that gets to the mice of a block: the one mechanism that graded tumours can have."""
    if scenario is None:
        return lambda block: 1.0
    clonal = [part for part in scenario.parts if part != "exposure"]
    if clonal:
        what = f"mechanism {', '.join(clonal)} needs clones; kinetics such as graded_kill have none"
        raise InputError(Problem("D92", "error", what, "Calibrate with two_clone, or drop the mechanism"))
    return lambda block: scenario.block(block)["exposure"]["penetration"]


def follow(
    seen: Floats, days: Floats, uniform: Floats, stopping: Stopping, tumor_types: Sequence[str] = ()
) -> tuple[Flags, NDArray[np.int64], NDArray[np.int8]]:
    """Until when mice are followed: (measured and still in, last visit, reason), by what the caliper read.

    At each visit a mouse may leave for size, or be removed with the hazard of its observed relative volume over the
    gap to the next visit. A baseline that reads 0 gives no relative volume; such a mouse is removed at no hazard.
    `tumor_types` (avatar,), of the dimension before the visits: each by the removal of its type.
    """
    removed = uniform < _removal(seen, days, stopping, tumor_types)
    too_large = seen >= stopping.size_mm3
    leaves = removed | too_large
    leaves[..., -1] = True
    last = leaves.argmax(axis=-1)
    stay = np.arange(len(days)) <= last[..., None]
    at_last = np.take_along_axis(too_large, last[..., None], axis=-1)[..., 0]
    reason = np.where(at_last, SIZE, np.where(last == len(days) - 1, STUDY_END, REMOVED)).astype(np.int8)
    return stay, last, reason


def _removal(seen: Floats, days: Floats, stopping: Stopping, tumor_types: Sequence[str]) -> Floats:
    if not (stopping.removal_of_type and tumor_types):
        return removal_probability(seen, days, stopping.removal)
    types = np.array(tumor_types)
    chance = np.empty(seen.shape)
    for name in set(tumor_types):
        here = types == name
        chance[..., here, :] = removal_probability(seen[..., here, :], days, stopping.of_type(name).removal)
    return chance


def removal_probability(seen: Floats, days: Floats, removal: Removal) -> Floats:
    """Probability (..., visit) that a mouse is removed at a visit, by what the caliper read of it (..., visit), mm3."""
    baseline = seen[..., :1]
    relative = np.divide(seen, baseline, out=np.zeros_like(seen), where=baseline > 0)
    band = np.searchsorted(removal.from_relative_volume, relative, side="right") - 1
    return removal_by_band(days, removal)[np.arange(len(days)), band]


def removal_by_band(days: Floats, removal: Removal) -> Floats:
    """Probability (visit, band) that a mouse in a band of relative volume is removed at a visit."""
    removed: Floats = -np.expm1(-np.asarray(removal.hazard_per_day) * np.diff(days, append=days[-1])[:, None])
    removed[(days < removal.from_day) | (days == 0.0)] = 0.0
    return removed


def _dataset(
    volume: Floats,
    twin: Floats,
    left: Floats,
    reason: NDArray[np.int8],
    cohort: Cohort,
    design: TrialDesign,
    days: Floats,
    seed: int,
) -> xr.Dataset:
    mouse = ("trial", "avatar", "arm")
    return xr.Dataset(
        {
            "volume_mm3": ((*mouse, "visit"), volume, {"units": "mm3"}),
            "twin_volume_mm3": ((*mouse, "visit"), twin, {"units": "mm3"}),
            "left_day": (mouse, left, {"units": "days"}),
            "left_reason": (
                mouse,
                reason,
                {"flag_values": [STUDY_END, SIZE, REMOVED], "flag_meanings": REASONS},
            ),
            "draw": ("trial", cohort.draw),
        },
        coords={
            "trial": np.arange(cohort.n_trials),
            "avatar": np.array(cohort.avatars, dtype=object),
            "arm": np.array(design.arm_names, dtype=object),
            "day": ("visit", days, {"units": "days"}),
        },
        attrs={
            "design_name": design.name,
            "design_sha256": design.sha256,
            "seed": str(seed),
            "luck": "common random numbers across the arms of an avatar",
            "endpoints": json.dumps(design.endpoints.model_dump()),
            "mechanism": design.mechanism.model_dump_json(exclude_none=True) if design.mechanism else "",
            "scenario": design.mechanism.words if design.mechanism else "",
        },
    )
