"""Intake: from a spreadsheet of tumour volumes to a GrowthTable, with every problem told at once."""

from avatar_trials.intake.growth_table import GrowthTable, check_volumes, read_volumes, write_tidy
from avatar_trials.intake.panels import load_panel

__all__ = ["GrowthTable", "check_volumes", "load_panel", "read_volumes", "write_tidy"]
