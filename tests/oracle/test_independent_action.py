"""Independent action against published P values, SciPy's bivariate normal, and avatars worked by hand.

The published numbers are of the PDX Encyclopedia (Palmer & Sorger 2017, Cell 171:1678; volumes of Gao et al. 2015). Its
folder comes from AVATAR_TRIALS_DATA, else ../shared/data beside the project; without it those tests skip.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from avatar_trials.endpoints import (
    CENSORING_VARIANTS,
    against_independent_action,
    better_of,
    either_curve,
    either_works,
    gaussian_copula,
    independent_action_table,
    kaplan_meier,
    response_table,
)
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes
from avatar_trials.intake import read_volumes

DATA = Path(os.environ.get("AVATAR_TRIALS_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
VOLUMES, GENES = DATA / "pdxe" / "pct_raw_data.csv", DATA / "pdxe" / "key_gene_status.csv"
with_data = pytest.mark.skipif(
    not (VOLUMES.exists() and GENES.exists()), reason=f"PDX Encyclopedia volumes not found in {DATA}"
)
BOTH = "encorafenib + binimetinib"


@pytest.fixture(scope="module")
def melanoma() -> pd.DataFrame:
    return response_table(read_volumes(VOLUMES).select(tumor_type="CM"), rule="pct_sheet")


@pytest.fixture(scope="module")
def v600() -> list[str]:
    genes = pd.read_csv(GENES, index_col="model")["BRAF"].fillna("")
    return list(genes.index[genes.str.contains("MutKnownFunctional")])


@with_data
def test_published_log_rank_and_hazard_ratio_of_encorafenib_and_binimetinib(
    melanoma: pd.DataFrame, v600: list[str]
) -> None:
    stratum = melanoma[melanoma["avatar"].isin(v600)]
    published = [(stratum, 13, 0.00463, (0.293, 0.119, 0.722)), (melanoma, 33, 0.1421, (0.688, 0.416, 1.137))]
    for mice, n, p_value, ratio in published:
        found = against_independent_action(mice, BOTH, censoring="published", ties="breslow")
        assert len(found.matched.avatars) == n
        assert float(found.log_rank.p_value) == pytest.approx(p_value, abs=0.5 * 10 ** -(5 if n == 13 else 4))
        hazard = found.hazard
        assert [float(x) for x in (hazard.hr, hazard.lower, hazard.upper)] == pytest.approx(ratio, abs=6e-4)


@with_data
def test_with_last_days_censored_the_stratum_still_tells_and_all_melanoma_does_not(
    melanoma: pd.DataFrame, v600: list[str]
) -> None:
    stratum = melanoma[melanoma["avatar"].isin(v600)]
    p = [
        float(against_independent_action(mice, BOTH, censoring="later_time").log_rank.p_value)
        for mice in (stratum, melanoma)
    ]
    assert p == pytest.approx([0.0169, 0.2146], abs=1e-4)


AVATARS = {
    # avatar: (time, doubled) under A and B, then what is expected of both together
    "both doubled": ((10, True), (30, True), (30, True), (30, True)),
    "later one stayed": ((10, True), (30, False), (30, False), (30, False)),
    "earlier one stayed": ((10, False), (30, True), (30, True), (30, False)),
    "tie, one stayed": ((30, True), (30, False), (30, False), (30, False)),
    "neither doubled": ((10, False), (30, False), (30, False), (30, False)),
}


def arm(times: list[tuple[int, bool]], category: list[str], depth: list[float]) -> ArmOutcomes:
    return ArmOutcomes(
        np.array([category]),
        np.array([depth]),
        np.array([[float(t) for t, _ in times]]),
        np.array([[d for _, d in times]]),
    )


def test_the_better_of_two_by_hand() -> None:
    rows = list(AVATARS.values())
    a = arm([row[0] for row in rows], ["PD", "SD", "", "CR", "PR"], [5.0, -10.0, -99.0, -100.0, -60.0])
    b = arm([row[1] for row in rows], ["SD", "SD", "CR", "PD", "CR"], [-5.0, -20.0, -9.0, 50.0, -97.0])
    expected = {"later_time": [row[2] for row in rows], "all_doubled": [row[3] for row in rows]}
    expected["published"] = [(time, True) for time, _ in expected["later_time"]]
    assert set(expected) == set(CENSORING_VARIANTS)
    for censoring, outcome in expected.items():
        best = better_of([a, b], censoring=censoring)
        found = zip(best.time_days[0], best.doubled[0], strict=True)
        assert [(int(time), bool(event)) for time, event in found] == outcome, censoring
        assert list(best.category[0]) == ["SD", "SD", "", "CR", "CR"]
        assert list(best.depth_pct[0]) == [-5.0, -20.0, -99.0, -100.0, -97.0]


def test_best_average_response_is_the_lower_of_the_drugs() -> None:
    mice = pd.DataFrame(
        [
            (avatar, name, "CR", average, -50.0, 20.0, True)
            for avatar, averages in (("x", (-1.0, -30.0, -12.0)), ("y", (5.0, 8.0, np.nan)))
            for name, average in zip(("A + B", "A", "B"), averages, strict=True)
        ],
        columns=[
            *("avatar", "arm", "category", "best_avg_response_pct"),
            *("depth_of_response_pct", "time_to_doubling_days", "doubled"),
        ],
    )
    table = independent_action_table(mice, "B + A").set_index("avatar")
    assert list(table["best_avg_response_pct"]) == [-1.0, 5.0]
    assert table.loc["x", "expected_best_avg_response_pct"] == -30.0
    assert np.isnan(table.loc["y", "expected_best_avg_response_pct"])


@pytest.mark.parametrize("correlation", [-0.9, -0.3, 0.2, 0.3, 0.8, 0.99])
def test_the_copula_is_scipys_bivariate_normal(correlation: float) -> None:
    r = 2 * np.sin(np.pi / 6 * correlation)
    share = np.array([0.001, 0.2, 0.5, 0.5, 0.7, 0.9999])
    u, v = (grid.ravel() for grid in np.meshgrid(share, share))
    law = stats.multivariate_normal(mean=[0.0, 0.0], cov=[[1.0, r], [r, 1.0]])
    expected = [law.cdf(stats.norm.ppf(pair)) for pair in zip(u, v, strict=True)]
    np.testing.assert_allclose(gaussian_copula(u, v, correlation), expected, atol=1e-10)
    np.testing.assert_allclose(
        either_works([u, v], correlation=correlation), 1 - gaussian_copula(1 - u, 1 - v, correlation)
    )


def test_the_correlation_named_is_spearmans() -> None:
    """Spearman's rank correlation is 12 times the integral of the copula, less 3."""
    node, weight = np.polynomial.legendre.leggauss(60)
    at, weight = (node + 1) / 2, weight / 2
    u, v = np.meshgrid(at, at)
    for correlation in (-0.6, 0.3, 0.7):
        total = weight @ gaussian_copula(u, v, correlation) @ weight
        assert 12 * total - 3 == pytest.approx(correlation, abs=1e-4)


def test_curves_under_both_drugs_by_hand() -> None:
    a, b = kaplan_meier([1.0, 2.0], [True, True]), kaplan_meier([2.0, 3.0], [True, False])
    at = [0.5, 1.5, 2.5]
    np.testing.assert_allclose(either_curve([a, b], at), [1.0, 1.0, 0.5])
    one, other = [1.0, 0.5, 0.0], [1.0, 1.0, 0.5]
    np.testing.assert_allclose(either_curve([a, b], at, correlation=1.0), np.maximum(one, other))
    c = kaplan_meier([1.0, 1.0, 4.0, 4.0], [True] * 4)
    np.testing.assert_allclose(either_curve([a, c], [1.5]), [1 - 0.5 * 0.5])
