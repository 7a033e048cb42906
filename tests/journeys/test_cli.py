"""Journeys on the command line: what a user types, what is printed and written, and with which exit code it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avatar_trials.library import find_card
from avatar_trials.stamp import manifest_path, read_netcdf, read_stamp, sha256_of, write_netcdf
from tests.program import Done, typed

FROZEN = Path(__file__).resolve().parent.parent / "fixtures" / "frozen_posterior.nc"
PROGRAM = Path(sysconfig.get_path("scripts")) / "avatar-trials"
COMMANDS = (
    "run",
    "check",
    "response",
    "calibrate",
    "emulate",
    "readout",
    "agree",
    "report",
    "checks",
    "compare",
    "list",
)

DESIGN = """\
schema_version = 1
name = "small"
title = "A small design"
question = "Which arm?"
model = "two_clone"
seed = 7
replicates = 12

[cohort]
panel = "melanoma_synthetic"
tumor_type = "CM"

[[arms]]
name = "untreated"

[[arms]]
name = "encorafenib"

[[arms]]
name = "encorafenib + binimetinib"

[visits]
gaps_days = [3, 4]
horizon_days = 60

[stopping]
size_mm3 = 1500

[stopping.removal]
from_day = 21
from_relative_volume = [0.0, 1.0, 2.0]
hazard_per_day = [0.003, 0.01, 0.1]
source = "counted"

