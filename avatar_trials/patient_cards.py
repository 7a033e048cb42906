"""What a design may assume of the patients behind its avatars: parameters, rules and assessments, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from avatar_trials.card_parts import Assumed, Card, Number, Positive, Whole, unfit
from avatar_trials.kinetics.families import SIMULATION, Family, Parameter

EXCLUDED = (
    "Immune effects are left out: the hosts of xenografts lack adaptive immunity, and no avatar tells of them"
)
PATIENTS = Family(
    "patients",
    "From avatar to patient",
    ("lesion",),
    (
        Parameter(
            "latent_correlation", "", "of the levels of an avatar and of its patient", "share", None
        ),
        Parameter("days_per_mouse_day", "", "time scale of the patient", "positive", None),
        Parameter("lesion_correlation", "", "of the levels of two lesions of a patient", "share", 1.0),
        Parameter("lesion_diameter_mm", "mm", "of a target lesion at baseline", "positive", 30.0),
        Parameter("residual_logit", "logit", "share of a lesion's volume that is stroma and stays", "real", -30.0),
        Parameter("lost_clone_share", "share", "resistant cells of the patient that may be lost", "share", 0.0),
        Parameter("founder_cells", "cells", "that an avatar was grown from", "positive", 1e12),
        Parameter("take_rate", "share", "tumours that engraft at all", "share", 1.0),
        Parameter("take_slope", "logit/SD", "of engraftment on log growth of the tumour", "real", 0.0),
        Parameter("sld_error", "log SD", "of a sum of diameters", "not negative", 0.04),
        Parameter("other_progression_per_month", "1/month", "new lesion or death", "not negative", 0.0),
        Parameter("dropout_per_month", "1/month", "follow-up that ends without progression", "not negative", 0.0),
    ),
    SIMULATION,
    "patients",
    note="a scenario: no volume of a mouse tells of it without paired patients",
)  # fmt: skip
DAYS_PER_MONTH = 365.25 / 12
LEAST_TAKE_RATE = 0.1


class Patients(Card):
    """Scenario: the patients behind the avatars. `assumed`: parameters of PATIENTS, each a number or a law.

    `lesions` target lesions each; assessed every `assessment_days` of a patient to `horizon_days`. `response`:
    RECIST 1.1 with or without a confirmation of CR and PR at least 28 days later.
    """

    source: str
    """where the numbers are from, or: assumed"""
    lesions: Annotated[Whole, Field(ge=1, le=10)] = 1
    """target lesions of a patient"""
    assessment_days: Positive = 42.0
    """days between assessments of a patient"""
    horizon_days: Positive = 1095.0
    """last day of a patient's follow-up"""
    response: Literal["recist11_confirmed", "recist11_unconfirmed"] = "recist11_confirmed"
    """recist11_confirmed (CR and PR seen again at least 28 days later) or recist11_unconfirmed"""
    assumed: Mapping[str, Number | Assumed]
    """from avatar to patient: each parameter a number, or a law to draw it from"""

    @pydantic.field_validator("assumed")
    @classmethod
    def _fit(cls, assumed: Mapping[str, float | Assumed]) -> Mapping[str, float | Assumed]:
        problems = unfit(PATIENTS, assumed)
        take = assumed.get("take_rate", 1.0)
        if isinstance(take, Assumed):
            problems.append("patients take_rate is a number: it sets how many patients have no avatar")
        elif take < LEAST_TAKE_RATE:
            problems.append(f"patients take_rate is at least {LEAST_TAKE_RATE:g}")
        if problems:
            raise ValueError("; ".join(problems))
        return assumed

    @pydantic.model_validator(mode="after")
    def _assessed(self) -> Patients:
        if self.horizon_days < self.assessment_days:
            raise ValueError("the first assessment would be after the horizon")
        return self

    @property
    def parameters(self) -> dict[str, float | Assumed]:
        """Every parameter, those not given at their defaults."""
        given = self.assumed
        return {p.name: given.get(p.name, p.default or 0.0) for p in PATIENTS.parameters}

    @property
    def words(self) -> str:
        """What is assumed, in words, for everything that is read off it."""
        told = ", ".join(f"{name} {_short(value)}" for name, value in self.parameters.items())
        return (
            f"{self.lesions} target lesions, assessed every {self.assessment_days:g} days to day "
            f"{self.horizon_days:g}, {self.response}; {told}. Source: {self.source}. Assumed, not calibrated on any "
            f"patient. {EXCLUDED}"
        )

    def at(self, **changes: Any) -> Patients:
        """The same scenario with other parameters."""
        return Patients(**{**self.model_dump(), "assumed": {**self.assumed, **changes}})


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | int) else str(value)
