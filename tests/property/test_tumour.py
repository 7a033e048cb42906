"""What must hold of tumours with any mechanisms, whatever the numbers.

The structure of a tumour is drawn and shrunk by hypothesis, its numbers come from a seed; each example is three mice,
with numbers of their own. Sums of the same terms in another order differ by some 1e-14 a step, hence the
relative 1e-11 after tens of squarings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avatar_trials.kinetics import genotypes
from avatar_trials.kinetics.combination import antagonised_kill, combined_kill, independent_action
from avatar_trials.kinetics.propagator import apply, propagator
from avatar_trials.kinetics.tumour import (
    Clone,
    Course,
    Mutation,
    Niche,
    Persistence,
    Tumour,
    grow,
    rates,
    start,
    state_names,
)
from tests.random_tumour import MECHANISMS, random_course, random_tumour

Floats = NDArray[np.float64]

examples = settings(max_examples=500)
of_three_mice = settings(max_examples=170)
close = partial(np.testing.assert_allclose, rtol=1e-11, atol=0)
seeds = st.integers(0, 2**32 - 1)
MICE = 3


@dataclass(frozen=True)
class Case:
    """A tumour under a course, seen at days; and the generator for what a test draws on top."""

    tumour: Tumour
    course: Course
    days: Floats
    rng: np.random.Generator

    @property
    def states(self) -> Floats:
        return self.seen(self.tumour)

    def seen(self, tumour: Tumour, course: Course | None = None, days: Floats | None = None) -> Floats:
        return grow(tumour, self.days if days is None else days, course or self.course)

    def total(self, tumour: Tumour, course: Course | None = None) -> Floats:
        total: Floats = self.seen(tumour, course).sum(axis=0)
        return total


@st.composite
def cases(
    draw: st.DrawFn,
    mechanisms: tuple[str, ...] = MECHANISMS,
    antagonism: bool = True,
    two: int = 2,
    segments: int = 2,
) -> Case:
    """At most `two` mechanisms at once: all three together are for the slow references of test_differential."""
    rng = np.random.default_rng(draw(seeds))
    some = draw(st.lists(st.sampled_from(mechanisms), max_size=two, unique=True)) if mechanisms else []
    n_clones, n_drugs = draw(st.integers(1, 2 if len(some) > 1 else 3)), draw(st.integers(1, 3))
    tumour = random_tumour(
        rng, *some, mice=(MICE,), n_clones=n_clones, n_drugs=n_drugs, antagonism=antagonism
    )
    course = random_course(rng, n_drugs, n_segments=draw(st.integers(1, segments)), mice=(MICE,))
    days = rng.uniform(1, 30) * np.array([1.0, 2.0])
    return Case(tumour, course, days, rng)


def mapped(course: Course, change: Callable[[Any], Any]) -> Course:
    return Course(course.from_days, [change(np.asarray(effect)) for effect in course.effects])


def n_drugs(case: Case) -> int:
    return int(np.shape(case.tumour.log_kill)[-1])


def smaller(less: Floats, more: Floats) -> None:
    assert (less <= more * (1 + 1e-11)).all()


# Order: what raises and what lowers volumes, at every time. Doses are not such a lever where drugs induce persisters.


@of_three_mice
@given(cases(segments=1), st.floats(0.0, 2.0))
def test_more_kill_never_gives_more_tumour(case: Case, more: float) -> None:
    """All kill rates by one factor, also where drugs hinder each other: their evenness stays."""
    stronger = replace(case.tumour, log_kill=case.tumour.log_kill + more)
    smaller(case.seen(stronger), case.states)


@of_three_mice
@given(cases(antagonism=False, segments=1), st.floats(0.0, 2.0))
def test_a_stronger_drug_never_gives_more_tumour(case: Case, more: float) -> None:
    log_kill = np.array(case.tumour.log_kill)
    log_kill[..., case.rng.integers(n_drugs(case))] += more
    smaller(case.seen(replace(case.tumour, log_kill=log_kill)), case.states)


@of_three_mice
@given(cases(("mutations", "niche"), antagonism=False, segments=1), st.floats(0.0, 1.0))
def test_a_more_sensitive_clone_never_gives_more_tumour(case: Case, more: float) -> None:
    """Without persisters: more sensitive cells are driven into persistence, and can outlive the others."""
    clones = list(case.tumour.clones)
    n = int(case.rng.integers(len(clones)))
    rows = np.array(clones[n].drivers)
    rows[tuple(case.rng.integers(rows.shape))] += more
    clones[n] = replace(clones[n], drivers=tuple(map(tuple, rows.tolist())))
    smaller(case.seen(replace(case.tumour, clones=clones)), case.states)


@of_three_mice
@given(cases(("mutations", "niche"), antagonism=False, segments=1))
def test_a_higher_dose_or_a_thinner_shield_never_gives_more_tumour(case: Case) -> None:
    smaller(case.seen(case.tumour, mapped(case.course, lambda effect: effect * 1.3)), case.states)
    if case.tumour.niche is not None:
        thinner = replace(case.tumour.niche, protection=np.asarray(case.tumour.niche.protection) * 0.7)
        smaller(case.seen(replace(case.tumour, niche=thinner)), case.states)


@of_three_mice
@given(cases(segments=1), st.floats(0.0, 0.05))
def test_growth_mutation_and_cost_of_resistance_push_their_way(case: Case, more: float) -> None:
    tumour = case.tumour
    paid = [replace(clone, fitness_cost=clone.fitness_cost + 10 * more) for clone in tumour.clones]
    smaller(case.seen(replace(tumour, clones=paid)), case.states)
    cheap = [replace(clone, fitness_cost=np.minimum(clone.fitness_cost, 1.0)) for clone in tumour.clones]
    fed = [replace(m, rate=m.rate + more, rate_persister=m.rate_persister + more) for m in tumour.mutations]
    faster = replace(tumour, growth=tumour.growth + more, clones=cheap, mutations=fed)
    smaller(case.seen(replace(tumour, clones=cheap)), case.seen(faster))


@of_three_mice
@given(cases(("niche",), segments=1), st.floats(0.0, 1.0))
def test_a_larger_resistant_share_never_gives_less_tumour(case: Case, moved: float) -> None:
    none = tuple(tuple(0.0 for _ in row) for row in case.tumour.clones[0].drivers)
    resistant = Clone("resistant", none, 0.0, fitness_cost=-0.6)
    few = [*case.tumour.clones, resistant]
    many = [replace(clone, share=clone.share * (1 - moved)) for clone in case.tumour.clones]
    many.append(replace(resistant, share=moved))
    smaller(case.total(replace(case.tumour, clones=few)), case.total(replace(case.tumour, clones=many)))


def test_more_kill_can_bring_progression_forward() -> None:
    """The invariant that does not hold: counted from the nadir, the better drug progresses first.

    Resistant share 1e-4, growth .1/day, re-growth .05/day; progression is 1.728 times the nadir (a diameter up by a
    fifth). The weaker drug leaves a plateau of 9 % that hides the resistant clone for six more weeks, yet at every
    time its tumour is the larger one, and it doubles first.
    """
    days = np.arange(0.0, 260.0, 0.25)
    course = Course([0.0], [[1.0]])

    def progression(plateau: float) -> tuple[float, float, Floats]:
        clones = [
            Clone("sensitive", ((1.0,),), 1 - plateau - 1e-4),
            Clone("plateau", ((0.0,),), plateau, fitness_cost=1.0),
            Clone("resistant", ((0.0,),), 1e-4, fitness_cost=0.0),
        ]
        v = grow(Tumour(0.05, np.log([0.15]), clones), days, course).sum(axis=0)
        nadir = int(v.argmin())
        relapse = nadir + int((v[nadir:] >= 1.728 * v[nadir]).argmax())
        return float(days[relapse]), float(days[(v >= 2.0).argmax()]), v

    weak_pfs, weak_doubling, weak = progression(0.09)
    strong_pfs, strong_doubling, strong = progression(0.0)
    assert (strong <= weak * (1 + 1e-12)).all()
    assert weak_doubling < strong_doubling
    assert weak_pfs - strong_pfs > 40
    assert abs(weak_pfs - 132) <= 1
    assert abs(strong_pfs - 84) <= 1


# Names and order of clones, drugs and mice.


@of_three_mice
@given(cases(segments=1), st.floats(0.01, 0.99))
def test_a_clone_split_in_two_is_one_clone(case: Case, part: float) -> None:
    """Both halves mutate as the whole did, and mutants that go to the clone go to its halves in proportion."""
    tumour = case.tumour
    name = tumour.clones[int(case.rng.integers(len(tumour.clones)))].name
    clones: list[Clone] = []
    for clone in tumour.clones:
        if clone.name == name:
            clones += [
                replace(clone, name="left", share=clone.share * part),
                replace(clone, name="right", share=clone.share * (1 - part)),
            ]
        else:
            clones.append(clone)
    mutations: list[Mutation] = []
    for m in tumour.mutations:
        sources = ["left", "right"] if m.source == name else [m.source]
        ends = [("left", part), ("right", 1 - part)] if m.to == name else [(m.to, 1.0)]
        mutations += [
            Mutation(source, to, m.rate * share, m.rate_persister * share)
            for source in sources
            for to, share in ends
        ]
    split = replace(tumour, clones=clones, mutations=mutations)
    whole, halves = case.states, case.seen(split)
    names = [state.split(", ") for state in state_names(tumour)]
    places = {tuple(state.split(", ")): i for i, state in enumerate(state_names(split))}
    for state, (clone_name, *rest) in zip(whole, names, strict=True):
        if clone_name != name:
            close(halves[places[clone_name, *rest]], state)
        else:
            close(halves[places["left", *rest]] + halves[places["right", *rest]], state)


@of_three_mice
@given(cases(segments=1), st.randoms(use_true_random=False))
def test_the_order_and_the_names_of_clones_are_nothing(case: Case, random: Any) -> None:
    tumour = case.tumour
    new = {clone.name: f"new {clone.name}" for clone in tumour.clones}
    renamed = replace(
        tumour,
        clones=[replace(clone, name=new[clone.name]) for clone in tumour.clones],
        mutations=[replace(m, source=new[m.source], to=new[m.to]) for m in tumour.mutations],
    )
    np.testing.assert_array_equal(case.seen(renamed), case.states)
    shuffled = replace(tumour, clones=random.sample(tumour.clones, len(tumour.clones)))
    order = [state_names(shuffled).index(name) for name in state_names(tumour)]
    close(case.seen(shuffled)[order], case.states)


def reordered(tumour: Tumour, order: list[int]) -> Tumour:
    """Drugs in another order, wherever a tumour has something by drug."""

    def rows(drivers: genotypes.Drivers) -> genotypes.Drivers:
        return tuple(tuple(row[d] for d in order) for row in drivers)

    def of_drug(values: Any) -> Any:
        return tuple(values[d] for d in order) if len(values) else values

    persistence, niche = tumour.persistence, tumour.niche
    if persistence is not None:
        persistence = replace(
            persistence,
            drivers=rows(persistence.drivers),
            inducing=of_drug(persistence.inducing),
            induced_fold=of_drug(persistence.induced_fold),
            woken_fold=of_drug(persistence.woken_fold),
        )
    if niche is not None and np.ndim(niche.protection):
        niche = replace(niche, protection=niche.protection[..., order])
    return replace(
        tumour,
        log_kill=tumour.log_kill[..., order],
        clones=[replace(clone, drivers=rows(clone.drivers)) for clone in tumour.clones],
        persistence=persistence,
        niche=niche,
    )


def same_rates(one: Any, other: Any, scale: float = 1e-11) -> None:
    assert one.keys() == other.keys()
    for place, rate in one.items():
        np.testing.assert_allclose(other[place], rate, rtol=1e-11, atol=scale)


@of_three_mice
@given(cases(two=3), st.randoms(use_true_random=False))
def test_the_order_of_drugs_is_nothing(case: Case, random: Any) -> None:
    order = random.sample(range(n_drugs(case)), n_drugs(case))
    other = reordered(case.tumour, order)
    for effect in case.course.effects:
        same_rates(rates(case.tumour, effect), rates(other, effect[..., order]))


@of_three_mice
@given(cases(), st.permutations(range(MICE)))
def test_mice_are_each_as_if_alone(case: Case, order: list[int]) -> None:
    """To the bit: in another order, and one by one."""
    if case.tumour.persistence is not None:
        awake = replace(case.tumour.persistence, woken_on_drug=0.01)
        case = replace(case, tumour=replace(case.tumour, persistence=awake))
    together = case.states
    for mouse in order:
        np.testing.assert_array_equal(
            case.seen(of_mice(case.tumour, mouse), mice_of(case.course, mouse)), together[:, mouse]
        )
    shuffled = case.seen(of_mice(case.tumour, order), mice_of(case.course, order))
    np.testing.assert_array_equal(shuffled, together[:, order])


def test_mice_that_do_not_switch_are_as_if_alone_among_those_that_do() -> None:
    rng = np.random.default_rng(0)
    mutating, growth = np.where(np.arange(40) % 2, 1e-3, 0.0), rng.uniform(0.01, 0.1, 40)
    clones = [Clone("one", ((1.0,),), 0.9), Clone("other", ((0.0,),), 0.1)]

    def states(mice: Any) -> Floats:
        tumour = Tumour(
            growth[mice], np.log([0.2]), clones, mutations=[Mutation("one", "other", mutating[mice])]
        )
        return grow(tumour, np.array([17.0]), Course([0.0], [[1.0]]))

    together = states(slice(None))
    for mouse in range(40):
        np.testing.assert_array_equal(states(mouse), together[:, mouse])


def taken(value: Any, mice: Any) -> Any:
    """Of what is by mouse (leading dim) those of `mice`; of what is one for all, the same."""
    return value[mice] if np.ndim(value) and np.shape(value)[0] == MICE else value


def of_mice(tumour: Tumour, mice: Any) -> Tumour:
    """Some mice of a tumour of `random_tumour`: what is by drug alone is told from what is by mouse by its kind."""

    def part(thing: Any, *names: str) -> Any:
        return replace(thing, **{name: taken(getattr(thing, name), mice) for name in names})

    by_drug = {"log_kill": tumour.log_kill, "protection": tumour.niche.protection if tumour.niche else 0.0}
    by_drug = {name: taken(value, mice) if np.ndim(value) == 2 else value for name, value in by_drug.items()}
    niche, persistence = tumour.niche, tumour.persistence
    if niche is not None:
        niche = replace(part(niche, "share", "entering", "leaving"), protection=by_drug["protection"])
    if persistence is not None:
        persistence = part(persistence, "induced", "woken", "share")
    return replace(
        part(tumour, "growth"),
        log_kill=by_drug["log_kill"],
        clones=[part(clone, "share") for clone in tumour.clones],
        mutations=[part(m, "rate", "rate_persister") for m in tumour.mutations],
        persistence=persistence,
        niche=niche,
    )


def mice_of(course: Course, mice: Any) -> Course:
    return mapped(course, lambda effect: effect[mice] if effect.ndim == 2 else effect)


# Doses that are none, drugs that are not there, and drugs that reach nobody.


@of_three_mice
@given(cases(two=3))
def test_zero_dose_is_untreated(case: Case) -> None:
    """At dose 0 nothing is killed and nobody induced, whatever the drugs are."""
    tumour = case.tumour
    no_kill = replace(tumour, log_kill=np.full_like(tumour.log_kill, -np.inf))
    nothing = np.zeros(n_drugs(case))
    same_rates(rates(tumour, nothing), rates(no_kill, nothing), 0.0)
    if tumour.persistence is not None:
        other: dict[str, Any] = {
            "inducing": (),
            "drivers": (),
            "induced_fold": (),
            "woken_fold": (),
            "woken_on_drug": 9.0,
        }
        plain = replace(tumour, persistence=replace(tumour.persistence, **other))
        same_rates(rates(tumour, nothing), rates(plain, nothing), 0.0)
        silent = replace(tumour, persistence=replace(tumour.persistence, induced=0.0))
        same_rates(rates(tumour, nothing), rates(silent, nothing), 0.0)


@of_three_mice
@given(cases((), segments=1))
def test_untreated_clones_grow_each_at_its_rate(case: Case) -> None:
    untreated = mapped(case.course, lambda effect: 0 * effect)
    for clone, size in zip(case.tumour.clones, case.seen(case.tumour, untreated), strict=True):
        rate = case.tumour.growth * (1 - clone.fitness_cost)
        close(size, clone.share[:, None] * np.exp(rate[:, None] * case.days))


def with_one_more(case: Case, log_kill: float, sensitivity: float, inducing: bool) -> Tumour:
    """A further drug, last, to which all clones and persisters have the same sensitivity."""
    tumour = case.tumour

    def rows(drivers: genotypes.Drivers) -> genotypes.Drivers:
        return tuple((*row, sensitivity) for row in drivers)

    persistence, niche = tumour.persistence, tumour.niche
    if persistence is not None:
        others = persistence.inducing or (True,) * n_drugs(case)
        persistence = replace(
            persistence,
            drivers=rows(persistence.drivers),
            inducing=(*others, inducing),
            induced_fold=(*persistence.induced_fold, 1.0) if persistence.induced_fold else (),
            woken_fold=(*persistence.woken_fold, 1.0) if persistence.woken_fold else (),
        )
    if niche is not None and np.ndim(niche.protection):
        niche = replace(niche, protection=np.insert(niche.protection, n_drugs(case), 0.3, axis=-1))
    return replace(
        tumour,
        log_kill=np.insert(tumour.log_kill, n_drugs(case), log_kill, axis=-1),
        clones=[replace(clone, drivers=rows(clone.drivers)) for clone in tumour.clones],
        persistence=persistence,
        niche=niche,
    )


@of_three_mice
@given(cases(two=3), st.floats(0.0, 1.5))
def test_a_drug_that_is_not_given_or_reaches_nobody_does_nothing(case: Case, dose: float) -> None:
    effect = np.asarray(case.course.effects[0])
    alone = rates(case.tumour, effect)
    for tumour, given_dose in (
        (with_one_more(case, 0.5, 1.0, inducing=True), 0.0),
        (with_one_more(case, 0.5, 0.0, inducing=True), dose),
        (with_one_more(case, -np.inf, 1.0, inducing=False), dose),
    ):
        same_rates(alone, rates(tumour, np.insert(effect, effect.shape[-1], given_dose, axis=-1)))


@of_three_mice
@given(cases(("persistence", "niche", "mutations"), two=3))
def test_a_drug_without_reach_induces_nobody(case: Case) -> None:
    """One driver that no drug reaches keeps a clone from dying and from persistence alike."""
    width = n_drugs(case)
    unreached = [replace(c, drivers=(*c.drivers, (0.0,) * width)) for c in case.tumour.clones]
    persistence = case.tumour.persistence or Persistence(0.01, 0.1)
    tumour = replace(case.tumour, clones=unreached, persistence=persistence)
    effect = np.asarray(case.course.effects[0])
    names = [name.split(", ") for name in state_names(tumour)]
    untreated = rates(replace(tumour, persistence=replace(persistence, woken_fold=())), 0 * effect)
    treated = rates(replace(tumour, persistence=replace(persistence, woken_fold=())), effect)
    for here, (name, phenotype, *place) in enumerate(names):
        if phenotype == "cycling":
            assert (treated[names.index([name, "persister", *place]), here] == 0.0).all()
            np.testing.assert_allclose(treated[here, here], untreated[here, here], rtol=1e-12)


@of_three_mice
@given(cases(("persistence",), segments=1))
def test_epigenetic_drugs_change_switching_alone(case: Case) -> None:
    """A fold of 1 is no drug, and what folds move they do not kill: columns of A keep their sum."""
    if case.tumour.persistence is None:
        return
    ones, none = (1.0,) * n_drugs(case), ()
    plain = replace(
        case.tumour, persistence=replace(case.tumour.persistence, induced_fold=none, woken_fold=none)
    )
    folded = replace(
        case.tumour, persistence=replace(case.tumour.persistence, induced_fold=ones, woken_fold=ones)
    )
    effect = case.course.effects[0]
    same_rates(rates(plain, effect), rates(folded, effect))
    for column in range(len(state_names(plain))):
        one, other = (
            sum(rate for (_, source), rate in rates(tumour, effect).items() if source == column)
            for tumour in (plain, case.tumour)
        )
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-12)


# Time: units, visits, segments and courses one after another.


@of_three_mice
@given(cases(segments=2))
def test_weeks_are_days_in_other_words(case: Case) -> None:
    week = 7.0
    tumour, persistence, niche = case.tumour, case.tumour.persistence, case.tumour.niche

    def faster(thing: Any, *names: str) -> Any:
        return (
            None if thing is None else replace(thing, **{name: getattr(thing, name) * week for name in names})
        )

    weekly = replace(
        faster(tumour, "growth"),
        log_kill=tumour.log_kill + np.log(week),
        mutations=[faster(m, "rate", "rate_persister") for m in tumour.mutations],
        persistence=faster(persistence, "induced", "woken", "woken_on_drug", "growth"),
        niche=faster(niche, "entering", "leaving"),
    )
    course = Course([day / week for day in case.course.from_days], case.course.effects)
    # The arguments of exponentials are up to some 100 and right to 1e-15 of themselves.
    np.testing.assert_allclose(grow(weekly, case.days / week, course), case.states, rtol=1e-11)


@of_three_mice
@given(cases(segments=2), st.floats(0.0, 60.0))
def test_visits_in_between_change_no_other_visit(case: Case, extra: float) -> None:
    """A visit twice on one day is one visit, to the bit, and day 0 is the start."""
    days = np.array([0.0, *case.days, case.days[-1]])
    plain = case.seen(case.tumour, days=days)
    np.testing.assert_array_equal(plain[..., -1], plain[..., -2])
    np.testing.assert_array_equal(plain[..., 1:3], case.states)
    np.testing.assert_array_equal(
        plain[..., 0], np.stack(np.broadcast_arrays(*start(case.tumour), np.zeros(MICE))[:-1])
    )
    more = np.sort([*case.days, extra])
    kept = np.searchsorted(more, case.days)
    close(case.seen(case.tumour, days=more)[..., kept], case.states)


def test_steps_that_differ_by_less_than_a_millisecond_are_their_own() -> None:
    """Found by chance: a visit 2e-10 days after the start lent the step that follows it to the next visit."""
    tumour = Tumour(np.array([0.05, 0.8]), np.full((2, 1), -2.0), [Clone("whole", ((1.0,),), np.ones(2))])
    course, days = Course([0.0], [np.array([0.0])]), np.array([21.6, 43.2])
    more = grow(tumour, np.r_[2e-10, days], course)
    np.testing.assert_allclose(more[..., 1:], grow(tumour, days, course), rtol=1e-11)


@of_three_mice
@given(cases(segments=2), st.floats(0.1, 50.0))
def test_a_segment_split_in_two_changes_nothing(case: Case, turn: float) -> None:
    days, effects = list(case.course.from_days), list(case.course.effects)
    if turn in days:
        return
    place = int(np.searchsorted(days, turn))
    split = Course(
        [*days[:place], turn, *days[place:]], [*effects[:place], effects[place - 1], *effects[place:]]
    )
    close(case.seen(case.tumour, split), case.states)


@of_three_mice
@given(cases(segments=2))
def test_a_course_is_its_segments_one_after_another(case: Case) -> None:
    """By hand: each segment's propagator applied to what the one before left."""
    states, course = start(case.tumour), case.course
    end = course.from_days[-1] + 5.0
    for day, until, effect in zip(
        course.from_days, [*course.from_days[1:], end], course.effects, strict=True
    ):
        states = apply(propagator(rates(case.tumour, effect), len(states), until - day), states)
    by_hand = np.stack(np.broadcast_arrays(*states, np.zeros(MICE))[:-1])
    close(case.seen(case.tumour, days=np.array([end]))[..., 0], by_hand)
    later = Course([*course.from_days, end], [*course.effects, 0 * course.effects[0]])
    np.testing.assert_array_equal(
        case.seen(case.tumour, later, np.array([end])), case.seen(case.tumour, days=np.array([end]))
    )


