"""Convergence gates and contraction: what must fail fails, with the names of the worst; curves that cannot be used."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import stats

from avatar_trials.calibrate import (
    GateError,
    convergence,
    gates,
    gates_of,
    population_parameters,
    require_passed,
)
from avatar_trials.calibrate.checks import gates_from, prior_variance
from avatar_trials.calibrate.curves import curves_of
from avatar_trials.card_files import load_model
from avatar_trials.intake import GrowthTable
from avatar_trials.problems import InputError

CARD = load_model("two_clone")
CHAINS, DRAWS = 4, 1000


def posterior(**changes: Any) -> xr.DataTree:
    """A tree of independent draws, which passes every gate, with some variables put otherwise."""
    rng = np.random.default_rng(1)
    variables: dict[str, Any] = {
        "mu_r": (("chain", "draw"), rng.normal(-2.5, 0.1, (CHAINS, DRAWS))),
        "omega_k": (("chain", "draw"), rng.lognormal(np.log(0.8), 0.4, (CHAINS, DRAWS))),
        "log_r": (("chain", "draw", "avatar"), rng.normal(-2.5, 0.4, (CHAINS, DRAWS, 3))),
        "slowing": (("chain", "draw", "drug"), rng.normal([-0.7, -0.2], [0.1, 0.45], (CHAINS, DRAWS, 2))),
    }
    sampled: dict[str, Any] = {
        "diverging": (("chain", "draw"), np.zeros((CHAINS, DRAWS), dtype=bool)),
        "energy": (("chain", "draw"), rng.normal(size=(CHAINS, DRAWS))),
    }
    for name, values in changes.items():
        group = sampled if name in sampled else variables
        group[name] = (group[name][0], values)
    coords = {"avatar": ["X-1", "X-2", "X-3"], "drug": ["c", "d"]}
    return xr.DataTree.from_dict(
        {"/posterior": xr.Dataset(variables, coords), "/sample_stats": xr.Dataset(sampled)}
    )


def values_of(tree: xr.DataTree, group: str, name: str) -> Any:
    return tree[group].to_dataset()[name].values.copy()


def failed(tree: xr.DataTree) -> dict[str, str]:
    table = gates(tree, CARD)
    assert list(table.columns) == ["check", "value", "limit", "passed", "worst"]
    assert len(table) == 5
    return {row["check"]: row["worst"] for row in table.to_dict("records") if not row["passed"]}


def test_independent_draws_pass() -> None:
    table = gates(posterior(), CARD)
    assert table["passed"].all()
    require_passed(table)
    r_hat, ess, tail = table["value"][:3]
    assert 0.999 < r_hat < 1.01
    assert 2500 < ess < 4800
    assert 2500 < tail < 4800


def test_one_chain_elsewhere_fails_by_name() -> None:
    """One avatar's parameter of one chain, and no population parameter: the gate is over all of them."""
    log_r = values_of(posterior(), "posterior", "log_r")
    log_r[3, :, 1] += 1.0
    found = failed(posterior(log_r=log_r))
    assert set(found) == {"R-hat, largest", "bulk ESS, smallest", "tail ESS, smallest"}
    assert re.fullmatch(r"X-2: log_r 1\.\d{3}", found["R-hat, largest"])
    assert re.fullmatch(r"X-2: log_r \d+", found["bulk ESS, smallest"])
    with pytest.raises(
        GateError, match=r"R-hat, largest = 1\.\d+, must be < 1\.01\n    X-2: log_r 1\."
    ) as error:
        require_passed(gates(posterior(log_r=log_r), CARD))
    assert error.value.exit_code == 4


MICE = ["X-1 | untreated | a", "X-2 | c | b", "X-2 | c + d | e"]


def mice(shift: dict[int, float]) -> xr.Dataset:
    """Independent draws of three mice and of two avatars under two drugs, one chain of some mice elsewhere."""
    rng = np.random.default_rng(5)
    by_mouse = rng.normal(size=(CHAINS, DRAWS, 3))
    for mouse, by in shift.items():
        by_mouse[0, :, mouse] += by
    by_drug = rng.normal(size=(CHAINS, DRAWS, 2, 2))
    by_drug[0, :, 1, 0] += 0.5 * shift.get(1, 0.0)
    return xr.Dataset(
        {
            "log_start": (("chain", "draw", "curve"), by_mouse),
            "log_kill": (("chain", "draw", "avatar", "drug"), by_drug),
        },
        {"curve": MICE, "avatar": ["X-1", "X-2"], "drug": ["c", "d"]},
    )


def verdict(table: pd.DataFrame) -> pd.DataFrame:
    return gates_from(table, posterior()["sample_stats"].to_dataset(), CARD)


