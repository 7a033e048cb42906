"""What may be true of the avatars that a trial will meet, and the arms of replicate trials in each such world.

posterior: each trial has its own joint draw of the population, so that what is read off them is averaged over what is
not known (assurance). posterior_mean: all have the mean of every parameter (power). independent_action: as posterior,
but under a combination each avatar does as well as under that one of its single agents which is latently better for it
(Palmer & Sorger 2017), and no better. no_difference: a combination's mice are further mice under the single agent that
it is compared with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from avatar_trials.arms import drugs_of
from avatar_trials.designs import ArmSpec, TrialDesign
from avatar_trials.emulate import Cohort, visit_days
from avatar_trials.emulate.cohort import chosen_draws, given_drugs
from avatar_trials.emulate.mice import Luck, luck
from avatar_trials.emulate.one_arm import latent_curves
from avatar_trials.emulate.population import cohort_of_draws, share_of_carriers
from avatar_trials.kinetics.combination import independent_action
from avatar_trials.problems import InputError, Problem
from avatar_trials.seeds import stream
from avatar_trials.sweeps.mice import Outcomes, mice_under, put_together

POSTERIOR, MEAN = "posterior", "posterior_mean"
INDEPENDENT, NO_DIFFERENCE = "independent_action", "no_difference"
WORLDS = (POSTERIOR, MEAN, INDEPENDENT, NO_DIFFERENCE)
LATENT_VISITS = 14


@dataclass(frozen=True)
class Avatars:
    """Avatars of one tumour type in the trials of a block, and the arms that their mice can be under."""

    cohort: Cohort
    design: TrialDesign
    tumor_type: str
    lane: str
    luck: Luck
    seed: int

    def under(self, arm: ArmSpec, n_mice: int, lane: str = "") -> Outcomes:
        """Outcomes (trial, mouse, avatar) of `n_mice` of every avatar under an arm, with the luck of `lane`, which by
        default is the arm's own."""
        stopping = self.design.stopping.of_type(self.tumor_type)
        return put_together(
            [
                mice_under(
                    self.cohort,
                    arm,
                    self.design,
                    stopping,
                    (lane or arm.shown, f"mouse {mouse + 1}", self.lane, self.tumor_type),
                    self.luck,
                    self.seed,
                )
                for mouse in range(n_mice)
            ],
            axis=1,
        )

    def better(self, alone: tuple[str, ...]) -> NDArray[np.intp]:
        """Which single agent (trial, avatar) is latently the better one."""
        days = visit_days(self.design.visits)
        some = days[np.unique(np.linspace(0, len(days) - 1, min(LATENT_VISITS, len(days))).astype(int))]
        return np.asarray(
            independent_action(np.stack([latent_curves(self.cohort, arm, some) for arm in alone]), some)
        )


def known_to(population: xr.Dataset, design: TrialDesign) -> xr.Dataset:
    """The population with the design's drugs alone. Raises InputError for drugs that it does not know."""
    drugs = [str(name) for name in population["drug"].values]
    problems: dict[str, Problem] = {}
    given = np.zeros(len(drugs), dtype=bool)
    for arm in design.measured_arms:
        try:
            given |= given_drugs(arm, drugs)
        except InputError as refused:
            problems |= {str(problem): problem for problem in refused.problems}
    if problems:
        raise InputError(problems.values())
    return population.isel(drug=np.flatnonzero(given)).load()


def at_the_mean(population: xr.Dataset) -> xr.Dataset:
    """A population of one draw: the mean of every parameter."""
    kept = population.mean("draw", keep_attrs=True).expand_dims(draw=[0]).astype(np.float64)
    kept.attrs = population.attrs
    return kept


def avatars_of_block(
    population: xr.Dataset,
    design: TrialDesign,
    tumor_type: str,
    *,
    lane: str,
    n_trials: int,
    n_avatars: int,
    seed: int,
    draws: NDArray[np.int64] | None = None,
) -> Avatars:
    """New avatars of replicate trials; the block's name `lane` and the avatar's key all of their luck.

    `draws` (trial,): which draw of the population each trial has; by default none twice while others are left.
    """
    chosen = chosen_draws(population.sizes["draw"], n_trials, seed, "sweep", lane) if draws is None else draws

    @cache
    def own(avatar: str) -> np.random.Generator:
        return stream(seed, "avatar of a sweep", avatar, lane, tumor_type)

    cohort = cohort_of_draws(
        population,
        chosen,
        lambda avatar, purpose: own(avatar),
        tumor_type=tumor_type,
        n_avatars=n_avatars,
        biomarker_share=carriers(population, design, tumor_type),
    )
    return Avatars(cohort, design, tumor_type, lane, luck(seed, "cohort of a sweep", lane), seed)


