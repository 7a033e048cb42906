"""From a GrowthTable to the index arrays of the likelihood: avatars, drugs, curves and their visits, ragged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.arms import UNTREATED, drugs_of
from avatar_trials.intake import GrowthTable
from avatar_trials.intake.names import commonest_spelling, respelled
from avatar_trials.model_cards import ModelCard
from avatar_trials.problems import InputError, Problem

MIN_FOLLOW_UP_DAYS = 7.0
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Curves:
    """Index arrays. `curve` is one mouse; untreated curves first, then treated ones, so that both are slices.

    Per curve: avatar index, arm, mouse, given (curve, drug), follow_up (days, at least 7). Per visit, sorted by curve
    and day: curve index, day, log_volume (log mm3, the detection limit where censored), censored, volume_mm3.
    `biomarker` (avatar) is 0 or 1, where it is not known the share of carriers among the known avatars of the tumour
    type, or None where the table has no such column. `avatar_type` (avatar): place in
    `tumor_types`; avatars of no stated type are of one type together, as are those whose types differ only in case.
    """

    avatars: list[str]
    drugs: list[str]
    curve_names: list[str]
    curve_arm: list[str]
    curve_mouse: list[str]
    curve_avatar: Ints
    given: Flags
    follow_up: Floats
    obs_curve: Ints
    day: Floats
    volume_mm3: Floats
    log_volume: Floats
    censored: Flags
    biomarker: Floats | None
    tumor_types: list[str]
    avatar_type: Ints

    @property
    def combinations(self) -> list[str]:
        """Arms of several drugs, sorted."""
        return sorted({arm for arm in self.curve_arm if len(drugs_of(arm)) > 1}, key=str.casefold)

    @property
    def n_untreated(self) -> int:
        """Number of untreated curves, which come first."""
        return int((~self.given.any(axis=1)).sum())

    def reading(self, volume_mm3: Floats, limit_mm3: float) -> Curves:
        """The same mice and visits with other volumes (obs)."""
        log_volume, censored = np.log(np.maximum(volume_mm3, limit_mm3)), volume_mm3 < limit_mm3
        return replace(self, volume_mm3=volume_mm3, log_volume=log_volume, censored=censored)


def curves_of(
    table: GrowthTable, card: ModelCard, *, avatars: Sequence[str] = ()
) -> tuple[Curves, list[Problem]]:
    """The curves a posterior can be calibrated to, with notices of the mice left out.

    `avatars`: further ones without a mouse, whose levels are then the population's; facts of them are in the table.
    Left out: mice without a volume at day 0, with a single visit, or that start far from the others, as the card says.
    Raises InputError where too little is left: two avatars, an untreated mouse, a treated one. A drug that is never
    given alone is a notice, as are tumour types that differ only in case.
    """
    mice = table.mice
    no_baseline = mice["left_truncated"]
    short = ~no_baseline & (mice["n_visits"] < 2)
    below = ~no_baseline & ~short & (mice["baseline_mm3"] < card.observation.detection_limit_mm3)
    far, far_why = _far_starts(mice, ~(no_baseline | short | below), card)
    notices = []
    for chosen, why in (
        (no_baseline, "no volume at day 0"),
        (short, "a single visit"),
        (below, "a baseline below the detection limit"),
        (far, far_why),
    ):
        if chosen.any():
            named = ", ".join(mice.loc[chosen, "mouse"].head(20))
            notices.append(
                Problem(
                    "N02", "warning", f"{int(chosen.sum())} mice left out of the calibration: {why} ({named})"
                )
            )
    mice = mice[~(no_baseline | short | below | far)].reset_index(drop=True)
    treated = mice["arm"] != UNTREATED
    mice = pd.concat([mice[~treated], mice[treated]], ignore_index=True)
    drugs = sorted({drug for arm in mice["arm"] for drug in drugs_of(arm)}, key=str.casefold)
    _refuse_too_little(mice, drugs, table.source)
    singles = {arm for arm in mice["arm"] if len(drugs_of(arm)) == 1}
    never_alone = [drug for drug in drugs if drug not in singles]
    if never_alone:
        what = f"only in combinations, never alone: {', '.join(never_alone)}"
        fix = "Of these drugs alone the posterior says little more than the card's priors"
        notices.append(Problem("N04", "warning", what, fix))

    names = mice["avatar"] + " | " + mice["arm"] + " | " + mice["mouse"]
    avatars = sorted({*mice["avatar"], *avatars})
    given = np.array([[drug in drugs_of(arm) for drug in drugs] for arm in mice["arm"]]).reshape(
        len(mice), len(drugs)
    )
    keyed = pd.MultiIndex.from_frame(mice[["avatar", "arm", "mouse"]])
    rows = table.rows
    place = keyed.get_indexer(pd.MultiIndex.from_frame(rows[["avatar", "arm", "mouse"]]))
    rows = rows.assign(curve=place)[place >= 0].sort_values(["curve", "day"], kind="stable")
    last_day = card.observation.last_day
    follow_up = mice["last_day"].to_numpy(float)
    if last_day is not None:
        late = rows["day"] > last_day
        if late.any():
            what = f"{int(late.sum())} visits after day {last_day:g} left out of the calibration, as the card says"
            notices.append(Problem("N03", "warning", what))
        rows, follow_up = rows[~late], np.minimum(follow_up, last_day)
    types, spelling = _types(table, avatars)
    biomarker, unknown = _biomarker(table, avatars, card.biomarker, types["avatar_type"])
    if unknown:
        what = (
            f"{card.biomarker} is not known of {', '.join(unknown)}: the share of their tumour type is taken"
        )
        notices.append(Problem("N05", "note", what))
    if respelled(spelling):
        notices.append(Problem("M77", "note", f"tumour types: {respelled(spelling)}"))
    volume = rows["volume_mm3"].to_numpy(float)
    limit = card.observation.detection_limit_mm3
    curves = Curves(
        avatars=avatars,
        drugs=drugs,
        curve_names=list(names),
        curve_arm=list(mice["arm"]),
        curve_mouse=list(mice["mouse"]),
        curve_avatar=np.searchsorted(avatars, mice["avatar"]).astype(np.int64),
        given=given,
        follow_up=np.maximum(follow_up, MIN_FOLLOW_UP_DAYS),
        obs_curve=rows["curve"].to_numpy(np.int64),
        day=rows["day"].to_numpy(float),
        volume_mm3=volume,
        log_volume=np.log(np.maximum(volume, limit)),
        censored=volume < limit,
        biomarker=biomarker,
        **types,
    )
    return curves, notices


def _far_starts(mice: pd.DataFrame, counted: pd.Series, card: ModelCard) -> tuple[pd.Series, str]:
    """Which of the mice that count start beyond the card's factor of their median volume, and that in words."""
    factor = card.observation.start_within_factor
    if factor is None or not counted.any():
        return counted & False, ""
    median = float(mice.loc[counted, "baseline_mm3"].median())
    far = counted & ~mice["baseline_mm3"].between(median / factor, median * factor)
    return far, f"they start beyond {factor:g} times the median volume of {median:.0f} mm3, as the card says"


