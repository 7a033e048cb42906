"""Mutated tables and cards through every reader: `python -m tools.fuzz --cases 12000 --page PAGE`.

Sound files are cut, spliced, re-encoded and filled with odd values. Each reader must return, or raise InputError whose
text is a printable line a problem; anything else is kept in `--keep` and ends the tool with exit code 1. A mutant that
is answered as none was before joins the files that are mutated.
"""

from __future__ import annotations

import argparse
import io
import re
import resource
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from avatar_trials import card_files
from avatar_trials.intake import check_volumes, read_volumes
from avatar_trials.intake.clinical_table import read_clinical
from avatar_trials.intake.covariates import read_covariates
from avatar_trials.library import find_card
from avatar_trials.problems import InputError, Problem, errors_of
from avatar_trials.seeds import stream
from tools.records import dated, kept_on

ROOT = Path(__file__).resolve().parent.parent
ODD = (
    *(
        "",
        "0",
        "-0.0",
        "-1",
        "1e400",
        "nan",
        "inf",
        "1e308",
        "9" * 400,
        "0x10",
        "1_000",
        "1,5",
        "<10",
        "#REF!",
    ),
    *(
        "−5",
        "٣",
        "NA",
        "None",
        "true",
        "TRUE",
        "=1+1",
        "@x",
        "<script>",
        "X\x00Y",
        "\ud800",
        "\u202e",
        "\ufeff",
    ),
    *("é", "e\u0301", "А-1", "A + A", "A+", "+", "a b", "2-Mar", "2020-01-01", "D7", '"', '""', "'", "\\"),
    *("[", "]", "[[", "{", "}", "=", "#", "..", "../../etc/passwd", "/dev/zero", "a" * 5000, "[" * 600),
    *("\n", "\r", "\r\n", "\t", ";", ",", ",,,,", " ", "\xa0", "1.5", "12:30:45", "18446744073709551616"),
)
ODD_VALUES = (
    *(
        "0",
        "1",
        "-1",
        "-0.0",
        "0.5",
        "1.5",
        "1e308",
        "1e-308",
        "nan",
        "inf",
        "-inf",
        "1_000",
        "9223372036854775808",
    ),
    *("9" * 400, "true", "false", '""', '"A"', '"A + A"', '"untreated"', '"\\u0000"', '"../../etc/passwd"'),
    *(
        '"lognormal"',
        '"normal"',
        '"=1+1"',
        '"$\\\\frac{$"',
        '"/dev/zero"',
        "[]",
        "[0]",
        "[[]]",
        "{}",
        '"<script>"',
    ),
    *("[0, 1, 0]", "[1, 2, 3]", "[nan]", '["A", "A"]', "[[0, 1.0], [0, 0.0]]", "[[0, 1.0], [28, 0.0]]"),
    *(
        "[{ A = 0.0 }]",
        "{ a = 1 }",
        "{ A = 0.0 }",
        "1979-05-27",
        "12:30:45",
        "0x10",
        "3.0",
        "20000",
        "[" * 600,
    ),
)


@dataclass(frozen=True)
class Reader:
    """What reads a kind of file, and sound files of the kind."""

    name: str
    suffix: str
    read: Callable[[Path], object]
    sound: tuple[bytes, ...]


@dataclass
class Tally:
    """Mutants, how many were accepted, which answers there were, the slowest one in CPU seconds, what went wrong."""

    cases: int = 0
    accepted: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)


