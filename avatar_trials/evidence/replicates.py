"""Replicates for simulation-based calibration: a truth drawn from a card's priors, its readings, and what to rank.

Truth and readings come from the emulator, the posterior from the sampler's density: two programs for one law.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.calibrate import likelihood
from avatar_trials.calibrate.curves import Curves, curves_of
from avatar_trials.calibrate.predictive import expected_log_volume, weekly_of
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.mice import Chance, chance, luck
from avatar_trials.emulate.panel import drawn_avatars
from avatar_trials.emulate.trial import measured_volumes, new_mice_under
from avatar_trials.endpoints.response import best_response, time_to_doubling
from avatar_trials.intake import GrowthTable
from avatar_trials.kinetics import caliper, clones
from avatar_trials.model_cards import OF_SEVERAL_TYPES, ModelCard

Floats = NDArray[np.float64]
Quantities = dict[str, Floats]

RESPONSE_PCT = -30.0
ENDPOINT_DAYS = np.arange(0.0, 121.0, 3.0)
# Volumes that tell the places of visits: so large that no mouse starts far from the others.
PLACE_OF_FIRST = 1e6
OF_AVATAR = (
    "log_r",
    "wander_avatar",
    "deceleration_avatar",
    "log_kill",
    "log_spread",
    "slowing",
    "resistance",
)


def _same(thing: Any, *_: Any) -> Any:
    return thing


@dataclass(frozen=True)
class Bench:
    """The mice and visits that every replicate has: one mouse an avatar and arm, all measured at every visit.

    Parameters of the first `n_ranked` avatars are ranked.
    """

    card: ModelCard
    arms: tuple[str, ...] = ("untreated", "A", "B", "A + B")
    n_avatars: int = 6
    days: tuple[float, ...] = (0.0, 4.0, 8.0, 12.0, 17.0, 23.0, 30.0, 38.0, 48.0, 60.0)
    n_ranked: int = 2

    @property
    def avatars(self) -> tuple[str, ...]:
        """Names of the avatars."""
        return tuple(f"SBC-{number:02d}" for number in range(1, self.n_avatars + 1))

    @property
    def carriers(self) -> Floats:
        """1.0 where an avatar (avatar,) carries the card's biomarker: every other one."""
        return (np.arange(self.n_avatars) % 2).astype(float)

    def curves(self) -> tuple[Curves, NDArray[np.int64]]:
        """Index arrays of the mice and visits, and the place of each visit (obs) in a flat (arm, avatar, visit)."""
        rows = pd.MultiIndex.from_product(
            [self.arms, self.avatars, self.days], names=["arm", "avatar", "day"]
        ).to_frame(index=False)
        rows["mouse"] = rows["avatar"] + "|" + rows["arm"]
        rows["volume_mm3"] = PLACE_OF_FIRST + np.arange(len(rows))
        covariates = pd.DataFrame(
            {"tumor_type": "SBC", self.card.biomarker: self.carriers.astype(int)},
            index=pd.Index(self.avatars, name="avatar"),
        )
        table = GrowthTable(rows, covariates, (), "replicates", "", True)
        curves, notices = curves_of(table, self.card)
        if notices:
            raise ValueError(f"replicates lose mice or visits: {'; '.join(map(str, notices))}")
        return curves, (curves.volume_mm3 - PLACE_OF_FIRST).astype(np.int64)


@dataclass(frozen=True)
class Making:
    """How readings come from a truth. Anything but the defaults is a fault, planted to see that it is found."""

    card: Callable[[ModelCard], ModelCard] = _same
    cohort: Callable[[Cohort], Cohort] = _same
    days: Callable[[Floats], Floats] = _same
    arm: Callable[[str], str] = _same
    luck: Callable[[str], str] = _same
    chance: Callable[[Chance], Chance] = _same
    mice: Callable[[Any], Any] = _same
    volumes: Callable[[Floats, ModelCard], Floats] = _same


AS_THEY_ARE = Making()


@dataclass(frozen=True)
class Replicate:
    """A truth and its readings. population: name -> (1,) or (1, drug); volume_mm3 and expected (log mm3, without wander
    and error): flat (arm, avatar, visit)."""

    population: dict[str, Floats]
    cohort: Cohort
    volume_mm3: Floats
    expected: Floats


