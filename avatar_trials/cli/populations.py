"""Populations made of a posterior."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from avatar_trials.stamp import make_stamp, read_netcdf, read_stamp, sha256_of, write_netcdf


def made_population(posterior: Path, path: Path, *, biomarker_share: float | None) -> xr.Dataset:
    """Write the population of posterior.nc. StampError where its gates did not pass."""
    from avatar_trials.emulate import check_posterior, load_population, population_of

    tree = read_netcdf(posterior, kind="posterior")
    if read_stamp(tree).get("gates_passed", False):
        check_posterior(tree, str(posterior))
    population = population_of(tree, biomarker_share=biomarker_share)
    source = read_stamp(tree)
    kept = ("design", "design_sha256", "model_card", "card_sha256", "seed", "data_sha256", "gates_passed")
    facts = {fact: source[fact] for fact in kept if fact in source}
    stamp = make_stamp(**facts, calibrated_with=source["libraries"], posterior_sha256=sha256_of(posterior))
    write_netcdf(population, path, stamp, kind="population")
    return load_population(path.absolute())
