"""Interval-censored curves, proportions, paired series and mixed models against R (npsurv, survival, stats, nlme)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from avatar_trials.endpoints.association import spearman
from avatar_trials.endpoints.contingency import conditional_odds_ratio, fisher_exact
from avatar_trials.endpoints.interval_censoring import interval_survival, turnbull
from avatar_trials.endpoints.intervals import proportion_interval, quantile, wilson_interval
from avatar_trials.endpoints.measurement_agreement import (
    kendall,
    kolmogorov_smirnov,
    limits_of_agreement,
    lin_concordance,
    pearson,
    spearman_test,
)
from avatar_trials.endpoints.mixed_model import growth_model
from avatar_trials.endpoints.paired import mcnemar, signed_rank
from avatar_trials.verify.comparison import Comparisons, absolute, exact, holds, relative
from avatar_trials.verify.references import numbers, table

DIGITS = 1e-10
# survfit puts each mass at the middle of an interval and stops early: 0.70001 where 0.7 is best.
SURVFIT_STOPS_EARLY = 2e-3
METHODS = ("REML", "ML")


@cache
def reference(name: str) -> Any:
    """R's turnbull, agreement, lme_growth."""
    return numbers("survival", name)


def intervals(dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """Left and right ends, in which the events lie."""
    data = table("survival", f"data_ic_{dataset}")
    return data["left"].to_numpy(dtype=float), data["right"].to_numpy(dtype=float)


def masses_and_likelihood(dataset: str) -> Comparisons:
    theirs, ours, who = reference("turnbull")[dataset], turnbull(*intervals(dataset)), f"Turnbull, {dataset}"
    right = [np.inf if value is None else value for value in theirs["npsurv_right"]]
    yield exact(f"{who}: left ends", ours.left, theirs["npsurv_left"])
    yield exact(f"{who}: right ends", ours.right, right)
    yield absolute(f"{who}: masses", ours.mass, theirs["npsurv_mass"], 1e-9)
    yield absolute(f"{who}: log likelihood", ours.loglik, theirs["npsurv_loglik"], DIGITS)
    yield absolute(f"{who}: gap a subject", ours.gap / ours.n, 0.0, DIGITS)


def between_the_innermost_intervals(dataset: str) -> Comparisons:
    theirs, ours, who = reference("turnbull")[dataset], turnbull(*intervals(dataset)), f"Turnbull, {dataset}"
    least, greatest = interval_survival(ours, theirs["survfit_time"])
    value = np.array(theirs["survfit_surv"])
    yield absolute(f"{who}: survfit", np.clip(value, least, greatest), value, SURVFIT_STOPS_EARLY)
    if dataset == "ten":
        yield absolute(f"{who}: at 8, by hand", interval_survival(ours, 8.0), [0.7, 0.7], 1e-12)
        yield absolute(f"{who}: at 7.5 and 9", interval_survival(ours, [7.5, 9.0])[1], [0.9, 0.7], 1e-12)
        yield absolute(f"{who}: at 9, least", interval_survival(ours, 9.0)[0], 0.5, 1e-12)


def proportions(row: dict[str, Any]) -> Comparisons:
    x, n, who = int(row["x"]), int(row["n"]), f"{row['x']} of {row['n']}"
    for method, name in (("wilson", "wilson"), ("clopper-pearson", "clopper_pearson")):
        yield absolute(f"{who}: {method}", proportion_interval(x, n, method=method), row[name], DIGITS)
    yield absolute(f"{who}: wilson, plain", wilson_interval(x, n, 0.95), row["wilson"], DIGITS)


def mcnemar_of_pairs() -> Comparisons:
    """Of 103 pairs three are not evaluable."""
    theirs = reference("agreement")["mcnemar"]
    (both, first), (second, neither) = theirs["table"]
    responses = [(True, True)] * both + [(True, False)] * first + [(False, True)] * second
    responses += [(False, False)] * neither + [(True, False)] * 3
    a, b = np.array(responses).T
    ours = mcnemar(a, b, evaluable=np.arange(len(a)) < len(a) - 3)
    found = [ours.chisq, ours.p_value, ours.chisq_cc, ours.p_value_cc, ours.exact_p]
    wanted = [theirs[name] for name in ("chisq", "p", "chisq_cc", "p_cc", "exact_p")]
    yield absolute("McNemar", found, wanted, DIGITS)
    yield exact("McNemar: pairs", ours.n_pairs, 100)


def fisher() -> Comparisons:
    theirs = reference("agreement")["fisher"]
    yield absolute("Fisher: p", fisher_exact(theirs["table"]), theirs["p"], DIGITS)
    as_r = conditional_odds_ratio(theirs["table"], search="r")
    yield relative("Fisher: odds ratio", as_r.estimate, theirs["cond_mle_or"], DIGITS)
    yield relative("Fisher: its limits", [as_r.lower, as_r.upper], theirs["ci"], DIGITS)


def paired_series() -> Comparisons:
    series = reference("agreement")["paired_vectors"]
    x, y = np.array(series["x"]), np.array(series["y"])
    r, theirs = pearson(x, y), series["pearson"]
    yield absolute("Pearson", [r.estimate, r.p_value], [theirs["est"], theirs["p"]], DIGITS)
    yield absolute("Pearson: limits", [r.lower, r.upper], theirs["ci"], DIGITS)
    for name, ours in (("spearman", spearman_test(x, y)), ("kendall", kendall(x, y))):
        wanted = list(series[name].values())[:2]
        yield absolute(name.capitalize(), [ours.estimate, ours.p_value], wanted, DIGITS)
    yield absolute("Spearman over replicates", spearman(x, y), series["spearman"]["est"], DIGITS)
    yield absolute("Lin", lin_concordance(x, y).estimate, series["lin"]["lin_ccc_pop_var"], DIGITS)
    limits, theirs = limits_of_agreement(x, y), series["bland_altman"]
    yield absolute("Bland-Altman", [limits.bias, limits.sd], [theirs["bias"], theirs["sd"]], DIGITS)
    yield absolute("Bland-Altman: limits", [limits.lower, limits.upper], theirs["loa"], DIGITS)
    signed = signed_rank(x, y)
    wanted = list(series["wilcoxon_signed"].values())
    yield absolute("signed ranks", [signed.statistic, signed.p_value], wanted, DIGITS)
    yield absolute("Kolmogorov-Smirnov", kolmogorov_smirnov(x, y), list(series["ks"].values()), DIGITS)
    for name, values in (("quantiles", x), ("quantiles beside a gap", [*x, np.nan])):
        found = [float(quantile(values, p)) for p in (0.1, 0.25, 0.5, 0.75, 0.9)]
        yield absolute(name, found, series["quantile_type7"], DIGITS)


def random_slopes(method: str) -> Comparisons:
    """Two optimisers meet in the likelihood; its curvature leaves the variances about half as many digits."""
    growth, theirs, who = (
        table("survival", "data_lme_growth"),
        reference("lme_growth")[method],
        f"nlme, {method}",
    )
    ours = growth_model(growth["day"], growth["logv"], growth["model"], reml=method == "REML")
    yield holds(f"{who}: fitted", (ours.why, ours.terms) == ("", ("intercept", "day")))
    spread = np.sqrt(np.diag(ours.covariance))
    yield relative(f"{who}: effects", ours.effects, list(theirs["fixef"].values()), 1e-8)
    yield relative(f"{who}: errors", ours.std_errors, list(theirs["fixef_se"].values()), 1e-5)
    yield absolute(f"{who}: log likelihood", ours.log_likelihood, theirs["loglik"], 1e-7)
    yield relative(f"{who}: random SDs", spread, [theirs["sd_int"], theirs["sd_day"]], 1e-5)
    yield relative(f"{who}: residual SD", ours.residual_sd, theirs["sigma"], 1e-5)
    correlation = ours.covariance[0, 1] / spread.prod()
    yield absolute(f"{who}: correlation, printed to 3 digits", correlation, theirs["corr"], 5e-4)
    counts = (growth["model"].nunique(), len(growth))
    yield exact(f"{who}: groups and volumes", (ours.n_groups, ours.n_volumes), counts)


def everything() -> Comparisons:
    """Every comparison of this module."""
    for dataset in reference("turnbull"):
        yield from masses_and_likelihood(dataset)
        yield from between_the_innermost_intervals(dataset)
    for row in reference("agreement")["binomial"]:
        yield from proportions(row)
    yield from mcnemar_of_pairs()
    yield from fisher()
    yield from paired_series()
    for method in METHODS:
        yield from random_slopes(method)
