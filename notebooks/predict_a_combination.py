# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Predict a combination
#
# Twelve avatars had two drugs alone. What would both together do? This foresees it, with reasons, and then looks at
# the mice that had both. They are mice of the synthetic panel, so at the end we can even look at the truth.
#
# **One arm of twelve synthetic avatars is no evidence.** How well such predictions do on measured mice, twelve
# combinations in three tumour types, with all failures, is in `interactions/record.md`.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import avatar_trials as at

folder = Path("out_notebooks")
design = at.load_design("melanoma_braf_mek")
panel = at.load_panel("melanoma_synthetic")
avatars = panel.avatars.index[:12]

# %% [markdown]
# ## A posterior that never saw the combination
#
# `your_own_volumes.py` calibrated the twelve avatars on untreated mice and on mice under each drug alone. If it has
# not run, the same is done here (a minute or two).

# %%
posterior_file = folder / "pilot_posterior.nc"
if posterior_file.is_file():
    posterior = at.read_netcdf(posterior_file, kind="posterior")
else:
    card = at.load_model("exponential")
    brief = card.sampling.model_copy(update={"tune": 500, "draws": 2000})
    alone = panel.select(avatars=avatars, arms=["untreated", "encorafenib", "binimetinib"])
    posterior = at.calibrate_avatars(alone, card.model_copy(update={"sampling": brief}), seed=1, say=print)
at.require_passed(at.gates_of(posterior))
print("calibrated on:", posterior.attrs["arms"])

# %% [markdown]
# ## What the drugs are to each other
#
# Nothing in mice under single drugs says whether the drugs help or hinder each other. Their pathways do, a little: an
# *interaction card* has a prior for drugs on one pathway, on parallel ones, and so on, and where other combinations
# of other drugs were given, their mice sharpen it. Here there is only one combination, so the card's prior is all
# there is, and the interval is wide. That width is the honest part.

# %%
interactions = at.load_interactions("pathways")
everyone = panel.select(avatars=avatars, arms=design.measured_arms)
foreseen = at.predict_combinations(posterior, everyone, design, interactions, draws=400)

# %% [markdown]
# ## Several ways to foresee it
#
# Beside the main predictor stand plain rules. *Additive log-kill* lets the kills add up (Bliss independence of
# cells). *Latent best single agent* gives each avatar the drug that is better for it (independent action). *Best
# single agent per avatar* takes the better of the two **mice** an avatar had, which flatters: the better of two is in
# part the luckier.

# %%
rows = foreseen.arms[foreseen.arms["quantity"] == "ORR_pct"].set_index("predictor")
mice = at.response_table(everyone, rule=design.endpoints.mrecist_rule, doubling=design.endpoints.doubling)
arm = foreseen.arms["arm"].iloc[0]
observed = 100 * mice[mice["arm"] == arm]["category"].isin(["CR", "PR"]).mean()

figure, axis = plt.subplots(figsize=(8, 3.2), layout="constrained")
places = np.arange(len(rows))
latent = ["observed mice" not in method for method in rows["method"]]
axis.hlines(places, rows["lower_90"], rows["upper_90"], color=np.where(latent, "#332288", "#999999"))
axis.scatter(rows["predicted"], places, color=np.where(latent, "#332288", "#999999"), zorder=3)
axis.axvline(observed, color="#cc6677", label=f"the twelve mice under both: {observed:.0f} %")
axis.set_yticks(places, rows.index)
axis.invert_yaxis()
axis.set(xlim=(-3, 103), xlabel="ORR, %, with 90 % intervals; grey: from observed mice alone", title=arm)
axis.legend(loc="lower left", fontsize=8)
plt.show()

# %% [markdown]
# ## Avatar by avatar, and no further than that
#
# A rate of an arm is one thing, which avatars respond another. For each avatar there is a probability of response,
# with its mouse's call beside it. Neither table can be worked out from the other.

# %%
by_avatar = foreseen.avatars[["avatar", "p_response", "depth_pct", "observed_category"]]
print(
    by_avatar.sort_values("p_response", ascending=False).to_string(index=False, float_format="{:.2f}".format)
)

# %% [markdown]
# ## More than the better drug?
#
# A combination can beat both its drugs and be no synergy at all: each avatar may simply have had the drug that is
# better for it. So the mice under both are held against *independent action* on the latent curves.

# %%
verdict = foreseen.verdicts.iloc[0]
print(
    f"{arm}: {verdict['verdict']} (probability {verdict['p_beats_independent_action']:.2f} that it is more)"
)
print(f"What cannot be told: {verdict['cannot_tell']}.")

# %% [markdown]
# ## The truth, for once
#
# The panel was drawn from known parameters. The exponent of its combination, log 0.16, is near additive (0), and
# hardly to be told from it by twelve mice. What the twelve mice say of it, against the prior:

# %%
weights = foreseen.weights
figure, axis = plt.subplots(figsize=(7, 2.8), layout="constrained")
axis.fill_between(weights["eta"], weights["prior"], color="#bbbbbb", label="prior of the pathway", step="mid")
axis.step(
    weights["eta"], weights["with_its_mice"], where="mid", color="#332288", label="with the twelve mice"
)
axis.axvline(0.165, color="#cc6677", label="truth of the panel")
axis.set(xlabel="interaction: synergy < 0 (additive) < stronger drug alone", ylabel="probability")
axis.set_yticks([])
axis.legend(fontsize=8)
plt.show()

# %% [markdown]
# The panel's tumours have resistant clones, which the pilot's card (a steady kill) does not know: a misfit of this
# kind biases what is read off the mice, and no interval above includes it. On the command line the same, with scores,
# is `avatar-trials predict-combination melanoma_braf_mek`.
