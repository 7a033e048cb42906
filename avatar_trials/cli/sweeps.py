"""Sweeps as the command line has them: plan_sweep, priced, done, written, told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from avatar_trials.cli.files import write_csv
from avatar_trials.cli.options import say
from avatar_trials.cli.outputs import PROVENANCE
from avatar_trials.cli.provenance import sign
from avatar_trials.decision_rules import UNITS
from avatar_trials.library import find_card
from avatar_trials.problems import InputError, Problem, together
from avatar_trials.report.text import clean, number
from avatar_trials.stamp import make_stamp, sha256_of, write_atomic

if TYPE_CHECKING:
    import xarray as xr

    from avatar_trials.sweeps import Plan
    from avatar_trials.sweeps.workers import Engine

TABLE, SMALLEST, FIGURE, PAGE = "sweep.csv", "sweep_smallest_n.csv", "sweep.svg", "sweep.html"
PARTIAL = "sweep.partial"
SHOWN = ("assurance", "power", "type_I_error")
VERSIONS = ("avatar_trials", "libraries")


def written_files(folder: Path) -> list[Path]:
    """What a sweep writes."""
    return [
        *(folder / name for name in (TABLE, SMALLEST, FIGURE, PAGE, PROVENANCE)),
        folder / PARTIAL / "blocks",
    ]


def sweep_plan(
    design: str,
    vary: Sequence[str],
    population: str,
    *,
    worlds: Sequence[str],
    seed: int | None,
    chunk: int | None,
) -> tuple[Plan, xr.Dataset]:
    """The plan, and the population. InputError with all that is wrong of the options and the designs."""
    from avatar_trials.emulate import load_population
    from avatar_trials.sweeps import plan_sweep, values_of

    pairs = together(*((lambda text=text: values_of(text)) for text in vary))
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise InputError(Problem("O06", "error", "a key is varied twice", "Give its values in one --vary"))
    found = load_population(population)
    stamp = make_stamp()
    facts = {
        "population_sha256": sha256_of(find_card("populations", population)),
        **{name: stamp[name] for name in VERSIONS},
    }
    plan = plan_sweep(design, dict(pairs), found, worlds=worlds, seed=seed, n_trials=chunk, facts=facts)
    return plan, found


def engine_of(plan: Plan, workers: int, scheduler: str | None) -> Engine:
    """Where the work is done. InputError for both at once; ResourceError where memory does not hold a block each."""
    from avatar_trials.sweeps import workers as places
    from avatar_trials.sweeps.room import require_room

    if scheduler is not None:
        if workers != 1:
            what = "--scheduler brings its own workers"
            raise InputError(Problem("O04", "error", what, "Leave --workers out"))
        return places.cluster(scheduler, say)
    require_room(plan, workers)
    return places.here if workers == 1 else places.processes(workers)


def priced(plan: Plan, trials: int, workers: int) -> str:
    """What a sweep will cost, in words."""
    from avatar_trials.sweeps.cost import cost_of
    from avatar_trials.sweeps.run import duration

    cost = cost_of(plan, trials)
    return (
        f"{cost.points:,} points, {cost.trials:,} trials, {cost.mice:,} mice, in {cost.pieces:,} pieces of work.\n"
        f"About {duration(cost.cpu_seconds)} of CPU time: {duration(cost.cpu_seconds / workers)} with "
        f"{workers} worker{'s' if workers > 1 else ''}; about {cost.bytes_a_worker / 1e6:,.0f} MB a worker, "
        "however many trials."
    )


def swept(
    plan: Plan,
    population: xr.Dataset,
    folder: Path,
    *,
    trials: int,
    error: float | None,
    engine: Engine,
    target: float,
    population_name: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Do a sweep and write its table, figure and page; the table, and the smallest numbers that reach the target."""
    from avatar_trials.emulate import provenance
    from avatar_trials.report.sweep_page import SweepInputs, figure_bytes, write_sweep_page
    from avatar_trials.sweeps import kept_of, run_sweep, smallest_n, sweep_table

    partial = folder / PARTIAL
    sums = run_sweep(plan, trials=trials, error=error, engine=engine, folder=partial, say=say)
    table = sweep_table(plan, sums)
    smallest = pd.concat([smallest_n(table, target, name) for name in ("assurance", "power")])
    varied = list(dict.fromkeys(name for point in plan.varied for name in point))
    design = plan.designs[0]
    words = f"{Path(population_name).stem}: {provenance(population)}"
    write_csv(table, folder / TABLE)
    write_csv(smallest, folder / SMALLEST)
    drawn = figure_bytes(table, varied)
    write_atomic(folder / FIGURE, lambda file: file.write_bytes(drawn))
    stamp = make_stamp()
    facts = {
        "population": words,
        "worth taking forward": f"a true advantage of {design.decision.worth.at_least:g} on "
        f"{design.decision.worth.endpoint} over the best single agent ({UNITS[design.decision.worth.endpoint]})",
        "tests": _tests_in_words(plan),
        "trials": f"{int(table['n_trials'].max()):,} a point and world, seed {plan.seed}, blocks of {plan.n_trials}",
        "scenario": design.mechanism.words if design.mechanism else "none",
        "versions": f"avatar_trials {stamp['avatar_trials']}, numpy {stamp['libraries']['numpy']}",
    }
    notes = [f"NEW AVATARS of population {words}. None of them is a calibrated individual."]
    if int(population.attrs["synthetic"]):
        notes.append("SYNTHETIC: the population was calibrated on no measured mouse.")
    if design.mechanism:
        notes.append(f"SCENARIO: {design.mechanism.words}.")
    inputs = SweepInputs(design.title, design.question, table, smallest, varied, facts, notes, target)
    write_sweep_page(folder / PAGE, inputs)
    made_of = stamp | {
        "kind": "sweep",
        "design": design.name,
        "design_sha256": design.sha256,
        "population": Path(population_name).stem,
        "population_sha256": sha256_of(find_card("populations", population_name)),
        "seed": str(plan.seed),
        "trials_in_a_block": plan.n_trials,
        "trials": int(table["n_trials"].max()),
    }
    sign([folder / name for name in (TABLE, SMALLEST, FIGURE, PAGE)], made_of)
    kept_of(plan, partial).remove()
    if partial.is_dir() and not any(partial.iterdir()):
        partial.rmdir()
    return table, smallest


