"""Combinations foreseen on the command line: from a posterior of single agents, refused in words, calibrated first."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from avatar_trials.card_files import load_design, load_model
from avatar_trials.cli import flow, main
from avatar_trials.cli.combination_predictions import HELD_OUT, SINGLES, STRATA, TABLES, WEIGHTS
from avatar_trials.cli.files import stamp_of
from avatar_trials.cli.outputs import PROVENANCE
from avatar_trials.evidence.combination_scores import SCORE_COLUMNS
from avatar_trials.evidence.interaction_verdict import EXPLAINED, MORE, VERDICT_COLUMNS, WORSE
from avatar_trials.evidence.latent_predictors import AVATAR_COLUMNS, LEARNT
from avatar_trials.evidence.strata import STRATUM_COLUMNS
from avatar_trials.intake import read_volumes, write_tidy
from avatar_trials.library import find_card
from avatar_trials.stamp import read_netcdf, read_stamp, write_netcdf
from tests import program
from tests.graded_posterior import a_singles_posterior, observed_mice
from tests.journeys.test_cli import small_run

ARMS = ("untreated", "A", "B", "C", "D")
DESIGN = """\
schema_version = 1
name = "singles"
title = "t"
question = "q"
model = "graded_kill"
seed = 7
replicates = 12
arms = [{arms}]
[cohort]
panel = "melanoma_synthetic"
tumor_type = "CM"
[visits]
horizon_days = 60
[stopping]
size_mm3 = 1500
[stopping.removal]
from_relative_volume = [0.0, 2.0]
hazard_per_day = [0.003, 0.1]
source = "counted"
[endpoints]
mrecist_rule = "pct_sheet"
"""
CARD = find_card("interactions", "pathways").read_text("utf-8")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a design, a quick interaction card, a posterior of single agents and mice of combinations."""
    tree = a_singles_posterior(draws=60)
    table = observed_mice(tree, 0.5, combinations=("A + B", "A + C", "B + D"))
    write_tidy(table, tmp_path / "mice.csv")
    design = DESIGN.replace("{arms}", ", ".join(f'{{name = "{arm}"}}' for arm in ARMS))
    (tmp_path / "d.toml").write_text(design, "utf-8")
    card = CARD.replace("eta_steps = 23", "eta_steps = 4")
    (tmp_path / "quick.toml").write_text(card, "utf-8")
    write_netcdf(tree, tmp_path / "singles.nc", {"gates_passed": True})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["avatar-trials", "predict-combination", *arguments])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


GIVEN = ("d.toml", "--volumes", "mice.csv", "--posterior", "singles.nc", "--interactions", "quick.toml")


def test_every_combination_is_foreseen_scored_and_judged(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, *GIVEN, "--draws", "50", "-o", "out") == 0
    told = capsys.readouterr()
    assert {path.name for path in (place / "out").iterdir()} == {*TABLES, PROVENANCE} - {STRATA}
    scores = pd.read_csv(place / "out" / "combination_scores.csv")
    assert tuple(scores.columns) == (*SCORE_COLUMNS, "calibrated_on_arm")
    assert scores["predictor"].nunique() == 7
    assert not scores["calibrated_on_arm"].any()
    verdicts = pd.read_csv(place / "out" / "combination_verdicts.csv")
    assert tuple(verdicts.columns) == VERDICT_COLUMNS
    assert set(verdicts["verdict"]) <= {MORE, EXPLAINED, WORSE}
    avatars = pd.read_csv(place / "out" / "combination_avatars.csv")
    assert tuple(avatars.columns) == AVATAR_COLUMNS
    assert set(avatars["predictor"]) == {LEARNT}
    differences = pd.read_csv(place / "out" / "combination_differences.csv")
    assert set(differences["predictor"]) == {LEARNT}
    assert "What cannot be told" in told.out
    assert "A + B (CM):" in told.out
    assert "NO EVIDENCE" not in told.out


