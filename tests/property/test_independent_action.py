"""What holds of independent action for any outcomes: no worse than either drug, and ordered by the correlation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_trials.endpoints import CENSORING_VARIANTS, better_of, either_works, gaussian_copula
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.endpoints.response import CATEGORIES

SHARE = st.floats(0.0, 1.0)
RHO = st.floats(-1.0, 1.0)
MOUSE = st.tuples(st.sampled_from([*CATEGORIES, ""]), st.floats(-100, 300), st.integers(1, 50), st.booleans())


@given(SHARE, SHARE, RHO, RHO)
def test_more_correlated_drugs_help_fewer(p: float, q: float, low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    loose, tight = (float(either_works([p, q], correlation=rho)) for rho in (low, high))
    assert max(p, q) - 1e-12 <= tight <= loose + 1e-12 <= min(p + q, 1.0) + 2e-12
    assert either_works([p, q], correlation=low) == pytest.approx(either_works([q, p], correlation=low))


@given(SHARE, SHARE)
def test_its_limits_are_the_named_ones(p: float, q: float) -> None:
    assert float(either_works([p, q])) == pytest.approx(1 - (1 - p) * (1 - q), abs=1e-12)
    # No jump where the closed form for uncorrelated drugs takes over from the copula.
    assert float(either_works([p, q], correlation=1e-12)) == pytest.approx(1 - (1 - p) * (1 - q), abs=1e-10)
    assert float(either_works([p, q], correlation=1.0)) == pytest.approx(max(p, q))
    assert float(either_works([p, q], correlation=-1.0)) == pytest.approx(min(p + q, 1.0))


@given(SHARE, RHO)
def test_a_copula_on_its_edges(p: float, rho: float) -> None:
    assert float(gaussian_copula(p, 1.0, rho)) == pytest.approx(p, abs=1e-12)
    assert float(gaussian_copula(0.0, p, rho)) == 0.0


@given(st.lists(st.tuples(MOUSE, MOUSE), min_size=1, max_size=8), st.sampled_from(CENSORING_VARIANTS))
def test_no_worse_than_either_drug(pairs: list[tuple[tuple[str, float, int, bool], ...]], rule: str) -> None:
    drugs = [_arm([pair[k] for pair in pairs]) for k in (0, 1)]
    best = better_of(drugs, censoring=rule)
    swapped = better_of(drugs[::-1], censoring=rule)
    order = [*CATEGORIES, ""]
    for one in drugs:
        assert (best.time_days >= one.time_days).all()
        assert (best.depth_pct <= one.depth_pct).all()
        rank, own = (np.vectorize(order.index)(x.category) for x in (best, one))
        assert ((rank <= own) | (best.category == "")).all()
    for name in ("category", "depth_pct", "time_days", "doubled"):
        assert (getattr(best, name) == getattr(swapped, name)).all()
    same = better_of([drugs[0], drugs[0]], censoring="all_doubled")
    assert (same.doubled == drugs[0].doubled).all()


def _arm(mice: list[tuple[str, float, int, bool]]) -> ArmOutcomes:
    category, depth, time, doubled = (np.array([values]) for values in zip(*mice, strict=True))
    return ArmOutcomes(category, depth, time.astype(float), doubled)
