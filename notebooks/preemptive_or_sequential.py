# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Both drugs from the start, or one after the other?
#
# The first drug shrinks the tumour, a clone that resists it grows back, and then one gives the second drug. Or one
# gives both at once, before any clone is seen: *preemptive* treatment. Which holds longer? The answer depends on what
# is counted, and one common way of counting is not fair.
#
# **Everything in this notebook is assumed, nothing calibrated**: growth, kill and the shares of resistant cells are
# typical numbers written down in the design, and volumes of mice cannot tell where resistance came from.

# %%
import matplotlib.pyplot as plt
import numpy as np

import avatar_trials as at
from avatar_trials import plots

design = at.load_strategies("melanoma_preemptive_vs_sequential").model_copy(update={"n_avatars": 400})
print(design.question)
print(*design.strategy_names, sep="\n")

# %% [markdown]
# ## The same avatars under every strategy
#
# Each avatar has one tumour and one run of luck, and goes through all strategies with them, so that differences are
# paired. A strategy decides by what is observed (a caliper, twice a week) and never by the true tumour: a switch
# comes at *observed* progression, days after the true one.

# %%
followed = at.compare_strategies(design)
scores, differences = at.score_strategies(followed, design.reference, seed=design.seed)
print(followed.attrs["scenario"])

# %% [markdown]
# ## First progression flatters the combination
#
# Progression-free survival (PFS) ends at the *first* progression. For both drugs at once that is the end of the whole
# strategy. For a sequence it is the end of its first half: a drug is still to come. Compare first progressions, and a
# strategy with all its drugs spent is held against one with half of them in hand.

# %%
wanted = ["PFS_mean_days", "strategy_failure_mean_days", "drug_days"]
table = scores[scores["endpoint"].isin(wanted)].pivot(index="strategy", columns="endpoint", values="estimate")
print(table.loc[design.strategy_names, wanted].round(0).to_string())

# %%
plots.strategy_curves(followed, strategies=["encorafenib, then binimetinib", "both from the start"])[
    "PFS"
].figure

# %% [markdown]
# So ask for the difference twice, once for each clock. Here is every strategy against the sequence, paired by avatar,
# up to the end of the study, with 90 % intervals over avatars.

# %%
clocks = {
    "PFS_mean_days": "to first progression",
    "strategy_failure_mean_days": "until the whole strategy failed",
}
names = [name for name in design.strategy_names if name != design.reference]
figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
for shift, (endpoint, label), colour in zip(
    (-0.12, 0.12), clocks.items(), ("#999999", "#332288"), strict=True
):
    rows = differences[differences["endpoint"] == endpoint].set_index("strategy").loc[names]
    places = np.arange(len(names)) + shift
    axis.hlines(places, rows["lower"], rows["upper"], color=colour)
    axis.plot(rows["difference"], places, "o", color=colour, label=label)
axis.axvline(0, color="black", linewidth=0.8)
axis.set_yticks(range(len(names)), names)
axis.invert_yaxis()
axis.set(xlabel=f"mean days gained over {design.reference!r}")
axis.legend(title="counted", loc="upper center", bbox_to_anchor=(0.3, -0.2), ncols=2, frameon=False)
plt.show()

# %%
gain = differences.set_index(["strategy", "endpoint"])["difference"]
first, whole = (gain["both from the start", endpoint] for endpoint in clocks)
print(
    f"both from the start: {first:+.0f} days by first progression, {whole:+.0f} by the whole strategy's failure"
)

# %% [markdown]
# ## Why it depends on a cell that resists both
#
# The shares of clones over time say what each strategy lost to. A sequence selects cells that resist the first drug,
# then those that resist the second. Both drugs at once leave only cells that resist both.

# %%
chosen = ["encorafenib", "encorafenib, then binimetinib", "both from the start"]
plots.clones(followed, strategies=chosen)[chosen[0]].figure

# %% [markdown]
# How many of these there were on the first day, one in 100,000 here, is an assumption. Let it be a hundred times
# fewer or more, all else the same:

# %%
*others, resists_both = design.tumour.clones
for share in (1e-7, 1e-5, 1e-3):
    rarer = resists_both.model_copy(
        update={"share": resists_both.share.model_copy(update={"location": share})}
    )
    tumour = design.tumour.model_copy(update={"clones": (*others, rarer)})
    assumed = design.model_copy(update={"tumour": tumour})
    _, found = at.score_strategies(at.compare_strategies(assumed), design.reference, seed=design.seed)
    row = found[
        (found["strategy"] == "both from the start") & (found["endpoint"] == "strategy_failure_mean_days")
    ]
    gained, lower, upper = row[["difference", "lower", "upper"]].iloc[0]
    print(f"one in {1 / share:,.0f}: both from the start gains {gained:+.0f} days [{lower:.0f}, {upper:.0f}]")

# %% [markdown]
# What was decided by a rare cell cannot be read off the volumes of a mouse before it happens. So the program calls
# all of this a scenario, and leaves the number to you.
#
# `avatar-trials compare-strategies melanoma_preemptive_vs_sequential` does the same with a thousand avatars and
# writes every table; `avatar-trials list` names the presets, systems known from the literature with the checks that
# they pass.
