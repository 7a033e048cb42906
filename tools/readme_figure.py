"""The figure of README.md: arms of a trial of new avatars, drawn from a population that comes with the program.

uv run python tools/readme_figure.py
"""

from __future__ import annotations

from pathlib import Path

import avatar_trials as at
from avatar_trials import plots

FILE = Path(__file__).resolve().parent.parent / "docs" / "arms.png"


def main() -> None:
    """Emulate the design's trials and write the figure."""
    design = at.load_design("melanoma_braf_mek")
    population = at.load_population("pdxe_cm")
    trial = at.emulate_trials(at.cohort_for(population, design), design)
    readout = at.readout_trial(trial, rule=design.endpoints.mrecist_rule, doubling=design.endpoints.doubling)
    axes = plots.forest(readout, arms=design.arm_names)
    figure = next(iter(axes.values())).get_figure(root=True)
    assert figure is not None
    figure.savefig(FILE, dpi=110, bbox_inches="tight", metadata={"Software": None})
    print(f"Written: {FILE}")


if __name__ == "__main__":
    main()
