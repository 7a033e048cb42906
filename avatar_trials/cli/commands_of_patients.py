"""Commands of the step from avatars to patients: patients, benchmark, avatars-needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avatar_trials.cli import completion
from avatar_trials.cli.options import (
    Design,
    Unconverged,
    files_of,
    listed,
    require_one_source,
    say,
    tell_kind,
)
from avatar_trials.cli.outputs import (
    PROVENANCE,
    TRIAL,
    netcdf_files,
    require_writable,
)
from avatar_trials.cli.patient_files import PATIENTS, PATIENTS_INDIVIDUAL, PATIENTS_POPULATION
from avatar_trials.library import find_card
from avatar_trials.problems import InputError, Problem, together

if TYPE_CHECKING:
    from avatar_trials.designs import TrialDesign

Posterior = Annotated[
    Path | None, typer.Option("--posterior", help="Posterior file: its calibrated avatars.")
]
PopulationName = Annotated[
    str | None,
    typer.Option(
        "--population",
        help="Population, a name from `list` or a .nc file: new avatars of it.",
        autocompletion=completion.populations,
    ),
]


def patients(
    design: Design,
    posterior: Posterior = None,
    population: PopulationName = None,
    avatars: Annotated[
        str | None, typer.Option("--avatars", help="Calibrated avatars to take, with commas; without it all.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for what is written.")] = Path(
        "out_patients"
    ),
    allow_unconverged: Unconverged = False,
) -> None:
    """Emulate a design's avatars and the patients behind them, as its [patients] assumes, and how far they agree."""
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import flow, trials
    from avatar_trials.cli import patients as behind
    from avatar_trials.cli.provenance import sign
    from avatar_trials.stamp import sha256_of

    names = list(dict.fromkeys(listed(avatars))) if avatars is not None else None
    chosen, _, _ = together(
        lambda: _with_patients(load_design(design)),
        lambda: require_one_source(posterior, population),
        lambda: _require_calibrated(names, population),
    )
    targets = [file for name in (TRIAL, PATIENTS) for file in netcdf_files(out / name)]
    targets += [out / PATIENTS_POPULATION, out / PATIENTS_INDIVIDUAL, out / PROVENANCE]
    require_writable(targets, reads=[*files_of(design, chosen), posterior])
    source: object = population
    if posterior is not None:
        source = flow.read_posterior(posterior, allow_unconverged=allow_unconverged)
    trial, found = behind.emulated_with_patients(source, chosen, out, names)  # type: ignore[arg-type]
    tell_kind(trial)
    print(f"PATIENTS: {found.attrs['scenario']}.")
    behind.write_agreement(trial, found, out)
    made_of = trials.stamp_of_what_is_read(
        trials.read_trial(out / TRIAL), out / TRIAL, "agreement with patients"
    )
    made_of |= {"patients_sha256": sha256_of(out / PATIENTS)}
    sign([out / PATIENTS_POPULATION, out / PATIENTS_INDIVIDUAL], made_of)
    print(
        f"{found.sizes['trial']:,} trials of {found.sizes['patient']} patients, {trial.sizes['avatar']} with an avatar"
    )
    for name in (TRIAL, PATIENTS, PATIENTS_POPULATION, PATIENTS_INDIVIDUAL):
        print(f"Written: {out / name}")


