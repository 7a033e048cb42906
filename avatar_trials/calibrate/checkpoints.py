"""Where finished chains are kept for a run that was killed: one folder, one run at work in it at a time."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avatar_trials.problems import OutputError, Problem

LOCK = "lock"
HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
NO_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}
ATTEMPTS = 100


@dataclass(frozen=True)
class Checkpoint:
    """A folder for finished chains. `open_checkpoint` gives one that no other run has."""

    folder: Path

    def of(self, facts: dict[str, Any], compiled: Any) -> Path:
        """Where the chains of these inputs are kept: a name made of `facts` and of the density at a fixed point.

        The density is computed by the same code, card and data, so that chains of another model are never taken for
        these.
        """
        point = np.random.Generator(np.random.Philox(0)).normal(0.0, 0.1, compiled.n_dim)
        density, slopes = compiled.logp_func(point)
        told = [f"{float(value):.9g}" for value in (density, np.linalg.norm(slopes))]
        digest = hashlib.sha256(json.dumps([facts, told, int(compiled.n_dim)], sort_keys=True).encode())
        return self.folder / f"chains-{digest.hexdigest()[:16]}"

    def remove(self) -> None:
        """Remove the finished chains kept here, of these and earlier inputs."""
        for kept in self.folder.glob("chains-*"):
            shutil.rmtree(kept, ignore_errors=True)


@contextlib.contextmanager
def open_checkpoint(folder: Path) -> Iterator[Checkpoint]:
    """A checkpoint for this run alone; its chains stay, and without any the folder goes.

    The operating system holds the lock and drops it with the process, however that ends. Where a file system has no
    locks, the process that is written in the lock file counts as at work while it is there. Raises OutputError where
    another run is at work here, or the folder cannot be made.
    """
    lock = folder / LOCK
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    descriptor = _taken(lock)
    try:
        yield Checkpoint(folder)
    finally:
        spent = not any(folder.glob("chains-*"))
        if sys.platform == "win32":  # where an open file cannot be removed
            os.close(descriptor)
        if spent:
            with contextlib.suppress(OSError):
                lock.unlink()
                folder.rmdir()
                for place in new[1:]:
                    place.rmdir()
        if sys.platform != "win32":
            os.close(descriptor)


def _taken(lock: Path) -> int:
    """Descriptor of the lock file, locked and with this process written in it."""
    for _ in range(ATTEMPTS):
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # the run before has just removed the folder
            continue
        except OSError as reason:
            what = f"finished chains cannot be kept there ({reason.strerror})"
            raise OutputError(
                Problem("W01", "error", what, "Give another place to write to", str(lock.parent))
            ) from None
        try:
            _lock(descriptor, lock)
        except BaseException:
            os.close(descriptor)
            raise
        if _is_there(descriptor, lock):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()} {platform.node()}".encode())
            return descriptor
        os.close(descriptor)
    raise _busy(lock)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, lock: Path) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            raise _busy(lock) from None

else:
    import fcntl

    def _lock(descriptor: int, lock: Path) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as reason:
            if reason.errno in HELD:
                raise _busy(lock) from None
            if reason.errno not in NO_LOCKS:
                raise
            if _is_at_work(lock):
                raise _busy(lock, f"; if it is not, remove {lock}") from None


def _is_there(descriptor: int, lock: Path) -> bool:
    """Whether the lock file is still the one opened, and not removed meanwhile by the run that had it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(lock))
    except FileNotFoundError:
        return False


def _is_at_work(lock: Path) -> bool:
    """Whether the process written in a lock file is another one that runs; of another machine nobody can tell."""
    process, _, machine = _written_in(lock).partition(" ")
    if not process.isdecimal() or int(process) in (0, os.getpid()):
        return False
    if machine != platform.node():
        return True
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _written_in(lock: Path) -> str:
    try:
        return lock.read_text("utf-8", "replace")[:200]
    except OSError:
        return ""


def _busy(lock: Path, unless: str = "") -> OutputError:
    process, _, machine = _written_in(lock).partition(" ")
    who = f" (process {process} on {machine})" if machine else ""
    what = f"another run{who} is at work on this calibration"
    fix = f"Wait until it ends or end it, or write elsewhere with -o; what is finished is kept{unless}"
    return OutputError(Problem("W02", "error", what, fix, str(lock.parent)))
