"""One formula, two engines: NumPy and PyTensor agree on random parameters, and gradients are finite all over the prior.

The formulas that a posterior can use (SCIENCE names them identifiable): the persister block, what it feeds, and the
genotype rules. Each is compared at 400 draws; gradients are checked against central differences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from avatar_trials.kinetics import combination, divided_differences, genotypes, persisters

N = 400
Vector = np.ndarray[Any, np.dtype[np.float64]]


def lognormal(rng: np.random.Generator, median: float, log_sd: float) -> Vector:
    return rng.lognormal(np.log(median), log_sd, N)


def prior_draws(rng: np.random.Generator) -> dict[str, Vector]:
    """Rates at least as wide as any prior here; every tenth mouse has equal rates, every tenth no switching."""
    r = lognormal(rng, 0.05, 0.7)
    a = r - lognormal(rng, 0.05, 1.5)
    b = rng.normal(0.0, 0.01, N)
    b[::10] = a[::10]
    out, back = lognormal(rng, 1e-3, 2.0), lognormal(rng, 0.05, 2.0)
    out[5::10] = 1e-14
    return {
        "a": a,
        "b": b,
        "out": out,
        "back": back,
        "resistant": r * rng.uniform(0.3, 1.0, N),
        "mutation": lognormal(rng, 1e-8, 1.0),
        "mutation_persister": lognormal(rng, 1e-7, 1.5),
        "dt": rng.uniform(0.0, 200.0, N),
        "share": 1 / (1 + np.exp(-rng.normal(-5, 1.5, N))),
    }


def summed(entries: dict[tuple[int, int], Any]) -> Any:
    total: Any = 0.0
    for place, entry in sorted(entries.items()):
        total = total + (1 + place[0] + 3 * place[1]) * entry
    return total


FORMULAS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "persister log growth": (
        lambda xp, dt, a, b, out, back, share: persisters.log_growth(dt, a, b, out, back, share, xp),
        ("dt", "a", "b", "out", "back", "share"),
    ),
    "persister block": (
        lambda xp, a, b, out, back, dt: summed(persisters.switching(a, b, out, back, dt, xp)),
        ("a", "b", "out", "back", "dt"),
    ),
    "persister block and resistant clone": (
        lambda xp, a, b, out, back, g, m, mp, dt: summed(
            persisters.switching_and_resistance(a, b, out, back, g, m, mp, dt, xp)
        ),
        ("a", "b", "out", "back", "resistant", "mutation", "mutation_persister", "dt"),
    ),
    "second divided difference": (
        lambda xp, a, b, g, dt: divided_differences.second(a * dt, b * dt, g * dt, xp),
        ("a", "b", "resistant", "dt"),
    ),
    "first divided difference": (
        lambda xp, a, b, dt: (
            divided_differences.first(a * dt, b * dt, xp) + divided_differences.log_first(a * dt, b * dt, xp)
        ),
        ("a", "b", "dt"),
    ),
    "four clones": (
        lambda xp, q, r, c: (
            genotypes.two_drug_shares(q, r, c, xp) * xp.expand_dims(xp.stack([1.0, 2.0, 3.0, 4.0]), -1)
        ).sum(axis=0),
        ("share", "resistant", "b"),
    ),
    "antagonised kill": (
        lambda xp, ka, kb, p: combination.antagonised_kill(
            xp.stack([xp.log(ka), xp.log(kb)], axis=-1), 0.3 + p, 0.7, xp
        ),
        ("resistant", "back", "share"),
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_engines_agree_and_gradients_are_finite_and_right(name: str) -> None:
    formula, inputs = FORMULAS[name]
    drawn = prior_draws(np.random.default_rng(8))
    drawn["b"] = np.clip(np.abs(drawn["b"]) * 20, 0.01, 0.99) if name == "four clones" else drawn["b"]
    drawn["resistant"] = np.clip(drawn["resistant"], 1e-6, 0.4)
    values = [drawn[key] for key in inputs]
    symbols = [pt.vector(key) for key in inputs]
    out = formula(pt, *symbols)
    gradients = pytensor.grad(out.sum(), symbols)
    plain = pytensor.compile.mode.Mode("py", None)
    found = pytensor.function(symbols, [out, *gradients], mode=plain)(*values)
    ours = formula(np, *values)
    np.testing.assert_allclose(found[0], ours, rtol=1e-10, atol=1e-300)
    assert all(np.isfinite(gradient).all() for gradient in found[1:])
    smooth = np.arange(N) % 5 != 0  # away from where two rates are equal or a rate is 0
    for k, (value, gradient) in enumerate(zip(values, found[1:], strict=True)):
        step = 1e-6 * np.maximum(np.abs(value), 1e-9)
        up, down = ([*values[:k], value + sign * step, *values[k + 1 :]] for sign in (1, -1))
        slope = (formula(np, *up) - formula(np, *down)) / (2 * step)
        size = np.abs(ours) / np.maximum(np.abs(value), 1e-9)
        np.testing.assert_allclose(
            (gradient / (size + 1e-300))[smooth], (slope / (size + 1e-300))[smooth], rtol=1e-4, atol=2e-6
        )
