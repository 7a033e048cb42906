"""The commands in their order: each reads files, goes through one room and writes files."""

from __future__ import annotations

from collections.abc import Callable

import typer

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

app = typer.Typer(
    name="avatar-trials",
    help="One-mouse-per-patient (1x1x1) trials of patient-derived xenografts: from tumour volumes to calibrated "
    "avatars, emulated trials, response, time to doubling and agreement.\n\n"
    "Start with: avatar-trials run melanoma_braf_mek (an embedded synthetic panel, about 5 minutes), then with "
    "--volumes YOUR_FILE.csv. A table of volumes has the columns avatar, arm, day, volume_mm3, or those of the PDX "
    "Encyclopedia sheet.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def list_library() -> None:
    """List the designs, model and interaction cards, benchmarks, populations and panels of the program."""
    from avatar_trials.card_files import (
        compares_strategies,
        load_benchmark,
        load_design,
        load_interactions,
        load_model,
        load_strategies,
    )
    from avatar_trials.cli import populations
    from avatar_trials.emulate import provenance
    from avatar_trials.library import is_preset, known

    designs = known("trial_designs")
    print("Trial designs")
    for name in designs:
        if not compares_strategies(name):
            print(f"  {name}: {load_design(name).title}")
    of_strategies = [name for name in designs if compares_strategies(name)]
    print("Designs that compare strategies (for compare-strategies)")
    for name in of_strategies:
        if not is_preset(name):
            print(f"  {name}: {load_strategies(name).title}")
    print("Presets: known systems with the checks they pass (for compare-strategies)")
    for name in of_strategies:
        if is_preset(name):
            print(f"  {name}: {load_strategies(name).title}")
    print("Model cards")
    for name in known("models"):
        print(f"  {name}: {load_model(name).title}")
    print("Interaction cards")
    for name in known("interactions"):
        print(f"  {name}: {load_interactions(name).title}")
    print("Benchmarks (clinical trials)")
    for name in known("benchmarks"):
        print(f"  {name}: {load_benchmark(name).title}")
    names = known("populations")
    if names:
        print("Populations (new avatars are drawn from them)")
    for name in names:
        print(f"  {name}: {provenance(populations.read_population(name))}")
    print("Panels (synthetic)")
    for name in known("panels"):
        print(f"  {name}")


IN_ORDER: tuple[Callable[..., None], ...] = (
    *(run, check, response, metrics, certainty, calibrate, emulate, population),
    *(predict_combination, sweep, compare_strategies, patients, benchmark, avatars_needed),
    *(readout, agree, report, checks, compare, inspect, verify),
)
for command in IN_ORDER:
    app.command()(command)
app.command("list")(list_library)
