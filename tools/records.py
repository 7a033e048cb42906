"""Dated records of long checks, kept as sections of a page."""

from __future__ import annotations

import datetime
import platform
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def dated(more: str = "") -> str:
    """Command, date, commit and machine, in a line."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    command = f"python -m tools.{Path(sys.argv[0]).stem} {' '.join(sys.argv[1:])}".strip()
    where = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    parts = [datetime.datetime.now(datetime.UTC).date().isoformat(), f"commit {commit}", where, more]
    return f"`{command}`, {', '.join(part for part in parts if part)}."


def kept_on(page: Path | None, title: str, text: str) -> None:
    """Write a section of a page anew, between its marks; without a page, print it."""
    if page is None:
        print(f"## {title}\n\n{text}")
        return
    begin, end = f"<!-- {title}: begin -->", f"<!-- {title}: end -->"
    before = page.read_text("utf-8")
    after, n = re.subn(
        f"{re.escape(begin)}.*?{re.escape(end)}",
        lambda _: f"{begin}\n{text}\n{end}",
        before,
        flags=re.DOTALL,
    )
    if n != 1:
        raise SystemExit(f"{page} has no place for {title}: {begin} {end}")
    page.write_text(after, "utf-8")
