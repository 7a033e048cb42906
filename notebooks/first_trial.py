# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # A first trial
#
# An *avatar* is a patient's tumour carried in mice. In a 1×1×1 trial each avatar gives **one mouse to each arm**.
# Here we run such a trial, of melanoma avatars under two drugs and both together, without a single volume of our own:
# the avatars are new ones, drawn from a *population* that was calibrated on measured melanoma mice and travels with
# the program. It takes seconds. What you learn is how far one trial of 33 avatars can be trusted.

# %%
import matplotlib.pyplot as plt
import numpy as np

import avatar_trials as at
from avatar_trials import plots

design = at.load_design("melanoma_braf_mek").model_copy(update={"replicates": 200})
population = at.load_population("pdxe_cm")
print(design.question)
print("arms:", ", ".join(design.arm_names))

# %% [markdown]
# ## Avatars, then mice
#
# `cohort_for` draws the avatars that the design asks for: as many as were calibrated, anew in each of 200 replicate
# trials. Each replicate takes one joint draw of what is not known of the population, so that this doubt is in every
# interval below. `emulate_trials` gives each avatar one mouse an arm, reads it with a caliper twice a week, and lets
# mice leave as they do: for size, at the end, or removed before.

# %%
cohort = at.cohort_for(population, design)
trial = at.emulate_trials(cohort, design)
print({str(dim): size for dim, size in trial.sizes.items()})

# %% [markdown]
# ## What the trial says
#
# Estimates are medians over the replicate trials, intervals hold 90 % of them. Response is mRECIST under a named
# rule: its definitions differ between papers, and results under two rules must not be compared.

# %%
rules = {"rule": design.endpoints.mrecist_rule, "doubling": design.endpoints.doubling}
readout = at.readout_trial(trial, **rules, level=design.endpoints.level)
print("mRECIST rule", rules["rule"], "and doubling", rules["doubling"])
shown = readout[readout["endpoint"].isin(["ORR", "DCR", "depth_of_response_pct", "time_to_doubling_days"])]
print(shown.drop(columns=["method", "level"]).to_string(index=False, float_format="{:.3g}".format))

# %%
plots.forest(readout)["ORR"].figure

# %%
plots.kaplan_meier(trial)["encorafenib"].figure

# %% [markdown]
# ## One trial is one draw of luck
#
# A real study is *one* of these 200. Response rates move in steps of a thirty-third, and a rate of 15 % in one study
# is 6 % or 24 % in the next, of the same drug. So ask of each replicate what a reader of that study would have asked:
# by how much does the combination beat the better of its single drugs?

# %%
single_drugs, combination = design.arm_names[1:3], design.arm_names[3]
responded = at.trial_response(trial, **rules)["category"].isin(["CR", "PR"]).mean("avatar")
better_drug = responded.sel(arm=single_drugs).max("arm")
advantage = 100 * (responded.sel(arm=combination) - better_drug).values
low, middle, high = np.quantile(advantage, [0.05, 0.5, 0.95])
print(f"advantage in ORR: {middle:.0f} points, 90 % of studies between {low:.0f} and {high:.0f}")
print(f"studies in which the combination does not beat the better drug: {np.mean(advantage <= 0):.0%}")

# %%
figure, axis = plt.subplots(figsize=(7, 3), layout="constrained")
step = 100 / trial.sizes["avatar"]
axis.hist(advantage, bins=np.arange(-3.5, 15.5) * step, color="#332288")
axis.axvline(0, color="black", linewidth=0.8)
axis.set(
    xlabel="ORR of the combination less that of the better drug, percentage points",
    ylabel="studies of 200",
    title=f"The same question, asked of 200 studies of {trial.sizes['avatar']} avatars",
)
plt.show()

# %% [markdown]
# The drugs are the same in every bar: what differs is which avatars came, which mouse stood for each, and what the
# calibration does not know. (And "the better drug" of a study is in part the luckier one, which costs the combination
# a point or two.) How many avatars make the answer sure is asked in `choose_n.py`.
#
# **What this is not.** The avatars are new: none is a patient or a mouse of the study that the population was learnt
# from. No number here says what a *patient* would do; `populations_and_individuals.py` shows why.
