"""Clones that divide, die and mutate into one another, marched from visit to visit in whole cells.

Types of cells, each with its own birth and death (1/day). When a cell of type i divides, one daughter is like it and
the other is of type j with probability mutation[i, j] (Bozic's u * n positions). Whatever the path of a clone, its
mutants are then a Poisson process along that path and do not change it. This makes the step exact where it matters:

- each clone's own birth and death: exact, any number of cells, any length of step;
- mutants of clones up to `LARGE` cells: exact, times and growth, by candidate times at a rate the clone cannot exceed
  (except with probability 1e-12 a clone and step), the clones advanced exactly from candidate to candidate;
- mutants of larger clones: times by inversion, growth exact, along the exponential through the clone's two (exact)
  ends instead of the path between. The number of mutants of type j that arise is then within about mutation[i, j]
  birth (birth + death) days^2 / 4 of exact in every probability (Poisson mixture bound: Barbour, Holst & Janson 1992,
  theorem 1.C, and the bias of the smooth path), 1.2e-7 for a mutation rate of 1e-6 and half a week;
- mutants of mutants within one step: included, exact, whatever the size of the first clone.

Source of the process: Bozic et al. 2013, eLife 2:e00747, Model.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.kinetics.branching import Cells, Floats, advance_cells, law, not_negative, poisson
from avatar_trials.kinetics.lineages import descendants

LARGE = 10_000
"""Clones of more cells send their mutants along a smooth path; Bozic et al. chose the same number."""

_LOG_ODDS = 28.0
_BRIDGED = 100.0
_LONGEST = 4.0
_HALF = 0.5


def step(
    cells: ArrayLike,
    birth: ArrayLike,
    death: ArrayLike,
    mutation: ArrayLike,
    days: ArrayLike,
    *,
    rng: np.random.Generator,
    large: float = LARGE,
) -> Cells:
    """Numbers of cells (..., type) after `days`, from `cells` (..., type) now: one draw an element.

    `birth`, `death` (..., type) in 1/day; `mutation` (..., type, type): probability that the new daughter of a
    dividing cell (row) is of another type (column), diagonal 0; `days` (...). Leading dims broadcast. Clones above
    `large` cells send mutants along a smooth path: larger is more exact and slower. Raises ValueError for rates that
    are negative, a diagonal that is not 0, rows that sum to more than 1.
    """
    n, t = np.asarray(cells), not_negative(days=days)[0]
    if n.dtype.kind not in "iu" or n.ndim == 0 or (n.size and n.min() < 0):
        raise ValueError("cells are whole numbers (..., type), 0 or more")
    types = n.shape[-1]
    leads = (n.shape[:-1], np.shape(birth)[:-1], np.shape(death)[:-1], np.shape(mutation)[:-2], t.shape)
    lead = np.broadcast_shapes(*leads)
    rates = checked_rates(birth, death, mutation, lead, types)
    now = np.broadcast_to(n, (*lead, types)).reshape(-1, types).astype(np.int64)
    period = np.broadcast_to(t, lead).ravel()
    pieces = pieces_of(rates, period)
    for _ in range(pieces):
        now = one_step(now, rates, period / pieces, large, rng)
    return now.reshape(*lead, types)


def pieces_of(rates: Rates, days: Floats) -> int:
    """Into how many steps a period falls, so that mutants of fresh mutants stay rare and their candidates rarer: a step
    has `birth * days` of `_LONGEST` at most, and at most one candidate expected of a fresh mutant's clone."""
    if not ((rates.mutation > 0.0) & (rates.leaving > 0.0)[:, None, :]).any():
        return 1
    longest, pieces = float(np.max(days, initial=0.0)), 1
    while True:
        days_each = np.asarray(longest / pieces)
        watch = rates.birth * rates.leaving * _ceiling(1.0, rates.birth, days_each) * days_each
        if (rates.birth * days_each <= _LONGEST).all() and (watch <= 1.0).all():
            return pieces
        pieces *= 2


