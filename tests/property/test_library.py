"""Cards are found by path or by name, and a miss tells what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from avatar_trials import library
from avatar_trials.library import find_card, known
from avatar_trials.problems import InputError


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout: the package beside models/ and trial_designs/, no wheel library."""
    write(tmp_path / "checkout" / "pyproject.toml")
    write(tmp_path / "checkout" / "models" / "two_clone.toml")
    write(tmp_path / "checkout" / "models" / "two_clone.md")
    write(tmp_path / "checkout" / "trial_designs" / "melanoma.toml")
    write(tmp_path / "checkout" / "avatar_trials" / "panels" / "melanoma.csv")
    write(tmp_path / "checkout" / "avatar_trials" / "panels" / "melanoma_truth.csv")
    monkeypatch.setattr(library, "_PACKAGE", tmp_path / "checkout" / "avatar_trials")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "checkout"


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", "utf-8")
    return path


def test_a_name_is_found_in_the_checkout(checkout: Path) -> None:
    assert find_card("models", "two_clone") == checkout / "models" / "two_clone.toml"
    assert find_card("trial_designs", "melanoma") == checkout / "trial_designs" / "melanoma.toml"
    assert find_card("panels", "melanoma") == checkout / "avatar_trials" / "panels" / "melanoma.csv"


def test_the_wheel_comes_before_the_checkout(checkout: Path) -> None:
    wheel = write(checkout / "avatar_trials" / "_library" / "models" / "two_clone.toml")
    assert find_card("models", "two_clone") == wheel


def test_a_foreign_models_folder_beside_an_installed_package_is_not_ours(checkout: Path) -> None:
    (checkout / "pyproject.toml").unlink()
    assert known("models") == []
    with pytest.raises(InputError, match="None is installed"):
        find_card("models", "two_clone")


def test_a_path_is_a_path(checkout: Path) -> None:
    mine = write(Path("two_clone.toml"))
    assert find_card("models", "two_clone.toml") == mine.resolve()
    assert find_card("models", mine.resolve()) == mine.resolve()
    assert find_card("models", "two_clone") == checkout / "models" / "two_clone.toml"


@pytest.mark.parametrize(
    "path", ["two_clone.toml", "models/two_clone.toml", "../two_clone", "a\0b/c.toml", ".."]
)
def test_a_mistyped_path_never_falls_back_to_the_library(checkout: Path, path: str) -> None:
    with pytest.raises(InputError) as caught:
        find_card("models", path)
    assert "two_clone" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_relative_path_is_also_looked_for_beside_the_file_that_names_it(
    checkout: Path, tmp_path: Path
) -> None:
    card = write(tmp_path / "study" / "cards" / "mine.toml")
    assert find_card("models", "cards/mine.toml", beside=tmp_path / "study") == card
    near = write(Path("cards/mine.toml"))
    assert find_card("models", "cards/mine.toml", beside=tmp_path / "study") == near.resolve()


def test_a_miss_lists_the_known_names_and_the_nearest(checkout: Path) -> None:
    write(checkout / "models" / "growth_only.toml")
    with pytest.raises(InputError) as caught:
        find_card("models", "two_clones")
    text = str(caught.value)
    assert "Did you mean two_clone?" in text
    assert "growth_only, two_clone" in text
    assert caught.value.exit_code == 2


def test_known_names_are_sorted_and_without_truth_files(checkout: Path) -> None:
    write(checkout / "avatar_trials" / "panels" / "a_lung.csv")
    assert known("panels") == ["a_lung", "melanoma"]


def test_an_unknown_kind_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="models, trial_designs, interactions, benchmarks, panels"):
        known("posteriors")  # type: ignore[arg-type]
