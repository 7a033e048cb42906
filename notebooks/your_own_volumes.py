# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Bring your own volumes
#
# From a spreadsheet with mistakes in it to calibrated avatars. The spreadsheet here is made from the synthetic panel
# of the program: twelve avatars, untreated and under two drugs alone, with two mistakes of the kind that slip into
# every such table. Put your own file in its place. The sampling takes a minute or two; its posterior is kept in
# `out_notebooks/`, and `predict_a_combination.py` goes on from it.

# %%
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import avatar_trials as at
from avatar_trials import plots

folder = Path("out_notebooks")
folder.mkdir(exist_ok=True)

# %% [markdown]
# ## The spreadsheet
#
# One row a measurement; day 0 is the start of treatment, volumes are in mm³, and 0 means too small to measure.

# %%
panel = at.load_panel("melanoma_synthetic")
pilot = panel.select(avatars=panel.avatars.index[:12], arms=["untreated", "encorafenib", "binimetinib"])
rows = [
    [row.avatar, row.arm, row.mouse, f"{row.day:g}", f"{row.volume_mm3:g}", "CM"]
    for row in pilot.rows.itertuples()
]
rows[4][4] = "l35.2"  # a letter l where a 1 was meant
rows.insert(41, [*rows[40][:4], "260.5", "CM"])  # one mouse, one day, two volumes

spoilt = folder / "my_volumes.csv"
header = ["avatar", "arm", "mouse", "day", "volume_mm3", "tumor_type"]
with spoilt.open("w", newline="") as file:
    csv.writer(file).writerows([header, *rows])
print(*spoilt.read_text().splitlines()[:7], sep="\n")

# %% [markdown]
# ## All problems at once
#
# `check_volumes` lists everything it finds, with line, column and remedy, and repairs nothing in silence. On the
# command line the same is `avatar-trials check my_volumes.csv`.

# %%
for problem in at.check_volumes(spoilt):
    print(f"{problem.severity:7} line {problem.line}: {problem.what}. {problem.fix}")

# %% [markdown]
# A file with an error in it is not read, however small the error:

# %%
try:
    at.read_volumes(spoilt)
except at.InputError as refused:
    print(f"refused, problems: {len(refused.problems)}")

# %% [markdown]
# So go back to the cage cards, and mend the table.

# %%
rows[4][4] = rows[4][4].replace("l", "1")
del rows[41]
mended = folder / "my_volumes_mended.csv"
with mended.open("w", newline="") as file:
    csv.writer(file).writerows([header, *rows])
table = at.read_volumes(mended)
print(f"{len(table.avatars)} avatars, {len(table.mice)} mice, {len(table.rows)} volumes")
print(*table.notices or ["no remarks"], sep="\n")

# %% [markdown]
# ## Which mice responded?
#
# No model is needed for that, but a rule is, and it is named. `pct_sheet` is the one that reproduces the calls
# published with the PDX Encyclopedia; the wording of the paper itself (`gao2015_text`) calls some mice otherwise.

# %%
calls = at.response_table(table, rule="pct_sheet", doubling="pct_sheet")
other = at.response_table(table, rule="gao2015_text", doubling="pct_sheet")
print(calls.groupby(["arm", "category"]).size().unstack(fill_value=0).to_string())
changed = calls["category"] != other["category"]
print(f"\nmice whose call the other rule changes: {changed.sum()} of {len(calls)}")

# %% [markdown]
# ## Calibrate
#
# A model card holds the choices: kinetics, priors, how long to sample, what must hold before a number is read. A card
# of your own may be a few lines that extend one of the library. This pilot takes the simplest kinetics, growth less a
# steady kill, because it is quick; it cannot say that a tumour comes back. For a real study take `graded_kill` (some
# ten minutes).

# %%
card_file = folder / "pilot.toml"
card_file.write_text("""\
schema_version = 1
extends = "exponential"
name = "pilot"
title = "Growth less a steady kill, sampled briefly"
kinetics = "exponential"

[sampling]
chains = 4
tune = 500
draws = 2000
target_accept = 0.95
""")
card = at.load_model(card_file)
posterior = at.calibrate_avatars(table, card, seed=1, say=print)

# %% [markdown]
# ## Gates, before any number is read
#
# Chains that disagree, or too few effective draws of *any* of the hundreds of parameters, and the program refuses:
# here with the sentence below instead of the one you hope for. (On the command line it stops with exit code 4.)

# %%
gates = at.gates_of(posterior)
print(gates[["check", "value", "limit", "passed"]].to_string(index=False))
at.require_passed(gates)
at.write_netcdf(posterior, folder / "pilot_posterior.nc")

# %% [markdown]
# ## Does the model know your mice?
#
# Each panel is one mouse: its volumes as dots, and what the calibrated model expects of that very mouse. Growth is
# drawn on a logarithmic axis, where a steady rate is a straight line. Look for dots that leave their band: under
# encorafenib SYN-002 falls below detection (triangles), stays there for weeks and grows back. A steady kill cannot do
# that, and the model takes it for wander. This is the reason to calibrate with a richer card before anything is read
# off.

# %%
shown = list(table.avatars.index[:5])
panels = plots.posterior_predictive(posterior, avatars=shown)
panels[shown[0], "encorafenib"].figure

# %% [markdown]
# ## What was learnt, and what was brought along
#
# Contraction is the share of the prior's variance that the data took away. Near 1 the volumes speak; below 0.3 you
# would be reading the prior, and the program prints no estimate. With twelve avatars much of the population is prior.

# %%
learnt = at.population_parameters(posterior["posterior"].to_dataset(), card, 0.9)
learnt = learnt.sort_values("contraction")
figure, axis = plt.subplots(figsize=(7, 0.28 * len(learnt) + 1), layout="constrained")
told = learnt["contraction"] >= 0.3
axis.barh(learnt["name"], np.maximum(learnt["contraction"], 0), color=np.where(told, "#332288", "#bbbbbb"))
axis.axvline(0.3, color="black", linewidth=0.8, linestyle="--")
axis.set(
    xlim=(0, 1), xlabel="contraction of the prior", title="Grey: these twelve avatars say next to nothing"
)
plt.show()
