"""Scenarios on calibrated avatars: nothing added changes nothing, and what is added is the mechanism's closed form."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pydantic
import pytest

from avatar_trials.designs import ArmSpec, Mechanism, TrialDesign
from avatar_trials.emulate import emulate_trials
from avatar_trials.emulate.mice import Mice, chance, luck, mice_under
from avatar_trials.emulate.scenario import drawn_scenario, log_growth, log_growth_in_cells
from avatar_trials.emulate.trial import measured_volumes
from avatar_trials.kinetics import clones, persisters
from tests.random_cohort import a_design, random_cohort

DAYS = np.cumsum([0.0, *([3.0, 4.0] * 12)])
WHOLE = slice(None)
HOLIDAY = {"name": "A", "label": "A, two weeks off", "course": [[0, 1.0], [28, 0.0], [42, 1.0]]}


def grown(
    mice: Any, arm: dict[str, Any], mechanism: dict[str, Any] | None = None, seed: int = 1
) -> np.ndarray:
    cohort = random_cohort(np.random.default_rng(0))
    drawn = drawn_scenario(
        Mechanism.model_validate(mechanism | {"source": "s"}) if mechanism else None, cohort, seed
    )
    return np.array(list(log_growth(mice, ArmSpec.model_validate(arm), drawn, DAYS, WHOLE)))


@pytest.fixture(scope="module")
def mice() -> Any:
    cohort = random_cohort(np.random.default_rng(0))
    return mice_under(cohort, "A", chance(cohort.avatars, cohort.n_trials, len(DAYS), luck(3, "mouse")))


def calibrated(mice: Any) -> np.ndarray:
    sensitive, resistant = mice.rates.reshape(2, -1)
    return clones.log_growth(DAYS[:, None], sensitive, 0.0, mice.resistant_logit.reshape(-1), resistant)


def test_without_course_and_mechanism_a_tumour_is_the_calibrated_one(mice: Any) -> None:
    """Resistant clones that drugs speed up included: the cohort's slowing is above 0 in some draws."""
    np.testing.assert_allclose(grown(mice, {"name": "A"}), calibrated(mice), rtol=1e-11, atol=1e-11)
    nothing = {
        "persistence": {"induced": 0.0, "woken": 0.3},
        "niche": {"share": 0.0, "protection": 1.0},
        "resistance": {},
    }
    np.testing.assert_allclose(grown(mice, {"name": "A"}, nothing), calibrated(mice), rtol=1e-11, atol=1e-11)


def test_a_mouse_on_holiday_grows_as_without_drug(mice: Any) -> None:
    curve = grown(mice, HOLIDAY)
    visits = {day: i for i, day in enumerate(DAYS)}
    np.testing.assert_allclose(
        curve[: visits[28.0] + 1], calibrated(mice)[: visits[28.0] + 1], rtol=1e-11, atol=1e-11
    )
    off = curve[visits[42.0]] - curve[visits[28.0]]
    faster = mice.growth.reshape(-1) < mice.rates[1].reshape(-1)
    assert not faster.all()
    np.testing.assert_allclose(off[~faster], 14 * mice.growth.reshape(-1)[~faster], rtol=1e-10)


def test_persisters_of_a_tumour_without_resistance_are_the_closed_block(mice: Any) -> None:
    pure = replace(mice, resistant_logit=np.full(mice.growth.shape, -700.0))
    share, induced = 0.002, 0.004
    curve = grown(pure, {"name": "A"}, {"persistence": {"induced": induced, "woken": 0.1, "share": share}})
    closed = persisters.log_growth(
        DAYS[:, None], pure.rates[0].reshape(-1) - induced, 0.0, induced, 0.0, share
    )
    np.testing.assert_allclose(curve, closed, rtol=1e-9, atol=1e-9)


def test_resistance_that_costs_is_regained_off_drug_only(mice: Any) -> None:
    free = grown(mice, HOLIDAY, {"resistance": {"fitness_cost": 0.0}})
    costly = grown(mice, HOLIDAY, {"resistance": {"fitness_cost": 0.9}})
    on = DAYS <= 28.0
    np.testing.assert_allclose(costly[on], free[on], rtol=1e-10, atol=1e-10)
    assert (costly[~on] <= free[~on] + 1e-12).all()
    assert (costly[~on] < free[~on] - 1e-6).any()


def test_half_the_exposure_is_half_the_dose(mice: Any) -> None:
    """Penetration and dose act as one product: volume does not tell a drug that fails to reach from a weak one."""
    weak = {"name": "A", "label": "half", "course": [[0, 0.5]]}
    thin = grown(mice, {"name": "A"}, {"exposure": {"penetration": 0.5}})
    np.testing.assert_allclose(thin, grown(mice, weak), rtol=1e-13, atol=1e-13)
    assert (thin[-1] >= calibrated(mice)[-1] - 1e-9).all()


