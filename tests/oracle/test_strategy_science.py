"""What is known of strategies must come out: Bozic's cures, residual disease, re-challenge, persisters, first lines."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from avatar_trials.card_files import load_strategies
from avatar_trials.kinetics.luria_delbruck import clones_at_detection
from avatar_trials.kinetics.mutants import two_drug_mutation
from avatar_trials.strategies import Strategy, compare_strategies, score_strategies
from avatar_trials.strategies.engine import Plan, follow
from avatar_trials.strategies.fates import Fates
from avatar_trials.strategies.rules import Constant, Sequential
from avatar_trials.strategies.whole_cells import WholeCells
from avatar_trials.strategy_designs import CaliperSpec, Monitoring, Scoring, StrategyDesign, StrategyStopping
from tests.strategy_panel import design, law

BIRTH, DEATH, DEATH_TREATED, CELLS, MUTATION = 0.14, 0.13, 0.17, 10**9, 1e-9


def wide(chosen: StrategyDesign) -> pd.DataFrame:
    """Estimates, a row a strategy, a column an endpoint."""
    table, _ = score_strategies(compare_strategies(chosen), chosen.reference, resamples=50)
    return table.pivot(index="strategy", columns="endpoint", values="estimate")


def lesions(n: int, cross: int, seed: int) -> WholeCells:
    """Bozic's typical lesions at detection: clones that resist nothing, drug 1, drug 2, both."""
    rng = np.random.default_rng(seed)
    mutation = two_drug_mutation(MUTATION, 50, 50, cross)
    cells = clones_at_detection(np.full(n, float(CELLS)), BIRTH, DEATH, mutation, rng=rng)
    extra = DEATH_TREATED - DEATH
    return WholeCells(
        cells=cells.T,
        birth=np.full(4, BIRTH),
        death=np.full(4, DEATH),
        killed=np.array([[extra, extra], [0.0, extra], [extra, 0.0], [0.0, 0.0]]),
        mutation=mutation,
        seed=seed,
        drugs=("1", "2"),
        clones=("S", "R1", "R2", "R12"),
    )


def cured(strategy: Strategy, patients: WholeCells) -> float:
    """Share of lesions without a cell at the end."""
    days, n = np.arange(0.0, 1801.0, 60.0), patients.cells.shape[1]
    plan = Plan(
        days,
        Monitoring(caliper=CaliperSpec(delta_mm=0.0, sigma_p=0.0, detection_limit_mm3=1.0)),
        Scoring(progression="recist_volume", floor_mm3=CELLS / 1e6),
        StrategyStopping(size_mm3=1e5),
    )
    nothing = np.zeros((len(days), 0))
    luck = Fates(np.zeros((len(days), n)), np.zeros((2, n)), nothing, nothing, nothing)
    return float(follow(strategy, patients, plan, luck).eradicated.mean())


def test_many_whole_cells_shrink_and_grow_at_their_rates() -> None:
    patients = lesions(20, 1, 3)
    march, cells = patients.marching(None), np.full((4, 20), 1e9)
    doses = np.array([[1.0] * 20, [0.5] * 20])
    after = march.advance(cells, doses, 30.0)
    rates = np.array([-0.03, 0.01 - 0.04 * 0.5, -0.03, 0.01])
    assert np.log(after / cells).mean(axis=1) / 30.0 == pytest.approx(rates, abs=1e-4)


@pytest.mark.parametrize(("cross", "expected"), [(1, 0.263), (0, 0.999)])
def test_t53_two_drugs_cure_together_and_not_in_turn(cross: int, expected: float) -> None:
    """T53. Bozic 2013: with one mutation that resists both 26.3 % and 0 %; without, 99.9 % and 0 %. The second drug
    comes when the lesion has its size at detection again."""
    n = 300
    together = Strategy("together", Constant({"1": 1.0, "2": 1.0}))
    in_turn = Strategy("in turn", Sequential(({"1": 1.0}, {"2": 1.0})), lines=2)
    share = cured(together, lesions(n, cross, 1))
    assert abs(share - expected) <= 3.0 * np.sqrt(expected * (1 - expected) / n) + 0.002
    assert cured(in_turn, lesions(n, cross, 2)) == 0.0


def test_t53_first_lines_flatter_the_combination_that_whole_strategies_do_not() -> None:
    """T53. With cells that resist both, upfront wins by first progression; by failure it is near the sequence."""
    chosen = load_strategies("melanoma_preemptive_vs_sequential").model_copy(update={"n_avatars": 300})
    _, differences = score_strategies(compare_strategies(chosen), chosen.reference, resamples=50)
    upfront = differences[differences["strategy"] == "both from the start"].set_index("endpoint")[
        "difference"
    ]
    assert upfront["PFS_mean_days"] > 50
    assert abs(upfront["strategy_failure_mean_days"]) < upfront["PFS_mean_days"] / 4


def test_t55_a_drug_added_at_residual_disease_lies_between_one_drug_and_both() -> None:
    """T55."""
    table = wide(design(n_avatars=250, toxicity=None))
    failure, drug_days = table["strategy_failure_mean_days"], table["drug_days"]
    assert failure["A"] < failure["residual"] < failure["upfront"] + 1.0
    assert drug_days["A"] < drug_days["residual"] < drug_days["upfront"] / 0.8