def _types(table: GrowthTable, avatars: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields of Curves, and how types are spelled there."""
    of_avatar = table.avatars["tumor_type"].reindex(avatars).fillna("")
    spelling = commonest_spelling(of_avatar)
    names, places = np.unique([spelling.get(name, "") for name in of_avatar], return_inverse=True)
    fields = {"tumor_types": [str(name) for name in names], "avatar_type": places.astype(np.int64)}
    return fields, spelling


def _biomarker(
    table: GrowthTable, avatars: list[str], column: str, avatar_type: Ints
) -> tuple[Floats | None, list[str]]:
    """`Curves.biomarker`, and the avatars of which it is not known. None where all avatars are alike."""
    if column not in table.avatars.columns:
        return None, []
    cells = table.avatars[column].reindex(avatars)
    values = pd.to_numeric(cells, errors="coerce").to_numpy(float, copy=True)
    unknown = (cells.isna() | (cells.astype(str).str.strip() == "")).to_numpy()
    if not np.isin(values[~unknown], (0.0, 1.0)).all():
        what = f"covariate {column} must be 0 or 1, or empty where it is not known"
        raise InputError(
            Problem("K01", "error", what, "Correct it or remove the column", table.source, column=column)
        )
    if len(set(values[~unknown])) < 2:
        return None, []
    for place in np.flatnonzero(unknown):
        alike = ~unknown & (avatar_type == avatar_type[place])
        values[place] = values[alike if alike.any() else ~unknown].mean()
    return values, [avatars[place] for place in np.flatnonzero(unknown)]


def _refuse_too_little(mice: pd.DataFrame, drugs: list[str], source: str) -> None:
    problems = []
    if mice["avatar"].nunique() < 2:
        problems.append("a hierarchy needs at least 2 avatars")
    if not (mice["arm"] == UNTREATED).any():
        problems.append("no untreated mouse: growth cannot be told from kill")
    if not drugs:
        problems.append("no treated mouse")
    if problems:
        raise InputError(
            [
                Problem("K02", "error", what, "Give volumes of those mice, or change the arms", source)
                for what in problems
            ]
        )
