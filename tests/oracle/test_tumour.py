"""Tumours put together of mechanisms: truth tables, closed forms of single mechanisms, and what volumes cannot tell."""

from __future__ import annotations

import math

import numpy as np
import pytest

from avatar_trials.kinetics import clones, combination, genotypes, persisters
from avatar_trials.kinetics.tumour import (
    Clone,
    Course,
    Mutation,
    Niche,
    Persistence,
    Tumour,
    grow,
    rates,
    start,
    state_names,
)

DAYS = np.linspace(0, 140, 41)
ON = Course([0.0], [[1.0]])
ONE = ((1.0,),)
NONE = ((0.0,),)


def volume(tumour: Tumour, course: Course = ON, days: np.ndarray = DAYS) -> np.ndarray:
    return grow(tumour, days, course).sum(axis=0)


def one_drug(kill: float = 0.2, growth: float = 0.06, **more: object) -> Tumour:
    return Tumour(growth, np.log([kill]), [Clone("sensitive", ONE, 1.0)], **more)  # type: ignore[arg-type]


def test_two_clones_are_the_two_clone_formula() -> None:
    q = 1e-3
    tumour = Tumour(
        0.06,
        np.log([0.2]),
        [Clone("sensitive", ONE, 1 - q), Clone("resistant", NONE, q, fitness_cost=0.3)],
    )
    expected = clones.log_growth(DAYS, 0.06, 0.2, math.log(q / (1 - q)), 0.06 * 0.7)
    np.testing.assert_allclose(np.log(volume(tumour)), expected, rtol=1e-12, atol=1e-13)
    assert state_names(tumour) == ["sensitive", "resistant"]


REGIMENS = {"none": (0.0, 0.0), "gen1": (1.0, 0.0), "gen3": (0.0, 1.0), "both": (1.0, 1.0)}
WORKS = {
    "sensitising": {"gen1", "gen3", "both"},
    "T790M": {"gen3", "both"},
    "T790M, C797S in trans": {"both"},
    "T790M, C797S in cis": set(),
    "C797S": {"gen1", "both"},
}


@pytest.mark.parametrize("genotype", WORKS)
def test_c797s_truth_table(genotype: str) -> None:
    """Niederst 2015: in trans the two generations together work and neither alone; in cis nothing does."""
    log_kills = np.log([0.15, 0.15])
    for regimen, given in REGIMENS.items():
        killed = genotypes.kill(log_kills, np.array(given), genotypes.EGFR_GENOTYPES[genotype], 1.0)
        assert (killed > 0) == (regimen in WORKS[genotype]), (genotype, regimen)
        both_hit = genotype == "sensitising" and regimen == "both"
        assert math.isclose(killed, 0.3 if both_hit else 0.15 * (regimen in WORKS[genotype]), rel_tol=1e-12)


def test_a_bypass_needs_both_drugs() -> None:
    """MET beside EGFR: EGFR inhibitor alone leaves MET to drive, MET inhibitor alone leaves EGFR."""
    met_amplified = ((1.0, 0.0), (0.0, 1.0))
    log_kills = np.log([0.2, 0.12])
    doses = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    np.testing.assert_allclose(
        genotypes.kill(log_kills, doses, met_amplified, 1.0), [0, 0, 0, 0.12], rtol=1e-12
    )


def test_t12_two_drugs_of_one_target_are_one_drug_for_what_resists() -> None:
    """SMO: rows with zeros for both drugs resist both; with p high the two are one drug for the others too."""
    q = 1e-2
    same = Tumour(
        0.05,
        np.log([0.15, 0.15]),
        [Clone("sensitive", ((1.0, 1.0),), 1 - q), Clone("SMO mutant", ((0.0, 0.0),), q)],
        exponent=1e6,
    )
    alone = volume(same, Course([0.0], [[1.0, 0.0]]))
    np.testing.assert_allclose(volume(same, Course([0.0], [[1.0, 1.0]])), alone, rtol=1e-4)
    np.testing.assert_allclose(alone[-1], q * np.exp(0.05 * 140), rtol=1e-3)


