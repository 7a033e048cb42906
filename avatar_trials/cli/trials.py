"""Trials emulated, of a posterior's avatars or of new ones, written and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xarray as xr

from avatar_trials.cli.files import stamp_of
from avatar_trials.designs import TrialDesign
from avatar_trials.library import find_card
from avatar_trials.model_cards import ModelCard
from avatar_trials.problems import InputError, Problem
from avatar_trials.stamp import StampError, make_stamp, read_netcdf, read_stamp, sha256_of, write_netcdf


def emulated(
    tree: xr.DataTree, design: TrialDesign, card: ModelCard, path: Path, *, posterior: Path
) -> xr.Dataset:
    """Emulate the design's replicate trials with the calibrated avatars of `posterior`, the tree's file, and write
    trial.nc."""
    from avatar_trials.emulate import cohort_for, emulate_trials

    require_same_card(tree, card)
    trial = emulate_trials(cohort_for(tree, design), design)
    passed = bool(read_stamp(tree).get("gates_passed", False))
    trial.attrs |= told_of_source(tree, passed) | {"avatars": "calibrated", "population": ""}
    facts = {
        "calibrated_with_card_sha256": tree.attrs["card_sha256"],
        "data_sha256": tree.attrs["data_sha256"],
        "posterior_sha256": sha256_of(posterior),
        "posterior_gates_passed": passed,
    }
    write_netcdf(trial, path, stamp_of(design, card, **facts))
    return read_trial(path)


def emulated_from_population(name: str, design: TrialDesign, path: Path) -> xr.Dataset:
    """Emulate the design's replicate trials with new avatars of a population and write trial.nc.

    The population brings its own model: the design's model card is not looked at.
    """
    from avatar_trials.emulate import cohort_for, emulate_trials, load_population

    population = load_population(name)
    trial = emulate_trials(cohort_for(population, design), design)
    trial.attrs |= told_of_population(name, population, design)
    write_netcdf(trial, path, stamp_of_population(name, population, design))
    return read_trial(path)


def told_of_population(name: str, population: xr.Dataset, design: TrialDesign) -> dict[str, Any]:
    """What a trial tells of the population that its new avatars are of."""
    from avatar_trials.emulate import provenance, untried_drugs

    words = f"{Path(name).stem}: {provenance(population)}"
    untried = untried_drugs(population, design.cohort.tumor_type, design.measured_arms)
    if untried:
        words += f". No calibrated avatar of this tumour type was given {', '.join(untried)}: told by other types alone"
    return told_of_source(population, True) | {"avatars": "drawn", "population": words}


def stamp_of_population(name: str, population: xr.Dataset, design: TrialDesign) -> dict[str, Any]:
    """Stamp of what is emulated with new avatars of a population."""
    return make_stamp(
        design=design.name,
        design_sha256=design.sha256,
        model_card=population.attrs["model_card"],
        card_sha256=population.attrs["card_sha256"],
        data_sha256=population.attrs["data_sha256"],
        seed=str(design.seed),
        population=Path(name).stem,
        population_sha256=sha256_of(find_card("populations", name)),
        posterior_gates_passed=True,
    )


def read_trial(path: Path) -> xr.Dataset:
    """Read trial.nc; StampError where it is damaged, no trial, or lacks something."""
    from avatar_trials.emulate import check_trial

    trial = read_netcdf(path, kind="trial")
    check_trial(trial, str(path))
    return trial


def stamp_of_what_is_read(trial: xr.Dataset, path: Path, kind: str) -> dict[str, Any]:
    """Stamp of a table or page that is read off a trial file: the trial's own, and the file's hash."""
    return read_stamp(trial) | {"trial_sha256": sha256_of(path), "kind": kind}


def require_same_card(tree: xr.DataTree, card: ModelCard) -> None:
    """Raise StampError where a posterior was calibrated with another model card than the design's."""
    calibrated_with = tree.attrs["model_card"]
    if calibrated_with != card.name:
        raise StampError(
            f"this posterior was calibrated with model card {calibrated_with!r}, and the design names {card.name!r}. "
            "Calibrate again, or name that card in the design."
        )


def require_same_arms(trial: xr.Dataset, design: TrialDesign) -> None:
    """Raise InputError where a trial was emulated for another design."""
    if trial.attrs.get("design_sha256") != design.sha256:
        what = (
            f"the trial was emulated for design {trial.attrs.get('design_name')!r} or another version of it"
        )
        raise InputError(Problem("C101", "error", what, "Emulate it again with this design"))


def told_of_source(source: xr.DataTree | xr.Dataset, passed: bool) -> dict[str, Any]:
    """What a trial tells of the posterior or population its avatars are from."""
    return {
        "synthetic": int(source.attrs["synthetic"]),
        "model_card": source.attrs["model_card"],
        "gates_passed": int(passed),
        "gates": source.attrs["gates"],
        "calibrated_on_sha256": source.attrs["data_sha256"],
    }
