"""Sweeps against their budget: a million one-mouse trials of 30 avatars and 3 arms with ORR, depth, doubling median.

    uv run python -m tools.bench_sweep                    # 20,000 trials, seconds for a million, linear or not, memory
    uv run python -m tools.bench_sweep --trials 1000000   # all of them
    uv run python -m tools.bench_sweep --workers          # two local processes against one, wall clock

Arms of the melanoma design: both single drugs and the combination, visits twice a week for 182 days, population
pdxe_cm, a new posterior draw and new avatars in every trial. The budget is 5 CPU minutes.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from typing import Any

import numpy as np

from avatar_trials.emulate import load_population
from avatar_trials.endpoints import survival
from avatar_trials.sweeps import Plan, plan_sweep, run_sweep
from avatar_trials.sweeps.blocks import n_of
from avatar_trials.sweeps.mice import measure
from avatar_trials.sweeps.sums import Key, Sums
from avatar_trials.sweeps.workers import here, processes
from avatar_trials.sweeps.worlds import avatars_of_block

DESIGN, ARMS, N_AVATARS = "melanoma_braf_mek", ("encorafenib", "binimetinib", "binimetinib + encorafenib"), 30
BUDGET_SECONDS, MILLION, BLOCK = 300.0, 1_000_000, 1000


def the_plan(worlds: tuple[str, ...] = ("posterior",)) -> Plan:
    """The melanoma design with three arms."""
    vary: dict[str, list[Any]] = {"arms": [[{"name": name} for name in ARMS]], "cohort.n": [N_AVATARS]}
    return plan_sweep(DESIGN, vary, load_population("pdxe_cm"), worlds=worlds, n_trials=BLOCK)


def readouts(plan: Plan, number: int, sums: Sums) -> None:
    """A block of trials emulated and read out: ORR, median depth, Kaplan-Meier median of doubling, arm by arm."""
    (group,) = plan.groups
    ((point, design),) = group.points
    avatars = avatars_of_block(
        group.population,
        design,
        design.cohort.tumor_types[0],
        lane=f"block {number}",
        n_trials=plan.n_trials,
        n_avatars=n_of(design),
        seed=plan.seed,
    )
    for arm in design.arms:
        mice = avatars.under(arm, 1)
        for endpoint in ("ORR", "depth"):
            key = Key(point, "posterior", "", arm.shown, "", endpoint, "readout")
            sums.add(key, measure(endpoint, mice, design.visits.horizon_days))
        key = Key(point, "posterior", "", arm.shown, "", "doubling", "median")
        sums.add_days(key, survival.median(mice.doubling_curve()))


def main(arguments: list[str]) -> None:
    """Run as the module's first lines say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000)
    parser.add_argument("--workers", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.workers:
        compare_workers(chosen.trials)
        return
    plan, sums = the_plan(), Sums()
    readouts(plan, -1, Sums())
    blocks = max(4, chosen.trials // BLOCK)
    cpu, memory = [time.process_time()], []
    for number in range(blocks):
        readouts(plan, number, sums)
        cpu.append(time.process_time())
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    each = np.diff(cpu)
    total = cpu[-1] - cpu[0]
    a_million = total / (blocks * BLOCK) * MILLION
    print(
        f"{blocks * BLOCK:,} trials, {blocks * BLOCK * N_AVATARS * len(ARMS):,} mice: {total:.1f} CPU seconds"
    )
    print(f"a million trials: {a_million:.0f} CPU seconds, {a_million / BUDGET_SECONDS:.2f} of the budget")
    first, last = each[: blocks // 2].mean(), each[blocks // 2 :].mean()
    print(
        f"linear: second half of the blocks {last / first:.2f} times the first; quickest block {each.min():.3f} s"
    )
    print(f"memory at most: {memory[0]:.0f} MB after the first block, {memory[-1]:.0f} MB after the last")
    for key, (n, total_value, _) in sums.moments.items():
        print(f"{key.arm}, {key.endpoint}: {total_value / n:.3f}")


def compare_workers(trials: int) -> None:
    """Wall clock of two processes against one, each begun anew, on blocks alone and with their beginning."""
    plan = the_plan(("no_difference",))
    seconds = {}
    for name, engine in {"one": processes(1), "two": processes(2), "here": here}.items():
        start = time.perf_counter()
        run_sweep(plan, trials=trials, engine=engine)
        seconds[name] = time.perf_counter() - start
        print(f"{name}: {seconds[name]:.1f} s")
    print(f"two processes: {seconds['one'] / seconds['two']:.2f} times one")


if __name__ == "__main__":
    main(sys.argv[1:])
