"""Commands that weigh a posterior: checks, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avatar_trials.cli import completion
from avatar_trials.cli.options import Design, Unconverged, VolumesOption, files_of, folder_of, listed, say
from avatar_trials.cli.outputs import PROVENANCE, posterior_files, require_writable


def checks(
    design: Design,
    posterior: Annotated[
        Path, typer.Option("--posterior", help="Posterior file, from `calibrate` or `run`.")
    ],
    trial: Annotated[Path, typer.Option("--trial", help="Trial file, from `emulate` or `run`.")],
    volumes: VolumesOption = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for tables and figures.")] = Path("checks"),
) -> None:
    """Check a posterior and its trial: convergence, predictions, residuals, sensitivity. A failed check is no error.

    Writes checks.csv and, of each check, its table as CSV and its figure as SVG; prints a line a check.
    """
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import flow, readings, trials
    from avatar_trials.cli.evidence import check_files, checked, told, write_checks

    chosen = load_design(design)
    require_writable(check_files(out), reads=[*files_of(design, chosen), posterior, trial, volumes])
    card = flow.model_of(chosen, folder_of(design))
    tree = flow.read_posterior(posterior, allow_unconverged=True)
    trials.require_same_card(tree, card)
    emulated = trials.read_trial(trial)
    trials.require_same_arms(emulated, chosen)
    table = (
        flow.volumes_for(chosen, volumes)
        if volumes is not None or emulated.attrs.get("synthetic", 0)
        else None
    )
    found = checked(tree, card, chosen, emulated, table, readings.rules_of(emulated))
    write_checks(found, out, trials.stamp_of_what_is_read(emulated, trial, "check"))
    for check in found:
        print(told(check))
    print(f"Written: {out}")


def compare(
    design: Design,
    models: Annotated[
        str,
        typer.Option(
            "--models",
            help="Model cards to calibrate, names or .toml files with commas between.",
            autocompletion=completion.models,
        ),
    ] = "",
    posteriors: Annotated[
        str, typer.Option("--posteriors", help="Posterior files there are already, with commas between.")
    ] = "",
    volumes: VolumesOption = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for everything that is written.")] = Path(
        "comparison"
    ),
    draws: Annotated[
        int, typer.Option("--draws", min=100, max=100_000, help="Posterior draws of each card to use.")
    ] = 400,
    samples: Annotated[
        int,
        typer.Option(
            "--samples", min=32, max=1 << 20, help="Points of each integral; rounded down to a power of 2."
        ),
    ] = 256,
    allow_unconverged: Unconverged = False,
) -> None:
    """Compare model cards on the same mice: how well each foretells a curve, or an avatar, that was left out.

    Writes comparison.csv (one row a card), left_out.csv (one row a curve or avatar) and the posteriors.
    """
    from avatar_trials.calibrate import gates_of, require_passed
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import comparison
    from avatar_trials.cli.files import write_csv
    from avatar_trials.cli.provenance import sign
    from avatar_trials.evidence.compare import compare as compared
    from avatar_trials.evidence.compare import doubts
    from avatar_trials.stamp import make_stamp

    chosen = load_design(design)
    cards = comparison.cards_alike(listed(models), folder_of(design))
    files = [Path(name) for name in listed(posteriors)]
    tables = [out / "comparison.csv", out / "left_out.csv"]
    signs = out / PROVENANCE
    made = [file for card in cards for file in posterior_files(out / f"{card.name}.nc")]
    named = [Path(name) for name in listed(models)]
    require_writable([*tables, signs, *made], reads=[*files_of(design, chosen), *named, *files, volumes])
    trees = comparison.posteriors_to_compare(chosen, cards, files, volumes, out, say=say)
    say("leaving out curves and avatars")
    table, units = compared(trees, draws=draws, samples=2 ** (samples.bit_length() - 1), seed=chosen.seed)
    write_csv(table, out / "comparison.csv")
    write_csv(units, out / "left_out.csv")
    facts = {name: tree.attrs["card_sha256"] for name, tree in trees.items()}
    volumes_of = next(iter(trees.values())).attrs["data_sha256"]
    made_of = make_stamp(kind="comparison of cards", cards_sha256=facts, data_sha256=volumes_of)
    sign(tables, made_of | {"design": chosen.name, "design_sha256": chosen.sha256, "seed": str(chosen.seed)})
    print(
        table.drop(columns=["worst", "largest_k"]).to_string(index=False, float_format=lambda x: f"{x:.2f}")
    )
    for words in doubts(table):
        print(f"NOT VALID: {words}")
    print(f"Written: {out / 'comparison.csv'}")
    if not allow_unconverged:
        for tree in trees.values():
            require_passed(gates_of(tree))
