"""Licences of everything that the wheel pulls in, as the packages' own metadata tell them, in LICENCES.md.

    python tools/licences.py            write LICENCES.md from the installed packages
    python tools/licences.py --check    exit with 1 where it is not what they tell

Exit 1 for a licence that is not known to be compatible with BSD-3-Clause: look at it, then add it here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "LICENCES.md"
PROGRAM = "avatar-trials"
EXTRAS = ("", "distributed")
# Permissive: they ask for their notice to be kept, and nothing of the code beside them.
COMPATIBLE = {
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-CMU",
    "PSF-2.0",
    "Zlib",
}
# How older metadata spell them; BSD without a number of clauses is one of the two below it.
SPELT = {
    "2-clause BSD": "BSD-2-Clause",
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
LONGEST_NAME = 40

HEAD = """# Licences of what the wheel pulls in

Avatar Trials is BSD-3-Clause. Below is every package that `pip install 'avatar-trials[distributed]'` brings, at the
versions of [constraints.txt](constraints.txt), with the licence that its own metadata tell; all are permissive and
compatible. Written by `python tools/licences.py`, not edited; `tests/journeys/test_licences.py` looks that none is
missing.

Wheels of numpy, scipy, h5py, llvmlite, pyarrow, pillow and matplotlib carry shared libraries and fonts of others
(OpenBLAS, libgfortran under the GPL with its runtime exception, HDF5, LLVM), whose licences lie in those wheels and are
not read here. Nothing of any of them is copied into this repository or its wheel. On Windows colorama (BSD-3-Clause)
comes along.

**Known vulnerabilities: not audited.** The tools there are ask a service on the network. Where that cannot be reached,
pip-audit skips every package and ends with 0 all the same (`--strict`: with 1), a green that says nothing; the last
list of vulnerable versions that is itself a package, safety-db, ends in July 2021. Held instead: versions and hashes of
everything are pinned, and the program reads no pickle, YAML or zarr from a user
(`tests/hostile/test_files_are_data.py`). Where such a service is at hand: `pip-audit --strict -r constraints.txt`.

| package | version | licence |
|---|---|---|
"""


def canonical(name: str) -> str:
    """A package's name in one spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pulled_in(program: str = PROGRAM, extras: Sequence[str] = EXTRAS) -> dict[str, metadata.Distribution]:
    """Installed packages that the program requires here, directly or not, by canonical name; without itself."""
    found: dict[str, metadata.Distribution] = {}
    open_ = [(program, tuple(extras))]
    seen = set(open_)
    while open_:
        name, wanted = open_.pop()
        distribution = metadata.distribution(name)
        found[canonical(name)] = distribution
        for text in distribution.requires or []:
            one = Requirement(text)
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in wanted):
                key = (one.name, ("", *sorted(one.extras)))
                if key not in seen:
                    seen.add(key)
                    open_.append(key)
    del found[canonical(program)]
    return dict(sorted(found.items()))


def licence_of(distribution: metadata.Distribution) -> str:
    """As the metadata tell it: an expression, else a short name, else a classifier; "" where they tell none."""
    told = distribution.metadata
    name = (told.get("License") or "").strip()
    classified = [
        line.split(" :: ")[-1] for line in told.get_all("Classifier") or [] if line.startswith("License")
    ]
    spoken = told.get("License-Expression") or (name if 0 < len(name) <= LONGEST_NAME else "")
    return SPELT.get(spoken, spoken) if spoken else " OR ".join(SPELT.get(one, one) for one in classified)


def compatible(licence: str) -> bool:
    """Whether one choice of an expression of AND and OR is permissive in all its parts."""
    choices = [choice.split(" AND ") for choice in licence.split(" OR ")]
    return any(all(part.strip("() ") in COMPATIBLE for part in choice) for choice in choices)


def page() -> str:
    """LICENCES.md as the installed packages have it. SystemExit with licences that are not known to be compatible."""
    rows = [(name, one.version, licence_of(one)) for name, one in pulled_in().items()]
    strange = [
        f"{name}: {licence or 'tells no licence'}" for name, _, licence in rows if not compatible(licence)
    ]
    if strange:
        raise SystemExit("not known to be compatible with BSD-3-Clause: " + "; ".join(strange))
    return HEAD + "".join(f"| {name} | {version} | {licence} |\n" for name, version, licence in rows)


def main(arguments: list[str]) -> None:
    """Run as the module's first lines say."""
    if not set(arguments) <= {"--check"}:
        raise SystemExit(__doc__)
    text = page()
    if not arguments:
        PAGE.write_text(text, "utf-8")
    elif PAGE.read_text("utf-8") != text:
        raise SystemExit("LICENCES.md is not what the installed packages tell: python tools/licences.py")


if __name__ == "__main__":
    main(sys.argv[1:])
