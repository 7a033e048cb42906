"""The rooms in a row, as the command line runs them: volumes, posterior, trial, readout, agreement, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from avatar_trials.arms import drugs_of
from avatar_trials.card_files import load_model
from avatar_trials.cli.evidence import check_files, checked, write_checks
from avatar_trials.cli.files import stamp_of, write_csv
from avatar_trials.cli.outputs import (
    CHECKS,
    GATES,
    INDIVIDUAL,
    PARAMETERS,
    POPULATION,
    POSTERIOR,
    PROVENANCE,
    READOUT,
    READOUT_OBSERVED,
    REPORT,
    RESPONSE,
    TRIAL,
    netcdf_files,
    partial_of,
    posterior_files,
    require_writable,
)
from avatar_trials.cli.provenance import sign
from avatar_trials.cli.readings import Readings, readings, rules_of, write_readings
from avatar_trials.cli.reports import reported
from avatar_trials.cli.trials import emulated, stamp_of_what_is_read
from avatar_trials.designs import TrialDesign
from avatar_trials.intake import GrowthTable, load_panel, read_volumes
from avatar_trials.intake.covariates import read_covariates, with_carriers
from avatar_trials.model_cards import ModelCard
from avatar_trials.stamp import StampError, read_netcdf, read_stamp, write_netcdf

Say = Callable[[str], None]


def run_files(folder: Path) -> list[Path]:
    """What a run writes."""
    tables = (
        READOUT,
        READOUT_OBSERVED,
        RESPONSE,
        POPULATION,
        INDIVIDUAL,
        PARAMETERS,
        GATES,
        REPORT,
        PROVENANCE,
    )
    return [
        *posterior_files(folder / POSTERIOR),
        *netcdf_files(folder / TRIAL),
        *(folder / name for name in tables),
        *check_files(folder / CHECKS),
    ]


def volumes_for(design: TrialDesign, volumes: Path | None, *, every_arm: bool = False) -> GrowthTable:
    """The mice of a design: its tumour types and arms (or every arm there is), from a file or the embedded panel, with
    drugs called as the design has them, in combinations by their dose.

    A file without tumour types is taken to hold the cohort. Raises InputError where the file has no such mice, or an
    arm of the design is missing.
    """
    table = read_volumes(volumes) if volumes is not None else load_panel(design.cohort.panel)
    typed = (table.avatars["tumor_type"] != "").any()
    table = table.drugs_called_as(drug for arm in design.measured_arms for drug in drugs_of(arm))
    for dose in design.cohort.doses_in_combinations:
        table = table.dosed_in_combinations(dose.tumor_type, dose.drug, dose.given_as)
    return table.select(
        tumor_type=design.cohort.tumor_types if typed else None,
        arms=None if every_arm else design.measured_arms,
    )


def with_biomarker(
    table: GrowthTable, design: TrialDesign, card: ModelCard, covariates: Path | None, *, say: Say
) -> GrowthTable:
    """The table with the card's biomarker, where the design has one calibrated: by a table of covariates, or by a
    column of the volumes, without which that is told and nothing is calibrated of it. InputError as `with_carriers`."""
    facts = None if covariates is None else read_covariates(covariates)
    for one in design.cohort.biomarkers:
        if not one.calibrated:
            continue
        if facts is None and one.column not in table.avatars:
            say(f"not calibrated by {one.name}: the volumes have no column {one.column}; give --covariates")
            continue
        table = with_carriers(table, one, facts, card.biomarker)
    return table


def model_of(design: TrialDesign, design_path: Path | None = None) -> ModelCard:
    """The model card that a design names, beside the design file or in the library."""
    return load_model(design.model, beside=design_path.parent if design_path else None, confined=True)


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

    `avatars`: further ones without a mouse; `facts` go into the stamp, with hashes of the data. Until it is
    written, finished chains are kept beside it in posterior.nc.partial, for a run that was killed; raises OutputError
    where another run is at work there.
    """
    from avatar_trials.calibrate import calibrate_avatars, gates_of, open_checkpoint

    with open_checkpoint(partial_of(path)) as kept:
        tree = calibrate_avatars(table, card, seed=design.seed, checkpoint=kept, say=say, avatars=avatars)
        passed = bool(gates_of(tree)["passed"].all())
        stamp = stamp_of(design, card, gates_passed=passed, **_data_facts(table), **facts)
        write_netcdf(tree, path, stamp)
        kept.remove()
    return read_posterior(path, allow_unconverged=True)


