"""Keep the pins in pyproject.toml those of constraints.txt.

    uv run python tools/pin.py              write the pins of constraints.txt into pyproject.toml
    uv run python tools/pin.py --upgrade    resolve the newest allowed versions into constraints.txt first
    uv run python tools/pin.py --add        resolve what is new in pyproject.toml, and keep the other pins
    uv run python tools/pin.py --check      exit with 1 where the two disagree

uv.lock would hold the addresses of registries; constraints.txt holds versions and hashes only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "# pins: begin, written by tools/pin.py from constraints.txt\n"
END = "# pins: end\n"
GROUPS = ("--group", "dev", "--group", "docs")
WHAT = (*GROUPS, "--universal", "--python-version", "3.12", "--generate-hashes")
PLAIN = ("--no-header", "--no-annotate", "--no-emit-index-url", "--quiet", "--output-file", "constraints.txt")


def pins(constraints: str) -> list[str]:
    """The `name==version ; marker` lines of a constraints file, without hashes and comments."""
    lines = (line.removesuffix("\\").strip() for line in constraints.splitlines())
    return [line for line in lines if line and not line.startswith(("#", "--"))]


def with_pins(project: str, wanted: list[str]) -> str:
    """`project` (the text of pyproject.toml) with `wanted` between the two markers."""
    if project.count(BEGIN) != 1 or project.count(END) != 1:
        raise SystemExit(f"pyproject.toml needs the markers {BEGIN.strip()!r} and {END.strip()!r}, once each")
    head, rest = project.split(BEGIN)
    tail = rest.split(END)[1]
    listed = "".join(f"    {json.dumps(pin)},\n" for pin in wanted)
    return f"{head}{BEGIN}constraint-dependencies = [\n{listed}]\n{END}{tail}"


def resolve(root: Path, *, keep: bool) -> None:
    """Resolve anew into constraints.txt; `keep` the pins that are there and still fit."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv is None:
        raise SystemExit("uv is not installed: pip install uv")
    with tempfile.TemporaryDirectory(dir=root, prefix=".pin-") as folder:
        unpinned = with_pins((root / "pyproject.toml").read_text("utf-8"), [])
        (Path(folder) / "pyproject.toml").write_text(unpinned, "utf-8")
        if keep:
            shutil.copy(root / "constraints.txt", folder)
        subprocess.run([uv, "pip", "compile", "pyproject.toml", *WHAT, *PLAIN], cwd=folder, check=True)
        (Path(folder) / "constraints.txt").replace(root / "constraints.txt")


def main(arguments: list[str]) -> None:
    """Run as the module's first lines say."""
    if not set(arguments) <= {"--upgrade", "--add", "--check"}:
        raise SystemExit(__doc__)
    if {"--upgrade", "--add"} & set(arguments):
        resolve(ROOT, keep="--add" in arguments)
    file = ROOT / "pyproject.toml"
    project = file.read_text("utf-8")
    wanted = with_pins(project, pins((ROOT / "constraints.txt").read_text("utf-8")))
    if "--check" in arguments and project != wanted:
        raise SystemExit("the pins in pyproject.toml are not those of constraints.txt: run tools/pin.py")
    if project != wanted:
        file.write_text(wanted, "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