[endpoints]
mrecist_rule = "pct_sheet"
"""

VOLUMES = """\
avatar,arm,mouse,day,volume_mm3
A-1,untreated,m1,0,200
A-1,untreated,m1,7,300
A-1,untreated,m1,14,500
A-1,drug,m2,0,200
A-1,drug,m2,7,150
A-1,drug,m2,14,60
A-1,drug,m2,21,20
A-1,drug,m2,28,4
"""
COLUMNS = {
    "response.csv": "avatar, arm, mouse, n_visits, last_day, best_response_pct, day_best_response, "
    "best_avg_response_pct, day_best_avg_response, category, depth_of_response_pct, time_to_doubling_days, doubled",
    "readout.csv": "arm, endpoint, estimate, lower, upper, level, n, n_censored, method",
    "agreement_population.csv": "arm, measure, emulated, lower, upper, level, observed, difference, covered, "
    "null_reference, ceiling, n, method",
    "agreement_individual.csv": "arm, measure, value, lower, upper, level, null_reference, ceiling, n, method",
}


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program inside this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str | Path) -> Done:
        return typed(monkeypatch, capsys, *arguments)

    return called


def process(*arguments: str | Path, folder: Path, program: tuple[str | Path, ...] = (PROGRAM,)) -> Done:
    """The installed program in a process of its own."""
    done = subprocess.run(
        [*program, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def names_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def header_of(file: Path) -> str:
    return ", ".join(pd.read_csv(file, nrows=0).columns)


# --- help, list, check -------------------------------------------------------------------------------------------


def test_help_names_every_command_and_where_to_start(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} +[A-Z]\w", done.out, re.MULTILINE), command
    assert "avatar-trials run melanoma_braf_mek" in done.out
    bare = run()
    assert bare.code == 2
    assert "Start here:" in bare.out + bare.err


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("run", ["DESIGN", "--volumes", "-o, --out", "--allow-unconverged", "report.html"]),
        ("check", ["FILE", ".csv", ".toml"]),
        ("response", ["VOLUMES", "--rule", "gao2015_text", "pct_sheet", "--doubling", "-o, --out"]),
        ("metrics", ["VOLUMES", "--rule", "--doubling", "-o, --out"]),
        ("certainty", ["VOLUMES", "--rule", "--draws", "--seed", "-o, --out"]),
        ("calibrate", ["DESIGN", "--volumes", "-o, --out"]),
        ("emulate", ["DESIGN", "--posterior", "-o, --out", "--allow-unconverged"]),
        ("readout", ["TRIAL", "-o, --out"]),
        ("agree", ["TRIAL", "VOLUMES", "-o, --out"]),
        ("report", ["DESIGN", "--trial", "--posterior", "--volumes", "-o, --out"]),
        ("checks", ["DESIGN", "--posterior", "--trial", "--volumes", "-o, --out", "checks.csv"]),
        ("compare", ["DESIGN", "--models", "--posteriors", "--volumes", "--draws", "--samples", "-o, --out"]),
        ("list", ["designs", "cards", "panels"]),
    ],
)
def test_help_of_a_command(run: Run, command: str, told: list[str]) -> None:
    done = run(command, "--help")
    assert done.code == 0
    assert all(word in done.out for word in told)
    assert max(map(len, done.out.splitlines())) <= 100


def test_the_list_is_what_the_other_commands_take(run: Run) -> None:
    done = run("list")
    assert done.code == 0
    assert re.search(r"^  melanoma_braf_mek: BRAF", done.out, re.MULTILINE)
    assert re.search(r"^  two_clone: ", done.out, re.MULTILINE)
    assert re.search(r"^  melanoma_synthetic$", done.out, re.MULTILINE)
    assert "truth" not in done.out


def test_two_posteriors_are_compared_and_two_names_are_wanted(run: Run, tmp_path: Path) -> None:
    """The frozen posterior beside itself under another name: no difference, and what is not valid is told."""
    other = read_netcdf(FROZEN, kind="posterior")
    other.attrs["model_card"] = "another"
    write_netcdf(other, tmp_path / "another.nc", {"gates_passed": True})
    (tmp_path / "d.toml").write_text(DESIGN, "utf-8")
    files = f"{FROZEN},another.nc"
    done = run(
        "compare",
        "d.toml",
        "--posteriors",
        files,
        "--draws",
        100,
        "--samples",
        40,
        "-o",
        "out",
        "--allow-unconverged",
    )
    assert done.code == 0, done.err
    table = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert list(table["left_out"]) == ["curve", "curve", "avatar", "avatar"]
    assert set(table["model"]) == {"two_clone", "another"}
    assert (table["difference"] == 0).all()
    assert (table["se"] > 0).all()
    units = pd.read_csv(tmp_path / "out" / "left_out.csv")
    assert (units["left_out"] == "curve").sum() == 2 * 132
    assert (units["left_out"] == "avatar").sum() == 2 * 33
    assert "NOT VALID" in done.out
    alone = run("compare", "d.toml", "--posteriors", str(FROZEN))
    assert (alone.code, "C114" in alone.err) == (2, True)
    twice = run("compare", "d.toml", "--models", "two_clone,two_clone")
    assert (twice.code, "C112" in twice.err) == (2, True)


def test_check_passes_the_sound_and_refuses_the_bad(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text(DESIGN, "utf-8")
    (tmp_path / "good.csv").write_text(VOLUMES, "utf-8")
    model = find_card("models", "two_clone")
    done = run("check", "good.toml", "good.csv", model)
    assert done.code == 0
    assert [line for line in done.out.splitlines() if line.endswith("can be used")] == [
        "good.toml: can be used",
        "good.csv: can be used",
        f"{model}: can be used",
    ]
    (tmp_path / "bad.toml").write_text(DESIGN.replace("seed = 7", "seed = -7"), "utf-8")
    (tmp_path / "bad.csv").write_text(VOLUMES.replace("7,150", "7,-150"), "utf-8")
    done = run("check", "bad.csv", "good.csv", "bad.toml", "missing.csv")
    assert done.code == 2
    assert re.search(r"^bad\.csv:6:volume_mm3 \[V03\].*-150", done.out, re.MULTILINE)
    assert re.search(r"^bad\.toml:6:seed \[D78\]", done.out, re.MULTILINE)
    for line in ("bad.csv: refused", "good.csv: can be used", "bad.toml: refused", "missing.csv: refused"):
        assert line in done.out.splitlines()
    assert names_in(tmp_path) == ["bad.csv", "bad.toml", "good.csv", "good.toml"]


def test_a_design_in_capital_letters_is_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "DESIGN.TOML").write_text(DESIGN, "utf-8")
    assert run("check", "DESIGN.TOML").code == 0


# --- response ----------------------------------------------------------------------------------------------------


def test_every_metric_of_two_mice(run: Run, tmp_path: Path) -> None:
    """One row a mouse; mouse m1 (200, 300, 500 on days 0, 7, 14) has its nadir at the baseline's next visit."""
    (tmp_path / "volumes.csv").write_text(VOLUMES, "utf-8")
    done = run("metrics", "volumes.csv", "-o", "metrics.csv", "--rule", "xeva")
    assert done.code == 0
    frame = pd.read_csv(tmp_path / "metrics.csv")
    assert "2 mice" in done.out
    assert set(frame["rule"]) == {"xeva"}
    assert frame.loc[frame["mouse"] == "m1", "auc_mm3_day"].item() == pytest.approx(7 * 250 + 7 * 400)