def test_the_avatar_arms_whose_chains_disagree_are_named_once_each_the_worst_first() -> None:
    """A mouse and the avatar's level under its drug are one avatar-arm: X-2 under c is named once."""
    found = verdict(convergence(mice({0: 1.0, 1: 6.0, 2: 3.0})))
    worst = str(found["worst"].iloc[0])
    assert [re.sub(r" \d\.\d+$", "", name) for name in worst.split("; ")] == [
        "X-2 under c: log_start",
        "X-2 under c + d: log_start",
        "X-1 untreated: log_start",
    ]
    with pytest.raises(
        GateError, match=r"(?s)X-2 under c: .*What to do: The chains disagree on what kind of curve"
    ):
        require_passed(found)


def test_many_are_counted_and_none_names_the_nearest() -> None:
    table = convergence(mice({}))
    assert re.fullmatch(r"X-\d .*: log_\w+ 1\.\d+", str(verdict(table)["worst"].iloc[0]))
    crowd = pd.concat([table.assign(whose=f"A-{k} under c", r_hat=1.02 + 0.001 * k) for k in range(11)])
    worst = str(verdict(crowd)["worst"].iloc[0])
    assert worst.startswith("A-10 under c: log_start 1.030; A-9 under c")
    assert worst.endswith("; A-3 under c: log_start 1.023; and 3 more")


@pytest.mark.parametrize(
    ("row", "column", "advice"),
    [
        (0, "r_hat", "raise draws in"),
        (1, "ess_tail", "raise draws in"),
    ],
)
def test_what_to_do_follows_from_what_failed(row: int, column: str, advice: str) -> None:
    table = convergence(mice({}))
    table.loc[row, column] = {"r_hat": 1.03, "ess_tail": 300.0}[column]
    with pytest.raises(GateError, match=advice) as error:
        require_passed(verdict(table))
    assert "disagree" not in str(error.value)
    assert "target_accept" not in str(error.value)


def test_a_draw_that_is_no_number_fails() -> None:
    slowing = values_of(posterior(), "posterior", "slowing")
    slowing[0, 17, 1] = np.nan
    found = failed(posterior(slowing=slowing))
    assert {"R-hat, largest", "bulk ESS, smallest"} <= set(found)
    assert found["R-hat, largest"].startswith("d: slowing nan")


def test_slow_chains_fail_by_their_sample_size() -> None:
    rng = np.random.default_rng(2)
    walk = np.zeros((CHAINS, DRAWS))
    for draw in range(1, DRAWS):
        walk[:, draw] = 0.97 * walk[:, draw - 1] + rng.normal(size=CHAINS)
    tree = posterior(mu_r=walk)
    assert "bulk ESS, smallest" in failed(tree)
    bulk = float(az.ess(tree, method="bulk")["mu_r"])
    tail = float(az.ess(tree, method="tail", prob=(0.05, 0.95))["mu_r"])
    assert bulk != pytest.approx(tail, rel=0.05)
    assert gates(tree, CARD)["value"][1:3].tolist() == pytest.approx([bulk, tail], rel=1e-10)


def test_divergences_and_energy_fail() -> None:
    diverging = np.zeros((CHAINS, DRAWS), dtype=bool)
    diverging.ravel()[: int(CARD.gates.divergences * CHAINS * DRAWS)] = True
    assert failed(posterior(diverging=diverging)) == {}
    diverging.ravel()[: int(CARD.gates.divergences * CHAINS * DRAWS) + 1] = True
    assert list(failed(posterior(diverging=diverging))) == ["divergent draws, share"]
    with pytest.raises(GateError, match="raise target_accept in"):
        require_passed(gates(posterior(diverging=diverging), CARD))
    drift = np.cumsum(np.random.default_rng(3).normal(size=(CHAINS, DRAWS)), axis=1)
    assert list(failed(posterior(energy=drift))) == ["E-BFMI, smallest"]


def test_gates_survive_the_file() -> None:
    tree = posterior()
    table = gates(tree, CARD)
    tree.attrs["gates"] = json.dumps(table.to_dict("list"))
    pd.testing.assert_frame_equal(gates_of(tree), table)


@pytest.mark.parametrize("name", ["mu_r", "omega_r", "h2", "deceleration", "cross_resistance"])
def test_prior_variance_is_scipys(name: str) -> None:
    prior = CARD.priors[name]
    a, b = prior.location, prior.scale
    law = {"normal": stats.norm(a, b), "lognormal": stats.lognorm(b, scale=a), "beta": stats.beta(a, b)}
    assert prior_variance(prior) == pytest.approx(law[prior.distribution].var(), rel=1e-12)


