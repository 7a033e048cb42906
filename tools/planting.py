"""Faults planted in functions that are already imported, wherever they are known by name."""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator
from types import CodeType, FunctionType

from tools.mutations import Mutation


class NotInAFunction(Exception):
    """The fault is in what runs at import: a constant, a default, a class."""


def plant(path: str, source: str, one: Mutation) -> None:
    """Give the function of file `path` that `one` stands in the code of `source`, which has the fault.

    The functions are the same objects as before, so that modules that imported them have it too; caches of the program
    are emptied. NotInAFunction where that cannot be done.
    """
    if one.reach == (1, 0) or one.line < one.reach[0]:
        raise NotInAFunction
    inside = f"{one.function}."
    old = {
        found
        for found in gc.get_objects()
        if type(found) is FunctionType
        and found.__code__.co_filename == path
        and "<locals>" not in found.__qualname__
        and inside.startswith(f"{found.__qualname__}.")
    }
    new = [
        code for code in _codes(compile(source, path, "exec")) if inside.startswith(f"{code.co_qualname}.")
    ]
    if len(old) != 1 or len(new) != 1:
        raise NotInAFunction
    old.pop().__code__ = new[0]
    for cached in gc.get_objects():
        if isinstance(cached, functools._lru_cache_wrapper) and str(cached.__module__).startswith(
            "avatar_trials"
        ):
            cached.cache_clear()


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Code of functions and methods of a module, without those within functions."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and "<locals>" not in inner.co_qualname:
            yield inner
            yield from _codes(inner)
