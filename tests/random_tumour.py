"""Tumours and courses made up at random: every mechanism, with rates, shares and doses that are often 0 or equal."""

from __future__ import annotations

from typing import Any

import numpy as np

from avatar_trials.kinetics.tumour import Clone, Course, Mutation, Niche, Persistence, Tumour

MECHANISMS = ("mutations", "persistence", "niche")


def random_tumour(
    rng: np.random.Generator,
    *mechanisms: str,
    mice: tuple[int, ...] = (),
    n_clones: int = 2,
    n_drugs: int = 2,
    antagonism: bool = True,
) -> Tumour:
    """Each parameter by mouse, or one for all; no rate of switching is 0 for some mice only."""

    def power(low: float, high: float, *more: int) -> Any:
        return 10 ** rng.uniform(low, high, (*mice, *more) if rng.random() < 0.7 else more)

    def rows() -> tuple[tuple[float, ...], ...]:
        levels = np.where(
            rng.random((2, n_drugs)) < 0.7, rng.choice([0.0, 1.0, 1.3]), rng.random((2, n_drugs))
        )
        return tuple(map(tuple, levels[: 1 + int(rng.random() < 0.3)].tolist()))

    def folds() -> tuple[float, ...]:
        levels = rng.uniform(0, 2, n_drugs) * (rng.random(n_drugs) < 0.8)
        return tuple(levels.tolist()) if rng.random() < 0.5 else ()

    weights = 10 ** rng.uniform(-7, 0, (n_clones, *mice))
    shares = weights / weights.sum(axis=0)
    log_kill = np.log(power(-3, -0.4, n_drugs))
    if n_drugs > 1 and rng.random() < 0.1:
        log_kill[..., 0] = -np.inf
    clones = [
        Clone(f"clone {n}", rows(), shares[n], float(rng.choice([0.0, rng.uniform(-0.5, 1)])))
        for n in range(n_clones)
    ]
    mutations = [
        Mutation(f"clone {a}", f"clone {b}", power(-8, -2), power(-8, -2))
        for a in range(n_clones)
        for b in range(n_clones)
        if a != b and (b == a + 1 or rng.random() < 0.2)
    ]
    persistence = Persistence(
        induced=power(-5, -1),
        woken=power(-5, -0.5),
        woken_on_drug=float(rng.choice([0.0, 0.01])),
        growth=float(rng.choice([0.0, rng.uniform(-0.02, 0.02)])),
        share=power(-6, -1),
        inducing=tuple((rng.random(n_drugs) < 0.7).tolist()) if rng.random() < 0.5 else (),
        drivers=rows() if rng.random() < 0.5 else (),
        induced_fold=folds(),
        woken_fold=folds(),
    )
    niche = Niche(
        share=rng.random(mice),
        protection=rng.random((*mice, n_drugs)) if rng.random() < 0.7 else float(rng.choice([0.0, 1.0])),
        entering=power(-4, -1),
        leaving=power(-4, -1),
        growth_factor=float(rng.uniform(0.2, 1.2)),
    )
    return Tumour(
        growth=rng.uniform(0.01, 0.12, mice),
        log_kill=log_kill,
        clones=clones,
        exponent=float(rng.choice([1.0, rng.uniform(0.4, 6.0)])),
        antagonism=float(antagonism * rng.choice([0.0, rng.uniform(0, 2)])),
        mutations=mutations if "mutations" in mechanisms else (),
        persistence=persistence if "persistence" in mechanisms else None,
        niche=niche if "niche" in mechanisms else None,
    )


def random_course(
    rng: np.random.Generator, n_drugs: int, *, n_segments: int = 2, mice: tuple[int, ...] = ()
) -> Course:
    """Doses 0, 1 or between and a little above, by mouse or one for all; segments of days up to three weeks."""
    turns = np.cumsum(rng.choice([7.0, rng.uniform(0.5, 21)], n_segments - 1))

    def doses() -> np.ndarray:
        shape = (*mice, n_drugs) if rng.random() < 0.3 else (n_drugs,)
        some = rng.uniform(0.05, 1.2, shape)
        return some if len(shape) > 1 else some * rng.integers(0, 2, shape) ** rng.integers(0, 2)

    return Course([0.0, *turns.tolist()], [doses() for _ in range(n_segments)])
