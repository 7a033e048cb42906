"""Benchmark of branching: CPU microseconds a replicate of clones that divide, die and mutate by chance.

    python tools/bench_branching.py [--runs N] [--replicates N]

CPU time of this process, best of the runs, one core. Each line is set against a plain Python simulation of every birth
and death (Gillespie) of the same process, and against numpy's own cost of as many raw draws as the line must make.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Callable

import numpy as np

from avatar_trials.kinetics import branching, eradication, luria_delbruck, mutants

LIMIT_US = 10.0
BIRTH, DEATH, TREATED, U = 0.14, 0.13, 0.17, 1e-9
GAP_DAYS, VISITS, SIZE = 3.5, 22, 1e9


def best(run: Callable[[], object], runs: int) -> float:
    spent = math.inf
    for _ in range(runs):
        start = time.process_time()
        run()
        spent = min(spent, time.process_time() - start)
    return spent


def events(cells: int, birth: float, death: float, days: float, size: float = math.inf) -> int:
    """Plain Python, one event after the other; number of events."""
    clock, count = 0.0, 0
    while 0 < cells < size:
        clock += random.expovariate(cells * (birth + death))
        if clock > days:
            break
        cells += 1 if random.random() * (birth + death) < birth else -1
        count += 1
    return count


def event_us() -> float:
    random.seed(1)
    start = time.process_time()
    done = sum(events(1000, BIRTH, DEATH, 35.0) for _ in range(10))
    return (time.process_time() - start) / done * 1e6


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--replicates", type=int, default=20_000)
    options = arguments.parse_args()
    n, rng = options.replicates, np.random.Generator(np.random.Philox(5))

    def us(run: Callable[[], object]) -> float:
        return best(run, options.runs) / n * 1e6

    thousand = np.full(n, 1000)
    own = np.linspace(0.135, 0.145, n)
    shared = branching.law(BIRTH, DEATH, GAP_DAYS)
    gaps = np.full(VISITS, GAP_DAYS)
    one_drug = np.full(n, SIZE)
    both = mutants.two_drug_mutation(U, 50, 50, 1)
    births, deaths = np.full(4, BIRTH), np.full(4, DEATH)
    treated = np.array([TREATED, TREATED, TREATED, DEATH])
    clones = luria_delbruck.clones_at_detection(one_drug, births, deaths, both, rng=rng)
    lasts = eradication.survival_ever(births, treated, both)
    # Events: (birth + death) x the cells alive, summed over days.
    turnover = (BIRTH + DEATH) * math.expm1((BIRTH - DEATH) * GAP_DAYS) / (BIRTH - DEATH)
    long = (BIRTH + DEATH) * math.expm1((BIRTH - DEATH) * GAP_DAYS * VISITS) / (BIRTH - DEATH)
    grown = SIZE * (BIRTH + DEATH) / (BIRTH - DEATH)
    shrunk = SIZE * (BIRTH + TREATED) / (TREATED - BIRTH)

    def draws(steps: float) -> Callable[[], object]:
        def run() -> None:
            for _ in range(round(steps)):
                rng.binomial(thousand, 0.7)
                rng.standard_gamma(thousand)
                rng.poisson(thousand)

        return run

    def lineages_raw(lines: int) -> Callable[[], object]:
        def run() -> None:
            rng.poisson(float(lines), n)
            rng.random((n, 2 * lines))
            rng.standard_exponential((n, lines))

        return run

    step_raw = us(draws(1))
    rows = [
        (
            "one exact step, shared rates",
            lambda: branching.advance_cells(thousand, shared, rng=rng),
            1000 * turnover,
            step_raw,
        ),
        (
            "one exact step, own rates",
            lambda: branching.advance_cells(thousand, branching.law(own, DEATH, GAP_DAYS), rng=rng),
            1000 * turnover,
            step_raw,
        ),
        (
            "resistant clone over 22 visits",
            lambda: branching.march_cells(thousand, BIRTH, DEATH, gaps, rng=rng),
            1000 * long,
            VISITS * step_raw,
        ),
        (
            "resistant cells at 1e9, u n = 50e-9",
            lambda: luria_delbruck.resistant_cells(one_drug, BIRTH, DEATH, 50 * U, rng=rng),
            grown,
            us(lineages_raw(32)),
        ),
        (
            "resistant cells at 1e12, u n = 50e-9",
            lambda: luria_delbruck.resistant_cells(1e3 * one_drug, BIRTH, DEATH, 50 * U, rng=rng),
            1e3 * grown,
            us(lineages_raw(32)),
        ),
        (
            "cured or not, one drug: clone and chance",
            lambda: (
                rng.random(n)
                < eradication.eradication(
                    np.stack(
                        [one_drug, luria_delbruck.resistant_cells(one_drug, BIRTH, DEATH, U, rng=rng)],
                        axis=-1,
                    ),
                    lasts[[0, 3]],
                )
            ),
            grown + shrunk,
            us(lineages_raw(3)),
        ),
        (
            "two drugs on, four clones, one visit",
            lambda: mutants.step(clones, births, treated, both, GAP_DAYS, rng=rng),
            SIZE * (BIRTH + TREATED) * GAP_DAYS,
            4 * step_raw,
        ),
        (
            "two drugs on, four clones, 22 visits",
            lambda: mutants.march(clones, births, treated, both, gaps, rng=rng),
            shrunk * -math.expm1((BIRTH - TREATED) * GAP_DAYS * VISITS),
            4 * VISITS * step_raw,
        ),
        (
            "four clones at 1e9, two drugs (n12 = 1)",
            lambda: luria_delbruck.clones_at_detection(one_drug, births, deaths, both, rng=rng),
            grown,
            4 * 64 * step_raw,
        ),
    ]
    each = event_us()
    print(f"{n:,} replicates, best of {options.runs}; plain Python: {each:.2f} us an event")
    print(f"{'':>42}{'us':>8}{'limit 10':>10}{'events':>10}{'x Python':>10}{'/ raw draws':>12}")
    for name, run, count, raw in rows:
        spent = us(run)
        verdict = "met" if spent <= LIMIT_US else "over"
        print(
            f"{name:>42}{spent:8.2f}{verdict:>10}{count:10.1e}{count * each / spent:10.1e}{spent / raw:12.2f}"
        )


if __name__ == "__main__":
    main()
