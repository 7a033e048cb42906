"""Tables of volumes as they arrive: each gets an answer in the user's terms, with its place, no traceback."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from avatar_trials.arms import canonical_arm, drugs_of
from avatar_trials.intake import GrowthTable, check_volumes, read_volumes, write_tidy
from avatar_trials.intake.files import MAX_BYTES
from avatar_trials.intake.workbooks import MAX_SHARED_TEXT
from avatar_trials.problems import InputError, Problem
from tests.bad_inputs import numbered

HEADER = "avatar,arm,day,volume_mm3"
BODY = (
    ("A-1", "untreated", "0", "200.5"),
    ("A-1", "untreated", "7", "410"),
    ("A-1", "untreated", "14", "820"),
    ("B-2", "untreated", "0", "190"),
    ("B-2", "untreated", "7", "240"),
    ("B-2", "untreated", "14", "300"),
)


def table(*lines: str, header: str = HEADER) -> str:
    return "\n".join([header, *lines]) + "\n"


def with_cell(line: int, column: int, text: str) -> str:
    """The sound table with one cell replaced; `line` is the file's (the header is 1)."""
    rows = [list(row) for row in BODY]
    rows[line - 2][column] = text
    return table(*(",".join(row) for row in rows))


def with_lines(*extra: str) -> str:
    return table(*(",".join(row) for row in BODY), *extra)


def with_mouse(*mice: str) -> str:
    rows = (",".join([*row, mouse]) for row, mouse in zip(BODY, mice, strict=True))
    return table(*rows, header=HEADER + ",mouse")


SOUND = with_lines()


@dataclass(frozen=True)
class Case:
    name: str
    content: str | bytes
    code: str
    says: str = ""
    line: int | None = None
    severity: str = "error"


