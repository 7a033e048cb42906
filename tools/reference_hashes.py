"""Write the sha256 of every reference that travels with the program, after one of them was changed on purpose.

`python tools/reference_hashes.py`: tests/fixtures to avatar_trials/verify/reference.txt. `--check` only compares.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from avatar_trials.stamp import sha256_of, write_atomic

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "tests" / "fixtures"
MANIFEST = ROOT / "avatar_trials" / "verify" / "reference.txt"


def listed() -> str:
    """A line a file of the folders that pyproject.toml sends into the wheel, in the order of their paths."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    sent = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    folders = [ROOT / place for place in sent if place.startswith("tests/fixtures/")]
    files = sorted(file for folder in folders for file in folder.iterdir() if file.is_file())
    return "".join(f"{sha256_of(file)}  {file.relative_to(FIXTURES).as_posix()}\n" for file in files)


def main() -> None:
    """Write the manifest, or with --check exit 1 where it is not that of the files."""
    if "--check" not in sys.argv[1:]:
        write_atomic(MANIFEST, lambda file: file.write_text(listed(), "utf-8"))
    elif MANIFEST.read_text("utf-8") != listed():
        sys.exit("the references are not those of reference.txt: python tools/reference_hashes.py")


if __name__ == "__main__":
    main()
