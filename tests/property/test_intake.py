"""Properties of reading volumes: what is written is read, row order says nothing, no bytes break the reader."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from avatar_trials.arms import canonical_arm, drugs_of
from avatar_trials.intake import GrowthTable, check_volumes, read_volumes, write_tidy
from avatar_trials.problems import InputError, problems_text

SETTINGS = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=40,
)

NAMES = st.text(
    st.characters(
        exclude_categories=("Cc", "Cs", "Cf", "Zs", "Zl", "Zp", "Co", "Cn"), exclude_characters='"'
    ),
    min_size=1,
    max_size=8,
)
DRUGS = st.sampled_from(["encorafenib", "binimetinib", "binimetinib-3.5mpk", "LEE011", "-x", "@y"])
ARMS = st.one_of(st.just("untreated"), st.sets(DRUGS, min_size=1, max_size=3).map(" + ".join))
VOLUMES = st.one_of(st.just(0.0), st.floats(0.1, 20_000.0))
DAYS = st.lists(st.integers(1, 800).map(lambda half: half / 2), min_size=1, max_size=6, unique=True)


@st.composite
def written_rows(draw: st.DrawFn) -> list[list[str]]:
    """Rows of a sound tidy table with mouse ids, a body weight and two covariates, in any order."""
    avatars = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=lambda name: name.casefold()))
    rows: list[list[str]] = []
    for avatar in avatars:
        facts = [draw(st.sampled_from(["CM", "CRC", ""])), draw(st.sampled_from(["V600E", "wild type", ""]))]
        for arm in draw(st.lists(ARMS, min_size=1, max_size=3, unique_by=canonical_arm)):
            for mouse in range(draw(st.integers(1, 2))):
                visits = [(0.0, draw(st.floats(50.0, 1000.0)))]
                visits += [(day, draw(VOLUMES)) for day in draw(DAYS)]
                weight = draw(st.sampled_from(["", "22.5"]))
                name = f"{len(rows)}-{mouse}"
                rows += [[avatar, arm, name, repr(day), repr(v), weight, *facts] for day, v in visits]
    return draw(st.permutations(rows))


HEADER = ["avatar", "arm", "mouse", "day", "volume_mm3", "body_weight_g", "tumor_type", "braf"]


def read_rows(rows: list[list[str]], folder: Path) -> GrowthTable:
    """Through this project's guard against formulas: a name may start with `=` or `#`."""
    from avatar_trials.intake.cells import guard

    path = folder / "rows.csv"
    lines = [[guard(cell) if index < 3 else cell for index, cell in enumerate(row)] for row in rows]
    pd.DataFrame(lines, columns=HEADER).to_csv(path, index=False)
    return read_volumes(path)


def same_table(one: GrowthTable, other: GrowthTable) -> None:
    pd.testing.assert_frame_equal(one.rows, other.rows, check_exact=True)
    pd.testing.assert_frame_equal(one.avatars, other.avatars, check_exact=True)


@SETTINGS
@given(rows=written_rows())
def test_what_is_written_is_read_again(rows: list[list[str]], tmp_path: Path) -> None:
    try:
        table = read_rows(rows, tmp_path)
    except InputError as refusal:  # names that Unicode normalisation makes equal but for case
        assume({problem.code for problem in refusal.problems if problem.severity == "error"} != {"M42"})
        raise
    write_tidy(table, tmp_path / "again.csv")
    again = read_volumes(tmp_path / "again.csv")
    same_table(table, again)
    write_tidy(again, tmp_path / "third.csv")
    assert (tmp_path / "third.csv").read_bytes() == (tmp_path / "again.csv").read_bytes()


@SETTINGS
@given(rows=written_rows())
def test_every_measurement_is_kept_and_row_order_is_no_information(
    rows: list[list[str]], tmp_path: Path
) -> None:
    try:
        table = read_rows(rows, tmp_path)
    except InputError:
        assume(False)
        raise
    same_table(table, read_rows(sorted(rows, key=lambda row: row[4]), tmp_path))
    assert sorted(table.rows["volume_mm3"]) == sorted(float(row[4]) for row in rows)
    keys = table.rows[["avatar", "arm", "mouse", "day"]]
    assert keys.equals(keys.sort_values(["avatar", "arm", "mouse", "day"]))
    mice = table.mice
    assert len(mice) == len({row[2] for row in rows})
    assert mice["n_visits"].sum() == len(rows)
    assert not mice["left_truncated"].any()
    assert mice["baseline_mm3"].notna().all()


