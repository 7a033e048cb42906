"""Risk sets of groups that are followed side by side: who is at risk and who has the event, time by time.

Times have shape (..., subject), leading dimensions are replicates, NaN means that there is no such subject.
Groups and strata are labels that broadcast against the times. In a one-mouse-per-patient (1x1x1) trial the
arms are the groups and the avatars the strata.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from avatar_trials.endpoints.subjects import as_events, as_rows, as_times, merge_near_ties

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Labels = NDArray[Any]


@dataclass(frozen=True)
class RiskSets:
    """Subjects of each replicate, sorted by stratum, then by time; arrays (replicate, subject).

    order: place of the subject among the given ones. event: True where the event happened. group: index
    into `groups`, -1 where there is no subject. first, last: ends of the run of subjects of the stratum
    with the same time. stratum_first, stratum_last: ends of the stratum. shape: the leading dimensions.
    """

    shape: tuple[int, ...]
    groups: tuple[Any, ...]
    order: NDArray[np.intp]
    time: Floats
    present: Bools
    event: Bools
    group: NDArray[np.intp]
    first: NDArray[np.intp]
    last: NDArray[np.intp]
    stratum_first: NDArray[np.intp]
    stratum_last: NDArray[np.intp]

    @property
    def opens(self) -> Bools:
        """True at the first subject of each run of equal times."""
        return self.present & (self.first == np.arange(self.first.shape[1]))

    def at_risk(self, which: Bools) -> Floats:
        """Subjects of `which` still under observation just before the time, in the same stratum."""
        return span_sum(which.astype(float), self.first, self.stratum_last)

    def events_at(self, which: Bools) -> Floats:
        """Events of subjects of `which` at the time, in the same stratum."""
        return span_sum((which & self.event).astype(float), self.first, self.last)


def stack_arms(
    arms: Mapping[str, tuple[ArrayLike, ArrayLike]],
) -> tuple[Floats, Bools, NDArray[np.str_], NDArray[np.intp]]:
    """Times, events, arm and avatar of arms that share their avatars, side by side on the last dimension.

    `arms`: name to (time, event), each (..., avatar) with the avatars in the same order. Which arm a ratio
    compares with is `reference`'s business. Returned: time and event (..., arm x avatar), arm and avatar
    (arm x avatar,), to be given as `group` and as `strata` or `cluster`. ValueError if shapes differ.
    """
    if not arms:
        raise ValueError("no arm was given")
    times = [as_times(time) for time, _ in arms.values()]
    if len({time.shape for time in times}) > 1:
        sizes = ", ".join(f"{name} {time.shape}" for name, time in zip(arms, times, strict=True))
        raise ValueError(f"arms that share avatars have one shape: received {sizes}")
    events = [as_events(event, time) for time, (_, event) in zip(times, arms.values(), strict=True)]
    n = times[0].shape[-1]
    return (
        np.concatenate(times, axis=-1),
        np.concatenate(events, axis=-1),
        np.repeat(np.array(list(arms), dtype=str), n),
        np.tile(np.arange(n), len(arms)),
    )


def risk_sets(
    time: ArrayLike, event: ArrayLike, group: ArrayLike, *, strata: ArrayLike | None = None
) -> RiskSets:
    """Sort subjects into risk sets; near-tied times are merged over all groups and strata, as R does.

    ValueError for an infinite time, an event that is neither 0 nor 1, or labels that do not broadcast.
    """
    times = as_times(time)
    events = as_events(event, times)
    flat = merge_near_ties(as_rows(times))
    absent = np.isnan(flat)
    groups, codes = encode(group, times.shape, ~absent.reshape(times.shape), "group")
    order = np.argsort(flat, axis=1, kind="stable")
    stratum = np.zeros((1, 1), dtype=np.intp)
    if strata is not None:
        _, stratum = encode(strata, times.shape, ~absent.reshape(times.shape), "strata")
        stratum = np.where(absent, stratum.max(initial=0) + 1, stratum)
        by_stratum = np.argsort(np.take_along_axis(stratum, order, axis=1), axis=1, kind="stable")
        order = np.take_along_axis(order, by_stratum, axis=1)
        stratum = np.take_along_axis(stratum, order, axis=1)
    ordered = np.take_along_axis(flat, order, axis=1)
    present = ~np.isnan(ordered)
    code = np.where(present, np.take_along_axis(codes, order, axis=1), -1)
    new_stratum = np.zeros(flat.shape, dtype=bool)
    new_stratum[:, :1] = True
    if strata is None:
        new_stratum[:, 1:] = present[:, 1:] != present[:, :-1]
    else:
        new_stratum[:, 1:] = stratum[:, 1:] != stratum[:, :-1]
    new_time = new_stratum.copy()
    new_time[:, 1:] |= present[:, 1:] & (ordered[:, 1:] != ordered[:, :-1])
    return RiskSets(
        times.shape[:-1], groups, order, ordered, present,
        present & np.take_along_axis(as_rows(events), order, axis=1), code,
        *_run_ends(new_time), *_run_ends(new_stratum),
    )  # fmt: skip


def encode(
    labels: ArrayLike, shape: tuple[int, ...], present: Bools, name: str
) -> tuple[tuple[Any, ...], NDArray[np.intp]]:
    """Distinct labels in sorted order, and the index of each subject's label, (replicate, subject).

    Labels of subjects that are not there count only where fewer than two labels are left without them: an
    empty arm is an arm. ValueError if a subject that is there has no label.
    """
    given = np.asarray(labels)
    missing = pd.isna(given)
    if given.dtype == object:
        given = np.where(missing, "", given)
        if not all(isinstance(label, int | float | np.number) for label in given[~missing]):
            given = given.astype(str)
        elif not missing.any():
            given = given.astype(float) if any(x != int(x) for x in given.ravel()) else given.astype(int)
    try:
        absent = np.broadcast_to(missing, shape)
    except ValueError:
        raise ValueError(
            f"{name} has shape {given.shape}, which does not broadcast to the times' {shape}"
        ) from None
    if np.any(absent & present):
        raise ValueError(f"{name} is missing for a subject with a time")
    known, codes = np.unique(given, return_inverse=True)
    codes = np.broadcast_to(codes.reshape(given.shape), shape)
    used = np.zeros(len(known), dtype=bool)
    used[codes[present]] = True
    if used.sum() < 2:
        used[:] = True
    renumbered = np.cumsum(used) - 1
    return tuple(known[used].tolist()), as_rows(renumbered[codes])


def span_sum(values: Floats, first: NDArray[np.intp], last: NDArray[np.intp]) -> Floats:
    """Sum of `values` (replicate, subject) from place `first` to place `last`, both included."""
    running = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=running[:, 1:])
    return np.take_along_axis(running, last + 1, axis=1) - np.take_along_axis(running, first, axis=1)


def _run_ends(opens: Bools) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    n = opens.shape[1]
    place = np.arange(n)
    first = np.maximum.accumulate(np.where(opens, place, 0), axis=1)
    closes = np.ones_like(opens)
    closes[:, :-1] = opens[:, 1:]
    backwards = np.where(closes, place, n)[:, ::-1]
    return first, np.minimum.accumulate(backwards, axis=1)[:, ::-1]
