"""What a tumour or a course of treatment cannot be: told all at once, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from avatar_trials.kinetics.tumour import Tumour


def check_tumour(tumour: Tumour) -> int:
    """Number of drugs of a tumour. Raises ValueError with everything that is wrong with it."""
    n_drugs = np.shape(tumour.log_kill)[-1] if np.ndim(tumour.log_kill) else 0
    problems = [
        *_rates(tumour),
        *_clones(tumour, n_drugs),
        *_persistence(tumour, n_drugs),
        *_niche(tumour, n_drugs),
    ]
    if problems:
        raise ValueError("; ".join(problems))
    return n_drugs


def check_effects(effects: Any, n_drugs: int) -> None:
    """Raise ValueError for effects (..., drug) of another number of drugs, negative or not finite."""
    values = np.asarray(effects, dtype=float)
    if values.ndim == 0 or values.shape[-1] != n_drugs:
        raise ValueError(
            f"effects have one number for each of {n_drugs} drugs on their last axis, got shape {values.shape}"
        )
    _all(values, "an effect of a drug", low=0.0)


def check_days(days: Any, what: str) -> None:
    """Raise ValueError for days that are none, not finite, negative or in disorder."""
    when = np.asarray(days, dtype=float)
    if (
        when.ndim != 1
        or not when.size
        or not np.isfinite(when).all()
        or when[0] < 0
        or (np.diff(when) < 0).any()
    ):
        raise ValueError(f"{what} ascend from day 0 on and are finite: got {when.tolist()}")


def _all(value: Any, what: str, *, low: float = -np.inf, high: float = np.inf, above: bool = False) -> None:
    told = _out_of(value, what, low=low, high=high, above=above)
    if told:
        raise ValueError(told[0])


def _out_of(
    value: Any, what: str, *, low: float = -np.inf, high: float = np.inf, above: bool = False
) -> list[str]:
    numbers = np.asarray(value, dtype=float)
    fine = np.isfinite(numbers) & (numbers <= high) & ((numbers > low) if above else (numbers >= low))
    if fine.all():
        return []
    limits = (
        f"between {low:g} and {high:g}"
        if np.isfinite(high)
        else f"{'above' if above else 'at least'} {low:g}"
    )
    limits = "finite" if not np.isfinite(low) else limits
    return [f"{what} must be {limits}, got {numbers[~fine].ravel()[0]:g}"]


def _rates(tumour: Tumour) -> Iterator[str]:
    yield from _out_of(tumour.growth, "growth (1/day)")
    yield from _out_of(tumour.exponent, "the exponent of combinations", low=0.0, above=True)
    yield from _out_of(tumour.antagonism, "antagonism", low=0.0)
    kills = np.asarray(tumour.log_kill, dtype=float)
    if kills.ndim == 0:
        yield "log kill rates have one number a drug on their last axis"
    if np.isnan(kills).any() or (kills == np.inf).any():
        yield "a log kill rate must be a number below infinity; -inf is a drug that kills nothing"


def _drivers(drivers: Any, whose: str, n_drugs: int) -> Iterator[str]:
    for row in drivers:
        if np.ndim(row) != 1 or len(row) != n_drugs:
            yield f"each driver of {whose} has a sensitivity for each of {n_drugs} drugs, got {row}"
            return
        yield from _out_of(row, f"a sensitivity of {whose}", low=0.0)


def _clones(tumour: Tumour, n_drugs: int) -> Iterator[str]:
    names = [clone.name for clone in tumour.clones]
    if len(set(names)) < len(names):
        yield "two clones have the same name"
    for clone in tumour.clones:
        yield from _drivers(clone.drivers, clone.name, n_drugs)
        yield from _out_of(clone.share, f"the share of {clone.name} at day 0", low=0.0, high=1.0)
        yield from _out_of(clone.fitness_cost, f"the fitness cost of {clone.name}")
    total = sum(np.asarray(clone.share, dtype=float) for clone in tumour.clones)
    if not np.allclose(total, 1.0, rtol=0.0, atol=1e-9):
        yield f"the shares of the clones at day 0 must sum to 1, got {np.ravel(total)[:5]}"
    for mutation in tumour.mutations:
        unknown = [name for name in (mutation.source, mutation.to) if name not in names]
        if unknown:
            yield f"a mutation names no clone: {', '.join(unknown)}; the clones are {', '.join(names)}"
        elif mutation.source == mutation.to:
            yield f"{mutation.source} mutates to itself"
        for rate, what in ((mutation.rate, "rate"), (mutation.rate_persister, "rate from persisters")):
            yield from _out_of(rate, f"the mutation {what} from {mutation.source} to {mutation.to}", low=0.0)


def _persistence(tumour: Tumour, n_drugs: int) -> Iterator[str]:
    own = tumour.persistence
    if own is None:
        return
    for name in ("induced", "woken", "woken_on_drug"):
        yield from _out_of(getattr(own, name), f"the rate {name} of persisters", low=0.0)
    yield from _out_of(own.growth, "growth of persisters")
    yield from _out_of(own.share, "the share of persisters at day 0", low=0.0, high=1.0)
    yield from _drivers(own.drivers, "persisters", n_drugs)
    lists: tuple[tuple[str, Sequence[Any]], ...] = (
        ("inducing", own.inducing),
        ("induced_fold", own.induced_fold),
        ("woken_fold", own.woken_fold),
    )
    for name, values in lists:
        if len(values) not in (0, n_drugs):
            yield f"{name} has one entry for each of {n_drugs} drugs, or none: got {len(values)}"
        elif len(values) and name != "inducing":
            yield from _out_of(values, f"{name} of a drug", low=0.0)


def _niche(tumour: Tumour, n_drugs: int) -> Iterator[str]:
    own = tumour.niche
    if own is None:
        return
    yield from _out_of(own.share, "the share of cells in the niche at day 0", low=0.0, high=1.0)
    yield from _out_of(own.protection, "protection in the niche", low=0.0, high=1.0)
    yield from _out_of(own.entering, "the rate into the niche", low=0.0)
    yield from _out_of(own.leaving, "the rate out of the niche", low=0.0)
    yield from _out_of(own.growth_factor, "the growth factor of the niche")
    if np.ndim(own.protection) and np.shape(own.protection)[-1] not in (1, n_drugs):
        yield f"protection is one number, or has {n_drugs} drugs or 1 on its last axis, got {np.shape(own.protection)}"
