"""Populations: made of a posterior, read whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from avatar_trials.library import find_card
from avatar_trials.stamp import StampError, make_stamp, read_netcdf, read_stamp, sha256_of, write_netcdf

FACTS = (
    *("constants", "observation", "cohort", "gates", "synthetic"),
    *("model_card", "card_sha256", "data_sha256"),
)


def read_population(name: str) -> xr.Dataset:
    """A population by name or path. StampError where the file is damaged, no population, or lacks a parameter."""
    from avatar_trials.emulate import check_population

    population = read_netcdf(find_card("populations", name), kind="population")
    lacking = [fact for fact in FACTS if fact not in population.attrs]
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
