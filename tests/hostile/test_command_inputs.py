"""What is wrong on the command line of `emulate --population` and `calibrate --hold-out`: told in words, all at once,
before anything is sampled or emulated."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from avatar_trials import calibrate, emulate, memory
from avatar_trials.cli import main
from avatar_trials.library import find_card
from avatar_trials.stamp import StampError, manifest_path, read_netcdf, read_stamp, sha256_of, write_netcdf
from tests.journeys.test_cli import DESIGN, FROZEN, VOLUMES
from tests.program import refusal

POPULATION = find_card("populations", "pdxe_cm")
TYPED = Path("typed.nc")
Refused = Callable[..., list[str]]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Lines of a refusal, with its exit code; nothing was computed and nothing written."""

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("this is where the computing starts")

    monkeypatch.setattr(calibrate, "calibrate_avatars", never)
    monkeypatch.setattr(emulate, "emulate_trials", never)
    monkeypatch.chdir(tmp_path)
    Path("d.toml").write_text(DESIGN, "utf-8")

    def called(code: int, *arguments: str | Path) -> list[str]:
        return refusal(monkeypatch, capsys, tmp_path, code, *arguments)

    return called


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("pdxe_mc", "no population of this name. Did you mean pdxe_cm?"),
        ("", "no population of this name. Known names: "),
        ("folder", "no population of this name"),
        ("./folder", "this is a folder"),
        ("folder.nc", "this is a folder"),
        ("d.toml", "no population of this name, and a file of it ends in .nc"),
        ("nowhere.nc", "no such file"),
        ("n" * 300, "no population of this name"),
        ("n" * 300 + ".nc", "no such file"),
        ("https://example.org/p.nc", "this is an address on a network"),
        ("/dev/null", "no ordinary file"),
    ],
)
def test_a_population_that_is_not_there(refused: Refused, name: str, told: str) -> None:
    for folder in ("folder", "folder.nc"):
        Path(folder).mkdir()
    (line,) = refused(2, "emulate", "d.toml", "--population", name)
    assert "[F10] population" in line
    assert told in line


def with_checksum(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    manifest_path(name).write_text(f"{sha256_of(name)}  {name}\n", "utf-8")


@pytest.mark.parametrize(
    ("content", "checksum", "told"),
    [
        (b"", False, "this is no NetCDF file, and a population file is wanted"),
        (VOLUMES.encode(), False, "this is no NetCDF file, and a population file is wanted"),
        (VOLUMES.encode(), True, "not a readable population file"),
        (POPULATION.read_bytes()[:100_000], False, "its checksum file p.nc.sha256 is missing"),
        (POPULATION.read_bytes()[:100_000], True, "not a readable population file"),
        (POPULATION.read_bytes()[:-1] + b"?", None, "the file is not the one that was written"),
    ],
)
def test_a_file_that_is_no_population(
    refused: Refused, content: bytes, checksum: bool | None, told: str
) -> None:
    with_checksum("p.nc", content)
    if checksum is None:
        manifest_path("p.nc").write_text(f"{sha256_of(POPULATION)}  p.nc\n", "utf-8")
    elif not checksum:
        manifest_path("p.nc").unlink()
    (line,) = refused(4, "emulate", "d.toml", "--population", "p.nc")
    assert told in line


def test_a_posterior_is_no_population(refused: Refused) -> None:
    (line,) = refused(4, "emulate", "d.toml", "--population", FROZEN)
    assert "this is a posterior file, and a population file is wanted here" in line


def without(population: xr.Dataset, *names: str) -> xr.Dataset:
    population.attrs = {name: value for name, value in population.attrs.items() if name not in names}
    return population


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda p: without(p, "constants", "cohort"), "has no constants, cohort"),
        (lambda p: without(p, "observation"), "has no observation"),
        (lambda p: without(p, "gates", "synthetic"), "has no gates, synthetic"),
        (
            lambda p: without(p, "card_sha256", "model_card", "data_sha256"),
            "has no model_card, card_sha256, data_",
        ),
        (lambda p: p.isel(draw=slice(0, 0)), "has no draws"),
        (lambda p: p.assign(mu_r=p["mu_r"] * float("nan")), "has no numbers in places of mu_r"),
        (lambda p: p.drop_vars("mu_r"), "has no mu_r"),
        (lambda p: p.drop_dims("drug"), "has no mu_k"),
        (lambda p: without(p.drop_vars("mu_r"), "gates"), "has no gates, mu_r"),
    ],
)
def test_a_population_that_lacks_something(
    refused: Refused, harm: Callable[[xr.Dataset], xr.Dataset], told: str
) -> None:
    """Written whole, with a stamp and a checksum, and yet not to be drawn from; told to a user of Python as well."""
    population = read_netcdf(POPULATION, kind="population")
    stamp, harmed = read_stamp(population), harm(population)
    with pytest.raises(StampError, match=rf"^mine: the population {told}.*Make it again from its posterior"):
        emulate.check_population(harmed, "mine")
    write_netcdf(harmed, "p.nc", stamp, kind="population")
    (line,) = refused(4, "emulate", "d.toml", "--population", "p.nc")
    assert told in line
    assert "Make it again from its posterior" in line


