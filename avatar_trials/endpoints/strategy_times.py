"""Time until a whole strategy has failed: a sequence of lines is not judged by its first line alone.

The first progression of an upfront combination has used up all its drugs, that of a sequence only the first line's.
Comparing first progressions therefore flatters the upfront arm; the second progression of a sequence of two (PFS2) is
what compares with the first of upfront.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class StrategyTimes:
    """Times to the failure of a strategy; arrays (...), days from the start of its first line.

    `event`: False is censored. `line`: number, from 1, of the line on which the time ended; 0 where it never began.
    `cause`: "progression" (of the last line), "died", "censored" (on that line), "next_line_not_given" (progressed
    with drugs left over, and followed no further) or "not_treated" (no first line: time NaN). `definition` names the
    progression that counts.
    """

    time: Floats
    event: Bools
    line: NDArray[np.intp]
    cause: NDArray[np.str_]
    definition: str


def strategy_failure(
    line_days: ArrayLike,
    progressed: ArrayLike,
    *,
    lines: ArrayLike,
    died: ArrayLike = False,
    start_day: ArrayLike | None = None,
) -> StrategyTimes:
    """Time until the drugs of the whole strategy are exhausted: progression on the last of its `lines`.

    `line_days` (..., line): days each line lasted, to progression, death or censoring, from that line's own start; NaN
    for a line not given. `progressed`, `died` (..., line): how it ended; neither is censored. Death ends the strategy
    on any line. `lines` (...): lines the strategy has, 1 for upfront, 2 for a sequence of two, whose failure is PFS2.
    `start_day` (..., line): day each line began, counted from the first; by default a line begins the day the one
    before it progressed. A further line given after the strategy's last changes nothing.

    ValueError for negative or infinite days, a line after one that was not given or did not progress, a line that
    starts before the one before it ended, or `lines` outside 1 .. number of lines.
    """
    days = np.asarray(line_days, dtype=float)
    if days.ndim == 0 or days.shape[-1] == 0:
        raise ValueError("line_days needs a last dimension of at least one line")
    if np.any(np.isinf(days)) or np.any(days < 0):
        raise ValueError("line_days must be finite and not negative; a line not given is NaN")
    given = ~np.isnan(days)
    for name, ended in (("progressed", progressed), ("died", died)):
        if not np.isin(np.asarray(ended), (0, 1)).all():
            raise ValueError(f"{name} is true or false for every line")
    dead = np.broadcast_to(np.asarray(died, dtype=bool), days.shape) & given
    progress = np.broadcast_to(np.asarray(progressed, dtype=bool), days.shape) & given & ~dead
    if np.any(given[..., 1:] & ~progress[..., :-1]):
        raise ValueError("a line can only be given after progression on the line before it")
    planned = np.broadcast_to(np.asarray(lines, dtype=np.intp), days.shape[:-1])
    if np.any((planned < 1) | (planned > days.shape[-1])):
        raise ValueError(f"a strategy has 1 to {days.shape[-1]} lines here: received {planned}")
    end = _starts(start_day, days, given) + np.where(given, days, 0.0)

    on = np.minimum(given.sum(axis=-1), planned)
    at = np.maximum(on - 1, 0)[..., None]
    time, moved_on, ended = (np.take_along_axis(x, at, axis=-1)[..., 0] for x in (end, progress, dead))
    treated = on > 0
    event = treated & (ended | (moved_on & (on == planned)))
    cause = np.where(ended, "died", np.where(event, "progression", "censored"))
    cause = np.where(moved_on & ~event, "next_line_not_given", cause)
    return StrategyTimes(
        time=np.where(treated, time, np.nan),
        event=event,
        line=on,
        cause=np.where(treated, cause, "not_treated"),
        definition="time to strategy failure: progression on the last planned line, or death",
    )


def _starts(start_day: ArrayLike | None, days: Floats, given: Bools) -> Floats:
    lasted = np.where(given, days, 0.0)
    immediately = np.cumsum(lasted, axis=-1) - lasted
    if start_day is None:
        return immediately
    start = np.broadcast_to(np.asarray(start_day, dtype=float), days.shape)
    if np.any(~np.isfinite(start[given])) or np.any(start[..., 0][given[..., 0]] != 0):
        raise ValueError("start_day must be finite for every line given, and 0 for the first")
    if np.any((start[..., 1:] < start[..., :-1] + days[..., :-1])[given[..., 1:]]):
        raise ValueError("a line cannot start before the line before it has ended")
    return np.where(given, start, 0.0)
