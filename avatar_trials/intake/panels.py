"""Embedded panels, by name."""

from __future__ import annotations

from dataclasses import replace

from avatar_trials.intake.growth_table import GrowthTable, read_volumes
from avatar_trials.library import find_card


def load_panel(name: str) -> GrowthTable:
    """An embedded panel, told by its name: where the program is installed is nobody's business in a file.

    InputError, with the names that there are, for another.
    """
    table = read_volumes(find_card("panels", name, confined=True))
    source = f"{name}.csv"
    notices = tuple(replace(notice, file=source) for notice in table.notices)
    return replace(table, source=source, notices=notices)