def test_t57_bcl2_alone_kills_no_persister_and_both_guardians_do() -> None:
    """A persister guarded by BCL-2 and BCL-xL: the dual inhibitor lowers nadir and relapse, BCL-2 alone nothing."""
    drugs = [Clone("sensitive", ((1.0, 0.0, 0.0),), 1.0)]
    guarded = tuple((0.0, *row) for row in genotypes.BCL_GUARDED)
    persistence = Persistence(0.002, 0.05, share=0.003, inducing=(True, False, False), drivers=guarded)
    tumour = Tumour(0.06, np.log([0.25, 0.1, 0.1]), drugs, persistence=persistence)
    target = volume(tumour, Course([0.0], [[1, 0, 0]]))
    with_bcl2 = volume(tumour, Course([0.0], [[1, 1, 0]]))
    with_dual = volume(tumour, Course([0.0], [[1, 0, 1]]))
    np.testing.assert_array_equal(with_bcl2, target)
    assert with_dual.min() < 0.05 * target.min()
    without_persisters = np.exp((0.06 - 0.25) * DAYS)
    assert target[-1] > 1e3 * without_persisters[-1]


def test_t07_holiday_and_rechallenge() -> None:
    """After a holiday persisters have woken and shrink at the naive rate; a resistant clone does not shrink."""
    days = np.array([0.0, 28.0, 84.0, 91.0])
    holiday = Course([0.0, 28.0, 84.0], [[1.0], [0.0], [1.0]])
    persisting = one_drug(persistence=Persistence(0.003, 0.2, share=0.003))
    v = volume(persisting, holiday, days)
    again = math.log(v[3] / v[2]) / 7
    naive = math.log(volume(persisting, days=np.array([0.0, 7.0]))[1]) / 7
    assert again < 0
    assert abs(again / naive - 1) < 0.02
    q = 0.02
    resistant = Tumour(0.06, np.log([0.2]), [Clone("sensitive", ONE, 1 - q), Clone("resistant", NONE, q)])
    w = volume(resistant, holiday, days)
    assert math.log(w[3] / w[2]) / 7 > 0.5 * 0.06
    # Withdrawn early, more cells are left to wake than late.
    early = volume(persisting, Course([0.0, 7.0], [[1.0], [0.0]]), np.array([0.0, 63.0]))[1]
    late = volume(persisting, Course([0.0, 42.0], [[1.0], [0.0]]), np.array([0.0, 98.0]))[1]
    assert early > late


def test_t10_resistant_clone_falls_behind_off_drug() -> None:
    """Resistant to sensitive falls as e^(-kappa r t); after ln(ratio)/(kappa r) days re-challenge works again."""
    r, kappa, ratio = 0.08, 0.25, 50.0
    shares = np.array([1.0, ratio]) / (1 + ratio)
    tumour = Tumour(
        r,
        np.log([0.3]),
        [Clone("sensitive", ONE, shares[0]), Clone("KRAS", NONE, shares[1], fitness_cost=kappa)],
    )
    off = Course([0.0], [[0.0]])
    states = grow(tumour, DAYS, off)
    slope = np.diff(np.log(states[1] / states[0])) / np.diff(DAYS)
    np.testing.assert_allclose(slope, -kappa * r, rtol=1e-10)
    wait = math.log(ratio) / (kappa * r)
    at_par = grow(tumour, np.array([wait]), off)[:, -1]
    assert math.isclose(at_par[0], at_par[1], rel_tol=1e-10)
    v = volume(tumour, Course([0.0, wait], [[0.0], [1.0]]), np.array([wait, wait + 3]))
    assert v[1] < v[0]
    assert volume(tumour, ON, np.array([0.0, 3.0]))[1] > 1.0


