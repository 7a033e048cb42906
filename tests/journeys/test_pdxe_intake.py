"""The published PDX encyclopedia volumes through intake; skipped without the data, which are not ours."""

from __future__ import annotations

import csv
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avatar_trials.intake import GrowthTable, read_volumes, write_tidy

DATA = Path(os.environ.get("AVATAR_TRIALS_DATA", Path(__file__).parents[3] / "shared" / "data"))
VOLUMES = DATA / "pdxe" / "pct_raw_data.csv"

pytestmark = pytest.mark.skipif(
    not VOLUMES.is_file(), reason="pdxe/pct_raw_data.csv is not in AVATAR_TRIALS_DATA"
)


@pytest.fixture(scope="module")
def table() -> GrowthTable:
    return read_volumes(VOLUMES)


@pytest.fixture(scope="module")
def sheet() -> list[dict[str, str]]:
    with VOLUMES.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def told(table: GrowthTable, code: str) -> str:
    return next(notice.what for notice in table.notices if notice.code == code)


def test_every_measurement_arrives(table: GrowthTable, sheet: list[dict[str, str]]) -> None:
    assert len(table.rows) == len(sheet) == 28_529
    assert len(table.avatars) == 128
    assert len(table.mice) == 2_111
    assert table.avatars["tumor_type"].value_counts().to_dict() == {"CRC": 59, "NSCLC": 36, "CM": 33}
    assert np.isclose(
        table.rows["volume_mm3"].sum(), sum(float(row["Volume (mm3)"]) for row in sheet), rtol=1e-12
    )
    assert not table.synthetic
    assert not [notice for notice in table.notices if notice.severity == "error"]


def test_the_traps_are_told(table: GrowthTable) -> None:
    assert "1,433 volumes of 0 mm3" in told(table, "V02")
    assert (table.rows["volume_mm3"] == 0).sum() == 1_433
    assert "33 cells" in told(table, "D03")
    assert not table.rows["arm"].str.contains('"').any()
    assert "5 mice" in told(table, "B01")
    truncated = table.mice.query("left_truncated")
    assert len(truncated) == 5
    assert truncated["baseline_mm3"].isna().all()
    assert "21 of 128 avatars have no untreated mouse" in told(table, "N55")


def test_a_dose_is_an_arm_of_its_own(table: GrowthTable) -> None:
    arms = set(table.rows["arm"])
    assert {
        "binimetinib",
        "binimetinib-3.5mpk",
        "figitumumab",
        "BKM120 + LJC049",
        "binimetinib + encorafenib",
    } <= arms
    assert len(arms) == 51


def test_the_melanoma_trial(table: GrowthTable) -> None:
    arms = ["untreated", "encorafenib", "binimetinib", "encorafenib + binimetinib"]
    trial = table.select(tumor_type="CM", arms=arms)
    assert len(trial.avatars) == 33
    assert trial.mice["arm"].value_counts().to_dict() == dict.fromkeys(sorted(trial.mice["arm"].unique()), 33)
    assert len(trial.mice) == 132


def test_reading_takes_no_time_to_speak_of() -> None:
    start = time.perf_counter()
    read_volumes(VOLUMES)
    assert time.perf_counter() - start < 3.0


def test_the_workbook_and_the_tidy_file_say_the_same(table: GrowthTable, tmp_path: Path) -> None:
    subset = pd.read_csv(VOLUMES, nrows=3_000)
    subset.to_csv(tmp_path / "subset.csv", index=False)
    subset.to_excel(tmp_path / "subset.xlsx", sheet_name="PCT raw data", index=False)
    text, workbook = read_volumes(tmp_path / "subset.csv"), read_volumes(tmp_path / "subset.xlsx")
    pd.testing.assert_frame_equal(text.rows, workbook.rows)
    pd.testing.assert_frame_equal(text.avatars, workbook.avatars)
    write_tidy(table, tmp_path / "tidy.csv")
    pd.testing.assert_frame_equal(read_volumes(tmp_path / "tidy.csv").rows, table.rows)
