"""The figures of a trial's report, as images; drawing libraries are loaded here, so that tables alone stay quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from avatar_trials.report.readings import MAIN
from avatar_trials.report.text import listed, percent

if TYPE_CHECKING:
    from avatar_trials.report.html import ReportInputs


def figures_of(
    inputs: ReportInputs, responses: xr.Dataset, mice: pd.DataFrame | None, last_day: float
) -> dict[str, Any]:
    """Sheets and images by name; `mice`: the observed ones, as of `response_table`."""
    from avatar_trials.report import agreement_figures, canvas, doubling, glance, spider, swimmer, waterfall
    from avatar_trials.report.sheets import sheet

    arms, level = inputs.arms, inputs.level
    colours = canvas.arm_colours(arms)
    named = listed(arms)
    beside = "" if mice is None else ", observed mice beside"
    swum = swimmer.emulated(inputs.trial) if inputs.observed is None else swimmer.observed(inputs.observed)
    which = "emulated mice of one replicate trial" if inputs.observed is None else "observed mice"
    with canvas.paper():
        figures: dict[str, Any] = {
            "overview": sheet(
                glance.overview(inputs.readout_emulated, inputs.readout_observed, arms, colours),
                lambda name: f"{MAIN[name].label} of {named}{beside}; numbers in the table.",
            ),
            "waterfall": sheet(
                waterfall.waterfall(responses, mice, arms, colours, level),
                lambda arm: f"Sorted depth of response of {arm}{beside}.",
            ),
            "spider": sheet(
                spider.spider(inputs.trial, inputs.observed, arms, colours, level),
                lambda arm: f"Volume relative to baseline over time of {arm}{beside}.",
            ),
            "swimmer": sheet(
                swimmer.swimmer(swum, arms, colours, inputs.rule, inputs.doubling),
                lambda arm: f"Days on study of each mouse of {arm}, {which}.",
            ),
            "swum": which,
            "doubling": sheet(
                doubling.doubling_curves(responses, mice, arms, colours, last_day, level),
                lambda arm: f"Kaplan-Meier curve of the time to doubling of {arm}{beside}.",
            ),
            "population": inputs.population is not None
            and sheet(
                agreement_figures.populations(inputs.population, arms, colours),
                lambda name: (
                    f"Emulated against observed arms: {name.replace('_', ' ')}; numbers in the table."
                ),
            ),
            "individual": inputs.individual is not None
            and len(inputs.individual) > 0
            and sheet(
                agreement_figures.individuals(inputs.individual, arms, colours),
                lambda name: (
                    f"Scores of single avatars by arm: {name.replace('_', ' ')}; numbers in the table."
                ),
            ),
        }
    return figures | _predictive(inputs)


def _predictive(inputs: ReportInputs) -> dict[str, Any]:
    from avatar_trials.report import canvas, predictive

    shown = None if inputs.posterior is None else predictive.predicted(inputs.posterior)
    if shown is None:
        return {"predictive": []}
    avatars = [str(avatar) for avatar in inputs.trial["avatar"].values]
    known = {avatar for avatar, _ in shown.of_curve}
    own = [avatar for avatar in avatars if avatar in known] or sorted(known)
    with canvas.paper():
        pages = [
            canvas.png(page, f"Observed volumes and predictive bands: {what}.")
            for page, what in predictive.predictive_pages(
                shown, own, inputs.arms, canvas.arm_colours(inputs.arms)
            )
        ]
    inside = [
        f"{percent(round(shown.coverage(i), 3))} lie inside the {percent(band)} band"
        for i, band in enumerate(predictive.BANDS)
    ]
    return {
        "predictive": pages,
        "coverage": listed(inside),
        "volumes": f"{len(shown.volume_mm3):,}",
        "limit": f"{shown.limit_name}, {shown.limit_mm3:g} mm³",
    }
