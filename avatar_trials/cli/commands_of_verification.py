"""The command with which a user qualifies the installed program: verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from avatar_trials.cli.options import say
from avatar_trials.cli.outputs import require_writable

MINUTES, QUICK_SECONDS = "about 2 minutes of one core", "about 15 seconds"


def verify(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for verify.html and verify.json.")] = Path(
        "verification"
    ),
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Without the checks that need the sampler; seconds, and the verdict says so."
        ),
    ] = False,
) -> None:
    """Qualify this installation, offline: references, determinism, hostile input, known posteriors, simulated truths.

    Writes verify.html and verify.json: verdict, worst deviations, versions, hashes and the context of use. Exit code
    4 where it is not verified: a check failed, could not run, or fewer ran than this version has.
    """
    from avatar_trials.stamp import StampError
    from avatar_trials.verify.page import NUMBERS, PAGE, write_record
    from avatar_trials.verify.qualification import cpu_seconds, qualify
    from avatar_trials.verify.record import recorded

    require_writable([out / PAGE, out / NUMBERS], reads=[])
    say(f"This takes {QUICK_SECONDS if quick else MINUTES} on a free machine.")
    began = cpu_seconds()
    found = qualify(quick=quick, say=say)
    written = write_record(recorded(found, cpu_seconds() - began), out)
    print(f"{found.verdict}: {found.n_checks:,} checks")
    for path in written:
        print(f"Written: {path}")
    if found.reasons:
        raise StampError("not verified: " + "; ".join(found.reasons))
