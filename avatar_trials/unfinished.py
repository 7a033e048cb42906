"""Where a file lies until it is whole: a folder beside it, held while a process is at work in it, cleared after."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX, SUFFIX = ".avatar-trials.", ".tmp"
ATTEMPTS = 100


@contextlib.contextmanager
def place_for(target: Path) -> Iterator[Path]:
    """A path of the target's name in a new folder beside it, on the same disk; the folder goes when the block ends.

    The operating system holds the folder for this process, and lets go when the process ends, however that is:
    `clear_unfinished` then takes what is left of it. Raises OSError where nothing can be written beside the target.
    """
    folder, descriptor = _held_folder(target.parent)
    try:
        yield folder / target.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def clear_unfinished(folder: Path) -> None:
    """Remove what killed processes left in `folder`; what another process is writing stays.

    Where folders cannot be held (Windows, some network disks) nobody can tell the two apart, and all stays.
    """
    try:
        left = [Path(entry) for entry in os.scandir(folder) if _is_ours(entry)]
    except OSError:
        return
    for place in left:
        descriptor = _hold(place)
        if descriptor is not None:
            shutil.rmtree(place, ignore_errors=True)
            os.close(descriptor)


def _held_folder(parent: Path) -> tuple[Path, int | None]:
    for _ in range(ATTEMPTS):
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=PREFIX, suffix=SUFFIX))
        descriptor = _hold(folder)
        if folder.is_dir():  # else another process cleared it before it was held
            return folder, descriptor
        if descriptor is not None:
            os.close(descriptor)
    raise OSError(f"a folder for unfinished files cannot be kept in {parent}")


def _is_ours(entry: os.DirEntry[str]) -> bool:
    named = entry.name.startswith(PREFIX) and entry.name.endswith(SUFFIX)
    return named and entry.is_dir(follow_symlinks=False)


if sys.platform == "win32":

    def _hold(folder: Path) -> int | None:
        return None

else:
    import fcntl

    def _hold(folder: Path) -> int | None:
        """Descriptor of the folder, held; None where another process has it, or where folders cannot be held."""
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor
