"""Agreement of emulated avatars with the emulated patients behind them: populations, and individuals, in two tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from avatar_trials import seeds
from avatar_trials.arms import UNTREATED
from avatar_trials.endpoints import intervals
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes, emulated_arms
from avatar_trials.endpoints.choice import blind_score, regret
from avatar_trials.endpoints.individual import INDIVIDUAL_COLUMNS
from avatar_trials.endpoints.intervals import check_level
from avatar_trials.endpoints.matching import TWIN, Comparison
from avatar_trials.endpoints.paired_scores import (
    EXPLAINED,
    FINISH,
    Sums,
    added,
    moved,
    paired_scores,
    unstratified_scores,
)
from avatar_trials.endpoints.patient_response import patient_arms
from avatar_trials.endpoints.population import population_agreement
from avatar_trials.endpoints.population_rows import ALL_ARMS
from avatar_trials.endpoints.response import volume_to_diameter_pct
from avatar_trials.endpoints.tables import trial_response

Floats = NDArray[np.float64]
Arms = dict[str, ArmOutcomes]

NOT_STRATIFIED = "all, not stratified"
REGRET = "treatment_choice_regret_days"
RENAMED = {"time_to_doubling": "PFS"}
UNSTRATIFIED = ("Cohen_kappa", "AUC")


def mice_on_patient_scale(
    trial: xr.Dataset, patients: xr.Dataset, *, rule: str, doubling: str, volume: str = "volume_mm3"
) -> Arms:
    """Outcomes (trial, avatar) of emulated mice by arm: depth in % of diameter, doubling in days of patients."""
    scale = patients["days_per_mouse_day"].values[:, patients["has_avatar"].values]
    arms = emulated_arms(trial_response(trial, rule=rule, doubling=doubling, volume=volume))
    return {
        arm: replace(one, depth_pct=volume_to_diameter_pct(one.depth_pct), time_days=one.time_days * scale)
        for arm, one in arms.items()
    }


def agree_with_patients(
    trial: xr.Dataset, patients: xr.Dataset, *, rule: str, doubling: str, level: float = 0.9, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(population, individual) agreement of the mice of `trial` with the emulated `patients` behind their avatars.

    Populations: the patients of the clinic, with an avatar or without, against the avatars' mice; columns and
    measures as of mice, PFS of patients beside time to doubling. Individuals: one mouse an avatar against its
    patient. Intervals are over replicates, each a posterior draw with new luck. Null reference of individuals:
    patients handed to other avatars of the trial; ceiling: second mice in place of patients. ValueError for files
    of other trials.
    """
    check_level(level)
    same = list(trial["arm"].values) == list(patients["arm"].values)
    paired = patients["patient"].values[patients["has_avatar"].values]
    if not (
        same
        and list(paired) == list(trial["avatar"].values)
        and trial.sizes["trial"] == patients.sizes["trial"]
    ):
        raise ValueError("the patients are not those of this trial: emulate both from one design")
    mice, twins = (
        mice_on_patient_scale(trial, patients, rule=rule, doubling=doubling, volume=name)
        for name in ("volume_mm3", TWIN)
    )
    behind = patient_arms(patients, with_avatar_only=True)
    everyone = patient_arms(patients, with_avatar_only=False)
    words = f"mice: mRECIST rule {rule}, doubling {doubling}; patients: {patients.attrs['response']}, PFS"
    told = f"ASSUMED patients; {words}; depth in % of diameter, days of patients"
    arms = tuple(mice)
    comparison = Comparison(
        rule=rule,
        doubling=doubling,
        arms=arms,
        avatars=tuple(str(name) for name in paired),
        n_trials=trial.sizes["trial"],
        paired=False,
        emulated=mice,
        twin=twins,
        observed=everyone,
        avatar_of_mouse={arm: np.arange(len(paired)) for arm in arms},
        told=told,
    )
    population = population_agreement(comparison, level)
    for old, new in RENAMED.items():
        population["measure"] = population["measure"].str.replace(old, new)
    return population, individuals(mice, twins, behind, told, level, seed)