def test_a_combination_that_nobody_was_given(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(monkeypatch, *GIVEN, "--arm", "D + C", "--draws", "50", "-o", "out") == 0
    assert "C + D" in capsys.readouterr().out
    written = {path.name for path in (place / "out").iterdir()}
    assert "combination_predictions.csv" in written
    assert not written & {"combination_scores.csv", "combination_verdicts.csv"}
    frame = pd.read_csv(place / "out" / "combination_predictions.csv")
    assert set(frame["arm"]) == {"C + D"}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--arm", "A"), 2, "is no combination"),
        (("--arm", "A +"), 2, "beside a +"),
        (("--arm", "A + Q"), 2, "no arm 'Q'"),
        (("--hold-out-arm", "A + B"), 2, "Give one of them"),
        (("--interactions", "roads"), 2, "Known names: pathways"),
        (("--draws", "5"), 2, "greater than or equal to 50"),
        (("-o", "mice.csv"), 3, "is no folder"),
    ],
)
def test_what_cannot_be_foreseen_is_refused_in_words(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    told: str,
) -> None:
    before = sorted(place.rglob("*"))
    assert typed(monkeypatch, *GIVEN, *arguments) == code
    assert told in capsys.readouterr().err
    assert sorted(place.rglob("*")) == before


def test_a_posterior_that_did_not_pass_or_knows_other_avatars_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = a_singles_posterior(draws=60)
    write_netcdf(tree, place / "failed.nc", {"gates_passed": False})
    assert typed(monkeypatch, *GIVEN[:4], "failed.nc", *GIVEN[5:]) == 4
    assert "did not pass its convergence gates" in capsys.readouterr().err
    named = [f"Y-{i}" for i in range(16)]
    other = tree.map_over_datasets(
        lambda data: data.assign_coords(avatar=named) if "avatar" in data.dims else data
    )
    other.attrs = tree.attrs
    write_netcdf(other, place / "other.nc", {"gates_passed": True})
    assert typed(monkeypatch, *GIVEN[:4], "other.nc", *GIVEN[5:]) == 2
    assert "the posterior knows none of the avatars" in capsys.readouterr().err


BIOMARKER = """
[[cohort.biomarkers]]
name = "gene G"
column = "G"
positive = ["mutated"]
tumor_type = "CM"
source = "s"
"""


def with_biomarker(place: Path, covariates: str) -> None:
    design = (place / "d.toml").read_text("utf-8").replace("[visits]", BIOMARKER + "[visits]")
    (place / "d.toml").write_text(design, "utf-8")
    (place / "genes.csv").write_text(covariates, "utf-8")


