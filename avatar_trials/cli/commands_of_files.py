"""Commands that look at the program's own files: inspect."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from avatar_trials.problems import one_line

if TYPE_CHECKING:
    import xarray as xr

WORDS_OF_A_FACT = 300


def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A file of this program: .nc, or a table or page beside its provenance.json."
        ),
    ],
) -> None:
    """Check that a file is whole and as it was written; print its stamp, and the command that makes it again."""
    from avatar_trials.cli.provenance import made_again, signed
    from avatar_trials.emulate import check_population, check_posterior, check_trial
    from avatar_trials.stamp import kind_of, read_netcdf, read_stamp, sha256_of

    if file.suffix in (".csv", ".html", ".svg"):
        stamp = signed(file)
        print(f"{one_line(str(file))}: {one_line(str(stamp.get('kind')))}, as it was written")
        _print_facts({"sha256": sha256_of(file), **stamp}, made_again(stamp))
        return
    kind = kind_of(file)
    content: Any = read_netcdf(file, kind=kind)
    checks: dict[str, Callable[[Any, str], None]]
    checks = {"posterior": check_posterior, "trial": check_trial, "population": check_population}
    if kind in checks:
        checks[kind](content, str(file))
    print(f"{one_line(str(file))}: {kind}, whole and as it was written")
    facts = {"sha256": sha256_of(file), "sizes": _sizes(content), **read_stamp(content)}
    synthetic = content.attrs.get("synthetic")
    if synthetic is not None:
        facts["volumes"] = "SYNTHETIC, no measured mouse" if int(synthetic) else "measured"
    _print_facts(facts, made_again(facts))
    for line in _gates(content):
        print(f"  {line}")


def _print_facts(facts: dict[str, Any], again: list[str]) -> None:
    for name, value in facts.items():
        print(f"  {one_line(str(name))}: {_told(value)}")
    for number, line in enumerate(again):
        print(one_line(f"  {line}" if number else f"  made again by: {line}"))


def _sizes(content: xr.Dataset | xr.DataTree) -> dict[str, int]:
    """Dims of a dataset, or of a posterior's parameters."""
    held = content["posterior"] if "posterior" in getattr(content, "children", {}) else content
    return {str(name): int(size) for name, size in held.sizes.items()}


def _told(value: Any) -> str:
    if isinstance(value, dict):
        text = ", ".join(f"{name} {part}" for name, part in value.items())
    elif isinstance(value, list):
        text = ", ".join(map(str, value))
    else:
        text = str(value)
    text = one_line(text)
    return text if len(text) <= WORDS_OF_A_FACT else f"{text[:WORDS_OF_A_FACT]}..."


def _gates(content: xr.Dataset | xr.DataTree) -> list[str]:
    """A line a convergence gate."""
    table = json.loads(content.attrs.get("gates", "{}"))
    columns = (table.get(name, []) for name in ("check", "value", "limit", "passed"))
    return [
        one_line(f"gate {check}: {float(value):.4g}, limit {limit}, {'passed' if passed else 'FAILED'}")
        for check, value, limit, passed in zip(*columns, strict=True)
    ]