@of_three_mice
@given(cases(("mutations",), segments=1), cases((), segments=2))
def test_a_course_and_then_another_is_marching_twice(case: Case, other: Case) -> None:
    """The tumour at the end of the first course, taken as one at day 0, under the second."""
    width = n_drugs(case)
    then = mapped(other.course, lambda effect: np.resize(effect, width))
    first = case.seen(case.tumour, days=np.array([9.0]))[..., 0]
    size = first.sum(axis=0)
    clones = [replace(c, share=left / size) for c, left in zip(case.tumour.clones, first, strict=True)]
    second = case.seen(replace(case.tumour, clones=clones), then, case.days)
    both = Course([0.0, *(9.0 + np.array(then.from_days))], [case.course.effects[0], *then.effects])
    close(case.seen(case.tumour, both, case.days + 9.0), second * size[:, None])


@settings(max_examples=100)
@given(cases(two=2, segments=2))
def test_c6_a_finer_grid_of_visits_moves_no_endpoint(case: Case) -> None:
    """The march is exact: twice the visits give the same states, and endpoints read off the curve move below .1 %."""
    coarse, fine = np.arange(0, 40.1, 0.5), np.arange(0, 40.1, 0.25)
    states = case.seen(case.tumour, days=coarse)
    twice = case.seen(case.tumour, days=fine)
    close(twice[..., ::2], states)
    for one, other in zip(np.log(states.sum(axis=0)), np.log(twice.sum(axis=0)), strict=True):
        assert np.exp(one.min() - other.min()) - 1 < 1e-3
        crossed = [crossing(coarse, one), crossing(fine, other)]
        assert crossed[0] == crossed[1] or abs(crossed[0] / crossed[1] - 1) < 1e-3


