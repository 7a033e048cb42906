"""Mechanism presets: each passes the checks it carries, and says what is assumed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from avatar_trials.card_files import load_strategies
from avatar_trials.strategies import compare_strategies, score_strategies
from avatar_trials.strategies.design_checks import CHECK_COLUMNS, design_checks
from avatar_trials.strategy_designs import StrategyDesign

FOLDER = Path(__file__).parents[2] / "trial_designs" / "presets"
PRESETS = sorted(path.stem for path in FOLDER.glob("*.toml"))
WITH_CHECKS = [*PRESETS, "persister_bh3_cotargeting"]


def checked(design: StrategyDesign) -> pd.DataFrame:
    """The table of a design's checks."""
    scores, _ = score_strategies(
        *(compare_strategies(design), design.reference), resamples=50, landmarks=design.scoring.landmarks_days
    )
    return design_checks(design, scores)


@pytest.mark.parametrize("name", WITH_CHECKS)
def test_a_preset_passes_its_checks(name: str) -> None:
    design = load_strategies(name)
    assert design.name == name
    table = checked(design)
    assert tuple(table.columns) == CHECK_COLUMNS
    assert len(table) >= 2
    assert table["source"].str.len().min() > 10
    failed = table[~table["holds"].astype(bool)]
    assert failed.empty, failed.to_string()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_what_is_assumed_and_what_calibrated(name: str) -> None:
    design = load_strategies(name)
    assert "assumed" in design.tumour.source
    of = {check.basis for check in design.checks}
    assert ("calibrated" in of) == bool(design.calibrated)
    assert ("predicted" in of) == bool(design.predicted)


def test_a_check_that_does_not_hold_is_told() -> None:
    design = load_strategies(FOLDER / "egfr_1l.toml").model_copy(update={"n_avatars": 40})
    scores, _ = score_strategies(compare_strategies(design), design.reference, resamples=50)
    one = design.checks[0]
    limits: list[dict[str, float | None]] = [
        {"least": 0.0, "most": 1.0},
        {"least": 1.01, "most": None},
        {"least": None, "most": -0.01},
    ]
    tried = design.model_copy(update={"checks": tuple(one.model_copy(update=limit) for limit in limits)})
    assert design_checks(tried, scores)["holds"].tolist() == [True, False, False]
    against = one.model_copy(update={"than": one.strategy, "least": -1e-12, "most": 1e-12})
    assert design_checks(design.model_copy(update={"checks": (against,)}), scores)["value"].tolist() == [0.0]
