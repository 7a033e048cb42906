"""Mice of many trials followed until they leave, in stages: none marches on once it is gone.

Unlike in `emulate_trials`, every mouse has luck of its own, whatever arm it is in: what a comparison of real arms finds
depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_trials.designs import ArmSpec, Stopping, TrialDesign
from avatar_trials.emulate.caliper_readings import known_of_mice, reading_at_visit
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.mice import Chance, Luck, chance
from avatar_trials.emulate.scenario import Scenario
from avatar_trials.emulate.trial import (
    follow,
    growth_of,
    measured_volumes,
    new_mice_under,
    removal_by_band,
    visit_days,
)
from avatar_trials.kinetics.caliper import student_t4
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.kinetics.wander import Foreseen

Floats = NDArray[np.floating[Any]]
Streams = Callable[[str], np.random.Generator]
"""avatar -> the random stream of its mouse."""

FIRST_STAGE, LONGER = 6, 1.3
MICE_AT_A_TIME = 4096
SINGLE = np.float32


@dataclass(frozen=True)
class Left:
    """Mice that left in one stage: `place` (mouse,) in a flattened (T, avatar); volume_mm3 (mouse, visit) as read up to
    the stage's last visit, NaN after the mouse left; `last` (mouse,) visit."""

    place: NDArray[np.intp]
    volume_mm3: NDArray[np.float64]
    last: NDArray[np.intp]


def followed(
    cohort: Cohort,
    arm: ArmSpec,
    design: TrialDesign,
    stopping: Stopping,
    streams: Streams,
    luck: Luck,
    scenario: Scenario | None = None,
) -> Iterator[Left]:
    """One new mouse of every avatar and trial under an arm, in groups that left together; single precision.

    `stopping` is that of the cohort's tumour type; `streams` the luck of these mice, `luck` that of what a cohort's
    mice share. Each avatar's numbers depend on its own streams alone. Raises InputError for a drug that the avatars do
    not know and a mechanism that the kinetics cannot have.
    """
    days = visit_days(design.visits)
    generators = [streams(avatar) for avatar in cohort.avatars]
    if not _in_stages(cohort, arm, scenario):
        yield _at_once(cohort, arm, stopping, generators, days, luck, scenario)
        return
    mice = single(new_mice_under(cohort, arm.name, _own_luck(generators, cohort.n_trials), luck))
    known: dict[str, Any] = {
        name: values.astype(SINGLE, copy=False)
        for name, values in known_of_mice(mice.log_start, cohort).items()
    }
    removal = removal_by_band(days, stopping.removal)
    # Avatar by avatar, so that each draws its mice's luck in one go.
    place = np.arange(mice.log_start.size).reshape(mice.log_start.shape).T.reshape(-1)
    history = np.zeros((0, len(place)), dtype=SINGLE)
    wandered = Foreseen(np.zeros(len(place), dtype=SINGLE), np.zeros(len(place), dtype=SINGLE))
    for first, end in stages(len(days)):
        removes = bool(removal[first:end].any())
        luck_of_visits = _visits_luck(
            generators, place % len(cohort.avatars), (3 if removes else 2, end - first)
        )
        now, before = np.array(days[first:end]), float(days[max(first - 1, 0)])
        seen = np.empty((end, len(place)), dtype=SINGLE)
        seen[:first] = history
        left = np.zeros((end - first, len(place)), dtype=bool)
        for start in range(0, len(place), MICE_AT_A_TIME):
            here = slice(start, start + MICE_AT_A_TIME)
            mine = place[here]
            part = {name: values[mine] for name, values in known.items()}
            grown = growth_of(cohort, mice, now, arm, scenario, None)(mine)  # type: ignore[arg-type]
            foreseen = Foreseen(wandered.mean[here], wandered.squared[here])
            surprises = student_t4(luck_of_visits[0][:, here], luck_of_visits[1][:, here])
            last_day = before
            for visit, one in enumerate(grown):
                day = float(now[visit])
                seen[first + visit, here], foreseen = reading_at_visit(
                    one, part, day - last_day, surprises[visit], foreseen, cohort
                )
                last_day = day
            wandered.mean[here], wandered.squared[here] = foreseen.mean, foreseen.squared
            now_seen = seen[first:end, here]
            left[:, here] = now_seen >= stopping.size_mm3
            if removes:
                left[:, here] |= _removed(
                    now_seen, seen[0, here], luck_of_visits[2][:, here], removal[first:end], stopping
                )
        if end == len(days):
            left[-1] = True
        gone = left.any(axis=0)
        leaving, stays = np.flatnonzero(gone), np.flatnonzero(~gone)
        if len(leaving):
            last = first + left.take(leaving, axis=1).argmax(axis=0)
            volume = seen.take(leaving, axis=1).astype(float)
            volume[np.arange(end)[:, None] > last] = np.nan
            yield Left(place[leaving], volume.T, last)
        if not len(stays):
            return
        place, history = place[stays], seen.take(stays, axis=1)
        wandered = Foreseen(wandered.mean[stays], wandered.squared[stays])


