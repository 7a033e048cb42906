"""Calibration: GrowthTable and model card to a posterior, with its gates, predictions and units."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import nutpie
import xarray as xr

from avatar_trials.calibrate.checks import gates
from avatar_trials.calibrate.curves import Curves, curves_of
from avatar_trials.calibrate.model import build_model
from avatar_trials.calibrate.predictive import predictive_groups
from avatar_trials.intake import GrowthTable
from avatar_trials.model_cards import ModelCard
from avatar_trials.seeds import stream

PREDICTIVE_DRAWS = 400
SECONDS_BETWEEN_PROGRESS = 10.0

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
    say: Callable[[str], None] = lambda _: None,
) -> xr.DataTree:
    """Calibrate the card's hierarchy to a table's mice; the posterior as an ArviZ DataTree.

    Groups: posterior (chain, draw; avatar, drug, curve, untreated, treated), sample_stats, observed_data,
    constant_data (obs), posterior_predictive and log_likelihood (every k-th draw). attrs: gates (JSON), notices,
    synthetic, card. Nothing is decided on the gates here: `checks.require_passed` does. Raises InputError for a table
    that cannot carry a hierarchy. The draws differ between machines and versions in the last bits and then
    everywhere: compare posteriors within Monte Carlo error, never draw by draw.
    """
    curves, notices = curves_of(table, card)
    for notice in notices:
        say(str(notice))
    say("compiling the model")
    model = build_model(curves, card)
    # A slope that starts where its curve is stays there: jitter would put a chain into another reading of the curve.
    jittered = {
        variable for variable in model.free_RVs if card.kinetics == "two_clone" or variable.name != "slope"
    }
    compiled = nutpie.compile_pymc_model(model, jitter_rvs=jittered)
    sampling = card.sampling
    say(f"sampling {sampling.chains} chains of {sampling.tune:,} + {sampling.draws:,} draws")
    tree = nutpie.sample(
        compiled,
        draws=sampling.draws,
        tune=sampling.tune,
        chains=sampling.chains,
        cores=min(cores, sampling.chains),
        target_accept=sampling.target_accept,
        seed=int(stream(seed, "calibrate").integers(2**31)),
        progress_bar=False,
        progress_callback=_progress(say),
    )
    posterior = _with_units(tree["posterior"].to_dataset(), card)
    # nutpie takes Ctrl-C as "hand over what there is".
    if (posterior.sizes["chain"], posterior.sizes["draw"]) != (sampling.chains, sampling.draws):
        raise KeyboardInterrupt
    say("predictive checks and convergence gates")
    observed, constant = _data_groups(curves, card.observation.detection_limit_mm3)
    groups = {
        "posterior": posterior,
        "sample_stats": _kept_stats(tree["sample_stats"].to_dataset()),
        "observed_data": observed,
        "constant_data": constant,
        **predictive_groups(
            posterior, curves, card, seed=seed, draws_per_chain=PREDICTIVE_DRAWS // card.sampling.chains
        ),
    }
    result = xr.DataTree.from_dict({f"/{name}": group for name, group in groups.items()})
    result.attrs = {
        "gates": json.dumps(gates(result, card).to_dict("list")),
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


def _progress(say: Callable[[str], None]) -> Callable[[Sequence[Any]], None]:
    """A sampler's progress in a line every ten seconds, readable in a log as on a terminal."""
    last = time.monotonic()

    def tell(chains: Sequence[Any]) -> None:
        nonlocal last
        done = sum(chain.finished_draws for chain in chains)
        total = sum(chain.total_draws for chain in chains)
        if time.monotonic() - last < SECONDS_BETWEEN_PROGRESS or not total:
            return
        last = time.monotonic()
        divergences = sum(chain.divergences for chain in chains)
        say(f"  {done / total:4.0%} of {total:,} draws, {divergences} divergences")

    return tell


def _with_units(posterior: xr.Dataset, card: ModelCard) -> xr.Dataset:
    for name in posterior.data_vars:
        prior = card.priors.get(str(name))
        unit = prior.unit if prior else UNITS.get(str(name), "1")
        posterior[name].attrs = {"units": unit} | ({"meaning": prior.meaning} if prior else {})
    posterior.attrs = {}
    return posterior


def _kept_stats(stats: xr.Dataset) -> xr.Dataset:
    kept = stats[
        [name for name in ("diverging", "energy", "n_steps", "depth", "step_size", "logp") if name in stats]
    ]
    kept.attrs = {}
    return kept


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
        },
        coords={"mouse": curves.curve_names},
        attrs={"detection_limit_mm3": limit_mm3},
    )
    if curves.biomarker is not None:
        constant = constant.assign_coords(each_avatar=curves.avatars)
        constant["biomarker_of"] = ("each_avatar", curves.biomarker)
    return observed, constant
