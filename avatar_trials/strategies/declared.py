"""Strategies as a design declares them, made into the rules that decide."""

from __future__ import annotations

import numpy as np

from avatar_trials import strategy_rules as declared
from avatar_trials.arms import drugs_of
from avatar_trials.card_parts import Assumed
from avatar_trials.kinetics.four_clones import LinearClones
from avatar_trials.kinetics.genotypes import kill
from avatar_trials.strategies import rules
from avatar_trials.strategies.dynamic_precision import CurrentPrecision, DynamicPrecision
from avatar_trials.strategies.history import Decide, Strategy
from avatar_trials.strategy_designs import StrategyDesign, StrategySpec
from avatar_trials.tumour_cards import Drawn, TumourSpec


def strategies_of(design: StrategyDesign) -> list[Strategy]:
    """A design's strategies in its order."""
    return [strategy_of(spec, design.tumour) for spec in design.strategies]


def strategy_of(spec: StrategySpec, tumour: TumourSpec) -> Strategy:
    """A strategy that a design declares; rules that look ahead are told the design's typical tumour."""
    decide, lines = _rule(spec.rule, tumour)
    return Strategy(spec.name, decide, lines)


def _rule(rule: declared.Rule, tumour: TumourSpec) -> tuple[Decide, int]:
    """What decides, and the lines it has."""
    dose = float(getattr(rule, "dose", 1.0))

    def at(arm: str) -> dict[str, float]:
        return dict.fromkeys(drugs_of(arm), dose)

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
        case declared.CurrentPrecisionRule():
            kills = typical_clones(tumour).sensitivity
            return CurrentPrecision(kills, rule.period_days, rule.detected_cells), 1
        case declared.DynamicPrecisionRule():
            each = np.eye(len(tumour.drugs))
            options = rule.doses or (*map(tuple, each.tolist()), tuple(each.mean(axis=0).tolist()))
            model = typical_clones(tumour)
            return DynamicPrecision(
                *(model, rule.period_days, rule.variant, rule.threshold_cells),
                options=options,
                fatal=rule.fatal_cells,
            ), 1


def typical_clones(tumour: TumourSpec) -> LinearClones:
    """The clones of a design's typical tumour, every law at its median (a beta law at its mean): what a rule may be
    told
    of an avatar that nobody has measured. Kills of several drugs add; persisters and niche are left out."""
    drugs, names = list(tumour.drugs), [clone.name for clone in tumour.clones]
    log_kills = np.log([typical(drug.kill) for drug in tumour.drugs.values()])
    growth = np.array(
        [[typical(tumour.growth) * (1.0 - typical(clone.fitness_cost))] for clone in tumour.clones]
    )
    kills = np.zeros((len(names), len(drugs), 1))
    for i, clone in enumerate(tumour.clones):
        rows = [[row.get(drug, 1.0) for drug in drugs] for row in clone.drivers]
        for j in range(len(drugs)):
            kills[i, j] = kill(log_kills, np.eye(len(drugs))[j], rows, 1.0)
    transitions = np.zeros((len(names), len(names), 1))
    for mutation in tumour.mutations:
        to, source = names.index(mutation.to), names.index(mutation.source)
        transitions[to, source] += typical(mutation.rate) / growth[source]
    return LinearClones(growth, transitions, kills)


def typical(value: Drawn) -> float:
    """A number, or the median of its law; of a beta law the mean."""
    if not isinstance(value, Assumed):
        return float(value)
    if value.distribution == "beta":
        return value.location / (value.location + value.scale)
    return value.location