def test_t09_niche_persister_and_stroma_give_one_plateau() -> None:
    """(1 - f) e^(-ct) + f three times: volume does not say where the plateau lives."""
    f, r, k = 0.08, 0.05, 0.2
    expected = (1 - f) * np.exp((r - k) * DAYS) + f
    niche = one_drug(k, r, niche=Niche(share=f, protection=1 - r / k))
    persister = one_drug(k, r, persistence=Persistence(0.0, 0.0, share=f))
    stroma = Tumour(r, np.log([k]), [Clone("tumour", ONE, 1 - f), Clone("stroma", NONE, f, fitness_cost=1.0)])
    for tumour in (niche, persister, stroma):
        np.testing.assert_allclose(volume(tumour), expected, rtol=1e-10)
    # Fed under drug instead of there before it: one plateau more that looks the same.
    fed = 0.003
    share = persisters.equivalent_share(0.0, fed, r - k - fed, 0.0)
    arisen = one_drug(k, r, persistence=Persistence(fed, 0.0))
    there = (1 - share) * np.exp((r - k - fed) * DAYS) + share
    np.testing.assert_allclose(volume(arisen), there, rtol=1e-10)


def test_stem_like_cells_rebuild_the_bulk_only_through_back_switching() -> None:
    """A drug on stem-like cells alone cures a bulk that cannot renew itself, unless bulk cells turn back."""

    def hierarchy(back: float) -> Tumour:
        return Tumour(
            0.05,
            np.log([0.3]),
            [Clone("stem-like", ONE, 0.02), Clone("bulk", NONE, 0.98, fitness_cost=1.4)],
            mutations=[Mutation("stem-like", "bulk", 0.9), Mutation("bulk", "stem-like", back)],
        )

    days = np.array([0.0, 200.0, 600.0])
    untreated = Course([0.0], [[0.0]])
    assert volume(hierarchy(0.0), untreated, days)[-1] > 1.0
    cured = volume(hierarchy(0.0), ON, days)
    assert cured[-1] < 1e-4
    assert cured[2] < cured[1]
    rebuilt = volume(hierarchy(0.02), ON, days)
    assert rebuilt[2] > rebuilt[1]
    # The closed block of two states is the same hierarchy.
    block = persisters.switching(0.05, 0.05 * -0.4, 0.9, 0.02, 200.0)
    states = grow(hierarchy(0.02), np.array([200.0]), untreated)[:, -1]
    np.testing.assert_allclose(states[0], block[0, 0] * 0.02 + block[0, 1] * 0.98, rtol=1e-11)


def test_epigenetic_drugs_change_switching_and_kill_nothing() -> None:
    persistence = Persistence(
        0.002, 0.01, woken_on_drug=0.0, share=0.003, inducing=(True, False), induced_fold=(1.0, 0.1)
    )
    tumour = Tumour(
        0.06, np.array([math.log(0.25), -np.inf]), [Clone("s", ((1.0, 0.0),), 1.0)], persistence=persistence
    )
    entry = rates(tumour, [[0, 0], [0, 1], [1, 0], [1, 1]])
    np.testing.assert_allclose(entry[1, 0], [0.0, 0.0, 0.002, 0.0002], rtol=1e-12)
    np.testing.assert_allclose(entry[0, 1], [0.01, 0.01, 0.0, 0.0], rtol=1e-12)
    np.testing.assert_allclose(entry[0, 0] + entry[1, 0], [0.06, 0.06, 0.06 - 0.25, 0.06 - 0.25], rtol=1e-12)
    alone = Course([0.0], [[0.0, 1.0]])
    untreated = Course([0.0], [[0.0, 0.0]])
    np.testing.assert_array_equal(volume(tumour, alone), volume(tumour, untreated))