def crossing(days: Floats, log_size: Floats) -> float:
    """Day of the first doubling, log-linear between visits; infinite where there is none."""
    if log_size.max() < np.log(2):
        return np.inf
    after = int((log_size >= np.log(2)).argmax())
    part = (np.log(2) - log_size[after - 1]) / (log_size[after] - log_size[after - 1])
    return float(days[after - 1] + part * (days[after] - days[after - 1]))


# Cells: none negative, none lost, none made up.


@of_three_mice
@given(cases(segments=2))
def test_no_state_is_negative_or_unknown(case: Case) -> None:
    begun = start(case.tumour)
    close(sum(begun), np.ones(np.shape(sum(begun))))
    assert all((np.asarray(state) >= 0).all() for state in begun)
    states = case.states
    assert states.shape == (len(state_names(case.tumour)), MICE, 2)
    assert np.isfinite(states).all()
    assert (states >= 0).all()
    assert (states.sum(axis=0) > 0).all()


@of_three_mice
@given(cases(("persistence", "niche")))
def test_t03_switching_and_moving_keep_every_cell(case: Case) -> None:
    still = replace(case.tumour, growth=0.0, log_kill=np.full(n_drugs(case), -np.inf))
    if still.persistence is not None:
        still = replace(still, persistence=replace(still.persistence, growth=0.0))
    total = grow(still, case.days, case.course).sum(axis=0)
    np.testing.assert_allclose(total, 1.0, rtol=1e-12)


