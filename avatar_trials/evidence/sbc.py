"""Simulation-based calibration: truths drawn from a card's priors, ranked among posterior draws given their readings.

One model is compiled, its readings are exchanged from replicate to replicate. A fit that fails its own gates is
ranked like any other and counted.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from scipy import stats

from avatar_trials.calibrate.checks import convergence
from avatar_trials.calibrate.curves import Curves
from avatar_trials.calibrate.predictive import fixed_draws
from avatar_trials.calibrate.refit import Refit
from avatar_trials.emulate.cohort import cohort_from_posterior
from avatar_trials.evidence.ranks import LEVEL, band, grid, rank_of, uniformity
from avatar_trials.evidence.replicates import (
    AS_THEY_ARE,
    Bench,
    Making,
    Quantities,
    Replicate,
    drawn_replicate,
    endpoints,
    log_likelihood,
    log_likelihood_of_draw,
    parameters,
)
from avatar_trials.model_cards import ModelCard
from avatar_trials.seeds import stream

R_HAT_LIMIT = 1.05
DIVERGENT_SHARE_LIMIT = 0.01
DIAGNOSTICS = ("replicate", "seconds", "divergent", "r_hat", "ess")
PANELS_ABREAST = 6


@dataclass(frozen=True)
class Effort:
    """Chains, tuning and kept draws of a fit, and how many of its draws, evenly spread, a truth is ranked among."""

    chains: int = 2
    tune: int = 400
    draws: int = 500
    ranked_among: int = 100


class Calibration:
    """Replicates of one bench. `row(k)` is the k-th one's ranks, the same whatever was fitted before."""

    def __init__(self, bench: Bench, *, seed: int, effort: Effort | None = None) -> None:
        self.bench, self.seed, self.effort = bench, seed, effort or Effort()
        self._curves, self._place = bench.curves()
        self._refit = Refit(self._curves, bench.card)

    def row(self, number: int, making: Making = AS_THEY_ARE) -> dict[str, float]:
        """DIAGNOSTICS, then quantity -> rank of the truth, 0 .. `effort.ranked_among`."""
        began, effort = time.process_time(), self.effort
        seed = int(stream(self.seed, "replicate", str(number)).integers(2**63))
        truth = drawn_replicate(self.bench, making, seed=seed)
        volume = truth.volume_mm3[self._place]
        tree = self._refit.fit(
            volume,
            seed=int(stream(seed, "fit").integers(2**31)),
            chains=effort.chains,
            tune=effort.tune,
            draws=effort.draws,
        )
        curves = self._curves.reading(volume, self.bench.card.observation.detection_limit_mm3)
        draws = self._of_posterior(tree["posterior"].to_dataset(), curves)
        true = self._of_truth(truth, curves)
        if set(draws) != set(true):
            raise ValueError(f"drawn or sampled, but not both: {', '.join(sorted(set(draws) ^ set(true)))}")
        rng = stream(seed, "equal draws")
        ranks = {name: rank_of(float(true[name][0]), values, rng) for name, values in draws.items()}
        health = self._health(tree)
        return {"replicate": number, "seconds": round(time.process_time() - began, 2), **health, **ranks}

    def _of_truth(self, truth: Replicate, curves: Curves) -> Quantities:
        cohort, bench = truth.cohort, self.bench
        values = {name: drawn[0] for name, drawn in truth.population.items()}
        values["wander_avatar"] = cohort.weekly_wander[0]
        likely = log_likelihood(truth.expected[self._place], values, curves, bench.card)
        return (
            parameters(truth.population, cohort, bench)
            | endpoints(cohort, bench)
            | {"log likelihood": np.array([likely])}
        )

    def _of_posterior(self, posterior: xr.Dataset, curves: Curves) -> Quantities:
        card, n = self.bench.card, self.effort.ranked_among
        step = self.effort.chains * self.effort.draws // n
        tree = xr.DataTree.from_dict({"/posterior": posterior.isel(draw=slice(step - 1, None, step))})
        tree.attrs = _attributes(card)
        cohort = cohort_from_posterior(tree, n, seed=0)
        flat = {
            str(name): values.values.reshape(-1, *values.shape[2:])[cohort.draw]
            for name, values in tree["posterior"].to_dataset().items()
        } | fixed_draws(card, n, len(curves.drugs))
        population = {name: flat[name] for name in card.priors if name in flat}
        each = [{name: values[k] for name, values in flat.items()} for k in range(n)]
        likely = np.array([log_likelihood_of_draw(draw, curves, card) for draw in each])
        return (
            parameters(population, cohort, self.bench)
            | endpoints(cohort, self.bench)
            | {"log likelihood": likely}
        )

    def _health(self, tree: xr.DataTree) -> dict[str, float]:
        posterior = tree["posterior"].to_dataset()
        names = [name for name in (*self.bench.card.priors, "log_r", "log_kill") if name in posterior]
        table = convergence(posterior[names])
        return {
            "divergent": int(tree["sample_stats"].to_dataset()["diverging"].sum()),
            "r_hat": round(float(table["r_hat"].max()), 4),
            "ess": round(float(table["ess_bulk"].min()), 1),
        }


