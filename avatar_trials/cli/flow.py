"""The rooms in a row, as the command line runs them: volumes, posterior, trial, readout, agreement, report."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.card_files import load_model
from avatar_trials.cli.evidence import check_files, checked, write_checks
from avatar_trials.cli.files import stamp_of, write_csv
from avatar_trials.cli.outputs import netcdf_files, partial_of, posterior_files, require_writable
from avatar_trials.designs import TrialDesign
from avatar_trials.endpoints import agree, readout_observed, readout_trial, response_table
from avatar_trials.evidence.check import Check
from avatar_trials.intake import GrowthTable, read_volumes
from avatar_trials.library import find_card
from avatar_trials.model_cards import ModelCard
from avatar_trials.problems import InputError, Problem, together
from avatar_trials.stamp import StampError, make_stamp, read_netcdf, read_stamp, sha256_of, write_netcdf

if TYPE_CHECKING:
    from avatar_trials.emulate import Cohort

Say = Callable[[str], None]

POSTERIOR, TRIAL, REPORT = "posterior.nc", "trial.nc", "report.html"
READOUT, READOUT_OBSERVED, RESPONSE = "readout.csv", "readout_observed.csv", "response.csv"
POPULATION, INDIVIDUAL = "agreement_population.csv", "agreement_individual.csv"
CHECKS = "checks"
FACTS_OF_A_POPULATION = (
    *("constants", "observation", "cohort", "gates", "synthetic"),
    *("model_card", "card_sha256", "data_sha256"),
)
PARAMETERS, GATES = "parameters.csv", "gates.csv"


def run_files(folder: Path) -> list[Path]:
    """What a run writes."""
    tables = (READOUT, READOUT_OBSERVED, RESPONSE, POPULATION, INDIVIDUAL, PARAMETERS, GATES, REPORT)
    return [
        *posterior_files(folder / POSTERIOR),
        *netcdf_files(folder / TRIAL),
        *(folder / name for name in tables),
        *check_files(folder / CHECKS),
    ]


@dataclass(frozen=True)
class Readings:
    """Everything read off a trial and the mice beside it."""

    emulated: pd.DataFrame
    observed: pd.DataFrame | None
    population: pd.DataFrame | None
    individual: pd.DataFrame | None


def volumes_for(design: TrialDesign, volumes: Path | None) -> GrowthTable:
    """The mice of a design: its tumour types and arms, from a file or the embedded panel.

    A file without tumour types is taken to hold the cohort. Raises InputError where the file has no such mice, or an
    arm of the design is missing.
    """
    table = read_volumes(volumes) if volumes is not None else _embedded(design.cohort.panel)
    typed = (table.avatars["tumor_type"] != "").any()
    return table.select(tumor_type=design.cohort.tumor_types if typed else None, arms=design.measured_arms)


def _embedded(panel: str) -> GrowthTable:
    """An embedded panel, by its name: where this program is installed is nobody's business in a file."""
    table = read_volumes(find_card("panels", panel))
    name = f"{panel}.csv"
    notices = tuple(replace(notice, file=name) for notice in table.notices)
    return replace(table, source=name, notices=notices)


def model_of(design: TrialDesign, design_path: Path | None = None) -> ModelCard:
    """The model card that a design names, beside the design file or in the library."""
    return load_model(design.model, beside=design_path.parent if design_path else None)


def calibrated(
    table: GrowthTable,
    design: TrialDesign,
    card: ModelCard,
    path: Path,
    *,
    say: Say,
    avatars: Sequence[str] = (),
    **facts: Any,
) -> xr.DataTree:
    """Calibrate and write posterior.nc, whether or not its gates passed: a failed one is there to be looked at.

    `avatars`: further ones without a mouse; `facts` go into the stamp. Until it is written, finished chains are kept
    beside it in posterior.nc.partial, for a run that was killed; raises OutputError where another run is at work there.
    """
    from avatar_trials.calibrate import calibrate_avatars, gates_of, open_checkpoint

    with open_checkpoint(partial_of(path)) as kept:
        tree = calibrate_avatars(table, card, seed=design.seed, checkpoint=kept, say=say, avatars=avatars)
        passed = bool(gates_of(tree)["passed"].all())
        stamp = stamp_of(design, card, data_sha256=table.sha256, gates_passed=passed, **facts)
        write_netcdf(tree, path, stamp)
        kept.remove()
    return read_posterior(path, allow_unconverged=True)


