"""Figure of a sweep: chance to go forward against what was varied, endpoint by endpoint."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.lines import Line2D

from avatar_trials.report import panels
from avatar_trials.report.canvas import FAINT, INK, label
from avatar_trials.report.panels import Drawn

COLOURS = {"ORR": "#117733", "depth": "#332288", "doubling": "#aa4499"}
STYLES = {
    ("posterior", "assurance"): ("-", "assurance, averaged over the posterior"),
    ("posterior_mean", "power"): ((0, (4, 2)), "power, at the posterior mean"),
    ("independent_action", "type_I_error"): ((0, (1, 2)), "under independent action"),
}
MOST_PANELS = 12
FACETS = ("basket", "arm")


def along(table: pd.DataFrame, varied: Sequence[str]) -> str:
    """The varied key with most numbers, that the figure goes along; numbers of avatars without one."""
    numeric = [name for name in varied if pd.api.types.is_numeric_dtype(table[name])]
    return max(numeric, key=lambda name: table[name].nunique(), default="n_avatars")


def sweep_figure(table: pd.DataFrame, varied: Sequence[str]) -> Drawn:
    """Chance that a combination beats all its single agents, two standard errors about it; a panel for every
    combination, basket and other varied values, the first MOST_PANELS of them."""
    axis = along(table, varied)
    facets = [name for name in (*varied, *FACETS) if name != axis]
    rows = table[
        (table["against"] == "all single agents") & table["quantity"].isin([name for _, name in STYLES])
    ]
    groups = list(rows.groupby(facets, sort=False, dropna=False))[:MOST_PANELS]
    told = [
        ", ".join(_told(name, value) for name, value in zip(facets, key, strict=True)) for key, _ in groups
    ]
    drawn = panels.cells(told, 2.1, left=0.7)
    for (title, axes), (_, group) in zip(drawn.axes.items(), groups, strict=True):
        for (world, quantity), (style, _) in STYLES.items():
            for endpoint, colour in COLOURS.items():
                line = group[
                    (group["world"] == world)
                    & (group["quantity"] == quantity)
                    & (group["endpoint"] == endpoint)
                ].sort_values(axis)
                x, y, error = (line[name].to_numpy(dtype=float) for name in (axis, "estimate", "se"))
                axes.plot(x, y, color=colour, ls=style, lw=1.5, marker="o", ms=2.5)
                axes.vlines(x, y - 2 * error, y + 2 * error, color=colour, lw=0.8)
        axes.axhline(0.8, color=FAINT, lw=0.6, ls=(0, (2, 3)), zorder=0)
        axes.set(ylim=(-0.02, 1.02), ylabel="share of trials that go forward", xlabel=label(axis))
        axes.set_title(label(title, 62))
    drawn.handles.extend(Line2D([], [], color=colour, lw=2, label=name) for name, colour in COLOURS.items())
    drawn.handles.extend(
        Line2D([], [], color=INK, lw=1.5, ls=style, label=words) for style, words in STYLES.values()
    )
    return drawn


def panels_left_out(table: pd.DataFrame, varied: Sequence[str]) -> int:
    """How many panels `sweep_figure` does not draw."""
    axis = along(table, varied)
    facets = [name for name in (*varied, *FACETS) if name != axis]
    rows = table[table["against"] == "all single agents"]
    return max(0, rows.groupby(facets, dropna=False).ngroups - MOST_PANELS)


def _told(name: str, value: object) -> str:
    return str(value) if name in FACETS else f"{name.rpartition('.')[2]} {value}"