@of_three_mice
@given(cases(("mutations", "niche"), segments=1))
def test_a_niche_that_protects_nothing_is_not_there(case: Case) -> None:
    bare = Niche(0.3, protection=0.0, entering=0.02, leaving=0.3)
    close(case.total(replace(case.tumour, niche=bare)), case.total(replace(case.tumour, niche=None)))


@of_three_mice
@given(cases(("niche",), segments=1))
def test_persisters_that_live_as_cycling_cells_do_are_not_there(case: Case) -> None:
    """One clone whose persisters grow and die as it does: volume does not feel the switching."""
    one = replace(case.tumour.clones[0], share=1.0, fitness_cost=0.0)
    niche = replace(case.tumour.niche, growth_factor=1.0) if case.tumour.niche else None
    tumour = replace(case.tumour, clones=[one], niche=niche)
    same = Persistence(0.07, 0.2, 0.05, growth=tumour.growth, share=0.2, drivers=one.drivers)
    close(case.total(replace(tumour, persistence=same)), case.total(tumour))


# Drugs together.


@of_three_mice
@given(cases(("mutations", "niche"), antagonism=False, segments=1))
def test_together_is_no_worse_than_the_best_alone(case: Case) -> None:
    """Kill by kill and volume by volume, where nothing switches and drugs do not hinder each other."""
    effect = np.asarray(case.course.effects[0])
    together = case.states
    for drug in range(n_drugs(case)):
        alone = effect * (np.arange(n_drugs(case)) == drug)
        smaller(together, case.seen(case.tumour, Course([0.0], [alone])))


