"""Files that arrive whole or not at all, carry a stamp of how they were made, and are refused when a bit changed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import stat
from collections.abc import Callable, Hashable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args, overload

import numpy as np
import xarray as xr

from avatar_trials.hdf5 import strange_contents
from avatar_trials.problems import InputError
from avatar_trials.unfinished import place_for

FILE_FORMAT: Final = 1
DISTRIBUTION: Final = "avatar-trials"
RECORDED_LIBRARIES: Final = (
    "arviz",
    "h5netcdf",
    "h5py",
    "nutpie",
    "numpy",
    "pandas",
    "pymc",
    "pytensor",
    "scipy",
    "xarray",
)

TOLD_OF_ITSELF: Final = (
    *("design_name", "design_sha256", "seed", "model_card", "card_sha256", "data_sha256"),
    "calibrated_on_sha256",
)

Kind = Literal["posterior", "trial", "population", "patients", "strategies"]

_KIND_OF: Final[dict[type, str]] = {xr.DataTree: "posterior", xr.Dataset: "trial"}
_FILTERS: Final = {"zlib": True, "complevel": 1, "shuffle": True, "fletcher32": True}
_CHUNK_BYTES: Final = 1 << 20
_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"


class StampError(RuntimeError):
    """A posterior or trial file that must not be used as it is. The command line exits with `exit_code`."""

    exit_code = 4


def write_atomic(path: Path | str, writer: Callable[[Path], object]) -> None:
    """Have `writer` write a file of the same name in a folder beside `path`, then put it in place in one step.

    A reader, a crash or a full disk sees the old file or the new one, never a part. The new file is synced before the
    rename, and removed when `writer` raises; what a kill leaves of it goes with `clear_unfinished`. Missing parent
    folders are made; a symbolic link keeps pointing where it pointed. Raises OSError where the target is not a regular
    file.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise OSError(f"{path} is not a regular file and is left as it is")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with place_for(target) as temporary:
            temporary.touch()
            writer(temporary)
            if target.exists():
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            _sync(temporary)
            os.replace(temporary, target)
        _sync(target.parent)
    except OSError as error:
        if error.filename is None and error.errno is not None:  # a full disk does not say what was written
            error.filename = str(path)
        raise


def make_stamp(**facts: Any) -> dict[str, Any]:
    """How a file came to be: versions, machine, and `facts` (card_sha256, data_sha256, seed, gates ...).

    Holds no time of day and no path, so that the same work gives the same file.
    """
    simd = cast(dict[str, Any], np.show_config(mode="dicts")).get("SIMD Extensions", {})
    return {
        "avatar_trials": _version(DISTRIBUTION),
        "libraries": {name: _version(name) for name in RECORDED_LIBRARIES},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu_features": sorted(simd.get("found", [])),
        **facts,
    }


def read_stamp(obj: xr.Dataset | xr.DataTree) -> dict[str, Any]:
    """The stamp that a file read with `read_netcdf` carries; empty for a file without one."""
    return cast(dict[str, Any], json.loads(obj.attrs.get("stamp", "{}")))


def stamp_of_attrs(obj: xr.Dataset | xr.DataTree) -> dict[str, Any]:
    """The stamp of what an object says of itself: design, card, data, seed, and whether its gates passed."""
    facts = {name: obj.attrs[name] for name in TOLD_OF_ITSELF if name in obj.attrs}
    if "gates" in obj.attrs:
        facts["gates_passed"] = all(json.loads(obj.attrs["gates"])["passed"])
    return make_stamp(**facts)


