"""Calibration: GrowthTable and model card to a posterior, with its gates, predictions and units."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import nutpie
import xarray as xr

from avatar_trials.calibrate.chains import STATS, Chains, sample_chains
from avatar_trials.calibrate.checkpoints import Checkpoint
from avatar_trials.calibrate.checks import convergence_of, gates_from
from avatar_trials.calibrate.curves import Curves, curves_of
from avatar_trials.calibrate.model import build_model
from avatar_trials.calibrate.predictive import predictive_groups
from avatar_trials.intake import GrowthTable
from avatar_trials.model_cards import ModelCard
from avatar_trials.stamp import make_stamp

PREDICTIVE_DRAWS = 400
BY_MOUSE = {"curve", "untreated", "treated"}
DEVIATES = ("_offset", "_deviation", "_pivot")

UNITS = {
    "log_r": "log 1/day",
    "log_r_untreated": "log 1/day",
    "log_r_treated": "log 1/day",
    "log_kill": "log 1/day",
    "log_kill_mouse": "log 1/day",
    "resistance": "logit, stretched above the bend",
    "resistant_logit_mouse": "logit",
    "slope": "1/day",
    "log_start": "log mm3",
}


def calibrate_avatars(
    table: GrowthTable,
    card: ModelCard,
    *,
    seed: int,
    cores: int = 2,
    checkpoint: Checkpoint | None = None,
    say: Callable[[str], None] = lambda _: None,
    avatars: Sequence[str] = (),
) -> xr.DataTree:
    """Calibrate the card's hierarchy to a table's mice; the posterior as an ArviZ DataTree.

    `avatars`: further ones without a mouse, drawn from the population.

    Groups: posterior (chain, draw; avatar, drug), thinned_posterior (every k-th draw: what belongs to a mouse, and the
    sampled deviates), sample_stats, observed_data, constant_data (obs), posterior_predictive and log_likelihood (the
    same k-th draws). attrs: gates (JSON; over every parameter at all draws), notices, synthetic, card. Nothing is
    decided on the gates here: `checks.require_passed` does.

    With a `checkpoint` (`open_checkpoint`) finished chains are kept there and taken up again by the next call with the
    same inputs; its `remove` removes them. The result is the same with and without an interruption, and for any
    `cores`. Raises InputError for a table that cannot carry a hierarchy. On one machine equal
    inputs are meant to give equal draws (`tests/golden/test_same_draws.py`); between machines they do not: compare
    posteriors within Monte Carlo error.
    """
    curves, notices = curves_of(table, card, avatars=avatars)
    for notice in notices:
        say(str(notice))
    say("compiling the model")
    model = build_model(curves, card)
    compiled = nutpie.compile_pymc_model(model, jitter_rvs=jittered(model, card))
    sampling = card.sampling
    say(f"sampling {sampling.chains} chains of {sampling.tune:,} + {sampling.draws:,} draws")
    with TemporaryDirectory() as temporary:
        kept = checkpoint or Checkpoint(Path(temporary))
        data = table.sha256 + table.covariates_sha256
        facts = make_stamp(card=card.sha256, sampling=sampling.model_dump(), data=data, seed=str(seed))
        chains = sample_chains(compiled, sampling, kept.of(facts, compiled), seed=seed, cores=cores, say=say)
        say("predictive checks and convergence gates")
        stats = _sample_stats(chains)
        table_of_mixing = convergence_of(chains.parts())
        kept_whole = [name for name, dims in chains.dims.items() if _is_kept_whole(name, dims)]
        posterior = _with_units(chains.dataset(kept_whole), card)
        every = max(1, sampling.draws // max(1, PREDICTIVE_DRAWS // sampling.chains))
        thinned = _with_units(chains.dataset(chains.dims, every=every), card)
    observed, constant = _data_groups(curves, card.observation.detection_limit_mm3)
    predicted = predictive_groups(thinned, curves, card, seed=seed, draws_per_chain=thinned.sizes["draw"])
    groups = {
        "posterior": posterior.map(lambda values: _single(values) if "avatar" in values.dims else values),
        "thinned_posterior": _rounded(thinned.drop_vars(kept_whole)),
        "sample_stats": stats,
        "observed_data": observed,
        "constant_data": constant,
        **{name: _rounded(group) for name, group in predicted.items()},
    }
    result = xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})
    gates = gates_from(table_of_mixing, stats, card)
    result.attrs = {
        "gates": json.dumps(gates.to_dict("list")),
        "notices": json.dumps([str(notice) for notice in (*table.notices, *notices)]),
        "synthetic": int(table.synthetic),
        "model_card": card.name,
        "kinetics": card.kinetics,
        "deceleration_law": card.deceleration_law,
        "card_sha256": card.sha256,
        "data_sha256": table.sha256,
        "arms": json.dumps(sorted(set(curves.curve_arm))),
        "constants": json.dumps({name: constant.value for name, constant in card.constants.items()}),
        "observation": json.dumps(card.observation.model_dump()),
    }
    return result


def jittered(model: Any, card: ModelCard) -> set[Any]:
    """Variables whose starting values are jittered.

    Not a slope that starts where its curve is: jitter would put a chain into another reading of the curve.
    """
    return {
        variable
        for variable in model.free_RVs
        if card.kinetics == "two_clone" or variable.name != "stretched_slope"
    }


def _with_units(posterior: xr.Dataset, card: ModelCard) -> xr.Dataset:
    for name in posterior.data_vars:
        prior = card.priors.get(str(name))
        unit = prior.unit if prior else UNITS.get(str(name), "1")
        posterior[name].attrs = {"units": unit} | ({"meaning": prior.meaning} if prior else {})
    posterior.attrs = {}
    return posterior


def _sample_stats(chains: Chains) -> xr.Dataset:
    kept = {}
    for name in STATS:
        values = chains.values(f"sampler {name}")
        whole = {"diverging": bool, "n_steps": np.int64, "depth": np.int64}.get(name, float)
        kept[name] = (("chain", "draw"), values.astype(whole))
    n_chains, n_draws = kept["energy"][1].shape
    return xr.Dataset(kept, {"chain": np.arange(n_chains), "draw": np.arange(n_draws)})


def _is_kept_whole(name: str, dims: tuple[str, ...]) -> bool:
    """Whether a variable is kept at every draw: what trials are emulated from, not what a mouse or the sampler has."""
    return not BY_MOUSE & set(dims) and not name.endswith(DEVIATES)


def _rounded(group: xr.Dataset) -> xr.Dataset:
    """Numbers to single precision, in double: what no reader tells apart does not fill the file."""
    return group.map(_single)


def _single(values: xr.DataArray) -> xr.DataArray:
    if values.dtype != np.float64:
        return values
    return values.copy(data=values.values.astype(np.float32).astype(np.float64))


def _data_groups(curves: Curves, limit_mm3: float) -> tuple[xr.Dataset, xr.Dataset]:
    observed = xr.Dataset({"volume_mm3": ("obs", curves.volume_mm3, {"units": "mm3"})})
    names = np.array(curves.avatars, dtype=object)
    constant = xr.Dataset(
        {
            "day": ("obs", curves.day, {"units": "days"}),
            "curve": ("obs", curves.obs_curve),
            "censored": ("obs", curves.censored),
            "avatar": ("mouse", names[curves.curve_avatar]),
            "arm": ("mouse", np.array(curves.curve_arm, dtype=object)),
            "follow_up": ("mouse", curves.follow_up, {"units": "days"}),
            "tumor_type_of": ("each_avatar", np.array(curves.tumor_types, dtype=object)[curves.avatar_type]),
        },
        coords={"mouse": curves.curve_names, "each_avatar": curves.avatars},
        attrs={"detection_limit_mm3": limit_mm3},
    )
    if curves.biomarker is not None:
        constant = constant.assign_coords(each_avatar=curves.avatars)
        constant["biomarker_of"] = ("each_avatar", curves.biomarker)
    return observed, constant
