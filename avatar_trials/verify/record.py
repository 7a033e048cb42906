"""What the page and the JSON of a qualification tell: versions, machine, hashes, every check, the context of use."""

from __future__ import annotations

import datetime
import hashlib
import math
import os
import platform
from pathlib import Path
from typing import Any, Final

from avatar_trials.library import Kind, find_card, known
from avatar_trials.stamp import make_stamp, sha256_of
from avatar_trials.verify.comparison import Comparison
from avatar_trials.verify.context_of_use import context_of_use
from avatar_trials.verify.qualification import Outcome, Qualification

_PACKAGE: Final = Path(__file__).resolve().parents[1]
HASHED: Final[tuple[Kind, ...]] = (
    "models",
    "interactions",
    "trial_designs",
    "benchmarks",
    "panels",
    "populations",
)


def recorded(found: Qualification, cpu_seconds: float) -> dict[str, Any]:
    """The whole record, as JSON has it."""
    return {
        "verdict": found.verdict,
        "reasons": found.reasons,
        "quick": found.quick,
        "checks": found.n_checks,
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "cpu_seconds": round(cpu_seconds, 1),
        "versions": make_stamp(),
        "machine": machine(),
        "program_sha256": program_sha256(),
        "sha256": {kind: {name: sha256_of(find_card(kind, name)) for name in known(kind)} for kind in HASHED},
        "groups": [_group(one) for one in found.outcomes],
        "context_of_use": context_of_use().model_dump(),
    }


def machine() -> dict[str, str]:
    """Operating system, processor and cores."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def program_sha256() -> str:
    """One hash of all the Python of the package, by path."""
    seen = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*.py")):
        seen.update(f"{file.relative_to(_PACKAGE).as_posix()} {sha256_of(file)}\n".encode())
    return seen.hexdigest()


def _processor() -> str:
    lines = Path("/proc/cpuinfo")
    if lines.is_file():
        for line in lines.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _group(one: Outcome) -> dict[str, Any]:
    return {
        "name": one.group.name,
        "against": one.group.against,
        "checks": len(one.comparisons),
        "of_version": one.group.count,
        "failed": len(one.failed),
        "stopped": one.stopped,
        "cpu_seconds": round(one.seconds, 2),
        "worst": None if one.worst is None else _comparison(one.worst),
        "comparisons": [_comparison(each) for each in one.comparisons],
    }


def _comparison(one: Comparison) -> dict[str, Any]:
    """JSON knows no infinity: told as text."""
    deviation = one.deviation if math.isfinite(one.deviation) else str(one.deviation)
    facts = {"name": one.name, "passed": one.passed, "deviation": deviation, "tolerance": one.tolerance}
    return {**facts, "measure": one.measure, **({"note": one.note} if one.note else {})}
