"""Emulated mice against a slow reference: one mouse and one visit at a time, in plain arithmetic."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize

from avatar_trials.designs import Stopping, TrialDesign, Visits
from avatar_trials.emulate import Cohort, emulate_trials, visit_days
from avatar_trials.emulate.mice import Chance, chance, luck, mice_under
from avatar_trials.emulate.one_arm import new_mice
from avatar_trials.emulate.trial import REASONS, REMOVED, SIZE, STUDY_END, follow, measured_volumes
from avatar_trials.kinetics.two_clone import BEND_FACTOR, BEND_SHARPNESS
from avatar_trials.seeds import stream
from tests.random_cohort import ARMS, HAZARD, a_design, random_cohort
from tests.slow_wander import foreseen

Floats = NDArray[np.float64]


def slow_mouse(cohort: Cohort, arm: str, luck_of: Chance, t: int, i: int) -> dict[str, float]:
    """Rates, resistant share and starting volume of replicate t's mouse of avatar i."""
    here = {name: float(values[t]) for name, values in cohort.population.items()}
    start = math.exp(here["mu_v"] + here["sigma_v"] * luck_of.start[t, i])
    if arm == "untreated":
        r = math.exp(cohort.log_r[t, i] + cohort.constants["growth_mouse_sd"] * luck_of.growth[t, i])
        return {"start": start, "sensitive": r, "resistant": r, "logit": 0.0, **here}
    drugs = [cohort.drugs.index(drug) for drug in arm.split(" + ")]
    log_r = cohort.log_r[t, i] + here["sigma_g"] * luck_of.growth[t, i]
    if len(drugs) == 1:
        log_drive, score = cohort.log_kill[t, i, drugs[0]], cohort.resistance[t, i, drugs[0]]
        score_sd = cohort.constants["resistance_mouse_sd"]
    else:
        p = math.exp(here["eta"])
        log_drive = math.log(sum(math.exp(cohort.log_kill[t, i, d]) ** p for d in drugs) ** (1 / p))
        shares = [1 / (1 + math.exp(-cohort.resistance[t, i, d])) for d in drugs]
        crossed = here["cross_resistance"]
        score = math.log(math.prod(shares) ** (1 - crossed) * min(shares) ** crossed)
        score_sd = here["sigma_q_combination"]
    score += score_sd * luck_of.resistance[t, i]
    log_drive += here["sigma_k"] * luck_of.kill[t, i] + here["beta_growth"] * (log_r - here["mu_r"])
    drive = math.exp(log_drive)
    kill = 1 / (1 / drive + 1 / cohort.constants["clearance_per_day"])
    slowings = sorted(cohort.slowing[t, drugs])
    slowing = slowings[0] + here["slowing_overlap"] * sum(slowings[1:])

    def excess(logit: float) -> float:
        beyond = BEND_SHARPNESS * (logit - cohort.constants["resistance_bend"])
        return logit + BEND_FACTOR / BEND_SHARPNESS * math.log1p(math.exp(beyond)) - score

    r = math.exp(log_r)
    return {
        "start": start,
        "sensitive": r - kill,
        "resistant": math.exp(log_r + slowing),
        "logit": optimize.brentq(excess, -60, 60, xtol=1e-14, rtol=1e-14),
        **here,
    }


def slow_volumes(cohort: Cohort, mouse: dict[str, float], surprises: Floats, days: Floats) -> Floats:
    seen = []
    earlier: list[tuple[float, float, float]] = []
    for day, surprise in zip(days.tolist(), surprises.tolist(), strict=True):
        resistant = 1 / (1 + math.exp(-mouse["logit"]))
        sensitive = 1 / (1 + math.exp(mouse["logit"]))
        size = sensitive * math.exp(mouse["sensitive"] * day) + resistant * math.exp(mouse["resistant"] * day)
        if size > 1:
            size = (1 + mouse["deceleration"] * math.log(size)) ** (1 / mouse["deceleration"])
        volume = mouse["start"] * size
        diameter = (6 * (volume + cohort.diameter_floor_mm3) / math.pi) ** (1 / 3)
        caliper = 5 * mouse["delta"] ** 2 / diameter**2 + mouse["sigma_p"] ** 2
        centre, squared = foreseen(earlier, day, caliper, mouse["wander"])
        residual = centre + math.sqrt(squared) * surprise
        read = volume * math.exp(residual)
        if read < cohort.detection_limit_mm3:
            seen.append(0.0)
            continue
        seen.append(read)
        earlier.append((day, caliper, residual))
    return np.array(seen)


