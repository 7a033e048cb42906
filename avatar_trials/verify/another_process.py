"""The installed program in another process: text of this package's own is all that is run there."""

from __future__ import annotations

import os
import subprocess
import sys


def run_python(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Exit code and what was printed by `script` in a new process of the same Python; a failure is told, not raised."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
