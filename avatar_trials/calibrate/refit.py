"""A model compiled once and calibrated to one set of readings after another: same mice, same visits, other volumes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import nutpie
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.calibrate.curves import Curves
from avatar_trials.calibrate.graded_kill import first_slopes, stretched_slope
from avatar_trials.calibrate.model import build_model
from avatar_trials.calibrate.sample import jittered
from avatar_trials.model_cards import ModelCard

Floats = NDArray[np.float64]


class Refit:
    """A card's model of the mice and visits of `curves`, whose readings may be exchanged without compiling again."""

    def __init__(self, curves: Curves, card: ModelCard) -> None:
        self.curves, self.card = curves, card
        model = build_model(curves, card, exchangeable=True)
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
        compiled = replace(compiled, initial_point_func=self._starting(first_slopes(curves)))
        return nutpie.sample(
            compiled,
            draws=draws,
            tune=tune,
            chains=chains,
            cores=1,
            target_accept=self.card.sampling.target_accept,
            seed=seed,
            progress_bar=False,
        )

    def _starting(self, slopes: Floats) -> Any:
        """Where a chain of this seed starts: as compiled, but for the slopes, which go by the readings at hand."""
        jittered_start = self._compiled.initial_point_func
        if self.card.kinetics == "two_clone":
            return jittered_start
        names, places, _ = self._compiled.shape_info
        slope = places[names.index("stretched_slope")]

        def start(seed: Any) -> Floats:
            point: Floats = np.array(jittered_start(seed))
            point[slope] = stretched_slope(slopes)
            return point

        return start
