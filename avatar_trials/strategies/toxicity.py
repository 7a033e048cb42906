"""Body weight under treatment: what a mouse loses anyway or what its drugs take, whichever is more.

Each part tends to a frailty of the mouse's own, log-normal, times a median; the drugs' median depends on the sum of
dose fractions. The medians and the one spread were solved from the shares of PDX Encyclopedia mice that ever lost 15 %
and 20 %: 3.9 and 1.3 % untreated, 15.0 and 6.1 % under one drug, 25.8 and 12.8 % under two. Medians of 4.94 % without
drug, 7.05 % by one, 9.38 % by two and a log spread of 0.63 give 3.9, 1.3; 15.0, 6.2; 25.8, 12.6 %. Assumed: the two
frailties are independent, the drugs' median is linear in dose between whole doses and goes on as steeply beyond the
last, and one time constant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avatar_trials.strategy_designs import ToxicitySpec

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def median_loss(dose: ArrayLike, by_drugs: tuple[float, ...]) -> Floats:
    """Median loss of body weight (%) that drugs tend to at a sum of dose fractions (...); `by_drugs`: at one, two, …"""
    medians = (0.0, *by_drugs)
    given, at = np.asarray(dose, dtype=float), np.arange(len(medians), dtype=float)
    beyond = np.maximum(given - at[-1], 0.0) * (medians[-1] - medians[-2])
    return np.interp(given, at, medians) + beyond


@dataclass(frozen=True)
class Tolerance:
    """Where mice stand, arrays (mouse,): losses (%) without drug and by drugs now, frailties (2, mouse) of the two,
    doses
    held at present, ever held, days on hold."""

    without_drug: Floats
    by_drugs: Floats
    frailty: Floats
    held: Flags
    ever_held: Flags
    days_held: Floats

    @classmethod
    def at_start(cls, deviates: Floats, spec: ToxicitySpec) -> Tolerance:
        """Mice before treatment, from standard normal deviates (2, mouse) of their frailties."""
        none = np.zeros(deviates.shape[1:])
        no = np.zeros(deviates.shape[1:], dtype=bool)
        return cls(none, none, np.exp(spec.log_sd * deviates), no, no, none)

    @property
    def loss_pct(self) -> Floats:
        """Loss of body weight (mouse,) in % of the baseline."""
        return np.maximum(self.without_drug, self.by_drugs)

    def weighed(self, spec: ToxicitySpec) -> Tolerance:
        """After weighing: doses are held from `hold_at_loss_pct` on, and until `resume_at_loss_pct` is regained."""
        loss = self.loss_pct
        held = np.where(self.held, loss > spec.resume_at_loss_pct, loss >= spec.hold_at_loss_pct)
        return replace(self, held=held, ever_held=self.ever_held | held)

    def let_through(self, doses: Floats, spec: ToxicitySpec) -> Floats:
        """Doses (drug, mouse) that are given of those asked for: none on hold, `resume_dose` of them after one."""
        return doses * np.where(self.held, 0.0, np.where(self.ever_held, spec.resume_dose, 1.0))

    def after(self, given: Floats, days: float, spec: ToxicitySpec, still_in: Flags) -> Tolerance:
        """Mice after `days` of doses (drug, mouse); those that have left are held for no more days."""
        left = np.exp(-days / spec.days_to_plateau)
        own, drugs = self.frailty
        resting = own * spec.median_loss_pct
        taken = drugs * median_loss(given.sum(axis=0), spec.median_loss_by_drugs_pct)
        return replace(
            self,
            without_drug=np.minimum(resting + (self.without_drug - resting) * left, 100.0),
            by_drugs=np.minimum(taken + (self.by_drugs - taken) * left, 100.0),
            days_held=self.days_held + days * (self.held & still_in),
        )
