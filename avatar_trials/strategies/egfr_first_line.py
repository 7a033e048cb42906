"""Patients with EGFR-mutant lung cancer on a first-line inhibitor: one arm calibrated, the other predicted from it.

Months, and the sum of longest diameters every six weeks; volumes relative to the start, as cubes of diameters.
`FIRST_GENERATION` was calibrated by hand to the control arm of FLAURA (response 76 %, depth -48.5 % of diameter, PFS
10.2 months): that arm is no prediction. `THIRD_GENERATION` is: the same patients without the T790M escape, fewer
primarily resistant patients, and the stated assumption that every other mechanism starts with 10^-1.25 as many
cells, a number that fits and is not known. Without it the removal of T790M alone is `T790M_REMOVED`.

Sources: shares of mechanisms and FLAURA as reviewed in J. Hematol. Oncol. 2018 (minimal residual disease); growth
and kill per month, residual tissue that does not clear and primary resistance: chosen so that the control arm comes
out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from avatar_trials.kinetics.tumour import Clone, Tumour
from avatar_trials.seeds import stream
from avatar_trials.strategies.engine import Followed, Plan, follow
from avatar_trials.strategies.fates import Fates
from avatar_trials.strategies.history import Strategy
from avatar_trials.strategies.rules import Constant
from avatar_trials.strategies.tumours import ClonalTumours
from avatar_trials.strategy_designs import CaliperSpec, Monitoring, Scoring, StrategyStopping

Floats = NDArray[np.float64]

LOG10_SHARES = {
    "T790M": -4.47,
    "MET": -6.89,
    "HER2": -6.83,
    "PIK3CA": -7.33,
    "small-cell": -6.73,
    "EMT": -7.29,
    "unknown": -6.56,
}
"""Mean log10 share of cells at the start, by mechanism; standard deviation `LOG10_SD`. Assumed; the resulting shares of
mechanisms at progression are checked against the literature (HER2 and PIK3CA are recalled numbers)."""

LOG10_SD = 1.5
GROWTH, GROWTH_SD, OWN_GROWTH_SD = 0.55, 0.5, 0.25
KILL, KILL_SD = 1.0, 0.6
RESIDUAL_LOGIT, RESIDUAL_SD = -2.34, 1.66
ASSESSED_EVERY, HORIZON = 42 / 30.44, 48.0
DIAMETER_ERROR = 0.04
_START_MM3 = 1e5


@dataclass(frozen=True)
class Inhibitor:
    """What tells one arm from the other: decades by which mechanisms start lower, whether T790M is an escape, the
    share of
    patients that do not respond at all, a drop of the logit of what does not clear."""

    name: str
    decades: float = 0.0
    t790m: bool = True
    primary_resistance: float = 0.07
    clears_more: float = 0.0


FIRST_GENERATION = Inhibitor("first-generation inhibitor")
T790M_REMOVED = Inhibitor("T790M removed and nothing else", t790m=False, primary_resistance=0.042)
THIRD_GENERATION = replace(T790M_REMOVED, name="osimertinib", decades=1.25)


@dataclass(frozen=True)
class Arm:
    """Patients of an arm: followed; best change of diameter (%, patient) until progression; time to it (months,
    patient)
    between assessments, and whether it came; mechanism (patient,) that predominates then."""

    followed: Followed
    depth_pct: Floats
    months: Floats
    progressed: NDArray[np.bool_]
    mechanism: NDArray[np.str_]


def egfr_arm(inhibitor: Inhibitor, n: int, *, seed: int) -> Arm:
    """`n` patients on an inhibitor; arms of one seed have the same patients and the same luck."""

    def normal(purpose: str, size: tuple[int, ...] = (n,)) -> Floats:
        return stream(seed, "egfr", purpose).standard_normal(size)

    shared = GROWTH_SD * normal("growth")
    growth = GROWTH * np.exp(shared)
    resists = stream(seed, "egfr", "primary resistance").random(n) < inhibitor.primary_resistance
    residual = special.expit(RESIDUAL_LOGIT - inhibitor.clears_more + RESIDUAL_SD * normal("residual"))
    shares = {}
    for name, mean in LOG10_SHARES.items():
        lower = 0.0 if name == "T790M" else inhibitor.decades
        shares[name] = 10.0 ** (mean - lower + LOG10_SD * normal(f"share of {name}"))
    if not inhibitor.t790m:
        shares["T790M"] = np.zeros(n)
    # Mechanisms are clones of the part that clears, and never all of it.
    fitting = (1.0 - residual) * np.minimum(1.0, 0.9 / np.maximum(sum(shares.values()), 1e-300))
    shares = {name: share * fitting for name, share in shares.items()}
    kill = np.where(resists, 1e-12, KILL * np.exp(KILL_SD * normal("kill")) + growth)
    own = {name: OWN_GROWTH_SD * normal(f"growth of {name}") for name in shares}
    clones = [Clone("sensitive", ((1.0,),), 1.0 - residual - sum(shares.values()))]
    clones += [Clone(name, ((0.0,),), share, 1.0 - np.exp(own[name])) for name, share in shares.items()]
    clones.append(Clone("residual", ((0.0,),), residual, fitness_cost=1.0))
    tumours = ClonalTumours(
        Tumour(growth, np.log(kill)[:, None], clones),
        *(("inhibitor",), np.full(n, _START_MM3), np.zeros(n), 1e6),
    )
    months = np.arange(0.0, HORIZON, ASSESSED_EVERY)
    # Three times the error of a diameter, in logs, is that of a volume.
    caliper = CaliperSpec(delta_mm=0.0, sigma_p=3.0 * DIAMETER_ERROR, detection_limit_mm3=1e-6)
    scoring = Scoring(progression="recist_volume", floor_mm3=1e-3)
    plan = Plan(months, Monitoring(caliper=caliper), scoring, StrategyStopping(size_mm3=1e15))
    nothing = np.zeros((len(months), 0))
    luck = Fates(normal("assessments", (len(months), n)), np.zeros((2, n)), nothing, nothing, nothing)
    strategy = Strategy(inhibitor.name, Constant({"inhibitor": 1.0}))
    return _arm(follow(strategy, tumours, plan, luck), months, resists)


def _arm(followed: Followed, months: Floats, resists: NDArray[np.bool_]) -> Arm:
    seen = followed.progression_day[0]
    progressed = np.isfinite(seen)
    last = np.where(progressed, seen, months[-1])
    relative = np.where(months[:, None] <= last, followed.volume_mm3 / followed.volume_mm3[0], np.inf)
    depth = 100.0 * (relative[1:].min(axis=0) ** (1.0 / 3.0) - 1.0)
    names = np.array([*LOG10_SHARES])
    clones = np.nan_to_num(followed.first_clones[1:-1])
    mechanism = np.where(resists, "primary", np.where(progressed, names[clones.argmax(axis=0)], "none"))
    # Progression happened between two assessments: the middle of them.
    when = np.where(progressed, last - ASSESSED_EVERY / 2.0, last)
    return Arm(followed, depth, when, progressed, mechanism)