REFUSED = [
    Case("1 empty volume", with_cell(3, 3, ""), "V01", "empty", 3),
    Case("1 nan volume", with_cell(3, 3, "nan"), "V04", "'nan'", 3),
    Case("3 negative volume", with_cell(3, 3, "-12.4"), "V03", "-12.4 mm3 is negative", 3),
    Case("4 infinite volume", with_cell(4, 3, "-inf"), "V04", "not a finite number", 4),
    Case("4 overflow", with_cell(4, 3, "1e400"), "V04", "too large", 4),
    Case("5 below-limit mark", with_cell(3, 3, "<10"), "V05", "Write 0", 3),
    Case("5 ND", with_cell(3, 3, "ND"), "V05", "'ND'", 3),
    Case("6 division error", with_cell(3, 3, "#DIV/0!"), "V06", "spreadsheet error", 3),
    Case("6 N/A error", with_cell(3, 3, "#N/A"), "V06", "spreadsheet error", 3),
    Case("6 error in a name", with_cell(3, 0, "#REF!"), "V06", "'#REF!' is a spreadsheet error value", 3),
    Case("6 error in an arm", with_cell(3, 1, "#NAME?"), "V06", "'#NAME?' is a spreadsheet error value", 3),
    Case("7 decimal comma", with_cell(3, 3, '"200,5"'), "V07", "Write 200.5", 3),
    Case("8 shifted columns", with_cell(5, 3, "200,5"), "C01", "5 fields, the header has 4", 5),
    Case("9 thousands", with_cell(3, 3, '"1,200"'), "V09", "thousands", 3),
    Case("9 thousands apostrophe", with_cell(3, 3, "1'200"), "V09", "thousands", 3),
    Case("10 semicolons", SOUND.replace(",", ";"), "C02", "semicolon", 1),
    Case("10 semicolons, said", "sep=;\n" + SOUND.replace(",", ";"), "C02", "semicolon", 1),
    Case("11 tabs", SOUND.replace(",", "\t"), "C02", "tab", 1),
    Case("12 hexadecimal", with_cell(3, 3, "0x10"), "V12", "not a decimal number", 3),
    Case("12 underscore", with_cell(3, 3, "1_000"), "V12", "not a decimal number", 3),
    Case("13 unicode minus", with_cell(3, 3, "\u22125"), "V13", "U+2212", 3),
    Case("13 arabic digits", with_cell(3, 3, "\u0661\u0662"), "V13", "U+0661", 3),
    Case("unit in the cell", with_cell(3, 3, "200 mm3"), "V08", "unit", 3),
    Case("15 cm3 throughout", table("A,untreated,0,0.2", "A,untreated,7,0.4"), "U01", "cm3", 2),
    Case(
        "16 cm3 for one avatar",
        with_lines("C,untreated,0,0.21", "C,untreated,7,0.4"),
        "U01",
        "C untreated",
        8,
    ),
    Case(
        "18 length and width",
        table("A,x,0,8,7", header="avatar,arm,day,length,width"),
        "C59",
        "0.5 x length",
        1,
    ),
    Case(
        "17 a length for a volume",
        SOUND.replace("volume_mm3", "length"),
        "C59",
        "0.5 x length x width^2",
        1,
    ),
    Case("19 absurd volume", with_cell(4, 3, "1e7"), "V19", "weight of a mouse", 4),
    Case("22 two volumes a day", with_lines("A-1,untreated,7,415"), "M22", "410 (line 3), 415 (line 8)", 8),
    Case("25 no baseline at all", table("A,x,7,200", "A,x,14,300"), "B01", "no mouse has a volume on day 0"),
    Case("27 baseline zero", with_cell(2, 3, "0"), "B03", "baseline of 0", 2),
    Case("28 labelled day", with_cell(3, 2, "D7"), "T01", "Write 7", 3),
    Case("28 weeks", with_cell(3, 2, "Week 2"), "T01", "weeks", 3),
    Case("29 date", with_cell(3, 2, "2015-03-01"), "T02", "calendar date", 3),
    Case("31 hours", with_cell(3, 2, "1008"), "T06", "hours", 3),
    Case("33 day 1e308", with_cell(3, 2, "1e308"), "T06", "1e308", 3),
    Case("33 day of 20 digits", with_cell(3, 2, "1" * 20), "T06", "1" * 20, 3),
    Case("empty day", with_cell(3, 2, " "), "T01", "empty", 3),
    Case("empty avatar", with_cell(3, 0, " "), "M01", "empty", 3),
    Case(
        "34 mouse in two avatars",
        with_mouse(*"aaaabb"),
        "M34",
        "mouse a appears under more than one avatar",
        5,
    ),
    Case("42 case clash", with_cell(5, 0, "a-1"), "M42", "'A-1' (line 2) and 'a-1' (line 5)", 5),
    Case("53 drug twice", with_cell(3, 1, "LEE011 + lee011"), "D53", "twice", 3),
    Case("53 drug twice, by two names", with_cell(3, 1, "LEE011 + ribociclib"), "D53", "one drug twice", 3),
    Case("53 plus without a drug", with_cell(3, 1, "LEE011 + "), "D53", "beside a +", 3),
    Case("untreated plus a drug", with_cell(3, 1, "untreated + LEE011"), "D53", "combines", 3),
    Case("57 one row", table("A,x,0,200"), "C57", "1 measurement"),
    Case("58 header only", HEADER + "\n", "C05", "no data rows"),
    Case("58 empty file", "", "C05", "no header"),
    Case("58 spaces only", "  \n \n", "C05", "no header"),
    Case("59 missing column", SOUND.replace("volume_mm3", "volume_mm"), "C59", "is it 'volume_mm'?", 1),
    Case("60 header twice", table("A,x,0,0,200", header="avatar,arm,day,Day,volume_mm3"), "C60", "twice", 1),
    Case("61 column without a name", table("A,x,0,200,5", header=HEADER + ","), "C61", "no name", 2),
    Case("62 short row", with_lines("B-2,untreated,21"), "C01", "3 fields", 8),
    Case("63 long row", with_lines("B-2,untreated,21,400,1,2"), "C01", "6 fields", 8),
    Case("64 open quote", with_cell(3, 0, '"A-1'), "C64", "not closed", 3),
    Case("65 newline in a name", with_cell(3, 0, '"A\n1"'), "C64", "line break inside", 3),
    Case("66 NUL", SOUND.replace("B-2,untreated,7", "B\0-2,untreated,7"), "C66", "NUL", 6),
    Case("68 UTF-16", SOUND.encode("utf-16"), "F01", "UTF-16"),
    Case("68 UTF-16 without mark", SOUND.encode("utf-16-le"), "F01", "UTF-16"),
    Case("48 lone surrogate", SOUND.encode().replace(b"B-2", b"B\xed\xa0\x80"), "F02", "0xed", 5),
    Case("69 Latin-1", SOUND.replace("B-2", "\u00b5-2").encode("latin-1"), "F02", "0xb5", 5),
    Case("any binary file", b"\x7fELF" + b"\0" * 60, "C66", "NUL", 1),
    Case("72 workbook named csv", b"PK\x03\x04rest", "F03", "starts with PK"),
    Case("72 old workbook", b"\xd0\xcf\x11\xe0rest", "F03", ".xls"),
    Case("gzip", b"\x1f\x8b\x08rest", "F04", "gzip"),
    Case("74 endless line", with_lines("A" * 70_000 + ",x,0,200"), "C74", "70,008 characters", 8),
    Case(
        "columns without end",
        table("A,x,0,200" + ",1" * 1000, header=HEADER + "".join(f",c{i}" for i in range(1000))),
        "C62",
        "1,004 columns; at most 1,000",
        1,
    ),
    Case(
        "two tumour types",
        table("A,x,0,200,CM", "A,x,7,300,CRC", header=HEADER + ",tumor_type"),
        "M78",
        "CM, CRC",
        3,
    ),
]

