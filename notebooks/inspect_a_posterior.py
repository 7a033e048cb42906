# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # Inspect a posterior
#
# `posterior.nc` is an ordinary ArviZ file. This looks into one with ArviZ 1.x: is it sound, what was learnt of the
# population, and what of a single avatar?
#
# Set `AVATAR_TRIALS_POSTERIOR` to the `posterior.nc` of your run. Without it this reads the small frozen posterior
# that the tests use: synthetic avatars, no finding of any kind.

# %%
import os
from pathlib import Path

import arviz as az
import matplotlib.pyplot as plt
import numpy as np

import avatar_trials as at

project = Path.cwd() if Path("tests").is_dir() else Path.cwd().parent
frozen = project / "tests" / "fixtures" / "frozen_posterior.nc"
file = Path(os.environ.get("AVATAR_TRIALS_POSTERIOR", frozen))
tree = at.read_netcdf(file, kind="posterior")
print(file.name, "SYNTHETIC" if tree.attrs["synthetic"] else "measured volumes", tree.attrs["model_card"])

# %% [markdown]
# Since ArviZ 1.0 a posterior is an xarray `DataTree`: groups in a tree, `tree["posterior"]` one of them, and
# `tree["posterior"].dataset` a plain xarray dataset. `read_netcdf` checks every byte against the file's checksum
# first.

# %%
for name, group in tree.children.items():
    dims = ", ".join(f"{dim} {size}" for dim, size in group.dataset.sizes.items())
    print(f"{name:22} {len(group.dataset.data_vars):3} variables    {dims}")
posterior = tree["posterior"].dataset

# %% [markdown]
# ## Gates
#
# Before any number is read. They were taken when the chains were whole, over *every* parameter of every mouse. A file
# may hold fewer draws than were sampled (this frozen one has 25 a chain), so do not judge convergence by ESS from the
# file alone: `at.gates_of` has what was recorded.

# %%
gates = at.gates_of(tree)
print(gates[["check", "value", "limit", "passed"]].to_string(index=False))

# %% [markdown]
# ## Population parameters
#
# They are on the scales of the model card: logs of rates, logits of shares. Mind ArviZ's new defaults: `az.summary`
# gives **89 % equal-tailed intervals** (`eti89`), no longer 94 % highest-density ones. Say which you want, and say it
# in print.

# %%
card = at.load_model(tree.attrs["model_card"])
population = [name for name in card.priors if name in posterior]
print(f"defaults: {az.rcParams['stats.ci_prob']:.0%} {az.rcParams['stats.ci_kind']}")
summary = az.summary(tree, var_names=population, kind="stats", ci_prob=0.9, ci_kind="eti")
print(summary.to_string())

# %% [markdown]
# An interval alone does not say whether it is the data's or the prior's. Here is each parameter's prior (grey) beside
# its posterior: where the two are the same, the volumes said nothing, and the program leaves the estimate out of its
# tables.

# %%
learnt = at.population_parameters(posterior, card, 0.9).set_index("name")
scalars = [name for name in learnt.index if name in posterior and posterior[name].dims == ("chain", "draw")]
n_rows = -(-len(scalars) // 5)
figure, grid = plt.subplots(n_rows, 5, figsize=(11, 1.5 * n_rows), layout="constrained")
for axis in grid.flat:
    axis.set_axis_off()
for axis, name in zip(grid.flat, scalars, strict=False):
    draws, prior = posterior[name].values.ravel(), card.priors[name].law
    places = np.linspace(*prior.ppf([0.001, 0.999]), 200)
    axis.set_axis_on()
    axis.fill_between(places, prior.pdf(places), color="#bbbbbb")
    axis.hist(draws, bins=12, density=True, color="#332288", alpha=0.6)
    axis.set(yticks=[])
    axis.set_title(f"{name}: contraction {learnt.loc[name, 'contraction']:.2f}", fontsize=8)
plt.show()

# %% [markdown]
# ## One avatar
#
# Growth and kill of an avatar are known as well as its few mice tell, and what they do not tell is filled in from the
# other avatars. ArviZ draws them from the tree as it is; rates are logs of 1/day.

# %%
drawn = az.plot_forest(tree, var_names=["log_r"], combined=True, ci_kind="eti")
plt.show()

# %%
name = str(posterior["avatar"].values[0])
one = posterior[["log_r", "log_kill"]].sel(avatar=name).stack(sample=("chain", "draw"))
rates = {"growth": one["log_r"]} | {str(drug): one["log_kill"].sel(drug=drug) for drug in one["drug"].values}
for label, values in rates.items():
    low, middle, high = np.exp(np.quantile(values, [0.05, 0.5, 0.95]))
    print(f"{name} {label:12} {middle:.3f}/day, 90 % interval {low:.3f} to {high:.3f}")

# %% [markdown]
# ## New mice of that avatar
#
# What is known of the avatar, the luck of a mouse and the error of the caliper, all together: twenty emulated mice an
# arm. (For a posterior of other drugs, name your design.)

# %%
design = at.load_design("melanoma_braf_mek").model_copy(update={"replicates": 20})
trial = at.emulate_trials(at.cohort_for(tree, design, avatars=[name]), design)
figure, axes = plt.subplots(1, trial.sizes["arm"], figsize=(11, 2.8), sharey=True, layout="constrained")
for axis, arm in zip(axes, trial["arm"].values, strict=True):
    axis.plot(
        trial["day"], trial["volume_mm3"].sel(arm=arm).squeeze("avatar").T, color="#332288", alpha=0.4, lw=0.8
    )
    axis.set(title=str(arm), xlabel="day")
axes[0].set_ylabel(f"volume of {name}, mm³")
plt.show()
