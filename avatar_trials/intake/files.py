"""From what the user typed to the bytes of one ordinary local file, and from bytes to text."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from avatar_trials.intake.findings import Findings

MAX_BYTES = 2_000_000_000
URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.\-]+://")

WORKBOOK_MAGIC = b"PK\x03\x04"
OLD_WORKBOOK_MAGIC = b"\xd0\xcf\x11\xe0"
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm")


def read_bytes(path: str | Path, findings: Findings) -> bytes | None:
    """The file's bytes; None with an error in `findings` where it is no readable ordinary local file."""
    typed = str(path)
    if URL.match(typed):
        findings.error("F75", "this is an address on a network", "Download the file and give its local path")
        return None
    try:
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        if Path(typed).is_dir():  # some systems refuse to open a folder with a misleading reason
            raise IsADirectoryError
        descriptor = os.open(typed, flags)  # O_NONBLOCK: opening a pipe nobody writes to would wait for ever
    except FileNotFoundError:
        broken = _is_link(typed)
        what = "a symbolic link to a file that does not exist" if broken else "no such file"
        findings.error("F76", what, "Check the path")
        return None
    except IsADirectoryError:
        findings.error("F76", "this is a folder", "Name the file in it")
        return None
    except PermissionError:
        findings.error("F76", "no permission to read this file", "Ask its owner, or copy it")
        return None
    except (OSError, ValueError) as reason:
        findings.error("F76", f"the file cannot be opened ({_reason(reason)})", "Check the path")
        return None
    with open(descriptor, "rb") as handle:
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            findings.error(
                "F73", "not an ordinary file (a pipe or a device)", "Save the table as a file first"
            )
            return None
        if status.st_size > MAX_BYTES:
            findings.error("F73", f"{status.st_size:,} bytes; the limit is {MAX_BYTES:,}", "Split the file")
            return None
        try:
            return handle.read(MAX_BYTES + 1)
        except OSError as reason:
            findings.error("F76", f"reading stopped ({_reason(reason)})", "Copy the file and try again")
            return None


def is_workbook(path: str | Path, raw: bytes, findings: Findings) -> bool | None:
    """True for an .xlsx workbook, False for text; None with an error where name and content contradict."""
    suffix = Path(str(path)).suffix.lower()
    if raw.startswith(OLD_WORKBOOK_MAGIC):
        findings.error("F03", "an old-style workbook (.xls)", "Save it as .xlsx or as CSV UTF-8")
    elif raw.startswith(WORKBOOK_MAGIC) and suffix not in WORKBOOK_SUFFIXES:
        findings.error(
            "F03",
            "the file starts with PK: a workbook or zip archive",
            "Name it .xlsx, or save it as CSV UTF-8",
        )
    elif raw.startswith(b"\x1f\x8b"):
        findings.error("F04", "the file is gzip-compressed", "Uncompress it first")
    elif suffix in WORKBOOK_SUFFIXES and not raw.startswith(WORKBOOK_MAGIC):
        findings.error(
            "F05", "the name says workbook, the content does not", "Save it again from the spreadsheet"
        )
    else:
        return suffix in WORKBOOK_SUFFIXES
    return None


def decode(raw: bytes, findings: Findings) -> str | None:
    """UTF-8 text with `\\n` line ends, byte order mark removed; None with an error for other encodings."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or _looks_utf16(raw):
        findings.error("F01", "the text is UTF-16", 'Save it as "CSV UTF-8"')
        return None
    body = raw.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\x00" in body:
        line = body.count(b"\n", 0, body.index(b"\x00")) + 1
        findings.error(
            "C66", "a NUL byte", "Export the table again; the file is damaged or not text", line=line
        )
        return None
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as reason:
        line = body.count(b"\n", 0, reason.start) + 1
        byte = body[reason.start]
        findings.error(
            "F02",
            f"byte {reason.start:,} is 0x{byte:02x} ({chr(byte)!r} in Latin-1), which is not UTF-8",
            'Save the table as "CSV UTF-8"',
            line=line,
        )
        return None


def _looks_utf16(raw: bytes) -> bool:
    """UTF-16 without its mark: in a table of mostly ASCII every other byte is NUL, and only those."""
    head = raw[:1000]
    fewer, more = sorted((head[::2].count(0), head[1::2].count(0)))
    return len(head) >= 4 and more > 0.3 * len(head) and fewer < 0.02 * len(head)


def _is_link(typed: str) -> bool:
    try:
        return Path(typed).is_symlink()
    except (OSError, ValueError):
        return False


def _reason(reason: Exception) -> str:
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
