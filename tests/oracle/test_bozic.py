"""Bozic et al. 2013 (eLife 2:e00747): formulas to 30 digits, published tables, and the process itself simulated."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest

from avatar_trials.kinetics import bozic, eradication, luria_delbruck, mutants
from avatar_trials.verify import kinetics_references
from tests.held import hold

FIXTURE = kinetics_references.cases("stochastic", "bozic2013")
TYPICAL = {"birth": 0.14, "death": 0.13, "birth_treated": 0.14, "death_treated": 0.17, "n1": 50, "n2": 50}
U = 1e-9


def before(given: dict[str, float]) -> dict[str, float]:
    return {k: v for k, v in given.items() if not k.endswith("_treated")}


@pytest.mark.parametrize(
    "case", FIXTURE["computed"], ids=lambda c: f"M{c['args']['M']:g}_n{c['args']['n12']}"
)
def test_formulas_of_the_fixture(case: dict[str, Any]) -> None:
    hold(kinetics_references.chances_of_cure(case))


def test_formulas_are_vectorised() -> None:
    sizes = np.array([1e7, 1e9, 1e11])
    cross = np.array([[0], [1]])
    fails = bozic.dual_therapy(sizes, U, **TYPICAL, n12=cross).p_fail
    assert fails.shape == (2, 3)
    for case in FIXTURE["computed"]:
        at = np.flatnonzero(sizes == case["args"]["M"])
        if at.size:
            np.testing.assert_allclose(fails[case["args"]["n12"], at], float(case["p_fail"]), rtol=1e-12)


@pytest.mark.parametrize("row", FIXTURE["published_table1"], ids=lambda r: r["patient"])
def test_table_1(row: dict[str, Any]) -> None:
    """Failure of mono and dual therapy by patient. The paper prints burdens to two digits and multiplies lesions, whose
    sizes it does not print; lesions of equal size give what one lesion of the sum gives but for the logs of p2_up."""
    hold(kinetics_references.published_patients(row))
    for n12 in (0, 1):
        lesions = np.full(row["lesions"], row["cells"] / row["lesions"])
        cured = bozic.dual_therapy(lesions, U, **TYPICAL, n12=n12).p_eradicate.prod()
        assert abs(1.0 - cured - row["published"][f"dual_n12_{n12}"]) < 0.01


def test_figure_5_and_the_cytostatic_case() -> None:
    figure = FIXTURE["published_fig5"]
    one = bozic.dual_therapy(1e9, U, **TYPICAL, n12=1)
    assert abs(one.p_eradicate - figure["simultaneous_cure_n12_1"]) < 0.002
    assert abs(one.p_fail - figure["preexisting_fail_n12_1"]) < 0.002
    none = bozic.dual_therapy(1e9, U, **TYPICAL, n12=0)
    assert abs(none.p_eradicate - figure["simultaneous_cure_n12_0"]) < 0.001
    for n12 in (0, 1):
        assert bozic.sequential_cure(1e9, U, **TYPICAL, n12=n12) < 1e-20
    # The same decline of 0.03 a day by fewer divisions: birth_treated = 0.10 at a death of 0.13; the paper prints 29 %.
    cytostatic = {**TYPICAL, "birth_treated": 0.10, "death_treated": 0.13}
    assert abs(bozic.dual_therapy(1e9, U, **cytostatic, n12=1).p_eradicate - 0.290) < 0.003


def test_the_printed_formulas_in_their_limits() -> None:
    """Full growth arrest leaves no mutants on treatment; a drug that kills at once likewise."""
    arrest = {**TYPICAL, "birth_treated": 0.0, "death_treated": 0.03}
    stopped = bozic.dual_therapy(1e9, U, **arrest, n12=1)
    assert (stopped.p1_down, stopped.p2_down) == (1.0, 1.0)
    np.testing.assert_allclose(stopped.p1_up, math.exp(-1.0), rtol=1e-14)
    immortal = bozic.p_none_one_step(1e9, U, birth=0.14, death=0.0, positions=1)
    np.testing.assert_allclose(immortal, math.exp(-1.0), rtol=1e-14)


@cache
def exact_fail(size: float, birth: float, n12: int, death_treated: float, birth_treated: float) -> float:
    u = mutants.two_drug_mutation(U, 50, 50, n12)
    sensitive = eradication.survival_ever(
        [birth_treated] * 3 + [birth], [death_treated] * 3 + [birth - 0.01], u
    )
    return float(
        1.0 - eradication.eradication_at_detection(size, [birth] * 4, [birth - 0.01] * 4, u, sensitive)
    )


@pytest.mark.parametrize(
    "row", FIXTURE["published_table2_c0"], ids=lambda r: f"M{r['M']:g}_b{r['b']}_n{r['n12']}"
)
def test_table_2_without_cost(row: dict[str, Any]) -> None:
    """Published from 10^6 simulations, to two digits: the exact multi-type answer rounds to each of them, the formula
    is 0.02 high for large lesions that divide every day."""
    birth = row["b"]
    fail = exact_fail(row["M"], birth, row["n12"], birth + 0.03, birth)
    assert abs(fail - row["fail"]) < 0.005 + 0.0015
    rates = {**TYPICAL, "birth": birth, "death": birth - 0.01}
    rates |= {"birth_treated": birth, "death_treated": birth + 0.03}
    formula = float(bozic.dual_therapy(row["M"], U, **rates, n12=row["n12"]).p_fail)
    assert abs(formula - row["fail"]) < 0.025


@pytest.mark.parametrize(
    ("size", "n12", "apart"), [(1e9, 0, 8e-5), (1e9, 1, 3e-5), (1e10, 0, 8e-4), (1e11, 0, 7e-3)]
)
def test_the_formula_is_above_the_exact_answer_by_what_its_docstring_says(
    size: float, n12: int, apart: float
) -> None:
    fail = exact_fail(size, 0.14, n12, 0.17, 0.14)
    formula = float(bozic.dual_therapy(size, U, **TYPICAL, n12=n12).p_fail)
    assert 0.0 < formula - fail < apart
    assert formula - fail > apart / 2


def test_one_step_formulas_are_exact() -> None:
    """p1 and p1_up p1_down from the backward equations: the formulas are their limit of rare mutations."""
    u = np.array([[0.0, U], [0.0, 0.0]])
    none = eradication.eradication_at_detection(1e9, [0.14] * 2, [0.13] * 2, u, [0.0, 1.0])
    np.testing.assert_allclose(
        none, bozic.p_none_one_step(1e9, U, birth=0.14, death=0.13, positions=1), rtol=1e-6
    )
    for treated in ((0.14, 0.17), (0.10, 0.13)):
        lasts = eradication.survival_ever([treated[0], 0.14], [treated[1], 0.13], u)
        exact = eradication.eradication_at_detection(1e9, [0.14] * 2, [0.13] * 2, u, lasts)
        rates = {"birth": 0.14, "death": 0.13, "birth_treated": treated[0], "death_treated": treated[1]}
        np.testing.assert_allclose(exact, bozic.single_therapy_cure(1e9, U, **rates, positions=1), rtol=1e-6)


def test_p1_by_simulated_tumours() -> None:
    """T15 at 10^9 cells: tumours without a resistant cell, 100,000 for one position and 100,000 for three."""
    for positions in (1, 3):
        cells = luria_delbruck.resistant_cells(
            np.full(100_000, 1e9),
            0.14,
            0.13,
            positions * U,
            rng=np.random.Generator(np.random.Philox(positions)),
        )
        p = math.exp(positions * math.log(1 / 14) / (13 / 14))
        assert abs((cells == 0).mean() - p) < 3.0 * math.sqrt(p * (1 - p) / len(cells))


def test_eradication_by_simulated_treatment() -> None:
    """T14: 20,000 tumours grown to 10^9 cells with their clones, then treated with both drugs to the last cell."""
    u, runs = mutants.two_drug_mutation(U, 50, 50, 1), 20_000
    rng = np.random.Generator(np.random.Philox(15))
    cells = luria_delbruck.clones_at_detection(
        np.full(runs, 1e9), np.full(4, 0.14), np.full(4, 0.13), u, rng=rng
    )
    assert abs((cells[:, 3] == 0).mean() - (1.0 - 0.941908)) < 3.0 * math.sqrt(0.0548 / runs)
    birth, death = np.full(4, 0.14), np.array([0.17, 0.17, 0.17, 0.13])
    open_ = np.arange(runs)
    for _ in range(120):
        cells[open_] = mutants.step(cells[open_], birth, death, u, 28.0, rng=rng)
        # 3,000 resistant cells die out with a probability below 1e-90.
        open_ = np.flatnonzero((cells[:, 3] < 3_000) & cells.any(axis=1))
        if not open_.size:
            break
    assert not open_.size
    cured = float((cells.sum(axis=1) == 0).mean())
    published = float(bozic.dual_therapy(1e9, U, **TYPICAL, n12=1).p_eradicate)
    assert abs(cured - published) < 3.0 * math.sqrt(published * (1 - published) / runs)


def test_sequential_therapy_cures_nobody_by_simulation() -> None:
    """Fig. 5: drug 1 until 10^9 cells again, then drug 2: no cure in 300 tumours, whatever n12."""
    for n12 in (0, 1):
        u = mutants.two_drug_mutation(U, 50, 50, n12)
        rng = np.random.Generator(np.random.Philox(16 + n12))
        start = luria_delbruck.clones_at_detection(
            np.full(300, 1e9), np.full(4, 0.14), np.full(4, 0.13), u, rng=rng
        )
        cells, birth = start, np.full(4, 0.14)
        for _ in range(80):
            below = np.flatnonzero((cells.sum(axis=1) < 1e9) | (cells[:, 0] > cells[:, 1:].sum(axis=1)))
            if not below.size:
                break
            cells[below] = mutants.step(cells[below], birth, [0.17, 0.13, 0.17, 0.13], u, 28.0, rng=rng)
        assert cells.any(axis=1).all()
        lasts = eradication.survival_ever(birth, [0.17, 0.17, 0.13, 0.13], u)
        assert eradication.eradication(cells, lasts).max() < 1e-6


def test_what_makes_no_sense_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="birth is above death"):
        bozic.p_none_one_step(1e9, U, birth=0.13, death=0.14, positions=1)
    with pytest.raises(ValueError, match="death_treated is above birth_treated"):
        bozic.dual_therapy(1e9, U, **{**TYPICAL, "death_treated": 0.1}, n12=1)
    with pytest.raises(ValueError, match="n12 must be 0 or more"):
        bozic.dual_therapy(1e9, U, **TYPICAL, n12=-1)
    with pytest.raises(ValueError, match="found at more than"):
        bozic.expected_resistant(10.0, U, **before(TYPICAL), n12=1)
