"""Journeys from avatars to patients: emulated, held against clinical trials, planned, reported; refused where wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from avatar_trials.evidence.avatars_needed import INDIVIDUAL, POPULATION
from avatar_trials.patient_cards import EXCLUDED
from avatar_trials.stamp import read_netcdf, read_stamp, sha256_of
from tests.journeys.test_cli import DESIGN
from tests.program import typed

FROZEN = Path(__file__).resolve().parent.parent / "fixtures" / "frozen_posterior.nc"
Run = Callable[..., tuple[int, str]]
PATIENTS = """
[patients]
source = "assumed"
lesions = 2
assessment_days = 56
horizon_days = 560

[patients.assumed]
latent_correlation = 0.6
days_per_mouse_day = 3.5
lesion_correlation = 0.8
take_rate = 0.8
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program inside this process, in an empty folder: exit code, and what it printed on both streams."""
    monkeypatch.chdir(tmp_path)
    sized = DESIGN.replace("[[arms]]", "n_avatars = 12\n\n[[arms]]", 1)
    Path("mice.toml").write_text(sized, "utf-8")
    Path("small.toml").write_text(sized + PATIENTS, "utf-8")

    def called(*arguments: str | Path) -> tuple[int, str]:
        done = typed(monkeypatch, capsys, *arguments)
        return done.code, done.out + done.err

    return called


@pytest.fixture
def population(run: Run) -> Path:
    code, out = run("population", FROZEN, "--biomarker-share", "0.5", "-o", "mine.nc")
    assert code == 0, out
    return Path("mine.nc")


@pytest.fixture
def emulated(run: Run, population: Path) -> Path:
    code, out = run("patients", "small.toml", "--population", population, "-o", "out")
    assert code == 0, out
    return Path("out")


def test_from_a_population_to_patients_and_their_two_tables(
    run: Run, emulated: Path, population: Path
) -> None:
    patients = read_netcdf(emulated / "patients.nc", kind="patients")
    trial = read_netcdf(emulated / "trial.nc", kind="trial")
    assert trial.sizes["avatar"] == 12
    assert (patients.sizes["patient"], int(patients["has_avatar"].sum())) == (15, 12)
    assert patients.attrs["avatars"] == "drawn"
    assert EXCLUDED in patients.attrs["scenario"]
    assert read_stamp(patients)["population_sha256"] == sha256_of(population)
    both = [pd.read_csv(emulated / f"agreement_patients_{kind}.csv") for kind in ("population", "individual")]
    assert not set(both[0]["measure"]) & set(both[1]["measure"])
    for table in both:
        assert table["null_reference"].notna().mean() > 0.8
        assert table["ceiling"].notna().mean() > 0.6
    assert {"Spearman_ORR", "Spearman_RMST_PFS_days", "hazard_ratio"} <= set(both[0]["measure"])
    assert both[1]["method"].str.contains("ASSUMED patients").all()
    again = run("patients", "small.toml", "--population", population, "-o", "again")[1]
    assert "SCENARIO" in again or "PATIENTS: 2 target lesions" in again
    assert sha256_of("again/patients.nc") == sha256_of(emulated / "patients.nc")


def test_patients_of_chosen_calibrated_avatars_are_told_apart(run: Run) -> None:
    posterior = read_netcdf(FROZEN, kind="posterior")["posterior"].to_dataset()
    names = [str(name) for name in posterior["avatar"].values[:5]]
    chosen = ",".join([*names, names[0]])
    code, out = run("patients", "small.toml", "--posterior", FROZEN, "--avatars", chosen, "-o", "out")
    assert code == 0, out
    assert "Patients are like the 5 avatars chosen, not like all that were calibrated" in out
    assert read_netcdf("out/trial.nc", kind="trial")["avatar"].values.tolist() == names
    whole = run("patients", "small.toml", "--posterior", FROZEN, "-o", "whole")
    assert whole[0] == 0
    assert "avatars chosen" not in whole[1]


def test_a_report_has_patients_in_sections_of_their_own(run: Run, emulated: Path) -> None:
    both = ("--trial", emulated / "trial.nc", "--patients", emulated / "patients.nc")
    code, out = run("report", "small.toml", *both)
    assert code == 0, out
    page = Path("report.html").read_text("utf-8")
    assert page.index('<section id="patients">') < page.index('<section id="patients-individuals">')
    assert EXCLUDED in page
    code, out = run("patients", "small.toml", "--posterior", FROZEN, "-o", "other")
    assert code == 0, out
    code, out = run("report", "small.toml", *both[:3], "other/patients.nc", "-o", "second.html")
    assert code == 2
    assert "[P04] the patients are not those of this trial" in out
    assert not Path("second.html").exists()
    assert run("report", "small.toml", *both[:3], emulated / "trial.nc")[0] == 4


def test_a_benchmark_of_patients_of_mice_and_of_ones_own(run: Run, emulated: Path) -> None:
    code, out = run("benchmark", "columbus", "--patients", emulated / "patients.nc", "-o", "one.csv")
    assert code == 0, out
    assert "recalled" in out
    one = pd.read_csv("one.csv")
    missed = one[one["covered"].eq(False)]
    assert len(missed)
    assert f"NOT REPRODUCED, published number outside the emulated interval ({len(missed)} of " in out
    for arm, measure in missed[["arm", "measure"]].itertuples(index=False):
        assert f"  {arm}, {measure}: " in out
    ratio = one[one["measure"] == "hazard_ratio"].iloc[0]
    assert (ratio["published"], ratio["basis"]) == (0.75, "recalled")
    assert ratio["lower"] <= ratio["emulated"] <= ratio["upper"]
    assert {"ORR", "median_PFS_months", "order_of_ORR", "hazard_ratio_same_side_of_1"} <= set(one["measure"])
    mice = ("--trial", emulated / "trial.nc")
    assert run("benchmark", "columbus", *mice, "--days-per-mouse-day", "3.5", "-o", "two.csv")[0] == 0
    declared = pd.read_csv("two.csv")
    assert declared["method"].str.contains("time scale declared: 3.5 days a mouse day").all()
    rows = [
        f"{arm},{month},{int(month < 20)}" for arm in ("encorafenib", "untreated") for month in range(1, 25)
    ]
    Path("own.csv").write_text("\n".join(["arm,time_months,event", *rows]) + "\n", "utf-8")
    code, out = run("benchmark", "own.csv", *mice, "--days-per-mouse-day", "3.5", "-o", "three.csv")
    assert code == 0, out
    assert {"recomputed"} <= set(pd.read_csv("three.csv")["basis"].dropna())


def test_how_many_avatars_in_one_table_and_one_figure(run: Run, population: Path) -> None:
    asked = ("--avatars", "6,12", "--mice", "1,3", "--correlations", "0,0.9")
    code, out = run("avatars-needed", "small.toml", "--population", population, *asked, "-o", "plan.csv")
    assert code == 0, out
    table = pd.read_csv("plan.csv")
    measures = {("individual", name) for name in INDIVIDUAL} | {("population", name) for name in POPULATION}
    assert set(zip(table["kind"], table["measure"], strict=True)) == measures
    assert len(table) == len(measures) * 2 * 2 * 2
    depth = table[(table["measure"] == "Spearman_depth") & (table["n_avatars"] == 12)]
    alone = depth[depth["mice_per_avatar"] == 1].set_index("latent_correlation")["value"]
    assert alone[0.9] > alone[0.0] + 0.3
    drawn = Path("plan.svg").read_text("utf-8")
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert run("avatars-needed", "small.toml", "--posterior", FROZEN, *asked[2:], "--avatars", "5")[0] == 0


BAD_PATIENTS = PATIENTS.replace("0.6", "1.6").replace("lesions = 2", "lesions = 0")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("patients", "mice.toml", "--avatars", "A", "--population", "p"), ("D98", "P05")),
        (("patients", "mice.toml"), ("D98", "O02")),
        (("patients", "small.toml", "--posterior", FROZEN, "--avatars", ","), ("P06",)),
        (("patients", "small.toml", "--posterior", FROZEN, "--avatars", "nobody,X"), ("nobody, X",)),
        (("patients", "small.toml", "--population", "nowhere"), ("nowhere", "pdxe_cm")),
        (("patients", "bad.toml", "--posterior", FROZEN), ("between 0 and 1", "lesions")),
        (("avatars-needed", "mice.toml", "--avatars", "1,x"), ("D98", "O02", "--avatars '1,x'")),
        (
            ("avatars-needed", "small.toml", "--mice", "2", "--correlations", "nan"),
            ("O02", "--mice '2'", "--correlations 'nan'"),
        ),
        (("benchmark", "no_such_trial"), ("P01", "no_such_trial")),
        (("benchmark", "columbus", "--trial", "a.nc", "--patients", "b.nc"), ("P01",)),
        (("benchmark", "columbus", "--trial", "a.nc"), ("P03",)),
        (
            ("benchmark", "columbus", "--trial", "a.nc", "--days-per-mouse-day", "nan"),
            ("--days-per-mouse-day",),
        ),
        (("benchmark", "bad.csv", "--trial", "a.nc"), ("P03", "bad.csv:2", "bad.csv:3")),
        (("benchmark", "missing.csv", "--trial", "a.nc"), ("P03", "no such file")),
    ],
)
def test_all_that_is_wrong_is_told_at_once(
    run: Run, arguments: tuple[str, ...], told: tuple[str, ...]
) -> None:
    Path("bad.toml").write_text(DESIGN + BAD_PATIENTS, "utf-8")
    Path("bad.csv").write_text("arm,time_months,event\nA,-1,1\nA,2,yes\n", "utf-8")
    before = sorted(Path().iterdir())
    code, out = run(*arguments)
    assert code == 2, out
    for words in told:
        assert words in out
    assert sorted(Path().iterdir()) == before


def test_a_benchmark_without_an_arm_in_common_is_told(run: Run, emulated: Path) -> None:
    code, out = run("benchmark", "flaura", "--patients", emulated / "patients.nc")
    assert code == 2
    assert "[P02] no arm in common" in out
    refused = run("benchmark", "columbus", "--trial", emulated / "trial.nc", "--scale-from", "nothing")
    assert refused[0] == 2
    assert "no time scale can be had of nothing" in refused[1]
    assert run("benchmark", "columbus", "--patients", emulated / "trial.nc")[0] == 4
    assert (
        json.loads(read_netcdf(emulated / "patients.nc", kind="patients").attrs["patients"])["lesions"] == 2
    )
