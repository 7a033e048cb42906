"""One arm of a trial, emulated again and again for the same avatars with the same luck: interactions tried on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.arms import canonical_arm, drugs_of
from avatar_trials.designs import ArmSpec, TrialDesign
from avatar_trials.emulate.cohort import Cohort
from avatar_trials.emulate.mice import Chance, Luck, chance, luck
from avatar_trials.emulate.trial import follow, measured_volumes, new_mice_under, visit_days
from avatar_trials.kinetics import clones, combination
from avatar_trials.kinetics.kill_laws import KILL_LAWS

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NewMice:
    """A new mouse of every avatar and draw of a cohort: its luck, and the design whose visits and rules it lives by.

    Arms and interactions tried on the same NewMice share all luck (common random numbers), and that of `emulate_trials`
    at the same seed. Mechanisms and courses of the design are left aside: treatment is constant, as in measured arms.
    """

    cohort: Cohort
    design: TrialDesign
    seed: int
    days: Floats
    deviates: Chance
    fates: Luck

    def volumes(
        self,
        arm: str,
        *,
        eta: ArrayLike | None = None,
        overlap: ArrayLike | None = None,
        hindrance: ArrayLike = 0.0,
    ) -> Floats:
        """Caliper volumes (T, avatar, visit) in mm3 under an arm, NaN after the mouse left; as `interacting` if told.

        InputError for a drug that the avatars do not know.
        """
        cohort = self.cohort if eta is None else interacting(self.cohort, arm, eta, overlap, hindrance)
        mice = new_mice_under(cohort, arm, self.deviates, luck(self.seed, "cohort"))
        spec = ArmSpec(name=arm)
        seen = measured_volumes(cohort, mice, self.deviates, self.days, arm=spec, fates=self.fates)
        stay, _, _ = follow(seen, self.days, self.deviates.removal, self.design.stopping, cohort.tumor_types)
        return np.where(stay, seen, np.nan)

    def volumes_under_better_drug(self, arm: str) -> Floats:
        """Volumes (T, avatar, visit) of the mice under that one of an arm's drugs which is better for their avatar.

        Better by the avatar's own latent curves on the design's visits (`kinetics.combination.independent_action`), in
        each draw: no reading and no mouse's luck has a say, so that none is picked for its luck.
        """
        drugs = drugs_of(arm)
        better = combination.independent_action(
            np.stack([latent_curves(self.cohort, drug, self.days) for drug in drugs]), self.days
        )
        each = [self.volumes(drug) for drug in drugs]
        return np.select([(better == place)[..., None] for place in range(len(drugs))], each)


def new_mice(cohort: Cohort, design: TrialDesign, *, seed: int) -> NewMice:
    """A new mouse of every avatar and draw, on the design's visits."""
    days, fates = visit_days(design.visits), luck(seed, "mouse")
    return NewMice(
        cohort, design, seed, days, chance(cohort.avatars, cohort.n_trials, len(days), fates), fates
    )


def interacting(
    cohort: Cohort,
    arm: str,
    eta: ArrayLike,
    overlap: ArrayLike | None = None,
    hindrance: ArrayLike = 0.0,
) -> Cohort:
    """The cohort with the log exponent `eta`, one or (T,), of a combination, whatever it had.

    `overlap`: the share of the weaker drugs' slowing that adds to the strongest's, where told. `hindrance`, log units:
    each drug's kill and slowing are e^-hindrance of what they are alone.
    """

    def each(value: ArrayLike) -> Floats:
        return np.broadcast_to(np.asarray(value, dtype=float), (cohort.n_trials,)).copy()

    def by_trial(value: Floats, like: Floats) -> Floats:
        return value.reshape(-1, *[1] * (like.ndim - 1))

    less = each(hindrance)
    told = {} if overlap is None else {"slowing_overlap": each(overlap)}
    weaker = replace(
        cohort,
        population=cohort.population | told,
        log_kill=cohort.log_kill - by_trial(less, cohort.log_kill),
        slowing=cohort.slowing * by_trial(np.exp(-less), cohort.slowing),
    )
    if cohort.kinetics in KILL_LAWS:
        return replace(weaker, combinations=(canonical_arm(arm),), eta_combination=each(eta)[:, None])
    return replace(weaker, population=weaker.population | {"eta": each(eta)})


def latent_curves(cohort: Cohort, arm: str, days: Floats) -> Floats:
    """log(V/V0) (T, avatar, visit) of the avatars themselves under an arm: no mouse's luck, no wander, no caliper."""
    still = np.zeros((cohort.n_trials, len(cohort.avatars)))
    readings = np.zeros((*still.shape, len(days)))
    typical = Chance(still, still, still, still, readings, readings)
    mice = new_mice_under(cohort, arm, typical, luck(0, "cohort"))
    deceleration = cohort.decelerations.reshape(-1)
    grown = [
        clones.size_from_growth(one, deceleration, law=cohort.deceleration_law)
        for one in mice.log_growth(days, slice(None))
    ]
    return np.stack(grown, axis=-1).reshape(readings.shape)
