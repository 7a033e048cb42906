"""Names that a shell completes: those of the library. What is a file is left to the shell."""

from __future__ import annotations

from pathlib import Path

from avatar_trials.library import find_card, known


def _beginning_with(begun: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(begun)]


def _compares_strategies(name: str) -> bool:
    """By the text alone: a shell waits for this, and reading a card takes longer."""
    return "\n[[strategies]]" in Path(find_card("trial_designs", name)).read_text("utf-8", "replace")


def designs(incomplete: str) -> list[str]:
    """Designs of trials."""
    return [
        name for name in _beginning_with(incomplete, known("trial_designs")) if not _compares_strategies(name)
    ]


def strategy_designs(incomplete: str) -> list[str]:
    """Designs that compare strategies."""
    return [
        name for name in _beginning_with(incomplete, known("trial_designs")) if _compares_strategies(name)
    ]


def populations(incomplete: str) -> list[str]:
    """Populations."""
    return _beginning_with(incomplete, known("populations"))


def benchmarks(incomplete: str) -> list[str]:
    """Benchmark cards."""
    return _beginning_with(incomplete, known("benchmarks"))


def interactions(incomplete: str) -> list[str]:
    """Interaction cards."""
    return _beginning_with(incomplete, known("interactions"))


def models(incomplete: str) -> list[str]:
    """Model cards, the last of several that commas divide."""
    before, comma, begun = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _beginning_with(begun, known("models"))]


def cards(incomplete: str) -> list[str]:
    """Cards that a starter can begin from."""
    return _beginning_with(incomplete, known("trial_designs") + known("models"))