def test_a_resistant_clone_is_fed_by_cycling_and_by_persisting_cells() -> None:
    m, factor, alpha = 1e-6, 30.0, 0.004
    tumour = Tumour(
        0.06,
        np.log([0.2]),
        [Clone("sensitive", ONE, 1.0), Clone("resistant", NONE, 0.0)],
        mutations=[Mutation("sensitive", "resistant", m, m * factor)],
        persistence=Persistence(alpha, 0.0, share=0.003),
    )
    states = grow(tumour, np.array([60.0]), ON)[:, -1]
    a = 0.06 - 0.2 - alpha
    closed = persisters.switching_and_resistance(a, 0.0, alpha, 0.0, 0.06, m, m * factor, 60.0)
    assert math.isclose(states[2], closed[2, 0] * 0.997 + closed[2, 1] * 0.003, rel_tol=1e-11)
    assert state_names(tumour)[1:3] == ["sensitive, persister", "resistant, cycling"]
    assert states[3] == 0.0  # a drug that does not reach a clone does not drive it into persistence


def test_exchange_with_a_niche_conserves_cells_and_shields_them() -> None:
    tumour = one_drug(0.2, 0.0, niche=Niche(0.1, 1.0, entering=0.01, leaving=0.04))
    off = grow(tumour, DAYS, Course([0.0], [[0.0]]))
    np.testing.assert_allclose(off.sum(axis=0), 1.0, rtol=1e-12)
    on = grow(tumour, DAYS, ON)
    slow = -np.log(on[1, -1] / on[1, -2]) / (DAYS[-1] - DAYS[-2])
    matrix = np.array([[-0.2 - 0.01, 0.04], [0.01, -0.04]])
    assert math.isclose(slow, -np.linalg.eigvals(matrix).real.max(), rel_tol=1e-6)
    assert start(tumour) == [0.9, 0.1]


def test_t13_four_clones_from_single_drug_fractions() -> None:
    for cross, both in ((0.0, 1e-2 * 3e-4), (1.0, 3e-4)):
        shares = genotypes.two_drug_shares(1e-2, 3e-4, cross)
        assert math.isclose(shares[3], both, rel_tol=1e-12)
        assert math.isclose(shares.sum(), 1.0, rel_tol=1e-14)
        assert math.isclose(shares[1] + shares[3], 1e-2, rel_tol=1e-12)
        assert math.isclose(shares[2] + shares[3], 3e-4, rel_tol=1e-12)
        assert (shares >= 0).all()


def test_antagonism_lowers_what_the_norm_gives_and_no_single_drug() -> None:
    equal = np.log([0.1, 0.1])
    assert math.isclose(combination.antagonised_kill(equal, 1.0, 2.0), 0.2 * math.exp(-1.0), rel_tol=1e-12)
    assert combination.antagonised_kill(np.array([math.log(0.1), -np.inf]), 1.0, 5.0) == pytest.approx(
        0.1, rel=1e-14
    )
    assert combination.antagonised_kill(np.array([-np.inf, -np.inf]), 1.0, 5.0) == 0.0
    uneven = combination.antagonised_kill(np.log([0.1, 0.01]), 3.0, 3.0)
    assert uneven < 0.1  # below the highest single agent


def test_independent_action_takes_the_better_latent_curve() -> None:
    days = np.array([0.0, 10.0, 20.0])
    curves = np.array(
        [  # drug, tumour, visit
            [[0.0, 0.9, 1.2], [0.0, -1.0, 0.9], [0.0, -0.5, -0.2], [0.0, 0.7, 3.0]],
            [[0.0, 0.5, 1.5], [0.0, 0.1, 0.2], [0.0, -0.1, -0.9], [0.0, 0.8, 0.1]],
        ]
    )
    assert combination.independent_action(curves, days).tolist() == [1, 1, 1, 0]
    only_one = combination.independent_action(curves[:1], days)
    assert only_one.tolist() == [0, 0, 0, 0]


def test_dose_and_its_fraction() -> None:
    """Half a dose of a drug is half its kill; a course holds each effect until the next."""
    tumour = one_drug(0.2, 0.06)
    half = volume(tumour, Course([0.0], [[0.5]]))
    np.testing.assert_allclose(half, np.exp((0.06 - 0.1) * DAYS), rtol=1e-12)
    held = Course([0.0, 10.0, 17.0], [[1.0], [0.0], [0.25]])
    expected = math.exp(-0.14 * 10 + 0.06 * 7 + 0.01 * 3)
    assert math.isclose(volume(tumour, held, np.array([20.0]))[0], expected, rel_tol=1e-12)


