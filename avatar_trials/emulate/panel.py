"""Synthetic panels: avatars drawn from a model card's priors, one mouse per arm, with the truth of the draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.arms import canonical_arm, drugs_of
from avatar_trials.designs import Stopping
from avatar_trials.emulate.cohort import CONSTANTS, Cohort, scalars_of
from avatar_trials.emulate.mice import chance, luck
from avatar_trials.emulate.trial import follow, measured_volumes, new_mice_under
from avatar_trials.intake import GrowthTable
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.model_cards import ModelCard
from avatar_trials.seeds import stream

Floats = NDArray[np.float64]

GAPS_DAYS = (3.0, 3.0, 3.0, 4.0, 4.0, 5.0)
MAX_VISITS = 60


@dataclass(frozen=True)
class Panel:
    """A synthetic panel: its volumes, its population parameters (name, drug, value), and its avatars' (long frame)."""

    table: GrowthTable
    population: pd.DataFrame
    avatars: pd.DataFrame


def synthetic_panel(
    card: ModelCard,
    arms: Sequence[str],
    *,
    n_avatars: int,
    n_biomarker: int,
    tumor_type: str,
    stopping: Stopping,
    seed: int,
) -> Panel:
    """Draw population, avatars and mice from `card`'s priors; one mouse per avatar and arm, mice independent.

    Visits every 3 to 5 days, mice leave by `stopping`. `n_biomarker` avatars carry the card's biomarker. Volumes
    below the detection limit are recorded as 0, as PDX Encyclopedia sheets do, and the others to 0.1 mm3.
    """
    named = [canonical_arm(arm) for arm in arms]
    drugs = tuple(sorted({drug for arm in named for drug in drugs_of(arm)}, key=str.casefold))
    population = {
        name: prior.draws(len(drugs) if prior.by == "drug" else 1, stream(seed, "population", name))
        for name, prior in card.priors.items()
    }
    names = tuple(f"SYN-{number:03d}" for number in range(1, n_avatars + 1))
    carriers = np.zeros(n_avatars)
    carriers[stream(seed, "biomarker").permutation(n_avatars)[:n_biomarker]] = 1.0
    if card.kinetics in KILL_LAWS:
        combinations = tuple(arm for arm in named if len(drugs_of(arm)) > 1)
        cohort = _graded_cohort(names, drugs, combinations, population, carriers, card, seed)
    else:
        cohort = _cohort(names, drugs, population, carriers, card, seed)
    days = _visit_days(names, seed)
    frames = [_measured(cohort, arm, days, stopping, seed) for arm in named]
    rows = pd.concat(frames, ignore_index=True).sort_values(
        ["avatar", "arm", "mouse", "day"], ignore_index=True
    )
    avatars = pd.DataFrame(
        {"tumor_type": tumor_type, card.biomarker: carriers.astype(int)}, index=pd.Index(names, name="avatar")
    )
    table = GrowthTable(rows, avatars, (), "synthetic panel", "", True)
    return Panel(table, _population_truth(population, drugs), _avatar_truth(cohort))


def _cohort(
    names: tuple[str, ...],
    drugs: tuple[str, ...],
    population: dict[str, Floats],
    carriers: Floats,
    card: ModelCard,
    seed: int,
) -> Cohort:
    shape = (len(names), len(drugs))

    def normal(purpose: str, width: int) -> Floats:
        return np.stack([stream(seed, purpose, name).standard_normal(width) for name in names])

    one = {name: float(values[0]) for name, values in population.items() if card.priors[name].by is None}
    one |= card.fixed_parameters
    shared = np.sqrt(one["h2"]) * normal("shared sensitivity", 1)
    own = np.sqrt(1.0 - one["h2"]) * normal("sensitivity", shape[1])
    log_kill = (
        population["mu_k"]
        + carriers[:, None] * population["biomarker_kill"]
        + one["omega_k"] * (shared + own)
    )
    return Cohort(
        avatars=names,
        drugs=drugs,
        population={name: np.array([one[name]]) for name in scalars_of(card.kinetics)},
        slowing=population.get("slowing", np.full(shape[1], one.get("slowing")))[None],
        log_r=one["mu_r"] + one["omega_r"] * normal("growth", 1)[None, :, 0],
        log_kill=log_kill[None],
        resistance=(one["mu_q"] + one["omega_q"] * normal("resistance", shape[1]))[None],
        draw=np.zeros(1, dtype=np.int64),
        constants={name: card.constant(name) for name in CONSTANTS},
        detection_limit_mm3=card.observation.detection_limit_mm3,
        diameter_floor_mm3=card.observation.diameter_floor_mm3,
        deceleration_law=card.deceleration_law,
    )


