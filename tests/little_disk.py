"""A disk with little room, for as long as a block lasts."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def no_file_longer_than(n_bytes: int) -> Iterator[None]:
    """The operating system refuses this process to let a file grow further; skips where it cannot."""
    if sys.platform == "win32":
        pytest.skip("no limit on the length of files")
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
