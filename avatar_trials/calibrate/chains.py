"""Chains of the sampler: each from its own seed, kept on disk once finished, taken from there after a kill."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import nutpie
import pyarrow  # type: ignore[import-untyped]
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.calibrate.mixing import Part
from avatar_trials.model_cards import Sampling
from avatar_trials.seeds import stream
from avatar_trials.stamp import manifest_path, sha256_of, write_atomic

Floats = NDArray[np.float64]

SECONDS_BETWEEN_PROGRESS = 10.0
SECONDS_BETWEEN_LOOKS = 0.05
PART_VALUES = 4_000_000
SAMPLER = "sampler "
STATS = ("diverging", "energy", "n_steps", "depth", "step_size", "logp")


@dataclass(frozen=True)
class Chains:
    """Draws of every chain, a file (draw, column) each, mapped for as long as something is read from it.

    A column is a number: the model's variables one after the other, then the sampler's statistics. `columns` name ->
    (first column, shape); `dims` of the variables and `coords` of the dims as in the model.
    """

    files: Sequence[Path]
    n_draws: int
    columns: dict[str, tuple[int, tuple[int, ...]]]
    dims: dict[str, tuple[str, ...]]
    coords: dict[str, Any]

    def values(self, name: str, *, every: int = 1) -> Floats:
        """A variable or statistic (chain, every k-th draw, *shape)."""
        first, shape = self.columns[name]
        flat = self._flat(slice(first, first + _size(shape)), every)
        return flat.reshape((*flat.shape[:2], *shape))

    def dataset(self, names: Iterable[str], *, every: int = 1) -> xr.Dataset:
        """Variables with dims (chain, every k-th draw, ...)."""
        chosen = {
            name: (("chain", "draw", *self.dims[name]), self.values(name, every=every)) for name in names
        }
        used = {dim for name in chosen for dim in self.dims[name]}
        places = {dim: np.asarray(self.coords[dim], dtype=object) for dim in self.coords if dim in used}
        draw = np.arange(0, self.n_draws, every)
        return xr.Dataset(chosen, {"chain": np.arange(len(self.files)), "draw": draw, **places})

    def parts(self) -> Iterator[Part]:
        """Every scalar of every variable at every draw, some hundred at a time."""
        size = max(1, PART_VALUES // (len(self.files) * self.n_draws))
        for name, dims in self.dims.items():
            first, _ = self.columns[name]
            labels = list(itertools.product(*([str(place) for place in self.coords[dim]] for dim in dims)))
            for start in range(0, len(labels), size):
                here = labels[start : start + size]
                yield Part(name, dims, here, self._flat(slice(first + start, first + start + len(here))))

    def _flat(self, here: slice, every: int = 1) -> Floats:
        return np.stack([np.array(np.load(file, mmap_mode="r")[::every, here]) for file in self.files])


def sample_chains(
    compiled: Any, sampling: Sampling, folder: Path, *, seed: int, cores: int, say: Callable[[str], None]
) -> Chains:
    """Sample the chains that `folder` does not have, `cores` at a time, and write each there when it is finished.

    A chain depends on `seed` and its number alone, so that neither an interruption nor `cores` changes a draw. What is
    kept is finished chains: a chain that was under way is sampled again from its seed and gives the same draws.
    """
    columns, width = _columns_of(compiled)
    files = [folder / f"chain-{k}.npy" for k in range(sampling.chains)]
    waiting = [k for k, file in enumerate(files) if not _is_whole(file)]
    if len(waiting) < sampling.chains:
        done = sampling.chains - len(waiting)
        say(f"continuing: {done} of {sampling.chains} chains were finished")
    progress = _Progress(say, len(waiting) * (sampling.tune + sampling.draws))
    running: dict[int, Any] = {}
    try:
        while waiting or running:
            while waiting and len(running) < max(1, cores):
                k = waiting.pop(0)
                running[k] = _start(compiled, sampling, _seed_of(seed, k), progress.of(k))
            for k in [k for k, sampler in running.items() if _is_finished(sampler)]:
                _write(files[k], running.pop(k).wait(), sampling, columns, width)
            progress.tell()
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        for sampler in running.values():
            sampler.cancel()
    dims = {name: tuple(compiled.dims.get(name, ())) for name in columns if not name.startswith(SAMPLER)}
    return Chains(files, sampling.draws, columns, dims, dict(compiled.coords))


def _columns_of(compiled: Any) -> tuple[dict[str, tuple[int, tuple[int, ...]]], int]:
    """Name -> (first column, shape), and the number of columns. Transformed twins of variables are not kept."""
    hidden = set(compiled.reparameterized_names or ())
    shapes = {name: tuple(shape) for name, shape in compiled.shapes.items() if name not in hidden}
    columns, width = {}, 0
    for name, shape in (shapes | {SAMPLER + stat: () for stat in STATS}).items():
        columns[name] = (width, shape)
        width += _size(shape)
    return columns, width


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=int))


def _seed_of(seed: int, chain: int) -> int:
    return int(stream(seed, "calibrate", f"chain {chain}").integers(2**63))


def _start(compiled: Any, sampling: Sampling, seed: int, heard: Callable[[Sequence[Any]], None]) -> Any:
    return nutpie.sample(
        compiled,
        draws=sampling.draws,
        tune=sampling.tune,
        chains=1,
        cores=1,
        target_accept=sampling.target_accept,
        mindepth=sampling.min_depth,
        maxdepth=sampling.max_depth,
        seed=seed,
        progress_bar=False,
        progress_callback=heard,
        blocking=False,
        return_raw_trace=True,
    )


def _is_finished(sampler: Any) -> bool:
    try:
        return bool(sampler.is_finished)
    except TimeoutError:  # what nutpie 0.16 raises of a sampler that is not
        return False


def _write(file: Path, trace: Any, sampling: Sampling, columns: dict[str, Any], width: int) -> None:
    (drawn,), (stats,) = trace.get_arrow_trace()

    def fill(temporary: Path) -> None:
        table = np.lib.format.open_memmap(temporary, "w+", np.float64, (sampling.draws, width))
        _require_disk(temporary)
        for name, (first, shape) in columns.items():
            source = (
                stats.column(name.removeprefix(SAMPLER)) if name.startswith(SAMPLER) else drawn.column(name)
            )
            values = pyarrow.array(source).slice(sampling.tune)
            flat = (values.flatten() if shape else values).to_numpy(zero_copy_only=False)
            table[:, first : first + _size(shape)] = flat.reshape(sampling.draws, -1)
        table.flush()

    write_atomic(file, fill)
    line = f"{sha256_of(file)}  {file.name}\n"
    write_atomic(manifest_path(file), lambda temporary: temporary.write_text(line, "utf-8"))


def _require_disk(file: Path) -> None:
    """Take all of a file's place on disk: OSError now, where a mapped file would end the process by a bus error."""
    if hasattr(os, "posix_fallocate"):
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)