@pytest.mark.bad_input(54, 90, 100)
@pytest.mark.parametrize("source", [("--population", "pdxe_cm"), ("--posterior", str(FROZEN))])
def test_every_arm_of_unknown_drugs_is_told(refused: Refused, source: tuple[str, str]) -> None:
    other = DESIGN.replace('"encorafenib"', '"vemurafenib"').replace("encorafenib + bin", "cobi + bin")
    Path("d.toml").write_text(other, "utf-8")
    one, two = refused(2, "emulate", "d.toml", *source)
    assert "[D90] arm 'vemurafenib'" in one
    assert "[D90] arm 'binimetinib + cobi" in two


def typed_posterior() -> None:
    """The frozen posterior, its avatars all of tumour type CM."""
    tree = read_netcdf(FROZEN, kind="posterior")
    avatars = tree["posterior"].to_dataset()["avatar"].values
    types = xr.Dataset({"tumor_type_of": ("each_avatar", ["CM"] * len(avatars))}, {"each_avatar": avatars})
    tree["constant_data"] = xr.DataTree(tree["constant_data"].to_dataset().merge(types))
    write_netcdf(tree, TYPED, {"gates_passed": True})


@pytest.mark.parametrize("source", [("--population", "pdxe_cm"), ("--posterior", str(TYPED))])
def test_tumour_type_and_drugs_are_told_at_once(refused: Refused, source: tuple[str, str]) -> None:
    other = DESIGN.replace('tumor_type = "CM"', 'tumor_type = "XX"').replace('"encorafenib"', '"vemurafenib"')
    if source[0] == "--posterior":
        typed_posterior()
    Path("d.toml").write_text(other, "utf-8")
    kind, drug = refused(2, "emulate", "d.toml", *source)
    assert "of tumour type XX" in kind
    assert "[D90] arm 'vemurafenib'" in drug


def test_design_and_name_are_told_at_once(refused: Refused) -> None:
    Path("d.toml").write_text(DESIGN.replace("seed = 7", "seed = -1"), "utf-8")
    design, name = refused(2, "emulate", "d.toml", "--population", "pdxe_mc")
    assert "d.toml:6:seed" in design
    assert "[F10]" in name


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("mouse --hold-out-share 0", "--hold-out-share 0 is not between 0 and 1"),
        ("mouse --hold-out-share 1", "--hold-out-share 1 is not between 0 and 1"),
        ("avatar --hold-out-share -0.1", "--hold-out-share -0.1 is not between 0 and 1"),
        ("avatar --hold-out-share nan", "--hold-out-share nan is not between 0 and 1"),
        ("mouse --hold-out-share inf", "--hold-out-share inf is not between 0 and 1"),
        ("mouse --hold-out-folds 20", "share 0.1 in 20 folds"),
        ("mouse --hold-out-folds 500 --hold-out-share 0.001", "500 folds of 66 treated mice"),
        ("avatar --hold-out-folds 40 --hold-out-share 0.02", "40 folds of 33 avatars"),
        ("arm --hold-out-arm nosuch", "no treated arm 'nosuch' to hold out. Arms are"),
        ("arm --hold-out-arm +", "no treated arm '+' to hold out. Arms are"),
        ("mouse --hold-out-arm encorafenib", "--hold-out-arm says nothing of hold-out mouse. It is for arm"),
        ("curve-tail --hold-out-after 1000", "treated mice are followed to day 215 at most"),
        ("curve-tail --hold-out-after 0", "--hold-out-after 0 is no day of treatment"),
        ("curve-tail --hold-out-after nan", "--hold-out-after nan is no day of treatment"),
        ("drug", "hold-out 'drug' is unknown. Known are curve-tail, arm, avatar, mouse"),
    ],
)
def test_a_hold_out_that_cannot_be(refused: Refused, arguments: str, told: str) -> None:
    (line,) = refused(2, "calibrate", "d.toml", "--hold-out", *arguments.split())
    assert "[O02]" in line
    assert told in line


def test_all_that_is_wrong_with_a_hold_out_is_told_at_once(refused: Refused) -> None:
    asked = "--hold-out mouse --hold-out-share 2 --hold-out-arm x --hold-out-after nan --volumes nowhere.csv"
    lines = refused(2, "calibrate", "d.toml", *asked.split())
    assert len(lines) == 5
    for told in ("[F76] no such file", "share 2", "-arm says nothing", "-after says nothing", "after nan"):
        assert sum(told in line for line in lines) == 1, told


@pytest.mark.parametrize("kind", ["mouse", "avatar", "arm", "curve-tail"])
def test_a_table_of_one_avatar_has_nothing_to_hold_out(refused: Refused, kind: str) -> None:
    panel = find_card("panels", "melanoma_synthetic").read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in panel if line.startswith(("#", "avatar,", "SYN-001,"))]
    Path("v.csv").write_text("".join(kept), "utf-8")
    (line,) = refused(2, "calibrate", "d.toml", "--volumes", "v.csv", "--hold-out", kind)
    assert "v.csv [K02] a hierarchy needs at least 2 avatars" in line


