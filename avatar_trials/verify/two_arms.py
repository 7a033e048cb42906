"""Log-rank tests, hazard ratios and regressions against R's survival package (3.5.3)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from avatar_trials.endpoints.cox import cox_regression, proportional_hazards_test
from avatar_trials.endpoints.parametric import interval_parametric_survival, parametric_survival
from avatar_trials.endpoints.rank_tests import logrank
from avatar_trials.endpoints.two_arm_hazard import hazard_ratio
from avatar_trials.verify.comparison import Comparisons, absolute, exact, holds, relative
from avatar_trials.verify.references import numbers, table

PAIRED = "gehan"
PARAMETRIC = tuple((d, law) for d in ("aml", "gehan") for law in ("exponential", "weibull", "lognormal"))


@cache
def reference(name: str) -> Any:
    """R's logrank, cox, survreg."""
    return numbers("survival", name)


def tests() -> list[tuple[str, int]]:
    """Data set and rho of every unstratified test."""
    return [
        (dataset, rho) for dataset, each in reference("logrank").items() if "rho0" in each for rho in (0, 1)
    ]


def fits() -> list[tuple[str, str]]:
    """Data set and name of every fit without robust errors."""
    of_sets = {d: each for d, each in reference("cox").items() if not d.startswith("schoenfeld")}
    return [(dataset, fit) for dataset, each in of_sets.items() for fit in each if "cluster" not in fit]


def subjects(dataset: str) -> pd.DataFrame:
    """Subjects of a data set: time, event, group."""
    return table("survival", f"data_{dataset}")


