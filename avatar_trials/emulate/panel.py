"""Synthetic panels: avatars drawn from a model card's priors, one mouse per arm, with the truth of the draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.arms import canonical_arm, drugs_of
from avatar_trials.designs import Stopping
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.hierarchy import Population, avatar_deviates, drawn_cohort
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
    names = tuple(f"SYN-{number:03d}" for number in range(1, n_avatars + 1))
    carriers = np.zeros(n_avatars)
    carriers[stream(seed, "biomarker").permutation(n_avatars)[:n_biomarker]] = 1.0
    cohort, population = drawn_avatars(card, named, names, carriers, seed=seed)
    days = _visit_days(names, seed)
    frames = [_measured(cohort, arm, days, stopping, seed) for arm in named]
    rows = pd.concat(frames, ignore_index=True).sort_values(
        ["avatar", "arm", "mouse", "day"], ignore_index=True
    )
    avatars = pd.DataFrame(
        {"tumor_type": tumor_type, card.biomarker: carriers.astype(int)}, index=pd.Index(names, name="avatar")
    )
    table = GrowthTable(rows, avatars, (), "synthetic panel", "", True)
    return Panel(table, _population_truth(population, cohort.drugs), _avatar_truth(cohort))


def drawn_avatars(
    card: ModelCard, arms: Sequence[str], names: Sequence[str], carriers: Floats, *, seed: int
) -> tuple[Cohort, dict[str, Floats]]:
    """Avatars `names` with the drugs of `arms`, and their population (one value, or one a drug), by `card`'s priors.

    `carriers` (avatar,) is 1.0 where an avatar carries the card's biomarker. One replicate.
    """
    named = [canonical_arm(arm) for arm in arms]
    drugs = tuple(sorted({drug for arm in named for drug in drugs_of(arm)}, key=str.casefold))
    population = {
        name: card.prior_draw(name, drugs, stream(seed, "population", name)) for name in card.priors
    }
    several = tuple(arm for arm in named if len(drugs_of(arm)) > 1) if card.kinetics in KILL_LAWS else ()
    return _cohort(tuple(names), drugs, population, carriers, card, seed, several), population


def _cohort(
    names: tuple[str, ...],
    drugs: tuple[str, ...],
    population: dict[str, Floats],
    carriers: Floats,
    card: ModelCard,
    seed: int,
    combinations: tuple[str, ...] = (),
) -> Cohort:
    """Avatars of one population; by-drug parameters (drug,), others (1,)."""
    etas = [stream(seed, "exponent", arm).standard_normal() for arm in combinations]
    own = population["eta"] + card.constant("eta_combination_sd") * np.array([etas]) if etas else np.zeros(0)
    one = Population(
        kinetics=card.kinetics,
        drugs=drugs,
        values={
            name: values[None] if card.priors[name].by == "drug" else values
            for name, values in population.items()
        }
        | {name: np.full(1, value) for name, value in card.fixed_parameters.items()},
        draw=np.zeros(1, dtype=np.int64),
        constants={name: constant.value for name, constant in card.constants.items()},
        detection_limit_mm3=card.observation.detection_limit_mm3,
        diameter_floor_mm3=card.observation.diameter_floor_mm3,
        combinations=combinations,
        eta_combination=own,
        deceleration_law=card.deceleration_law,
    )
    return drawn_cohort(one, names, carriers[None], avatar_deviates(names, 1, luck(seed)))


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
