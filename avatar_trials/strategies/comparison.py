"""The same avatars under every strategy of a design, in blocks that bound memory, gathered in one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.emulate import Cohort
from avatar_trials.emulate.trial import visit_days
from avatar_trials.strategies.assumed_tumours import assumed_tumours, tumour_types
from avatar_trials.strategies.calibrated_tumours import WORDS as CALIBRATED
from avatar_trials.strategies.calibrated_tumours import calibrated_tumours
from avatar_trials.strategies.declared import strategies_of
from avatar_trials.strategies.engine import REASONS, Followed, Plan, follow
from avatar_trials.strategies.fates import fates
from avatar_trials.strategies.history import Strategy
from avatar_trials.strategies.progression_watch import OF_NADIR
from avatar_trials.strategies.room import require_room
from avatar_trials.strategies.tumours import Tumours
from avatar_trials.strategy_designs import CaliperSpec, Monitoring, Scoring, StrategyDesign

MICE_AT_A_TIME = 2048
_UNITS = {
    "progression_day": "days",
    "left_day": "days",
    "drug_days": "full-dose days",
    "nadir_cells": "cells",
    "least_weight_pct": "% of the baseline",
    "days_held": "days",
    "volume_mm3": "mm3",
}


def compare_strategies(
    design: StrategyDesign,
    strategies: Sequence[Strategy] | None = None,
    *,
    cohort: Cohort | None = None,
    seed: int | None = None,
    mice_at_a_time: int = MICE_AT_A_TIME,
) -> xr.Dataset:
    """What becomes of the design's avatars under each strategy: variables of `engine.Followed`, first dim strategy.

    dims strategy, line (of the strategy with most of them), avatar, drug, clone, visit. `strategies`: those of the
    design unless given, e.g. a callable of one's own in a `Strategy`. An avatar has the same tumour and the same
    luck under every strategy, whatever the others do and however the work is cut up. Raises InputError for tumours
    that cannot be, and ValueError where a strategy breaks its contract.
    """
    chosen = strategies_of(design) if strategies is None else list(strategies)
    seed = design.seed if seed is None else seed
    days = visit_days(design.visits)
    draws = cohort.n_trials if cohort else 1
    require_room(design, len(chosen), len(cohort.avatars) if cohort else design.n_avatars, draws)
    names = cohort.avatars if cohort else tuple(f"avatar {number + 1}" for number in range(design.n_avatars))
    monitoring = design.monitoring if cohort is None else _calibrated_caliper(design.monitoring, cohort)
    plan = Plan(days, monitoring, design.scoring, design.stopping, design.toxicity)
    parts, at_a_time = [], max(1, mice_at_a_time // draws)
    for first in range(0, len(names), at_a_time):
        here = names[first : first + at_a_time]
        tumours: Tumours
        if cohort is None:
            mice, tumours = here, assumed_tumours(design.tumour, here, seed)
        else:
            mice = tuple(f"{avatar}, draw {draw}" for avatar in here for draw in cohort.draw)
            per_mm3 = design.tumour.cells_per_mm3
            tumours = calibrated_tumours(
                cohort.of(here), design.drugs, design.clones, seed, cells_per_mm3=per_mm3
            )
        fate = fates(
            *(mice, seed),
            n_visits=len(days),
            n_clones=len(design.clones),
            plasma=monitoring.plasma is not None,
            biopsy=monitoring.biopsy is not None,
            removal=design.stopping.removal is not None,
        )
        places = first * draws + np.arange(len(mice))
        parts.append([follow(strategy, tumours, plan, fate, places) for strategy in chosen])
    found = _dataset(parts, chosen, design, days, list(np.repeat(names, draws)), seed)
    if cohort is None:
        types = tumour_types(design.tumour, names, seed)
        return found.assign_coords(tumor_type=("avatar", np.array(types, dtype=object))) if types else found
    told = f"CALIBRATED avatars: {CALIBRATED}. ASSUMED: {design.words_beside_tumours or 'nothing else'}"
    return found.assign_coords(draw=("avatar", np.tile(np.arange(draws), len(names)))).assign_attrs(
        scenario=told
    )


def _calibrated_caliper(monitoring: Monitoring, cohort: Cohort) -> Monitoring:
    caliper = CaliperSpec(
        delta_mm=float(cohort.population["delta"].mean()),
        sigma_p=float(cohort.population["sigma_p"].mean()),
        detection_limit_mm3=cohort.detection_limit_mm3,
        diameter_floor_mm3=cohort.diameter_floor_mm3,
        wander=float(cohort.weekly_wander.mean()),
    )
    return monitoring.model_copy(update={"caliper": caliper})


def _dataset(
    parts: list[list[Followed]],
    strategies: list[Strategy],
    design: StrategyDesign,
    days: NDArray[np.float64],
    avatars: list[str],
    seed: int,
) -> xr.Dataset:
    lines = max(strategy.lines for strategy in strategies)
    dims = {
        "progression_day": ("line", "avatar"),
        "drug_days": ("drug", "avatar"),
        "first_clones": ("clone", "avatar"),
        "last_clones": ("clone", "avatar"),
        "volume_mm3": ("visit", "avatar"),
        "doses": ("period", "drug", "avatar"),
    }
    variables = {}
    for name in [field.name for field in fields(Followed) if field.name != "clone_shares"]:
        rows = []
        for place in range(len(strategies)):
            values = np.concatenate([getattr(part[place], name) for part in parts], axis=-1)
            if name == "progression_day":
                missing = np.full((lines - len(values), values.shape[-1]), np.nan)
                values = np.concatenate([values, missing])
            rows.append(values.astype(np.float32) if name in ("volume_mm3", "doses") else values)
        attrs: dict[str, Any] = {"units": _UNITS[name]} if name in _UNITS else {}
        if name == "left_reason":
            attrs = {"flag_values": list(range(len(REASONS))), "flag_meanings": " ".join(REASONS)}
        variables[name] = (("strategy", *dims.get(name, ("avatar",))), np.stack(rows), attrs)
    variables |= _courses(parts)
    return xr.Dataset(
        variables,
        coords={
            "strategy": np.array([strategy.name for strategy in strategies], dtype=object),
            "avatar": np.array(avatars, dtype=object),
            "drug": np.array(design.drugs, dtype=object),
            "clone": np.array(design.clones, dtype=object),
            "line": np.arange(1, lines + 1),
            "lines": ("strategy", [strategy.lines for strategy in strategies]),
            "day": ("visit", days, {"units": "days"}),
        },
        attrs={
            "design_name": design.name,
            "design_sha256": design.sha256,
            "seed": str(seed),
            "luck": "common random numbers across the strategies of an avatar",
            "progression": _progression_in_words(design.scoring),
            "scenario": f"ASSUMED, calibrated on no mouse. {design.words}",
            "synthetic": True,
        },
    )


def _courses(parts: list[list[Followed]]) -> dict[str, Any]:
    """clone_course (strategy, visit, clone): mean share of a clone over the n_followed (strategy, visit) tumours
    that are still followed and have a cell."""
    means, counts = [], []
    for place in range(len(parts[0])):
        shares = np.concatenate([part[place].clone_shares for part in parts], axis=-1)
        there = ~np.isnan(shares)
        n = there.sum(axis=-1)
        summed = np.where(there, shares, 0.0).sum(axis=-1, dtype=float)
        means.append(np.divide(summed, n, out=np.full(n.shape, np.nan), where=n > 0))
        counts.append(n[:, 0])
    return {
        "clone_course": (("strategy", "visit", "clone"), np.stack(means)),
        "n_followed": (("strategy", "visit"), np.stack(counts)),
    }


def _progression_in_words(rule: Scoring) -> str:
    words = [rule.progression, f"at least {rule.floor_mm3:g} mm3"]
    if rule.progression in OF_NADIR:
        words.append("nadir of the line" if rule.nadir == "of_line" else "nadir anew when drug is resumed")
    if rule.least_increase_mm:
        words.append(f"at least {rule.least_increase_mm:g} mm of diameter more")
    return ", ".join([*words, f"observed at {rule.confirmed_by} visit(s) in a row"])
