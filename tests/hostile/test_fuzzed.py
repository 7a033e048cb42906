"""Some mutants of every kind of file a user brings: answered, never an exception. Many more: `tools/fuzz.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from avatar_trials.intake.clinical_table import read_clinical
from avatar_trials.problems import InputError
from avatar_trials.seeds import stream
from tools.fuzz import Reader, fuzzed, readers

MUTANTS = 25


@pytest.mark.parametrize("reader", readers(), ids=lambda reader: reader.name)
def test_mutants_are_answered(reader: Reader, tmp_path: Path) -> None:
    tally = fuzzed(reader, MUTANTS, stream(20260923, "suite", reader.name), tmp_path, tmp_path / "kept")
    assert not tally.wrong
    assert len(tally.answers) > 2


def test_what_a_reader_must_not_raise_is_found(tmp_path: Path) -> None:
    """The look finds what it looks for."""
    careless = Reader("patients", ".csv", read_clinical, (b"arm,time_months,event\nA,3.1,1\n",))
    assert not fuzzed(careless, 5, stream(1, "suite"), tmp_path, tmp_path / "kept").wrong

    def broken(path: Path) -> object:
        try:
            return read_clinical(path)
        except InputError:
            raise KeyError("nobody said this could be") from None

    tally = fuzzed(
        Reader("patients", ".csv", broken, careless.sound),
        20,
        stream(1, "suite"),
        tmp_path,
        tmp_path / "kept",
    )
    assert tally.wrong
    assert list((tmp_path / "kept").iterdir())


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (("A,3,1,9", "B,2,1"), ":2 [C01] 4 fields, the header has 3"),
        (("A,3", "B,2,1"), ":2 [C01] 2 fields, the header has 3"),
        (("A,1_0,1",), ":2 [V10] time_months '1_0': expected a number of at least 0"),
        (("A,٣,1",), ":2 [V10] time_months"),
        (('A,"3,1",1',), ":2 [V10] time_months '3,1'"),
        (("A + A,3,1",), ":2 [V15] arm 'A + A'"),
    ],
)
def test_a_table_of_patients_is_told_where_it_is_wrong(
    tmp_path: Path, rows: tuple[str, ...], told: str
) -> None:
    """One field too many shifted every row by a column, or ended in a traceback."""
    table = tmp_path / "patients.csv"
    table.write_text("\n".join(("arm,time_months,event", *rows)), "utf-8")
    with pytest.raises(InputError) as refused:
        read_clinical(table)
    assert told in str(refused.value)


def test_a_column_of_patients_that_is_there_twice(tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    table.write_text("arm,event,time_months,event\nA,0,3,1\n", "utf-8")
    with pytest.raises(InputError, match=r":1 \[C60\] column 'event' appears twice"):
        read_clinical(table)
