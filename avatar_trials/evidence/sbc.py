"""Simulation-based calibration: truths drawn from a card's priors are ranked among the posterior draws of their readings.

One model is compiled, its readings are exchanged from replicate to replicate. A fit that fails its own gates is
ranked like any other and counted.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.calibrate.checks import convergence
from avatar_trials.calibrate.refit import Refit
from avatar_trials.emulate.cohort import Cohort, cohort_from_posterior
from avatar_trials.evidence.ranks import rank_of
from avatar_trials.evidence.replicates import (
    Bench,
    Making,
    Quantities,
    drawn_replicate,
    endpoints,
    log_likelihood,
    log_likelihood_of_draw,
    parameters,
)
from avatar_trials.model_cards import ModelCard
from avatar_trials.seeds import stream

R_HAT_LIMIT = 1.05
DIVERGENT_LIMIT = 0.01
DIAGNOSTICS = ("replicate", "seconds", "divergent", "r_hat", "ess")


@dataclass(frozen=True)
class Effort:
    """Chains, tuning and kept draws of a fit, and how many of its draws, evenly spread, a truth is ranked among."""

    chains: int = 2
    tune: int = 400
    draws: int = 500
    ranked_among: int = 100


class Calibration:
    """Replicates of one bench: `row(k)` is the k-th one's ranks and diagnostics, the same whoever asks and when."""

    def __init__(
        self, bench: Bench, *, seed: int, effort: Effort | None = None, making: Making | None = None
    ) -> None:
        self.bench, self.seed = bench, seed
        self.effort, self.making = effort or Effort(), making or Making()
        self.curves, self.place = bench.curves()
        self._refit = Refit(self.curves, bench.card)

    def row(self, number: int) -> dict[str, float]:
        """DIAGNOSTICS, then quantity -> rank among `effort.ranked_among` draws."""
        began = time.process_time()
        seed = int(stream(self.seed, "replicate", str(number)).integers(2**63))
        truth = drawn_replicate(self.bench, self.making, seed=seed)
        volume = truth.volume_mm3[self.place]
        effort = self.effort
        tree = self._refit.fit(
            volume,
            seed=int(stream(seed, "fit").integers(2**31)),
            chains=effort.chains,
            tune=effort.tune,
            draws=effort.draws,
        )
        posterior = tree["posterior"].to_dataset()
        curves = self.curves.reading(volume, self.bench.card.observation.detection_limit_mm3)
        found = self._of_posterior(posterior, curves)
        one = {name: values[None] if len(values) > 1 else values for name, values in truth.population.items()}
        true = parameters(one, truth.cohort, self.bench) | endpoints(truth.cohort, self.bench)
        at_truth = {name: values[0] for name, values in one.items()}
        at_truth |= {"wander_avatar": truth.cohort.weekly_wander[0]}
        true["log likelihood"] = np.array(
            [log_likelihood(truth.expected[self.place], at_truth, curves, self.bench.card)]
        )
        rng = stream(seed, "equal draws")
        ranks = {name: rank_of(float(true[name][0]), draws, rng) for name, draws in found.items()}
        health = self._health(tree, posterior)
        return {"replicate": number, "seconds": round(time.process_time() - began, 2), **health, **ranks}

    def _of_posterior(self, posterior: xr.Dataset, curves: Any) -> Quantities:
        card, effort = self.bench.card, self.effort
        step = effort.chains * effort.draws // effort.ranked_among
        thin = posterior.isel(draw=slice(step - 1, None, step))
        tree = xr.DataTree.from_dict({"/posterior": thin})
        tree.attrs = _attributes(card)
        cohort = cohort_from_posterior(tree, effort.ranked_among, seed=0)
        flat = {
            str(name): values.values.reshape(-1, *values.shape[2:])[cohort.draw]
            for name, values in thin.items()
        }
        population = {name: flat[name] for name in card.priors if name in flat}
        draws = [{name: values[k] for name, values in flat.items()} for k in range(effort.ranked_among)]
        found = parameters(population, cohort, self.bench) | endpoints(cohort, self.bench)
        found["log likelihood"] = np.array([log_likelihood_of_draw(draw, curves, card) for draw in draws])
        return found

    def _health(self, tree: xr.DataTree, posterior: xr.Dataset) -> dict[str, float]:
        names = [name for name in (*self.bench.card.priors, "log_r", "log_kill") if name in posterior]
        table = convergence(posterior[names])
        return {
            "divergent": float(tree["sample_stats"].to_dataset()["diverging"].sum()),
            "r_hat": round(float(table["r_hat"].max()), 4),
            "ess": round(float(table["ess_bulk"].min()), 1),
        }


def _attributes(card: ModelCard) -> dict[str, str]:
    return {
        "kinetics": card.kinetics,
        "constants": json.dumps({name: constant.value for name, constant in card.constants.items()}),
        "observation": json.dumps(card.observation.model_dump()),
    }
