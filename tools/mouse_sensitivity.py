"""What the mouse-to-mouse variances that one mouse an arm cannot tell do to a readout, halved and doubled.

`uv run python tools/mouse_sensitivity.py DESIGN --volumes FILE.csv`: the design is calibrated with the card's standard
deviations between mice of one avatar (growth, spread of kill or resistance, and the median of sigma_k's prior) times
0.5, 1 and 2, its trial emulated, and ORR, DCR and time to doubling printed side by side.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from avatar_trials.calibrate import calibrate_avatars, gates_of
from avatar_trials.card_files import load_design, load_model
from avatar_trials.cli.flow import volumes_for
from avatar_trials.emulate import cohort_from_posterior, emulate_trials
from avatar_trials.endpoints import readout_trial
from avatar_trials.model_cards import ModelCard

FACTORS = (0.5, 1.0, 2.0)
BETWEEN_MICE = ("growth_mouse_sd", "spread_mouse_sd", "resistance_mouse_sd")
ENDPOINTS = ("ORR", "DCR", "time_to_doubling_days")


def scaled(card: ModelCard, factor: float) -> ModelCard:
    """The card with all standard deviations between mice of one avatar times `factor`."""
    constants = {
        name: constant.model_copy(update={"value": factor * constant.value})
        if name in BETWEEN_MICE
        else constant
        for name, constant in card.constants.items()
    }
    sigma = card.priors["sigma_k"]
    priors = dict(card.priors) | {"sigma_k": sigma.model_copy(update={"location": factor * sigma.location})}
    return card.model_copy(update={"constants": constants, "priors": priors})


def main() -> None:
    """Print the readout at every factor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("design")
    parser.add_argument("--volumes", type=Path)
    given = parser.parse_args()
    design = load_design(given.design)
    table, card = volumes_for(design, given.volumes), load_model(design.model)
    columns = {}
    for factor in FACTORS:
        tree = calibrate_avatars(table, scaled(card, factor), seed=design.seed, say=print)
        gates = gates_of(tree)
        print(f"x {factor:g}:", ", ".join(f"{row.check} {row.value:.4g}" for row in gates.itertuples()))
        trial = emulate_trials(cohort_from_posterior(tree, design.replicates, seed=design.seed), design)
        rules = {"rule": design.endpoints.mrecist_rule, "doubling": design.endpoints.doubling}
        frame = readout_trial(
            trial, tau=float(trial["day"].max()), level=design.endpoints.level, **rules
        ).set_index(["arm", "endpoint"])
        told = frame.apply(
            lambda row: f"{row['estimate']:.3g} [{row['lower']:.3g}, {row['upper']:.3g}]", axis=1
        )
        columns[f"x {factor:g}"] = told[told.index.isin(ENDPOINTS, level="endpoint")]
    print(pd.DataFrame(columns).to_string())


if __name__ == "__main__":
    main()