def test_the_means_of_tumour_types_are_told_with_their_own_prior_variance() -> None:
    """Var(mu + omega z) = Var(mu) + E[omega^2], with omega's lognormal second moment by scipy."""
    card, rng = load_model("graded_kill"), np.random.default_rng(4)
    draws = rng.normal(-3.0, 0.2, (2, 50, 2, 2))
    coords = {"tumor_type": ["CM", "CRC"], "drug": ["c", "d"]}
    table = population_parameters(
        xr.Dataset({"mu_k_type": (("chain", "draw", "tumor_type", "drug"), draws)}, coords), card, 0.9
    ).set_index("name")
    assert list(table.index) == [
        "mu_k_type [CM, c]",
        "mu_k_type [CM, d]",
        "mu_k_type [CRC, c]",
        "mu_k_type [CRC, d]",
    ]
    omega = card.priors["omega_k_type"]
    variance = card.priors["mu_k"].scale ** 2 + stats.lognorm(omega.scale, scale=omega.location).moment(2)
    for place, name in enumerate(table.index):
        sample = draws[:, :, place // 2, place % 2]
        assert table.loc[name, "contraction"] == pytest.approx(1 - sample.var() / variance, rel=1e-9)
        assert table.loc[name, "median"] == pytest.approx(np.median(sample))


def test_an_estimate_that_is_the_prior_is_not_printed() -> None:
    """Contraction by hand; below 0.3 the median is left empty and the interval kept."""
    table = population_parameters(posterior()["posterior"].to_dataset(), CARD, 0.9).set_index("name")
    assert set(table.index) == {"mu_r", "omega_k", "slowing [c]", "slowing [d]"}
    for name, variable, drug in (
        ("mu_r", "mu_r", None),
        ("slowing [c]", "slowing", 0),
        ("slowing [d]", "slowing", 1),
    ):
        sample = values_of(posterior(), "posterior", variable)
        sample = (sample if drug is None else sample[..., drug]).ravel()
        row, prior = table.loc[name], CARD.priors[variable]
        contraction = 1 - sample.var() / prior.scale**2
        assert row["contraction"] == pytest.approx(contraction, rel=1e-9)
        np.testing.assert_allclose(
            [row["lower"], row["upper"]], np.quantile(sample, [0.05, 0.95]), rtol=1e-12
        )
        assert np.isnan(row["median"]) == (contraction < 0.3)
    assert table["median"].isna().to_dict() == {
        "mu_r": False,
        "omega_k": True,
        "slowing [c]": False,
        "slowing [d]": True,
    }


# --- which curves are calibrated to ------------------------------------------------------------------------------

ROWS = [
    ("X-1", "untreated", "m1", [(0, 200), (7, 300)]),
    ("X-2", "untreated", "m2", [(0, 200), (7, 300)]),
    ("X-1", "c", "m3", [(0, 200), (3, 90), (7, 0)]),
    ("X-2", "c", "m4", [(0, 200), (7, 10)]),
    ("X-1", "c", "late", [(3, 200), (7, 300)]),
    ("X-1", "c", "once", [(0, 200)]),
    ("X-1", "c", "small", [(0, 9), (7, 300)]),
]


def table_of(rows: list[Any], biomarker: list[Any] | None = None) -> GrowthTable:
    flat = [(*mouse, float(day), float(v)) for *mouse, visits in rows for day, v in visits]
    frame = pd.DataFrame(flat, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    frame = frame.sort_values(["avatar", "arm", "mouse", "day"], ignore_index=True)
    names = sorted(frame["avatar"].unique())
    avatars = pd.DataFrame({"tumor_type": "CM"}, index=pd.Index(names, name="avatar"))
    if biomarker is not None:
        avatars["braf_mutant"] = biomarker
    return GrowthTable(frame, avatars, (), "volumes.csv", "", True)


def test_mice_that_cannot_be_calibrated_to_are_left_out_and_named() -> None:
    curves, notices = curves_of(table_of(ROWS), CARD)
    assert curves.curve_mouse == ["m1", "m2", "m3", "m4"]
    assert curves.curve_names[2] == "X-1 | c | m3"
    assert curves.n_untreated == 2
    assert curves.given.tolist() == [[False], [False], [True], [True]]
    assert curves.follow_up.tolist() == [7, 7, 7, 7]
    assert curves.censored.tolist() == [False] * 6 + [True, False, True]
    assert curves.volume_mm3.tolist() == [200, 300, 200, 300, 200, 90, 0, 200, 10]
    assert [str(notice.what) for notice in notices] == [
        "1 mice left out of the calibration: no volume at day 0 (late)",
        "1 mice left out of the calibration: a single visit (once)",
        "1 mice left out of the calibration: a baseline below the detection limit (small)",
    ]
    assert curves.biomarker is None


def test_mice_that_start_far_from_the_median_are_left_out_where_the_card_says_so() -> None:
    far = [("X-2", "c", "big", [(0, 401), (7, 500)]), ("X-1", "c", "slight", [(0, 99), (7, 120)])]
    near = [("X-1", "c", "edge", [(0, 400), (7, 500)])]
    table = table_of([*ROWS[:4], *near, *far])
    observation = CARD.observation.model_copy(update={"start_within_factor": 2.0})
    curves, notices = curves_of(table, CARD.model_copy(update={"observation": observation}))
    assert curves.curve_mouse == ["m1", "m2", "edge", "m3", "m4"]
    why = "they start beyond 2 times the median volume of 200 mm3, as the card says (slight, big)"
    assert [str(notice.what) for notice in notices] == [f"2 mice left out of the calibration: {why}"]
    tolerant = CARD.observation.model_copy(update={"start_within_factor": None})
    everyone, none = curves_of(table, CARD.model_copy(update={"observation": tolerant}))
    assert len(everyone.curve_mouse) == 7
    assert not none


def test_a_biomarker_is_0_or_1_or_not_used() -> None:
    curves, _ = curves_of(table_of(ROWS, ["1", "0"]), CARD)
    assert curves.biomarker is not None
    assert curves.biomarker.tolist() == [1.0, 0.0]
    for alike in (["1", "1"], ["1", ""]):
        assert curves_of(table_of(ROWS, alike), CARD)[0].biomarker is None
    for values in (["1", "2"], ["yes", "no"], ["", "0.5"]):
        with pytest.raises(InputError, match=r"\[K01\] covariate braf_mutant must be 0 or 1"):
            curves_of(table_of(ROWS, values), CARD)


def test_an_avatar_of_unknown_status_has_the_share_of_its_tumour_type() -> None:
    rows = [(f"X-{k}", *row[1:]) for k in range(1, 7) for row in (ROWS[0], ROWS[2])]
    table = table_of(rows, ["1", "0", "0", "", "0", ""])
    types = ["CM", "CM", "CM", "CM", "CRC", "CRC"]
    curves, notices = curves_of(replace(table, avatars=table.avatars.assign(tumor_type=types)), CARD)
    assert curves.biomarker is not None
    assert curves.biomarker.tolist() == pytest.approx([1.0, 0.0, 0.0, 1 / 3, 0.0, 0.0])
    assert any("not known of X-4, X-6" in notice.what for notice in notices)


def test_a_drug_that_is_never_alone_is_told() -> None:
    rows = [*ROWS, ("X-1", "c + d", "m9", [(0, 200), (7, 300)])]
    _, notices = curves_of(table_of(rows), CARD)
    assert any("never alone: d" in notice.what for notice in notices)


def test_tumour_types_that_differ_only_in_case_are_one() -> None:
    rows = [(*row[:2], f"{row[2]}-{k}", row[3]) for k in range(3) for row in ROWS[:4]]
    rows = [(f"{row[0]}{row[2][-2:]}", *row[1:]) for row in rows]
    table = table_of(rows)
    types = ["CM", "CRC", "", "crc", "crc", "CM"]
    table = replace(table, avatars=table.avatars.assign(tumor_type=types))
    curves, notices = curves_of(table, CARD)
    assert curves.tumor_types == ["", "CM", "crc"]
    assert curves.avatar_type.tolist() == [1, 2, 0, 2, 2, 1]
    (told,) = [str(notice) for notice in notices]
    assert told == "[M77] tumour types: names that differ only in case read as one: 'CRC' as 'crc'"
    plain = replace(table, avatars=table.avatars.assign(tumor_type=[name.upper() for name in types]))
    assert not curves_of(plain, CARD)[1]
    assert curves_of(plain, CARD)[0].avatar_type.tolist() == [1, 2, 0, 2, 2, 1]


def test_too_little_is_refused_all_at_once() -> None:
    only = [("X-1", "c + d", "m1", [(0, 200), (7, 300)]), ("X-1", "c", "m2", [(0, 200), (7, 300)])]
    with pytest.raises(InputError) as refused:
        curves_of(table_of(only), CARD)
    said = [problem.what for problem in refused.value.problems]
    assert said == [
        "a hierarchy needs at least 2 avatars",
        "no untreated mouse: growth cannot be told from kill",
    ]
    untreated = [row for row in ROWS if row[1] == "untreated"]
    with pytest.raises(InputError, match="no treated mouse"):
        curves_of(table_of(untreated), CARD)
