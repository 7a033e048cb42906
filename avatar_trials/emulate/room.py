"""When a design's mice are seen, and whether its trials of mice and patients fit into memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from avatar_trials.designs import TrialDesign, Visits
from avatar_trials.memory import require_memory

Floats = NDArray[np.float64]

# A reading and its twin's are 16 bytes, and once more when the trial is read back from its file (measured: 2.1 in all).
BYTES_OF_A_READING = 2.2 * 16
BYTES_OF_A_MOUSE = 9
# A patient's sum of diameters, of one arm's lesions at a time, the readings' errors, and copies (measured: 57).
BYTES_OF_AN_ASSESSMENT = 60
# An avatar's own levels: growth and a few more, and kill, slowing and spread (or resistance) by drug.
LEVELS_OF_AN_AVATAR, LEVELS_BY_DRUG = 4, 3


def visit_days(visits: Visits) -> Floats:
    """Days (visit,) of a design's visits: day 0, then its gaps in turn up to the horizon."""
    n = int(visits.horizon_days / min(visits.gaps_days)) + 2
    gaps = np.resize(np.asarray(visits.gaps_days), n)
    days = np.concatenate([[0.0], np.cumsum(gaps)])
    return days[days <= visits.horizon_days + 1e-9]


def trial_bytes(n_trials: int, n_avatars: int, n_arms: int, n_visits: int, n_drugs: int) -> float:
    """About how many bytes of memory the emulation of so many replicate trials takes."""
    mice = float(n_trials) * n_avatars * n_arms
    levels = float(n_trials) * n_avatars * (LEVELS_OF_AN_AVATAR + LEVELS_BY_DRUG * n_drugs)
    return mice * (n_visits * BYTES_OF_A_READING + BYTES_OF_A_MOUSE) + 8 * levels


def require_room(design: TrialDesign, n_avatars: int, n_drugs: int, *, n_trials: int | None = None) -> None:
    """Raise ResourceError where memory does not hold a design's trials of so many avatars and known drugs."""
    trials = design.replicates if n_trials is None else n_trials
    visits, arms = len(visit_days(design.visits)), len(design.arms)
    require_memory(
        trial_bytes(trials, n_avatars, arms, visits, n_drugs),
        f"{trials:,} trials x {n_avatars:,} avatars x {arms} arms x {visits:,} visits",
        "Write fewer replicates, or fewer n_avatars or visits, in the design",
        of=(trials, "trials"),
    )


def require_room_for_patients(n_trials: int, n_patients: int, n_arms: int, n_assessments: int) -> None:
    """Raise ResourceError where memory does not hold so many patients, each seen in every arm."""
    require_memory(
        float(n_trials) * n_patients * n_arms * n_assessments * BYTES_OF_AN_ASSESSMENT,
        f"{n_trials:,} trials x {n_patients:,} patients x {n_arms} arms x {n_assessments:,} assessments",
        "Write fewer replicates, patients (n_avatars) or assessments in the design",
        of=(n_trials, "trials"),
    )
