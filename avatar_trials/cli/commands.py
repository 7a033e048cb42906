"""The commands: each reads files, goes through one room and writes files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avatar_trials.cli.outputs import netcdf_files, posterior_files, require_writable
from avatar_trials.library import find_card
from avatar_trials.problems import InputError, Problem, errors_of, together

if TYPE_CHECKING:
    import xarray as xr

    from avatar_trials.intake import GrowthTable

app = typer.Typer(
    name="avatar-trials",
    help="One-mouse-per-patient (1x1x1) trials of patient-derived xenografts: from tumour volumes to calibrated "
    "avatars, emulated trials, response, time to doubling and agreement.\n\n"
    "Start with: avatar-trials run melanoma_braf_mek (an embedded synthetic panel, about 3 minutes), then with "
    "--volumes YOUR_FILE.csv. A table of volumes has the columns avatar, arm, day, volume_mm3, or those of the PDX "
    "Encyclopedia sheet.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Design = Annotated[
    str, typer.Argument(metavar="DESIGN", help="Trial design: a name from `list`, or a .toml file.")
]
Volumes = Annotated[Path, typer.Argument(metavar="VOLUMES", help="Table of tumour volumes (.csv or .xlsx).")]
VolumesOption = Annotated[
    Path | None,
    typer.Option(
        "--volumes",
        help="Table of tumour volumes (.csv or .xlsx). Without it: the design's embedded synthetic panel.",
    ),
]
Unconverged = Annotated[
    bool,
    typer.Option(
        "--allow-unconverged",
        help="Go on although the posterior failed its convergence gates; the report says so in red.",
    ),
]
Rule = Annotated[
    str,
    typer.Option(
        "--rule",
        help="mRECIST rule: gao2015_text (the paper's text), pct_sheet (reproduces the published calls) or xeva (as "
        "the R package of that name).",
    ),
]
Doubling = Annotated[
    str, typer.Option("--doubling", help="Time to doubling: pct_sheet (linear, as published) or log_linear.")
]


UNSURE = 0.8


def say(text: str) -> None:
    """One line of progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


@app.command()
def run(
    design: Design,
    volumes: VolumesOption = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for everything that is written.")] = Path(
        "out"
    ),
    allow_unconverged: Unconverged = False,
) -> None:
    """The main job: calibrate, emulate, read out, compare, report.

    Writes posterior.nc, trial.nc, readout.csv, readout_observed.csv, agreement_*.csv, response.csv, parameters.csv,
    gates.csv, checks/ and report.html, prints the readout table and the path of the report.
    """
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import flow
    from avatar_trials.report import format_readout

    chosen = load_design(design)
    card = flow.model_of(chosen, _folder_of(design))
    result, report = flow.write_run(chosen, card, volumes, out, allow_unconverged=allow_unconverged, say=say)
    print(format_readout(result.emulated, result.observed, arms=chosen.arm_names))
    if chosen.mechanism:
        print(f"SCENARIO: {chosen.mechanism.words}.")
    print(f"\nReport: {report.resolve()}")


@app.command()
def check(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="Volume tables (.csv, .xlsx), designs or model cards (.toml)."
        ),
    ],
) -> None:
    """Check files before anything is computed: every problem with its file, line, column and remedy."""
    from avatar_trials.card_files import check_card
    from avatar_trials.intake import check_volumes

    refused = False
    for file in files:
        problems = check_card(file) if file.suffix.casefold() == ".toml" else check_volumes(file)
        for problem in problems:
            print(problem)
        refused |= bool(errors_of(problems))
        print(f"{file}: {'refused' if errors_of(problems) else 'can be used'}")
    if refused:
        raise typer.Exit(InputError.exit_code)


@app.command()
def response(
    volumes: Volumes,
    out: Annotated[Path, typer.Option("-o", "--out", help="CSV file to write, one row a mouse.")] = Path(
        "response.csv"
    ),
    rule: Rule = "gao2015_text",
    doubling: Doubling = "pct_sheet",
) -> None:
    """Response of every mouse: best response, best average response, mRECIST, depth of response, time to doubling."""
    from avatar_trials.cli.files import write_csv
    from avatar_trials.endpoints import DOUBLING_VARIANTS, RULES, response_table

    _known("--rule", rule, RULES)
    _known("--doubling", doubling, DOUBLING_VARIANTS)
    require_writable([out])
    table = _told(volumes)
    calls = response_table(table, rule=rule, doubling=doubling)
    write_csv(calls, out)
    counts = calls["category"].replace("", "not evaluable").value_counts()
    print(
        f"{len(calls)} mice, mRECIST rule {rule}: "
        + ", ".join(f"{name} {count}" for name, count in counts.items())
    )
    print(f"Written: {out}")


