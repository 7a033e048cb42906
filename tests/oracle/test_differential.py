"""Tumours and emulated mice against slow references: one mouse, one state and one small step at a time.

The references are written from the model's description, in plain arithmetic; they share no line with what they judge.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from avatar_trials.designs import ArmSpec, Mechanism
from avatar_trials.emulate import Cohort
from avatar_trials.emulate.mice import chance, luck, mice_under
from avatar_trials.emulate.scenario import drawn_scenario, log_growth
from avatar_trials.emulate.trial import measured_volumes
from avatar_trials.kinetics.tumour import Tumour, grow, start, state_names
from tests.oracle.test_emulate_reference import slow_mouse
from tests.random_cohort import random_cohort
from tests.random_tumour import MECHANISMS, random_course, random_tumour
from tests.slow_wander import foreseen

Floats = NDArray[np.float64]


def slow_kill(log_kill: Floats, doses: Floats, drivers: Any, p: float, antagonism: float) -> float:
    """p-norm of k s e over the drugs present, lowered by their evenness; the least inhibited driver's."""
    by_driver = []
    for row in drivers:
        kills = [math.exp(k) * s * e for k, s, e in zip(log_kill, row, doses, strict=True)]
        norm = sum(k**p for k in kills if k > 0) ** (1 / p)
        evenness = 1 - sum((k / sum(kills)) ** 2 for k in kills) if sum(kills) > 0 else 0.0
        by_driver.append(norm * math.exp(-antagonism * evenness))
    return min(by_driver, default=0.0)


def slow_rates(tumour: Tumour, of: Any, doses: Floats, states: list[list[str]]) -> Floats:
    """A (to, from), entry by entry; `of` takes one mouse's number out of a parameter."""
    matrix = np.zeros((len(states), len(states)))
    clones = {clone.name: clone for clone in tumour.clones}
    p, antagonism, persistence, niche = (
        of(tumour.exponent),
        of(tumour.antagonism),
        tumour.persistence,
        tumour.niche,
    )

    def flow(here: int, rate: float, **changed: str) -> int:
        other = [
            changed.get("phenotype", part) if part in ("cycling", "persister") else part
            for part in states[here]
        ]
        other = [changed.get("place", part) if part in ("bulk", "niche") else part for part in other]
        there = states.index(other)
        matrix[there, here] += rate
        matrix[here, here] -= rate
        return there

    for here, (name, *rest) in enumerate(states):
        clone, felt = clones[name], doses
        growth = of(tumour.growth) * (1 - of(clone.fitness_cost))
        if niche and "niche" in rest:
            kept = np.broadcast_to(niche.protection, (*np.shape(tumour.growth), len(doses)))[of.mouse]
            felt, growth = doses * (1 - kept), growth * of(niche.growth_factor)
            flow(here, of(niche.leaving), place="bulk")
        elif niche:
            flow(here, of(niche.entering), place="niche")
        log_kill = np.broadcast_to(tumour.log_kill, (*np.shape(tumour.growth), len(doses)))[of.mouse]
        drivers = clone.drivers
        if persistence:
            inducing = persistence.inducing or [True] * len(felt)
            stress = min(
                max(s * e if on else 0.0 for s, e, on in zip(row, felt, inducing, strict=True))
                for row in drivers
            )
            stress = min(stress, 1.0)
            fold = {
                kind: math.prod(f**e for f, e in zip(folds, felt, strict=True) if e > 0) if folds else 1.0
                for kind, folds in (("in", persistence.induced_fold), ("out", persistence.woken_fold))
            }
            if "cycling" in rest:
                flow(here, of(persistence.induced) * stress * fold["in"], phenotype="persister")
            else:
                drivers, growth = persistence.drivers, of(persistence.growth)
                woken = of(persistence.woken) * (1 - stress) + of(persistence.woken_on_drug) * stress
                flow(here, woken * fold["out"], phenotype="cycling")
        matrix[here, here] += growth - slow_kill(log_kill, felt, drivers, p, antagonism)
        for mutation in tumour.mutations:
            if mutation.source == name:
                persisting = "persister" in rest
                there = [mutation.to, *("cycling" if part == "persister" else part for part in rest)]
                matrix[states.index(there), here] += of(
                    mutation.rate_persister if persisting else mutation.rate
                )
    return matrix


