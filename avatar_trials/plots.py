"""Figures of trials, posteriors, strategies and sweeps as functions of what the other verbs return and files hold.

Each returns matplotlib axes by name in one look, without pyplot: `plots.waterfall(trial, table)["arm A"].figure` is the
whole figure, to be shown by a notebook or saved by `savefig`. Dark ink is what was observed, colour what was emulated.
For parameters (trace, rank, forest, pair) ArviZ opens a posterior as it is: `arviz.plot_rank_dist(posterior)`.
Arms, strategies and avatars are drawn in their own order unless named. ValueError for a name that is not there.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from avatar_trials.report.canvas import arm_colours, paper

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from matplotlib.axes import Axes

    from avatar_trials.intake import GrowthTable
    from avatar_trials.report.panels import Drawn

__all__ = [
    "agreement_of_individuals",
    "agreement_of_populations",
    "clones",
    "forest",
    "kaplan_meier",
    "posterior_predictive",
    "power",
    "spider",
    "strategy_comparison",
    "strategy_curves",
    "strategy_differences",
    "swimmer",
    "waterfall",
]


def waterfall(
    trial: xr.Dataset, table: GrowthTable | None = None, *, arms: Sequence[str] | None = None, **rules: Any
) -> dict[str, Axes]:
    """Depth of response (% of baseline volume) of the mice, sorted, by arm: observed as bars coloured by mRECIST
    category, each emulated rank as median and interval over the replicate trials.

    `trial` as in trial.nc, `table` its observed mice. `rules` replace the design's: rule, doubling, level.
    """
    from avatar_trials.endpoints import response_table, trial_response
    from avatar_trials.report.waterfall import waterfall as drawn

    chosen, read, level = _asked(trial, arms, rules)
    mice = None if table is None else response_table(table, **read)
    return _shown(lambda: drawn(trial_response(trial, **read), mice, chosen, _colours(trial), level))


def spider(
    trial: xr.Dataset, table: GrowthTable | None = None, *, arms: Sequence[str] | None = None, **rules: Any
) -> dict[str, Axes]:
    """Change of volume (%) over days, by arm, equal steps being doublings: observed mice as lines, emulated mice
    still on study as ribbons of the middle half and of the design's level. Arguments as of `waterfall`."""
    from avatar_trials.report.spider import spider as drawn

    chosen, _, level = _asked(trial, arms, rules)
    return _shown(lambda: drawn(trial, table, chosen, _colours(trial), level))


def swimmer(
    trial: xr.Dataset,
    table: GrowthTable | None = None,
    *,
    replicate: int = 0,
    arms: Sequence[str] | None = None,
    **rules: Any,
) -> dict[str, Axes]:
    """Each mouse as a bar from day 0 to its last visit, by arm, with its category, the days at half its baseline volume
    or less, its doubling, and whether it was on study to the end.

    The mice of `table` where it is given, else those of one replicate trial, by its place. Arguments as of `waterfall`.
    """
    from avatar_trials.report import swimmer as swimmers

    chosen, read, _ = _asked(trial, arms, rules)
    mice = swimmers.emulated(trial, replicate) if table is None else swimmers.observed(table)
    return _shown(lambda: swimmers.swimmer(mice, chosen, _colours(trial), read["rule"], read["doubling"]))


def kaplan_meier(
    trial: xr.Dataset, table: GrowthTable | None = None, *, arms: Sequence[str] | None = None, **rules: Any
) -> dict[str, Axes]:
    """Share of mice not yet doubled over days, by arm, with numbers at risk: observed as steps, emulated as median and
    pointwise interval over the replicate trials. Arguments as of `waterfall`."""
    from avatar_trials.endpoints import response_table, trial_response
    from avatar_trials.report.doubling import doubling_curves as drawn

    chosen, read, level = _asked(trial, arms, rules)
    mice = None if table is None else response_table(table, **read)
    last = float(trial["day"].max())
    return _shown(lambda: drawn(trial_response(trial, **read), mice, chosen, _colours(trial), last, level))


def posterior_predictive(
    posterior: xr.DataTree, *, avatars: Sequence[str] | None = None, arms: Sequence[str] | None = None
) -> dict[tuple[str, str], Axes]:
    """Observed volumes (mm3, logarithmic) on the bands that the model expects of those very mice, by avatar and arm.

    `posterior` as in posterior.nc. Unless named, the first eleven avatars and five arms. ValueError for a posterior
    without predictive volumes.
    """
    from avatar_trials.report import predictive

    shown = predictive.predicted(posterior)
    if shown is None:
        raise ValueError("this posterior has no predictive volumes: calibrate_avatars makes them")
    found = [list(dict.fromkeys(key[place] for key in shown.of_curve)) for place in (0, 1)]
    rows = _named(avatars, found[0][: predictive.AVATARS_A_PAGE], found[0], "avatar")
    columns = _named(arms, found[1][: predictive.ARMS_A_PAGE], found[1], "arm")
    with paper():
        figure = predictive.page(shown, rows, columns, arm_colours(found[1]))
    return dict(zip(itertools.product(rows, columns), figure.axes, strict=True))


