"""Benchmark of the kinetics: mice of the two-clone model with caliper noise, and four clones that feed one another.

    python tools/bench_kinetics.py [--runs N]

CPU time of this process, best of the runs, beside two figures from outside measured in the same run: the floor of the
exponentials and logarithms that a visit-by-visit evaluation needs, at NumPy's measured price of each, and
scipy.integrate.solve_ivp (LSODA, rtol 1e-9) on some of the same mice.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from avatar_trials.emulate import Cohort
from avatar_trials.emulate.caliper_readings import MICE_AT_A_TIME
from avatar_trials.emulate.mice import Chance, Mice
from avatar_trials.emulate.trial import measured_volumes
from avatar_trials.kinetics.tumour import Clone, Course, Mutation, Persistence, Tumour, march, rates, start

TRIALS, AVATARS = 1000, 100
MICE = TRIALS * AVATARS
VISITS, POINTS = 22, 60
SOLVED = 40
TWO_CLONE_LIMIT_S, FOUR_CLONE_LIMIT_S, SOLVER_RATIO = 0.35, 0.6, 500.0


def cpu(job: Callable[[], Any], runs: int) -> float:
    """CPU seconds of this process, best of the runs."""
    best = np.inf
    for _ in range(runs):
        started = time.process_time()
        job()
        best = min(best, time.process_time() - started)
    return best


def transcendental_ns(runs: int) -> tuple[float, float]:
    """Nanoseconds of one exponential and one logarithm in NumPy, on an array that fits the cache."""
    x = np.random.default_rng(0).uniform(0.01, 3.0, 8192)
    out = np.empty_like(x)

    def price(function: Any) -> float:
        return cpu(lambda: [function(x, out=out) for _ in range(200)], runs) / (200 * x.size) * 1e9

    return price(np.exp), price(np.log)


def two_clone(runs: int) -> tuple[float, int, int]:
    """CPU seconds of one arm's mice, deviates drawn included; exponentials and logarithms a reading needs."""
    rng = np.random.default_rng(1)
    shape = (TRIALS, AVATARS)
    known = {"deceleration": 0.3, "delta": 0.2, "sigma_p": 0.03, "wander": 0.1}
    empty = np.zeros(shape)
    cohort = Cohort(
        tuple(str(i) for i in range(AVATARS)),
        (),
        {name: np.full(TRIALS, value) for name, value in known.items()},
        empty,
        empty,
        empty,
        empty,
        np.arange(TRIALS),
        {},
        15.0,
        5.0,
    )
    growth = rng.uniform(0.02, 0.1, shape)
    kill = rng.uniform(0.0, 0.3, shape)
    mice = Mice(
        np.stack([growth - kill, 0.6 * growth]),
        rng.uniform(-9, -2, shape),
        rng.normal(5.3, 0.2, shape),
        growth,
    )
    days = 3.5 * np.arange(VISITS, dtype=np.float64)

    def job() -> None:
        surprises = rng.standard_t(4, (*shape, VISITS))
        measured_volumes(cohort, mice, Chance(empty, empty, empty, empty, surprises, surprises), days)

    return cpu(job, runs), 4, 3


def four_clones() -> tuple[Callable[[slice], Tumour], Course]:
    """Cycling cells and persisters of a sensitive and a resistant genotype, with mutation, drug on and off: the tumours
    of a slice of the mice."""
    rng = np.random.default_rng(2)
    q = rng.uniform(1e-5, 1e-2, MICE)
    growth, kill = rng.uniform(0.02, 0.1, MICE), rng.uniform(0.05, 0.3, (MICE, 1))
    induced, woken = rng.uniform(1e-4, 1e-2, MICE), rng.uniform(0.01, 0.2, MICE)

    def of(mice: slice) -> Tumour:
        return Tumour(
            growth[mice],
            np.log(kill[mice]),
            [Clone("sensitive", ((1.0,),), 1 - q[mice]), Clone("resistant", ((0.1,),), q[mice])],
            mutations=[Mutation("sensitive", "resistant", 1e-7, 3e-6)],
            persistence=Persistence(induced[mice], woken[mice], share=0.003),
        )

    return of, Course([0.0, 56.0, 84.0], [[1.0], [0.0], [1.0]])


def slope(matrix: Any, _: float, x: Any) -> Any:
    """dx/dt."""
    return matrix @ x


def solved(tumour: Tumour, course: Course, days: Any) -> Any:
    """log V/V0 of one mouse by scipy, segment by segment."""
    x = np.ravel(np.stack(np.broadcast_arrays(*start(tumour))))
    ends = [*course.from_days[1:], days[-1]]
    seen = []
    for begin, end, effect in zip(course.from_days, ends, course.effects, strict=True):
        matrix = np.zeros((4, 4))
        for place, rate in rates(tumour, effect).items():
            matrix[place] = np.ravel(rate)[0]
        inside = days[(days >= begin) & (days < end)]
        result = solve_ivp(
            partial(slope, matrix),
            (begin, end),
            x,
            method="LSODA",
            t_eval=[*inside, end],
            rtol=1e-9,
            atol=1e-15,
        )
        seen += result.y[:, :-1].sum(axis=0).tolist()
        x = result.y[:, -1]
    return np.log([*seen, x.sum()])


def main(runs: int) -> None:
    """Print both jobs, their floors and their ratios."""
    exp_ns, log_ns = transcendental_ns(runs)
    print(f"one exp {exp_ns:.2f} ns, one log {log_ns:.2f} ns (NumPy, this machine)")
    seconds, exps, logs = two_clone(runs)
    floor = MICE * VISITS * (exps * exp_ns + logs * log_ns) * 1e-9
    print(
        f"two clones, {MICE:,} mice x {VISITS} visits with caliper, wander and deviates: {seconds:.3f} CPU s "
        f"(limit {TWO_CLONE_LIMIT_S}), {seconds / floor:.1f} x the floor of {exps} exp and {logs} log a reading"
    )
    tumour_of, course = four_clones()
    blocks = [slice(first, first + MICE_AT_A_TIME) for first in range(0, MICE, MICE_AT_A_TIME)]
    days = np.linspace(0.0, 140.0, POINTS)

    def job() -> list[Any]:
        return [[np.log(sum(states)) for states in march(tumour_of(mice), days, course)] for mice in blocks]

    seconds = cpu(job, runs)
    floor = MICE * POINTS * (4 * exp_ns + log_ns) * 1e-9
    print(
        f"four coupled clones, {MICE:,} mice x {POINTS} times: {seconds:.3f} CPU s (limit {FOUR_CLONE_LIMIT_S}), "
        f"{seconds / floor:.1f} x the floor of 4 exp and 1 log a time"
    )
    ours = np.array(job()[0])[:, :SOLVED]
    few = [tumour_of(slice(mouse, mouse + 1)) for mouse in range(SOLVED)]
    solver = cpu(lambda: [solved(small, course, days) for small in few], 1)
    theirs = np.array([solved(small, course, days) for small in few]).T
    worst = np.abs(ours - theirs).max()
    ratio = (solver / SOLVED) / (seconds / MICE)
    print(
        f"scipy.solve_ivp on {SOLVED} of them: {solver / SOLVED * 1e3:.2f} CPU ms a mouse; ratio {ratio:,.0f} "
        f"(at least {SOLVER_RATIO:.0f}); largest difference of log volume {worst:.1e}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    main(parser.parse_args().runs)