def evolve(matrix: Floats, x: Floats, days: float) -> Floats:
    """x(days) of x' = A x in equal steps so short that the Taylor series of one loses no digit."""
    steps = max(1, math.ceil(4 * days * np.abs(matrix).sum(axis=0).max()))
    step = term = np.eye(len(x))
    for n in range(1, 18):
        term = term @ matrix * (days / steps / n)
        step = step + term
    for _ in range(steps):
        x = step @ x
    return x


def slow_march(matrices: list[Floats], turns: list[float], x: Floats, days: Floats) -> Floats:
    """States (state, visit): from one visit or turn of the course to the next."""
    seen, now = [], 0.0
    for day in days:
        for until in sorted({turn for turn in turns if now < turn < day} | {float(day)}):
            segment = max(n for n, turn in enumerate(turns) if turn <= now)
            x, now = evolve(matrices[segment], x, until - now), until
        seen.append(x)
    return np.stack(seen, axis=-1)


class Mouse:
    """One mouse's number of a parameter given by mouse, or once for all."""

    def __init__(self, mouse: int) -> None:
        self.mouse = mouse

    def __call__(self, value: Any) -> float:
        return float(value[self.mouse] if np.ndim(value) else value)


def slow_start(tumour: Tumour, of: Mouse, states: list[list[str]]) -> Floats:
    shares = []
    for name, *rest in states:
        share = of(next(clone.share for clone in tumour.clones if clone.name == name))
        if tumour.persistence:
            persisting = of(tumour.persistence.share)
            share *= persisting if "persister" in rest else 1 - persisting
        if tumour.niche:
            inside = of(tumour.niche.share)
            share *= inside if "niche" in rest else 1 - inside
        shares.append(share)
    return np.array(shares)


@pytest.mark.parametrize("part", range(5))
def test_c5_a_thousand_designs_state_by_state(part: int) -> None:
    """5 x 100 tumours and courses x 2 mice of their own numbers: every state and log V to 1e-9, relative to itself."""
    rng = np.random.default_rng(700 + part)
    for design in range(100):
        mechanisms = [name for n, name in enumerate(MECHANISMS) if design >> n & 1]
        n_clones = int(rng.integers(1, 4 if len(mechanisms) < 3 else 3))
        n_drugs = int(rng.integers(1, 4))
        tumour = random_tumour(rng, *mechanisms, mice=(2,), n_clones=n_clones, n_drugs=n_drugs)
        course = random_course(rng, n_drugs, n_segments=int(rng.integers(1, 4)), mice=(2,))
        days = np.cumsum([*rng.choice([0.0, 3.0, 4.0], 3), float(rng.choice([7.0, rng.uniform(0, 30)]))])
        fast = grow(tumour, days, course)
        states = [name.split(", ") for name in state_names(tumour)]
        assert fast.shape == (len(states), 2, len(days))
        for mouse in range(2):
            of = Mouse(mouse)
            doses = [np.broadcast_to(effect, (2, n_drugs))[mouse] for effect in course.effects]
            matrices = [slow_rates(tumour, of, dose, states) for dose in doses]
            slow = slow_march(matrices, list(course.from_days), slow_start(tumour, of, states), days)
            np.testing.assert_allclose(fast[:, mouse], slow, rtol=1e-9, atol=0)
            np.testing.assert_allclose(
                np.log(fast[:, mouse].sum(axis=0)), np.log(slow.sum(axis=0)), rtol=1e-9, atol=1e-9
            )
        at_start = np.stack(np.broadcast_arrays(*start(tumour), np.zeros(2))[:-1])
        np.testing.assert_allclose(at_start.sum(axis=0), 1.0, rtol=1e-9)


