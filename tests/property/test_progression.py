"""What must hold of progression, and of the certainty of a call, whatever the curves are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from avatar_trials import endpoints
from avatar_trials.endpoints.call_certainty import call_probability
from avatar_trials.endpoints.competing_risks import cumulative_incidence
from avatar_trials.endpoints.disease_progression import (
    LEFT_REASONS,
    PROGRESSION_ENDPOINTS,
    TIMINGS,
    AbsoluteFloor,
    Progression,
    progression,
)
from avatar_trials.endpoints.noise_model import GrowthPrior, NoiseModel
from avatar_trials.endpoints.progression_tables import (
    PROGRESSION_COLUMNS,
    progression_table,
    trial_progression,
)
from avatar_trials.intake import GrowthTable

Floats = NDArray[np.float64]
DEFINITIONS: list[dict[str, Any]] = [
    {"variant": "doubling", "doubling": "pct_sheet"},
    {"variant": "doubling", "doubling": "log_linear"},
    {"variant": "recist_volume", "floor": AbsoluteFloor("volume_mm3", 32.0)},
    {"variant": "recist_volume", "floor": AbsoluteFloor("diameter_increase_mm", 5.0)},
    {"variant": "baseline_volume"},
]


@st.composite
def choices(draw: st.DrawFn) -> dict[str, Any]:
    return draw(st.sampled_from(DEFINITIONS)) | {
        "timing": draw(st.sampled_from(TIMINGS)),
        "endpoint": draw(st.sampled_from(PROGRESSION_ENDPOINTS)),
        "left_reason": draw(st.sampled_from(LEFT_REASONS)),
    }


@st.composite
def curves(draw: st.DrawFn) -> tuple[Floats, Floats]:
    """Days from 0 and volumes of one mouse, with zeros, repeats and missed visits."""
    n = draw(st.integers(1, 12))
    gaps = draw(st.lists(st.integers(1, 9), min_size=n - 1, max_size=n - 1))
    rest = draw(st.lists(st.none() | st.integers(0, 1200), min_size=n - 1, max_size=n - 1))
    volume = [float(draw(st.integers(50, 400))), *(np.nan if v is None else float(v) for v in rest)]
    return np.concatenate([[0.0], np.cumsum(gaps)]), np.array(volume)


def assert_same(first: Progression, second: Progression) -> None:
    for field in ("time", "left", "right", "event", "cause"):
        np.testing.assert_array_equal(getattr(first, field), getattr(second, field))


@given(curves(), choices())
def test_every_mouse_with_a_baseline_has_a_result(
    curve: tuple[Floats, Floats], chosen: dict[str, Any]
) -> None:
    result = progression(*curve, **chosen)
    seen = curve[0][np.isfinite(curve[1])]
    assert np.isfinite(result.left)
    assert result.cause in ("progression", chosen["left_reason"])
    assert result.left in seen
    if result.event:
        assert result.left <= result.right
        assert result.right in seen
    else:
        assert np.isposinf(result.right)
    if result.time is not None:
        assert result.left <= result.time <= result.right


@given(curves(), choices(), st.integers(1, 3))
def test_visits_that_did_not_take_place_do_not_matter(
    curve: tuple[Floats, Floats], chosen: dict[str, Any], extra: int
) -> None:
    day, volume = curve
    later = np.concatenate([day, day[-1] + np.arange(1.0, extra + 1)])
    padded = np.concatenate([volume, np.full(extra, np.nan)])
    kept = np.isfinite(volume)
    whole = progression(day, volume, **chosen)
    assert_same(whole, progression(later, padded, **chosen))
    assert_same(whole, progression(day[kept], volume[kept], **chosen))


@given(curves(), choices(), st.integers(-6, 6))
def test_the_unit_of_volume_does_not_matter(
    curve: tuple[Floats, Floats], chosen: dict[str, Any], power: int
) -> None:
    day, volume = curve
    # Eightfold volumes are twofold diameters; powers of two leave no rounding, but a cube root does.
    moved = dict(chosen)
    floor = chosen.get("floor")
    if floor is not None:
        factor = 8.0**power if floor.kind == "volume_mm3" else 2.0**power
        moved["floor"] = AbsoluteFloor(floor.kind, factor * floor.value)
    first, second = progression(day, volume, **chosen), progression(day, 8.0**power * volume, **moved)
    np.testing.assert_array_equal(first.event, second.event)
    np.testing.assert_array_equal(first.left, second.left)
    if first.time is not None:
        np.testing.assert_allclose(first.time, second.time, rtol=1e-9)  # type: ignore[arg-type]


@given(st.lists(curves(), min_size=2, max_size=5), choices(), st.randoms(use_true_random=False))
def test_mice_do_not_touch_one_another(
    mice: list[tuple[Floats, Floats]], chosen: dict[str, Any], random: Any
) -> None:
    random.shuffle(mice)
    width = max(len(day) for day, _ in mice)
    together = [np.full((len(mice), width), np.nan) for _ in range(2)]
    for i, curve in enumerate(mice):
        for whole, own in zip(together, curve, strict=True):
            whole[i, : len(own)] = own
    every = progression(*together, **chosen)
    for i, curve in enumerate(mice):
        one = progression(*curve, **chosen)
        for field in ("time", "left", "right", "event", "cause"):
            whole, own = getattr(every, field), getattr(one, field)
            assert (whole is None) == (own is None)
            if own is not None:
                np.testing.assert_array_equal(whole[i], own)


@given(curves(), choices())
def test_endpoints_are_ordered(curve: tuple[Floats, Floats], chosen: dict[str, Any]) -> None:
    """What ends TTP ends PFS, and what ends PFS ends TTF."""
    events = [bool(progression(*curve, **(chosen | {"endpoint": e})).event) for e in PROGRESSION_ENDPOINTS]
    assert events == sorted(events)


@given(
    curves(),
    st.sampled_from(DEFINITIONS[:2] + DEFINITIONS[4:]),
    st.sampled_from(TIMINGS[:2]),
    st.floats(1, 3),
)
def test_smaller_volumes_progress_no_earlier_against_the_baseline(
    curve: tuple[Floats, Floats], definition: dict[str, Any], timing: str, shrink: float
) -> None:
    """True of limits set by the baseline; of the nadir it is not (see the paradox among the oracles)."""
    day, volume = curve
    smaller = np.concatenate([volume[:1], volume[1:] / shrink])
    chosen = definition | {"timing": timing, "endpoint": "TTP"}
    first, second = progression(day, volume, **chosen), progression(day, smaller, **chosen)
    assert first.event or not second.event
    if first.event and second.event:
        assert second.left >= first.left


@given(
    st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["a", "b", "c"])), min_size=1, max_size=15),
)
def test_incidences_and_the_free_add_up_and_never_fall(subjects: list[tuple[int, str]]) -> None:
    time = np.array([t for t, _ in subjects], dtype=float)
    result = cumulative_incidence(time, [c for _, c in subjects], ("a", "b"))
    np.testing.assert_allclose(result.incidence.sum(axis=0) + result.free, 1.0, atol=1e-12)
    assert (np.diff(result.incidence, axis=-1) >= 0).all()


@hypothesis_settings(max_examples=25)
@given(st.lists(curves(), min_size=1, max_size=3), st.sampled_from(endpoints.RULES))
def test_a_call_has_probabilities_or_a_reason(mice: list[tuple[Floats, Floats]], rule: str) -> None:
    width = max(len(day) for day, _ in mice)
    day, volume = (np.full((len(mice), width), np.nan) for _ in range(2))
    for i, (d, v) in enumerate(mice):
        day[i, : len(d)], volume[i, : len(v)] = d, v
    names = [("mouse", str(i)) for i in range(len(mice))]
    result = call_probability(
        day, volume, rule=rule, names=names, noise=NoiseModel(), prior=GrowthPrior(), draws=20
    )
    defined = result.why_undefined == ""
    np.testing.assert_array_equal(defined, result.called != "")
    np.testing.assert_allclose(result.probability[defined].sum(axis=-1), 1.0)
    np.testing.assert_array_equal(np.isnan(result.probability).all(axis=-1), ~defined)
    assert (result.n_draws[defined] == 20).all()
    alone = call_probability(day[:1], volume[:1], rule=rule, names=names[:1], draws=20)
    np.testing.assert_array_equal(alone.probability[0], result.probability[0])


def test_tables_carry_the_kernel_and_its_name() -> None:
    rows = [
        ("A", "drug", "1", 0.0, 200.0), ("A", "drug", "1", 7.0, 90.0), ("A", "drug", "1", 14.0, 190.0),
        ("B", "drug", "2", 0.0, 200.0), ("B", "drug", "2", 7.0, 210.0),
        ("C", "drug", "3", 4.0, 200.0), ("C", "drug", "3", 7.0, 210.0),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    table = GrowthTable(frame, pd.DataFrame(index=pd.Index(list("ABC"))), (), "made up", "0" * 64, True)
    chosen = DEFINITIONS[2] | {"endpoint": "PFS", "left_reason": ["study_end", "death", "study_end"]}
    result = progression_table(table, timing="at_visit", **chosen)
    assert tuple(result.columns) == PROGRESSION_COLUMNS
    assert list(result["cause"]) == ["progression", "death", "left_truncated"]
    assert list(result["event"]) == [True, True, False]
    np.testing.assert_array_equal(result["time_days"], [14, 7, np.nan])
    assert set(result["method"]) == {"PFS, recist_volume (floor volume_mm3 32), at_visit"}
    assert "time_days" not in progression_table(table, timing="interval", **chosen)


def test_a_trial_is_its_mice_one_by_one() -> None:
    rng = np.random.default_rng(6)
    shape, day = (5, 4, 3), 3.5 * np.arange(9)
    volume = 200 * np.exp(np.cumsum(rng.normal(0.0, 0.4, (*shape, 9)), axis=-1))
    volume[..., 0] = 200
    last = rng.integers(1, 9, shape)
    volume[np.arange(9) > last[..., None]] = np.nan
    reason = rng.integers(0, 3, shape)
    dims = ("trial", "avatar", "arm")
    trial = xr.Dataset(
        {
            "volume_mm3": ((*dims, "visit"), volume),
            "left_day": (dims, day[last] + 1.0),
            "left_reason": (dims, reason, {"flag_meanings": "study_end size removed"}),
        },
        coords={"day": ("visit", day), "arm": ["a", "b", "c"]},
    )
    chosen = DEFINITIONS[2] | {"timing": "interpolated_log", "endpoint": "TTF"}
    result = trial_progression(trial.transpose("visit", "arm", "avatar", "trial"), **chosen)
    assert result["cause"].dims == dims
    assert result.attrs["method"].startswith("TTF, recist_volume")
    names = np.array(["study_end", "size", "removed"])
    for place in np.ndindex(shape):
        one = progression(
            day, volume[place], left_reason=names[reason[place]], left_day=day[last[place]] + 1.0, **chosen
        )
        cell = result.isel(dict(zip(dims, place, strict=True)))
        assert cell["cause"] == one.cause
        assert cell["event"] == one.event
        assert cell["time_days"] == one.time
    assert set(np.unique(result["cause"])) == {"progression", "study_end", "size", "removed"}