def printed(table: pd.DataFrame) -> str:
    """Chances to go forward, a row a point and comparison, a column an endpoint."""
    compared = (table["against"] == "all single agents") | (table["world"] == "no_difference")
    rows = table[table["quantity"].isin(SHOWN) & compared]
    told = rows.assign(
        told=[
            f"{number(value, 3)} ({number(error, 3)})"
            for value, error in rows[["estimate", "se"]].to_numpy(dtype=float)
        ]
    )
    index = [
        name
        for name in told.columns[: list(told.columns).index("world")]
        if name in ("n_avatars", "mice_per_avatar") or "." in name
    ]
    index = [name for name in index if name not in ("cohort.n_avatars", "decision.mice_per_avatar")]
    wide = told.pivot_table(
        index=[*index, "basket", "arm", "against", "world", "quantity"],
        columns="endpoint",
        values="told",
        aggfunc="first",
        sort=False,
    )
    return str(wide.reset_index().map(clean).to_string(index=False))


def _tests_in_words(plan: Plan) -> str:
    from avatar_trials.sweeps.tests_of_arms import TEST_WORDS

    rules = [design.decision for design in plan.designs.values()]
    names = dict.fromkeys(one.test_of(endpoint) for one in rules for endpoint in ("ORR", "depth", "doubling"))
    alphas = ", ".join(f"{alpha:g}" for alpha in dict.fromkeys(one.alpha for one in rules))
    many = ", ".join(dict.fromkeys(one.multiplicity for one in rules))
    told = "; ".join(TEST_WORDS[name] for name in names)
    return f"one-sided at {alphas}: {told}. Multiplicity over combinations: {many}"
