"""Make the embedded synthetic melanoma panel and its truth: `uv run python tools/make_panel.py`.

33 avatars, 18 of them BRAF-mutant, one mouse each on the arms of trial_designs/melanoma_braf_mek.toml. Population
parameters are one draw from the priors of models/two_clone.toml; nothing in the panel is measured on an animal.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from avatar_trials.card_files import load_design, load_model
from avatar_trials.emulate.panel import synthetic_panel
from avatar_trials.intake import write_tidy
from avatar_trials.stamp import write_atomic

ROOT = Path(__file__).resolve().parent.parent
SEED = 3
N_AVATARS = 33
N_BRAF_MUTANT = 18
TRUTH_NOTE = "# avatar-trials synthetic panel: the truth it was drawn from"


def main() -> None:
    """Write the panel and its truth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "avatar_trials" / "panels")
    folder: Path = parser.parse_args().folder
    design = load_design(ROOT / "trial_designs" / "melanoma_braf_mek.toml")
    card = load_model(ROOT / "models" / "two_clone.toml")
    panel = synthetic_panel(
        card,
        design.arm_names,
        n_avatars=N_AVATARS,
        n_biomarker=N_BRAF_MUTANT,
        tumor_type=design.cohort.tumor_types[0],
        stopping=design.stopping,
        seed=SEED,
    )
    write_tidy(panel.table, folder / "melanoma_synthetic.csv")
    truth = pd.concat([panel.population.assign(avatar=""), panel.avatars])[
        ["parameter", "avatar", "drug", "value"]
    ]
    text = f"{TRUTH_NOTE}\n{truth.to_csv(index=False, float_format='%.10g', lineterminator='\n')}"
    write_atomic(folder / "melanoma_synthetic_truth.csv", lambda file: file.write_text(text, "utf-8"))
    print(f"{len(panel.table.rows)} volumes of {len(panel.table.mice)} mice in {folder}")


if __name__ == "__main__":
    main()
