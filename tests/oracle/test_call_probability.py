"""Probabilities of a call against brute-force importance sampling, and against what they promise: calibration.

The generators here march in small steps and share no formula with the sampler under test.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.special
import scipy.stats
import xarray as xr
from numpy.typing import NDArray

from avatar_trials import endpoints
from avatar_trials.endpoints.call_certainty import (
    CALL_COLUMNS,
    NO_BASELINE,
    NO_VISIT,
    CallProbabilities,
    call_probabilities,
    call_probability,
    category_shares,
    replicate_call_probabilities,
)
from avatar_trials.endpoints.noise_model import GrowthPrior, NoiseModel
from avatar_trials.endpoints.true_volumes import true_log_volumes
from avatar_trials.intake import GrowthTable

Floats = NDArray[np.float64]
RULE = "gao2015_text"
NARROW_START = GrowthPrior(start_log_sd=0.3)


def random(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def prior_paths(n: int, day: Floats, prior: GrowthPrior, rng: np.random.Generator, steps: int) -> Floats:
    """Log volumes (n, visit) of the prior in small steps."""
    size = np.log(prior.start_mm3) + prior.start_log_sd * rng.standard_normal(n)
    rate = prior.rate_mean + prior.rate_sd * rng.standard_normal(n)
    path = [size]
    for gap in np.diff(day):
        h = gap / steps
        for _ in range(steps):
            # Midpoint rate: what is left of the step's own error is of the order of h^3.
            moved = prior.rate_weekly * np.sqrt(h / 7) * rng.standard_normal(n)
            size = (
                size + (rate + moved / 2) * h + prior.wander_weekly * np.sqrt(h / 7) * rng.standard_normal(n)
            )
            rate = rate + moved
        path.append(size)
    return np.stack(path, axis=1)


def error_scale(path: Floats, noise: NoiseModel) -> Floats:
    diameter = np.cbrt(6 / np.pi * (np.exp(path) + noise.diameter_floor_mm3))
    return np.sqrt(5 * (noise.delta_mm / diameter) ** 2 + noise.sigma_p**2)


def read(path: Floats, noise: NoiseModel, rng: np.random.Generator) -> Floats:
    volume = np.exp(path + error_scale(path, noise) * rng.standard_t(noise.nu, path.shape))
    return np.where(volume < noise.detection_limit_mm3, 0.0, volume)


def category(day: Floats, volume: Floats) -> NDArray[np.str_]:
    best, _ = endpoints.best_response(day, volume, RULE)
    average, _ = endpoints.best_average_response(day, volume, RULE)
    return endpoints.mrecist(best, average)


def as_shares(categories: NDArray[np.str_], weight: Floats) -> Floats:
    return np.array([weight[categories == name].sum() for name in endpoints.CATEGORIES]) / weight.sum()


def called(
    day: Floats, volume: Floats, noise: NoiseModel, prior: GrowthPrior, draws: int, **more: str
) -> CallProbabilities:
    names = [("mouse", str(i)) for i in range(len(volume))]
    return call_probability(
        day, volume, rule=RULE, names=names, noise=noise, prior=prior, draws=draws, seed=5, question=more.get(
            "question", "true_volumes")
    )  # fmt: skip


CURVES = {
    "steady": ([0.0, 7, 14, 21], [210.0, 190, 160, 120]),
    "outlier": ([0.0, 7, 14, 21], [210.0, 230, 90, 260]),
    "below": ([0.0, 10, 17, 24], [120.0, 40, 0, 30]),
    "gone": ([0.0, 14, 21], [100.0, 0, 0]),
    "grazing": ([0.0, 7, 14, 21], [40.0, 0, 0, 0]),
}


@pytest.mark.parametrize("curve", CURVES)
def test_against_importance_sampling_from_the_prior(curve: str) -> None:
    day, volume = (np.array(x) for x in CURVES[curve])
    noise = NoiseModel(delta_mm=0.5)
    prior = GrowthPrior(
        start_mm3=volume[0], start_log_sd=0.5, rate_mean=-0.02, rate_sd=0.06,
        rate_weekly=0.06, wander_weekly=0.1,
    )  # fmt: skip
    rng = random(1)
    path = prior_paths(600_000, day, prior, rng, steps=4)
    scale, limit = error_scale(path, noise), np.log(noise.detection_limit_mm3)
    above = volume >= noise.detection_limit_mm3
    reading = np.log(np.where(above, volume, 1.0))
    log_weight = scipy.stats.t.logpdf((reading - path)[:, above] / scale[:, above], noise.nu)
    log_weight = (log_weight - np.log(scale[:, above])).sum(axis=1)
    log_weight += scipy.stats.t.logcdf((limit - path)[:, ~above] / scale[:, ~above], noise.nu).sum(axis=1)
    weight = np.exp(log_weight - log_weight.max())
    effective = weight.sum() ** 2 / (weight**2).sum()
    assert effective > 2000
    mean = weight @ path / weight.sum()
    sd = np.sqrt(weight @ (path - mean) ** 2 / weight.sum())

    drawn = true_log_volumes(
        day[None], volume[None], [("mouse",)], noise=noise, prior=prior, draws=40_000, seed=2
    )[0]
    # 40,000 draws of 40 chains are worth 5,000 independent ones or more; four standard errors.
    error = sd * np.sqrt(1 / 5000 + 1 / effective)
    assert (np.abs(drawn.mean(axis=0) - mean) < 4 * error).all()
    np.testing.assert_allclose(drawn.std(axis=0), sd, rtol=0.06)
    again = read(path, noise, rng)
    for question, volumes in (("true_volumes", np.exp(path)), ("new_readings", again)):
        categories = category(day, volumes)
        counted = np.where(categories == "", 0.0, weight)
        ours = called(day, volume[None], noise, prior, 8000, question=question).probability[0]
        np.testing.assert_allclose(ours, as_shares(categories, counted), atol=0.065)


def reliability(stated: Floats, hit: NDArray[np.bool_]) -> Floats:
    """Standardised difference of seen and stated frequency, by bins of what was stated."""
    edges = [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98]
    p, h = stated.ravel(), hit.ravel()
    bins = np.digitize(p, edges)
    z = []
    for i in range(len(edges) + 1):
        own = bins == i
        assert own.sum() > 20
        # Half a hit: in a bin where next to nothing is expected a z alone would be all of one chance event.
        spread = np.sqrt((p[own] * (1 - p[own])).sum() + 0.5)
        z.append((h[own].sum() - p[own].sum()) / spread)
    return np.array(z)


@pytest.mark.parametrize(
    ("n", "noise", "prior", "day"),
    [
        (1000, NoiseModel(), NARROW_START, [0.0, 3, 7, 10, 14, 17, 21, 24, 28]),
        (1000, NoiseModel(delta_mm=0.5), GrowthPrior(start_log_sd=0.3, rate_mean=0.0), [0.0, 10, 20, 30]),
        (
            600, NoiseModel(), GrowthPrior(start_log_sd=0.3, rate_mean=-0.05, rate_sd=0.06),
            [0.0, 7, 14, 21, 28],
        ),
    ],
    ids=["twice a week", "sparse and noisy", "shrinking below detection"],
)  # fmt: skip
def test_stated_probabilities_come_true(
    n: int, noise: NoiseModel, prior: GrowthPrior, day: list[float]
) -> None:
    days, rng = np.array(day), random(12)
    path = prior_paths(n, days, prior, rng, steps=20)
    volume = read(path, noise, rng)
    hit = category(days, np.exp(path))[:, None] == np.array(endpoints.CATEGORIES)

    # Draws enough that a stated 0 is not for want of draws.
    result = called(days, volume, noise, prior, 800)
    kept = result.why_undefined == ""
    assert kept.mean() > 0.99
    np.testing.assert_allclose(result.probability[kept].sum(axis=1), 1.0)
    ours = result.probability[kept]
    assert np.abs(reliability(ours, hit[kept])).max() < 3.3

    # Noise added to the readings counts the caliper's error twice and knows of no growth: sure where it is wrong.
    noisy = volume[:, None, :] * np.exp(
        error_scale(np.log(np.maximum(volume, 1e-3)), noise)[:, None, :]
        * rng.standard_t(noise.nu, (n, 300, len(days)))
    )
    noisy = np.where(noisy < noise.detection_limit_mm3, 0.0, noisy)
    naive = category_shares(days, noisy, RULE)[0][kept]

    def brier(p: Floats) -> float:
        return float(((p - hit[kept]) ** 2).sum(axis=1).mean())

    assert brier(ours) < 0.85 * brier(naive)
    if np.diff(days).min() >= 7:
        assert np.abs(reliability(naive, hit[kept])).max() > 5


def test_stated_probabilities_come_true_for_tumours_of_another_law() -> None:
    """Two clones under treatment, a quarter of the mice untreated: nothing the prior on growth was told."""
    rng, n, day = random(21), 900, 3.5 * np.arange(12.0)
    growth = 0.05 * np.exp(0.5 * rng.standard_normal((n, 1)))
    kill = np.minimum(0.05 * np.exp(0.8 * rng.standard_normal((n, 1))), 0.2) * (rng.random((n, 1)) > 0.25)
    resistant = scipy.special.expit(-3.5 + 2 * rng.standard_normal((n, 1)))
    clones = (1 - resistant) * np.exp((growth - kill) * day) + resistant * np.exp(growth * day)
    wander = np.cumsum(0.07 * rng.standard_normal((n, 12)), axis=1)
    wander[:, 0] = 0.16 * rng.standard_normal(n)
    path = np.log(200 * clones) + wander
    hit = category(day, np.exp(path))[:, None] == np.array(endpoints.CATEGORIES)
    result = called(day, read(path, NoiseModel(), rng), NoiseModel(), GrowthPrior(), 300)
    kept = result.why_undefined == ""
    assert np.abs(reliability(result.probability[kept], hit[kept])).max() < 3.3
    np.testing.assert_allclose(result.probability[kept].mean(axis=0), hit[kept].mean(axis=0), atol=0.015)


def test_without_error_the_call_is_certain() -> None:
    rng = random(3)
    day = np.array([0.0, 7, 14, 21, 28])
    volume = 200 * np.exp(np.cumsum(rng.normal(0, 0.4, (60, 5)), axis=1))
    noise = NoiseModel(delta_mm=1e-5, sigma_p=1e-6, detection_limit_mm3=1e-3)
    for question in ("true_volumes", "new_readings"):
        result = called(day, volume, noise, GrowthPrior(), 20, question=question)
        assert len(set(result.called)) >= 3
        np.testing.assert_array_equal(result.of_call, 1.0)


def test_what_visits_missed_is_asked_by_assessing_daily() -> None:
    day, volume, names = np.array([0.0, 12, 40]), np.array([[200.0, 95, 95]]), [("m",)]
    seen = call_probability(day, volume, rule=RULE, names=names, seed=1)
    daily = call_probability(day, volume, rule=RULE, names=names, assessed="daily", seed=1)
    response = [p.probability[0, :2].sum() for p in (seen, daily)]
    assert response[1] > response[0] + 0.05
    assert "at daily" in daily.method
    assert "at visits" in seen.method


def a_table() -> GrowthTable:
    curves = {
        ("A", "untreated", "1"): ([0, 7, 14, 21], [200, 300, 500, 900]),
        ("A", "drug", "2"): ([0, 7, 14, 21, 28], [210, 90, 0, 0, 10]),
        ("B", "untreated", "3"): ([3, 7, 14], [200, 300, 500]),
        ("B", "drug", "4"): ([0, 4, 8], [200, 150, 130]),
        ("C", "drug", "5"): ([0], [200]),
        ("D", "drug", "6"): ([0, 7, 14], [0, 50, 90]),
        ("E", "drug", "7"): ([0, 7, 14, 21, 30, 40, 50], [200, 180, 140, 105, 98, 110, 150]),
    }
    rows = [
        (*key, float(d), float(v))
        for key, (day, vol) in curves.items()
        for d, v in zip(day, vol, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["avatar", "arm", "mouse", "day", "volume_mm3"])
    return GrowthTable(
        frame, pd.DataFrame(index=pd.Index(list("ABCDE"), name="avatar")), (), "made up", "0" * 64, True
    )


def test_a_row_a_mouse_with_its_reason_where_undefined() -> None:
    result = call_probabilities(a_table(), rule=RULE, draws=200, seed=1)
    assert tuple(result.columns) == CALL_COLUMNS
    assert list(result["mouse"]) == list("1234567")
    assert list(result["why_undefined"]) == ["", "", NO_BASELINE, NO_VISIT, NO_VISIT, NO_BASELINE, ""]
    chances = result[[f"p_{name}" for name in endpoints.CATEGORIES]]
    undefined = result["why_undefined"] != ""
    assert chances[undefined].isna().all(axis=None)
    assert result.loc[undefined, "p_of_call"].isna().all()
    assert (result["category"] == "").equals(undefined)
    np.testing.assert_allclose(chances[~undefined].sum(axis=1), 1.0)
    assert list(result["n_draws"]) == [200, 200, 0, 0, 0, 0, 200]
    assert result["p_PD"][0] > 0.99
    # Best change -51 %, limit -50 %: about as likely a PR as not.
    assert result["category"][6] == "PR"
    assert 0.2 < result["p_of_call"][6] < 0.9
    for word in (RULE, "true_volumes", "delta 0.26 mm", "growth rate N(0.031, 0.044)", "200 draws"):
        assert word in result["method"][0]
    sheet = call_probabilities(a_table(), rule="pct_sheet", draws=50)
    assert list(sheet["why_undefined"]) == ["", "", NO_BASELINE, "", NO_VISIT, NO_BASELINE, ""]


def test_a_mouse_does_not_depend_on_the_others() -> None:
    rng = random(4)
    day = np.full((40, 30), np.nan)
    for i in range(40):
        day[i, : i % 25 + 4] = 3.5 * np.arange(i % 25 + 4)
    volume = np.where(
        np.isnan(day), np.nan, 100 * np.exp(np.cumsum(rng.normal(-0.05, 0.3, day.shape), axis=1))
    )
    names = [("avatar", str(i)) for i in range(40)]
    assert (volume < 15).any(axis=1).sum() > 5
    chosen = {"noise": NoiseModel(), "prior": GrowthPrior(), "draws": 90, "seed": 7}
    every = true_log_volumes(day, volume, names, **chosen)  # type: ignore[arg-type]
    some = np.array([31, 2, 17, 8, 39])
    width = int(np.isfinite(day[some]).sum(axis=1).max())
    alone = true_log_volumes(day[some, :width], volume[some, :width], [names[i] for i in some], **chosen)  # type: ignore[arg-type]
    np.testing.assert_array_equal(every[some][..., :width], alone)
    other = true_log_volumes(day, volume, names, **(chosen | {"seed": 8}))  # type: ignore[arg-type]
    assert not np.array_equal(every, other, equal_nan=True)


def test_replicates_of_a_posterior_are_counted_by_hand() -> None:
    """Two mice, four draws each: PR PR SD PD, and PD PD PD with one whose baseline reads 0."""
    first = [[200.0, 90, 80], [200, 90, 80], [200, 150, 150], [200, 300, 400]]
    second = [[200.0, 300, 400], [200, 300, 400], [200, 300, 400], [0, 300, 400]]
    predicted = np.concatenate([first, second], axis=1).reshape(2, 2, 6)
    # Visits are not stored in order, nor mouse by mouse.
    order = np.array([4, 0, 2, 1, 5, 3])
    tree = xr.DataTree.from_dict(
        {
            "/posterior_predictive": xr.Dataset({"volume_mm3": (("chain", "draw", "obs"), predicted[..., order])}),
            "/observed_data": xr.Dataset(
                {"volume_mm3": ("obs", np.array([200.0, 95, 85, 200, 180, 190])[order])}
            ),
            "/constant_data": xr.Dataset(
                {
                    "day": ("obs", np.array([0.0, 10, 20, 0, 10, 20])[order]),
                    "curve": ("obs", np.array([0, 0, 0, 1, 1, 1])[order]),
                    "avatar": ("mouse", ["A", "B"]),
                    "arm": ("mouse", ["drug", "untreated"]),
                },
                coords={"mouse": ["A | drug | A-1", "B | untreated | B-1"]},
            ),
        }
    )  # fmt: skip
    result = replicate_call_probabilities(tree, rule=RULE)
    assert tuple(result.columns) == CALL_COLUMNS
    assert list(result["mouse"]) == ["A-1", "B-1"]
    assert list(result["category"]) == ["PR", "SD"]
    chances = result[[f"p_{name}" for name in endpoints.CATEGORIES]].to_numpy()
    np.testing.assert_array_equal(chances, [[0, 0.5, 0.25, 0.25], [0, 0, 0, 1]])
    np.testing.assert_array_equal(result["p_of_call"], [0.5, 0.0])
    np.testing.assert_array_equal(result["n_draws"], [4, 3])
    assert "replicate" in result["method"][0]
    with pytest.raises(ValueError, match="posterior_predictive"):
        replicate_call_probabilities(tree.filter(lambda node: node.name != "posterior_predictive"), rule=RULE)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"rule": "recist"}, "gao2015_text, pct_sheet"),
        ({"question": "which"}, "true_volumes, new_readings"),
        ({"assessed": "weekly"}, "visits, daily"),
        ({"draws": 0}, "at least 1"),
        ({"names": [("a",), ("a",)]}, "a name of its own"),
        ({"volume_mm3": [[200.0, -1.0], [200.0, 5.0]]}, "not negative"),
    ],
)
def test_what_cannot_be_is_refused(chosen: dict[str, object], told: str) -> None:
    given = {
        "day": [0.0, 14.0],
        "volume_mm3": [[200.0, 100.0], [200.0, 300.0]],
        "rule": RULE,
        "names": [("a",), ("b",)],
    }
    with pytest.raises(ValueError, match=told):
        call_probability(**(given | chosen))  # type: ignore[arg-type]


@pytest.mark.parametrize("field", ["delta_mm", "sigma_p", "nu", "detection_limit_mm3", "diameter_floor_mm3"])
def test_a_noise_model_is_positive(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        NoiseModel(**{field: 0.0})  # type: ignore[arg-type]


def test_a_prior_may_expect_shrinking_but_not_no_spread() -> None:
    assert GrowthPrior(rate_mean=-0.1).rate_mean == -0.1
    with pytest.raises(ValueError, match="rate_sd must be positive"):
        GrowthPrior(rate_sd=0.0)
