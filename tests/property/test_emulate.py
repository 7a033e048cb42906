"""What must hold of emulated trials whatever the avatars: who else is there, and how the work is cut, is nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from avatar_trials.card_files import load_model
from avatar_trials.designs import Stopping
from avatar_trials.emulate import Cohort, cohort_from_posterior, emulate_trials, trial
from avatar_trials.emulate.panel import _cohort, synthetic_panel
from avatar_trials.problems import InputError
from tests.random_cohort import ARMS, HAZARD, a_design, a_posterior, random_cohort

DESIGN = a_design()
NEVER_REMOVED = {"from_relative_volume": [0.0], "hazard_per_day": [0.0], "source": "s"}
examples = settings(max_examples=25)
seeds = st.integers(0, 2**40)


def cohort_of(seed: int, n_trials: int = 5, n_avatars: int = 6) -> Cohort:
    return random_cohort(np.random.default_rng(seed), n_trials=n_trials, n_avatars=n_avatars)


def same_bits(one: xr.Dataset, other: xr.Dataset) -> None:
    for name in ("volume_mm3", "twin_volume_mm3", "left_day", "left_reason", "draw", "day"):
        assert one[name].values.tobytes() == other[name].values.tobytes(), name


@examples
@given(seeds, st.sets(st.integers(0, 5), min_size=1))
def test_dropping_avatars_leaves_the_others_bit_for_bit(seed: int, kept: set[int]) -> None:
    cohort = cohort_of(seed)
    names = [cohort.avatars[k] for k in sorted(kept)]
    whole = emulate_trials(cohort, DESIGN, seed=seed)
    same_bits(emulate_trials(cohort.of(names), DESIGN, seed=seed), whole.sel(avatar=names))


@examples
@given(seeds, st.permutations(range(6)))
def test_the_order_of_avatars_is_nothing(seed: int, order: list[int]) -> None:
    cohort = cohort_of(seed)
    shuffled = cohort.of([cohort.avatars[k] for k in order])
    whole = emulate_trials(cohort, DESIGN, seed=seed)
    same_bits(emulate_trials(shuffled, DESIGN, seed=seed).sel(avatar=list(cohort.avatars)), whole)


def test_how_the_work_is_cut_up_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """One avatar at a time, two, five, and all 33 at once."""
    cohort = cohort_of(1, n_trials=37, n_avatars=33)
    whole = emulate_trials(cohort, DESIGN)
    for avatars in (1, 2, 5, 33):
        monkeypatch.setattr(trial, "NUMBERS_AT_A_TIME", avatars * 37 * whole.sizes["visit"])
        same_bits(emulate_trials(cohort, DESIGN), whole)


@examples
@given(seeds, st.integers(1, 7))
def test_more_trials_keep_the_first_ones(seed: int, fewer: int) -> None:
    cohort = cohort_of(seed, n_trials=8)
    first = slice(None, fewer)
    part = replace(
        cohort,
        population={name: values[first] for name, values in cohort.population.items()},
        slowing=cohort.slowing[first],
        log_r=cohort.log_r[first],
        log_kill=cohort.log_kill[first],
        resistance=cohort.resistance[first],
        draw=cohort.draw[first],
    )
    same_bits(
        emulate_trials(part, DESIGN, seed=seed), emulate_trials(cohort, DESIGN, seed=seed).isel(trial=first)
    )


@examples
@given(seeds, st.permutations(ARMS), st.integers(1, 5))
def test_the_other_arms_of_a_design_are_nothing(seed: int, arms: list[str], kept: int) -> None:
    design = a_design(arms=[{"name": arm} for arm in arms[:kept]])
    cohort = cohort_of(seed)
    whole = emulate_trials(cohort, DESIGN, seed=seed)
    same_bits(emulate_trials(cohort, design, seed=seed), whole.sel(arm=arms[:kept]))


def test_the_same_seed_gives_the_same_trial_and_another_one_another() -> None:
    cohort = cohort_of(3)
    first = emulate_trials(cohort, DESIGN)
    same_bits(emulate_trials(cohort, DESIGN, seed=DESIGN.seed), first)
    other = emulate_trials(cohort, DESIGN, seed=DESIGN.seed + 1)
    assert (other["volume_mm3"].values[..., 0] != first["volume_mm3"].values[..., 0]).all()


@examples
@given(seeds)
def test_volumes_and_departures_make_sense(seed: int) -> None:
    result = emulate_trials(cohort_of(seed), DESIGN, seed=seed)
    days = result["day"].values
    for name in ("volume_mm3", "twin_volume_mm3"):
        volume = result[name].values
        seen = np.isfinite(volume)
        assert seen[..., 0].all()
        assert (seen[..., :-1] | ~seen[..., 1:]).all()
        assert ((volume[seen] == 0) | (volume[seen] >= 15.0)).all()
        assert (volume[..., :-1][seen[..., 1:]] < DESIGN.stopping.size_mm3).all()
    seen = np.isfinite(result["volume_mm3"].values)
    last = seen.sum(axis=-1) - 1
    np.testing.assert_array_equal(result["left_day"].values, days[last])
    at_last = np.take_along_axis(result["volume_mm3"].values, last[..., None], axis=-1)[..., 0]
    reason = result["left_reason"].values
    np.testing.assert_array_equal(reason == trial.SIZE, at_last >= DESIGN.stopping.size_mm3)
    assert (days[last][reason == trial.STUDY_END] == days[-1]).all()
    assert set(np.unique(reason)) <= {trial.STUDY_END, trial.SIZE, trial.REMOVED}


def endless(**changes: Any) -> Any:
    return a_design(**({"stopping": {"size_mm3": 1e12, "removal": NEVER_REMOVED}} | changes))


def test_arms_share_the_luck_of_a_mouse() -> None:
    """The caliper's error at day 0 is one number for all arms of an avatar in a trial; the avatars' differ."""
    result = emulate_trials(cohort_of(4, n_trials=50), endless())
    start = result["volume_mm3"].values[..., 0]
    assert (start == start[:, :, :1]).all()
    assert len(np.unique(start[:, :, 0])) == 50 * 6
    assert result.attrs["luck"] == "common random numbers across the arms of an avatar"


def test_arms_with_common_luck_compare_more_sharply() -> None:
    """Two drugs of like effect: within a trial their tumours differ by far less than across independent trials."""
    cohort = cohort_of(4, n_trials=400)
    alike = replace(
        cohort,
        log_kill=np.repeat(cohort.log_kill[..., :1], 3, axis=-1) + np.array([0.0, 0.1, 0.1]),
        resistance=np.repeat(cohort.resistance[..., :1], 3, axis=-1),
        slowing=np.repeat(cohort.slowing[..., :1], 3, axis=-1),
    )
    one, other = (emulate_trials(alike, endless(), seed=seed)["volume_mm3"].values[..., 5] for seed in (4, 5))
    size, independent = (np.log(np.maximum(volume, 15.0)) for volume in (one, other))
    shared = (size[:, :, 2] - size[:, :, 1]).std()
    assert shared < 0.2 * (independent[:, :, 2] - size[:, :, 1]).std()


def test_a_twin_is_another_mouse_of_the_same_law() -> None:
    """Different in every trial; alike in distribution (Kolmogorov-Smirnov); kin only through its avatar and draw."""
    single = cohort_of(6, n_trials=1)
    cohort = replace(
        single,
        population={name: np.repeat(values, 3000) for name, values in single.population.items()},
        slowing=np.repeat(single.slowing, 3000, axis=0),
        log_r=np.repeat(single.log_r, 3000, axis=0),
        log_kill=np.repeat(single.log_kill, 3000, axis=0),
        resistance=np.repeat(single.resistance, 3000, axis=0),
        draw=np.zeros(3000, dtype=np.int64),
    )
    design = endless(visits={"gaps_days": [5], "horizon_days": 10})
    result = emulate_trials(cohort.of(cohort.avatars[:2]), design)
    mouse, twin = result["volume_mm3"].values, result["twin_volume_mm3"].values
    assert (mouse != twin).all()
    for avatar in range(2):
        for arm in range(len(ARMS)):
            for visit in range(3):
                pair = mouse[:, avatar, arm, visit], twin[:, avatar, arm, visit]
                assert stats.ks_2samp(*pair).pvalue > 1e-4
                assert abs(stats.spearmanr(*pair).statistic) < 4 / np.sqrt(3000)


@examples
@given(seeds)
def test_a_drug_that_kills_and_slows_nothing_is_no_drug(seed: int) -> None:
    """Once the two mice vary alike: a treated mouse's growth has its own SD (sigma_g), an untreated one's is fixed."""
    cohort = cohort_of(seed)
    sd = cohort.constants["growth_mouse_sd"]
    population = cohort.population | {"sigma_g": np.full(5, sd), "beta_growth": np.zeros(5)}
    inert = replace(
        cohort,
        population=population,
        log_kill=np.full_like(cohort.log_kill, -200.0),
        slowing=np.zeros_like(cohort.slowing),
    )
    volume = emulate_trials(inert, endless(), seed=seed)["volume_mm3"].values
    np.testing.assert_allclose(
        volume[:, :, 1:], np.broadcast_to(volume[:, :, :1], volume[:, :, 1:].shape), rtol=1e-9
    )


@examples
@given(seeds, st.floats(0.0, 2.0))
def test_more_kill_never_gives_a_larger_tumour(seed: int, more: float) -> None:
    design = endless(arms=[{"name": "A"}, {"name": "A + B"}])
    cohort = cohort_of(seed)
    # Luck's scale grows as a tumour shrinks: mouse by mouse only the tumours themselves are in order.
    volume = emulate_trials(cohort, design, seed=seed)["volume_mm3"].values
    stronger = replace(cohort, log_kill=cohort.log_kill + more)
    smaller = emulate_trials(stronger, design, seed=seed)["volume_mm3"].values
    exact = replace(
        cohort, population=cohort.population | {name: np.zeros(5) for name in ("delta", "sigma_p", "wander")}
    )
    both = [
        emulate_trials(replace(exact, log_kill=exact.log_kill + step), design, seed=seed)["volume_mm3"].values
        for step in (0.0, more)
    ]
    assert (both[1] <= both[0] * (1 + 1e-9)).all()
    assert np.median(smaller) <= np.median(volume) * (1 + 1e-9)


# --- the cohort of a posterior -----------------------------------------------------------------------------------


def test_a_replicate_is_one_joint_draw() -> None:
    """Chains end to end; every quantity of replicate t is that of draw[t]; no draw twice while others are left."""
    tree = a_posterior(np.random.default_rng(2))
    posterior = tree["posterior"].to_dataset()
    cohort = cohort_from_posterior(tree, 23, seed=4)
    assert cohort.n_trials == 23
    assert sorted(cohort.draw[:10]) == sorted(cohort.draw[10:20]) == list(range(10))
    assert cohort.draw[:10].tolist() != cohort.draw[10:20].tolist()
    assert len(set(cohort.draw[20:])) == 3
    for t, flat in enumerate(cohort.draw):
        here = posterior.isel(chain=int(flat) // 5, draw=int(flat) % 5)
        for name, values in cohort.population.items():
            assert values[t] == float(here[name])
        for name in ("slowing", "log_r", "log_kill", "resistance"):
            np.testing.assert_array_equal(getattr(cohort, name)[t], here[name].values)
    first = cohort_from_posterior(tree, 7, seed=4)
    np.testing.assert_array_equal(first.draw, cohort.draw[:7])
    assert (cohort_from_posterior(tree, 10, seed=5).draw != cohort.draw[:10]).any()
    assert cohort.constants == json.loads(tree.attrs["constants"])


def test_the_order_of_a_posteriors_dims_is_nothing() -> None:
    tree = a_posterior(np.random.default_rng(2))
    turned = xr.DataTree.from_dict(
        {"/posterior": tree["posterior"].to_dataset().transpose("drug", "avatar", ...)}
    )
    turned.attrs = tree.attrs
    straight, other = (cohort_from_posterior(each, 6, seed=1) for each in (tree, turned))
    np.testing.assert_array_equal(straight.draw, other.draw)
    np.testing.assert_array_equal(straight.population["mu_r"], other.population["mu_r"])
    same_bits(emulate_trials(straight, DESIGN), emulate_trials(other, DESIGN))


def test_some_avatars_of_a_posterior() -> None:
    tree = a_posterior(np.random.default_rng(2))
    some = cohort_from_posterior(tree, 6, seed=1, avatars=["X-3", "X-1"])
    whole = emulate_trials(cohort_from_posterior(tree, 6, seed=1), DESIGN)
    same_bits(emulate_trials(some, DESIGN), whole.sel(avatar=["X-3", "X-1"]))
    with pytest.raises(InputError, match=r"\[D91\].*X-9"):
        cohort_from_posterior(tree, 6, seed=1, avatars=["X-1", "X-9"])


def test_an_arm_with_an_unknown_drug_is_refused() -> None:
    design = a_design(arms=[{"name": "untreated"}, {"name": "A + vemurafenib"}])
    with pytest.raises(InputError, match=r"\[D90\].*vemurafenib.*Known drugs: A, B, C") as refused:
        emulate_trials(cohort_of(1), design)
    assert len(refused.value.problems) == 1
    lower = emulate_trials(cohort_of(1), a_design(arms=[{"name": "b + a"}]))
    upper = emulate_trials(cohort_of(1), a_design(arms=[{"name": "A + B"}]))
    same_bits(lower, upper)


# --- the synthetic panel -----------------------------------------------------------------------------------------


STOPPING = Stopping.model_validate({"size_mm3": 1500.0, "removal": {**HAZARD, "source": "s"}})
PANEL: dict[str, Any] = {"n_avatars": 12, "n_biomarker": 5, "tumor_type": "CM", "stopping": STOPPING}


def test_a_synthetic_panel_is_one_mouse_per_avatar_and_arm() -> None:
    card = load_model("two_clone")
    panel = synthetic_panel(card, ["untreated", "d + c", "c", "d"], seed=3, **PANEL)
    table = panel.table
    assert table.synthetic
    mice = table.mice
    assert len(mice) == 48
    assert set(mice["arm"]) == {"untreated", "c", "d", "c + d"}
    assert (mice["first_day"] == 0).all()
    assert table.avatars["braf_mutant"].sum() == 5
    rows = table.rows
    assert ((rows["volume_mm3"] == 0) | (rows["volume_mm3"] >= 15)).all()
    for _, mouse in rows.groupby("mouse"):
        assert set(np.diff(mouse["day"])) <= {3.0, 4.0, 5.0}
        assert (mouse["volume_mm3"].iloc[:-1] < 1500).all()
    days = {avatar: set(frame["day"]) for avatar, frame in rows.groupby("avatar")}
    for (avatar, _), mouse in rows.groupby(["avatar", "mouse"]):
        longest = sorted(days[str(avatar)])
        assert mouse["day"].tolist() == longest[: len(mouse)]
    assert len({tuple(sorted(seen))[:6] for seen in days.values()}) > 6
    again = synthetic_panel(card, ["untreated", "c + d", "c", "d"], seed=3, **PANEL)
    assert again.table.rows.equals(rows)
    assert not synthetic_panel(card, ["untreated", "c"], seed=4, **PANEL).table.rows.equals(rows)


def test_avatars_of_a_panel_follow_the_population_drawn_for_them() -> None:
    """4,000 avatars: moments of growth, kill by drug and biomarker, kill shared between drugs, and resistance."""
    card, n = load_model("two_clone"), 4000
    names = tuple(f"S-{k}" for k in range(n))
    population = {name: np.array([prior.location]) for name, prior in card.priors.items()}
    population |= {"mu_k": np.array([-3.0, -2.0]), "biomarker_kill": np.array([1.0, -0.5])}
    population |= {"h2": np.array([0.3]), "slowing": np.array([-0.7, -0.2])}
    carriers = np.tile(np.array([0.0, 1.0]), n // 2)
    cohort = _cohort(names, ("c", "d"), population, carriers, card, 5)
    omega_k, omega_q = population["omega_k"][0], population["omega_q"][0]
    own = cohort.log_kill[0] - population["mu_k"] - carriers[:, None] * population["biomarker_kill"]
    for carrier in (0, 1):
        assert np.abs(own[carriers == carrier].mean(axis=0)).max() < 4 * omega_k / np.sqrt(n / 2)
    np.testing.assert_allclose(own.std(axis=0), omega_k, rtol=0.05)
    assert np.corrcoef(own.T)[0, 1] == pytest.approx(0.3, abs=0.06)
    assert np.corrcoef(own[:, 0], cohort.resistance[0, :, 0])[0, 1] == pytest.approx(0, abs=0.06)
    np.testing.assert_allclose(cohort.resistance[0].std(axis=0), omega_q, rtol=0.05)
    assert np.abs(cohort.resistance[0].mean(axis=0) - population["mu_q"]).max() < 4 * omega_q / np.sqrt(n)
    assert cohort.log_r[0].std() == pytest.approx(population["omega_r"][0], rel=0.05)
    assert cohort.slowing.tolist() == [[-0.7, -0.2]]
    fewer = _cohort(names[:7], ("c", "d"), population, carriers[:7], card, 5)
    np.testing.assert_array_equal(fewer.log_kill, cohort.log_kill[:, :7])


@pytest.mark.parametrize("name", ["mu_r", "omega_k", "h2"])
def test_priors_are_drawn_from_their_laws(name: str) -> None:
    prior = load_model("two_clone").priors[name]
    a, b = prior.location, prior.scale
    law = {"normal": stats.norm(a, b), "lognormal": stats.lognorm(b, scale=a), "beta": stats.beta(a, b)}
    sample = prior.draws(20_000, np.random.default_rng(6))
    assert stats.kstest(sample, law[prior.distribution].cdf).pvalue > 1e-3


def test_the_truth_of_a_panel_is_complete_and_its_own() -> None:
    card = load_model("two_clone")
    first, again, other = (
        synthetic_panel(card, ["untreated", "c", "d"], seed=seed, **PANEL) for seed in (3, 3, 4)
    )
    assert set(first.population["parameter"]) == set(card.priors)
    by_drug = first.population[first.population["drug"] != ""]
    assert set(by_drug["parameter"]) == {name for name, prior in card.priors.items() if prior.by == "drug"}
    assert first.avatars.groupby("parameter").size().to_dict() == {
        "log_kill": 24,
        "log_r": 12,
        "resistance": 24,
    }
    assert again.population.equals(first.population)
    assert again.avatars.equals(first.avatars)
    assert (other.population["value"] != first.population["value"]).all()
    assert (other.avatars["value"] != first.avatars["value"]).all()
    kill = first.avatars.set_index(["parameter", "avatar", "drug"])["value"]
    assert kill["log_kill"].nunique() == 24
