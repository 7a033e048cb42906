"""The page of a sweep: its figure, the smallest trials that reach a target, wrong decisions, costs, and the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from avatar_trials.report import canvas
from avatar_trials.report.pages import page
from avatar_trials.report.sheets import sheet
from avatar_trials.report.sweep_figure import panels_left_out, sweep_figure
from avatar_trials.report.text import number, percent
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
    """What the page shows: table as `sweeps.sweep_table` has it, `smallest` as `smallest_n`, facts as name -> words;
    `target`: the share of trials that are to go forward."""

    title: str
    question: str
    table: pd.DataFrame
    smallest: pd.DataFrame
    varied: Sequence[str]
    facts: dict[str, str]
    notes: Sequence[str]
    target: float


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
    html = render(inputs).encode("utf-8")
    write_atomic(path, lambda temporary: temporary.write_bytes(html))
    return path


def figure_bytes(table: pd.DataFrame, varied: Sequence[str]) -> bytes:
    """The sweep's figure as the bytes of an SVG file."""
    with canvas.paper():
        drawn = sweep_figure(table, varied)
        drawn.with_legend()
        return canvas.svg_bytes(drawn.figure)


def render(inputs: SweepInputs) -> str:
    """The page's HTML; everything from outside is escaped."""
    with canvas.paper():
        image = sheet(
            sweep_figure(inputs.table, inputs.varied),
            lambda panel: f"Share of trials that go forward against what was varied: {panel}.",
        )
    return page(
        TEMPLATE,
        title=f"{inputs.title}: operating characteristics",
        question=inputs.question,
        answer=answer(inputs),
        facts=inputs.facts,
        notes=inputs.notes,
        image=image,
        left_out=panels_left_out(inputs.table, inputs.varied),
        smallest=_smallest(inputs),
        sections=[one for title in SECTIONS if (one := _section(inputs, title)).rows],
    )


def answer(inputs: SweepInputs) -> tuple[str, str]:
    """Two sentences: how many avatars reach the target, or how near any trial comes; what that is worth."""
    return _enough(inputs), _believed(inputs)


def _enough(inputs: SweepInputs) -> str:
    reached = _assured(inputs.smallest)
    reached = reached[reached["n_avatars"].notna()].sort_values("n_avatars", kind="stable")
    if len(reached):
        first = reached.iloc[0]
        return (
            f"Of the trials tried, {first['n_avatars']} avatars{_besides(inputs, first)} are the fewest with which "
            f"{first['arm']} goes forward by {first['endpoint']} in at least {percent(inputs.target)} of trials: "
            f"assurance {number(100 * first['estimate'], 1)} %, averaged over what is not known of the population."
        )
    tried = _assured(inputs.table).sort_values("estimate", ascending=False, kind="stable")
    if tried.empty:
        return "No combination was held against all of its single agents, so no trial of this sweep has an assurance."
    nearest = tried.iloc[0]
    return (
        f"No trial tried reaches an assurance of {percent(inputs.target)}: {nearest['n_avatars']} avatars"
        f"{_besides(inputs, nearest)} come nearest, where {nearest['arm']} goes forward by {nearest['endpoint']} in "
        f"{number(100 * nearest['estimate'], 1)} % of trials."
    )


def _assured(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["quantity"] == "assurance") & (table["against"] == "all single agents")]


def _besides(inputs: SweepInputs, row: pd.Series) -> str:
    """The other varied values of a row, in words."""
    others = [name for name in inputs.varied if not name.endswith("n_avatars")]
    told = [f"{name.rpartition('.')[2].replace('_', ' ')} {row[name]}" for name in others if name in row]
    return f" ({', '.join(told)})" if told else ""


def _believed(inputs: SweepInputs) -> str:
    null = inputs.table[
        (inputs.table["quantity"] == "type_I_error") & (inputs.table["world"] == "no_difference")
    ]
    worst = null["estimate"].max()
    false = f"Without a difference between arms a test is won in at most {number(100 * worst, 1)} % of trials; all"
    return (
        f"{false if len(null) else 'All'} of this holds if the population is right: its avatars are drawn, none is a "
        "calibrated individual, and a mouse is no patient."
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
    return Shown(title, caption, kept, cells, max(0, len(rows) - MOST_ROWS))


def _cell(name: str, value: object) -> str:
    if value is None or value is pd.NA:
        return "-"
    if isinstance(value, float):
        return number(value, 3 if abs(value) < 10 else 1)
    return str(value)
