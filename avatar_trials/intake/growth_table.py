"""GrowthTable, the validated tumour volumes of a study: read from a spreadsheet, and written down."""

from __future__ import annotations

import csv
import difflib
import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from avatar_trials.arms import UNTREATED, canonical_arm, drugs_of
from avatar_trials.drug_names import drug_key
from avatar_trials.intake.cells import guard, text_cells
from avatar_trials.intake.dialects import DIALECT_NAMES, read_columns
from avatar_trials.intake.files import decode, is_workbook, read_bytes
from avatar_trials.intake.findings import Findings, some
from avatar_trials.intake.validate import validated
from avatar_trials.intake.workbooks import workbook_cells
from avatar_trials.problems import InputError, Problem

SYNTHETIC_MARK = "# avatar-trials synthetic panel"


@dataclass(frozen=True)
class GrowthTable:
    """Tumour volumes of avatars, one row a measurement.

    `rows`: columns avatar, arm, mouse (text), day (days since the start of treatment, day 0 the baseline),
    volume_mm3 (mm3, >= 0; 0 is a tumour below detection) and, where the file has it, body_weight_g (g); sorted by
    avatar, arm, mouse, day. `avatars`: indexed by avatar, tumor_type ("" where unknown) and covariates. `notices`:
    what was accepted and how. `sha256` is of the file's bytes, `covariates_sha256` of facts that were joined to
    `avatars` from elsewhere. `synthetic` is true only for a panel this project generated.
    """

    rows: pd.DataFrame
    avatars: pd.DataFrame
    notices: tuple[Problem, ...]
    source: str
    sha256: str
    synthetic: bool
    covariates_sha256: str = ""

    @property
    def mice(self) -> pd.DataFrame:
        """One row a mouse: avatar, arm, mouse, n_visits, first_day, last_day, baseline_mm3, left_truncated.

        A left-truncated mouse has no volume on day 0, and NaN for a baseline.
        """
        first = ~self.rows.duplicated(["avatar", "arm", "mouse"])
        mouse = first.cumsum()
        day = self.rows["day"].groupby(mouse)
        mice = self.rows.loc[first, ["avatar", "arm", "mouse"]].reset_index(drop=True)
        mice["n_visits"] = day.size().to_numpy()
        mice["first_day"] = day.min().to_numpy()
        mice["last_day"] = day.max().to_numpy()
        baseline = self.rows.loc[first, "volume_mm3"].reset_index(drop=True)
        mice["baseline_mm3"] = baseline.where(mice["first_day"] == 0)
        mice["left_truncated"] = mice["first_day"] > 0
        return mice

    def select(
        self,
        *,
        avatars: Iterable[str] | None = None,
        arms: Iterable[str] | None = None,
        tumor_type: str | Iterable[str] | None = None,
    ) -> GrowthTable:
        """The mice of these avatars, arms (drugs in any order) and tumour types (case ignored).

        Raises InputError for a name the table does not have, and where no mouse is left.
        """
        problems: list[Problem] = []
        keep = pd.Series(True, index=self.rows.index)
        if tumor_type is not None:
            known = {name.casefold(): name for name in self.avatars["tumor_type"] if name}
            named = [tumor_type] if isinstance(tumor_type, str) else tumor_type
            folded = [name.casefold() for name in named]
            problems += self._unknown(folded, known, "tumour type")
            of_type = self.avatars.index[self.avatars["tumor_type"].str.casefold().isin(folded)]
            keep &= self.rows["avatar"].isin(of_type)
        if avatars is not None:
            wanted = list(avatars)
            problems += self._unknown(wanted, {name: name for name in self.avatars.index}, "avatar")
            keep &= self.rows["avatar"].isin(wanted)
        if arms is not None:
            known = {arm.casefold(): arm for arm in self.rows["arm"].unique()}
            try:
                folded = [canonical_arm(arm).casefold() for arm in arms]
            except ValueError as reason:
                raise InputError(
                    Problem("D53", "error", str(reason), "Write drug names joined by +")
                ) from None
            problems += self._unknown(folded, known, "arm")
            keep &= self.rows["arm"].isin([known[arm] for arm in folded if arm in known])
        if not problems and not keep.any():
            what = "no mouse is in the chosen avatars, arms and tumour type together"
            problems.append(Problem("S02", "error", what, "Choose fewer conditions", self.source))
        if problems:
            raise InputError(problems)
        rows = self.rows[keep].reset_index(drop=True)
        return replace(self, rows=rows, avatars=self.avatars[self.avatars.index.isin(rows["avatar"])])

    def dosed_in_combinations(self, tumor_type: str, drug: str, given_as: str) -> GrowthTable:
        """The table with `drug` called `given_as` in arms of several drugs, of avatars of a tumour type or of none.

        Capitals do not matter. Raises InputError where no arm of that type has the single agent `given_as`.
        """
        of_type = self.avatars["tumor_type"].str.casefold().isin(["", tumor_type.casefold()])
        here = self.rows["avatar"].map(of_type).astype(bool)
        alone = {arm.casefold(): arm for arm in self.rows.loc[here, "arm"].unique()}
        if here.any() and given_as.casefold() not in alone:
            raise InputError(self._unknown([given_as.casefold()], alone, "single agent"))

        def dosed(arm: str) -> str:
            drugs = drugs_of(arm)
            new = [alone[given_as.casefold()] if one.casefold() == drug.casefold() else one for one in drugs]
            return canonical_arm(" + ".join(new)) if len(drugs) > 1 else arm

        renamed = {arm: dosed(arm) for arm in self.rows.loc[here, "arm"].unique()}
        arms = self.rows["arm"].where(~here, self.rows["arm"].map(renamed))
        return self._with_arms(arms)

    def drugs_called_as(self, drugs: Iterable[str]) -> GrowthTable:
        """The table with every drug that has another name in `drugs` called by that name, and a notice of it."""
        wanted = {drug_key(drug): drug for drug in drugs}
        known = {drug for arm in self.rows["arm"].unique() for drug in drugs_of(arm)}
        called = {
            drug: wanted[drug_key(drug)]
            for drug in sorted(known)
            if wanted.get(drug_key(drug), drug).casefold() != drug.casefold()
        }
        if not called:
            return self
        told = some(f"{drug!r} as {name!r}" for drug, name in called.items())
        notice = Problem("D50", "note", f"drugs called as the design has them: {told}", file=self.source)
        arms = {
            arm: " + ".join(called.get(drug, drug) for drug in drugs_of(arm)) or UNTREATED
            for arm in self.rows["arm"].unique()
        }
        renamed = self.rows["arm"].map({arm: canonical_arm(new) for arm, new in arms.items()})
        return replace(self._with_arms(renamed), notices=(*self.notices, notice))

    def _with_arms(self, arms: pd.Series) -> GrowthTable:
        order = ["avatar", "arm", "mouse", "day"]
        rows = self.rows.assign(arm=arms).sort_values(order, kind="stable", ignore_index=True)
        return replace(self, rows=rows)

    def _unknown(self, wanted: list[str], known: dict[str, str], noun: str) -> list[Problem]:
        found = []
        for name in wanted:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
                has = (
                    f"Did you mean {some(known[key] for key in near)}?"
                    if near
                    else f"It has {some(known.values())}"
                )
                found.append(Problem("S01", "error", f"no {noun} {name!r} in the table", has, self.source))
        return found


