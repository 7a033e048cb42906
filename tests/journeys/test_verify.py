"""`avatar-trials verify`: passes here, and is seen to fail where something is broken, missing or left out."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from avatar_trials.endpoints import survival
from avatar_trials.verify import qualification, references, simulated_truths
from avatar_trials.verify.comparison import absolute, exact, relative
from avatar_trials.verify.context_of_use import context_of_use
from avatar_trials.verify.qualification import GROUPS, NOT_VERIFIED, QUICK, Group, Qualification, run
from avatar_trials.verify.simulated_truths import EFFORT, FITS, judged
from tests.program import typed
from tools import reference_hashes

NAMED = {group.name: group for group in GROUPS}


def verdict_of(*groups: Group) -> Qualification:
    """As if these were all there are."""
    return Qualification(tuple(run(group) for group in groups), quick=True)


def test_this_installation_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every group but the sampler's runs, and has as many checks as it says it has."""
    done = typed(monkeypatch, capsys, "verify", "--quick", "-o", tmp_path)
    record = json.loads((tmp_path / "verify.json").read_text("utf-8"))
    assert record["reasons"] == []
    assert (done.code, record["verdict"]) == (0, QUICK)
    quick = [group for group in GROUPS if not group.sampler]
    assert [(one["name"], one["checks"]) for one in record["groups"]] == [(g.name, g.count) for g in quick]
    assert "takes about 15 seconds" in done.err
    assert record["sha256"]["populations"].keys() == {"pdxe", "pdxe_cm"}
    assert {"numpy", "pymc"} <= record["versions"]["libraries"].keys()
    page = (tmp_path / "verify.html").read_text("utf-8")
    for told in (QUICK, *(group.name for group in quick), record["program_sha256"], "Model influence"):
        assert told in page
    assert not re.search(r"<script|<link|src=|https?://", page)


def test_a_broken_formula_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = survival.confidence_interval

    def narrower(*given: object, **named: object) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = sound(*given, **named)  # type: ignore[arg-type]
        return lower, np.maximum(lower, upper - 1e-6)

    monkeypatch.setattr(survival, "confidence_interval", narrower)
    monkeypatch.setattr(qualification, "GROUPS", (NAMED["survival curves"],))
    done = typed(monkeypatch, capsys, "verify", "--quick", "-o", tmp_path)
    assert done.code == 4
    assert "not verified: survival curves: " in done.err
    assert "aml Maintained: upper limit, plain" in done.err
    assert NOT_VERIFIED in (tmp_path / "verify.html").read_text("utf-8")
    assert json.loads((tmp_path / "verify.json").read_text("utf-8"))["groups"][0]["failed"] > 20


def test_a_reference_that_is_missing_or_changed_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bayes", "ode", "response", "stochastic", "survival"):
        shutil.copytree(references.folder() / name, tmp_path / name)
    (tmp_path / "survival" / "data_aml.csv").unlink()
    (tmp_path / "ode" / "closed_forms.json").write_text("[]", "utf-8")
    monkeypatch.setattr(references, "folder", lambda: tmp_path)
    missing = run(NAMED["references"])
    assert [one.name for one in missing.failed] == ["ode/closed_forms.json", "survival/data_aml.csv"]
    stopped = run(NAMED["tests and regressions"])
    assert stopped.stopped.startswith("stopped by FileNotFoundError")
    assert any("checks ran, this version has 403" in reason for reason in stopped.reasons)


def test_fewer_checks_than_the_version_has_are_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    few = NAMED["response calls"]
    monkeypatch.setattr(qualification, "GROUPS", (few,))
    assert verdict_of(few).verdict == QUICK
    more = replace(few, count=few.count + 1)
    assert verdict_of(more).verdict == NOT_VERIFIED
    assert verdict_of(more).reasons == [
        f"response calls: {few.count} checks ran, this version has {few.count + 1}"
    ]
    assert verdict_of().reasons == ["response calls: did not run"]


def test_what_cannot_be_compared_fails() -> None:
    assert not absolute("n", [1.0, np.nan], [1.0, 2.0], 1e9).passed
    assert not relative("n", [1.0, 2.0], [1.0], 1e9).passed
    assert not relative("n", 1e-300, 0.0, 1e9).passed
    assert not exact("n", [1, 2], [1, 2, 3]).passed
    assert absolute("n", [np.nan, np.inf], [np.nan, np.inf], 0.0).passed
    assert relative("n", 3.0 * (1 + 2e-10), 3.0, 1e-10).share == pytest.approx(2.0, rel=1e-5)


def test_ranks_that_pile_up_are_found_and_even_ones_are_not() -> None:
    even = np.linspace(0, EFFORT.ranked_among, FITS).round().astype(int)
    found = list(judged(pd.DataFrame({"even": even, "low": even // 8, "high": 40 - even // 8})))
    assert [one.passed for one in found] == [True, False, False]
    assert simulated_truths.FITS >= 20


def test_the_manifest_is_that_of_the_references() -> None:
    assert reference_hashes.MANIFEST.read_text("utf-8") == reference_hashes.listed()


def test_the_card_says_what_fails_and_what_is_not_claimed() -> None:
    card = context_of_use()
    assert {one.status for one in card.evidence} == {"supports", "limited", "fails"}
    assert any("individual" in one.claim for one in card.not_claimed)