def slow_sizes(
    mouse: dict[str, float],
    untreated: float,
    parts: dict[str, dict[str, float]],
    course: list[tuple[float, float]],
    days: Floats,
) -> Floats:
    """V/V0 (visit,), without deceleration, of one calibrated mouse under a course of its arm and mechanisms.

    Sensitive and resistant cells grow at their calibrated rates on drug, in proportion to the dose between these and
    their rates off drug; only sensitive cells are driven into persistence, by the dose that reaches them.
    """
    resistance, persistence, niche = (parts.get(name, {}) for name in ("resistance", "persistence", "niche"))
    paying = untreated * (1 - resistance.get("fitness_cost", 0.0))
    off = {"s": untreated, "r": max(paying, mouse["resistant"])}
    on = {"s": mouse["sensitive"], "r": mouse["resistant"]}
    states = [(c, p, w) for c in "sr" for p in ("cycling", "persister") for w in ("bulk", "niche")]
    share = 1 / (1 + math.exp(-mouse["logit"]))
    x = []
    for clone, phenotype, place in states:
        persisting, inside = persistence.get("share", 0.0), niche.get("share", 0.0)
        size = share if clone == "r" else 1 - share
        size *= persisting if phenotype == "persister" else 1 - persisting
        x.append(size * (inside if place == "niche" else 1 - inside))
    matrices = []
    for _, dose in course:
        a = np.zeros((8, 8))

        def flow(to: tuple[str, str, str], here: int, rate: float, a: Floats = a) -> None:
            a[states.index(to), here] += rate
            a[here, here] -= rate

        for here, (clone, phenotype, place) in enumerate(states):
            felt = dose * (1 - niche.get("protection", 0.0)) if place == "niche" else dose
            stress = felt if clone == "s" else 0.0
            if phenotype == "cycling":
                a[here, here] += off[clone] + felt * (on[clone] - off[clone])
                flow((clone, "persister", place), here, persistence.get("induced", 0.0) * stress)
            else:
                a[here, here] += persistence.get("growth", 0.0)
                waking = persistence.get("woken", 0.0) * (1 - stress)
                waking += persistence.get("woken_on_drug", 0.0) * stress
                flow((clone, "cycling", place), here, waking)
            if place == "bulk":
                flow((clone, phenotype, "niche"), here, niche.get("entering", 0.0))
            else:
                flow((clone, phenotype, "bulk"), here, niche.get("leaving", 0.0))
            if clone == "s":
                arising = "acquired" if phenotype == "cycling" else "acquired_persister"
                a[states.index(("r", "cycling", place)), here] += resistance.get(arising, 0.0)
        matrices.append(a)
    return slow_march(matrices, [day for day, _ in course], np.array(x), days).sum(axis=0)


def slow_readings(
    cohort: Cohort, mouse: dict[str, float], sizes: Floats, surprises: Floats, days: Floats
) -> Floats:
    seen: list[float] = []
    earlier: list[tuple[float, float, float]] = []
    for day, size, surprise in zip(days.tolist(), sizes.tolist(), surprises.tolist(), strict=True):
        slowed = (1 + mouse["deceleration"] * math.log(max(size, 1.0))) ** (1 / mouse["deceleration"])
        volume = mouse["start"] * min(size, 1.0) * slowed
        diameter = (6 * (volume + cohort.diameter_floor_mm3) / math.pi) ** (1 / 3)
        caliper = 5 * mouse["delta"] ** 2 / diameter**2 + mouse["sigma_p"] ** 2
        centre, squared = foreseen(earlier, day, caliper, mouse["wander"])
        residual = centre + math.sqrt(squared) * surprise
        read = volume * math.exp(residual)
        seen.append(read if read >= cohort.detection_limit_mm3 else 0.0)
        if seen[-1]:
            earlier.append((day, caliper, residual))
    return np.array(seen)


def a_law(location: float, by: str | None) -> dict[str, Any]:
    law = {"distribution": "lognormal", "location": location, "scale": 0.7}
    words = {"unit": "1/day", "meaning": "m", "source": "s"}
    return law | words | ({"by": by} if by else {})


def random_mechanism(rng: np.random.Generator) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    if rng.random() < 0.6:
        parts["persistence"] = {
            "induced": float(10 ** rng.uniform(-4, -1)),
            "woken": a_law(0.05, "avatar"),
            "woken_on_drug": float(rng.choice([0.0, 0.02])),
            "growth": float(rng.uniform(-0.02, 0.01)),
            "share": float(10 ** rng.uniform(-4, -1)),
        }
    if rng.random() < 0.5:
        parts["niche"] = {
            "share": float(rng.uniform(0, 0.3)),
            "protection": float(rng.random()),
            "entering": float(10 ** rng.uniform(-4, -1.5)),
            "leaving": float(10 ** rng.uniform(-4, -1)),
        }
    if rng.random() < 0.6:
        parts["resistance"] = {
            "fitness_cost": float(rng.random()),
            "acquired": a_law(1e-4, None),
            "acquired_persister": a_law(1e-4, None),
        }
    return parts


