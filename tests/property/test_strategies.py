"""Strategies keep their contract: they see observations alone; avatars, luck and chunks do not touch one another."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import fields, replace

import numpy as np
import pytest

from avatar_trials.kinetics.four_clones import LinearClones, two_drug_transitions
from avatar_trials.strategies import History, Strategy, compare_strategies
from avatar_trials.strategies.declared import strategies_of
from avatar_trials.strategies.dynamic_precision import CurrentPrecision, DynamicPrecision
from avatar_trials.strategies.engine import Followed, follow
from avatar_trials.strategies.history import Decide, Floats, checked_doses
from avatar_trials.strategy_designs import StrategyDesign
from avatar_trials.tumour_cards import CloneSpec
from tests.strategy_panel import RULES, design, prepared

TYPICAL = LinearClones(
    growth=np.full((4, 1), 0.06),
    transitions=two_drug_transitions([1e-7], [1e-7]),
    sensitivity=np.array([[0.15, 0.12], [0.0, 0.12], [0.15, 0.0], [0.0, 0.0]])[..., None],
)
WITH_CENSUS: dict[str, Decide] = {
    "current precision": CurrentPrecision(TYPICAL.sensitivity, period_days=14.0),
    **{
        f"dynamic precision, {variant}": DynamicPrecision(TYPICAL, 14.0, variant)
        for variant in ("least_total", "least_doubly_resistant", "no_first_doubly_resistant")
    },
}


def one_of_the_users(history: History) -> Floats:
    """A callable that a user may write: half of everything once the tumour has shrunk by half."""
    less = history.relative_volume < 0.5
    return np.where(less, 0.5, 1.0) * np.ones((len(history.drugs), 1))


def with_published_rules() -> StrategyDesign:
    """The comparators as a design declares them, by its typical tumour."""
    rules = [
        {"kind": "current_precision", "period_days": 21},
        {"kind": "dynamic_precision", "period_days": 21},
    ]
    named = [{"name": f"declared {rule['kind']}", "rule": rule} for rule in rules]
    return design(strategies=named, monitoring={"census": True})


def every_strategy() -> list[Strategy]:
    """All there are: declared, published comparators, a user's own."""
    own = [Strategy(name, decide) for name, decide in WITH_CENSUS.items()]
    published = strategies_of(with_published_rules())
    return [*strategies_of(design()), *published, *own, Strategy("a user's", one_of_the_users)]


def listening(strategy: Strategy, heard: list[tuple[bytes, Floats]]) -> Strategy:
    """The strategy, with every history it was given pickled beside what it answered."""

    def decide(history: History) -> Floats:
        before = pickle.dumps(history)
        doses = checked_doses(strategy.decide(history), history, strategy.name)
        heard.append((before, doses.copy()))
        return doses

    return replace(strategy, decide=decide)


@pytest.mark.parametrize("strategy", every_strategy(), ids=lambda one: one.name)
def test_every_strategy_decides_by_its_history_alone(strategy: Strategy) -> None:
    """Asked again with the pickled history and nothing else, without a tumour anywhere, it answers the same."""
    base = design(n_avatars=10)
    chosen = base.model_copy(update={"monitoring": base.monitoring.model_copy(update={"census": True})})
    tumours, plan, luck, _ = prepared(chosen)
    heard: list[tuple[bytes, Floats]] = []
    follow(listening(strategy, heard), tumours, plan, luck)
    del tumours, plan, luck
    assert len(heard) > 10
    for pickled, answered in heard:
        history = pickle.loads(pickled)  # noqa: S301 pickled by this test
        again = checked_doses(strategy.decide(history), history, strategy.name)
        assert np.array_equal(again, answered)


def test_a_history_holds_no_true_state_and_cannot_be_written_to() -> None:
    seen: list[History] = []

    def watching(history: History) -> Floats:
        seen.append(history)
        return np.ones((2, history.n_mice))

    chosen = design(n_avatars=5)
    tumours, plan, luck, _ = prepared(chosen)
    follow(Strategy("watching", watching), tumours, plan, luck)
    last = seen[-1]
    assert np.isnan(last.census).all()
    held = {field.name: getattr(last, field.name) for field in fields(History)}
    assert {type(value) for value in held.values()} <= {np.ndarray, tuple, float}
    for name, value in held.items():
        if isinstance(value, np.ndarray):
            assert not value.flags.writeable, name
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0
    assert len(last.days) == len(last.volume_mm3) == len(last.given) + 1
    # Readings and truth differ: the caliper errs, and below its limit it reads nothing.
    start = tumours.start_mm3
    assert not np.isclose(last.volume_mm3[0], start).any()


