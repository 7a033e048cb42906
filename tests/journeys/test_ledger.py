"""The ledger of systems is true: what it names exists, and what is not built says nothing else."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEDGER = (ROOT / "models" / "ledger.md").read_text("utf-8")


def rows() -> list[list[str]]:
    """Cells of every row, heads and rules apart."""
    lines = [line for line in LEDGER.splitlines() if line.startswith("| ")]
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if not line.startswith("| system")
    ]


def test_every_row_names_a_place_and_a_test_that_exist() -> None:
    assert len(rows()) >= 40
    for system, where, basis, test, result in rows():
        if not where.startswith("`"):
            assert where in ("not built", "out of scope"), system
            assert not test, system
            continue
        assert (ROOT / where.strip("`")).is_file(), where
        file, name = test.strip("`").split("::")
        assert re.search(rf"^def {name}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), test
        assert basis, system
        assert result, system


def test_every_design_of_strategies_has_a_row() -> None:
    for path in (ROOT / "trial_designs").rglob("*.toml"):
        if "[[strategies]]" in path.read_text("utf-8"):
            assert f"`{path.relative_to(ROOT).as_posix()}`" in LEDGER, path.name