def test_priors_are_drawn_by_replicate_or_by_avatar() -> None:
    cohort = random_cohort(np.random.default_rng(0), n_trials=50)
    prior = {
        "distribution": "lognormal",
        "location": 1e-3,
        "scale": 1.0,
        "unit": "1/day",
        "meaning": "m",
        "source": "s",
    }
    mechanism = Mechanism.model_validate(
        {"source": "s", "persistence": {"induced": prior, "woken": prior | {"by": "avatar"}, "share": 0.01}}
    )
    drawn = drawn_scenario(mechanism, cohort, 5)
    assert drawn is not None
    part = drawn.parts["persistence"]
    assert (part["induced"] == part["induced"][:, :1]).all()
    assert len(np.unique(part["induced"])) == 50
    assert len(np.unique(part["woken"])) == 150
    assert (part["share"] == 0.01).all()
    alone = drawn_scenario(mechanism, cohort.of(["X-2"]), 5)
    assert alone is not None
    np.testing.assert_array_equal(alone.parts["persistence"]["woken"][:, 0], part["woken"][:, 1])


def test_a_trial_with_a_scenario_says_so_and_shares_its_luck() -> None:
    cohort = random_cohort(np.random.default_rng(1))
    arms = [{"name": "untreated"}, {"name": "A"}, HOLIDAY]
    plain = emulate_trials(cohort, a_design(arms=arms))
    persistence = {"source": "assumed", "persistence": {"induced": 0.01, "woken": 0.05, "share": 0.05}}
    with_persisters = emulate_trials(cohort, a_design(arms=arms, mechanism=persistence))
    assert plain.attrs["scenario"] == plain.attrs["mechanism"] == ""
    assert "Assumed, not calibrated" in with_persisters.attrs["scenario"]
    assert json.loads(with_persisters.attrs["mechanism"])["persistence"]["induced"] == 0.01
    assert with_persisters["arm"].values.tolist() == ["untreated", "A", "A, two weeks off"]
    np.testing.assert_array_equal(
        plain["volume_mm3"].isel(visit=0), with_persisters["volume_mm3"].isel(visit=0)
    )
    without = emulate_trials(cohort, a_design(arms=arms[:2]))
    np.testing.assert_array_equal(plain["volume_mm3"].sel(arm=["untreated", "A"]), without["volume_mm3"])
    same_day = slice(0, 9)
    np.testing.assert_allclose(
        plain["volume_mm3"].sel(arm="A, two weeks off").isel(visit=same_day),
        plain["volume_mm3"].sel(arm="A").isel(visit=same_day),
        rtol=1e-9,
    )


def test_a_scenario_does_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from avatar_trials.emulate import caliper_readings

    cohort = random_cohort(np.random.default_rng(2))
    design = a_design(
        arms=[HOLIDAY], mechanism={"source": "s", "niche": {"share": 0.1, "protection": 0.8, "leaving": 0.02}}
    )
    whole = emulate_trials(cohort, design)
    monkeypatch.setattr(caliper_readings, "MICE_AT_A_TIME", 5)
    np.testing.assert_array_equal(emulate_trials(cohort, design)["volume_mm3"], whole["volume_mm3"])


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"arms": [{"name": "A", "course": [[0, 1.0], [28, 0.0]]}]}, "a label belongs to an arm with a course"),
    ({"arms": [{"name": "A", "label": "B"}]}, "one without the other"),
    ({"arms": [HOLIDAY | {"course": [[3, 1.0]]}]}, "start on day 0"),
    ({"arms": [HOLIDAY | {"course": [[0, 1.5]]}]}, "less than or equal to 1"),
    ({"arms": [HOLIDAY | {"name": "untreated"}]}, "untreated arm has no course"),
    ({"arms": [HOLIDAY, HOLIDAY]}, "given twice"),
    ({"mechanism": {"source": "s", "chance": {"birth": 0.0}}}, "birth must be above 0"),
    (
        {"mechanism": {"source": "s", "chance": {"birth": 0.5}, "niche": {"share": 0.1, "protection": 0.5}}},
        "not beside persistence or niche",
    ),
    ({"mechanism": {"source": "s"}}, "names no mechanism"),
    (
        {"mechanism": {"source": "s", "persistence": {"induced": -1.0, "shared": 2.0}}},
        r"needs woken.*induced must be 0 or above, got -1; persistence has no shared",
    ),
    ({"mechanism": {"source": "s", "niche": {"share": 1.2, "protection": 0.1}}}, "between 0 and 1, got 1.2"),
    (
        {
            "mechanism": {
                "source": "s",
                "niche": {
                    "share": 0.2,
                    "protection": {
                        "distribution": "normal",
                        "location": 0,
                        "scale": 1,
                        "unit": "u",
                        "meaning": "m",
                        "source": "s",
                    },
                },
            }
        },
        "cannot have a normal prior",
    ),
]


