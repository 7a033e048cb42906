"""How tables and pages came to be: provenance.json beside them, and the command that makes a file again.

CSV has no place for a stamp that every reader would skip, so it stands beside: for each file its sha256 and its stamp.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

from avatar_trials.cli.outputs import PROVENANCE
from avatar_trials.library import find_card, known
from avatar_trials.stamp import StampError, sha256_of, write_atomic


def sign(files: Iterable[Path], stamp: Mapping[str, Any]) -> None:
    """Write the sha256 and the stamp of files into provenance.json of their folder; what it tells of others stays."""
    for file in files:
        place = file.with_name(PROVENANCE)
        told = _told(place) | {file.name: {"sha256": sha256_of(file), "stamp": dict(stamp)}}
        text = json.dumps({"files": dict(sorted(told.items()))}, indent=1, sort_keys=True) + "\n"
        write_atomic(place, partial(Path.write_text, data=text, encoding="utf-8"))


def signed(file: Path) -> dict[str, Any]:
    """The stamp of a table or page. StampError where none is told of it, or it is not as it was written."""
    if not file.is_file():
        raise StampError(f"{file}: there is no such file.")
    told = _told(file.with_name(PROVENANCE)).get(file.name)
    if not isinstance(told, dict) or not isinstance(told.get("stamp"), dict):
        raise StampError(
            f"{file}: no {PROVENANCE} beside it tells of it, so nobody can tell how it was made."
        )
    if told.get("sha256") != sha256_of(file):
        raise StampError(
            f"{file}: the file is not the one that was written (see {PROVENANCE}): damaged or edited."
        )
    return told["stamp"]


def made_again(stamp: Mapping[str, Any]) -> list[str]:
    """The command that makes a file of this stamp again, and what it needs; empty where it tells too little."""
    kind, needs = stamp.get("kind"), list[str]()
    if kind == "readout" and "trial_sha256" in stamp:
        return ["avatar-trials readout trial.nc -o readout.csv", _needed("trial", stamp["trial_sha256"])]
    if (
        kind not in ("trial", "posterior")
        or not {"design", "design_sha256"} <= stamp.keys()
        or "held_out" in stamp
    ):
        return []
    design = str(stamp["design"])
    if not _in_library(design, stamp["design_sha256"]):
        needs.append(_needed(f"design {design}", stamp["design_sha256"]))
        design = f"{design}.toml"
    design = quote(design)
    if kind == "posterior":
        needs.append(_needed("table of volumes", stamp.get("data_sha256", "")))
        again = f"avatar-trials calibrate {design} --volumes VOLUMES -o posterior.nc"
        return [f"{again} (its arms; on another machine the same within Monte Carlo error)", *needs]
    if "population_sha256" in stamp:
        name, digest = str(stamp.get("population")), stamp["population_sha256"]
        if name not in known("populations") or sha256_of(find_card("populations", name)) != digest:
            needs.append(_needed("population", digest))
            name = f"{name}.nc"
        return [f"avatar-trials emulate {design} --population {quote(name)} -o trial.nc", *needs]
    if "posterior_sha256" not in stamp:
        return []
    needs.append(_needed("posterior", stamp["posterior_sha256"]))
    return [f"avatar-trials emulate {design} --posterior posterior.nc -o trial.nc", *needs]


def _needed(what: str, digest: object) -> str:
    return f"needs the {what} with sha256 {digest}"


def _in_library(design: str, digest: object) -> bool:
    """Whether the design of this name in the library is the one that was used."""
    from avatar_trials.card_files import compares_strategies, load_design

    return (
        design in known("trial_designs")
        and not compares_strategies(design)
        and load_design(design).sha256 == digest
    )


def _told(place: Path) -> dict[str, Any]:
    """What is told of the files of a folder; nothing where it cannot be read."""
    try:
        told = json.loads(place.read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return told if isinstance(told, dict) else {}
