"""Light simulation-based calibration: a few truths of the shipped card drawn, read, calibrated and ranked.

Twenty fits find gross faults (a drug that feeds what it should kill, arms exchanged, zeros misread, wander left out,
each within 10 to 20 fits on record); a fault of a tenth takes hundreds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import pandas as pd

from avatar_trials.card_files import load_model
from avatar_trials.evidence.ranks import uniformity
from avatar_trials.evidence.replicates import AS_THEY_ARE, Bench, Making
from avatar_trials.evidence.sbc import DIAGNOSTICS, Calibration, Effort
from avatar_trials.verify.comparison import Comparison, Comparisons

CARD: Final = "graded_kill"
FITS: Final = 20
EFFORT: Final = Effort(chains=2, tune=300, draws=200, ranked_among=40)
DAYS: Final = (0.0, 5.0, 11.0, 18.0, 30.0)
AVATARS: Final = 4
# Chance that a sound installation fails any of the quantities.
FALSE_ALARM: Final = 0.001


def ranks(
    fits: int = FITS, making: Making = AS_THEY_ARE, say: Callable[[str], None] = lambda _: None
) -> pd.DataFrame:
    """Ranks of the truths: a row a fit, a column a quantity. The model is compiled once."""
    say("  compiling the model")
    calibration = Calibration(Bench(load_model(CARD), n_avatars=AVATARS, days=DAYS), seed=3, effort=EFFORT)
    rows = []
    for number in range(fits):
        rows.append(calibration.row(number, making))
        if (number + 1) % 5 == 0:
            say(f"  {number + 1} of {fits} fits")
    return pd.DataFrame(rows).drop(columns=list(DIAGNOSTICS)).astype(int)


def judged(table: pd.DataFrame) -> Comparisons:
    """Whether the ranks of every quantity are uniform: -log10 of p, by the simultaneous band of their ECDF."""
    limit = -math.log10(FALSE_ALARM / len(table.columns))
    for name in table:
        p = uniformity(table[name].to_numpy(), EFFORT.ranked_among).p_band
        yield Comparison(f"ranks of {name}", -math.log10(max(p, 1e-300)), limit, "-log10 p")
