"""Files arrive whole or not at all, come back as they went, and are refused when anything in them changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from avatar_trials import stamp
from avatar_trials.stamp import StampError, read_netcdf, read_stamp, write_atomic, write_netcdf
from tests.little_disk import no_file_longer_than


def trial(seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    volume = rng.lognormal(5, 1, size=(30, 3, 2, 8))
    volume[..., 6:] = np.nan
    return xr.Dataset(
        {
            "volume_mm3": (("trial", "avatar", "arm", "visit"), volume, {"units": "mm3"}),
            "left_reason": (
                ("trial",),
                np.arange(30, dtype="int8") % 3,
                {"flag_meanings": "study_end size dropout"},
            ),
            "doubled": (("trial",), np.arange(30) % 2 == 0),
            "note": (("avatar",), np.array(["", "long follow-up", "é"])),
            "horizon": ((), 60.0, {"units": "days"}),
        },
        coords={
            "trial": np.arange(30),
            "avatar": pd.Index(["A-01", "A-02", "µ"]),
            "arm": ["encorafenib", "binimetinib + encorafenib"],
            "day": ("visit", np.arange(8) * 3.5, {"units": "days"}),
        },
        attrs={"synthetic": 1, "design_name": "small"},
    )


def posterior() -> xr.DataTree:
    rng = np.random.default_rng(1)
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs={"model_card": "two_clone"}),
            "/posterior": xr.Dataset(
                {
                    "log_kill": (
                        ("chain", "draw", "avatar"),
                        rng.normal(size=(2, 5, 2)),
                        {"units": "log 1/day"},
                    )
                },
                coords={"chain": [0, 1], "draw": np.arange(5), "avatar": ["A-01", "A-02"]},
            ),
            "/observed_data": xr.Dataset({"volume_mm3": (("obs",), [200.0, 0.0, 340.5])}),
            "/constant_data": xr.Dataset(
                {"censored": (("obs",), [False, True, False]), "curve": (("obs",), [0, 0, 1])},
                coords={"mouse": ("curves", ["A-01|untreated|1", "A-02|untreated|1"])},
            ),
        }
    )


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "trial.nc"
    write_netcdf(trial(), path, stamp.make_stamp(seed=20))
    return path


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_trial_comes_back_as_it_went(written: Path) -> None:
    back, sent = read_netcdf(written, kind="trial"), trial()
    assert isinstance(back, xr.Dataset)
    assert {k: v for k, v in back.attrs.items() if k != "stamp"} == sent.attrs
    xr.testing.assert_identical(back.drop_attrs(deep=False), sent.drop_attrs(deep=False))
    for name, variable in sent.variables.items():
        if variable.dtype.kind in "bif":
            assert back[name].dtype == variable.dtype, name
    assert list(back["avatar"].values) == ["A-01", "A-02", "µ"]
    assert read_stamp(back)["seed"] == 20
    assert read_stamp(back)["libraries"]["numpy"] == np.__version__


def test_posterior_comes_back_as_it_went(tmp_path: Path) -> None:
    path, sent = tmp_path / "posterior.nc", posterior()
    write_netcdf(sent, path, {})
    back = read_netcdf(path, kind="posterior")
    assert isinstance(back, xr.DataTree)
    assert back.attrs["model_card"] == "two_clone"
    for group in ("posterior", "observed_data", "constant_data"):
        xr.testing.assert_identical(back[group].to_dataset(), sent[group].to_dataset())
    assert back["constant_data"]["censored"].dtype == bool
    assert sent.attrs == {"model_card": "two_clone"}


def test_reading_closes_the_file(written: Path) -> None:
    back = read_netcdf(written, kind="trial")
    written.unlink()
    assert float(back["horizon"]) == 60.0
    open_files = Path("/proc/self/fd")
    if open_files.is_dir():
        targets = [os.readlink(link) for link in open_files.iterdir() if link.exists()]
        assert not [target for target in targets if "trial.nc" in target]


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    facts = stamp.make_stamp(seed=1, gates={"rhat": 1.004})
    for make, name in ((trial, "t"), (posterior, "p")):
        for copy in ("1", "2"):
            write_netcdf(make(), tmp_path / f"{name}{copy}.nc", facts)
        assert (tmp_path / f"{name}1.nc").read_bytes() == (tmp_path / f"{name}2.nc").read_bytes()


def test_encodings_of_a_file_read_before_do_not_travel(written: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.nc"
    back = read_netcdf(written, kind="trial")
    write_netcdf(back, again, read_stamp(back))
    assert again.read_bytes() == written.read_bytes()


def test_numbers_carry_a_checksum_of_their_own(written: Path) -> None:
    raw = xr.open_dataset(written, engine="h5netcdf")
    with raw:
        assert raw["volume_mm3"].encoding["fletcher32"]
        assert raw["day"].encoding["fletcher32"]


@pytest.mark.bad_input(98)
@pytest.mark.parametrize("where", [0.05, 0.3, 0.6, 0.97])
def test_one_flipped_bit_is_refused(written: Path, where: float) -> None:
    content = bytearray(written.read_bytes())
    content[int(where * len(content))] ^= 1
    written.write_bytes(bytes(content))
    with pytest.raises(StampError, match="damaged, cut short or edited") as caught:
        read_netcdf(written, kind="trial")
    assert caught.value.exit_code == 4
    with pytest.raises(StampError):
        read_netcdf(written, kind="trial", allow_unstamped=True)


@pytest.mark.bad_input(97)
@pytest.mark.parametrize("kept", [0, 1, 100, 20_000])
def test_a_file_cut_short_is_refused(written: Path, kept: int) -> None:
    written.write_bytes(written.read_bytes()[:kept])
    with pytest.raises(StampError, match="cut short"):
        read_netcdf(written, kind="trial")
    stamp.manifest_path(written).unlink()
    with pytest.raises(StampError, match="cut short"):
        read_netcdf(written, kind="trial", allow_unstamped=True)


def test_a_missing_manifest_is_refused_unless_allowed(written: Path) -> None:
    stamp.manifest_path(written).unlink()
    with pytest.raises(StampError, match=r"checksum file trial\.nc\.sha256 is missing"):
        read_netcdf(written, kind="trial")
    assert read_netcdf(written, kind="trial", allow_unstamped=True).sizes["avatar"] == 3


@pytest.mark.bad_input(97)
def test_what_is_no_file_of_ours_is_refused_in_words(tmp_path: Path, written: Path) -> None:
    with pytest.raises(StampError, match="there is no such file"):
        read_netcdf(tmp_path / "none.nc", kind="trial")
    with pytest.raises(StampError, match="there is no such file"):
        read_netcdf(tmp_path, kind="trial")
    with pytest.raises(StampError, match="this is a trial file, and a posterior file is wanted"):
        read_netcdf(written, kind="posterior")
    (tmp_path / "text.nc").write_text("avatar,arm\n", "utf-8")
    with pytest.raises(StampError, match="not a readable posterior file"):
        read_netcdf(tmp_path / "text.nc", kind="posterior", allow_unstamped=True)
    trial().drop_vars("doubled").to_netcdf(tmp_path / "foreign.nc", engine="h5netcdf")
    with pytest.raises(StampError, match="checksum file"):
        read_netcdf(tmp_path / "foreign.nc", kind="trial")
    assert (
        read_netcdf(tmp_path / "foreign.nc", kind="trial", allow_unstamped=True).attrs["design_name"]
        == "small"
    )


def test_a_later_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trial.nc"
    write_netcdf(trial(), path, {"file_format": stamp.FILE_FORMAT + 1, "avatar_trials": "9.0"})
    with pytest.raises(StampError, match=r"by version 9\.0.*Update the program"):
        read_netcdf(path, kind="trial")


def test_what_netcdf_cannot_hold_is_refused_or_turned_into_text(tmp_path: Path) -> None:
    path = tmp_path / "trial.nc"
    for values in (pd.date_range("2015-01-01", periods=2), pd.to_timedelta([1, 2], unit="D"), ["a", None]):
        with pytest.raises(TypeError):
            write_netcdf(xr.Dataset({"day": ("visit", np.asarray(values))}), path, {})
    assert files_in(tmp_path) == set()
    attrs = {"synthetic": True, "tuning": {"b": 1, "a": [np.float64(0.5)]}, "nothing": None}
    write_netcdf(xr.Dataset({"day": ("visit", [1.0])}, attrs=attrs), path, {})
    back = read_netcdf(path, kind="trial").attrs
    assert (back["synthetic"], back["tuning"], back["nothing"]) == (1, '{"a": [0.5], "b": 1}', "null")


def test_the_manifest_is_one_that_sha256sum_reads(written: Path) -> None:
    text = stamp.manifest_path(written).read_text("utf-8")
    assert text == f"{stamp.sha256_of(written)}  trial.nc\n"


def test_stamps_hold_only_what_json_holds(tmp_path: Path) -> None:
    facts = stamp.make_stamp(seed=np.int64(3), worst=np.array([1.5]), gates={"ess": 512})
    write_netcdf(trial(), tmp_path / "trial.nc", facts)
    assert read_stamp(read_netcdf(tmp_path / "trial.nc", kind="trial"))["worst"] == [1.5]
    for bad in (object(), float("nan"), {1, 2}):
        with pytest.raises((TypeError, ValueError)):
            write_netcdf(trial(), tmp_path / "other.nc", stamp.make_stamp(bad=bad))
    assert files_in(tmp_path) == {"trial.nc", "trial.nc.sha256"}


def fail_midway(path: Path) -> None:
    path.write_text("half", "utf-8")
    raise OSError("disk full")


def interrupt(path: Path) -> None:
    path.write_text("half", "utf-8")
    raise KeyboardInterrupt


@pytest.mark.parametrize(("writer", "error"), [(fail_midway, OSError), (interrupt, KeyboardInterrupt)])
def test_a_failed_writer_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, writer: Callable[[Path], None], error: type[BaseException]
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old", "utf-8")
    for target in (path, tmp_path / "new.csv"):
        with pytest.raises(error):
            write_atomic(target, writer)
    assert files_in(tmp_path) == {"table.csv"}
    assert path.read_text("utf-8") == "old"


@pytest.mark.parametrize("room", [0, 5000])
def test_a_disk_that_fills_up_leaves_the_old_trial_readable(written: Path, room: int) -> None:
    """Not of one file's failing: the operating system lets no file grow further."""
    before = files_in(written.parent)
    with no_file_longer_than(room), pytest.raises(OSError, match=re.escape(f"{written.name}")):
        write_netcdf(trial(1), written, {})
    assert files_in(written.parent) == before
    xr.testing.assert_equal(read_netcdf(written, kind="trial"), trial())