def with_cost(cost: float) -> StrategyDesign:
    """A drug again after a holiday of 18 weeks, where resistance costs a share of growth."""
    tumour = design().tumour.model_dump(exclude_none=True)
    tumour["mutations"], tumour["growth"] = [], law(0.05, 0.1)
    tumour["drugs"]["A"]["kill"] = law(0.1, 0.1)
    tumour["clones"] = [
        {"name": "sensitive"},
        {"name": "resists A", "share": 0.05, "drivers": [{"A": 0.0}], "fitness_cost": cost},
    ]
    rules = [
        {"name": "A", "rule": {"kind": "constant", "arm": "A"}},
        {"name": "again", "rule": {"kind": "rechallenge", "arm": "A", "holiday_days": 126}},
    ]
    return design(
        tumour=tumour,
        strategies=rules,
        toxicity=None,
        monitoring={},
        n_avatars=100,
        visits={"gaps_days": [3, 4], "horizon_days": 480},
        stopping={"size_mm3": 1e6},
        scoring={"progression": "recist_volume", "resamples": 50},
    )


def test_t56_rechallenge_works_again_where_resistance_costs_growth() -> None:
    """T56: off drug costly resistant cells fall behind, and the drug shrinks the tumour a second time."""
    gained = {}
    for cost in (0.0, 0.6):
        table = wide(with_cost(cost))["strategy_failure_mean_days"]
        gained[cost] = table["again"] - table["A"]
    shrunk = {}
    for cost in (0.0, 0.6):
        followed = compare_strategies(with_cost(cost)).sel(strategy="again")
        volume, day = followed["volume_mm3"].values, followed["day"].values
        back = followed["progression_day"].sel(line=1).values + 126.0
        at = np.array([np.searchsorted(day, when) for when in np.where(np.isfinite(back), back, 0)])
        later = np.minimum(at + 5, len(day) - 1)
        mice = np.flatnonzero(np.isfinite(back) & (at + 5 < len(day)))
        mice = mice[volume[at[mice], mice] > 0]
        assert len(mice) > 10
        shrunk[cost] = float(np.nanmedian(volume[later[mice], mice] / volume[at[mice], mice]))
    assert shrunk[0.6] < 0.9 < 1.2 < shrunk[0.0]
    assert gained[0.6] > gained[0.0] + 10


def test_t57_persisters_die_of_an_inhibitor_of_both_guardians_and_not_of_one() -> None:
    """T57: BCL-2 alone changes nothing, to the last bit; BCL-2 and BCL-xL together lower the nadir and relapse."""
    chosen = load_strategies("persister_bh3_cotargeting").model_copy(update={"n_avatars": 120})
    followed = compare_strategies(chosen)
    alone = followed.sel(strategy="erlotinib")
    one, both = (
        followed.sel(strategy=f"erlotinib + {drug}") for drug in ("BCL-2 inhibitor", "BCL-2/BCL-xL inhibitor")
    )
    for name in ("progression_day", "nadir_cells", "volume_mm3", "left_day"):
        assert np.array_equal(alone[name].values, one[name].values, equal_nan=True)
    assert np.median(both["nadir_cells"] / alone["nadir_cells"]) < 0.01
    relapsed = alone["progression_day"].sel(line=1).notnull().mean()
    assert both["progression_day"].sel(line=1).notnull().mean() < relapsed - 0.3


def test_plasma_shows_resistance_before_the_caliper_does() -> None:
    """Lead time over imaging: the answer to a mutation in plasma comes before progression would have been seen."""
    chosen = load_strategies("ctdna_triggered_combination").model_copy(update={"n_avatars": 120})
    followed = compare_strategies(chosen)
    name = next(str(s) for s in followed["strategy"].values if "mutation in plasma" in str(s))
    doses, day = followed["doses"].sel(strategy=name, drug="B").values, followed["day"].values
    added = np.where((doses > 0).any(axis=0), day[(doses > 0).argmax(axis=0)], np.nan)
    progressed = followed["progression_day"].sel(strategy="A", line=1).values
    lead = progressed - added
    assert np.nanmean(lead) > 5.0
    assert (added <= progressed + 1e-9)[np.isfinite(added) & np.isfinite(progressed)].mean() > 0.9


def test_the_same_treatment_lasts_shorter_as_a_second_line() -> None:
    """Nothing about the drug changes: the first line has selected what resists the second one too."""
    for name, sequence, upfront in (
        ("egfr_osimertinib_first_line", "erlotinib, then osimertinib", "osimertinib"),
        ("melanoma_preemptive_vs_sequential", "encorafenib, then both", "both from the start"),
    ):
        chosen = load_strategies(name).model_copy(update={"n_avatars": 200, "toxicity": None})
        followed = compare_strategies(chosen)
        first, second = followed["progression_day"].sel(strategy=sequence).values[:2]
        second_line = second - first
        first_line = followed["progression_day"].sel(strategy=upfront, line=1).values
        assert np.nanmedian(second_line) < np.nanmedian(first_line) - 30, name
        assert np.nanmedian(second_line) < np.nanmedian(first), name