def _is_whole(file: Path) -> bool:
    manifest = manifest_path(file)
    return file.is_file() and manifest.is_file() and manifest.read_text("utf-8").startswith(sha256_of(file))


class _Progress:
    """Where the chains are, in a line every ten seconds, readable in a log as on a terminal."""

    def __init__(self, say: Callable[[str], None], total: int) -> None:
        self._say, self._total = say, total
        self._done: dict[int, tuple[int, int]] = {}
        self._start = self._last = time.monotonic()

    def of(self, chain: int) -> Callable[[Sequence[Any]], None]:
        """What a chain's sampler calls with its progress."""

        def heard(states: Sequence[Any]) -> None:
            self._done[chain] = (states[0].finished_draws, states[0].divergences)

        return heard

    def tell(self) -> None:
        """Say done of total, rate, divergences and the time left, if it is time."""
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_PROGRESS:
            return
        self._last = now
        draws, divergences = (sum(counts) for counts in zip((0, 0), *list(self._done.values()), strict=True))
        rate = draws / (now - self._start)
        left = f", {_duration((self._total - draws) / rate)} left" if rate else ""
        self._say(
            f"  {draws:,} of {self._total:,} draws ({draws / self._total:.0%}), {rate:,.0f}/s{left}, "
            f"{divergences} divergences"
        )


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return (
        f"{seconds:.0f} s"
        if minutes < 2
        else f"{minutes // 60} h {minutes % 60} min"
        if minutes > 90
        else f"{minutes} min"
    )
