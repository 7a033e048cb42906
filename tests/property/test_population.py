"""Populations: nothing of an animal stays in one, and the avatars drawn from it follow the hierarchy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from avatar_trials.card_files import load_model
from avatar_trials.emulate import (
    check_population,
    cohort_from_population,
    cohort_from_posterior,
    emulate_trials,
    population_of,
    provenance,
    untried_drugs,
)
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.intake import read_volumes
from avatar_trials.library import find_card
from avatar_trials.model_cards import KINETICS
from avatar_trials.problems import InputError
from avatar_trials.stamp import StampError, make_stamp, read_netcdf, write_netcdf
from tests.random_cohort import a_design

FROZEN = Path(__file__).resolve().parent.parent / "fixtures" / "frozen_posterior.nc"
SHARE = 18 / 33
FIELDS = ("log_r", "log_kill", "resistance", "slowing", "log_spread", "wander_avatar", "deceleration_avatar")
# Of a mean or a correlation of n independent numbers; one false alarm in 150,000.
SIGMAS = 4.5


@pytest.fixture(scope="module")
def frozen() -> xr.DataTree:
    return read_netcdf(FROZEN, kind="posterior")


@pytest.fixture(scope="module")
def population(frozen: xr.DataTree) -> xr.Dataset:
    return population_of(frozen, biomarker_share=SHARE)


def copied(tree: xr.DataTree, **attrs: Any) -> xr.DataTree:
    same = tree.copy()
    same.attrs = {**tree.attrs, **attrs}
    return same


def with_groups(tree: xr.DataTree, **groups: xr.Dataset) -> xr.DataTree:
    kept = {name: tree[name].to_dataset() for name in ("posterior", "constant_data")}
    same = xr.DataTree.from_dict({f"/{name}": group for name, group in (kept | groups).items()})
    same.attrs = tree.attrs
    return same


def hierarchy(kinetics: str, draws: list[dict[str, Any]], **cohort: Any) -> xr.Dataset:
    """A population of two drugs a, b by hand: the centres of the card's priors, but for what `draws` say."""
    card = load_model(kinetics)
    values: dict[str, Any] = {}
    for name, prior in card.priors.items():
        usual = 0.5 if prior.distribution == "beta" else prior.location
        rows = [draw.get(name, usual) for draw in draws]
        by_drug = prior.by == "drug"
        values[name] = (
            ("draw", "drug") if by_drug else "draw",
            [np.broadcast_to(row, 2) for row in rows] if by_drug else rows,
        )
    facts = {"avatars": {"CM": 10}, "biomarker_share": {"CM": 0.25}, "drugs": {"CM": ["a", "b"]}} | cohort
    return xr.Dataset(
        values,
        coords={"drug": ["a", "b"], "draw": np.arange(len(draws))},
        attrs={
            "kinetics": kinetics,
            "constants": json.dumps({name: constant.value for name, constant in card.constants.items()}),
            "observation": json.dumps(card.observation.model_dump()),
            "cohort": json.dumps(facts),
            **dict.fromkeys(("gates", "card_sha256", "data_sha256"), ""),
            "model_card": kinetics,
            "synthetic": 1,
        },
    )


# --- what a population holds -------------------------------------------------------------------------------------


def texts_of(file: Path) -> str:
    """Everything in a file that is text: names, coordinates, attributes."""
    data = read_netcdf(file, kind="population")
    words = [str(name) for name in (*data.variables, *data.dims)]
    for variable in data.variables.values():
        words += [str(key) + str(value) for key, value in variable.attrs.items()]
        if variable.dtype.kind in "OUT":
            words += [str(value) for value in variable.values.ravel()]
    words += [f"{key} {value}" for key, value in data.attrs.items()]
    return "\n".join(words)


def test_no_avatar_and_no_mouse_is_in_the_file_by_name_or_level(frozen: xr.DataTree, tmp_path: Path) -> None:
    notices = [
        "/data/of a clinic/vol.csv [N02] 3 mice left out of the calibration: a single visit (mouse 7) b, SYN-900)",
        "/data/of a clinic/vol.csv [N55] 1 of 33 avatars have no untreated mouse: SYN-901",
        "a row of [V01] SYN-902 [V02] unlike any other",
        "no code, SYN-903",
    ]
    gates = json.loads(frozen.attrs["gates"])
    assert "SYN-" in " ".join(gates["worst"])
    told = copied(frozen, notices=json.dumps(notices))
    file = tmp_path / "population.nc"
    write_netcdf(population_of(told, biomarker_share=SHARE), file, make_stamp(), kind="population")
    text = texts_of(file)
    posterior = frozen["posterior"].to_dataset()
    for dim in ("avatar", "curve", "treated", "untreated"):
        assert not [name for name in posterior[dim].values if str(name) in text]
    for leak in ("SYN-", "clinic", "mouse 7", "vol.csv"):
        assert leak not in text
        assert leak.encode() not in file.read_bytes()
    data = read_netcdf(file, kind="population")
    assert set(data.dims) == {"draw", "drug"}
    assert set(data.data_vars) == set(KINETICS["two_clone"][0])
    assert json.loads(data.attrs["notices"]) == [
        "[N02] 3 mice left out of the calibration: a single visit",
        "[N55]",
        "",
        "",
    ]
    for name in ("log_r", "log_kill", "log_start", "slope", "volume_mm3"):
        assert name not in data


