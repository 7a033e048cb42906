"""Every check of a posterior and the trial emulated from it, in the order in which a reader asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from avatar_trials.calibrate.checks import CONTRACTION_TO_PRINT, gates_of, population_parameters
from avatar_trials.calibrate.surprises import surprises
from avatar_trials.endpoints.matching import Comparison, compare
from avatar_trials.evidence import bands, residuals
from avatar_trials.evidence.check import Check, not_computed
from avatar_trials.evidence.curvature import untreated_curvature
from avatar_trials.evidence.drawing import FAINT, INK, panels, short
from avatar_trials.evidence.prior_predictive import prior_predictive
from avatar_trials.evidence.sensitivity import prior_sensitivity

if TYPE_CHECKING:
    from avatar_trials.designs import TrialDesign
    from avatar_trials.intake import GrowthTable
    from avatar_trials.model_cards import ModelCard

CONVERGENCE, IDENTIFIABILITY = "convergence", "identifiability"
OF_ARMS = {
    bands.DEPTH: bands.depth_of_response,
    bands.DOUBLING: bands.time_to_doubling,
    bands.COUNTS: bands.categories,
}
OF_RESIDUALS = {
    residuals.DIAMETER: residuals.residual_by_diameter,
    residuals.DAY: residuals.residual_by_day,
    residuals.AUTOCORRELATION: residuals.residual_autocorrelation,
}


def all_checks(
    tree: xr.DataTree,
    card: ModelCard,
    design: TrialDesign,
    trial: xr.Dataset,
    table: GrowthTable | None,
    *,
    rule: str,
    doubling: str,
    level: float,
) -> list[Check]:
    """Convergence, prior predictive, posterior predictive by arm, residuals, curvature, sensitivity, identifiability.

    `tree` as in posterior.nc, `trial` as in trial.nc, `table` the mice observed beside it or None. A check that cannot
    be computed is there, with the reason.
    """
    return [
        convergence(tree),
        prior_predictive(card, design),
        *arm_checks(trial, table, rule=rule, doubling=doubling, level=level),
        *residual_checks(tree, card, seed=design.seed),
        untreated_curvature(trial, table, card.observation.detection_limit_mm3),
        prior_sensitivity(tree, card, seed=design.seed),
        identifiability(tree, card, level),
    ]


def convergence(tree: xr.DataTree) -> Check:
    """The convergence gates that were recorded with a posterior."""
    table = gates_of(tree)
    failed = table[~table["passed"]]
    found = "; ".join(
        f"{row['check']} {row['value']:.4g}, must be {row['limit']}" for row in failed.to_dict("records")
    )
    text = f"{len(table) - len(failed)} of {len(table)} gates passed{': ' if found else ''}{found}. Passes if all do."
    return Check(CONVERGENCE, failed.empty, table, text)


def arm_checks(
    trial: xr.Dataset, table: GrowthTable | None, *, rule: str, doubling: str, level: float
) -> list[Check]:
    """Posterior predictive checks by arm: emulated replicate trials against the observed mice."""
    if table is None:
        return [not_computed(name, "there are no observed mice to compare with") for name in OF_ARMS]
    try:
        compared: Comparison = compare(trial, table, rule=rule, doubling=doubling)
    except ValueError as error:
        return [not_computed(name, str(error)) for name in OF_ARMS]
    in_sample = trial.attrs.get("calibrated_on_sha256") == table.sha256
    return [check(compared, level, in_sample=in_sample) for check in OF_ARMS.values()]


def residual_checks(tree: xr.DataTree, card: ModelCard, *, seed: int) -> list[Check]:
    """Checks of the one-step residuals of the readings that the posterior was calibrated to."""
    try:
        found = surprises(tree, card, seed=seed)
    except KeyError as error:
        why = f"the posterior file does not hold {error.args[0]}"
        return [not_computed(name, why) for name in OF_RESIDUALS]
    return [check(found) for check in OF_RESIDUALS.values()]


def identifiability(tree: xr.DataTree, card: ModelCard, level: float) -> Check:
    """What the data have told of each population parameter: 1 - posterior variance / prior variance."""
    table = population_parameters(tree["posterior"].to_dataset(), card, level)
    if table.empty or table["contraction"].isna().any():
        return not_computed(
            IDENTIFIABILITY, "the posterior holds no population parameter, or no variance of one"
        )
    led = table[table["contraction"] < CONTRACTION_TO_PRINT]
    named = ", ".join(f"{row['name']} {row['contraction']:.2f}" for row in led.to_dict("records"))
    text = (
        f"{len(table) - len(led)} of {len(table)} population parameters contracted by {CONTRACTION_TO_PRINT:g} or more"
        f"{'; led by the prior, and printed without an estimate: ' if named else ''}{named}. Passes if all have."
    )
    return Check(IDENTIFIABILITY, led.empty, table, text, lambda: _draw_contraction(table))


def _draw_contraction(table: pd.DataFrame) -> Figure:
    ordered = table.sort_values("contraction")
    figure, (axes,) = panels(1, max(2.5, 0.16 * len(ordered)))
    colour = [INK if value >= CONTRACTION_TO_PRINT else FAINT for value in ordered["contraction"]]
    axes.scatter(ordered["contraction"].clip(lower=-0.2), range(len(ordered)), c=colour, s=12)
    axes.axvline(CONTRACTION_TO_PRINT, color=FAINT, lw=0.7)
    axes.set_yticks(range(len(ordered)), [short(name) for name in ordered["name"]], fontsize=6)
    axes.set(xlabel="contraction", xlim=(-0.25, 1.05))
    return figure
