"""Property: every card of the library fits the schema of its kind; a key that reading refuses, the schema refuses."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from avatar_trials.card_files import compares_strategies
from avatar_trials.card_schemas import KINDS, card_schema, classes_of, words_of
from avatar_trials.library import find_card, known

FOLDERS = {"model": "models", "interactions": "interactions", "benchmark": "benchmarks"}
VALIDATORS = {kind: Draft202012Validator(card_schema(kind)) for kind in KINDS}


def library() -> Iterator[tuple[str, Path]]:
    for kind, folder in FOLDERS.items():
        yield from ((kind, find_card(folder, name)) for name in known(folder))  # type: ignore[arg-type]
    for name in known("trial_designs"):
        yield (
            "strategies" if compares_strategies(name) else "design",
            find_card("trial_designs", name),
        )


def content(name: str, folder: Any) -> dict[str, Any]:
    return tomllib.loads(find_card(folder, name).read_text("utf-8"))


def changed(card: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """The card with another value at a dotted place; None takes the key away."""
    *path, last = place.split(".")
    part: Any = card
    for key in path:
        part = part[int(key)] if key.isdigit() else part[key]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return card


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_one_and_says_nothing_that_json_schema_does_not_know(kind: str) -> None:
    schema = card_schema(kind)
    Draft202012Validator.check_schema(schema)
    assert "sha256" not in schema["properties"]
    words = set(str(schema).replace("'", " ").split())
    assert not words & {"ge", "gt", "le", "lt", "null"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_has_words(kind: str) -> None:
    for name, card in classes_of(kind).items():
        silent = [key for key in card.model_fields if key != "sha256" and not words_of(card).get(key)]
        assert silent == [], name


def test_every_card_of_the_library_fits() -> None:
    seen = set()
    for kind, file in library():
        errors = [
            error.message for error in VALIDATORS[kind].iter_errors(tomllib.loads(file.read_text("utf-8")))
        ]
        assert errors == [], file.name
        seen.add(kind)
    assert seen == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "folder", "name", "place", "value"),
    [
        ("design", "trial_designs", "melanoma_braf_mek", "replicats", 10),
        ("design", "trial_designs", "melanoma_braf_mek", "replicates", 0),
        ("design", "trial_designs", "melanoma_braf_mek", "arms", []),
        ("design", "trial_designs", "melanoma_braf_mek", "endpoints.level", 1.0),
        ("design", "trial_designs", "melanoma_braf_mek", "visits.gaps_days", [3, -4]),
        ("design", "trial_designs", "melanoma_braf_mek", "visits.horizon_days", None),
        ("design", "trial_designs", "melanoma_holiday", "mechanism.persistence.induces", 0.1),
        ("design", "trial_designs", "columbus_melanoma", "patients.assumed.latent_correlation", None),
        ("strategies", "trial_designs", "every_strategy", "strategies.0.rule.kind", "constantly"),
        ("strategies", "trial_designs", "every_strategy", "scoring.confirmed_by", 0),
        ("model", "models", "graded_kill", "priors.mu_q", {}),
        ("model", "models", "graded_kill", "priors.mu_k.scale", 0),
        ("model", "models", "graded_kill", "kinetics", None),
        ("model", "models", "graded_kill_no_slowing", "title", None),
        ("interactions", "interactions", "pathways", "priors.shift", None),
        ("benchmark", "benchmarks", "columbus", "scale", "radius"),
    ],
)  # fmt: skip
def test_a_fault_is_refused(kind: str, folder: str, name: str, place: str, value: Any) -> None:
    faulty = changed(content(name, folder), place, value)
    assert not VALIDATORS[kind].is_valid(faulty)
