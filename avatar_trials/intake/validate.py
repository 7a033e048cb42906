"""From recognised columns of text to checked measurements and the avatars' own facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from avatar_trials.intake.curves import check_curves, with_baselines
from avatar_trials.intake.dialects import Columns
from avatar_trials.intake.findings import Findings, count, some
from avatar_trials.intake.look_alikes import tell_look_alikes
from avatar_trials.intake.mice import with_mice
from avatar_trials.intake.names import one_spelling, read_arms, read_names, refuse_case_clashes
from avatar_trials.intake.numbers import BODY_WEIGHT, DAY, VOLUME, read_numbers

ROW_COLUMNS = ["avatar", "arm", "mouse", "day", "volume_mm3"]


def validated(columns: Columns, findings: Findings) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(rows, avatars) as GrowthTable holds them; to be used only where `findings` then holds no error.

    Checks that compare rows see only the rows whose own cells are sound, so one bad cell is told once.
    """
    frame, sound = _cells(columns, findings)
    tumor_types, covariates = _avatar_facts(frame, columns, findings)
    frame = frame[sound]
    if len(frame) < 2 and not findings.refused:
        what = f"{count(len(frame), 'measurement')} in the whole table"
        findings.error("C57", what, "Give at least two visits of one mouse")
    if len(frame):
        frame = with_mice(frame, columns.spelled, findings)
        frame = with_baselines(frame, columns.spelled, findings)
        if not findings.refused:
            check_curves(frame, columns.spelled, findings)
    kept = [*ROW_COLUMNS, *(["body_weight_g"] if "body_weight_g" in frame else [])]
    names = pd.Index(sorted(set(frame["avatar"])), name="avatar", dtype="str")
    facts = {"tumor_type": pd.Series([tumor_types.get(name, "") for name in names], names, dtype="str")}
    for name, values in covariates.items():
        facts[name] = _as_numbers(pd.Series([values.get(avatar) for avatar in names], names))
    return frame.reindex(columns=kept).reset_index(drop=True), pd.DataFrame(facts, index=names)


def _cells(columns: Columns, findings: Findings) -> tuple[pd.DataFrame, pd.Series]:
    """Every cell judged on its own: the frame in file order, and which rows are sound."""
    values, spelled, lines = columns.values, columns.spelled, columns.lines
    avatar = read_names(values["avatar"], lines, spelled["avatar"], findings)
    refuse_case_clashes([name for name in avatar if name], _where(avatar, lines), spelled["avatar"], findings)
    tell_look_alikes(avatar, lines, spelled["avatar"], findings)
    parts: dict[str, object] = {
        "avatar": avatar,
        "arm": read_arms(values["arm"], lines, spelled["arm"], findings),
    }
    if any(text.strip() for text in values.get("mouse", [])):
        mouse = read_names(values["mouse"], lines, spelled["mouse"], findings)
        refuse_case_clashes(
            [name for name in mouse if name], _where(mouse, lines), spelled["mouse"], findings
        )
        tell_look_alikes(mouse, lines, spelled["mouse"], findings)
        parts["mouse"] = mouse
    parts["day"] = read_numbers(values["day"], lines, spelled["day"], DAY, findings)
    parts["volume_mm3"] = read_numbers(values["volume_mm3"], lines, spelled["volume_mm3"], VOLUME, findings)
    if "body_weight_g" in values:
        column = spelled["body_weight_g"]
        parts["body_weight_g"] = read_numbers(values["body_weight_g"], lines, column, BODY_WEIGHT, findings)
    frame = pd.DataFrame({**parts, "line": lines})
    sound = frame["day"].notna() & frame["volume_mm3"].notna()
    for name in ("avatar", "arm", "mouse"):
        if name in frame:
            sound &= frame[name] != ""
    return frame, sound


def _where(names: Sequence[str], lines: Sequence[int]) -> list[int]:
    return [line for name, line in zip(names, lines, strict=True) if name]


def _avatar_facts(
    frame: pd.DataFrame, columns: Columns, findings: Findings
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Tumour type and covariates, each one value an avatar; gaps are filled from the avatar's other rows."""
    tumor_types: dict[str, str] = {}
    if "tumor_type" in columns.values:
        column = columns.spelled["tumor_type"]
        types = read_names(columns.values["tumor_type"], columns.lines, column, findings, may_be_empty=True)
        spelling = one_spelling(types, columns.lines, column, "M77", findings)
        told = [spelling.get(name, "") for name in types]
        tumor_types, conflicts = _one_each(frame["avatar"], told)
        rows = list(zip(frame["avatar"], told, strict=True))
        for avatar, found in conflicts.items():
            what = f"{avatar} has the tumour types {some(found)}"
            fix = "An avatar is one patient's tumour: write one"
            line = columns.lines[rows.index((avatar, found[1]))]
            findings.error("M78", what, fix, line=line, column=column)
        _tell_missing_types(frame, told, tumor_types, column, findings)
    covariates: dict[str, dict[str, str]] = {}
    for name, texts in columns.covariates.items():
        cleaned = read_names(texts, columns.lines, name, findings, may_be_empty=True)
        values, conflicts = _one_each(frame["avatar"], cleaned)
        if conflicts:
            example, found = next(iter(conflicts.items()))
            what = f"column {name!r} is left out: it varies within an avatar ({example}: {some(found)})"
            findings.warning("C80", what, "A covariate has one value an avatar", column=name)
        else:
            covariates[name] = values
    return tumor_types, covariates


def _one_each(avatars: Iterable[str], values: Iterable[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The avatar's single value where there is one, and the values of avatars that have several."""
    found: dict[str, dict[str, None]] = {}
    for avatar, value in zip(avatars, values, strict=True):
        if avatar and value:
            found.setdefault(avatar, {})[value] = None
    one = {avatar: next(iter(told)) for avatar, told in found.items()}
    return one, {avatar: list(told) for avatar, told in found.items() if len(told) > 1}


def _tell_missing_types(
    frame: pd.DataFrame, told: list[str], tumor_types: dict[str, str], column: str, findings: Findings
) -> None:
    empty = frame[np.array([not name for name in told], dtype=bool) & (frame["avatar"] != "").to_numpy()]
    filled = empty[empty["avatar"].isin(list(tumor_types))]
    if len(filled):
        rows = f"{count(len(filled), 'row')} without a tumour type"
        what = f"{rows} filled from the same avatar: {some(filled['avatar'].unique())}"
        findings.note("M79", what, line=int(filled["line"].iloc[0]), column=column)
    unknown = empty.loc[~empty["avatar"].isin(list(tumor_types)), "avatar"].unique()
    if len(unknown):
        findings.warning(
            "M79", f"{count(len(unknown), 'avatar')} without a tumour type: {some(unknown)}", column=column
        )


def _as_numbers(values: pd.Series) -> pd.Series:
    """A covariate whose every value is a number becomes numeric; an avatar without one has NaN."""
    try:
        return pd.to_numeric(values)
    except (ValueError, TypeError):
        return values.fillna("").astype("str")
