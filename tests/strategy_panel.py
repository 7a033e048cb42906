"""A small comparison of strategies that has every rule, every assay and toxicity: for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_trials.emulate.trial import visit_days
from avatar_trials.strategies.assumed_tumours import assumed_tumours
from avatar_trials.strategies.engine import Plan
from avatar_trials.strategies.fates import Fates, fates
from avatar_trials.strategies.tumours import ClonalTumours
from avatar_trials.strategy_designs import StrategyDesign

RULES: dict[str, dict[str, Any]] = {
    "untreated": {"kind": "constant", "arm": "untreated"},
    "A": {"kind": "constant", "arm": "A"},
    "upfront": {"kind": "constant", "arm": "A + B", "dose": 0.8},
    "sequential": {"kind": "sequential", "lines": ["A", "B", "A + B"]},
    "combination after progression": {"kind": "sequential", "lines": ["A", "A + B"]},
    "intermittent": {"kind": "intermittent", "arm": "A + B", "on_days": 21, "off_days": 14},
    "adaptive": {"kind": "adaptive", "arm": "A", "stop_at": 0.5, "restart_at": 1.0},
    "residual": {"kind": "residual_disease", "first": "A", "then": "A + B", "below_mm3": 60},
    "molecular residual": {
        "kind": "residual_disease",
        "first": "A",
        "then": "A + B",
        "below_molecules": 3,
        "at_progression": True,
    },
    "mutation in plasma": {
        "kind": "mutation",
        "first": "A",
        "answers": {"resists A": "B"},
        "otherwise": "A + B",
    },
    "mutation in biopsy": {
        "kind": "mutation",
        "first": "A",
        "answers": {"resists A": "B", "resists both": "untreated"},
        "assay": "biopsy",
    },
    "rechallenge": {"kind": "rechallenge", "arm": "A", "holiday_days": 14},
    "de-escalation": {"kind": "de_escalation", "first": "A + B", "then": "A", "after_days": 60},
    "de-escalation by response": {
        "kind": "de_escalation",
        "first": "A + B",
        "then": "A",
        "at_relative": 0.3,
    },
}


def law(location: float, scale: float = 0.4) -> dict[str, Any]:
    """A log-normal law with a draw for each avatar."""
    words = {"unit": "1", "meaning": "a test's", "source": "a test"}
    return {"distribution": "lognormal", "location": location, "scale": scale, "by": "avatar", **words}


def content(**changes: Any) -> dict[str, Any]:
    """What a design file holds."""
    base: dict[str, Any] = {
        "schema_version": 1,
        "name": "panel",
        "title": "A panel",
        "question": "Which strategy?",
        "seed": 11,
        "n_avatars": 24,
        "tumour": {
            "source": "a test",
            "start_mm3": law(220, 0.16),
            "growth": law(0.06),
            "exponent": 1.3,
            "drugs": {"A": {"kill": law(0.15)}, "B": {"kill": law(0.12)}},
            "clones": [
                {"name": "sensitive"},
                {"name": "resists A", "share": law(2e-3, 1.0), "drivers": [{"A": 0.0}]},
                {"name": "resists B", "share": law(2e-3, 1.0), "drivers": [{"B": 0.0}]},
                {"name": "resists both", "share": 1e-6, "drivers": [{"A": 0.0}, {"B": 0.1}]},
            ],
            "mutations": [{"source": "sensitive", "to": "resists A", "rate": 1e-7}],
        },
        "strategies": [{"name": name, "rule": rule} for name, rule in RULES.items()],
        "visits": {"gaps_days": [3, 4], "horizon_days": 210},
        "monitoring": {
            "plasma": {
                "every_days": 14,
                "sampled_share": 0.3,
                "least_molecules": 2,
                "sensitivity": 0.8,
                "specificity": 0.97,
                "source": "a test",
            },
            "biopsy": {
                "regions": 2,
                "days": [0, 50],
                "presence": {"resists A": 0.5},
                "source": "a test",
            },
        },
        "toxicity": {"resume_dose": 0.75, "source": "a test"},
        "stopping": {"size_mm3": 1500},
        "scoring": {"progression": "recist_volume", "resamples": 50},
    }
    return base | changes


def design(**changes: Any) -> StrategyDesign:
    """The design, with parts of it replaced."""
    return StrategyDesign.model_validate(content(**changes))


def prepared(
    chosen: StrategyDesign,
) -> tuple[ClonalTumours, Plan, Fates, NDArray[np.float64]]:
    """Tumours, plan, luck and days of a design's avatars."""
    names = [f"avatar {i + 1}" for i in range(chosen.n_avatars)]
    days = visit_days(chosen.visits)
    luck = fates(
        *(names, chosen.seed),
        n_visits=len(days),
        n_clones=len(chosen.clones),
        plasma=chosen.monitoring.plasma is not None,
        biopsy=chosen.monitoring.biopsy is not None,
        removal=chosen.stopping.removal is not None,
    )
    plan = Plan(days, chosen.monitoring, chosen.scoring, chosen.stopping, chosen.toxicity)
    return assumed_tumours(chosen.tumour, names, chosen.seed), plan, luck, days