@examples
@given(
    st.floats(0.02, 0.1),
    st.floats(1.2, 4.0),
    st.floats(1.2, 4.0),
    st.floats(-8.0, -0.5),
    st.floats(0.4, 30.0),
)
def test_clones_resistant_to_one_drug_each_do_not_survive_both(
    growth: float, a: float, b: float, log_share: float, p: float
) -> None:
    q = 10**log_share / 2
    clones = [
        Clone("sensitive", ((1.0, 1.0),), 1 - 2 * q),
        Clone("resists A", ((0.0, 1.0),), q),
        Clone("resists B", ((1.0, 0.0),), q),
    ]
    tumour = Tumour(growth, np.log([a * growth, b * growth]), clones, exponent=p)
    late = np.array([2.0, 5.0]) * np.log(1 / q) / growth / (min(a, b, 2.0) - 1)
    both = grow(tumour, late, Course([0.0], [[1.0, 1.0]])).sum(axis=0)
    assert both[1] < both[0] < q
    for single in ([1.0, 0.0], [0.0, 1.0]):
        relapsed = grow(tumour, late, Course([0.0], [single])).sum(axis=0)
        assert relapsed[1] > relapsed[0] > 1.0


kills = st.lists(st.floats(1e-4, 1.0), min_size=1, max_size=4).map(np.array)
exponents = st.floats(0.3, 20.0)
antagonisms = st.floats(0.0, 5.0)


