"""Strategies compared: computed, written, and told so that no first line passes for a whole strategy."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import xarray as xr

from avatar_trials.cli.files import write_csv
from avatar_trials.report.text import clean, number
from avatar_trials.stamp import make_stamp, write_netcdf
from avatar_trials.strategy_designs import StrategyDesign

FOLLOWED, SCORES, DIFFERENCES = "strategies.nc", "strategies.csv", "strategy_differences.csv"

SHOWN = (
    ("PFS_median_days", "PFS", 0, 1.0),
    ("PFS2_median_days", "PFS2", 0, 1.0),
    ("strategy_failure_median_days", "failure", 0, 1.0),
    ("depth_of_response_pct", "depth %", 0, 1.0),
    ("nadir_log10_cells", "log10 nadir", 1, 1.0),
    ("eradicated_share", "eradicated %", 1, 100.0),
    ("durable_share", "durable %", 1, 100.0),
    ("drug_days", "drug-days", 0, 1.0),
    ("removed_for_body_weight_before_progression", "lost to toxicity %", 1, 100.0),
)
COMPARED = (
    ("PFS_mean_days", "PFS"),
    ("strategy_failure_mean_days", "failure"),
    ("drug_days", "drug-days"),
)


def written_files(folder: Path) -> list[Path]:
    """What a comparison writes."""
    from avatar_trials.stamp import manifest_path

    return [
        folder / FOLLOWED,
        manifest_path(folder / FOLLOWED),
        folder / SCORES,
        folder / DIFFERENCES,
    ]


def compared(design: StrategyDesign, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Follow the design's avatars under every strategy, score them, write everything; the two tables."""
    from avatar_trials.strategies import compare_strategies, score_strategies

    followed = compare_strategies(design)
    rules = design.scoring
    tables = score_strategies(
        followed, design.reference, level=rules.level, resamples=rules.resamples, seed=design.seed
    )
    stamp = make_stamp(design=design.name, design_sha256=design.sha256, seed=str(design.seed))
    write_netcdf(_kept(followed), folder / FOLLOWED, stamp, kind="strategies")
    for table, name in zip(tables, (SCORES, DIFFERENCES), strict=True):
        write_csv(table.assign(basis="assumed", progression=followed.attrs["progression"]), folder / name)
    return tables


def printed(design: StrategyDesign, scores: pd.DataFrame, differences: pd.DataFrame) -> str:
    """One row a strategy, then its paired differences, then what is assumed."""
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
        parts.append(
            f"Under {design.scoring.progression} a nadir starts anew after each holiday, which flatters strategies "
            "that pause: baseline_volume and doubling do not."
        )
    parts.append(f"ASSUMED, calibrated on no mouse: {clean(design.words)}.")
    return "\n".join(parts)


def _kept(followed: xr.Dataset) -> xr.Dataset:
    """The dataset as NetCDF holds it: truth values as numbers, no doses."""
    return (
        followed.drop_vars("doses")
        .assign(eradicated=followed["eradicated"].astype("int8"))
        .assign_attrs(synthetic=1)
    )