def test_only_the_cards_parameters_are_kept(frozen: xr.DataTree, population: xr.Dataset) -> None:
    posterior = frozen["posterior"].to_dataset()
    more = posterior.assign(
        kill_pivot=posterior["mu_k"], clinic=posterior["mu_r"], mu_r_type=posterior["mu_r"]
    )
    kept = population_of(with_groups(frozen, posterior=more), biomarker_share=SHARE)
    assert set(kept.data_vars) - set(population.data_vars) == {"mu_r_type"}
    by_avatar = more.drop_vars("mu_q").assign(mu_q=posterior["log_r"])
    assert "mu_q" not in population_of(with_groups(frozen, posterior=by_avatar), biomarker_share=SHARE)


def test_the_draws_are_the_posteriors_and_stay_joint(frozen: xr.DataTree, population: xr.Dataset) -> None:
    flat = frozen["posterior"].to_dataset().stack(sample=("chain", "draw"), create_index=False)
    assert population["draw"].values.tolist() == list(range(100))
    for name in population.data_vars:
        values = flat[name].transpose("sample", ...).values
        assert population[name].dtype == np.float32
        # Single precision: a relative error of 2^-24.
        np.testing.assert_allclose(population[name].values, values, rtol=6e-8)
    assert population["mu_k"].attrs["units"] == "log 1/day"