@pytest.mark.parametrize("name", ["trial.nc", "fresh.nc"])
def test_a_failed_rename_leaves_the_old_trial_and_its_manifest(
    written: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = {path.name: path.read_bytes() for path in written.parent.iterdir()}
    true_replace = os.replace

    def replace(source: Path, target: Path) -> None:
        if target.name == name:
            raise OSError("the share went away")
        true_replace(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="the share went away"):
        write_netcdf(trial(1), written.with_name(name), {})
    assert {path.name: path.read_bytes() for path in written.parent.iterdir()} == before


def test_a_writer_replaces_the_file_and_keeps_its_permissions_and_links(tmp_path: Path) -> None:
    path, link = tmp_path / "table.csv", tmp_path / "link.csv"
    path.write_text("old", "utf-8")
    path.chmod(0o640)
    link.symlink_to(path)
    write_atomic(link, lambda file: file.write_text("new", "utf-8"))
    assert link.is_symlink()
    assert path.read_text("utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    fresh = tmp_path / "deep" / "er" / "x.csv"
    write_atomic(fresh, lambda file: file.write_text("new", "utf-8"))
    plain = tmp_path / "plain.csv"
    plain.write_text("", "utf-8")
    assert fresh.stat().st_mode == plain.stat().st_mode


def test_what_is_not_a_regular_file_is_never_replaced(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.csv"
    os.mkfifo(fifo)
    for target in (tmp_path, fifo, Path(os.devnull)):
        with pytest.raises(OSError, match="not a regular file"):
            write_atomic(target, lambda file: file.write_text("new", "utf-8"))
    assert files_in(tmp_path) == {"fifo.csv"}


KILLED_AT_EVERY_STEP = """
import os, sys
from pathlib import Path
import numpy as np, xarray as xr
from avatar_trials import stamp

path = Path(sys.argv[1])
def content(value):
    return xr.Dataset({"volume_mm3": ("visit", np.full(500, float(value)))})
stamp.write_netcdf(content(0), path, {})
seen, step = set(), 0
while True:
    child = os.fork()
    if child == 0:
        calls = 0
        def dying(true_call):
            def call(*args):
                global calls
                if calls == step:
                    os._exit(9)
                calls += 1
                return true_call(*args)
            return call
        os.replace, os.fsync, os.unlink = dying(os.replace), dying(os.fsync), dying(os.unlink)
        stamp.write_netcdf(content(step + 1), path, {})
        os._exit(0)
    _, status = os.waitpid(child, 0)
    value = float(stamp.read_netcdf(path, kind="trial")["volume_mm3"][0])
    seen.add(value == step + 1)
    if os.waitstatus_to_exitcode(status) == 0:
        break
    step += 1
print(step, sorted(seen))
"""


def test_a_kill_at_every_step_leaves_a_file_that_reads(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EVERY_STEP, str(tmp_path / "trial.nc")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    steps, seen = result.stdout.split(maxsplit=1)
    assert int(steps) >= 9
    assert json.loads(seen.lower()) == [False, True]
