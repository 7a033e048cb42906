"""The documents are true: what they name exists, what they promise runs, and nothing of a workplace stands anywhere."""

from __future__ import annotations

import inspect
import math
import os
import re
import runpy
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from typer.testing import CliRunner

import avatar_trials
from avatar_trials.calibrate import calibrate_avatars
from avatar_trials.card_files import load_design, load_model, load_strategies
from avatar_trials.cli import flow, outputs
from avatar_trials.cli.commands import GROUPS, app
from avatar_trials.endpoints.individual import INDIVIDUAL_COLUMNS
from avatar_trials.endpoints.population_rows import POPULATION_COLUMNS
from avatar_trials.endpoints.readout import READOUT_COLUMNS
from avatar_trials.endpoints.response import DOUBLING_VARIANTS, RULES
from avatar_trials.intake import check_volumes, read_volumes
from avatar_trials.intake.dialects import DIALECTS
from avatar_trials.kinetics.families import FAMILIES, STOCHASTIC
from avatar_trials.kinetics.two_clone import BEND_FACTOR, BEND_SHARPNESS
from avatar_trials.library import find_card
from avatar_trials.problems import errors_of
from avatar_trials.stamp import read_netcdf

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "avatar_trials"
FROZEN = ROOT / "tests" / "fixtures" / "frozen_posterior.nc"
README = (ROOT / "README.md").read_text("utf-8")
PAGES = {page.stem: page.read_text("utf-8") for page in (ROOT / "docs").glob("*.md")}
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
MODEL_PAGE = (ROOT / "models" / "two_clone.md").read_text("utf-8")
SET_UP = (
    "pip install uv && uv run avatar-trials run trial_designs/melanoma_braf_mek.toml",
    "uv run avatar-trials run trial_designs/melanoma_braf_mek.toml --volumes FILE.csv -o out/",
)
ROOMS_OF_THE_HOUSE = {"avatar_trials", "models", "trial_designs", "tests", "notebooks", ".ci"}


@cache
def committed() -> tuple[str, ...]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def section(text: str, title: str) -> str:
    """What stands below a heading of the second level."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_cells(text: str) -> list[str]:
    """First cells of a section's tables, headings apart."""
    rows = re.findall(r"^\| *(.*?) *\|", text, re.MULTILINE)
    return [row for row in rows if row.startswith("`")]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def python(*arguments: str | Path, **environment: str) -> str:
    """Standard output of a script that warns of nothing."""
    result = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "MPLBACKEND": "Agg", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def frozen_file() -> Path:
    if not FROZEN.is_file():
        pytest.skip(f"{FROZEN.name} is not there")
    return FROZEN


@pytest.fixture(scope="module")
def frozen(frozen_file: Path) -> xr.DataTree:
    tree = read_netcdf(frozen_file, kind="posterior")
    return tree