def march(
    cells: ArrayLike,
    birth: ArrayLike,
    death: ArrayLike,
    mutation: ArrayLike,
    days: ArrayLike,
    *,
    rng: np.random.Generator,
) -> Cells:
    """Numbers of cells (..., visit, type) at each visit, from `cells` (..., type); periods `days` (visit,).

    `birth` and `death` are (type,) for all periods and elements, otherwise (..., visit, type), with a visit axis of
    length 1 where they do not change; `mutation` as in `step`. Raises ValueError as `step` does, and for rates of
    another number of visits.
    """
    periods = np.atleast_1d(np.asarray(days, dtype=float))
    by_visit = []
    for name, given in (("birth", birth), ("death", death)):
        rates = np.atleast_2d(np.asarray(given, dtype=float))
        if rates.shape[-2] not in (1, periods.size):
            raise ValueError(
                f"{name} is (type,) or (..., visit, type) with {periods.size} visits or 1, got {rates.shape}"
            )
        by_visit.append(np.broadcast_to(rates, (*rates.shape[:-2], periods.size, rates.shape[-1])))
    now, seen = np.asarray(cells), []
    for visit, period in enumerate(periods):
        now = step(now, by_visit[0][..., visit, :], by_visit[1][..., visit, :], mutation, period, rng=rng)
        seen.append(now)
    return np.stack(seen, axis=-2)


def two_drug_mutation(u: ArrayLike, n1: ArrayLike, n2: ArrayLike, n12: ArrayLike) -> Floats:
    """Mutation probabilities (..., 4, 4) of cells sensitive to both drugs, resistant to 1, to 2, to both (Bozic).

    `u` a division and position; `n1` and `n2` positions resist one drug alone, `n12` both at once. A cell resistant to
    drug 1 becomes resistant to both by any of n2 + n12 positions.
    """
    u_, one, two, both = np.broadcast_arrays(*not_negative(u=u, n1=n1, n2=n2, n12=n12))
    matrix = np.zeros((*u_.shape, 4, 4))
    for row, column, positions in (
        (0, 1, one),
        (0, 2, two),
        (0, 3, both),
        (1, 3, two + both),
        (2, 3, one + both),
    ):
        matrix[..., row, column] = u_ * positions
    return matrix


@dataclass(frozen=True)
class Rates:
    """Rates of every row, or one row that all share: birth with and without mutants, death (row, type), mutation."""

    birth: Floats
    own: Floats
    death: Floats
    mutation: Floats
    leaving: Floats

    def take(self, rows: NDArray[np.intp]) -> Rates:
        return Rates(*(x if len(x) == 1 else x[rows] for x in (getattr(self, f.name) for f in fields(self))))


def checked_rates(
    birth: ArrayLike, death: ArrayLike, mutation: ArrayLike, lead: tuple[int, ...], types: int
) -> Rates:
    """Rates as rows, or as one row where all elements share them: their law is then computed once."""
    b, d, u = not_negative(birth=birth, death=death, mutation=mutation)
    if u.shape[-2:] != (types, types):
        raise ValueError(f"mutation needs a row and a column for each of {types} types, got {u.shape[-2:]}")
    if np.diagonal(u, axis1=-2, axis2=-1).any() or (u.sum(axis=-1) > 1.0).any():
        raise ValueError("mutation is 0 on the diagonal (no type is a mutant of itself) and at most 1 a row")

    def rows(x: Floats, own: tuple[int, ...]) -> Floats:
        outer = x.shape[: max(x.ndim - len(own), 0)]
        if np.prod(outer, dtype=int) == 1:
            return np.broadcast_to(x.reshape(x.shape[len(outer) :]), (1, *own))
        return np.broadcast_to(x, (*lead, *own)).reshape(-1, *own)

    leaving = rows(u.sum(axis=-1), (types,))
    births = rows(b, (types,))
    return Rates(births, births * (1.0 - leaving), rows(d, (types,)), rows(u, (types, types)), leaving)


def one_step(n: Cells, rates: Rates, t: Floats, large: float, rng: np.random.Generator) -> Cells:
    """Cells (row, type) after `t` (row,) days, rates as rows; for `birth * days` up to a few."""
    period = t if (t != t[:1]).any() else t[:1]
    clone = law(rates.own, rates.death, period[:, None])
    end = advance_cells(n, clone, rng=rng)
    if not rates.leaving.any():
        return end
    smooth = (n > large) & (rates.leaving > 0.0)
    watched = np.where(smooth, 0, n)
    wait, rate, horizon = _candidates(watched, rates, t, rng)
    hit = np.flatnonzero((wait < horizon) | (horizon < t))
    if hit.size:
        followed = _follow(watched[hit], rates.take(hit), t[hit], wait[hit], rate[hit], horizon[hit], rng)
        end[hit] = np.where(smooth[hit], end[hit], 0) + followed
    sources = np.flatnonzero(smooth.any(axis=0))
    fresh = np.zeros_like(end)
    for source in sources.tolist():
        rows = np.flatnonzero(smooth[:, source])
        start, after, days = n[rows, source], np.maximum(end[rows, source], 1), np.maximum(t[rows], 1e-300)
        pick = rates.take(rows)
        net = (pick.own - pick.death)[:, source]
        expected = start * np.exp(net * days)
        bridged = expected >= _BRIDGED
        growth = np.where(bridged, np.log(after / start) / days, net)
        fresh[rows] += sent_mutants(np.where(bridged, after, expected), growth, source, pick, days, rng)
    return end + fresh