def benchmark(
    card: Annotated[
        str,
        typer.Argument(
            metavar="BENCHMARK",
            help="Benchmark card: a name from `list`, a .toml, or a .csv of patients.",
            autocompletion=completion.benchmarks,
        ),
    ],
    trial: Annotated[Path | None, typer.Option("--trial", help="Trial file: mice beside the clinic.")] = None,
    patients: Annotated[
        Path | None, typer.Option("--patients", help="Patients file, from `patients`.")
    ] = None,
    days_per_mouse_day: Annotated[
        float | None,
        typer.Option("--days-per-mouse-day", min=0.01, max=100, help="Declared time scale, with --trial."),
    ] = None,
    scale_from: Annotated[
        str | None,
        typer.Option("--scale-from", help="Arm whose median sets the time scale; the others test it."),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Table to write.")] = Path("benchmark.csv"),
) -> None:
    """Hold emulated arms against a clinical trial: ORR, depth, PFS, hazard ratios, order of arms."""
    from avatar_trials.card_files import load_benchmark
    from avatar_trials.cli import patients as behind
    from avatar_trials.cli import trials
    from avatar_trials.cli.files import write_csv
    from avatar_trials.cli.provenance import sign
    from avatar_trials.endpoints import recomputed
    from avatar_trials.intake.clinical_table import read_clinical
    from avatar_trials.stamp import read_stamp, sha256_of

    own = Path(card) if card.casefold().endswith(".csv") else None
    _, found = together(
        lambda: _require_a_scale(trial, patients, days_per_mouse_day, scale_from),
        lambda: load_benchmark(card) if own is None else read_clinical(own),
    )
    table = None if own is None else found
    chosen = found if table is None else recomputed(table.months, table.event, table.source)
    require_writable([out, out.with_name(PROVENANCE)], reads=[trial, patients, own])
    source = trial if trial is not None else Path(str(patients))
    given = trials.read_trial(source) if trial is not None else behind.read_patients(source)
    tell_kind(given)
    level = 0.9
    frame = behind.held_against(
        chosen, given, table, days_per_mouse_day=days_per_mouse_day, scale_from=scale_from, level=level
    )
    write_csv(frame, out)
    of_clinic = sha256_of(own if own is not None else find_card("benchmarks", card))
    facts = {
        "benchmark": Path(card).stem,
        "benchmark_sha256": of_clinic,
        "emulated_sha256": sha256_of(source),
    }
    sign([out], read_stamp(given) | facts | {"kind": "benchmark"})
    print(f"{chosen.title}: {chosen.citation}. {chosen.patients}. {chosen.assessment}, {chosen.response}.")
    shown = frame[
        [
            "arm",
            "measure",
            "emulated",
            "lower",
            "upper",
            "published",
            "published_lower",
            "published_upper",
            "basis",
        ]
    ]
    print(shown.to_string(index=False, float_format=lambda value: f"{value:.3g}", na_rep=""))
    print(f"{behind.told_of_misses(frame)}\nWritten: {out}")


def avatars_needed(
    design: Design,
    posterior: Posterior = None,
    population: PopulationName = None,
    numbers: Annotated[
        str, typer.Option("--avatars", help="Numbers of avatars, with commas.")
    ] = "10,20,30,50,100,200",
    mice: Annotated[str, typer.Option("--mice", help="Mice of an avatar and arm, odd, with commas.")] = "1,3",
    correlations: Annotated[
        str, typer.Option("--correlations", help="Latent correlations of avatar and patient, with commas.")
    ] = "0,0.3,0.5,0.7,0.9",
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Table to write; the figure lies beside it, .svg.")
    ] = Path("avatars_needed.csv"),
    allow_unconverged: Unconverged = False,
) -> None:
    """Agreement with patients by number of avatars, mice each and latent correlation: a table and a figure."""
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import flow
    from avatar_trials.cli import patients as behind
    from avatar_trials.cli.files import write_csv
    from avatar_trials.cli.provenance import sign
    from avatar_trials.emulate import load_population
    from avatar_trials.emulate.sources import Source
    from avatar_trials.evidence import avatars_needed as needed
    from avatar_trials.stamp import make_stamp, sha256_of, write_atomic

    chosen, _, (ns, ks, rhos) = together(
        lambda: _with_patients(load_design(design)),
        lambda: require_one_source(posterior, population),
        lambda: behind.numbers_of(numbers, mice, correlations),
    )
    picture = out.with_suffix(".svg")
    require_writable([out, picture, out.with_name(PROVENANCE)], reads=[*files_of(design, chosen), posterior])
    if posterior is not None:
        source: Source = flow.read_posterior(posterior, allow_unconverged=allow_unconverged)
    else:
        source = load_population(str(population))
    frame = needed.avatars_needed(source, chosen, numbers=ns, correlations=rhos, mice=ks, say=say)
    write_csv(frame, out)
    drawn = needed.figure(frame)
    write_atomic(picture, lambda file: drawn.savefig(file, format="svg", metadata={"Date": None}))
    read = posterior if posterior is not None else find_card("populations", str(population))
    named = "population_sha256" if posterior is None else "posterior_sha256"
    facts = {
        "design": chosen.name,
        "design_sha256": chosen.sha256,
        "seed": str(chosen.seed),
        named: sha256_of(read),
    }
    sign([out, picture], make_stamp(kind="avatars needed", **facts))
    most = frame["n_avatars"].max()
    widest = frame[frame["n_avatars"] == most]
    table = widest.pivot_table(
        index=["kind", "measure", "mice_per_avatar"], columns="latent_correlation", values="value", sort=False
    )
    print(
        f"Medians at {most} avatars, by latent correlation\n{table.to_string(float_format=lambda v: f'{v:.2f}')}"
    )
    print(f"Written: {out}\nWritten: {picture}")


def _with_patients(design: TrialDesign) -> TrialDesign:
    """The design; InputError where it says nothing of patients, or what they cannot have."""
    from avatar_trials.emulate import require_patients

    require_patients(design)
    return design


def _require_calibrated(avatars: list[str] | None, population: str | None) -> None:
    """InputError where avatars are named that a population does not have, or none is."""
    if avatars is not None and population is not None:
        what = "--avatars names calibrated avatars, and a population has none: its avatars are new"
        raise InputError(Problem("P05", "error", what, "Give --posterior, or leave --avatars out"))
    if avatars is not None and not avatars:
        raise InputError(Problem("P06", "error", "--avatars names no avatar", "Leave it out for all of them"))


def _require_a_scale(
    trial: Path | None, patients: Path | None, days_per_mouse_day: float | None, scale_from: str | None
) -> None:
    """InputError unless there is one emulated side, and a time scale of it."""
    problems = []
    if (trial is None) == (patients is None) or (patients is not None and days_per_mouse_day is not None):
        what = "benchmark takes --trial with a time scale, or --patients, which have one"
        problems.append(Problem("P01", "error", what, "Give one of them"))
    if trial is not None and days_per_mouse_day is None and scale_from is None:
        what = "mice have no days of patients: the time scale is declared or taken from an arm, never assumed"
        problems.append(Problem("P03", "error", what, "Give --days-per-mouse-day 3.5 or --scale-from ARM"))
    if problems:
        raise InputError(problems)
