"""Emulated arms against observed ones: depth of response, time to doubling and categories, each inside the band that
replicate trials make, arm by arm and all arms together.

Each arm has one distance between its observed curve and the replicates' mean curve; the band holds the replicates
whose own distance is no larger. All arms together are judged by the arm that is furthest out, against the furthest-out
arm of each replicate trial, so that many arms do not fail by their number. Rank tests of Monte Carlo replicates,
Besag & Clifford 1989 (Biometrika 76:633).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from avatar_trials.endpoints import survival_at
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes, common_horizon
from avatar_trials.endpoints.intervals import replicate_summary
from avatar_trials.endpoints.matching import Comparison
from avatar_trials.endpoints.response import CATEGORIES
from avatar_trials.evidence.check import Check, not_computed
from avatar_trials.evidence.drawing import BAND, FAINT, INK, MODEL, panels, short

Floats = NDArray[np.float64]

DEPTH, DOUBLING, COUNTS = "depth of response", "time to doubling", "response categories"
GRID = 121
SMALL_COUNT = 0.5
IN_SAMPLE = "In sample: the avatars were calibrated on these very mice."


@dataclass(frozen=True)
class Curves:
    """What is compared of one arm at the places `at` (m,): `observed` (m,) and `emulated` (trial, m)."""

    at: Floats
    observed: Floats
    emulated: Floats

    def furthest(self) -> tuple[float, Floats]:
        """Greatest distance from the replicates' mean: of the observed curve, and of each replicate (trial,)."""
        centre = self.emulated.mean(axis=0)
        return (
            float(np.abs(self.observed - centre).max()),
            np.abs(self.emulated - centre).max(axis=-1),
        )

    def unlikely(self) -> tuple[float, Floats]:
        """Squared distance of counts from the replicates' mean, each by what it would scatter as a rare count."""
        centre = self.emulated.mean(axis=0)
        scale = centre + SMALL_COUNT
        return (
            float(((self.observed - centre) ** 2 / scale).sum()),
            ((self.emulated - centre) ** 2 / scale).sum(axis=-1),
        )


def depth_of_response(compared: Comparison, level: float, *, in_sample: bool) -> Check:
    """ECDF of the depth of response (percent of baseline volume) of each arm inside its band of replicate trials."""
    curves = {arm: _ecdf(compared.observed[arm], compared.emulated[arm]) for arm in compared.arms}
    return _judged(
        DEPTH, curves, Curves.furthest, level, in_sample, "change of volume at best, %", "share of mice"
    )


def time_to_doubling(compared: Comparison, level: float, *, in_sample: bool) -> Check:
    """Kaplan-Meier curve of the time to doubling (days) of each arm inside its band of replicate trials."""
    curves = {arm: _not_doubled(compared.observed[arm], compared.emulated[arm]) for arm in compared.arms}
    return _judged(
        DOUBLING, curves, Curves.furthest, level, in_sample, "days of treatment", "share not doubled"
    )


def categories(compared: Comparison, level: float, *, in_sample: bool) -> Check:
    """Counts of CR, PR, SD and PD of each arm among those of the replicate trials; the table lists every count."""
    curves = {arm: _counts(compared.observed[arm], compared.emulated[arm]) for arm in compared.arms}
    judged = _judged(COUNTS, curves, Curves.unlikely, level, in_sample, "", "mice")
    if judged.passed is None:
        return judged
    rows = []
    for arm, one in curves.items():
        for place, category in enumerate(CATEGORIES):
            middle, lower, upper = replicate_summary(one.emulated[:, place], level)
            seen = int(one.observed[place])
            rows.append((arm, category, seen, middle, lower, upper, lower <= seen <= upper))
    columns = ["arm", "category", "observed", "emulated", "lower", "upper", "inside"]
    table = pd.DataFrame(rows, columns=columns).merge(
        judged.table.rename(columns={"inside": "arm_inside"})[["arm", "p", "arm_inside"]], on="arm"
    )
    return Check(COUNTS, judged.passed, table, judged.text, lambda: _draw_counts(table))


def ranks(observed: Floats, replicates: Floats) -> tuple[Floats, float]:
    """How far out the observed distances (arm,) are among those of replicates (trial, arm): p by arm, p of all arms.

    p: share of the replicates at least as far out, the observed one counted among them. Of all arms: the least of the
    arms' p, ranked among the least of each replicate's own.
    """
    n = len(replicates)
    p = (1 + np.count_nonzero(replicates >= observed, axis=0)) / (n + 1)
    ordered = np.sort(replicates, axis=0)
    as_far = np.stack(
        [n - np.searchsorted(ordered[:, k], replicates[:, k]) for k in range(replicates.shape[1])], axis=1
    )
    worst = (as_far + (observed >= replicates)).min(axis=1) / (n + 1)
    together = (1 + int(np.count_nonzero(worst <= p.min() + 1e-12))) / (n + 1)
    return p, together


