"""Cells that descend from cells that keep arriving: mutants of a source that grows or shrinks exponentially.

A source sends founders at a rate that was rate * exp(-growth * age) a day, `age` days before now. Each founds a
lineage with its own birth and death. How many of their cells live now is the sum over the lineages alive: a Poisson
number of them, ages by inversion, geometric sizes.

Lineages alive are few old and large ones and many young and small ones. The oldest (32 of them) are drawn one by one,
the younger together, as a Poisson number with a shifted gamma mean of the same first three factorial cumulants (exact
for founders that come at a constant rate). So the cost does not grow with the number of lineages; the mean and variance
are exact, and every probability P(cells <= x) is within `HYBRID_ERROR` of the exact one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.kinetics.branching import Cells, Floats, exprel, law, logrel, not_negative, poisson

HYBRID_ERROR = 1e-3
"""Largest error of a probability P(cells <= x) by drawing the young lineages together: 2.5e-4 for mutants that grow as
their source does, 7e-4 for mutants that do not grow in a source that does, 1e-4 within a visit."""

_ONE_BY_ONE = ((1.0, 4.0), (5.0, 16.0), (np.inf, 32.0))
"""For (birth + |growth|) * span up to the first number, the second number of lineages is drawn one by one: in a span
in which little happens the young ones come at nearly a constant rate. In the shortest, more than that many lineages
are drawn together all of them."""

_SHORT = 2.0
_FEW_NODES, _NODES = (np.polynomial.legendre.leggauss(n) for n in (6, 20))
_MOST_SHRUNK = 600.0
_CHUNK = 2**14
_POINTS = 2**18


@dataclass(frozen=True)
class _Arrivals:
    """Sources (element,) and the envelope, of area `integral`, from which their lineages are drawn by thinning.

    Cumulative ages of the envelope are closed: u in 0..1 maps to `_age`. With `thin_death` > 0 it has the shape
    exp(-thin_growth age) P(alive at age), whose integral is log(1 + d g)/d with g = (1 - exp(-thin_growth age)) /
    thin_growth, and thin_growth the lineages' own net rate; otherwise all founders, alive or not.
    """

    growth: Floats
    birth: Floats
    death: Floats
    thin_growth: Floats
    thin_death: Floats
    integral: Floats
    ceiling: Floats

    def take(self, which: NDArray[np.intp]) -> _Arrivals:
        return _Arrivals(*(getattr(self, field.name)[which] for field in fields(self)))


def descendants(
    rate: ArrayLike,
    growth: ArrayLike,
    span: ArrayLike,
    birth: ArrayLike,
    death: ArrayLike,
    *,
    rng: np.random.Generator,
    individually: float | None = None,
) -> Cells:
    """Cells alive now in lineages founded in the last `span` days at rate * exp(-growth * age) a day, one draw each.

    `rate` founders a day now, `growth` the source's net rate (1/day, negative for one that shrinks), `birth` and
    `death` of the lineages' cells (1/day); all broadcast, and the result has their shape. `individually` sets how
    many lineages are drawn one by one: np.inf for all (exact, slow where there are many). Raises ValueError for a
    negative or infinite argument other than `growth`, and for lineages that outgrow the count.
    """
    founders, t, b, d = not_negative(rate=rate, span=span, birth=birth, death=death)
    source = np.asarray(growth, dtype=float)
    if not np.isfinite(source).all():
        raise ValueError(f"growth of the source must be finite, got {source}")
    arguments = np.broadcast_arrays(founders, source, t, b, d)
    flat = [x.ravel() for x in arguments]
    counts = np.zeros(flat[0].size, dtype=np.int64)
    for start in range(0, counts.size, _CHUNK):
        part = slice(start, start + _CHUNK)
        counts[part] = _count(*(x[part] for x in flat), individually=individually, rng=rng)
    return counts.reshape(arguments[0].shape)


def _envelope(growth: Floats, span: Floats, birth: Floats, death: Floats) -> _Arrivals:
    own = birth - death
    everyone = span * exprel(np.minimum(-growth * span, _MOST_SHRUNK))
    g = span * exprel(-own * span)
    living = g * logrel(death * g)
    head = np.exp(np.minimum(np.maximum(own - growth, 0.0) * span, _MOST_SHRUNK))
    by_life = head * living < everyone
    return _Arrivals(
        growth=growth,
        birth=birth,
        death=death,
        thin_growth=np.where(by_life, own, growth),
        thin_death=np.where(by_life, death, 0.0),
        integral=np.where(by_life, living, everyone),
        ceiling=np.where(by_life, head, 1.0),
    )


def _age(a: _Arrivals, u: Floats) -> Floats:
    """Age below which the fraction `u` of the envelope lies."""
    integral = u * a.integral
    x = integral * exprel(a.thin_death * integral)
    return x * logrel(np.maximum(-a.thin_growth * x, -1.0 + 2.0**-53))


def _count(
    rate: Floats,
    growth: Floats,
    span: Floats,
    birth: Floats,
    death: Floats,
    *,
    individually: float | None,
    rng: np.random.Generator,
) -> Cells:
    if ((rate > 0.0) & (-growth * span > _MOST_SHRUNK)).any():
        raise ValueError("a source that shrinks so fast had more cells than can be counted")
    a = _envelope(growth, span, birth, death)
    number = rate * a.ceiling * a.integral
    if individually is None:
        happens = (birth + np.abs(growth)) * span
        few = np.select([happens <= upto for upto, _ in _ONE_BY_ONE], [lines for _, lines in _ONE_BY_ONE])
        oldest = np.where(happens <= _ONE_BY_ONE[0][0], 0.0, few)
    else:
        few = oldest = np.full(rate.shape, float(individually))
    many = number > few
    youngest = np.where(many, 1.0 - oldest / np.where(many, number, 1.0), 0.0)
    points = rng.poisson(np.where(many, oldest, number))
    counts = np.zeros(points.size, dtype=np.int64)
    # Elements in runs of a bounded number of lineages, for memory's sake.
    run = np.cumsum(points) // _POINTS
    for each in range(int(run[-1]) + 1):
        start, stop = np.searchsorted(run, [each, each + 1])
        element = np.repeat(np.arange(start, stop), points[start:stop])
        if element.size:
            sizes = _one_by_one(a.take(element), youngest[element], rng)
            total = np.bincount(element - start, weights=sizes, minlength=stop - start)
            counts[start:stop] += total.astype(np.int64)
    crowded = np.flatnonzero(many)
    if crowded.size:
        counts[crowded] += _together(a.take(crowded), rate[crowded], youngest[crowded], rng)
    return counts


def _one_by_one(a: _Arrivals, youngest: Floats, rng: np.random.Generator) -> Floats:
    """Size now of one lineage each, 0 where it did not live or was thinned away."""
    age = _age(a, youngest + (1.0 - youngest) * rng.random(youngest.size))
    clone = law(a.birth, a.death, age)
    with np.errstate(divide="ignore"):
        size = 1.0 + np.floor(rng.standard_exponential(youngest.size) / -np.log1p(-clone.stop))
    kept = np.exp((a.thin_growth - a.growth) * age) / a.ceiling
    kept *= np.where(a.thin_death > 0.0, 1.0, clone.alive)
    return np.where(rng.random(youngest.size) < kept, size, 0.0)


def _together(a: _Arrivals, rate: Floats, youngest: Floats, rng: np.random.Generator) -> Cells:
    """Cells now of all lineages younger than the fraction `youngest` of the envelope."""
    least, shape, scale = young_gamma(rate, a.growth, _age(a, youngest), a.birth, a.death)
    return poisson(np.maximum(least + scale * rng.standard_gamma(shape), 0.0), rng=rng)


def young_gamma(
    rate: Floats, growth: Floats, span: Floats, birth: Floats, death: Floats
) -> tuple[Floats, Floats, Floats]:
    """Shift, shape and scale of the gamma mean of the Poisson number by which young lineages are drawn together.

    Of the same first three factorial cumulants as their cells: sums over ages of E[N], E[N (N-1)], E[N (N-1) (N-2)],
    which are m, 2 m x and 6 m x^2 for a lineage of mean m, with x = birth (m - 1)/(birth - death).
    """
    first, second, third = (np.zeros(np.shape(rate)) for _ in range(3))
    short = bool(np.all((birth + death + np.abs(growth)) * span <= _SHORT))
    for node, weight in zip(*(_FEW_NODES if short else _NODES), strict=True):
        age = 0.5 * span * (1.0 + node)
        net = (birth - death) * age
        expected = 0.5 * weight * span * rate * np.exp(net - growth * age)
        x = birth * age * exprel(net)
        first += expected
        second += 2.0 * expected * x
        third += 6.0 * expected * x * x
    divides = second > 0.0
    scale = np.where(divides, third, 0.0) / np.where(divides, 2.0 * second, 1.0)
    shape = np.where(divides, second, 0.0) / np.where(divides, scale, 1.0) ** 2
    return first - shape * scale, shape, scale
