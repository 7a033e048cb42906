"""The report of a trial: one HTML page that needs nothing else, the same bytes for the same inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.endpoints import response_table, trial_response
from avatar_trials.report import agreement, cohort, record, tables
from avatar_trials.report.answer import answer
from avatar_trials.report.figures import figures_of
from avatar_trials.report.pages import page
from avatar_trials.report.readings import FURTHER, MAIN
from avatar_trials.report.text import count, listed, percent
from avatar_trials.stamp import write_atomic

if TYPE_CHECKING:
    from avatar_trials.evidence.check import Check
    from avatar_trials.intake import GrowthTable

TEMPLATE = "report.html.j2"
NEEDED_COLUMNS = {
    "readout_emulated": ("arm", "endpoint", "estimate", "lower", "upper", "level", "n", "n_censored", "method"),
    "readout_observed": ("arm", "endpoint", "estimate", "lower", "upper", "level", "n", "n_censored", "method"),
    "population": (
        "arm", "measure", "emulated", "lower", "upper", "level", "observed", "difference", "covered",
        "null_reference", "ceiling", "n", "method",
    ),
    "individual": (
        "arm", "measure", "value", "lower", "upper", "level", "null_reference", "ceiling", "n", "method",
    ),
    "patients_population": ("arm", "measure", "emulated", "null_reference", "ceiling", "level", "method"),
    "patients_individual": ("arm", "measure", "value", "null_reference", "ceiling", "level", "method"),
    "gates": ("check", "value", "limit", "passed", "worst"),
    "parameters": ("name", "unit", "meaning", "prior", "lower", "upper", "contraction"),
}  # fmt: skip


@dataclass(frozen=True)
class ReportInputs:
    """What a report shows.

    `arms`: in the design's order. `trial`: as in trial.nc (trial, avatar, arm, visit). `observed` None, and then
    `readout_observed`, `population` and `individual` None too: a trial without mice to compare. `posterior`: as in
    posterior.nc, for the predictive overlay. `parameters` has a column "median" or "mean" beside those in
    NEEDED_COLUMNS, its interval at `level`. `rule`, `doubling`, `level`: those the readouts were made with.
    `calibrated_on_observed`: whether the emulated avatars were calibrated on the very mice of `observed`. `checks` may
    be empty: none were made. `patients_population`, `patients_individual`: avatars beside assumed patients, columns as
    of mice; `patients_scenario`: what is assumed, in words.
    """

    title: str
    question: str
    design_facts: dict[str, str]
    arms: list[str]
    trial: xr.Dataset
    observed: GrowthTable | None
    readout_emulated: pd.DataFrame
    readout_observed: pd.DataFrame | None
    population: pd.DataFrame | None
    individual: pd.DataFrame | None
    posterior: xr.DataTree | None
    gates: pd.DataFrame | None
    parameters: pd.DataFrame | None
    notices: list[str]
    stamp: dict[str, Any]
    synthetic: bool
    rule: str
    doubling: str
    level: float
    calibrated_on_observed: bool
    checks: Sequence[Check] = ()
    patients_population: pd.DataFrame | None = None
    patients_individual: pd.DataFrame | None = None
    patients_scenario: str = ""


def write_report(path: Path | str, inputs: ReportInputs) -> Path:
    """Write the report to `path` in one step and return where it is.

    Figures are drawn under matplotlib's default settings, which are changed for the while: do not draw in another
    thread meanwhile. Raises ValueError, with everything that is wrong, for inputs that do not fit together, and
    OSError where the file cannot be written.
    """
    problems = _problems(inputs)
    if problems:
        raise ValueError("the report cannot be written: " + "; ".join(problems))
    html = render(inputs).encode("utf-8")
    target = Path(path)
    write_atomic(target, lambda temporary: temporary.write_bytes(html))
    return target


def render(inputs: ReportInputs) -> str:
    """The report's HTML. Everything from outside is escaped; nothing in the template is marked as safe."""
    responses = trial_response(inputs.trial, rule=inputs.rule, doubling=inputs.doubling)
    mice = None if inputs.observed is None else _mice(inputs)
    failed = record.failed_gates(inputs.gates)
    return page(
        TEMPLATE,
        title=inputs.title,
        inputs=inputs,
        answer=answer(inputs, responses, failed=bool(failed)),
        cohort=cohort.cohort_rows(inputs),
        avatars=cohort.avatars_in_words(inputs.observed, inputs.arms),
        bases={
            arm: cohort.basis_of(arm, inputs.trial, cohort.calibrated_arms(inputs)) for arm in inputs.arms
        },
        not_identified=cohort.not_identified(inputs.parameters),
        level=percent(inputs.level),
        size=_size(inputs, mice),
        last_day=f"{_last_day(inputs):g}",
        longer=_followed_longer(inputs),
        failed=failed,
        readout=_readout(inputs),
        agreement=_agreement(inputs),
        checks=_checks(inputs.checks),
        doubts=listed([check.name for check in inputs.checks if check.passed is False]),
        figures=figures_of(inputs, responses, mice, _last_day(inputs)),
        parameters=None if inputs.parameters is None else record.parameter_rows(inputs.parameters),
        point="mean" if inputs.parameters is None else record.point_column(inputs.parameters),
        gates=None if inputs.gates is None else record.gate_rows(inputs.gates),
        stamp=record.stamp_rows(inputs.stamp),
    )