LARGE = (
    DESIGN.replace("replicates = 12", "replicates = 100000")
    .replace("gaps_days = [3, 4]", "gaps_days = [0.25]")
    .replace("horizon_days = 60", "horizon_days = 1000")
    .replace('tumor_type = "CM"', 'tumor_type = "CM"\nn_avatars = 10000')
)


@pytest.mark.bad_input(93)
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("emulate", "d.toml", "--population", "pdxe_cm"),
            "100,000 trials x 10,000 avatars x 3 arms x 4,001 visits needs about 423 TB of memory; 16 GB are free",
        ),
        (
            ("emulate", "d.toml", "--posterior", str(FROZEN)),
            "x 33 avatars x 3 arms x 4,001 visits needs about 1.",
        ),
        (("run", "d.toml"), "x 33 avatars x 3 arms x 4,001 visits needs about 1."),
    ],
)
def test_what_memory_does_not_hold_is_told_before_it_is_made(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 16 * 10**9)
    Path("d.toml").write_text(LARGE, "utf-8")
    *_, line = refused(3, *arguments)
    assert "[R01]" in line
    assert told in line
    assert "Write fewer replicates" in line


@pytest.mark.bad_input(93)
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("compare-strategies", "every_strategy", "--avatars", "1000000"),
            "1,000,000 avatars x 16 strategies x 119 visits x 2 drugs needs about 126 GB of memory; 16 GB are free "
            "here, enough for about 114,068 avatars. Take fewer avatars",
        ),
        (
            ("sweep", "melanoma_braf_mek", "--vary", "n=9999", "--chunk", "9999", "--workers", "8"),
            "a block of 9,999 trials of 9,999 avatars in each of 8 processes needs about 848 GB of memory; 16 GB are "
            "free here, enough for about 169 trials in a block. Put fewer trials in a block (--chunk)",
        ),
    ],
)
def test_the_largest_that_memory_holds_is_told(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 16 * 10**9)
    (line,) = refused(3, *arguments)
    assert told in line


@pytest.mark.bad_input(93)
def test_patients_that_memory_does_not_hold(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside avatars that it does hold."""
    drawn = emulate.cohort_for

    def drawn_then_full(*arguments: Any, **more: Any) -> Any:
        cohort = drawn(*arguments, **more)
        monkeypatch.setattr(memory, "free_bytes", lambda: 10**7)
        return cohort

    monkeypatch.setattr(emulate, "cohort_for", drawn_then_full)
    *_, line = refused(3, "patients", "columbus_melanoma", "--population", "pdxe_cm")
    assert "trials x 99 patients x 3 arms x 20 assessments needs about" in line
    assert "10 MB are free here, enough for about 25 trials" in line


def test_memory_is_asked_of_the_machine() -> None:
    free = memory.free_bytes()
    assert free is None or 10**6 < free < 10**15
    assert [memory.shown(size) for size in (0, 999, 3.2e12, 2e18)] == ["0 B", "999 B", "3.2 TB", "2 EB"]


@pytest.mark.bad_input(93, 94)
@pytest.mark.parametrize(
    "arguments",
    [
        ("certainty", "v.csv", "--draws", "1000000000"),
        ("certainty", "v.csv", "--draws", "0"),
        ("certainty", "v.csv", "--seed", "-1"),
        ("certainty", "v.csv", "--seed", f"1{'0' * 40}"),
        ("certainty", "v.csv", "--seed", "1.5"),
        ("compare", "d.toml", "--models", "two_clone", "--samples", "1000000000"),
        ("compare", "d.toml", "--models", "two_clone", "--draws", "1000000000"),
        ("compare-strategies", "every_strategy", "--avatars", "1000000000"),
        ("population", str(FROZEN), "--biomarker-share", "2"),
    ],
)
def test_an_option_out_of_its_range(refused: Refused, arguments: tuple[str, ...]) -> None:
    Path("v.csv").write_text(VOLUMES, "utf-8")
    assert f"Invalid value for '{arguments[-2]}'" in refused(2, *arguments)[-1]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_that_cannot_show_a_letter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    """Nor a file name that is no text: both are shown escaped, and nothing stops for them."""
    monkeypatch.chdir(tmp_path)
    name = "n\udcff\u9f20.csv"
    shown = {stream: io.TextIOWrapper(io.BytesIO(), encoding=encoding) for stream in ("stdout", "stderr")}
    for stream, wrapper in shown.items():
        monkeypatch.setattr(sys, stream, wrapper)
    for content, code in ((VOLUMES, 0), ("", 2)):
        Path(name).write_text(content.replace("A-1", "\u9f20-1"), "utf-8")
        monkeypatch.setattr(sys, "argv", ["avatar-trials", "check", name])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code
    shown["stdout"].flush()
    told = shown["stdout"].buffer.getvalue().decode(encoding)
    assert "n\\udcff" in told
    assert told.splitlines()[-1].endswith("refused")
