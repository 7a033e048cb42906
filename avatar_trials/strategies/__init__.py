"""Strategies room: treatment decided by what is observed, monitoring, toxicity, and the same avatars under each."""

from avatar_trials.strategies.comparison import compare_strategies
from avatar_trials.strategies.history import History, Strategy
from avatar_trials.strategies.scoring import scores as score_strategies

__all__ = ["History", "Strategy", "compare_strategies", "score_strategies"]
