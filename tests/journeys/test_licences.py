"""The page of licences names everything the wheel pulls in, at the pinned versions; only permissive ones pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import licences

ROOT = Path(__file__).parents[2]


def test_every_package_that_the_wheel_pulls_in_is_listed_at_its_pinned_version() -> None:
    listed = dict(
        re.findall(r"^\| (\S+) \| (\S+) \| [^|]+ \|$", licences.PAGE.read_text("utf-8"), re.MULTILINE)
    )
    del listed["package"]
    pinned = dict(
        re.findall(r"^(\S+)==([^\s;]+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    )
    assert set(licences.pulled_in()) <= set(listed)
    assert {name: pinned[name] for name in listed} == listed
    assert {"numpy", "pymc", "dask", "numcodecs"} <= set(listed)
    assert not {"pytest", "hypothesis", "ruff"} & set(listed)


@pytest.mark.parametrize(
    ("licence", "fits"),
    [
        ("MIT", True),
        ("BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND LGPL-2.1-or-later", False),
        ("", False),
    ],
)
def test_copyleft_and_silence_are_not_taken(licence: str, fits: bool) -> None:
    assert licences.compatible(licence) == fits
