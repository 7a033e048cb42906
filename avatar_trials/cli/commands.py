"""The commands, group by group: each reads files, goes through one room and writes files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from avatar_trials.cli.commands_of_cards import list_library, new, schema
from avatar_trials.cli.commands_of_combinations import predict_combination
from avatar_trials.cli.commands_of_evidence import checks, compare
from avatar_trials.cli.commands_of_files import inspect
from avatar_trials.cli.commands_of_patients import avatars_needed, benchmark, patients
from avatar_trials.cli.commands_of_readings import agree, readout, report
from avatar_trials.cli.commands_of_strategies import compare_strategies
from avatar_trials.cli.commands_of_sweeps import sweep
from avatar_trials.cli.commands_of_trials import calibrate, emulate, population, run
from avatar_trials.cli.commands_of_verification import verify
from avatar_trials.cli.commands_of_volumes import certainty, check, metrics, response

GROUPS: dict[str, tuple[tuple[Callable[..., None], str], ...]] = {
    "Start here": (
        (run, "run melanoma_braf_mek --volumes volumes.csv -o out"),
        (new, "new design my_trial"),
        (check, "check volumes.csv my_trial.toml"),
        (list_library, "list"),
    ),
    "Mice that were measured": (
        (response, "response volumes.csv --rule pct_sheet"),
        (metrics, "metrics volumes.csv -o metrics.csv"),
        (certainty, "certainty volumes.csv"),
    ),
    "From volumes to trials": (
        (calibrate, "calibrate melanoma_braf_mek --volumes volumes.csv -o posterior.nc"),
        (emulate, "emulate melanoma_braf_mek --population pdxe_cm"),
        (population, "population out/posterior.nc -o population.nc"),
        (
            predict_combination,
            'predict-combination pdxe_singles --volumes volumes.csv --arm "BKM120 + binimetinib"',
        ),
    ),
    "Choose a trial": (
        (sweep, "sweep melanoma_braf_mek --vary cohort.n=10,20,50 --dry-run"),
        (compare_strategies, "compare-strategies melanoma_preemptive_vs_sequential"),
        (avatars_needed, "avatars-needed columbus_melanoma --population pdxe_cm"),
    ),
    "Patients behind the avatars": (
        (patients, "patients columbus_melanoma --population pdxe_cm -o out_patients"),
        (benchmark, "benchmark columbus --patients out_patients/patients.nc"),
    ),
    "Read and doubt": (
        (readout, "readout out/trial.nc"),
        (agree, "agree out/trial.nc volumes.csv"),
        (report, "report melanoma_braf_mek --trial out/trial.nc --posterior out/posterior.nc"),
        (checks, "checks melanoma_braf_mek --posterior out/posterior.nc --trial out/trial.nc"),
        (compare, "compare melanoma_braf_mek --models graded_kill,two_clone --volumes volumes.csv"),
    ),
    "Files": (
        (inspect, "inspect out/posterior.nc"),
        (schema, "schema -o schemas"),
        (verify, "verify -o verification"),
    ),
}
"""Group of commands -> each command with an example of its use."""


class Grouped(TyperGroup):
    """Help that lists the commands by group, each with its whole first sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for group, members in GROUPS.items():
            rows = [
                (name, self.commands[name].get_short_help_str(limit=1000))
                for name in (example.split()[0] for _, example in members)
            ]
            with formatter.section(group):
                formatter.write_dl(rows, col_max=20)


app = typer.Typer(
    name="avatar-trials",
    cls=Grouped,
    help="One-mouse-per-patient (1x1x1) trials of patient-derived xenografts: from tumour volumes to calibrated "
    "avatars, emulated trials, response, time to doubling and agreement.\n\n"
    "Start with: avatar-trials run melanoma_braf_mek (an embedded synthetic panel, about 5 minutes), then with "
    "--volumes YOUR_FILE.csv. A table of volumes has the columns avatar, arm, day, volume_mm3, or those of the PDX "
    "Encyclopedia sheet.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for members in GROUPS.values():
    for command, example in members:
        app.command(example.split()[0], epilog=f"\b\nExample:\n  avatar-trials {example}")(command)
