"""A model compiled once and calibrated to one set of readings after another: same mice, same visits, other volumes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import nutpie
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.calibrate.curves import Curves
from avatar_trials.calibrate.model import build_model
from avatar_trials.calibrate.sample import jittered
from avatar_trials.model_cards import ModelCard

Floats = NDArray[np.float64]


class Refit:
    """A card's model of the mice and visits of `curves`, whose readings may be exchanged without compiling again."""

    def __init__(self, curves: Curves, card: ModelCard) -> None:
        self.curves, self.card = curves, card
        model = build_model(curves, card, exchangeable=True)
        self._by_readings = [v.name for v in model.free_RVs if v not in jittered(model, card)]
        self._compiled = nutpie.compile_pymc_model(model, jitter_rvs=jittered(model, card))

    def fit(self, volume_mm3: Floats, *, seed: int, chains: int, tune: int, draws: int) -> xr.DataTree:
        """Groups posterior and sample_stats of other volumes (obs), in the order of the curves' visits.

        Volumes below the card's detection limit count as below it, whatever they are. Chains run one after another, so
        that fits may run side by side. ValueError for another number of volumes than visits.
        """
        if np.shape(volume_mm3) != np.shape(self.curves.day):
            raise ValueError(f"expected {len(self.curves.day)} volumes, one a visit, got {len(volume_mm3)}")
        curves = self.curves.reading(volume_mm3, self.card.observation.detection_limit_mm3)
        compiled = self._compiled.with_data(log_volume=curves.log_volume, below_limit=curves.censored)
        compiled = replace(compiled, initial_point_func=self._starting(curves))
        return nutpie.sample(
            compiled,
            draws=draws,
            tune=tune,
            chains=chains,
            cores=1,
            target_accept=self.card.sampling.target_accept,
            mindepth=self.card.sampling.min_depth,
            maxdepth=self.card.sampling.max_depth,
            seed=seed,
            progress_bar=False,
        )

    def _starting(self, curves: Curves) -> Any:
        """Where a chain of this seed starts: as compiled, but for what starts by the readings at hand."""
        compiled_start = self._compiled.initial_point_func
        if not self._by_readings:
            return compiled_start
        model = build_model(curves, self.card)
        names, places, _ = self._compiled.shape_info
        starts = {
            places[names.index(name)]: model.rvs_to_initial_values[model[name]] for name in self._by_readings
        }

        def start(seed: Any) -> Floats:
            point: Floats = np.array(compiled_start(seed))
            for place, value in starts.items():
                point[place] = value
            return point

        return start