@pytest.mark.parametrize(("changes", "told"), WRONG)
def test_what_a_design_cannot_say(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=told):
        a_design(**changes)


def test_the_mice_behind_a_course_are_those_of_constant_treatment() -> None:
    design: TrialDesign = a_design(arms=[{"name": "untreated"}, HOLIDAY, {"name": "A"}])
    assert design.measured_arms == ["untreated", "A"]


def test_measured_volumes_of_a_constant_arm_take_the_short_way(mice: Any) -> None:
    cohort = random_cohort(np.random.default_rng(0))
    luck_of = chance(cohort.avatars, cohort.n_trials, len(DAYS), luck(3, "mouse"))
    short = measured_volumes(cohort, mice, luck_of, DAYS)
    long = measured_volumes(
        cohort, mice, luck_of, DAYS, arm=ArmSpec(name="A", label="x", course=((0.0, 1.0), (900.0, 0.0)))
    )
    np.testing.assert_allclose(long, short, rtol=1e-9)


CHANCE = {"birth": 0.5, "cells_per_mm3": 1e6}


def test_many_whole_cells_are_the_smooth_clones() -> None:
    """200 mm3 of 10^6 cells each, a percent resistant: both clones keep 10^5 cells, whose chance is below 1 %."""
    cohort = random_cohort(np.random.default_rng(3), n_trials=40, n_avatars=1)
    mice = mice_under(cohort, "A", chance(cohort.avatars, 40, len(DAYS), luck(3, "mouse")))
    mice = replace(mice, resistant_logit=np.full(mice.growth.shape, -4.6))
    scenario = drawn_scenario(Mechanism.model_validate({"source": "s", "chance": CHANCE}), cohort, 1)
    assert scenario is not None
    arm = ArmSpec.model_validate(HOLIDAY)
    counted = log_growth_in_cells(mice, arm, scenario, DAYS, np.random.default_rng(1))
    smooth = np.array(list(log_growth(mice, arm, None, DAYS, WHOLE)))
    assert smooth.min() < -1.0
    np.testing.assert_allclose(counted, smooth, atol=0.01)


def test_small_tumours_die_out_as_often_as_the_law_says() -> None:
    """About 60 cells under a drug that shrinks them by 0.1/day, no resistance: extinct by t with (alpha)^cells."""
    n = 20_000
    cohort = random_cohort(np.random.default_rng(3), n_trials=n, n_avatars=1)
    one = np.ones((n, 1))
    mice = Mice(np.stack([-0.1 * one, 0.04 * one]), -700.0 * one, np.log(60.0) * one, 0.08 * one)
    sparse = {"source": "s", "chance": {"birth": 0.3, "cells_per_mm3": 1.0}}
    scenario = drawn_scenario(Mechanism.model_validate(sparse), cohort, 1)
    assert scenario is not None
    counted = log_growth_in_cells(mice, ArmSpec(name="A"), scenario, DAYS, np.random.default_rng(2))
    for visit in (8, 16, 24):
        grown = np.exp(-0.1 * DAYS[visit])
        alpha = 0.4 * (grown - 1) / (0.3 * grown - 0.4)  # Bailey 8.46 with birth .3, death .4
        expected = alpha**60
        found = np.isneginf(counted[visit]).mean()
        assert abs(found - expected) < 3.3 * np.sqrt(expected * (1 - expected) / n) + 1e-9


def test_a_trial_of_whole_cells_is_its_seeds_and_its_avatars_alone() -> None:
    cohort = random_cohort(np.random.default_rng(1))
    mechanism = {"source": "s", "chance": CHANCE, "resistance": {"acquired": 1e-6, "fitness_cost": 0.2}}
    design = a_design(arms=[{"name": "A"}, HOLIDAY], mechanism=mechanism)
    whole = emulate_trials(cohort, design)
    np.testing.assert_array_equal(whole["volume_mm3"], emulate_trials(cohort, design)["volume_mm3"])
    fewer = emulate_trials(cohort.of(["X-1", "X-3"]), design)
    np.testing.assert_array_equal(whole["volume_mm3"].sel(avatar=["X-1", "X-3"]), fewer["volume_mm3"])
    other = emulate_trials(cohort, design, seed=12)
    assert (other["volume_mm3"].values != whole["volume_mm3"].values).any()
