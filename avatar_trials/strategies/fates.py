"""A mouse's luck: the same for every strategy tried on its avatar (common random numbers)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from avatar_trials.seeds import stream

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fates:
    """Deviates of mice. surprises (visit, mouse): Student's t, 4 degrees of freedom; frailty (2, mouse): normal; all
    else
    uniform: removal (visit, mouse), plasma and biopsy (visit, 2, clone, mouse) of sample and assay, NaN where there is
    none."""

    surprises: Floats
    frailty: Floats
    removal: Floats
    plasma: Floats
    biopsy: Floats


def fates(
    avatars: Sequence[str],
    seed: int,
    *,
    n_visits: int,
    n_clones: int,
    plasma: bool,
    biopsy: bool,
    removal: bool,
) -> Fates:
    """Luck of one mouse an avatar: a stream for each avatar and purpose, made only where it is needed."""

    def each(purpose: str, draw: Callable[[np.random.Generator], Floats]) -> Floats:
        return np.stack([draw(stream(seed, purpose, avatar)) for avatar in avatars], axis=-1)

    def uniform(purpose: str, wanted: bool, shape: tuple[int, ...]) -> Floats:
        return each(purpose, lambda rng: rng.random(shape)) if wanted else np.zeros((*shape[:1], 0))

    of_assay = (n_visits, 2, n_clones)
    return Fates(
        surprises=each("readings", lambda rng: rng.standard_t(4, n_visits)),
        frailty=each("body weight", lambda rng: rng.standard_normal(2)),
        removal=uniform("removal", removal, (n_visits,)),
        plasma=uniform("plasma", plasma, of_assay),
        biopsy=uniform("biopsy", biopsy, of_assay),
    )