def sent_mutants(
    now: Floats, growth: Floats, source: int, rates: Rates, t: Floats, rng: np.random.Generator
) -> Cells:
    """Cells (row, type) after `t` days of mutants that a source of now * exp(-growth * age) cells sent, with theirs."""
    cells = np.zeros((now.size, rates.birth.shape[-1]), dtype=np.int64)
    for target in np.flatnonzero(rates.mutation[:, source].any(axis=0)):
        rate = rates.birth[:, source] * rates.mutation[:, source, target] * now
        birth, own, death = rates.birth[:, target], rates.own[:, target], rates.death[:, target]
        # Lineages split into those without a candidate time, which stay pure, and the rare others.
        watch = birth * rates.leaving[:, target] * _ceiling(np.ones(1), birth, t)
        cells[:, target] += descendants(rate, growth + watch, t, own, death, rng=rng)
        if not watch.any():
            continue
        peak = rate * np.exp(np.maximum(-growth, 0.0) * t)
        most = np.cumsum(peak * watch * t * t)
        row = np.searchsorted(most, most[-1] * rng.random(int(poisson(most[-1], rng=rng))), side="right")
        row = np.minimum(row, now.size - 1)
        watched = np.broadcast_to(watch, now.shape)[row]
        age, first = t[row] * rng.random(row.size), t[row] * rng.random(row.size)
        odds = (
            np.exp(-growth[row] * age - watched * first) * np.broadcast_to(rate, now.shape)[row] / peak[row]
        )
        kept = (first < age) & (rng.random(row.size) < odds)
        row, age = row[kept], age[kept]
        founder = np.zeros((row.size, cells.shape[1]), dtype=np.int64)
        founder[:, target] = 1
        np.add.at(cells, row, _follow(founder, rates.take(row), age, first[kept], watched[kept], age, rng))
    return cells


def _ceiling(n: ArrayLike, birth: Floats, t: Floats) -> Floats:
    """Cells that a clone of `n` does not exceed within `t` days, except with probability 1e-12: births only, and the
    tail of the gamma distribution (Boucheron, Lugosi & Massart 2013, 2.4)."""
    start = np.asarray(n, dtype=float)
    grown = np.exp(np.minimum(birth * t, 600.0))
    return np.where(start > 0.0, start + grown * (start + np.sqrt(2.0 * _LOG_ODDS * start) + _LOG_ODDS), 0.0)


def _candidates(
    n: Cells, rates: Rates, rest: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Days to the next candidate of a mutation, the candidates' rate, and the days for which that rate holds."""
    out = rates.birth * rates.leaving
    rate = (out * _ceiling(n, rates.birth, rest[:, None])).sum(axis=-1)
    long = rate * rest > 1.0
    horizon = rest
    if long.any():
        fastest = np.where(out > 0.0, rates.birth, 0.0).max(axis=-1)
        horizon = np.where(long, np.minimum(rest, _HALF / np.maximum(fastest, 1e-300)), rest)
        rate = (out * _ceiling(n, rates.birth, horizon[:, None])).sum(axis=-1)
    with np.errstate(divide="ignore", over="ignore"):
        return rng.standard_exponential(rest.size) / rate, rate, horizon


def _follow(
    n: Cells,
    rates: Rates,
    rest: Floats,
    wait: Floats,
    rate: Floats,
    horizon: Floats,
    rng: np.random.Generator,
) -> Cells:
    """Cells (row, type) after `rest` days, from candidate to candidate; the first candidate is given."""
    done, live = n.copy(), np.arange(len(n))
    while live.size:
        go = np.minimum(wait, horizon)
        now = advance_cells(done[live], law(rates.own, rates.death, go[:, None]), rng=rng)
        flow = now[:, :, None] * rates.birth[:, :, None] * rates.mutation
        upto = np.cumsum(flow.reshape(len(now), -1), axis=-1)
        mark = rate * rng.random(live.size)
        born = np.flatnonzero((wait < horizon) & (mark < upto[:, -1]))
        now[born, (upto[born] <= mark[born, None]).sum(axis=-1) % now.shape[1]] += 1
        done[live] = now
        rest = rest - go
        more = np.flatnonzero(rest > 0.0)
        live, rest, rates = live[more], rest[more], rates.take(more)
        wait, rate, horizon = _candidates(done[live], rates, rest, rng)
    return done