def test_how_sure_two_calls_are(run: Run, tmp_path: Path) -> None:
    """Mouse m2 ends below detection, where no caliper can tell CR (below 10 mm3) from PR. Same seed, same file."""
    (tmp_path / "volumes.csv").write_text(VOLUMES, "utf-8")
    for name in ("one.csv", "two.csv"):
        done = run("certainty", "volumes.csv", "-o", name, "--rule", "pct_sheet", "--draws", "200")
        assert done.code == 0
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    frame = pd.read_csv(tmp_path / "one.csv").sort_values("mouse")
    share = frame[["p_CR", "p_PR", "p_SD", "p_PD"]].to_numpy()
    np.testing.assert_allclose(share.sum(axis=1), 1.0)
    assert share[0, 3] > 0.95
    assert share[1, :2].sum() > 0.95
    assert 0.2 < share[1, 0] < 0.8
    assert "2 mice" in done.out


def test_response_of_two_mice_by_hand(run: Run, tmp_path: Path) -> None:
    """Mouse m1: 200, 300, 500 on days 0, 7, 14, doubled; m2: 200, 150, 60, 20, 4 to day 28."""
    (tmp_path / "volumes.csv").write_text(VOLUMES, "utf-8")
    done = run("response", "volumes.csv", "-o", "calls/response.csv", "--rule", "pct_sheet")
    assert done.code == 0
    assert "2 mice, mRECIST rule pct_sheet" in done.out
    assert header_of(tmp_path / "calls" / "response.csv") == COLUMNS["response.csv"]
    rows = pd.read_csv(tmp_path / "calls" / "response.csv").set_index("mouse")
    m1, m2 = rows.loc["m1"], rows.loc["m2"]
    assert (m1["avatar"], m1["arm"], m1["n_visits"], m1["last_day"]) == ("A-1", "untreated", 3, 14)
    assert m1["best_response_pct"] == pytest.approx(150)
    assert (m1["category"], bool(m1["doubled"])) == ("PD", True)
    assert m1["time_to_doubling_days"] == pytest.approx(7 + 7 * (400 - 300) / 200)
    assert (m2["n_visits"], m2["last_day"], m2["day_best_response"]) == (5, 28, 28)
    assert m2["best_response_pct"] == m2["depth_of_response_pct"] == pytest.approx(-98)
    averages = [(0 - 25) / 2, (0 - 25 - 70) / 3, (0 - 25 - 70 - 90) / 4, (0 - 25 - 70 - 90 - 98) / 5]
    assert m2["best_avg_response_pct"] == pytest.approx(min(averages))
    assert (m2["category"], bool(m2["doubled"])) == ("CR", False)
    assert m2["time_to_doubling_days"] == 28