def test_long_posteriors_are_thinned_evenly_over_their_chains(frozen: xr.DataTree) -> None:
    posterior = frozen["posterior"].to_dataset()
    long = posterior.isel(draw=np.tile(np.arange(25), 40)).assign_coords(draw=np.arange(1000))
    kept = population_of(with_groups(frozen, posterior=long), biomarker_share=SHARE)["draw"].values
    assert len(kept) == 500
    assert set(np.diff(kept)) <= {8, 9}
    assert (np.bincount(kept // 1000, minlength=4) == 125).all()


def test_a_population_comes_back_as_it_was_written(population: xr.Dataset, tmp_path: Path) -> None:
    first, second = tmp_path / "one.nc", tmp_path / "two.nc"
    for file in (first, second):
        write_netcdf(population, file, make_stamp(seed="1"), kind="population")
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < 300_000
    back = read_netcdf(first, kind="population")
    xr.testing.assert_equal(back, population)
    check_population(back, "one")
    assert "33 avatars and 2 drugs, SYNTHETIC volumes" in provenance(back)
    assert "model card two_clone" in provenance(back)


def test_a_posterior_that_failed_its_gates_gives_no_population(frozen: xr.DataTree) -> None:
    stamp = json.loads(frozen.attrs["stamp"])
    gates = json.loads(frozen.attrs["gates"])
    unstamped = copied(frozen, stamp=json.dumps(stamp | {"gates_passed": False}))
    failed = copied(frozen, gates=json.dumps(gates | {"passed": [True, False, True, True]}))
    for tree in (unstamped, failed, copied(frozen, stamp="{}")):
        with pytest.raises(StampError, match="did not pass its convergence gates"):
            population_of(tree, biomarker_share=SHARE)


def test_how_many_avatars_carry_the_biomarker_is_counted_or_asked_for(frozen: xr.DataTree) -> None:
    with pytest.raises(InputError, match=r"\[D97\].*--biomarker-share"):
        population_of(frozen)
    carriers = np.tile([1.0, 0.0, 0.0], 11)
    types = np.array(["CM", "CM", "CRC"] * 11, dtype=object)
    names = frozen["posterior"].to_dataset()["avatar"].values
    of_crc = set(names[types == "CRC"])
    data = frozen["constant_data"].to_dataset()
    not_tried = np.isin(data["avatar"].values, list(of_crc)) & (data["arm"].values != "encorafenib")
    data = data.assign(
        biomarker_of=("each_avatar", carriers),
        tumor_type_of=("each_avatar", types),
        arm=("mouse", np.where(not_tried, "untreated", data["arm"].values)),
    )
    population = population_of(with_groups(frozen, constant_data=data))
    assert json.loads(population.attrs["cohort"]) == {
        "avatars": {"CM": 22, "CRC": 11},
        "drugs": {"CM": ["binimetinib", "encorafenib"], "CRC": ["encorafenib"]},
        "biomarker_share": {"CM": 0.5, "CRC": 0.0},
    }
    arms = ["untreated", "encorafenib", "encorafenib + Binimetinib"]
    assert untried_drugs(population, "crc", arms) == ["Binimetinib"]
    assert untried_drugs(population, ["CM", "CRC"], arms) == untried_drugs(population, "CM", arms) == []


def test_a_calibration_records_who_carries_the_biomarker() -> None:
    from avatar_trials.calibrate.curves import curves_of
    from avatar_trials.calibrate.sample import _data_groups

    table = read_volumes(find_card("panels", "melanoma_synthetic"))
    curves, _ = curves_of(table, load_model("two_clone"))
    _, constant = _data_groups(curves, 15.0)
    told = constant["biomarker_of"].to_series()
    assert told.sum() == 18
    assert (told == table.avatars["braf_mutant"].reindex(told.index)).all()


# --- new avatars -------------------------------------------------------------------------------------------------


def cohort_of(population: xr.Dataset, n_trials: int = 6, **changes: Any) -> Cohort:
    given: dict[str, Any] = {"seed": 5, "tumor_type": "CM"}
    return cohort_from_population(population, n_trials, **(given | changes))


def test_each_replicate_has_its_own_draw_and_its_own_avatars(population: xr.Dataset) -> None:
    cohort = cohort_of(population, 150)
    assert cohort.avatars[:2] == ("POP-001", "POP-002")
    assert len(cohort.avatars) == 33
    assert sorted(cohort.draw[:100]) == list(range(100))
    for t in (0, 77, 149):
        here = population.isel(draw=int(cohort.draw[t]))
        for name, values in cohort.population.items():
            assert values[t] == float(here[name])
        np.testing.assert_array_equal(cohort.slowing[t], here["slowing"].values)
    assert len(np.unique(cohort.log_r)) == cohort.log_r.size


def test_the_seed_and_the_avatar_make_the_numbers_and_nothing_else_does(population: xr.Dataset) -> None:
    whole = cohort_of(population, 8)
    fewer_avatars, fewer_trials = cohort_of(population, 8, n_avatars=4), cohort_of(population, 3)
    again, other = cohort_of(population, 8), cohort_of(population, 8, seed=6)
    for name in FIELDS:
        values = getattr(whole, name)
        np.testing.assert_array_equal(getattr(again, name), values)
        if not values.size:
            continue
        np.testing.assert_array_equal(getattr(fewer_trials, name), values[:3])
        if name != "slowing":
            np.testing.assert_array_equal(getattr(fewer_avatars, name), values[:, :4])
            assert (getattr(other, name) != values).all()


@pytest.mark.parametrize("share", [0.25, 0.0, 1.0])
def test_moments_of_graded_avatars_are_the_hierarchys(share: float) -> None:
    """Means, SDs and correlations within each draw, in closed form: a carrier shifts by b, share p of them."""
    draws: list[dict[str, Any]] = [
        {"mu_r": -2.4, "omega_r": 0.3, "h2": 0.2, "omega_k": 0.7, "mu_spread": [-3.5, -2.0]},
        {"mu_r": -3.1, "omega_r": 0.6, "h2": 0.6, "omega_k": 1.1, "mu_slowing": [-1.5, 0.3]},
    ]
    for draw in draws:
        draw |= {
            "omega_k_of_drug": [0.5, 1.4],
            "omega_slowing_of_drug": [0.6, 1.5],
            "mu_k": [-3.0, -1.5],
            "biomarker_kill": [1.0, -0.6],
            "wander": 0.2,
        }
    population = hierarchy("graded_kill", draws)
    cohort = cohort_of(population, 4000, n_avatars=5, biomarker_share=share)
    assert np.bincount(cohort.draw).tolist() == [2000, 2000]
    for which in (0, 1):
        here = population.isel(draw=which)
        mine = cohort.draw == which
        n = 5 * mine.sum()

        def is_normal(sample: Any, mean: Any, sd: Any, n: int = n) -> None:
            flat = sample.reshape(n, -1)
            assert (np.abs(flat.mean(axis=0) - mean) < SIGMAS * np.asarray(sd) / np.sqrt(n)).all()
            # The SD of an estimated SD is sd / sqrt(2 n) of normal numbers; a mixture's is less than twice that.
            assert (np.abs(flat.std(axis=0) / sd - 1) < 2 * SIGMAS / np.sqrt(2 * n)).all()

        is_normal(cohort.log_r[mine], float(here["mu_r"]), float(here["omega_r"]))
        slower = float(here["omega_slowing"]) * here["omega_slowing_of_drug"].values
        is_normal(np.log(cohort.slowing[mine]), here["mu_slowing"].values, slower)
        is_normal(cohort.log_spread[mine], here["mu_spread"].values, float(here["omega_spread"]))
        is_normal(np.log(cohort.wander_avatar[mine]), np.log(0.2), float(here["omega_wander"]))
        slowed = float(np.log(here["deceleration"])), float(here["omega_deceleration"])
        is_normal(np.log(cohort.deceleration_avatar[mine]), *slowed)
        b = here["biomarker_kill"].values
        between = float(here["omega_k"]) * here["omega_k_of_drug"].values
        sd = np.sqrt(between**2 + share * (1 - share) * b**2)
        kill = cohort.log_kill[mine].reshape(n, 2)
        is_normal(kill, here["mu_k"].values + share * b, sd)
        shared = float(here["h2"]) * between.prod() + share * (1 - share) * b.prod()
        correlation = np.corrcoef(kill.T)[0, 1]
        assert abs(correlation - shared / sd.prod()) < SIGMAS / np.sqrt(n)
        others = [cohort.log_r[mine].ravel(), *np.log(cohort.slowing[mine]).reshape(n, 2).T]
        for one in (*others, *cohort.log_spread[mine].reshape(n, 2).T):
            assert abs(np.corrcoef(one, kill[:, 0])[0, 1]) < SIGMAS / np.sqrt(n)
        between_avatars = np.corrcoef(cohort.log_kill[mine][:, :2, 0].T)[0, 1]
        assert abs(between_avatars) < SIGMAS / np.sqrt(n / 5)


def test_moments_of_two_clone_avatars_are_the_hierarchys() -> None:
    draw = {"mu_q": -3.0, "omega_q": 1.5, "h2": 0.4, "mu_k": [-3.0, -2.0], "slowing": [-0.5, -1.0]}
    cohort = cohort_of(hierarchy("two_clone", [draw]), 3000, n_avatars=4, biomarker_share=0.0)
    n = 12000
    score: Any = cohort.resistance.reshape(n, 2)
    kill: Any = cohort.log_kill.reshape(n, 2)
    assert (np.abs(score.mean(axis=0) + 3.0) < SIGMAS * 1.5 / np.sqrt(n)).all()
    assert (np.abs(score.std(axis=0) / 1.5 - 1) < SIGMAS / np.sqrt(2 * n)).all()
    assert abs(np.corrcoef(score.T)[0, 1]) < SIGMAS / np.sqrt(n)
    assert abs(np.corrcoef(kill.T)[0, 1] - 0.4) < SIGMAS / np.sqrt(n)
    assert (np.abs(kill.mean(axis=0) - [-3.0, -2.0]) < SIGMAS * 0.8 / np.sqrt(n)).all()
    assert (cohort.slowing == [-0.5, -1.0]).all()


def test_a_tumour_type_has_its_own_parameters() -> None:
    """`mu_r_type` and `mu_k_type` of the design's type take the place of `mu_r` and `mu_k`."""
    counts = {"avatars": {"CM": 4, "CRC": 6}, "biomarker_share": {"CM": 0.0, "CRC": 1.0}}
    one = hierarchy("graded_kill", [{"omega_r": 1e-9, "omega_k": 1e-9, "biomarker_kill": 7.0}], **counts)
    typed = one.assign(
        mu_r_type=(("draw", "tumor_type"), [[-1.0, -2.0]]),
        mu_k_type=(("draw", "tumor_type", "drug"), [[[-3.0, -4.0], [-5.0, -6.0]]]),
    ).assign_coords(tumor_type=["CM", "CRC"])
    for kind, r, k, size in (("cm", -1.0, [-3.0, -4.0], 4), ("CRC", -2.0, [2.0, 1.0], 6)):
        cohort = cohort_of(typed, tumor_type=kind)
        assert len(cohort.avatars) == size
        np.testing.assert_allclose(cohort.log_r, r, atol=1e-6)
        np.testing.assert_allclose(cohort.population["mu_r"], r)
        np.testing.assert_allclose(cohort.log_kill, np.broadcast_to(k, (6, size, 2)), atol=1e-6)
        emulate_trials(cohort, a_design(arms=[{"name": "untreated"}, {"name": "a + b"}]))
    with pytest.raises(InputError, match=r"\[D95\].*NSCLC. It has CM, CRC"):
        cohort_of(typed, tumor_type="NSCLC")
    with pytest.raises(InputError, match=r"\[D95\].*one tumour type at a time"):
        cohort_of(typed, tumor_type=["CM", "CRC"])
    check_population(typed.drop_vars(["mu_r", "mu_k"]), "typed")
    with pytest.raises(InputError, match=r"\[D95\].*It has CM"):
        cohort_of(hierarchy("graded_kill", [{}]), tumor_type="CRC")


def test_a_calibrated_combination_keeps_its_exponent() -> None:
    population = hierarchy("graded_kill", [{}, {}])
    population = population.assign(eta_combination=(("draw", "combination"), [[0.5], [0.9]]))
    cohort = cohort_of(population.assign_coords(combination=["a + b"]))
    assert cohort.combinations == ("a + b",)
    np.testing.assert_allclose(cohort.eta_combination[:, 0], np.array([0.5, 0.9])[cohort.draw])


def test_what_a_population_does_not_know_is_refused_in_words(population: xr.Dataset) -> None:
    with pytest.raises(InputError, match=r"\[D90\].*vemurafenib.*Known drugs: binimetinib, encorafenib"):
        emulate_trials(cohort_of(population), a_design(arms=[{"name": "vemurafenib"}]))
    without = hierarchy("graded_kill", [{}], biomarker_share=None).drop_vars("biomarker_kill")
    assert cohort_of(without).log_kill.shape == (6, 10, 2)
    with pytest.raises(InputError, match=r"\[D96\].*without a biomarker"):
        cohort_of(without, biomarker_share=0.5)
    with pytest.raises(StampError, match=r"has no mu_k, omega_r\. Make it again"):
        check_population(population.drop_vars(["mu_k", "omega_r"]), "mine")
    with pytest.raises(StampError, match="kinetics 'later' are not known"):
        check_population(population.assign_attrs(kinetics="later"), "mine")
    with pytest.raises(InputError) as both:
        cohort_of(without, tumor_type="XX", biomarker_share=0.5)
    assert [problem.code for problem in both.value.problems] == ["D95", "D96"]


def test_new_avatars_do_as_the_calibrated_ones_on_average(
    frozen: xr.DataTree, population: xr.Dataset
) -> None:
    """Mean log size on day 21 and 42 of treated tumours: new and calibrated avatars agree within the hierarchy's own
    scatter of a mean of 33 avatars, which the calibrated trial does not have."""
    arms = ["untreated", "encorafenib", "binimetinib"]
    design = a_design(arms=[{"name": arm} for arm in arms], visits={"gaps_days": [21], "horizon_days": 42})
    means = []
    for cohort in (cohort_from_posterior(frozen, 100, seed=3), cohort_of(population, 100)):
        trial = emulate_trials(cohort, design.model_copy(update={"stopping": endless()}))
        size = np.log(np.maximum(trial["volume_mm3"].values, 15.0))
        means.append(size.mean(axis=1))
    calibrated, new = means
    assert (np.abs(new.mean(axis=0) - calibrated.mean(axis=0)) < 2 * new.std(axis=0) + 1e-9).all()
    assert (new.std(axis=0)[1:, 1:] > 1.2 * calibrated.std(axis=0)[1:, 1:]).all()


def endless() -> Any:
    never = {"from_relative_volume": [0.0], "hazard_per_day": [0.0], "source": "s"}
    return a_design(stopping={"size_mm3": 1e12, "removal": never}).stopping


def test_calibrated_avatars_are_those_of_the_designs_tumour_types(frozen: xr.DataTree) -> None:
    """Whatever the kinetics: two clones know no types, and their trials are of a type all the same."""
    names = [str(name) for name in frozen["posterior"].to_dataset()["avatar"].values]
    types = ["CM", "CM", "CRC"] * 11
    data = (
        frozen["constant_data"]
        .to_dataset()
        .assign(tumor_type_of=("each_avatar", np.array(types, dtype=object)))
    )
    tree = with_groups(frozen, constant_data=data.assign_coords(each_avatar=names))
    cohort = cohort_from_posterior(tree, 2, seed=1, tumor_types=["crc"])
    assert list(cohort.avatars) == [name for name, kind in zip(names, types, strict=True) if kind == "CRC"]
    with pytest.raises(InputError, match=r"\[D92\].*NSCLC"):
        cohort_from_posterior(tree, 2, seed=1, tumor_types=["NSCLC"])