ACCEPTED = [
    Case("2 zero", with_cell(4, 3, "0"), "V02", "1 volume of 0 mm3 kept", 4, "warning"),
    Case(
        "16 cm3 from a visit on",
        with_lines("C,untreated,0,210", "C,untreated,7,0.4", "C,untreated,14,0.5"),
        "V22", "C untreated; cm3?", 9, "warning",
    ),
    Case("17 diameters", table("A,x,0,8", "A,x,7,10", "A,x,14,12"), "U02", "diameters", None, "warning"),
    Case("20 jump and back", with_cell(3, 3, "9000"), "V20", "A-1 untreated day 7: 9000", 3, "warning"),
    Case("zero after a large tumour", with_cell(7, 3, "0"), "V21", "1 with only zeros", 7, "warning"),
    Case("21 row twice", with_lines("A-1,untreated,7,410"), "M21", "1 row repeated", 8, "warning"),
    Case("23 out of order", with_lines("B-2,untreated,3,195"), "T23", "B-2 untreated", 6, "warning"),
    Case("24 before treatment", with_lines("A-1,untreated,-4,150"), "T24", "left out", 8, "warning"),
    Case(
        "25 one late start",
        with_lines("C,untreated,9,210", "C,untreated,12,220"),
        "B01", "from day 9", 8, "warning",
    ),
    Case("26 baseline from day -1", with_cell(2, 2, "-1"), "B26", "taken as the baseline", 2, "warning"),
    Case(
        "30 weeks",
        with_lines(*(f"C,untreated,{week},{200 + week}" for week in range(6))),
        "T03", "1 mouse with visits 1 apart", None, "warning",
    ),
    Case(
        "26 two baselines",
        with_lines("A-1,untreated,-1,190"),
        "T24", "1 volume from before day 0 left out: A-1 untreated", 8, "warning",
    ),
    Case(
        "30 weeks throughout",
        table(*(f"C,untreated,{week},{200 + week}" for week in range(6))),
        "T03", "1 mouse with visits 1 apart, none with more", None, "warning",
    ),
    Case(
        "31 hours that could be days",
        table(*(f"C,untreated,{hours},{200 + hours}" for hours in range(0, 505, 84))),
        "T04", "every visit is 84 or more apart, on a multiple of 12", None, "warning",
    ),
    Case(
        "36 replicates",
        with_lines("A-1,untreated,0,210", "A-1,untreated,7,400"),
        "M36", "A-1 untreated (2)", None, "warning",
    ),
    Case("41 converted date", with_cell(2, 0, "2-Mar"), "M05", "turned into a date", 2, "warning"),
    Case("43 mixed scripts", with_cell(2, 0, "\u0410B"), "M43", "U+0410", 2, "warning"),
    Case(
        "43 another alphabet",
        with_cell(5, 0, "\u0410-1"),
        "M43", "'A-1' (line 2), '\u0410-1' (U+0410, line 5)", 5, "warning",
    ),
    Case(
        "43 a dash for a hyphen",
        with_cell(5, 0, "a\u20131"),
        "M43", "'A-1' (line 2), 'a\u20131' (U+2013, line 5)", 5, "warning",
    ),
    Case(
        "43 a drug in wide letters",
        with_lines("A-1,LEE011,0,200", "A-1,\uff2c\uff25\uff25011,7,300"),
        "M43", "'LEE011' (line 8)", 9, "warning",
    ),
    Case(
        "50 order of drugs",
        with_lines("A-1,b + A,0,200", "A-1,A + b,7,300"),
        "D50", "'b + A' as 'A + b'", None, "note",
    ),
    Case(
        "52 another name of a drug",
        with_lines("A-1,LEE011,0,200", "A-1,ribociclib,7,300"),
        "D50", "names of one drug read as one: 'ribociclib' as 'LEE011'", None, "note",
    ),
    Case(
        "50 case of drugs",
        with_lines("A-1,Lee,0,200", "A-1,LEE,7,300"),
        "D50", "'LEE' as 'Lee'", None, "note",
    ),
    Case(
        "51 lost plus",
        with_lines("A-1,L1,0,200", "A-1,E2,0,200", "B-2,L1 E2,0,200"),
        "D02", "Did you mean 'E2 + L1'?", 10, "warning",
    ),
    Case(
        "51 another word for plus",
        with_lines("A-1,L1 and E2,0,200", "A-1,E2 & L1,0,200"),
        "D02", "'L1 and E2' is read as one drug", 8, "warning",
    ),
    Case(
        "51 a slash for plus",
        with_lines("A-1,L1,0,200", "A-1,E2,0,200", "B-2,L1/E2,0,200"),
        "D02", "Did you mean 'E2 + L1'?", 10, "warning",
    ),
    Case(
        "54 misspelt drug",
        with_lines("A-1,everolimus,0,200", "B-2,everolmus,0,200"),
        "D54", "nearly alike", 9, "warning",
    ),
    Case(
        "55 control by another name",
        SOUND.replace("untreated", "Vehicle"),
        "D55", "call it 'untreated'", None, "warning",
    ),
    Case(
        "55 no untreated mouse",
        with_lines("C,x,0,200", "C,x,12,300"),
        "N55", "1 of 3 avatars", None, "note",
    ),
    Case("56 short curve", with_lines("C,untreated,0,200"), "N01", "1 mouse without a visit", None, "note"),
    Case(
        "71 commented row",
        SOUND.replace("B-2,untreated,7", "#B-2,untreated,7"),
        "C71", "left out", 6, "warning",
    ),
    Case(
        "77 case of tumour types",
        table("A,x,0,200,nsclc", "B,x,0,300,NSCLC", "B,x,12,300,NSCLC", header=HEADER + ",tumor_type"),
        "M77", "'nsclc' as 'NSCLC'", None, "note",
    ),
    Case(
        "tumour type missing in one row",
        table("A,x,0,200,CM", "A,x,12,300,", header=HEADER + ",tumor_type"),
        "M79", "filled from the same avatar", 3, "note",
    ),
    Case("stray quote", with_cell(3, 1, 'untreated"'), "D03", "stray quotation mark", 3, "note"),
    Case(
        "covariate that varies",
        table("A,x,0,200,1", "A,x,12,300,0", header=HEADER + ",braf"),
        "C80", "'braf' is left out", None, "warning",
    ),
    Case(
        "impossible body weight",
        table("A,x,0,200,25", "A,x,12,300,308", header=HEADER + ",body_weight_g"),
        "G01", "308", 3, "warning",
    ),
]  # fmt: skip


