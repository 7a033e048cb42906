"""How much memory there is, asked before anything large is made."""

from __future__ import annotations

import os
import re
from pathlib import Path

from avatar_trials.problems import Problem, ResourceError

USABLE = 0.9
UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
CGROUP = Path("/sys/fs/cgroup")


def free_bytes() -> int | None:
    """Bytes this process can still have, swap not counted: of the machine, or of the container where that has fewer.

    None where the system does not say.
    """
    known = [size for size in (_of_machine(), _of_container()) if size is not None]
    return min(known) if known else None


def require_memory(needed: float, what: str, fix: str, *, of: tuple[int, str] | None = None) -> None:
    """Raise ResourceError where `what` needs more bytes than are free.

    `of`: how many of what the bytes go with, as (1000, "avatars"); the most that would fit is told.
    """
    free = free_bytes()
    if free is not None and needed > USABLE * free:
        told = f"{what} needs about {shown(needed)} of memory; {shown(free)} are free here"
        most = 0 if of is None else int(of[0] * USABLE * free / needed)
        if of is not None and most:
            told += f", enough for about {most:,} {of[1]}"
        raise ResourceError(Problem("R01", "error", told, fix))


def shown(size: float) -> str:
    """`3.2 TB`, in steps of a thousand."""
    for unit in UNITS[:-1]:
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} {UNITS[-1]}"


def _of_machine() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text("utf-8")
    except OSError:
        text = ""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    if found:
        return int(found[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def _of_container() -> int | None:
    try:
        limit, used = (int((CGROUP / f"memory.{name}").read_text("utf-8")) for name in ("max", "current"))
    except (OSError, ValueError):
        return None
    return max(0, limit - used)