@app.command()
def metrics(
    volumes: Volumes,
    out: Annotated[Path, typer.Option("-o", "--out", help="CSV file to write, one row a mouse.")] = Path(
        "metrics.csv"
    ),
    rule: Rule = "gao2015_text",
    doubling: Doubling = "pct_sheet",
) -> None:
    """Every scalar metric of every mouse: nadir, duration, regrowth, growth and kill rates, area, slope, TGI."""
    from avatar_trials.cli.files import write_csv
    from avatar_trials.endpoints import DOUBLING_VARIANTS, RULES, curve_metrics

    _known("--rule", rule, RULES)
    _known("--doubling", doubling, DOUBLING_VARIANTS)
    require_writable([out])
    table = _told(volumes)
    frame = curve_metrics(table, rule=rule, doubling=doubling)
    write_csv(frame, out)
    print(f"{len(frame)} mice, {len(frame.columns)} columns. Written: {out}")


@app.command()
def certainty(
    volumes: Volumes,
    out: Annotated[Path, typer.Option("-o", "--out", help="CSV file to write, one row a mouse.")] = Path(
        "certainty.csv"
    ),
    rule: Rule = "gao2015_text",
    draws: Annotated[int, typer.Option("--draws", min=1, help="Draws of every mouse's true volumes.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Same seed, same numbers.")] = 0,
) -> None:
    """How sure every mouse's CR, PR, SD or PD is, given caliper error and sparse visits: no posterior needed."""
    from avatar_trials.cli.files import write_csv
    from avatar_trials.endpoints import RULES, call_probabilities

    _known("--rule", rule, RULES)
    require_writable([out])
    table = _told(volumes)
    frame = call_probabilities(table, rule=rule, draws=draws, seed=seed)
    write_csv(frame, out)
    unsure = int((frame["p_of_call"] < UNSURE).sum())
    print(f"{len(frame)} mice; {unsure} calls with a probability below {UNSURE:g}. Written: {out}")


@app.command()
def calibrate(
    design: Design,
    volumes: VolumesOption = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Posterior file to write.")] = Path("posterior.nc"),
    hold_out: Annotated[
        str | None,
        typer.Option(
            "--hold-out",
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
    """Calibrate a design's model card to the volumes of its cohort and arms; fails if the gates do not pass."""
    from avatar_trials.calibrate import gates_of, require_passed
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import flow

    chosen = load_design(design)
    card = flow.model_of(chosen, _folder_of(design))
    if hold_out is None:
        require_writable(posterior_files(out))
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
        table, _ = together(lambda: flow.volumes_for(chosen, volumes), lambda: require_sound(what))
        result = scored(table, what, chosen, card, out, say=say)
        print(result.gates[["fold", "check", "value", "limit", "passed"]].to_string(index=False))
        print(printed(result.scores))
        for path in result.written:
            print(f"Written: {path}")
        require_passed(result.gates)
        return
    tree = flow.calibrated(flow.volumes_for(chosen, volumes), chosen, card, out, say=say)
    print(gates_of(tree)[["check", "value", "limit", "passed"]].to_string(index=False))
    print(f"Written: {out}")
    require_passed(gates_of(tree))


@app.command()
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
            help="Population, a name from `list` or a .nc file of `population`: new avatars of it.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Trial file to write.")] = Path("trial.nc"),
    allow_unconverged: Unconverged = False,
) -> None:
    """Emulate a design's replicate trials with the avatars of a posterior, or with new avatars of a population."""
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import flow

    if population is not None:
        together(lambda: load_design(design), lambda: find_card("populations", population))
    chosen = load_design(design)
    require_writable(netcdf_files(out))
    if posterior is not None and population is None:
        card = flow.model_of(chosen, _folder_of(design))
        tree = flow.read_posterior(posterior, allow_unconverged=allow_unconverged)
        if (chosen.cohort.n_avatars, chosen.cohort.biomarker_share) != (None, None):
            say(
                "n_avatars and biomarker_share are of new avatars: the posterior's own are emulated, all of them"
            )
        trial = flow.emulated(tree, chosen, card, out)
    elif population is not None and posterior is None:
        trial = flow.emulated_from_population(population, chosen, out)
    else:
        what = "emulate takes avatars from exactly one of --posterior and --population"
        fix = "Give --posterior FILE for calibrated avatars, or --population NAME for new ones (`list` shows names)"
        raise InputError(Problem("O02", "error", what, fix))
    sizes = trial.sizes
    _tell_kind(trial)
    print(f"{sizes['trial']:,} trials of {sizes['avatar']} avatars and {sizes['arm']} arms. Written: {out}")