def saved(folder: Path, content: str | bytes, name: str = "pdx.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def told(problems: list[Problem], case: Case) -> Problem:
    found = [
        problem for problem in problems if problem.code == case.code and problem.severity == case.severity
    ]
    assert found, f"{case.code} not among {[str(problem) for problem in problems]}"
    match = [problem for problem in found if case.says in f"{problem.what} {problem.fix}"]
    assert match, [str(problem) for problem in found]
    return match[0]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: numbered(case.name))
def test_refused_once_with_its_place(case: Case, tmp_path: Path) -> None:
    path = saved(tmp_path, case.content)
    problems = check_volumes(path)
    problem = told(problems, case)
    assert problem.line == case.line
    assert problem.file == str(path)
    assert {p.code for p in problems if p.severity == "error"} == {case.code}
    with pytest.raises(InputError) as refusal:
        read_volumes(path)
    assert refusal.value.exit_code == 2
    assert list(refusal.value.problems) == problems
    assert str(problem) in str(refusal.value)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: numbered(case.name))
def test_accepted_and_said(case: Case, tmp_path: Path) -> None:
    path = saved(tmp_path, case.content)
    problem = told(check_volumes(path), case)
    assert problem.line == case.line
    assert problem in read_volumes(path).notices


SILENT = {
    "sound": SOUND,
    "67 byte order mark": b"\xef\xbb\xbf" + SOUND.encode(),
    "70 CRLF": SOUND.replace("\n", "\r\n"),
    "70 CR only": SOUND.replace("\n", "\r"),
    "61 trailing commas": SOUND.replace("\n", ",,\n"),
    "trailing commas in rows": SOUND.replace("\nB", ",\nB"),
    "10 a word on commas first": "sep=,\n" + SOUND,
    "71 comment first": "# exported 2024\n" + SOUND,
    "14 no-break space": with_cell(3, 3, "\u00a0410 "),
    "42 spaces around a name": with_cell(3, 0, " A-1\u00a0"),
    "32 half day": with_cell(3, 2, "7.5"),
    "blank lines": SOUND.replace("\nB", "\n\n,,,\nB"),
    "header in capitals": SOUND.replace("avatar,arm", "Avatar, ARM "),
}


