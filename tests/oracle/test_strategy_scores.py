"""Scores of strategies against their definitions by hand, and paired intervals against a bootstrap written out."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from avatar_trials.endpoints.survival import kaplan_meier, restricted_mean
from avatar_trials.seeds import stream
from avatar_trials.strategies import compare_strategies, score_strategies
from avatar_trials.strategies.scoring import event_times
from tests.strategy_panel import design


@pytest.fixture(scope="module")
def followed() -> xr.Dataset:
    return compare_strategies(design(n_avatars=40))


def test_restricted_means_of_resamples_are_those_of_the_resampled_subjects(followed: xr.Dataset) -> None:
    chosen, resamples = followed, 50
    table, differences = score_strategies(chosen, "A", level=0.8, resamples=resamples, seed=4)
    counts = stream(4, "avatars resampled").multinomial(40, np.full(40, 1 / 40), size=resamples)
    drawn = {}
    for name in ("A", "upfront"):
        time, event, _ = event_times(chosen.sel(strategy=name))["strategy_failure"]
        drawn[name] = [
            float(restricted_mean(kaplan_meier(np.repeat(time, c), np.repeat(event, c)), 210.0)[0])
            for c in counts
        ]
    row = table[(table["strategy"] == "upfront") & (table["endpoint"] == "strategy_failure_mean_days")].iloc[
        0
    ]
    assert [row["lower"], row["upper"]] == pytest.approx(list(np.quantile(drawn["upfront"], [0.1, 0.9])))
    told = differences[
        (differences["strategy"] == "upfront") & (differences["endpoint"] == "strategy_failure_mean_days")
    ].iloc[0]
    gaps = np.array(drawn["upfront"]) - np.array(drawn["A"])
    assert [told["lower"], told["upper"]] == pytest.approx(list(np.quantile(gaps, [0.1, 0.9])))
    # Paired: narrower than two independent resamples of the two strategies would be.
    apart = np.subtract.outer(np.array(drawn["upfront"]), np.array(drawn["A"])).ravel()
    assert told["upper"] - told["lower"] < np.subtract(*np.quantile(apart, [0.9, 0.1]))


def test_pfs_pfs2_and_failure_are_told_of_every_mouse_by_its_lines(followed: xr.Dataset) -> None:
    for name in ("sequential", "A", "combination after progression"):
        one = followed.sel(strategy=name)
        found = event_times(one)
        days, left = one["progression_day"].values, one["left_day"].values
        planned = one["lines_planned"].values
        toxic = one["left_reason"].values == 2
        assert ("PFS2" in found) == (int(one["lines"]) > 1)
        for mouse in range(one.sizes["avatar"]):
            for label, lines in (("PFS", 1), ("PFS2", 2), ("strategy_failure", int(one["lines"]))):
                if label not in found:
                    continue
                time, event, _ = (values[mouse] for values in found[label])
                last = days[min(lines, planned[mouse]) - 1, mouse]
                if np.isfinite(last):
                    assert (time, event) == (last, True), (name, mouse, label)
                else:
                    assert time == left[mouse]
                    assert event == toxic[mouse]


def test_pfs_is_never_told_without_strategy_failure(followed: xr.Dataset) -> None:
    table, differences = score_strategies(followed, "A", resamples=50)
    for frame in (table, differences):
        for name, part in frame.groupby("strategy"):
            assert {"PFS_mean_days", "strategy_failure_mean_days"} <= set(part["endpoint"]), name
    with pytest.raises(ValueError, match="is no strategy"):
        score_strategies(followed, "Z", resamples=50)


def test_a_strategy_that_goes_on_as_before_has_failed_at_its_first_progression() -> None:
    """The same drug twice is no second line."""
    rules = [
        {"name": "A", "rule": {"kind": "constant", "arm": "A"}},
        {"name": "A, then A", "rule": {"kind": "sequential", "lines": ["A", "A"]}},
    ]
    found = compare_strategies(design(strategies=rules, n_avatars=40, toxicity=None))
    once, twice = (event_times(found.sel(strategy=name))["strategy_failure"] for name in ("A", "A, then A"))
    assert np.array_equal(once[0], twice[0])
    assert np.array_equal(once[1], twice[1])
