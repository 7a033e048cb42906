"""What travels: pins without addresses, and a wheel that carries the cards and the panels."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from avatar_trials.verify.references import manifest

ROOT = Path(__file__).parents[2]
PROJECT_FILE = ROOT / "pyproject.toml"
CARDS = ("models", "trial_designs", "interactions", "benchmarks")
REGISTRIES = [
    f"{host}.{top}"
    for host in ("pypi", "pythonhosted", "npmjs", "anaconda", "debian")
    for top in ("org", "com")
]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads(PROJECT_FILE.read_text("utf-8"))


@pytest.fixture(scope="module")
def pin() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pin", ROOT / "tools" / "pin.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def committed() -> list[Path]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        [git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_pins_are_those_of_the_constraints_file(pin: ModuleType, project: dict[str, Any]) -> None:
    wanted = pin.pins((ROOT / "constraints.txt").read_text("utf-8"))
    assert len(wanted) > 50
    assert project["tool"]["uv"]["constraint-dependencies"] == wanted
    text = PROJECT_FILE.read_text("utf-8")
    assert pin.with_pins(text, wanted) == text
    assert pin.with_pins(text, wanted[1:]) != text


def test_everything_asked_for_is_pinned_and_hashed(pin: ModuleType, project: dict[str, Any]) -> None:
    constraints = (ROOT / "constraints.txt").read_text("utf-8")
    pinned = {re.split(r"[= ;]", line)[0] for line in pin.pins(constraints)}
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    assert {re.split(r"[\[<>=!~ ;]", line)[0] for line in asked} <= pinned
    entries = re.split(r"\n(?=\S)", constraints.strip())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_no_address_of_a_registry_is_committed() -> None:
    pattern = re.compile("|".join(re.escape(name) for name in REGISTRIES), re.IGNORECASE)
    found = [
        str(path.relative_to(ROOT))
        for path in committed()
        if pattern.search(path.read_bytes().decode("utf-8", "replace"))
    ]
    assert found == []
    for name in ("constraints.txt", "pyproject.toml", ".ci/run"):
        text = (ROOT / name).read_text("utf-8")
        assert not re.search(r"https?://|index-url|find-links", text), name


def test_no_lock_file_is_committed() -> None:
    assert {path.name for path in committed()}.isdisjoint({"uv.lock", "pylock.toml", "poetry.lock"})


def test_card_folders_are_no_python_packages() -> None:
    assert [path for folder in CARDS for path in (ROOT / folder).rglob("__init__.py")] == []


def test_the_citation_names_the_version(project: dict[str, Any]) -> None:
    assert f"\nversion: {project['project']['version']}\n" in (ROOT / "CITATION.cff").read_text("utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not at hand")
    folder = tmp_path_factory.mktemp("dist")
    result = subprocess.run(
        [uv, "build", "--out-dir", str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return folder


def test_the_wheel_carries_cards_and_panels(built: Path) -> None:
    """The wheel is built from the sdist, so this tries both."""
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    cards = {
        f"avatar_trials/_library/{path.relative_to(ROOT)}"
        for folder in CARDS
        for path in (ROOT / folder).rglob("*.toml")
    }
    panels = {str(path.relative_to(ROOT)) for path in (ROOT / "avatar_trials" / "panels").glob("*.csv")}
    populations = {
        str(path.relative_to(ROOT)) for path in (ROOT / "avatar_trials" / "populations").glob("*.nc*")
    }
    references = {f"avatar_trials/_library/reference/{path}" for path in manifest()}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "avatar_trials").rglob("*.py")}
    assert references
    assert cards | panels | populations | references | modules | {"avatar_trials/py.typed"} <= names
    assert not [name for name in names if not name.startswith(("avatar_trials/", "avatar_trials-"))]
    assert {name for name in names if name.endswith((".nc", ".sha256"))} == populations
    assert not [name for name in names if "__pycache__" in name]


def test_the_sdist_carries_the_tests_and_no_lock(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"constraints.txt", "tools/pin.py", "tests/oracle/test_kinetics.py", "LICENSE"} <= names
    assert not [name for name in names if name.endswith("uv.lock") or name.startswith((".venv", "out/"))]