@pytest.mark.parametrize("content", SILENT.values(), ids=list(map(numbered, SILENT)))
def test_accepted_without_a_word(content: str | bytes, tmp_path: Path) -> None:
    result = read_volumes(saved(tmp_path, content))
    assert result.notices == ()
    assert len(result.rows) == 6
    assert result.rows["volume_mm3"].tolist() == [200.5, 410, 820, 190, 240, 300]
    assert list(result.avatars.index) == ["A-1", "B-2"]


def test_all_problems_are_told_at_once_with_file_lines(tmp_path: Path) -> None:
    content = "# a comment\n" + table("A,x,0,200", "", 'A,x,D7,"2,5"', "A,x,14", "A,A + A,21,-1")
    with pytest.raises(InputError) as refusal:
        read_volumes(saved(tmp_path, content))
    assert [p.line or 0 for p in refusal.value.problems] == [0, 5, 5, 6, 7, 7]
    assert {(p.line, p.code) for p in refusal.value.problems if p.severity == "error"} == {
        (5, "T01"), (5, "V07"), (6, "C01"), (7, "D53"), (7, "V03"),
    }  # fmt: skip


def test_twenty_errors_are_printed_then_a_count(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refusal:
        read_volumes(saved(tmp_path, table(*(f"A,untreated,{day},-1" for day in range(50)))))
    lines = str(refusal.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "... and 30 more"
    assert len(refusal.value.problems) == 50


@pytest.mark.bad_input(37, 38, 39, 40, 44, 46)
@pytest.mark.parametrize(
    "name", ["NA", "None", "nan", "null", "001", "1E5", "TRUE", "SEPT7", "../x/\u4e2d", "<script>"]
)
def test_ids_are_text(name: str, tmp_path: Path) -> None:
    content = table(
        f"{name},untreated,0,200", f"{name},untreated,12,300", "1,untreated,0,200", "100000,untreated,0,200"
    )
    result = read_volumes(saved(tmp_path, content))
    assert set(result.rows["avatar"]) == {name, "1", "100000"}


@pytest.mark.bad_input(49)
@pytest.mark.parametrize("name", ["None", "NA", "nan", "null"])
def test_arms_are_text(name: str, tmp_path: Path) -> None:
    """Beside untreated mice a drug of this name; without any, perhaps the untreated arm: asked, not guessed."""
    lines = [f"A-1,{name},0,200", f"A-1,{name},12,300"]
    assert set(read_volumes(saved(tmp_path, with_lines(*lines))).rows["arm"]) == {"untreated", name}
    alone = read_volumes(saved(tmp_path, table(*lines)))
    asked = told(list(alone.notices), Case("", "", "D55", "no arm is called 'untreated'", severity="warning"))
    assert (name in asked.fix) == (name == "None")


@pytest.mark.bad_input(43)
def test_composed_and_decomposed_names_are_one(tmp_path: Path) -> None:
    result = read_volumes(saved(tmp_path, table("\u00e9-1,x,0,200", "e\u0301-1,x,12,300")))
    assert set(result.rows["avatar"]) == {"\u00e9-1"}


def test_hostile_cells_cannot_draw_on_the_terminal(tmp_path: Path) -> None:
    problem = check_volumes(saved(tmp_path, with_cell(3, 0, "A\x1b[2J")))[0]
    assert "\x1b" not in str(problem)
    assert problem.code == "C65"


@pytest.mark.bad_input(73, 75, 76)
def test_paths_that_are_not_ordinary_files(tmp_path: Path) -> None:
    (tmp_path / "broken.csv").symlink_to(tmp_path / "nowhere.csv")
    fifo = tmp_path / "pipe.csv"
    os.mkfifo(fifo)
    expected: list[tuple[Path | str, str, str]] = [
        (tmp_path, "F76", "folder"),
        (tmp_path / "missing.csv", "F76", "no such file"),
        (tmp_path / "broken.csv", "F76", "symbolic link"),
        (tmp_path / ("x" * 300), "F76", "cannot be opened"),
        ("a\0b.csv", "F76", "cannot be opened"),
        (fifo, "F73", "not an ordinary file"),
        ("/dev/zero", "F73", "not an ordinary file"),
        ("https://example.org/pdx.csv", "F75", "network"),
        ("s3://bucket/pdx.csv", "F75", "network"),
    ]
    for path, code, says in expected:
        problems = check_volumes(path)
        assert [p.code for p in problems] == [code], path
        assert says in problems[0].what
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert "2,000,000,001 bytes" in check_volumes(huge)[0].what
    locked = saved(tmp_path, SOUND, "locked.csv")
    locked.chmod(0)
    if not os.access(locked, os.R_OK):
        assert "no permission" in check_volumes(locked)[0].what


def test_an_unknown_dialect_is_named() -> None:
    with pytest.raises(InputError, match="Known are auto, tidy, pdxe, xeva"):
        read_volumes("x.csv", dialect="excel")


@pytest.mark.bad_input(35)
def test_mouse_in_two_arms(tmp_path: Path) -> None:
    content = table("A,x,0,200,m1", "A,y,0,200,m1", header=HEADER + ",mouse")
    assert (
        told(check_volumes(saved(tmp_path, content)), Case("", "", "M35", "x (line 2), y (line 3)")).line == 3
    )


def test_a_nameless_row_is_told_once(tmp_path: Path) -> None:
    content = table("A,x,0,200", ",x,7,300", ",x,7,310", "A,,7,320", "A,,7,330")
    assert [(p.line, p.code) for p in check_volumes(saved(tmp_path, content)) if p.severity == "error"] == [
        (3, "M01"), (4, "M01"), (5, "M01"), (6, "M01"),
    ]  # fmt: skip


def test_the_last_volume_of_the_three_days_before_stands_in_for_the_baseline(tmp_path: Path) -> None:
    early = [
        "C,untreated,-3,150",
        "C,untreated,-1,170",
        "C,untreated,7,300",
        "D,untreated,-4,90",
        "D,untreated,7,95",
    ]
    mice = read_volumes(saved(tmp_path, with_lines(*early))).mice.set_index("avatar")
    assert mice.loc["C", "baseline_mm3"] == 170
    assert mice.loc["C", "n_visits"] == 2
    assert mice.loc["D", "left_truncated"]
    assert mice.loc["D", "first_day"] == 7


PDXE = "Model,Tumor Type,Treatment,Volume (mm3),body weight (g),Days Post T0,%TVol Difference,%BW Difference"


def curve(avatar: str, arm: str, *visits: tuple[float, float]) -> list[str]:
    return [f"{avatar},CM,{arm},{volume},25.5,{day},0,0" for day, volume in visits]


def test_replicate_curves_below_one_another_are_mice(tmp_path: Path) -> None:
    lines = curve("X-1", "untreated", (0, 200), (7, 300), (14, 500))
    lines += curve("X-1", "untreated", (0, 200), (4, 240), (11, 330))
    lines += curve("X-1", "untreated", (0, 190), (7, 250))
    result = read_volumes(saved(tmp_path, table(*lines, header=PDXE)))
    assert result.mice["mouse"].tolist() == ["X-1|untreated|1", "X-1|untreated|2", "X-1|untreated|3"]
    assert result.mice["n_visits"].tolist() == [3, 3, 2]
    assert result.mice["baseline_mm3"].tolist() == [200, 200, 190]
    assert result.rows["volume_mm3"].tolist() == [200, 300, 500, 200, 240, 330, 190, 250]


def test_replicates_day_by_day_are_mice_told_apart_by_order(tmp_path: Path) -> None:
    lines = curve("X-1", "untreated", (0, 200), (0, 180), (7, 300), (7, 260), (14, 500), (14, 420))
    result = read_volumes(saved(tmp_path, table(*lines, header=PDXE)))
    by_mouse = result.rows.groupby("mouse")["volume_mm3"].apply(list).tolist()
    assert by_mouse == [[200, 300, 500], [180, 260, 420]]
    assert "M37" in {notice.code for notice in result.notices}


def test_a_table_pasted_twice_is_not_replicates(tmp_path: Path) -> None:
    lines = curve("X-1", "untreated", (0, 200), (7, 300)) + curve("X-2", "untreated", (0, 210), (12, 320))
    result = read_volumes(saved(tmp_path, table(*lines, *lines, header=PDXE)))
    assert len(result.mice) == 2
    assert told(list(result.notices), Case("", "", "M21", "4 rows repeated", severity="warning")).line == 6


def test_published_workbook_sheet(tmp_path: Path) -> None:
    path = tmp_path / "supplement.xlsx"
    sheet = pd.DataFrame(
        {
            "Model": ["X-1", "X-1", 1004, 1004],
            "Tumor Type": ["CM", "CM", "CRC", None],
            "Treatment": ["untreated", "untreated", 'figitumumab"', 'figitumumab"'],
            "Volume (mm3)": [200.5, 0, 210, 220],
            "body weight (g)": [25.0, None, 24, 24],
            "Days Post T0": [0, 12, 0, 11],
        }
    )
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"note": ["other"]}).to_excel(book, sheet_name="RNAseq_fpkm", index=False)
        sheet.to_excel(book, sheet_name="PCT raw data", index=False)
    result = read_volumes(path)
    assert result.rows[["avatar", "arm"]].drop_duplicates().to_numpy().tolist() == [
        ["1004", "figitumumab"],
        ["X-1", "untreated"],
    ]
    assert result.rows["volume_mm3"].tolist() == [210, 220, 200.5, 0]
    assert result.avatars["tumor_type"].to_dict() == {"1004": "CRC", "X-1": "CM"}
    assert {"V02", "D03", "M79"} <= {notice.code for notice in result.notices}
    assert check_volumes(path, sheet="none such")[0].code == "F06"


