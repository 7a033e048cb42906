"""Model cards that extend one of the library: what is taken over, what is refused, and where problems are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from avatar_trials import library
from avatar_trials.card_files import check_card, load_model
from avatar_trials.problems import InputError

HEAD = """\
schema_version = 1
extends = "graded_kill"
name = "mine"
title = "Mine"
"""
FIXED = """
[constants.deceleration]
value = 0.0
unit = "1"
meaning = "m"
source = "s"
"""
PRIOR = """
[priors.mu_k]
distribution = "normal"
location = -3.0
scale = 0.5
unit = "log 1/day"
meaning = "m"
source = "s"
by = "drug"
"""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def test_what_a_card_does_not_say_is_its_parents(card: Path) -> None:
    card.write_text(HEAD + "[observation]\nlast_day = 90.0\n" + PRIOR, "utf-8")
    mine, parent = load_model(card), load_model("graded_kill")
    assert mine.observation == parent.observation.model_copy(update={"last_day": 90.0})
    assert mine.priors == parent.priors | {"mu_k": mine.priors["mu_k"]}
    assert mine.priors["mu_k"].location == -3.0
    assert (mine.constants, mine.kinetics, mine.sampling, mine.gates) == (
        (parent.constants, parent.kinetics, parent.sampling, parent.gates)
    )
    assert (mine.name, mine.title, mine.known_misses) == ("mine", "Mine", ())


def test_a_number_in_place_of_a_prior_and_back(card: Path) -> None:
    card.write_text(HEAD + FIXED, "utf-8")
    assert "deceleration" not in load_model(card).priors
    assert load_model(card).fixed("deceleration") == 0.0
    learnt = FIXED.replace("constants", "priors").replace(
        "value = 0.0", 'distribution = "beta"\nlocation = 2.0\nscale = 2.0'
    )
    card.write_text(HEAD.replace("graded_kill", "two_clone_no_deceleration") + learnt, "utf-8")
    assert load_model(card).fixed("deceleration") is None
    assert set(load_model(card).priors) == set(load_model("two_clone").priors)


def test_another_law_drops_the_priors_it_has_no_use_for(card: Path) -> None:
    card.write_text(HEAD + 'kinetics = "stein_fojo"\n', "utf-8")
    assert set(load_model("graded_kill").priors) - set(load_model(card).priors) == {
        *("mu_spread", "omega_spread", "sigma_spread_combination", "cross_resistance")
    }
    card.write_text(HEAD + 'kinetics = "stein_fojo"\n' + PRIOR.replace("mu_k", "mu_spread"), "utf-8")
    (problem,) = check_card(card)
    assert "unknown mu_spread" in problem.what


def test_a_change_of_the_parent_changes_the_hash(
    card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card.write_text(HEAD, "utf-8")
    before, draws = load_model(card).sha256, load_model(card).sampling.draws
    shelf = tmp_path / "library"
    shelf.mkdir()
    text = library.find_card("models", "graded_kill").read_text("utf-8")
    (shelf / "graded_kill.toml").write_text(text.replace(f"draws = {draws}", f"draws = {draws + 1}"), "utf-8")
    monkeypatch.setattr(library, "_folders", lambda kind: [shelf])
    assert load_model(card).sampling.draws == draws + 1
    assert load_model(card).sha256 != before


@pytest.mark.bad_input(85)
@pytest.mark.parametrize(
    "named", ["nothing", "../graded_kill", "mine.toml", "/etc/passwd", "", "GRADED_KILL"]
)
def test_only_names_of_the_library_can_be_extended(card: Path, named: str) -> None:
    """A card cannot reach for files: names, never paths."""
    card.write_text(HEAD.replace('"graded_kill"', f'"{named}"'), "utf-8")
    (problem,) = check_card(card)
    assert (problem.code, problem.line, problem.column) == ("D81", 2, "extends")
    assert "Known names: " in problem.fix


@pytest.mark.parametrize("value", ["3", "true", "[]", "{a = 1}", "nan"])
def test_what_is_no_name_is_no_parent(card: Path, value: str) -> None:
    card.write_text(HEAD.replace('"graded_kill"', value), "utf-8")
    (problem,) = check_card(card)
    assert (problem.code, problem.line) == ("D81", 2)


@pytest.mark.bad_input(85)
def test_cards_that_extend_one_another_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, parent in (("one", "two"), ("two", "one"), ("self", "self")):
        text = HEAD.replace("graded_kill", parent).replace("mine", name)
        (tmp_path / f"{name}.toml").write_text(text, "utf-8")
    monkeypatch.setattr(library, "_folders", lambda kind: [tmp_path])
    for name in ("one", "self"):
        with pytest.raises(InputError) as refused:
            load_model(name)
        (problem,) = refused.value.problems
        assert (problem.code, problem.line) == ("D82", 2)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (HEAD + "[sampling]\ndraws = 3\n", 6, "greater than or equal to 50"),
        (HEAD + "[sampling]\nmin_depth = 11\n", 5, "min_depth 11 must not be above max_depth 10"),
        (
            HEAD.replace('"graded_kill"', '"graded_kill_large"') + "[sampling]\nmax_depth = 7\n",
            5,
            "min_depth 8 must not be above max_depth 7",
        ),
        (HEAD + "[sampling]\nmax_depth = 15\n", 6, "less than or equal to 14"),
        (HEAD + "[observation]\nstart_within_factor = 1.0\n", 6, "greater than 1"),
        (HEAD + "[observation]\nstart_within_factor = nan\n", 6, "finite number, got nan"),
        (HEAD + PRIOR.replace("0.5", "-1"), 9, "greater than 0"),
        (HEAD + "[observation]\nlast_dya = 3.0\n", 6, "unknown key last_dya"),
        (HEAD + "prior = 3\n", 5, "unknown key prior"),
        (HEAD + "priors = 3\n", 5, "dictionary"),
        (HEAD + "observation = 3\n", 5, "Observation"),
        (HEAD + 'kinetics = "gompertz"\n', 5, "got 'gompertz'"),
        (HEAD + "kinetics = []\n", 5, "'two_clone'"),
        (HEAD + FIXED.replace("0.0", "-0.1"), None, "deceleration must not be below 0"),
        (HEAD + FIXED.replace("deceleration", "wandre"), None, "unknown wandre"),
        (HEAD.replace('title = "Mine"\n', ""), None, "is missing"),
    ],
)
def test_problems_are_told_at_the_lines_of_the_card_itself(
    card: Path, text: str, line: int | None, says: str
) -> None:
    card.write_text(text, "utf-8")
    problems = check_card(card)
    assert any(says in problem.what for problem in problems), problems
    assert line in [problem.line for problem in problems]


def test_both_a_prior_and_a_number_is_one_too_many(card: Path) -> None:
    prior = PRIOR.replace("mu_k", "deceleration").replace('by = "drug"\n', "")
    card.write_text(HEAD + FIXED + prior, "utf-8")
    (problem,) = check_card(card)
    assert "unknown deceleration" in problem.what


def test_drugs_of_a_class_need_normal_priors_and_a_law_of_kill(card: Path) -> None:
    card.write_text(HEAD + PRIOR.replace('"normal"', '"lognormal"').replace("-3.0", "0.05"), "utf-8")
    with pytest.raises(InputError, match="mu_k must have a normal prior"):
        load_model(card)
    classes = 'class_share = 0.5\n[drug_classes]\nMEK = ["a", "b"]\n'
    card.write_text(HEAD.replace("graded_kill", "two_clone") + classes, "utf-8")
    with pytest.raises(InputError, match="two_clone know no classes"):
        load_model(card)


@pytest.mark.parametrize("name", ["../mine", "a/b", "a\\b", ""])
def test_a_name_that_would_leave_its_folder_is_refused(card: Path, name: str) -> None:
    """`compare` writes NAME.nc."""
    card.write_text(HEAD.replace('name = "mine"', f"name = '{name}'"), "utf-8")
    with pytest.raises(InputError, match=r"mine\.toml:\d+:name \[D78\]"):
        load_model(card)
