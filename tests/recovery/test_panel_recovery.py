"""Recovery: calibrating the embedded panel, whose truth is known, finds that truth again. A real fit."""

from __future__ import annotations

from io import StringIO

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from avatar_trials.calibrate import calibrate_avatars, convergence
from avatar_trials.card_files import load_design, load_model
from avatar_trials.intake import read_volumes
from avatar_trials.library import find_card
from avatar_trials.model_cards import Sampling

LEVEL = 0.9
# Enough for 90 % limits (tail ESS of some 100); the main job's own gates ask for more.
SAMPLING = Sampling(chains=2, tune=700, draws=700, target_accept=0.85)


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    panel = find_card("panels", "melanoma_synthetic")
    text = panel.with_name("melanoma_synthetic_truth.csv").read_text("utf-8")
    return pd.read_csv(StringIO(text), comment="#", keep_default_na=False)


@pytest.fixture(scope="module")
def posterior() -> xr.Dataset:
    design = load_design("melanoma_braf_mek")
    card = load_model("two_clone").model_copy(update={"sampling": SAMPLING})
    table = read_volumes(find_card("panels", "melanoma_synthetic"))
    assert table.synthetic
    tree = calibrate_avatars(table, card, seed=design.seed)
    return tree["posterior"].to_dataset()


def intervals(posterior: xr.Dataset, truth: pd.DataFrame) -> pd.DataFrame:
    """The truth beside the posterior's 90 % limits, one row a parameter and place."""
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    rows = []
    for row in truth.to_dict("records"):
        values = posterior.get(row["parameter"], None)
        if values is None:
            continue
        for dim in ("avatar", "drug"):
            if row[dim]:
                values = values.sel({dim: row[dim]})
        lower, upper = np.quantile(values, tails)
        rows.append({**row, "lower": lower, "upper": upper, "covered": lower <= float(row["value"]) <= upper})
    return pd.DataFrame(rows)


def test_the_intervals_of_the_population_parameters_cover_the_truth(
    posterior: xr.Dataset, truth: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    found = intervals(posterior, truth[truth["avatar"] == ""])
    with capsys.disabled():
        print("\nrecovery of the embedded panel's population parameters, 90 % intervals")
        print(found.drop(columns="avatar").to_string(index=False, float_format="%.3f"))
    assert len(found) >= 24
    # Calibrated 90 % intervals cover at least this many of them in 99 of 100 panels (binomial, taken as independent).
    least = int(stats.binom.ppf(0.01, len(found), LEVEL))
    assert found["covered"].sum() >= least


def test_the_intervals_of_the_avatars_cover_their_share(
    posterior: xr.Dataset, truth: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    found = intervals(posterior, truth[truth["avatar"] != ""])
    share = found.groupby("parameter")["covered"].mean()
    with capsys.disabled():
        print("\ncoverage of the avatars' own parameters by 90 % intervals:", share.round(3).to_dict())
    assert set(share.index) == {"log_r", "log_kill", "resistance"}
    # Avatars share the population's error, so the binomial band (33 or 66 of them) is doubled.
    assert ((share - LEVEL).abs() < 2 * 2.58 * np.sqrt(LEVEL * (1 - LEVEL) / 33)).all()


def test_the_short_fit_mixed_well_enough_for_its_intervals(posterior: xr.Dataset) -> None:
    table = convergence(posterior)
    assert table["r_hat"].quantile(0.99) < 1.05
    assert table.loc[table["place"] == "", "ess_tail"].min() > 80