def test_response_of_the_embedded_panel_under_both_rules(run: Run, tmp_path: Path) -> None:
    panel = find_card("panels", "melanoma_synthetic")
    for rule in ("gao2015_text", "pct_sheet"):
        done = run("response", panel, "-o", f"{rule}.csv", "--rule", rule, "--doubling", "log_linear")
        assert done.code == 0
        calls = pd.read_csv(tmp_path / f"{rule}.csv", keep_default_na=False)
        assert len(calls) == 132
        assert set(calls["category"]) <= {"CR", "PR", "SD", "PD", ""}
        for category, count in calls["category"].replace("", "not evaluable").value_counts().items():
            assert f"{category} {count}" in done.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["volumes.csv", "--rule", "recist"],
            "--rule 'recist' is unknown. Known are gao2015_text, pct_sheet, xeva",
        ),
        (["volumes.csv", "--doubling", "weekly"], "--doubling 'weekly' is unknown"),
        (["nowhere.csv"], "nowhere.csv"),
        (["."], "folder"),
        (["bad.csv"], "bad.csv:3:volume_mm3"),
        ([], "VOLUMES"),
    ],
)
def test_a_response_that_cannot_be_had_writes_nothing(
    run: Run, tmp_path: Path, arguments: list[str], says: str
) -> None:
    (tmp_path / "volumes.csv").write_text(VOLUMES, "utf-8")
    (tmp_path / "bad.csv").write_text(VOLUMES.replace("7,300", "7,abc"), "utf-8")
    done = run("response", *arguments)
    assert done.code == 2
    assert says in done.err
    assert names_in(tmp_path) == ["bad.csv", "volumes.csv"]


def test_a_place_that_cannot_be_written_to_ends_with_3(run: Run, tmp_path: Path) -> None:
    (tmp_path / "volumes.csv").write_text(VOLUMES, "utf-8")
    (tmp_path / "file").write_text("", "utf-8")
    done = run("response", "volumes.csv", "-o", "file/response.csv")
    assert done.code == 3
    assert "file" in done.err
    assert names_in(tmp_path) == ["file", "volumes.csv"]


# --- emulate, readout, agree, report -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The commands one after the other, each a process: a folder with everything they wrote."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "small.toml").write_text(DESIGN, "utf-8")
    panel = find_card("panels", "melanoma_synthetic")
    done = process("emulate", "small.toml", "--posterior", FROZEN, folder=folder)
    assert (done.code, done.out) == (0, "12 trials of 33 avatars and 3 arms. Written: trial.nc\n"), done.err
    done = process("readout", "trial.nc", folder=folder)
    assert done.code == 0, done.err
    (folder / "readout.txt").write_text(done.out, "utf-8")
    done = process("agree", "trial.nc", panel, folder=folder)
    assert done.code == 0, done.err
    assert "Written: agreement_population.csv" in done.out
    done = process("report", "small.toml", "--trial", "trial.nc", "--posterior", FROZEN, folder=folder)
    assert done.code == 0, done.err
    assert done.out == f"Report: {folder / 'report.html'}\n"
    return folder


def test_the_commands_write_what_they_say(study: Path) -> None:
    assert names_in(study) == [
        "agreement_individual.csv",
        "agreement_population.csv",
        "provenance.json",
        "readout.csv",
        "readout.txt",
        "report.html",
        "small.toml",
        "trial.nc",
        "trial.nc.sha256",
    ]
    for name in ("readout.csv", "agreement_population.csv", "agreement_individual.csv"):
        assert header_of(study / name) == COLUMNS[name]


def test_the_trial_says_where_it_comes_from(study: Path) -> None:
    trial = read_netcdf(study / "trial.nc", kind="trial")
    posterior = read_netcdf(FROZEN, kind="posterior")
    assert dict(trial.sizes) == {"trial": 12, "avatar": 33, "arm": 3, "visit": 18}
    assert list(trial["arm"].to_numpy()) == ["untreated", "encorafenib", "binimetinib + encorafenib"]
    assert (trial.attrs["synthetic"], trial.attrs["gates_passed"]) == (1, 1)
    assert trial.attrs["calibrated_on_sha256"] == posterior.attrs["data_sha256"]
    stamp, page = read_stamp(trial), (study / "report.html").read_text("utf-8")
    assert stamp["posterior_sha256"] == sha256_of(FROZEN)
    assert stamp["data_sha256"] == posterior.attrs["data_sha256"]
    for fact in ("data_sha256", "posterior_sha256", "card_sha256", "design_sha256", "seed", "avatar_trials"):
        assert f"<dd>{stamp[fact]}</dd>" in page, fact
    stamp = read_stamp(trial)
    assert stamp["design_sha256"] == sha256_of(study / "small.toml")
    assert stamp["seed"] == "7"
    assert str(study) not in json.dumps(stamp)


