"""A sweep's sums as one tidy table with Monte Carlo standard errors, and what is read off it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from avatar_trials.sweeps.plan import Plan
from avatar_trials.sweeps.sums import SHARES, Key, Sums
from avatar_trials.sweeps.worlds import INDEPENDENT, MEAN, NO_DIFFERENCE, POSTERIOR

ASSURANCE, POWER, TYPE_I = "assurance", "power", "type_I_error"
CALLED = {POSTERIOR: ASSURANCE, MEAN: POWER, INDEPENDENT: TYPE_I, NO_DIFFERENCE: TYPE_I}
"""World -> what the share of trials in which a combination goes forward is called there."""

GIVEN = {"wrong_go": ("wrong_go_if_not_worth", False), "wrong_stop": ("wrong_stop_if_worth", True)}
UNITS = {
    "mice": "mice",
    "drug_days": "drug-days",
    "avatars": "avatars",
    "regret": "true advantage lost",
    "median": "days",
}
COLUMNS = (
    *("n_avatars", "mice_per_avatar", "world", "basket", "arm", "against", "endpoint", "test"),
    *("quantity", "estimate", "se", "n_trials"),
)


def sweep_table(plan: Plan, sums: Sums) -> pd.DataFrame:
    """One row a point, world, basket, comparison, endpoint and quantity: the varied keys, then COLUMNS.

    estimate: share of trials, or mean over them (`median`: their median); se: its Monte Carlo standard error. Trials of
    world posterior that share a draw are counted as independent, which makes the error too large rather than too small.
    """
    designs = plan.designs
    rows = []
    for key, name, estimate, se, n in _entries(sums):
        design = designs[key.point]
        rows.append(
            {
                **{varied: _shown(value) for varied, value in plan.varied[key.point].items()},
                "n_avatars": design.cohort.n_avatars,
                "mice_per_avatar": design.decision.mice_per_avatar,
                **{field: getattr(key, field) for field in ("world", "basket", "arm", "against", "endpoint")},
                "test": design.decision.test_of(key.endpoint) if key.quantity in TESTED else "",
                "quantity": name,
                "estimate": estimate,
                "se": se,
                "n_trials": n,
            }
        )
    varied = list(dict.fromkeys(name for point in plan.varied for name in point))
    return pd.DataFrame(rows, columns=[*varied, *COLUMNS])


TESTED = frozenset(("go", "wrong_go", "wrong_stop", "any_wrong_go"))


def share_error(hits: float, n: int) -> float:
    """Monte Carlo standard error of a share; of two hits and two misses more than there were (Agresti and Coull 1998),
    so that no share is without error."""
    share = (hits + 2.0) / (n + 4.0)
    return float(np.sqrt(share * (1.0 - share) / (n + 4.0)))


def largest_error(sums: Sums) -> float:
    """The largest standard error of a share of trials; infinite before there is one."""
    errors = [share_error(hits, n) for key, n, hits in sums.shares() if key.quantity in TESTED]
    return max(errors, default=float("inf"))


def smallest_n(table: pd.DataFrame, target: float, quantity: str = ASSURANCE) -> pd.DataFrame:
    """The smallest number of avatars of the sweep at which `quantity` reaches `target`, for every comparison.

    Columns: those that tell comparisons apart; n_avatars, the smallest (none: not reached); estimate and se there;
    clearly: whether it is reached by two standard errors. A larger n may fall short again.
    """
    rows = table[table["quantity"] == quantity]
    apart = [
        name
        for name in table.columns
        if name not in ("n_avatars", "cohort.n_avatars", "estimate", "se", "n_trials", "quantity")
    ]
    found = []
    for key, group in rows.groupby(apart, sort=False, dropna=False):
        reached = group[group["estimate"] >= target].sort_values("n_avatars")
        first = reached.iloc[0] if len(reached) else None
        found.append(
            {
                **dict(zip(apart, key if isinstance(key, tuple) else (key,), strict=True)),
                "quantity": quantity,
                "target": target,
                "n_avatars": pd.NA if first is None else int(first["n_avatars"]),
                "estimate": np.nan if first is None else first["estimate"],
                "se": np.nan if first is None else first["se"],
                "clearly": bool(first is not None and first["estimate"] - 2 * first["se"] >= target),
            }
        )
    return pd.DataFrame(
        found, columns=[*apart, "quantity", "target", "n_avatars", "estimate", "se", "clearly"]
    )


def _entries(sums: Sums) -> Iterator[tuple[Key, str, float, float, int]]:
    for key, (n, total, squares) in sums.moments.items():
        if not n:
            continue
        if key.quantity in SHARES:
            name = CALLED[key.world] if key.quantity == "go" else key.quantity
            yield key, name, total / n, share_error(total, n), n
            if key.quantity in GIVEN and (told := _given(sums, key, n, total)):
                yield key, *told
        else:
            mean = total / n
            spread = max(squares / n - mean**2, 0.0) * n / max(n - 1, 1)
            yield key, key.quantity, mean, float(np.sqrt(spread / n)), n
    for key, counts in sums.days.items():
        yield key, key.quantity, *_median(counts)


def _given(sums: Sums, key: Key, n: int, hits: float) -> tuple[str, float, float, int] | None:
    """A wrong decision among the trials in which it could be made."""
    name, if_worth = GIVEN[key.quantity]
    worth = sums.moments[key._replace(quantity="worth")][1]
    among = round(worth if if_worth else n - worth)
    return (name, hits / among, share_error(hits, among), among) if among else None


def _median(counts: dict[int, int]) -> tuple[float, float, int]:
    """Median over trials of a day, infinite where most do not reach it, and its error from the binomial's."""
    days = np.array(sorted(counts, key=lambda day: np.inf if day < 0 else day))
    number = np.array([counts[int(day)] for day in days])
    n = int(number.sum())
    if not n:
        return float("nan"), float("nan"), 0
    reached = np.cumsum(number) / n

    def at(share: float) -> float:
        day = days[min(int(np.searchsorted(reached, share)), len(days) - 1)]
        return float("inf") if day < 0 else float(day)

    half = 0.5 / np.sqrt(n)
    low, high = at(0.5 - half), at(0.5 + half)
    error = (high - low) / 2 if np.isfinite(high) else float("nan")
    return at(0.5), error, n


def _shown(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return str(value)
    return value