def main() -> None:
    """Mutate, read, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=12_000, help="mutants, shared among the readers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzzed"), help="folder of what went wrong")
    parser.add_argument("--page", type=Path, help="page whose section of mutants is written anew")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        rows, wrong = [], 0
        for reader in readers():
            n = max(1, round(chosen.cases * SHARE[reader.suffix]))
            tally = fuzzed(reader, n, stream(chosen.seed, "fuzz", reader.name), Path(scratch), chosen.keep)
            wrong += len(tally.wrong)
            cells = (f"{tally.cases:,}", f"{tally.accepted:,}", len(tally.answers), f"{tally.slowest:.2f}")
            rows.append(f"| {' | '.join(map(str, (reader.name, *cells, len(tally.wrong))))} |")
            print(rows[-1], *tally.wrong[:5], sep="\n", flush=True)
    cpu = resource.getrusage(resource.RUSAGE_SELF)
    head = "| read | mutants | accepted | different answers | slowest, CPU s | uncaught |\n|---|---|---|---|---|---|"
    told = dated(f"seed {chosen.seed}, {cpu.ru_utime + cpu.ru_stime:.0f} CPU seconds")
    kept_on(chosen.page, "Mutants", "\n".join([told, "", head, *rows]))
    sys.exit(wrong > 0)


SHARE = {".csv": 0.16, ".xlsx": 0.03, ".toml": 0.1}


def readers() -> list[Reader]:
    """Every reader of text and workbooks, with sound files of its kind."""
    tidy, comment = few_volumes()
    pdxe = tidy.rename(columns={"avatar": "Model", "arm": "Treatment", "day": "Days Post T0"})
    pdxe = pdxe.rename(columns={"volume_mm3": "Volume (mm3)"})[
        ["Model", "Treatment", "Volume (mm3)", "Days Post T0"]
    ]
    names = {
        "avatar": "patient.id",
        "mouse": "model.id",
        "arm": "drug",
        "day": "time",
        "volume_mm3": "volume",
    }
    xeva = tidy.rename(columns=names)[list(names.values())]
    tables = tuple(frame.to_csv(index=False).encode() for frame in (pdxe, xeva))
    mutations = tidy[["avatar", "braf_mutant"]].drop_duplicates().to_csv(index=False).encode()
    patients = b"arm,time_months,event\nA,3.1,1\nA,12,0\nB,4,1\nB + A,9.5,1\nB,0,0\n"
    readers = [
        Reader("volumes", ".csv", volumes, (comment + tidy.to_csv(index=False).encode(), *tables)),
        Reader("volumes of a workbook", ".xlsx", volumes, (workbook(pdxe),)),
        Reader("covariates", ".csv", read_covariates, (mutations,)),
        Reader("patients", ".csv", read_clinical, (patients,)),
    ]
    cards: list[tuple[str, Callable[[Path], object], Any]] = [
        ("designs", design, "trial_designs"),
        ("model cards", card_files.load_model, "models"),
        ("strategy designs", card_files.load_strategies, "strategies"),
        ("benchmark cards", card_files.load_benchmark, "benchmarks"),
        ("interaction cards", card_files.load_interactions, "interactions"),
    ]
    return [*readers, *(Reader(name, ".toml", read, library(kind)) for name, read, kind in cards)]


def few_volumes() -> tuple[pd.DataFrame, bytes]:
    """A few mice of the embedded panel, as text, and its first line."""
    content = find_card("panels", "melanoma_synthetic").read_bytes()
    comment, _, table = content.partition(b"\n")
    frame = pd.read_csv(io.BytesIO(table), dtype=str, keep_default_na=False)
    return frame[frame["avatar"].isin(["SYN-001", "SYN-002"])], comment + b"\n"


def workbook(frame: pd.DataFrame) -> bytes:
    held = io.BytesIO()
    numbers = frame.assign(**{name: pd.to_numeric(frame[name]) for name in ("Volume (mm3)", "Days Post T0")})
    numbers.to_excel(held, index=False, sheet_name="PCT raw data")
    return held.getvalue()


def library(kind: str) -> tuple[bytes, ...]:
    """The library's cards of a kind; designs that compare strategies are a kind of their own."""
    folder = ROOT / ("trial_designs" if kind == "strategies" else kind)
    paths = sorted(folder.rglob("*.toml"))
    if folder.name == "trial_designs":
        paths = [path for path in paths if card_files.compares_strategies(path) == (kind == "strategies")]
    return tuple(path.read_bytes() for path in paths)


