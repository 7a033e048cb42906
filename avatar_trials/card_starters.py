"""Starter files: a card written out with words above every key, and keys that it need not have ready to be taken."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from avatar_trials.card_files import load_design, load_model, load_strategies
from avatar_trials.card_parts import Assumed, Card, Distribution
from avatar_trials.card_schemas import parameter_words, words_of
from avatar_trials.kinetics.families import MECHANISMS, Parameter
from avatar_trials.model_cards import ModelCard
from avatar_trials.patient_cards import PATIENTS
from avatar_trials.starter_examples import examples_for
from avatar_trials.strategy_rules import Rule

WIDTH: Final = 100
LIKE: Final = {
    "design": "melanoma_braf_mek",
    "strategies": "melanoma_preemptive_vs_sequential",
    "model": "graded_kill",
}
"""Kind of starter -> the library card that it is like, unless told."""
_LOADERS: Final = {"design": load_design, "strategies": load_strategies, "model": load_model}
_ON_TOP: Final = ("schema_version", "extends", "name", "title")
_NAMED_PARAMETERS: Final = {name: family.parameters for name, family in MECHANISMS.items()} | {
    "assumed": PATIENTS.parameters
}


@dataclass(frozen=True)
class _Shown:
    """Examples by class and key; laws that were explained once are not explained again."""

    examples: Mapping[tuple[type[Card], str], Any]
    explained: set[type[Card]] = field(default_factory=set)


def starter(kind: str, like: str, *, name: str) -> str:
    """Text of a card of a kind (`LIKE`) called `name` with the values of `like`, a card of the library or a file.

    What `like` has stands as it is; what it leaves out is there behind a `#`, with its default or an example. A model
    card extends `like` (a name of the library), so that all but its name and title is behind a `#`.
    Raises InputError where `like` is no such card.
    """
    card: Card = _LOADERS[kind](like)
    if isinstance(card, ModelCard):
        update: dict[str, Any] = {
            "name": name,
            "extends": like,
            "title": f"{like}, with changes",
            "known_misses": (),
        }
    else:
        update = {"name": name}
    card = card.model_copy(update=update)
    body = _table(card, (), off=kind == "model", shown=_Shown(examples_for(card)))
    return "\n".join([*_head(kind, like), *body, ""])


def _head(kind: str, like: str) -> Iterator[str]:
    what = {"design": "Trial design", "strategies": "Comparison of strategies", "model": "Model card"}[kind]
    yield from _words(f"{what}, begun from {like}. Check it with: avatar-trials check FILE")
    yield from _words(
        "A line that begins with # and a space explains the key below it. A line that begins with # and no space is "
        "a key, or the head of a table, that is left out: take the # away to say it (the head together with its keys)."
    )
    yield ""


def _table(
    card: Card, path: tuple[str, ...], *, off: bool, shown: _Shown, like_before: bool = False
) -> Iterator[str]:
    """Lines of a table: its own keys, then the tables in it. `like_before`: words stand above, in a table like it."""
    words = words_of(type(card))
    if isinstance(card, Distribution):
        like_before |= type(card) in shown.explained
        shown.explained.add(type(card))
    below: list[Iterator[str]] = []
    for key, info in type(card).model_fields.items():
        if key == "sha256":
            continue
        value = getattr(card, key)
        left_out = not info.is_required() and value == info.get_default(call_default_factory=True)
        if left_out and like_before:
            continue
        if left_out:
            value = shown.examples.get((type(card), key), value)
        behind = (off or left_out) and not (isinstance(card, ModelCard) and key in _ON_TOP)
        if value is None or (left_out and value in ((), {})):
            yield from _words(f"{key}: {words[key]}")
        elif _is_table(key, value):
            told = "" if like_before else words[key]
            below.append(_tables(value, (*path, key), off=behind, words=told, shown=shown))
        else:
            if not like_before:
                yield from _words(words[key] + _default(info))
            if get_args(Rule)[0] == info.annotation and not like_before:
                yield from _rules()
            yield f"{'#' if behind else ''}{_key(key)} = {_value(value)}"
    for lines in below:
        yield ""
        yield from lines


def _tables(value: Any, path: tuple[str, ...], *, off: bool, words: str, shown: _Shown) -> Iterator[str]:
    """A table, tables by name, or a list of tables. What a list's tables may say beside is shown in the last."""
    mark, dotted = "#" if off else "", ".".join(map(_key, path))
    yield from _words(words)
    if isinstance(value, Card):
        yield f"{mark}[{dotted}]"
        yield from _table(value, path, off=off, shown=shown, like_before=not words)
    elif isinstance(value, Mapping) and path[-1] in _NAMED_PARAMETERS:
        yield f"{mark}[{dotted}]"
        if Assumed not in shown.explained:
            yield from _law()
            shown.explained.add(Assumed)
        yield from _parameters(_NAMED_PARAMETERS[path[-1]], value, off=off)
    else:
        named = value.items() if isinstance(value, Mapping) else enumerate(value)
        for place, (name, one) in enumerate(named):
            yield from [""] if place else []
            inner = (*path, name) if isinstance(value, Mapping) else path
            head = ".".join(map(_key, inner))
            yield f"{mark}[{head}]" if isinstance(value, Mapping) else f"{mark}[[{head}]]"
            last = place == len(value) - 1 and (place == 0 or not isinstance(value, Mapping))
            brief = not last and (place > 0 or not isinstance(value, Mapping))
            yield from _table(one, inner, off=off, shown=shown, like_before=brief)


def _parameters(parameters: tuple[Parameter, ...], given: Mapping[str, Any], *, off: bool) -> Iterator[str]:
    for one in parameters:
        default = "" if one.default is None else f"; default {one.default:g}"
        yield from _words(parameter_words(one) + default)
        behind = off or one.name not in given
        yield f"{'#' if behind else ''}{one.name} = {_value(given.get(one.name, one.default))}"


def _law() -> list[str]:
    """What may stand in place of a number that is assumed."""
    keys = ", ".join(f"{key} ({words})" for key, words in words_of(Assumed).items())
    return _words(f"in place of a number, a law to draw it from: {{ KEY = VALUE, ... }} with {keys}")


def _rules() -> Iterator[str]:
    """Every rule with its keys."""
    for rule in get_args(get_args(Rule)[0]):
        keys = [
            f"{key} ({words}{_default(rule.model_fields[key])})"
            for key, words in words_of(rule).items()
            if key != "kind"
        ]
        yield from _words(f"{words_of(rule)['kind']}. Keys: {', '.join(keys)}", hang=4)


def _words(text: str, hang: int = 0) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent="# " if not hang else "# - ",
        subsequent_indent="# " + " " * hang,
        break_on_hyphens=False,
    )


def _default(info: FieldInfo) -> str:
    """Words on what holds where the key is left out; none for a key that must be there, or whose absence says it."""
    value = info.get_default(call_default_factory=True)
    if info.is_required() or value is None or value in ("", (), {}) or isinstance(value, Card):
        return ""
    return f"; default {_value(value)}"


def _is_table(key: str, value: Any) -> bool:
    if isinstance(value, Card):
        return key != "rule"
    if isinstance(value, Mapping):
        return bool(value) and (
            key in _NAMED_PARAMETERS or all(isinstance(one, Card) for one in value.values())
        )
    return isinstance(value, tuple) and bool(value) and all(isinstance(one, Card) for one in value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _value(value: Any) -> str:
    """A value as TOML has it, on one line."""
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    if isinstance(value, Card):
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_value(one)}' for key, one in value.items())} }}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_value, value))}]"
    return str(value)