def individuals(mice: Arms, twins: Arms, behind: Arms, told: str, level: float, seed: int) -> pd.DataFrame:
    """Individual agreement (columns INDIVIDUAL_COLUMNS) of mice with patients, both (trial, avatar) by arm.

    Rows with arm "all" are stratified by arm; those of NOT_STRATIFIED follow them and are no skill with individuals.
    """
    rng = seeds.stream(seed, "agreement", "patients of other avatars")
    n_trials, n = next(iter(mice.values())).category.shape
    steps = rng.integers(1, max(n, 2), size=n_trials)
    others = {arm: moved(one, steps) for arm, one in behind.items()}
    scored = {
        arm: [paired_scores(mice[arm], outcome[arm]) for outcome in (behind, others, twins)] for arm in mice
    }
    scored[ALL_ARMS] = [added([scored[arm][side] for arm in mice]) for side in range(3)]
    blended = [
        unstratified_scores(list(mice.values()), list(side.values())) for side in (behind, others, twins)
    ]
    rows = []
    for arm, (value, null, ceiling) in scored.items():
        stratified = "arm-stratified: pairs compared within arms only; " if arm == ALL_ARMS else ""
        pairs = n * (len(mice) if arm == ALL_ARMS else 1)
        for measure in FINISH:
            sides = [side[measure] for side in (value, null, ceiling)]
            row = _row(arm, measure, sides, pairs, f"{stratified}{told}", level)
            rows.append(row)
            if arm == ALL_ARMS and measure in UNSTRATIFIED:
                warned = f"pairs of all arms pooled: differences between arms count as skill; {told}"
                sides = [side[measure] for side in blended]
                rows.append(_row(NOT_STRATIFIED, measure, sides, pairs, warned, level))
    if len([arm for arm in mice if arm != UNTREATED]) > 1:
        rows.append(_regret_row(mice, behind, others, twins, told, level))
    frame = pd.DataFrame(rows, columns=list(INDIVIDUAL_COLUMNS))
    frame["n"] = frame["n"].astype("Int64")
    return frame


def choice_regret(mice: Arms, outcomes: Arms) -> Sums:
    """Sums (trial,) of days lost by giving each patient the treated arm whose mouse held longest, then shrank most."""
    arms = [arm for arm in mice if arm != UNTREATED]
    score = np.stack([mice[arm].time_days - 1e-6 * mice[arm].depth_pct for arm in arms], axis=-1)
    return regret(score, _times(outcomes, arms))


def _regret_row(
    mice: Arms, behind: Arms, others: Arms, twins: Arms, told: str, level: float
) -> dict[str, Any]:
    arms = [arm for arm in mice if arm != UNTREATED]
    times = _times(behind, arms)
    blind = intervals.replicate_summary(np.divide(*regret(blind_score(times), times)), level)[0]
    note = (
        "days of PFS (or follow-up) of the patient's best treated arm less those of its longest-held mouse's arm; "
        f"the best arm for all would lose {blind:.3g}; {told}"
    )
    sides = [choice_regret(mice, outcomes) for outcomes in (behind, others, twins)]
    n = next(iter(mice.values())).category.shape[1]
    return _row(ALL_ARMS, REGRET, sides, n, note, level)


def _times(outcomes: Arms, arms: Sequence[str]) -> Floats:
    return np.stack([outcomes[arm].time_days for arm in arms], axis=-1)


def _row(arm: str, measure: str, sides: Sequence[Sums], n: int, note: str, level: float) -> dict[str, Any]:
    """`sides`: sums of the value, of its null and of its ceiling."""
    finish = FINISH.get(measure, lambda sums: sums[0] / np.maximum(sums[1], 1.0))
    values = finish(sides[0])
    middle, lower, upper = intervals.replicate_summary(values, level)
    known = np.count_nonzero(~np.isnan(values))
    notes = [
        EXPLAINED.get(measure, ""),
        note,
        f"median and {level:.0%} interval over {len(values)} replicate trials",
    ]
    if known == 0:
        notes.append("not defined: all outcomes or all calls alike")
    elif known < len(values):
        notes.append(f"defined in {known} of {len(values)} trials")
    notes.append(
        "null: patients of other avatars; ceiling: a second mouse of the avatar in the patient's place"
    )
    return {
        "arm": arm,
        "measure": measure,
        "value": middle,
        "lower": lower,
        "upper": upper,
        "level": level,
        "null_reference": intervals.replicate_summary(finish(sides[1]), level)[0] if known else np.nan,
        "ceiling": intervals.replicate_summary(finish(sides[2]), level)[0],
        "n": n,
        "method": "; ".join(note for note in notes if note),
    }