def test_the_inventory_names_every_module_and_no_other() -> None:
    named = [cell.strip("`") for cell in first_cells(section(ARCHITECTURE, "Modules"))]
    assert len(named) == len(set(named))
    assert set(named) == {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")}


def test_the_inventory_names_every_top_level_place_and_no_other() -> None:
    named = {cell.strip("`/") for cell in first_cells(section(ARCHITECTURE, "Top level"))}
    assert named == {name.split("/")[0] for name in committed()}
    assert named >= ROOMS_OF_THE_HOUSE


def test_every_model_card_has_its_page_with_a_calibration_record() -> None:
    cards = sorted((ROOT / "models").glob("*.toml"))
    assert cards
    for card in cards:
        page = card.with_suffix(".md").read_text("utf-8")
        for title in ("Equations", "What it cannot claim", "Calibration record"):
            assert f"\n## {title}\n" in page, card.name


def test_the_page_of_families_is_what_the_registry_says() -> None:
    python(ROOT / "tools" / "families.py", "--check", PYTHONPATH=str(ROOT))
    for family in (*FAMILIES, *STOCHASTIC):
        assert not family.card or (ROOT / "models" / f"{family.card}.toml").is_file()
        for module in family.module.split(", "):
            assert (PACKAGE / "kinetics" / f"{module}.py").is_file(), family.name


def test_scripts_of_designs_stay_short_and_public() -> None:
    for script in (ROOT / "trial_designs").glob("*.py"):
        text = script.read_text("utf-8")
        assert len(text.splitlines()) <= 40, script.name
        assert "from avatar_trials" not in text, script.name
        used = set(re.findall(r"\bat\.(\w+)", text))
        assert used
        assert used <= set(avatar_trials.__all__), script.name


def test_links_and_named_pages_exist() -> None:
    pages = [name for name in committed() if name.endswith(".md")]
    assert "README.md" in pages
    for page in pages:
        text = (ROOT / page).read_text("utf-8")
        links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
        linked = [link for link in links if not link.startswith(("http:", "https:"))]
        assert [link for link in linked if not (ROOT / page).parent.joinpath(link).exists()] == [], page
    known = {Path(name).name for name in committed()} | {"NAME.md"}
    for name in committed():
        if name.endswith((".md", ".py", ".toml")):
            mentioned = set(re.findall(r"\b\w+\.md\b", (ROOT / name).read_text("utf-8")))
            assert mentioned <= known, name


def test_the_two_set_up_commands_stand_as_they_are_typed() -> None:
    texts = (README, *PAGES.values())
    lines = [line for text in texts for block in blocks(text, "sh") for line in block.splitlines()]
    assert [command for command in SET_UP if command not in lines] == []
    for argument in re.findall(r"\S+/\S+\.(?:toml|py)\b", "\n".join(lines)):
        assert (ROOT / argument).is_file(), argument


def commands() -> dict[str, str]:
    """Help text by command."""
    runner = CliRunner()
    listed = runner.invoke(app, ["--help"]).output.split("Options:", 1)[1]
    names = re.findall(r"^  ([a-z][\w-]*)(?:  |$)", listed, re.MULTILINE)
    return {name: runner.invoke(app, [name, "--help"]).output for name in names}


def options(text: str) -> set[str]:
    found = set(re.findall(r"(?<![\w-])(?:--[a-z][a-z-]*|-o)\b", text)) - {"--help"}
    return {"-o" if option == "--out" else option for option in found}


def test_the_table_of_commands_is_what_help_says() -> None:
    helped = commands()
    rows = re.findall(r"^\| (`[\w-]+.*?) \|(.*)\|$", section(README, "Commands"), re.MULTILINE)
    named = {cell.strip("`").split()[0]: cell + rest for cell, rest in rows}
    assert set(named) == set(helped)
    for name, row in named.items():
        assert options(row) == options(helped[name].split("Options:", 1)[1]), name


def test_every_typed_command_line_exists() -> None:
    helped = commands()
    assert set(helped) == {example.split()[0] for group in GROUPS.values() for _, example in group}
    typed = [
        tuple(example.split(" ", 1)) for group in GROUPS.values() for _, example in group if " " in example
    ]
    for page in (README, (ROOT / "CONTRIBUTING.md").read_text("utf-8"), *PAGES.values()):
        typed += re.findall(r"avatar-trials ([a-z][\w-]*)([^`\n]*)", page)
    assert {name for name, _ in typed} >= {"run", "check"}
    for name, rest in typed:
        assert name in helped
        assert options(rest) <= options(helped[name]), f"{name}{rest}"


def test_the_files_of_a_run_are_all_told() -> None:
    told = section(PAGES["outputs"], "What `run` writes")
    written = [value for name, value in vars(outputs).items() if name.isupper() and " " not in value]
    assert len(written) >= 10
    assert [name for name in written if f"`{name}`" not in told] == []


def test_the_named_variants_are_all_told() -> None:
    told = section(PAGES["outputs"], "Rules with several readings")
    assert [name for name in (*RULES, *DOUBLING_VARIANTS) if f"`{name}`" not in told] == []


def test_the_example_table_is_read_and_the_columns_are_those_of_the_dialects(tmp_path: Path) -> None:
    told = section(README, "Tables it reads")
    (example,) = blocks(told, "csv")
    file = tmp_path / "volumes.csv"
    file.write_text(example, "utf-8")
    assert not errors_of(check_volumes(file))
    table = read_volumes(file)
    assert len(table.mice) == 2
    assert table.avatars.loc["MEL-A", "braf_mutant"] == 1
    assert not table.synthetic
    for dialect in DIALECTS:
        for name in (*dialect.required.values(), *dialect.optional.values()):
            assert re.search(rf"[`, ]{re.escape(name)}[`,]", told), (dialect.name, name)


def test_changing_a_prior_works_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = section(PAGES["cards"], "Change a prior")
    (edit,) = re.findall(r"`(location = \S+)` \(\S+/day\) under `\[priors\.mu_k\]`", " ".join(told.split()))
    (model,) = re.findall(r"`(model = \S+)`", told)
    for line in blocks(told, "sh")[0].splitlines():
        _, source, target = line.split()
        shutil.copy(ROOT / source, tmp_path / target)
    monkeypatch.chdir(tmp_path)
    card, design = Path("my_card.toml"), Path("my_design.toml")
    head, tail = card.read_text("utf-8").split("[priors.mu_k]")
    tail = re.sub(r"location = \S+", edit, tail, count=1)
    card.write_text(f"{head}[priors.mu_k]{tail}", "utf-8")
    design.write_text(re.sub(r"^model = .*$", model, design.read_text("utf-8"), flags=re.MULTILINE), "utf-8")
    checked = CliRunner().invoke(app, ["check", str(card), str(design)])
    assert checked.exit_code == 0, checked.output
    changed = flow.model_of(load_design(design), design)
    assert changed.priors["mu_k"].location == float(edit.split()[-1])
    assert changed.sha256 != load_model("two_clone").sha256


def test_the_python_example_runs(
    frozen: xr.DataTree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Everything for real but the minutes of sampling, for which a frozen posterior stands in."""

    def calibrated_before(*given: Any, **named: Any) -> xr.DataTree:
        inspect.signature(calibrate_avatars).bind(*given, **named)
        return frozen

    (example,) = blocks(PAGES["python"], "python")
    shutil.copy(find_card("panels", "melanoma_synthetic"), tmp_path / "volumes.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(avatar_trials, "calibrate_avatars", calibrated_before, raising=False)
    script = tmp_path / "example.py"
    script.write_text(example, "utf-8")
    names = runpy.run_path(str(script))
    assert names["trial"].sizes["trial"] == 200
    assert tuple(names["population"].columns) == POPULATION_COLUMNS
    assert tuple(names["individual"].columns) == INDIVIDUAL_COLUMNS
    assert "ORR" in capsys.readouterr().out


def test_the_contracts_are_what_the_files_hold(frozen: xr.DataTree) -> None:
    contracts = section(ARCHITECTURE, "Contracts")
    posterior = frozen["posterior"].to_dataset()
    priors = set(load_model("two_clone").priors)
    told = set(re.findall(r"\w+", contracts))
    for name in frozen.children:
        group = frozen[name].to_dataset()
        assert name in told
        assert {str(dim) for dim in group.dims} <= told, name
        variables = {str(variable) for variable in group.data_vars}
        deviates = {one for one in variables if one.endswith(("_deviation", "_offset"))}
        assert variables - priors - deviates <= told, name
    design = load_design("melanoma_braf_mek")
    trial = avatar_trials.emulate_trials(
        avatar_trials.cohort_from_posterior(frozen, 3, seed=design.seed), design
    )
    assert {str(dim) for dim in trial.dims} <= told
    assert {str(name) for name in trial.data_vars} <= told
    assert {*frozen.attrs, *trial.attrs} <= told
    for name in ("log_r", "log_kill", "resistance"):
        assert "avatar" in posterior[name].dims
    for columns in (READOUT_COLUMNS, POPULATION_COLUMNS, INDIVIDUAL_COLUMNS):
        assert ", ".join(columns) in " ".join(contracts.split())


def test_the_numbers_of_the_model_page_are_those_of_card_and_code() -> None:
    card = load_model("two_clone")

    def number(value: float) -> str:
        return f"{value:g}".replace("-", "−")

    page = " ".join(MODEL_PAGE.split())
    bend = card.constant("resistance_bend")
    weight = "" if BEND_FACTOR == BEND_SHARPNESS else f"{BEND_FACTOR / BEND_SHARPNESS:g} "
    assert f"s = l + {weight}softplus({BEND_SHARPNESS:g} (l − b)), b = {number(bend)}" in page
    assert f"is 1 below q = {1 / (1 + math.exp(-bend)):.2g} and {1 + BEND_FACTOR:g} above" in page
    assert f"1/K = 1/k + 1/L with L = {card.constant('clearance_per_day'):g}/day" in page
    assert f"the sphere of V + {card.observation.diameter_floor_mm3:g} mm³" in page
    assert f"P(reading < {card.observation.detection_limit_mm3:g})" in page
    assert f"N(log r_i, {card.constant('growth_mouse_sd'):g})" in page
    assert f"N(score_id, {card.constant('resistance_mouse_sd'):g})" in page


def test_nothing_of_a_workplace_is_committed() -> None:
    """Paths of a machine and pages that no reader has. The words are put together here so as not to stand here."""
    words = [
        *(f"/{folder}/" for folder in ("work", "root")),
        *(rf"/{folder}/[a-z]\w*/" for folder in ("home", "Users")),
        *(rf"\b{'_'.join(parts)}\b" for parts in (("bash", "jobs"), ("BAD", "INPUTS"))),
        rf"\b{' '.join(('issues', 'show'))}\b",
        rf"\.{'py' + 'env'}\b",
    ]
    pattern = re.compile("|".join(words))
    found = []
    for name in committed():
        text = (ROOT / name).read_bytes().decode("utf-8", "replace")
        found += [f"{name}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


def test_the_script_that_compares_arms_runs(frozen_file: Path) -> None:
    out = python("trial_designs/compare_arms.py", frozen_file, "melanoma_braf_mek", "20")
    assert all(arm in out for arm in load_design("melanoma_braf_mek").arm_names)
    assert re.search(r"^ORR +\d+ \[\d+, \d+\]", out, re.MULTILINE)
    assert "Synthetic avatars." in out


def test_the_script_that_compares_strategies_runs() -> None:
    out = python("trial_designs/compare_strategies.py", "every_strategy", "20")
    assert all(name in out for name in load_strategies("every_strategy").strategy_names)
    assert "ASSUMED" in out