def test_arms_are_read_apart_by_a_biomarker_of_the_design(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Avatars X-1 to X-4 carry it, X-16 is unknown; each row is of the draws and mice of its avatars alone."""
    genes = ["amplified;Mutated"] * 4 + ["0"] * 11 + [""]
    lines = "".join(f"X-{number},{gene}\n" for number, gene in enumerate(genes, start=1))
    with_biomarker(place, "model,G\n" + lines)
    asked = (*GIVEN, "--draws", "50", "-o", "out")
    assert typed(monkeypatch, *asked, "--covariates", "genes.csv") == 0
    capsys.readouterr()
    strata = pd.read_csv(place / "out" / STRATA)
    assert tuple(strata.columns) == STRATUM_COLUMNS
    assert strata.groupby("carrier")["n_avatars"].unique().to_dict() == {True: [4], False: [11]}
    scored = strata[strata["quantity"] == "ORR_pct"]
    avatars = pd.read_csv(place / "out" / "combination_avatars.csv")
    of_arm = avatars[(avatars["arm"] == "A + B") & avatars["avatar"].isin([f"X-{i}" for i in range(1, 5)])]
    row = scored[(scored["arm"] == "A + B") & scored["carrier"] & (scored["predictor"] == LEARNT)].iloc[0]
    assert row["observed"] == pytest.approx(100 * of_arm["observed_category"].isin(["CR", "PR"]).mean())
    assert row["lower_90"] <= 100 * of_arm["p_response"].mean() <= row["upper_90"]
    assert row["inside_90"] == (row["lower_90"] <= row["observed"] <= row["upper_90"])
    assert typed(monkeypatch, *asked) == 0
    assert "not read apart by gene G" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("covariates", "told"),
    [
        ("model,H\nX-1,0\n", "the covariates have no column 'G'"),
        ("model,G\nY-1,0\n", "none of the avatars of CM is in the covariates"),
        ("who,G\nX-1,0\n", "no column of avatars"),
        ("model,G\nX-1,0\nX-1,mutated\n", "X-1 has a row already, line 2"),
        ("model,G\n,0\n", "an avatar without a name"),
        ("model,G\nX-1\n", "1 field, the header has 2"),
        ("", "no header"),
    ],
)
def test_covariates_that_cannot_be_read_are_told(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    covariates: str,
    told: str,
) -> None:
    with_biomarker(place, covariates)
    assert typed(monkeypatch, *GIVEN, "--covariates", "genes.csv", "-o", "out") == 2
    assert told in capsys.readouterr().err
    assert not (place / "out").exists()


@pytest.mark.parametrize("command", ["calibrate", "run"])
def test_a_biomarker_to_be_calibrated_is_looked_for_before_any_sampling(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    with_biomarker(place, "model,H\nX-1,0\n")
    text = (place / "d.toml").read_text("utf-8").replace('column = "G"', 'column = "G"\ncalibrated = true')
    (place / "d.toml").write_text(text, "utf-8")
    asked = (command, "d.toml", "--volumes", "mice.csv", "--covariates", "genes.csv", "-o", "new")
    done = program.typed(monkeypatch, capsys, *asked)
    assert done.code == 2
    assert "the covariates have no column 'G'" in done.err
    assert not (place / "new").exists()


def test_a_posterior_that_was_finished_before_a_kill_is_taken_up_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No sampler is started, and the file stays as it was: calibrating these mice would take minutes."""
    design, card = load_design("d.toml"), load_model("graded_kill")
    table = read_volumes("mice.csv")
    stamp = stamp_of(design, card, data_sha256=table.sha256, gates_passed=True)
    tree = read_netcdf(place / "singles.nc", kind="posterior")
    write_netcdf(tree, place / "out" / SINGLES, stamp)
    asked = ("d.toml", "--volumes", "mice.csv", "--interactions", "quick.toml", "--draws", "50", "-o", "out")
    before = (place / "out" / SINGLES).read_bytes()
    assert typed(monkeypatch, *asked, "--allow-unconverged") == 0
    assert "taken up again" in capsys.readouterr().err
    assert (place / "out" / SINGLES).read_bytes() == before


def test_a_posterior_of_anything_else_is_not_taken_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    design, card, path = load_design("d.toml"), load_model("graded_kill"), place / "out" / SINGLES
    table = read_volumes("mice.csv")
    tree = read_netcdf(place / "singles.nc", kind="posterior")
    assert flow.finished(table, design, card, path, say=print) is None
    write_netcdf(tree, path, stamp_of(design, card, data_sha256=table.sha256, gates_passed=False))
    assert flow.finished(table, design, card, path, say=print) is not None
    others = {
        "volumes": (replace(table, sha256="other"), design, card, {}),
        "design": (table, design.model_copy(update={"sha256": "other"}), card, {}),
        "seed": (table, design.model_copy(update={"seed": 8}), card, {}),
        "card": (table, design, card.model_copy(update={"sha256": "other"}), {}),
        "hold-out": (table, design, card, {"held_out": "A + B"}),
    }
    for what, (volumes, chosen, model, facts) in others.items():
        assert flow.finished(volumes, chosen, model, path, say=print, **facts) is None, what
    path.write_bytes(path.read_bytes()[:-100])
    assert flow.finished(table, design, card, path, say=print) is None


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a quick design of 12 avatars, two drugs and both together, where the test then is."""
    small_run(tmp_path)
    _with_both(tmp_path, avatars=12)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_single_agents_are_calibrated_first_and_nothing_else(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For real, too short to pass its gates: the posterior is there, has no combination, and is not used."""
    assert typed(monkeypatch, "d.toml", "--volumes", "volumes.csv", "-o", "out") == 4
    assert "did not pass its convergence gates" in capsys.readouterr().err
    tree = read_netcdf(small / "out" / SINGLES, kind="posterior")
    assert read_stamp(tree)["gates_passed"] is False
    assert not any("+" in arm for arm in tree["constant_data"].to_dataset()["arm"].values.astype(str))
    assert not list((small / "out").glob("*.csv"))


@pytest.mark.slow
def test_all_but_one_arm_are_calibrated_where_it_is_held_out(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For real, too short to pass its gates and used all the same: the arm's mice are not in it."""
    asked = ("--volumes", "volumes.csv", "--hold-out-arm", "encorafenib+binimetinib", "-o", "out")
    assert typed(monkeypatch, "d.toml", *asked, "--allow-unconverged", "--draws", "50") == 0
    assert LEARNT in capsys.readouterr().out
    tree = read_netcdf(small / "out" / HELD_OUT, kind="posterior")
    assert read_stamp(tree)["held_out"] == "binimetinib + encorafenib"
    assert "held out of the calibration" in tree.attrs["notices"]
    assert (small / "out" / WEIGHTS).exists()


def test_a_run_that_is_killed_ends_with_the_same_tables(place: Path) -> None:
    """SIGKILL while interactions are tried, by another process; then it runs through, and calibrates nothing again.

    That chains finished before a kill are taken up is shown for `calibrate`.
    """
    stamp = stamp_of(
        load_design("d.toml"), load_model("graded_kill"), data_sha256=read_volumes("mice.csv").sha256
    )
    tree = read_netcdf(place / "singles.nc", kind="posterior")
    for out in ("killed", "whole"):
        write_netcdf(tree, place / out / SINGLES, {**stamp, "gates_passed": True})
    told = _killed(place, lambda told: "interactions tried" in told)
    assert "taken up again" in told
    assert not list((place / "killed").glob("*.csv"))
    for out in ("killed", "whole"):
        code, told = _process(place, out)
        assert code == 0, told
        assert "taken up again" in told
    tables = sorted(path.name for path in (place / "whole").glob("*.csv"))
    assert tables == sorted({*TABLES} - {STRATA})
    for name in tables:
        assert (place / "killed" / name).read_bytes() == (place / "whole" / name).read_bytes(), name


ASKED = (
    *("predict-combination", "d.toml", "--volumes", "mice.csv", "--interactions", "quick.toml"),
    *("--draws", "50", "--allow-unconverged"),
)
PROGRAM = (sys.executable, "-c", "from avatar_trials.cli import main; main()")


def _process(folder: Path, out: str) -> tuple[int, str]:
    done = subprocess.run(
        [*PROGRAM, *ASKED, "-o", out], cwd=folder, capture_output=True, text=True, check=False, timeout=3000
    )
    return done.returncode, done.stderr


def _killed(folder: Path, when: Callable[[str], bool]) -> str:
    """What a run tells until it is killed, as soon as `when` says so of what it told."""
    log = folder / "log.txt"
    with log.open("w") as told:
        running = subprocess.Popen(
            [*PROGRAM, *ASKED, "-o", "killed"], cwd=folder, stderr=told, stdout=subprocess.DEVNULL
        )
        while running.poll() is None and not when(log.read_text("utf-8")):
            time.sleep(0.01)
        running.kill()
    assert running.wait() == -signal.SIGKILL, log.read_text("utf-8")
    return log.read_text("utf-8")


def test_too_few_avatars_are_told_before_an_hour_of_sampling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_run(tmp_path)
    _with_both(tmp_path, avatars=4)
    monkeypatch.chdir(tmp_path)
    for asked in (("--hold-out-arm", "encorafenib+binimetinib"), ()):
        assert typed(monkeypatch, "d.toml", "--volumes", "volumes.csv", *asked, "-o", "out") == 2
        assert "4 avatars had it and each of its drugs alone, of 10 needed" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def _with_both(folder: Path, *, avatars: int) -> None:
    """The design with the combination beside its single agents, and the volumes of some avatars."""
    design = (folder / "d.toml").read_text("utf-8")
    arms = "".join(f'[[arms]]\nname = "{arm}"\n\n' for arm in ("binimetinib", "binimetinib + encorafenib"))
    design = design.replace('[[arms]]\nname = "binimetinib"\n\n', "").replace("[visits]", arms + "[visits]")
    (folder / "d.toml").write_text(design, "utf-8")
    lines = find_card("panels", "melanoma_synthetic").read_text("utf-8").splitlines(keepends=True)
    wanted = ("#", "avatar,", *(f"SYN-{number:03}," for number in range(1, avatars + 1)))
    (folder / "volumes.csv").write_text("".join(line for line in lines if line.startswith(wanted)), "utf-8")