@app.command()
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
    from avatar_trials.cli import flow
    from avatar_trials.emulate import provenance

    require_writable(netcdf_files(out))
    made = flow.made_population(posterior, out, biomarker_share=biomarker_share)
    print(f"{provenance(made)}. No avatar is in it by name or level.\nWritten: {out}")


@app.command()
def readout(
    trial: Annotated[Path, typer.Argument(metavar="TRIAL", help="Trial file, from `emulate` or `run`.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="CSV file to write.")] = Path("readout.csv"),
) -> None:
    """Read ORR, DCR, depth of response and time to doubling off a trial, arm by arm, with intervals."""
    from avatar_trials.cli import flow
    from avatar_trials.cli.files import write_csv
    from avatar_trials.report import format_readout

    require_writable([out])
    emulated = flow.read_trial(trial)
    frame = flow.readings(emulated, None, flow.rules_of(emulated)).emulated
    write_csv(frame, out)
    print(format_readout(frame))
    _tell_kind(emulated)
    print(f"Written: {out}")


@app.command()
def agree(
    trial: Annotated[Path, typer.Argument(metavar="TRIAL", help="Trial file, from `emulate` or `run`.")],
    volumes: Volumes,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the two tables.")] = Path("."),
) -> None:
    """Compare a trial with observed mice: populations and individuals, in two tables that do not imply one another."""
    from avatar_trials.cli import flow
    from avatar_trials.cli.files import write_csv
    from avatar_trials.intake import read_volumes

    require_writable([out / flow.POPULATION, out / flow.INDIVIDUAL])
    emulated = flow.read_trial(trial)
    arms = [str(arm) for arm in emulated["arm"].values]
    avatars = {str(name) for name in emulated["avatar"].values}
    table = read_volumes(volumes)
    shared = [name for name in table.avatars.index if name in avatars]
    if not shared:
        say(f"{volumes}: no avatar of the trial has a mouse here. Populations are compared, of other tumours")
    table = table.select(
        avatars=shared or None, arms=[arm for arm in arms if arm in set(table.rows["arm"])] or arms
    )
    result = flow.readings(emulated, table, flow.rules_of(emulated))
    for frame, name in ((result.population, flow.POPULATION), (result.individual, flow.INDIVIDUAL)):
        if frame is not None:
            print(f"Written: {write_csv(frame, out / name)}")


@app.command()
def report(
    design: Design,
    trial: Annotated[Path, typer.Option("--trial", help="Trial file, from `emulate` or `run`.")],
    posterior: Annotated[
        Path | None, typer.Option("--posterior", help="Posterior file; without it no predictive overlay.")
    ] = None,
    volumes: VolumesOption = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="HTML file to write.")] = Path("report.html"),
) -> None:
    """Write the report of a trial again, from its files."""
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import flow
    from avatar_trials.cli.evidence import checked

    require_writable([out])
    chosen = load_design(design)
    emulated = flow.read_trial(trial)
    flow.require_same_arms(emulated, chosen)
    tree = None if posterior is None else flow.read_posterior(posterior, allow_unconverged=True)
    table = (
        flow.volumes_for(chosen, volumes)
        if volumes is not None or emulated.attrs.get("synthetic", 0)
        else None
    )
    result = flow.readings(emulated, table, flow.rules_of(emulated))
    card = flow.model_of(chosen, _folder_of(design))
    checks = []
    if tree is not None:
        flow.require_same_card(tree, card)
        checks = checked(tree, card, chosen, emulated, table, flow.rules_of(emulated))
    print(f"Report: {flow.reported(chosen, card, tree, emulated, table, result, out, checks).resolve()}")


