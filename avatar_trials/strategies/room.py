"""Whether memory holds what becomes of a design's avatars under every strategy, asked before they are followed."""

from __future__ import annotations

from avatar_trials.emulate.room import visit_days
from avatar_trials.memory import require_memory
from avatar_trials.strategy_designs import StrategyDesign

# A reading or a dose, in single and double precision, gathered and stacked (measured: 19).
BYTES_OF_A_READING = 20
# How often a mouse counts in a resample, as counted and as weighed, and some of them at a time (measured: 46 of few).
BYTES_OF_A_WEIGHT = 24


def comparison_bytes(n_strategies: int, n_mice: int, n_visits: int, n_drugs: int, n_resamples: int) -> float:
    """About how many bytes of memory a comparison takes, scores included."""
    followed = float(n_strategies) * n_mice * n_visits * (1 + n_drugs) * BYTES_OF_A_READING
    return followed + float(n_mice) * n_resamples * BYTES_OF_A_WEIGHT


def require_room(design: StrategyDesign, n_strategies: int, n_avatars: int, n_draws: int) -> None:
    """Raise ResourceError where memory does not hold avatars, in some draws of each, under every strategy."""
    visits, mice = len(visit_days(design.visits)), n_avatars * n_draws
    many = f"{n_avatars:,} avatars" + (f" in {n_draws:,} draws" if n_draws > 1 else "")
    require_memory(
        comparison_bytes(n_strategies, mice, visits, len(design.drugs), design.scoring.resamples),
        f"{many} x {n_strategies} strategies x {visits:,} visits x {len(design.drugs)} drugs",
        "Take fewer avatars (--avatars, or n_avatars in the design), draws (--draws) or visits",
        of=(n_avatars, "avatars") if n_draws == 1 else (n_draws, "draws"),
    )
