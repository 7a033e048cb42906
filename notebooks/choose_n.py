# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # How many avatars?
#
# A design, before any mouse is bought: two drugs alone, both together, one mouse per avatar and arm. How many avatars
# make it likely that the trial says what is true? There are two answers to that, power and assurance, and two
# questions behind it, one about arms and one about patients.

# %%
import matplotlib.pyplot as plt
import pandas as pd

import avatar_trials as at
from avatar_trials import plots

population = at.load_population("pdxe_cm")
design = at.load_design("melanoma_braf_mek")
print(design.question)
print(f"one-sided alpha {design.decision.alpha:g}; the combination must beat each of its drugs alone")

# %% [markdown]
# ## Worlds
#
# Nobody knows what is true, so the sweep plays several worlds. In `posterior` each trial has a truth of its own,
# drawn from what the calibration leaves open: the share of trials that succeed is the **assurance**. In
# `posterior_mean` the truth is always the best guess: the share is the **power**. In `no_difference` the combination
# is no better than a drug of its own: every success is an error.

# %%
numbers = [10, 20, 30, 50, 80]
plan = at.plan_sweep(
    "melanoma_braf_mek",
    {"cohort.n_avatars": numbers},
    population.isel(draw=slice(None, None, 5)),
    worlds=["posterior", "posterior_mean", "no_difference"],
    n_trials=500,
)
table = at.sweep_table(plan, at.run_sweep(plan, trials=500))

# %%
next(iter(plots.power(table, ["cohort.n_avatars"]).values())).figure

# %% [markdown]
# ## What the endpoint costs
#
# The same mice, three questions. A response is a yes or a no, and throws away how deep it was; depth and time to
# doubling keep it, and need fewer avatars. The smallest numbers tried that reach 80 %, with `clearly` where Monte
# Carlo error leaves no doubt:

# %%
smallest = pd.concat([at.smallest_n(table, 0.8, quantity) for quantity in ("power", "assurance")])
smallest = smallest[smallest["against"] == "all single agents"]
print(
    smallest[["quantity", "endpoint", "test", "n_avatars", "estimate", "se", "clearly"]].to_string(
        index=False
    )
)

# %% [markdown]
# ## Power is not assurance
#
# Power asks of the best guess alone: enough avatars always find what it says. Assurance averages over truths, those
# in which the combination does little among them, so where power is high assurance is lower, and it levels off at the
# probability that there is anything to be found: no number of avatars buys more than that. Plan by power, and you
# promise too much. Where the two lie far apart, it is the calibration that is lacking, and not mice.

# %%
compared = table[(table["against"] == "all single agents") & table["quantity"].isin(["power", "assurance"])]
wide = compared.pivot(index=["endpoint", "n_avatars"], columns="quantity", values="estimate")
errors = table[(table["world"] == "no_difference") & (table["quantity"] == "type_I_error")]
print(wide.to_string(float_format="{:.2f}".format))
worst = errors.loc[errors["estimate"].idxmax()]
print(
    f"\ntype-I errors: {len(errors)}, the largest {worst['estimate']:.3f} (Monte Carlo error {worst['se']:.3f})"
)

# %% [markdown]
# ## And for patients?
#
# To rank arms is one aim, to foretell patients another, and numbers buy only the first. Here is agreement with
# *assumed* patients by number of avatars, for a weak and a strong likeness of avatar and patient.

# %%
all_arms = at.load_design("melanoma_all_arms")
patients = at.load_design("columbus_melanoma").patients
with_patients = all_arms.model_copy(
    update={"arms": all_arms.arms[:10], "patients": patients, "replicates": 60}
)
needed = at.avatars_needed(
    population, with_patients, numbers=[10, 20, 50, 100], correlations=[0.3, 0.9], mice=[1, 3]
)

figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
for axis, measure, title in zip(
    axes, ("Spearman_RMST_PFS", "AUC"), ("Ranks of arms", "Patients told apart within arms"), strict=True
):
    for (rho, mice), line in needed[needed["measure"] == measure].groupby(
        ["latent_correlation", "mice_per_avatar"]
    ):
        axis.plot(
            line["n_avatars"],
            line["value"],
            linestyle="-" if mice == 1 else "--",
            color="#332288" if rho > 0.5 else "#999999",
            marker="o",
            label=f"correlation {rho:g}, {mice} mice each",
        )
        if mice == 1:
            axis.fill_between(line["n_avatars"], line["lower"], line["upper"], color="#332288", alpha=0.07)
    axis.set(xscale="log", xlabel="avatars", title=title)
    axis.set_xticks([10, 20, 50, 100], ["10", "20", "50", "100"])
    axis.minorticks_off()
axes[0].set_ylabel("Spearman (left), AUC (right)")
axes[1].legend(fontsize=8)
plt.show()

# %% [markdown]
# More avatars narrow both bands. They raise the left curve and leave the right one where it is: how well one avatar
# speaks for one patient does not depend on how many others there are. More *mice* of each avatar help there, a
# little, and a better likeness helps most.
#
# On the command line: `avatar-trials sweep melanoma_braf_mek --vary cohort.n=10,20,50,100`, and `avatar-trials
# avatars-needed columbus_melanoma --population pdxe_cm`.
