"""The page of a comparison of strategies: the answer, a row a strategy, paired differences, curves, clones, checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from avatar_trials.report.pages import page
from avatar_trials.report.record import stamp_rows
from avatar_trials.report.text import number, percent
from avatar_trials.stamp import write_atomic

TEMPLATE = "strategies.html.j2"
FAILURE, PFS = "strategy_failure_mean_days", "PFS_mean_days"
# endpoint, heading, digits, factor: the columns of the table of strategies, here and in the terminal.
SHOWN = (
    ("PFS_median_days", "PFS", 0, 1.0),
    ("PFS2_median_days", "PFS2", 0, 1.0),
    ("strategy_failure_median_days", "failure", 0, 1.0),
    ("response_share", "response %", 0, 100.0),
    ("depth_of_response_pct", "depth %", 0, 1.0),
    ("nadir_log10_cells", "log10 nadir", 1, 1.0),
    ("eradicated_share", "eradicated %", 1, 100.0),
    ("durable_share", "durable %", 1, 100.0),
    ("drug_days", "drug-days", 0, 1.0),
    ("removed_for_body_weight_before_progression", "lost to toxicity %", 1, 100.0),
)


@dataclass(frozen=True)
class StrategyInputs:
    """What the page shows: `followed` as in strategies.nc, `scores` and `differences` as of `score_strategies`,
    `checks` as of `design_checks` (may be empty), `facts` of the design and `stamp` of what was written, as words."""

    title: str
    question: str
    reference: str
    followed: xr.Dataset
    scores: pd.DataFrame
    differences: pd.DataFrame
    checks: pd.DataFrame
    scenario: str
    facts: Mapping[str, str]
    stamp: Mapping[str, Any]

    @property
    def strategies(self) -> list[str]:
        """Their names in the design's order."""
        return [str(name) for name in self.followed["strategy"].values]


def write_strategy_page(path: Path, inputs: StrategyInputs) -> Path:
    """Write the page in one step. OSError where it cannot be written."""
    html = render(inputs).encode("utf-8")
    write_atomic(path, lambda temporary: temporary.write_bytes(html))
    return path


def render(inputs: StrategyInputs) -> str:
    """The page's HTML; everything from outside is escaped."""
    from avatar_trials.report import canvas, strategy_figures
    from avatar_trials.report.sheets import sheet

    names = inputs.strategies
    with canvas.paper():
        figures = {
            "comparison": sheet(
                strategy_figures.comparison(inputs.scores, names),
                lambda what: f"Strategies compared by {what}.",
            ),
            "differences": len(inputs.differences) > 0
            and sheet(
                strategy_figures.differences(inputs.differences, names),
                lambda what: f"Difference from {inputs.reference}: {what.replace('_', ' ')}.",
            ),
            "curves": sheet(
                strategy_figures.curves(inputs.followed, names),
                lambda what: f"Kaplan-Meier curves of every strategy: {what.replace('_', ' ')}.",
            ),
            "clones": sheet(
                strategy_figures.clones(inputs.followed, names),
                lambda name: f"Mean share of each clone over time under {name}.",
            ),
        }
    return page(
        TEMPLATE,
        title=inputs.title,
        inputs=inputs,
        answer=answer(inputs),
        level=percent(float(inputs.scores["level"].iloc[0])),
        heads=["strategy", *(label for name, label, _, _ in SHOWN if name in set(inputs.scores["endpoint"]))],
        rows=_rows(inputs),
        failed=_failed(inputs.checks),
        checks=_checks(inputs.checks),
        figures=figures,
        stamp=stamp_rows(inputs.stamp),
    )


def answer(inputs: StrategyInputs) -> tuple[str, str]:
    """Two sentences: the strategy that fails last, held against the reference and the leader by PFS; what it all
    rests on."""
    means = _wide(inputs)
    last, first = str(means[FAILURE].idxmax()), str(means[PFS].idxmax())
    told = (
        f"“{last}” fails last, after {number(float(means[FAILURE][last]))} days on average within the study"
    )
    if last == inputs.reference:
        rest = ", and is the reference of this comparison"
    else:
        rest = f", {_more(inputs, last, FAILURE)} than “{inputs.reference}”"
    if first == last:
        by_pfs = f"; by PFS it leads as well ({_more(inputs, last, PFS)})" if last != inputs.reference else ""
    else:
        more = (
            "" if first == inputs.reference else f" ({_more(inputs, first, PFS)} than “{inputs.reference}”)"
        )
        by_pfs = f"; by PFS alone “{first}” would lead{more}"
    calibrated = inputs.scenario.startswith(("CALIBRATED", "SYNTHETIC"))
    basis = (
        "The avatars are calibrated and all else is assumed: toxicity, assays, and how the clones differ"
        if calibrated
        else "Every tumour here is assumed and none was calibrated on a mouse: this compares strategies under stated "
        "assumptions and is no evidence about a drug"
    )
    return f"{told}{rest}{by_pfs}.", f"{basis}."


def _more(inputs: StrategyInputs, strategy: str, endpoint: str) -> str:
    rows = inputs.differences
    row = rows[(rows["strategy"] == strategy) & (rows["endpoint"] == endpoint)]
    if row.empty:
        return "about as long"
    value, low, high = (float(row.iloc[0][name]) for name in ("difference", "lower", "upper"))
    word, sign = ("more", 1.0) if value >= 0 else ("less", -1.0)
    low, high = sorted((sign * low, sign * high))
    days = number(sign * value)
    told = f"{days} day{'' if days == '1' else 's'} [{number(low)}, {number(high)}] {word}"
    return told if low > 0 else f"not clearly longer, {told},"


def _wide(inputs: StrategyInputs) -> pd.DataFrame:
    """Estimates, a row a strategy and a column an endpoint."""
    wide = inputs.scores.pivot(index="strategy", columns="endpoint", values="estimate")
    return wide.loc[inputs.strategies]


def _rows(inputs: StrategyInputs) -> list[list[str]]:
    wide = _wide(inputs)
    chosen = [(name, digits, factor) for name, _, digits, factor in SHOWN if name in wide]
    return [
        [
            strategy,
            *(number(float(wide[name][strategy]) * factor, digits) for name, digits, factor in chosen),
        ]
        for strategy in inputs.strategies
    ]


def _failed(checks: pd.DataFrame) -> str:
    if not len(checks):
        return ""
    failed = checks[~checks["holds"].astype(bool)]
    return "; ".join(f"{row['what']} ({row['strategy']})" for _, row in failed.iterrows())


def _checks(checks: pd.DataFrame) -> list[list[str]]:
    """A row a check: what of which strategy, value, limits, whether it holds, what it rests on."""
    return [
        [
            f"{row['what']} ({row['strategy']}{' less ' + row['than'] if row['than'] else ''})",
            f"{row['value']:.3g}",
            "" if pd.isna(row["least"]) else f"{row['least']:g}",
            "" if pd.isna(row["most"]) else f"{row['most']:g}",
            "holds" if row["holds"] else "FAILS",
            str(row["basis"]),
        ]
        for _, row in checks.iterrows()
    ]
