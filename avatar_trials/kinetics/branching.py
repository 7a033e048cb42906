"""Birth and death of single cells: the law of a clone's number of cells, and draws from it of any size.

Each cell divides at rate `birth` and dies at rate `death` (1/day), independently of all others. The descendants of one
cell after some days are none with probability `extinct`, and otherwise geometric: each further cell with probability
`more`, a last one with probability `stop`. Composition over a schedule keeps that form, so treatment that changes is
no harder than treatment that does not.

Source: Kendall 1948, Ann. Math. Stat. 19:1; Bailey 1964, The Elements of Stochastic Processes, 8.6 and 9.3.

Draws come from one generator a call, so they depend on who else is in the call: give each avatar its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]

MOST_CELLS = 4e18
"""More cells than this do not fit a 64-bit count with room for chance."""

NORMAL_FROM = 1e12
"""Poisson counts of a larger mean are drawn as rounded normals, within 3.1e-7 of the Poisson in every probability
P(count <= x) (0.3041 / sqrt(mean), Shevtsova 2014); numpy's own draws lose their tails to rounding above 1e13."""


@dataclass(frozen=True)
class BirthDeathLaw:
    """Descendants of one cell: none with probability `extinct`, else 1 + a geometric number.

    `extinct` + `alive` = 1 and `more` + `stop` = 1, each given by itself so that neither loses digits when the other
    is near 1. All of one shape. In the field's letters alpha = extinct and beta = more.
    """

    extinct: Floats
    alive: Floats
    more: Floats
    stop: Floats


def law(birth: ArrayLike, death: ArrayLike, days: ArrayLike) -> BirthDeathLaw:
    """Law of the descendants of one cell after `days` at constant rates (1/day); arguments broadcast.

    extinct = d (e^(rt) - 1)/(b e^(rt) - d) and more = b (e^(rt) - 1)/(b e^(rt) - d) with r = b - d (Bailey 8.46),
    written so that b = d, b = 0, d = 0 and any length of time are ordinary cases. Raises ValueError for rates or days
    that are negative or not finite.
    """
    b, d, t = not_negative(birth=birth, death=death, days=days)
    net = b - d
    faded = np.exp(-np.abs(net) * t)
    lived = t * exprel(-np.abs(net) * t)
    grows = net >= 0.0
    # Both are 1 + a sum of what is not negative: growing, b * lived + faded = 1 + d * lived.
    total = 1.0 + np.where(grows, d, b) * lived
    return BirthDeathLaw(
        extinct=np.minimum(d * lived / total, 1.0),
        alive=np.where(grows, 1.0, faded) / total,
        more=np.minimum(b * lived / total, 1.0),
        stop=np.where(grows, faded, 1.0) / total,
    )


def then(first: BirthDeathLaw, second: BirthDeathLaw) -> BirthDeathLaw:
    """Law of one cell's descendants after a period of the `first` law and one of the `second`; shapes broadcast.

    The generating functions are nested, f = f1(f2), and linear fractional; sums of positive terms only. Raises
    ValueError where a clone grows and then shrinks by more than a floating-point number can hold.
    """
    total = first.stop + first.more * second.alive
    if np.any(total == 0.0):
        raise ValueError("a clone that first grows and then shrinks by more than e^700 cannot be followed")
    return BirthDeathLaw(
        extinct=np.minimum((first.extinct * second.alive + first.stop * second.extinct) / total, 1.0),
        alive=first.alive * second.alive / total,
        more=np.minimum((first.stop * second.more + first.more * second.alive) / total, 1.0),
        stop=first.stop * second.stop / total,
    )


def schedule_law(birth: ArrayLike, death: ArrayLike, days: ArrayLike) -> BirthDeathLaw:
    """Law (...) of one cell's descendants after a schedule: rates and lengths (..., segment), in the order given.

    Raises ValueError for a schedule without segments.
    """
    b, d, t = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (birth, death, days)))
    if b.ndim == 0 or b.shape[-1] == 0:
        raise ValueError("a schedule has at least one segment, on the last axis of birth, death and days")
    whole = law(b[..., 0], d[..., 0], t[..., 0])
    for segment in range(1, b.shape[-1]):
        whole = then(whole, law(b[..., segment], d[..., segment], t[..., segment]))
    return whole


def extinction_by(clone: BirthDeathLaw, cells: ArrayLike = 1) -> Floats:
    """Probability that no descendant of `cells` cells is left: extinct^cells. 1 for no cells."""
    return pgf(clone, 0.0, cells)


def extinction_ever(birth: ArrayLike, death: ArrayLike, cells: ArrayLike = 1) -> Floats:
    """Probability that `cells` cells ever die out at constant rates: min(1, death/birth)^cells.

    Cells that neither divide nor die stay: 0, and 1 for no cells. Raises ValueError as `law` does.
    """
    b, d, n = not_negative(birth=birth, death=death, cells=cells)
    grows = b > d
    ratio = np.where(grows, d / np.where(grows, b, 1.0), np.where(d > 0.0, 1.0, 0.0))
    return np.exp(special.xlogy(n, ratio))


def mean(clone: BirthDeathLaw, cells: ArrayLike = 1) -> Floats:
    """Expected descendants of `cells` cells; inf where the number exceeds floating point."""
    with np.errstate(divide="ignore"):
        return np.asarray(cells) * (clone.alive / clone.stop)