def forest(
    readout: pd.DataFrame, observed: pd.DataFrame | None = None, *, arms: Sequence[str] | None = None
) -> dict[str, Axes]:
    """Arms on one line each: ORR (%), DCR (%), median depth (% volume) and median time to doubling (days), by endpoint.

    `readout` as of `readout_trial`, `observed` as of `readout_observed`, both with their intervals.
    """
    from avatar_trials.report.glance import overview as drawn

    there = [str(arm) for arm in dict.fromkeys(readout["arm"])]
    chosen = _named(arms, there, there, "arm")
    return _shown(lambda: drawn(readout, observed, chosen, arm_colours(there)))


def agreement_of_populations(
    population: pd.DataFrame, *, arms: Sequence[str] | None = None
) -> dict[str, Axes]:
    """Emulated against observed arms on the line of identity, by measure; the first table of `agree`."""
    from avatar_trials.report.agreement_figures import populations as drawn

    chosen, colours = _of_frame(population, arms)
    return _shown(lambda: drawn(population, chosen, colours))


def agreement_of_individuals(
    individual: pd.DataFrame, *, arms: Sequence[str] | None = None
) -> dict[str, Axes]:
    """Scores of single avatars between a guess that knows the arm alone and a second mouse of the same avatar, by
    score; the second table of `agree`."""
    from avatar_trials.report.agreement_figures import individuals as drawn

    chosen, colours = _of_frame(individual, arms)
    return _shown(lambda: drawn(individual, chosen, colours))


def strategy_comparison(scores: pd.DataFrame, *, strategies: Sequence[str] | None = None) -> dict[str, Axes]:
    """PFS beside failure of the whole strategy (days), shares (%) and drug-days, by quantity; first table of
    `score_strategies`."""
    from avatar_trials.report.strategy_figures import comparison as drawn

    chosen = _strategies(scores["strategy"], strategies)
    return _shown(lambda: drawn(scores, chosen))


def strategy_differences(
    differences: pd.DataFrame, *, strategies: Sequence[str] | None = None
) -> dict[str, Axes]:
    """Paired differences from the reference strategy, by endpoint; second table of `score_strategies`."""
    from avatar_trials.report.strategy_figures import differences as drawn

    chosen = _strategies(differences["strategy"], strategies)
    return _shown(lambda: drawn(differences, chosen))


def strategy_curves(followed: xr.Dataset, *, strategies: Sequence[str] | None = None) -> dict[str, Axes]:
    """Kaplan-Meier curves over days with numbers at risk, by endpoint: PFS, strategy_failure. `followed` as in
    strategies.nc."""
    from avatar_trials.report.strategy_figures import curves as drawn

    chosen = _strategies(followed["strategy"].values, strategies)
    return _shown(lambda: drawn(followed, chosen))


def clones(followed: xr.Dataset, *, strategies: Sequence[str] | None = None) -> dict[str, Axes]:
    """Mean share of cells (%) of each clone over days in the tumours still followed, by strategy; `followed` as in
    strategies.nc."""
    from avatar_trials.report.strategy_figures import clones as drawn

    chosen = _strategies(followed["strategy"].values, strategies)
    return _shown(lambda: drawn(followed, chosen))


def power(sweep: pd.DataFrame, varied: Sequence[str]) -> dict[str, Axes]:
    """Share of trials that go forward along the varied key with most values, by the values of the others; `sweep` as in
    sweep.csv."""
    from avatar_trials.report.sweep_figure import sweep_figure as drawn

    _named(varied, [], [str(name) for name in sweep.columns], "varied key")
    return _shown(lambda: drawn(sweep, varied))


def _shown(draw: Callable[[], Drawn]) -> dict[str, Axes]:
    with paper():
        return draw().with_legend()


def _asked(
    trial: xr.Dataset, arms: Sequence[str] | None, rules: Mapping[str, Any]
) -> tuple[list[str], dict[str, str], float]:
    """Arms, rule and doubling, level: as asked for, else those of the trial."""
    unknown = sorted(set(rules) - {"rule", "doubling", "level"})
    if unknown:
        raise TypeError(f"rules are rule, doubling and level: received {', '.join(unknown)}")
    own = json.loads(trial.attrs.get("endpoints", "{}"))
    stated = {"rule": own.get("mrecist_rule"), "doubling": own.get("doubling"), "level": own.get("level")}
    used = {name: rules.get(name, stated[name]) for name in stated}
    missing = [name for name, value in used.items() if value is None]
    if missing:
        raise ValueError(f"this trial does not say its {', '.join(missing)}: name them")
    there = [str(arm) for arm in trial["arm"].values]
    return (
        _named(arms, there, there, "arm"),
        {name: used[name] for name in ("rule", "doubling")},
        used["level"],
    )


def _colours(trial: xr.Dataset) -> dict[str, str]:
    return arm_colours([str(arm) for arm in trial["arm"].values])


def _of_frame(frame: pd.DataFrame, arms: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    from avatar_trials.report.agreement import OVER_ARMS

    there = [arm for arm in dict.fromkeys(str(arm) for arm in frame["arm"]) if arm not in OVER_ARMS]
    return _named(arms, there, there, "arm"), arm_colours(there)


def _strategies(there: Any, asked: Sequence[str] | None) -> list[str]:
    names = list(dict.fromkeys(str(name) for name in there))
    return _named(asked, names, names, "strategy")


def _named(asked: Sequence[str] | None, default: list[str], there: list[str], what: str) -> list[str]:
    if asked is None:
        return default
    unknown = [str(name) for name in asked if name not in there]
    if unknown:
        raise ValueError(f"no {what} {', '.join(unknown)}: there are {', '.join(there)}")
    return list(asked)