def volumes(path: Path) -> list[Problem]:
    """Check a table; one without an error must also be read."""
    problems = check_volumes(path)
    for problem in problems:
        require_printable(str(problem))
    if not errors_of(problems):
        read_volumes(path)
    return problems


def design(path: Path) -> list[Problem]:
    chosen = card_files.load_design(path)
    return card_files.doubts_of(chosen, path)


def require_printable(text: str) -> None:
    for line in text.split("\n"):
        if not line.isprintable():
            raise AssertionError(f"an answer that is no printable line: {line[:200]!r}")


def answer(reader: Reader, path: Path) -> str:
    """What a reader says of a file: the codes of its problems. Raises what it must not raise."""
    try:
        found = reader.read(path)
    except InputError as refused:
        require_printable(str(refused))
        return f"refused {shape(refused.problems)}"
    problems = found if isinstance(found, list) else []
    return f"{'refused' if errors_of(problems) else 'accepted'} {shape(problems)}"


def shape(problems: Sequence[Problem]) -> str:
    """Codes of problems and how their words begin, without the user's own."""
    return " ".join(sorted({f"{one.code} {re.sub(r'[^a-z]+', ' ', one.what)[:30]}" for one in problems}))


def fuzzed(reader: Reader, n: int, chance: np.random.Generator, scratch: Path, keep: Path) -> Tally:
    """So many mutants through a reader."""
    corpus, tally, path = list(reader.sound), Tally(), scratch / f"mutant{reader.suffix}"
    for sound in reader.sound:
        path.write_bytes(sound)
        if not answer(reader, path).startswith("accepted"):
            raise SystemExit(f"{reader.name}: a sound file is refused")
    for _ in range(n):
        content = mutant(corpus, len(reader.sound), reader.suffix, chance)
        path.write_bytes(content)
        start = time.process_time()
        try:
            said = answer(reader, path)
        except Exception as error:  # noqa: BLE001 what must not be
            tally.wrong.append(kept(reader, content, error, keep))
            said = "uncaught"
        tally.slowest = max(tally.slowest, time.process_time() - start)
        tally.cases += 1
        tally.accepted += said.startswith("accepted")
        if said not in tally.answers and len(content) < 50_000:
            corpus.append(content)
        tally.answers[said] += 1
    return tally


def kept(reader: Reader, content: bytes, error: Exception, keep: Path) -> str:
    """Keep a mutant that was not answered, once for each place in the code."""
    stack = traceback.extract_tb(error.__traceback__)
    at = stack[-1]
    ours = next((one for one in reversed(stack) if "avatar_trials" in one.filename), at)
    place = f"{Path(ours.filename).stem}-{ours.lineno}-{type(error).__name__}"
    keep.mkdir(parents=True, exist_ok=True)
    file = keep / f"{reader.name.replace(' ', '_')}-{place}{reader.suffix}"
    file.write_bytes(content)
    return f"{file}: {type(error).__name__} at {Path(at.filename).name}:{at.lineno}: {str(error)[:200]!r}"


def mutant(corpus: Sequence[bytes], n_sound: int, suffix: str, chance: np.random.Generator) -> bytes:
    """A file of the corpus, half of the times a sound one, after one mutation or some."""
    content = corpus[int(chance.integers(n_sound if chance.random() < 0.5 else len(corpus)))]
    if suffix == ".xlsx" and chance.random() < 0.8:
        return mutant_workbook(content, chance)
    ways = OF_CARDS if suffix == ".toml" else MUTATIONS
    for _ in range(chance.geometric(0.6)):
        content = picked(ways, chance)(content, corpus, chance)
    return content