@dataclass(frozen=True)
class RankCheck:
    """Whether ranks are uniform. table: quantity, n, p_band, inside, largest, at, p_chi2, p_band_healthy (of the fits
    that passed their gates), rarest first; `passed`: no p_band below (1 - LEVEL)/number of quantities."""

    passed: bool
    table: pd.DataFrame
    text: str
    ranks: pd.DataFrame
    ranked_among: int

    def figure(self) -> Figure:
        """ECDF of the ranks less the diagonal, quantity by quantity, in its simultaneous band."""
        names = list(self.ranks.columns)
        rows = -(-len(names) // PANELS_ABREAST)
        figure = Figure(figsize=(2.0 * PANELS_ABREAST, 1.5 * rows), layout="constrained")
        axes = figure.subplots(rows, PANELS_ABREAST, sharex=True, sharey=True, squeeze=False)
        z = grid(self.ranked_among)
        lower, upper = band(len(self.ranks), self.ranked_among)
        inside = self.table.set_index("quantity")["inside"]
        for place in axes.flat[len(names) :]:
            place.set_axis_off()
        for place, name in zip(axes.flat, names, strict=False):
            counts = np.bincount(self.ranks[name], minlength=self.ranked_among + 1)
            place.fill_between(z, lower, upper, color="#d5d9dd", step="post")
            colour = "#1d2226" if inside[name] else "#c01c28"
            place.step(z, counts.cumsum()[:-1] / len(self.ranks) - z, where="post", color=colour, lw=0.9)
            place.set_title(name, fontsize=7)
            place.tick_params(labelsize=6)
        return figure


def rank_check(rows: pd.DataFrame, ranked_among: int, draws_a_fit: int) -> RankCheck:
    """`rows`: one a fit, as `Calibration.row` gives them; `draws_a_fit` kept by all chains together."""
    ranks = rows.drop(columns=list(DIAGNOSTICS)).astype(int)
    failing = {
        f"R-hat above {R_HAT_LIMIT:g}": rows["r_hat"] > R_HAT_LIMIT,
        f"bulk ESS below the {ranked_among} ranked draws": rows["ess"] < ranked_among,
        f"more than {DIVERGENT_SHARE_LIMIT:.0%} divergent draws": rows["divergent"]
        > DIVERGENT_SHARE_LIMIT * draws_a_fit,
    }
    healthy = ~np.logical_or.reduce(list(failing.values()))
    found = []
    for name in ranks.columns:
        result = uniformity(ranks[name].to_numpy(), ranked_among)
        of_healthy = (
            uniformity(ranks.loc[healthy, name].to_numpy(), ranked_among).p_band if healthy.any() else np.nan
        )
        found.append({"quantity": name, **vars(result), "p_band_healthy": of_healthy})
    table = pd.DataFrame(found).sort_values("p_band", kind="stable", ignore_index=True)
    limit = (1 - LEVEL) / len(table)
    outside = int((~table["inside"]).sum())
    expected, at_most = (int(stats.binom.ppf(q, len(table), 1 - LEVEL)) for q in (0.5, 0.99))
    first = table.iloc[0]
    passed = bool(first["p_band"] >= limit)
    text = (
        f"{len(rows)} fits, {len(table)} quantities, ranks among {ranked_among} draws. {outside} quantities leave "
        f"their {LEVEL:.0%} simultaneous band ({expected} expected, {at_most} at most in 99 of 100 runs if they "
        f"were independent). Rarest: {first['quantity']}, p {first['p_band']:.2g}; limit for any of {len(table)}: "
        f"{limit:.2g}. {int((~healthy).sum())} fits fail their own gates and are ranked all the same: "
        + ", ".join(f"{int(flags.sum())} {what}" for what, flags in failing.items())
        + f". {int((rows['divergent'] > 0).sum())} fits have a divergent draw."
    )
    return RankCheck(passed, table, text, ranks, ranked_among)


def _attributes(card: ModelCard) -> dict[str, str]:
    return {
        "kinetics": card.kinetics,
        "deceleration_law": card.deceleration_law,
        "constants": json.dumps({name: constant.value for name, constant in card.constants.items()}),
        "observation": json.dumps(card.observation.model_dump()),
    }