def read_volumes(path: str | Path, *, dialect: str = "auto", sheet: str | None = None) -> GrowthTable:
    """Reads tumour volumes from CSV or an .xlsx workbook.

    `dialect` is "auto" (by the header), "tidy", "pdxe" or "xeva"; `sheet` names a workbook's sheet. Raises
    InputError with every problem found, each with the file's own line; what was accepted with a remark is in
    `notices`.
    """
    table, problems = _read(path, dialect, sheet)
    if table is None:
        raise InputError(problems)
    return table


def check_volumes(path: str | Path, *, dialect: str = "auto", sheet: str | None = None) -> list[Problem]:
    """Errors, warnings and notes about a table, in file order; never raises for what the file holds."""
    return _read(path, dialect, sheet)[1]


def write_tidy(table: GrowthTable, path: str | Path) -> None:
    """Writes the tidy dialect as CSV (UTF-8), atomically. `read_volumes` reads the same table back.

    Text that a spreadsheet would run as a formula gets a leading `'`, which reading takes off. A synthetic
    table says so in its first line.
    """
    from avatar_trials.stamp import write_atomic

    facts = table.avatars.reindex(table.rows["avatar"]).reset_index(drop=True)
    frame = pd.concat([table.rows, facts], axis=1)
    cells = [[guard(str(name)) for name in frame.columns]]
    cells += [[_written(value) for value in row] for row in frame.itertuples(index=False, name=None)]

    def write(target: Path) -> None:
        with target.open("w", encoding="utf-8", newline="") as handle:
            if table.synthetic:
                handle.write(SYNTHETIC_MARK + "\n")
            csv.writer(handle, lineterminator="\n").writerows(cells)

    write_atomic(Path(path), write)


def _read(path: str | Path, dialect: str, sheet: str | None) -> tuple[GrowthTable | None, list[Problem]]:
    findings = Findings(str(path))
    table = _parse(path, dialect, sheet, findings)
    problems = sorted(findings.problems, key=lambda problem: problem.line or 0)
    return (None if table is None else replace(table, notices=tuple(problems))), problems


def _parse(path: str | Path, dialect: str, sheet: str | None, findings: Findings) -> GrowthTable | None:
    """The table, or None where `findings` holds an error."""
    if dialect not in DIALECT_NAMES:
        findings.error("C90", f"no dialect {dialect!r}", f"Known are {', '.join(DIALECT_NAMES)}")
        return None
    raw = read_bytes(path, findings)
    workbook = None if raw is None else is_workbook(path, raw, findings)
    if raw is None or workbook is None:
        return None
    if workbook:
        cells = workbook_cells(raw, sheet, findings)
    else:
        if sheet is not None:
            findings.warning("F06", f"sheet {sheet!r} ignored: this is not a workbook")
        text = decode(raw, findings)
        cells = None if text is None else text_cells(text, findings)
    columns = None if cells is None else read_columns(cells, dialect, findings)
    if columns is None:
        return None
    rows, avatars = validated(columns, findings)
    if findings.refused:
        return None
    synthetic = any(comment.startswith(SYNTHETIC_MARK) for comment in columns.comments[:1])
    return GrowthTable(rows, avatars, (), str(path), hashlib.sha256(raw).hexdigest(), synthetic)


def _written(value: object) -> str:
    if isinstance(value, str):
        return guard(value)
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value)) if isinstance(value, float) else str(value)