def read_posterior(path: Path, *, allow_unconverged: bool = False) -> xr.DataTree:
    """Read posterior.nc. Raises StampError where it is damaged, or did not pass its gates and that is not allowed."""
    tree = read_netcdf(path, kind="posterior")
    if not allow_unconverged and not read_stamp(tree).get("gates_passed", False):
        raise StampError(
            f"{path}: this posterior did not pass its convergence gates, so no trial may be read off it. "
            "Calibrate with more draws or another model card, or give --allow-unconverged to look at it all the same."
        )
    return tree


def emulated(tree: xr.DataTree, design: TrialDesign, card: ModelCard, path: Path) -> xr.Dataset:
    """Emulate the design's replicate trials with the calibrated avatars and write trial.nc."""
    from avatar_trials.emulate import cohort_from_posterior, emulate_trials

    require_same_card(tree, card)
    cohort = cohort_from_posterior(
        tree, design.replicates, seed=design.seed, tumor_types=design.cohort.tumor_types
    )
    _require_drugs(cohort, design)
    trial = emulate_trials(cohort, design)
    passed = bool(read_stamp(tree).get("gates_passed", False))
    trial.attrs |= _told_of_source(tree, passed) | {"avatars": "calibrated", "population": ""}
    facts = {"calibrated_with_card_sha256": tree.attrs["card_sha256"], "posterior_gates_passed": passed}
    write_netcdf(trial, path, stamp_of(design, card, **facts))
    return read_trial(path)


def emulated_from_population(name: str, design: TrialDesign, path: Path) -> xr.Dataset:
    """Emulate the design's replicate trials with new avatars of a population and write trial.nc.

    The population brings its own model: the design's model card is not looked at.
    """
    from avatar_trials.emulate import cohort_from_population, emulate_trials, provenance, untried_drugs

    population = read_population(name)
    cohort = cohort_from_population(
        population,
        design.replicates,
        seed=design.seed,
        tumor_type=design.cohort.tumor_type,
        n_avatars=design.cohort.n_avatars,
        biomarker_share=design.cohort.biomarker_share,
    )
    _require_drugs(cohort, design)
    trial = emulate_trials(cohort, design)
    words = f"{Path(name).stem}: {provenance(population)}"
    untried = untried_drugs(population, design.cohort.tumor_type, design.measured_arms)
    if untried:
        words += f". No calibrated avatar of this tumour type was given {', '.join(untried)}: told by other types alone"
    trial.attrs |= _told_of_source(population, True) | {"avatars": "drawn", "population": words}
    stamp = make_stamp(
        design=design.name,
        design_sha256=design.sha256,
        model_card=population.attrs["model_card"],
        card_sha256=population.attrs["card_sha256"],
        seed=str(design.seed),
        population=Path(name).stem,
        population_sha256=sha256_of(find_card("populations", name)),
        posterior_gates_passed=True,
    )
    write_netcdf(trial, path, stamp)
    return read_trial(path)


def read_population(name: str) -> xr.Dataset:
    """A population by name or path. StampError where the file is damaged, no population, or lacks a parameter."""
    from avatar_trials.emulate import check_population

    population = read_netcdf(find_card("populations", name), kind="population")
    lacking = [fact for fact in FACTS_OF_A_POPULATION if fact not in population.attrs]
    lacking += [] if population.sizes.get("draw", 0) else ["draws"]
    broken = [str(one) for one in population.data_vars if not np.isfinite(population[one].values).all()]
    if lacking or broken:
        told = [f"has no {', '.join(lacking)}"] if lacking else []
        told += [f"has no numbers in places of {', '.join(broken)}"] if broken else []
        raise StampError(f"{name}: the population {' and '.join(told)}. Make it again from its posterior.")
    check_population(population, name)
    return population


