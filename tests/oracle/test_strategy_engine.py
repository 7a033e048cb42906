"""The engine against a plain loop over patients, against the endpoints' own progression, and against the kinetics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from avatar_trials.designs import Stopping
from avatar_trials.emulate.trial import REASONS as TRIAL_REASONS
from avatar_trials.emulate.trial import follow as follow_trial
from avatar_trials.endpoints.disease_progression import AbsoluteFloor, progression
from avatar_trials.kinetics.tumour import Course, grow
from avatar_trials.strategies.declared import strategies_of
from avatar_trials.strategies.engine import REASONS, STUDY_END, follow
from avatar_trials.strategy_designs import StrategyStopping
from tests.strategy_panel import RULES, design, prepared
from tools.strategy_reference import follow_one

BY_HAND = [name for name in RULES if name != "mutation in biopsy"]


@pytest.mark.parametrize(
    ("rule", "least", "nadir"),
    [
        ("recist_volume", 0.0, "of_line"),
        ("recist_volume", 3.0, "since_resumed"),
        ("doubling", 0.0, "of_line"),
    ],
)
def test_every_rule_does_to_every_mouse_what_a_plain_loop_does(rule: str, least: float, nadir: str) -> None:
    scoring = {
        "nadir": nadir,
        "progression": rule,
        "confirmed_by": 1 + (rule == "doubling"),
        "least_increase_mm": least,
    }
    chosen = design(scoring=scoring, n_avatars=6)
    tumours, plan, luck, days = prepared(chosen)
    for spec, strategy in zip(chosen.strategies, strategies_of(chosen), strict=True):
        if strategy.name not in BY_HAND:
            continue
        all_mice = follow(strategy, tumours, plan, luck)
        for mouse in range(chosen.n_avatars):
            one = follow_one(chosen, spec.rule, strategy.lines, tumours, luck, mouse, days)
            told = (strategy.name, mouse)
            assert np.array_equal(all_mice.progression_day[:, mouse], one.progression_day, equal_nan=True), (
                told
            )
            assert all_mice.left_day[mouse] == one.left_day, told
            assert REASONS[all_mice.left_reason[mouse]] == one.reason, told
            assert all_mice.lines_planned[mouse] == one.planned, told
            assert all_mice.drug_days[:, mouse].sum() == pytest.approx(one.drug_days, rel=1e-12), told
            assert all_mice.nadir_cells[mouse] == pytest.approx(one.nadir_cells, rel=1e-9), told
            seen = all_mice.volume_mm3[: len(one.volumes), mouse]
            assert seen == pytest.approx(one.volumes, rel=1e-8), told
            assert np.isnan(all_mice.volume_mm3[len(one.volumes) :, mouse]).all()


@pytest.mark.parametrize(
    ("rule", "floor"),
    [
        ("recist_volume", AbsoluteFloor("volume_mm3", 30.0)),
        ("recist_volume", AbsoluteFloor("diameter_increase_mm", 2.5)),
        ("baseline_volume", None),
    ],
)
def test_progression_on_a_constant_arm_is_that_of_the_endpoints(
    rule: str, floor: AbsoluteFloor | None
) -> None:
    scoring = {"progression": rule, "floor_mm3": 30}
    if floor is not None and floor.kind == "diameter_increase_mm":
        scoring = {"progression": rule, "floor_mm3": 1e-9, "least_increase_mm": floor.value}
    chosen = design(toxicity=None, scoring=scoring, n_avatars=60)
    tumours, plan, luck, days = prepared(chosen)
    for strategy in strategies_of(chosen)[:3]:
        followed = follow(strategy, tumours, plan, luck)
        read = progression(
            days, followed.volume_mm3.T, variant=rule, timing="at_visit", endpoint="TTP", floor=floor
        )
        assert read.event.any()
        assert read.time is not None
        expected = np.where(read.event, read.time, np.nan)
        assert np.array_equal(followed.progression_day[0], expected, equal_nan=True)


def test_a_constant_arm_grows_as_the_kinetics_say() -> None:
    chosen = design(toxicity=None, n_avatars=8)
    tumours, plan, luck, days = prepared(chosen)
    still = replace(luck, surprises=np.zeros_like(luck.surprises))
    (upfront,) = [s for s in strategies_of(chosen) if s.name == "upfront"]
    followed = follow(upfront, tumours, plan, still)
    effects = np.array([0.8, 0.8])
    states = grow(tumours.tumour, days, Course([0.0], [effects]))
    expected = states.sum(axis=0) * tumours.start_mm3[:, None]
    seen = followed.volume_mm3.T
    compared = np.isfinite(seen) & (seen > 0)
    assert compared.sum() > 40
    # States of less than a cell stand still in the engine; here none of them ever shows.
    assert seen[compared] == pytest.approx(expected[compared], rel=1e-6)
    assert (followed.left_reason[np.isfinite(seen[:, -1])] == STUDY_END).all()


def test_mice_leave_as_in_emulated_trials() -> None:
    """Size and removal by observed relative volume, by the same rule and the same luck as `emulate_trials`."""
    removal = {
        "from_day": 14,
        "from_relative_volume": [0.0, 1.0, 2.0],
        "hazard_per_day": [0.004, 0.02, 0.1],
        "source": "a test",
    }
    chosen = design(toxicity=None, n_avatars=80, stopping={"size_mm3": 900, "removal": removal})
    tumours, plan, luck, days = prepared(chosen)
    (strategy,) = [s for s in strategies_of(chosen) if s.name == "A"]
    for_ever = StrategyStopping(size_mm3=1e30)
    everything = follow(strategy, tumours, replace(plan, stopping=for_ever), luck).volume_mm3.T
    stopping = Stopping.model_validate({"size_mm3": 900, "removal": removal})
    stay, last, reason = follow_trial(everything, days, luck.removal.T, stopping)
    followed = follow(strategy, tumours, plan, luck)
    assert np.array_equal(followed.left_day, days[last])
    words = np.array(REASONS)[followed.left_reason]
    assert np.array_equal(words, np.array(TRIAL_REASONS.split())[reason])
    assert np.array_equal(np.isfinite(followed.volume_mm3.T), stay)
    assert len(set(words)) >= 2


@pytest.mark.parametrize(("nadir", "progressed"), [("of_line", True), ("since_resumed", False)])
def test_what_grew_in_a_pause_is_held_against_the_nadir_of_the_line(nadir: str, progressed: bool) -> None:
    """RECIST 1.1: the reference is the smallest sum on study. One clone, a third smaller in three weeks, three times as
    large after three more without drug, then shrinking: progression at the first visit on drug again, unless a design
    has the nadir start anew."""
    tumour = design().tumour.model_dump(exclude_none=True)
    tumour |= {"growth": 0.05, "mutations": [], "clones": [{"name": "sensitive"}], "start_mm3": 400.0}
    tumour["drugs"] = {"A": {"kill": 0.07}}
    chosen = design(
        tumour=tumour,
        strategies=[{"name": "on and off", "rule": RULES["intermittent"] | {"arm": "A", "off_days": 21}}],
        monitoring={"caliper": {"delta_mm": 0.0, "sigma_p": 0.0}},
        toxicity=None,
        n_avatars=1,
        visits={"gaps_days": [7], "horizon_days": 56},
        stopping={"size_mm3": 1e6},
        scoring={"progression": "recist_volume", "nadir": nadir, "resamples": 50},
    )
    tumours, plan, luck, _ = prepared(chosen)
    (strategy,) = strategies_of(chosen)
    day = follow(strategy, tumours, plan, luck).progression_day[0, 0]
    assert np.isnan(day) != progressed
    assert not progressed or day == 49.0
