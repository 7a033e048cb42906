"""An HDF5 file looked over before it is read: numbers and text of its own, of a size that memory holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avatar_trials.memory import require_memory


def strange_contents(path: Path) -> list[str]:
    """What a file holds that is neither numbers nor text of its own, in words; nothing of it is read.

    Links, virtual data and external storage reach into other files; objects, compounds and references are no data.
    Raises ResourceError where memory does not hold the numbers, however small they are on disk, and OSError or
    RuntimeError where the file is no readable HDF5.
    """
    import h5py

    found: list[str] = []
    size = 0
    with h5py.File(path, "r") as file:
        for name, entry in _entries(file):
            if not isinstance(entry, h5py.Dataset):
                found.append(f"{name} is a link into another place")
            elif entry.is_virtual or entry.external:
                found.append(f"{name} takes its numbers from another file")
            elif entry.dtype.kind not in "biufS" and h5py.check_string_dtype(entry.dtype) is None:
                found.append(f"{name} holds objects ({entry.dtype}), no numbers or text")
            else:
                size += int(entry.size or 0) * int(entry.dtype.itemsize)
    require_memory(size, f"{path}", "Is it a file that this program wrote? Then read it on a larger machine")
    return found


def _entries(group: Any) -> Iterator[tuple[str, Any]]:
    """Datasets and links of a group and of the groups in it, each by its path; a group is entered once."""
    import h5py

    waiting, seen = [group], set()
    while waiting:
        here = waiting.pop()
        for name in here:
            link = here.get(name, getlink=True)
            path = f"{here.name.rstrip('/')}/{name}"
            if not isinstance(link, h5py.HardLink):
                yield path, link
                continue
            entry = here[name]
            if not isinstance(entry, h5py.Group):
                yield path, entry
            elif entry.id not in seen:
                seen.add(entry.id)
                waiting.append(entry)