def made_population(posterior: Path, path: Path, *, biomarker_share: float | None) -> xr.Dataset:
    """Write the population of posterior.nc. StampError where its gates did not pass."""
    from avatar_trials.emulate import population_of

    tree = read_netcdf(posterior, kind="posterior")
    population = population_of(tree, biomarker_share=biomarker_share)
    source = read_stamp(tree)
    kept = ("design", "design_sha256", "model_card", "card_sha256", "seed", "data_sha256", "gates_passed")
    facts = {fact: source[fact] for fact in kept if fact in source}
    stamp = make_stamp(**facts, calibrated_with=source["libraries"], posterior_sha256=sha256_of(posterior))
    write_netcdf(population, path, stamp, kind="population")
    return read_population(str(path.absolute()))


def _require_drugs(cohort: Cohort, design: TrialDesign) -> None:
    """Raise InputError with every arm of which the avatars know nothing."""
    together(*(partial(cohort.given, arm) for arm in design.measured_arms))


def _told_of_source(source: xr.DataTree | xr.Dataset, passed: bool) -> dict[str, Any]:
    """What a trial tells of the posterior or population its avatars are from."""
    return {
        "synthetic": int(source.attrs["synthetic"]),
        "model_card": source.attrs["model_card"],
        "gates_passed": int(passed),
        "gates": source.attrs["gates"],
        "calibrated_on_sha256": source.attrs["data_sha256"],
    }


def require_same_card(tree: xr.DataTree, card: ModelCard) -> None:
    """Raise StampError where a posterior was calibrated with another model card than the design's."""
    calibrated_with = tree.attrs["model_card"]
    if calibrated_with != card.name:
        raise StampError(
            f"this posterior was calibrated with model card {calibrated_with!r}, and the design names {card.name!r}. "
            "Calibrate again, or name that card in the design."
        )


def read_trial(path: Path) -> xr.Dataset:
    """Read trial.nc; StampError where it is damaged or no trial."""
    trial = read_netcdf(path, kind="trial")
    return trial


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


def reported(
    design: TrialDesign,
    card: ModelCard,
    tree: xr.DataTree | None,
    trial: xr.Dataset,
    table: GrowthTable | None,
    result: Readings,
    path: Path,
    checks: Sequence[Check] = (),
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
    )
    return write_report(path, inputs)


def design_facts(
    design: TrialDesign, card: ModelCard, trial: xr.Dataset, table: GrowthTable | None
) -> dict[str, str]:
    """What the report says of the design, in words."""
    removal = design.stopping.removal
    gaps = " or ".join(f"{gap:g}" for gap in design.visits.gaps_days)
    bands = ", ".join(
        f"{hazard:g}/day from {start:g}x"
        for start, hazard in zip(removal.from_relative_volume, removal.hazard_per_day, strict=True)
    )
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
        "Leaving the study": (
            f"at {design.stopping.size_mm3:,.0f} mm3 or, from day {removal.from_day:g}, removed by observed relative "
            f"volume: {bands} ({removal.source})"
        ),
        "Model card": f"{card.name}: {card.title}" if used == card.name else used,
        "Luck": str(trial.attrs.get("luck", "")),
        **added,
    }


def cards_alike(names: Sequence[str], design_path: Path | None) -> list[ModelCard]:
    """Model cards by name or path, made to see the same visits: the earliest last day of any is that of all.

    Raises InputError where two have the same name, or calipers that differ in their detection limit.
    """
    cards = [load_model(name, beside=design_path.parent if design_path else None) for name in names]
    twice = sorted({card.name for card in cards if [other.name for other in cards].count(card.name) > 1})
    limits = {card.observation.detection_limit_mm3 for card in cards}
    problems = [
        Problem("C112", "error", f"model card {name} is named twice", "Name it once") for name in twice
    ]
    if len(limits) > 1:
        what = (
            f"the cards' detection limits differ: {', '.join(f'{limit:g}' for limit in sorted(limits))} mm3"
        )
        problems.append(Problem("C113", "error", what, "Readings below them would not be the same data"))
    if problems:
        raise InputError(problems)
    last = min((day for card in cards if (day := card.observation.last_day) is not None), default=None)
    return [
        card.model_copy(update={"observation": card.observation.model_copy(update={"last_day": last})})
        for card in cards
    ]


