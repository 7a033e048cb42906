"""Strategies as a design declares them, made into the rules that decide."""

from __future__ import annotations

from avatar_trials import strategy_rules as declared
from avatar_trials.arms import drugs_of
from avatar_trials.strategies import rules
from avatar_trials.strategies.history import Decide, Strategy
from avatar_trials.strategy_designs import StrategyDesign, StrategySpec


def strategies_of(design: StrategyDesign) -> list[Strategy]:
    """A design's strategies in its order."""
    return [strategy_of(spec) for spec in design.strategies]


def strategy_of(spec: StrategySpec) -> Strategy:
    """A strategy that a design declares."""
    decide, lines = _rule(spec.rule)
    return Strategy(spec.name, decide, lines)


def _rule(rule: declared.Rule) -> tuple[Decide, int]:
    """What decides, and the lines it has."""

    def at(arm: str) -> dict[str, float]:
        return dict.fromkeys(drugs_of(arm), rule.dose)

    match rule:
        case declared.ConstantRule():
            return rules.Constant(at(rule.arm)), 1
        case declared.SequentialRule():
            return rules.Sequential(tuple(at(arm) for arm in rule.lines)), len(rule.lines)
        case declared.IntermittentRule():
            return rules.Intermittent(at(rule.arm), rule.on_days, rule.off_days), 1
        case declared.AdaptiveRule():
            return rules.Adaptive(at(rule.arm), rule.stop_at, rule.restart_at), 1
        case declared.ResidualDiseaseRule():
            first, then = at(rule.first), at(rule.then)
            limits = (rule.below_mm3, rule.below_molecules)
            lines = 2 if rule.at_progression else 1
            return rules.AddAtResidualDisease(first, then, *limits, rule.at_progression), lines
        case declared.MutationRule():
            answers = {clone: at(arm) for clone, arm in rule.answers.items()}
            otherwise = None if rule.otherwise is None else at(rule.otherwise)
            return rules.AnswerMutation(at(rule.first), answers, rule.assay, otherwise), 2
        case declared.RechallengeRule():
            return rules.Rechallenge(at(rule.arm), rule.holiday_days, at(rule.between)), 2
        case declared.DeEscalationRule():
            return rules.DeEscalate(at(rule.first), at(rule.then), rule.after_days, rule.at_relative), 1
