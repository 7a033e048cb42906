"""Cumulative incidence against hand computation, Kaplan-Meier where they must meet, and recorded statsmodels."""

from __future__ import annotations

import numpy as np
import pytest

from avatar_trials.endpoints.competing_risks import cumulative_incidence
from avatar_trials.endpoints.survival import kaplan_meier

TIME = [3, 5, 5, 7, 7, 7, 9, 11, 11, 14, 14, 17, 18, 21, 21, 25, 28, 28, 32, 35]
CAUSE = list("12101211012011120110")
# statsmodels 0.14 CumIncidenceRight(TIME, CAUSE), causes 1 and 2 at days 3 14 21 32 35.
RECORDED_DAYS = [3, 14, 21, 32, 35]
RECORDED = [
    [0.05, 0.3155844155844155, 0.5128246753246752, 0.6771915584415584, 0.6771915584415584],
    [0.0, 0.15844155844155844, 0.15844155844155844, 0.2241883116883117, 0.2241883116883117],
]
RECORDED_ERROR = [
    [
        0.048733971724044825,
        0.10732706224812821,
        0.12170133369992236,
        0.12101658449389077,
        0.12101658449389077,
    ],
    [0.0, 0.0843687805690256, 0.08436878056902558, 0.09987349116348512, 0.09987349116348512],
]


def test_five_mice_by_hand() -> None:
    """Progressed on day 7, removed for weight on 7 and 21, progressed on 28, censored on 14."""
    time = [7.0, 7.0, 14.0, 21.0, 28.0]
    cause = ["progression", "body_weight", "study_end", "body_weight", "progression"]
    result = cumulative_incidence(time, cause, ["progression", "body_weight"])
    np.testing.assert_array_equal(result.time, [7, 14, 21, 28])
    np.testing.assert_array_equal(result.n_risk, [5, 3, 2, 1])
    # Free: 3/5, then half of it left on day 21, nothing on day 28.
    np.testing.assert_allclose(result.free, [0.6, 0.6, 0.3, 0.0], atol=1e-15)
    np.testing.assert_allclose(result.incidence, [[0.2, 0.2, 0.2, 0.5], [0.2, 0.2, 0.5, 0.5]], atol=1e-15)
    # Before any other event the error is that of a share of 1 in 5.
    assert result.std_error[0, 0] == pytest.approx(np.sqrt(0.2 * 0.8 / 5), abs=1e-15)


def test_recorded_statsmodels() -> None:
    result = cumulative_incidence(TIME, CAUSE, ("1", "2"))
    at = np.searchsorted(result.time, RECORDED_DAYS)
    np.testing.assert_allclose(result.incidence[:, at], RECORDED, atol=1e-12)
    np.testing.assert_allclose(result.std_error[:, at], RECORDED_ERROR, atol=1e-12)


def test_one_cause_is_kaplan_meier_upside_down() -> None:
    result = cumulative_incidence(TIME, CAUSE, ("1",))
    km = kaplan_meier(np.array(TIME, dtype=float), np.array(CAUSE) == "1")
    np.testing.assert_allclose(result.incidence[0], 1 - km.surv, atol=1e-14)
    np.testing.assert_allclose(result.std_error[0], km.std_error, atol=1e-14)


def test_replicates_at_once_are_replicates_one_by_one_and_add_up() -> None:
    rng = np.random.default_rng(2)
    time = rng.integers(1, 9, (30, 12)).astype(float)
    time[rng.random(time.shape) < 0.2] = np.nan
    time[0] = np.nan
    cause = rng.choice(["progression", "body_weight", "study_end"], time.shape)
    causes = ("progression", "body_weight")
    every = cumulative_incidence(time, cause, causes)
    np.testing.assert_allclose(every.incidence.sum(axis=0) + every.free, 1.0, atol=1e-14)
    assert not np.isnan(every.incidence).any()
    assert not np.isnan(every.std_error).any()
    for i in range(30):
        one = cumulative_incidence(time[i], cause[i], causes)
        width = one.time.shape[-1]
        np.testing.assert_array_equal(every.time[i, :width], one.time)
        np.testing.assert_allclose(every.incidence[:, i, :width], one.incidence, atol=1e-15)
        np.testing.assert_allclose(every.std_error[:, i, :width], one.std_error, atol=1e-15)


def test_calling_competing_mice_censored_overstates_progression() -> None:
    result = cumulative_incidence(TIME, CAUSE, ("1", "2"))
    naive = 1 - kaplan_meier(np.array(TIME, dtype=float), np.array(CAUSE) == "1").surv
    assert naive[-1] > result.incidence[0, -1] + 0.05


@pytest.mark.parametrize("causes", [(), ("1", "1")])
def test_causes_are_named_once(causes: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="each once"):
        cumulative_incidence(TIME, CAUSE, causes)
