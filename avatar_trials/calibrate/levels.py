"""What an avatar's mice share: a level each drug has in a tumour, about which its mice vary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt


def avatar_level(
    name: str, mean: Any, between: Any, within: Any, values: Any, avatar: Any, given: Any
) -> Any:
    """Level (avatar, drug) of what single-drug mice show with SD `within`, itself normal about `mean` with `between`.

    Written as the mice's marginal density and the level given the mice, by an offset that the mice say nothing of:
    centred where there is a mouse, not centred where there is none, and no ridge in either case.
    """
    shape = (mean.shape[0], given.shape[1])
    n_cells = len(pm.modelcontext(None).coords["avatar"]) * given.shape[1]
    alone = np.flatnonzero(given.sum(axis=1) == 1)
    cell = avatar[alone] * given.shape[1] + given[alone].argmax(axis=1)
    mice = np.bincount(cell, minlength=n_cells)
    n, seen = np.maximum(mice, 1), mice > 0
    average = pt.inc_subtensor(pt.zeros(n_cells)[cell], values[alone]) / n
    mean = mean.reshape((n_cells,))
    if getattr(between, "ndim", 0):
        between = pt.broadcast_to(between, shape).reshape((n_cells,))
    weight = pt.switch(seen, between**2 / (between**2 + within**2 / n), 0.0)
    offset = pm.Normal(f"{name}_offset", 0.0, 1.0, dims=("avatar", "drug")).reshape((n_cells,))
    level = mean + weight * (average - mean) + offset * between * pt.sqrt(1.0 - weight)
    spread = pt.sqrt(between**2 + within**2 / n)
    pm.Potential(f"{name}_of_mice", pm.logp(pm.Normal.dist(mean, spread), average)[seen].sum())
    extra = int(len(alone) - seen.sum())
    if extra:
        scatter = ((values[alone] - average[cell]) ** 2).sum()
        pm.Potential(f"{name}_between_mice", -0.5 * scatter / within**2 - extra * pt.log(within))
    return pm.Deterministic(name, level.reshape(shape), dims=("avatar", "drug"))