def carriers(population: xr.Dataset, design: TrialDesign, tumor_type: str) -> float | None:
    """Share of biomarker carriers among the avatars let in; None where the population knows no biomarker.

    Raises InputError for a design that asks for carriers or selects them of such a population.
    """
    screened = _screened_share(population, design, tumor_type)
    selector = design.decision.selector
    return screened if screened is None or selector is None else selector.carriers(screened)


def screened_for_one(population: xr.Dataset, design: TrialDesign, tumor_type: str) -> float:
    """Avatars screened for each that is let in."""
    screened = _screened_share(population, design, tumor_type)
    selector = design.decision.selector
    return 1.0 if screened is None or selector is None else 1.0 / selector.positive(screened)


def _screened_share(population: xr.Dataset, design: TrialDesign, tumor_type: str) -> float | None:
    asked, known = design.cohort.biomarker_share, share_of_carriers(population, tumor_type)
    if known is None and (asked is not None or design.decision.selector is not None):
        what = "the design asks for carriers of a biomarker, and the population was calibrated without one"
        fix = "Take biomarker_share and the selector out, or take another population"
        raise InputError(Problem("D96", "error", what, fix, column="cohort.biomarker_share"))
    share = known if asked is None else asked
    if share == 0.0 and design.decision.selector is not None and design.decision.selector.specificity == 1.0:
        what = "the selector lets nobody in: there are no carriers, and it is never wrong of others"
        raise InputError(
            Problem("D96", "error", what, "Raise the share of carriers", column="decision.selector")
        )
    return share


def arms_in_worlds(
    avatars: Callable[[str], Avatars], design: TrialDesign, worlds: tuple[str, ...], n_mice: int
) -> dict[tuple[str, str], dict[str, Outcomes]]:
    """(world, single agent that the combinations equal, or "") -> arm -> outcomes (trial, mouse, avatar).

    `avatars`: those of world posterior or posterior_mean.
    """
    found: dict[tuple[str, str], dict[str, Outcomes]] = {}
    compared = design.compared()
    specs = {arm.shown: arm for arm in design.arms}
    if MEAN in worlds:
        here = avatars(MEAN)
        found[MEAN, ""] = {name: here.under(spec, n_mice) for name, spec in specs.items()}
    if not {POSTERIOR, INDEPENDENT, NO_DIFFERENCE} & set(worlds):
        return found
    here = avatars(POSTERIOR)
    singles = list(dict.fromkeys(name for alone in compared.values() for name in alone))
    every = {
        name: here.under(spec, n_mice)
        for name, spec in specs.items()
        if POSTERIOR in worlds or name in singles
    }
    if POSTERIOR in worlds:
        found[POSTERIOR, ""] = every
    if not {INDEPENDENT, NO_DIFFERENCE} & set(worlds):
        return found
    pretended = {
        (combination, single): here.under(specs[single], n_mice, lane=combination)
        for combination, alone in compared.items()
        for single in alone
    }
    if INDEPENDENT in worlds:
        arms = dict(every)
        for combination, alone in compared.items():
            if len(alone) < len(drugs_of(combination)):
                continue
            better = here.better(alone)[:, None, :]
            mice = pretended[combination, alone[0]]
            for place, single in enumerate(alone[1:], start=1):
                mice = pretended[combination, single].chosen(better == place, mice)
            arms[combination] = mice
        if any(len(alone) == len(drugs_of(combination)) for combination, alone in compared.items()):
            found[INDEPENDENT, ""] = arms
    if NO_DIFFERENCE in worlds:
        for single in singles:
            others = {combination: mice for (combination, one), mice in pretended.items() if one == single}
            found[NO_DIFFERENCE, single] = {**every, **others}
    return found
