"""Commands that compare strategies: compare-strategies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avatar_trials.cli.outputs import require_writable


def compare_strategies(
    design: Annotated[
        str,
        typer.Argument(
            metavar="DESIGN", help="Design that compares strategies: a name from `list`, or a .toml file."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for everything that is written.")] = Path(
        "strategies"
    ),
    avatars: Annotated[
        int | None,
        typer.Option("--avatars", min=1, max=1_000_000, help="How many avatars, in place of the design's."),
    ] = None,
) -> None:
    """Compare treatment strategies on the same avatars: preemptive, reactive, adaptive, triggered by an assay.

    Writes strategies.nc, strategies.csv and strategy_differences.csv.
    """
    from avatar_trials.card_files import load_strategies
    from avatar_trials.cli import strategy_comparisons as comparisons
    from avatar_trials.library import find_card

    chosen = load_strategies(design)
    if avatars is not None:
        chosen = chosen.model_copy(update={"n_avatars": avatars})
    written = comparisons.written_files(out)
    require_writable(written, reads=[find_card("trial_designs", design)])
    print(comparisons.printed(chosen, *comparisons.compared(chosen, out)))
    for path in written:
        if path.suffix != ".sha256":
            print(f"Written: {path}")
