"""The page of a sweep: its figure, the smallest trials that reach a target, wrong decisions, costs, and the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import jinja2
import pandas as pd

from avatar_trials.report import canvas
from avatar_trials.report.sheets import sheet
from avatar_trials.report.sweep_figure import panels_left_out, sweep_figure
from avatar_trials.report.text import clean, number
from avatar_trials.stamp import write_atomic

TEMPLATE = "sweep.html.j2"
MOST_ROWS = 400

GOING = ("assurance", "power", "type_I_error")
WRONG = ("worth", "wrong_go", "wrong_stop", "wrong_go_if_not_worth", "wrong_stop_if_worth", "stopped_early")
COSTS = ("avatars", "mice", "drug_days", "screened")
CHOICE = ("picked", "right_pick", "regret", "any_wrong_go")
SECTIONS = {
    "Going forward": (GOING, "Share of trials in which a combination goes forward, by world."),
    "Wrong decisions": (
        WRONG,
        "Shares of trials. worth: the combination truly is worth taking forward in the trial's own population; "
        "wrong_go, wrong_stop: gone forward without, not gone forward with it; …_if_…: among such trials alone.",
    ),
    "Costs": (COSTS, "Means over trials; drug-days are days of treatment by drug, at full dose."),
    "Which combination": (
        CHOICE,
        "The best observed of several taken forward: share of trials in which each is picked and the truly best one "
        "is, mean true advantage lost by the choice (regret), share in which any goes forward that is not worth it.",
    ),
    "Readouts": (
        ("readout", "median"),
        "Means over trials of ORR and median depth; median of the median doubling.",
    ),
}


@dataclass(frozen=True)
class SweepInputs:
    """What the page shows: table as `sweeps.sweep_table` has it, `smallest` as `smallest_n`, facts as name -> words."""

    title: str
    question: str
    table: pd.DataFrame
    smallest: pd.DataFrame
    varied: Sequence[str]
    facts: dict[str, str]
    notes: Sequence[str]


@dataclass(frozen=True)
class Shown:
    """One table of the page, as text."""

    title: str
    caption: str
    heads: list[str]
    rows: list[list[str]] = field(default_factory=list)
    left_out: int = 0


def write_sweep_page(path: Path, inputs: SweepInputs) -> Path:
    """Write the page in one step. OSError where it cannot be written."""
    page = render(inputs).encode("utf-8")
    write_atomic(path, lambda temporary: temporary.write_bytes(page))
    return path


def figure_bytes(table: pd.DataFrame, varied: Sequence[str]) -> bytes:
    """The sweep's figure as the bytes of an SVG file."""
    with canvas.paper():
        drawn = sweep_figure(table, varied)
        drawn.with_legend()
        return canvas.svg_bytes(drawn.figure)


def render(inputs: SweepInputs) -> str:
    """The page's HTML; everything from outside is escaped."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("avatar_trials.report").joinpath(TEMPLATE).read_text("utf-8")
    with canvas.paper():
        image = sheet(
            sweep_figure(inputs.table, inputs.varied),
            lambda panel: f"Share of trials that go forward against what was varied: {panel}.",
        )
    return environment.from_string(source).render(
        title=clean(inputs.title),
        question=clean(inputs.question),
        facts={clean(name): clean(words) for name, words in inputs.facts.items()},
        notes=[clean(note) for note in inputs.notes],
        image=image,
        left_out=panels_left_out(inputs.table, inputs.varied),
        smallest=_smallest(inputs),
        sections=[one for title in SECTIONS if (one := _section(inputs, title)).rows],
    )


def _section(inputs: SweepInputs, title: str) -> Shown:
    quantities, caption = SECTIONS[title]
    rows = inputs.table[inputs.table["quantity"].isin(quantities)]
    return _text(title, caption, rows, inputs.varied)


def _smallest(inputs: SweepInputs) -> Shown:
    caption = (
        "The smallest number of avatars of those tried at which the target is reached; -: at none of them."
    )
    rows = inputs.smallest.assign(n_avatars=inputs.smallest["n_avatars"].astype("object"))
    return _text("Smallest trial", caption, rows, inputs.varied)


def _text(title: str, caption: str, rows: pd.DataFrame, varied: Sequence[str]) -> Shown:
    """Rows as text, columns without anything left out."""
    kept = [
        name
        for name in rows.columns
        if not (name in varied and name.endswith(("n_avatars", "mice_per_avatar")))
        and not rows[name].isin(["", None]).all()
    ]
    shown = rows[kept].head(MOST_ROWS)
    cells = [[_cell(name, value) for name, value in zip(kept, row, strict=True)] for row in shown.to_numpy()]
    return Shown(title, caption, [clean(name) for name in kept], cells, max(0, len(rows) - MOST_ROWS))


def _cell(name: str, value: object) -> str:
    if value is None or value is pd.NA:
        return "-"
    if isinstance(value, float):
        return number(value, 3 if abs(value) < 10 else 1)
    return clean(value)
