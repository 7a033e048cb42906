"""Looks, costs, choice among combinations, baskets, selection by a biomarker: against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from avatar_trials.card_files import load_design, load_varied
from avatar_trials.emulate import load_population, population_of
from avatar_trials.problems import InputError
from avatar_trials.stamp import read_netcdf
from avatar_trials.sweeps import blocks, plan_sweep, run_sweep, sweep_table
from avatar_trials.sweeps.judged import CHOICE, Trials, judge
from avatar_trials.sweeps.mice import Outcomes
from avatar_trials.sweeps.sums import Key, Sums

MELANOMA = "melanoma_braf_mek"
FROZEN = Path(__file__).parents[1] / "fixtures" / "frozen_posterior.nc"
THREE = [{"name": name} for name in ("A", "B", "C", "A + B", "A + C")]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "REFERENCE_AVATARS", 10)


def arm(responders: list[list[int]], left_day: float = 10.0) -> Outcomes:
    """One mouse an avatar: 1 for a responder, which shrinks and does not double."""
    responds = np.array(responders, dtype=bool)[:, None, :]
    return Outcomes(
        np.where(responds, 2, 0).astype(np.int8),
        np.where(responds, -80.0, 40.0),
        np.where(responds, 100.0, 5.0),
        ~responds,
        np.full(responds.shape, left_day),
    )


def judged(
    design: Any, arms: dict[str, Outcomes], truth: dict[str, Any] | None, screened: float = 1.0
) -> Any:
    sums = Sums()
    told = None if truth is None else dict.fromkeys(("ORR", "depth", "doubling"), truth)
    judge(Trials(0, design, "posterior", "CM", "", arms, screened, told), sums)

    def mean(name: str, against: str, endpoint: str, quantity: str) -> float:
        n, total, _ = sums.moments[Key(0, "posterior", "CM", name, against, endpoint, quantity)]
        return total / n

    return mean


def test_a_futile_combination_stops_and_is_cheaper() -> None:
    """Ten avatars: among the first five the combination is no better in the first trial, and is in the second."""
    changes = {
        "arms": [{"name": "A"}, {"name": "B"}, {"name": "A + B"}],
        "decision.looks": [{"at_share": 0.5, "endpoint": "ORR", "stop_below": 0.2}],
    }
    (design,) = load_varied(MELANOMA, [changes])
    none, late = [0] * 10, [0] * 5 + [1] * 5
    arms = {"A": arm([none, none]), "B": arm([none, none]), "A + B": arm([late, [1] * 10], left_day=20.0)}
    truth = {"A": np.zeros(2), "B": np.zeros(2), "A + B": np.array([0.5, 0.1])}
    mean = judged(design, arms, truth, screened=2.5)
    assert mean("A + B", "", "", "stopped_early") == 0.5
    assert mean("A + B", "", "", "avatars") == 7.5
    assert mean("all arms", "", "", "mice") == (15 + 30) / 2
    assert mean("all arms", "", "", "screened") == 7.5 * 2.5
    # A and B: 10 days of one drug; A + B: 20 days of two.
    assert mean("all arms", "", "", "drug_days") == (5 * (10 + 10 + 40) + 10 * (10 + 10 + 40)) / 2
    assert mean("A + B", "all single agents", "ORR", "go") == 0.5
    assert mean("A + B", "all single agents", "ORR", "worth") == 0.5
    assert mean("A + B", "all single agents", "ORR", "wrong_stop") == 0.5
    assert mean("A + B", "all single agents", "ORR", "wrong_go") == 0.5


def test_the_choice_among_combinations() -> None:
    """Observed best: A + B in the first trial, A + C in the second; truly best: A + C in both."""
    (design,) = load_varied(MELANOMA, [{"arms": THREE, "decision.multiplicity": "bonferroni"}])
    none, few, all_of = [0] * 8, [1, 1] + [0] * 6, [1] * 8
    arms = {
        **{name: arm([none, none]) for name in "ABC"},
        "A + B": arm([all_of, few]),
        "A + C": arm([few, all_of]),
    }
    truth = {
        **{name: np.zeros(2) for name in "ABC"},
        "A + B": np.array([0.1, 0.1]),
        "A + C": np.array([0.4, 0.5]),
    }
    mean = judged(design, arms, truth)
    assert mean("A + B", CHOICE, "ORR", "picked") == 0.5
    assert mean(CHOICE, "", "ORR", "right_pick") == 0.5
    assert mean(CHOICE, "", "ORR", "regret") == pytest.approx(0.3 / 2)
    assert mean(CHOICE, "", "ORR", "go") == 1.0
    assert mean(CHOICE, "", "ORR", "any_wrong_go") == 0.5


def test_multiplicity_asks_for_more() -> None:
    """Five of five discordant avatars: p = 1/32, below 0.05 alone, not doubled."""
    none, five = [0] * 8, [1] * 5 + [0] * 3
    arms = {**{name: arm([none]) for name in "ABC"}, "A + B": arm([five]), "A + C": arm([none])}
    alone, two = load_varied(MELANOMA, [{"arms": THREE}, {"arms": THREE, "decision.multiplicity": "holm"}])
    assert judged(alone, arms, None)("A + B", "all single agents", "ORR", "go") == 1.0
    assert judged(two, arms, None)("A + B", "all single agents", "ORR", "go") == 0.0


def test_baskets_are_decided_alone_and_together() -> None:
    population = load_population("pdxe").isel(draw=slice(0, 6))
    plan = plan_sweep(
        MELANOMA,
        {"cohort.tumor_type": [["CM", "CRC"]], "cohort.n": [6]},
        population,
        n_trials=50,
        worlds=["posterior", "independent_action"],
    )
    table = sweep_table(plan, run_sweep(plan, trials=50))
    assert set(table["basket"]) == {"CM", "CRC", "all"}
    mice = table[(table["quantity"] == "mice")].set_index("basket")["estimate"]
    assert mice.to_dict() == {"CM": 24.0, "CRC": 24.0, "all": 48.0}
    alone = plan_sweep(MELANOMA, {"cohort.n": [6]}, population, n_trials=50, worlds=["posterior"])
    other = sweep_table(alone, run_sweep(alone, trials=50))
    columns = ["arm", "against", "endpoint", "quantity", "estimate"]
    mine = table[(table["basket"] == "CM") & (table["world"] == "posterior")]
    pd.testing.assert_frame_equal(mine[columns].reset_index(drop=True), other[columns].reset_index(drop=True))


@pytest.fixture(scope="module")
def carrying() -> xr.Dataset:
    """A synthetic population with a biomarker, half of its avatars carriers."""
    found = population_of(read_netcdf(FROZEN, kind="posterior"), biomarker_share=0.5)
    return found.isel(draw=slice(0, 8))


def test_a_perfect_selector_lets_carriers_in(carrying: xr.Dataset) -> None:
    plan = plan_sweep(
        "melanoma_two_clone",
        {
            "cohort.n": [10],
            "cohort.biomarker_share": [0.25, 1.0],
            "selector": [None, {"sensitivity": 1.0, "specificity": 1.0}],
        },
        carrying,
        n_trials=50,
        worlds=["posterior"],
    )
    table = sweep_table(plan, run_sweep(plan, trials=50))
    points = table.groupby(["cohort.biomarker_share", table["decision.selector"].notna()], sort=False)
    readout = {key: rows[rows["quantity"] == "readout"]["estimate"].to_numpy() for key, rows in points}
    np.testing.assert_array_equal(readout[0.25, True], readout[1.0, False])
    assert not np.array_equal(readout[0.25, True], readout[0.25, False])
    screened = {key: float(rows[rows["quantity"] == "screened"]["estimate"].iloc[0]) for key, rows in points}
    assert screened == {(0.25, False): 10, (0.25, True): 40, (1.0, False): 10, (1.0, True): 10}


def test_a_selector_needs_a_biomarker() -> None:
    few = load_population("pdxe_cm").isel(draw=slice(0, 4))
    for vary in ({"cohort.biomarker_share": [0.5]}, {"selector": [{"sensitivity": 0.9, "specificity": 0.9}]}):
        with pytest.raises(InputError, match="calibrated without one"):
            plan_sweep(MELANOMA, vary, few)


def test_assurance_is_not_power_at_the_posterior_mean() -> None:
    """Melanoma, 100 avatars: the combination beats both drugs by ORR more often at the mean than on average."""
    plan = plan_sweep(
        MELANOMA,
        {"cohort.n": [100]},
        load_population("pdxe_cm"),
        n_trials=250,
        worlds=["posterior", "posterior_mean"],
    )
    table = sweep_table(plan, run_sweep(plan, trials=750))
    chosen = table[(table["against"] == "all single agents") & (table["endpoint"] == "ORR")]
    (assurance,), (power,) = (
        chosen[chosen["quantity"] == name]["estimate"] for name in ("assurance", "power")
    )
    errors = chosen[chosen["quantity"].isin(["assurance", "power"])]["se"]
    assert power - assurance > 3 * np.sqrt((errors**2).sum())


def test_what_a_decision_may_not_say() -> None:
    assert load_design(MELANOMA).compared() == {"binimetinib + encorafenib": ("binimetinib", "encorafenib")}
    wrong: list[dict[str, Any]] = [
        {"decision.looks": [{"at_share": 0.6, "stop_below": 0}, {"at_share": 0.5, "stop_below": 0}]},
        {"decision.worth": {"endpoint": "ORR", "at_least": 15}},
        {"decision.combinations": ["encorafenib"]},
        {"decision.selector": {"sensitivity": 0.0, "specificity": 2.0}},
    ]
    for one in wrong:
        with pytest.raises(InputError):
            load_varied(MELANOMA, [one])
