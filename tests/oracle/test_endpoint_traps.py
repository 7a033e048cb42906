"""Traps for the statistics of arms, each by hand: absent subjects, missing labels, times that differ by rounding."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from avatar_trials import endpoints as e

NEAR = 0.1 + 0.2  # not 0.3 in floating point


def test_an_absent_subject_with_an_entry_is_not_at_risk() -> None:
    km = e.kaplan_meier([1, 2, np.nan], [1, 1, 0], entry=[0, 0, 0])
    assert km.n_risk.tolist() == [2, 1]
    assert km.surv.tolist() == [0.5, 0.0]


def test_a_category_that_is_missing_is_not_evaluable() -> None:
    for missing in ("", None, np.nan):
        rate = e.response_rate(pd.Series(["CR", "PD", missing, missing]))
        assert (float(rate.estimate), int(rate.n_not_evaluable)) == (0.5, 2)
    with pytest.raises(ValueError, match="CR-->PD"):
        e.response_rate(["CR-->PD", "PD"])
    with pytest.raises(ValueError, match="ORRR"):
        e.response_rate(["CR"], ["ORRR"])


def test_a_subject_without_a_label_is_refused() -> None:
    labels = pd.Series(["a", "b", None, "b"])
    with pytest.raises(ValueError, match="group is missing"):
        e.logrank([1, 2, 3, 4], [1] * 4, labels)
    with pytest.raises(ValueError, match="strata is missing"):
        e.logrank([1, 2, 3, 4], [1] * 4, ["a", "b", "a", "b"], strata=labels)
    absent = e.logrank([1, 2, np.nan, 4, 5], [1] * 5, pd.Series(["a", "b", None, "b", "a"]))
    assert absent.groups == ("a", "b")


def test_numbers_as_labels_stay_numbers() -> None:
    group = np.array([10, 9, 10, 9], dtype=object)
    assert e.logrank([1, 2, 3, 4], [1] * 4, group).groups == (9, 10)
    assert e.hazard_ratio([1, 2, 3, 4], [1] * 4, group, reference=10).reference in (10, "10")


def test_a_responder_is_true_or_false() -> None:
    for odd in ([1, np.nan, 0], ["no", "yes", "no"]):
        with pytest.raises(ValueError, match="True or False"):
            e.mcnemar(odd, [0, 1, 1])
    with pytest.raises(ValueError, match="progressed"):
        e.strategy_failure([[3.0, 4.0]], progressed=[[np.nan, 1]], died=False, lines=2)


def test_intervals_whose_ends_differ_by_rounding() -> None:
    near, exact = e.turnbull([0, 0.3], [NEAR, 0.5]), e.turnbull([0, 0.3], [0.3, 0.5])
    np.testing.assert_allclose(near.mass, exact.mass, atol=1e-9)
    np.testing.assert_allclose(near.right, exact.right, atol=1e-9)
    open_end = e.turnbull([0, 0.3, 0.3], [NEAR, np.inf, 0.5])
    assert np.isfinite(open_end.mass).all()
    fit = e.interval_parametric_survival([0.3, 1, 2], [NEAR, 2, 3])
    same = e.interval_parametric_survival([0.3, 1, 2], [0.3, 2, 3])
    np.testing.assert_allclose(fit.coef, same.coef, rtol=1e-9)


def test_a_question_at_a_time_that_differs_by_rounding() -> None:
    km = e.kaplan_meier([NEAR, 0.5], [1, 1])
    assert e.survival_at(km, [0.3]).tolist() == [0.5]
    assert e.landmark_survival(e.kaplan_meier([NEAR, 0.3], [1, 0]), [NEAR]).why_undefined[0] == ""
    assert e.at_risk([0.3, NEAR], [NEAR]).tolist() == [2]
    apart = e.curve_distance(km, e.kaplan_meier([0.3, 0.5], [1, 1]), 1.0)
    assert [float(x) for x in apart] == pytest.approx([0.0, 0.0], abs=1e-9)


def test_survival_of_nobody_is_unknown() -> None:
    assert np.isnan(e.survival_at(e.kaplan_meier([], []), [5.0])).all()
    km = e.kaplan_meier([1, 2], [1, 1])
    assert np.isnan(e.survival_at(km, [np.nan])).all()
    assert e.survival_at(km, 1.0).tolist() == [0.5]


def test_parametric_fit_does_not_depend_on_the_covariates_unit() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(300, 150, 60).round(1)
    time, event = rng.weibull(1.5, 60) * 20 * np.exp(-0.002 * x) + 0.1, rng.random(60) < 0.7
    raw, huge = (e.parametric_survival(time, event, {"v": x * scale}) for scale in (1.0, 1e4))
    unit = e.parametric_survival(time, event, {"v": (x - 300) / 150})
    assert huge.why_undefined == ""
    np.testing.assert_allclose(raw.se[1] * 150, unit.se[1], rtol=1e-9)
    np.testing.assert_allclose(raw.coef[1] * 150, unit.coef[1], rtol=1e-9)
    np.testing.assert_allclose(raw.coef[0] + 300 * raw.coef[1], unit.coef[0], rtol=1e-9)
    np.testing.assert_allclose(huge.se[1] * 1e4, raw.se[1], rtol=1e-9)


def test_one_cause_by_its_name() -> None:
    result = e.cumulative_incidence([1, 2, 3], ["death", "death", "x"], "death")
    assert result.causes == ("death",)


def test_curves_relative_to_a_baseline_of_zero_under_xeva() -> None:
    shares, n = e.category_shares([0.0, 10, 20], np.array([[0, 0.0, 0], [0, 20, 60]]), "xeva")
    assert int(n) == 2
    assert shares.sum() == pytest.approx(1.0)


def test_a_flat_stretch_at_the_end_reaches_to_the_last_time() -> None:
    """Half of the mice at (1, 3], the others censored at 8: from the middle of the interval, 2, to 8."""
    fit = e.turnbull([1, 2, 8, 8], [3, 3.0, np.inf, np.inf])
    assert e.interval_quantile(fit, 0.5, place="right") == pytest.approx((3 + 8) / 2)
    assert float(e.median(e.kaplan_meier([3, 3, 8, 8], [1, 1, 0, 0]))) == pytest.approx((3 + 8) / 2)
    assert e.interval_quantile(fit, 0.6) == np.inf
