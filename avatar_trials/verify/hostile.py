"""A sample of what must be refused in words: tables of volumes, designs, damaged files; the command's exit codes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import xarray as xr

from avatar_trials.card_files import load_design
from avatar_trials.intake import read_volumes
from avatar_trials.intake.cells import guard
from avatar_trials.library import find_card
from avatar_trials.problems import InputError, errors_of
from avatar_trials.stamp import StampError, make_stamp, read_netcdf, write_netcdf
from avatar_trials.verify.another_process import run_python
from avatar_trials.verify.comparison import Comparison, Comparisons, holds

SOUND: Final = (
    "avatar,arm,day,volume_mm3\nA-1,untreated,0,200.5\nA-1,untreated,7,410\nA-1,untreated,14,820\n"
    "B-2,untreated,0,190\nB-2,untreated,7,240\nB-2,untreated,14,300\n"
)
# What is wrong, the text that is replaced in the sound table and what by, the code and the line of the refusal.
TABLES: Final[tuple[tuple[str, str, str, str, int | None], ...]] = (
    ("empty volume", "410", "", "V01", 3),
    ("negative volume", "410", "-12.4", "V03", 3),
    ("volume of 1e400", "820", "1e400", "V04", 4),
    ("mark for below the limit", "410", "<10", "V05", 3),
    ("spreadsheet error", "410", "#DIV/0!", "V06", 3),
    ("decimal comma", "410", '"200,5"', "V07", 3),
    ("decimal comma that shifts columns", "190", "200,5", "C01", 5),
    ("thousands mark", "410", '"1,200"', "V09", 3),
    ("semicolons", ",", ";", "C02", 1),
    ("hexadecimal number", "410", "0x10", "V12", 3),
    ("Unicode minus", "410", "\N{MINUS SIGN}5", "V13", 3),
    ("volume heavier than a mouse", "820", "1e7", "V19", 4),
    ("two volumes of one day", "B-2,untreated,14", "B-2,untreated,7", "M22", 7),
    ("labelled day", "A-1,untreated,7", "A-1,untreated,D7", "T01", 3),
    ("calendar date", "A-1,untreated,7", "A-1,untreated,2015-03-01", "T02", 3),
    ("names that differ in case", "B-2,untreated,0", "a-1,untreated,0", "M42", 5),
    ("drug twice in an arm", "A-1,untreated,7", "A-1,LEE011 + lee011,7", "D53", 3),
    ("missing column", "volume_mm3", "volume_mm", "C59", 1),
    ("quote that is not closed", "A-1,untreated,7", '"A-1,untreated,7', "C64", 3),
    ("NUL byte", "B-2,untreated,7", "B\0-2,untreated,7", "C66", 6),
    ("control characters", "A-1,untreated,7", "A\x1b[2J,untreated,7", "C65", 3),
    ("workbook by another name", SOUND, "PK\x03\x04rest", "F03", None),
    ("empty file", SOUND, "", "C05", None),
)
DESIGNS: Final = (
    ("text for a number", "replicates = ", 'replicates = "ten" #', "expected a whole number"),
    ("not a number", "size_mm3 = ", "size_mm3 = nan #", "finite number, got nan"),
    ("unknown key", "replicates = ", "treatmnet = 1\nreplicates = ", "unknown key treatmnet"),
    ("key twice", "replicates = ", "replicates = 3\nreplicates = ", "design.toml"),
    ("negative seed", "seed = ", "seed = -1 #", "got -1"),
    ("a card that is not there", "model = ", 'model = "../../../passwd.toml" #', "no such file"),
)
FORMULA: Final = '=HYPERLINK("http://x","y")'


def refused(name: str, call: Callable[[], object], kind: type[Exception], says: str) -> Comparison:
    """Holds where `call` raises `kind` and its words hold `says`."""
    try:
        call()
    except kind as answer:
        return holds(name, says in str(answer), str(answer).partition("\n")[0])
    return holds(name, False, "accepted")


def tables(folder: Path) -> Comparisons:
    """Each with the code and the line of its fault; the sound table is read."""
    file = folder / "volumes.csv"
    file.write_text(SOUND, "utf-8")
    yield holds("sound table", len(read_volumes(file).rows) == 6)
    for name, sound, faulty, code, line in TABLES:
        file.write_text(SOUND.replace(sound, faulty), "utf-8")
        try:
            read_volumes(file)
            found = set()
        except InputError as answer:
            found = {(one.code, one.line) for one in errors_of(answer.problems)}
        yield holds(f"table: {name}", found == {(code, line)}, f"told {sorted(map(str, found))}")


def designs(folder: Path) -> Comparisons:
    """The design in the library, one line put otherwise."""
    text, file = find_card("trial_designs", "melanoma_braf_mek").read_text("utf-8"), folder / "design.toml"
    for name, sound, faulty, says in DESIGNS:
        file.write_text(text.replace(f"\n{sound}", f"\n{faulty}", 1), "utf-8")
        yield refused(f"design: {name}", lambda: _with_card(file), InputError, says)


def damaged(folder: Path) -> Comparisons:
    """A file of the program's own with one bit flipped, cut short, of another kind, without its checksum."""
    file = folder / "trial.nc"
    write_netcdf(xr.Dataset({"volume_mm3": ("visit", [200.0, 100.0, 50.0])}), file, make_stamp(seed="1"))
    yield holds("own file", read_netcdf(file, kind="trial")["volume_mm3"].size == 3)
    whole, manifest = file.read_bytes(), Path(f"{file}.sha256")
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for name, content in (("one flipped bit", bytes(flipped)), ("cut short", whole[: len(whole) // 2])):
        file.write_bytes(content)
        yield refused(
            name, lambda: read_netcdf(file, kind="trial"), StampError, "not the one that was written"
        )
    file.write_bytes(whole)
    yield refused(
        "another kind", lambda: read_netcdf(file, kind="posterior"), StampError, "this is a trial file"
    )
    manifest.unlink()
    yield refused("no checksum", lambda: read_netcdf(file, kind="trial"), StampError, "is missing")


def command(folder: Path) -> Comparisons:
    """The command itself: 0 for a sound table, 2 and 4 for what is wrong; in words, and nothing written."""
    sound, faulty, broken = folder / "sound.csv", folder / "faulty.csv", folder / "broken.nc"
    sound.write_text(SOUND, "utf-8")
    faulty.write_text(SOUND.replace("410", "ND"), "utf-8")
    broken.write_text("no trial", "utf-8")
    before = sorted(folder.iterdir())
    for name, code, arguments in (
        ("sound table", 0, ("check", str(sound))),
        ("faulty table", 2, ("check", str(faulty))),
        ("file that is no trial", 4, ("readout", str(broken), "-o", str(folder / "readout.csv"))),
    ):
        script = f"import sys; sys.argv[0] = 'avatar-trials'; from {__package__.split('.')[0]}.cli import main; main()"
        done = run_python(script, *arguments)
        quiet = "Traceback" not in done.stderr + done.stdout and sorted(folder.iterdir()) == before
        yield holds(
            f"command, {name}: exit {code}", done.returncode == code and quiet, f"exit {done.returncode}"
        )


def everything() -> Comparisons:
    """Every comparison of this module."""
    with TemporaryDirectory(prefix="avatar-trials-verify-") as name:
        folder = Path(name)
        for kind, check in (
            ("tables", tables),
            ("designs", designs),
            ("damaged", damaged),
            ("command", command),
        ):
            (folder / kind).mkdir()
            for one in check(folder / kind):
                yield replace(one, note=one.note.replace(f"{folder / kind}{os.sep}", ""))
    yield holds("a formula for a spreadsheet is text", guard(FORMULA) == f"'{FORMULA}", guard(FORMULA))


def _with_card(file: Path) -> None:
    from avatar_trials.card_files import load_model

    load_model(load_design(file).model, beside=file.parent, confined=True)
