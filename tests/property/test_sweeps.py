"""What must hold of sweeps: who does the work, in what order and after which interruption, is nothing."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from avatar_trials.card_files import load_design, load_varied
from avatar_trials.emulate import load_population
from avatar_trials.problems import InputError
from avatar_trials.sweeps import (
    Plan,
    blocks,
    kept_of,
    plan_sweep,
    run_sweep,
    smallest_n,
    sweep_table,
    values_of,
)
from avatar_trials.sweeps.sums import Sums
from avatar_trials.sweeps.workers import Named, here, work_done
from avatar_trials.sweeps.worlds import WORLDS, avatars_of_block, known_to

DESIGN = "melanoma_braf_mek"
VARY = {"cohort.n": [6, 12], "mice_per_avatar": [1, 2]}


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "REFERENCE_AVATARS", 20)


@pytest.fixture(scope="module")
def population() -> xr.Dataset:
    return load_population("pdxe_cm").isel(draw=slice(0, 12))


@pytest.fixture(scope="module")
def plan(population: xr.Dataset) -> Plan:
    return plan_sweep(DESIGN, VARY, population, n_trials=8)


def backwards(works: Iterable[Named]) -> Iterator[tuple[str, str]]:
    for name, work in sorted(works, key=lambda named: random.Random(named[0]).random()):
        yield name, work_done(work)


def test_the_order_of_work_and_what_was_done_before_are_nothing(plan: Plan, tmp_path: Path) -> None:
    once = run_sweep(plan, trials=24)

    class Killed(Exception):
        pass

    def until_killed(works: Iterable[Named]) -> Iterator[tuple[str, str]]:
        for done, item in enumerate(here(works)):
            if done == 2:
                raise Killed
            yield item

    with pytest.raises(Killed):
        run_sweep(plan, trials=24, folder=tmp_path, engine=until_killed)
    kept = sorted(tmp_path.rglob("*.json"))
    assert len(kept) == 4
    kept[0].write_text(kept[0].read_text()[:50])
    counted: list[str] = []

    def rest(works: Iterable[Named]) -> Iterator[tuple[str, str]]:
        for item in backwards(works):
            counted.append(item[0])
            yield item

    resumed = run_sweep(plan, trials=24, folder=tmp_path, engine=rest)
    assert resumed.text() == once.text()
    assert len(counted) == 2, "the block that was cut short, and the one that was not done"
    kept_of(plan, tmp_path).remove()
    assert not list(tmp_path.rglob("*.json"))


def test_other_seeds_and_worlds_have_other_folders(
    plan: Plan, population: xr.Dataset, tmp_path: Path
) -> None:
    others = [
        plan_sweep(DESIGN, VARY, population, n_trials=8, seed=5),
        plan_sweep(DESIGN, VARY, population, n_trials=9),
        plan_sweep(DESIGN, VARY, population, n_trials=8, worlds=["posterior"]),
        plan_sweep(DESIGN, {"cohort.n": [6]}, population, n_trials=8),
        plan_sweep(DESIGN, VARY, population, n_trials=8, facts={"population": "another"}),
    ]
    assert len({plan.key, *(one.key for one in others)}) == 6


def test_a_sweep_stops_at_its_error_in_whole_rounds(population: xr.Dataset) -> None:
    plan = plan_sweep(DESIGN, {"cohort.n": [4]}, population, n_trials=10, worlds=["no_difference"])
    sums = run_sweep(plan, trials=1000, error=0.05)
    (n,) = {n for n, _, _ in sums.moments.values()}
    assert n % 40 == 0
    assert 0 < n < 1000
    assert max(sweep_table(plan, sums)["se"]) <= 0.05


def test_points_share_their_mice(population: xr.Dataset) -> None:
    """Fewer avatars are the first of more, bit for bit; an arm's mice do not depend on the other arms."""
    design = load_design(DESIGN)
    some = known_to(population, design)
    few, many = (
        avatars_of_block(some, design, "CM", lane="block 0", n_trials=9, n_avatars=n, seed=3) for n in (4, 7)
    )
    for spec in design.arms:
        a, b = few.under(spec, 1), many.under(spec, 2).of(4, 1)
        for field in fields(a):
            assert getattr(a, field.name).tobytes() == getattr(b, field.name).tobytes(), field.name


