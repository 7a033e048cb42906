"""Strategies compared: computed, written, and told so that no first line passes for a whole strategy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import xarray as xr

from avatar_trials.cli.files import write_csv
from avatar_trials.cli.outputs import PROVENANCE
from avatar_trials.cli.provenance import sign
from avatar_trials.report.strategy_page import SHOWN, StrategyInputs, write_strategy_page
from avatar_trials.report.text import clean, number
from avatar_trials.stamp import make_stamp, sha256_of, write_netcdf
from avatar_trials.strategy_designs import StrategyDesign

if TYPE_CHECKING:
    from avatar_trials.emulate import Cohort

FOLLOWED, SCORES, DIFFERENCES = "strategies.nc", "strategies.csv", "strategy_differences.csv"
CHECKS, PAGE = "strategy_checks.csv", "strategies.html"

COMPARED = (
    ("PFS_mean_days", "PFS"),
    ("strategy_failure_mean_days", "failure"),
    ("drug_days", "drug-days"),
)


def written_files(folder: Path, *, checks: bool) -> list[Path]:
    """What a comparison writes; `checks`: of a design that has some, on the tumours it assumes."""
    from avatar_trials.stamp import manifest_path

    return [
        folder / FOLLOWED,
        manifest_path(folder / FOLLOWED),
        folder / SCORES,
        folder / DIFFERENCES,
        folder / PAGE,
        *([folder / CHECKS] if checks else []),
        folder / PROVENANCE,
    ]


@dataclass(frozen=True)
class Compared:
    """Scores, paired differences, checks of the design, and what is calibrated and assumed of them."""

    scores: pd.DataFrame
    differences: pd.DataFrame
    checks: pd.DataFrame
    scenario: str


def calibrated_cohort(
    posterior: Path, design: StrategyDesign, draws: int, *, allow_unconverged: bool
) -> tuple[Cohort, bool]:
    """The calibrated avatars of a posterior, in some of its draws, and whether their volumes were synthetic."""
    from avatar_trials.cli import flow
    from avatar_trials.emulate import cohort_from_posterior

    tree = flow.read_posterior(posterior, allow_unconverged=allow_unconverged)
    return cohort_from_posterior(tree, draws, seed=design.seed), bool(tree.attrs["synthetic"])


def compared(
    design: StrategyDesign,
    folder: Path,
    cohort: Cohort | None = None,
    *,
    synthetic: bool = True,
    posterior: Path | None = None,
) -> Compared:
    """Follow avatars under every strategy, score them, write everything. `synthetic`: no measured mouse is behind it;
    `posterior`: the file that the cohort is of."""
    from avatar_trials.strategies import compare_strategies, score_strategies
    from avatar_trials.strategies.design_checks import design_checks

    followed = compare_strategies(design, cohort=cohort)
    rules = design.scoring
    tables = score_strategies(
        followed,
        design.reference,
        level=rules.level,
        resamples=rules.resamples,
        seed=design.seed,
        landmarks=rules.landmarks_days,
    )
    # A design's checks are of the tumours that it assumes.
    checks = design_checks(design.model_copy(update={"checks": ()}) if cohort else design, tables[0])
    basis = "assumed"
    if cohort is not None:
        basis = f"avatars calibrated on {'synthetic' if synthetic else 'measured'} volumes, the rest assumed"
        if synthetic:
            followed.attrs["scenario"] = f"SYNTHETIC volumes, no measured mouse. {followed.attrs['scenario']}"
    source = {} if posterior is None else {"posterior_sha256": sha256_of(posterior)}
    stamp = make_stamp(design=design.name, design_sha256=design.sha256, seed=str(design.seed), **source)
    write_netcdf(_kept(followed, synthetic), folder / FOLLOWED, stamp, kind="strategies")
    for table, name in zip(tables, (SCORES, DIFFERENCES), strict=True):
        write_csv(table.assign(basis=basis, progression=followed.attrs["progression"]), folder / name)
    written = [folder / name for name in (SCORES, DIFFERENCES)]
    if len(checks):
        written.append(write_csv(checks, folder / CHECKS))
    inputs = StrategyInputs(
        title=design.title,
        question=design.question,
        reference=design.reference,
        followed=followed,
        scores=tables[0],
        differences=tables[1],
        checks=checks,
        scenario=followed.attrs["scenario"],
        facts={
            "Avatars": f"{len(set(followed['avatar'].values)):,}, {basis}",
            "Visits": f"to day {design.visits.horizon_days:g}",
            "Progression": followed.attrs["progression"],
            "Luck": followed.attrs["luck"],
            "Reference": design.reference,
        },
        stamp=stamp,
    )
    written.append(write_strategy_page(folder / PAGE, inputs))
    sign(
        written,
        stamp | {"kind": "comparison of strategies", "strategies_sha256": sha256_of(folder / FOLLOWED)},
    )
    return Compared(*tables, checks, followed.attrs["scenario"])


def printed(design: StrategyDesign, found: Compared) -> str:
    """One row a strategy, then its paired differences, then what is assumed."""
    scores, differences = found.scores, found.differences
    wide = scores.pivot(index="strategy", columns="endpoint", values="estimate").loc[design.strategy_names]
    shown = pd.DataFrame(
        {
            label: [number(float(value) * factor, digits) for value in wide[name].to_numpy()]
            for name, label, digits, factor in SHOWN
            if name in wide
        },
        index=[clean(name) for name in wide.index],
    )
    parts = [
        f"{clean(design.title)}\n",
        shown.rename_axis("medians in days").reset_index().to_string(index=False),
    ]
    chosen = differences[differences["endpoint"].isin([name for name, _ in COMPARED])]
    if len(chosen):
        cells = chosen.assign(
            told=[
                f"{number(middle, signed=True)} [{number(low)}, {number(high)}]"
                for middle, low, high in chosen[["difference", "lower", "upper"]].to_numpy(dtype=float)
            ]
        ).pivot(index="strategy", columns="endpoint", values="told")
        order = [name for name in design.strategy_names if name in cells.index]
        cells = cells.loc[order, [name for name, _ in COMPARED]].set_axis(
            [f"{label}, days" if "day" not in label else label for _, label in COMPARED], axis=1
        )
        cells.index = pd.Index([clean(name) for name in cells.index], name="strategy")
        parts.append(
            f"\nDifference from {clean(design.reference)!r}, paired by avatar, {design.scoring.level:.0%} intervals; "
            f"means up to day {design.visits.horizon_days:g}:"
        )
        parts.append(cells.reset_index().to_string(index=False))
    parts.append(
        "\nPFS ends with the first line of a sequence, failure with the last line of every strategy: "
        "strategies compare by failure."
    )
    if design.scoring.progression in ("recist_volume", "doubling_of_nadir") and any(
        spec.rule.kind in ("intermittent", "adaptive") for spec in design.strategies
    ):
        told = (
            "a nadir is the least since the line began: what grows back in a planned pause is progression"
            if design.scoring.nadir == "of_line"
            else "a nadir starts anew after each pause, which flatters strategies that pause"
        )
        parts.append(
            f"Under {design.scoring.progression} {told}: baseline_volume and doubling know no nadir."
        )
    if len(found.checks):
        parts.append(_told_checks(found.checks))
    parts.append(f"{clean(found.scenario)}.")
    return "\n".join(parts)


def _told_checks(checks: pd.DataFrame) -> str:
    """A row a check: what it is of, its value, its limits, whether it holds."""
    limits = checks[["least", "most"]].to_numpy(dtype=float)
    shown = pd.DataFrame(
        {
            "check": [
                clean(f"{what} ({strategy}{f' less {than}' if than else ''})")
                for what, strategy, than in checks[["what", "strategy", "than"]].to_numpy(dtype=str)
            ],
            "value": [f"{value:.3g}" for value in checks["value"]],
            "least": ["" if low != low else f"{low:g}" for low in limits[:, 0]],
            "most": ["" if high != high else f"{high:g}" for high in limits[:, 1]],
            "": ["holds" if holds else "FAILS" for holds in checks["holds"]],
            "basis": checks["basis"],
        }
    )
    failed = int((~checks["holds"].astype(bool)).sum())
    head = f"\nChecks of this design: {len(checks) - failed} of {len(checks)} hold."
    return f"{head}\n{shown.to_string(index=False)}"


def _kept(followed: xr.Dataset, synthetic: bool) -> xr.Dataset:
    """The dataset as NetCDF holds it: truth values as numbers, no doses."""
    return (
        followed.drop_vars("doses")
        .assign(eradicated=followed["eradicated"].astype("int8"))
        .assign_attrs(synthetic=int(synthetic))
    )
