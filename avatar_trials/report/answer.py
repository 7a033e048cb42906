"""The answer of a trial in two sentences: which arm did best, and how far to believe it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from avatar_trials.arms import UNTREATED
from avatar_trials.endpoints.arm_outcomes import emulated_arms
from avatar_trials.endpoints.survival import median
from avatar_trials.report.readings import COUNTED, MAIN, compare, read
from avatar_trials.report.text import listed, percent

if TYPE_CHECKING:
    from avatar_trials.report.html import ReportInputs

UNSETTLED = (
    "There is no answer: the convergence gates failed.",
    "What follows shows what the sampler left behind, for whoever mends it.",
)


def answer(inputs: ReportInputs, responses: xr.Dataset, *, failed: bool) -> tuple[str, str]:
    """Two sentences. The best arm is the treated one with the highest emulated ORR, then DCR; it is held against the
    next best by the share of replicate trials in which it does better. `responses` as of `trial_response`."""
    if failed:
        return UNSETTLED
    return _best(inputs.readout_emulated, inputs.arms, responses), _believed(inputs)


def _best(readout: pd.DataFrame, arms: Sequence[str], responses: xr.Dataset) -> str:
    emulated = {str(arm) for arm in responses["arm"].values}
    rates = {
        arm: [_estimate(readout, arm, name) for name in ("ORR", "DCR")] for arm in arms if arm in emulated
    }
    treated = [arm for arm in rates if arm != UNTREATED]
    ranked = sorted(treated, key=lambda arm: rates[arm], reverse=True) + [
        arm for arm in rates if arm == UNTREATED
    ]
    if not ranked:
        return "No arm of this design was emulated."
    first = ranked[0]
    told = f"Emulated, {first} has an ORR of {_shown(readout, first, 'ORR')}"
    doubling = f"a median time to doubling of {_shown(readout, first, 'time_to_doubling_days')}"
    if len(ranked) == 1:
        return f"{told} and {doubling}."
    second = ranked[1]
    outcomes = emulated_arms(responses.sel(arm=[first, second]))
    ours, theirs = (outcomes[arm].rate("ORR") for arm in (first, second))
    slow, fast = (median(outcomes[arm].doubling_curve()) for arm in (first, second))
    more, longer = float(np.mean(ours > theirs)), float(np.mean(slow > fast))
    return (
        f"{told} and {doubling}, against {_shown(readout, second, 'ORR')} and "
        f"{_shown(readout, second, 'time_to_doubling_days')} of {second}, the next best arm: its ORR is higher in "
        f"{_share(more)} of the emulated trials, its time to doubling longer in {_share(longer)}."
    )


def _believed(inputs: ReportInputs) -> str:
    assumed = [
        words
        for words, true in (
            ("the avatars are drawn anew from a population", inputs.trial.attrs.get("population")),
            ("a stated scenario is added to them", inputs.trial.attrs.get("scenario")),
        )
        if true
    ]
    basis = f"; {listed(assumed)}" if assumed else ""
    if inputs.readout_observed is None:
        return f"This is a prediction, without an observed mouse beside it{basis}."
    compared, outside = compare(inputs.readout_emulated, inputs.readout_observed, inputs.arms, COUNTED)
    sample = (
        "in sample, which shows that the model describes these mice and not that it foresees others"
        if inputs.calibrated_on_observed
        else "out of sample"
    )
    kind = "SYNTHETIC mice, no evidence about a drug," if inputs.synthetic else "observed mice"
    return (
        f"Of {compared} values of the {kind} {compared - len(outside)} lie inside their emulated "
        f"{percent(inputs.level)} intervals, {sample}{basis}."
    )


def _estimate(readout: pd.DataFrame, arm: str, endpoint: str) -> float:
    found = read(readout, arm, endpoint)
    return -1.0 if found is None or np.isnan(found.estimate) else found.estimate


def _share(share: float) -> str:
    """In whole percent, and neither all nor none unless it is."""
    if 0.0 < share < 0.01:
        return "less than 1 %"
    return "more than 99 %" if 0.99 < share < 1.0 else percent(round(share, 2))


def _shown(readout: pd.DataFrame, arm: str, endpoint: str) -> str:
    found = read(readout, arm, endpoint)
    return "no value" if found is None else found.show(MAIN[endpoint])