def outcome(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Time, event, group."""
    return data["time"].to_numpy(), data["event"].to_numpy(), data["group"].to_numpy()


def logrank_test(dataset: str, rho: int) -> Comparisons:
    theirs, who = reference("logrank")[dataset][f"rho{rho}"], f"log-rank, {dataset}, rho {rho}"
    ours = logrank(*outcome(subjects(dataset)), rho=rho)
    yield exact(f"{who}: groups", list(ours.groups), theirs["group"])
    yield exact(f"{who}: subjects", ours.n, theirs["n"])
    yield absolute(f"{who}: observed", ours.observed, theirs["obs"], 1e-10)
    yield absolute(f"{who}: expected", ours.expected, theirs["exp"], 1e-10)
    yield relative(f"{who}: variance", ours.variance[0, 0], theirs["var"], 1e-10)
    yield relative(f"{who}: chi squared", ours.chisq, theirs["chisq"], 1e-10)
    yield relative(f"{who}: p", ours.p_value, theirs["p"], 1e-10)
    yield holds(f"{who}: defined", ours.why_undefined == "")


def logrank_of_pairs() -> Comparisons:
    data, theirs = subjects(PAIRED), reference("logrank")["gehan_stratified_by_pair"]
    ours = logrank(*outcome(data), strata=data["pair"].to_numpy())
    yield relative("log-rank by pair: chi squared", ours.chisq, theirs["chisq"], 1e-10)
    yield relative("log-rank by pair: p", ours.p_value, theirs["p"], 1e-10)
    yield absolute("log-rank by pair: expected", ours.expected, theirs["exp"], 1e-12)
    yield relative("log-rank by pair: variance", ours.variance[0, 0], theirs["var"], 1e-12)


def hazard_ratio_and_regression(dataset: str, fit: str) -> Comparisons:
    """Both programs of one likelihood; R stops at a relative change of 1e-9 of it."""
    data, theirs, who = subjects(dataset), reference("cox")[dataset][fit], f"Cox, {dataset}, {fit}"
    time, event, group = outcome(data)
    ((name, coef),) = theirs["coef"].items()
    arm = name.removeprefix("group")
    (other,) = set(group) - {arm}
    paired: dict[str, Any] = {"ties": "efron", "strata": data["pair"].to_numpy() if "pair" in data else None}
    arguments = paired if fit == "stratified_pair_efron" else {"ties": fit}
    two = hazard_ratio(time, event, group, reference=other, **arguments)
    general = cox_regression(time, event, {name: group == arm}, **arguments)
    yield exact(f"{who}: arm", two.arm, arm)
    for ours, kind, ours_coef, ours_hr, se, limits in (
        (two, "two arms", two.log_hr, two.hr, two.se, (two.lower, two.upper)),
        (
            general,
            "general",
            general.coef[0],
            general.hr[0],
            general.se[0],
            (general.lower[0], general.upper[0]),
        ),
    ):
        told = f"{who}, {kind}"
        yield absolute(f"{told}: coefficient", ours_coef, coef, 1e-9)
        yield relative(f"{told}: hazard ratio", ours_hr, theirs["hr"][name], 1e-9)
        yield absolute(f"{told}: error", se, theirs["se"][name], 1e-8)
        yield relative(f"{told}: limits", limits, [theirs[f"{e}95"][name] for e in ("lower", "upper")], 1e-8)
        yield absolute(f"{told}: log likelihood without", ours.loglik0, theirs["loglik0"], 1e-10)
        yield absolute(f"{told}: log likelihood", ours.loglik, theirs["loglik"], 1e-10)
        yield absolute(f"{told}: likelihood ratio", ours.lr_chisq, theirs["lrt"], 1e-9)
        yield absolute(f"{told}: score", ours.score_chisq, theirs["score"], 1e-9)
        yield exact(f"{told}: Wald, which R rounds", round(float(ours.wald_chisq), 2), theirs["wald"])
    yield absolute(f"{who}: concordance", general.concordance, theirs["concordance"], 1e-12)
    yield exact(f"{who}: subjects", [general.n, two.n.sum()], [theirs["n"]] * 2)
    yield exact(f"{who}: events", [general.n_event, two.n_event.sum()], [theirs["nevent"]] * 2)


def errors_robust_to_pairs() -> Comparisons:
    data, theirs = subjects(PAIRED), reference("cox")[PAIRED]["cluster_pair_robust"]
    time, event, group = outcome(data)
    pair = data["pair"].to_numpy()
    two = hazard_ratio(time, event, group, reference="6-MP", cluster=pair)
    general = cox_regression(time, event, {"control": group == "control"}, cluster=pair)
    for kind, coef, naive, se in (
        ("two arms", two.log_hr, two.naive_se, two.se),
        ("general", general.coef[0], general.naive_se[0], general.se[0]),
    ):
        yield absolute(f"robust errors, {kind}: coefficient", coef, theirs["coef"]["groupcontrol"], 1e-9)
        yield absolute(f"robust errors, {kind}: naive error", naive, theirs["naive_se"], 1e-8)
        yield absolute(f"robust errors, {kind}: robust error", se, theirs["robust_se"], 1e-8)


def hazard_ratio_of_pairs() -> Comparisons:
    """18 of the 21 pairs favour one arm, 3 the other: 18 / 3."""
    data = subjects(PAIRED)
    ours = hazard_ratio(*outcome(data), reference="6-MP", strata=data["pair"].to_numpy())
    yield relative("hazard ratio of pairs, by hand", ours.hr, 6.0, 1e-12)


def an_arm_without_events() -> Comparisons:
    """No number where R finds none: it runs out of iterations."""
    time, event, group = outcome(subjects("no_events_one_arm"))
    ours = hazard_ratio(time, event, group)
    yield exact(
        "an arm without events: no hazard ratio", [ours.hr, ours.lower, ours.upper, ours.se], [np.nan] * 4
    )
    theirs = reference("logrank")["no_events_one_arm"]["rho0"]["chisq"]
    yield relative("an arm without events: log-rank", logrank(time, event, group).chisq, theirs, 1e-7)


def proportional_hazards() -> Comparisons:
    time, event, group = outcome(subjects("aml"))
    theirs = reference("cox")["schoenfeld_zph_km"]["aml"]
    ours = proportional_hazards_test(time, event, {"group": group == "Nonmaintained"})
    yield absolute("proportional hazards: chi squared", ours.chisq, [theirs["chisq"]], 1e-8)
    yield absolute("proportional hazards: p", ours.p_value, [theirs["p"]], 1e-8)
    yield absolute("proportional hazards: global", ours.global_chisq, theirs["chisq"], 1e-8)


def parametric_regression(dataset: str, distribution: str) -> Comparisons:
    time, event, group = outcome(subjects(dataset))
    theirs, who = reference("survreg")[dataset][distribution], f"{distribution}, {dataset}"
    arm = list(theirs["coef"])[1].removeprefix("group")
    ours = parametric_survival(time, event, {"arm": group == arm}, distribution=distribution)
    yield absolute(f"{who}: coefficients", ours.coef, list(theirs["coef"].values()), 1e-8)
    yield absolute(f"{who}: scale", ours.scale, theirs["scale"], 1e-8)
    yield absolute(f"{who}: log likelihood", ours.loglik, theirs["loglik"], 1e-10)


def parametric_regression_of_intervals() -> Comparisons:
    data, theirs = subjects("ic_weekly_pdx"), reference("survreg")["weekly_pdx_interval_weibull"]
    ours = interval_parametric_survival(data["left"].to_numpy(), data["right"].to_numpy())
    yield absolute("Weibull of intervals: intercept", ours.coef, [theirs["coef"]["(Intercept)"]], 1e-8)
    yield absolute("Weibull of intervals: scale", ours.scale, theirs["scale"], 1e-8)
    yield absolute("Weibull of intervals: log likelihood", ours.loglik, theirs["loglik"], 1e-10)


def everything() -> Comparisons:
    """Every comparison of this module."""
    for dataset, rho in tests():
        yield from logrank_test(dataset, rho)
    yield from logrank_of_pairs()
    for key in fits():
        yield from hazard_ratio_and_regression(*key)
    yield from hazard_ratio_of_pairs()
    yield from errors_robust_to_pairs()
    yield from an_arm_without_events()
    yield from proportional_hazards()
    for key in PARAMETRIC:
        yield from parametric_regression(*key)
    yield from parametric_regression_of_intervals()