def stages(n_visits: int) -> list[tuple[int, int]]:
    """Stages (first visit, end) that get longer as fewer mice are left."""
    ends = [min(FIRST_STAGE, n_visits)]
    while ends[-1] < n_visits:
        ends.append(min(n_visits, int(np.ceil(ends[-1] * LONGER))))
    return list(zip([0, *ends], ends, strict=False))


def single(mice: Any) -> Any:
    """Mice with their arrays in single precision."""
    arrays = {
        field.name: getattr(mice, field.name).astype(SINGLE)
        for field in fields(mice)
        if isinstance(getattr(mice, field.name), np.ndarray)
    }
    return replace(mice, **arrays)


def _in_stages(cohort: Cohort, arm: ArmSpec, scenario: Scenario | None) -> bool:
    """Whether the growth of such mice is known at any day without marching there."""
    return cohort.kinetics in KILL_LAWS or (scenario is None and not arm.label)


def _own_luck(generators: Sequence[np.random.Generator], n_trials: int) -> Chance:
    drawn = np.stack([rng.standard_normal((4, n_trials), dtype=SINGLE) for rng in generators])
    growth, kill, resistance, start = (drawn[:, i].T for i in range(4))
    none = np.zeros((*growth.shape, 0))
    return Chance(growth, kill, resistance, start, none, none)  # type: ignore[arg-type]


def _visits_luck(
    generators: Sequence[np.random.Generator], avatar: NDArray[np.intp], size: tuple[int, int]
) -> Floats:
    """Uniform deviates (*size, mouse) for every mouse still followed, in the order of `avatar`."""
    here = np.bincount(avatar, minlength=len(generators))
    return np.concatenate(
        [
            rng.random((*size, count), dtype=SINGLE)
            for rng, count in zip(generators, here.tolist(), strict=True)
            if count
        ],
        axis=-1,
    )


def _removed(
    seen: Floats, baseline: Floats, uniform: Floats, removal: Floats, stopping: Stopping
) -> NDArray[np.bool_]:
    """Visits (visit, mouse) at which a mouse would be removed, as in `follow`; `removal` (visit, band)."""
    relative = np.divide(seen, baseline, out=np.zeros_like(seen), where=baseline > 0)
    chance = np.broadcast_to(removal[:, :1].astype(SINGLE), seen.shape)
    for band, edge in enumerate(stopping.removal.from_relative_volume[1:], start=1):
        chance = np.where(relative >= edge, removal[:, band : band + 1].astype(SINGLE), chance)
    return uniform < chance


def _at_once(
    cohort: Cohort,
    arm: ArmSpec,
    stopping: Stopping,
    generators: Sequence[np.random.Generator],
    days: NDArray[np.float64],
    luck: Luck,
    scenario: Scenario | None,
) -> Left:
    """All mice to the last visit, where growth has to be marched: a course or a mechanism of clones."""
    of_avatar = dict(zip(cohort.avatars, generators, strict=True))

    def own(avatar: str, purpose: str) -> np.random.Generator:
        return of_avatar[avatar]

    deviates = chance(cohort.avatars, cohort.n_trials, len(days), own)
    mice = new_mice_under(cohort, arm.name, deviates, luck)
    seen = measured_volumes(cohort, mice, deviates, days, arm=arm, scenario=scenario, fates=own)
    stay, last, _ = follow(seen, days, deviates.removal, stopping)
    volume = np.where(stay, seen, np.nan)
    return Left(np.arange(last.size), volume.reshape(-1, len(days)), last.reshape(-1))
