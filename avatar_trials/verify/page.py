"""A qualification as one HTML page that needs nothing else, and as JSON."""

from __future__ import annotations

import json
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from avatar_trials.report.text import clean
from avatar_trials.stamp import write_atomic

TEMPLATE = "verify.html.j2"
PAGE, NUMBERS = "verify.html", "verify.json"


def write_record(record: dict[str, Any], folder: Path) -> list[Path]:
    """Write both files, each in one step. OSError where they cannot be written."""
    content = {
        folder / PAGE: render(record).encode("utf-8"),
        folder / NUMBERS: (json.dumps(record, indent=1, allow_nan=False) + "\n").encode("utf-8"),
    }
    for path, whole in content.items():
        write_atomic(path, partial(Path.write_bytes, data=whole))
    return list(content)


def render(record: dict[str, Any]) -> str:
    """The page's HTML; everything is escaped."""
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if isinstance(value, str) else value,
    )
    environment.filters["shown"] = _shown
    source = resources.files("avatar_trials.verify").joinpath(TEMPLATE).read_text("utf-8")
    return environment.from_string(source).render(**record)


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