def mutant_workbook(content: bytes, chance: np.random.Generator) -> bytes:
    """A workbook with one of its inner files mutated."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as source:
            files = {name: source.read(name) for name in source.namelist()}
    except Exception:  # noqa: BLE001 zlib has one of its own
        return content[:-1]
    chosen = picked(sorted(files), chance) if files else ""
    if chosen:
        files[chosen] = picked(MUTATIONS, chance)(files[chosen], [files[chosen]], chance)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as target:
        for name, inner in files.items():
            target.writestr(name, inner)
    return held.getvalue()


def picked[Thing](things: Sequence[Thing], chance: np.random.Generator) -> Thing:
    return things[int(chance.integers(len(things)))]


def odd(chance: np.random.Generator, words: Sequence[str] = ODD) -> bytes:
    return picked(words, chance).encode("utf-8", "surrogatepass")


def put_otherwise(
    pattern: bytes, words: Sequence[str], content: bytes, corpus: Sequence[bytes], chance: np.random.Generator
) -> bytes:
    """One match of a pattern made an odd word, or what another match is."""
    places = list(re.finditer(pattern, content))
    if not places:
        return content
    place = picked(places, chance)
    new = odd(chance, words) if chance.random() < 0.7 else picked(places, chance)[0]
    return content[: place.start()] + new + content[place.end() :]


def cut(content: bytes, corpus: Sequence[bytes], chance: np.random.Generator) -> bytes:
    a, b = sorted(chance.integers(len(content) + 1, size=2).tolist())
    return content[:a] + content[b:] if chance.random() < 0.5 else content[:b]


def flip(content: bytes, corpus: Sequence[bytes], chance: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(1 + chance.integers(8)):
        if changed:
            changed[chance.integers(len(changed))] = int(chance.integers(256))
    return bytes(changed)


def insert(content: bytes, corpus: Sequence[bytes], chance: np.random.Generator) -> bytes:
    place = chance.integers(len(content) + 1)
    return content[:place] + odd(chance) + content[place:]


def lines(content: bytes, corpus: Sequence[bytes], chance: np.random.Generator) -> bytes:
    """A line dropped, doubled, moved, or taken from another file."""
    own = content.splitlines(keepends=True) or [b""]
    other = picked(corpus, chance).splitlines(keepends=True) or [b""]
    place, what = chance.integers(len(own)), chance.integers(4)
    if what == 0:
        del own[place]
    elif what == 1:
        own.insert(place, own[place])
    elif what == 2:
        own.insert(int(chance.integers(len(own))), own.pop(place))
    else:
        own.insert(place, picked(other, chance))
    return b"".join(own)


def recoded(content: bytes, corpus: Sequence[bytes], chance: np.random.Generator) -> bytes:
    """Another encoding, other ends of lines, other separators."""
    text = content.decode("utf-8", "replace")
    ways = (
        lambda: text.encode("utf-16"),
        lambda: text.encode("latin-1", "replace"),
        lambda: b"\xef\xbb\xbf" + content,
        lambda: content.replace(b"\n", b"\r"),
        lambda: content.replace(b"\n", b"\r\n"),
        lambda: content.replace(b",", b";"),
        lambda: content.replace(b",", b"\t"),
        lambda: content.replace(b".", b","),
    )
    return picked(ways, chance)()


Mutation = Callable[[bytes, Sequence[bytes], np.random.Generator], bytes]
NUMBER = partial(put_otherwise, rb"-?\d[\d.]*", ODD)
MUTATIONS: tuple[Mutation, ...] = (
    *[partial(put_otherwise, rb"(?<=[,\n;])[^,\n;]*(?=[,\n;])", ODD)] * 4,
    *(NUMBER, cut, flip, insert, lines, lines, recoded),
)
VALUE = partial(put_otherwise, rb"(?<== )[^\n#]+", ODD_VALUES)
KEY = partial(
    put_otherwise, rb"(?m)^[\w.]+(?= =)|(?<=\[)[\w.]+(?=\])", ("x", "name", "source", "'a b'", "a.b")
)
OF_CARDS: tuple[Mutation, ...] = (*[VALUE] * 8, *[KEY] * 3, NUMBER, *[lines] * 4, cut, flip, insert, recoded)


if __name__ == "__main__":
    main()