def _graded_cohort(
    names: tuple[str, ...],
    drugs: tuple[str, ...],
    combinations: tuple[str, ...],
    population: dict[str, Floats],
    carriers: Floats,
    card: ModelCard,
    seed: int,
) -> Cohort:
    def normal(purpose: str, width: int) -> Floats:
        return np.stack([stream(seed, purpose, name).standard_normal(width) for name in names])

    n_drugs = len(drugs)
    one = {name: float(values[0]) for name, values in population.items() if card.priors[name].by is None}
    one |= card.fixed_parameters
    shared = np.sqrt(one["h2"]) * normal("shared sensitivity", 1)
    own = np.sqrt(1.0 - one["h2"]) * normal("sensitivity", n_drugs)
    between = one["omega_k"] * population["omega_k_of_drug"]
    log_kill = (
        population["mu_k"] + carriers[:, None] * population["biomarker_kill"] + between * (shared + own)
    )
    slowing, log_spread = np.full((len(names), n_drugs), one.get("slowing", 0.0)), np.zeros(log_kill.shape)
    if "slowing" not in one:
        slowing = np.exp(population["mu_slowing"] + one["omega_slowing"] * normal("slowing", n_drugs))
    if KILL_LAWS[card.kinetics].spreads:
        log_spread = population["mu_spread"] + one["omega_spread"] * normal("spread of kill", n_drugs)
    log_wander = one.get("omega_wander", 0.0) * normal("wander", 1)[None, :, 0]
    etas = [stream(seed, "exponent", arm).standard_normal() for arm in combinations]
    return Cohort(
        avatars=names,
        drugs=drugs,
        population={name: np.array([one[name]]) for name in scalars_of(card.kinetics)},
        slowing=slowing[None],
        log_r=one["mu_r"] + one["omega_r"] * normal("growth", 1)[None, :, 0],
        log_kill=log_kill[None],
        resistance=np.zeros(0),
        draw=np.zeros(1, dtype=np.int64),
        constants={name: constant.value for name, constant in card.constants.items()},
        detection_limit_mm3=card.observation.detection_limit_mm3,
        diameter_floor_mm3=card.observation.diameter_floor_mm3,
        kinetics=card.kinetics,
        log_spread=log_spread[None],
        wander_avatar=one["wander"] * np.exp(log_wander),
        combinations=combinations,
        eta_combination=one["eta"] + card.constant("eta_combination_sd") * np.array([etas]),
        deceleration_law=card.deceleration_law,
    )


def _visit_days(names: tuple[str, ...], seed: int) -> dict[str, Floats]:
    """Visit days of each avatar: the same for its mice, as they sit in one rack."""
    return {
        name: np.concatenate(
            [[0.0], np.cumsum(stream(seed, "visits", name).choice(GAPS_DAYS, MAX_VISITS - 1))]
        )
        for name in names
    }


def _measured(
    cohort: Cohort, arm: str, days: dict[str, Floats], stopping: Stopping, seed: int
) -> pd.DataFrame:
    """Rows of one arm's mice, avatar by avatar, each with its own visits."""
    frames = []
    for name in cohort.avatars:
        alone = cohort.of([name])
        deviates = chance((name,), 1, MAX_VISITS, luck(seed, "panel", arm))
        mice = new_mice_under(alone, arm, deviates, luck(seed, "cohort"))
        seen = measured_volumes(alone, mice, deviates, days[name])
        _, last, _ = follow(seen, days[name], deviates.removal, stopping)
        kept = slice(0, int(last[0, 0]) + 1)
        frames.append(
            pd.DataFrame(
                {
                    "avatar": name,
                    "arm": arm,
                    "mouse": f"{name}|{arm}|1",
                    "day": days[name][kept],
                    "volume_mm3": np.round(seen[0, 0, kept], 1),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _population_truth(population: dict[str, Floats], drugs: tuple[str, ...]) -> pd.DataFrame:
    rows = [
        {"parameter": name, "drug": drug, "value": float(value)}
        for name, values in population.items()
        for drug, value in zip(
            drugs if len(values) == len(drugs) and len(values) > 1 else [""], values, strict=True
        )
    ]
    return pd.DataFrame(rows)


def _avatar_truth(cohort: Cohort) -> pd.DataFrame:
    rows = []
    of_drug = {"log_kill": cohort.log_kill}
    if cohort.kinetics in KILL_LAWS:
        of_drug |= {"log_spread": cohort.log_spread, "slowing": cohort.slowing}
    else:
        of_drug["resistance"] = cohort.resistance
    for i, avatar in enumerate(cohort.avatars):
        rows.append({"parameter": "log_r", "avatar": avatar, "drug": "", "value": float(cohort.log_r[0, i])})
        for j, drug in enumerate(cohort.drugs):
            for name, values in of_drug.items():
                rows.append(
                    {"parameter": name, "avatar": avatar, "drug": drug, "value": float(values[0, i, j])}
                )
    return pd.DataFrame(rows)
