"""Whether memory holds a block of a sweep in every worker, asked before the first."""

from __future__ import annotations

from avatar_trials.memory import require_memory
from avatar_trials.sweeps.blocks import n_of
from avatar_trials.sweeps.plan import Plan

# Of an avatar in an arm of a trial: its levels and its tests; and of each of its mice, while it is followed (measured:
# 190 to 240, and 23).
BYTES_OF_AN_AVATAR, BYTES_OF_A_MOUSE = 240, 25


def block_bytes(plan: Plan) -> float:
    """About how many bytes of memory the largest block of a sweep takes."""
    sizes = []
    for group in plan.groups:
        designs = [design for _, design in group.points]
        mice = max(design.decision.mice_per_avatar for design in designs)
        avatars = float(max(map(n_of, designs))) * len(designs[0].cohort.tumor_types) * len(designs[0].arms)
        sizes.append(avatars * (BYTES_OF_AN_AVATAR + BYTES_OF_A_MOUSE * mice))
    return plan.n_trials * max(sizes)


def require_room(plan: Plan, workers: int) -> None:
    """Raise ResourceError where memory does not hold a block in each of so many processes."""
    avatars = max(n_of(design) for design in plan.designs.values())
    times = f" in each of {workers} processes" if workers > 1 else ""
    require_memory(
        workers * block_bytes(plan),
        f"a block of {plan.n_trials:,} trials of {avatars:,} avatars{times}",
        "Put fewer trials in a block (--chunk), take fewer --workers, or vary fewer avatars or mice",
        of=(plan.n_trials, "trials in a block"),
    )