def test_workbook_problems_carry_the_sheet_row(tmp_path: Path) -> None:
    path = tmp_path / "lab.xlsx"
    rows = [
        HEADER.split(","),
        [None] * 4,
        ["A", "untreated", 0, 200],
        ["A", "untreated", pd.Timestamp("2015-03-01"), "#REF!"],
    ]
    pd.DataFrame(rows).to_excel(path, header=False, index=False)
    found = {(p.line, p.code) for p in check_volumes(path) if p.severity == "error"}
    assert found == {(4, "T02"), (4, "V06")}


def test_damaged_workbook(tmp_path: Path) -> None:
    assert check_volumes(saved(tmp_path, b"PK\x03\x04" + b"x" * 200, "lab.xlsx"))[0].code == "F05"
    assert check_volumes(saved(tmp_path, SOUND, "text.xlsx"))[0].code == "F05"


@pytest.mark.parametrize("far", ["XFD1048576", "XFD4", "E1048576"])
def test_a_stray_cell_far_away_costs_no_memory(far: str, tmp_path: Path) -> None:
    """Padded to a rectangle, its sheet would be 17 thousand million cells."""
    path = tmp_path / "lab.xlsx"
    pd.DataFrame([row.split(",") for row in SOUND.splitlines()]).to_excel(path, header=False, index=False)
    book = openpyxl.load_workbook(path)
    book.active[far] = 1
    book.save(path)
    (problem,) = check_volumes(path)
    assert problem.code == "C61"
    assert f"{problem.line}" in far


