"""What a sweep goes over: the points of its grid, and the groups of them that see the same mice."""

from __future__ import annotations

import hashlib
import itertools
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from avatar_trials.card_files import load_varied
from avatar_trials.designs import TrialDesign
from avatar_trials.emulate.population import check_tumor_types
from avatar_trials.problems import InputError, Problem, together
from avatar_trials.sweeps.blocks import REFERENCE_DRAWS, compared_arms
from avatar_trials.sweeps.worlds import MEAN, POSTERIOR, WORLDS, carriers, known_to

SHORT = {
    "cohort.n": "cohort.n_avatars",
    "n": "cohort.n_avatars",
    **{
        name: f"decision.{name}"
        for name in (
            *("alpha", "combinations", "looks", "mice_per_avatar", "multiplicity", "selector", "worth"),
            *("orr_test", "depth_test", "doubling_test"),
        )
    },
}
"""What may be written for longer keys of a design."""

MOST_POINTS = 10_000
TRIALS_AT_A_TIME = 1000
MICE_AT_A_TIME = 400_000


@dataclass(frozen=True)
class Group:
    """Points (number, design) that see the same mice, and the population with their drugs alone."""

    name: str
    population: xr.Dataset
    points: tuple[tuple[int, TrialDesign], ...]


@dataclass(frozen=True)
class Plan:
    """A sweep: its points' varied keys and values, its groups, the worlds, and trials in a block.

    `key`: of everything that its numbers depend on but for how many blocks there are.
    """

    varied: tuple[dict[str, Any], ...]
    groups: tuple[Group, ...]
    worlds: tuple[str, ...]
    n_trials: int
    seed: int
    key: str

    @property
    def designs(self) -> dict[int, TrialDesign]:
        """Point -> design."""
        return {number: design for group in self.groups for number, design in group.points}

    @property
    def asks_truth(self) -> bool:
        """Whether wrong decisions can be told in one of the worlds."""
        return bool({POSTERIOR, MEAN} & set(self.worlds))

    def reference_pieces(self, group: Group) -> list[slice]:
        """Draws of a group's population whose truths are found together; the last piece is the posterior mean."""
        n = group.population.sizes["draw"]
        starts = range(0, n, REFERENCE_DRAWS)
        return [*(slice(a, min(n, a + REFERENCE_DRAWS)) for a in starts), slice(n, n)]


def plan_sweep(
    design: str | Path,
    vary: Mapping[str, Sequence[Any]],
    population: xr.Dataset,
    *,
    worlds: Sequence[str] = WORLDS,
    seed: int | None = None,
    n_trials: int | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Plan:
    """The plan of a sweep over every combination of the values that `vary` gives for keys of a design.

    Keys are dotted, as `cohort.n_avatars`, or one of `SHORT`. `n_trials` in a block: by default as many as memory
    likes, at most 500; the numbers depend on it. `facts`: what else the result depends on, for its key. Raises
    InputError with every problem of the varied designs, and of what the population cannot tell of them.
    """
    keys = [SHORT.get(key, key) for key in vary]
    _require_sound(vary, keys, worlds)
    grid = [dict(zip(keys, values, strict=True)) for values in itertools.product(*vary.values())]
    designs = [_with_avatars(one, population) for one in load_varied(design, grid)]
    for one in designs:
        if not one.compared():
            what = "no arm of several drugs has one of its drugs as an arm of its own: nothing to compare"
            raise InputError(Problem("D99", "error", what, "Add the single agents as arms", str(design)))
    checked = {group_key(one): one for one in designs}
    together(*(_checks(one, population) for one in checked.values()))
    members: dict[str, list[tuple[int, TrialDesign]]] = {}
    for number, one in enumerate(designs):
        members.setdefault(group_key(one), []).append((number, one))
    groups = tuple(
        Group(name[:16], known_to(population, points[0][1]), tuple(points))
        for name, points in members.items()
    )
    largest = max(
        (one.cohort.n_avatars or 1)
        * len(one.cohort.tumor_types)
        * one.decision.mice_per_avatar
        * len(one.arms)
        for one in designs
    )
    block = n_trials or max(50, min(TRIALS_AT_A_TIME, MICE_AT_A_TIME // largest))
    chosen = tuple(world for world in WORLDS if world in worlds)
    root = designs[0].seed if seed is None else seed
    told = {
        "designs": [one.model_dump(mode="json") for one in designs],
        "worlds": chosen,
        "trials": block,
        "seed": str(root),
        **(facts or {}),
    }
    key = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()
    return Plan(tuple(grid), groups, chosen, block, root, key)


def values_of(text: str) -> tuple[str, list[Any]]:
    """`KEY=V1,V2,…` as key and values: as TOML has them, and else as words. InputError for what is neither."""
    key, equals, values = text.partition("=")
    if not equals or not key.strip() or not values.strip():
        what = f"--vary {text!r} is no KEY=VALUE,VALUE"
        raise InputError(Problem("O06", "error", what, "Write for example --vary cohort.n=10,20,50"))
    try:
        found = tomllib.loads(f"x = [{values}]")["x"]
    except (tomllib.TOMLDecodeError, RecursionError):
        found = [value.strip() for value in values.split(",")]
    return key.strip(), list(found)


def group_key(design: TrialDesign) -> str:
    """Hash of all that a design's mice depend on: not how many there are, nor how they are decided."""
    content = design.model_dump(mode="json", exclude={"sha256", "name", "title", "question", "replicates"})
    content["cohort"].pop("n_avatars")
    content["decision"] = content["decision"]["selector"]
    content["compared"] = sorted(compared_arms(design))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _with_avatars(design: TrialDesign, population: xr.Dataset) -> TrialDesign:
    """The design with a number of avatars: without one, as many as were calibrated."""
    if design.cohort.n_avatars is not None:
        return design
    counts = json.loads(population.attrs["cohort"])["avatars"]
    wanted = {name.casefold() for name in (*design.cohort.tumor_types, "")}
    n = sum(count for kind, count in counts.items() if kind.casefold() in wanted)
    cohort = design.cohort.model_copy(update={"n_avatars": max(1, n)})
    return design.model_copy(update={"cohort": cohort})


def _checks(design: TrialDesign, population: xr.Dataset) -> Any:
    def check() -> None:
        steps = [
            lambda: known_to(population, design),
            lambda: check_tumor_types(population, design.cohort.tumor_types),
        ]
        together(*steps)
        for kind in design.cohort.tumor_types:
            carriers(population, design, kind)

    return check


def _require_sound(vary: Mapping[str, Sequence[Any]], keys: list[str], worlds: Sequence[str]) -> None:
    problems = [
        Problem("O06", "error", f"{key} is varied twice", "Give each key once", column=key)
        for key in sorted({key for key in keys if keys.count(key) > 1})
    ]
    problems += [
        Problem("O06", "error", f"{key} has no value to vary over", "Give KEY=VALUE,VALUE", column=key)
        for key, values in vary.items()
        if not len(values)
    ]
    problems += [
        Problem("O01", "error", f"world {world!r} is unknown", f"Known are {', '.join(WORLDS)}")
        for world in worlds
        if world not in WORLDS
    ]
    n_points = 1
    for values in vary.values():
        n_points *= max(1, len(values))
    if n_points > MOST_POINTS:
        what = f"{n_points:,} points are more than the {MOST_POINTS:,} that a sweep takes"
        problems.append(Problem("O06", "error", what, "Vary fewer values"))
    if problems:
        raise InputError(problems)
