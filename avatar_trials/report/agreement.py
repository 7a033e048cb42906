"""The two tables of agreement as rows of shown text: populations, and individuals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from avatar_trials.report.readings import Quantity, unbounded, whole
from avatar_trials.report.tables import Cell, Footnotes
from avatar_trials.report.text import NOTHING

OVER_ARMS = {
    "all": "all arms",
    "all, not stratified": "all arms pooled, not stratified: differences of arms count as skill",
}
POPULATION: dict[str, Quantity] = {
    "ORR": Quantity("ORR", "%", 100.0),
    "DCR": Quantity("DCR", "%", 100.0),
    "median_depth_of_response_pct": Quantity("median depth of response, volume", "%", signed=True),
    "median_time_to_doubling_days": Quantity("median time to doubling (Kaplan–Meier)", "d", digits=1),
    "W1_depth_of_response_pct": Quantity("distance of depth distributions (Wasserstein)", "% points"),
    "W1_depth_of_response_share_of_range": Quantity("the same as a share of their range", "%", 100.0),
    "waterfall_overlap": Quantity("overlap of waterfalls (1 is the same)", "%", 100.0),
    "RMST_difference_days": Quantity("difference of restricted means", "d", digits=1, signed=True),
    "PIT_deviation_depth": Quantity("depths, deviation from the predicted distribution (PIT)", "", digits=2),
    "hazard_ratio": Quantity("hazard ratio to the first arm", "", digits=2),
    "median_PFS_days": Quantity("median PFS (of mice: doubling)", "d", digits=0),
    "max_KM_difference": Quantity("greatest difference of Kaplan–Meier curves", "% points", 100.0),
    "integrated_KM_difference_days": Quantity("area between Kaplan–Meier curves", "d", digits=1),
    "coverage_of_intervals": Quantity("observed values inside the emulated intervals", "%", 100.0),
    "mean_abs_difference_ORR": Quantity("mean |difference| of ORR", "% points", 100.0),
    "mean_abs_difference_DCR": Quantity("mean |difference| of DCR", "% points", 100.0),
    "Kendall_ORR": Quantity("Kendall's tau of ORR over arms", "", digits=2),
    "Kendall_DCR": Quantity("Kendall's tau of DCR over arms", "", digits=2),
    "Kendall_median_depth_of_response_pct": Quantity("Kendall's tau of median depth over arms", "", digits=2),
    "Kendall_median_time_to_doubling_days": Quantity(
        "Kendall's tau of median time to doubling", "", digits=2
    ),
    "Kendall_median_PFS_days": Quantity("Kendall's tau of median PFS over arms", "", digits=2),
    "Kendall_RMST_time_to_doubling_days": Quantity(
        "Kendall's tau of restricted mean time to doubling", "", digits=2
    ),
    "Kendall_RMST_PFS_days": Quantity("Kendall's tau of restricted mean PFS over arms", "", digits=2),
    "Lin_CCC_ORR": Quantity("Lin's concordance of ORR over arms (1 is identity)", "", digits=2),
    "Lin_CCC_DCR": Quantity("Lin's concordance of DCR over arms", "", digits=2),
    "Lin_CCC_median_depth_of_response_pct": Quantity("Lin's concordance of median depth", "", digits=2),
    "calibration_slope_ORR": Quantity("calibration slope of ORR over arms (1 is calibrated)", "", digits=2),
    "Spearman_median_PFS_days": Quantity("rank correlation of median PFS over arms", "", digits=2),
    "Spearman_ORR": Quantity("rank correlation of ORR over arms", "", digits=2),
    "Spearman_DCR": Quantity("rank correlation of DCR over arms", "", digits=2),
    "Spearman_median_depth_of_response_pct": Quantity(
        "rank correlation of median depth over arms", "", digits=2
    ),
    "Spearman_median_time_to_doubling_days": Quantity(
        "rank correlation of median time to doubling over arms", "", digits=2
    ),
    "Spearman_RMST_time_to_doubling_days": Quantity(
        "rank correlation of restricted mean time to doubling over arms", "", digits=2
    ),
    "Spearman_RMST_PFS_days": Quantity("rank correlation of restricted mean PFS over arms", "", digits=2),
}
INDIVIDUAL: dict[str, Quantity] = {
    "Brier": Quantity("Brier score of response (0 is best)", "", digits=3),
    "Brier_skill": Quantity("Brier skill against the arm's base rate (1 is best)", "", digits=2),
    "AUC": Quantity("AUC of response (0.5 is chance)", "", digits=2),
    "Cohen_kappa": Quantity("Cohen's kappa of response, one mouse each", "", digits=2),
    "weighted_kappa": Quantity("weighted kappa of four categories, one mouse each", "", digits=2),
    "log_score_gain": Quantity("log score of response over the arm's rate (0 is no gain)", "nats", digits=3),
    "treatment_choice_regret_days": Quantity(
        "days lost by choosing the arm by the avatar (0 is best)", "d", digits=2
    ),
    "Harrell_C": Quantity("Harrell's C of progression (0.5 is chance)", "", digits=2),
    "Spearman_depth": Quantity("rank correlation of depth of response", "", digits=2),
    "Harrell_C_doubling": Quantity("Harrell's C of time to doubling (0.5 is chance)", "", digits=2),
}


@dataclass(frozen=True)
class AgreementRow:
    """One measure of one arm; `first` opens the arm's block of `span` rows."""

    arm: str
    first: bool
    span: int
    measure: str
    cells: list[Cell]