def test_a_workbook_that_unpacks_without_end(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xlsx"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("xl/sharedStrings.xml", "w") as member,
    ):
        for _ in range(MAX_SHARED_TEXT // 10**7 + 1):
            member.write(bytes(10**7))
    (problem,) = check_volumes(path)
    assert (problem.code, problem.severity) == ("F73", "error")
    assert "unpacks to more than 200,000,000 bytes" in problem.what


def test_xeva_columns(tmp_path: Path) -> None:
    header = "model.id,patient.id,tissue,drug,time,volume"
    content = table("m1,P1,BRCA,untreated,0,200", "m1,P1,BRCA,untreated,12,300", header=header)
    result = read_volumes(saved(tmp_path, content))
    assert result.mice.iloc[0][["avatar", "arm", "mouse"]].tolist() == ["P1", "untreated", "m1"]


@pytest.fixture
def small(tmp_path: Path) -> GrowthTable:
    lines = ["=A,b + A,0,200,CM", "=A,b + A,12,0,CM", "B,untreated,0,210,crc", "B,untreated,12.5,0.1,crc"]
    return read_volumes(saved(tmp_path, table(*lines, header=HEADER + ",tumor_type")))


@pytest.mark.bad_input(54)
def test_select_speaks_of_what_it_does_not_know(small: GrowthTable) -> None:
    assert small.select(arms=["B + A"]).avatars.index.tolist() == ["=A"]
    assert small.select(tumor_type="CRC").rows["avatar"].unique().tolist() == ["B"]
    with pytest.raises(InputError, match="twice"):
        small.select(arms=["A + A"])
    with pytest.raises(InputError, match="Did you mean untreated"):
        small.select(arms=["untreatd"])
    with pytest.raises(InputError, match=r"tumour type 'gbm'.*It has CM, crc"):
        small.select(tumor_type="GBM")
    with pytest.raises(InputError, match="no mouse"):
        small.select(tumor_type="CM", arms=["untreated"])


@pytest.mark.bad_input(52)
def test_drugs_are_called_as_the_design_has_them(tmp_path: Path) -> None:
    text = table("A,LEE011,0,200", "A,BYL719 + LEE011,0,200", "A,untreated,0,200")
    read = read_volumes(saved(tmp_path, text))
    called = read.drugs_called_as(["Ribociclib", "byl719"])
    assert called.rows["arm"].tolist() == ["BYL719 + Ribociclib", "Ribociclib", "untreated"]
    assert "'LEE011' as 'Ribociclib'" in called.notices[-1].what
    assert read.drugs_called_as(["LEE011", "encorafenib"]) is read


@pytest.mark.bad_input(45)
def test_written_text_is_not_a_formula(small: GrowthTable, tmp_path: Path) -> None:
    path = tmp_path / "tidy.csv"
    write_tidy(small, path)
    lines = path.read_text().splitlines()
    assert lines[0] == "avatar,arm,mouse,day,volume_mm3,tumor_type"
    assert lines[1] == "'=A,A + b,'=A|A + b|1,0,200,CM"
    again = read_volumes(path)
    pd.testing.assert_frame_equal(again.rows, small.rows)
    pd.testing.assert_frame_equal(again.avatars, small.avatars)


def test_only_a_marked_panel_is_synthetic(tmp_path: Path) -> None:
    marked = read_volumes(saved(tmp_path, "# avatar-trials synthetic panel, seed 1\n" + SOUND))
    assert marked.synthetic
    write_tidy(marked, tmp_path / "again.csv")
    assert read_volumes(tmp_path / "again.csv").synthetic
    assert not read_volumes(saved(tmp_path, SOUND)).synthetic


def test_arms_are_sets() -> None:
    assert canonical_arm(" encorafenib+binimetinib ") == canonical_arm("binimetinib + encorafenib")
    assert drugs_of("binimetinib-3.5mpk + LFW527") == ("binimetinib-3.5mpk", "LFW527")
    assert drugs_of("Untreated") == ()
    assert canonical_arm("UNTREATED") == "untreated"
    for wrong in ("", "A + A", "A + a", "A +", "untreated + A"):
        with pytest.raises(ValueError, match="arm"):
            canonical_arm(wrong)
