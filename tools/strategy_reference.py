"""One patient at a time, in plain Python: a slow reference of strategies, for tests and benchmarks.

Written from the definitions and not from the engine: numbers of one mouse, `scipy.linalg.expm` for the tumour,
quantiles of `scipy.stats` for counts, and each rule by hand. It shares with the engine the parameters of the tumour
and the deviates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import linalg, special

from avatar_trials.strategies.fates import Fates
from avatar_trials.strategies.tumours import ClonalTumours
from avatar_trials.strategy_designs import StrategyDesign


@dataclass
class Patient:
    """What is known of one mouse so far."""

    volumes: list[float] = field(default_factory=list)
    molecules: list[float] = field(default_factory=list)
    found: list[list[bool]] = field(default_factory=list)
    asked: list[list[float]] = field(default_factory=list)
    line: int = 1
    line_day: float = 0.0


@dataclass
class Outcome:
    """What became of one mouse."""

    progression_day: list[float]
    planned: int = 1
    left_day: float = math.nan
    reason: str = ""
    drug_days: float = 0.0
    nadir_cells: float = math.inf
    volumes: list[float] = field(default_factory=list)


def one_mouse(tumours: ClonalTumours, mouse: int) -> tuple[list[float], Any]:
    """Cells by clone at day 0 and a function of doses to the rate matrix, for tumours without persisters or niche."""
    tumour = tumours.tumour
    names = [clone.name for clone in tumour.clones]
    growth = float(np.broadcast_to(tumour.growth, tumours.start_mm3.shape)[mouse])
    kills = np.exp(np.asarray(tumour.log_kill)[mouse])
    exponent = float(np.broadcast_to(tumour.exponent, tumours.start_mm3.shape)[mouse])
    cells = [
        float(clone.share[mouse] * tumours.start_mm3[mouse] * tumours.cells_per_mm3)
        for clone in tumour.clones
    ]

    def matrix(doses: list[float]) -> np.ndarray:
        rates = np.zeros((len(names), len(names)))
        for i, clone in enumerate(tumour.clones):
            cost = float(np.broadcast_to(clone.fitness_cost, tumours.start_mm3.shape)[mouse])
            by_driver = []
            for row in clone.drivers:
                terms = [k * s * d for k, s, d in zip(kills, row, doses, strict=True)]
                by_driver.append(sum(term**exponent for term in terms) ** (1.0 / exponent))
            rates[i, i] = growth * (1.0 - cost) - min(by_driver)
        for mutation in tumour.mutations:
            rate = float(np.broadcast_to(mutation.rate, tumours.start_mm3.shape)[mouse])
            rates[names.index(mutation.to), names.index(mutation.source)] += rate
        return rates

    return cells, matrix


def count_at(uniform: float, mean: float) -> float:
    """Quantile of a Poisson count."""
    if mean <= 0.0:
        return 0.0
    above = max(math.ceil(special.pdtrik(uniform, mean)), 0)
    return float(above - 1 if above and special.pdtr(above - 1, mean) >= uniform else above)


def decide(rule: Any, patient: Patient, day: float, drugs: list[str], clones: list[str]) -> list[float]:
    """Doses of a declared rule, by hand."""

    def arm(name: str) -> list[float]:
        given = [] if name == "untreated" else name.split(" + ")
        return [rule.dose if drug in given else 0.0 for drug in drugs]

    if rule.kind == "constant":
        return arm(rule.arm)
    if rule.kind == "sequential":
        return arm(rule.lines[min(patient.line, len(rule.lines)) - 1])
    if rule.kind == "intermittent":
        return arm(rule.arm if day % (rule.on_days + rule.off_days) < rule.on_days else "untreated")
    if rule.kind == "adaptive":
        if not patient.asked:
            return arm(rule.arm)
        relative = patient.volumes[-1] / patient.volumes[0]
        on = relative > rule.stop_at if any(patient.asked[-1]) else relative >= rule.restart_at
        return arm(rule.arm if on else "untreated")
    if rule.kind == "residual_disease":
        low = rule.below_mm3 is not None and any(v < rule.below_mm3 for v in patient.volumes[1:])
        if rule.below_molecules is not None:
            low |= any(m < rule.below_molecules for m in patient.molecules[1:] if not math.isnan(m))
        return arm(rule.then if low or (rule.at_progression and patient.line > 1) else rule.first)
    if rule.kind == "mutation":
        for clone in rule.answers:
            if any(found[clones.index(clone)] for found in patient.found):
                return arm(rule.answers[clone])
        return arm(rule.otherwise if patient.line > 1 and rule.otherwise else rule.first)
    if rule.kind == "rechallenge":
        resting = patient.line == 2 and day - patient.line_day < rule.holiday_days
        return arm(rule.between if resting else rule.arm)
    less = rule.after_days is not None and day >= rule.after_days
    if rule.at_relative is not None:
        less |= any(v <= rule.at_relative * patient.volumes[0] for v in patient.volumes[1:])
    return arm(rule.then if less else rule.first)


def follow_one(
    design: StrategyDesign,
    rule: Any,
    lines: int,
    tumours: ClonalTumours,
    fates: Fates,
    mouse: int,
    days: np.ndarray,
) -> Outcome:
    """One mouse under one rule."""
    caliper, plasma, toxic = design.monitoring.caliper, design.monitoring.plasma, design.toxicity
    drugs, clones = list(design.drugs), list(design.clones)
    cells, matrix = one_mouse(tumours, mouse)
    patient, out = Patient(), Outcome([math.nan] * lines, lines)
    ratio = {"recist_volume": 1.2**3, "baseline_volume": 1.2**3}.get(design.scoring.progression, 2.0)
    of_nadir = design.scoring.progression in ("recist_volume", "doubling_of_nadir")
    reference, on_drug, ever, failed, in_a_row, dosed = math.nan, False, False, False, 0, True
    next_sample, rest, drug_loss, held, ever_held = 0.0, 0.0, 0.0, False, False
    for visit, day in enumerate(map(float, days)):
        total = sum(cells)
        out.nadir_cells = min(out.nadir_cells, total)
        size = max(total / tumours.cells_per_mm3, math.exp(-50))
        diameter = (6 * (size + caliper.diameter_floor_mm3) / math.pi) ** (1 / 3)
        sd = math.sqrt(5 * caliper.delta_mm**2 / diameter**2 + caliper.sigma_p**2)
        read = size * math.exp(sd * fates.surprises[visit, mouse])
        volume = 0.0 if read < caliper.detection_limit_mm3 else read
        patient.volumes.append(volume)
        out.volumes.append(volume)
        loss = max(rest, drug_loss)
        if toxic is not None:
            held = loss > toxic.resume_at_loss_pct if held else loss >= toxic.hold_at_loss_pct
            ever_held |= held
        progressed = False
        if visit == 0:
            reference = volume
        elif not failed and (on_drug or not ever):
            risen = (6 * reference / math.pi) ** (1 / 3) + design.scoring.least_increase_mm
            over = volume >= max(ratio * reference, design.scoring.floor_mm3)
            if design.scoring.least_increase_mm:
                over = over and volume >= math.pi / 6 * risen**3
            in_a_row = in_a_row + 1 if over else 0
            progressed = in_a_row >= design.scoring.confirmed_by
            if of_nadir:
                reference = min(reference, volume)
        large = volume >= design.stopping.size_mm3
        if plasma is not None and day >= next_sample - 1e-9:
            next_sample = day + plasma.every_days
            shed = plasma.deaths_per_cell_day * plasma.shed_per_death / plasma.cleared_per_day
            counts = [
                count_at(float(fates.plasma[visit, 0, c, mouse]), n * shed * plasma.sampled_share)
                for c, n in enumerate(cells)
            ]
            patient.molecules.append(sum(counts))
            everything = max(sum(counts) + plasma.background_molecules, 1.0)
            seen = []
            for c, count in enumerate(counts):
                there = count >= plasma.least_molecules and count / everything >= plasma.least_share
                chance = plasma.sensitivity if there and c else 1.0 - plasma.specificity
                seen.append(bool(c) and fates.plasma[visit, 1, c, mouse] < chance)
            patient.found.append(seen)
        elif plasma is not None:
            patient.molecules.append(math.nan)
        if (progressed or large) and not failed:
            out.progression_day[patient.line - 1] = day
            if patient.line < lines:
                patient.line, patient.line_day, reference, in_a_row = patient.line + 1, day, volume, 0
                dosed = False
            else:
                failed = True
        if large or (toxic is not None and loss >= toxic.remove_at_loss_pct) or visit == len(days) - 1:
            out.reason = "size" if large else "study_end" if visit == len(days) - 1 else "body_weight"
            if toxic is not None and loss >= toxic.remove_at_loss_pct and not large:
                out.reason = "body_weight"
            out.left_day = day
            break
        asked = decide(rule, patient, day, drugs, clones)
        if patient.line > 1 and patient.line_day == day and asked == patient.asked[-1]:
            patient.line -= 1
            out.planned, failed = patient.line, True
        patient.asked.append(asked)
        given = asked
        gap = float(days[visit + 1]) - day
        if toxic is not None:
            given = [0.0 if held else dose * (toxic.resume_dose if ever_held else 1.0) for dose in asked]
            level = [0.0, *toxic.median_loss_by_drugs_pct]
            dose = sum(given)
            base = min(int(dose), len(level) - 2)
            plateau = level[base] + (dose - base) * (level[base + 1] - level[base])
            own = math.exp(toxic.log_sd * fates.frailty[0, mouse]) * toxic.median_loss_pct
            taken = math.exp(toxic.log_sd * fates.frailty[1, mouse]) * plateau
            left = math.exp(-gap / toxic.days_to_plateau)
            rest, drug_loss = own + (rest - own) * left, taken + (drug_loss - taken) * left
        on = any(given)
        anew = of_nadir and design.scoring.nadir == "since_resumed" and ever and not on_drug
        if on and (not dosed or anew):
            reference = volume
        dosed = dosed or on
        on_drug, ever = on, ever or on
        out.drug_days += sum(given) * gap
        alive = [n if n >= 1.0 else 0.0 for n in cells]
        grown = linalg.expm(matrix(given) * gap) @ np.array(alive)
        cells = [float(new + n - a) for new, n, a in zip(grown, cells, alive, strict=True)]
    return out
