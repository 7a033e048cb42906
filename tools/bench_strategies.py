"""Benchmark of strategies: avatars x 5 strategies x 60 visits with caliper, plasma at every visit, and toxicity.

    python -m tools.bench_strategies [--avatars 10000] [--patients 40]

CPU time of this process for everything, tumours and luck drawn included, beside a plain loop over patients
(`tools.strategy_reference`) in the same run, on the first avatars; the two are checked to agree.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from avatar_trials.card_files import load_strategies
from avatar_trials.designs import Visits
from avatar_trials.emulate.trial import visit_days
from avatar_trials.strategies import compare_strategies
from avatar_trials.strategies.assumed_tumours import assumed_tumours
from avatar_trials.strategies.declared import strategies_of
from avatar_trials.strategies.fates import fates
from avatar_trials.strategy_designs import StrategyDesign
from tools.strategy_reference import follow_one

VISITS, STRATEGIES, LIMIT_S = 60, 5, 20.0


def benchmark_design(avatars: int) -> StrategyDesign:
    """The library's ctDNA design at 60 weekly visits, a plasma sample at each, and its first five strategies."""
    design = load_strategies("ctdna_triggered_combination")
    assert design.monitoring.plasma is not None
    plasma = design.monitoring.plasma.model_copy(update={"every_days": 7.0})
    return design.model_copy(
        update={
            "n_avatars": avatars,
            "strategies": design.strategies[:STRATEGIES],
            "visits": Visits(gaps_days=(7.0,), horizon_days=7.0 * (VISITS - 1)),
            "monitoring": design.monitoring.model_copy(update={"plasma": plasma}),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--avatars", type=int, default=10_000)
    parser.add_argument("--patients", type=int, default=40)
    given = parser.parse_args()
    design = benchmark_design(given.avatars)
    days = visit_days(design.visits)
    assert len(days) == VISITS
    assert len(design.strategies) == STRATEGIES
    started = time.process_time()
    followed = compare_strategies(design)
    engine = time.process_time() - started
    patients = min(given.patients, given.avatars)
    names = [str(name) for name in followed["avatar"].values[:patients]]
    tumours = assumed_tumours(design.tumour, names, design.seed)
    luck = fates(
        *(names, design.seed),
        n_visits=VISITS,
        n_clones=len(design.clones),
        plasma=True,
        biopsy=False,
        removal=False,
    )
    started, differing = time.process_time(), 0
    for place, (spec, strategy) in enumerate(zip(design.strategies, strategies_of(design), strict=True)):
        for mouse in range(patients):
            one = follow_one(design, spec.rule, strategy.lines, tumours, luck, mouse, days)
            there = followed.isel(strategy=place, avatar=mouse)
            same = float(there["left_day"]) == one.left_day and np.array_equal(
                there["progression_day"].values[: strategy.lines], one.progression_day, equal_nan=True
            )
            differing += not same
    loop = (time.process_time() - started) / (patients * STRATEGIES)
    each = engine / (given.avatars * STRATEGIES)
    print(
        f"engine: {given.avatars:,} avatars x {STRATEGIES} strategies x {VISITS} visits in {engine:.1f} CPU s"
    )
    print(f"  limit {LIMIT_S:g} CPU s for 10,000 avatars: {'held' if engine <= LIMIT_S else 'NOT held'}")
    print(f"plain loop: {1e3 * loop:.1f} ms a patient and strategy; engine {1e3 * each:.3f} ms")
    print(f"ratio: {loop / each:,.0f} times as fast")
    print(f"outcomes that differ from the loop's: {differing} of {patients * STRATEGIES}")


if __name__ == "__main__":
    main()
