"""Held-out prediction on the command line: what is refused, and a calibration for real."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from avatar_trials.cli import main
from avatar_trials.evidence.holdout import VISIT_COLUMNS
from avatar_trials.evidence.holdout_endpoints import ENDPOINT_COLUMNS
from avatar_trials.evidence.holdout_scores import SCORE_COLUMNS
from avatar_trials.stamp import read_netcdf, read_stamp
from tests.journeys.test_cli import process, small_run


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--hold-out", "drug"], "Known are curve-tail, arm, avatar, mouse"),
        (["--hold-out", "arm", "--hold-out-arm", "untreated"], "no treated arm"),
        (["--hold-out", "mouse", "--hold-out-after", "20"], "It is for curve-tail"),
        (["--hold-out-share", "0.2"], "Say what is held out"),
    ],
)
def test_a_hold_out_that_cannot_be_ends_with_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["avatar-trials", "calibrate", "melanoma_braf_mek", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_hold_out_for_real(tmp_path: Path) -> None:
    """A calibration too short to pass its gates, some 30 seconds of a processor: everything is written, and says so."""
    small_run(tmp_path)
    asked = ("--hold-out", "mouse", "--hold-out-share", "0.3", "-o", "out/posterior.nc")
    done = process("calibrate", "d.toml", "--volumes", "volumes.csv", *asked, folder=tmp_path)
    assert done.code == 4
    assert "did not pass its convergence gates" in done.err
    assert "gates failed: not to be used" in done.out
    columns = {
        "holdout.csv": VISIT_COLUMNS,
        "holdout_endpoints.csv": ENDPOINT_COLUMNS,
        "holdout_scores.csv": SCORE_COLUMNS,
    }
    for name, expected in columns.items():
        frame = pd.read_csv(tmp_path / "out" / name)
        assert tuple(frame.columns) == expected
        assert not frame["gates_passed"].any()
    tree = read_netcdf(tmp_path / "out" / "posterior_without_mouse.nc", kind="posterior")
    assert "held out of the calibration" in tree.attrs["notices"]
    assert read_stamp(tree)["held_out"] == "mouse 1 of 1"
    held = pd.read_csv(tmp_path / "out" / "holdout.csv")
    calibrated = set(map(str, tree["posterior"].to_dataset()["curve"].values))
    assert not calibrated & set(held["avatar"] + " | " + held["arm"] + " | " + held["mouse"])
