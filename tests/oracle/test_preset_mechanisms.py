"""What a preset's own checks cannot say: what happens without its mechanism, by type of tumour, and by identities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from avatar_trials.card_files import load_strategies
from avatar_trials.endpoints.response import best_average_response, best_response, mrecist
from avatar_trials.kinetics.genotypes import EGFR_GENOTYPES
from avatar_trials.strategies import compare_strategies, score_strategies
from avatar_trials.strategies.responses import RESPONSE_PCT
from avatar_trials.strategies.scoring import event_times
from avatar_trials.strategy_designs import StrategyDesign


def changed(name: str, **tumour: Any) -> StrategyDesign:
    """A preset with parts of its tumours replaced."""
    design = load_strategies(name)
    return design.model_copy(update={"tumour": design.tumour.model_copy(update=tumour)})


def estimates(design: StrategyDesign) -> dict[tuple[str, str], float]:
    marks = design.scoring.landmarks_days
    table, _ = score_strategies(compare_strategies(design), design.reference, resamples=50, landmarks=marks)
    names = zip(table["strategy"], table["endpoint"], strict=True)
    return dict(zip(names, table["estimate"].astype(float), strict=True))


def responded(followed: xr.Dataset, strategy: str) -> np.ndarray:
    """Whether mice are CR or PR under mRECIST (avatar,)."""
    one = followed.sel(strategy=strategy)
    curves = (one["day"].values, one["volume_mm3"].values.T.astype(float), "gao2015_text")
    return np.isin(mrecist(best_response(*curves)[0], best_average_response(*curves)[0]), ("CR", "PR"))


def test_t26_tumour_types_double_as_fast_as_in_the_encyclopedia() -> None:
    """Medians of 7.3 days in melanoma, 8.4 in lung, 12.0 to 13.0 in the others; ours at visits, 3 or 4 days apart."""
    followed = compare_strategies(load_strategies("pct_like")).sel(strategy="untreated")
    day = followed["progression_day"].sel(line=1).values
    median = {
        str(name): float(np.nanmedian(day[followed["tumor_type"].values == name]))
        for name in ("CM", "NSCLC", "CRC", "GC", "BRCA", "PDAC")
    }
    published = {"CM": 7.3, "NSCLC": 8.4, "CRC": 12.2, "GC": 13.0, "BRCA": 12.0, "PDAC": 12.5}
    for name, days in published.items():
        assert days - 1.0 <= median[name] <= days + 4.0, (name, median)
    assert median["CM"] < median["NSCLC"] < min(median[name] for name in ("CRC", "GC", "BRCA", "PDAC"))


def test_t21_braf_v600_tells_who_responds() -> None:
    """13 V600 mutants: encorafenib 38 %, binimetinib 23 %, both 69 %; encorafenib does nothing in wild type."""
    followed = compare_strategies(load_strategies("cm_braf_mek"))
    mutant = followed["tumor_type"].values == "V600"
    rate = {name: responded(followed, name) for name in followed["strategy"].values}
    assert rate["encorafenib"][mutant].mean() == pytest.approx(0.385, abs=0.08)
    assert rate["binimetinib"][mutant].mean() == pytest.approx(0.231, abs=0.08)
    # Within a standard error of 9 in 13.
    assert rate["encorafenib + binimetinib"][mutant].mean() == pytest.approx(0.692, abs=0.13)
    assert rate["encorafenib"][~mutant].mean() == rate["untreated"].mean() == 0.0


def test_t54_durable_control_falls_with_every_step_of_dose() -> None:
    scores = estimates(load_strategies("dose_intensity"))
    durable = [scores[f"dose {dose:g}", "durable_share"] for dose in (1.0, 0.9, 0.75, 0.6, 0.5)]
    assert all(np.diff(durable) < -0.01)
    assert durable[0] - durable[-1] > 0.3


def test_stem_like_cells_come_back_only_where_bulk_cells_turn_back() -> None:
    there, back = load_strategies("csc_plastic").tumour.mutations
    none = changed("csc_plastic", mutations=(there, back.model_copy(update={"rate": 0.0})))
    assert estimates(load_strategies("csc_plastic"))["stem-cell drug", "durable_share"] == 0.0
    assert estimates(none)["stem-cell drug", "durable_share"] > 0.95


def test_kras_rechallenge_works_only_where_resistance_costs_growth() -> None:
    sensitive, mutant = load_strategies("kras_rechallenge").tumour.clones
    free = changed("kras_rechallenge", clones=(sensitive, mutant.model_copy(update={"fitness_cost": 0.0})))
    key = ("again after 20 weeks", "second_line_response_share")
    assert estimates(load_strategies("kras_rechallenge"))[key] > 0.8
    assert estimates(free)[key] < 0.3


def test_entinostat_works_on_switching_and_still_adds_no_time() -> None:
    """The null effect is no drug that does nothing: fewer cells outlive erlotinib, and relapse comes when it came."""
    design = load_strategies("hdaci_null")
    clones = (design.tumour.clones[0], design.tumour.clones[1].model_copy(update={"share": 0.0}))
    persisters_alone = estimates(changed("hdaci_null", clones=clones))
    alone, both = (
        persisters_alone[name, "nadir_log10_cells"] for name in ("erlotinib", "erlotinib + entinostat")
    )
    assert both < alone - 0.1
    scores = estimates(design)
    gain = scores["erlotinib + entinostat", "PFS_mean_days"] - scores["erlotinib", "PFS_mean_days"]
    assert abs(gain) < 7.0


def test_exposure_and_kill_are_known_as_their_product_alone() -> None:
    design = load_strategies("pk_failure").model_copy(update={"n_avatars": 60})
    kill = design.tumour.drugs["drug"].kill
    doubled = kill.model_copy(update={"location": 2.0 * kill.location})  # type: ignore[union-attr]
    drugs = {"drug": design.tumour.drugs["drug"].model_copy(update={"kill": doubled})}
    halved = {
        name: one.model_copy(update={"kill": {"drug": 0.5 * one.kill.get("drug", 1.0)}})
        for name, one in design.tumour.types.items()
    }
    other = design.model_copy(
        update={"tumour": design.tumour.model_copy(update={"drugs": drugs, "types": halved})}
    )
    volumes = [compare_strategies(one)["volume_mm3"].values for one in (design, other)]
    np.testing.assert_allclose(volumes[0], volumes[1], rtol=1e-5)


def test_responses_to_larotrectinib_go_on_as_published_whatever_the_tumour_type() -> None:
    """71 % of responses ongoing after a year, and response told by no tumour type."""
    followed = compare_strategies(load_strategies("trk_basket")).sel(strategy="larotrectinib")
    relative = followed["volume_mm3"].values / followed["volume_mm3"].values[0]
    day = followed["day"].values[:, None]
    time, event, _ = event_times(followed)["PFS"]
    small = (relative <= (1.0 + RESPONSE_PCT / 100.0) ** 3) & (day < time)
    began = np.where(small, day, np.inf).min(axis=0)
    duration, ended = (time - began)[np.isfinite(began)], event[np.isfinite(began)]
    # Hardly anybody is censored in the first year, so that a share is the estimate.
    assert (duration[~ended] <= 365).mean() < 0.02
    assert float((duration > 365).mean()) == pytest.approx(0.71, abs=0.14)
    scores = estimates(load_strategies("trk_basket"))
    told = scores["larotrectinib", "responses_ongoing_share_day_365"]
    assert told == pytest.approx(float((duration > 365).mean()), abs=0.01)
    types = followed["tumor_type"].values.astype(str)
    rate = [np.isfinite(began)[types == name].mean() for name in np.unique(types)]
    assert max(rate) - min(rate) < 0.08


def test_the_card_of_c797s_is_the_rule_table() -> None:
    design = load_strategies("c797s")
    for clone in design.tumour.clones:
        rows = [[row.get(drug, 1.0) for drug in design.drugs] for row in clone.drivers]
        assert {tuple(row) for row in rows} == set(EGFR_GENOTYPES[clone.name]), clone.name


@pytest.mark.parametrize("name", ["alk_resistance", "osimertinib_resistance"])
def test_a_catalogue_of_mechanisms_accounts_for_every_progression(name: str) -> None:
    design = load_strategies(name)
    scores = estimates(design)
    for strategy in design.strategy_names:
        shares = [scores[strategy, f"driver of first progression: {clone}"] for clone in design.clones]
        assert sum(shares) == pytest.approx(1.0, abs=1e-9)
    first = design.strategy_names[0]
    told = {clone: scores[first, f"driver of first progression: {clone}"] for clone in design.clones}
    if name == "alk_resistance":
        dependent = told["ALK mutation"] + told["ALK amplification"]
        assert dependent == pytest.approx(told["bypass"] + told["transformation"], abs=0.12)


def test_a_second_smo_inhibitor_works_where_the_mutant_does_not_resist_it() -> None:
    sensitive, mutant = load_strategies("smo_cross_resistance").tumour.clones
    own = mutant.model_copy(update={"drivers": ({"vismodegib": 0.0},)})
    scores = estimates(changed("smo_cross_resistance", clones=(sensitive, own)))
    assert scores["vismodegib, then sonidegib", "second_line_response_share"] > 0.9
