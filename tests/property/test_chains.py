"""Chains do not depend on one another, on cores, or on a kill: what was finished is kept, and the rest is the same."""

from __future__ import annotations

import errno
import os
import platform
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import pytest

from avatar_trials.calibrate import chains, checkpoints
from avatar_trials.calibrate.chains import Chains, sample_chains
from avatar_trials.calibrate.checkpoints import Checkpoint, open_checkpoint
from avatar_trials.model_cards import Sampling
from avatar_trials.problems import OutputError
from avatar_trials.stamp import write_atomic

SAMPLING = Sampling(chains=4, tune=100, draws=60, target_accept=0.8)

MODEL = """
import nutpie
import pymc as pm

def compiled():
    with pm.Model(coords={"place": ["a", "b", "c"]}) as model:
        scale = pm.HalfNormal("scale", 1.0)
        level = pm.Normal("level", 0.0, 1.0, dims="place")
        pm.Deterministic("twice", 2.0 * level * scale, dims="place")
    return nutpie.compile_pymc_model(model)
"""


def _compiled() -> Any:
    names: dict[str, Any] = {"pm": pm, "nutpie": nutpie}
    exec(MODEL, names)  # noqa: S102 - the same text is run by the process that is killed
    return names["compiled"]()


@pytest.fixture(scope="module")
def compiled() -> Any:
    return _compiled()


def sampled(compiled: Any, folder: Path, cores: int = 2) -> tuple[Chains, list[str]]:
    said: list[str] = []
    return sample_chains(compiled, SAMPLING, folder, seed=3, cores=cores, say=said.append), said


