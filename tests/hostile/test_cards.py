"""Designs and model cards as they arrive: every problem in the user's terms, with file and line, and no traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from avatar_trials.card_files import check_card, load_design, load_model
from avatar_trials.cli import flow
from avatar_trials.designs import TrialDesign
from avatar_trials.library import find_card
from avatar_trials.model_cards import ModelCard
from avatar_trials.problems import InputError, Problem
from tests.bad_inputs import numbered

DESIGN = """\
schema_version = 1
name = "d"
title = "A design"
question = "Which arm?"
model = "two_clone"
seed = 7
replicates = 10

[cohort]
panel = "melanoma_synthetic"
tumor_type = "CM"

[[arms]]
name = "untreated"

[[arms]]
name = "encorafenib"

[[arms]]  # the third
name = "binimetinib + encorafenib"

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
doubling = "pct_sheet"
level = 0.9
"""
MODEL = find_card("models", "two_clone").read_text("utf-8")


def line_of(text: str, start: str, *, after: str = "") -> int:
    """Number of the first line that starts so, below the line that starts with `after`."""
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(after))
    return next(number for number, line in enumerate(lines) if number >= first and line.startswith(start)) + 1


def problems_of(tmp_path: Path, content: str | bytes) -> list[Problem]:
    file = tmp_path / "card.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return check_card(file)


def test_the_sound_cards_are_sound(tmp_path: Path) -> None:
    assert problems_of(tmp_path, DESIGN) == []
    design = load_design(tmp_path / "card.toml")
    assert design.arm_names == ["untreated", "encorafenib", "binimetinib + encorafenib"]
    assert problems_of(tmp_path, MODEL) == []
    assert isinstance(load_model(tmp_path / "card.toml"), ModelCard)


TWO_ARMS = DESIGN[DESIGN.index('\n[[arms]]\nname = "enc') : DESIGN.index("\n[visits]")]
COURSE = 'name = "encorafenib"\nlabel = "c"\ncourse = '


@dataclass(frozen=True)
class Case:
    """A line of the sound design (the first that starts so) put otherwise, and what is said of it."""

    name: str
    start: str
    instead: str
    says: str
    column: str
    below: int = 0
    """How many lines below the changed line the problem is told."""


WHOLE, NUMBER = "expected a whole number", "expected a number"
CASES = [
    Case("78 text", "replicates", 'replicates = "ten"', f"{WHOLE}, got 'ten'", "replicates"),
    Case("78 bool", "replicates", "replicates = true", f"{WHOLE}, got True", "replicates"),
    Case("78 fraction", "replicates", "replicates = 1.5", f"{WHOLE}, got 1.5", "replicates"),
    Case("78 list", "replicates", "replicates = [10]", WHOLE, "replicates"),
    Case("78 date", "replicates", "replicates = 1979-05-27", WHOLE, "replicates"),
    Case(
        "78 number as text",
        "horizon_days",
        'horizon_days = "60"',
        f"{NUMBER}, got '60'",
        "visits.horizon_days",
    ),
    Case("78 number as bool", "size_mm3", "size_mm3 = true", f"{NUMBER}, got True", "stopping.size_mm3"),
    Case(
        "78 bool in a list", "gaps_days", "gaps_days = [3, true]", f"{NUMBER}, got True", "visits.gaps_days.1"
    ),
    Case("78 text as number", "title", "title = 5", "valid string, got 5", "title"),
    Case("78 table as text", "[cohort]", 'cohort = "CM"\n[other]', "got 'CM'", "cohort"),
    Case("79 nan", "horizon_days", "horizon_days = nan", "finite number, got nan", "visits.horizon_days"),
    Case("79 inf", "size_mm3", "size_mm3 = inf", "finite number, got inf", "stopping.size_mm3"),
    Case("79 -inf", "level", "level = -inf", "finite number, got -inf", "endpoints.level"),
    Case("79 1e400", "size_mm3", "size_mm3 = 1e400", "finite number", "stopping.size_mm3"),
    Case("79 nan in a list", "hazard_per_day", "hazard_per_day = [0, nan, 1]", "got nan", "hazard_per_day.1"),
    Case(
        "80 unknown key",
        "replicates",
        "replicates = 3\ntreatmnet = 1",
        "unknown key treatmnet",
        "treatmnet",
        below=1,
    ),
    Case(
        "80 unknown in a table",
        "size_mm3",
        "size_mm3 = 3\nsize_cm3 = 1",
        "unknown key size_cm3",
        "size_cm3",
        below=1,
    ),
    Case(
        "80 unknown in an arm",
        'name = "enc',
        'name = "A"\ndose = 1',
        "unknown key dose",
        "arms.1.dose",
        below=1,
    ),
    Case(
        "86 zero horizon",
        "horizon_days",
        "horizon_days = 0",
        "greater than or equal to 10",
        "visits.horizon_days",
    ),
    Case("86 negative", "size_mm3", "size_mm3 = -1500", "greater than 0, got -1500", "stopping.size_mm3"),
    Case("86 zero size", "size_mm3", "size_mm3 = 0", "greater than 0, got 0", "stopping.size_mm3"),
    Case("86 negative hazard", "hazard_per_day", "hazard_per_day = [0, -1, 0]", "got -1", "hazard_per_day.1"),
    Case(
        "86 negative day",
        "from_day",
        "from_day = -3",
        "greater than or equal to 0, got -3",
        "removal.from_day",
    ),
    Case(
        "86 negative dose",
        'name = "enc',
        COURSE + "[[0, -1], [7, 1]]",
        "greater than or equal to 0, got -1",
        "arms.1.course.0.1",
        below=2,
    ),
    Case(
        "86 dose above all",
        'name = "enc',
        COURSE + "[[0, 2]]",
        "less than or equal to 1, got 2",
        "arms.1.course.0.1",
        below=2,
    ),
    Case(
        "87 days that fall", 'name = "enc', COURSE + "[[0, 1], [9, 0], [7, 1]]", "go up in days", "arms.1", -1
    ),
    Case("87 a day twice", 'name = "enc', COURSE + "[[0, 1], [7, 0], [7, 1]]", "go up in days", "arms.1", -1),
    Case("87 from day 3", 'name = "enc', COURSE + "[[3, 1]]", "start on day 0", "arms.1", -1),
    Case(
        "89 visits every 0 days",
        "gaps_days",
        "gaps_days = [0]",
        "greater than 0, got 0",
        "visits.gaps_days.0",
    ),
    Case(
        "89 visits every 1e-9 days",
        "gaps_days",
        "gaps_days = [3, 1e-9]",
        "at least 0.25 days",
        "visits.gaps_days",
    ),
    Case("89 no visits", "gaps_days", "gaps_days = []", "at least 0.25 days", "visits.gaps_days"),
    Case(
        "91 one arm twice", 'name = "enc', 'name = "encorafenib+binimetinib"', "given twice", "arms", below=-4
    ),
    Case("91 but for case", 'name = "enc', 'name = "Untreated"', "given twice", "arms", below=-4),
    Case(
        "91 but for the drugs' case",
        'name = "enc',
        'name = "Encorafenib + BINIMETINIB"',
        "given twice",
        "arms",
        below=-4,
    ),
    Case("53 a drug twice", 'name = "enc', 'name = "A + a"', "names the drug", "arms.1.name"),
    Case("arm of nothing", 'name = "enc', 'name = "A + "', "beside a +", "arms.1.name"),
    Case(
        "arm beside untreated", 'name = "enc', 'name = "untreated + A"', "combines untreated", "arms.1.name"
    ),
    Case("third arm", 'name = "binimetinib', 'name = ""', "no drug name", "arms.2.name"),
    Case("92 no replicates", "replicates", "replicates = 0", "greater than or equal to 1", "replicates"),
    Case("92 negative", "replicates", "replicates = -1", "greater than or equal to 1", "replicates"),
    Case(
        "93 1e9 replicates",
        "replicates",
        "replicates = 1000000000",
        "less than or equal to 100000",
        "replicates",
    ),
    Case(
        "92 no avatars",
        "tumor_type",
        'tumor_type = "CM"\nn_avatars = 0',
        "greater than or equal to 1, got 0",
        "cohort.n_avatars",
        below=1,
    ),
    Case(
        "93 1e9 avatars",
        "tumor_type",
        'tumor_type = "CM"\nn_avatars = 1000000000',
        "less than or equal to 10000",
        "cohort.n_avatars",
        below=1,
    ),
    Case("94 seed -1", "seed", "seed = -1", "greater than or equal to 0, got -1", "seed"),
    Case("94 seed 1.5", "seed", "seed = 1.5", WHOLE, "seed"),
    Case("94 seed true", "seed", "seed = true", WHOLE, "seed"),
    Case("94 seed text", "seed", 'seed = "abc"', WHOLE, "seed"),
    Case("94 seed 10^40", "seed", f"seed = 1{'0' * 40}", "less than 3402823669", "seed"),
    Case(
        "94 seed of 5,000 digits, hexadecimal",
        "seed",
        f"seed = 0x1{'f' * 5000}",
        "more than a hundred digits",
        "seed",
    ),
    Case(
        "95 a unit in words",
        "horizon_days",
        'horizon_days = "21 weeks"',
        f"{NUMBER}, got '21 weeks'",
        "visits.horizon_days",
    ),
    Case(
        "95 no unit",
        "horizon_days",
        "horizon_days = 60\nhorizon = 60",
        "unknown key horizon",
        "visits.horizon",
        below=1,
    ),
    Case("level in percent", "level", "level = 90", "less than 1, got 90", "endpoints.level"),
    Case(
        "unknown rule",
        "mrecist_rule",
        'mrecist_rule = "recist"',
        "'gao2015_text', 'pct_sheet' or 'xeva'",
        "mrecist_rule",
    ),
    Case(
        "bands that fall",
        "from_relative",
        "from_relative_volume = [0, 2, 1]",
        "must increase",
        "stopping.removal",
        below=-2,
    ),
    Case(
        "bands from 1",
        "from_relative",
        "from_relative_volume = [1, 2, 3]",
        "starts at 0",
        "stopping.removal",
        below=-2,
    ),
    Case(
        "a removal of no type of the cohort",
        "[endpoints]",
        "[stopping.removal_of_type.GC]\nfrom_relative_volume = [0]\nhazard_per_day = [0]\nsource = 's'\n[endpoints]",
        "removal_of_type names GC; the cohort's tumour types are CM",
        "stopping",
        below=-9,
    ),
    Case(
        "a band too few",
        "from_relative",
        "from_relative_volume = [0, 2]",
        "one hazard_per_day",
        "stopping.removal",
        below=-2,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: numbered(case.name))
def test_a_bad_design_is_refused_at_its_line(tmp_path: Path, case: Case) -> None:
    number = line_of(DESIGN, case.start)
    lines = DESIGN.splitlines()
    lines[number - 1] = case.instead
    found = problems_of(tmp_path, "\n".join(lines))
    (problem,) = [problem for problem in found if problem.column.endswith(case.column)]
    assert problem.severity == "error"
    assert case.says in problem.what
    assert problem.line == number + case.below
    assert str(problem).startswith(f"{tmp_path / 'card.toml'}:{problem.line}:{problem.column} [")
    assert len(str(problem)) < 500


@pytest.mark.bad_input(79)
def test_minus_nought_is_nought(tmp_path: Path) -> None:
    assert problems_of(tmp_path, DESIGN.replace("from_day = 21", "from_day = -0.0")) == []
    (problem,) = problems_of(tmp_path, DESIGN.replace("size_mm3 = 1500", "size_mm3 = -0.0"))
    assert "greater than 0, got -0.0" in problem.what


@pytest.mark.bad_input(88, 91)
@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        (
            DESIGN.replace('name = "encorafenib"', COURSE + "[[0, 1], [90, 0]]"),
            19,
            "arms.1.course",
            "the dose of 'c' changes on day 90, when the trial has ended",
        ),
        (
            DESIGN.replace('name = "encorafenib"', COURSE + "[[0, 1], [60, 0]]"),
            19,
            "arms.1.course",
            "the dose of 'c' changes on day 60, when the trial has ended",
        ),
        (DESIGN.replace(TWO_ARMS, ""), 13, "arms.0", "one arm only, untreated"),
    ],
)
def test_a_doubtful_design_is_used_and_told(
    tmp_path: Path, text: str, line: int, column: str, says: str
) -> None:
    (problem,) = problems_of(tmp_path, text)
    assert (problem.severity, problem.code, problem.line, problem.column) == ("warning", "D88", line, column)
    assert says in problem.what
    load_design(tmp_path / "card.toml")
    (tmp_path / "card.toml").write_text(text, "utf-8")
    done = run("emulate", "card.toml", "--posterior", "none.nc", folder=tmp_path)
    assert done.returncode == 4
    assert done.stderr.splitlines()[0] == f"card.toml:{line}:{column} [D88] {problem.what}. {problem.fix}"


@pytest.mark.bad_input(85)
@pytest.mark.parametrize(
    "named", ["../secret.toml", "{outside}/secret.toml", "./link.toml", "sub/../../secret.toml"]
)
def test_a_design_reaches_for_no_file_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """A path in a design leads into its folder or the working folder; one that a user types leads anywhere."""
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    secret = tmp_path / "secret.toml"
    secret.write_text(MODEL, "utf-8")
    (here / "link.toml").symlink_to(secret)
    (here / "own.toml").write_text(MODEL, "utf-8")
    monkeypatch.chdir(here)
    design = load_design_of(DESIGN.replace('"two_clone"', f'"{named.format(outside=tmp_path)}"'))
    with pytest.raises(
        InputError, match=r"\[F12\] model card .* lies outside the folder of the file that names it"
    ):
        flow.model_of(design, Path("design.toml"))
    assert load_model(secret).name == "two_clone"
    for inside in ("./own.toml", "sub/../own.toml", f"{here}/own.toml"):
        design = load_design_of(DESIGN.replace('"two_clone"', f'"{inside}"'))
        assert flow.model_of(design, Path("design.toml")).name == "two_clone"
    (tmp_path / "panel.csv").write_text("", "utf-8")
    design = load_design_of(DESIGN.replace('"melanoma_synthetic"', '"../panel.csv"'))
    with pytest.raises(InputError, match=r"\[F12\] panel '\.\./panel\.csv' lies outside"):
        flow.volumes_for(design, None)


def load_design_of(text: str) -> TrialDesign:
    Path("design.toml").write_text(text, "utf-8")
    return load_design("design.toml")


def test_a_file_without_end_is_read_no_further_than_a_card_goes(tmp_path: Path) -> None:
    with (tmp_path / "huge.toml").open("wb") as file:
        file.truncate(10**12)
    for load in (load_design, load_model):
        with pytest.raises(InputError, match=r"\[F11\] more than 1,048,576 bytes"):
            load(tmp_path / "huge.toml")
    assert [problem.code for problem in check_card(tmp_path / "huge.toml")] == ["F11"]


@pytest.mark.bad_input(94)
@pytest.mark.parametrize("seed", ["0", str(2**128 - 1), "0x10", "1_000"])
def test_seeds_that_are_seeds(tmp_path: Path, seed: str) -> None:
    assert problems_of(tmp_path, DESIGN.replace("seed = 7", f"seed = {seed}")) == []


FILES = [
    ("82 UTF-16", DESIGN.encode("utf-16"), "F01", "not UTF-8", None),
    ("82 Latin-1", DESIGN.replace("A design", "Entw\xfcrfe").encode("latin-1"), "F01", "not UTF-8", None),
    ("81 key twice", DESIGN.replace("seed = 7", "seed = 7\nseed = 8"), "F08", "not TOML", 7),
    ("81 table twice", DESIGN + "[cohort]\n", "F08", "not TOML", len(DESIGN.splitlines()) + 1),
    ("83 500 brackets", "a = " + "[" * 500 + "]" * 500, "F09", "nested too deep", None),
    ("84 YAML", "schema_version: 1\narms:\n  - name: NO\n", "F08", "not TOML", 1),
    ("84 YAML tag", "!!python/object/apply:os.system ['true']\n", "F08", "not TOML", 1),
    ("84 JSON", '{"schema_version": 1}', "F08", "not TOML", 1),
    ("NUL", DESIGN.replace("A design", "A\0design"), "F08", "not TOML", 3),
    ("unterminated", DESIGN.replace('"A design"', '"A design'), "F08", "not TOML", 3),
    ("94 seed of 5,000 digits", DESIGN.replace("seed = 7", f"seed = {'1' * 5000}"), "F08", "digits", None),
    ("empty", "", "F96", "schema_version is None", None),
    ("comment", "# nothing\n", "F96", "schema_version is None", None),
    ("96 missing", DESIGN.replace("schema_version = 1\n", ""), "F96", "schema_version is None", None),
    ("96 newer", DESIGN.replace("version = 1", "version = 2"), "F96", "is 2; this version reads 1", 1),
    ("96 older", DESIGN.replace("version = 1", "version = 0"), "F96", "is 0", 1),
    ("96 text", DESIGN.replace("version = 1", 'version = "1"'), "F96", "is '1'", 1),
    ("96 bool", DESIGN.replace("version = 1", "version = true"), "F96", "is True", 1),
    ("96 fraction", DESIGN.replace("version = 1", "version = 1.0"), "F96", "is 1.0", 1),
    ("a hash of its own", DESIGN.replace("seed", 'sha256 = "0"\nseed'), "D80", "unknown key sha256", 6),
    ("1 MB", "#" * (1 << 20) + "\n" + DESIGN, "F11", "too long", None),
]


@pytest.mark.parametrize(
    ("name", "content", "code", "says", "line"), FILES, ids=[numbered(file[0]) for file in FILES]
)
def test_files_that_are_no_designs(
    tmp_path: Path, name: str, content: str | bytes, code: str, says: str, line: int | None
) -> None:
    (problem,) = problems_of(tmp_path, content)
    assert (problem.code, problem.line) == (code, line)
    assert says in problem.what


@pytest.mark.bad_input(82)
def test_a_byte_order_mark_and_windows_lines_are_accepted(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "\ufeff" + DESIGN) == []
    assert problems_of(tmp_path, DESIGN.replace("\n", "\r\n")) == []
    wrong = DESIGN.replace("size_mm3 = 1500", "size_mm3 = 0").replace("\n", "\r\n")
    assert [problem.line for problem in problems_of(tmp_path, "\ufeff" + wrong)] == [
        line_of(DESIGN, "size_mm3")
    ]


def test_deep_dotted_keys_are_an_unknown_key(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, DESIGN.replace("seed = 7", "seed = 7\nx" + ".a" * 3000 + " = 1"))
    assert problem.what == "unknown key x"
    assert problem.line == 7


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = (
        DESIGN.replace("seed = 7", "seed = -1")
        .replace("horizon_days = 60", "horizon_days = nan")
        .replace("size_mm3 = 1500", 'size_mm3 = "large"')
        .replace("level = 0.9", "level = 2")
        .replace('name = "encorafenib"', 'nmae = "encorafenib"')
    )
    found = problems_of(tmp_path, text)
    assert [(problem.line, problem.column) for problem in found] == [
        (line_of(text, "seed"), "seed"),
        (line_of(text, "nmae") - 1, "arms.1.name"),
        (line_of(text, "nmae"), "arms.1.nmae"),
        (line_of(text, "horizon"), "visits.horizon_days"),
        (line_of(text, "size"), "stopping.size_mm3"),
        (line_of(text, "level"), "endpoints.level"),
    ]
    with pytest.raises(InputError) as refused:
        load_design(tmp_path / "card.toml")
    assert str(refused.value).count("\n") == 5
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("gone", "column", "table"),
    [
        ("name", "name", None),
        ("model", "model", None),
        ("replicates", "replicates", None),
        ("size_mm3", "stopping.size_mm3", "[stopping]"),
        ("hazard_per_day", "stopping.removal.hazard_per_day", "[stopping.removal]"),
        ("mrecist_rule", "endpoints.mrecist_rule", "[endpoints]"),
        ("tumor_type", "cohort.tumor_type", "[cohort]"),
    ],
)
def test_a_missing_key_is_told_at_its_table(
    tmp_path: Path, gone: str, column: str, table: str | None
) -> None:
    """And never at a key of the same name elsewhere: an arm has a name too."""
    lines = DESIGN.splitlines()
    del lines[line_of(DESIGN, gone) - 1]
    text = "\n".join(lines)
    (problem,) = problems_of(tmp_path, text)
    assert (problem.column, problem.what) == (column, "is missing")
    assert problem.line == (line_of(text, table) if table else None)


def test_a_design_without_arms(tmp_path: Path) -> None:
    without = re.sub(r"\[\[arms\]\].*\nname.*\n", "", DESIGN)
    (problem,) = problems_of(tmp_path, without)
    assert (problem.column, problem.what) == ("arms", "is missing")
    for value in ("[]", '"A"', "{}"):
        (problem,) = problems_of(tmp_path, without.replace("seed = 7", f"seed = 7\narms = {value}"))
        assert (problem.column, problem.line) == ("arms", 7)


def replaced(table: str, key: str, value: str) -> str:
    """The model card with one key of a table put otherwise; an empty value deletes it."""
    number = line_of(MODEL, key, after=f"[{table}]")
    lines = MODEL.splitlines()
    lines[number - 1 : number] = [f"{key} = {value}"] if value else []
    return "\n".join(lines)


MODELS = [
    ("priors.mu_k", "scale", "0.0", "greater than 0, got 0.0"),
    ("priors.mu_k", "scale", "inf", "finite number"),
    ("priors.mu_k", "location", "nan", "finite number"),
    ("priors.mu_k", "location", "true", "expected a number"),
    ("priors.mu_k", "distribution", '"cauchy"', "'normal', 'lognormal' or 'beta'"),
    ("priors.mu_k", "by", '"avatar"', "'drug'"),
    ("priors.wander", "source", "", "is missing"),
    ("constants.growth_mouse_sd", "value", '"a quarter"', "expected a number, got 'a quarter'"),
    ("constants.growth_mouse_sd", "value", "nan", "finite number"),
    ("observation", "detection_limit_mm3", "0", "greater than 0"),
    ("observation", "diameter_floor_mm3", "-5", "greater than 0"),
    ("sampling", "chains", "1", "greater than or equal to 2"),
    ("sampling", "draws", "0", "greater than or equal to 50"),
    ("sampling", "target_accept", "1.0", "less than 1"),
    ("gates", "r_hat", "0.9", "greater than 1"),
    ("gates", "ess_bulk", "-1", "greater than 0"),
]


@pytest.mark.parametrize(("table", "key", "value", "says"), MODELS)
def test_a_bad_model_card_is_refused_at_its_line(
    tmp_path: Path, table: str, key: str, value: str, says: str
) -> None:
    text = replaced(table, key, value)
    (problem,) = problems_of(tmp_path, text)
    assert says in problem.what
    assert problem.column == f"{table}.{key}"
    header = line_of(text, f"[{table}]")
    assert problem.line == (line_of(text, key, after=f"[{table}]") if value else header)


def test_priors_and_constants_are_those_of_the_kinetics(tmp_path: Path) -> None:
    lines = MODEL.splitlines()
    start = line_of(MODEL, "[priors.eta]") - 1
    end = next(n for n in range(start + 1, len(lines)) if lines[n].startswith("["))
    eta = lines[start:end]
    (problem,) = problems_of(tmp_path, "\n".join(lines[:start] + lines[end:]))
    assert "missing eta; unknown none" in problem.what
    (problem,) = problems_of(tmp_path, "\n".join([*lines, "", "[priors.etta]", *eta[1:]]))
    assert "missing none; unknown etta" in problem.what
    (problem,) = problems_of(tmp_path, replaced("priors.omega_k", "location", "-0.8"))
    assert "location of a lognormal prior must be above 0, got -0.8" in problem.what
    assert problem.line == line_of(MODEL, "[priors.omega_k]")


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("constants.clearance_per_day", "value", "-0.5"),
        ("constants.growth_mouse_sd", "value", "-0.25"),
        ("priors.omega_r", "distribution", '"normal"'),
        ("priors.h2", "distribution", '"normal"'),
        ("priors.slowing", "by", ""),
        ("priors.mu_r", "source", '"s"\nby = "drug"'),
    ],
)
def test_a_parameter_outside_its_support_is_refused(tmp_path: Path, table: str, key: str, value: str) -> None:
    """Else the check says "can be used", and the calibration ends in a traceback or in a silent NaN."""
    assert problems_of(tmp_path, replaced(table, key, value)) != []


def test_a_design_needs_a_visit_after_baseline(tmp_path: Path) -> None:
    assert problems_of(tmp_path, DESIGN.replace("gaps_days = [3, 4]", "gaps_days = [61]")) != []


def test_a_design_given_as_a_model_and_the_other_way_round(tmp_path: Path) -> None:
    design, model = tmp_path / "design.toml", tmp_path / "model.toml"
    design.write_text(DESIGN, "utf-8")
    model.write_text(MODEL, "utf-8")
    with pytest.raises(InputError, match=r"kinetics .*is missing"):
        load_model(design)
    with pytest.raises(InputError, match=r"arms .*is missing"):
        load_design(model)


def test_a_terminal_is_not_drawn_on(tmp_path: Path) -> None:
    hostile = DESIGN.replace('"pct_sheet"\nd', '"\\u001b[31mred\\u202e"\nd')
    (problem,) = problems_of(tmp_path, hostile)
    assert str(problem).isprintable()
    (problem,) = problems_of(tmp_path, DESIGN.replace("size_mm3 = 1500", f'size_mm3 = "{"x" * 100_000}"'))
    assert len(str(problem)) < 500


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_mutation_of_a_design_raises(data: st.DataObject, tmp_path: Path) -> None:
    """Lines dropped, doubled, swapped and spliced with odd values: a list of problems, never an exception."""
    lines = DESIGN.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        number = data.draw(st.integers(0, len(lines) - 1))
        kind = data.draw(st.sampled_from(["drop", "double", "swap", "value", "bytes"]))
        if kind == "drop" and len(lines) > 1:
            del lines[number]
        elif kind == "double":
            lines.insert(number, lines[number])
        elif kind == "swap":
            other = data.draw(st.integers(0, len(lines) - 1))
            lines[number], lines[other] = lines[other], lines[number]
        elif kind == "value":
            value = data.draw(st.sampled_from(ODD))
            lines[number] = f"{lines[number].split('=')[0].strip()} = {value}"
        else:
            lines[number] += data.draw(st.text(max_size=4))
    problems = problems_of(tmp_path, "\n".join(lines).encode("utf-8", "surrogatepass"))
    assert all(problem.severity == "error" and str(problem).isprintable() for problem in problems)
    if not problems:
        assert isinstance(load_design(tmp_path / "card.toml"), TrialDesign)


ODD = [
    *("nan", "-inf", "-0.0", "0", "-1", "1e308", "true", '""', '"A + B"', "[]", "[[]]", "{}", "{a = 1}"),
    *("1979-05-27", "12:30:45", "07:32:00Z", "[0, 1e999]", '["x"]', "9" * 60, "'''\n'''", "0b1", '"\\u0000"'),
]


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from avatar_trials.cli import main; main()", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "content",
    [
        DESIGN.replace("seed = 7", "seed = -1").replace("level = 0.9", "level = 9"),
        "arms:\n - name: NO\n",
        "a = " + "[" * 500 + "]" * 500,
        DESIGN.replace("seed = 7", f"seed = {'1' * 5000}"),
    ],
    ids=["two problems", "YAML", "deep", "long number"],
)
def test_through_the_command_line_with_exit_code_2(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.toml").write_text(content, "utf-8")
    for command in (["check", "bad.toml"], ["emulate", "bad.toml", "--posterior", "none.nc"]):
        done = run(*command, folder=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert "bad.toml" in (done.stdout if command[0] == "check" else done.stderr)
        assert sorted(file.name for file in tmp_path.iterdir()) == ["bad.toml"]


def test_what_is_no_file_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "link.toml").symlink_to(tmp_path / "nowhere.toml")
    for name in ("folder.toml", "link.toml", "missing.toml", "melanoma_braf_meek"):
        with pytest.raises(InputError) as refused:
            load_design(tmp_path / name if name.endswith("toml") else name)
        assert len(refused.value.problems) == 1
        assert refused.value.problems[0].code == "F10"
    with pytest.raises(InputError, match=r"Did you mean melanoma_braf_mek\?"):
        load_design("melanoma_braf_meek")