def _readout(inputs: ReportInputs) -> dict[str, Any]:
    ours, theirs = inputs.readout_emulated, inputs.readout_observed
    blocks = []
    for quantities in (MAIN, FURTHER):
        known = {name: q for name, q in quantities.items() if (ours["endpoint"] == name).any()}
        both = [frame[frame["endpoint"].isin(known)] for frame in (ours, theirs) if frame is not None]
        notes = tables.Footnotes.on([method for frame in both for method in frame["method"]])
        rows = tables.readout_rows(ours, theirs, inputs.arms, known, notes)
        blocks.append({"quantities": list(known.values()), "rows": rows, "notes": notes})
    return {
        "main": blocks[0],
        "further": blocks[1],
        "misses": tables.misses(ours, theirs, inputs.arms),
        "further_misses": tables.further_misses(ours, theirs, inputs.arms),
    }


def _agreement(inputs: ReportInputs) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, rows_of in (
        ("population", agreement.population_rows),
        ("individual", agreement.individual_rows),
        ("patients_population", agreement.population_rows),
        ("patients_individual", agreement.individual_rows),
    ):
        frame: pd.DataFrame | None = getattr(inputs, name)
        found[name] = None
        if frame is not None:
            notes = tables.Footnotes.on(frame["method"])
            found[name] = {"rows": rows_of(frame, inputs.arms, notes), "notes": notes}
    return found


def _checks(checks: Sequence[Check]) -> list[dict[str, Any]]:
    from avatar_trials.report import canvas

    shown = []
    for check in checks:
        image = None
        if check.figure is not None:
            with canvas.paper():
                image = canvas.svg(
                    check.figure(), f"Check of {check.name}, {check.verdict}; in words in the table above."
                )
        shown.append({"name": check.name, "verdict": check.verdict, "text": check.text, "image": image})
    return shown


def _mice(inputs: ReportInputs) -> pd.DataFrame:
    assert inputs.observed is not None
    mice = response_table(inputs.observed, rule=inputs.rule, doubling=inputs.doubling)
    return mice[mice["arm"].isin(inputs.arms)]


def _size(inputs: ReportInputs, mice: pd.DataFrame | None) -> list[str]:
    sizes = inputs.trial.sizes
    facts = [
        count(sizes["avatar"], "avatar"),
        count(len(inputs.arms), "arm"),
        count(sizes["trial"], "replicate trial"),
        f"visits to day {_last_day(inputs):g}",
    ]
    return facts if mice is None else [*facts, count(len(mice), "observed mouse", "observed mice")]


def _followed_longer(inputs: ReportInputs) -> str:
    if inputs.observed is None:
        return ""
    mice = inputs.observed.mice
    longer = int((mice["arm"].isin(inputs.arms) & (mice["last_day"] > _last_day(inputs))).sum())
    if not longer:
        return ""
    return (
        "1 observed mouse was followed longer"
        if longer == 1
        else f"{longer} observed mice were followed longer"
    )


def _last_day(inputs: ReportInputs) -> float:
    return float(np.max(inputs.trial["day"].values))


def _problems(inputs: ReportInputs) -> list[str]:
    found = []
    if not inputs.arms or len(set(inputs.arms)) != len(inputs.arms):
        found.append(f"arms must be named, each once: received {inputs.arms}")
    if not 0 < inputs.level < 1:
        found.append(f"level must lie between 0 and 1: received {inputs.level}")
    sizes = inputs.trial.sizes
    empty = [dim for dim in ("trial", "avatar", "arm", "visit") if not sizes.get(dim)]
    if empty or not _last_day(inputs) > 0:
        found.append(
            f"the trial has nothing in {', '.join(empty)}" if empty else "the trial has no visit after day 0"
        )
    for name, columns in NEEDED_COLUMNS.items():
        frame: pd.DataFrame | None = getattr(inputs, name)
        if frame is None:
            continue
        found += _missing(name, frame, columns)
        if "level" in frame and not np.allclose(frame["level"].astype(float), inputs.level):
            found.append(f"{name} was made at another level than {inputs.level:g}")
    if inputs.parameters is not None and not {"median", "mean"} & set(inputs.parameters):
        found.append('parameters has neither a column "median" nor "mean"')
    return found


def _missing(name: str, frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    missing = [column for column in columns if column not in frame]
    return [f"{name} has no column {', '.join(missing)}"] if missing else []
