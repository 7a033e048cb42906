"""What is observed of mice visit by visit, kept as it comes; a history is a view of the visits so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avatar_trials.strategies.history import NOT_LOOKED, Counts, Floats, Found, History
from avatar_trials.strategies.progression_watch import Watch

_NONE = np.nan


@dataclass
class Records:
    """Arrays as in `History`, of all visits (visit, ..., mouse); what is not there yet is NaN or NOT_LOOKED."""

    days: Floats
    drugs: tuple[str, ...]
    clones: tuple[str, ...]
    detection_limit_mm3: float
    mouse: Counts
    volume: Floats
    weight: Floats
    molecules: Floats
    plasma: Found
    biopsy: Found
    census: Floats
    prescribed: Floats
    given: Floats

    @classmethod
    def empty(
        cls,
        days: Floats,
        drugs: tuple[str, ...],
        clones: tuple[str, ...],
        mouse: Counts,
        *,
        detection_limit_mm3: float,
        census: bool,
    ) -> Records:
        """Nothing seen of mice (mouse,) yet."""
        v, n = len(days), len(mouse)
        looked = np.full((v, len(clones), n), NOT_LOOKED, dtype=np.int8)
        # Without the assay one NaN stands for them all.
        shape = (v, len(clones), n)
        counted = np.full(shape, _NONE) if census else np.broadcast_to(np.asarray(_NONE), shape)
        dosed = (max(v - 1, 0), len(drugs), n)
        return cls(
            *(days, drugs, clones, detection_limit_mm3, mouse),
            *(np.full((v, n), _NONE), np.full((v, n), _NONE), np.full((v, n), _NONE)),
            *(looked, looked.copy(), counted),
            *(np.zeros(dosed), np.zeros(dosed)),
        )

    def history(self, visit: int, watch: Watch) -> History:
        """What is known at a visit. Its arrays cannot be written to."""

        past = visit + 1
        return History(
            days=_unwritable(self.days[:past]),
            volume_mm3=_unwritable(self.volume[:past]),
            body_weight_pct=_unwritable(self.weight[:past]),
            molecules=_unwritable(self.molecules[:past]),
            plasma=_unwritable(self.plasma[:past]),
            biopsy=_unwritable(self.biopsy[:past]),
            census=_unwritable(self.census[:past]),
            prescribed=_unwritable(self.prescribed[:visit]),
            given=_unwritable(self.given[:visit]),
            line=_unwritable(watch.line.copy()),
            line_day=_unwritable(watch.line_day.copy()),
            failed=_unwritable(watch.failed.copy()),
            mouse=_unwritable(self.mouse.copy()),
            drugs=self.drugs,
            clones=self.clones,
            detection_limit_mm3=self.detection_limit_mm3,
        )


def _unwritable[Kept: NDArray[Any]](values: Kept) -> Kept:
    """A view that cannot be written to."""
    seen = values.view()
    seen.flags.writeable = False
    return seen
