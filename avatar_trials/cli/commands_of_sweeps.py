"""The command that goes over designs: sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avatar_trials.cli import completion
from avatar_trials.cli.options import Design, files_of, listed
from avatar_trials.cli.outputs import require_writable
from avatar_trials.library import find_card


def sweep(
    design: Design,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="KEY=VALUE,VALUE",
            help="A key of the design and its values, as cohort.n=10,20,50 or mice_per_avatar=1,3; every combination "
            "of several is a point.",
        ),
    ] = None,
    population: Annotated[
        str,
        typer.Option(
            "--population",
            autocompletion=completion.populations,
            help="Population that avatars are drawn from: a name from `list` or a .nc file of `population`.",
        ),
    ] = "pdxe_cm",
    trials: Annotated[
        int,
        typer.Option(
            "--trials", min=1, max=100_000_000, help="Trials of every point; with --error, at most so many."
        ),
    ] = 2000,
    error: Annotated[
        float | None,
        typer.Option(
            "--error",
            min=1e-5,
            max=0.5,
            help="Go on until no share of trials has a larger Monte Carlo standard error.",
        ),
    ] = None,
    worlds: Annotated[
        str,
        typer.Option(
            "--worlds",
            help="What may be true: posterior (assurance), posterior_mean (power), independent_action and "
            "no_difference (type-I error).",
        ),
    ] = "posterior,posterior_mean,independent_action,no_difference",
    target: Annotated[
        float,
        typer.Option(
            "--target", min=0.0, max=1.0, help="Which assurance and power the smallest n is to reach."
        ),
    ] = 0.8,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=1024, help="Processes of this machine.")
    ] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(
            "--scheduler",
            help="Address of a Dask scheduler, as tcp://host:8786, whose workers do the work; needs the extra "
            "`distributed`.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed in place of the design's.")] = None,
    chunk: Annotated[
        int | None,
        typer.Option("--chunk", min=50, max=10_000, help="Trials in a block, the unit of work; sets memory."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it will cost in time, memory and trials, and stop.")
    ] = False,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for everything that is written.")] = Path(
        "sweep"
    ),
) -> None:
    """Operating characteristics of a design over varied keys: power, assurance, wrong decisions, costs, smallest n.

    Writes sweep.csv, sweep_smallest_n.csv, sweep.svg and sweep.html. Finished blocks are kept in sweep.partial until
    then: the same command goes on where it was killed.
    """
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import sweeps
    from avatar_trials.problems import together

    chosen, source = together(lambda: load_design(design), lambda: find_card("populations", population))
    require_writable(sweeps.written_files(out), reads=[*files_of(design, chosen), source])
    plan, drawn_from = sweeps.sweep_plan(
        design, vary or [], population, worlds=listed(worlds), seed=seed, chunk=chunk
    )
    engine = sweeps.engine_of(plan, workers, scheduler)
    if dry_run:
        print(sweeps.priced(plan, trials, workers))
        return
    table, _ = sweeps.swept(
        plan,
        drawn_from,
        out,
        trials=trials,
        error=error,
        engine=engine,
        target=target,
        population_name=population,
    )
    print(sweeps.printed(table))
    print(
        "\nShares of trials (Monte Carlo standard error). Assurance is averaged over the posterior, power at its mean."
    )
    for name in (sweeps.TABLE, sweeps.SMALLEST, sweeps.FIGURE, sweeps.PAGE):
        print(f"Written: {out / name}")
