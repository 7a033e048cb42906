"""compare-strategies as it is typed: tables, files, words, and exit codes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from avatar_trials.cli.commands import app
from avatar_trials.library import find_card
from avatar_trials.stamp import read_netcdf, read_stamp
from avatar_trials.strategies.design_checks import CHECK_COLUMNS
from avatar_trials.strategies.scoring import DIFFERENCE_COLUMNS, SCORE_COLUMNS

DESIGN = "melanoma_preemptive_vs_sequential"


def test_a_comparison_is_printed_and_written(tmp_path: Path) -> None:
    typed = ["compare-strategies", DESIGN, "-o", str(tmp_path), "--avatars", "60"]
    result = CliRunner().invoke(app, typed)
    assert result.exit_code == 0, result.output
    for words in (
        "PFS",
        "failure",
        "paired by avatar",
        "strategies compare by failure",
        "ASSUMED, calibrated on no",
    ):
        assert words in result.output
    table = pd.read_csv(tmp_path / "strategies.csv")
    assert tuple(table.columns) == (*SCORE_COLUMNS, "basis", "progression")
    assert set(table["basis"]) == {"assumed"}
    assert set(table["strategy"]) >= {"encorafenib", "both from the start"}
    times = table[table["endpoint"].str.startswith(("PFS_mean", "strategy_failure_mean"))]
    assert (times["lower"] <= times["estimate"]).all()
    assert (times["estimate"] <= times["upper"]).all()
    differences = pd.read_csv(tmp_path / "strategy_differences.csv")
    assert tuple(differences.columns) == (*DIFFERENCE_COLUMNS, "basis", "progression")
    assert differences["method"].str.endswith("paired by avatar").all()
    followed = read_netcdf(tmp_path / "strategies.nc", kind="strategies")
    assert followed.sizes["avatar"] == 60
    assert "ASSUMED" in followed.attrs["scenario"]
    assert read_stamp(followed)["kind"] == "strategies"
    html = (tmp_path / "strategies.html").read_text("utf-8")
    means = table[table["endpoint"] == "strategy_failure_mean_days"].set_index("strategy")["estimate"]
    assert f"“{means.idxmax()}” fails last, after {means.max():.0f} days" in html
    for words in ("SCENARIO.", "is no evidence about a drug", "Composition over time"):
        assert words in html
    assert html.index("fails last") < html.index("<h2>")
    again = CliRunner().invoke(app, [*typed[:3], str(tmp_path / "again"), *typed[4:]])
    assert again.exit_code == 0
    for name in ("strategies.csv", "strategy_differences.csv", "strategies.nc", "strategies.html"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_calibrated_avatars_are_compared_and_said_to_be(tmp_path: Path) -> None:
    posterior = Path(__file__).parents[1] / "fixtures" / "frozen_posterior.nc"
    typed = ["compare-strategies", DESIGN, "--posterior", str(posterior), "--draws", "4", "-o", str(tmp_path)]
    result = CliRunner().invoke(app, typed)
    assert result.exit_code == 0, result.output
    assert "SYNTHETIC volumes" in result.output
    assert "CALIBRATED avatars" in result.output
    assert "ASSUMED: toxicity" in result.output
    assert set(pd.read_csv(tmp_path / "strategies.csv")["basis"]) == {
        "avatars calibrated on synthetic volumes, the rest assumed"
    }
    followed = read_netcdf(tmp_path / "strategies.nc", kind="strategies")
    assert followed.attrs["scenario"].startswith("SYNTHETIC")
    both = CliRunner().invoke(app, [*typed, "--avatars", "3"])
    assert "Leave one of the two out" in str(both.exception)


def test_designs_of_strategies_are_listed_apart() -> None:
    result = CliRunner().invoke(app, ["list"])
    assert result.exit_code == 0
    apart, rest = result.output.split("Designs that compare strategies", 1)[1].split(
        "Presets: known systems", 1
    )
    assert DESIGN in apart
    assert "melanoma_braf_mek" not in apart
    assert "egfr_1l" not in apart
    assert "egfr_1l" in rest.split("Model cards", 1)[0]


def test_a_preset_is_run_by_name_and_edited_by_path(tmp_path: Path) -> None:
    """Its checks are told and written; a copy whose assumption was edited fails them, told and no error."""
    typed = ["compare-strategies", "egfr_1l", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, typed)
    assert result.exit_code == 0, result.output
    assert "17 of 17 hold" in result.output
    for words in ("calibrated by hand: the arm on gefitinib", "predicted: osimertinib", "ASSUMED"):
        assert words in result.output
    table = pd.read_csv(tmp_path / "out" / "strategy_checks.csv")
    assert tuple(table.columns) == CHECK_COLUMNS
    assert table["holds"].all()
    mine = tmp_path / "mine.toml"
    mine.write_text(
        find_card("trial_designs", "egfr_1l").read_text("utf-8").replace("share = 0.05623", "share = 1.0")
    )
    again = CliRunner().invoke(app, ["compare-strategies", str(mine), "-o", str(tmp_path / "again")])
    assert again.exit_code == 0, again.output
    assert "FAILS" in again.output


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        (["compare-strategies", "melanoma_braf_mek"], 2, "no [[strategies]]"),
        (["compare-strategies", "nothing_like_it"], 2, "Known names"),
        (["run", DESIGN], 2, "compare-strategies"),
        (["compare-strategies", DESIGN, "--avatars", "0"], 2, "avatars"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    typed: list[str],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from avatar_trials.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["avatar-trials", *typed])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == code
    assert list(tmp_path.iterdir()) == []
    told = capsys.readouterr()
    assert words in told.out + told.err
