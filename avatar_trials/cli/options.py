"""What several commands take and tell."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from avatar_trials.cli import completion
from avatar_trials.problems import InputError, Problem

if TYPE_CHECKING:
    import xarray as xr

    from avatar_trials.designs import TrialDesign
    from avatar_trials.intake import GrowthTable

Design = Annotated[
    str,
    typer.Argument(
        metavar="DESIGN",
        help="Trial design: a name from `list`, or a .toml file.",
        autocompletion=completion.designs,
    ),
]
Volumes = Annotated[Path, typer.Argument(metavar="VOLUMES", help="Table of tumour volumes (.csv or .xlsx).")]
VolumesOption = Annotated[
    Path | None,
    typer.Option(
        "--volumes",
        help="Table of tumour volumes (.csv or .xlsx). Without it: the design's embedded synthetic panel.",
    ),
]
CovariatesOption = Annotated[
    Path | None,
    typer.Option(
        "--covariates",
        help="Table (.csv) of avatars and facts of them, for the biomarkers that the design names.",
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
        autocompletion=lambda: ["gao2015_text", "pct_sheet", "xeva"],
    ),
]
Doubling = Annotated[
    str,
    typer.Option(
        "--doubling",
        help="Time to doubling: pct_sheet (linear, as published) or log_linear.",
        autocompletion=lambda: ["pct_sheet", "log_linear"],
    ),
]


def say(text: str) -> None:
    """One line of progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def design_of(design: str) -> TrialDesign:
    """A design, its doubts told."""
    from avatar_trials.card_files import doubts_of, load_design

    chosen = load_design(design)
    for doubt in doubts_of(chosen, design):
        say(str(doubt))
    return chosen


def told(volumes: Path) -> GrowthTable:
    """The table of a file, its notices told."""
    from avatar_trials.intake import read_volumes

    table = read_volumes(volumes)
    for notice in table.notices:
        say(str(notice))
    return table


def tell_kind(trial: xr.Dataset) -> None:
    """What a reader must know of a trial beside its numbers."""
    if trial.attrs.get("population"):
        print(
            f"NEW AVATARS of population {trial.attrs['population']}. None of them is a calibrated individual."
        )
    if trial.attrs.get("scenario"):
        print(f"SCENARIO: {trial.attrs['scenario']}.")


def require_one_source(posterior: Path | None, population: str | None) -> None:
    """InputError unless avatars come from exactly one of a posterior and a population."""
    if (posterior is None) == (population is None):
        what = "avatars are taken from exactly one of --posterior and --population"
        fix = "Give --posterior FILE for calibrated avatars, or --population NAME for new ones (`list` shows names)"
        raise InputError(Problem("O02", "error", what, fix))


def listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def folder_of(design: str) -> Path | None:
    path = Path(design)
    return path if path.suffix.casefold() == ".toml" else None


def files_of(design: str, chosen: TrialDesign) -> list[Path]:
    """Files of a design, its model card and its panel, those that there are."""
    from avatar_trials.library import Kind, find_card

    beside = folder_of(design)
    found = []
    named: tuple[tuple[Kind, str], ...] = (
        ("trial_designs", design),
        ("models", chosen.model),
        ("panels", chosen.cohort.panel),
    )
    for kind, name in named:
        with contextlib.suppress(InputError):
            folder = beside.parent if beside else None
            found.append(find_card(kind, name, beside=folder, confined=kind != "trial_designs"))
    return found


def known(option: str, value: str, names: Sequence[str]) -> None:
    if value not in names:
        raise InputError(
            Problem("O01", "error", f"{option} {value!r} is unknown", f"Known are {', '.join(names)}")
        )