@examples
@given(kills, exponents, antagonisms, st.floats(0.01, 100.0))
def test_drugs_that_hinder_each_other(k: Floats, p: float, antagonism: float, scale: float) -> None:
    hindered = antagonised_kill(np.log(k), p, antagonism)
    free = combined_kill(np.log(k), p)
    evenness = 1 - ((k / k.sum()) ** 2).sum()
    np.testing.assert_allclose(hindered, free * np.exp(-antagonism * evenness), rtol=1e-11)
    assert hindered <= free * (1 + 1e-12)
    np.testing.assert_allclose(antagonised_kill(np.log(k[::-1]), p, antagonism), hindered, rtol=1e-11)
    np.testing.assert_allclose(
        antagonised_kill(np.log(k * scale), p, antagonism), hindered * scale, rtol=1e-11
    )
    absent = np.append(np.log(k), -np.inf)
    np.testing.assert_allclose(antagonised_kill(absent, p, antagonism), hindered, rtol=1e-11)
    np.testing.assert_allclose(antagonised_kill(np.log(k[:1]), p, antagonism), k[0], rtol=1e-11)


rows = st.lists(
    st.lists(st.sampled_from([0.0, 0.3, 1.0, 1.5]), min_size=2, max_size=2), min_size=1, max_size=3
)
doses = st.lists(st.just(0.0) | st.floats(1e-3, 1.5), min_size=2, max_size=2).map(np.array)