def test_the_readout_is_that_of_the_arms(study: Path) -> None:
    frame = pd.read_csv(study / "readout.csv")
    assert set(frame["arm"]) == {"untreated", "encorafenib", "binimetinib + encorafenib"}
    rates = frame[frame["endpoint"].isin(["ORR", "DCR"])]
    assert rates["estimate"].between(0, 1).all()
    assert (rates["lower"] <= rates["estimate"]).all()
    assert (rates["estimate"] <= rates["upper"]).all()
    assert (rates["level"] == 0.9).all()
    assert (rates["n"] == 33).all()
    text = (study / "readout.txt").read_text("utf-8")
    orr = frame.set_index(["arm", "endpoint"])["estimate"]["encorafenib", "ORR"]
    assert f"{100 * orr:.0f} %" in next(line for line in text.splitlines() if line.startswith("encorafenib"))


def test_agreement_knows_that_it_is_in_sample(study: Path) -> None:
    individual = pd.read_csv(study / "agreement_individual.csv")
    assert individual["method"].str.contains("in sample").any()
    population = pd.read_csv(study / "agreement_population.csv")
    assert {"ORR", "DCR"} <= set(population["measure"])


def test_the_report_is_one_file_and_says_synthetic(study: Path) -> None:
    page = (study / "report.html").read_text("utf-8")
    assert "SYNTHETIC DATA" in page
    assert "CONVERGENCE GATES FAILED" not in page
    assert "A small design" in page
    assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_the_same_commands_give_the_same_bytes(study: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(DESIGN, "utf-8")
    assert run("emulate", "small.toml", "--posterior", FROZEN, "-o", "again/trial.nc").code == 0
    assert run("readout", "again/trial.nc", "-o", "again/readout.csv").code == 0
    for name in ("trial.nc", "readout.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (study / name).read_bytes()
    other = DESIGN.replace("seed = 7", "seed = 8")
    (tmp_path / "other.toml").write_text(other, "utf-8")
    assert run("emulate", "other.toml", "--posterior", FROZEN).code == 0
    assert (tmp_path / "trial.nc").read_bytes() != (study / "trial.nc").read_bytes()


def test_agreement_with_mice_of_other_arms_is_refused(study: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "volumes.csv").write_text(VOLUMES.replace("untreated", "vemurafenib"), "utf-8")
    done = run("agree", study / "trial.nc", "volumes.csv", "-o", "out")
    assert done.code == 2
    assert "no arm 'untreated'" in done.err
    assert names_in(tmp_path) == ["volumes.csv"]


def test_agreement_with_strangers_is_told(study: Path, run: Run, tmp_path: Path) -> None:
    volumes = VOLUMES.replace("drug", "encorafenib") + VOLUMES.replace("drug", "encorafenib + binimetinib")[
        VOLUMES.index("A-1,drug") :
    ].replace("m2", "m3")
    (tmp_path / "volumes.csv").write_text(volumes, "utf-8")
    done = run("agree", study / "trial.nc", "volumes.csv", "-o", "out")
    assert done.code == 2 or "avatar" in done.err


def test_a_report_is_of_the_trial_of_its_design(study: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(DESIGN.replace("horizon_days = 60", "horizon_days = 70"), "utf-8")
    done = run("report", "other.toml", "--trial", study / "trial.nc")
    assert done.code == 2
    assert "emulated for design 'small' or another version of it" in done.err
    assert names_in(tmp_path) == ["other.toml"]


def test_a_design_with_a_drug_that_the_posterior_never_saw(run: Run, tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(DESIGN.replace('"encorafenib"', '"vemurafenib"'), "utf-8")
    done = run("emulate", "d.toml", "--posterior", FROZEN)
    assert done.code == 2
    assert "knows nothing of vemurafenib. Known drugs: binimetinib, encorafenib" in done.err
    assert names_in(tmp_path) == ["d.toml"]


# --- posteriors that must not be used ----------------------------------------------------------------------------


def unconverged(target: Path) -> Path:
    """The frozen posterior as it would be had it failed its gates."""
    tree = read_netcdf(FROZEN, kind="posterior")
    gates = json.loads(tree.attrs["gates"])
    gates["passed"][0], gates["value"][0] = False, 1.8
    tree.attrs["gates"] = json.dumps(gates)
    write_netcdf(tree, target, read_stamp(tree) | {"gates_passed": False})
    return target


def test_an_unconverged_posterior_is_refused_unless_asked_for(run: Run, tmp_path: Path) -> None:
    unconverged(tmp_path / "failed.nc")
    (tmp_path / "small.toml").write_text(DESIGN, "utf-8")
    before = names_in(tmp_path)
    done = run("emulate", "small.toml", "--posterior", "failed.nc")
    assert done.code == 4
    assert "did not pass its convergence gates" in done.err
    assert "--allow-unconverged" in done.err
    assert names_in(tmp_path) == before
    assert run("emulate", "small.toml", "--posterior", "failed.nc", "--allow-unconverged").code == 0
    trial = read_netcdf(tmp_path / "trial.nc", kind="trial")
    assert trial.attrs["gates_passed"] == 0
    assert read_stamp(trial)["posterior_gates_passed"] is False
    page = tmp_path / "report.html"
    assert run("report", "small.toml", "--trial", "trial.nc", "--posterior", "failed.nc").code == 0
    assert "CONVERGENCE GATES FAILED" in page.read_text("utf-8")


def test_a_report_without_the_posterior_still_says_that_it_failed(run: Run, tmp_path: Path) -> None:
    unconverged(tmp_path / "failed.nc")
    (tmp_path / "small.toml").write_text(DESIGN, "utf-8")
    assert run("emulate", "small.toml", "--posterior", "failed.nc", "--allow-unconverged").code == 0
    assert run("report", "small.toml", "--trial", "trial.nc").code == 0
    assert "CONVERGENCE GATES FAILED" in (tmp_path / "report.html").read_text("utf-8")


def test_a_posterior_of_another_card_is_refused(run: Run, tmp_path: Path) -> None:
    card = find_card("models", "two_clone").read_text("utf-8")
    (tmp_path / "mine.toml").write_text(card.replace('name = "two_clone"', 'name = "mine"'), "utf-8")
    (tmp_path / "d.toml").write_text(DESIGN.replace('"two_clone"', '"mine.toml"'), "utf-8")
    done = run("emulate", "d.toml", "--posterior", FROZEN)
    assert done.code == 4
    assert "two_clone" in done.err


def damaged(target: Path, how: str) -> None:
    content = bytearray(FROZEN.read_bytes())
    if how == "flipped bit":
        content[len(content) // 2] ^= 1
    elif how == "cut short":
        del content[len(content) // 3 :]
    elif how == "empty":
        content.clear()
    target.write_bytes(content)
    if how != "no checksum":
        manifest_path(target).write_text(f"{sha256_of(FROZEN)}  {target.name}\n", "utf-8")


@pytest.mark.parametrize("how", ["flipped bit", "cut short", "empty", "no checksum"])
def test_a_damaged_posterior_is_refused(run: Run, tmp_path: Path, how: str) -> None:
    (tmp_path / "small.toml").write_text(DESIGN, "utf-8")
    damaged(tmp_path / "p.nc", how)
    before = names_in(tmp_path)
    done = run("emulate", "small.toml", "--posterior", "p.nc", "--allow-unconverged")
    assert done.code == 4
    assert done.err.startswith("p.nc: ")
    assert names_in(tmp_path) == before


def test_files_are_what_they_are_taken_for(study: Path, run: Run) -> None:
    trial, posterior = study / "trial.nc", FROZEN
    for arguments, says in (
        (("readout", posterior), "this is a posterior file, and a trial file is wanted"),
        (
            ("emulate", study / "small.toml", "--posterior", trial),
            "this is a trial file, and a posterior file",
        ),
        (("readout", "nowhere.nc"), "nowhere.nc: there is no such file"),
        (("emulate", study / "small.toml", "--posterior", "nowhere.nc"), "nowhere.nc: there is no such file"),
    ):
        done = run(*arguments)
        assert done.code == 4
        assert says in done.err


def test_typing_errors_end_with_2(run: Run, study: Path, tmp_path: Path) -> None:
    for arguments in (
        ("emulat",),
        ("emulate", study / "small.toml"),
        ("emulate", "small", "--posterior", FROZEN),
        ("emulate", "nowhere.toml", "--posterior", FROZEN),
        ("run", "melanoma_braf_mek", "--volumes", "nowhere.csv"),
        ("readout",),
        ("readout", study / "trial.nc", "--rule", "pct_sheet"),
    ):
        done = run(*arguments)
        assert done.code == 2, arguments
        assert done.err
    assert names_in(tmp_path) == []


# --- the main job, in small --------------------------------------------------------------------------------------


def small_run(folder: Path) -> None:
    """A design with a card that samples too little, and the volumes of four avatars."""
    card = find_card("models", "two_clone").read_text("utf-8")
    for key, value in (("chains", 2), ("tune", 100), ("draws", 50)):
        card = re.sub(rf"^{key} = .*", f"{key} = {value}", card, flags=re.MULTILINE)
    (folder / "quick.toml").write_text(card, "utf-8")
    design = DESIGN.replace('"two_clone"', '"quick.toml"').replace("encorafenib + binimetinib", "binimetinib")
    (folder / "d.toml").write_text(design, "utf-8")
    lines = find_card("panels", "melanoma_synthetic").read_text("utf-8").splitlines(keepends=True)
    kept = [
        line for line in lines if line.startswith(("#", "avatar,", *(f"SYN-00{k}," for k in (1, 2, 3, 4))))
    ]
    (folder / "volumes.csv").write_text("".join(kept), "utf-8")


def test_a_run_that_did_not_converge_stops_before_the_trial(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calibration for real. What was sampled is there to be looked at; nothing is emulated, nothing reported; and the
    same run takes its posterior up, and what was kept for a kill goes."""
    small_run(tmp_path)
    done = process("run", "d.toml", "--volumes", "volumes.csv", "-o", "out", folder=tmp_path)
    assert done.code == 4, done.err
    assert "did not pass its convergence gates" in done.err
    assert "bulk ESS, smallest" in done.err
    assert done.out == ""
    assert names_in(tmp_path / "out") == [
        "gates.csv",
        "parameters.csv",
        "posterior.nc",
        "posterior.nc.sha256",
    ]
    gates = pd.read_csv(tmp_path / "out" / "gates.csv")
    assert not gates["passed"].all()
    tree = read_netcdf(tmp_path / "out" / "posterior.nc", kind="posterior")
    assert (tree["posterior"].sizes["chain"], tree["posterior"].sizes["draw"]) == (2, 50)
    refused = process("emulate", "d.toml", "--posterior", "out/posterior.nc", folder=tmp_path)
    assert refused.code == 4
    asked_for = ("emulate", "d.toml", "--posterior", "out/posterior.nc", "--allow-unconverged")
    assert process(*asked_for, folder=tmp_path).code == 0
    (tmp_path / "out" / "posterior.nc.partial" / "chains-0").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    again = run("run", "d.toml", "--volumes", "volumes.csv", "-o", "out")
    assert again.code == 4
    assert "taken up again: out/posterior.nc" in again.err
    assert "sampling" not in again.err
    assert not (tmp_path / "out" / "posterior.nc.partial").exists()


INTERRUPTED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored
from avatar_trials.cli import main
{patch}
sys.argv = ["avatar-trials", *sys.argv[1:]]
main()
"""
IN_EMULATION = """
import avatar_trials.emulate.trial as place
follow = place.follow
def interrupted(*arguments):
    os.kill(os.getpid(), signal.SIGINT)
    return follow(*arguments)
place.follow = interrupted
"""
IN_SAMPLING = """
import avatar_trials.calibrate.chains as place
import threading
soon = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
heard = place._Progress.of
def interrupted(progress, chain):
    tell = heard(progress, chain)
    def told(chains):
        tell(chains)
        if sum(chain.finished_draws for chain in chains) > 20 and not soon.ident:
            soon.start()
    return told
place._Progress.of = interrupted
"""


def test_an_interrupt_leaves_nothing_half_done(tmp_path: Path) -> None:
    """A real SIGINT in the midst of emulation: exit code 130, the old file whole, no temporary ones."""
    (tmp_path / "small.toml").write_text(DESIGN, "utf-8")
    (tmp_path / "trial.nc").write_text("old", "utf-8")
    program = (sys.executable, "-c", INTERRUPTED.format(patch=IN_EMULATION))
    done = process("emulate", "small.toml", "--posterior", FROZEN, folder=tmp_path, program=program)
    assert done.code == 130, done.err
    assert names_in(tmp_path) == ["small.toml", "trial.nc"]
    assert (tmp_path / "trial.nc").read_text("utf-8") == "old"


def test_an_interrupt_of_the_sampler_is_no_posterior(tmp_path: Path) -> None:
    small_run(tmp_path)
    card = (tmp_path / "quick.toml").read_text("utf-8").replace("draws = 50", "draws = 20000")
    (tmp_path / "quick.toml").write_text(card, "utf-8")
    program = (sys.executable, "-c", INTERRUPTED.format(patch=IN_SAMPLING))
    done = process("run", "d.toml", "--volumes", "volumes.csv", "-o", "out", folder=tmp_path, program=program)
    assert done.code == 130, done.err
    assert not (tmp_path / "out" / "posterior.nc").exists()


# --- what is loaded ----------------------------------------------------------------------------------------------

HEAVY = (
    "pymc",
    "pytensor",
    "nutpie",
    "arviz",
    "matplotlib",
    "pandas",
    "xarray",
    "scipy",
    "pydantic",
    "typer",
)


def loaded(program: str, *arguments: str | Path, folder: Path) -> set[str]:
    """Which of the heavy libraries a Python program has loaded at its end."""
    end = f"import sys; print('LOADED', *[name for name in {HEAVY!r} if name in sys.modules])"
    done = process(*arguments, folder=folder, program=(sys.executable, "-c", f"{program}\n{end}"))
    assert done.code == 0, done.err
    return set(done.out.splitlines()[-1].split()[1:])


MAIN = """
import sys
sys.argv = ["avatar-trials", *sys.argv[1:]]
from avatar_trials.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


def test_importing_the_package_loads_nothing_heavy(tmp_path: Path) -> None:
    assert loaded("import avatar_trials; dir(avatar_trials)", folder=tmp_path) == set()


def test_only_calibration_loads_the_sampler(study: Path, tmp_path: Path) -> None:
    sampler = {"pymc", "pytensor", "nutpie"}
    (tmp_path / "volumes.csv").write_text(VOLUMES, "utf-8")
    for arguments in (
        ("list",),
        ("response", "volumes.csv"),
        ("emulate", study / "small.toml", "--posterior", FROZEN),
        ("readout", study / "trial.nc"),
    ):
        libraries = loaded(MAIN, *arguments, folder=tmp_path)
        assert not libraries & sampler, arguments
        assert "matplotlib" not in libraries or arguments[0] == "readout"