def variance(clone: BirthDeathLaw, cells: ArrayLike = 1) -> Floats:
    """Variance of the number of descendants of `cells` cells; inf where it exceeds floating point."""
    with np.errstate(divide="ignore", over="ignore"):
        one = clone.alive / clone.stop * ((clone.extinct + clone.more) / clone.stop)
        return np.asarray(cells) * one


def pgf(clone: BirthDeathLaw, z: ArrayLike, cells: ArrayLike = 1) -> Floats:
    """Generating function E[z^N] of the number N of descendants of `cells` cells, 0 <= z <= 1.

    ((alpha + (1 - alpha - beta) z)/(1 - beta z))^cells. Raises ValueError for z outside 0 .. 1 or cells below 0.
    """
    at, n = np.asarray(z, dtype=float), not_negative(cells=cells)[0]
    if not ((at >= 0.0) & (at <= 1.0)).all():
        raise ValueError(f"a generating function of cell counts is taken at 0 <= z <= 1, got {at}")
    away = 1.0 - at
    below = np.where(away > 0.0, clone.stop + clone.more * away, 1.0)
    loss = clone.alive * away / below
    value = np.where(away > 0.0, (clone.stop * at + clone.extinct * away) / below, 1.0)
    near_one = special.xlog1py(n, -np.minimum(loss, 0.5))
    return np.exp(np.where(loss < 0.5, near_one, special.xlogy(n, value)))


def advance_cells(cells: ArrayLike, clone: BirthDeathLaw, *, rng: np.random.Generator) -> Cells:
    """Number of descendants of `cells` cells (whole numbers), drawn from their law; shapes broadcast.

    Lines that survive are binomial, what they have beyond one cell each is negative binomial (a Poisson number with a
    gamma mean). No leaping and no discretisation of time, whatever the number of cells and the length of the period;
    of approximations only numpy's own and `NORMAL_FROM`. Raises ValueError for negative counts and for clones that
    outgrow `MOST_CELLS`.
    """
    n = np.asarray(cells)
    if n.dtype.kind not in "iu":
        raise ValueError(f"cells are counted in whole numbers, got {n.dtype}")
    if n.size and n.min() < 0:
        raise ValueError(f"a clone has 0 or more cells, got {n.min()}")
    lines = rng.binomial(n, clone.alive)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        further = rng.standard_gamma(lines) * (clone.more / clone.stop)
    return lines + poisson(further, rng=rng)


def march_cells(
    cells: ArrayLike, birth: ArrayLike, death: ArrayLike, days: ArrayLike, *, rng: np.random.Generator
) -> Cells:
    """Number of cells (..., visit) at each of a series of visits, from `cells` (...) before the first period.

    `days` are the lengths of the periods between visits, `birth` and `death` the rates in them; each is (visit,),
    (..., visit), or a number for all. Draws as in `advance_cells`.
    """
    b, d, t = (np.atleast_1d(np.asarray(x, dtype=float)) for x in (birth, death, days))
    visits = np.broadcast_shapes(b.shape[-1:], d.shape[-1:], t.shape[-1:])[0]
    now = np.asarray(cells)
    seen = []
    for visit in range(visits):
        period = law(*(x[..., min(visit, x.shape[-1] - 1)] for x in (b, d, t)))
        now = advance_cells(now, period, rng=rng)
        seen.append(now)
    return np.stack(np.broadcast_arrays(*seen), axis=-1)


def poisson(expected: ArrayLike, *, rng: np.random.Generator) -> Cells:
    """Poisson counts of means up to `MOST_CELLS`; ValueError beyond. See `NORMAL_FROM` for means above it."""
    lam = np.asarray(expected, dtype=float)
    largest = lam.max(initial=0.0)
    if not largest <= MOST_CELLS:
        raise ValueError(f"a clone outgrows {MOST_CELLS:.0e} cells, more than can be counted")
    if largest <= NORMAL_FROM:
        return np.asarray(rng.poisson(lam))
    counts = np.asarray(rng.poisson(np.minimum(lam, NORMAL_FROM)))
    many = lam > NORMAL_FROM
    normal = lam[many] + np.sqrt(lam[many]) * rng.standard_normal(int(many.sum()))
    counts[many] = np.rint(normal).astype(np.int64)
    return counts


def exprel(x: Floats) -> Floats:
    """(e^x - 1)/x, 1 at x = 0."""
    at_zero = x == 0.0
    return np.where(at_zero, 1.0, np.expm1(x) / np.where(at_zero, 1.0, x))


def logrel(x: Floats) -> Floats:
    """log(1 + x)/x, 1 at x = 0."""
    at_zero = x == 0.0
    return np.where(at_zero, 1.0, np.log1p(x) / np.where(at_zero, 1.0, x))


def not_negative(**given: ArrayLike) -> list[Floats]:
    """The arguments as arrays; ValueError that names the first with an entry below 0, infinite or not a number."""
    arrays = {name: np.asarray(value, dtype=float) for name, value in given.items()}
    for name, array in arrays.items():
        if not (np.isfinite(array) & (array >= 0.0)).all():
            raise ValueError(f"{name} must be 0 or more and finite, got {array}")
    return list(arrays.values())