def write_netcdf(
    obj: xr.Dataset | xr.DataTree,
    path: Path | str,
    stamp: Mapping[str, Any] | None = None,
    *,
    kind: Kind | None = None,
) -> None:
    """Write a posterior (DataTree), a trial, patients, a population or strategies (Dataset) as NetCDF.

    `path.sha256` is written beside it. Without `kind` a Dataset is a trial; without `stamp` it is `stamp_of_attrs`.

    Numeric variables carry a fletcher32 checksum and are compressed; the manifest covers every byte, text included.
    Equal content and stamp give equal bytes. Nothing of `obj` is changed; its own encodings are not used. A kill at
    any moment leaves a file that its manifest accepts. Attributes that are lists come back as arrays, truth values as
    0 or 1, tables as JSON text.

    Raises TypeError for dates and time spans (give days as numbers with `attrs["units"]`) and for mixed variables.
    """
    target = Path(os.path.realpath(path))
    tree = obj if isinstance(obj, xr.DataTree) else xr.DataTree(obj)
    plain = xr.DataTree.from_dict(
        {node.path: _plain(node.to_dataset(inherit=False)) for node in tree.subtree}
    )
    told = stamp_of_attrs(obj) if stamp is None else stamp
    signed = {"file_format": FILE_FORMAT, **told, "kind": kind or _KIND_OF[type(obj)]}
    plain.attrs["stamp"] = json.dumps(signed, sort_keys=True, allow_nan=False, default=_plain_number)
    encoding = {node.path: _encoding(node.to_dataset(inherit=False)) for node in plain.subtree}
    manifest = manifest_path(target)
    before = manifest.read_text("utf-8") if manifest.is_file() and target.is_file() else ""

    # In memory first: on a disk that fills up libhdf5 ends the process by a segmentation fault.
    content = io.BytesIO()
    plain.to_netcdf(content, engine="h5netcdf", encoding=encoding)

    def writer(temporary: Path) -> None:
        temporary.write_bytes(content.getbuffer())
        # Until the rename both the old and the new content are vouched for: no moment has a file that is refused.
        write_atomic(manifest, lambda file: file.write_text(f"{_line(temporary, target)}{before}", "utf-8"))

    try:
        write_atomic(target, writer)
    except BaseException:
        if before:
            write_atomic(manifest, lambda file: file.write_text(before, "utf-8"))
        else:
            manifest.unlink(missing_ok=True)
        raise
    write_atomic(manifest, lambda file: file.write_text(_line(target, target), "utf-8"))


@overload
def read_netcdf(
    path: Path | str, *, kind: Literal["posterior"], allow_unstamped: bool = False
) -> xr.DataTree: ...
@overload
def read_netcdf(
    path: Path | str,
    *,
    kind: Literal["trial", "population", "patients", "strategies"],
    allow_unstamped: bool = False,
) -> xr.Dataset: ...
def read_netcdf(path: Path | str, *, kind: Kind, allow_unstamped: bool = False) -> xr.Dataset | xr.DataTree:
    """Read a whole posterior (DataTree), trial, population, patients or strategies (Dataset) into memory, and close it.

    Raises StampError when the file is missing, changed since it was written, cut short, of another kind or of a later
    format, or holds more than numbers and text of its own; ResourceError where memory does not hold it. A file without
    a manifest or a stamp is refused unless `allow_unstamped`.
    """
    source = Path(path)
    if not source.is_file():
        raise StampError(f"{path}: there is no such file. Give the {kind} file that an earlier step wrote.")
    _verify(source, kind, allow_unstamped)
    try:
        _refuse_strange(source, kind)
        # Older xarray turns numbers whose unit is "days" into time spans unless told not to.
        opened = xr.open_datatree(source, engine="h5netcdf", decode_times=False, decode_timedelta=False)
        with opened:
            tree = opened.load()
    except (MemoryError, InputError, StampError):
        raise
    except Exception as error:
        size = source.stat().st_size
        raise StampError(
            f"{path}: not a readable {kind} file ({size:,} bytes; cut short, or no NetCDF). Write it again."
        ) from error
    _check_stamp(tree, path, kind, allow_unstamped)
    return tree if kind == "posterior" else tree.to_dataset()


def kind_of(path: Path | str) -> Kind:
    """Which kind of file this is, by its stamp; its bytes are those that were written.

    Raises StampError for a file that is missing, changed, or carries no stamp of this program.
    """
    import h5py

    source = Path(path)
    if not source.is_file():
        raise StampError(f"{path}: there is no such file.")
    _verify(source, "file", allow_unstamped=False)
    try:
        with h5py.File(source, "r") as file:
            kind = json.loads(file.attrs["stamp"])["kind"]
    except (OSError, KeyError, ValueError, TypeError, RuntimeError):
        kind = None
    if kind not in get_args(Kind):
        raise StampError(f"{path}: carries no stamp, so it was not written by this program.")
    return cast(Kind, kind)