def test_two_tumours_that_look_alike_are_treated_alike() -> None:
    """Resistant cells that no assay looks for change nothing a strategy does until they show."""
    chosen = design(n_avatars=6, toxicity=None)
    doses = []
    for share in (1e-12, 1e-11):
        changed = chosen.model_copy(
            update={"tumour": chosen.tumour.model_copy(update={"clones": _with_share(chosen, share)})}
        )
        tumours, plan, luck, _ = prepared(changed)
        adaptive = next(s for s in strategies_of(changed) if s.name == "adaptive")
        doses.append(follow(adaptive, tumours, plan, luck).doses)
    assert np.array_equal(doses[0], doses[1])


def _with_share(chosen: StrategyDesign, share: float) -> tuple[CloneSpec, ...]:
    clones = chosen.tumour.clones
    return (*clones[:3], clones[3].model_copy(update={"share": share}))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda h: np.full((2, h.n_mice), 1.5), "between 0 and 1"),
        (lambda h: np.full((2, h.n_mice), np.nan), "between 0 and 1"),
        (lambda h: np.ones((3, h.n_mice)), "of shape (2, 4), got (3, 4)"),
        (lambda h: "all of it", "must return dose fractions"),
    ],
)
def test_a_strategy_that_breaks_the_contract_is_named(
    answer: Callable[[History], Floats], words: str
) -> None:
    tumours, plan, luck, _ = prepared(design(n_avatars=4))
    with pytest.raises(ValueError, match="strategy 'broken'") as told:
        follow(Strategy("broken", answer), tumours, plan, luck)
    assert words in str(told.value)


def test_strategies_of_an_avatar_share_tumour_and_luck() -> None:
    """Until the first progression a sequence is the first drug alone, to the last bit."""
    chosen = design()
    followed = compare_strategies(chosen)
    alone, sequence = (followed.sel(strategy=name) for name in ("A", "sequential"))
    first = alone["progression_day"].sel(line=1).values
    assert np.array_equal(first, sequence["progression_day"].sel(line=1).values, equal_nan=True)
    before = followed["day"].values[:, None] <= first
    assert before.sum() > 100
    assert np.array_equal(
        alone["volume_mm3"].values[before], sequence["volume_mm3"].values[before], equal_nan=True
    )


def test_the_result_does_not_depend_on_how_the_work_was_cut_up_or_who_else_is_there() -> None:
    chosen = design(n_avatars=11)
    whole = compare_strategies(chosen)
    parts = compare_strategies(chosen, mice_at_a_time=3)
    assert whole.identical(parts)
    fewer = compare_strategies(chosen.model_copy(update={"n_avatars": 5}))
    alone = compare_strategies(chosen, [s for s in strategies_of(chosen) if s.name == "adaptive"])
    for name in (name for name in whole.data_vars if "avatar" in whole[name].dims):
        first = whole[name].isel(avatar=slice(0, 5)).values
        assert np.array_equal(first, fewer[name].values, equal_nan=True), name
        if name not in ("progression_day",):
            one = whole[name].sel(strategy="adaptive").values
            assert np.array_equal(one, alone[name].sel(strategy="adaptive").values, equal_nan=True), name
    assert not np.array_equal(
        whole["volume_mm3"].values,
        compare_strategies(chosen, seed=12)["volume_mm3"].values,
        equal_nan=True,
    )


def test_what_is_followed_hangs_together() -> None:
    followed = compare_strategies(design())
    days = followed["progression_day"]
    assert (followed["left_day"] >= days.max("line").fillna(0)).all()
    assert (days.diff("line").fillna(1) > 0).all()
    shares = followed["last_clones"].sum("clone", skipna=False)
    assert np.allclose(shares.values[np.isfinite(shares.values)], 1.0)
    gone = followed["volume_mm3"].isnull()
    after = followed["day"] > followed["left_day"]
    assert (gone == after).all()
    given = followed["drug_days"].sel(strategy="untreated")
    assert float(given.sum()) == 0.0
    assert set(RULES) == {str(name) for name in followed["strategy"].values}
    assert {field.name for field in fields(Followed)} - {"clone_shares"} == set(followed.data_vars) - {
        "clone_course",
        "n_followed",
    }
    course, on_study = followed["clone_course"], followed["volume_mm3"].notnull().sum("avatar")
    assert (followed["n_followed"] <= on_study).all()
    assert np.allclose(course.sum("clone").where(followed["n_followed"] > 0, 1.0), 1.0)


def test_more_than_a_few_distinct_doses_give_the_same_as_one_mouse_at_a_time() -> None:
    """Doses of each mouse's own go through another path of the march."""

    def own(history: History) -> Floats:
        return np.stack([(history.mouse % 25) / 25.0, np.full(history.n_mice, 0.5)])

    chosen = design(n_avatars=25, toxicity=None)
    tumours, plan, luck, _ = prepared(chosen)
    together = follow(Strategy("own", own), tumours, plan, luck)
    small = design(n_avatars=5, toxicity=None)
    tumours, plan, luck, _ = prepared(small)
    five = follow(Strategy("own", own), tumours, plan, luck)
    assert np.allclose(together.volume_mm3[:, :5], five.volume_mm3, rtol=1e-9, equal_nan=True)
