"""What a card says of tumours is what is drawn: parts of clones, kills beyond growth, failing drugs, capped shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from avatar_trials.card_parts import Assumed
from avatar_trials.kinetics.tumour import Tumour
from avatar_trials.strategies.assumed_tumours import assumed_tumours
from avatar_trials.tumour_cards import TumourSpec
from tests.strategy_panel import law

AVATARS = [f"avatar {i}" for i in range(2000)]
BASE: dict[str, Any] = {
    "source": "a test",
    "start_mm3": 200.0,
    "growth": law(0.05),
    "drugs": {"A": {"kill": law(0.1)}, "B": {"kill": 0.1}},
    "clones": [
        {"name": "s"},
        {"name": "r", "share": law(0.1, 0.5), "fitness_cost": law(0.3, 0.2), "drivers": [{"A": 0.0}]},
        {"name": "both", "part_of": "r", "share": 0.25, "drivers": [{"A": 0.0, "B": 0.0}]},
    ],
}


def drawn(**changes: Any) -> Tumour:
    return assumed_tumours(TumourSpec.model_validate(BASE | changes), AVATARS, 5).tumour


def test_a_part_takes_its_share_of_the_whole_and_grows_as_it_does() -> None:
    whole = drawn(clones=BASE["clones"][:2]).clones[1]
    sensitive, rest, part = drawn().clones
    np.testing.assert_allclose(part.share, 0.25 * whole.share, rtol=1e-12)
    np.testing.assert_allclose(rest.share, 0.75 * whole.share, rtol=1e-12)
    np.testing.assert_allclose(sensitive.share + rest.share + part.share, 1.0, rtol=1e-12)
    np.testing.assert_array_equal(part.fitness_cost, rest.fitness_cost)
    np.testing.assert_array_equal(rest.fitness_cost, whole.fitness_cost)
    assert part.drivers == ((0.0, 0.0),)


def test_a_kill_beyond_growth_is_the_rate_of_shrinkage() -> None:
    plain, beyond = drawn(), drawn(drugs={"A": {"kill": law(0.1), "beyond_growth": True}, "B": {"kill": 0.1}})
    np.testing.assert_allclose(
        np.exp(beyond.log_kill)[:, 0] - beyond.growth, np.exp(plain.log_kill)[:, 0], rtol=1e-12
    )
    np.testing.assert_array_equal(beyond.log_kill[:, 1], plain.log_kill[:, 1])


def test_a_drug_fails_in_its_share_of_avatars_the_same_ones_first() -> None:
    drugs = {"A": {"kill": 0.1, "fails_in": 0.1}, "B": {"kill": 0.1, "fails_in": 0.05}}
    failed = np.asarray(drawn(drugs=drugs).log_kill) == -np.inf
    assert failed.mean(axis=0) == pytest.approx([0.1, 0.05], abs=0.02)
    assert not (failed[:, 1] & ~failed[:, 0]).any()


def test_shares_beyond_a_cap_are_scaled_to_it_and_others_left() -> None:
    wide = [*BASE["clones"][:1], {"name": "r", "share": law(0.1, 1.5), "drivers": [{"A": 0.0}]}]
    capped = drawn(clones=wide, others_at_most=0.9).clones[1].share
    law_of_it = stats.lognorm(1.5, scale=0.1)
    assert capped.max() == pytest.approx(0.9)
    assert np.mean(capped >= 0.9 - 1e-12) == pytest.approx(law_of_it.sf(0.9), abs=0.02)
    assert np.median(capped) == pytest.approx(0.1, rel=0.15)


def test_a_logitnormal_law_has_its_median_and_its_spread() -> None:
    words = {"unit": "1", "meaning": "m", "source": "s"}
    one = Assumed(distribution="logitnormal", location=0.08, scale=1.6, **words)  # type: ignore[arg-type]
    values = one.draws(40_000, np.random.default_rng(1))
    logit = np.log(values / (1.0 - values))
    assert ((values > 0) & (values < 1)).all()
    assert logit.mean() == pytest.approx(np.log(0.08 / 0.92), abs=0.03)
    assert logit.std() == pytest.approx(1.6, abs=0.03)