def drawn_replicate(bench: Bench, making: Making, *, seed: int) -> Replicate:
    """Population, avatars and mice by the card's priors, mice independent; volumes are not rounded."""
    days = np.array(bench.days)
    card = making.card(bench.card)
    cohort, drawn = drawn_avatars(card, bench.arms, bench.avatars, bench.carriers, seed=seed)
    population = {name: values[None] if card.priors[name].by else values for name, values in drawn.items()}
    seen_as, marched = making.cohort(cohort), making.days(days)
    volumes, expected = [], []
    for arm in bench.arms:
        of_mice = luck(seed, "replicate", making.luck(arm))
        deviates = making.chance(chance(cohort.avatars, 1, len(days), of_mice))
        mice = new_mice_under(cohort, arm, deviates, luck(seed, "cohort"))
        expected.append(_latent(mice, cohort, days)[0])
        measured = making.mice(new_mice_under(seen_as, making.arm(arm), deviates, luck(seed, "cohort")))
        volumes.append(measured_volumes(seen_as, measured, deviates, marched)[0])
    return Replicate(
        population,
        cohort,
        making.volumes(np.stack(volumes), card).reshape(-1),
        np.stack(expected).reshape(-1),
    )


def parameters(population: dict[str, Floats], cohort: Cohort, bench: Bench) -> Quantities:
    """Population parameters, by drug where they are, and those of a few avatars: name -> (T,).

    population: name -> (T,) or (T, drug), of one tumour type.
    """
    found: Quantities = {}
    for name, values in population.items():
        if name in OF_SEVERAL_TYPES:
            continue
        if values.ndim == 1:
            found[name] = values
        else:
            found |= {f"{name}[{drug}]": values[:, j] for j, drug in enumerate(cohort.drugs)}
    found |= {
        f"eta_combination[{arm}]": cohort.eta_combination[:, j] for j, arm in enumerate(cohort.combinations)
    }
    for name in OF_AVATAR:
        values = np.asarray(getattr(cohort, name))
        if (
            values.ndim < 2
            or values.shape[1] != len(cohort.avatars)
            or (name == "slowing" and values.ndim < 3)
        ):
            continue
        for i, avatar in enumerate(cohort.avatars[: bench.n_ranked]):
            if values.ndim == 2:
                found[f"{name}[{avatar}]"] = values[:, i]
            else:
                found |= {f"{name}[{avatar}, {d}]": values[:, i, j] for j, d in enumerate(cohort.drugs)}
    return found


def endpoints(cohort: Cohort, bench: Bench) -> Quantities:
    """Endpoints (T,) of the avatars' own curves under each treated arm, without mice's luck, wander and error.

    Response rate (best response from day 10 on of -30 % or less), mean best response (%), median days to doubling (no
    doubling in 120 days is longer than any).
    """
    found: Quantities = {}
    none = np.zeros(cohort.log_r.shape)
    typical = Chance(none, none, none, none, np.zeros((*none.shape, 0)), np.zeros((*none.shape, 0)))
    for arm in bench.arms:
        mice = new_mice_under(cohort, arm, typical, luck(0, "typical"))
        volume = np.exp(_latent(mice, cohort, ENDPOINT_DAYS))
        best, _ = best_response(ENDPOINT_DAYS, volume, "gao2015_text")
        day, doubled = time_to_doubling(ENDPOINT_DAYS, volume, "log_linear")
        found[f"median doubling [{arm}]"] = np.median(np.where(doubled, day, np.inf), axis=1)
        if cohort.given(arm).any():
            found[f"response rate [{arm}]"] = (best <= RESPONSE_PCT).mean(axis=1)
            found[f"mean depth [{arm}]"] = best.mean(axis=1)
    return found


def log_likelihood(expected: Floats, values: dict[str, Any], curves: Curves, card: ModelCard) -> float:
    """Log density of all readings of `curves` about `expected` (obs), by one draw's caliper and wander."""
    floor = card.observation.diameter_floor_mm3
    squared = caliper.log_variance(np.exp(expected), values["delta"], values["sigma_p"], floor)
    visits = likelihood.Visits.of(curves.obs_curve, curves.day, curves.censored)
    weekly = weekly_of(values, curves)
    residual = curves.log_volume - expected
    density, *_ = likelihood.filtered(residual, squared, weekly**2, visits.gap, visits.first, visits.below)
    return float(density.sum())


def log_likelihood_of_draw(values: dict[str, Any], curves: Curves, card: ModelCard) -> float:
    """`log_likelihood` of a posterior draw, whose curves are those the predictive checks use."""
    return log_likelihood(expected_log_volume(values, curves, card), values, curves, card)


def _latent(mice: Any, cohort: Cohort, days: Floats) -> Floats:
    """Log volumes (T, avatar, visit) of mice, without wander and error."""
    shape = mice.log_start.shape
    everyone = slice(0, int(np.prod(shape)))
    grown = np.stack(list(mice.log_growth(days, everyone)), axis=-1).reshape((*shape, len(days)))
    slowed = cohort.decelerations[..., None]
    size: Floats = mice.log_start[..., None] + clones.size_from_growth(
        grown, slowed, law=cohort.deceleration_law
    )
    return size