def test_mice_are_a_batch() -> None:
    """Growth, kill, shares and doses by mouse: each as if alone, to the bit."""
    rng = np.random.default_rng(0)
    n = 5
    growth, kill, q = rng.uniform(0.02, 0.1, n), rng.uniform(0.05, 0.3, n), rng.uniform(1e-4, 1e-2, n)
    dose = rng.random((n, 1))

    def of(i: slice | int) -> np.ndarray:
        tumour = Tumour(
            growth[i],
            np.log(kill[i])[..., None],
            [Clone("sensitive", ONE, 1 - q[i]), Clone("resistant", NONE, q[i])],
            persistence=Persistence(0.003, 0.05, share=0.001),
        )
        return grow(tumour, DAYS, Course([0.0, 30.0], [dose[i], 0 * dose[i]]))

    together = of(slice(None))
    assert together.shape == (4, n, 41)
    for i in range(n):
        np.testing.assert_array_equal(together[:, i], of(i))


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        start(Tumour(0.05, np.log([0.1]), [Clone("a", ONE, 0.4)]))
    with pytest.raises(ValueError, match="same name"):
        start(Tumour(0.05, np.log([0.1]), [Clone("a", ONE, 0.4), Clone("a", ONE, 0.6)]))
    with pytest.raises(ValueError, match="starts on day 0"):
        Course([1.0], [[1.0]])
    with pytest.raises(ValueError, match="at least 0"):
        Course([0.0], [[-1.0]])
    with pytest.raises(ValueError, match="ascend"):
        grow(one_drug(), np.array([3.0, 1.0]), ON)


def test_a_heterogeneous_line_is_swept_and_a_homogeneous_one_turns() -> None:
    """Cisplatin on oral carcinoma lines: resistant cells that were there take over by week 6; a line without any turns
    resistant by switching, later."""
    kill, growth = 0.6, 0.25
    there = Tumour(growth, np.log([kill]), [Clone("s", ONE, 0.98), Clone("r", NONE, 0.02)])
    turning = Tumour(
        growth,
        np.log([kill]),
        [Clone("s", ONE, 1.0), Clone("r", NONE, 0.0)],
        mutations=[Mutation("s", "r", 1e-3)],
    )
    days = np.arange(0.0, 60.0)
    swept = []
    for tumour in (there, turning):
        states = grow(tumour, days, ON)
        share = states[1] / states.sum(axis=0)
        assert (np.diff(share) >= 0).all()
        swept.append(days[share > 0.99][0])
    assert swept[0] < swept[1] <= 42


def test_transformation_grows_faster_and_dies_of_another_drug() -> None:
    """A clone with a negative cost outgrows its parent and is sensitive to what the parent is not, and the other way
    round; above 1 a sensitivity is collateral."""
    tumour = Tumour(
        0.04,
        np.log([0.15, 0.15]),
        [
            Clone("adenocarcinoma", ((1.0, 0.0),), 0.99),
            Clone("small cell", ((0.0, 1.4),), 0.01, fitness_cost=-0.8),
        ],
    )
    on_first = rates(tumour, [1.0, 0.0])
    on_second = rates(tumour, [0.0, 1.0])
    assert math.isclose(on_first[1, 1], 0.04 * 1.8)
    assert math.isclose(on_second[1, 1], 0.04 * 1.8 - 1.4 * 0.15)
    assert math.isclose(on_second[0, 0], 0.04)
    late = np.array([100.0, 110.0])
    v = volume(tumour, Course([0.0], [[1.0, 0.0]]), late)
    assert math.isclose(math.log(v[1] / v[0]) / 10, 0.04 * 1.8, rel_tol=1e-3)
    both = volume(tumour, Course([0.0], [[1.0, 1.0]]), late)
    assert (both < volume(tumour, Course([0.0], [[0.0, 1.0]]), late)).all()