def finished(
    table: GrowthTable, design: TrialDesign, card: ModelCard, path: Path, *, say: Say, **facts: Any
) -> xr.DataTree | None:
    """The posterior that `calibrated` wrote before of the same volumes, design, card and versions, if it is there.

    So that a run killed after it goes on from it. One of anything else, or damaged, is no reason to stop: None.
    """
    if not path.exists():
        return None
    try:
        tree = read_posterior(path, allow_unconverged=True)
    except StampError:
        return None
    there, wanted = read_stamp(tree), stamp_of(design, card, **_data_facts(table), **facts)
    if any(there.get(name) != value for name, value in wanted.items()):
        return None
    if partial_of(path).exists():  # of a run killed just after it wrote the posterior
        from avatar_trials.calibrate import open_checkpoint

        with open_checkpoint(partial_of(path)) as kept:
            kept.remove()
    say(f"taken up again: {path} was calibrated before, on the same volumes, design and card")
    return tree


def _data_facts(table: GrowthTable) -> dict[str, str]:
    joined = {"covariates_sha256": table.covariates_sha256} if table.covariates_sha256 else {}
    return {"data_sha256": table.sha256, **joined}


def read_posterior(path: Path, *, allow_unconverged: bool = False) -> xr.DataTree:
    """Read posterior.nc. Raises StampError where it is damaged, lacks something, or did not pass its gates and that is
    not allowed."""
    from avatar_trials.emulate import check_posterior

    tree = read_netcdf(path, kind="posterior")
    if not allow_unconverged and not read_stamp(tree).get("gates_passed", False):
        raise StampError(
            f"{path}: this posterior did not pass its convergence gates, so no trial may be read off it. "
            "Calibrate with more draws or another model card, or give --allow-unconverged to look at it all the same."
        )
    check_posterior(tree, str(path))
    return tree


def write_run(
    design: TrialDesign,
    card: ModelCard,
    volumes: Path | None,
    folder: Path,
    *,
    allow_unconverged: bool,
    say: Say,
    covariates: Path | None = None,
    reads: Sequence[Path | None] = (),
) -> tuple[Readings, Path]:
    """The main job: every room in a row, every file in `folder`. Raises GateError where the gates do not pass, and
    OutputError where a file cannot be written or is the volumes or one of those that `reads` names. A posterior that an
    earlier run calibrated on the same is taken up."""
    from avatar_trials.emulate import require_room

    require_writable(run_files(folder), reads=(volumes, covariates, *reads))
    table = with_biomarker(volumes_for(design, volumes), design, card, covariates, say=say)
    require_room(design, len(table.avatars), len(design.measured_arms))
    mice = table.mice
    say(
        f"{mice['avatar'].nunique()} avatars, {len(mice)} mice, {len(table.rows):,} volumes"
        + (" (SYNTHETIC)" if table.synthetic else "")
    )
    for notice in table.notices:
        say(str(notice))
    # Loads the sampler, which takes seconds: after all that can be wrong with what was given.
    from avatar_trials.calibrate import gates_of, population_parameters, require_passed

    tree = finished(table, design, card, folder / POSTERIOR, say=say)
    if tree is None:
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
    trial = emulated(tree, design, card, folder / TRIAL, posterior=folder / POSTERIOR)
    rules = rules_of(trial)
    result = readings(trial, table, rules)
    write_readings(result, table, rules, folder)
    say("checking the posterior and the trial")
    checks = checked(tree, card, design, trial, table, rules)
    write_checks(checks, folder / CHECKS)
    say("writing the report")
    page = reported(design, card, tree, trial, table, result, folder / REPORT, checks)
    written = (READOUT_OBSERVED, RESPONSE, POPULATION, INDIVIDUAL, PARAMETERS, GATES, REPORT)
    sign([folder / READOUT], stamp_of_what_is_read(trial, folder / TRIAL, "readout"))
    sign([folder / name for name in written], stamp_of_what_is_read(trial, folder / TRIAL, "run"))
    return result, page
