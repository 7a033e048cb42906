"""Kinetics against solutions to 30 digits, laws of birth and death, and published chances of cure."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from functools import cache
from typing import Any

import numpy as np

from avatar_trials.kinetics import bozic, branching, clones, growth_laws, landmarks, saturation
from avatar_trials.kinetics.propagator import apply, propagator
from avatar_trials.verify.comparison import Comparisons, absolute, exact, holds, relative
from avatar_trials.verify.references import numbers

DIGITS = 1e-12
# Of squaring 13 times in the stiff case some 1e-12 is left.
PROPAGATED = 1e-11
Case = dict[str, Any]


@cache
def cases(kind: str, name: str) -> Any:
    """Reference cases: ode linear_piecewise and closed_forms, stochastic birth_death and bozic2013."""
    found = numbers(kind, name)
    return found["cases"] if name == "linear_piecewise" else found


def of_model(model: str) -> list[Case]:
    """Closed forms of one model."""
    return [case for case in cases("ode", "closed_forms") if case["model"] == model]


def is_diagonal(case: Case) -> bool:
    """Whether no clone turns into another."""
    return all(np.count_nonzero(s["A"] - np.diag(np.diag(s["A"]))) == 0 for s in case["segments"])


def told(case: Case) -> str:
    """The arguments of a case, in words."""
    return ", ".join(f"{name} {value!r}" for name, value in case["args"].items())


def log_of(digits: str) -> float:
    """Logarithm of a number of up to 40 digits."""
    with localcontext(prec=40):
        return float(Decimal(digits).ln())


def clones_side_by_side(case: Case) -> Comparisons:
    log_clones, who = np.log(case["x0"]), case["name"]
    for k, (segment, state) in enumerate(zip(case["segments"], case["states"], strict=True)):
        log_clones = clones.advance(log_clones, np.diag(segment["A"]), segment["duration"])
        wanted = [log_of(x) for x in state["x"]]
        scale = np.maximum(np.abs(wanted), 1.0)
        yield absolute(
            f"{who}, segment {k}: log clones", log_clones / scale, np.array(wanted) / scale, DIGITS
        )
        yield relative(f"{who}, segment {k}: clones", np.exp(log_clones), np.array(state["x"], float), DIGITS)
        yield relative(
            f"{who}, segment {k}: log total", clones.log_total(log_clones), log_of(state["total"]), DIGITS
        )


def states_that_feed_one_another(case: Case) -> Comparisons:
    x, who = list(np.array(case["x0"], dtype=float)), case["name"]
    for k, (segment, state) in enumerate(zip(case["segments"], case["states"], strict=True)):
        rates = {(i, j): float(r) for i, row in enumerate(segment["A"]) for j, r in enumerate(row)}
        x = apply(propagator(rates, len(x), segment["duration"]), x)
        yield relative(f"{who}, segment {k}: states", x, np.array(state["x"], dtype=float), PROPAGATED)
        yield relative(f"{who}, segment {k}: total", sum(x), float(state["total"]), PROPAGATED)
        yield holds(f"{who}, segment {k}: none negative", all(value >= 0.0 for value in x))


def two_exponentials(case: Case) -> Comparisons:
    """Nadir, depth, progression and return of V = s e^(-a t) + q e^(b t): the curve there, and the landmarks solved."""
    s, q, a, b = (case["args"][key] for key in "sqab")
    who, baseline, nadir = f"two exponentials, q {q:g}", s + q, float(case["V_nadir"])

    def volume(t: str) -> float:
        return float(baseline * np.exp(clones.log_growth(float(t), 0.0, a, math.log(q / s), b)))

    for key, wanted in (
        ("t_nadir", nadir),
        ("t_120pct_nadir", 1.2 * nadir),
        ("t_back_to_baseline", baseline),
        ("t_double_baseline", 2 * baseline),
    ):
        yield relative(f"{who}: volume at {key}", volume(case[key]), wanted, DIGITS)
    x, rates = np.log([s, q]), np.array([-a, b])
    found = {
        "t_nadir": landmarks.nadir_day(x, rates),
        "V_nadir": baseline * np.exp(landmarks.log_depth(x, rates)),
        "DepOR_percent": 100 * np.expm1(landmarks.log_depth(x, rates)),
        "t_120pct_nadir": landmarks.time_to_multiple_of_nadir(x, rates, 1.2),
        "t_back_to_baseline": landmarks.time_to_multiple_of_baseline(x, rates, 1.0),
        "t_double_baseline": landmarks.time_to_multiple_of_baseline(x, rates),
    }
    for key, value in found.items():
        yield relative(f"{who}: {key}", value, float(case[key]), PROPAGATED)


def gompertz(case: Case) -> Comparisons:
    """V' = a V ln(K/V) - kill V: as a law of growth, and as saturation, in closed form and marched."""
    v0, a, capacity, kill, t = (case["args"][key] for key in ("v0", "a", "K", "kill", "t"))
    start, expected, who = math.log(v0 / capacity), float(case["V"]), f"Gompertz, {told(case)}"
    law = growth_laws.gompertz(t, -a * start - kill, a)
    yield relative(f"{who}: law of growth", v0 * np.exp(law), expected, DIGITS)
    yield relative(
        f"{who}: closed", capacity * np.exp(saturation.gompertz(t, -kill, a, start)), expected, DIGITS
    )
    marched = saturation.retarded(lambda s: -kill * s, np.float64(t), a, start)
    yield relative(f"{who}: marched", capacity * np.exp(marched), expected, DIGITS)