def population_rows(frame: pd.DataFrame, arms: Sequence[str], notes: Footnotes) -> list[AgreementRow]:
    """Cells: emulated with interval, observed, difference, inside?, null reference, ceiling, n."""
    rows = []
    for arm, place, span, row in _in_order(frame, arms):
        quantity = _quantity(POPULATION, row["measure"])
        infinite = unbounded(str(row["method"]))
        emulated, lower, upper, observed = (
            infinite.get(name, math.nan) if pd.isna(row[name]) else float(row[name])
            for name in ("emulated", "lower", "upper", "observed")
        )
        apart = _points(quantity)
        covered = None if pd.isna(row["covered"]) else bool(row["covered"])
        cells = [
            Cell(_with_interval(quantity, emulated, lower, upper), note=notes.number(str(row["method"]))),
            Cell("" if math.isnan(observed) else quantity.show(observed)),
            Cell("" if pd.isna(row["difference"]) else apart.show(float(row["difference"]))),
            Cell("" if covered is None else "yes" if covered else "no", outside=covered is False),
            Cell(_reference(quantity, row["measure"], row["null_reference"])),
            Cell(_reference(quantity, row["measure"], row["ceiling"])),
            Cell(_n(row["n"])),
        ]
        rows.append(AgreementRow(arm, place == 0, span, quantity.label, cells))
    return rows


def individual_rows(frame: pd.DataFrame, arms: Sequence[str], notes: Footnotes) -> list[AgreementRow]:
    """Cells: value with interval, null reference, ceiling, n."""
    rows = []
    for arm, place, span, row in _in_order(frame, arms):
        quantity = _quantity(INDIVIDUAL, row["measure"])
        value = _with_interval(quantity, *(float(row[name]) for name in ("value", "lower", "upper")))
        cells = [
            Cell("not defined" if value == NOTHING else value, note=notes.number(str(row["method"]))),
            Cell(quantity.show(float(row["null_reference"]))),
            Cell(quantity.show(float(row["ceiling"]))),
            Cell(_n(row["n"])),
        ]
        rows.append(AgreementRow(arm, place == 0, span, quantity.label, cells))
    return rows


def _in_order(frame: pd.DataFrame, arms: Sequence[str]) -> list[tuple[str, int, int, pd.Series]]:
    """(arm, place in the arm's block, length of the block, row), the rows over all arms last."""
    ordered = []
    for arm in [*arms, *(name for name in OVER_ARMS if name not in arms)]:
        block = frame[frame["arm"] == arm]
        name = OVER_ARMS.get(arm, arm)
        ordered += [(name, i, len(block), row) for i, (_, row) in enumerate(block.iterrows())]
    return ordered


def _quantity(known: dict[str, Quantity], measure: object) -> Quantity:
    return known.get(str(measure), Quantity(str(measure).replace("_", " "), "", digits=3))


def _points(quantity: Quantity) -> Quantity:
    unit = "% points" if quantity.unit == "%" else quantity.unit
    return Quantity(quantity.label, unit, quantity.scale, quantity.digits, signed=True)


def _reference(quantity: Quantity, measure: object, value: object) -> str:
    """Null and ceiling of a summary are absolute differences, so they are in points and carry no sign."""
    reference = math.nan if pd.isna(value) else float(value)  # type: ignore[call-overload, arg-type]
    unsigned = Quantity(quantity.label, quantity.unit, quantity.scale, quantity.digits)
    is_difference = str(measure) in ("ORR", "DCR", "median_depth_of_response_pct")
    shown = Quantity("", "% points", quantity.scale, quantity.digits) if is_difference else unsigned
    return shown.show(reference)


def _with_interval(quantity: Quantity, value: float, lower: float, upper: float) -> str:
    if math.isnan(value):
        return NOTHING
    if math.isnan(lower) and math.isnan(upper):
        return quantity.show(value)
    return f"{quantity.show(value)} [{quantity.show(lower, unit=False)}, {quantity.show(upper, unit=False)}]"


def _n(value: object) -> str:
    n = whole(value)
    return NOTHING if n is None else f"{n:,}"
