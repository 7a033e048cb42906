"""Posteriors known exactly or by quadrature, sampled the way a calibration is; R-hat and ESS against R's.

Eight schools, a conjugate growth hierarchy and the same with unknown scales are sampled as one model of independent
parts, since most of the time goes to compiling. They must be met within Monte Carlo error: of some twenty population
quantities none may miss by 4 standard errors (chance 1 in 800), of the 48 levels of avatars none by 4.5 (1 in 3,000).
"""

from __future__ import annotations

import pytensor
import pytest

from avatar_trials.verify import known_posteriors
from tests.held import hold


@pytest.fixture(scope="module", autouse=True)
def sampled() -> None:
    known_posteriors.draws()
    assert not pytensor.config.numba__fastmath


def test_eight_schools() -> None:
    hold(known_posteriors.eight_schools())


def test_growth_hierarchy_with_known_scales() -> None:
    hold(known_posteriors.growth_with_known_scales())


def test_growth_hierarchy_with_unknown_scales() -> None:
    hold(known_posteriors.growth_with_unknown_scales())


def test_r_hat_and_effective_sample_size_are_those_of_r() -> None:
    hold(known_posteriors.diagnostics())