@pytest.mark.parametrize("part", range(2))
def test_c5_emulated_mice_with_courses_and_mechanisms(part: int) -> None:
    """200 cohorts, an arm with a course each, with and without mechanisms: every reading to 1e-9."""
    rng = np.random.default_rng(900 + part)
    arms = ["A", "C", "A + B", "A + B + C"]
    detected = 0
    for design in range(100):
        cohort = random_cohort(rng, n_trials=2, n_avatars=2)
        name = arms[design % 4]
        turns = np.cumsum(rng.uniform(2, 20, rng.integers(0, 3))).tolist()
        course = [(day, float(rng.choice([0.0, 0.5, 1.0, rng.random()]))) for day in (0.0, *turns)]
        plain = design % 5 == 0 or course == [(0.0, 1.0)]
        arm = ArmSpec(name=name) if plain else ArmSpec(name=name, label="course", course=tuple(course))
        course = [(0.0, 1.0)] if plain else course
        given = random_mechanism(rng)
        mechanism = Mechanism.model_validate(given | {"source": "s"}) if given else None
        scenario = drawn_scenario(mechanism, cohort, design)
        days = np.cumsum([0.0, *rng.choice([3.0, 4.0], 6), 9.5])
        deviates = chance(cohort.avatars, 2, len(days), luck(design, "differential", str(part)))
        mice = mice_under(cohort, name, deviates)
        seen = measured_volumes(cohort, mice, deviates, days, arm=arm, scenario=scenario)
        for t in range(2):
            for i in range(2):
                mouse = slow_mouse(cohort, name, deviates, t, i)
                here = cohort.population["sigma_g"][t] * deviates.growth[t, i]
                untreated = math.exp(cohort.log_r[t, i] + here)
                parts = scenario.parts if scenario else {}
                own = {
                    part: {key: float(v[t, i]) for key, v in values.items()} for part, values in parts.items()
                }
                for part_name, values in given.items():
                    told = {key: v for key, v in values.items() if not isinstance(v, dict)}
                    assert told.items() <= own[part_name].items()
                sizes = slow_sizes(mouse, untreated, own, course, days)
                slow = slow_readings(cohort, mouse, sizes, deviates.surprises[t, i], days)
                assert ((slow == 0) == (seen[t, i] == 0)).all()
                np.testing.assert_allclose(seen[t, i], slow, rtol=1e-9, atol=0)
                detected += int((slow > 0).sum())
    assert detected > 2000


def test_readings_want_days_in_order() -> None:
    cohort = random_cohort(np.random.default_rng(0))
    days = np.array([0.0, 7.0, 6.5])
    deviates = chance(cohort.avatars, cohort.n_trials, 3, luck(3, "mouse"))
    for disorder in (days, days - 1.0):
        with pytest.raises(ValueError, match="do not decrease"):
            measured_volumes(cohort, mice_under(cohort, "A", deviates), deviates, disorder)


def test_parameters_of_one_law_are_drawn_apart() -> None:
    """Each has its own stream: mutants from cycling and from persisting cells are not one number."""
    cohort = random_cohort(np.random.default_rng(0), n_trials=20)
    law = a_law(1e-4, None)
    mechanism = Mechanism.model_validate(
        {"source": "s", "resistance": {"acquired": law, "acquired_persister": law}}
    )
    scenario = drawn_scenario(mechanism, cohort, 4)
    assert scenario is not None
    drawn = scenario.parts["resistance"]
    assert not np.isin(drawn["acquired"], drawn["acquired_persister"]).any()
    assert len(np.unique(drawn["acquired"])) == 20


def test_untreated_mice_are_not_driven_into_persistence() -> None:
    cohort = random_cohort(np.random.default_rng(0))
    days = np.array([0.0, 7.0, 28.0])
    deviates = chance(cohort.avatars, cohort.n_trials, 3, luck(3, "mouse"))
    mice = mice_under(cohort, "untreated", deviates)
    induced = Mechanism.model_validate({"source": "s", "persistence": {"induced": 0.05, "woken": 0.1}})
    scenario = drawn_scenario(induced, cohort, 1)
    grown = np.array(list(log_growth(mice, ArmSpec(name="untreated"), scenario, days, slice(None))))
    np.testing.assert_allclose(grown, days[:, None] * mice.growth.reshape(-1), rtol=1e-11)