@pytest.fixture(scope="module")
def whole(compiled: Any, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The chains of one uninterrupted run, as bytes."""
    return _bytes(sampled(compiled, tmp_path_factory.mktemp("whole"))[0])


def _bytes(found: Chains) -> list[bytes]:
    return [np.load(file).tobytes() for file in found.files]


def test_chains_are_variables_with_dims_and_places(compiled: Any, tmp_path: Path) -> None:
    found, said = sampled(compiled, tmp_path)
    assert said == []
    data = found.dataset(["scale", "twice", "level"])
    assert dict(data.sizes) == {"chain": 4, "draw": 60, "place": 3}
    np.testing.assert_allclose(data["twice"], 2 * data["level"] * data["scale"], rtol=1e-14)
    thin = found.dataset(["level"], every=7)
    np.testing.assert_array_equal(thin["level"], data["level"].isel(draw=slice(None, None, 7)))
    assert thin["draw"].values.tolist() == list(range(0, 60, 7))
    parts = {part.name: part for part in found.parts()}
    assert set(parts) == {"scale", "level", "twice"}
    assert parts["level"].labels == [("a",), ("b",), ("c",)]
    np.testing.assert_array_equal(parts["level"].draws, data["level"])
    assert set(np.unique(found.values("sampler diverging"))) <= {0.0, 1.0}


def test_chains_differ_and_cores_do_not_matter(compiled: Any, whole: list[bytes], tmp_path: Path) -> None:
    assert len(set(whole)) == 4
    assert _bytes(sampled(compiled, tmp_path, cores=1)[0]) == whole


@pytest.mark.parametrize("harm", ["missing", "cut short", "changed", "without its checksum"])
def test_a_chain_that_is_not_whole_is_sampled_again_and_no_other(
    compiled: Any, whole: list[bytes], tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled(compiled, tmp_path)
    file = tmp_path / "chain-2.npy"
    if harm == "missing":
        file.unlink()
    elif harm == "cut short":
        file.write_bytes(file.read_bytes()[:-8])
    elif harm == "changed":
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    else:
        file.with_name(f"{file.name}.sha256").unlink()
    written: list[str] = []

    def noted(path: Path, writer: Any) -> None:
        written.append(Path(path).name)
        write_atomic(path, writer)

    monkeypatch.setattr(chains, "write_atomic", noted)
    found, said = sampled(compiled, tmp_path)
    assert said == ["continuing: 3 of 4 chains were finished"]
    assert written == ["chain-2.npy", "chain-2.npy.sha256"]
    assert _bytes(found) == whole


RUN = MODEL + textwrap.dedent("""
    import sys
    from pathlib import Path
    from avatar_trials.calibrate import chains, checkpoints
    from avatar_trials.calibrate.checkpoints import open_checkpoint
    from avatar_trials.model_cards import Sampling
    from avatar_trials.problems import InputError

    partial = Path(sys.argv[1])

    def hold():
        while any(partial.glob("*/chain-*.npy.sha256")):
            pass

    chains._is_finished = lambda sampler, known=chains._is_finished: hold() or known(sampler)
    sampling = Sampling(chains=4, tune=100, draws=60, target_accept=0.8)
    try:
        with open_checkpoint(partial) as kept:
            chains.sample_chains(compiled(), sampling, kept.folder / "chains-a", seed=3, cores=1, say=print)
    except InputError as refused:
        print(refused)
        sys.exit(refused.exit_code)
""")


def test_a_second_run_is_refused_and_a_kill_loses_no_finished_chain(
    compiled: Any, whole: list[bytes], tmp_path: Path
) -> None:
    """Once the first chain is there another process is refused; SIGKILL; the next ends where no kill would have."""
    partial = tmp_path / "out" / "posterior.nc.partial"
    run = [sys.executable, "-c", RUN, str(partial)]
    first = subprocess.Popen(run)
    try:
        deadline = time.monotonic() + 300
        while not any(partial.glob("*/chain-*.npy.sha256")):
            assert first.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        before = {file: file.read_bytes() for file in partial.rglob("*") if file.is_file()}
        second = subprocess.run(run, capture_output=True, text=True, timeout=100, check=False)
        assert second.returncode == 3, second.stderr
        assert f"[W02] another run (process {first.pid} on " in second.stdout
        assert {file: file.read_bytes() for file in partial.rglob("*") if file.is_file()} == before
    finally:
        os.kill(first.pid, signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    with open_checkpoint(partial) as kept:
        found, said = sampled(compiled, kept.folder / "chains-a")
    assert said == ["continuing: 1 of 4 chains were finished"]
    assert _bytes(found) == whole


def test_a_checkpoint_is_of_one_run_and_leaves_nothing_when_it_is_empty(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "posterior.nc.partial"
    with open_checkpoint(folder):
        with pytest.raises(OutputError, match=f"process {os.getpid()} on"), open_checkpoint(folder):
            pass
        with open_checkpoint(tmp_path / "out" / "other.nc.partial"):
            pass
    assert not list(tmp_path.iterdir())
    with open_checkpoint(folder) as kept:
        (kept.folder / "chains-a").mkdir()
    with open_checkpoint(folder) as kept:
        assert (kept.folder / "chains-a").is_dir()
        kept.remove()
    assert not list((tmp_path / "out").iterdir())
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("a file", "utf-8")
    with (
        pytest.raises(OutputError, match=r"\[W01\] finished chains cannot be kept there"),
        open_checkpoint(folder),
    ):
        pass


def test_a_lock_file_that_was_removed_meanwhile_locks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run ends, and removes its lock, between another's opening of it and the lock: that one takes a new file."""
    known = checkpoints._lock
    removed: list[Path] = []

    def late(descriptor: int, lock: Path) -> None:
        if not removed:
            lock.unlink()
            removed.append(lock)
        known(descriptor, lock)

    monkeypatch.setattr(checkpoints, "_lock", late)
    with open_checkpoint(tmp_path / "p.partial") as kept:
        assert removed
        with pytest.raises(OutputError), open_checkpoint(kept.folder):
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has its own locks")
def test_without_locks_the_process_in_the_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: int) -> None:
        raise OSError(errno.ENOTSUP, "no locks here")

    monkeypatch.setattr("fcntl.flock", unsupported)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        lock = tmp_path / "lock"
        lock.write_text(f"{other.pid} {platform.node()}", "utf-8")
        with pytest.raises(OutputError, match=f"if it is not, remove {lock}"), open_checkpoint(tmp_path):
            pass
        assert other.stdin is not None
        other.stdin.write(b"\n")
    with open_checkpoint(tmp_path):
        assert lock.read_text("utf-8") == f"{os.getpid()} {platform.node()}"


def test_a_checkpoint_is_of_its_inputs_and_is_removed_with_earlier_ones(
    compiled: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "posterior.nc.partial"
    kept = Checkpoint(folder)
    facts = {"seed": "3", "card": "a"}
    here = kept.of(facts, compiled)
    assert here == kept.of(dict(reversed(facts.items())), compiled)
    other = kept.of(facts | {"seed": "4"}, compiled)
    assert here != other
    density, slopes = compiled.logp_func(np.zeros(compiled.n_dim))
    shifted = SimpleNamespace(n_dim=compiled.n_dim, logp_func=lambda _: (density, slopes))
    assert kept.of(facts, shifted) not in (here, other)
    for chains_of in (here, other):
        chains_of.mkdir(parents=True)
        (chains_of / "chain-0.npy").write_bytes(b"")
    (folder / "note.txt").write_text("mine")
    with open_checkpoint(folder) as again:
        again.remove()
    assert [file.name for file in folder.iterdir()] == ["note.txt"]
    (folder / "note.txt").unlink()
    with open_checkpoint(folder) as again:
        again.remove()
    assert not folder.exists()
    again.remove()