def slow_follow(seen: Floats, days: Floats, uniform: Floats, stopping: Stopping) -> tuple[int, str]:
    """Last visit and why there."""
    for visit, volume in enumerate(seen):
        if volume >= stopping.size_mm3:
            return visit, "size"
        if visit == len(seen) - 1:
            break
        if visit == 0 or days[visit] < stopping.removal.from_day:
            continue
        relative = volume / seen[0] if seen[0] > 0 else 0.0
        hazard = 0.0
        for edge, rate in zip(
            stopping.removal.from_relative_volume, stopping.removal.hazard_per_day, strict=True
        ):
            if relative >= edge:
                hazard = rate
        if uniform[visit] < 1 - math.exp(-hazard * (days[visit + 1] - days[visit])):
            return visit, "removed"
    return len(seen) - 1, "study_end"


def random_stopping(rng: np.random.Generator) -> Stopping:
    edges = [0.0, *np.sort(rng.uniform(0.3, 4, 3)).tolist()]
    removal = {
        "from_relative_volume": edges,
        "hazard_per_day": rng.uniform(0, 0.1, 4).tolist(),
        "from_day": float(rng.choice([0.0, 3.0, 14.0, 21.0])),
        "source": "s",
    }
    return Stopping.model_validate({"size_mm3": float(rng.uniform(400, 2000)), "removal": removal})


@pytest.mark.parametrize("part", range(4))
def test_fast_and_slow_mice_are_the_same(part: int) -> None:
    """1,000 random designs (cohort, arm, visits, stopping rules), relative difference at most 1e-9."""
    rng = np.random.default_rng(100 + part)
    worst, reasons = 0.0, dict.fromkeys(REASONS.split(), 0)
    names = REASONS.split()
    for design in range(250):
        cohort = random_cohort(rng, n_trials=2, n_avatars=2)
        arm = ARMS[design % len(ARMS)]
        days = np.concatenate([[0.0], np.cumsum(rng.uniform(1, 9, 9))])
        deviates = chance(cohort.avatars, 2, len(days), luck(design, "test", str(part)))
        seen = measured_volumes(cohort, mice_under(cohort, arm, deviates), deviates, days)
        stopping = random_stopping(rng)
        stay, last, reason = follow(seen, days, deviates.removal, stopping)
        for t in range(2):
            for i in range(2):
                mouse = slow_mouse(cohort, arm, deviates, t, i)
                slow = slow_volumes(cohort, mouse, deviates.surprises[t, i], days)
                assert ((slow == 0) == (seen[t, i] == 0)).all()
                worst = max(worst, float(np.max(np.abs(slow - seen[t, i]) / np.maximum(slow, 1e-300))))
                visit, why = slow_follow(slow, days, deviates.removal[t, i], stopping)
                assert (last[t, i], names[reason[t, i]]) == (visit, why)
                assert stay[t, i].tolist() == [k <= visit for k in range(len(days))]
                reasons[why] += 1
    assert worst <= 1e-9
    assert min(reasons.values()) > 50


def deviates_of(avatar: str, mouse: str, n_trials: int, what: str, law: str, *visits: int) -> Floats:
    """Deviates (trial, 1, visit) of one purpose from the stream that carries its name."""
    rng = stream(77, what, avatar, mouse)
    size = (n_trials, *visits)
    values: Floats = rng.standard_t(4, size) if law == "standard_t" else getattr(rng, law)(size)
    return values[:, None]


def test_a_whole_trial_is_the_slow_trial() -> None:
    """`emulate_trials`: which stream goes to which mouse, NaN after it left, day and reason of leaving, the twin."""
    cohort = random_cohort(np.random.default_rng(5), n_trials=6, n_avatars=4)
    design = a_design()
    trial = emulate_trials(cohort, design, seed=77)
    days = trial["day"].values
    assert trial["volume_mm3"].dims == ("trial", "avatar", "arm", "visit")
    assert trial["arm"].values.tolist() == ARMS
    assert trial["avatar"].values.tolist() == list(cohort.avatars)
    names = REASONS.split()
    for purpose, variable in (("mouse", "volume_mm3"), ("twin", "twin_volume_mm3")):
        for i, avatar in enumerate(cohort.avatars):
            own = partial(deviates_of, avatar, purpose, 6)
            luck_of = Chance(
                growth=own("growth of the mouse", "standard_normal"),
                kill=own("kill in the mouse", "standard_normal"),
                resistance=own("resistance in the mouse", "standard_normal"),
                start=own("starting volume", "standard_normal"),
                surprises=own("readings", "standard_t", len(days)),
                removal=own("removal", "random", len(days)),
            )
            alone = cohort.of([avatar])
            for arm, name in enumerate(ARMS):
                for t in range(6):
                    mouse = slow_mouse(alone, name, luck_of, t, 0)
                    slow = slow_volumes(alone, mouse, luck_of.surprises[t, 0], days)
                    last, why = slow_follow(slow, days, luck_of.removal[t, 0], design.stopping)
                    slow[last + 1 :] = np.nan
                    np.testing.assert_allclose(trial[variable].values[t, i, arm], slow, rtol=1e-9)
                    if purpose == "mouse":
                        assert trial["left_day"].values[t, i, arm] == days[last]
                        assert names[trial["left_reason"].values[t, i, arm]] == why
    assert trial["draw"].values.tolist() == cohort.draw.tolist()
    assert trial.attrs["seed"] == "77"
    assert trial["left_reason"].attrs["flag_meanings"].split()[SIZE] == "size"


