# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown]
# # First look at a posterior
#
# What was learnt of the population, what one avatar looks like, and a small trial emulated from it.
#
# Set `AVATAR_TRIALS_POSTERIOR` to the `posterior.nc` of your run (and `AVATAR_TRIALS_TRIAL` to its `trial.nc`). Without
# them this reads the small frozen posterior that the tests use: synthetic avatars, no finding of any kind.

# %%
import json
import os
from pathlib import Path

import arviz as az
import matplotlib.pyplot as plt
import numpy as np

import avatar_trials as at

project = Path.cwd() if Path("tests").is_dir() else Path.cwd().parent
frozen = project / "tests" / "fixtures" / "frozen_posterior.nc"
posterior_file = Path(os.environ.get("AVATAR_TRIALS_POSTERIOR", frozen))
tree = at.read_netcdf(posterior_file, kind="posterior")
posterior = tree["posterior"].dataset
print(posterior_file.name, dict(posterior.sizes), "SYNTHETIC" if tree.attrs["synthetic"] else "")

# %% [markdown]
# ## Gates
#
# Before any number is read: R-hat and effective sample size over *every* parameter. Divergences alone diagnose
# nothing here.

# %%
gates = json.loads(tree.attrs["gates"])
for check, value, limit, passed in zip(
    gates["check"], gates["value"], gates["limit"], gates["passed"], strict=True
):
    print(f"{'passed' if passed else 'FAILED':7} {check:20} {value:9.4g}  must be {limit}")

# %% [markdown]
# ## Population parameters
#
# On the scales of the card: logs of rates, logits of shares. `posterior[name].attrs` has unit and meaning.

# %%
card = at.load_model(tree.attrs["model_card"])
population = [name for name in card.priors if name in posterior]
summary = az.summary(tree, var_names=population)
print(summary.to_string())

# %% [markdown]
# ## One avatar
#
# Growth and kill of an avatar are known as well as its few mice tell. Kill is the drive before the clearance limit.

# %%
name = str(posterior["avatar"].values[0])
one = posterior[["log_r", "log_kill"]].sel(avatar=name).stack(sample=("chain", "draw"))
rates = {"growth": one["log_r"]} | {str(drug): one["log_kill"].sel(drug=drug) for drug in one["drug"].values}
for label, values in rates.items():
    low, middle, high = np.exp(np.quantile(values, [0.05, 0.5, 0.95]))
    print(f"{name} {label:12} {middle:.3f}/day, 90 % interval {low:.3f} to {high:.3f}")

# %% [markdown]
# ## A small trial
#
# One posterior draw a replicate, a new mouse for every avatar and arm.

# %%
design = at.load_design("melanoma_braf_mek")
trial_file = os.environ.get("AVATAR_TRIALS_TRIAL")
if trial_file:
    trial = at.read_netcdf(trial_file, kind="trial")
else:
    trial = at.emulate_trials(at.cohort_from_posterior(tree, 50, seed=design.seed), design)
rules = json.loads(trial.attrs["endpoints"])
readout = at.readout_trial(
    trial, rule=rules["mrecist_rule"], doubling=rules["doubling"], level=rules["level"]
)
shown = readout[readout["endpoint"].isin(["ORR", "DCR", "depth_of_response_pct", "time_to_doubling_days"])]
print(shown.drop(columns=["method", "level"]).to_string(index=False, float_format="{:.3g}".format))

# %% [markdown]
# The mice of this avatar in the first 20 replicates: parameter uncertainty, mouse luck and caliper together.

# %%
figure, axes = plt.subplots(1, trial.sizes["arm"], figsize=(11, 2.8), sharey=True, layout="constrained")
for axis, arm in zip(np.atleast_1d(axes), trial["arm"].values, strict=True):
    mice = trial["volume_mm3"].sel(avatar=name, arm=arm).isel(trial=slice(20))
    axis.plot(trial["day"], mice.T, color="tab:blue", alpha=0.4, linewidth=0.8)
    axis.set(title=str(arm), xlabel="day")
np.atleast_1d(axes)[0].set_ylabel("volume, mm³")
plt.show()
