"""Posteriors and trials that were written whole, and yet are not to be read: told in words, exit code 4, nothing
written; and files that hold more than numbers and text."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from avatar_trials import memory
from avatar_trials.cli import main
from avatar_trials.emulate import check_posterior, check_trial
from avatar_trials.library import find_card
from avatar_trials.problems import ResourceError
from avatar_trials.stamp import StampError, manifest_path, read_netcdf, read_stamp, sha256_of, write_netcdf
from tests.journeys.test_cli import DESIGN, FROZEN, VOLUMES
from tests.program import refusal

Called = Callable[..., list[str]]
Harm = Callable[[xr.Dataset], xr.Dataset]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Called:
    """Lines of a refusal with its exit code; the folder is as it was before."""
    monkeypatch.chdir(tmp_path)
    Path("d.toml").write_text(DESIGN, "utf-8")

    def called(code: int, *arguments: str | Path) -> list[str]:
        return refusal(monkeypatch, capsys, tmp_path, code, *arguments)

    return called


def harmed(change: Callable[[xr.DataTree], xr.DataTree | None]) -> None:
    """The frozen posterior, changed and written whole: its checksum and its stamp are sound."""
    tree = read_netcdf(FROZEN, kind="posterior")
    stamp = read_stamp(tree)
    write_netcdf(change(tree) or tree, "p.nc", stamp)


def of_posterior(change: Harm) -> Callable[[xr.DataTree], None]:
    def within(tree: xr.DataTree) -> None:
        tree["posterior"] = xr.DataTree(change(tree["posterior"].to_dataset()))

    return within


def without_fact(*names: str) -> Callable[[xr.DataTree], None]:
    def within(tree: xr.DataTree) -> None:
        for name in names:
            del tree.attrs[name]

    return within


def with_fact(name: str, value: object) -> Callable[[xr.DataTree], None]:
    def within(tree: xr.DataTree) -> None:
        tree.attrs[name] = value

    return within


def nan_in(name: str) -> Harm:
    def change(posterior: xr.Dataset) -> xr.Dataset:
        values = posterior[name].values.copy()
        values.flat[-1] = np.nan
        return posterior.assign({name: (posterior[name].dims, values)})

    return change


UNSOUND = [
    (of_posterior(nan_in("log_kill")), "has no sound numbers in places of log_kill"),
    (of_posterior(lambda p: p.isel(draw=slice(0, 0))), "has no draw"),
    (of_posterior(lambda p: p.drop_vars(["mu_r", "resistance"])), "has no mu_r, resistance"),
    (lambda tree: tree.drop_nodes("posterior"), "has no group posterior"),
    (without_fact("constants", "gates"), "has no constants, gates"),
    (with_fact("observation", "{half"), "has no sound numbers in places of observation"),
    (with_fact("kinetics", "gompertz"), "kinetics 'gompertz' are not known here. Update the program"),
]


@pytest.mark.bad_input(100)
@pytest.mark.parametrize(("change", "told"), UNSOUND, ids=[told for _, told in UNSOUND])
def test_a_posterior_that_lacks_something(
    refused: Called, change: Callable[[xr.DataTree], xr.DataTree | None], told: str
) -> None:
    harmed(change)
    for command in (("emulate", "d.toml", "--posterior", "p.nc"), ("population", "p.nc")):
        (line,) = refused(4, *command)
        assert line.startswith("p.nc: ")
        assert told in line
    with pytest.raises(StampError, match=r"^mine: "):
        check_posterior(read_netcdf("p.nc", kind="posterior"), "mine")


@pytest.mark.bad_input(100)
def test_a_posterior_of_another_card_or_unconverged(refused: Called) -> None:
    harmed(with_fact("model_card", "another"))
    (line,) = refused(4, "emulate", "d.toml", "--posterior", "p.nc")
    assert "calibrated with model card 'another', and the design names 'two_clone'" in line
    tree = read_netcdf(FROZEN, kind="posterior")
    write_netcdf(tree, "p.nc", read_stamp(tree) | {"gates_passed": False})
    (line,) = refused(4, "emulate", "d.toml", "--posterior", "p.nc")
    assert "did not pass its convergence gates" in line
    assert "--allow-unconverged" in line


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    folder = tmp_path_factory.mktemp("emulated")
    (folder / "d.toml").write_text(DESIGN, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        trial = folder / "t.nc"
        arguments = ["emulate", str(folder / "d.toml"), "--posterior", str(FROZEN), "-o", str(trial)]
        patch.setattr(sys, "argv", ["avatar-trials", *arguments])
        main_ended_well()
    return read_netcdf(trial, kind="trial")


def main_ended_well() -> None:
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0


def where_seen(trial: xr.Dataset, value: float) -> xr.Dataset:
    volume = trial["volume_mm3"].values.copy()
    volume[0, 0, 0, 0] = value
    return trial.assign(volume_mm3=(trial["volume_mm3"].dims, volume))


UNSOUND_TRIALS: list[tuple[Harm, str]] = [
    (lambda t: t.drop_vars("twin_volume_mm3"), "has no twin_volume_mm3"),
    (lambda t: t.drop_vars(["volume_mm3", "left_day"]), "has no volume_mm3, left_day"),
    (lambda t: t.isel(avatar=slice(0, 0)), "has no volume_mm3, twin_volume_mm3, left_day, left_reason"),
    (lambda t: t.drop_vars("day"), "has no day"),
    (lambda t: t.assign_coords(day=("visit", t["day"].values[::-1])), "no sound numbers in places of day"),
    (lambda t: where_seen(t, -1.0), "no sound numbers in places of volume_mm3"),
    (lambda t: where_seen(t, np.inf), "no sound numbers in places of volume_mm3"),
    (lambda t: t.assign(draw=("trial", ["x"] * t.sizes["trial"])), "no sound numbers in places of draw"),
    (lambda t: t.drop_attrs(deep=False), "has no endpoints, design_name, design_sha256, seed"),
    (lambda t: t.assign_attrs(endpoints="{}"), "no sound numbers in places of endpoints"),
]


@pytest.mark.bad_input(100)
@pytest.mark.parametrize(("harm", "told"), UNSOUND_TRIALS, ids=[told for _, told in UNSOUND_TRIALS])
def test_a_trial_that_lacks_something(refused: Called, emulated: xr.Dataset, harm: Harm, told: str) -> None:
    Path("v.csv").write_text(VOLUMES, "utf-8")
    trial = harm(emulated.copy(deep=True))
    write_netcdf(trial, "t.nc", read_stamp(emulated))
    for command in (("readout", "t.nc"), ("agree", "t.nc", "v.csv"), ("report", "d.toml", "--trial", "t.nc")):
        (line,) = refused(4, *command)
        assert line.startswith("t.nc: the trial has no")
        assert told in line
        assert "Emulate it again" in line
    with pytest.raises(StampError, match=r"^mine: "):
        check_trial(trial, "mine")
    check_trial(emulated, "mine")


def signed(path: Path) -> Path:
    manifest_path(path).write_text(f"{sha256_of(path)}  {path.name}\n", "utf-8")
    return path


def objects(file: h5py.File) -> None:
    file.create_dataset("x", (1,), dtype=h5py.vlen_dtype(np.int32))


def references(file: h5py.File) -> None:
    file.create_dataset("x", data=np.array([file.ref], dtype=h5py.ref_dtype))


def compounds(file: h5py.File) -> None:
    file.create_dataset("x", data=np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]))


def elsewhere(file: h5py.File) -> None:
    file.create_dataset("x", (4,), dtype="u1", external=[("/etc/hostname", 0, 4)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource("other.nc", "y", (4,))
    file.create_virtual_dataset("x", layout)


def linked(file: h5py.File) -> None:
    file["group/x"] = h5py.ExternalLink("other.nc", "/y")


def soft(file: h5py.File) -> None:
    file["group/x"] = h5py.SoftLink("/nowhere")


@pytest.mark.bad_input(99)
@pytest.mark.parametrize("content", [objects, references, compounds, elsewhere, virtual, linked, soft])
def test_a_file_of_more_than_numbers_and_text(refused: Called, content: Callable[[h5py.File], None]) -> None:
    """Nothing of it is read: no object, and no byte of another file."""
    with h5py.File("p.nc", "w") as file:
        content(file)
    signed(Path("p.nc"))
    (line,) = refused(4, "emulate", "d.toml", "--posterior", "p.nc")
    assert "p.nc: not a posterior file of this program: /" in line
    assert "x " in line


@pytest.mark.bad_input(99)
def test_a_zarr_store_is_not_opened(refused: Called) -> None:
    store = Path("p.zarr")
    store.mkdir()
    (store / ".zarray").write_text(json.dumps({"filters": [{"id": "pickle"}]}), "utf-8")
    (line,) = refused(4, "emulate", "d.toml", "--posterior", "p.zarr")
    assert "p.zarr: there is no such file" in line


@pytest.mark.bad_input(93)
def test_a_small_file_of_many_numbers_is_not_unpacked(
    refused: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 16 * 10**9)
    with h5py.File("p.nc", "w") as file:
        file.create_dataset("x", (10**6, 10**6), dtype="f8", chunks=(1000, 1000), fillvalue=1.0)
    assert signed(Path("p.nc")).stat().st_size < 10**5
    (line,) = refused(3, "emulate", "d.toml", "--posterior", "p.nc")
    assert "[R01] p.nc needs about 8 TB of memory; 16 GB are free here" in line
    with pytest.raises(ResourceError):
        read_netcdf("p.nc", kind="posterior")


@pytest.mark.parametrize("stamp", ["[]", "3", "{half", '{"kind": "trial", "file_format": "x"}', 7])
def test_a_stamp_that_is_none(tmp_path: Path, stamp: object) -> None:
    path = tmp_path / "t.nc"
    xr.Dataset({"x": ("visit", [1.0])}, attrs={"stamp": stamp}).to_netcdf(path, engine="h5netcdf")
    with pytest.raises(StampError, match="stamp"):
        read_netcdf(signed(path), kind="trial")


def inspected(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: Path | str) -> str:
    monkeypatch.setattr(sys, "argv", ["avatar-trials", "inspect", str(path)])
    main_ended_well()
    return capsys.readouterr().out


def test_a_sound_file_is_inspected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], emulated: xr.Dataset, tmp_path: Path
) -> None:
    told = inspected(monkeypatch, capsys, FROZEN)
    assert told.startswith(f"{FROZEN}: posterior, whole and as it was written")
    assert f"sha256: {sha256_of(FROZEN)}" in told
    assert "volumes: SYNTHETIC, no measured mouse" in told
    assert "chain " in told
    assert "passed" in told
    trial = tmp_path / "t.nc"
    write_netcdf(emulated, trial, read_stamp(emulated) | {"design": "a\x1b[2J\nb"})
    told = inspected(monkeypatch, capsys, trial)
    assert f"{trial}: trial, whole" in told
    assert "design: a\\x1b[2J\\nb" in told
    assert "seed: 7" in told
    told = inspected(monkeypatch, capsys, find_card("populations", "pdxe_cm"))
    assert "population, whole" in told
    assert "volumes: measured" in told


@pytest.mark.bad_input(97, 98)
def test_an_unsound_file_is_inspected(refused: Called, emulated: xr.Dataset) -> None:
    write_netcdf(emulated, "t.nc", read_stamp(emulated))
    content = Path("t.nc").read_bytes()
    Path("t.nc").write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    assert "damaged, cut short or edited" in refused(4, "inspect", "t.nc")[0]
    Path("t.nc").write_bytes(b"")
    signed(Path("t.nc"))
    assert "carries no stamp" in refused(4, "inspect", "t.nc")[0]
    write_netcdf(emulated.drop_vars("day"), "t.nc", read_stamp(emulated))
    assert "the trial has no day. Emulate it again" in refused(4, "inspect", "t.nc")[0]
    assert "there is no such file" in refused(4, "inspect", "u.nc")[0]
    for name, says in (("v.csv", "no provenance.json beside it"), ("v.txt", "this is no NetCDF file")):
        Path(name).write_text(VOLUMES, "utf-8")
        assert says in refused(4, "inspect", name)[0]
    xr.Dataset({"x": ("visit", [1.0])}).to_netcdf("foreign.nc", engine="h5netcdf")
    signed(Path("foreign.nc"))
    assert "carries no stamp" in refused(4, "inspect", "foreign.nc")[0]