def _judged(
    name: str,
    curves: dict[str, Curves],
    distance: Callable[[Curves], tuple[float, Floats]],
    level: float,
    in_sample: bool,
    along: str,
    up: str,
) -> Check:
    distances = [distance(one) for one in curves.values()]
    observed = np.array([one[0] for one in distances])
    replicates = np.stack([one[1] for one in distances], axis=1)
    unknown = ~np.isfinite(observed) | ~np.isfinite(replicates).all(axis=0)
    if unknown.any():
        named = ", ".join(arm for arm, lost in zip(curves, unknown, strict=True) if lost)
        return not_computed(name, f"without a mouse to compare, observed or in some replicate trial: {named}")
    p, together = ranks(observed, replicates)
    limit = np.quantile(replicates, level, axis=0, method="higher")
    table = pd.DataFrame(
        {"arm": list(curves), "distance": observed, "limit": limit, "p": p, "inside": p >= 1 - level}
    )
    out = [f"{row['arm']} (p = {row['p']:.3f})" for _, row in table[~table["inside"]].iterrows()]
    text = (
        f"{int(table['inside'].sum())} of {len(table)} arms inside the band of {level:.0%} of the replicate trials"
        f"{'; outside: ' + ', '.join(out) if out else ''}. All arms together: p = {together:.3f}. "
        f"Passes if that is at least {1 - level:.2g}.{' ' + IN_SAMPLE if in_sample else ''}"
    )
    passed = bool(together >= 1 - level - 1e-12)
    return Check(name, passed, table, text, lambda: _draw_curves(curves, table, along, up))


def _ecdf(observed: ArmOutcomes, emulated: ArmOutcomes) -> Curves:
    both = np.concatenate([observed.depth_pct.ravel(), emulated.depth_pct.ravel()])
    at = np.quantile(both[np.isfinite(both)], np.linspace(0.005, 0.995, GRID))

    def share(depth: Floats) -> Floats:
        known = np.count_nonzero(np.isfinite(depth), axis=-1)[:, None]
        below = np.count_nonzero(depth[:, None, :] <= at[:, None], axis=-1)
        reached: Floats = below / known
        return reached

    return Curves(at, share(observed.depth_pct)[0], share(emulated.depth_pct))


def _not_doubled(observed: ArmOutcomes, emulated: ArmOutcomes) -> Curves:
    ours, theirs = observed.doubling_curve(), emulated.doubling_curve()
    at = np.linspace(0.0, common_horizon([ours, theirs]), GRID)
    return Curves(at, survival_at(ours, at)[0], survival_at(theirs, at))


def _counts(observed: ArmOutcomes, emulated: ArmOutcomes) -> Curves:
    def count(arm: ArmOutcomes) -> Floats:
        return np.stack([np.count_nonzero(arm.category == name, axis=-1) for name in CATEGORIES], -1).astype(
            float
        )

    return Curves(np.arange(len(CATEGORIES), dtype=float), count(observed)[0], count(emulated))


def _draw_curves(curves: dict[str, Curves], table: pd.DataFrame, along: str, up: str) -> Figure:
    figure, grid = panels(len(curves))
    for axes, (arm, one), (_, row) in zip(grid, curves.items(), table.iterrows(), strict=True):
        centre = one.emulated.mean(axis=0)
        low, high = np.clip([centre - row["limit"], centre + row["limit"]], 0.0, 1.0)
        axes.fill_between(one.at, low, high, color=BAND, lw=0, step="post")
        axes.plot(one.at, centre, color=MODEL, lw=1.2, drawstyle="steps-post")
        axes.plot(one.at, one.observed, color=INK, lw=1.2, drawstyle="steps-post")
        _named(axes, arm, bool(row["inside"]))
        axes.set(xlabel=along, ylabel=up, ylim=(-0.03, 1.03))
    return figure


def _draw_counts(table: pd.DataFrame) -> Figure:
    arms = list(table["arm"].unique())
    figure, grid = panels(len(arms))
    for axes, arm in zip(grid, arms, strict=True):
        own = table[table["arm"] == arm]
        place = np.arange(len(own))
        axes.vlines(place, own["lower"], own["upper"], color=BAND, lw=9)
        axes.plot(place, own["emulated"], ls="", marker="_", ms=10, color=MODEL)
        axes.plot(place, own["observed"], ls="", marker="o", ms=4, color=INK)
        axes.set_xticks(place, list(own["category"]))
        _named(axes, arm, bool(own["arm_inside"].iloc[0]))
        axes.set(ylabel="mice", xlim=(-0.6, len(own) - 0.4))
    return figure


def _named(axes: Axes, arm: str, inside: bool) -> None:
    axes.set_title(f"{short(arm)}{'' if inside else ', outside'}", fontsize=8, color=INK if inside else FAINT)
