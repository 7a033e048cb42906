"""Commands that foresee combinations: predict-combination."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avatar_trials.cli import completion
from avatar_trials.cli.options import (
    CovariatesOption,
    Design,
    Unconverged,
    VolumesOption,
    files_of,
    folder_of,
    say,
)
from avatar_trials.cli.outputs import PROVENANCE, posterior_files, require_writable
from avatar_trials.problems import InputError, Problem


def predict_combination(
    design: Design,
    posterior: Annotated[
        Path | None,
        typer.Option(
            "--posterior",
            help="Posterior of untreated and single-agent mice. Without it one is calibrated first.",
        ),
    ] = None,
    volumes: VolumesOption = None,
    arm: Annotated[
        str | None,
        typer.Option(
            "--arm", help="The combination to foresee, given to mice or not; without it all there are."
        ),
    ] = None,
    hold_out_arm: Annotated[
        str | None,
        typer.Option(
            "--hold-out-arm",
            help="Calibrate all other arms of the design first, its combinations included, and foresee this one.",
        ),
    ] = None,
    interactions: Annotated[
        str,
        typer.Option(
            "--interactions",
            help="Interaction card: a name from `list`, or a .toml file.",
            autocompletion=completion.interactions,
        ),
    ] = "pathways",
    covariates: CovariatesOption = None,
    draws: Annotated[
        int, typer.Option("--draws", min=50, max=20_000, help="Posterior draws, each with new mice.")
    ] = 400,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for everything that is written.")] = Path(
        "combinations"
    ),
    allow_unconverged: Unconverged = False,
) -> None:
    """Foresee a combination from its avatars' single agents: rates, doubling, depth, each avatar's P(response).

    Scores every predictor where the combination was given, says whether it beats independent action, writes
    combination_*.csv and interaction_weights.csv.
    """
    from avatar_trials.card_files import load_design, load_interactions
    from avatar_trials.cli import combination_predictions as rooms
    from avatar_trials.cli import flow
    from avatar_trials.cli.files import stamp_of
    from avatar_trials.cli.provenance import sign
    from avatar_trials.cli.trials import require_same_card
    from avatar_trials.evidence.asked_combinations import arm_named, predict_combinations, to_foresee
    from avatar_trials.intake.covariates import read_covariates
    from avatar_trials.stamp import sha256_of

    if posterior is not None and hold_out_arm is not None:
        what = "--hold-out-arm calibrates, and --posterior says that it was done"
        raise InputError(Problem("O02", "error", what, "Give one of them"))
    chosen, card = load_design(design), load_interactions(interactions)
    model = flow.model_of(chosen, folder_of(design))
    named = hold_out_arm if hold_out_arm is not None else arm
    wanted = None if named is None else arm_named(named)
    made = out / (rooms.HELD_OUT if hold_out_arm is not None else rooms.SINGLES)
    require_writable(
        [
            *(out / name for name in (*rooms.TABLES, PROVENANCE)),
            *(posterior_files(made) if posterior is None else ()),
        ],
        reads=[*files_of(design, chosen), posterior, volumes, covariates],
    )
    table = flow.volumes_for(chosen, volumes, every_arm=True)
    if posterior is None:
        table = flow.with_biomarker(table, chosen, model, covariates, say=say)
    to_foresee(table, chosen, wanted)
    facts = None if covariates is None else read_covariates(covariates)
    strata = rooms.strata_for(table, chosen, facts, say=say)
    if posterior is not None:
        tree = flow.read_posterior(posterior, allow_unconverged=allow_unconverged)
    elif hold_out_arm is not None and wanted is not None:
        tree = rooms.held_out_posterior(table, wanted, chosen, model, made, say=say)
    else:
        tree = rooms.singles_posterior(table, chosen, model, made, say=say)
    require_same_card(tree, model)
    if posterior is None and not allow_unconverged:
        from avatar_trials.calibrate import gates_of, require_passed

        require_passed(gates_of(tree))
    found = predict_combinations(tree, table, chosen, card, arm=wanted, draws=draws, strata=strata, say=say)
    written = rooms.write_foreseen(found, out)
    source = {"posterior_sha256": sha256_of(made if posterior is None else posterior), "draws": draws}
    made_of = stamp_of(chosen, model, data_sha256=table.sha256, interactions_sha256=card.sha256, **source)
    sign(written, made_of | {"kind": "combinations foreseen"})
    print(rooms.printed(found))
    for path in written:
        print(f"Written: {path}")