@examples
@given(
    rows, st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=2, max_size=2), doses, exponents, antagonisms
)
def test_a_further_driver_never_makes_a_clone_more_vulnerable(
    drivers: list[list[float]], another: list[float], effects: Floats, p: float, antagonism: float
) -> None:
    log_kills = np.log([0.2, 0.05])
    killed = genotypes.kill(log_kills, effects, drivers, p, antagonism)
    reached = genotypes.reach(effects, drivers)
    assert genotypes.kill(log_kills, effects, [*drivers, another], p, antagonism) <= killed
    assert genotypes.reach(effects, [*drivers, another]) <= reached
    assert genotypes.kill(log_kills, effects, drivers[::-1], p, antagonism) == killed
    assert 0.0 <= reached <= 1.0
    assert (reached == 0.0) == (killed == 0.0)
    assert genotypes.reach(effects * 1.2, drivers) >= reached
    by_driver = [max(s * e for s, e in zip(row, effects, strict=True)) for row in drivers]
    assert reached == min(1.0, *by_driver)


shares = st.floats(1e-8, 0.999)


@examples
@given(shares, shares, st.floats(0.0, 1.0))
def test_shares_resistant_to_two_drugs_add_up(qa: float, qb: float, cross: float) -> None:
    four = genotypes.two_drug_shares(qa, qb, cross)
    assert (four[1:] >= 0).all()
    np.testing.assert_allclose(four.sum(), 1.0, rtol=1e-12)
    np.testing.assert_allclose([four[1] + four[3], four[2] + four[3]], [qa, qb], rtol=1e-9)
    np.testing.assert_allclose(
        genotypes.two_drug_shares(qb, qa, cross), four[[0, 2, 1, 3]], rtol=1e-9, atol=1e-15
    )
    assert min(qa * qb, qa, qb) * (1 - 1e-9) <= four[3] <= min(qa, qb) * (1 + 1e-9)


