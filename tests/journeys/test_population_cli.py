"""Journeys of a population: made of a posterior, emulated, read out, compared and reported, and refused where wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr

from avatar_trials import library
from avatar_trials.library import find_card
from avatar_trials.stamp import manifest_path, read_netcdf, read_stamp, sha256_of, write_netcdf
from tests.journeys.test_cli import DESIGN
from tests.program import typed

FROZEN = Path(__file__).resolve().parent.parent / "fixtures" / "frozen_posterior.nc"
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The program inside this process, in an empty folder: exit code, and what it printed on both streams."""
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(DESIGN, "utf-8")

    def called(*arguments: str | Path) -> tuple[int, str]:
        done = typed(monkeypatch, capsys, *arguments)
        return done.code, done.out + done.err

    return called


@pytest.fixture
def made(run: Run) -> Path:
    code, out = run("population", FROZEN, "--biomarker-share", "0.5", "-o", "mine.nc")
    assert code == 0, out
    return Path("mine.nc")


@pytest.fixture
def installed(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The population as if it came with the program, named pdxe_test."""
    folder = tmp_path / "library"
    folder.mkdir()
    shutil.copy(made, folder / "pdxe_test.nc")
    manifest_path(folder / "pdxe_test.nc").write_text(f"{sha256_of(made)}  pdxe_test.nc\n", "utf-8")
    before = library._folders
    monkeypatch.setattr(library, "_folders", lambda kind: [folder] if kind == "populations" else before(kind))
    return "pdxe_test"


def test_the_stamp_of_a_population_tells_where_it_is_from(made: Path) -> None:
    stamp, source = (
        read_stamp(read_netcdf(made, kind="population")),
        read_stamp(read_netcdf(FROZEN, kind="posterior")),
    )
    assert stamp["kind"] == "population"
    assert stamp["posterior_sha256"] == sha256_of(FROZEN)
    assert stamp["calibrated_with"] == source["libraries"]
    for fact in ("card_sha256", "data_sha256", "design_sha256", "gates_passed"):
        assert stamp[fact] == source[fact]


def test_from_a_population_to_a_report(run: Run, installed: str) -> None:
    """The design names another model card: the population brings its own."""
    code, listed = run("list")
    assert code == 0
    assert "  pdxe_test: calibrated on 33 avatars and 2 drugs, SYNTHETIC volumes" in listed
    other_model = DESIGN.replace('model = "two_clone"', 'model = "graded_kill"')
    Path("small.toml").write_text(other_model.replace("[[arms]]", "n_avatars = 6\n\n[[arms]]", 1), "utf-8")
    code, out = run("emulate", "small.toml", "--population", installed, "-o", "trial.nc")
    assert code == 0, out
    assert "NEW AVATARS of population pdxe_test" in out
    assert "12 trials of 6 avatars and 3 arms" in out
    trial = read_netcdf("trial.nc", kind="trial")
    assert trial["avatar"].values.tolist() == [f"POP-00{k}" for k in range(1, 7)]
    assert trial.attrs["avatars"] == "drawn"
    assert trial.attrs["synthetic"] == 1
    assert trial.attrs["population"].startswith("pdxe_test: calibrated on 33 avatars")
    assert json.loads(trial.attrs["gates"])["worst"] == [""] * 4
    assert trial.attrs["model_card"] == read_stamp(trial)["model_card"] == "two_clone"
    assert read_stamp(trial)["population_sha256"] == sha256_of(find_card("populations", installed))

    code, out = run("readout", "trial.nc", "-o", "readout.csv")
    assert code == 0
    assert "NEW AVATARS" in out
    assert set(pd.read_csv("readout.csv")["arm"]) == set(trial["arm"].values)
    code, out = run("agree", "trial.nc", find_card("panels", "melanoma_synthetic"))
    assert code == 0
    assert len(pd.read_csv("agreement_population.csv"))
    assert not len(pd.read_csv("agreement_individual.csv"))

    code, out = run("report", "small.toml", "--trial", "trial.nc")
    assert code == 0, out
    page = Path("report.html").read_text("utf-8")
    assert (
        "<strong>NEW AVATARS.</strong> Drawn anew in each replicate trial from population pdxe_test" in page
    )
    assert "takes one draw of the population, draws its avatars from it," in page
    assert "with as many other avatars of the population" in page
    assert "no name in common, so there are no pairs" in page
    assert "<dt>Model card</dt><dd>two_clone</dd>" in page


def test_one_seed_gives_one_trial_and_calibrated_avatars_are_told_apart(run: Run, made: Path) -> None:
    for name in ("one.nc", "two.nc"):
        assert run("emulate", "small.toml", "--population", made, "-o", name)[0] == 0
    assert sha256_of("one.nc") == sha256_of("two.nc")
    assert read_netcdf("one.nc", kind="trial").sizes["avatar"] == 33
    Path("small.toml").write_text(DESIGN.replace("[[arms]]", "n_avatars = 6\n\n[[arms]]", 1), "utf-8")
    code, out = run("emulate", "small.toml", "--posterior", FROZEN, "-o", "three.nc")
    assert code == 0
    assert "NEW AVATARS" not in out
    assert "the posterior's own are emulated, all of them" in out
    assert "12 trials of 33 avatars" in out
    trial = read_netcdf("three.nc", kind="trial")
    assert (trial.attrs["avatars"], trial.attrs["population"]) == ("calibrated", "")


def test_drugs_that_a_tumour_type_was_never_given_are_told(run: Run, made: Path) -> None:
    population = read_netcdf(made, kind="population")
    facts = json.loads(population.attrs["cohort"]) | {"drugs": {"": ["encorafenib"]}}
    write_netcdf(
        population.assign_attrs(cohort=json.dumps(facts)), made, read_stamp(population), kind="population"
    )
    code, out = run("emulate", "small.toml", "--population", made)
    assert code == 0
    assert "No calibrated avatar of this tumour type was given binimetinib: told by other types alone" in out


def test_wrong_populations_are_refused_in_words(run: Run, installed: str, made: Path) -> None:
    def refused(code: int, *arguments: str | Path) -> str:
        done, out = run(*arguments, "-o", "never.nc")
        assert done == code, out
        assert "Traceback" not in out
        assert not Path("never.nc").exists()
        return out

    emulate = ("emulate", "small.toml")
    out = refused(2, *emulate, "--population", "pdxe_tset")
    assert "[F10] population 'pdxe_tset'" in out
    assert "Did you mean pdxe_test? Known names: pdxe_test" in out
    assert "[F10]" in refused(2, *emulate, "--population", "no/such.nc")
    out = refused(4, *emulate, "--population", FROZEN)
    assert "this is a posterior file, and a population file is wanted here" in out
    assert "a posterior file is wanted here" in refused(4, *emulate, "--posterior", made)
    assert "a posterior file is wanted here" in refused(4, "population", made)
    for both in ((), ("--posterior", FROZEN, "--population", installed)):
        assert "[O02] emulate takes avatars from exactly one of" in refused(2, *emulate, *both)
    assert "[D97]" in refused(2, "population", FROZEN)
    for line, words in (
        ('tumor_type = "CM"\nn_avatars = 0', "cohort.n_avatars"),
        ('tumor_type = "CM"\nbiomarker_share = 1.5', "cohort.biomarker_share"),
    ):
        Path("small.toml").write_text(DESIGN.replace('tumor_type = "CM"', line), "utf-8")
        assert words in refused(2, *emulate, "--population", installed)
    Path("small.toml").write_text(DESIGN.replace('name = "encorafenib"', 'name = "dabrafenib"'), "utf-8")
    assert "[D90]" in refused(2, *emulate, "--population", installed)
    made.write_bytes(made.read_bytes()[:-100])
    assert "not the one that was written" in refused(4, "emulate", "small.toml", "--population", made)


def test_failed_gates_make_no_population(run: Run) -> None:
    tree = read_netcdf(FROZEN, kind="posterior")
    small = xr.DataTree.from_dict({"/posterior": tree["posterior"].to_dataset()[["mu_r", "log_r"]]})
    small.attrs = tree.attrs
    write_netcdf(small, "failed.nc", read_stamp(tree) | {"gates_passed": False})
    code, out = run("population", "failed.nc", "--biomarker-share", "0.5")
    assert code == 4
    assert "did not pass its convergence gates" in out
    assert not Path("population.nc").exists()
