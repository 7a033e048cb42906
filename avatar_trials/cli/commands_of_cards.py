"""Commands for cards: new, schema, list."""

from __future__ import annotations

import json
import shlex
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from avatar_trials import library
from avatar_trials.cli import completion
from avatar_trials.cli.options import known
from avatar_trials.cli.outputs import FIX, require_writable
from avatar_trials.problems import InputError, OutputError, Problem

STARTERS = ("design", "strategies", "model")
NEXT = {
    "design": "avatar-trials run {file}",
    "strategies": "avatar-trials compare-strategies {file}",
    "model": 'in a design, model = "{file}"',
}


def new(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="design, strategies (a design that compares them) or model.",
            autocompletion=lambda: list(STARTERS),
        ),
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Its name; without it my_design and so on.")
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            "--like",
            help="Card whose values it begins with, a name from `list`.",
            autocompletion=completion.cards,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File to write; without it NAME.toml, here.")
    ] = None,
) -> None:
    """Write a starter file: every key with its meaning, unit and default, ready to be used and changed.

    What is left out stands behind a #. Nothing is written over a file that is there.
    """
    from avatar_trials.card_starters import LIKE, starter

    known("KIND", kind, STARTERS)
    if kind == "model" and like is not None:
        known("--like", like, library.known("models"))
    name = f"my_{kind}" if name is None else name.removesuffix(".toml")
    if not name.strip() or any(sign in name for sign in "/\\\n"):
        what = f"{name!r} is no name of a card"
        raise InputError(Problem("O08", "error", what, "Give a name without / and the place with -o"))
    file = Path(f"{name}.toml") if out is None else out
    require_writable([file], reads=[])
    if file.exists():
        raise OutputError(Problem("W04", "error", "this file is there and is left as it is", FIX, str(file)))
    text = starter(kind, like or LIKE[kind], name=name)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as target:
        target.write(text)
    typed = shlex.quote(str(file))
    print(
        f"Written: {file}\nAfter a change: avatar-trials check {typed}\nTo use it: {NEXT[kind].format(file=typed)}"
    )


def schema(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the schemas.")] = Path("schemas"),
) -> None:
    """Write the JSON Schemas of all cards, with which an editor completes, explains and checks them."""
    from avatar_trials.card_schemas import KINDS, card_schema
    from avatar_trials.stamp import write_atomic

    texts = {out / f"{kind}.schema.json": json.dumps(card_schema(kind), indent=2) for kind in KINDS}
    require_writable(texts, reads=[])
    out.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        write_atomic(file, partial(Path.write_text, data=f"{text}\n", encoding="utf-8"))
        print(f"Written: {file}")
    print("Editors that know Taplo (VS Code: Even Better TOML) take it from a card's first line, as")
    print(f"#:schema {next(iter(texts))}")


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
    from avatar_trials.emulate import load_population, provenance
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
        print(f"  {name}: {provenance(load_population(name))}")
    print("Panels (synthetic)")
    for name in known("panels"):
        print(f"  {name}")
