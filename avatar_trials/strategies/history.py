"""What a strategy is, and all it may know of a mouse: what was observed and given so far. The true tumour is not in
it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]
Found = NDArray[np.int8]

NOT_LOOKED, NOT_FOUND, FOUND = -1, 0, 1


@dataclass(frozen=True)
class History:
    """Observations of mice up to and including the present visit; arrays are read-only, mice on the last axis.

    days (visit,), the last one now. volume_mm3 (visit, mouse): caliper, 0 below `detection_limit_mm3`.
    body_weight_pct (visit, mouse): change from the baseline in %. molecules (visit, mouse): tumour molecules counted in
    a plasma sample, NaN without one. plasma, biopsy (visit, clone, mouse): a clone's mutation FOUND, NOT_FOUND or
    NOT_LOOKED for. census (visit, clone, mouse): cells of each clone, only where a design assumes a perfect assay, else
    NaN. prescribed, given (visit - 1, drug, mouse): dose fractions asked for, and those that toxicity let through.
    line (mouse,): present line of treatment, from 1, one more after each observed progression; line_day: since when.
    failed (mouse,): progressed on the last planned line. mouse (mouse,): place of each mouse in its panel, for a rule
    that was told something of each.
    """

    days: Floats
    volume_mm3: Floats
    body_weight_pct: Floats
    molecules: Floats
    plasma: Found
    biopsy: Found
    census: Floats
    prescribed: Floats
    given: Floats
    line: Counts
    line_day: Floats
    failed: Flags
    mouse: Counts
    drugs: tuple[str, ...]
    clones: tuple[str, ...]
    detection_limit_mm3: float

    @property
    def now(self) -> float:
        """Day of the present visit."""
        return float(self.days[-1])

    @property
    def n_mice(self) -> int:
        """Number of mice."""
        return self.volume_mm3.shape[-1]

    @property
    def relative_volume(self) -> Floats:
        """Present volume over the baseline's (mouse,); infinite where the baseline read 0."""
        present, baseline = self.volume_mm3[-1], self.volume_mm3[0]
        return np.divide(present, baseline, out=np.full(self.n_mice, np.inf), where=baseline > 0)

    def was_given(self, drug: str) -> Flags:
        """Whether a drug was ever prescribed (mouse,)."""
        ever: Flags = (self.prescribed[:, self.drugs.index(drug)] > 0).any(axis=0)
        return ever


Decide = Callable[[History], Floats]
"""The contract: history in, dose fractions (drug, mouse) in 0 .. 1 until the next visit out."""


@dataclass(frozen=True)
class Strategy:
    """A strategy by name: how it decides, and how many lines of treatment it has before it has failed."""

    name: str
    decide: Decide
    lines: int = 1


def doses_of(given: Mapping[str, float], drugs: Sequence[str]) -> Floats:
    """Dose fractions (drug,) of drugs by name, 0 for those not named. ValueError for a name that is no drug."""
    unknown = [name for name in given if name not in drugs]
    if unknown:
        raise ValueError(f"no such drug: {', '.join(unknown)}; there are {', '.join(drugs)}")
    return np.array([float(given.get(name, 0.0)) for name in drugs])


def checked_doses(doses: Floats, history: History, name: str) -> Floats:
    """Doses (drug, mouse) as a strategy gave them. ValueError, naming the strategy, where they break the contract."""
    shape = (len(history.drugs), history.n_mice)
    try:
        values = np.array(np.broadcast_to(np.asarray(doses, dtype=float), shape))
    except (ValueError, TypeError):
        raise ValueError(
            f"strategy {name!r} must return dose fractions (drug, mouse) of shape {shape}, got {np.shape(doses)}"
        ) from None
    if not (np.isfinite(values).all() and (values >= 0.0).all() and (values <= 1.0).all()):
        raise ValueError(f"strategy {name!r} must return dose fractions between 0 and 1")
    return values