@app.command()
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
    from avatar_trials.cli import flow
    from avatar_trials.cli.evidence import check_files, checked, told, write_checks

    require_writable(check_files(out))
    chosen = load_design(design)
    card = flow.model_of(chosen, _folder_of(design))
    tree = flow.read_posterior(posterior, allow_unconverged=True)
    flow.require_same_card(tree, card)
    emulated = flow.read_trial(trial)
    flow.require_same_arms(emulated, chosen)
    table = (
        flow.volumes_for(chosen, volumes)
        if volumes is not None or emulated.attrs.get("synthetic", 0)
        else None
    )
    found = checked(tree, card, chosen, emulated, table, flow.rules_of(emulated))
    write_checks(found, out)
    for check in found:
        print(told(check))
    print(f"Written: {out}")


@app.command()
def compare(
    design: Design,
    models: Annotated[
        str,
        typer.Option("--models", help="Model cards to calibrate, names or .toml files with commas between."),
    ] = "",
    posteriors: Annotated[
        str, typer.Option("--posteriors", help="Posterior files there are already, with commas between.")
    ] = "",
    volumes: VolumesOption = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for everything that is written.")] = Path(
        "comparison"
    ),
    draws: Annotated[
        int, typer.Option("--draws", min=100, help="Posterior draws of each card to use.")
    ] = 400,
    samples: Annotated[
        int, typer.Option("--samples", min=32, help="Points of each integral; rounded down to a power of 2.")
    ] = 256,
    allow_unconverged: Unconverged = False,
) -> None:
    """Compare model cards on the same mice: how well each foretells a curve, or an avatar, that was left out.

    Writes comparison.csv (one row a card), left_out.csv (one row a curve or avatar) and the posteriors.
    """
    from avatar_trials.calibrate import gates_of, require_passed
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import flow
    from avatar_trials.cli.files import write_csv
    from avatar_trials.evidence.compare import compare as compared
    from avatar_trials.evidence.compare import doubts

    chosen = load_design(design)
    cards = flow.cards_alike(_listed(models), _folder_of(design))
    files = [Path(name) for name in _listed(posteriors)]
    tables = [out / "comparison.csv", out / "left_out.csv"]
    made = [file for card in cards for file in posterior_files(out / f"{card.name}.nc")]
    require_writable([*tables, *made])
    trees = flow.posteriors_to_compare(chosen, cards, files, volumes, out, say=say)
    say("leaving out curves and avatars")
    table, units = compared(trees, draws=draws, samples=2 ** (samples.bit_length() - 1), seed=chosen.seed)
    write_csv(table, out / "comparison.csv")
    write_csv(units, out / "left_out.csv")
    print(
        table.drop(columns=["worst", "largest_k"]).to_string(index=False, float_format=lambda x: f"{x:.2f}")
    )
    for words in doubts(table):
        print(f"NOT VALID: {words}")
    print(f"Written: {out / 'comparison.csv'}")
    if not allow_unconverged:
        for tree in trees.values():
            require_passed(gates_of(tree))


@app.command("list")
def list_library() -> None:
    """List the trial designs, model cards, populations and synthetic panels that come with the program."""
    from avatar_trials.card_files import load_design, load_model
    from avatar_trials.cli import flow
    from avatar_trials.emulate import provenance
    from avatar_trials.library import known

    print("Trial designs")
    for name in known("trial_designs"):
        print(f"  {name}: {load_design(name).title}")
    print("Model cards")
    for name in known("models"):
        print(f"  {name}: {load_model(name).title}")
    populations = known("populations")
    if populations:
        print("Populations (new avatars are drawn from them)")
    for name in populations:
        print(f"  {name}: {provenance(flow.read_population(name))}")
    print("Panels (synthetic)")
    for name in known("panels"):
        print(f"  {name}")


def _told(volumes: Path) -> GrowthTable:
    """The table of a file, its notices told."""
    from avatar_trials.intake import read_volumes

    table = read_volumes(volumes)
    for notice in table.notices:
        say(str(notice))
    return table


def _tell_kind(trial: xr.Dataset) -> None:
    """What a reader must know of a trial beside its numbers."""
    if trial.attrs.get("population"):
        print(
            f"NEW AVATARS of population {trial.attrs['population']}. None of them is a calibrated individual."
        )
    if trial.attrs.get("scenario"):
        print(f"SCENARIO: {trial.attrs['scenario']}.")


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _folder_of(design: str) -> Path | None:
    path = Path(design)
    return path if path.suffix.casefold() == ".toml" else None


def _known(option: str, value: str, names: Sequence[str]) -> None:
    if value not in names:
        raise InputError(
            Problem("O01", "error", f"{option} {value!r} is unknown", f"Known are {', '.join(names)}")
        )