def logistic(case: Case) -> Comparisons:
    """V' = r V (1 - V/K) - kill V, also with r = kill to the last bit, from above K, from 1e-9."""
    v0, r, capacity, kill, t = (case["args"][key] for key in ("v0", "r", "K", "kill", "t"))
    who, expected = f"logistic, {told(case)}", float(case["V"])
    law = growth_laws.logistic(t, v0, r, kill, capacity)
    yield relative(f"{who}: law of growth", v0 * np.exp(law), expected, DIGITS)
    size = saturation.logistic(np.log([v0]), np.array([r - kill]), t, r / capacity)
    yield relative(f"{who}: clones", np.exp(size[0]), expected, DIGITS)


def birth_and_death(case: Case) -> Comparisons:
    one, n = branching.law(case["b"], case["d"], case["t"]), case["n0"]
    who = f"birth {case['b']:g}, death {case['d']:g}, {n:g} cells"
    found = {
        "alpha": one.extinct,
        "beta": one.more,
        "p_extinct_by_t": branching.extinction_by(one, n),
        "p_extinct_ever": branching.extinction_ever(case["b"], case["d"], n),
        "mean": branching.mean(one, n),
        "var": branching.variance(one, n),
    }
    for name, value in found.items():
        yield relative(f"{who}: {name}", value, float(case[name]), 1e-13 * max(n, 10))
    with localcontext(prec=40):
        alpha, beta = Decimal(case["alpha"]), Decimal(case["beta"])
        for z in ("0", "0.3", "0.999", "1"):
            value = ((alpha + (1 - alpha - beta) * Decimal(z)) / (1 - beta * Decimal(z))) ** n
            yield relative(
                f"{who}: generating function at {z}", branching.pgf(one, float(z), n), float(value), 1e-11
            )


def chances_of_cure(case: Case) -> Comparisons:
    """Bozic et al. 2013 (eLife 2:e00747), formulas to 30 digits."""
    names = {"b": "birth", "d": "death", "b_treat": "birth_treated", "d_treat": "death_treated"}
    given = {names.get(key, key): value for key, value in case["args"].items()}
    size, u = given.pop("M"), given.pop("u")
    both = bozic.dual_therapy(size, u, **given)
    found = {
        name: getattr(both, name)
        for name in ("p1_up", "p1_down", "p2_up", "p2_down", "p_eradicate", "p_fail")
    }
    untreated = {key: value for key, value in given.items() if not key.endswith("_treated")}
    found["p_resistant_cell_exists"] = bozic.p_resistant_exists(size, u, **untreated)
    found["expected_resistant"] = bozic.expected_resistant(size, u, **untreated)
    for name, value in found.items():
        yield relative(f"Bozic, {size:g} cells, n12 {given['n12']}: {name}", value, float(case[name]), DIGITS)


def published_patients(row: Case) -> Comparisons:
    """Table 1 of Bozic et al. 2013: failure by patient, burdens printed to two digits."""
    rates = {"birth": 0.14, "death": 0.13, "birth_treated": 0.14, "death_treated": 0.17}
    mono = 1.0 - bozic.single_therapy_cure(row["cells"], 1e-9, **rates, positions=50)
    yield absolute(f"patient {row['patient']}: one drug", mono, row["published"]["mono"], 0.01)
    for n12 in (0, 1):
        fail = bozic.dual_therapy(row["cells"], 1e-9, **rates, n1=50, n2=50, n12=n12).p_fail
        published = row["published"][f"dual_n12_{n12}"]
        yield absolute(f"patient {row['patient']}: two drugs, n12 {n12}", fail, published, 0.01)


def everything() -> Comparisons:
    """Every comparison of this module."""
    piecewise = cases("ode", "linear_piecewise")
    yield exact("cases of clones side by side", sum(map(is_diagonal, piecewise)), 4)
    for case in piecewise:
        yield from states_that_feed_one_another(case)
        if is_diagonal(case):
            yield from clones_side_by_side(case)
    laws = {"two_exponential": two_exponentials, "gompertz_kill": gompertz, "logistic_kill": logistic}
    for model, check in laws.items():
        for case in of_model(model):
            yield from check(case)
    for case in cases("stochastic", "birth_death"):
        yield from birth_and_death(case)
    published = cases("stochastic", "bozic2013")
    for case in published["computed"]:
        yield from chances_of_cure(case)
    for row in published["published_table1"]:
        yield from published_patients(row)
