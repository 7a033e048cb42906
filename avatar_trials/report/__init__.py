"""Report: one HTML page of a trial, its figures, and its tables, also as text for the terminal."""

from avatar_trials.report.html import ReportInputs, write_report
from avatar_trials.report.tables import format_readout

__all__ = ["ReportInputs", "format_readout", "write_report"]
