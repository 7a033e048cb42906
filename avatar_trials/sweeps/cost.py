"""What a sweep will cost, from a few of its trials: time, memory, trials, mice."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass

import numpy as np

from avatar_trials.sweeps.blocks import Block, Reference, n_of
from avatar_trials.sweeps.plan import Group, Plan

FEW, MORE = 50, 150
REFERENCE_SAMPLE = 2
PROGRAM_BYTES = 300_000_000


@dataclass(frozen=True)
class Cost:
    """Trials of all points and the mice in them; blocks and other pieces of work; CPU seconds of all of it; bytes that
    one worker needs."""

    points: int
    trials: int
    mice: int
    pieces: int
    cpu_seconds: float
    bytes_a_worker: int


def cost_of(plan: Plan, trials: int) -> Cost:
    """The cost of at least `trials` trials of every point, scaled up from FEW and MORE of the largest group."""
    n_blocks = max(1, -(-trials // plan.n_trials))
    largest = max(plan.groups, key=_size)
    seconds = {}
    for n in (FEW, FEW, MORE):
        start = time.process_time()
        _block(plan, largest, n).done()
        seconds[n] = time.process_time() - start
    tracemalloc.start()
    _block(plan, largest, FEW).done()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    a_trial = max(seconds[MORE] - seconds[FEW], seconds[MORE] / 10) / (MORE - FEW)
    a_block = max(seconds[FEW] - FEW * a_trial, 0.0) + plan.n_trials * a_trial
    total = sum(n_blocks * a_block * _size(group) / _size(largest) for group in plan.groups)
    pieces = n_blocks * len(plan.groups)
    if plan.asks_truth:
        design = largest.points[0][1]
        n = largest.population.sizes["draw"]
        start = time.process_time()
        Reference(largest.population, design, np.arange(min(REFERENCE_SAMPLE, n)), plan.seed).done()
        a_draw = (time.process_time() - start) / min(REFERENCE_SAMPLE, n)
        total += sum((group.population.sizes["draw"] + 1) * a_draw for group in plan.groups)
        pieces += sum(len(plan.reference_pieces(group)) for group in plan.groups)
    each = n_blocks * plan.n_trials
    mice = each * sum(
        n_of(design) * len(design.cohort.tumor_types) * design.decision.mice_per_avatar * len(design.arms)
        for design in plan.designs.values()
    )
    memory = PROGRAM_BYTES + peak * plan.n_trials // FEW
    return Cost(len(plan.varied), each * len(plan.varied), mice, pieces, total, memory)


def _size(group: Group) -> int:
    """Mice an arm that a group's trial has."""
    designs = [design for _, design in group.points]
    return (
        max(map(n_of, designs)) * max(one.decision.mice_per_avatar for one in designs) * len(designs[0].arms)
    )


def _block(plan: Plan, group: Group, n_trials: int) -> Block:
    return Block(group.population, group.points, plan.worlds, None, -1, n_trials, plan.seed)
