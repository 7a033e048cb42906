"""Commands that read a trial: readout, agree, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avatar_trials.cli.options import Design, Volumes, VolumesOption, files_of, folder_of, say, tell_kind
from avatar_trials.cli.outputs import PROVENANCE, require_writable


def readout(
    trial: Annotated[Path, typer.Argument(metavar="TRIAL", help="Trial file, from `emulate` or `run`.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="CSV file to write.")] = Path("readout.csv"),
) -> None:
    """Read ORR, DCR, depth of response and time to doubling off a trial, arm by arm, with intervals."""
    from avatar_trials.cli import readings, trials
    from avatar_trials.cli.files import write_csv
    from avatar_trials.cli.provenance import sign
    from avatar_trials.report import format_readout

    require_writable([out, out.with_name(PROVENANCE)], reads=[trial])
    emulated = trials.read_trial(trial)
    frame = readings.readings(emulated, None, readings.rules_of(emulated)).emulated
    write_csv(frame, out)
    sign([out], trials.stamp_of_what_is_read(emulated, trial, "readout"))
    print(format_readout(frame))
    tell_kind(emulated)
    print(f"Written: {out}")


def agree(
    trial: Annotated[Path, typer.Argument(metavar="TRIAL", help="Trial file, from `emulate` or `run`.")],
    volumes: Volumes,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the two tables.")] = Path("."),
) -> None:
    """Compare a trial with observed mice: populations and individuals, in two tables that do not imply one another."""
    from avatar_trials.cli import outputs, readings, trials
    from avatar_trials.cli.files import write_csv
    from avatar_trials.cli.provenance import sign
    from avatar_trials.intake import read_volumes

    places = [out / name for name in (outputs.POPULATION, outputs.INDIVIDUAL, PROVENANCE)]
    require_writable(places, reads=[trial, volumes])
    emulated = trials.read_trial(trial)
    arms = [str(arm) for arm in emulated["arm"].values]
    avatars = {str(name) for name in emulated["avatar"].values}
    table = read_volumes(volumes)
    shared = [name for name in table.avatars.index if name in avatars]
    if not shared:
        say(f"{volumes}: no avatar of the trial has a mouse here. Populations are compared, of other tumours")
    table = table.select(
        avatars=shared or None, arms=[arm for arm in arms if arm in set(table.rows["arm"])] or arms
    )
    result = readings.readings(emulated, table, readings.rules_of(emulated))
    for frame, name in ((result.population, outputs.POPULATION), (result.individual, outputs.INDIVIDUAL)):
        if frame is not None:
            print(f"Written: {write_csv(frame, out / name)}")
            stamp = trials.stamp_of_what_is_read(emulated, trial, "agreement")
            sign([out / name], stamp | {"observed_sha256": table.sha256})


def report(
    design: Design,
    trial: Annotated[Path, typer.Option("--trial", help="Trial file, from `emulate` or `run`.")],
    posterior: Annotated[
        Path | None, typer.Option("--posterior", help="Posterior file; without it no predictive overlay.")
    ] = None,
    volumes: VolumesOption = None,
    patients: Annotated[
        Path | None, typer.Option("--patients", help="Patients file of the same trial, from `patients`.")
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="HTML file to write.")] = Path("report.html"),
) -> None:
    """Write the report of a trial again, from its files."""
    from avatar_trials.card_files import load_design
    from avatar_trials.cli import flow, readings, reports, trials
    from avatar_trials.cli.evidence import checked
    from avatar_trials.cli.patients import read_patients
    from avatar_trials.cli.provenance import sign

    chosen = load_design(design)
    places = [out, out.with_name(PROVENANCE)]
    require_writable(places, reads=[*files_of(design, chosen), trial, posterior, volumes, patients])
    emulated = trials.read_trial(trial)
    trials.require_same_arms(emulated, chosen)
    tree = None if posterior is None else flow.read_posterior(posterior, allow_unconverged=True)
    table = (
        flow.volumes_for(chosen, volumes)
        if volumes is not None or emulated.attrs.get("synthetic", 0)
        else None
    )
    result = readings.readings(emulated, table, readings.rules_of(emulated))
    card = flow.model_of(chosen, folder_of(design))
    checks = []
    if tree is not None:
        trials.require_same_card(tree, card)
        checks = checked(tree, card, chosen, emulated, table, readings.rules_of(emulated))
    behind = None if patients is None else read_patients(patients)
    written = reports.reported(chosen, card, tree, emulated, table, result, out, checks, behind)
    sign([out], trials.stamp_of_what_is_read(emulated, trial, "report"))
    print(f"Report: {written.resolve()}")
