"""Cards as JSON Schemas (2020-12), for editors: every key with words, limits and default, from the classes."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final, get_args

from pydantic import BaseModel

from avatar_trials.benchmark_cards import Benchmark
from avatar_trials.card_parts import Card
from avatar_trials.designs import TrialDesign
from avatar_trials.interaction_cards import PRIORS, InteractionCard
from avatar_trials.kinetics.families import MECHANISMS, Parameter
from avatar_trials.model_cards import INHERITED, INHERITED_TABLES, KINETICS, ModelCard, parameters_of
from avatar_trials.patient_cards import PATIENTS
from avatar_trials.strategy_designs import StrategyDesign

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
KINDS: Final[dict[str, type[Card]]] = {
    "design": TrialDesign,
    "strategies": StrategyDesign,
    "model": ModelCard,
    "interactions": InteractionCard,
    "benchmark": Benchmark,
}
"""Kind of card -> its class. The parts of a design (`[decision]` of a sweep, `[patients]`, …) are in the design's."""

_LIMITS: Final[dict[Any, str]] = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
}
_OF_READERS: Final = ("title", "discriminator")  # pydantic's own, of no use to an editor


@cache
def words_of(card: type[BaseModel]) -> Mapping[str, str]:
    """What each key of a card is: the line below it in the class, or in a class that this one is made of."""
    found: dict[str, str] = {}
    for one in reversed(card.__mro__):
        if not issubclass(one, Card) or one is Card:
            continue
        body = ast.parse(inspect.getsource(one)).body[0]
        lines = body.body if isinstance(body, ast.ClassDef) else []
        for field, below in itertools.pairwise(lines):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                match below:
                    case ast.Expr(value=ast.Constant(value=str(text))):
                        found[field.target.id] = " ".join(text.split())
    return found


def classes_of(kind: str) -> dict[str, type[Card]]:
    """Classes that a card is made of, by name: `KINDS[kind]` first."""
    found: dict[str, type[Card]] = {}

    def add(what: Any) -> None:
        if inspect.isclass(what) and issubclass(what, Card):
            if what.__name__ not in found:
                found[what.__name__] = what
                for field in what.model_fields.values():
                    add(field.annotation)
            return
        for part in get_args(what):
            add(part)

    add(KINDS[kind])
    return found


def card_schema(kind: str) -> dict[str, Any]:
    """JSON Schema of a kind (`KINDS`) of card, as a dict that json can write.

    It says less than reading a card does: what several keys must be together, and which names a library knows, is
    checked there alone.
    """
    schema = KINDS[kind].model_json_schema()
    for name, card in classes_of(kind).items():
        part = schema if card is KINDS[kind] else schema["$defs"][name]
        part["properties"].pop("sha256", None)
        for key, words in words_of(card).items():
            part["properties"][key]["description"] = words
    if kind == "design":
        for name, family in MECHANISMS.items():
            _name_parameters(schema["$defs"]["Mechanism"]["properties"][name]["anyOf"][0], family.parameters)
        _name_parameters(schema["$defs"]["Patients"]["properties"]["assumed"], PATIENTS.parameters)
    if kind == "model":
        _kinetics(schema)
    if kind == "interactions":
        schema["properties"]["priors"] |= {"required": list(PRIORS), **_only(PRIORS, "Law")}
    tidied: dict[str, Any] = _tidied(schema)
    return {"$schema": DIALECT, "title": f"Avatar Trials: {kind}", **tidied}


def _name_parameters(table: dict[str, Any], parameters: Iterable[Parameter]) -> None:
    """A table of parameters knows them by name, with their units and meanings."""
    value = table.pop("additionalProperties")
    table["additionalProperties"] = False
    table["properties"] = {
        p.name: {**value, "description": parameter_words(p), "default": p.default} for p in parameters
    }
    table["required"] = [p.name for p in parameters if p.default is None]


def parameter_words(parameter: Parameter) -> str:
    """A parameter in words: meaning and unit."""
    unit = f", {parameter.unit}" if parameter.unit else ""
    return f"{parameter.meaning}{unit}"


def _only(names: Iterable[str], part: str) -> dict[str, Any]:
    return {
        "properties": {name: {"$ref": f"#/$defs/{part}"} for name in names},
        "additionalProperties": False,
    }


def _kinetics(schema: dict[str, Any]) -> None:
    """Which priors and constants each kinetics has; and that a card which extends another may leave things out."""
    named = {"priors": dict[str, None](), "constants": dict[str, None]()}
    cases = []
    for kinetics in KINETICS:
        known = [parameters_of(kinetics, fixed) for fixed in ((), ("deceleration", "wander", "slowing"))]
        names = {
            "priors": dict.fromkeys(known[0][0]),
            "constants": dict.fromkeys([*known[0][1], *known[1][1]]),
        }
        for table, there in names.items():
            named[table] |= there
        then = {table: {"propertyNames": {"enum": list(there)}} for table, there in names.items()}
        has = {"properties": {"kinetics": {"const": kinetics}}, "required": ["kinetics"]}
        cases.append({"if": has, "then": {"properties": then}})
    schema["properties"]["priors"] |= _only(named["priors"], "Prior")
    schema["properties"]["constants"] |= _only(named["constants"], "Constant")
    whole = {
        "required": schema.pop("required"),
        "properties": {"observation": {"required": schema["$defs"]["Observation"].pop("required")}},
    }
    heir = {"required": [name for name in whole["required"] if name not in (*INHERITED, *INHERITED_TABLES)]}
    schema |= {"allOf": cases, "if": {"required": ["extends"]}, "then": heir, "else": whole}


def _tidied(part: Any, *, named: bool = False) -> Any:
    """A schema without null and class names, which TOML has no use for, and with its limits in JSON Schema's words.

    `named`: the keys of `part` are names that a card's author gives, not words of the schema.
    """
    if isinstance(part, list):
        return [_tidied(one) for one in part]
    if not isinstance(part, dict):
        return part
    if named:
        return {key: _tidied(value) for key, value in part.items()}
    kept: dict[str, Any] = {}
    for key, value in part.items():
        if key in ("default", "enum"):
            kept |= {} if value is None else {key: value}
        elif key not in _OF_READERS:
            kept[_LIMITS.get(key) or key] = _tidied(value, named=key in ("properties", "$defs"))
    choices = [one for one in kept.pop("anyOf", ()) if one != {"type": "null"}]
    return choices[0] | kept if len(choices) == 1 else kept | ({"anyOf": choices} if choices else {})