def test_mice_of_two_arms_have_luck_of_their_own(population: xr.Dataset) -> None:
    """The same arm in two lanes: other mice of the same avatars; in one lane the same mice."""
    design = load_design(DESIGN)
    here = avatars_of_block(
        known_to(population, design), design, "CM", lane="block 0", n_trials=300, n_avatars=5, seed=3
    )
    spec = design.arms[1]
    mine, same, other = (
        here.under(spec, 1),
        here.under(spec, 1, lane=spec.shown),
        here.under(spec, 1, lane="x"),
    )
    np.testing.assert_array_equal(mine.depth_pct, same.depth_pct)
    assert not np.array_equal(mine.depth_pct, other.depth_pct)
    resemblance = stats.spearmanr(mine.depth_pct.ravel(), other.depth_pct.ravel()).statistic
    assert 0.1 < resemblance < 0.9


def test_sums_come_back_and_add_up(plan: Plan) -> None:
    two = [
        blocks.Block(g.population, g.points, WORLDS, None, number, 8, plan.seed).done()
        for g in plan.groups
        for number in (0, 1)
    ]
    assert Sums.of_text(two[0].text()).text() == two[0].text()
    total = Sums()
    for one in two:
        total.merge(Sums.of_text(one.text()))
    assert {n for n, _, _ in total.moments.values()} <= {16}


def test_the_table_has_every_point_and_the_smallest_number(population: xr.Dataset) -> None:
    plan = plan_sweep(DESIGN, {"cohort.n": [5, 10, 40]}, population, n_trials=40, worlds=["posterior"])
    table = sweep_table(plan, run_sweep(plan, trials=40))
    assert set(table["n_avatars"]) == {5, 10, 40}
    mice = table[table["quantity"] == "mice"].set_index("n_avatars")["estimate"]
    assert mice.to_dict() == {5: 20.0, 10: 40.0, 40: 160.0}
    assert table["se"].min() >= 0
    wrong = table[table["quantity"] == "wrong_go"]["estimate"].to_numpy()
    go = table[(table["quantity"] == "assurance") & (table["against"] != "independent action")]
    assert (wrong <= go["estimate"].to_numpy() + 1e-12).all()
    least = smallest_n(table, 0.5)
    depth = least[(least["endpoint"] == "depth") & (least["against"] == "encorafenib")]
    reached = table[
        (table["quantity"] == "assurance")
        & (table["endpoint"] == "depth")
        & (table["against"] == "encorafenib")
        & (table["estimate"] >= 0.5)
    ]
    assert depth["n_avatars"].iloc[0] == reached["n_avatars"].min()
    assert smallest_n(table, 1.1)["n_avatars"].isna().all()


def test_values_as_toml_or_as_words() -> None:
    assert values_of("cohort.n=10,20") == ("cohort.n", [10, 20])
    assert values_of("visits.gaps_days=[3,4],[7]") == ("visits.gaps_days", [[3, 4], [7]])
    assert values_of("endpoints.mrecist_rule=pct_sheet,gao2015_text")[1] == ["pct_sheet", "gao2015_text"]
    for wrong in ("cohort.n", "=3", "cohort.n="):
        with pytest.raises(InputError, match="KEY=VALUE"):
            values_of(wrong)


def test_all_that_is_wrong_of_a_sweep_is_told_at_once(population: xr.Dataset) -> None:
    with pytest.raises(InputError) as refused:
        load_varied(DESIGN, [{"cohort.n_avatars": 0}, {"decision.alpha": 0.7}, {"decision.alhpa": 0.1}])
    assert len(refused.value.problems) == 3
    with pytest.raises(InputError) as refused:
        plan_sweep(DESIGN, {"n": [3], "cohort.n": [4], "alpha": []}, population, worlds=["posterior", "moon"])
    assert len(refused.value.problems) == 3
    with pytest.raises(InputError, match="nothing to compare"):
        plan_sweep(DESIGN, {"arms": [[{"name": "untreated"}]]}, population)
    with pytest.raises(InputError, match="knows nothing of aspirin"):
        plan_sweep(DESIGN, {"arms": [[{"name": "aspirin"}, {"name": "aspirin + encorafenib"}]]}, population)
    with pytest.raises(InputError, match="tumour type"):
        plan_sweep(DESIGN, {"cohort.tumor_type": ["GC"]}, population)
