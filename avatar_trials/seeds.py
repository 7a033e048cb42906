"""Random streams keyed by name, so that no draw depends on loop order, chunking or who else is in the trial."""

from __future__ import annotations

import hashlib
import operator

import numpy as np

SEED_LIMIT = 2**128
_SPAWN_WORDS = 4


def stream(seed: int, *names: str) -> np.random.Generator:
    """The generator of one purpose, e.g. `stream(20, "caliper", avatar, arm)`.

    The names are hashed (blake2b, 128 bits) into the spawn key of a Philox `SeedSequence`: equal seed and names give
    equal draws in every process, whatever else was drawn before, and different names give independent streams.
    `("ab", "c")` and `("a", "bc")` are different streams. Names compare as exact text.

    Raises ValueError for a seed outside 0 .. 2^128 - 1 or without a name, TypeError for a seed that is not a whole
    number or a name that is not text.
    """
    if isinstance(seed, bool):
        raise TypeError("a seed is a whole number, got a truth value")
    entropy = operator.index(seed)
    if not 0 <= entropy < SEED_LIMIT:
        raise ValueError(f"a seed lies in 0 .. 2^128 - 1, got {entropy}")
    if not names:
        raise ValueError("a random stream needs a name that says what it is for")
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy, spawn_key=_spawn_key(names))))


def _spawn_key(names: tuple[str, ...]) -> tuple[int, ...]:
    digest = hashlib.blake2b(digest_size=4 * _SPAWN_WORDS)
    for name in names:
        encoded = name.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return tuple(int(word) for word in np.frombuffer(digest.digest(), dtype="<u4"))
