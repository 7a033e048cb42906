"""Patient-level independent action on observed mice: under A + B each avatar does as well as under its better drug.

Palmer & Sorger 2017, Cell 171:1678. It is not cell-level independence (Bliss, where kill rates add). The better of two
noisy mice flatters: two mice under one and the same drug would beat either of them. On latent curves the rule is
`kinetics.combination.independent_action`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from avatar_trials.arms import UNTREATED, canonical_arm, drugs_of
from avatar_trials.endpoints import survival
from avatar_trials.endpoints.arm_outcomes import ArmOutcomes, observed_arm
from avatar_trials.endpoints.rank_tests import LogRank, logrank
from avatar_trials.endpoints.response import CATEGORIES
from avatar_trials.endpoints.two_arm_hazard import HazardRatio, hazard_ratio
from avatar_trials.problems import InputError, Problem

Floats = NDArray[np.float64]

CENSORING_WORDS = {
    "later_time": "the latest of the drugs' times, censored if the mouse it is of had not doubled",
    "all_doubled": "the latest of the drugs' times, censored unless the mice under all drugs had doubled",
    "published": "the latest of the drugs' times; every last day, the combination's too, counted as a doubling",
}
CENSORING_VARIANTS = tuple(CENSORING_WORDS)
OBSERVED, EXPECTED = "observed", "independent action"
_BEST_AVERAGE = "best_avg_response_pct"


@dataclass(frozen=True)
class MatchedMice:
    """One mouse an avatar under a combination and under each of its drugs alone, all with a baseline.

    combination: outcomes (1, avatar); alone: the same of each drug, in the order of `drugs`. best_average_pct: best
    average response (1 + drug, avatar), the combination's first.
    """

    arm: str
    drugs: tuple[str, ...]
    avatars: tuple[str, ...]
    combination: ArmOutcomes
    alone: tuple[ArmOutcomes, ...]
    best_average_pct: Floats


@dataclass(frozen=True)
class IndependentActionTest:
    """Observed combination against what independent action expects of the same avatars.

    hazard: of doubling, observed over expected; below 1 the combination did better than independent action.
    median_days: Kaplan-Meier medians, observed and expected (infinite: not reached).
    """

    matched: MatchedMice
    expected: ArmOutcomes
    censoring: str
    log_rank: LogRank
    hazard: HazardRatio
    median_days: tuple[float, float]
    method: str


def matched_mice(mice: pd.DataFrame, arm: str) -> MatchedMice:
    """Mice of the avatars that were given combination `arm` and each of its drugs alone; `mice` a `response_table`.

    InputError for an arm of fewer than two drugs, an arm or drug without a mouse, an avatar with several mice in one of
    the arms (independent action compares one with one), and where no avatar has them all.
    """
    try:
        arm = canonical_arm(arm)
    except ValueError as reason:
        raise InputError(Problem("D53", "error", str(reason), "Write drug names joined by +")) from None
    drugs = drugs_of(arm)
    if len(drugs) < 2:
        what = f"arm {arm} is no combination"
        raise InputError(Problem("S03", "error", what, "Name an arm of several drugs, as A + B"))
    known = set(mice["arm"]) - {UNTREATED}
    listed = ", ".join(sorted(known)) or "no treated arm"
    missing = [name for name in (arm, *drugs) if name not in known]
    if missing:
        raise InputError(
            [Problem("S01", "error", f"no arm {name!r} in the table", f"It has {listed}") for name in missing]
        )
    with_baseline = mice[np.isfinite(mice["time_to_doubling_days"].to_numpy(float))]
    groups = [with_baseline[with_baseline["arm"] == name] for name in (arm, *drugs)]
    _refuse_replicates(groups)
    shared = [
        str(avatar)
        for avatar in groups[0]["avatar"]
        if all((group["avatar"] == avatar).any() for group in groups[1:])
    ]
    if not shared:
        what = f"no avatar has a mouse with a baseline under {arm} and under each of its drugs alone"
        fix = "Independent action needs the single agents in the same avatars"
        raise InputError(Problem("S04", "error", what, fix))
    frames = [group.set_index("avatar").loc[shared] for group in groups]
    outcomes = [observed_arm(frame) for frame in frames]
    return MatchedMice(
        arm,
        drugs,
        tuple(shared),
        outcomes[0],
        tuple(outcomes[1:]),
        np.stack([frame[_BEST_AVERAGE].to_numpy(float) for frame in frames]),
    )


def better_of(alone: Sequence[ArmOutcomes], *, censoring: str) -> ArmOutcomes:
    """Outcomes (replicate, mouse) of the better drug, endpoint by endpoint; the drugs' arrays broadcast.

    Better: later doubling, deeper response, higher category. Not evaluable, or without a baseline, under one drug is so
    altogether: a better of two that is one only would depend on which. Censoring of the latest time by the named
    variant (`CENSORING_WORDS`). `later_time` takes some latest times for doublings that are only known to lie beyond;
    `all_doubled` knows all that is known, but is censored because a drug has failed. ValueError for an unknown variant.
    """
    check_censoring(censoring)
    time = np.stack(np.broadcast_arrays(*(one.time_days for one in alone)))
    doubled = np.stack(np.broadcast_arrays(*(one.doubled for one in alone)))
    latest = time.max(axis=0)
    if censoring == "published":
        happened = np.isfinite(latest)
    elif censoring == "all_doubled":
        happened = doubled.all(axis=0)
    else:
        happened = (doubled | (time < latest)).all(axis=0) & np.isfinite(latest)
    category = np.stack(np.broadcast_arrays(*(one.category for one in alone)))
    rank = np.stack([category == name for name in CATEGORIES]).argmax(axis=0).min(axis=0)
    return ArmOutcomes(
        category=np.where((category == "").any(axis=0), "", np.array(CATEGORIES)[rank]),
        depth_pct=np.stack(np.broadcast_arrays(*(one.depth_pct for one in alone))).min(axis=0),
        time_days=latest,
        doubled=happened,
    )


def independent_action_table(mice: pd.DataFrame, arm: str, *, censoring: str = "later_time") -> pd.DataFrame:
    """One row an avatar: outcomes under combination `arm`, and beside them (expected_*) the better single agent's.

    Best average response: the lower of the drugs'. Errors as `matched_mice` and `better_of`.
    """
    found = matched_mice(mice, arm)
    expected = better_of(found.alone, censoring=censoring)
    columns: dict[str, object] = {"avatar": found.avatars, "arm": found.arm}
    best_average = (found.best_average_pct[0], found.best_average_pct[1:].min(axis=0))
    for prefix, one, average in zip(
        ("", "expected_"), (found.combination, expected), best_average, strict=True
    ):
        columns |= {
            f"{prefix}category": one.category[0],
            f"{prefix}best_avg_response_pct": average,
            f"{prefix}depth_of_response_pct": one.depth_pct[0],
            f"{prefix}time_to_doubling_days": one.time_days[0],
            f"{prefix}doubled": one.doubled[0],
        }
    return pd.DataFrame(columns)


def against_independent_action(
    mice: pd.DataFrame,
    arm: str,
    *,
    censoring: str = "later_time",
    ties: str = "efron",
    level: float = 0.95,
) -> IndependentActionTest:
    """Log-rank test and hazard ratio of times to doubling, observed under `arm` against expected of the same avatars.

    The two groups are taken as independent, as published, though they are of the same avatars. `censoring="published"`
    gives the published P values, and with ties="breslow" the published hazard ratios; it takes a mouse that never
    doubled for one that doubled on its last day. Errors as `matched_mice`, `better_of` and `hazard_ratio`.
    """
    found = matched_mice(mice, arm)
    expected = better_of(found.alone, censoring=censoring)
    observed = found.combination
    if censoring == "published":
        observed = replace(observed, doubled=np.isfinite(observed.time_days))
    sides = (observed, expected)
    time = np.concatenate([one.time_days[0] for one in sides])
    doubled = np.concatenate([one.doubled[0] for one in sides])
    group = np.repeat([OBSERVED, EXPECTED], len(found.avatars))
    medians = [float(survival.median(one.doubling_curve())[0]) for one in sides]
    test = logrank(time, doubled, group)
    ratio = hazard_ratio(time, doubled, group, reference=EXPECTED, ties=ties, level=level)
    method = (
        f"patient-level independent action (Palmer & Sorger 2017): {CENSORING_WORDS[censoring]}; "
        f"{test.method}; {ratio.method}; groups taken as independent"
    )
    return IndependentActionTest(found, expected, censoring, test, ratio, (medians[0], medians[1]), method)


def check_censoring(censoring: str) -> None:
    """Raise ValueError, naming the known variants, unless `censoring` is one of CENSORING_VARIANTS."""
    if censoring not in CENSORING_WORDS:
        raise ValueError(
            f"unknown censoring of the better of several times {censoring!r}: "
            f"expected one of {', '.join(CENSORING_VARIANTS)}"
        )


def _refuse_replicates(groups: Sequence[pd.DataFrame]) -> None:
    problems = []
    for group in groups:
        twice = group["avatar"][group["avatar"].duplicated()].unique()
        problems += [
            Problem(
                "S05",
                "error",
                f"avatar {avatar} has several mice in arm {group['arm'].iloc[0]}",
                "Independent action compares one mouse with one: keep one mouse an avatar and arm",
            )
            for avatar in twice
        ]
    if problems:
        raise InputError(problems)
