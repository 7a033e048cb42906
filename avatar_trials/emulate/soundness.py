"""Whether a posterior or a trial, read whole from its file, has what is read off it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from avatar_trials.emulate.cohort import scalars_of
from avatar_trials.kinetics.kill_laws import KILL_LAWS
from avatar_trials.model_cards import KINETICS, fixed_parameters
from avatar_trials.stamp import StampError

JSON_FACTS = ("constants", "observation", "gates", "notices")
FACTS = (*JSON_FACTS, "synthetic", "model_card", "card_sha256", "data_sha256")
TRIAL_FACTS = ("endpoints", "design_name", "design_sha256", "seed", "synthetic", "gates")
OF_MICE = {
    "volume_mm3": ("trial", "avatar", "arm", "visit"),
    "twin_volume_mm3": ("trial", "avatar", "arm", "visit"),
    "left_day": ("trial", "avatar", "arm"),
    "left_reason": ("trial", "avatar", "arm"),
    "draw": ("trial",),
    "day": ("visit",),
}


def check_posterior(tree: xr.DataTree, name: str) -> None:
    """Raise StampError, with all that is missing, where avatars cannot be taken from a posterior.

    It has a group posterior with draws, avatars and drugs, the attributes FACTS, and every parameter that its kinetics
    need, finite everywhere.
    """
    kinetics = str(tree.attrs.get("kinetics", "two_clone"))
    if kinetics not in KINETICS:
        raise StampError(f"{name}: kinetics {kinetics!r} are not known here. Update the program.")
    lacking, broken = _facts(tree.attrs, FACTS, JSON_FACTS)
    if "posterior" not in tree.children:
        lacking.append("group posterior")
    else:
        posterior = tree["posterior"].to_dataset()
        fixed = fixed_parameters(json.loads(tree.attrs["constants"])) if not lacking + broken else {}
        lacking += [dim for dim in ("chain", "draw", "avatar", "drug") if not posterior.sizes.get(dim, 0)]
        lacking += [one for one in _needed(kinetics) if one not in posterior and one not in fixed]
        broken += [str(one) for one, values in posterior.data_vars.items() if not _finite(values)]
    _refuse(name, "posterior", lacking, broken, "Calibrate again")


def check_trial(trial: xr.Dataset, name: str) -> None:
    """Raise StampError, with all that is missing, where a trial cannot be read: its variables, with their dims and
    numbers (volumes of 0 or more, or NaN), its days going up from 0, and its rules."""
    lacking, broken = _facts(trial.attrs, TRIAL_FACTS, ("endpoints", "gates"))
    rules = json.loads(trial.attrs["endpoints"]) if "endpoints" not in lacking + broken else {}
    if not {"mrecist_rule", "doubling", "level"} <= set(rules) and "endpoints" not in lacking + broken:
        broken.append("endpoints")
    for one, dims in OF_MICE.items():
        if one not in trial or set(trial[one].dims) != set(dims) or not trial[one].size:
            lacking.append(one)
        elif trial[one].dtype.kind not in "biuf":
            broken.append(one)
    lacking += [one for one in ("avatar", "arm") if one not in trial.coords]
    if not lacking and not broken:
        broken += [one for one in ("volume_mm3", "twin_volume_mm3") if _impossible(trial[one].values)]
        day = trial["day"].values
        broken += [] if day[0] == 0 and (np.diff(day) > 0).all() and np.isfinite(day).all() else ["day"]
    _refuse(name, "trial", lacking, broken, "Emulate it again")


def _needed(kinetics: str) -> list[str]:
    """What a cohort takes from a posterior of these kinetics; wander and deceleration may be each avatar's own."""
    law = KILL_LAWS.get(kinetics)
    of_avatars = ["log_r", "log_kill", "slowing"]
    if law is None:
        of_avatars.append("resistance")
    elif law.spreads:
        of_avatars.append("log_spread")
    return [*scalars_of(kinetics), *of_avatars]


def _facts(
    attrs: Mapping[Any, Any], wanted: tuple[str, ...], in_json: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """Attributes that are missing, and those that are no JSON and should be."""
    lacking = [fact for fact in wanted if fact not in attrs]
    broken = []
    for fact in in_json:
        try:
            json.loads(attrs.get(fact, "{}"))
        except (ValueError, TypeError):
            broken.append(fact)
    return lacking, broken


def _finite(values: xr.DataArray) -> bool:
    return values.dtype.kind in "biuf" and bool(np.isfinite(values.values).all())


def _impossible(volume: np.ndarray) -> bool:
    return bool(np.isinf(volume).any() or (volume < 0).any())


def _refuse(name: str, kind: str, lacking: list[str], broken: list[str], remedy: str) -> None:
    told = [f"has no {', '.join(lacking)}"] if lacking else []
    told += [f"has no sound numbers in places of {', '.join(broken)}"] if broken else []
    if told:
        raise StampError(f"{name}: the {kind} {' and '.join(told)}. {remedy}.")
