"""Commands that compare strategies: compare-strategies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avatar_trials.cli import completion
from avatar_trials.cli.options import Unconverged
from avatar_trials.cli.outputs import require_writable
from avatar_trials.problems import InputError, Problem


def compare_strategies(
    design: Annotated[
        str,
        typer.Argument(
            metavar="DESIGN",
            help="Design that compares strategies: a name from `list`, or a .toml file.",
            autocompletion=completion.strategy_designs,
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for everything that is written.")] = Path(
        "strategies"
    ),
    avatars: Annotated[
        int | None,
        typer.Option("--avatars", min=1, max=1_000_000, help="How many avatars, in place of the design's."),
    ] = None,
    posterior: Annotated[
        Path | None,
        typer.Option(
            "--posterior",
            help="Posterior file of two_clone: its calibrated avatars, in place of those the design assumes.",
        ),
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", min=1, max=1000, help="Posterior draws of each calibrated avatar.")
    ] = 40,
    allow_unconverged: Unconverged = False,
) -> None:
    """Compare treatment strategies on the same avatars: preemptive, reactive, adaptive, triggered by an assay.

    Writes strategies.html, strategies.nc, strategies.csv and strategy_differences.csv, and strategy_checks.csv of a
    design with checks (a failed check is told, not an error).
    """
    from avatar_trials.card_files import load_strategies
    from avatar_trials.cli import strategy_comparisons as comparisons
    from avatar_trials.library import find_card

    chosen = load_strategies(design)
    if avatars is not None:
        chosen = chosen.model_copy(update={"n_avatars": avatars})
    written = comparisons.written_files(out, checks=bool(chosen.checks) and posterior is None)
    require_writable(written, reads=[find_card("trial_designs", design), posterior])
    if posterior is not None and avatars is not None:
        what, fix = "--avatars are assumed ones, and --posterior brings its own", "Leave one of the two out"
        raise InputError(Problem("O04", "error", what, fix))
    cohort, synthetic = None, True
    if posterior is not None:
        cohort, synthetic = comparisons.calibrated_cohort(
            posterior, chosen, draws, allow_unconverged=allow_unconverged
        )
    found = comparisons.compared(chosen, out, cohort, synthetic=synthetic, posterior=posterior)
    print(comparisons.printed(chosen, found))
    for path in written:
        if path.suffix != ".sha256":
            print(f"Written: {path}")