def test_a_combination_of_two_by_hand() -> None:
    """No luck: drives .1 and .2 with p = 2, shares .1 and .2, independent; slowings -.5 and -1, overlap 1/4."""
    cohort = random_cohort(np.random.default_rng(1), n_trials=1, n_avatars=1)
    logit = np.log(np.array([0.1, 0.2, 0.3]) / (1 - np.array([0.1, 0.2, 0.3])))
    population = cohort.population | {
        "eta": np.log([2.0]),
        "cross_resistance": np.zeros(1),
        "slowing_overlap": np.array([0.25]),
        "mu_r": np.log([0.08]),
        "beta_growth": np.array([1.0]),
        "mu_v": np.log([200.0]),
    }
    known = Cohort(
        **{
            **vars(cohort),
            "population": population,
            "log_r": np.log([[0.16]]),
            "log_kill": np.log([[[0.1, 0.2, 9.0]]]),
            "resistance": logit[None, None],
            "slowing": np.array([[-0.5, -1.0, -9.0]]),
            "constants": cohort.constants | {"resistance_bend": 40.0},
        }
    )
    none = Chance(*np.zeros((4, 1, 1)), *np.zeros((2, 1, 1, 2)))
    mice = mice_under(known, "A + B", none)
    drive = 2 * math.sqrt(0.05)  # growth is twice the population's, and kill follows growth
    kill = 1 / (1 / drive + 1 / 0.4)
    np.testing.assert_allclose(mice.rates[:, 0, 0], [0.16 - kill, 0.16 * math.exp(-1.0 - 0.125)], rtol=1e-12)
    assert mice.resistant_logit[0, 0] == pytest.approx(math.log(0.02), rel=1e-12)
    assert mice.log_start[0, 0] == pytest.approx(math.log(200), rel=1e-12)
    untreated = mice_under(known, "untreated", none)
    np.testing.assert_allclose(untreated.rates[:, 0, 0], [0.16, 0.16], rtol=1e-12)


def test_visit_days() -> None:
    weekly = visit_days(Visits(gaps_days=(7.0,), horizon_days=28))
    assert weekly.tolist() == [0, 7, 14, 21, 28]
    assert visit_days(Visits(gaps_days=(3.0, 4.0), horizon_days=15)).tolist() == [0, 3, 7, 10, 14]
    assert visit_days(Visits(gaps_days=(0.1 + 0.2, 0.7), horizon_days=10))[-1] == pytest.approx(10.0)
    assert visit_days(Visits(gaps_days=(0.25,), horizon_days=1000)).shape == (4001,)
    rng = np.random.default_rng(3)
    for _ in range(200):
        gaps = rng.uniform(0.25, 12, rng.integers(1, 5)).round(2).tolist()
        horizon = round(float(rng.uniform(10, 200)), 1)
        expected, day, k = [0.0], 0.0, 0
        while day + gaps[k % len(gaps)] <= horizon + 1e-9:
            day += gaps[k % len(gaps)]
            expected.append(day)
            k += 1
        ours = visit_days(Visits(gaps_days=tuple(gaps), horizon_days=horizon))
        np.testing.assert_allclose(ours, expected, rtol=1e-12)


DAYS = np.array([0.0, 3.0, 7.0, 10.0, 14.0])
ALWAYS, NEVER = np.zeros(5), np.full(5, 1 - 1e-16)


