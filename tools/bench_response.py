"""Benchmark of the endpoints of one mouse: every mRECIST rule and all scalar metrics of 4,711 growth curves.

    python tools/bench_response.py [--runs N]

Curves are those of PDX Encyclopedia where AVATAR_TRIALS_DATA (else ../shared/data) holds them, repeated to
4,711; otherwise made up with as many mice and visits. CPU time of this process, best of the runs, from
arrays in memory to the finished table. Xeva (R, Bioconductor) needs about 30 CPU s for three of the metrics
of as many curves, DRAP (R) 16 CPU s for the labels alone, both measured on the full published set.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from avatar_trials import endpoints
from avatar_trials.endpoints.metrics_table import curve_metrics
from avatar_trials.intake import GrowthTable, read_volumes

CURVES = 4711
XEVA_CPU_S, DRAP_CPU_S, LIMIT_CPU_S = 30.0, 16.0, 0.5
DATA = Path(os.environ.get("AVATAR_TRIALS_DATA", Path(__file__).parents[1].parent / "shared" / "data"))
VOLUMES = DATA / "pdxe" / "pct_raw_data.csv"


def made_up_rows() -> pd.DataFrame:
    """Curves of one untreated and sixteen treated mice an avatar: growth, kill and some that vanish."""
    rng = np.random.Generator(np.random.Philox(7))
    visits = np.clip(rng.geometric(1 / 12, CURVES) + 2, 3, 70)
    mouse = np.repeat(np.arange(CURVES), visits)
    day = np.concatenate([np.arange(n) * 3.5 for n in visits]).round()
    growth, kill, share = rng.gamma(3, 0.015, CURVES), rng.gamma(1, 0.06, CURVES), rng.beta(1, 1, CURVES)
    share[::17] = 0.0
    relative = (1 - share[mouse]) * np.exp(growth[mouse] * day) + share[mouse] * np.exp(-kill[mouse] * day)
    volume = 220.0 * relative * np.exp(rng.normal(0, 0.12, len(mouse)))
    names = np.arange(CURVES)
    return pd.DataFrame(
        {
            "avatar": np.char.add("X-", (names // 17).astype(str))[mouse],
            "arm": np.where(names % 17 == 0, "untreated", np.char.add("drug", (names % 17).astype(str)))[
                mouse
            ],
            "mouse": names.astype(str)[mouse],
            "day": day,
            "volume_mm3": np.where(volume < 15.0, 0.0, volume.round(1)),
        }
    )


def repeated_rows(table: GrowthTable) -> pd.DataFrame:
    """The table's mice again and again, as other avatars, until there are CURVES of them."""
    copies = -(-CURVES // len(table.mice))
    rows = pd.concat(
        [table.rows.assign(avatar=table.rows["avatar"].astype(str) + f" {i}") for i in range(copies)],
        ignore_index=True,
    )
    number = rows.groupby(["avatar", "arm", "mouse"], sort=False).ngroup()
    return rows[number < CURVES].reset_index(drop=True)


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--runs", type=int, default=7)
    runs = arguments.parse_args().runs
    if VOLUMES.exists():
        rows, what = repeated_rows(read_volumes(VOLUMES)), f"PDX Encyclopedia, repeated, {VOLUMES}"
    else:
        rows, what = made_up_rows(), "made-up curves (no PDX Encyclopedia volumes found)"
    avatars = pd.DataFrame({"tumor_type": ""}, index=pd.Index(rows["avatar"].unique(), name="avatar"))
    table = GrowthTable(rows, avatars, (), "benchmark", "", False)
    print(f"{len(table.mice):,} curves, {len(rows):,} volumes: {what}")
    best = {"three mRECIST rules": np.inf, "all scalar metrics": np.inf, "together": np.inf}
    for _ in range(runs):
        start = time.process_time()
        calls = [endpoints.response_table(table, rule=rule) for rule in endpoints.RULES]
        middle = time.process_time()
        metrics = curve_metrics(table, rule="pct_sheet", doubling="pct_sheet")
        end = time.process_time()
        for name, spent in zip(best, (middle - start, end - middle, end - start), strict=True):
            best[name] = min(best[name], spent)
    numbers = sum(pd.api.types.is_numeric_dtype(metrics[name]) for name in metrics)
    print(
        f"{len(calls)} rules; {metrics.shape[1]} columns, {numbers} of them numbers or flags; best of {runs} runs"
    )
    for name, spent in best.items():
        print(f"{name:>20}: {spent:.3f} CPU s")
    total = best["together"]
    print(
        f"{XEVA_CPU_S / total:.0f} times as fast as Xeva for three metrics, {DRAP_CPU_S / total:.0f} times as DRAP"
    )
    print(
        f"limit {LIMIT_CPU_S} CPU s: {'met' if total <= LIMIT_CPU_S else 'NOT MET'} ({total / LIMIT_CPU_S:.2f} of it)"
    )


if __name__ == "__main__":
    main()