@SETTINGS
@given(arm=ARMS, seed=st.integers(0, 1000))
def test_an_arm_is_its_set_of_drugs(arm: str, seed: int) -> None:
    parts = arm.split("+")
    random.Random(seed).shuffle(parts)
    assert canonical_arm("+".join(parts)) == canonical_arm(arm)
    assert canonical_arm(canonical_arm(arm)) == canonical_arm(arm)
    assert set(drugs_of(arm)) == {part.strip() for part in parts} - {"untreated"}


SOUND = (
    b"Model,Tumor Type,Treatment,Volume (mm3),body weight (g),Days Post T0\n"
    + b"".join(b"X-1,CM,A + B,%d,25.1,%d\n" % (200 + day, day) for day in range(0, 30, 3))
    + b"".join(b"X-2,CRC,untreated,%d,,%d\n" % (190 + day, day) for day in range(0, 30, 3))
)
SPLICES = [
    b"", b'"', b",", b"\n", b"\r", b"\0", b";", b"\t", b"#", b"+", b"-", b"'", b"=",
    b"\xff", b"\xc2\xa0", b"\xef\xbb\xbf",
    b"nan", b"1e999", b"0x1", b"<10", b"A + A", b"PK\x03\x04", b",,,,,,", b"\xed\xa0\x80", b"Model",
]  # fmt: skip


@settings(SETTINGS, max_examples=150)
@given(
    edits=st.lists(
        st.tuples(st.integers(0, len(SOUND)), st.integers(0, 40), st.sampled_from(SPLICES)),
        min_size=1,
        max_size=4,
    )
)
def test_a_damaged_table_is_read_or_refused_in_words(
    edits: list[tuple[int, int, bytes]], tmp_path: Path
) -> None:
    content = SOUND
    for start, length, splice in edits:
        content = content[:start] + splice + content[start + length :]
    path = tmp_path / "damaged.csv"
    path.write_bytes(content)
    problems = check_volumes(path)
    refused = any(problem.severity == "error" for problem in problems)
    assert all(problem.what and problem.code for problem in problems)
    assert problems_text(problems).isprintable() or "\n" in problems_text(problems)
    if refused:
        with pytest.raises(InputError):
            read_volumes(path)
    else:
        rows = read_volumes(path).rows
        assert rows["volume_mm3"].between(0, 20_000).all()
        assert not rows.duplicated(["avatar", "arm", "mouse", "day"]).any()
        assert (rows[["avatar", "arm", "mouse"]] != "").all().all()


@settings(SETTINGS, max_examples=100)
@given(content=st.binary(max_size=400), name=st.sampled_from(["x.csv", "x.xlsx"]))
def test_any_bytes_get_an_answer(content: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for prefix in (b"", b"avatar,arm,day,volume_mm3\n", b"PK\x03\x04"):
        path.write_bytes(prefix + content)
        assert check_volumes(path)


def test_a_dose_in_combinations_is_called_by_its_single_agent(tmp_path: Path) -> None:
    """Only in arms of several drugs, only of its tumour type; the mice and volumes stay."""
    lines = [
        f"{avatar},{arm},{avatar} {arm},{day},200,{kind}"
        for avatar, kind in (("P-1", "PDAC"), ("C-1", "CM"))
        for arm in ("b", "b-low", "b + a", "z + b")
        for day in (0, 4)
    ]
    text = "\n".join(["avatar,arm,mouse,day,volume_mm3,tumor_type", *lines])
    (tmp_path / "v.csv").write_text(text, "utf-8")
    table = read_volumes(tmp_path / "v.csv")
    dosed = table.dosed_in_combinations("pdac", "B", "B-LOW")
    arms = dosed.rows.groupby("avatar")["arm"].unique().map(list).to_dict()
    assert arms == {"C-1": ["a + b", "b", "b + z", "b-low"], "P-1": ["a + b-low", "b", "b-low", "b-low + z"]}
    assert len(dosed.rows) == len(table.rows)
    with pytest.raises(InputError, match="no single agent 'b-high'"):
        table.dosed_in_combinations("PDAC", "b", "b-high")