@pytest.mark.parametrize(
    ("seen", "uniform", "from_day", "last", "reason"),
    [
        ([200, 210, 220, 230, 240], NEVER, 0, 4, STUDY_END),
        ([200, 210, 1200, 230, 240], NEVER, 0, 2, SIZE),
        ([200, 210, 1199.999, 230, 240], NEVER, 0, 4, STUDY_END),
        ([1300, 210, 220, 230, 240], NEVER, 0, 0, SIZE),
        ([200, 210, 220, 230, 5000], NEVER, 0, 4, SIZE),
        ([200, 210, 220, 230, 240], ALWAYS, 0, 1, REMOVED),
        ([200, 210, 220, 230, 240], ALWAYS, 7, 2, REMOVED),
        ([200, 210, 220, 230, 240], ALWAYS, 7.5, 3, REMOVED),
        ([200, 210, 220, 230, 240], ALWAYS, 100, 4, STUDY_END),
        ([200, 1500, 220, 230, 240], ALWAYS, 0, 1, SIZE),
        ([200, 0, 0, 0, 0], NEVER, 0, 4, STUDY_END),
        ([0, 210, 220, 230, 240], NEVER, 0, 4, STUDY_END),
    ],
)
def test_why_a_mouse_leaves(seen: Any, uniform: Floats, from_day: float, last: int, reason: int) -> None:
    removal = {**HAZARD, "from_day": from_day, "source": "s"}
    stopping = Stopping.model_validate({"size_mm3": 1200.0, "removal": removal})
    stay, visit, why = follow(np.array([seen], dtype=float), DAYS, uniform[None], stopping)
    assert (visit[0], why[0]) == (last, reason)
    assert stay[0].sum() == last + 1


def test_removal_happens_at_the_hazard_of_the_band() -> None:
    """Of mice at twice their baseline, 1 - exp(-0.05 x gap) leave at each visit: counted in 60,000."""
    rng = np.random.default_rng(8)
    seen = np.full((60_000, 5), 400.0)
    seen[:, 0] = 200.0
    stopping = Stopping.model_validate({"size_mm3": 1200.0, "removal": {**HAZARD, "source": "s"}})
    _, last, why = follow(seen, DAYS, rng.random(seen.shape), stopping)
    at_risk = len(last)
    for visit, gap in ((1, 4.0), (2, 3.0), (3, 4.0)):
        left = int((last == visit).sum())
        share = 1 - math.exp(-0.05 * gap)
        assert left / at_risk == pytest.approx(share, abs=3.3 * math.sqrt(share * (1 - share) / at_risk))
        at_risk -= left
    assert (why[last < 4] == REMOVED).all()
    assert (last > 0).all()


def two_types() -> tuple[Stopping, Stopping, Stopping]:
    """Rules of CM and, of its own, NSCLC; and those of each alone."""
    slow = {**HAZARD, "source": "s"}
    fast = {**HAZARD, "hazard_per_day": [0.2] * len(HAZARD["hazard_per_day"]), "source": "s"}
    both = {"size_mm3": 1200.0, "removal": slow, "removal_of_type": {"NSCLC": fast}}
    alone = [{"size_mm3": 1200.0, "removal": one} for one in (slow, fast)]
    cm, nsclc = (Stopping.model_validate(one) for one in alone)
    return Stopping.model_validate(both), cm, nsclc


def test_each_avatar_leaves_at_the_hazards_of_its_tumour_type() -> None:
    rng = np.random.default_rng(8)
    seen, uniform = rng.uniform(150, 500, (40, 3, 5)), rng.random((40, 3, 5))
    both, cm, nsclc = two_types()
    _, last, _ = follow(seen, DAYS, uniform, both, ("CM", "nsclc", "CM"))
    _, as_cm, _ = follow(seen, DAYS, uniform, cm)
    _, as_nsclc, _ = follow(seen, DAYS, uniform, nsclc)
    np.testing.assert_array_equal(last[:, [0, 2]], as_cm[:, [0, 2]])
    np.testing.assert_array_equal(last[:, 1], as_nsclc[:, 1])
    assert (as_cm[:, 1] > as_nsclc[:, 1]).any()
    assert both.of_type("NSCLC").removal == nsclc.removal
    assert both.of_type("other").removal == cm.removal


@pytest.mark.parametrize("path", ["a whole trial", "one arm again and again"])
def test_emulated_mice_leave_by_their_avatars_tumour_type(path: str) -> None:
    """Through `emulate_trials` and through `NewMice`, whose mice a combination is foreseen by."""
    both, _, nsclc = two_types()
    cohort = replace(random_cohort(np.random.default_rng(4), n_trials=20), tumor_types=("CM", "NSCLC", "CM"))
    types = {"panel": "p", "tumor_type": ["CM", "NSCLC"]}
    designs = [a_design(cohort=types, stopping=one.model_dump()) for one in (both, nsclc)]

    def volumes(design: TrialDesign, who: Cohort) -> Floats:
        if path == "a whole trial":
            return emulate_trials(who, design, seed=3)["volume_mm3"].sel(arm="A").values
        return new_mice(who, design, seed=3).volumes("A")

    by_type, as_nsclc = (volumes(design, cohort) for design in designs)
    np.testing.assert_array_equal(by_type[:, 1], as_nsclc[:, 1])
    assert np.isnan(as_nsclc[:, [0, 2]]).sum() > np.isnan(by_type[:, [0, 2]]).sum()
    alone = volumes(designs[0], cohort.of(["X-2"]))
    np.testing.assert_array_equal(alone[:, 0], by_type[:, 1])