def manifest_path(path: Path | str) -> Path:
    """Where the sha256 manifest of a file lies; `sha256sum -c` reads it."""
    return Path(f"{os.path.realpath(path)}.sha256")


def sha256_of(path: Path | str) -> str:
    """Hex sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(source: Path, kind: str, allow_unstamped: bool) -> None:
    manifest = manifest_path(source)
    if not manifest.is_file():
        if allow_unstamped:
            return
        if not _is_netcdf(source):
            raise StampError(
                f"{source}: this is no NetCDF file, and a {kind if kind != 'file' else 'NetCDF'} file is wanted here."
            )
        raise StampError(
            f"{source}: its checksum file {manifest.name} is missing, so nobody can tell whether the {kind} is intact. "
            "Copy both files together, or allow unstamped files."
        )
    recorded = {
        line.split(maxsplit=1)[0]
        for line in manifest.read_text("utf-8", "replace").splitlines()
        if line.strip()
    }
    if sha256_of(source) not in recorded:
        raise StampError(
            f"{source}: the file is not the one that was written (its checksum differs from {manifest.name}): "
            f"damaged, cut short or edited. Take it from a backup, or make the {kind} again."
        )


def _refuse_strange(source: Path, kind: Kind) -> None:
    strange = strange_contents(source)
    if strange:
        raise StampError(
            f"{source}: not a {kind} file of this program: {'; '.join(strange)}. Take it from where it was made."
        )


def _is_netcdf(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE


def _check_stamp(tree: xr.DataTree, path: Path | str, kind: Kind, allow_unstamped: bool) -> None:
    try:
        stamp = read_stamp(tree)
        written_as = int(stamp.get("file_format", 0))
    except (ValueError, TypeError, AttributeError) as error:
        raise StampError(f"{path}: its stamp cannot be read. Make the {kind} again.") from error
    if not stamp:
        if allow_unstamped:
            return
        raise StampError(
            f"{path}: carries no stamp, so it was not written by this program. Allow unstamped files to use it."
        )
    if stamp.get("kind") != kind:
        raise StampError(f"{path}: this is a {stamp.get('kind')} file, and a {kind} file is wanted here.")
    if not 1 <= written_as <= FILE_FORMAT:
        raise StampError(
            f"{path}: written in file format {stamp.get('file_format')} by version {stamp.get('avatar_trials')}; "
            f"this version reads formats up to {FILE_FORMAT}. Update the program."
        )


def _plain(dataset: xr.Dataset) -> xr.Dataset:
    """Without inherited encodings, text variables as plain Python text, attributes as NetCDF can hold them."""
    coords: dict[Hashable, xr.Variable] = {}
    data: dict[Hashable, xr.Variable] = {}
    for name, variable in dataset.variables.items():
        if variable.dtype.kind in "mM":
            raise TypeError(f"{name} holds dates or time spans; give days as numbers")
        values = variable.values
        if _is_text(variable):
            values = np.asarray(values, dtype=object)
            if not all(isinstance(value, str) for value in values.flat):
                raise TypeError(f"{name} holds a mixture: a variable is numbers, or text throughout")
        group = coords if name in dataset.coords else data
        group[name] = xr.Variable(variable.dims, values, _plain_attrs(variable.attrs))
    return xr.Dataset(data, coords, _plain_attrs(dataset.attrs))


def _plain_attrs(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    """NetCDF knows neither truth values (written 0 or 1) nor nothing nor tables (written as JSON text)."""
    return {name: _plain_attr(value) for name, value in attrs.items()}


def _plain_attr(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return int(value)
    if value is None or isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True, default=_plain_number)
    return value


def _is_text(variable: xr.Variable) -> bool:
    return not isinstance(variable.dtype, np.dtype) or variable.dtype.kind in "OUST"


def _encoding(dataset: xr.Dataset) -> dict[Hashable, dict[str, Any]]:
    return {
        name: ({**_FILTERS} if variable.ndim and variable.size else {}) | {"_FillValue": None}
        for name, variable in dataset.variables.items()
        if not _is_text(variable)
    }


def _plain_number(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"a stamp holds text, numbers, lists and tables; got {type(value).__name__}")


def _line(content: Path, target: Path) -> str:
    return f"{sha256_of(content)}  {target.name}\n"


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
