"""Where the work of a sweep is done: in this process, in several of this machine, or on a Dask cluster.

Each takes named pieces of work, does them with `work_done`, and hands back texts as they come, in any order. A worker
that is lost loses nothing: its pieces are done by another.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

from avatar_trials.problems import InputError, Problem
from avatar_trials.sweeps.blocks import Block, Reference

Work = Block | Reference
Named = tuple[str, Work]
Engine = Callable[[Iterable[Named]], Iterator[tuple[str, str]]]

LOSSES_IN_A_ROW = 5


def work_done(work: Work) -> str:
    """A piece of work, done, as text: sums of a block, numbers of a reference."""
    if isinstance(work, Block):
        return work.done().text()
    values = work.done()
    return json.dumps({"shape": values.shape, "values": values.ravel().tolist()})


def numbers_of(text: str) -> np.ndarray:
    """The numbers of a reference; ValueError, KeyError or TypeError for anything else."""
    content = json.loads(text)
    return np.array(content["values"], dtype=float).reshape(content["shape"])


def here(works: Iterable[Named]) -> Iterator[tuple[str, str]]:
    """In this process, one after the other."""
    for name, work in works:
        yield name, work_done(work)


def processes(n: int) -> Engine:
    """In `n` processes of this machine."""

    def engine(works: Iterable[Named]) -> Iterator[tuple[str, str]]:
        waiting = list(works)[::-1]
        losses = 0
        while waiting:
            running: dict[Future[str], Named] = {}
            pool = ProcessPoolExecutor(n, mp_context=get_context("spawn"), initializer=_end_with_parent)
            try:
                while waiting or running:
                    while waiting and len(running) < 2 * n:
                        named = waiting.pop()
                        with _interrupts_held():
                            running[pool.submit(work_done, named[1])] = named
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        text = future.result()
                        losses = 0
                        yield running.pop(future)[0], text
            except BrokenProcessPool:
                losses += 1
                if losses >= LOSSES_IN_A_ROW:
                    raise MemoryError(
                        f"worker processes died {losses} times in a row, as they do without memory: fewer --workers"
                    ) from None
                waiting += running.values()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    return engine


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C goes to all processes of a terminal: those started here never see it, and this one after the block."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for ever for work: it ends with it."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def cluster(address: str, say: Callable[[str], None] = lambda text: None) -> Engine:
    """On the workers of a Dask scheduler at `address`, as tcp://127.0.0.1:8786, where this package is installed.

    Raises InputError where Dask is not installed here, and where no scheduler answers.
    """

    def engine(works: Iterable[Named]) -> Iterator[tuple[str, str]]:
        with _client(address) as client:
            if not client.nthreads():
                say(f"{address} has no worker yet: start `dask worker {address}`; the work waits")
            yield from _on(client, list(works)[::-1])

    return engine


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        what, fix = "--scheduler needs Dask", "Install it: pip install 'avatar-trials[distributed]'"
        raise InputError(Problem("O07", "error", what, fix)) from None
    try:
        return Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        what = f"no Dask scheduler answers at {address!r} ({error})"
        fix = (
            "Start `dask scheduler`, and `dask worker ADDRESS` on every machine, then give its tcp:// address"
        )
        raise InputError(Problem("O07", "error", what, fix)) from None


def _on(client: Any, waiting: list[Named]) -> Iterator[tuple[str, str]]:
    from distributed import as_completed

    running: dict[Any, Named] = {}
    losses: Counter[str] = Counter()
    finished = as_completed(loop=client.loop)
    while waiting or running:
        threads = sum(client.nthreads().values())
        while waiting and len(running) < 2 * threads + 2:
            named = waiting.pop()
            future = client.submit(work_done, named[1], pure=False, retries=LOSSES_IN_A_ROW)
            running[future] = named
            finished.add(future)
        future = next(finished)
        named = running.pop(future)
        if future.status == "finished":
            text: str = future.result()
            yield named[0], text
        elif future.status == "cancelled" or _lost(future):
            losses[named[0]] += 1
            if losses[named[0]] >= LOSSES_IN_A_ROW:
                raise MemoryError(
                    f"workers died {LOSSES_IN_A_ROW} times of one block: fewer trials in it (--chunk)"
                )
            waiting.append(named)
        else:
            raise future.exception()
        future.release()


def _lost(future: Any) -> bool:
    """Whether a piece failed because workers died under it, rather than of itself."""
    from distributed.scheduler import KilledWorker

    return isinstance(future.exception(), KilledWorker)
