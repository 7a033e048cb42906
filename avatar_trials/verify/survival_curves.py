"""Kaplan-Meier curves, their intervals, quantiles and restricted means against R's survival package (3.5.3)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from avatar_trials.endpoints import survival
from avatar_trials.endpoints.one_arm import landmark_survival, restricted_mean_difference
from avatar_trials.verify.comparison import Comparisons, absolute, exact
from avatar_trials.verify.references import numbers, table

CURVE, ERROR, MEAN = 1e-12, 1e-10, 1e-9
LANDMARK_SETS = ("aml", "gehan", "ovarian")
NORMAL_975 = 1.959963984540054


@cache
def reference(name: str) -> Any:
    """R's curves (km, km_left_truncated) as tables, its medians and means (km_median, rmst) as JSON."""
    return table("survival", name) if name in ("km", "km_left_truncated") else numbers("survival", name)


def curves() -> list[tuple[str, str]]:
    """Data set and group of every curve."""
    pairs = reference("km")[["dataset", "group"]].drop_duplicates()
    return list(pairs.itertuples(index=False, name=None))


def left_truncated() -> list[str]:
    """Data sets whose subjects enter late."""
    return list(reference("km_left_truncated")["dataset"].unique())


def subjects(dataset: str, group: str) -> pd.DataFrame:
    """Subjects of one curve: time, event."""
    data = table("survival", f"data_{dataset}")
    return data if group == "all" else data[data["group"] == group]


def curve(dataset: str, group: str) -> survival.KaplanMeier:
    """Our estimate of one curve."""
    data = subjects(dataset, group)
    return survival.kaplan_meier(data["time"].to_numpy(), data["event"].to_numpy() == 1)


def expected(dataset: str, group: str, kind: str = "plain") -> pd.DataFrame:
    """R's estimate of one curve, with intervals of a kind."""
    km = reference("km")
    return km[(km["dataset"] == dataset) & (km["group"] == group) & (km["conf_type"] == kind)]


def curve_and_counts(dataset: str, group: str) -> Comparisons:
    ours, theirs, who = curve(dataset, group), expected(dataset, group), f"{dataset} {group}"
    yield absolute(f"{who}: times", ours.time, theirs["time"], CURVE)
    for name in ("n_risk", "n_event", "n_censor"):
        yield exact(f"{who}: {name}", getattr(ours, name), theirs[name])
    yield absolute(f"{who}: survival", ours.surv, theirs["surv"], CURVE)
    yield absolute(f"{who}: cumulative hazard", ours.cumhaz, theirs["cumhaz"], CURVE)
    yield absolute(f"{who}: Greenwood error", ours.std_error, theirs["greenwood_se"], ERROR)


def confidence_interval(dataset: str, group: str, kind: str) -> Comparisons:
    limits = survival.confidence_interval(curve(dataset, group), kind=kind)
    theirs = expected(dataset, group, kind)
    for name, ours in zip(("lower", "upper"), limits, strict=True):
        yield absolute(f"{dataset} {group}: {name} limit, {kind}", ours, theirs[name], ERROR)


def median_and_quartiles(dataset: str, group: str, kind: str) -> Comparisons:
    (theirs,) = [row for row in reference("km_median")[dataset][kind] if row["group"] == group]
    km = curve(dataset, group)
    limits = survival.quantile_interval(km, 0.5, kind=kind)
    ours = [survival.quantile(km, p) for p in (0.25, 0.5, 0.75)] + list(limits)
    names = ("q25", "median", "q75", "median_lower", "median_upper")
    wanted = [np.inf if theirs[name] is None else theirs[name] for name in names]
    yield absolute(f"{dataset} {group}: quartiles and median's interval, {kind}", ours, wanted, CURVE)
    yield exact(f"{dataset} {group}: median, {kind}", survival.median(km), ours[1])


def restricted_means(dataset: str) -> Comparisons:
    for row in reference("rmst")[dataset]:
        who, tau = f"{dataset} to {row['tau']:g}", row["tau"]
        first, second = (curve(dataset, group) for group in row["group"])
        means = np.array([survival.restricted_mean(km, tau) for km in (first, second)])
        yield absolute(f"{who}: restricted means", means[:, 0], row["rmst"], MEAN)
        yield absolute(f"{who}: their errors", means[:, 1], row["se"], MEAN)
        apart = restricted_mean_difference(first, second, tau)
        found = [apart.estimate, apart.se, apart.z, apart.p_value]
        names = ("diff_2_minus_1", "diff_se", "diff_z", "diff_p")
        yield absolute(f"{who}: difference, error, z and p", found, [row[name] for name in names], MEAN)
        half = NORMAL_975 * row["diff_se"]
        limits = row["diff_2_minus_1"] + np.array([-half, half])
        yield absolute(f"{who}: its limits", [apart.lower, apart.upper], limits, 1e-8)


def left_truncation(dataset: str) -> Comparisons:
    data = subjects(f"lt_{dataset}", "all")
    time, event, entry = (data[name].to_numpy() for name in ("time", "event", "entry"))
    ours = survival.kaplan_meier(time, event == 1, entry=entry)
    theirs = reference("km_left_truncated")
    theirs = theirs[theirs["dataset"] == dataset]
    for name in ("time", "n_risk", "n_event"):
        yield exact(f"late entry, {dataset}: {name}", getattr(ours, name), theirs[name])
    yield absolute(f"late entry, {dataset}: survival", ours.surv, theirs["surv"], CURVE)
    yield absolute(f"late entry, {dataset}: Greenwood error", ours.std_error, theirs["greenwood_se"], ERROR)
    for name, limit in zip(("lower", "upper"), survival.confidence_interval(ours), strict=True):
        yield absolute(f"late entry, {dataset}: {name} limit", limit, theirs[name], ERROR)


def landmarks(dataset: str, group: str, kind: str) -> Comparisons:
    """At each time, and just before the next, where the curve still has its value."""
    theirs, who = expected(dataset, group, kind), f"{dataset} {group}: landmarks, {kind}"
    for shift in (0.0, 0.5):
        days = theirs["time"].to_numpy() + shift
        days = days[days <= theirs["time"].max()]
        ours = landmark_survival(curve(dataset, group), days, kind=kind)
        place = np.searchsorted(theirs["time"], days, side="right") - 1
        columns = {"survival": "surv", "std_error": "greenwood_se", "lower": "lower", "upper": "upper"}
        for name, column in columns.items():
            wanted = theirs[column].to_numpy()[place]
            yield absolute(f"{who}, {name} at + {shift:g}", getattr(ours, name), wanted, ERROR)


def everything() -> Comparisons:
    """Every comparison of this module."""
    for key in curves():
        yield from curve_and_counts(*key)
        for kind in survival.INTERVAL_KINDS:
            yield from confidence_interval(*key, kind)
            yield from median_and_quartiles(*key, kind)
            if key[0] in LANDMARK_SETS:
                yield from landmarks(*key, kind)
    for dataset in reference("rmst"):
        yield from restricted_means(dataset)
    for dataset in left_truncated():
        yield from left_truncation(dataset)
