"""A made-up trial in the real formats (trial, table, posterior, readouts), for tests of what shows them. Seeded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.endpoints import agree, readout_observed, readout_trial
from avatar_trials.intake import GrowthTable
from avatar_trials.report import ReportInputs

Floats = NDArray[np.float64]

RULE, DOUBLING, LEVEL = "pct_sheet", "pct_sheet", 0.9
LIMIT_MM3, STOP_MM3 = 15.0, 1500.0
ARMS = ["untreated", "encorafenib", "binimetinib", "binimetinib + encorafenib"]
KILL_PER_DAY = (0.0, 0.07, 0.075, 0.14, 0.1, 0.05)


class Study:
    """Avatars with their own growth, sensitivity and resistant share in every arm; mice differ on top of that."""

    def __init__(self, avatars: list[str], arms: list[str], days: Floats, seed: int = 1) -> None:
        rng = np.random.Generator(np.random.Philox(seed))
        self.avatars, self.arms, self.days, self.rng = avatars, arms, days, rng
        n, m = len(avatars), len(arms)
        self.growth = 0.075 * np.exp(0.45 * rng.normal(size=(n, 1)))
        sensitivity = 0.7 * rng.normal(size=(n, 1)) + 0.7 * rng.normal(size=(n, m))
        self.kill = np.array([KILL_PER_DAY[j % len(KILL_PER_DAY)] for j in range(m)]) * np.exp(sensitivity)
        self.logit_resistant = rng.normal(-3.5, 2.0, size=(n, m))

    def mice(self, *before: int) -> Floats:
        """Caliper volumes of fresh mice, (*before, avatar, arm, visit), NaN once a mouse has left."""
        rng, shape = self.rng, (*before, len(self.avatars), len(self.arms))
        growth = (self.growth * np.exp(0.25 * rng.normal(size=shape)))[..., None]
        kill = (self.kill * np.exp(0.3 * rng.normal(size=shape)))[..., None]
        resistant = 1 / (1 + np.exp(-(self.logit_resistant + 0.7 * rng.normal(size=shape))))[..., None]
        size = (1 - resistant) * np.exp((growth - kill) * self.days) + resistant * np.exp(
            0.7 * growth * self.days
        )
        size = np.where(size > 1, (1 + 0.35 * np.log(np.maximum(size, 1.0))) ** (1 / 0.35), size)
        volume = 220.0 * np.exp(0.15 * rng.normal(size=(*shape, 1))) * size
        diameter = (6 / np.pi * (volume + 5.0)) ** (1 / 3)
        volume = volume * np.exp(
            np.sqrt(5 * (0.2 / diameter) ** 2 + 0.05**2) * rng.standard_t(4, size=volume.shape)
        )
        volume[..., 0] = np.clip(volume[..., 0], 150, 320)
        volume = np.where(
            volume < LIMIT_MM3, np.where(rng.random(volume.shape) < 0.6, 0.0, volume), volume
        ).round(1)
        too_large = np.cumsum(volume > STOP_MM3, axis=-1) > (volume > STOP_MM3)
        dropped = self.days > rng.exponential(160.0, size=(*shape, 1)) + 14
        return np.where(too_large | dropped, np.nan, volume)


def visits(number: int) -> Floats:
    """Twice a week: 0, 3, 7, 10, ..."""
    return np.array([7.0 * (i // 2) + 3.0 * (i % 2) for i in range(number)])


def trial_of(study: Study, trials: int) -> xr.Dataset:
    """As in trial.nc."""
    dims = ("trial", "avatar", "arm", "visit")
    return xr.Dataset(
        {"volume_mm3": (dims, study.mice(trials)), "twin_volume_mm3": (dims, study.mice(trials))},
        coords={
            "trial": np.arange(trials),
            "avatar": np.array(study.avatars, dtype=object),
            "arm": np.array(study.arms, dtype=object),
            "day": ("visit", study.days),
        },
        attrs={"synthetic": 1},
    )


def table_of(study: Study) -> GrowthTable:
    """One observed mouse an avatar and arm."""
    volume = study.mice()
    rows = [
        (avatar, arm, f"{avatar}|{arm}|1", day, mm3)
        for i, avatar in enumerate(study.avatars)
        for j, arm in enumerate(study.arms)
        for day, mm3 in zip(study.days, volume[i, j], strict=True)
        if np.isfinite(mm3)
    ]
    frame = pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    frame = frame.sort_values(["avatar", "arm", "mouse", "day"], ignore_index=True)
    facts = pd.DataFrame({"tumor_type": "CM"}, index=pd.Index(sorted(study.avatars), name="avatar"))
    return GrowthTable(frame, facts, (), "made up", "0" * 64, True)


def posterior_of(study: Study, table: GrowthTable, draws: int) -> xr.DataTree:
    """As in posterior.nc, the predictive volumes being other mice of the same avatars and arms."""
    rows, mice = table.rows, table.mice
    curve = rows.groupby(["avatar", "arm", "mouse"], sort=False).ngroup().to_numpy()
    visit = rows.groupby(curve, sort=False).cumcount().to_numpy()
    avatar = pd.Index(study.avatars).get_indexer(pd.Index(rows["avatar"]))
    arm = pd.Index(study.arms).get_indexer(pd.Index(rows["arm"]))
    volume = rows["volume_mm3"].to_numpy(dtype=float)
    other = study.mice(2, draws)[:, :, avatar, arm, visit]
    other = np.where(np.isnan(other), volume * np.exp(0.4 * study.rng.normal(size=other.shape)), other)
    return xr.DataTree.from_dict(
        {
            "/posterior": xr.Dataset({"mu_r": (("chain", "draw"), study.rng.normal(size=(2, draws)))}),
            "/observed_data": xr.Dataset({"volume_mm3": ("obs", volume)}),
            "/constant_data": xr.Dataset(
                {
                    "day": ("obs", rows["day"].to_numpy()),
                    "curve": ("obs", curve),
                    "censored": ("obs", volume < LIMIT_MM3),
                    "avatar": ("mouse", mice["avatar"].to_numpy(dtype=object)),
                    "arm": ("mouse", mice["arm"].to_numpy(dtype=object)),
                },
                coords={"mouse": mice["mouse"].to_numpy(dtype=object)},
                attrs={"detection_limit_mm3": LIMIT_MM3},
            ),
            "/posterior_predictive": xr.Dataset({"volume_mm3": (("chain", "draw", "obs"), other)}),
        }
    )


def gates(*, passed: bool = True) -> pd.DataFrame:
    """As the calibration's checks return them."""
    rows = [
        ("R-hat, largest", 1.004 if passed else 1.31, "< 1.01", passed, "omega_k 1.310"),
        ("bulk ESS, smallest", 812.3, "> 400", True, "cross_resistance 812"),
        ("divergences", 0.0, "<= 0", True, ""),
        ("E-BFMI, smallest", 0.83, "> 0.3", True, ""),
    ]
    return pd.DataFrame(rows, columns=["check", "value", "limit", "passed", "worst"])


