"""Commands from volumes to trials: run, calibrate, emulate, population."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avatar_trials.cli import completion
from avatar_trials.cli.options import (
    CovariatesOption,
    Design,
    Unconverged,
    VolumesOption,
    design_of,
    files_of,
    folder_of,
    say,
    tell_kind,
)
from avatar_trials.cli.outputs import netcdf_files, posterior_files, require_writable
from avatar_trials.library import find_card
from avatar_trials.problems import InputError, Problem, together

if TYPE_CHECKING:
    from avatar_trials.intake import GrowthTable


def run(
    design: Design,
    volumes: VolumesOption = None,
    covariates: CovariatesOption = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for everything that is written.")] = Path(
        "out"
    ),
    allow_unconverged: Unconverged = False,
) -> None:
    """The main job: calibrate, emulate, read out, compare, report.

    Writes posterior.nc, trial.nc, readout.csv, readout_observed.csv, agreement_*.csv, response.csv, parameters.csv,
    gates.csv, checks/ and report.html, prints the readout table and the path of the report. About 6 minutes for 33
    avatars in 4 arms, an hour for 2,000 mice in all; progress is shown, and a run that was killed goes on.
    """
    from avatar_trials.cli import flow

    chosen = design_of(design)
    card = flow.model_of(chosen, folder_of(design))
    result, report = flow.write_run(
        *(chosen, card, volumes, out),
        allow_unconverged=allow_unconverged,
        say=say,
        covariates=covariates,
        reads=files_of(design, chosen),
    )
    from avatar_trials.report import format_readout

    print(format_readout(result.emulated, result.observed, arms=chosen.arm_names))
    if chosen.mechanism:
        print(f"SCENARIO: {chosen.mechanism.words}.")
    print(f"\nReport: {report.resolve()}")


def calibrate(
    design: Design,
    volumes: VolumesOption = None,
    covariates: CovariatesOption = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Posterior file to write.")] = Path("posterior.nc"),
    hold_out: Annotated[
        str | None,
        typer.Option(
            "--hold-out",
            autocompletion=lambda: ["mouse", "avatar", "arm", "curve-tail"],
            help="Calibrate without a part, predict it and score it: curve-tail, arm, avatar or mouse. Writes "
            "holdout.csv, holdout_endpoints.csv and holdout_scores.csv beside the posterior.",
        ),
    ] = None,
    hold_out_share: Annotated[
        float | None,
        typer.Option(
            "--hold-out-share", help="Share of the treated mice, or of the avatars, left out; without it 0.1."
        ),
    ] = None,
    hold_out_folds: Annotated[
        int | None,
        typer.Option(
            "--hold-out-folds", min=1, help="So many disjoint shares, left out in turn: one fit for each."
        ),
    ] = None,
    hold_out_arm: Annotated[
        str | None,
        typer.Option(
            "--hold-out-arm",
            help="The arm left out; without it each arm of several drugs in turn. Of a single-drug arm half the mice.",
        ),
    ] = None,
    hold_out_after: Annotated[
        float | None,
        typer.Option(
            "--hold-out-after",
            help="Day after which the visits of treated mice are left out; without it the second half of each curve.",
        ),
    ] = None,
) -> None:
    """Calibrate a design's model card to the volumes of its cohort and arms; fails if the gates do not pass.

    About 5 minutes for 33 avatars in 4 arms; progress is shown, and a calibration that was killed goes on.
    """
    from avatar_trials.cli import flow

    chosen = design_of(design)
    card = flow.model_of(chosen, folder_of(design))
    reads = [*files_of(design, chosen), volumes, covariates]
    if hold_out is None:
        require_writable(posterior_files(out), reads=reads)

    def measured() -> GrowthTable:
        return flow.with_biomarker(flow.volumes_for(chosen, volumes), chosen, card, covariates, say=say)

    details = (hold_out_share, hold_out_folds, hold_out_arm, hold_out_after)
    if hold_out is None and any(detail is not None for detail in details):
        raise InputError(
            Problem(
                "O03", "error", "--hold-out-… without --hold-out", "Say what is held out: --hold-out mouse"
            )
        )
    if hold_out is not None:
        from avatar_trials.cli.hold_out import hold_out as scored
        from avatar_trials.cli.hold_out import printed
        from avatar_trials.evidence.holdout_split import HoldOut, require_sound

        what = HoldOut(hold_out, *details)
        table, _ = together(measured, lambda: require_sound(what))
        from avatar_trials.calibrate import require_passed

        result = scored(table, what, chosen, card, out, say=say, reads=reads)
        print(result.gates[["fold", "check", "value", "limit", "passed"]].to_string(index=False))
        print(printed(result.scores))
        for path in result.written:
            print(f"Written: {path}")
        require_passed(result.gates)
        return
    table = measured()
    from avatar_trials.calibrate import gates_of, require_passed

    tree = flow.calibrated(table, chosen, card, out, say=say)
    print(gates_of(tree)[["check", "value", "limit", "passed"]].to_string(index=False))
    print(f"Written: {out}")
    require_passed(gates_of(tree))


def emulate(
    design: Design,
    posterior: Annotated[
        Path | None,
        typer.Option("--posterior", help="Posterior file, from `calibrate` or `run`: its avatars."),
    ] = None,
    population: Annotated[
        str | None,
        typer.Option(
            "--population",
            autocompletion=completion.populations,
            help="Population, a name from `list` or a .nc file of `population`: new avatars of it.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Trial file to write.")] = Path("trial.nc"),
    allow_unconverged: Unconverged = False,
) -> None:
    """Emulate a design's replicate trials with the avatars of a posterior, or with new avatars of a population."""
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import flow, trials

    drawn_from = None
    if population is not None:
        _, drawn_from = together(lambda: load_design(design), lambda: find_card("populations", population))
    chosen = design_of(design)
    require_writable(netcdf_files(out), reads=[*files_of(design, chosen), posterior, drawn_from])
    if posterior is not None and population is None:
        card = flow.model_of(chosen, folder_of(design))
        tree = flow.read_posterior(posterior, allow_unconverged=allow_unconverged)
        if (chosen.cohort.n_avatars, chosen.cohort.biomarker_share) != (None, None):
            say(
                "n_avatars and biomarker_share are of new avatars: the posterior's own are emulated, all of them"
            )
        trial = trials.emulated(tree, chosen, card, out, posterior=posterior)
    elif population is not None and posterior is None:
        trial = trials.emulated_from_population(population, chosen, out)
    else:
        what = "emulate takes avatars from exactly one of --posterior and --population"
        fix = "Give --posterior FILE for calibrated avatars, or --population NAME for new ones (`list` shows names)"
        raise InputError(Problem("O02", "error", what, fix))
    sizes = trial.sizes
    tell_kind(trial)
    print(f"{sizes['trial']:,} trials of {sizes['avatar']} avatars and {sizes['arm']} arms. Written: {out}")


def population(
    posterior: Annotated[
        Path, typer.Argument(metavar="POSTERIOR", help="Posterior file, from `calibrate` or `run`.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Population file to write.")] = Path(
        "population.nc"
    ),
    biomarker_share: Annotated[
        float | None,
        typer.Option(
            "--biomarker-share",
            min=0,
            max=1,
            help="Share of avatars with the biomarker, of older posteriors.",
        ),
    ] = None,
) -> None:
    """Keep what a posterior knows of avatars in general, to share it without sharing animals; refuses failed gates."""
    from avatar_trials.cli import populations
    from avatar_trials.emulate import provenance

    require_writable(netcdf_files(out), reads=[posterior])
    made = populations.made_population(posterior, out, biomarker_share=biomarker_share)
    print(f"{provenance(made)}. No avatar is in it by name or level.\nWritten: {out}")
