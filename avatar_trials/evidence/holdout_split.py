"""Which mice, or parts of mice, a calibration does without, so that they can be predicted: four named hold-outs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.arms import UNTREATED, canonical_arm, drugs_of
from avatar_trials.calibrate.curves import Curves
from avatar_trials.intake import GrowthTable
from avatar_trials.problems import InputError, Problem
from avatar_trials.seeds import stream

HOLD_OUTS = ("curve-tail", "arm", "avatar", "mouse")
MEANT_FOR = {
    "share": ("mouse", "avatar"),
    "folds": ("mouse", "avatar"),
    "arm": ("arm",),
    "after": ("curve-tail",),
}
SHARE, SHARE_OF_ARM = 0.1, 0.5
KEPT_VISITS = 3

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class HoldOut:
    """What is held out.

    `mouse`: a random `share` (a tenth) of the treated mice, each predicted from its avatar's other mice. `avatar`: a
    random `share` of the avatars with all their mice, predicted as new avatars of the population, with what the table
    says of them (tumour type, biomarker). Never the last mouse of an arm, so that every drug is still seen alone;
    under `mouse` never the last of an avatar. `folds`: so many disjoint shares, held out in turn.

    `arm`: an arm of several drugs as a whole, predicted from its drugs alone and the prior of combinations; each such
    arm in turn whose drugs all have mice alone, or the one named by `arm`. A single-drug arm can be named: a drug must
    be seen alone to be known, so half of its mice are held out, and the other half tells the drug.

    `curve-tail`: of every treated mouse the second half of its visits (at least three stay), or the visits after
    `after_day`; predicted for the same mouse, with its wander as far as it is known. Halves are cut by what became of
    the mouse, which nobody knows beforehand; a day is not.
    """

    kind: str
    share: float | None = None
    folds: int | None = None
    arm: str | None = None
    after_day: float | None = None


@dataclass(frozen=True)
class Split:
    """One calibration and what it does without.

    `held` (mouse,): indices of the held-out curves among all; `kept_visits` (mouse,): how many first visits of each
    the calibration sees (0: none); `table`: the rows left, facts of all avatars kept, a notice that says so.
    """

    label: str
    held: Ints
    kept_visits: Ints
    table: GrowthTable


def splits(table: GrowthTable, curves: Curves, what: HoldOut, *, seed: int) -> list[Split]:
    """The calibrations of a hold-out, in turn; `curves` are those of the whole `table`.

    Raises InputError for a hold-out that is not known, or leaves nothing to predict or to calibrate to.
    """
    require_sound(what)
    if what.kind == "curve-tail":
        return [_tails(table, curves, what.after_day)]
    found = _arms(curves, what.arm, seed) if what.kind == "arm" else _dealt(curves, what, seed)
    if not all(len(held) for _, held in found):
        raise _refused(
            f"hold-out {what.kind}: nothing can be left out",
            "Every arm needs a mouse that stays, and every avatar another mouse: give more mice or another share",
        )
    return [_without(table, curves, label, held) for label, held in found]


def require_sound(what: HoldOut) -> None:
    """Raise InputError, with every problem, for a hold-out that no table could make good."""
    problems = []
    if what.kind not in HOLD_OUTS:
        problems.append(_problem(f"hold-out {what.kind!r} is unknown", f"Known are {', '.join(HOLD_OUTS)}"))
    given = {"share": what.share, "folds": what.folds, "arm": what.arm, "after": what.after_day}
    for name, value in given.items():
        if value is not None and what.kind in HOLD_OUTS and what.kind not in MEANT_FOR[name]:
            fix = f"It is for {' and '.join(MEANT_FOR[name])}"
            problems.append(_problem(f"--hold-out-{name} says nothing of hold-out {what.kind}", fix))
    share, folds = SHARE if what.share is None else what.share, 1 if what.folds is None else what.folds
    if not 0.0 < share < 1.0:
        fix = f"Give a share of the whole, as {SHARE:g}"
        problems.append(_problem(f"--hold-out-share {share:g} is not between 0 and 1", fix))
    elif folds * share > 1.0 + 1e-9:
        fix = f"Folds are shares of the whole, together at most 1: give a share of at most {1 / folds:g}"
        problems.append(_problem(f"share {share:g} in {folds} folds", fix))
    if folds < 1:
        problems.append(_problem(f"--hold-out-folds {folds}", "Give 1 or more"))
    if what.after_day is not None and not 0.0 < what.after_day < np.inf:
        fix = "Give a day after day 0, the baseline"
        problems.append(_problem(f"--hold-out-after {what.after_day:g} is no day of treatment", fix))
    if problems:
        raise InputError(problems)


def _dealt(curves: Curves, what: HoldOut, seed: int) -> list[tuple[str, Ints]]:
    """Disjoint random shares of mice or of avatars."""
    share, folds = SHARE if what.share is None else what.share, what.folds or 1
    of_mouse = what.kind == "mouse"
    n = len(curves.curve_names) - curves.n_untreated if of_mouse else len(curves.avatars)
    if folds > n:
        of = "treated mice" if of_mouse else "avatars"
        raise _refused(f"{folds} folds of {n} {of}", "Every fold needs one to leave out: give fewer folds")
    units = stream(seed, "hold out", what.kind).permutation(n) + (curves.n_untreated if of_mouse else 0)
    edges = np.rint(np.arange(folds + 1) * share * n).astype(int)
    edges[1:] = np.maximum(edges[1:], np.arange(1, folds + 1))
    dealt = []
    for fold in range(folds):
        chosen = units[edges[fold] : edges[fold + 1]]
        held = _spared(curves, chosen, of_mouse)
        dealt.append((f"{what.kind} {fold + 1} of {folds}", held))
    return dealt


def _spared(curves: Curves, chosen: Ints, of_mouse: bool) -> Ints:
    """The chosen mice, or mice of the chosen avatars, without those whose leaving would empty an arm or avatar."""
    arm, avatar = pd.factorize(np.array(curves.curve_arm))[0], curves.curve_avatar
    staying = np.ones(len(arm), dtype=bool)
    for unit in chosen:
        leaving = np.arange(len(arm)) == unit if of_mouse else avatar == unit
        rest = staying & ~leaving
        arms_stay = len(np.unique(arm[rest])) == arm.max() + 1
        avatars_stay = rest[avatar == avatar[unit]].any() if of_mouse else len(np.unique(avatar[rest])) > 1
        if arms_stay and avatars_stay:
            staying = rest
    return np.flatnonzero(~staying)


def _arms(curves: Curves, named: str | None, seed: int) -> list[tuple[str, Ints]]:
    if named is None:
        if not curves.combinations:
            raise _refused("no arm of several drugs to hold out", "Name a single-drug arm by --hold-out-arm")
        wanted = [arm for arm in curves.combinations if _known_alone(arm, curves)]
        if not wanted:
            what = "every arm of several drugs has a drug that is never given alone"
            raise _refused(what, "Give mice of the drugs alone")
    else:
        wanted = [_named(named, curves)]
        if not _known_alone(wanted[0], curves):
            what = f"arm {wanted[0]} has a drug that is never given alone, from which it could be predicted"
            raise _refused(what, "Give mice of its drugs alone, or name another arm")
    found = []
    for arm in wanted:
        mice = np.flatnonzero(np.array(curves.curve_arm) == arm)
        if len(drugs_of(arm)) == 1:
            order = stream(seed, "hold out", "arm", arm).permutation(len(mice))
            mice = _spared(curves, mice[order[: int(len(mice) * SHARE_OF_ARM)]], of_mouse=True)
            found.append((f"half of {arm}", mice))
        else:
            found.append((arm, mice))
    return found


def _known_alone(arm: str, curves: Curves) -> bool:
    """Whether each drug of an arm has mice of its own."""
    return set(drugs_of(arm)) <= set(curves.curve_arm)


def _named(arm: str, curves: Curves) -> str:
    known = {name.casefold(): name for name in curves.curve_arm if name != UNTREATED}
    try:
        return known[canonical_arm(arm).casefold()]
    except (KeyError, ValueError):
        has = ", ".join(sorted(known.values()))
        raise _refused(f"no treated arm {arm!r} to hold out", f"Arms are {has}") from None


def _without(table: GrowthTable, curves: Curves, label: str, held: Ints) -> Split:
    stays = ~_rows_of(table, curves, lambda curve, _: np.isin(curve, held))
    return Split(
        label, held, np.zeros(len(held), dtype=np.int64), _noticed(table, stays, label, f"{len(held)} mice")
    )


def _tails(table: GrowthTable, curves: Curves, after_day: float | None) -> Split:
    n = len(curves.curve_names)
    visits = np.bincount(curves.obs_curve, minlength=n)
    if after_day is None:
        kept = np.maximum(-(-visits // 2), KEPT_VISITS)
        label = "curve-tail, second half of the visits"
    else:
        kept = np.bincount(curves.obs_curve[curves.day <= after_day], minlength=n)
        label = f"curve-tail, after day {after_day:g}"
    treated = np.arange(n) >= curves.n_untreated
    held = np.flatnonzero(treated & (kept < visits) & (kept >= 2))
    if not len(held):
        last = curves.day[curves.obs_curve >= curves.n_untreated].max()
        fix = f"Two visits of a mouse must stay and one be left out; treated mice are followed to day {last:g} at most"
        raise _refused(f"{label}: no treated mouse has visits before and after", fix)
    first = np.flatnonzero(np.r_[True, np.diff(curves.obs_curve) > 0])
    last_kept = np.full(n, np.inf)
    last_kept[held] = curves.day[first[held] + kept[held] - 1]
    stays = ~_rows_of(table, curves, lambda curve, day: (curve >= 0) & (day > last_kept[curve]))
    n_tails = int((visits - kept)[held].sum())
    what = f"{n_tails} last visits of {len(held)} mice"
    return Split(label, held, kept[held].astype(np.int64), _noticed(table, stays, label, what))


def _rows_of(
    table: GrowthTable, curves: Curves, chosen: Callable[[Ints, NDArray[np.float64]], NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    """Rows (row,) of a table that `chosen` picks by curve (-1: of no curve) and day."""
    names = table.rows["avatar"] + " | " + table.rows["arm"] + " | " + table.rows["mouse"]
    curve = pd.Index(curves.curve_names).get_indexer(pd.Index(names))
    return chosen(curve, table.rows["day"].to_numpy(float))


def _noticed(table: GrowthTable, stays: NDArray[np.bool_], label: str, what: str) -> GrowthTable:
    notice = Problem("N05", "warning", f"held out of the calibration ({label}): {what}")
    return replace(table, rows=table.rows[stays].reset_index(drop=True), notices=(*table.notices, notice))


def _refused(what: str, fix: str) -> InputError:
    return InputError(_problem(what, fix))


def _problem(what: str, fix: str) -> Problem:
    return Problem("O02", "error", what, fix)
