"""Command line. `main` turns every expected failure into words and an exit code; nobody sees a traceback."""

from __future__ import annotations

import io
import sys

from avatar_trials.problems import InputError

INTERRUPTED, RESOURCES = 130, 3
INTERRUPTION = (
    "Interrupted; files already written are whole, and the same command goes on from what is finished."
)


def main() -> None:
    """Run `avatar-trials`: exit 0 done, 2 input, 3 disk or memory, 4 posterior or trial unusable, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that a terminal cannot show is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    try:
        from avatar_trials.cli.commands import app

        app()
    except SystemExit as end:
        if end.code == INTERRUPTED:  # what the command line makes of Ctrl-C
            _stop(INTERRUPTION, INTERRUPTED)
        raise
    except InputError as error:
        _stop(str(error), error.exit_code)
    except KeyboardInterrupt:
        _stop(INTERRUPTION, INTERRUPTED)
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