@st.composite
def curves(draw: st.DrawFn) -> tuple[Floats, Floats, np.random.Generator]:
    """Latent log(V/V0) (drug, tumour, visit) from 0 on, some above, some never; days."""
    rng = np.random.default_rng(draw(seeds))
    n_visits = draw(st.integers(2, 6))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 4)), n_visits - 1)
    steps = rng.normal(0.1, 0.5, shape)
    paths = np.concatenate([np.zeros((*shape[:2], 1)), np.cumsum(steps, axis=-1)], axis=-1)
    return paths, np.cumsum([0.0, *rng.uniform(0.1, 4, n_visits - 1)]), rng


@examples
@given(curves(), st.sampled_from([1.3, 2.0, 4.0]))
def test_independent_action_has_the_longest_latent_time(drawn: Any, ratio: float) -> None:
    paths, days, rng = drawn
    chosen = independent_action(paths, days, ratio)

    def merit(path: Floats) -> tuple[float, float]:
        """Day of reaching the ratio; where never, by how small the tumour ends."""
        for n in range(1, len(path)):
            if path[n] >= np.log(ratio):
                part = (np.log(ratio) - path[n - 1]) / (path[n] - path[n - 1])
                return float(days[n - 1] + part * (days[n] - days[n - 1])), 0.0
        return np.inf, -float(path[-1])

    for tumour, drug in enumerate(chosen):
        merits = [merit(path) for path in paths[:, tumour]]
        assert merits[drug] == pytest.approx(max(merits), rel=1e-12)
    order = rng.permutation(len(paths))
    np.testing.assert_array_equal(order[independent_action(paths[order], days, ratio)], chosen)
    alone = [independent_action(paths[:, tumour], days, ratio) for tumour in range(paths.shape[1])]
    np.testing.assert_array_equal(alone, chosen)
    np.testing.assert_array_equal(independent_action(paths, days * 7, ratio), chosen)


def test_a_tumour_that_touches_the_ratio_has_reached_it() -> None:
    """Exactly doubled at one visit is doubled then, whatever follows; equals go to the drug named first."""
    double = np.log(2.0)
    touching, later = [0.0, double, 0.1], [0.0, 0.3, 5.0]
    days = np.array([0.0, 7.0, 14.0])
    assert independent_action(np.array([[touching], [later]]), days).tolist() == [1]
    assert independent_action(np.array([[later], [touching]]), days).tolist() == [0]
    assert independent_action(np.array([[later], [later]]), days).tolist() == [0]
    collapsing, stable, slow = [0.0, 1.0, -5.0], [0.0, 0.2, 0.3], [0.0, 0.6, 0.65]
    assert independent_action(np.array([[collapsing], [stable]]), days).tolist() == [1]
    assert independent_action(np.array([[slow], [later]]), days).tolist() == [0]
    assert independent_action(np.array([[slow], [later]]), days, 1.728).tolist() == [1]


def test_a_course_has_one_dose_a_day() -> None:
    for when in ([0.0, 5.0, 5.0], [0.0, 5.0, 4.0], [2.0, 5.0, 6.0], [0.0, 5.0]):
        with pytest.raises(ValueError, match="starts on day 0, its days ascend"):
            Course(when, [[1.0], [0.0], [1.0]])


@pytest.mark.parametrize("missing", [1e-3, -1e-3, 1e-8])
def test_shares_that_do_not_add_up_are_no_tumour(missing: float) -> None:
    def tumour(off: float) -> Tumour:
        clones = [Clone("one", ((1.0,),), 0.7), Clone("other", ((0.0,),), 0.3 - np.array([0.0, off]))]
        return Tumour(0.05, np.log([0.1]), clones)

    with pytest.raises(ValueError, match="sum to 1"):
        start(tumour(missing))
    assert len(start(tumour(1e-12))) == 2


def test_what_is_not_said_of_a_tumour_is_nothing() -> None:
    """Kills add, drugs do not hinder each other, resistance is free, persisters neither mutate nor grow nor die."""
    drivers, log_kill = ((1.0, 1.0),), np.log([0.2, 0.1])
    bare = Tumour(
        0.06,
        log_kill,
        [Clone("one", drivers, 1.0), Clone("other", drivers, 0.0)],
        mutations=[Mutation("one", "other", 1e-3)],
        persistence=Persistence(0.01, 0.1),
        niche=Niche(0.2, 0.5),
    )
    names = [name.split(", ") for name in state_names(bare)]
    entries = rates(bare, [1.0, 1.0])
    for here, (name, phenotype, place) in enumerate(names):
        reaching = 0.5 if place == "niche" else 1.0
        net = 0.06 - 0.3 * reaching - 0.01 * reaching if phenotype == "cycling" else -0.1 * (1 - reaching)
        assert abs(entries[here, here] - net) < 1e-15
        mutant = entries.get((names.index(["other", "cycling", place]), here), 0.0)
        if name == "one":
            assert mutant == (1e-3 if phenotype == "cycling" else 0.0)
        assert entries[names.index([name, phenotype, "niche"]), names.index([name, phenotype, "bulk"])] == 0.0
    assert [float(share) for share in start(bare)] == [0.8, 0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