def posteriors_to_compare(
    design: TrialDesign,
    cards: Sequence[ModelCard],
    files: Sequence[Path],
    volumes: Path | None,
    folder: Path,
    *,
    say: Say,
) -> dict[str, xr.DataTree]:
    """Posterior of each card, calibrated and written to `folder` as NAME.nc, and those of files, by card name."""
    trees = {}
    for file in files:
        tree = read_posterior(file, allow_unconverged=True)
        trees[str(tree.attrs["model_card"])] = tree
    if len({*trees, *(card.name for card in cards)}) < max(2, len(files) + len(cards)):
        what = "two posteriors of different model cards or more can be compared"
        raise InputError(
            Problem("C114", "error", what, "Name model cards with --models, files with --posteriors")
        )
    if cards:
        table = volumes_for(design, volumes)
        _require_one_type(table, cards)
        for card in cards:
            say(f"model card {card.name}")
            trees[card.name] = calibrated(table, design, card, folder / f"{card.name}.nc", say=say)
    return trees


def _require_one_type(table: GrowthTable, cards: Sequence[ModelCard]) -> None:
    """Raise InputError, before an hour of sampling, for cards that would have to be compared on several types."""
    from avatar_trials.kinetics.kill_laws import KILL_LAWS

    if table.avatars["tumor_type"].str.casefold().nunique() > 1 and any(
        card.kinetics in KILL_LAWS for card in cards
    ):
        what = "cards are compared on one tumour type at a time, and the design has several"
        raise InputError(Problem("E90", "error", what, "Name a design of one tumour type"))


def require_same_arms(trial: xr.Dataset, design: TrialDesign) -> None:
    """Raise InputError where a trial was emulated for another design."""
    if trial.attrs.get("design_sha256") != design.sha256:
        what = (
            f"the trial was emulated for design {trial.attrs.get('design_name')!r} or another version of it"
        )
        raise InputError(Problem("C101", "error", what, "Emulate it again with this design"))


def write_run(
    design: TrialDesign,
    card: ModelCard,
    volumes: Path | None,
    folder: Path,
    *,
    allow_unconverged: bool,
    say: Say,
) -> tuple[Readings, Path]:
    """The main job: every room in a row, every file in `folder`. Raises GateError where the gates do not pass."""
    from avatar_trials.calibrate import gates_of, population_parameters, require_passed

    require_writable(run_files(folder))
    table = volumes_for(design, volumes)
    mice = table.mice
    say(
        f"{mice['avatar'].nunique()} avatars, {len(mice)} mice, {len(table.rows):,} volumes"
        + (" (SYNTHETIC)" if table.synthetic else "")
    )
    for notice in table.notices:
        say(str(notice))
    tree = calibrated(table, design, card, folder / POSTERIOR, say=say)
    gates = gates_of(tree)
    write_csv(gates, folder / GATES)
    level = design.endpoints.level
    write_csv(population_parameters(tree["posterior"].to_dataset(), card, level), folder / PARAMETERS)
    if not allow_unconverged:
        require_passed(gates)
    say(
        "gates passed: " + ", ".join(f"{row.check} {row.value:.4g}" for row in gates.itertuples())
        if gates["passed"].all()
        else "GATES FAILED"
    )
    say(f"emulating {design.replicates:,} replicate trials")
    trial = emulated(tree, design, card, folder / TRIAL)
    rules = rules_of(trial)
    result = readings(trial, table, rules)
    write_readings(result, table, rules, folder)
    say("checking the posterior and the trial")
    checks = checked(tree, card, design, trial, table, rules)
    write_checks(checks, folder / CHECKS)
    say("writing the report")
    return result, reported(design, card, tree, trial, table, result, folder / REPORT, checks)
