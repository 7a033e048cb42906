"""Commands that read tables of volumes: check, response, metrics, certainty."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avatar_trials.cli.options import Doubling, Rule, Volumes, known, told
from avatar_trials.cli.outputs import PROVENANCE, require_writable
from avatar_trials.problems import InputError, errors_of, one_line
from avatar_trials.seeds import SEED_LIMIT

UNSURE = 0.8


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
        print(f"{one_line(str(file))}: {'refused' if errors_of(problems) else 'can be used'}")
    if refused:
        raise typer.Exit(InputError.exit_code)


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
    from avatar_trials.cli.provenance import sign
    from avatar_trials.endpoints import DOUBLING_VARIANTS, RULES, response_table
    from avatar_trials.stamp import make_stamp

    known("--rule", rule, RULES)
    known("--doubling", doubling, DOUBLING_VARIANTS)
    require_writable([out, out.with_name(PROVENANCE)], reads=[volumes])
    table = told(volumes)
    calls = response_table(table, rule=rule, doubling=doubling)
    write_csv(calls, out)
    sign([out], make_stamp(kind="response", data_sha256=table.sha256, rule=rule, doubling=doubling))
    counts = calls["category"].replace("", "not evaluable").value_counts()
    print(
        f"{len(calls)} mice, mRECIST rule {rule}: "
        + ", ".join(f"{name} {count}" for name, count in counts.items())
    )
    print(f"Written: {out}")


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
    from avatar_trials.cli.provenance import sign
    from avatar_trials.endpoints import DOUBLING_VARIANTS, RULES, curve_metrics
    from avatar_trials.stamp import make_stamp

    known("--rule", rule, RULES)
    known("--doubling", doubling, DOUBLING_VARIANTS)
    require_writable([out, out.with_name(PROVENANCE)], reads=[volumes])
    table = told(volumes)
    frame = curve_metrics(table, rule=rule, doubling=doubling)
    write_csv(frame, out)
    sign([out], make_stamp(kind="metrics", data_sha256=table.sha256, rule=rule, doubling=doubling))
    print(f"{len(frame)} mice, {len(frame.columns)} columns. Written: {out}")


def certainty(
    volumes: Volumes,
    out: Annotated[Path, typer.Option("-o", "--out", help="CSV file to write, one row a mouse.")] = Path(
        "certainty.csv"
    ),
    rule: Rule = "gao2015_text",
    draws: Annotated[
        int, typer.Option("--draws", min=1, max=100_000, help="Draws of every mouse's true volumes.")
    ] = 1000,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=SEED_LIMIT - 1, help="Same seed, same numbers.")
    ] = 0,
) -> None:
    """How sure every mouse's CR, PR, SD or PD is, given caliper error and sparse visits: no posterior needed."""
    from avatar_trials.cli.files import write_csv
    from avatar_trials.cli.provenance import sign
    from avatar_trials.endpoints import RULES, call_probabilities
    from avatar_trials.stamp import make_stamp

    known("--rule", rule, RULES)
    require_writable([out, out.with_name(PROVENANCE)], reads=[volumes])
    table = told(volumes)
    frame = call_probabilities(table, rule=rule, draws=draws, seed=seed)
    write_csv(frame, out)
    sign(
        [out], make_stamp(kind="certainty", data_sha256=table.sha256, rule=rule, draws=draws, seed=str(seed))
    )
    unsure = int((frame["p_of_call"] < UNSURE).sum())
    print(f"{len(frame)} mice; {unsure} calls with a probability below {UNSURE:g}. Written: {out}")
