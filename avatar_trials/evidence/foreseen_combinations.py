"""Every combination of a study foreseen from the same posterior by every predictor, with what was learnt on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.designs import TrialDesign
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.intervals import replicate_summary
from avatar_trials.endpoints.survival import survival_at
from avatar_trials.evidence.combinations import ArmPrediction, Combination, Study
from avatar_trials.evidence.interaction import (
    Emulated,
    emulated_combinations,
    grid_log_likelihood,
    weights_table,
)
from avatar_trials.evidence.interaction_verdict import verdict_of, verdict_table
from avatar_trials.evidence.interaction_weights import weights_of
from avatar_trials.evidence.latent_predictors import (
    CALIBRATED,
    LATENT_BEST,
    LATENT_WORDS,
    LEARNT,
    avatar_table,
    calibrated_outcomes,
    learnt_outcomes,
    predictions_of,
    rule_outcomes,
    single_outcomes,
)
from avatar_trials.evidence.reference_predictors import DRAWS, Bootstrap, reference_predictions
from avatar_trials.evidence.strata import STRATUM_COLUMNS, Strata, stratum_rows
from avatar_trials.interaction_cards import InteractionCard

LEVEL = 0.9
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
WITHOUT = "the posterior was not calibrated on mice of this arm"
SEEN = "THE POSTERIOR WAS CALIBRATED ON THIS ARM'S MICE: how well it is foreseen is no evidence"
ARM_COLUMNS = (
    *("tumor_type", "arm", "predictor", "quantity", "predicted", "lower_90", "upper_90"),
    *("n_avatars", "calibration", "method"),
)
SURVIVAL_COLUMNS = ("tumor_type", "arm", "predictor", "day", "not_doubled", "lower_90", "upper_90")


@dataclass(frozen=True)
class ForeseenCombinations:
    """Predictions of every arm by every predictor, and tables.

    arms (ARM_COLUMNS), survival (SURVIVAL_COLUMNS), avatars, strata (STRATUM_COLUMNS), verdicts and, where an
    interaction was learnt, weights; seen: arms that the posterior was calibrated on.
    """

    study: Study
    predictions: tuple[ArmPrediction, ...]
    arms: pd.DataFrame
    survival: pd.DataFrame
    avatars: pd.DataFrame
    strata: pd.DataFrame
    verdicts: pd.DataFrame
    weights: pd.DataFrame
    seen: tuple[str, ...]

    @property
    def main(self) -> str:
        """The predictor that all others are there to be compared with."""
        return LEARNT if len(self.weights) else CALIBRATED


def calibrated_combinations(tree: xr.DataTree) -> tuple[str, ...]:
    """Arms of several drugs that a posterior was calibrated on."""
    posterior = tree["posterior"].to_dataset()
    return (
        tuple(str(arm) for arm in posterior["combination"].values) if "combination" in posterior.dims else ()
    )


def foresee_combinations(
    tree: xr.DataTree,
    study: Study,
    design: TrialDesign,
    card: InteractionCard,
    *,
    draws: int,
    seed: int,
    unseen: Sequence[Combination] = (),
    only: str | None = None,
    strata: Sequence[Strata] = (),
    reference_draws: int = DRAWS,
    say: Callable[[str], None] | None = None,
) -> ForeseenCombinations:
    """The combinations of a study, and `unseen` ones; of them only arm `only`, where told; by `strata`, where given.

    The interaction is learnt with avatars that saw no combination: where the posterior was calibrated on other
    combinations than the one foreseen, its own exponent takes the place of the learnt one, as their mice would count
    twice. Verdicts are of arms with mice.
    """
    whole = replace(study, combinations=(*study.combinations, *unseen))
    seen = calibrated_combinations(tree)
    emulated = emulated_combinations(tree, whole, design, draws=draws, seed=seed)
    chosen = [i for i, one in enumerate(emulated) if only in (None, one.combination.arm)]
    weights = None
    if not seen or all(emulated[i].combination.arm in seen for i in chosen):
        likelihood = np.array([grid_log_likelihood(one, card, say=say).sum(axis=-1) for one in emulated])
        of = [(one.combination.tumor_type, one.combination.arm) for one in emulated]
        weights = weights_of(likelihood, of, card)
    wanted = replace(whole, combinations=tuple(emulated[i].combination for i in chosen))
    references = reference_predictions(wanted, Bootstrap(seed, draws=reference_draws))
    predictions: list[ArmPrediction] = []
    arms, survival, avatars, verdicts = [], [], [], []
    stratified = [pd.DataFrame(columns=list(STRATUM_COLUMNS))]
    for i in chosen:
        one = emulated[i]
        outcomes = (
            {LEARNT: learnt_outcomes(one, weights.without[i], card, seed=seed)}
            if weights is not None
            else {CALIBRATED: calibrated_outcomes(one)}
        )
        main = next(iter(outcomes))
        outcomes |= rule_outcomes(one)
        made = predictions_of(one, outcomes)
        made += [
            other
            for other in references
            if (other.tumor_type, other.arm) == (one.combination.tumor_type, one.combination.arm)
        ]
        predictions += made
        calibration = SEEN if one.combination.arm in seen else WITHOUT
        arms.append(_arm_rows(made, calibration))
        stratified.append(stratum_rows(one.combination, outcomes, strata, calibration))
        survival += [_survival_rows(one, name, drawn) for name, drawn in outcomes.items()]
        avatars.append(avatar_table(one, main, outcomes[main]))
        if np.isfinite(one.observed).any():
            verdicts.append(verdict_of(one, outcomes[LATENT_BEST], single_outcomes(one), card))
    return ForeseenCombinations(
        whole,
        tuple(predictions),
        pd.concat(arms, ignore_index=True),
        pd.concat(survival, ignore_index=True),
        pd.concat(avatars, ignore_index=True),
        pd.concat([part for part in stratified if len(part)] or stratified, ignore_index=True),
        verdict_table(verdicts),
        pd.DataFrame()
        if weights is None
        else weights_table([one.combination for one in emulated], weights, card),
        tuple(arm for arm in seen if arm in {emulated[i].combination.arm for i in chosen}),
    )


def _arm_rows(predictions: Sequence[ArmPrediction], calibration: str) -> pd.DataFrame:
    rows = []
    for one in predictions:
        quantities = {
            "ORR_pct": 100.0 * one.orr,
            "DCR_pct": 100.0 * one.dcr,
            "median_doubling_days": one.doubling,
        }
        depth = one.depth[np.isfinite(one.depth).any(axis=1)]
        quantities |= {
            f"depth_of_response_pct at {100 * share:g} % of mice": np.nanquantile(depth, share, axis=1)
            for share in SHARES
        }
        for quantity, drawn in quantities.items():
            values = (*replicate_summary(drawn, LEVEL), len(one.avatars), calibration)
            told = (one.tumor_type, one.arm, one.predictor, quantity, *values)
            rows.append((*told, LATENT_WORDS.get(one.predictor, "from observed mice alone")))
    return pd.DataFrame(rows, columns=list(ARM_COLUMNS))


def _survival_rows(emulated: Emulated, predictor: str, outcomes: ArmOutcomes) -> pd.DataFrame:
    """Kaplan-Meier of the time to doubling on the design's visits: median and 90 % interval over draws of the arm."""
    days = emulated.mice.days
    values = survival_at(outcomes.doubling_curve(), days)
    lower, middle, upper = np.nanquantile(values, [0.05, 0.5, 0.95], axis=0)
    one = emulated.combination
    columns = (one.tumor_type, one.arm, predictor, days, middle, lower, upper)
    return pd.DataFrame(dict(zip(SURVIVAL_COLUMNS, columns, strict=True)))
