"""Body weight as in the PDX Encyclopedia, and what holds, removal and dose intensity do to a strategy."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_trials.strategies import compare_strategies, score_strategies
from avatar_trials.strategies.scoring import event_times
from avatar_trials.strategies.toxicity import Tolerance, median_loss
from avatar_trials.strategy_designs import ToxicitySpec
from tests.strategy_panel import design, law

SHARES = {0: (0.039, 0.013), 1: (0.150, 0.061), 2: (0.258, 0.128)}
N = 40_000


def spec(**changes: float | str) -> ToxicitySpec:
    return ToxicitySpec.model_validate({"source": "a test"} | changes)


@pytest.mark.parametrize("drugs", SHARES)
def test_as_many_mice_lose_15_and_20_percent_as_in_the_encyclopedia(drugs: int) -> None:
    rng = np.random.default_rng(drugs)
    never = spec(hold_at_loss_pct=90, resume_at_loss_pct=90, remove_at_loss_pct=95)
    mice = Tolerance.at_start(rng.standard_normal((2, N)), never)
    given = np.repeat([[1.0]] * drugs, N, axis=1) if drugs else np.zeros((1, N))
    for _ in range(20):
        mice = mice.weighed(never).after(given, 3.5, never, np.ones(N, dtype=bool))
    for limit, share in zip((15.0, 20.0), SHARES[drugs], strict=True):
        assert (mice.loss_pct >= limit).mean() == pytest.approx(share, abs=0.01)


def test_the_median_loss_goes_up_with_dose_and_meets_the_whole_doses() -> None:
    by = spec().median_loss_by_drugs_pct
    assert list(median_loss([0.0, 1.0, 2.0], by)) == pytest.approx([0.0, 7.05, 9.38])
    assert median_loss(0.5, by) == pytest.approx(7.05 / 2)
    assert median_loss(3.0, by) == pytest.approx(9.38 + 2.33)


def test_doses_are_held_until_weight_is_regained_and_resumed_lower() -> None:
    own = spec(hold_at_loss_pct=15, resume_at_loss_pct=10, resume_dose=0.5, remove_at_loss_pct=40)
    mice = Tolerance.at_start(np.array([[-3.0], [1.9]]), own)
    doses, given, held = np.ones((2, 1)), [], []
    for _ in range(40):
        mice = mice.weighed(own)
        passed = mice.let_through(doses, own)
        given.append(float(passed.sum()))
        held.append(bool(mice.held[0]))
        mice = mice.after(passed, 1.0, own, np.ones(1, dtype=bool))
    assert given[0] == 2.0
    assert 0.0 in given
    first, back = held.index(True), held.index(False, held.index(True))
    assert given[first:back] == [0.0] * (back - first)
    assert given[back] == 1.0
    assert float(mice.days_held[0]) == sum(held)


def test_removal_for_body_weight_is_an_event_of_pfs_and_competes_with_progression() -> None:
    chosen = design(
        n_avatars=400, toxicity={"hold_at_loss_pct": 20, "resume_at_loss_pct": 20, "source": "a test"}
    )
    followed = compare_strategies(chosen).sel(strategy="upfront")
    lost = followed["left_reason"].values == 2
    before = lost & np.isnan(followed["progression_day"].sel(line=1).values)
    assert before.sum() > 10
    time, event, cause = event_times(followed)["PFS"]
    assert event[before].all()
    assert (cause[before] == "died").all()
    assert np.array_equal(time[before], followed["left_day"].values[before])


def test_less_dose_is_tolerated_better_and_holds_less() -> None:
    """T54: the durable share falls with dose intensity, and so does toxicity."""
    tumour = design().tumour.model_dump(exclude_none=True) | {"start_mm3": law(220, 0.16)}
    tumour["clones"] = [
        {"name": "sensitive"},
        {"name": "resists both", "share": 0.0, "drivers": [{"A": 0.0, "B": 0.0}]},
    ]
    tumour["mutations"] = []
    tumour["drugs"] = {"A": {"kill": law(0.05, 0.2)}, "B": {"kill": law(0.05, 0.2)}}
    levels = (1.0, 0.9, 0.75, 0.6, 0.5)
    rules = [{"name": f"{d}", "rule": {"kind": "constant", "arm": "A + B", "dose": d}} for d in levels]
    chosen = design(tumour=tumour, strategies=rules, n_avatars=300, monitoring={})
    table, _ = score_strategies(compare_strategies(chosen), "1.0", resamples=50)
    wide = table.pivot(index="strategy", columns="endpoint", values="estimate").loc[[f"{d}" for d in levels]]
    durable, lost = wide["durable_share"].to_numpy(), wide["lost_15_pct_weight_share"].to_numpy()
    assert (np.diff(durable) <= 0).all()
    assert durable[0] - durable[-1] > 0.3
    assert (np.diff(lost) <= 0).all()
    assert lost[0] - lost[-1] > 0.05