def parameters() -> pd.DataFrame:
    """Two that the data speak about, and one that they do not."""
    rows = [
        ("mu_r", "log 1/d", "population mean of log growth", "N(-3.13, 0.3)", -2.61, -2.74, -2.48, 0.93),
        (
            "omega_k",
            "1",
            "between-avatar SD of log kill",
            "LN(median 0.8, log-SD 0.4)",
            0.94,
            0.71,
            1.22,
            0.77,
        ),
        ("eta", "1", "combination exponent, log p", "N(0, 0.5)", 0.4321, -0.3, 1.1, 0.12),
    ]
    return pd.DataFrame(
        rows, columns=["name", "unit", "meaning", "prior", "median", "lower", "upper", "contraction"]
    )


def report_inputs(
    *,
    avatars: list[str] | int = 8,
    arms: list[str] | None = None,
    trials: int = 25,
    n_visits: int = 20,
    draws: int = 20,
    seed: int = 1,
    **changes: Any,
) -> ReportInputs:
    """Everything a report takes; `changes` replace fields."""
    names = [f"X-{1004 + 37 * i}" for i in range(avatars)] if isinstance(avatars, int) else avatars
    arm_names = ARMS if arms is None else arms
    study = Study(names, arm_names, visits(n_visits), seed)
    table = table_of(study)
    trial = trial_of(study, trials)
    population, individual = agree(trial, table, rule=RULE, doubling=DOUBLING, level=LEVEL)
    inputs = ReportInputs(
        title="Melanoma: BRAF and MEK inhibition, made up",
        question="Does encorafenib + binimetinib shrink more tumours, and for longer, than either drug alone?",
        design_facts={
            "cohort": f"{len(names)} melanoma avatars",
            "visits": "every 3 to 4 days",
            "seed": str(seed),
        },
        arms=arm_names,
        trial=trial,
        observed=table,
        readout_emulated=readout_trial(trial, rule=RULE, doubling=DOUBLING, level=LEVEL),
        readout_observed=readout_observed(table, rule=RULE, doubling=DOUBLING, level=LEVEL),
        population=population,
        individual=individual,
        posterior=posterior_of(study, table, draws),
        gates=gates(),
        parameters=parameters(),
        notices=["2 mice left out of the calibration: a single visit (X-1041|untreated|1)"],
        stamp={"avatar_trials": "0.1.0", "libraries": {"numpy": "2.5.5", "pymc": "6.4.0"}, "seed": seed},
        synthetic=False,
        rule=RULE,
        doubling=DOUBLING,
        level=LEVEL,
        calibrated_on_observed=True,
    )
    return replace(inputs, **changes)
