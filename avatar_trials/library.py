"""Finds cards, designs, embedded panels and populations: by path, else by name in the wheel or in the checkout."""

from __future__ import annotations

import stat
from difflib import get_close_matches
from pathlib import Path
from typing import Final, Literal, get_args

from avatar_trials.problems import InputError, Problem

Kind = Literal["models", "trial_designs", "interactions", "benchmarks", "panels", "populations"]

_PACKAGE: Final = Path(__file__).resolve().parent
_SUFFIX: Final[dict[str, str]] = {
    "models": ".toml",
    "trial_designs": ".toml",
    "interactions": ".toml",
    "benchmarks": ".toml",
    "panels": ".csv",
    "populations": ".nc",
}
_CALLED: Final[dict[str, str]] = {
    "models": "model card",
    "trial_designs": "trial design",
    "interactions": "interaction card",
    "benchmarks": "benchmark card",
    "panels": "panel",
    "populations": "population",
}
# A shelf of its own in the same folder: systems known from elsewhere, told apart from studies.
_SHELVES: Final[dict[str, str]] = {"trial_designs": "presets"}
_IN_PACKAGE: Final = ("panels", "populations")
_TRUTH_MARK: Final = "truth"


def find_card(
    kind: Kind, name_or_path: str | Path, *, beside: Path | None = None, confined: bool = False
) -> Path:
    """The file of a model card, a trial design, an interaction or benchmark card, a panel or a population.

    What holds a folder separator or ends in the kind's suffix is a path, and only a path: a mistyped path never
    falls back to a library card of the same name. A relative path is looked for in the working folder, then in
    `beside` (the folder of the file that names it). Anything else is a name, looked up in the wheel's library and
    then, in a checkout, in the folder next to the package. `confined`, for what a file from elsewhere names: a path
    leads, links followed, into the working folder or `beside`.

    Raises InputError, listing the known names, when there is no such file.
    """
    text = str(name_or_path)
    if _is_path(kind, text):
        candidates = [Path(text)] if beside is None else [Path(text), beside / text]
    else:
        candidates = (
            [folder / f"{text}{_SUFFIX[kind]}" for folder in _folders(kind)] if text in known(kind) else []
        )
    for candidate in candidates:
        if _is_file(candidate):
            found = candidate.resolve()
            if confined and _is_path(kind, text) and not _is_within(found, beside):
                what = f"{_CALLED[kind]} {text!r} lies outside the folder of the file that names it"
                fix = "Copy it beside that file, or work in a folder that holds both"
                raise InputError(Problem("F12", "error", what, fix, text))
            return found
    raise InputError(_missing(kind, text))


def known(kind: Kind) -> list[str]:
    """The names that `find_card` knows for a kind, sorted. A panel's truth file is no panel."""
    if kind not in get_args(Kind):
        raise ValueError(f"kind is one of {', '.join(get_args(Kind))}; got {kind!r}")
    names = {
        file.stem for folder in _folders(kind) for file in folder.glob(f"*{_SUFFIX[kind]}") if file.is_file()
    }
    if kind == "panels":
        names = {name for name in names if not name.endswith(_TRUTH_MARK)}
    return sorted(names)


def _is_path(kind: Kind, text: str) -> bool:
    return "/" in text or "\\" in text or text.casefold().endswith(_SUFFIX[kind])


def _is_within(found: Path, beside: Path | None) -> bool:
    folders = [Path.cwd(), *([] if beside is None else [beside])]
    return any(found.is_relative_to(folder.resolve()) for folder in folders)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _place(kind: Kind, text: str) -> str:
    """What is there in place of the file."""
    if "://" in text:
        return "this is an address on a network, and a local file is wanted"
    if not _is_path(kind, text):
        here = f", and a file of it ends in {_SUFFIX[kind]}" if _is_file(Path(text)) else ""
        return f"no {_CALLED[kind]} of this name{here}"
    try:
        there = Path(text).stat()
    except (OSError, ValueError):
        return "no such file"
    return "this is a folder" if stat.S_ISDIR(there.st_mode) else "no ordinary file"


def _folders(kind: Kind) -> list[Path]:
    if kind in _IN_PACKAGE:
        folders = [_PACKAGE / kind]
    else:
        folders = [_PACKAGE / "_library" / kind]
        # Beside an installed package lie other people's packages, and one of them may be called "models".
        if (_PACKAGE.parent / "pyproject.toml").is_file():
            folders.append(_PACKAGE.parent / kind)
    if kind in _SHELVES:
        folders += [folder / _SHELVES[kind] for folder in folders]
    return [folder for folder in folders if folder.is_dir()]


def is_preset(name: str) -> bool:
    """Whether a trial design's name is that of a preset: a known system with the checks that it must pass."""
    return any(
        folder.name == "presets" and (folder / f"{name}.toml").is_file()
        for folder in _folders("trial_designs")
    )


def _missing(kind: Kind, text: str) -> Problem:
    names = known(kind)
    near = get_close_matches(Path(text).stem, names, n=1)
    guess = f"Did you mean {near[0]}? " if near else ""
    place = _place(kind, text)
    listed = f"Known names: {', '.join(names)}" if names else "None is installed: give the path of a file"
    return Problem("F10", "error", f"{_CALLED[kind]} {text!r}: {place}", f"{guess}{listed}", file=text)
