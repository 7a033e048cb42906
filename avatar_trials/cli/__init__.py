"""Command line. `main` turns every expected failure into words and an exit code; nobody sees a traceback."""

from __future__ import annotations

import io
import sys

INTERRUPTED, RESOURCES = 130, 3


def main() -> None:
    """Run `avatar-trials`: exit 0 done, 2 input, 3 disk or memory, 4 posterior or trial unusable, 130 interrupted."""
    from avatar_trials.cli.commands import app
    from avatar_trials.problems import InputError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that a terminal cannot show is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except InputError as error:
        _stop(str(error), error.exit_code)
    except KeyboardInterrupt:
        _stop("Interrupted; files already written are whole.", INTERRUPTED)
    except (MemoryError, OSError) as error:
        _stop(f"{type(error).__name__}: {error}. Check the disk, the permissions and the memory.", RESOURCES)
    except RuntimeError as error:
        code = getattr(error, "exit_code", None)
        if code is None:
            raise
        _stop(str(error), code)


def _stop(text: str, code: int) -> None:
    print(text, file=sys.stderr)
    sys.exit(code)
