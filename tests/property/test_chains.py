"""Chains do not depend on one another, on cores, or on a kill: what was finished is kept, and the rest is the same."""

from __future__ import annotations

import os
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

from avatar_trials.calibrate import chains
from avatar_trials.calibrate.chains import Chains, checkpoint_of, remove_checkpoint, sample_chains
from avatar_trials.model_cards import Sampling
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
    return [np.asarray(draws).tobytes() for draws in found.files]


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


def test_a_kill_loses_no_finished_chain(compiled: Any, whole: list[bytes], tmp_path: Path) -> None:
    """SIGKILL once the first chain is there; the next process takes it up and ends where no kill would have."""
    script = MODEL + textwrap.dedent("""
        import sys
        from pathlib import Path
        from avatar_trials.calibrate import chains
        from avatar_trials.model_cards import Sampling

        chains._is_finished = lambda sampler, known=chains._is_finished: hold() or known(sampler)

        def hold():
            while any(Path(sys.argv[1]).glob("chain-*.npy.sha256")):
                pass

        sampling = Sampling(chains=4, tune=100, draws=60, target_accept=0.8)
        chains.sample_chains(compiled(), sampling, Path(sys.argv[1]), seed=3, cores=1, say=print)
    """)
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    deadline = time.monotonic() + 300
    while not any(tmp_path.glob("chain-*.npy.sha256")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    found, said = sampled(compiled, tmp_path)
    assert said == ["continuing: 1 of 4 chains were finished"]
    assert _bytes(found) == whole


def test_a_checkpoint_is_of_its_inputs_and_is_removed_with_earlier_ones(
    compiled: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "posterior.nc.partial"
    facts = {"seed": "3", "card": "a"}
    here = checkpoint_of(folder, facts, compiled)
    assert here == checkpoint_of(folder, dict(reversed(facts.items())), compiled)
    other = checkpoint_of(folder, facts | {"seed": "4"}, compiled)
    assert here != other
    density, slopes = compiled.logp_func(np.zeros(compiled.n_dim))
    shifted = SimpleNamespace(n_dim=compiled.n_dim, logp_func=lambda _: (density, slopes))
    assert checkpoint_of(folder, facts, shifted) not in (here, other)
    for kept in (here, other):
        kept.mkdir(parents=True)
        (kept / "chain-0.npy").write_bytes(b"")
    (folder / "note.txt").write_text("mine")
    remove_checkpoint(folder)
    assert [file.name for file in folder.iterdir()] == ["note.txt"]
    (folder / "note.txt").unlink()
    remove_checkpoint(folder)
    assert not folder.exists()
    remove_checkpoint(folder)
