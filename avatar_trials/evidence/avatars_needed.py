"""How many avatars, how many mice each: agreement with the patients behind them as their latent correlation goes up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.arms import UNTREATED
from avatar_trials.designs import TrialDesign
from avatar_trials.emulate import (
    cohort_for,
    emulate_patients,
    emulate_trials,
    hierarchy_for,
    require_patients,
)
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.hierarchy import Population
from avatar_trials.emulate.sources import Source
from avatar_trials.endpoints import intervals, survival
from avatar_trials.endpoints.arm_agreement import FEWEST_ARMS, spearman_over_arms
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes, common_horizon
from avatar_trials.endpoints.paired_scores import FINISH, added, of_several_mice, paired_scores
from avatar_trials.endpoints.patient_agreement import mice_on_patient_scale
from avatar_trials.endpoints.patient_response import patient_arms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = np.ndarray
CORRELATIONS = (0.0, 0.3, 0.5, 0.7, 0.9)
NUMBERS = (10, 20, 30, 50, 100, 200)
MICE = (1, 3)
INDIVIDUAL = ("Cohen_kappa", "AUC", "Spearman_depth", "Harrell_C")
POPULATION = ("Spearman_ORR", "Spearman_median_depth", "Spearman_RMST_PFS")
COLUMNS = (
    *("kind", "measure", "latent_correlation", "n_avatars", "mice_per_avatar"),
    *("value", "lower", "upper", "level", "null_reference", "n_trials", "method"),
)


def avatars_needed(
    source: Source,
    design: TrialDesign,
    *,
    numbers: Sequence[int] = NUMBERS,
    correlations: Sequence[float] = CORRELATIONS,
    mice: Sequence[int] = MICE,
    say: Callable[[str], None] = lambda text: None,
) -> pd.DataFrame:
    """`agreement_by_number` of a design's avatars, calibrated ones of a posterior or new ones of a population.

    A posterior has no more avatars than were calibrated: larger numbers are left out, all it has taken in their place.
    """
    if isinstance(source, xr.Dataset):
        larger = design.cohort.model_copy(update={"n_avatars": max(numbers)})
        design = design.model_copy(update={"cohort": larger})
    cohort = cohort_for(source, design)
    return agreement_by_number(
        cohort,
        *hierarchy_for(source, cohort, design),
        design,
        numbers=sorted({min(n, len(cohort.avatars)) for n in numbers}),
        correlations=correlations,
        mice=mice,
        say=say,
    )


def agreement_by_number(
    cohort: Cohort,
    hierarchy: Population,
    carriers: Floats,
    design: TrialDesign,
    *,
    numbers: Sequence[int] = NUMBERS,
    correlations: Sequence[float] = CORRELATIONS,
    mice: Sequence[int] = MICE,
    say: Callable[[str], None] = lambda text: None,
) -> pd.DataFrame:
    """One row a measure, correlation, number of avatars and of mice each; columns COLUMNS.

    The cohort has as many avatars as the largest number; fewer are its first ones. Several mice of an avatar count by
    their median call, mean depth and mean time. Individual measures are stratified over the treated arms; those of
    populations rank all arms. Values are medians over replicate trials, limits hold the design's level of them.
    """
    scenario = require_patients(design)
    rules, level = design.endpoints, design.endpoints.level
    arms_of_mice: list[dict[str, ArmOutcomes]] = []
    rows = []
    for rho in correlations:
        say(f"latent correlation {rho:g}")
        here = design.model_copy(
            update={"patients": scenario.at(latent_correlation=float(rho), take_rate=1.0)}
        )
        patients = emulate_patients(cohort, hierarchy, carriers, here)
        behind = patient_arms(patients, with_avatar_only=True)
        if not arms_of_mice:
            for extra in range((max(mice) + 1) // 2):
                trial = emulate_trials(cohort, design, seed=design.seed + extra)
                arms_of_mice += [
                    mice_on_patient_scale(
                        trial, patients, rule=rules.mrecist_rule, doubling=rules.doubling, volume=v
                    )
                    for v in ("volume_mm3", "twin_volume_mm3")
                ]
        for k in mice:
            ours = {arm: of_several_mice([one[arm] for one in arms_of_mice[:k]]) for arm in behind}
            for n in numbers:
                found = _measures(_first(ours, n), _first(behind, n))
                for (kind, measure), (values, null) in found.items():
                    middle, lower, upper = intervals.replicate_summary(values, level)
                    rows.append(
                        (
                            kind,
                            measure,
                            rho,
                            n,
                            k,
                            middle,
                            lower,
                            upper,
                            level,
                            null,
                            len(values),
                            _method(kind, here),
                        )
                    )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def figure(table: pd.DataFrame) -> Figure:
    """Agreement over the number of avatars, a panel a measure, a colour a correlation; broken lines: most mice each."""
    from matplotlib.figure import Figure

    measures = list(dict.fromkeys(zip(table["kind"], table["measure"], strict=True)))
    drawn = Figure(figsize=(4.0 * ((len(measures) + 1) // 2), 6.4), layout="constrained")
    axes = np.atleast_1d(drawn.subplots(2, (len(measures) + 1) // 2, sharex=True)).T.ravel()
    few, many = table["mice_per_avatar"].min(), table["mice_per_avatar"].max()
    correlations = sorted(table["latent_correlation"].unique())
    for axis in axes[len(measures) :]:
        axis.set_visible(False)
    for axis, (kind, measure) in zip(axes, measures, strict=False):
        one = table[(table["measure"] == measure) & (table["kind"] == kind)]
        for i, rho in enumerate(correlations):
            shade = str(0.75 * (1.0 - i / max(len(correlations) - 1, 1)))
            for mice, style in ((few, "-"), (many, "--")):
                line = one[(one["latent_correlation"] == rho) & (one["mice_per_avatar"] == mice)].sort_values(
                    "n_avatars"
                )
                label = f"{rho:g}, {mice} × 1 × 1" if axis is axes[0] else None
                axis.plot(line["n_avatars"], line["value"], style, color=shade, label=label)
                if mice == few:
                    axis.fill_between(
                        line["n_avatars"], line["lower"], line["upper"], color=shade, alpha=0.12, lw=0
                    )
        axis.axhline(one["null_reference"].median(), color="tab:red", lw=0.8)
        axis.set(xscale="log", title=f"{kind}: {measure.replace('_', ' ')}", xlabel="avatars")
        axis.set_xticks(
            sorted(one["n_avatars"].unique()), [str(n) for n in sorted(one["n_avatars"].unique())]
        )
        axis.minorticks_off()
    drawn.legend(
        loc="outside lower center", ncols=5, fontsize=8, title="latent correlation, mice an avatar and arm"
    )
    return drawn


def _measures(
    mice: dict[str, ArmOutcomes], behind: dict[str, ArmOutcomes]
) -> dict[tuple[str, str], tuple[Floats, float]]:
    treated = [arm for arm in mice if arm != UNTREATED]
    sums = added([paired_scores(mice[arm], behind[arm]) for arm in treated])
    nulls = {"AUC": 0.5, "Harrell_C": 0.5}
    found = {("individual", m): (FINISH[m](sums[m]), nulls.get(m, 0.0)) for m in INDIVIDUAL}
    if len(mice) >= FEWEST_ARMS:
        sides_of = (mice, behind)
        tau = common_horizon([side[arm].doubling_curve() for side in sides_of for arm in side])
        summaries: tuple[Callable[[ArmOutcomes], Floats], ...] = (_rate, _depth, partial(_mean_time, tau=tau))
        for name, summary in zip(POPULATION, summaries, strict=True):
            sides = [np.stack([summary(side[arm]) for arm in mice], axis=-1) for side in sides_of]
            found["population", name] = (spearman_over_arms(*sides), 0.0)
    return found


def _rate(arm: ArmOutcomes) -> Floats:
    return arm.rate("ORR")


def _depth(arm: ArmOutcomes) -> Floats:
    return intervals.quantile(arm.depth_pct, 0.5)


def _mean_time(arm: ArmOutcomes, tau: float) -> Floats:
    """Mean time within `tau` days, to which every arm is followed: medians of assessments would tie."""
    return survival.restricted_mean(arm.doubling_curve(), tau)[0]


def _first(arms: dict[str, ArmOutcomes], n: int) -> dict[str, ArmOutcomes]:
    return {
        arm: ArmOutcomes(one.category[:, :n], one.depth_pct[:, :n], one.time_days[:, :n], one.doubled[:, :n])
        for arm, one in arms.items()
    }


def _method(kind: str, design: TrialDesign) -> str:
    assert design.patients is not None
    units = (
        "pairs within treated arms, arm-stratified"
        if kind == "individual"
        else "all arms, the arm is the unit"
    )
    return f"{units}; mRECIST {design.endpoints.mrecist_rule} of mice, {design.patients.response} of ASSUMED patients"
