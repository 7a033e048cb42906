"""Reference numbers that travel with the program: R's survival, 30-digit solutions, quadrature, published tables."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pandas as pd

from avatar_trials.stamp import StampError, sha256_of
from avatar_trials.verify.comparison import Comparisons, holds

_PACKAGE: Final = Path(__file__).resolve().parents[1]
_MANIFEST: Final = "reference.txt"


def folder() -> Path:
    """Where the references lie: in the wheel's library, or in a checkout. StampError where they are missing."""
    for place in (_PACKAGE / "_library" / "reference", _PACKAGE.parent / "tests" / "fixtures"):
        if place.is_dir():
            return place
    raise StampError("the reference numbers of this program are missing. Install it again.")


def table(kind: str, name: str) -> pd.DataFrame:
    """A reference table, `kind` its folder."""
    return pd.read_csv(folder() / kind / f"{name}.csv")


def numbers(kind: str, name: str) -> Any:
    """Reference numbers from JSON, `kind` their folder."""
    return json.loads((folder() / kind / f"{name}.json").read_text("utf-8"))


def manifest() -> dict[str, str]:
    """Path under `folder()` -> sha256, of every reference of this version."""
    text = resources.files("avatar_trials.verify").joinpath(_MANIFEST).read_text("utf-8")
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line)
    return {path: digest for digest, path in pairs}


def intact() -> Comparisons:
    """Every reference is there, byte for byte."""
    place = folder()
    for path, digest in manifest().items():
        file = place / path
        found = sha256_of(file) if file.is_file() else "missing"
        yield holds(path, found == digest, "" if found == digest else f"expected {digest[:12]}, {found[:12]}")
