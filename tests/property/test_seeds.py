"""Streams are keyed by name: order, company and process do not matter."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_trials.seeds import SEED_LIMIT, stream

names = st.lists(st.text(max_size=12), min_size=1, max_size=4)


def draws(seed: int, *keys: str) -> list[int]:
    return [int(draw) for draw in stream(seed, *keys).integers(0, 2**63, size=4)]


def test_golden_draws() -> None:
    """Raw bits, promised to stay: a change here changes every emulated trial."""
    assert stream(20150101, "caliper", "A-01").bit_generator.random_raw(3).tolist() == [
        3325236212876585139,
        10464153681624855430,
        7800198073386298798,
    ]
    np.testing.assert_array_equal(stream(0, "µ").random(2), [0.08387037003772946, 0.27820804490610773])


@given(st.integers(0, SEED_LIMIT - 1), names, names)
def test_other_streams_change_nothing(seed: int, keys: list[str], others: list[str]) -> None:
    alone = draws(seed, *keys)
    stream(seed, *others).normal(size=100)
    np.random.default_rng(1).normal(size=3)
    assert draws(seed, *keys) == alone


@given(st.integers(0, SEED_LIMIT - 1), names, names)
def test_different_names_give_different_draws(seed: int, keys: list[str], others: list[str]) -> None:
    assert (draws(seed, *keys) == draws(seed, *others)) == (keys == others)


def test_names_are_not_merely_joined() -> None:
    keys = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), ("c", "ab")]
    assert len({tuple(draws(1, *key)) for key in keys}) == len(keys)


def test_different_seeds_give_different_draws() -> None:
    seeds = [0, 1, 2**32, 2**64, SEED_LIMIT - 1]
    assert len({tuple(draws(seed, "caliper")) for seed in seeds}) == len(seeds)


def test_streams_of_neighbouring_names_are_uncorrelated() -> None:
    normals = np.stack([stream(7, "mouse", f"A-{k}").normal(size=4000) for k in range(20)])
    correlation = np.asarray(np.corrcoef(normals)) - np.eye(20)
    assert np.abs(correlation).max() < 5 / np.sqrt(4000)


def test_hash_seed_of_the_process_does_not_matter() -> None:
    code = "from avatar_trials.seeds import stream; print(stream(3, 'B', 'A').integers(0, 2**63, size=4).tolist())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1")
    }
    assert outputs == {f"{draws(3, 'B', 'A')}\n"}


@pytest.mark.parametrize(
    ("seed", "keys", "error"),
    [
        (-1, ("a",), ValueError),
        (SEED_LIMIT, ("a",), ValueError),
        (1.5, ("a",), TypeError),
        (True, ("a",), TypeError),
        ("20", ("a",), TypeError),
        (1, (), ValueError),
    ],
)
def test_unusable_seeds_are_refused(seed: int, keys: tuple[str, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        stream(seed, *keys)
